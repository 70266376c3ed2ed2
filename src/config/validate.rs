//! What the types do not say: values that parse and still cannot be meant.

use std::time::Duration;

use url::Url;

use super::Config;
use super::file::Step;

/// Registries limit how often they may be asked.
const SHORTEST_POLL: Duration = Duration::from_secs(10);

/// How the address of the embedded store starts.
pub(super) const SQLITE: &str = "sqlite://";

/// How the address of a server's database starts.
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

/// A value that cannot be used.
#[derive(Debug)]
pub(super) struct Problem {
    /// Its key.
    pub(super) path: Vec<Step>,
    /// What is wrong with it, and what to write instead.
    pub(super) why: String,
}

/// The first value of `config` that cannot be used.
pub(super) fn check(config: &Config) -> Result<(), Problem> {
    check_addresses(config)?;
    check_images(config)?;
    check_registries(config)?;
    check_docker(config)
}

fn check_addresses(config: &Config) -> Result<(), Problem> {
    if !has_port(&config.listen) {
        return problem(["listen"], "is not `address:port`");
    }
    if config.admin_listen != "off" && !has_port(&config.admin_listen) {
        return problem(["admin_listen"], "is neither `address:port` nor `off`");
    }
    let public = config.public_url.as_str();
    // Links begin with it as it stands: what reading a URL forgives, a space before it say, would be in each.
    let is_plain = public.starts_with("https://") || public.starts_with("http://");
    if !is_plain
        || !Url::parse(public)
            .is_ok_and(|url| is_web(&url) && url.query().is_none() && url.fragment().is_none())
    {
        return problem(
            ["public_url"],
            "is not an address like `https://checks.example.org`",
        );
    }
    if public.ends_with('/') {
        return problem(["public_url"], "ends with a slash: leave it out");
    }
    for (key, url) in [
        ("api_url", &config.github.api_url),
        ("web_url", &config.github.web_url),
    ] {
        if !is_web(url) {
            return problem(["github", key], "is not an http or https address");
        }
    }
    match config.store.strip_prefix(SQLITE) {
        Some("") => problem(["store"], "names no file: write `sqlite://hubcheck.db`"),
        Some(_) => Ok(()),
        None if POSTGRES.iter().any(|scheme| config.store.starts_with(scheme)) => {
            match Url::parse(&config.store) {
                Ok(url) if url.path().len() > 1 => Ok(()),
                _ => problem(
                    ["store"],
                    "is not an address like `postgres://USER:PASSWORD@HOST:5432/DATABASE`",
                ),
            }
        }
        None => problem(
            ["store"],
            "is neither an address like `sqlite://hubcheck.db` nor one like `postgres://USER:PASSWORD@HOST:5432/DATABASE`",
        ),
    }
}

fn check_images(config: &Config) -> Result<(), Problem> {
    for (place, image) in config.images.iter().enumerate() {
        let Some(other) = config.images[..place]
            .iter()
            .find(|other| other.name == image.name)
        else {
            continue;
        };
        let why = if other.repo == image.repo {
            format!("binds {} a second time: leave one entry out", image.name)
        } else {
            format!(
                "binds {} to {}, and an entry above binds it to {}: an image speaks for one repository",
                image.name, image.repo, other.repo
            )
        };
        return Err(Problem {
            path: vec![Step::Key("image".to_owned()), Step::Index(place)],
            why,
        });
    }
    Ok(())
}

fn check_registries(config: &Config) -> Result<(), Problem> {
    for (host, registry) in &config.registries {
        if host.is_empty() || host.contains('/') {
            return problem(["registry", host], "is not a registry's host like `docker.io`");
        }
        if registry.username.is_some() != registry.password.is_some() {
            return problem(["registry", host], "needs `username` and `password` together");
        }
        if registry.endpoint.as_ref().is_some_and(|url| !is_web(url)) {
            return problem(["registry", host, "endpoint"], "is not an http or https address");
        }
        for pattern in &registry.allow {
            let well_formed = pattern
                .split_once('/')
                .is_some_and(|(owner, name)| !owner.contains('*') && is_repo_pattern(owner, name));
            if !well_formed {
                let why = format!("holds `{pattern}`, which is neither `owner/name` nor `owner/*`");
                return problem(["registry", host, "allow"], why);
            }
        }
    }
    Ok(())
}

fn is_repo_pattern(owner: &str, name: &str) -> bool {
    let name = if name == "*" { "any" } else { name };
    format!("{owner}/{name}")
        .parse::<crate::model::RepoName>()
        .is_ok()
}

fn check_docker(config: &Config) -> Result<(), Problem> {
    let docker = &config.docker;
    let limits = &docker.limits;
    if docker.concurrency == 0 {
        return problem(["docker", "concurrency"], "is 0: nothing would ever run");
    }
    if !(limits.cpus.is_finite() && limits.cpus > 0.0) {
        return problem(["docker", "limits", "cpus"], "is not more than 0");
    }
    if limits.pids == 0 {
        return problem(["docker", "limits", "pids"], "is 0: no process could start");
    }
    for (key, bytes) in [("memory", limits.memory), ("disk", limits.disk)] {
        if bytes == 0 {
            return problem(["docker", "limits", key], "is 0");
        }
    }
    for (path, time) in [
        (["docker", "pull_timeout"].as_slice(), docker.pull_timeout),
        (&["docker", "limits", "timeout"], limits.timeout),
        (&["docker", "limits", "idle_timeout"], limits.idle_timeout),
        (&["retention"], config.retention),
    ] {
        if time == Duration::ZERO {
            return problem(path.iter().copied(), "is no time at all");
        }
    }
    if config.poll.is_some_and(|every| every < SHORTEST_POLL) {
        return problem(
            ["poll"],
            "is under 10s: registries limit how often they may be asked",
        );
    }
    if config.hooks.max_body == 0 {
        return problem(["hooks", "max_body"], "is 0: every body would be too large");
    }
    Ok(())
}

fn problem<'a>(path: impl IntoIterator<Item = &'a str>, why: impl Into<String>) -> Result<(), Problem> {
    Err(Problem {
        path: path.into_iter().map(|key| Step::Key(key.to_owned())).collect(),
        why: why.into(),
    })
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn has_port(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}
