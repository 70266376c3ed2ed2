//! `hubcheck serve`: the bot.

use super::{Common, Failure, stop_signal};
use crate::config::{Config, docker_login_file};
use crate::service::{Environment, Service};

/// What an operator without an App is told.
const NO_APP: &str =
    "no GitHub App is configured. Make one at GitHub (Settings → Developer settings → GitHub Apps) with
  permissions  checks: write, statuses: write, contents: read, pull_requests: read, attestations: read, metadata: read
  events       check_run, check_suite, push, repository
  webhook URL  {public_url}/hooks/github
and set in the configuration
  [github]
  app_id = 123456
  private_key_file = \"app.pem\"
  webhook_secret = [\"…\"]
`hubcheck demo` shows the whole loop without one";

pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    let config = load(common)?;
    warn_of_what_is_missing(&config);
    let stopped = stop_signal()?;
    let environment = Environment {
        docker_login_file: docker_login_file(|name| std::env::var(name).ok()),
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

/// The configuration of a bot that has its App.
pub(super) fn load(common: &Common) -> Result<Config, Failure> {
    let config = common.load()?;
    if config.github.app_id.is_none() && config.github.private_key.is_none() {
        return Err(Failure::Usage(NO_APP.replace("{public_url}", &config.public_url)));
    }
    Ok(config)
}

fn warn_of_what_is_missing(config: &Config) {
    if config.web.admin_token.is_none() {
        tracing::warn!("web.admin_token is not set: nobody can read /api/v1/deliveries");
    }
}
