//! From a tag to its commit: what that takes besides the registry's answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hubcheck::config::{self, Config, ImageBinding};
use hubcheck::github;
use hubcheck::model::{CommitSha, Evidence, ImageName, Platform, Tag, Visibility};
use hubcheck::net::Trust;
use hubcheck::registry::{Access, RegistryClient};
use hubcheck::resolve::{Bindings, Image, Resolver, Setback, Subject, built_at};
use hubcheck::signature::Verifier;

use crate::house::{House, IMAGE};
use crate::pushes::registry_alone;
use crate::row::{Row, Samples};

/// Tags that are resolved, each of an image and a commit of its own.
const TAGS: u32 = 300;

/// What the first ones warm up: connections, the App's token.
const WARM_UP: u32 = 10;

/// The resolver as the bot has it, one tag after the other: digest, claims, repository, commit, standing.
pub(crate) async fn measure(house: &House) -> Result<Vec<Row>> {
    let resolver = resolver(house)?;
    let mut times = Vec::new();
    for number in 0..TAGS {
        let tag = format!("resolved-{number}");
        let pushed = house.push(&tag)?;
        let begun = Instant::now();
        let commit = resolve(&resolver, &tag.parse()?)
            .await
            .map_err(|setback| anyhow!("{tag}: {setback:?}"))?;
        let took = begun.elapsed();
        anyhow::ensure!(commit == pushed.commit, "{tag} led to another commit");
        let alone = registry_alone(house, &tag).await?;
        if number >= WARM_UP {
            times.push((took, alone));
        }
    }
    let samples = |pick: fn(&(Duration, Duration)) -> f64| times.iter().map(pick).collect::<Samples>();
    let took = samples(|(took, _)| took.as_secs_f64() * 1e3);
    let alone = samples(|(_, alone)| alone.as_secs_f64() * 1e3);
    let besides = samples(|(took, alone)| (took.as_secs_f64() - alone.as_secs_f64()) * 1e3);
    Ok(vec![Row {
        what: format!("a tag to its commit: p50 / p99 of {}", TAGS - WARM_UP),
        ours: took.tail(1, " ms"),
        against: format!("registry alone {}", alone.tail(1, " ms")),
        ratio: format!("besides {}", besides.tail(1, " ms")),
        goal: "p99 ≤ 15 ms besides",
    }])
}

fn resolver(house: &House) -> Result<Resolver> {
    let trust = Trust::new(&Config::defaults().net)?;
    let mirror = config::Registry {
        endpoint: Some(format!("http://{}", house.registry.host()).parse()?),
        ..config::Registry::default()
    };
    let registry = RegistryClient::new(&[("docker.io".to_owned(), mirror)].into(), &trust, None)?;
    let settings = house
        .github
        .config()
        .context("the simulated GitHub has a configuration")?;
    let github = github::GitHub::new(&settings, &trust)?;
    let bound = ImageBinding {
        name: IMAGE.parse()?,
        repo: house.repo.clone(),
        env: [].into(),
        mask: None,
    };
    let bindings = Bindings::new(&[bound], &BTreeMap::new());
    let host = "github.com".to_owned();
    Ok(Resolver::new(
        registry,
        github,
        bindings,
        host,
        Verifier::default(),
    ))
}

async fn resolve(resolver: &Resolver, tag: &Tag) -> Result<CommitSha, Setback> {
    let name: ImageName = IMAGE.parse().expect("it is a name");
    let bound = resolver.bindings().bound(&name, Vec::new()).expect("it is bound");
    let digest = resolver.digest(&name, tag, Access::Configured).await?;
    let here = Platform::of_this_machine();
    let details = resolver
        .inspect(&name, &digest, &here, Access::Configured)
        .await?;
    let repo = resolver.repo(&name, &bound, &[], Visibility::Public).await?;
    let created = built_at(details.created.as_deref(), jiff::Timestamp::now());
    let image = Image::read(&details, created).tagged(tag, None).signed(
        Subject::of(&name, &details, Access::Configured),
        Evidence::Claimed,
    );
    let found = resolver.commit(&repo, bound.binding(), image).await?;
    resolver.standing(&repo, &found.commit).await?;
    Ok(found.commit)
}
