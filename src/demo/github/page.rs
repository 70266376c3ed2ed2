//! A commit's page, for people who watch the demo: its check runs and statuses.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use http_body_util::Full;

use super::records::{CheckRun, Status};
use super::server::Shared;
use super::statuses::{combined, latest_of_each};
use crate::model::RepoName;

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
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'"),
    );
    Some(response)
}

fn page<'a>(
    repo: &RepoName,
    message: &str,
    short_sha: &str,
    runs: impl Iterator<Item = &'a CheckRun>,
    statuses: &[Status],
) -> String {
    let mut rows = String::new();
    for run in runs {
        row(
            &mut rows,
            run.conclusion.as_deref().unwrap_or(&run.status),
            &run.name,
            run.title.as_deref().unwrap_or_default(),
            run.details_url.as_deref(),
        );
        let summary = run.summary.as_deref().unwrap_or_default();
        let _ = write!(
            rows,
            "<tr><td></td><td colspan=3><pre>{}</pre></td></tr>",
            escaped(summary)
        );
    }
    for status in statuses {
        let description = status.description.as_deref().unwrap_or_default();
        row(
            &mut rows,
            &status.state,
            &status.context,
            description,
            status.target_url.as_deref(),
        );
    }
    let title = format!("{repo} at {short_sha}");
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>\
         <p>{message}</p><p>Combined status: {state}</p>\
         <table><tr><th>state</th><th>name</th><th>says</th><th></th></tr>{rows}</table></html>",
        title = escaped(&title),
        message = escaped(message),
        state = combined(statuses),
    )
}

fn row(rows: &mut String, state: &str, name: &str, says: &str, link: Option<&str>) {
    let link = link.map(|url| format!("<a href=\"{}\">Details</a>", escaped(url)));
    let _ = write!(
        rows,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escaped(state),
        escaped(name),
        escaped(says),
        link.unwrap_or_default()
    );
}

fn escaped(text: &str) -> String {
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
