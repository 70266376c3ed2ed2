//! What is left to do once there is an App: install it, declare an image, tell the registry. Each step says by itself
//! when it is done.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::session;
use crate::delivery::RECONCILIATION;
use crate::hooks::Sender;
use crate::model::{ImageName, RegisteredApp, Repo};
use crate::report::plain_text;
use crate::web::App;
use crate::web::pages::{Moment, page};
use crate::web::problem::Problem;
use crate::web::viewer::Viewer;

/// Repositories that are listed at most.
const MOST_REPOS: i64 = 100;

/// Where a repository says which images speak for it.
const FILE: &str = ".github/hubcheck.yml";

#[derive(Template)]
#[template(path = "setup_steps.html")]
struct Steps {
    app: Option<AppLine>,
    repos: Vec<RepoLine>,
    is_full: bool,
}

/// What whoever installed the App, and is not its maker, has left to do. It says nothing that is not known to all.
#[derive(Template)]
#[template(path = "setup_installed.html")]
struct Installed {
    /// Did an owner not agree yet?
    is_asked_for: bool,
}

/// What GitHub leads here with after an installation.
/// <https://docs.github.com/apps/creating-github-apps/registering-a-github-app/about-the-setup-url>
#[derive(Deserialize)]
pub(in crate::web) struct Installing {
    setup_action: Option<String>,
}

struct AppLine {
    name: String,
    page: String,
}

struct RepoLine {
    name: String,
    /// Where GitHub makes the file, filled in.
    new_file: String,
    /// What is wrong with the file that stands there.
    problem: Option<String>,
    images: Vec<ImageLine>,
}

struct ImageLine {
    name: String,
    /// Where the registry is to post to; `None`: GitHub tells of it by itself.
    hook: Option<String>,
    last: Option<LastPush>,
}

struct LastPush {
    at: Moment,
    tag: String,
    /// Who told of it: a webhook that does not work is found out by that.
    told_by: &'static str,
    came: String,
    run: Option<String>,
}

impl LastPush {
    async fn of(app: &App, image: &ImageName) -> Result<Option<Self>, Problem> {
        let Some(push) = app.store.last_push_of(image).await? else {
            return Ok(None);
        };
        let delivery = app.store.delivery(push.delivery).await?;
        let is_found = delivery.is_some_and(|delivery| delivery.summary.sender == RECONCILIATION);
        let reason = push.reason.as_deref().map(plain_text);
        Ok(Some(Self {
            at: Moment::of(push.received_at),
            tag: push.tag.to_string(),
            told_by: if is_found {
                "found by asking the registry, as no webhook told of it"
            } else {
                "told by its webhook"
            },
            came: reason.unwrap_or_else(|| push.stage.as_str().to_owned()),
            run: push.run().map(|run| run.to_string()),
        }))
    }
}

/// `GET /setup`: for the browser that made the App, and for the operator. Others who come from an installation are told
/// what they have left to do.
pub(in crate::web) async fn steps(
    State(app): State<App>,
    viewer: Viewer,
    headers: HeaderMap,
    Query(Installing { setup_action }): Query<Installing>,
) -> Result<Response, Problem> {
    let maker = app.store.setup_session().await?;
    let is_maker = maker.is_some_and(|maker| session::is_of(&headers, &maker.digest));
    if !is_maker && !viewer.operator {
        let action = setup_action.ok_or_else(Problem::not_found)?;
        return page(&Installed {
            is_asked_for: action == "request",
        });
    }
    let listed = app.store.listed_declarations(MOST_REPOS).await?;
    let is_full = i64::try_from(listed.len()).is_ok_and(|count| count >= MOST_REPOS);
    let mut repos = Vec::with_capacity(listed.len());
    for (declared, images) in &listed {
        let mut lines = Vec::with_capacity(images.len());
        for image in images {
            lines.push(ImageLine {
                name: image.to_string(),
                hook: hook_of(&app, image),
                last: LastPush::of(&app, image).await?,
            });
        }
        repos.push(RepoLine {
            name: declared.repo.name.to_string(),
            new_file: new_file(&app, &declared.repo),
            problem: declared.problem.as_deref().map(plain_text),
            images: lines,
        });
    }
    page(&Steps {
        app: app.store.app().await?.map(|app: RegisteredApp| AppLine {
            name: app.slug,
            page: app.page,
        }),
        repos,
        is_full,
    })
}

fn hook_of(app: &App, image: &ImageName) -> Option<String> {
    (image.registry() == "docker.io").then(|| app.links.hook(&app.hook_keys.token(Sender::Dockerhub, image)))
}

/// GitHub's own editor with the file begun. The image's name is a guess: people see it before they commit.
fn new_file(app: &App, repo: &Repo) -> String {
    let image = repo.name.to_string().to_lowercase();
    let text = format!(
        "# Which images speak for this repository: hubcheck tests each of them when it is pushed.\nimages:\n  {image}:\n"
    );
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "{}/{}/new/{}?filename={}&value={}",
        app.github_pages,
        repo.name,
        repo.default_branch
            .split('/')
            .map(encoded)
            .collect::<Vec<_>>()
            .join("/"),
        encoded(FILE),
        encoded(&text)
    )
}
