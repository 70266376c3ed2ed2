//! `hubcheck manifest`: the GitHub App that this bot needs, as GitHub's manifest flow takes it.

use super::{Common, Failure};
use crate::app_manifest::AppManifest;

pub(super) fn run(common: &Common) -> Result<(), Failure> {
    let config = common.load()?;
    let manifest = AppManifest::at(&config.public_url);
    let text = serde_json::to_string_pretty(&manifest).expect("a manifest is plain data");
    super::test::print(&format!("{text}\n"));
    Ok(())
}
