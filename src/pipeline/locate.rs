//! Where tests failed, in the repository: so that GitHub shows it beside the line.

use super::Pipeline;
use crate::model::{SourcePlace, StepResult, TestResults, Verdict};
use crate::results::SourceTree;
use crate::store::Run;

impl Pipeline {
    /// Leads the places that the tests name back to the repository's files. Without GitHub's answer they stay where
    /// they are: the verdict does not wait for it.
    pub(super) async fn located(&self, run: &Run, working_dir: &str, mut verdict: Verdict) -> Verdict {
        if !verdict.steps.iter().any(|step| names_places(&step.tests)) {
            return verdict;
        }
        let (repo, commit) = (&run.source.repo, &run.source.commit);
        let tree = match self.parts.github.files_at(repo, commit).await {
            Ok(files) => SourceTree::new(files),
            Err(error) => {
                tracing::info!(run.id = %run.id, %error, "failed tests are not led back to their files");
                return verdict;
            }
        };
        for StepResult { tests, .. } in &mut verdict.steps {
            let find = |place: &SourcePlace| {
                Some(SourcePlace {
                    path: tree.find(working_dir, &place.path)?.to_owned(),
                    line: place.line,
                })
            };
            for failed in &mut tests.failures {
                failed.source = failed.place.as_ref().and_then(find);
            }
            for remark in &mut tests.remarks {
                remark.source = find(&remark.place);
            }
        }
        verdict
    }
}

fn names_places(tests: &TestResults) -> bool {
    !tests.remarks.is_empty() || tests.failures.iter().any(|failed| failed.place.is_some())
}
