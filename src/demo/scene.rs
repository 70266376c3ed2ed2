//! What the demo is about: three images of one repository, each built from a commit of its own.

use std::io;
use std::time::Duration;

use serde_json::json;

use super::github::GitHub;
use super::images::{Image, ImageBuilder, Layer, shell_layer};
use super::registry::DemoRegistry;
use crate::model::{CommitSha, ImageName, RepoName, Visibility};

/// The repository that all three images come from.
const REPO: &str = "acme/anvil";

/// How long the webhook may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One image of the demo, and what is to come of it.
#[derive(Clone, Debug)]
pub struct Act {
    /// The image, as users see it.
    pub image: ImageName,
    /// The commit that it says it was built from.
    pub commit: CommitSha,
    /// What it is there to show.
    pub about: &'static str,
    /// The check run's conclusion that is to come.
    pub conclusion: &'static str,
    /// The status' state that is to come.
    pub state: &'static str,
}

/// The demo's repository and its images.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The repository.
    pub repo: RepoName,
    /// Its images, in the order in which they are pushed.
    pub acts: Vec<Act>,
}

/// A kind of image: its name, what it shows, its commit's message, the tests in it, what is to come.
struct Script {
    path: &'static str,
    about: &'static str,
    message: &'static str,
    entrypoint: Option<&'static str>,
    conclusion: &'static str,
    state: &'static str,
}

const SCRIPTS: [Script; 3] = [
    Script {
        path: "acme/anvil-good",
        about: "its tests pass",
        message: "Temper the anvil",
        entrypoint: Some(
            "#!/bin/sh\necho \"testing an anvil as: $*\"\necho 'ok 1 - it is heavy'\necho 'ok 2 - it rings'\n",
        ),
        conclusion: "success",
        state: "success",
    },
    Script {
        path: "acme/anvil-bad",
        about: "one of its tests fails",
        message: "Make the anvil lighter",
        entrypoint: Some(
            "#!/bin/sh\necho 'ok 1 - it rings'\necho 'not ok 2 - it is heavy: it floated away' >&2\nexit 1\n",
        ),
        conclusion: "failure",
        state: "failure",
    },
    Script {
        path: "acme/anvil-untested",
        about: "it has no tests",
        message: "Ship the anvil untested",
        entrypoint: None,
        conclusion: "action_required",
        state: "error",
    },
];

impl Scene {
    /// Commits to the simulated GitHub, and puts an image of each commit into the registry.
    pub fn set(github: &GitHub, registry: &DemoRegistry) -> io::Result<Self> {
        let repo: RepoName = REPO.parse().map_err(io::Error::other)?;
        github.add_repo(&repo, Visibility::Public);
        let shell = shell_layer()?;
        let mut acts = Vec::new();
        for script in SCRIPTS {
            let commit = github
                .commit(&repo, script.message)
                .ok_or_else(|| io::Error::other("no repository"))?;
            registry.put(script.path, "latest", &build(&script, &shell, &repo, &commit));
            acts.push(Act {
                image: script.path.parse().map_err(io::Error::other)?,
                commit,
                about: script.about,
                conclusion: script.conclusion,
                state: script.state,
            });
        }
        Ok(Self { repo, acts })
    }
}

fn build(script: &Script, shell: &Layer, repo: &RepoName, commit: &CommitSha) -> Image {
    let image = ImageBuilder::for_this_host()
        .layer(shell.clone())
        .label(
            "org.opencontainers.image.source",
            &format!("https://github.com/{repo}"),
        )
        .label("org.opencontainers.image.revision", commit.as_str());
    match script.entrypoint {
        Some(tests) => image.script("/tests", tests).entrypoint(&["/tests"]).build(),
        None => image.cmd(&["/bin/sh"]).build(),
    }
}

impl Act {
    /// Posts to `hook` what Docker Hub posts when this image is pushed. Returns the answer's status and
    /// decision.
    pub async fn announce(&self, hook: &str) -> Result<(u16, String), reqwest::Error> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let answer = client.post(hook).json(&self.payload()).send().await?;
        let status = answer.status().as_u16();
        let body: serde_json::Value = answer.json().await?;
        Ok((status, body["decision"].as_str().unwrap_or("refused").to_owned()))
    }

    fn payload(&self) -> serde_json::Value {
        let path = self.image.path();
        let (namespace, name) = path.split_once('/').unwrap_or(("library", path));
        json!({
            "callback_url": format!("https://registry.hub.docker.com/u/{path}/hook/2f1a/"),
            "push_data": {
                "pusher": namespace,
                "pushed_at": 1_790_000_000,
                "tag": "latest",
                "images": [],
                "media_type": super::images::MANIFEST,
            },
            "repository": {
                "status": "Active",
                "namespace": namespace,
                "name": name,
                "repo_name": path,
                "repo_url": format!("https://hub.docker.com/r/{path}"),
                "description": "",
                "full_description": null,
                "star_count": 0,
                "is_private": false,
                "is_trusted": false,
                "is_official": false,
                "owner": namespace,
                "date_created": 1_780_000_000,
            },
        })
    }
}
