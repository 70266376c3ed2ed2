//! All that GitHub may do to a write, at random and together, and the program killed in between: in the end each commit
//! has one check run and one final status, and GitHub was never asked while it wanted a pause.

use http::{Method, StatusCode};
use hubcheck::demo::github::{Access, Fault, TooEarly, Trouble, Webhook};
use rand::seq::IndexedRandom;

use super::*;
use crate::support::outbox::{Outbox, Paper};

/// Runs that are judged, and as many that end while the storm lasts.
const RUNS: usize = 250;

/// Kills; between two of them a bit of everything goes wrong.
const STORMS: u32 = 14;

/// Faults that are told between two kills.
const FAULTS: u32 = 5;

/// The longest time between two kills.
const STORM: Duration = Duration::from_secs(3);

/// What a killed program had heard so shortly before, it could not write down.
const UNHEARD_MS: i64 = 2_000;

/// How long a question may be under way on a busy machine.
const UNDER_WAY_MS: i64 = 2_000;

/// Seconds of the pauses that GitHub asks for: more than may be excused.
const PAUSES: std::ops::RangeInclusive<u64> = 3..=4;

/// What the owner of an account did, and has not undone yet.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Denied(&'static str),
    Archived,
    Suspended,
    Uninstalled,
    Outage,
}

const DEEDS: [Deed; 6] = [
    Deed::Denied("checks"),
    Deed::Denied("statuses"),
    Deed::Archived,
    Deed::Suspended,
    Deed::Uninstalled,
    Deed::Outage,
];

struct Weather {
    outbox: Outbox,
    folder: TempDir,
    chance: StdRng,
    /// What is to be undone.
    deed: Option<Deed>,
    renames: u32,
    /// How often something was to go wrong.
    troubles: u32,
    /// From when it was to die until it was dead, in Unix milliseconds: a write to the disk is not interrupted.
    kills: Vec<(i64, i64)>,
}

#[tokio::test]
async fn in_any_weather_each_commit_has_one_final_state_in_the_end() {
    let mut weather = Weather::forecast().await;
    let mut papers = weather.outbox.waiting_crowd(RUNS).await;
    weather.fair_morning(&papers).await;
    papers.extend(weather.outbox.judged_crowd(RUNS).await);
    for _ in 0..STORMS {
        weather.storm().await;
    }
    let bot = weather.clears_up().await;
    weather.all_are_shown(&papers).await;
    terminate(bot).await;
    weather.nobody_knocked_at_a_closed_door();
    println!(
        "{} runs, {STORMS} kills, {} troubles: {} requests, {} writes",
        papers.len(),
        weather.troubles,
        weather.outbox.github.ledger().len(),
        weather.outbox.github.writes().len()
    );
}

impl Weather {
    async fn forecast() -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let outbox = Outbox::without_a_wire().await;
        outbox.github.hook_to(&format!("http://{address}/hooks/github"));
        std::fs::write(folder.path().join("hubcheck.toml"), outbox.as_file(&address)).unwrap();
        let seed = rand::random();
        println!("the weather comes from the seed {seed}");
        Self {
            outbox,
            folder,
            chance: StdRng::seed_from_u64(seed),
            deed: None,
            renames: 0,
            troubles: 0,
            kills: Vec::new(),
        }
    }

    /// All that waits is told as under way, and the program is killed.
    async fn fair_morning(&mut self, waiting: &[Paper]) {
        let bot = serving_child(self.folder.path()).await;
        let (github, repo) = (&self.outbox.github, &self.outbox.repo);
        let are_told = |_: &GitHub| {
            let is_told = |paper: &Paper| !github.check_runs(repo, &paper.commit).is_empty();
            waiting.iter().all(is_told).then_some(())
        };
        github.wait_for(PATIENCE, are_told).await.unwrap();
        self.kill(bot).await;
    }

    async fn kill(&mut self, mut bot: tokio::process::Child) {
        let told = Clock::default().now();
        bot.kill().await.unwrap();
        self.kills.push((told, Clock::default().now()));
    }

    /// The program works through a bit of everything, until it is killed.
    async fn storm(&mut self) {
        for _ in 0..FAULTS {
            let fault = self.fault();
            self.outbox.github.fail(fault);
        }
        let bot = serving_child(self.folder.path()).await;
        // Most of the time nobody stands in the way but GitHub itself.
        for part in [0.3, 0.2, 0.5] {
            tokio::time::sleep(STORM.mul_f64(self.chance.random::<f64>() * part)).await;
            self.act().await;
        }
        if self.deed.is_some() && self.chance.random_bool(0.7) {
            self.undo().await;
        }
        self.kill(bot).await;
        if self.chance.random_bool(0.3) {
            // Nobody hears of it now.
            self.act().await;
        }
    }

    /// One of GitHub's own failures, at one kind of request.
    fn fault(&mut self) -> Fault {
        let (method, path) = [
            (Method::POST, "/check-runs"),
            (Method::POST, "/check-runs"),
            (Method::PATCH, "/check-runs"),
            (Method::PATCH, "/check-runs"),
            (Method::POST, "/statuses"),
            (Method::POST, "/statuses"),
            (Method::GET, "/check-runs"),
            (Method::GET, "/status"),
            (Method::POST, "/access_tokens"),
        ]
        .choose(&mut self.chance)
        .unwrap()
        .clone();
        let trouble = self.trouble();
        let times = match trouble {
            Trouble::SecondaryLimit { .. } | Trouble::PrimaryLimit { .. } => 1,
            _ => self.chance.random_range(1..=4),
        };
        self.troubles += times;
        Fault::on(method, path, trouble).times(times)
    }

    fn trouble(&mut self) -> Trouble {
        let refusal = |status: u16, message: &str| {
            Trouble::Refusal(StatusCode::from_u16(status).unwrap(), message.to_owned())
        };
        let seconds = self.chance.random_range(PAUSES);
        let limit = |status| Trouble::SecondaryLimit {
            status,
            retry_after: Some(seconds),
        };
        let all = [
            Trouble::ExpiredToken,
            Trouble::PrimaryLimit {
                resets_in: Duration::from_secs(seconds),
            },
            limit(StatusCode::FORBIDDEN),
            limit(StatusCode::TOO_MANY_REQUESTS),
            refusal(403, "Resource not accessible by integration"),
            refusal(403, "Repository was archived so is read-only."),
            refusal(404, "Not Found"),
            refusal(410, "Gone"),
            refusal(451, "Repository access blocked"),
            refusal(422, "Only 65535 characters are allowed; 70000 were supplied."),
            refusal(
                422,
                "This SHA and context has reached the maximum number of statuses.",
            ),
            Trouble::ErrorBefore(StatusCode::CONFLICT),
            Trouble::ErrorBefore(StatusCode::BAD_GATEWAY),
            Trouble::ErrorAfter(StatusCode::INTERNAL_SERVER_ERROR),
            Trouble::ErrorAfter(StatusCode::GATEWAY_TIMEOUT),
            Trouble::DropBefore,
            Trouble::DropAfter,
        ];
        all.choose(&mut self.chance).unwrap().clone()
    }

    /// Somebody does something at GitHub, or undoes it.
    async fn act(&mut self) {
        if self.deed.is_some() {
            return self.undo().await;
        }
        if self.chance.random_bool(0.2) {
            return self.rename().await;
        }
        let deed = *DEEDS.choose(&mut self.chance).unwrap();
        let (github, repo) = (&self.outbox.github, &self.outbox.repo);
        let told = match deed {
            Deed::Denied(permission) => github.grant("acme", permission, Some(Access::Read)),
            Deed::Archived => github.archive(repo, true),
            Deed::Suspended => github.suspend("acme", true),
            Deed::Uninstalled => github.uninstall("acme"),
            Deed::Outage => {
                github.outage(true);
                None
            }
        };
        self.deed = Some(deed);
        self.tell(told).await;
    }

    async fn undo(&mut self) {
        let (github, repo) = (&self.outbox.github, &self.outbox.repo);
        let told = match self.deed.take() {
            Some(Deed::Denied(permission)) => github.grant("acme", permission, Some(Access::Write)),
            Some(Deed::Archived) => github.archive(repo, false),
            Some(Deed::Suspended) => github.suspend("acme", false),
            Some(Deed::Uninstalled) => Some(github.install("acme")),
            Some(Deed::Outage) => {
                github.outage(false);
                None
            }
            None => None,
        };
        self.tell(told).await;
    }

    async fn rename(&mut self) {
        self.renames += 1;
        let name: RepoName = format!("acme/app-{}", self.renames).parse().unwrap();
        self.outbox.github.rename(&self.outbox.repo, &name);
        self.outbox.repo = name;
        let told = self.outbox.github.repository_event(&self.outbox.repo, "renamed");
        self.tell(told).await;
    }

    /// GitHub sends it once, whether or not anybody listens.
    async fn tell(&self, event: Option<Webhook>) {
        if let Some(event) = event {
            self.outbox.github.deliver(event).await;
        }
    }

    /// All is undone, and the program starts for the last time. What takes longest comes last: a request that is never
    /// answered, and a limit that names no time.
    async fn clears_up(&mut self) -> tokio::process::Child {
        self.undo().await;
        self.troubles -= self.outbox.github.calm();
        let bot = serving_child(self.folder.path()).await;
        // What was refused for good by mistake is welcome once the owner has done something.
        for again in [
            self.outbox.github.archive(&self.outbox.repo, false),
            self.outbox.github.grant("acme", "checks", Some(Access::Write)),
        ] {
            let event = again.unwrap();
            assert_eq!(self.outbox.github.deliver(event).await, 202);
        }
        // Once something got through again, so that what waits is not long because of what was before.
        let before = self.outbox.github.writes().len();
        let goes_on = |github: &GitHub| (github.writes().len() > before).then_some(());
        let _ = self
            .outbox
            .github
            .wait_for(Duration::from_secs(20), goes_on)
            .await;
        let unnamed = Trouble::SecondaryLimit {
            status: StatusCode::FORBIDDEN,
            retry_after: None,
        };
        let never = Trouble::Latency(Duration::from_hours(1));
        for trouble in [never, unnamed] {
            self.outbox
                .github
                .fail(Fault::on(Method::POST, "/statuses", trouble));
        }
        bot
    }

    async fn all_are_shown(&self, papers: &[Paper]) {
        let (github, repo) = (&self.outbox.github, &self.outbox.repo);
        let is_shown = |paper: &Paper| {
            let checks = github.check_runs(repo, &paper.commit);
            let status = github.statuses(repo, &paper.commit).into_iter().next();
            checks.iter().all(|check| check.conclusion.is_some())
                && !checks.is_empty()
                && status.is_some_and(|status| status.state != "pending")
        };
        let left = |_: &GitHub| papers.iter().all(is_shown).then_some(());
        if github.wait_for(PATIENCE, left).await.is_err() {
            let yellow: Vec<_> = papers.iter().filter(|paper| !is_shown(paper)).collect();
            let what = self.what_happened(yellow[0]).await;
            panic!("{} runs stay yellow, the first one: {what}", yellow.len());
        }
        for paper in papers {
            let checks = github.check_runs(repo, &paper.commit);
            let statuses = github.statuses(repo, &paper.commit);
            let finals = statuses.iter().filter(|status| status.state != "pending").count();
            assert!(
                (checks.len(), finals) == (1, 1),
                "told twice: {}",
                self.what_happened(paper).await
            );
        }
    }

    /// What GitHub was asked about a run's commit, and what the store says of it.
    async fn what_happened(&self, paper: &Paper) -> String {
        let checks = self.outbox.github.check_runs(&self.outbox.repo, &paper.commit);
        let mut names: Vec<String> = checks
            .iter()
            .map(|check| format!("check-runs/{}", check.id))
            .collect();
        names.extend([paper.commit.to_string(), paper.run.to_string()]);
        let mut lines = vec![format!("{paper:?}")];
        for request in self.outbox.github.ledger() {
            let body = request.body.as_ref().map(ToString::to_string).unwrap_or_default();
            if names
                .iter()
                .any(|name| request.path.contains(name) || body.contains(name))
            {
                let (method, path, status) = (&request.method, &request.path, request.status);
                lines.push(format!("{method} {path} {status:?} wrote: {}", request.wrote));
            }
        }
        let store = self.outbox.database().await;
        for sql in [
            "SELECT 'check wanted ' || wanted || ' sent ' || sent || ' failures ' || failures || ' not before ' || not_before
                || ' installation ' || installation_id || ' parked ' || COALESCE(parked, '-') FROM checks WHERE run_id = $1",
            "SELECT 'status wanted ' || wanted || ' sent ' || sent || ' failures ' || failures || ' not before '
                || not_before || ' installation ' || installation_id || ' parked ' || COALESCE(parked, '-')
             FROM statuses WHERE run_id = $1",
            "SELECT kind || ' of ' || subject || ' at ' || run_at || ' tries ' || tries || ' retries ' || retries
                || ' done ' || COALESCE(done_at, '-') || ' parked ' || parked || ' ' || COALESCE(error, '')
             FROM jobs WHERE kind = 'report' OR subject = $1",
        ] {
            let rows: Vec<String> = sqlx::query_scalar(sql)
                .bind(paper.run.to_string())
                .fetch_all(store)
                .await
                .unwrap();
            lines.extend(rows);
        }
        lines.push(format!("now {}", Clock::default().now()));
        lines.join("\n")
    }

    fn nobody_knocked_at_a_closed_door(&self) {
        let was_unheard = |early: &TooEarly| {
            let mut kills = self.kills.iter();
            kills.any(|(told, dead)| (told - UNHEARD_MS..=*dead).contains(&early.refused_at))
        };
        let mut early = self.outbox.github.asked_too_early();
        early.retain(|early| !was_unheard(early));
        // Several jobs may ask at once: their questions may be under way when one of them is refused.
        early.retain(|early| early.at > early.refused_at + UNDER_WAY_MS);
        assert!(
            early.is_empty(),
            "killed at {:?}, and asked {early:#?}",
            self.kills
        );
    }
}
