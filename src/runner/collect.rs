//! Report files of a container that has ended, read as the Engine sends them.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{EngineError, Runner};
use crate::model::{Counts, FilePattern, TestResults};
use crate::results;

/// The longest that the reports of one folder may take.
const FOLDER: Duration = Duration::from_mins(2);

impl Runner {
    /// What the files in a container say that `patterns` stand for. A sentence says where there are none.
    pub(super) async fn reports(
        &self,
        container: &str,
        patterns: &[FilePattern],
    ) -> Result<TestResults, EngineError> {
        let mut folders: Vec<&str> = patterns.iter().map(FilePattern::folder).collect();
        folders.sort_unstable();
        folders.dedup();
        let mut found = TestResults::default();
        for folder in folders {
            found = results::together(found, self.reports_in(container, folder, patterns).await?);
        }
        if found.counts == Counts::default() && found.problems.is_empty() && !patterns.is_empty() {
            let patterns: Vec<&str> = patterns.iter().map(FilePattern::as_str).collect();
            found.problems.push(format!(
                "there is no report {} in the container",
                patterns.join(", ")
            ));
        }
        Ok(found)
    }

    async fn reports_in(
        &self,
        container: &str,
        folder: &str,
        patterns: &[FilePattern],
    ) -> Result<TestResults, EngineError> {
        // The dot leads through a folder that is a link.
        let Some(archive) = self.engine.archive(container, &format!("{folder}/.")).await? else {
            return Ok(TestResults::default());
        };
        let patterns = patterns
            .iter()
            .filter(|pattern| pattern.folder() == folder)
            .map(FilePattern::compiled)
            .collect::<Vec<_>>();
        // What the Engine could not send is no matter of the tests'.
        let trouble = Arc::new(OnceLock::new());
        let noted = Arc::clone(&trouble);
        let bytes = archive
            .map_err(move |error| io::Error::other(noted.get_or_init(|| error).to_string()))
            // So that the reading task ends in any case.
            .take_until(sleep(2 * FOLDER));
        let reader = StreamReader::new(Box::pin(bytes));
        let folder = folder.to_owned();
        let reading =
            spawn_blocking(move || results::read_archive(&folder, &patterns, SyncIoBridge::new(reader)));
        let doing = "reading reports from a container";
        let found = timeout(FOLDER, reading)
            .await
            .map_err(|_| EngineError::TimedOut { doing, after: FOLDER })?
            .map_err(|error| EngineError::Lost {
                doing,
                reason: error.to_string(),
            })?;
        match trouble.get() {
            Some(error) => Err(EngineError::clone(error)),
            None => Ok(found),
        }
    }
}
