//! `hubcheck replay`: a body that was saved, or a delivery that is stored, goes through the pipeline once more; where
//! nobody serves from the store, in this process.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Common, Failure, stop_signal, test};
use crate::access::{PageKeys, PageLinks};
use crate::clock::Clock;
use crate::config::{Config, docker_login_file};
use crate::delivery;
use crate::github::RehearsedWrite;
use crate::hooks::github::{self, GithubEvent};
use crate::hooks::{BadBody, Parsed, Sender};
use crate::model::{Decision, DeliveryId};
use crate::report::{outcome_in_words, plain_text};
use crate::resolve::Bindings;
use crate::service::{Environment, PAGE_SECRET, Service, StartError};
use crate::store::{Intake, JobKind, NewDelivery, PushStage, Run, Stage, Store, StoreError, Taken};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Bodies at the door are smaller; GitHub's end here.
const MAX_FILE: u64 = 25 << 20;

/// `hubcheck replay FILE|DELIVERY`
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A file with a body as the sender sent it, or the id of a stored delivery
    #[arg(value_name = "FILE|DELIVERY")]
    what: String,
    /// Print the requests that would be sent to GitHub, and send none; the store is left alone
    #[arg(long)]
    dry_run: bool,
    /// Whose body the file is
    #[arg(long, default_value = "dockerhub", conflicts_with = "event")]
    sender: Sender,
    /// The file is GitHub's, with this X-GitHub-Event
    #[arg(long)]
    event: Option<String>,
}

/// What is replayed.
enum Payload {
    Registry {
        sender: Sender,
        parsed: Parsed,
        body: String,
    },
    Github {
        event: GithubEvent,
        name: String,
    },
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<(), Failure> {
    let config = common.load_with_app().await?;
    if !config.github.has_app() {
        return Err(Failure::Usage(
            "no GitHub App is configured: `hubcheck serve` leads through making one, or set [github] app_id, private_key_file and webhook_secret".to_owned(),
        ));
    }
    let stopped = stop_signal()?;
    let payload = match read_file(options)? {
        Some(payload) => payload,
        None => stored(&config, &options.what).await?,
    };
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        stopped.await;
        stopping.cancel();
    });
    if options.dry_run {
        Box::pin(rehearse(config, &payload, &stop)).await
    } else {
        Box::pin(replay(config, &payload, &stop)).await
    }
}

/// The file, if there is one of that name.
fn read_file(options: &Options) -> Result<Option<Payload>, Failure> {
    let path = Path::new(&options.what);
    let is_delivery = options.what.parse::<DeliveryId>().is_ok();
    if is_delivery && !path.exists() {
        return Ok(None);
    }
    let cannot = |why: String| Failure::Usage(format!("cannot read {}: {why}", path.display()));
    let known = std::fs::metadata(path).map_err(|error| {
        cannot(format!(
            "{error}; give the path of a saved body, or the id of a delivery"
        ))
    })?;
    if known.len() > MAX_FILE {
        return Err(cannot(format!("it is larger than {} MiB", MAX_FILE >> 20)));
    }
    let body = std::fs::read(path).map_err(|error| cannot(error.to_string()))?;
    let bad = |error: BadBody| cannot(error.to_string());
    Ok(Some(match &options.event {
        Some(name) => Payload::Github {
            event: github::parse(name, &body).map_err(bad)?,
            name: name.clone(),
        },
        None => Payload::Registry {
            sender: options.sender,
            parsed: options.sender.parse(&body).map_err(bad)?,
            body: String::from_utf8_lossy(&body).into_owned(),
        },
    }))
}

async fn stored(config: &Config, id: &str) -> Result<Payload, Failure> {
    let unknown = || {
        Failure::Usage(format!(
            "the store has no delivery {id}: /api/v1/deliveries lists those that are kept"
        ))
    };
    let id: DeliveryId = id.parse().map_err(|_| unknown())?;
    let store = open(config).await?;
    let known = store.delivery(id).await;
    store.close().await;
    let known = known.map_err(|error| outside(&error))?.ok_or_else(unknown)?;
    let unreadable = |why: String| Failure::Outside(format!("delivery {id} cannot be read: {why}"));
    if known.summary.sender == "github" {
        return Ok(Payload::Github {
            event: serde_json::from_str(&known.body).map_err(|error| unreadable(error.to_string()))?,
            name: known.summary.event,
        });
    }
    let sender = known.summary.sender.parse::<Sender>();
    let sender = sender.map_err(|error| unreadable(error.to_string()))?;
    Ok(Payload::Registry {
        sender,
        parsed: sender
            .parse(known.body.as_bytes())
            .map_err(|error| unreadable(error.to_string()))?,
        body: known.body,
    })
}

/// For real: by whoever serves from the store, else here.
async fn replay(config: Config, payload: &Payload, stop: &CancellationToken) -> Result<(), Failure> {
    let serving = match Service::start(unheard(config.clone()), environment(None).await?).await {
        Ok(service) => Some(service),
        Err(StartError::InUse(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(service) = serving {
        let done = feed(&config, service.store(), payload, stop).await;
        service.stop().await;
        return done;
    }
    let store = open(&config).await?;
    let done = feed(&config, &store, payload, stop).await;
    store.close().await;
    done
}

/// With a store of its own that is thrown away, and every write to GitHub printed.
async fn rehearse(mut config: Config, payload: &Payload, stop: &CancellationToken) -> Result<(), Failure> {
    if let Payload::Github { event, .. } = payload
        && !matches!(event, GithubEvent::PackagePushed { .. })
        && delivery::acts_on(event).0 == Decision::Queued
    {
        return Err(Failure::Usage(
            "--dry-run takes what registries send: an event of GitHub's is about what the store holds, and a dry run leaves the store alone".to_owned(),
        ));
    }
    let outside =
        |error: std::io::Error| Failure::Outside(format!("cannot make a store to rehearse with: {error}"));
    let folder = TempDir::new().map_err(outside)?;
    config.store = format!("sqlite://{}", folder.path().join("hubcheck.db").display());
    let (writes, mut written) = mpsc::channel(16);
    let service = Service::start(unheard(config.clone()), environment(Some(writes)).await?).await?;
    let mut feeding = std::pin::pin!(async {
        let done = feed(&config, service.store(), payload, stop).await;
        service.stop().await;
        done
    });
    let done = loop {
        tokio::select! {
            biased;
            Some(write) = written.recv() => show(&write),
            done = &mut feeding => break done,
        }
    };
    written.close();
    while let Some(write) = written.recv().await {
        show(&write);
    }
    done
}

fn show(write: &RehearsedWrite) {
    test::print(&format!("{}\n{:#}\n\n", write.request, write.body));
}

/// A bot that nobody reaches but us.
fn unheard(mut config: Config) -> Config {
    "off".clone_into(&mut config.admin_listen);
    config
}

async fn environment(rehearsal: Option<mpsc::Sender<RehearsedWrite>>) -> Result<Environment, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    Ok(Environment {
        docker_login_file: docker_login_file(|name| std::env::var(name).ok()),
        listener: Some(listener.map_err(|error| Failure::Outside(format!("cannot listen: {error}")))?),
        rehearsal,
        ..Environment::default()
    })
}

/// Puts the payload into the queue, and tells what comes of it until GitHub shows it.
async fn feed(
    config: &Config,
    store: &Store,
    payload: &Payload,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let delivery = delivered(config, store, payload)
        .await
        .map_err(|error| outside(&error))?;
    let (id, decision, reason) = (delivery.id, delivery.decision, delivery.reason.clone());
    let is_github = delivery.sender == "github";
    match Intake::start(store.clone()).take(delivery).await {
        Taken::Stored => {}
        Taken::Duplicate(_) | Taken::Flooded | Taken::Refused => {
            return Err(Failure::Outside("the store did not take the delivery".to_owned()));
        }
    }
    tell(&format!("delivery {id}: {}, {reason}", decision.as_str()));
    if decision != Decision::Queued {
        return Err(Failure::Silent(1));
    }
    let followed = async {
        if is_github {
            while store.is_job_open(JobKind::GithubEvent, &id.to_string()).await? {
                tokio::time::sleep(LOOK).await;
            }
        }
        let is_mapped = follow_pushes(store, id).await?;
        follow_runs(config, store, id).await?;
        Ok(is_mapped)
    };
    match stop.run_until_cancelled(Box::pin(followed)).await {
        Some(Ok(true)) => Ok(()),
        Some(Ok(false)) => Err(Failure::Silent(1)),
        Some(Err(error)) => Err(outside(&error)),
        None => Err(Failure::Outside(
            "stopped; `hubcheck serve` goes on with what is in the store".to_owned(),
        )),
    }
}

async fn delivered(config: &Config, store: &Store, payload: &Payload) -> Result<NewDelivery, StoreError> {
    match payload {
        Payload::Registry { sender, parsed, body } => {
            let bindings = Bindings::new(&config.images, &config.registries);
            delivery::of_registry(store, &bindings, *sender, (parsed, body.clone())).await
        }
        Payload::Github { event, name } => {
            let bindings = Bindings::new(&config.images, &config.registries);
            delivery::of_github(store, &bindings, event, (name, None)).await
        }
    }
}

/// Waits until each push of the delivery has ended. Did all end in a run?
async fn follow_pushes(store: &Store, delivery: DeliveryId) -> Result<bool, StoreError> {
    let mut told = HashSet::new();
    loop {
        let pushes = store.pushes_of(delivery).await?;
        for push in &pushes {
            if let Some(reason) = &push.reason
                && told.insert(reason.clone())
            {
                tell(&format!("{}:{}: {}", push.image, push.tag, plain_text(reason)));
            }
        }
        if pushes.iter().all(|push| push.stage != PushStage::Received) {
            return Ok(pushes.iter().all(|push| push.stage == PushStage::Run));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until GitHub shows the end of each run that came of the delivery.
async fn follow_runs(config: &Config, store: &Store, delivery: DeliveryId) -> Result<(), StoreError> {
    let keys = PageKeys::new(&store.secret(PAGE_SECRET).await?);
    let links = PageLinks::new(&config.public_url, keys);
    let mut troubles = HashSet::new();
    for id in store.runs_of_delivery(delivery).await? {
        loop {
            let Some(run) = store.run(id).await? else { break };
            let is_over = run.stage == Stage::Finished || run.superseded_by.is_some();
            if is_over && store.is_shown(id).await? {
                tell(&ended(&run, &links));
                break;
            }
            if let Some(trouble) = run.trouble
                && troubles.insert(trouble.clone())
            {
                tell(&format!("the run waits: {}", plain_text(&trouble)));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

fn ended(run: &Run, links: &PageLinks) -> String {
    let outcome = match &run.verdict {
        Some(verdict) => format!(
            "{}: {}",
            outcome_in_words(verdict.outcome),
            plain_text(&verdict.title)
        ),
        None => "a newer push of the tag took its place".to_owned(),
    };
    let source = &run.source;
    format!(
        "{}@{} was built from {}@{}. {outcome}\n  {}",
        run.image.short(),
        run.digest.short(),
        source.repo.name,
        source.commit.short(),
        links.run(run)
    )
}

/// For people: stdout is for the requests.
fn tell(text: &str) {
    use std::io::Write as _;
    // A reader that went away does not end the work.
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn open(config: &Config) -> Result<Store, Failure> {
    let opened = Store::open(&config.store, Clock::default()).await;
    opened.map_err(|error| outside(&error))
}

fn outside(error: &StoreError) -> Failure {
    Failure::Outside(error.to_string())
}
