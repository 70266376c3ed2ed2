//! `hubcheck explain`: which repository and commit an image maps to, and what every claim of it came to. The rules
//! are the resolver's; here they are only shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Common, Failure};
use crate::clock::Clock;
use crate::config::{Config, docker_login_file};
use crate::github::{Content, GitHub};
use crate::model::{
    Binding, Claim, Digest, Fate, ImageReference, JudgedClaim, Platform, Repo, RepoName, Tag,
};
use crate::net::Trust;
use crate::plan::{self, Declaration, File};
use crate::registry::{Access, ImageDetails, RegistryClient};
use crate::report::{binding_in_words, evidence_in_words, fate_in_words, plain_text};
use crate::resolve::{
    Bindings, Found, Image, Judgement, Named, Resolver, Setback, Subject, Taken, built_at, claims,
};
use crate::runner::Runner;
use crate::service::github_host;
use crate::signature::Verifier;
use crate::store::Store;

/// `hubcheck explain IMAGE`
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The image in its registry: acme/app, acme/app:v1, acme/app@sha256:…
    image: ImageReference,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is known in the end.
struct Explained {
    image: String,
    digest: Digest,
    platform: Platform,
    repo: Option<RepoName>,
    binding: Binding,
    /// The commit and how it is known, or why it is not.
    found: Result<Found, String>,
    /// Every claim with its fate.
    claims: Vec<JudgedClaim>,
    /// What was not done, and why.
    note: Option<&'static str>,
}

pub(super) async fn run(common: &Common, options: &Options) -> Result<(), Failure> {
    let config = common.load_with_app().await?;
    let wrong = |error: &dyn std::error::Error| Failure::Usage(error.to_string());
    let trust = Trust::new(&config.net).map_err(|error| wrong(&error))?;
    let login = docker_login_file(|name| std::env::var(name).ok());
    let registry = RegistryClient::new(&config.registries, &trust, login).map_err(|error| wrong(&error))?;
    let read = read(&config, &registry, &options.image).await?;
    let has_app = config.github.app_id.is_some() && config.github.private_key.is_some();
    let explained = if has_app {
        let github = GitHub::new(&config.github, &trust).map_err(|error| wrong(&error))?;
        let bindings = Bindings::new(&config.images, &config.registries);
        let host = github_host(&config.github.web_url);
        let resolver = Resolver::new(registry, github.clone(), bindings, host, Verifier::default());
        with_github(&config, (&github, &resolver), options, read).await?
    } else {
        without_github(&config, options, read)
    };
    let text = if options.json {
        format!("{:#}\n", explained.json())
    } else {
        explained.text()
    };
    super::test::print(&text);
    match explained.found {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::Silent(1)),
    }
}

/// What the registry says of the image, for the platform of the Engine, or of this machine where there is none.
async fn read(
    config: &Config,
    registry: &RegistryClient,
    image: &ImageReference,
) -> Result<(Digest, ImageDetails), Failure> {
    let engine = Runner::connect(&config.docker, uuid::Uuid::now_v7(), Clock::default());
    let platform = match engine {
        Ok(engine) => engine.platform().await.ok(),
        Err(_) => None,
    };
    let platform = platform.unwrap_or_else(Platform::of_this_machine);
    let outside = |error: crate::registry::RegistryError| Failure::Outside(error.to_string());
    let digest = match &image.digest {
        Some(digest) => digest.clone(),
        None => registry
            .resolve(&image.name, &tag_of(image), Access::Configured)
            .await
            .map_err(outside)?,
    };
    let details = registry
        .inspect(&image.name, &digest, &platform, Access::Configured)
        .await
        .map_err(outside)?;
    Ok((digest, details))
}

fn tag_of(image: &ImageReference) -> Tag {
    image.tag.clone().unwrap_or_else(Tag::latest)
}

/// What the image says, as far as it can be judged without asking GitHub.
fn without_github(
    config: &Config,
    options: &Options,
    (digest, details): (Digest, ImageDetails),
) -> Explained {
    let bindings = Bindings::new(&config.images, &config.registries);
    let repo = bindings.repo_of(&options.image.name).cloned();
    let image = Image::read(&details, jiff::Timestamp::now()).tagged(&tag_of(&options.image), None);
    let judgement = Judgement::of(image.claims, |_| false);
    let best = judgement.ranked().into_iter().next();
    let taken = best.and_then(|(index, named)| match named {
        Named::Commit(commit) => Some(Taken {
            index,
            same: vec![commit.clone()],
            lost: BTreeMap::new(),
        }),
        _ => None,
    });
    let settled = judgement.settle(taken.as_ref());
    let found = match (best, &repo) {
        (Some((_, Named::Commit(commit))), Some(_)) => Ok(Found {
            commit: commit.clone(),
            evidence: settled.evidence,
            is_dirty: settled.is_dirty,
            merge: None,
            claims: settled.claims.clone(),
            notes: Vec::new(),
        }),
        (Some((_, Named::Commit(commit))), None) => Err(format!(
            "the image names the commit {commit}; {}",
            Bindings::why_unbound(&options.image.name)
        )),
        (Some((_, Named::Prefix(digits))), _) => Err(format!("the image names the short SHA {digits} alone")),
        (Some((_, Named::Ref(name))), _) => Err(format!("the image names {name} alone")),
        (Some((_, Named::Pull(number))), _) => Err(format!("the tag names pull request {number} alone")),
        (None, _) => Err(judgement.why_none()),
    };
    Explained {
        image: options.image.text.clone(),
        digest,
        platform: details.platform.clone(),
        binding: if repo.is_some() {
            Binding::Operator
        } else {
            Binding::None
        },
        repo,
        found,
        claims: settled.claims,
        note: Some(
            "no GitHub App is configured: nothing was looked up at GitHub, neither the repository nor the commit",
        ),
    }
}

async fn with_github(
    config: &Config,
    (github, resolver): (&GitHub, &Resolver),
    options: &Options,
    (digest, details): (Digest, ImageDetails),
) -> Result<Explained, Failure> {
    let image = &options.image.name;
    let claims = claims::collect(&details);
    let mut explained = Explained {
        image: options.image.text.clone(),
        digest,
        platform: details.platform.clone(),
        repo: None,
        binding: Binding::None,
        found: Err(Bindings::why_unbound(image)),
        claims: Judgement::of(claims.clone(), |_| false).settle(None).claims,
        note: None,
    };
    let outside = |error: &dyn std::error::Error| Failure::Outside(error.to_string());
    let store = Store::open(&config.store, Clock::default())
        .await
        .map_err(|error| outside(&error))?;
    let declarers = store.declarers_of(image).await;
    store.close().await;
    let declarers = declarers.map_err(|error| outside(&error))?;
    let declarers = declarers.into_iter().map(|declared| declared.repo).collect();
    let Some(bound) = resolver.bindings().bound(image, declarers) else {
        return Ok(explained);
    };
    explained.binding = bound.binding();
    let visibility = resolver.visibility(image, &explained.digest).await;
    let repo = match resolver.repo(image, &bound, &claims, visibility).await {
        Ok(repo) => repo,
        Err(setback) => {
            explained.found = Err(why(setback));
            return Ok(explained);
        }
    };
    explained.repo = Some(repo.name.clone());
    let declared = declared(github, &repo, &options.image).await?;
    let reference = declared.reference(&tag_of(&options.image));
    let created = built_at(details.created.as_deref(), jiff::Timestamp::now());
    let subject = Subject::of(image, &details, Access::Configured);
    let image = Image::read(&details, created)
        .tagged(&tag_of(&options.image), reference.as_ref())
        .signed(subject, declared.require(&tag_of(&options.image)));
    let binding = explained.binding;
    if let Ok(judgement) = resolver.judge(&repo, binding, image.claims.clone()).await {
        explained.claims = judgement.settle(None).claims;
    }
    let found = async {
        let found = resolver.commit(&repo, binding, image).await?;
        resolver.standing(&repo, &found.commit).await?;
        Ok(found)
    };
    match found.await {
        Ok(found) => {
            explained.claims.clone_from(&found.claims);
            explained.found = Ok(found);
        }
        Err(setback) => explained.found = Err(why(setback)),
    }
    Ok(explained)
}

/// What the default branch says of the image now.
async fn declared(github: &GitHub, repo: &Repo, image: &ImageReference) -> Result<Declaration, Failure> {
    let content = github.file(repo, plan::PATH, None).await;
    let content = content.map_err(|error| Failure::Outside(error.to_string()))?;
    let Content::Text { text, .. } = content else {
        return Ok(Declaration::default());
    };
    let file = File::parse(&text).map_err(|error| Failure::No(error.to_string()))?;
    Ok(file.of(&image.name).cloned().unwrap_or_default())
}

fn why(setback: Setback) -> String {
    match setback {
        Setback::Passing { why, .. } | Setback::Final(why) => why,
    }
}

impl Explained {
    fn json(&self) -> Value {
        let found = self.found.as_ref().ok();
        let claims = self.claims.iter().map(|judged| {
            let Claim {
                place,
                source,
                revision,
                ..
            } = &judged.claim;
            let (fate, why) = match &judged.fate {
                Fate::Taken => ("taken", None),
                Fate::Agrees => ("agrees", None),
                Fate::Differs => ("differs", None),
                Fate::Ignored(why) => ("ignored", Some(why)),
            };
            json!({
                "place": place, "source": source, "revision": revision, "fate": fate, "why": why,
            })
        });
        json!({
            "image": self.image,
            "digest": self.digest,
            "platform": self.platform,
            "mapped": found.is_some(),
            "repository": self.repo,
            "commit": found.map(|found| &found.commit),
            "evidence": found.map(|found| found.evidence),
            "dirty": found.is_some_and(|found| found.is_dirty),
            "notes": found.map(|found| &found.notes),
            "binding": self.binding,
            "reason": self.found.as_ref().err(),
            "note": self.note,
            "claims": claims.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut lines = vec![
            ["image".to_owned(), self.image.clone()],
            ["digest".to_owned(), self.digest.to_string()],
            ["platform".to_owned(), self.platform.to_string()],
        ];
        let mut fact = |name: &str, value: String| lines.push([name.to_owned(), value]);
        if let Some(repo) = &self.repo {
            fact("repository", repo.to_string());
        }
        fact(
            "binding",
            format!("{}: {}", self.binding, binding_in_words(self.binding)),
        );
        match &self.found {
            Ok(found) => {
                fact("commit", found.commit.to_string());
                fact(
                    "evidence",
                    format!("{}: {}", found.evidence, evidence_in_words(found.evidence)),
                );
                if found.is_dirty {
                    fact(
                        "dirty",
                        "built with changes that are in no commit: never green".to_owned(),
                    );
                }
                for note in &found.notes {
                    fact("note", note.clone());
                }
            }
            Err(why) => fact("not mapped", why.clone()),
        }
        if let Some(note) = self.note {
            fact("note", note.to_owned());
        }
        let mut text = aligned(&lines);
        if self.claims.is_empty() {
            return text + "\nthe image says nothing of its source\n";
        }
        let head = ["FOUND IN", "SOURCE", "REVISION", "WHAT CAME OF IT"].map(str::to_owned);
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
        let rows = self.claims.iter().map(|judged| {
            [
                judged.claim.place.to_string(),
                shown(&judged.claim.source),
                shown(&judged.claim.revision),
                fate_in_words(&judged.fate),
            ]
        });
        let table: Vec<[String; 4]> = std::iter::once(head).chain(rows).collect();
        text.push('\n');
        text + &aligned(&table)
    }
}

/// Columns under each other, of strangers' texts made plain.
fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let rows: Vec<[String; COLUMNS]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| plain_text(cell).replace('\n', " ")))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            // Into a text nothing can fail.
            let _ = write!(line, "{cell:<width$}  ", width = width(column));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
