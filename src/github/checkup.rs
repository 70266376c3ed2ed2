//! What is asked when something is wrong: whether GitHub knows the App, and as what.

use std::collections::BTreeMap;

use super::error::GithubError;
use super::limits;
use super::transport::Request;
use super::{AppInfo, GitHub, wire};
use crate::model::InstallationId;

/// The App in an account, as GitHub has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The installation.
    pub installation: InstallationId,
    /// The account.
    pub account: String,
    /// What it may do there: `checks` → `write`.
    pub permissions: BTreeMap<String, String>,
    /// What it is told of there.
    pub events: Vec<String>,
    /// Is it suspended there?
    pub is_suspended: bool,
}

/// What is left of an installation's budget of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests in an hour.
    pub limit: u64,
    /// Those left.
    pub remaining: u64,
}

impl GitHub {
    /// [`GitHub::app`], with how many seconds GitHub's clock is ahead of this machine's, where it says.
    pub async fn checkup(&self) -> Result<(AppInfo, Option<i64>), GithubError> {
        let request = Request::get("/app".to_owned());
        let answer = self.inner.app.send(&self.inner.api, &request).await?;
        let app: wire::App = wire::read(&request, &answer)?;
        let ahead = limits::date(&answer.headers).map(|date| date - self.inner.app.now_s());
        Ok((app.into(), ahead))
    }

    /// The App whose key this is, by the other name that it has: its client id.
    pub async fn app_of_client(&self, client_id: &str) -> Result<AppInfo, GithubError> {
        let request = Request::get("/app".to_owned());
        let answer = self
            .inner
            .app
            .send_as(client_id, &self.inner.api, &request)
            .await?;
        Ok(wire::read::<wire::App>(&request, &answer)?.into())
    }

    /// Every installation of the App, with what it was granted.
    pub async fn grants(&self) -> Result<Vec<Grant>, GithubError> {
        let listed = self.list_installations().await?;
        Ok(listed.into_iter().map(Grant::from).collect())
    }

    /// Where GitHub sends the App's webhooks; `None`: nowhere.
    pub async fn hook_url(&self) -> Result<Option<String>, GithubError> {
        let request = Request::get("/app/hook/config".to_owned());
        let answer = self.inner.app.send(&self.inner.api, &request).await?;
        let hook: wire::HookConfig = wire::read(&request, &answer)?;
        Ok(hook.url.filter(|url| !url.is_empty()))
    }

    /// What is left of an installation's hour. Costs nothing of it. `None`: it is not counted, as GitHub Enterprise
    /// Servers do not unless their owner wants it.
    /// <https://docs.github.com/enterprise-server/rest/rate-limit/rate-limit>
    pub async fn budget(&self, installation: InstallationId) -> Result<Option<Budget>, GithubError> {
        let request = Request::get("/rate_limit".to_owned());
        let answer = match self.send_with_token(installation, &request).await {
            Err(GithubError::NotFound(_)) => return Ok(None),
            settled => settled?,
        };
        let limits: wire::RateLimit = wire::read(&request, &answer)?;
        let core = limits.resources.core;
        Ok(Some(Budget {
            limit: core.limit,
            remaining: core.remaining,
        }))
    }
}
