//! The figures of the project, each beside its peer or its floor, measured in the same run: `./bench`.
//!
//! Nothing here fails because the machine is slow or busy. What fails is what is untrue: an answer that was
//! not given, a delivery that was not stored.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is for who reads it"
)]

mod engine;
mod hostile;
mod house;
mod intake;
mod load;
mod memory;
mod million;
mod peer;
mod process;
mod pushes;
mod resolve;
mod row;
mod scale;
mod sqlite;
mod start;
mod structure;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};

use house::House;
use row::{Row, heading};

/// Measures one figure. `./bench` tells what there is.
async fn figure(name: &str, house: &House) -> Result<Vec<Row>> {
    match name {
        "intake" => intake::registry(house).await,
        "signed" => intake::signed(house).await,
        "first-write" => pushes::first_write(house).await,
        "resolve" => resolve::measure(house).await,
        "overhead" => engine::overhead(house).await,
        "throughput" => engine::throughput(house).await,
        "structure" => structure::measure(house).await,
        "writes" => pushes::writes(house).await,
        "memory" => memory::measure(house).await,
        "start" => start::measure(house).await,
        "scale" => scale::measure(house).await,
        _ => bail!("there is no such figure"),
    }
}

fn main() -> ExitCode {
    // Cargo adds an option of its own.
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| name != "--bench")
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(measure(&names)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Each figure in a house of its own.
async fn measure(names: &[String]) -> Result<()> {
    println!("{}", heading());
    for name in names {
        let house = House::build().await?;
        let measured = tokio::select! {
            measured = figure(name, &house) => measured,
            _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
        };
        // Whatever came of it, nothing is left behind.
        house.close().await?;
        for row in measured.with_context(|| name.clone())? {
            println!("{row}");
        }
    }
    Ok(())
}
