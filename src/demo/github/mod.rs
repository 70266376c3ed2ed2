//! A simulated GitHub: a state machine that accepts what GitHub accepts and refuses what GitHub
//! refuses, served over HTTP on this machine. It keeps a ledger of every request, can be told to
//! fail, and sends signed webhooks.
//!
//! `world` and `records` are the domain; `checks`, `output`, `statuses` and `access` are the rules on
//! it; `routes` turns a request and the world into a reply; `server` does the I/O.

mod access;
mod archive;
mod attestations;
mod browse;
mod checks;
mod contents;
mod fault;
mod hook;
mod ledger;
mod limits;
mod output;
mod page;
mod records;
mod refusal;
mod routes;
mod seen;
mod server;
mod statuses;
#[cfg(test)]
mod tests;
mod webhook;
mod world;

use std::io;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

pub use fault::{Fault, Trouble};
pub use hook::Attempt;
pub use ledger::{Caller, Request};
pub use limits::TooEarly;
pub use records::{CheckRun, Commit, NewCommit, PullRequest, Status};
pub use seen::NotSeen;
pub use webhook::Webhook;
pub use world::{Access, Permissions, SimulatedApp};

use crate::config;
use crate::model::{CommitSha, Digest, InstallationId, RepoId, RepoName, Visibility};
use attestations::Attestation;
use server::Shared;
use world::World;

/// The App's private key (PKCS#1 PEM). It opens nothing but a simulation.
pub const DEMO_PRIVATE_KEY: &str = include_str!("demo-key.pem");

/// A running simulated GitHub. It stops when this is dropped.
#[derive(Debug)]
pub struct GitHub {
    shared: Arc<Shared>,
    url: String,
    server: JoinHandle<()>,
}

impl GitHub {
    /// Starts one on a free port of this machine.
    pub async fn start(app: SimulatedApp) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::new(World::new(app, url.clone())));
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, url, server })
    }

    /// Where its API, and its pages, are served. No slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The configuration of a bot that is this App here.
    pub fn config(&self) -> Result<config::Github, url::ParseError> {
        let app = self.shared.world().app.clone();
        Ok(config::Github {
            app_id: Some(app.id),
            private_key: Some(SecretString::from(DEMO_PRIVATE_KEY)),
            webhook_secret: vec![app.webhook_secret],
            client_id: None,
            client_secret: None,
            api_url: Url::parse(&self.url)?,
            web_url: Url::parse(&self.url)?,
        })
    }

    /// A commit's page for people.
    pub fn commit_page(&self, repo: &RepoName, sha: &CommitSha) -> String {
        format!("{}/{repo}/commit/{sha}", self.url)
    }

    // What stands there.

    /// Makes a repository, and installs the App for its owner.
    pub fn add_repo(&self, name: &RepoName, visibility: Visibility) -> RepoId {
        self.shared.world().add_repo(name.clone(), visibility)
    }

    /// Commits to a repository's default branch. `None`: there is no such repository.
    pub fn commit(&self, repo: &RepoName, message: &str) -> Option<CommitSha> {
        self.make_commit(
            repo,
            &NewCommit {
                message,
                ..NewCommit::default()
            },
        )
    }

    /// Makes a commit with files, or one beside the branches. `None`: there is no such repository.
    pub fn make_commit(&self, repo: &RepoName, new: &NewCommit<'_>) -> Option<CommitSha> {
        self.shared.world().commit(repo, new)
    }

    /// Points a branch at a commit, and makes the branch if there is none.
    pub fn set_branch(&self, repo: &RepoName, branch: &str, head: &CommitSha) {
        let mut world = self.shared.world();
        for repo in world.repos.iter_mut().filter(|known| known.name == *repo) {
            repo.branches.insert(branch.to_owned(), head.clone());
        }
    }

    /// GitHub's number of a repository. `None`: there is none of this name.
    pub fn repo_id(&self, repo: &RepoName) -> Option<RepoId> {
        self.shared.world().repo(repo).map(|repo| repo.id)
    }

    /// What a branch points at.
    pub fn branch(&self, repo: &RepoName, branch: &str) -> Option<CommitSha> {
        self.shared.world().repo(repo)?.branches.get(branch).cloned()
    }

    /// Points a tag at a commit, and makes the tag if there is none.
    pub fn set_tag(&self, repo: &RepoName, tag: &str, commit: &CommitSha) {
        let mut world = self.shared.world();
        for repo in world.repos.iter_mut().filter(|known| known.name == *repo) {
            repo.tags.insert(tag.to_owned(), commit.clone());
        }
    }

    /// Keeps a signed statement about what has this digest. `bundle`: of Sigstore's; `is_inline`: the API hands it out
    /// itself, and does not only say where it lies.
    pub fn attest(&self, repo: &RepoName, subject: &Digest, bundle: &Value, is_inline: bool) {
        let mut world = self.shared.world();
        for repo in world.repos.iter_mut().filter(|known| known.name == *repo) {
            repo.attestations.push(Attestation {
                subject: subject.clone(),
                bundle: bundle.clone(),
                is_inline,
            });
        }
    }

    /// Opens a pull request for a commit, from a branch of the repository itself or of a fork, and gives it a number.
    pub fn open_pull(&self, repo: &RepoName, head: &CommitSha, from_fork: bool) -> u64 {
        let mut world = self.shared.world();
        let (number, fork) = (world.next_id(), world.next_id());
        for repo in world.repos.iter_mut().filter(|known| known.name == *repo) {
            let fork = RepoId(i64::try_from(fork).unwrap_or(i64::MAX));
            repo.pulls.push(PullRequest {
                number,
                head: head.clone(),
                head_repo: Some(if from_fork { fork } else { repo.id }),
            });
        }
        number
    }

    /// Gives an open pull request a new head, as a push to its branch does.
    pub fn move_pull(&self, repo: &RepoName, number: u64, head: &CommitSha) {
        let mut world = self.shared.world();
        for repo in world.repos.iter_mut().filter(|known| known.name == *repo) {
            for pull in repo.pulls.iter_mut().filter(|pull| pull.number == number) {
                pull.head = head.clone();
            }
        }
    }

    /// A branch was pushed. `None`: there is no such repository.
    pub fn push_event(&self, repo: &RepoName, branch: &str) -> Option<Webhook> {
        self.shared.world().push(repo, branch)
    }

    /// A repository was let into its owner's installation (`added`) or taken out of it (`removed`).
    pub fn selection_event(&self, repo: &RepoName, action: &str) -> Option<Webhook> {
        self.shared.world().installation_repositories(repo, action)
    }

    /// Gives a repository a new name; the old one redirects.
    pub fn rename(&self, from: &RepoName, to: &RepoName) {
        let mut world = self.shared.world();
        for repo in world.repos.iter_mut().filter(|repo| repo.name == *from) {
            repo.former_names.push(repo.name.clone());
            repo.name = to.clone();
        }
    }

    /// Installs the App for an account.
    pub fn install(&self, owner: &str) -> Webhook {
        let mut world = self.shared.world();
        let id = world.install(owner);
        world.installation(owner, id.0, "created")
    }

    /// Takes the App away from an account: its tokens die at once. `None`: it was not installed.
    pub fn uninstall(&self, owner: &str) -> Option<Webhook> {
        let mut world = self.shared.world();
        let id = world.installation_of(owner)?.id;
        world.uninstall(owner);
        Some(world.installation(owner, id.0, "deleted"))
    }

    /// The App's installation in an account.
    pub fn installation(&self, owner: &str) -> Option<InstallationId> {
        self.shared.world().installation_of(owner).map(|one| one.id)
    }

    /// Deletes a repository.
    pub fn remove(&self, name: &RepoName) {
        self.shared.world().repos.retain(|repo| repo.name != *name);
    }

    /// Lets everybody see a repository, or only some. `None`: there is no such repository.
    pub fn show_to(&self, name: &RepoName, visibility: Visibility) -> Option<Webhook> {
        let mut world = self.shared.world();
        for repo in world.repos.iter_mut().filter(|repo| repo.name == *name) {
            repo.visibility = visibility;
        }
        let action = match visibility {
            Visibility::Private => "privatized",
            Visibility::Public => "publicized",
        };
        world.repository(name, action)
    }

    /// Sets or takes away (`None`) one permission of the App in an account. Tokens keep what they were made with.
    /// `None`: it is not installed there.
    pub fn grant(&self, owner: &str, permission: &str, access: Option<Access>) -> Option<Webhook> {
        let mut world = self.shared.world();
        for installation in &mut world.installations {
            if installation.owner.eq_ignore_ascii_case(owner) {
                match access {
                    Some(access) => installation.permissions.insert(permission.to_owned(), access),
                    None => installation.permissions.remove(permission),
                };
            }
        }
        let id = world.installation_of(owner)?.id;
        Some(world.installation(owner, id.0, "new_permissions_accepted"))
    }

    /// Changes what the App itself asks for and is told of, and where its webhook is. Installations keep what they have.
    pub fn change_app(&self, change: impl FnOnce(&mut SimulatedApp)) {
        change(&mut self.shared.world().app);
    }

    /// Tells the App nothing more of an event in an account, as long as the account's owner has not agreed to it.
    pub fn keep_from(&self, owner: &str, event: &str) {
        let mut world = self.shared.world();
        for installation in &mut world.installations {
            if installation.owner.eq_ignore_ascii_case(owner) {
                installation.events.retain(|own| own != event);
            }
        }
    }

    /// Archives a repository, or takes it up again: nobody writes to it meanwhile. `None`: there is no such repository.
    pub fn archive(&self, name: &RepoName, is_archived: bool) -> Option<Webhook> {
        let mut world = self.shared.world();
        for repo in world.repos.iter_mut().filter(|repo| repo.name == *name) {
            repo.is_archived = is_archived;
        }
        world.repository(name, if is_archived { "archived" } else { "unarchived" })
    }

    /// Suspends the App in an account, or takes it up again: its tokens are refused meanwhile. `None`: it is not
    /// installed there.
    pub fn suspend(&self, owner: &str, is_suspended: bool) -> Option<Webhook> {
        let mut world = self.shared.world();
        for installation in &mut world.installations {
            if installation.owner.eq_ignore_ascii_case(owner) {
                installation.is_suspended = is_suspended;
            }
        }
        let id = world.installation_of(owner)?.id;
        let action = if is_suspended { "suspend" } else { "unsuspend" };
        Some(world.installation(owner, id.0, action))
    }

    /// Makes every installation token unknown, as if GitHub had revoked them.
    pub fn revoke_tokens(&self) {
        self.shared.world().tokens.clear();
    }

    // What goes wrong.

    /// Lets something go wrong; faults that were told earlier come first.
    pub fn fail(&self, fault: Fault) {
        self.shared.world().faults.push(fault);
    }

    /// Nothing goes wrong any more, but for an outage. How often something still would have.
    pub fn calm(&self) -> u32 {
        let faults = std::mem::take(&mut self.shared.world().faults);
        faults.iter().map(Fault::remaining).sum()
    }

    /// Answers 503 to everything until told otherwise.
    pub fn outage(&self, on: bool) {
        self.shared.world().outage = on;
    }

    /// Counts so many questions of an installation, half an hour ago, as if another bot of the App had asked them.
    pub fn use_up(&self, installation: InstallationId, questions: usize) {
        self.shared.world().use_up(installation, questions);
    }

    // What it says by itself.

    /// Points the App's webhook at this address.
    pub fn hook_to(&self, url: &str) {
        self.shared.world().hook_url = Some(url.to_owned());
    }

    /// Sends an event to the App's webhook, and notes the attempt. Says what was answered; 502 where nobody did.
    pub async fn deliver(&self, webhook: Webhook) -> u16 {
        hook::deliver(&self.shared, webhook).await
    }

    /// Every attempt to deliver an event, oldest first.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.world().attempts.clone()
    }

    /// Somebody pressed a button of a check run. `None`: there is no such run.
    pub fn press(&self, check_run: u64, identifier: &str) -> Option<Webhook> {
        self.shared.world().press(check_run, identifier)
    }

    /// An image was pushed to GitHub's own registry, from a package that belongs to the repository. Without a tag it is
    /// a manifest of one platform. `None`: there is no such repository.
    pub fn package_event(&self, repo: &RepoName, image: &str, tag: Option<&str>) -> Option<Webhook> {
        self.shared.world().package(repo, image, tag)
    }

    /// A pull request was opened (`opened`), or has a new head (`synchronize`). `None`: there is none.
    pub fn pull_event(&self, repo: &RepoName, number: u64, action: &str) -> Option<Webhook> {
        self.shared.world().pull_request(repo, number, action)
    }

    /// The merge queue put a commit together. `None`: there is no such repository.
    pub fn merge_group_event(&self, repo: &RepoName, sha: &CommitSha) -> Option<Webhook> {
        self.shared.world().merge_group(repo, sha)
    }

    /// Something was done to a repository: `renamed`, `archived`. `None`: there is none of this name.
    pub fn repository_event(&self, repo: &RepoName, action: &str) -> Option<Webhook> {
        self.shared.world().repository(repo, action)
    }

    /// Somebody pressed "Re-run" on a check run. `None`: there is no such run.
    pub fn rerequest_check_run(&self, id: u64) -> Option<Webhook> {
        self.shared.world().rerequest_check_run(id)
    }

    /// Somebody pressed "Re-run all checks" on a commit.
    pub fn rerequest_check_suite(&self, repo: &RepoName, sha: &CommitSha) -> Option<Webhook> {
        self.shared.world().check_suite(repo, sha, "rerequested")
    }

    /// A commit was pushed, and GitHub asks for its checks.
    pub fn request_check_suite(&self, repo: &RepoName, sha: &CommitSha) -> Option<Webhook> {
        self.shared.world().check_suite(repo, sha, "requested")
    }

    /// The first thing that GitHub sends.
    pub fn ping(&self) -> Webhook {
        self.shared.world().ping()
    }

    /// An event of any name and body.
    pub fn event(&self, event: &'static str, body: &serde_json::Value) -> Webhook {
        self.shared.world().event(event, body)
    }

    /// Makes a check run that another App owns. `None`: there is no such repository.
    pub fn add_foreign_check_run(&self, repo: &RepoName, sha: &CommitSha, name: &str) -> Option<u64> {
        self.shared.world().foreign_check_run(repo, sha, name)
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        self.server.abort();
    }
}
