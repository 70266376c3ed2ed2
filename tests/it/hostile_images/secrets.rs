//! Images that print our secrets, however they came by them: none is stored or shown.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hubcheck::config::Config;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Seen, judged, judged_without};
use crate::support::house::{ADMIN, House};

/// The values that are put into the configuration.
const REGISTRY: &str = "registry/pass+word?&x~1";
const HOOK: &str = "hook-secret-5f6a";
const HOOK_TOKEN: &str = "operator-token-91b2";
const WEBHOOK: &str = "an older webhook secret";
const CLIENT: &str = "client-secret-77e1";
const MASKED: &str = "npm_0123456789abcdefghijklmnopqrstuvwxyz";

fn fill(config: &mut Config) {
    let secret = |text: &str| SecretString::from(text);
    let other = hubcheck::config::Registry {
        username: Some("bot".to_owned()),
        password: Some(secret(REGISTRY)),
        ..hubcheck::config::Registry::default()
    };
    config.registries.insert("registry.example".to_owned(), other);
    config.hooks.secret.push(secret(HOOK));
    config.hooks.tokens.insert("ci".to_owned(), secret(HOOK_TOKEN));
    config.github.webhook_secret.push(secret(WEBHOOK));
    config.github.client_secret = Some(secret(CLIENT));
    config.images[0]
        .env
        .insert("NODE_AUTH_TOKEN".to_owned(), secret(MASKED));
}

/// Every value, among them the lines of the App's key.
fn secrets(key: &SecretString) -> Vec<String> {
    let lines = key.expose_secret().lines();
    let key = lines.filter(|line| line.len() > 20 && !line.starts_with('-'));
    [REGISTRY, HOOK, HOOK_TOKEN, WEBHOOK, CLIENT, MASKED, ADMIN]
        .into_iter()
        .chain(key)
        .map(str::to_owned)
        .collect()
}

/// The secret's own part in the base64 of a text that it stands in.
fn own_part(encoded: &str, before: usize, secret: &str) -> String {
    let (first, last) = ((before * 4).div_ceil(3), (before + secret.len()) * 4 / 3);
    encoded[first..last].to_owned()
}

/// The secret as programs print it, and what of it must be seen nowhere.
fn disguises(secret: &str) -> Vec<(String, String)> {
    let whole = |text: String| (text.clone(), text);
    let mut disguises = vec![
        whole(secret.to_owned()),
        whole(hex::encode(secret)),
        whole(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect()),
    ];
    for before in ["", "a", "ab"] {
        for engine in [STANDARD, URL_SAFE] {
            let text = engine.encode(format!("{before}{secret}!"));
            let own = own_part(&text, before.len(), secret);
            disguises.push((text, own));
        }
    }
    disguises
}

fn assert_hidden(seen: &Seen, hidden: &[String]) {
    let everything = seen.everything();
    for hidden in hidden {
        assert!(!everything.contains(hidden), "{hidden} in {everything}");
    }
}

#[tokio::test]
async fn our_secrets_are_hidden_plain_and_encoded_wherever_they_are_printed() {
    let house = House::with(fill).await;
    let key = house.github.config().unwrap().private_key.unwrap();
    let disguises: Vec<(String, String)> = secrets(&key)
        .iter()
        .flat_map(|secret| disguises(secret))
        .collect();
    let lines: Vec<&str> = disguises.iter().map(|(text, _)| text.as_str()).collect();
    let script = format!("cat <<'THE_END'\n{}\nTHE_END\nexit 1", lines.join("\n"));
    let seen = judged(&house, &script).await;
    assert!(seen.log.contains("***") && seen.shown.summary().contains("***"));
    let hidden: Vec<String> = disguises.into_iter().map(|(_, hidden)| hidden).collect();
    assert_hidden(&seen, &hidden);
    house.close().await;
}

#[tokio::test]
async fn a_secret_printed_in_two_halves_is_hidden() {
    let house = House::with(fill).await;
    let (first, second) = MASKED.split_at(MASKED.len() / 2);
    let script =
        format!("printf 'it is {first}'; sleep 1; echo '{second}, see'; printf {MASKED} | busybox base64");
    let seen = judged(&house, &script).await;
    assert!(seen.log.starts_with("it is ***, see\n"), "{}", seen.log);
    let hidden = [
        first.to_owned(),
        second.to_owned(),
        STANDARD.encode(&MASKED[..12]),
    ];
    assert_hidden(&seen, &hidden);
    house.close().await;
}

#[tokio::test]
async fn a_secret_in_a_label_or_in_the_name_of_a_program_is_hidden_in_the_verdict_and_in_the_store() {
    let house = House::with(fill).await;
    let seen = judged_without(&house, &format!("/run-{HOOK_TOKEN}")).await;
    assert!(seen.title().contains("/run-***"), "{}", seen.title());
    let id = seen.shown.check.external_id.clone().unwrap();
    let api = house.operators_json(&format!("/api/v1/runs/{id}")).await;
    assert!(!api.to_string().contains(HOOK_TOKEN), "{api}");
    assert_hidden(&seen, &[HOOK_TOKEN.to_owned()]);
    let stored = house.stored();
    let is_stored = |text: &str| stored.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(is_stored("/run-***") && !is_stored(HOOK_TOKEN));
    house.close().await;
}
