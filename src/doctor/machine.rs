//! The machine that the bot is on: its address, its store, its Docker Engine.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use super::Finding;
use crate::clock::Clock;
use crate::config::Config;
use crate::runner::{EngineInfo, Runner};
use crate::store::{Schema, Store};

/// The oldest API that has all that is asked of it: that of Docker 20.10.
const OLDEST_API: (u32, u32) = (1, 41);

/// Where clouds tell a machine its secrets. <https://cloud.google.com/compute/docs/metadata/overview>
const METADATA: &str = "169.254.169.254:80";

/// How long such an address may take: it is next door.
const NEXT_DOOR: Duration = Duration::from_secs(1);

/// Can GitHub and registries reach `public_url`?
pub(super) fn address(config: &Config) -> Finding {
    let url = &config.public_url;
    let is_here = Url::parse(url).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    });
    if is_here {
        return Finding::wrong(
            "public address",
            format!("{url} is this machine alone: neither GitHub nor a registry can reach it"),
            "set `public_url` to the address that the world reaches, https://checks.example.org",
        );
    }
    if url.starts_with("http://") {
        return Finding::note(
            "public address",
            format!("{url}: over plain HTTP who listens on the way reads the hook URLs; put TLS before it"),
        );
    }
    Finding::good("public address", url.clone())
}

/// Is the store there, and this program's?
pub(super) async fn store(config: &Config) -> Finding {
    let subject = "store";
    let schema = match Store::schema_at(&config.store).await {
        Ok(schema) => schema,
        Err(error) => return broken(subject, &error.to_string()),
    };
    match schema {
        Schema::Absent => Finding::good(subject, "there is none yet: `hubcheck serve` makes it"),
        Schema::Behind(steps) => Finding::good(
            subject,
            format!("of an older hubcheck: `hubcheck serve` brings it up to date in {steps} steps"),
        ),
        Schema::Current => match writable(config).await {
            Ok(()) => Finding::good(subject, "of this version, and can be written to"),
            Err(error) => broken(subject, &error.to_string()),
        },
    }
}

async fn writable(config: &Config) -> Result<(), crate::store::StoreError> {
    let store = Store::open(&config.store, Clock::default()).await?;
    let written = store.check_writable().await;
    store.close().await;
    written
}

/// A message that ends in what to do, in its two halves.
fn broken(subject: &str, message: &str) -> Finding {
    let (what, mend) = message
        .rsplit_once("; ")
        .or_else(|| message.rsplit_once(": "))
        .unwrap_or((message, "see `store` in the configuration"));
    Finding::wrong(subject, what, mend)
}

/// Is there an Engine, is it new enough, and what may break out of it?
pub(super) async fn docker(config: &Config, clock: &Clock) -> Vec<Finding> {
    let subject = "Docker Engine";
    let mend = "start Docker, or set `docker.host`; this user must be in the group `docker`, or be root";
    let runner = match Runner::connect(&config.docker, uuid::Uuid::now_v7(), clock.clone()) {
        Ok(runner) => runner,
        Err(error) => return vec![Finding::wrong(subject, error.to_string(), mend)],
    };
    let info = match runner.health().await {
        Ok(info) => info,
        Err(error) => return vec![Finding::wrong(subject, error.to_string(), mend)],
    };
    let mut findings = vec![age(&info)];
    findings.push(match info.danger() {
        Some(danger) => match danger.rsplit_once("; ") {
            Some((what, mend)) => Finding::wrong("runc", what, mend),
            None => Finding::wrong("runc", danger, "update it"),
        },
        None => Finding::good("runc", info.runc.clone().unwrap_or_else(|| "not told".to_owned())),
    });
    let wanted = &config.docker.runtime;
    if !info.runtimes.is_empty() && !info.runtimes.contains(wanted) {
        findings.push(Finding::wrong(
            "runtime",
            format!(
                "the Engine has no runtime `{wanted}`, only {}",
                info.runtimes.join(", ")
            ),
            "install it there, or change `docker.runtime`",
        ));
    }
    findings.push(metadata(config).await);
    findings
}

fn age(info: &EngineInfo) -> Finding {
    let found = format!("{}, API {}", info.version, info.api_version);
    let api = info.api_version.split_once('.');
    let api = api.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match api {
        Some(api) if api < OLDEST_API => Finding::wrong(
            "Docker Engine",
            format!("{found} is too old: it lacks what containers are held with"),
            format!(
                "update it to Docker 20.10 (API {}.{}) or newer",
                OLDEST_API.0, OLDEST_API.1
            ),
        ),
        _ => Finding::good("Docker Engine", found),
    }
}

/// Where this machine can ask its cloud for secrets, containers with a network can too: the Engine has no means
/// against that.
async fn metadata(config: &Config) -> Finding {
    let subject = "metadata address";
    if !config.docker.network {
        return Finding::good(subject, "no repository gets a network: `docker.network` is off");
    }
    match timeout(NEXT_DOOR, TcpStream::connect(METADATA)).await {
        // Whether a rule keeps containers from it is not seen from here.
        Ok(Ok(_)) => Finding::note(
            subject,
            "this machine reaches 169.254.169.254: tests with `network: bridge` may read its cloud's secrets there, unless `iptables -I DOCKER-USER -d 169.254.0.0/16 -j REJECT` was run",
        ),
        _ => Finding::good(subject, "169.254.169.254 is not reached from here"),
    }
}
