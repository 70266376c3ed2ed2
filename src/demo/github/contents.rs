//! What a repository holds: itself, branches, commits and files, as they read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::whole_seconds;
use super::records::{Commit, PullRequest, RepoState};
use super::refusal::Refusal;
use crate::model::Visibility;

/// The routes that only read a repository. `param`: of the query.
pub(super) fn show(
    repo: &RepoState,
    rest: &[&str],
    param: &impl Fn(&str) -> Option<String>,
) -> Result<Value, Refusal> {
    match rest {
        [] => Ok(repo_json(repo)),
        ["commits"] => list_commits(repo, param),
        ["commits", sha, "branches-where-head"] => {
            let heads = repo.branches.iter().filter(|(_, head)| head.as_str() == *sha);
            Ok(heads
                .map(|(name, head)| json!({ "name": name, "commit": { "sha": head }, "protected": false }))
                .collect())
        }
        ["commits", sha, "pulls"] => {
            let pulls = repo.pulls.iter().filter(|pull| pull.head.as_str() == *sha);
            Ok(pulls.map(pull_json).collect())
        }
        ["commits", reference @ ..] => {
            let reference = reference.join("/");
            let commit = repo
                .resolve(&reference)
                .ok_or_else(|| Refusal::no_commit(&reference))?;
            Ok(commit_json(commit))
        }
        ["compare", range @ ..] => {
            let range = range.join("/");
            let (base, head) = range.split_once("...").ok_or_else(Refusal::not_found)?;
            let resolve = |name| repo.resolve(name).ok_or_else(Refusal::not_found);
            Ok(comparison_json(repo, resolve(base)?, resolve(head)?))
        }
        ["branches"] => {
            let named = |(name, head)| json!({ "name": name, "commit": { "sha": head }, "protected": false });
            Ok(repo.branches.iter().map(named).collect())
        }
        ["tags"] => {
            let named = |(name, commit)| json!({ "name": name, "commit": { "sha": commit } });
            Ok(repo.tags.iter().map(named).collect())
        }
        ["pulls", number] => {
            let pull = repo.pulls.iter().find(|pull| pull.number.to_string() == *number);
            pull.map(pull_json).ok_or_else(Refusal::not_found)
        }
        ["branches", name @ ..] => {
            let name = name.join("/");
            let head = repo.branches.get(&name).ok_or_else(Refusal::not_found)?;
            Ok(json!({ "name": name, "commit": { "sha": head }, "protected": false }))
        }
        ["git", "trees", sha] => {
            let commit = repo.resolve(sha).ok_or_else(Refusal::not_found)?;
            Ok(tree_json(commit, param("recursive").is_some()))
        }
        ["contents", path @ ..] => {
            let reference = param("ref").unwrap_or_else(|| repo.default_branch.clone());
            let commit = repo.resolve(&reference);
            file_json(commit.ok_or_else(Refusal::not_found)?, &path.join("/"))
        }
        _ => Err(Refusal::not_found()),
    }
}

/// `GET …/commits`: those that `sha` leads to, up to `until`, newest first.
fn list_commits(repo: &RepoState, param: &impl Fn(&str) -> Option<String>) -> Result<Value, Refusal> {
    let head = param("sha").unwrap_or_else(|| repo.default_branch.clone());
    let head = repo.resolve(&head).ok_or_else(Refusal::not_found)?;
    let until: Option<Timestamp> = param("until").and_then(|until| until.parse().ok());
    let per_page = param("per_page").and_then(|number| number.parse().ok());
    Ok(repo
        .history(&head.sha)
        .into_iter()
        .filter(|commit| until.is_none_or(|until| commit.committed_at <= until))
        .take(per_page.unwrap_or(30))
        .map(commit_json)
        .collect())
}

pub(super) fn pull_json(pull: &PullRequest) -> Value {
    json!({
        "number": pull.number,
        "state": "open",
        "head": { "sha": pull.head, "repo": pull.head_repo.map(|id| json!({ "id": id })) },
    })
}

fn comparison_json(repo: &RepoState, base: &Commit, head: &Commit) -> Value {
    let holds = |one: &Commit, other: &Commit| {
        let history = repo.history(&one.sha);
        history.iter().any(|commit| commit.sha == other.sha)
    };
    let status = match (base.sha == head.sha, holds(base, head), holds(head, base)) {
        (true, ..) => "identical",
        (_, true, _) => "behind",
        (_, _, true) => "ahead",
        _ => "diverged",
    };
    json!({ "status": status, "commits": [] })
}

pub(super) fn repo_json(repo: &RepoState) -> Value {
    json!({
        "id": repo.id,
        "name": repo.name.name(),
        "full_name": repo.name,
        "owner": { "login": repo.name.owner(), "type": "Organization" },
        "private": repo.visibility == Visibility::Private,
        "visibility": repo.visibility,
        "default_branch": repo.default_branch,
        "archived": repo.is_archived,
    })
}

fn commit_json(commit: &Commit) -> Value {
    let person = json!({
        "name": "Demo", "email": "demo@example.org", "date": whole_seconds(commit.committed_at),
    });
    json!({
        "sha": commit.sha,
        "commit": { "message": commit.message, "author": person, "committer": person },
        "parents": commit.parents.iter().map(|sha| json!({ "sha": sha })).collect::<Vec<_>>(),
        "files": [],
    })
}

/// The files of a commit; without `recursive` those of its root.
fn tree_json(commit: &Commit, recursive: bool) -> Value {
    let listed = commit
        .files
        .iter()
        .filter(|(path, _)| recursive || !path.contains('/'));
    let entry = |(path, text): (&String, &String)| json!({ "path": path, "mode": "100644", "type": "blob", "size": text.len() });
    json!({ "sha": commit.sha, "tree": listed.map(entry).collect::<Vec<_>>(), "truncated": false })
}

/// A file, or the list of what stands in a folder (`""`: the root).
fn file_json(commit: &Commit, path: &str) -> Result<Value, Refusal> {
    let entry = |path: &str, kind: &str, size: usize| {
        let name = path.rsplit('/').next().unwrap_or_default();
        json!({ "type": kind, "name": name, "path": path, "size": size })
    };
    if let Some(text) = commit.files.get(path) {
        let mut file = entry(path, "file", text.len());
        file["encoding"] = json!("base64");
        file["content"] = json!(STANDARD.encode(text));
        return Ok(file);
    }
    let prefix = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    let mut entries: Vec<Value> = Vec::new();
    for (file, text) in &commit.files {
        let Some(below) = file.strip_prefix(&prefix) else {
            continue;
        };
        let listed = match below.split_once('/') {
            Some((folder, _)) => entry(&format!("{prefix}{folder}"), "dir", 0),
            None => entry(file, "file", text.len()),
        };
        if entries.last() != Some(&listed) {
            entries.push(listed);
        }
    }
    if entries.is_empty() {
        return Err(Refusal::not_found());
    }
    Ok(Value::Array(entries))
}
