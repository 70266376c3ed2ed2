//! Webhooks that GitHub sent to the App, as it remembers them: for three days. It never repeats one by itself.
//! <https://docs.github.com/rest/apps/webhooks>

use http::header::LINK;
use jiff::Timestamp;

use super::error::GithubError;
use super::transport::{Answer, Request};
use super::{GitHub, wire};

/// The most that GitHub gives at a time.
const PER_PAGE: usize = 100;

/// Pages at most: ten thousand failures in three days, and the newest of them first.
const MOST_PAGES: usize = 100;

/// One attempt of GitHub's to deliver an event. Those of one event share its GUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// GitHub's number of the attempt.
    pub id: i64,
    /// `X-GitHub-Delivery`.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// When it was made.
    pub at: Timestamp,
}

impl GitHub {
    /// Attempts since `since` that failed, newest first.
    pub async fn failed_deliveries(&self, since: Timestamp) -> Result<Vec<Attempt>, GithubError> {
        let mut found = Vec::new();
        let mut path = format!("/app/hook/deliveries?per_page={PER_PAGE}&status=failure");
        for _ in 0..MOST_PAGES {
            let request = Request::get(path);
            let answer = self.inner.app.send(&self.inner.api, &request).await?;
            let attempts: Vec<wire::Attempt> = wire::read(&request, &answer)?;
            let is_past = attempts.iter().any(|attempt| attempt.delivered_at < since);
            // A GitHub that does not know `status` lists all of them.
            let failed = attempts.into_iter().filter(|attempt| {
                !(200..400).contains(&attempt.status_code) && attempt.delivered_at >= since
            });
            found.extend(failed.map(Attempt::from));
            match next_cursor(&answer) {
                Some(cursor) if !is_past => {
                    let cursor = super::encoded(&cursor);
                    path = format!("/app/hook/deliveries?per_page={PER_PAGE}&status=failure&cursor={cursor}");
                }
                _ => break,
            }
        }
        Ok(found)
    }

    /// Has GitHub send the event of an attempt once more, under the same GUID.
    pub async fn redeliver(&self, attempt: i64) -> Result<(), GithubError> {
        if self.rehearsal.is_some() {
            return Ok(());
        }
        let request = Request::post(
            format!("/app/hook/deliveries/{attempt}/attempts"),
            serde_json::json!({}),
        );
        self.inner.app.send(&self.inner.api, &request).await.map(drop)
    }
}

/// Where the next page begins, by the header `Link`. Only the cursor is taken of it.
fn next_cursor(answer: &Answer) -> Option<String> {
    let links = answer.headers.get(LINK)?.to_str().ok()?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let url = next.trim().strip_prefix('<')?.split_once('>')?.0;
    let (_, query) = url.split_once('?')?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name == "cursor")
        .map(|(_, cursor)| cursor.into_owned())
}
