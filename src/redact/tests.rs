//! Nothing secret passes, whatever pieces it comes in, and nothing else is touched.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

/// With everything in it that encoders treat in different ways.
const SECRET: &str = "pä55/w+rd?~ & <so> on";

fn redactor(secrets: &[&str]) -> Redactor {
    let secrets: Vec<SecretString> = secrets.iter().map(|&secret| secret.into()).collect();
    Redactor::new(&secrets).unwrap()
}

/// Sends `text` through in pieces that end at `cuts`.
fn in_pieces(redactor: &Redactor, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = redactor.stream();
    let mut passed = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    for piece in cuts.windows(2) {
        passed.extend(stream.push(Bytes::copy_from_slice(&text[piece[0]..piece[1]])));
        assert!(stream.held.len() < 10 * SECRET.len(), "held back for too long");
    }
    passed.extend(stream.finish());
    passed
}

/// `secret` as other programs would print it, and a part of that which must not be seen.
fn encodings(secret: &str, before: &str) -> Vec<(String, String)> {
    let whole = |text: String| (format!("{before}{text}"), text);
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut encodings = vec![
        whole(secret.to_owned()),
        whole(hex::encode(secret)),
        whole(hex::encode_upper(secret)),
        whole(form.to_lowercase()),
        whole(form),
    ];
    for engine in [STANDARD, URL_SAFE, URL_SAFE_NO_PAD] {
        let text = engine.encode(format!("{before}{secret} and more"));
        // What stands for the secret alone, by the same arithmetic read off a longer text.
        let (first, last) = (
            (before.len() * 4).div_ceil(3),
            (before.len() + secret.len()) * 4 / 3,
        );
        let seen = text[first..last].to_owned();
        encodings.push((text, seen));
    }
    encodings
}

#[test]
fn what_stood_there_is_masked_and_all_else_is_kept() {
    let redactor = redactor(&[SECRET, "another one", "tiny"]);
    for (text, passed) in [
        (format!("a {SECRET} b"), "a *** b"),
        (format!("{SECRET}{SECRET}"), "******"),
        ("is another one there? tiny".to_owned(), "is *** there? tiny"),
        ("another on".to_owned(), "another on"),
        (String::new(), ""),
    ] {
        assert_eq!(redactor.text(&text), passed);
    }
}

#[test]
fn of_secrets_that_overlap_nothing_is_left() {
    let redactor = redactor(&["abcdef", "defghi", "abcdefghijkl"]);
    assert_eq!(redactor.text("<abcdefghi>"), "<***>");
    assert_eq!(redactor.text("<abcdefghijk>"), "<***jk>");
    assert_eq!(redactor.text("<abcdefghijkl>"), "<***>");
}

#[test]
fn a_line_break_hides_no_secret_and_an_empty_line_ends_one() {
    let redactor = redactor(&["abcdef"]);
    assert_eq!(redactor.text("x\nabc\ndef\r\ny\r\n"), "x\n***\r\ny\r\n");
    assert_eq!(redactor.text("abc\r\ndef"), "***");
    assert_eq!(redactor.text("abc\n\ndef"), "abc\n\ndef");
    assert_eq!(redactor.text("abc\rdef"), "abc\rdef");
}

#[test]
fn each_line_of_a_key_is_hidden_and_its_name_is_not() {
    let key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nq83vEjRWeJCr\n-----END KEY-----\n";
    let redactor = redactor(&[key]);
    assert_eq!(
        redactor.text(key),
        "-----BEGIN KEY-----\n***\n***\n-----END KEY-----\n"
    );
    assert_eq!(redactor.text("it begins MIIEowIBAAKCAQEA"), "it begins ***");
    assert!(
        !redactor
            .text(&STANDARD.encode(key))
            .contains("TUlJRW93SUJBQUtDQVFFQ")
    );
}

#[test]
fn what_is_no_beginning_passes_at_once() {
    let redactor = redactor(&["abcdef"]);
    let mut stream = redactor.stream();
    assert_eq!(stream.push("ready\n".into()), "ready\n");
    assert_eq!(stream.push("ready abc".into()), "ready ");
    assert_eq!(stream.push("!".into()), "abc!");
    assert_eq!(stream.push("abcd".into()), "");
    assert_eq!(stream.push("ef".into()), "***");
    assert_eq!(stream.finish(), "");
}

#[test]
fn it_never_shows_what_it_hides() {
    assert_eq!(format!("{:?}", redactor(&[SECRET])), "Redactor");
}

proptest! {
    #[test]
    fn no_secret_passes_however_it_is_encoded_and_cut(
        before in "[a-z ]{0,7}",
        after in "[a-z \n]{0,7}",
        wrap in 4_usize..80,
        cuts in proptest::collection::vec(0_usize..400, 0..8),
    ) {
        let redactor = redactor(&[SECRET]);
        for (text, seen) in encodings(SECRET, &before) {
            let wrapped: Vec<String> = text
                .chars()
                .collect::<Vec<_>>()
                .chunks(wrap)
                .map(|line| line.iter().collect())
                .collect();
            for (text, line_break) in [(text, ""), (wrapped.join("\n"), "\n"), (wrapped.join("\r\n"), "\r\n")] {
                let text = format!("{text}{after}");
                let passed = in_pieces(&redactor, text.as_bytes(), &cuts);
                let passed = String::from_utf8(passed).unwrap();
                prop_assert!(!passed.replace(line_break, "").contains(&seen), "{text:?} gave {passed:?}");
                prop_assert!(passed.contains(MASK), "{text:?} gave {passed:?}");
                // Neither what stands around it nor the cuts change anything.
                prop_assert_eq!(&passed, &redactor.text(&text));
                prop_assert!(passed.ends_with(&after));
            }
        }
    }

    #[test]
    fn what_holds_no_secret_passes_unchanged(
        text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), b'a'..=b'e', any::<u8>()], 0..200),
        cuts in proptest::collection::vec(0_usize..400, 0..8),
    ) {
        let redactor = redactor(&["abcdefg", "dddddddddddd"]);
        prop_assert_eq!(in_pieces(&redactor, &text, &cuts), text);
    }

    #[test]
    fn cuts_change_nothing_among_many_beginnings(
        text in "[ab\r\n]{0,60}",
        cuts in proptest::collection::vec(0_usize..400, 0..8),
    ) {
        let redactor = redactor(&["abababab", "babbab", "aaaaaa", "bbabba"]);
        let passed = in_pieces(&redactor, text.as_bytes(), &cuts);
        prop_assert_eq!(String::from_utf8(passed).unwrap(), redactor.text(&text));
    }
}
