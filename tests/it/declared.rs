//! A repository speaks for itself: `.github/hubcheck.yml` on its default branch binds images, and says how they are
//! tested and judged.

mod compose;
mod files;
mod policies;
mod refs;
mod results;
mod signatures;
mod strangers;
mod structure;

use hubcheck::demo::github::NewCommit;
use hubcheck::model::CommitSha;

use crate::support::house::House;

/// Where the file stands.
pub(crate) const FILE: &str = ".github/hubcheck.yml";

/// A bot whose operator bound no image.
pub(crate) async fn unbound() -> House {
    House::with(|config| config.images.clear()).await
}

/// The same, and the repository declares its image with these lines.
pub(crate) async fn declaring(lines: &str) -> House {
    let house = unbound().await;
    declare(&house, &format!("images:\n  acme/app: {lines}\n")).await;
    house
}

/// Puts a file on the default branch, and waits until the bot knows of it.
pub(crate) async fn declare(house: &House, text: &str) -> CommitSha {
    let new = NewCommit {
        message: "Say how our image is tested",
        files: &[(FILE, text)],
        ..NewCommit::default()
    };
    let commit = house.github.make_commit(&house.repo, &new).unwrap();
    house
        .deliver(house.github.push_event(&house.repo, "main").unwrap())
        .await;
    let repo = house.github.repo_id(&house.repo).unwrap();
    house
        .until("the file is read", async |store| {
            let known = store.declared_by(repo).await.unwrap();
            known.is_some_and(|known| known.problem.is_some() || known.good.as_deref() == Some(text))
        })
        .await;
    commit
}
