//! Stores with many finished runs, each as a real one left it.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::house::House;
use crate::sqlite;

/// Runs in a store that is old.
pub(crate) const RUNS: u32 = 1_000_000;

/// How long the one real run may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Makes a store with so many finished runs: one is real, the others are its like.
pub(crate) async fn filled(house: &House, store: &str, runs: u32) -> Result<()> {
    let pushed = house.push(store)?;
    let bot = house.serve(store).await?;
    house.announce(store).await?;
    house.verdict(&pushed.commit, 1, PATIENCE).await?;
    // The last write is noted once it is answered.
    bot.settle(PATIENCE).await?;
    bot.stop().await?;
    let sql = include_str!("million.sql").replace(":runs", &runs.to_string());
    let file = house.store(store);
    sqlite::ask(&file, &sql).await?;
    let stored: u32 = sqlite::ask(&file, "SELECT COUNT(*) FROM runs").await?.parse()?;
    ensure!(stored == runs + 1, "{stored} runs are stored, not {runs} and one");
    Ok(())
}
