//! `hubcheck hook-url`: the URL to paste into a registry's webhook form.

use std::io::{self, Write};

use super::{Common, Failure};
use crate::clock::Clock;
use crate::hooks::Sender;
use crate::model::ImageName;
use crate::service::hook_keys;
use crate::store::Store;

/// `hubcheck hook-url IMAGE`
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The image, bound or not: acme/app
    image: ImageName,
    /// Whose webhook it is
    #[arg(long, default_value = "dockerhub")]
    sender: Sender,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<(), Failure> {
    let config = common.load()?;
    // The key may have to be made, or read: the store may be in use by `serve` meanwhile.
    let outside = |error: crate::store::StoreError| Failure::Outside(error.to_string());
    let keys = if config.hooks.secret.is_empty() {
        let store = Store::open(&config.store, Clock::default())
            .await
            .map_err(outside)?;
        let keys = hook_keys(&config, &store).await?;
        store.close().await;
        keys
    } else {
        crate::hooks::HookKeys::new(&config.hooks.secret, &config.hooks.tokens)
            .map_err(|error| Failure::Usage(error.to_string()))?
    };
    let token = keys.token(options.sender, &options.image);
    writeln!(
        io::stdout(),
        "{}/hooks/{}/{token}",
        config.public_url,
        options.sender
    )
    .map_err(|error| Failure::Outside(format!("cannot write to stdout: {error}")))
}
