//! A commit's page, for people who watch the demo: its check runs and statuses.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use http_body_util::Full;
use sha2::{Digest, Sha256};

use super::records::{CheckRun, Status};
use super::server::Shared;
use super::statuses::{combined, latest_of_each};
use crate::model::RepoName;

const STYLE: &str = "\
    body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }\
    h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem }\
    b { background: #59636e; border-radius: 1rem; color: #fff; font-size: .8rem; padding: .1rem .6rem }\
    b.success { background: #1a7f37 } b.failure, b.timed_out { background: #cf222e }\
    b.action_required, b.error { background: #9a6700 } b.pending, b.in_progress { background: #0969da }\
    pre { background: #8881; border-radius: .4rem; overflow-wrap: anywhere; padding: .8rem; white-space: pre-wrap }";

/// `GET /{owner}/{repo}/commit/{sha}`. `None`: not that page.
pub(super) fn show(shared: &Shared, method: &Method, path: &str) -> Option<Response<Full<Bytes>>> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let [owner, name, "commit", sha] = segments.as_slice() else {
        return None;
    };
    if *method != Method::GET {
        return None;
    }
    let name: RepoName = format!("{owner}/{name}").parse().ok()?;
    let world = shared.world();
    let repo = world.repo(&name)?;
    let commit = repo.commit(sha)?;
    let statuses = latest_of_each(world.statuses_of(repo.id, &commit.sha));
    let runs = repo.check_runs.iter().filter(|run| run.head_sha == commit.sha);
    let html = page(&name, &commit.message, commit.sha.short(), runs, &statuses);
    let mut response = Response::new(Full::new(Bytes::from(html)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // The one style sheet is named by its hash; nothing else may come in.
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'");
    headers.insert(CONTENT_SECURITY_POLICY, policy.parse().ok()?);
    Some(response)
}

fn page<'a>(
    repo: &RepoName,
    message: &str,
    short_sha: &str,
    runs: impl Iterator<Item = &'a CheckRun>,
    statuses: &[Status],
) -> String {
    let mut checks = String::new();
    for run in runs {
        let state = run.conclusion.as_deref().unwrap_or(&run.status);
        let title = run.title.as_deref().unwrap_or_default();
        line(&mut checks, state, &run.name, title, run.details_url.as_deref());
        if let Some(summary) = &run.summary {
            let _ = write!(checks, "<pre>{}</pre>", escaped(summary));
        }
    }
    let mut shown = String::new();
    for status in statuses {
        let description = status.description.as_deref().unwrap_or_default();
        line(
            &mut shown,
            &status.state,
            &status.context,
            description,
            status.target_url.as_deref(),
        );
    }
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{repo} at {short_sha}</title>\
         <style>{STYLE}</style><h1>{repo}@{short_sha}</h1><p>{message}</p>\
         <h2>Check runs</h2>{checks}<h2>Commit statuses: {state}</h2>{shown}</html>",
        message = escaped(message),
        state = combined(statuses),
    )
}

fn line(html: &mut String, state: &str, name: &str, says: &str, link: Option<&str>) {
    let link = link.map(|url| format!(" <a href=\"{}\">Details</a>", escaped(url)));
    let _ = write!(
        html,
        "<p><b class=\"{state}\">{state}</b> <strong>{}</strong> {}{}</p>",
        escaped(name),
        escaped(says),
        link.unwrap_or_default(),
        state = escaped(state),
    );
}

pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
