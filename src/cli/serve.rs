//! `hubcheck serve`: the bot.

use std::os::fd::AsFd;

use tokio::net::TcpListener;

use super::{Common, Failure, stop_signal};
use crate::config::{Config, docker_login_file};
use crate::service::{Environment, Service};
use crate::setup::set_up;

pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    let mut config = common.load_with_app().await?;
    warn_of_what_is_missing(&config);
    let mut stopped = Box::pin(stop_signal()?);
    let listener = if config.github.has_app() {
        None
    } else {
        let listener = bind(&config).await?;
        // The wizard's own handle: the other one stays open, so that nobody who comes meanwhile is turned away.
        let handle = second_handle(&listener)?;
        tokio::select! {
            made = set_up(&mut config, handle, tell_link) => made?,
            () = &mut stopped => return Ok(()),
        }
        Some(listener)
    };
    let environment = Environment {
        docker_login_file: docker_login_file(|name| std::env::var(name).ok()),
        listener,
        ..Environment::default()
    };
    let public_url = config.public_url.clone();
    let service = Service::start(config, environment).await?;
    tracing::info!(address = %service.address(), admin = ?service.admin_address(), public_url, "hubcheck serves");
    stopped.await;
    tracing::info!("stopping: running work finishes or is handed back");
    service.stop().await;
    Ok(())
}

/// Where the world reaches us.
async fn bind(config: &Config) -> Result<TcpListener, Failure> {
    let address = &config.listen;
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Outside(format!(
            "cannot listen on {address}: {error}; set `listen` to a free address"
        ))
    })
}

fn second_handle(listener: &TcpListener) -> Result<TcpListener, Failure> {
    let handle = listener
        .as_fd()
        .try_clone_to_owned()
        .map(std::net::TcpListener::from);
    handle
        .and_then(TcpListener::from_std)
        .map_err(|error| Failure::Outside(format!("cannot listen: {error}")))
}

/// For whoever started us, and nobody else: it stands in no log that is kept.
fn tell_link(link: &str) {
    super::telemetry::say(&format!(
        "no GitHub App is configured yet. Open this link to make one; it opens once:\n\n  {link}\n"
    ));
}

fn warn_of_what_is_missing(config: &Config) {
    if config.web.admin_token.is_none() {
        tracing::warn!("web.admin_token is not set: nobody can read /api/v1/deliveries");
    }
}
