//! demo
use super::Failure;
#[derive(Debug, clap::Args)]
pub(super) struct Options {}
pub(super) async fn run(_o: &Options) -> Result<(), Failure> {
    Ok(())
}
