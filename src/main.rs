//! The binary: hands over to the library, and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One library for all cryptography, chosen before anything asks.
    let chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(chosen.is_ok(), "nothing chose another one before");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(hubcheck::cli::run()),
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "hubcheck: cannot start: {error}");
            ExitCode::from(3)
        }
    }
}
