//! The figures of the project, each beside its peer or its floor, measured in the same run: `./bench`.
//!
//! Nothing here fails because the machine is slow or busy. What fails is what is untrue: an answer that was
//! not given, a delivery that was not stored.

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
mod row;
mod scale;
mod sqlite;
mod start;

use std::process::ExitCode;

use anyhow::{Result, bail};

use house::House;
use row::{Row, heading};

/// Measures one figure in a house of its own.
macro_rules! figure {
    ($name:literal, $about:literal, $measure:path) => {
        (
            $name,
            $about,
            (|house| Box::pin($measure(house))) as for<'a> fn(&'a House) -> Measuring<'a>,
        )
    };
}

type Measuring<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Vec<Row>>> + 'a>>;
type Figure = (&'static str, &'static str, for<'a> fn(&'a House) -> Measuring<'a>);

const FIGURES: &[Figure] = &[
    figure!(
        "intake",
        "Docker Hub's webhook, answered when it is durable",
        intake::registry
    ),
    figure!(
        "signed",
        "GitHub's signed webhook, answered when it is durable",
        intake::signed
    ),
    figure!(
        "first-write",
        "from the webhook to the first write at GitHub",
        pushes::first_write
    ),
    figure!("overhead", "what a run adds to `docker run`", engine::overhead),
    figure!(
        "throughput",
        "runs a second, beside `xargs -P2 docker run`",
        engine::throughput
    ),
    figure!("writes", "writes at GitHub to a run", pushes::writes),
    figure!(
        "memory",
        "resident memory: at rest, after a burst, after hostile bodies",
        memory::measure
    ),
    figure!("start", "from exec to ready", start::measure),
    figure!(
        "scale",
        "a million runs stored, beside a thousand",
        scale::measure
    ),
];

fn main() -> ExitCode {
    // Cargo adds options of its own.
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with("--"))
        .collect();
    let done = chosen(&names).and_then(|figures| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(measure(&figures))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chosen(names: &[String]) -> Result<Vec<Figure>> {
    if names.is_empty() {
        return Ok(FIGURES.to_vec());
    }
    let find = |name: &String| FIGURES.iter().find(|figure| figure.0 == name).copied();
    match names.iter().find(|name| find(name).is_none()) {
        Some(unknown) => {
            let known: Vec<String> = FIGURES
                .iter()
                .map(|(name, about, _)| format!("  {name:<12} {about}"))
                .collect();
            bail!("there is no figure `{unknown}`; there are\n{}", known.join("\n"))
        }
        None => Ok(names.iter().filter_map(find).collect()),
    }
}

async fn measure(figures: &[Figure]) -> Result<()> {
    println!("{}", heading());
    for (name, _, figure) in figures {
        let house = House::build().await?;
        let measured = tokio::select! {
            measured = figure(&house) => measured,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        };
        // Whatever came of it, nothing is left behind.
        house.close().await?;
        for row in measured.map_err(|error| error.context(*name))? {
            println!("{row}");
        }
    }
    Ok(())
}
