//! The log on stderr.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::{Common, LogFormat};
use crate::github::LOG_DIRECTIVE;

/// Starts the log. A command that is not a service speaks for itself, and logs only what went wrong.
pub(super) fn start(common: &Common, service: bool) {
    let ours = match (common.quiet, common.verbose.saturating_add(u8::from(service))) {
        (true, _) | (false, 0) => "error",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    // Libraries log addresses and headers below warnings: they may hold secrets, and stay out. What GitHub
    // refuses is told by us, with what becomes of it.
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(format!("warn,{LOG_DIRECTIVE},hubcheck={ours}"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match common.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Says something on stderr that a person is to read, beside the log.
pub(super) fn say(what: &str) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr(), "{what}");
}

/// Says on stderr why a command failed.
pub(super) fn complain(why: &str) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr(), "hubcheck: {why}");
}
