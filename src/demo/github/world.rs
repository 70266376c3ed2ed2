//! What the simulated GitHub knows: the App, its installations and tokens, and the repositories. The
//! domain itself; how it reads as JSON stands in the modules beside.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use rand::Rng;
use secrecy::SecretString;
use serde::Deserialize;

use super::access::{Token, whole_seconds};
use super::browse::Made;
use super::fault::Fault;
use super::hook::Attempt;
use super::ledger::Request;
use super::limits::{Counted, Pause, TooEarly};
use super::records::{CheckRun, Commit, NewCommit, RepoState};
use super::webhook::Webhook;
use crate::app_manifest::AppManifest;
use crate::clock::Clock;
use crate::model::{CommitSha, InstallationId, RepoId, RepoName, Visibility};

/// The App as it is registered at the simulated GitHub.
#[derive(Clone, Debug)]
pub struct SimulatedApp {
    /// The App's number.
    pub id: u64,
    /// The App's name in URLs.
    pub slug: String,
    /// What its webhooks are signed with.
    pub webhook_secret: SecretString,
    /// The App's other name, by which its tokens may be signed as well.
    pub client_id: String,
    /// What it asks for.
    pub permissions: Permissions,
    /// What it is told of.
    pub events: Vec<String>,
    /// The time that tokens are checked against, and that limits are counted by.
    pub clock: Clock,
    /// The address of the Enterprise Server that this stands for: its API is below `/api/v3` there. `None`: it stands
    /// for github.com, whose API has a host of its own.
    pub enterprise: Option<String>,
    /// Are its installations held to GitHub's limits? An Enterprise Server sets none unless its owner does.
    pub is_limited: bool,
}

impl Default for SimulatedApp {
    /// As `app-manifest/` describes it.
    fn default() -> Self {
        let asked = AppManifest::at("http://127.0.0.1");
        Self {
            id: 424_242,
            slug: "hubcheck-demo".to_owned(),
            webhook_secret: SecretString::from("the demo's webhook secret"),
            client_id: "Iv23liDEMO0000000000".to_owned(),
            permissions: asked
                .default_permissions
                .into_iter()
                .map(|(name, access)| match access.as_str() {
                    "write" => (name, Access::Write),
                    _ => (name, Access::Read),
                })
                .collect(),
            events: asked.default_events,
            clock: Clock::default(),
            enterprise: None,
            is_limited: false,
        }
    }
}

/// How far a permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// May look.
    Read,
    /// May change, and look.
    Write,
}

/// Permissions by GitHub's name: `checks`, `statuses`, …
pub type Permissions = BTreeMap<String, Access>;

/// The App in one account.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    pub(super) id: InstallationId,
    pub(super) owner: String,
    pub(super) permissions: Permissions,
    /// What it is told of there.
    pub(super) events: Vec<String>,
    pub(super) is_suspended: bool,
}

/// The whole of it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) app: SimulatedApp,
    pub(super) base_url: String,
    pub(super) installations: Vec<Installation>,
    pub(super) repos: Vec<RepoState>,
    pub(super) tokens: Vec<Token>,
    pub(super) faults: Vec<Fault>,
    pub(super) outage: bool,
    pub(super) ledger: Vec<Request>,
    /// Requests of the last hour, where there are limits.
    pub(super) counted: Vec<Counted>,
    pub(super) broken_limits: u32,
    /// What installations were asked for last.
    pub(super) pauses: HashMap<InstallationId, Pause>,
    pub(super) too_early: Vec<TooEarly>,
    /// Commits whose check runs or statuses somebody looked at.
    pub(super) looked_at: HashSet<CommitSha>,
    /// Where the App's webhooks go.
    pub(super) hook_url: Option<String>,
    /// Where whoever installed the App is led.
    pub(super) setup_url: Option<String>,
    /// Apps that were made from a manifest, and whose keys nobody fetched yet.
    pub(super) codes: Vec<Made>,
    /// Every attempt to deliver one, oldest first.
    pub(super) attempts: Vec<Attempt>,
    /// Those that somebody asked for again.
    pub(super) asked_again: Vec<Webhook>,
    last_id: u64,
}

impl World {
    pub(super) fn new(app: SimulatedApp, base_url: String) -> Self {
        let base_url = app.enterprise.clone().unwrap_or(base_url);
        Self {
            app,
            base_url,
            installations: Vec::new(),
            repos: Vec::new(),
            tokens: Vec::new(),
            faults: Vec::new(),
            outage: false,
            ledger: Vec::new(),
            counted: Vec::new(),
            broken_limits: 0,
            pauses: HashMap::new(),
            too_early: Vec::new(),
            looked_at: HashSet::new(),
            hook_url: None,
            setup_url: None,
            codes: Vec::new(),
            attempts: Vec::new(),
            asked_again: Vec::new(),
            last_id: 1_000,
        }
    }

    /// A number that nothing else here has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.app.clock.now()).unwrap_or_default()
    }

    /// Makes a repository; the App is installed for its owner if it was not yet.
    pub(super) fn add_repo(&mut self, name: RepoName, visibility: Visibility) -> RepoId {
        self.install(name.owner());
        let id = RepoId(i64::try_from(self.next_id()).unwrap_or(i64::MAX));
        self.repos.push(RepoState {
            id,
            name,
            former_names: Vec::new(),
            visibility,
            is_archived: false,
            default_branch: "main".to_owned(),
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            pulls: Vec::new(),
            commits: Vec::new(),
            check_runs: Vec::new(),
            statuses: Vec::new(),
            attestations: Vec::new(),
        });
        id
    }

    /// Installs the App for an account, with the permissions that it asks for.
    pub(super) fn install(&mut self, owner: &str) -> InstallationId {
        if let Some(installation) = self.installation_of(owner) {
            return installation.id;
        }
        let id = InstallationId(i64::try_from(self.next_id()).unwrap_or(i64::MAX));
        self.installations.push(Installation {
            id,
            owner: owner.to_owned(),
            permissions: self.app.permissions.clone(),
            events: self.app.events.clone(),
            is_suspended: false,
        });
        id
    }

    /// Takes the App away from an account: its tokens die at once.
    pub(super) fn uninstall(&mut self, owner: &str) {
        let Some(gone) = self.installation_of(owner).map(|installation| installation.id) else {
            return;
        };
        self.installations.retain(|installation| installation.id != gone);
        self.tokens.retain(|token| token.installation != gone);
    }

    pub(super) fn installation_of(&self, owner: &str) -> Option<&Installation> {
        self.installations
            .iter()
            .find(|installation| installation.owner.eq_ignore_ascii_case(owner))
    }

    pub(super) fn repo(&self, name: &RepoName) -> Option<&RepoState> {
        self.repos.iter().find(|repo| repo.name == *name)
    }

    pub(super) fn repo_by_id(&self, id: RepoId) -> Option<&RepoState> {
        self.repos.iter().find(|repo| repo.id == id)
    }

    pub(super) fn repo_by_id_mut(&mut self, id: RepoId) -> Option<&mut RepoState> {
        self.repos.iter_mut().find(|repo| repo.id == id)
    }

    /// Makes a commit. `None`: there is no such repository.
    pub(super) fn commit(&mut self, name: &RepoName, new: &NewCommit<'_>) -> Option<CommitSha> {
        let committed_at = new.committed_at.unwrap_or_else(|| self.now());
        let repo = self.repos.iter_mut().find(|repo| repo.name == *name)?;
        let mut digits = [0_u8; 20];
        rand::rng().fill_bytes(&mut digits);
        let sha: CommitSha = hex::encode(digits).parse().ok()?;
        let head = repo.branches.get(&repo.default_branch).cloned();
        let parents = new.parents.map_or_else(|| Vec::from_iter(head), <[_]>::to_vec);
        let before = parents.first().and_then(|parent| repo.commit(parent.as_str()));
        let mut files = before.map(|commit| commit.files.clone()).unwrap_or_default();
        files.extend(
            new.files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned())),
        );
        files.retain(|path, _| !new.removes.contains(&path.as_str()));
        repo.commits.push(Commit {
            sha: sha.clone(),
            parents,
            message: new.message.to_owned(),
            committed_at,
            files,
        });
        if new.parents.is_none() {
            repo.branches.insert(repo.default_branch.clone(), sha.clone());
        }
        Some(sha)
    }

    /// The suite of an App on a commit: made by its first check run.
    pub(super) fn suite(&mut self, repo: RepoId, app_id: u64, sha: &CommitSha) -> u64 {
        let known = self.repo_by_id(repo).and_then(|repo| {
            let mut runs = repo.check_runs.iter();
            runs.find(|run| run.app_id == app_id && run.head_sha == *sha)
                .map(|run| run.suite)
        });
        known.unwrap_or_else(|| self.next_id())
    }

    /// A check run that another App is at work on.
    pub(super) fn foreign_check_run(&mut self, repo: &RepoName, sha: &CommitSha, name: &str) -> Option<u64> {
        let (id, suite) = (self.next_id(), self.next_id());
        let app_id = self.app.id + 1;
        let started_at = whole_seconds(self.now());
        let repo = self.repos.iter_mut().find(|known| known.name == *repo)?;
        repo.check_runs.push(CheckRun {
            id,
            app_id,
            suite,
            name: name.to_owned(),
            head_sha: sha.clone(),
            status: "in_progress".to_owned(),
            conclusion: None,
            external_id: None,
            details_url: None,
            title: None,
            summary: None,
            text: None,
            annotations: Vec::new(),
            started_at,
            completed_at: None,
        });
        Some(id)
    }
}
