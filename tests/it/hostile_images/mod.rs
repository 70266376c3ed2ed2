//! Images that mean harm: each held, judged with a cause, and quoted without coming alive. Through the whole
//! bot, to what people see.

mod resources;
mod secrets;
mod texts;

pub(crate) use resources::container_of;

use hubcheck::config::Config;

use crate::support::house::{House, IMAGE, Shown, labelled};

/// Everything that a person can see of a run.
struct Seen {
    shown: Shown,
    page: String,
    log: String,
}

impl Seen {
    fn title(&self) -> &str {
        self.shown.check.title.as_deref().unwrap_or_default()
    }

    /// All of it, in one text.
    fn everything(&self) -> String {
        format!(
            "{:?}\n{:?}\n{}\n{}",
            self.shown.check, self.shown.status, self.page, self.log
        )
    }
}

/// Pushes an image whose entrypoint is `tests`, and waits for what comes of it.
async fn judged(house: &House, tests: &str) -> Seen {
    let (commit, image) = house.build_image("an image", tests);
    let tag = format!("t{}", &commit.as_str()[..12]);
    house.push(&tag, &image).await;
    see(house, house.shown(&commit, 1).await).await
}

/// Pushes an image that has no test command but one called `command`.
async fn judged_without(house: &House, command: &str) -> Seen {
    let commit = house.github.commit(&house.repo, command).unwrap();
    let image = crate::support::house::plain("")
        .entrypoint(&[command])
        .label("org.opencontainers.image.revision", commit.as_str())
        .label("org.opencontainers.image.source", command)
        .build();
    house.registry.push(IMAGE, "named", &image).await;
    house.announce("named").await;
    see(house, house.shown(&commit, 1).await).await
}

async fn see(house: &House, shown: Shown) -> Seen {
    let details = shown.check.details_url.clone().unwrap();
    let path = details.strip_prefix(&house.url).unwrap().to_owned();
    let (status, page) = house.page(&path).await;
    assert_eq!(status, 200, "{page}");
    let (status, log) = house.page(&format!("{path}/log")).await;
    assert_eq!(status, 200, "{log}");
    Seen { shown, page, log }
}

/// A bot whose limits are `change`d.
async fn house_with_limits(change: impl FnOnce(&mut hubcheck::config::StepLimits)) -> House {
    House::with(|config: &mut Config| change(&mut config.docker.limits)).await
}

/// The tests that this image has are good: whatever came before, the bot and its Engine serve.
async fn still_serves(house: &House) {
    let (commit, image) = (
        house.github.commit(&house.repo, "a good one").unwrap(),
        "echo fine",
    );
    house.push("good", &labelled(&commit, image)).await;
    assert_eq!(house.shown(&commit, 1).await.conclusion(), ("success", "success"));
    assert_eq!(house.page("/healthz").await.0, 200);
}
