//! Who may do what: the App's own token, installation tokens with their hour, and permissions.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rand::distr::{Alphanumeric, SampleString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ledger::Caller;
use super::limits::HOURLY_LIMIT;
use super::records::RepoState;
use super::refusal::{Refusal, Reply};
use super::world::{Access, Permissions, World};
use crate::model::{InstallationId, RepoId};

/// The public half of the App's key: what the simulated GitHub keeps.
const PUBLIC_KEY: &str = include_str!("demo-key.pub.pem");
const ARCHIVED: &str = "Repository was archived so is read-only.";
const SUSPENDED: &str = "This installation has been suspended";
/// How long an installation token lives.
const TOKEN_LIFE: Duration = Duration::from_hours(1);
/// How far ahead an App token may end.
const LONGEST_APP_TOKEN_S: i64 = 600;
/// How far off the App's clock may be.
const LEEWAY_S: i64 = 60;
/// The random part of an installation token: about as long as GitHub's are today.
const TOKEN_LENGTH: usize = 508;

/// An installation token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    text: String,
    pub(super) installation: InstallationId,
    permissions: Permissions,
    /// `None`: all of the account's.
    repos: Option<Vec<RepoId>>,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    iat: Option<Value>,
    exp: Option<Value>,
    iss: Value,
}

/// What a token may be narrowed to.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Narrowing {
    repositories: Option<Vec<String>>,
    repository_ids: Option<Vec<i64>>,
    permissions: Option<Permissions>,
}

impl World {
    /// Whom the `Authorization` header shows, for the ledger.
    pub(super) fn caller(&self, authorization: Option<&str>) -> Caller {
        match authorization {
            None => Caller::Nobody,
            Some(text) if self.check_app(Some(text)).is_ok() => Caller::App,
            Some(text) => self
                .token(Some(text))
                .map_or(Caller::Refused, |token| Caller::Installation(token.installation)),
        }
    }

    /// Is this the App's own token: signed by its key, for it, and of now?
    pub(super) fn check_app(&self, authorization: Option<&str>) -> Result<(), Refusal> {
        let refuse = |message: &str| Refusal::new(StatusCode::UNAUTHORIZED, message);
        let text = bearer(authorization)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(PUBLIC_KEY.as_bytes())
            .map_err(|_| refuse("Integration must generate a public key"))?;
        let claims = jsonwebtoken::decode::<Claims>(text, &key, &validation)
            .map_err(|_| refuse("A JSON web token could not be decoded"))?
            .claims;
        let now = self.now().as_second();
        let issued = claims.iat.as_ref().and_then(Value::as_i64);
        if issued.is_none_or(|issued| issued > now + LEEWAY_S) {
            return Err(refuse(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued.",
            ));
        }
        let ends = claims.exp.as_ref().and_then(Value::as_i64);
        match ends {
            Some(ends) if ends > now + LONGEST_APP_TOKEN_S + LEEWAY_S => {
                Err(refuse("'Expiration time' claim ('exp') is too far in the future"))
            }
            Some(ends) if ends > now => {
                let number = claims.iss.as_u64();
                let number = number.or_else(|| claims.iss.as_str()?.parse().ok());
                let is_client = claims.iss.as_str() == Some(self.app.client_id.as_str());
                (number == Some(self.app.id) || is_client)
                    .then_some(())
                    .ok_or_else(|| refuse("A JSON web token could not be decoded"))
            }
            _ => Err(refuse(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            )),
        }
    }

    fn token(&self, authorization: Option<&str>) -> Result<&Token, Refusal> {
        let text = bearer(authorization)?;
        let now = self.now();
        self.tokens
            .iter()
            .find(|token| token.text == text && token.expires_at > now)
            .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "Bad credentials"))
    }

    /// An installation's budget of requests in an hour, and what is left of it.
    pub(super) fn budget(&self, authorization: Option<&str>) -> Result<(usize, usize), Refusal> {
        let installation = self.token(authorization)?.installation;
        let used = self.used(installation);
        Ok((HOURLY_LIMIT, HOURLY_LIMIT.saturating_sub(used)))
    }

    /// The repositories that an installation's token reaches.
    pub(super) fn visible_repos(
        &self,
        authorization: Option<&str>,
    ) -> Result<impl Iterator<Item = &RepoState>, Refusal> {
        let token = self.token(authorization)?;
        Ok(self.repos.iter().filter(|repo| self.sees(token, repo)))
    }

    fn sees(&self, token: &Token, repo: &RepoState) -> bool {
        let installation = self.installations.iter().find(|one| one.id == token.installation);
        installation.is_some_and(|one| one.owner.eq_ignore_ascii_case(repo.name.owner()))
            && token.repos.as_ref().is_none_or(|repos| repos.contains(&repo.id))
    }

    /// May the bearer do this in this repository? What a token cannot see does not exist for it.
    pub(super) fn check_access(
        &self,
        authorization: Option<&str>,
        repo: RepoId,
        permission: &str,
        access: Access,
    ) -> Result<(), Refusal> {
        let token = self.token(authorization)?;
        let mut installations = self.installations.iter();
        if installations.any(|one| one.id == token.installation && one.is_suspended) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, SUSPENDED));
        }
        let sees = self.repo_by_id(repo).is_some_and(|state| self.sees(token, state));
        if !sees {
            return Err(Refusal::not_found());
        }
        let granted = token.permissions.get(permission).copied();
        if granted < Some(access) {
            return Err(Refusal::not_permitted(permission, access));
        }
        let is_archived = self.repo_by_id(repo).is_some_and(|state| state.is_archived);
        if is_archived && access == Access::Write {
            return Err(Refusal::new(StatusCode::FORBIDDEN, ARCHIVED));
        }
        Ok(())
    }

    /// `POST /app/installations/{id}/access_tokens`
    pub(super) fn mint_token(&mut self, id: InstallationId, body: &Value) -> Result<Reply, Refusal> {
        let Some(installation) = self.installations.iter().find(|one| one.id == id).cloned() else {
            return Err(Refusal::not_found());
        };
        if installation.is_suspended {
            return Err(Refusal::new(StatusCode::FORBIDDEN, SUSPENDED));
        }
        let narrowing: Narrowing = match body {
            Value::Null => Narrowing::default(),
            body => serde_json::from_value(body.clone()).map_err(Refusal::schema)?,
        };
        let permissions = narrowing
            .permissions
            .unwrap_or_else(|| installation.permissions.clone());
        if permissions
            .iter()
            .any(|(name, access)| installation.permissions.get(name) < Some(access))
        {
            return Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The permissions requested are not granted to this installation.",
            ));
        }
        let repos = self.narrowed(
            &installation.owner,
            narrowing.repositories,
            narrowing.repository_ids,
        )?;
        let token = Token {
            text: format!(
                "ghs_{}_{}",
                self.app.id,
                Alphanumeric.sample_string(&mut rand::rng(), TOKEN_LENGTH)
            ),
            installation: id,
            permissions,
            repos,
            expires_at: self.now() + TOKEN_LIFE,
        };
        let answer = json!({
            "token": token.text,
            "expires_at": whole_seconds(token.expires_at),
            "permissions": token.permissions,
            "repository_selection": if token.repos.is_some() { "selected" } else { "all" },
        });
        self.tokens.push(token);
        Ok(Reply::created(answer))
    }

    fn narrowed(
        &self,
        owner: &str,
        names: Option<Vec<String>>,
        ids: Option<Vec<i64>>,
    ) -> Result<Option<Vec<RepoId>>, Refusal> {
        if names.is_none() && ids.is_none() {
            return Ok(None);
        }
        let own = || {
            let repos = self.repos.iter();
            repos.filter(|repo| repo.name.owner().eq_ignore_ascii_case(owner))
        };
        let by_name = names
            .unwrap_or_default()
            .into_iter()
            .map(|name| own().find(|repo| repo.name.name().eq_ignore_ascii_case(&name)));
        let by_id = ids
            .unwrap_or_default()
            .into_iter()
            .map(|id| own().find(|repo| repo.id == RepoId(id)));
        by_name
            .chain(by_id)
            .map(|found| found.map(|repo| repo.id))
            .collect::<Option<Vec<_>>>()
            .map(Some)
            .ok_or_else(|| {
                Refusal::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "There is at least one repository that does not exist or is not accessible to the parent installation.",
                )
            })
    }
}

fn bearer(authorization: Option<&str>) -> Result<&str, Refusal> {
    authorization
        .and_then(|text| {
            text.strip_prefix("Bearer ")
                .or_else(|| text.strip_prefix("token "))
        })
        .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "Requires authentication"))
}

/// RFC 3339 without a fraction, as GitHub writes times.
pub(super) fn whole_seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}
