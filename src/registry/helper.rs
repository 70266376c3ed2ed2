//! Docker's credential helpers: programs that keep the accounts of `docker login` elsewhere.
//! The protocol: <https://github.com/docker/docker-credential-helpers>.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::docker_config::Account;

/// How long a helper may take: one that waits for a person never answers.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long its answer is good: helpers of clouds hand out accounts of an hour.
const LIFE: Duration = Duration::from_mins(5);

/// No account is longer.
const MAX_BYTES: u64 = 64 << 10;

/// What helpers say where they keep no account.
const NONE_KEPT: &str = "credentials not found";

/// A user name that means that the password is a token of another kind, which registries do not take as one.
const IDENTITY_TOKEN: &str = "<token>";

/// A helper, by what follows `docker-credential-` in its program's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Helper(String);

/// What a helper prints.
#[derive(Deserialize)]
struct Kept {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

impl Helper {
    /// `None`: no program can be called so.
    pub(super) fn named(name: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (!name.is_empty() && name.bytes().all(is_plain)).then(|| Self(name.to_owned()))
    }

    fn program(&self) -> String {
        format!("docker-credential-{}", self.0)
    }

    async fn ask(&self, server: &str) -> Result<Option<Account>, String> {
        let program = self.program();
        let answer = tokio::time::timeout(TIMEOUT, answer(&program, server)).await;
        let (succeeded, answer) = answer
            .map_err(|_| format!("{program} did not answer within {} s", TIMEOUT.as_secs()))?
            .map_err(|error| format!("{program} cannot be run: {error}"))?;
        if !succeeded {
            let is_none = answer.contains(NONE_KEPT);
            // Its own words may hold anything.
            return if is_none {
                Ok(None)
            } else {
                Err(format!("{program} failed"))
            };
        }
        let kept: Kept =
            serde_json::from_str(&answer).map_err(|_| format!("{program} did not answer with an account"))?;
        if kept.username == IDENTITY_TOKEN {
            return Err(format!("{program} keeps an identity token, which is no password"));
        }
        let is_usable = !kept.username.is_empty() && !kept.secret.is_empty();
        Ok(is_usable.then(|| Account {
            username: kept.username,
            password: kept.secret.into(),
        }))
    }
}

/// Whether it succeeded, and what it printed.
async fn answer(program: &str, server: &str) -> std::io::Result<(bool, String)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read what it is asked for fails by itself.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_BYTES).read_to_string(&mut text).await?;
    }
    Ok((child.wait().await?.success(), text))
}

/// What helpers answered, by helper and server.
type Answers = HashMap<(Helper, String), (Instant, Result<Option<Account>, String>)>;

/// Asks helpers, and remembers for a while what they said.
#[derive(Default)]
pub(super) struct Helpers(Mutex<Answers>);

impl Helpers {
    /// The account that a helper keeps for a server in Docker's words.
    pub(super) async fn account(&self, helper: &Helper, server: &str) -> Option<Account> {
        let key = (helper.clone(), server.to_owned());
        if let Some((at, known)) = self.answers().get(&key)
            && at.elapsed() < LIFE
        {
            return known.clone().ok().flatten();
        }
        let answer = helper.ask(server).await;
        if let Err(why) = &answer {
            tracing::warn!(%why, server, "a credential helper does not help");
        }
        self.answers().insert(key, (Instant::now(), answer.clone()));
        answer.ok().flatten()
    }

    /// What went wrong when a helper was asked last.
    pub(super) fn trouble(&self, helper: &Helper, server: &str) -> Option<String> {
        let answers = self.answers();
        let (_, answer) = answers.get(&(helper.clone(), server.to_owned()))?;
        answer.as_ref().err().cloned()
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helpers_name_leads_nowhere_else() {
        for good in ["desktop", "ecr-login", "secretservice", "osxkeychain", "gcloud"] {
            assert!(Helper::named(good).is_some(), "{good}");
        }
        for bad in ["", "../../bin/sh", "a b", "a;b", "/bin/sh"] {
            assert!(Helper::named(bad).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_helper_that_is_not_installed_is_said_by_name() {
        let helpers = Helpers::default();
        let helper = Helper::named("no-such-helper-at-all").unwrap();
        assert!(helpers.account(&helper, "r.example").await.is_none());
        let why = helpers.trouble(&helper, "r.example").unwrap();
        assert!(
            why.starts_with("docker-credential-no-such-helper-at-all cannot be run"),
            "{why}"
        );
    }
}
