//! A Sigstore of our own: an authority that certifies workflows, and a public log with one entry in it.
//!
//! What it signs is what `actions/attest` and cosign make, byte for byte in the same forms, under other roots.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hubcheck::model::{CommitSha, Digest, RepoId};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SigningKey as _, date_time_ymd,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Who vouches for workflows of GitHub's.
pub(crate) const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// What is signed.
const STATEMENT: &str = "application/vnd.in-toto+json";
/// When the entries of the log were made: 2026-01-01.
const LOGGED_AT: i64 = 1_767_225_600;

/// An authority with its log.
pub(crate) struct Sigstore {
    authority: CertifiedIssuer<'static, KeyPair>,
    log: KeyPair,
}

/// What a certificate says of the workflow that signs.
pub(crate) struct Workflow<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) repo: RepoId,
    pub(crate) source: &'a str,
    pub(crate) commit: &'a CommitSha,
}

/// A statement with its signature.
struct Signed {
    payload: String,
    signature: String,
    certificate: rcgen::Certificate,
}

impl Sigstore {
    pub(crate) fn new() -> Self {
        Self {
            authority: new_authority(),
            log: KeyPair::generate().unwrap(),
        }
    }

    /// From now on another authority certifies; the log stays what it was.
    pub(crate) fn usurp(&mut self) {
        self.authority = new_authority();
    }

    /// What believes in it, in Sigstore's own form.
    pub(crate) fn root(&self) -> String {
        let since = json!({ "start": "2025-01-01T00:00:00Z" });
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(self.log.subject_public_key_info()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": since,
                },
                "logId": { "keyId": STANDARD.encode(self.log_id()) },
            }],
            "certificateAuthorities": [{
                "subject": { "organization": "example", "commonName": "example" },
                "uri": "https://authority.example",
                "certChain": { "certificates": [{ "rawBytes": STANDARD.encode(self.authority.der()) }] },
                "validFor": since,
            }],
            "ctlogs": [],
            "timestampAuthorities": [],
        })
        .to_string()
    }

    /// A bundle as `actions/attest` makes them, about `subject`.
    pub(crate) fn bundle(&self, workflow: &Workflow<'_>, subject: &Digest) -> Value {
        let signed = self.sign(workflow, subject);
        let body = log_body(&signed);
        let root = Sha256::new_with_prefix([0]).chain_update(&body).finalize();
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": STANDARD.encode(signed.certificate.der()) },
                "tlogEntries": [{
                    "logIndex": "0",
                    "logId": { "keyId": STANDARD.encode(self.log_id()) },
                    "kindVersion": { "kind": "dsse", "version": "0.0.1" },
                    "integratedTime": LOGGED_AT.to_string(),
                    "inclusionPromise": { "signedEntryTimestamp": self.promise(&body) },
                    "inclusionProof": {
                        "logIndex": "0",
                        "treeSize": "1",
                        "rootHash": STANDARD.encode(root),
                        "hashes": [],
                        "checkpoint": { "envelope": self.checkpoint(&STANDARD.encode(root)) },
                    },
                    "canonicalizedBody": STANDARD.encode(&body),
                }],
            },
            "dsseEnvelope": envelope(&signed),
        })
    }

    /// The same in cosign's older way: an envelope, and the annotations of its layer.
    pub(crate) fn cosigned(&self, workflow: &Workflow<'_>, subject: &Digest) -> (Value, Value) {
        let signed = self.sign(workflow, subject);
        let body = log_body(&signed);
        let entry = json!({
            "SignedEntryTimestamp": self.promise(&body),
            "Payload": {
                "body": STANDARD.encode(&body),
                "integratedTime": LOGGED_AT,
                "logIndex": 0,
                "logID": hex::encode(self.log_id()),
            },
        });
        let annotations = json!({
            "dev.sigstore.cosign/certificate": signed.certificate.pem(),
            "dev.sigstore.cosign/chain": self.authority.pem(),
            "dev.sigstore.cosign/bundle": entry.to_string(),
        });
        (envelope(&signed), annotations)
    }

    fn sign(&self, workflow: &Workflow<'_>, subject: &Digest) -> Signed {
        let hex = subject.as_str().strip_prefix("sha256:").unwrap();
        let payload = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": "docker.io/acme/app", "digest": { "sha256": hex } }],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        })
        .to_string();
        let key = KeyPair::generate().unwrap();
        let encoded = format!(
            "DSSEv1 {} {STATEMENT} {} {payload}",
            STATEMENT.len(),
            payload.len()
        );
        Signed {
            signature: STANDARD.encode(key.sign(encoded.as_bytes()).unwrap()),
            certificate: self.certify(workflow, &key),
            payload,
        }
    }

    fn certify(&self, workflow: &Workflow<'_>, key: &KeyPair) -> rcgen::Certificate {
        let name = format!("{}/.github/workflows/build.yml@refs/heads/main", workflow.source);
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.not_before = date_time_ymd(2025, 12, 31);
        params.not_after = date_time_ymd(2026, 1, 2);
        params.custom_extensions = [
            (8, workflow.issuer.to_owned()),
            (12, workflow.source.to_owned()),
            (13, workflow.commit.to_string()),
            (15, workflow.repo.0.to_string()),
        ]
        .map(|(number, text)| claim(number, &text))
        .to_vec();
        params.signed_by(key, &self.authority).unwrap()
    }

    fn log_id(&self) -> Vec<u8> {
        Sha256::digest(self.log.subject_public_key_info()).to_vec()
    }

    /// The log's promise to take an entry in. The keys stand in the order of RFC 8785.
    fn promise(&self, body: &[u8]) -> String {
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{LOGGED_AT},"logID":"{}","logIndex":0}}"#,
            STANDARD.encode(body),
            hex::encode(self.log_id()),
        );
        STANDARD.encode(self.log.sign(promised.as_bytes()).unwrap())
    }

    /// The log's word that its tree, of one entry, has this root.
    fn checkpoint(&self, root: &str) -> String {
        let note = format!("log.example - 1\n1\n{root}\n");
        let mut signature = self.log_id()[..4].to_vec();
        signature.extend(self.log.sign(note.as_bytes()).unwrap());
        format!("{note}\n\u{2014} log.example {}\n", STANDARD.encode(signature))
    }
}

/// An extension of the certificate, as Fulcio numbers them, with a DER `UTF8String` in it.
fn claim(number: u64, text: &str) -> CustomExtension {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 128, "a longer text has another form: {text}");
    let content = [&[0x0c, length], text.as_bytes()].concat();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, number], content)
}

fn envelope(signed: &Signed) -> Value {
    json!({
        "payload": STANDARD.encode(&signed.payload),
        "payloadType": STATEMENT,
        "signatures": [{ "sig": signed.signature, "keyid": "" }],
    })
}

fn new_authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2035, 1, 1);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The log's entry.
fn log_body(signed: &Signed) -> Vec<u8> {
    let hash = |text: &str| json!({ "algorithm": "sha256", "value": hex::encode(Sha256::digest(text)) });
    json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": hash(&envelope(signed).to_string()),
            "payloadHash": hash(&signed.payload),
            "signatures": [{
                "signature": signed.signature,
                "verifier": STANDARD.encode(signed.certificate.pem()),
            }],
        },
    })
    .to_string()
    .into_bytes()
}
