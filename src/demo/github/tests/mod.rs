//! What the simulated GitHub refuses, one story per rule, and what it accepts. The routes are pure,
//! so nothing is served here.

mod access;
mod app;
mod checks;
mod limits;
mod output;
mod server;
mod statuses;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::records::NewCommit;
use super::refusal::Reply;
use super::routes::Call;
use super::world::{SimulatedApp, World};
use super::{Access, DEMO_PRIVATE_KEY};
use crate::model::{CommitSha, RepoName, Visibility};

/// A world with one repository and one commit, and a token for it.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) repo: RepoName,
    pub(super) sha: CommitSha,
    pub(super) token: String,
}

impl Scene {
    pub(super) fn new() -> Self {
        let mut world = World::new(SimulatedApp::default(), "http://github.test".to_owned());
        let repo: RepoName = "acme/app".parse().unwrap();
        world.add_repo(repo.clone(), Visibility::Public);
        let sha = world.commit(&repo, &NewCommit::default()).unwrap();
        let mut scene = Self {
            world,
            repo,
            sha,
            token: String::new(),
        };
        scene.token = scene.mint(&json!({})).1["token"].as_str().unwrap().to_owned();
        scene
    }

    /// Asks for an installation token.
    pub(super) fn mint(&mut self, body: &Value) -> (u16, Value) {
        let id = self.world.installation_of("acme").unwrap().id.0;
        let path = format!("/app/installations/{id}/access_tokens");
        self.call_as(&app_token(&self.world, 0), "POST", &path, body)
    }

    /// Asks for something with the scene's token.
    pub(super) fn call(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let token = self.token.clone();
        self.call_as(&token, method, path, body)
    }

    pub(super) fn call_as(&mut self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let headers = [
            ("user-agent", "tests".to_owned()),
            ("authorization", format!("Bearer {token}")),
        ];
        let reply = self.reply(&headers, method, path, body);
        (reply.status.as_u16(), reply.body)
    }

    pub(super) fn reply(
        &mut self,
        headers: &[(&'static str, String)],
        method: &str,
        path: &str,
        body: &Value,
    ) -> Reply {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let call = Call {
            method: &method,
            path,
            query,
            headers: &headers,
            body: body.as_bytes(),
        };
        self.world.handle(&call).unwrap_or_else(Reply::from)
    }

    /// Creates a check run with what is given beside name and commit.
    pub(super) fn create_check(&mut self, more: Value) -> (u16, Value) {
        let mut body = json!({ "name": "hubcheck / acme/app", "head_sha": self.sha });
        merge(&mut body, more);
        self.call("POST", "/repos/acme/app/check-runs", &body)
    }

    /// Updates a check run.
    pub(super) fn update_check(&mut self, id: &Value, body: &Value) -> (u16, Value) {
        self.call("PATCH", &format!("/repos/acme/app/check-runs/{id}"), body)
    }

    /// Creates a status with what is given beside state and context.
    pub(super) fn create_status(&mut self, more: Value) -> (u16, Value) {
        let mut body = json!({ "state": "pending", "context": "hubcheck/acme/app" });
        merge(&mut body, more);
        let path = format!("/repos/acme/app/statuses/{}", self.sha);
        self.call("POST", &path, &body)
    }
}

fn merge(body: &mut Value, more: Value) {
    if let Value::Object(more) = more {
        body.as_object_mut().unwrap().extend(more);
    }
}

/// The App's own token, made as if the clock were `shift` seconds on.
pub(super) fn app_token(world: &World, shift: i64) -> String {
    let now = world.now().as_second() + shift;
    signed(&json!({ "iss": world.app.id, "iat": now - 60, "exp": now + 540 }))
}

pub(super) fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(DEMO_PRIVATE_KEY.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
}

/// A refusal's words: message and errors.
pub(super) fn words(answer: &(u16, Value)) -> String {
    answer.1.to_string()
}
