//! The wizard: a link that opens once, a form that GitHub takes, and the code that it sends back.
//!
//! Handlers ask GitHub nothing: the code is handed on, and whoever turns it into the App says what came of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::session;
use crate::app_manifest::{AppManifest, SETUP_PATH};
use crate::web::pages::{page, style};
use crate::web::problem::Problem;
use crate::web::router::dressed;

/// A code of GitHub's is good for an hour, and so long may the form take to be filled in there.
const FORM: Duration = Duration::from_hours(1);

/// How long GitHub may take to make the App of a code.
const CONVERSION: Duration = Duration::from_secs(30);

/// Letters of an App's name at GitHub at most.
/// <https://docs.github.com/apps/creating-github-apps/registering-a-github-app/registering-a-github-app>
const LONGEST_NAME: usize = 34;

/// Letters of an account's name at GitHub at most.
const LONGEST_LOGIN: usize = 39;

/// A code that GitHub sent back, to be turned into the App.
pub struct Code {
    /// The code.
    pub code: String,
    /// A digest of the cookie of the browser that brought it.
    pub session: String,
    /// Who waits for what comes of it.
    pub answer: oneshot::Sender<Answer>,
}

/// What came of a code.
pub enum Answer {
    /// The App is made, and its keys are kept.
    Made,
    /// GitHub does not know the code.
    UnknownCode,
    /// Something else: a sentence.
    Failed(String),
}

/// The wizard of a bot without an App.
pub struct Wizard {
    public_url: String,
    github: Url,
    https: bool,
    link: String,
    door: Mutex<Door>,
    codes: mpsc::Sender<Code>,
}

/// Who is in, and what they were sent away with.
#[derive(Default)]
struct Door {
    /// A digest of the cookie of the browser in which the link was opened.
    session: Option<String>,
    /// The form that was sent to GitHub last.
    sent: Option<Sent>,
}

struct Sent {
    state: String,
    at: Instant,
}

#[derive(Template)]
#[template(path = "setup_form.html")]
struct FormPage {
    github: String,
    public_url: String,
    /// Can GitHub reach it?
    is_local: bool,
    /// Was the browser sent to GitHub before, and came back with nothing?
    came_back: bool,
    wrong_owner: bool,
    permissions: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "setup_send.html")]
struct SendPage {
    action: String,
    owner: String,
    manifest: String,
}

#[derive(Template)]
#[template(path = "setup_message.html")]
struct MessagePage {
    title: &'static str,
    message: String,
    /// Does it go on from the beginning?
    again: bool,
}

/// `?link=…`
#[derive(Deserialize)]
struct Opening {
    link: Option<String>,
}

#[derive(Deserialize)]
struct Owner {
    organisation: String,
}

/// What GitHub leads back with.
#[derive(Deserialize)]
struct Return {
    code: Option<String>,
    state: Option<String>,
}

type Shown = Result<Response, Problem>;

impl Wizard {
    /// A wizard for a bot that is reached at `public_url`, and a GitHub whose pages are at `github`. It hands the codes
    /// on.
    pub fn new(public_url: &str, github: &Url, codes: mpsc::Sender<Code>) -> Self {
        Self {
            public_url: public_url.to_owned(),
            github: github.clone(),
            https: public_url.starts_with("https://"),
            link: session::random(),
            door: Mutex::default(),
            codes,
        }
    }

    /// The link that opens it, once.
    pub fn link(&self) -> String {
        format!("{}{SETUP_PATH}?link={}", self.public_url, self.link)
    }

    /// Its pages. To all else the bot says that it is not ready.
    pub fn router(self: &Arc<Self>) -> Router {
        let router = Router::new()
            .route(SETUP_PATH, get(open).post(send))
            .route(&format!("{SETUP_PATH}/created"), get(created))
            .route("/assets/style.css", get(style))
            .route("/healthz", get(|| async { "alive" }))
            .fallback(|| async { not_yet() });
        dressed(router).with_state(self.clone())
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is this the browser in which the link was opened?
    fn knows(&self, headers: &HeaderMap) -> Option<String> {
        let session = self.door().session.clone()?;
        session::is_of(headers, &session).then_some(session)
    }

    /// Where GitHub takes a manifest: of the browser's own account, or of an organisation.
    fn action(&self, organisation: &str, state: &str) -> String {
        let base = self.github.as_str().trim_end_matches('/');
        let owner = match organisation {
            "" => String::new(),
            name => format!("/organizations/{name}"),
        };
        format!("{base}{owner}/settings/apps/new?state={state}")
    }
}

/// `GET /setup`: with the link, lets the browser in; after that, the form.
async fn open(
    State(wizard): State<Arc<Wizard>>,
    headers: HeaderMap,
    Query(opening): Query<Opening>,
) -> Shown {
    if wizard.knows(&headers).is_some() {
        if opening.link.is_some() {
            return Ok(Redirect::to(SETUP_PATH).into_response());
        }
        return form(&wizard, StatusCode::OK, false);
    }
    let Some(link) = opening.link else {
        return message(
            StatusCode::FORBIDDEN,
            "This page is closed",
            "It opens by the link that `hubcheck serve` printed, in one browser.",
            false,
        );
    };
    if !session::same(&link, &wizard.link) {
        return message(
            StatusCode::FORBIDDEN,
            "This is not the link",
            "It is another one at each start of `hubcheck serve`: take the one that was printed last.",
            false,
        );
    }
    let secret = session::random();
    {
        let mut door = wizard.door();
        if door.session.is_some() {
            drop(door);
            return message(
                StatusCode::GONE,
                "The link was opened already",
                "It opens once, and another browser was first. If that was not you, stop `hubcheck serve`: a new start prints another link.",
                false,
            );
        }
        door.session = Some(session::digest(&secret));
    }
    let headers = [(SET_COOKIE, session::cookie(&secret, wizard.https))];
    Ok((headers, Redirect::to(SETUP_PATH)).into_response())
}

/// `POST /setup`: the manifest, ready to be sent to GitHub by the browser.
async fn send(
    State(wizard): State<Arc<Wizard>>,
    headers: HeaderMap,
    Form(Owner { organisation }): Form<Owner>,
) -> Shown {
    if wizard.knows(&headers).is_none() {
        return Err(Problem::not_found());
    }
    let organisation = organisation.trim();
    let is_login = organisation.len() <= LONGEST_LOGIN
        && organisation
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_login {
        return form(&wizard, StatusCode::BAD_REQUEST, true);
    }
    let state = session::random();
    wizard.door().sent = Some(Sent {
        state: state.clone(),
        at: Instant::now(),
    });
    let mut manifest = AppManifest::at(&wizard.public_url);
    if !organisation.is_empty() {
        // GitHub wants a name that nobody has, and lets it be changed on its own page.
        let name = format!("{}-{organisation}", manifest.name);
        let name: String = name.chars().take(LONGEST_NAME).collect();
        name.trim_end_matches('-').clone_into(&mut manifest.name);
    }
    let mut shown = page(&SendPage {
        action: wizard.action(organisation, &state),
        owner: match organisation {
            "" => "your own account".to_owned(),
            name => name.to_owned(),
        },
        manifest: serde_json::to_string(&manifest).expect("a manifest is plain data"),
    })?;
    let policy = format!(
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action {}; frame-ancestors 'none'",
        wizard.github.origin().ascii_serialization()
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        shown.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(shown)
}

/// `GET /setup/created`: GitHub leads back here with a code, which is good once.
async fn created(
    State(wizard): State<Arc<Wizard>>,
    headers: HeaderMap,
    Query(Return { code, state }): Query<Return>,
) -> Shown {
    let Some(session) = wizard.knows(&headers) else {
        return message(
            StatusCode::FORBIDDEN,
            "This is not the browser that began",
            "The set-up goes on in the browser in which the link was opened. Nothing was done here.",
            false,
        );
    };
    let sent = {
        let mut door = wizard.door();
        let given = state.unwrap_or_default();
        let is_ours = door
            .sent
            .as_ref()
            .is_some_and(|sent| sent.at.elapsed() < FORM && session::same(&sent.state, &given));
        // It is good once.
        door.sent.take_if(|_| is_ours)
    };
    let Some(sent) = sent else {
        return message(
            StatusCode::FORBIDDEN,
            "This answer belongs to no form of ours",
            "Its `state` is not the one that was sent to GitHub from here, or it was used, or an hour has passed. Somebody else may have made this address: nothing was done with it.",
            true,
        );
    };
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        return message(
            StatusCode::BAD_REQUEST,
            "No App was made",
            "GitHub led back here without a code: the form there was cancelled.",
            true,
        );
    };
    match handed_on(&wizard, code, session).await {
        Answer::Made => Ok((StatusCode::SEE_OTHER, [(LOCATION, SETUP_PATH)]).into_response()),
        Answer::UnknownCode => message(
            StatusCode::BAD_REQUEST,
            "GitHub does not know the code",
            "It was used already, or is older than an hour. If an App was made at GitHub, delete it there (Settings → Developer settings → GitHub Apps): its keys were not kept here.",
            true,
        ),
        Answer::Failed(why) => {
            // The code may still be good: whoever loads this address again brings it once more.
            wizard.door().sent.get_or_insert(sent);
            message(
                StatusCode::BAD_GATEWAY,
                "The App could not be taken over",
                &format!(
                    "{why}. GitHub's code is good for an hour: reload this page to try it once more. If you begin anew instead, delete the App at GitHub first (Settings → Developer settings → GitHub Apps)."
                ),
                true,
            )
        }
    }
}

async fn handed_on(wizard: &Wizard, code: String, session: String) -> Answer {
    let busy = || Answer::Failed("another code is being looked at: wait a moment".to_owned());
    let (answer, answered) = oneshot::channel();
    let handed = Code {
        code,
        session,
        answer,
    };
    if wizard.codes.try_send(handed).is_err() {
        return busy();
    }
    match tokio::time::timeout(CONVERSION, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => busy(),
        Err(_) => Answer::Failed("GitHub does not answer: look at the log of `hubcheck serve`".to_owned()),
    }
}

fn form(wizard: &Wizard, status: StatusCode, wrong_owner: bool) -> Shown {
    let permissions = AppManifest::at(&wizard.public_url).default_permissions;
    let shown = page(&FormPage {
        github: wizard.github.host_str().unwrap_or_default().to_owned(),
        public_url: wizard.public_url.clone(),
        is_local: is_local(&wizard.public_url) && !is_local(wizard.github.as_str()),
        came_back: wizard.door().sent.is_some(),
        wrong_owner,
        permissions: permissions.into_iter().collect(),
    })?;
    Ok((status, shown).into_response())
}

/// Is this an address of the machine itself?
fn is_local(url: &str) -> bool {
    Url::parse(url).ok().is_some_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

fn message(status: StatusCode, title: &'static str, message: &str, again: bool) -> Shown {
    let shown = page(&MessagePage {
        title,
        message: message.to_owned(),
        again,
    })?;
    Ok((status, shown).into_response())
}

fn not_yet() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "hubcheck has no GitHub App yet: open the link that `hubcheck serve` printed",
    )
}
