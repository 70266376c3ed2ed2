//! A desk with a configuration on it, for commands that are given by hand.

use hubcheck::demo::github::{GitHub, SimulatedApp};
use hubcheck::model::{RepoName, Visibility};
use tempfile::TempDir;

use crate::cli::serving;
use crate::support::registry::Registry;

/// A repository, a registry, and a configuration that knows both.
pub(crate) struct Desk {
    pub(crate) github: GitHub,
    pub(crate) registry: Registry,
    pub(crate) repo: RepoName,
    pub(crate) folder: TempDir,
}

impl Desk {
    pub(crate) async fn with(app: bool, more: &str) -> Self {
        let github = GitHub::start(SimulatedApp::default()).await.unwrap();
        let repo: RepoName = "acme/app".parse().unwrap();
        github.add_repo(&repo, Visibility::Public);
        let registry = Registry::start();
        let folder = tempfile::tempdir().unwrap();
        let app = if app {
            serving(&github, "127.0.0.1:0")
        } else {
            String::new()
        };
        let config = format!(
            "{app}{more}\n[registry.\"docker.io\"]\nendpoint = \"http://{}\"\n",
            registry.host()
        );
        std::fs::write(folder.path().join("hubcheck.toml"), config).unwrap();
        Self {
            github,
            registry,
            repo,
            folder,
        }
    }

    pub(crate) async fn bound() -> Self {
        Self::with(true, "[[image]]\nname = \"acme/app\"\nrepo = \"acme/app\"").await
    }
}
