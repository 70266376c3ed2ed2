//! The App's private key, in any form that people paste: PEM as it is, with `\n` escapes, on one
//! line, quoted, with Windows line ends, or base64 of any of these. A key that cannot be used is
//! refused with the cause, and never shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::EncodingKey;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Why a text is not the App's private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing there.
    #[error("it is empty: download a private key from the App's settings page at GitHub")]
    Empty,
    /// The path of a file in the place of its contents.
    #[error("it looks like the path of a file: set `private_key_file` to it instead of `private_key`")]
    Path,
    /// Something else.
    #[error("it is not PEM: it should start with `-----BEGIN RSA PRIVATE KEY-----`")]
    NotPem,
    /// The beginning or the middle of a key.
    #[error("it is cut off: the line `-----END … PRIVATE KEY-----` is missing")]
    CutOff,
    /// The wrong half.
    #[error("it is a public key or a certificate: GitHub keeps that half, the App needs the private one")]
    Public,
    /// A key with a passphrase.
    #[error("it is encrypted with a passphrase: GitHub's keys are not, use the file as downloaded")]
    Encrypted,
    /// A key of another kind.
    #[error("it is not an RSA key: use the file as downloaded from the App's settings page at GitHub")]
    NotRsa,
    /// PEM on the outside, rubbish within.
    #[error("its contents are damaged: use the file as downloaded from the App's settings page at GitHub")]
    Damaged,
}

/// Reads the key.
pub(super) fn parse(text: &str) -> Result<EncodingKey, KeyError> {
    let text = unquoted(text);
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    let pem = if text.contains(BEGIN) {
        tidy(text)?
    } else {
        let decoded = decoded(text).filter(|inner| inner.contains(BEGIN));
        tidy(unquoted(&decoded.ok_or_else(|| not_pem(text))?))?
    };
    EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyError::Damaged)
}

fn unquoted(text: &str) -> &str {
    let text = text.trim_start_matches('\u{feff}').trim();
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text)
        .trim()
}

/// The text that this is the base64 of, on one line or on many.
fn decoded(text: &str) -> Option<String> {
    let digits: String = text.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(digits).ok()?).ok()
}

fn not_pem(text: &str) -> KeyError {
    let is_pem_file = std::path::Path::new(text).extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("pem") || extension.eq_ignore_ascii_case("key")
    });
    let is_path = is_pem_file || text.starts_with(['/', '~', '.']) || text.contains(":\\");
    if is_path && !text.contains('\n') {
        KeyError::Path
    } else {
        KeyError::NotPem
    }
}

/// The same PEM with the line ends that PEM has, whatever became of them on the way.
fn tidy(text: &str) -> Result<String, KeyError> {
    let text = text.replace("\\r", "").replace("\\n", "\n");
    let (_, rest) = text.split_once(BEGIN).ok_or(KeyError::NotPem)?;
    let (label, rest) = rest.split_once(DASHES).ok_or(KeyError::CutOff)?;
    let (body, _) = rest.split_once(END).ok_or(KeyError::CutOff)?;
    match label {
        "RSA PRIVATE KEY" | "PRIVATE KEY" if !body.contains("ENCRYPTED") => {}
        "RSA PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
        label if label.contains("PUBLIC KEY") || label.contains("CERTIFICATE") => {
            return Err(KeyError::Public);
        }
        _ => return Err(KeyError::NotRsa),
    }
    let digits: Vec<char> = body.chars().filter(|letter| !letter.is_whitespace()).collect();
    let lines: Vec<String> = digits.chunks(64).map(|line| line.iter().collect()).collect();
    Ok(format!(
        "{BEGIN}{label}{DASHES}\n{}\n{END}{label}{DASHES}\n",
        lines.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::github::DEMO_PRIVATE_KEY as PEM;

    fn refused(text: &str) -> KeyError {
        parse(text).err().unwrap()
    }

    /// PKCS#8 wraps PKCS#1: version, algorithm, and the old form as an octet string.
    fn pkcs8() -> String {
        let body: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
        let pkcs1 = STANDARD.decode(body).unwrap();
        let long = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82][..], &length, content].concat()
        };
        let algorithm = hex::decode("020100300d06092a864886f70d0101010500").unwrap();
        let wrapped = long(0x30, &[algorithm, long(0x04, &pkcs1)].concat());
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
            STANDARD.encode(wrapped)
        )
    }

    #[test]
    fn pem_as_it_is_is_read() {
        assert!(parse(PEM).is_ok());
    }

    #[test]
    fn pkcs8_is_read_as_well() {
        assert!(parse(&pkcs8()).is_ok());
    }

    #[test]
    fn escaped_line_ends_are_undone() {
        assert!(parse(&PEM.replace('\n', "\\n")).is_ok());
        assert!(parse(&PEM.replace('\n', "\\r\\n")).is_ok());
    }

    #[test]
    fn quotes_are_taken_off() {
        assert!(parse(&format!("\"{}\"", PEM.replace('\n', "\\n"))).is_ok());
        assert!(parse(&format!("'{PEM}'\n")).is_ok());
    }

    #[test]
    fn windows_line_ends_and_a_single_line_are_understood() {
        assert!(parse(&PEM.replace('\n', "\r\n")).is_ok());
        assert!(parse(&PEM.replace('\n', " ")).is_ok());
    }

    #[test]
    fn base64_of_pem_is_decoded() {
        let base64 = STANDARD.encode(PEM);
        assert!(parse(&base64).is_ok());
        let (first, second) = base64.split_at(76);
        assert!(parse(&format!("{first}\n{second}\n")).is_ok());
    }

    #[test]
    fn a_path_is_named_as_such() {
        for path in [
            "/etc/hubcheck/key",
            "./app.pem",
            "app.private-key.pem",
            "C:\\keys\\app.pem",
        ] {
            assert_eq!(refused(path), KeyError::Path, "{path}");
        }
        assert!(KeyError::Path.to_string().contains("private_key_file"));
    }

    #[test]
    fn every_other_refusal_names_its_cause() {
        assert_eq!(refused("  "), KeyError::Empty);
        assert_eq!(refused("hunter2"), KeyError::NotPem);
        assert_eq!(refused(&PEM[..400]), KeyError::CutOff);
        assert_eq!(refused(&PEM.replace("MII", "AAA")), KeyError::Damaged);
        assert_eq!(refused(&pkcs8().replace("PRIVATE", "PUBLIC")), KeyError::Public);
        assert_eq!(
            refused(&pkcs8().replace("PRIVATE", "ENCRYPTED PRIVATE")),
            KeyError::Encrypted
        );
        assert_eq!(refused(&PEM.replace("RSA", "OPENSSH")), KeyError::NotRsa);
    }
}
