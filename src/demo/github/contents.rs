//! What a repository holds: itself, branches, commits and files, as they read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::access::whole_seconds;
use super::records::{Commit, RepoState};
use super::refusal::Refusal;
use crate::model::Visibility;

/// The routes that only read a repository.
pub(super) fn show(repo: &RepoState, rest: &[&str], reference: Option<&str>) -> Result<Value, Refusal> {
    match rest {
        [] => Ok(repo_json(repo)),
        ["commits", reference] => {
            let commit = repo
                .resolve(reference)
                .ok_or_else(|| Refusal::no_commit(reference))?;
            Ok(commit_json(commit))
        }
        ["branches", name @ ..] => {
            let name = name.join("/");
            let head = repo.branches.get(&name).ok_or_else(Refusal::not_found)?;
            Ok(json!({ "name": name, "commit": { "sha": head }, "protected": false }))
        }
        ["contents", path @ ..] => {
            let commit = repo.resolve(reference.unwrap_or(&repo.default_branch));
            file_json(commit.ok_or_else(Refusal::not_found)?, &path.join("/"))
        }
        _ => Err(Refusal::not_found()),
    }
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
        "archived": false,
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
