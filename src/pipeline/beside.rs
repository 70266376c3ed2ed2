//! What the services of Compose files need beside the image under test: other images, and files of the repository.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Pipeline;
use super::test::End;
use crate::github::{ArchivedFile, GithubError};
use crate::model::compose::Project;
use crate::model::{Binding, ImageReference, Outcome, StepKind, Tag, Verdict};
use crate::registry::RegistryError;
use crate::runner::{Beside, LocalImage, RepositoryFile};
use crate::store::Run;

impl Pipeline {
    /// Brings what the run's Compose files need.
    pub(super) async fn beside(&self, run: &Run) -> Result<Beside, End> {
        let projects: Vec<&Project> = run
            .plan
            .steps
            .iter()
            .filter_map(|step| match &step.kind {
                StepKind::Compose { project } => Some(project),
                StepKind::Run { .. } | StepKind::Structure { .. } | StepKind::Healthy { .. } => None,
            })
            .collect();
        let mut beside = Beside::default();
        for project in projects {
            for reference in project.other_images() {
                if !beside.images.contains_key(reference) {
                    let image = self.bring_other(run, reference).await?;
                    beside.images.insert(reference.to_owned(), image);
                }
            }
            let paths = project.repository_paths();
            if !paths.is_empty() {
                let files = self.repository_files(run, project, &paths).await?;
                beside.files.0.extend(files);
            }
        }
        Ok(beside)
    }

    /// Brings a service's image, by the digest that its tag means now. The accounts of registries are only used for
    /// repositories that the operator lets use them.
    async fn bring_other(&self, run: &Run, reference: &str) -> Result<LocalImage, End> {
        let named: ImageReference = reference
            .parse()
            .map_err(|error| act(&format!("the services' image `{reference}`: {error}")))?;
        let access =
            self.resolver
                .bindings()
                .access_of(&named.name, Binding::Declared, &run.source.repo.name);
        let digest = if let Some(digest) = &named.digest {
            digest.clone()
        } else {
            let tag = named.tag.clone().unwrap_or_else(Tag::latest);
            let resolved = self.parts.registry.resolve(&named.name, &tag, access).await;
            resolved.map_err(|error| other_failed(reference, &error))?
        };
        let source = self.pull_source(&named.name, &digest, access).await;
        self.bring(&source)
            .await
            .map_err(|error| self.pull_failed(run, reference, &error))
    }

    /// What of the repository the services see.
    async fn repository_files(
        &self,
        run: &Run,
        project: &Project,
        paths: &[&str],
    ) -> Result<BTreeMap<String, RepositoryFile>, End> {
        let trouble = |error: &GithubError| End::Trouble {
            why: error.to_string(),
            after: error.retry_after(),
        };
        let (github, repo) = (&self.parts.github, &run.source.repo);
        let at = if project.at_commit {
            run.source.commit.clone()
        } else {
            let head = github.commit_of(repo, &repo.default_branch).await;
            let head = head.map_err(|error| trouble(&error))?;
            head.ok_or_else(|| act("the default branch of the repository is gone"))?
                .sha
        };
        let found = github.files_below(repo, &at, paths).await;
        let files = found.map_err(|error| trouble(&error))?.map_err(|why| {
            act(&format!(
                "the services of {} see files of the repository, and {why}: name smaller folders",
                project.file
            ))
        })?;
        let file = |file: ArchivedFile| {
            let ArchivedFile {
                path,
                bytes,
                executable,
            } = file;
            (path, RepositoryFile { bytes, executable })
        };
        Ok(files.into_iter().map(file).collect())
    }
}

fn act(why: &str) -> End {
    End::Verdict(Verdict::without_steps(Outcome::ActionRequired, why))
}

fn other_failed(reference: &str, error: &RegistryError) -> End {
    let why = format!("the services' image {reference}: {error}");
    match error {
        RegistryError::Unauthorized { .. }
        | RegistryError::NotFound { .. }
        | RegistryError::Invalid { .. } => act(&why),
        RegistryError::RateLimited { .. } => End::Trouble {
            why,
            after: Some(Duration::from_mins(5)),
        },
        _ => End::Trouble { why, after: None },
    }
}
