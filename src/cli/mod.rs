//! The command line: one file for each subcommand, thinly over the parts.

mod demo;
mod doctor;
mod explain;
mod hook_url;
mod manifest;
mod replay;
mod serve;
mod telemetry;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigError};
use crate::service::StartError;
use crate::setup::adopt_stored_app;

/// Tests a pushed image with its own tests and puts the verdict on the commit that it was built from.
#[derive(Debug, Parser)]
#[command(name = "hubcheck", version)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The configuration file [default: ./hubcheck.toml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How the log on stderr is written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bot: HTTP server, pipeline, reporter
    Serve,
    /// Show the whole loop on this machine, with no account
    Demo(demo::Options),
    /// Run an image's tests as the bot would, with no GitHub
    Test(test::Options),
    /// Say which commit an image maps to, and why
    Explain(explain::Options),
    /// Print the URL to paste into a registry's webhook form
    HookUrl(hook_url::Options),
    /// Feed a saved payload or a stored delivery through the pipeline again
    Replay(replay::Options),
    /// Check everything that the bot needs, each with its mend
    Doctor,
    /// Print the GitHub App manifest for this `public_url`
    Manifest,
}

/// Why a command ends with a code that is not 0.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The answer is no.
    #[error("{0}")]
    No(String),
    /// Usage or configuration.
    #[error("{0}")]
    Usage(String),
    /// Something outside.
    #[error("{0}")]
    Outside(String),
    /// It was told already; ends with this code.
    #[error("")]
    Silent(u8),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::No(_) => 1,
            Self::Usage(_) => 2,
            Self::Outside(_) => 3,
            Self::Silent(code) => *code,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Configuration(why) => Self::Usage(why),
            StartError::Outside(why) | StartError::InUse(why) => Self::Outside(why),
        }
    }
}

/// Reads the command line, does what it says, and returns the exit code: 0 good, 1 the answer is no,
/// 2 usage or configuration, 3 something outside failed.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start(&cli.common, matches!(cli.command, Command::Serve));
    let done = match cli.command {
        Command::Serve => serve::run(&cli.common).await,
        Command::Demo(options) => demo::run(&options).await,
        Command::Test(options) => Box::pin(test::run(&cli.common, &options)).await,
        Command::Explain(options) => explain::run(&cli.common, &options).await,
        Command::HookUrl(options) => hook_url::run(&cli.common, &options).await,
        Command::Replay(options) => replay::run(&cli.common, &options).await,
        Command::Doctor => Box::pin(doctor::run(&cli.common)).await,
        Command::Manifest => manifest::run(&cli.common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Silent(_)) {
                telemetry::complain(&failure.to_string());
            }
            ExitCode::from(failure.code())
        }
    }
}

/// Ends when somebody wants us to stop: SIGTERM, or Ctrl-C. Listens from the call on.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::Outside(format!("cannot listen for signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

impl Common {
    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), std::env::vars())
    }

    /// The configuration, with the App that the set-up made where it names none.
    async fn load_with_app(&self) -> Result<Config, Failure> {
        let mut config = self.load()?;
        adopt_stored_app(&mut config)
            .await
            .map_err(|error| Failure::Outside(error.to_string()))?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
