//! From a bot without an App to one that has its own: GitHub's manifest flow, in the operator's browser, behind a link
//! that opens once.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, millis};
use crate::config::Config;
use crate::github::{RegistrationError, register};
use crate::model::RegisteredApp;
use crate::net::Trust;
use crate::service::StartError;
use crate::store::{ServingLock, SetupSession, Store, StoreError};
use crate::web::server::{ConnectionLimits, serve};
use crate::web::setup::{Answer, Code, Wizard};

/// How long the browser that made the App may go on with the set-up.
const SESSION: Duration = Duration::from_hours(24);

/// How often it is looked whether another replica has an App.
const LOOK: Duration = Duration::from_secs(5);

/// Codes that wait to be turned into an App.
const MOST_CODES: usize = 4;

/// A configuration without an App gets the one that the set-up made, where it did.
pub async fn adopt_stored_app(config: &mut Config) -> Result<(), StoreError> {
    if config.github.has_app() {
        return Ok(());
    }
    if let Some(app) = Store::app_at(&config.store, Clock::default()).await? {
        config.github.adopt(app);
    }
    Ok(())
}

/// Serves the wizard until an App is made, which is kept in the store and in `config` from then on.
///
/// `tell` is given the link that opens it.
pub async fn set_up(
    config: &mut Config,
    listener: TcpListener,
    tell: impl FnOnce(&str),
) -> Result<(), StartError> {
    let trust = Trust::new(&config.net).map_err(|error| StartError::Configuration(error.to_string()))?;
    // Whoever serves from the store has an App, or makes one.
    let _lock = ServingLock::take(&config.store)?;
    let store = Store::open(&config.store, Clock::default()).await?;
    let (codes, coming) = mpsc::channel(MOST_CODES);
    let wizard = Arc::new(Wizard::new(&config.public_url, &config.github.web_url, codes));
    tell(&wizard.link());
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(
        listener,
        wizard.router(),
        ConnectionLimits::default(),
        stop.clone(),
    ));
    let (app, answer) = made(config, (&trust, &store), coming).await;
    config.github.adopt(app);
    // The server takes no more requests before the browser is led on: its next one is for the bot that has an App.
    stop.cancel();
    if let Some(answer) = answer {
        // Whoever asked may have gone; what was made is made.
        let _ = answer.send(Answer::Made);
    }
    if let Err(error) = server.await {
        tracing::warn!(%error, "the set-up's server did not end in order");
    }
    store.close().await;
    Ok(())
}

/// Turns the codes that come into an App, until one does; or takes the one that another replica was given meanwhile.
///
/// With it comes whoever is still to be told that it is made.
async fn made(
    config: &Config,
    (trust, store): (&Trust, &Store),
    mut codes: mpsc::Receiver<Code>,
) -> (RegisteredApp, Option<oneshot::Sender<Answer>>) {
    loop {
        let coming = tokio::select! {
            Some(coming) = codes.recv() => coming,
            app = made_elsewhere(store) => return (app, None),
        };
        match taken_over(config, (trust, store), &coming).await {
            Ok(app) => return (app, Some(coming.answer)),
            // Whoever asked may have gone.
            Err(answer) => drop(coming.answer.send(answer)),
        }
    }
}

/// The App that another replica was given meanwhile.
async fn made_elsewhere(store: &Store) -> RegisteredApp {
    loop {
        match store.app().await {
            Ok(Some(app)) => return app,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "cannot see whether another replica has an App by now"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Turns a code into the App, and keeps it.
async fn taken_over(
    config: &Config,
    (trust, store): (&Trust, &Store),
    coming: &Code,
) -> Result<RegisteredApp, Answer> {
    let made = register(&config.github, trust, &coming.code).await;
    let app = made.map_err(|error| match error {
        RegistrationError::UnknownCode => Answer::UnknownCode,
        other => failed(other.to_string()),
    })?;
    let by = SetupSession {
        digest: coming.session.clone(),
        until: store.clock().now() + millis(SESSION),
    };
    let kept = store.put_app(&app, &by).await.map_err(|error| {
        failed(format!(
            "the App was made, and its keys could not be kept: {error}. Delete it at GitHub, mend that, and begin again"
        ))
    })?;
    if !kept {
        let slug = &app.slug;
        return Err(failed(format!(
            "another replica has its App already: delete this one, `{slug}`, at GitHub"
        )));
    }
    tracing::info!(
        app.id,
        app.slug,
        "the GitHub App is made, and its keys are kept in the store"
    );
    Ok(app)
}

fn failed(why: String) -> Answer {
    tracing::warn!(why, "no App came of GitHub's code");
    Answer::Failed(why)
}
