//! The routes: one request and the world it meets make one reply. No I/O.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use sha2::Digest as _;

use super::ledger::Caller;
use super::records::RepoState;
use super::refusal::{Refusal, Reply};
use super::world::{Access, Installation, World};
use super::{archive, attestations, contents};
use crate::model::{InstallationId, RepoId, RepoName};

/// Items on one page of a list, unless the request says otherwise.
const DEFAULT_PER_PAGE: usize = 30;
/// Items on one page of a list at most.
const MOST_PER_PAGE: usize = 100;

/// A request as the routes see it.
pub(super) struct Call<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Call<'_> {
    pub(super) fn authorization(&self) -> Option<&str> {
        self.headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
    }

    pub(super) fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.param(name)?.parse().ok()
    }

    fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(self.body)
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "Problems parsing JSON"))
    }
}

impl Call<'_> {
    /// An answer with its `ETag`, or 304 to whoever has it already.
    fn unless_known(&self, body: Value) -> Reply {
        let digest = sha2::Sha256::digest(body.to_string());
        let etag = format!("W/\"{}\"", hex::encode(&digest[..16]));
        let known = self.headers.get("if-none-match");
        let mut reply = if known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
            Reply {
                status: StatusCode::NOT_MODIFIED,
                ..Reply::ok(Value::Null)
            }
        } else {
            Reply::ok(body)
        };
        reply.headers.push(("etag", etag));
        reply
    }
}

/// Where the API of an Enterprise Server is.
/// <https://docs.github.com/enterprise-server/rest/using-the-rest-api/getting-started-with-the-rest-api>
const ENTERPRISE: &str = "/api/v3";

impl World {
    /// Where the API is. No slash at the end.
    pub(super) fn api_url(&self) -> String {
        match &self.app.enterprise {
            Some(address) => format!("{address}{ENTERPRISE}"),
            None => self.base_url.clone(),
        }
    }

    /// A path as the API has it; `None`: it does not lead into the API.
    pub(super) fn api_path<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.app.enterprise {
            Some(_) => path.strip_prefix(ENTERPRISE),
            None => Some(path),
        }
    }

    /// Does what a request asks for.
    pub(super) fn handle(&mut self, call: &Call<'_>) -> Result<Reply, Refusal> {
        if call
            .headers
            .get("user-agent")
            .is_none_or(http::HeaderValue::is_empty)
        {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
            ));
        }
        let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
        match (call.method.as_str(), segments.as_slice()) {
            (_, ["app", rest @ ..]) => {
                self.check_app(call.authorization())?;
                self.as_app(call, rest)
            }
            ("POST", ["app-manifests", code, "conversions"]) => self.convert(code),
            ("GET", ["rate_limit"]) => {
                let (limit, remaining) = self.budget(call.authorization())?;
                if !self.app.is_limited {
                    return Err(Refusal::new(
                        StatusCode::NOT_FOUND,
                        "Rate limiting is not enabled.",
                    ));
                }
                let reset = (self.now() + std::time::Duration::from_hours(1)).as_second();
                Ok(Reply::ok(json!({ "resources": { "core": {
                    "limit": limit, "remaining": remaining, "used": limit - remaining, "reset": reset,
                } } })))
            }
            ("GET", ["installation", "repositories"]) => {
                let repos: Vec<Value> = self
                    .visible_repos(call.authorization())?
                    .map(contents::repo_json)
                    .collect();
                let total = repos.len();
                let wrap = |page| json!({ "total_count": total, "repositories": Value::Array(page) });
                Ok(self.page(call, repos, wrap))
            }
            (_, ["repos", owner, name, rest @ ..]) => {
                let name: RepoName = format!("{owner}/{name}")
                    .parse()
                    .map_err(|_| Refusal::not_found())?;
                match self.find(&name) {
                    Found::Here(repo) => self.in_repo(call, repo, rest),
                    Found::Moved(repo) => Err(self.moved(call, repo, rest)),
                    Found::Nowhere => Err(self.nowhere(call)),
                }
            }
            (_, ["repositories", id, rest @ ..]) => {
                let id = RepoId(id.parse().map_err(|_| Refusal::not_found())?);
                self.in_repo(call, id, rest)
            }
            _ => Err(Refusal::not_found()),
        }
    }

    /// What the App may ask for itself.
    fn as_app(&mut self, call: &Call<'_>, rest: &[&str]) -> Result<Reply, Refusal> {
        match (call.method.as_str(), rest) {
            ("GET", []) => Ok(Reply::ok(self.app_json())),
            ("POST", ["installations", id, "access_tokens"]) => {
                let id = id.parse().map_err(|_| Refusal::not_found())?;
                self.mint_token(InstallationId(id), &call.json()?)
            }
            ("GET", ["installations"]) => {
                let list = self.installations.iter();
                let list = list.map(|one| self.installation_json(one)).collect();
                Ok(self.page(call, list, Value::Array))
            }
            ("GET", ["hook", "config"]) => Ok(Reply::ok(json!({
                "url": self.hook_url, "content_type": "json", "insecure_ssl": "0", "secret": "********",
            }))),
            ("GET", ["hook", "deliveries"]) => self.list_deliveries(call),
            ("POST", ["hook", "deliveries", id, "attempts"]) => self.ask_again(id),
            _ => Err(Refusal::not_found()),
        }
    }

    fn in_repo(&mut self, call: &Call<'_>, repo: RepoId, rest: &[&str]) -> Result<Reply, Refusal> {
        let method = call.method.as_str();
        if (method, rest) == ("GET", &["installation"]) {
            return self.show_installation(call, repo);
        }
        let (permission, access) = needed(method, rest).ok_or_else(Refusal::not_found)?;
        self.check_access(call.authorization(), repo, permission, access)?;
        match (method, rest) {
            ("POST", ["check-runs"]) => self.create_check_run(repo, &call.json()?),
            ("PATCH", ["check-runs", id]) => self.update_check_run(repo, id, &call.json()?),
            ("GET", ["check-runs", id]) => {
                let run = self.check_run(repo, id)?;
                Ok(Reply::ok(self.check_run_json(&run)))
            }
            ("GET", ["check-runs", id, "annotations"]) => {
                let annotations = self.check_run(repo, id)?.annotations;
                Ok(self.page(call, annotations, Value::Array))
            }
            ("GET", ["commits", sha, "check-runs"]) => {
                let runs = self.list_check_runs(repo, sha, &|name| call.param(name))?;
                let total = runs.len();
                Ok(self.page(
                    call,
                    runs,
                    |runs| json!({ "total_count": total, "check_runs": runs }),
                ))
            }
            ("POST", ["statuses", sha]) => self.create_status(repo, sha, &call.json()?),
            ("GET", ["commits", sha, "statuses"]) => {
                let statuses = self.list_statuses(repo, sha)?;
                Ok(self.page(call, statuses, Value::Array))
            }
            ("GET", ["commits", sha, "status"]) => {
                let (state, statuses) = self.combined_status(repo, sha)?;
                let total = statuses.len();
                let wrap =
                    |page| json!({ "state": state, "sha": sha, "total_count": total, "statuses": page });
                Ok(self.page(call, statuses, wrap))
            }
            ("GET", rest) => {
                let repo = self.repo_by_id(repo).ok_or_else(Refusal::not_found)?;
                let shown = match rest {
                    ["tarball", reference] => return Err(archive::place(repo, reference, &self.base_url)),
                    ["attestations", subject] => attestations::show(repo, subject, &self.base_url)?,
                    rest => contents::show(repo, rest, &|name| call.param(name))?,
                };
                Ok(call.unless_known(shown))
            }
            _ => Err(Refusal::not_found()),
        }
    }

    /// `GET /repos/{owner}/{repo}/installation`
    fn show_installation(&self, call: &Call<'_>, repo: RepoId) -> Result<Reply, Refusal> {
        self.check_app(call.authorization())?;
        let owner = self.repo_by_id(repo).map(|repo| repo.name.owner().to_owned());
        let installation = owner
            .and_then(|owner| self.installation_of(&owner))
            .ok_or_else(Refusal::not_found)?;
        Ok(Reply::ok(self.installation_json(installation)))
    }

    fn installation_json(&self, installation: &Installation) -> Value {
        json!({
            "id": installation.id,
            "app_id": self.app.id,
            "app_slug": self.app.slug,
            "account": { "login": installation.owner },
            "target_type": "Organization",
            "repository_selection": "all",
            "permissions": installation.permissions,
            "events": installation.events,
            "suspended_at": installation.is_suspended.then(|| super::access::whole_seconds(self.now())),
        })
    }

    /// What a name that is no repository's answers: bad credentials are seen first.
    fn nowhere(&self, call: &Call<'_>) -> Refusal {
        match self.caller(call.authorization()) {
            Caller::Refused => Refusal::new(StatusCode::UNAUTHORIZED, "Bad credentials"),
            Caller::Nobody | Caller::App | Caller::Installation(_) => Refusal::not_found(),
        }
    }

    /// A renamed repository: GitHub says 301, and 307 to what creates.
    fn moved(&self, call: &Call<'_>, repo: RepoId, rest: &[&str]) -> Refusal {
        let mut location = format!("{}/repositories/{}", self.api_url(), repo.0);
        for segment in rest {
            location.push('/');
            location.push_str(segment);
        }
        if !call.query.is_empty() {
            location.push('?');
            location.push_str(call.query);
        }
        let status = if *call.method == Method::POST {
            StatusCode::TEMPORARY_REDIRECT
        } else {
            StatusCode::MOVED_PERMANENTLY
        };
        Refusal::new(status, "Moved Permanently").with_header("location", location)
    }

    fn find(&self, name: &RepoName) -> Found {
        let by =
            |is: &dyn Fn(&RepoState) -> bool| self.repos.iter().find(|repo| is(repo)).map(|repo| repo.id);
        match by(&|repo| repo.name == *name) {
            Some(repo) => Found::Here(repo),
            None => by(&|repo| repo.former_names.contains(name)).map_or(Found::Nowhere, Found::Moved),
        }
    }

    /// One page of a list, with the `Link` to the next.
    fn page(&self, call: &Call<'_>, items: Vec<Value>, wrap: impl FnOnce(Vec<Value>) -> Value) -> Reply {
        let per_page = call
            .number("per_page")
            .unwrap_or(DEFAULT_PER_PAGE)
            .clamp(1, MOST_PER_PAGE);
        let page = call.number("page").unwrap_or(1).max(1);
        let total = items.len();
        let items = items
            .into_iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page);
        let mut reply = Reply::ok(wrap(items.collect()));
        if page.saturating_mul(per_page) < total {
            let next = format!(
                "{}{}?page={}&per_page={per_page}",
                self.api_url(),
                call.path,
                page + 1
            );
            reply.headers.push(("link", format!("<{next}>; rel=\"next\"")));
        }
        reply
    }

    fn app_json(&self) -> Value {
        json!({
            "id": self.app.id,
            "slug": self.app.slug,
            "name": self.app.slug,
            "html_url": format!("{}/apps/{}", self.base_url, self.app.slug),
            "client_id": self.app.client_id,
            "permissions": self.app.permissions,
            "events": self.app.events,
        })
    }
}

enum Found {
    Here(RepoId),
    Moved(RepoId),
    Nowhere,
}

/// The permission that a route needs. `None`: no such route.
fn needed(method: &str, rest: &[&str]) -> Option<(&'static str, Access)> {
    match (method, rest) {
        ("GET", []) => Some(("metadata", Access::Read)),
        ("POST", ["check-runs"]) | ("PATCH", ["check-runs", _]) => Some(("checks", Access::Write)),
        ("GET", ["check-runs", ..] | ["commits", _, "check-runs"]) => Some(("checks", Access::Read)),
        ("POST", ["statuses", _]) => Some(("statuses", Access::Write)),
        ("GET", ["commits", _, "status" | "statuses"]) => Some(("statuses", Access::Read)),
        ("GET", ["attestations", _]) => Some(("attestations", Access::Read)),
        ("GET", ["commits", _, "pulls"] | ["pulls", ..]) => Some(("pull_requests", Access::Read)),
        (
            "GET",
            [
                "commits" | "branches" | "tags" | "contents" | "compare" | "git" | "tarball",
                ..,
            ],
        ) => Some(("contents", Access::Read)),
        _ => None,
    }
}
