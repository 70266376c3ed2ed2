//! cosign's older way: an envelope in a layer, and all else in the layer's annotations.
//! <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

/// PEM, in an annotation.
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// The entry in the public log, in an annotation.
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LogEntry {
    signed_entry_timestamp: String,
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    /// Base64.
    body: String,
    integrated_time: i64,
    log_index: i64,
    /// Hexadecimal.
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    kind: String,
    api_version: String,
}

/// The same as a bundle. `None`: it is not all there, or not what it should be.
pub fn bundle(envelope: &[u8], annotations: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    let envelope: Value = serde_json::from_slice(envelope).ok()?;
    let certificate = first_certificate(annotations.get(CERTIFICATE)?)?;
    let entry: LogEntry = serde_json::from_str(annotations.get(LOG_ENTRY)?).ok()?;
    let payload = entry.payload;
    let body: Body = serde_json::from_slice(&STANDARD.decode(&payload.body).ok()?).ok()?;
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {
            "x509CertificateChain": { "certificates": [{ "rawBytes": certificate }] },
            "tlogEntries": [{
                "logIndex": payload.log_index.to_string(),
                "logId": { "keyId": STANDARD.encode(hex::decode(&payload.log_id).ok()?) },
                "kindVersion": { "kind": body.kind, "version": body.api_version },
                "integratedTime": payload.integrated_time.to_string(),
                "inclusionPromise": { "signedEntryTimestamp": entry.signed_entry_timestamp },
                "canonicalizedBody": payload.body,
            }],
        },
        "dsseEnvelope": envelope,
    });
    Some(bundle.to_string().into_bytes())
}

/// The Base64 of the first of several: the signer's own.
fn first_certificate(pem: &str) -> Option<String> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    Some(body.split_whitespace().collect())
}
