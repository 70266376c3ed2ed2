//! The pages of the simulated GitHub that a person goes through in a browser: making an App from a manifest, installing
//! it, and writing a file.
//!
//! Who asks is taken for the owner: there is no sign-in here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::hook;
use super::page::escaped;
use super::records::NewCommit;
use super::refusal::{Refusal, Reply};
use super::routes::Call;
use super::server::Shared;
use super::webhook::Webhook;
use super::world::{Access, SimulatedApp, World};
use crate::app_manifest::AppManifest;
use crate::model::RepoName;

/// A code that an App was made under, until it is turned into the App's keys.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) code: String,
    pub(super) owner: String,
}

type Page = Response<Full<Bytes>>;

/// What a page comes to, and what GitHub tells of it.
struct Turn {
    page: Page,
    tells: Option<Webhook>,
}

/// One of these pages. `None`: it is none of them.
pub(super) fn show(shared: &Arc<Shared>, call: &Call<'_>) -> Option<Page> {
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let turn = {
        let mut world = shared.world();
        match (call.method, segments.as_slice()) {
            (&Method::POST, ["settings", "apps", "new"]) => World::manifest_form(call, "octocat"),
            (&Method::POST, ["organizations", owner, "settings", "apps", "new"]) => {
                World::manifest_form(call, owner)
            }
            (&Method::GET, ["settings", "apps"]) => plain("<h1>GitHub Apps</h1>"),
            (&Method::POST, ["settings", "apps", "made"]) => world.make_app(call),
            (&Method::GET, ["apps", slug, "installations", "new"]) => world.installation_form(slug),
            (&Method::POST, ["apps", _, "installations", "new"]) => world.install_by_form(call),
            (&Method::GET, [owner, name, "new", branch @ ..]) if !branch.is_empty() => {
                World::file_form(call, &format!("{owner}/{name}"))
            }
            (&Method::POST, [owner, name, "new", branch @ ..]) if !branch.is_empty() => {
                world.write_by_form(call, &format!("{owner}/{name}"), &branch.join("/"))?
            }
            _ => return None,
        }
    };
    shared.changed();
    if let Some(webhook) = turn.tells {
        let shared = Arc::clone(shared);
        tokio::spawn(async move { hook::deliver(&shared, webhook).await });
    }
    Some(turn.page)
}

impl World {
    /// The manifest that a browser posted, for its owner to agree to.
    fn manifest_form(call: &Call<'_>, owner: &str) -> Turn {
        let form = fields(call.body);
        let posted = form.get("manifest").map(String::as_str).unwrap_or_default();
        let manifest: AppManifest = match serde_json::from_str(posted) {
            Ok(manifest) => manifest,
            Err(error) => return refused(&format!("Invalid GitHub App manifest: {error}")),
        };
        let state = call.param("state").unwrap_or_default();
        plain(&format!(
            "<h1>Create GitHub App for {owner}</h1><form method=post action=\"/settings/apps/made\">\
             <input type=hidden name=manifest value=\"{}\"><input type=hidden name=state value=\"{}\">\
             <input type=hidden name=owner value=\"{}\">\
             <label>Name <input name=name value=\"{}\"></label><button id=create>Create GitHub App</button></form>\
             <p><a id=cancel href=\"/settings/apps\">Cancel</a></p>",
            escaped(posted),
            escaped(&state),
            escaped(owner),
            escaped(&manifest.name),
            owner = escaped(owner),
        ))
    }

    /// The App, as it was agreed to: the browser is led back with a code.
    fn make_app(&mut self, call: &Call<'_>) -> Turn {
        let form = fields(call.body);
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let Ok(manifest) = serde_json::from_str::<AppManifest>(&field("manifest")) else {
            return refused("Invalid GitHub App manifest");
        };
        let id = 500_000 + self.next_id();
        self.app = SimulatedApp {
            id,
            slug: field("name").to_lowercase().replace(' ', "-"),
            webhook_secret: SecretString::from(random(40)),
            client_id: format!("Iv23li{}", random(14)),
            permissions: manifest
                .default_permissions
                .iter()
                .map(|(name, access)| match access.as_str() {
                    "write" => (name.clone(), Access::Write),
                    _ => (name.clone(), Access::Read),
                })
                .collect(),
            events: manifest.default_events.clone(),
            clock: self.app.clock.clone(),
            enterprise: self.app.enterprise.clone(),
            is_limited: self.app.is_limited,
        };
        self.hook_url = Some(manifest.hook_attributes.url.clone());
        self.setup_url = Some(manifest.setup_url.clone());
        let code = random(40);
        self.codes.push(Made {
            code: code.clone(),
            owner: field("owner"),
        });
        let separator = if manifest.redirect_url.contains('?') {
            '&'
        } else {
            '?'
        };
        led(&format!(
            "{}{separator}code={code}&state={}",
            manifest.redirect_url,
            field("state")
        ))
    }

    /// `POST /app-manifests/{code}/conversions`: good once, and asked as nobody.
    pub(super) fn convert(&mut self, code: &str) -> Result<Reply, Refusal> {
        let known = self.codes.iter().position(|made| made.code == code);
        let made = self.codes.remove(known.ok_or_else(Refusal::not_found)?);
        let app = &self.app;
        Ok(Reply::created(json!({
            "id": app.id,
            "slug": app.slug,
            "name": app.slug,
            "owner": { "login": made.owner },
            "html_url": format!("{}/apps/{}", self.base_url, app.slug),
            "permissions": app.permissions,
            "events": app.events,
            "client_id": app.client_id,
            "client_secret": random(40),
            "webhook_secret": app.webhook_secret.expose_secret(),
            "pem": super::DEMO_PRIVATE_KEY,
        })))
    }

    fn installation_form(&self, slug: &str) -> Turn {
        let mut owners: Vec<&str> = self.repos.iter().map(|repo| repo.name.owner()).collect();
        owners.sort_unstable();
        owners.dedup();
        let mut buttons = String::new();
        for owner in owners.into_iter().map(escaped) {
            let _ = write!(
                buttons,
                "<p><button name=owner value=\"{owner}\">Install in {owner}</button></p>"
            );
        }
        plain(&format!(
            "<h1>Install {}</h1><form method=post action=\"/apps/{}/installations/new\">{buttons}</form>",
            escaped(slug),
            escaped(slug)
        ))
    }

    fn install_by_form(&mut self, call: &Call<'_>) -> Turn {
        let owner = fields(call.body).remove("owner").unwrap_or_default();
        let id = self.install(&owner);
        let tells = Some(self.installation(&owner, id.0, "created"));
        let back = self.setup_url.clone().unwrap_or_else(|| self.base_url.clone());
        Turn {
            tells,
            ..led(&format!("{back}?installation_id={}&setup_action=install", id.0))
        }
    }

    /// GitHub's editor, with what the address fills in.
    fn file_form(call: &Call<'_>, repo: &str) -> Turn {
        let (name, text) = (call.param("filename"), call.param("value"));
        plain(&format!(
            "<h1>{}: a new file</h1><form method=post><label>Name <input name=filename value=\"{}\"></label>\
             <p><textarea name=value rows=12 cols=80>\n{}</textarea></p><button id=commit>Commit changes</button></form>",
            escaped(repo),
            escaped(&name.unwrap_or_default()),
            escaped(&text.unwrap_or_default())
        ))
    }

    fn write_by_form(&mut self, call: &Call<'_>, repo: &str, branch: &str) -> Option<Turn> {
        let name: RepoName = repo.parse().ok()?;
        let form = fields(call.body);
        let (path, text) = (form.get("filename")?, form.get("value")?.replace("\r\n", "\n"));
        let message = format!("Create {path}");
        let new = NewCommit {
            message: &message,
            files: &[(path.as_str(), text.as_str())],
            ..NewCommit::default()
        };
        let sha = self.commit(&name, &new)?;
        let tells = self.push(&name, branch);
        Some(Turn {
            tells,
            ..led(&format!("{}/{repo}/commit/{sha}", self.base_url))
        })
    }
}

fn fields(body: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn random(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

fn plain(html: &str) -> Turn {
    let html = format!("<!doctype html><html lang=en><meta charset=utf-8><title>GitHub</title>{html}</html>");
    let mut page = Response::new(Full::new(Bytes::from(html)));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    page.headers_mut().insert(CONTENT_TYPE, html);
    Turn { page, tells: None }
}

fn refused(why: &str) -> Turn {
    let mut turn = plain(&format!("<h1>{}</h1>", escaped(why)));
    *turn.page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    turn
}

fn led(to: &str) -> Turn {
    let mut page = Response::new(Full::new(Bytes::new()));
    *page.status_mut() = StatusCode::FOUND;
    let place = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    page.headers_mut().insert(LOCATION, place);
    Turn { page, tells: None }
}
