//! What is left on the Engine: nothing of ours, and everything of others.

use std::time::Duration;

use hubcheck::clock::Clock;
use hubcheck::runner::{EngineError, LiveChunk, LogSink, Owner, Reaped, Runner, StepEnd, StepTask};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::engine::{busybox, on_engine, owner, settings, shell};

#[tokio::test]
async fn a_cancelled_step_ends_at_once_and_takes_its_container_along() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let (plan, cancel) = (shell("sleep 600"), CancellationToken::new());
        let cancelling = async {
            bench.running().await;
            cancel.cancel();
        };
        let (end, ()) = tokio::join!(bench.end(&image, &plan, &cancel), cancelling);
        assert_eq!(end, StepEnd::Cancelled);
        bench.runner.drain().await;
        assert!(bench.containers().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_dropped_step_takes_its_container_along() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let (plan, never) = (shell("sleep 600"), CancellationToken::new());
        tokio::select! {
            end = bench.end(&image, &plan, &never) => panic!("{end:?}"),
            id = bench.running() => assert!(!id.is_empty()),
        }
        bench.runner.drain().await;
        assert!(bench.containers().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn those_who_watch_see_the_output_while_it_comes() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let plan = shell("echo ready; sleep 600");
        let (sender, mut receiver) = mpsc::channel(16);
        let (sink, cancel) = (LogSink::new(sender), CancellationToken::new());
        let task = StepTask {
            owner: &bench.owner,
            image: &image,
            plan: &plan,
            step: &plan.steps[0],
            beside: Default::default(),
        };
        let watching = async {
            let seen = receiver.recv().await;
            cancel.cancel();
            seen
        };
        let (end, seen) = tokio::join!(bench.runner.run_step(&task, &sink, &cancel), watching);
        assert_eq!(end, Ok(StepEnd::Cancelled));
        assert_eq!(seen, Some(LiveChunk::Output("ready\n".into())));
    })
    .await;
}

#[tokio::test]
async fn a_container_removed_by_a_stranger_is_no_verdict() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let plan = shell("sleep 600");
        let task = StepTask {
            owner: &bench.owner,
            image: &image,
            plan: &plan,
            step: &plan.steps[0],
            beside: Default::default(),
        };
        let (sink, never) = (LogSink::none(), CancellationToken::new());
        let stranger = async { bench.remove(&bench.running().await).await };
        let (end, ()) = tokio::join!(bench.runner.run_step(&task, &sink, &never), stranger);
        assert!(matches!(end, Err(EngineError::ContainerGone { .. })), "{end:?}");
    })
    .await;
}

#[tokio::test]
async fn the_reaper_takes_its_own_dead_and_the_overdue_and_nothing_else() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let (live, dead, stranger) = (owner(&bench.clock, 2), owner(&bench.clock, 1), Uuid::new_v4());
        let overdue = Owner {
            deadline: bench.clock.now() - 60_000,
            ..dead
        };
        let kept = [
            bench.leave_container(&image, bench.instance, &live).await,
            bench.leave_container(&image, stranger, &dead).await,
            bench
                .create(&image, [("com.example".to_owned(), "hubcheck".to_owned())].into())
                .await,
        ];
        let doomed = [
            bench.leave_container(&image, bench.instance, &dead).await,
            bench.leave_container(&image, stranger, &overdue).await,
        ];
        // Other tests' reapers may take the overdue one first; ours must take its own dead.
        let reaped = bench
            .runner
            .reap(|run, attempt| (run, attempt) == (live.run, 2))
            .await
            .unwrap();
        assert!((1..=2).contains(&reaped.containers), "{reaped:?}");
        for id in &kept {
            assert!(bench.exists(id).await, "{id}");
        }
        for id in &doomed {
            assert!(!bench.exists(id).await, "{id}");
        }
        bench.runner.remove_run(live.run).await.unwrap();
        assert!(!bench.exists(&kept[0]).await);
        for id in &kept[1..] {
            bench.remove(id).await;
        }
        assert_eq!(bench.runner.reap(|_, _| true).await, Ok(Reaped::default()));
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("unix://{}/docker.sock", directory.path().display());
    let runner = Runner::connect(&settings(Some(&socket)), Uuid::new_v4(), Clock::default()).unwrap();
    let message = runner.health().await.unwrap_err().to_string();
    assert!(
        message.starts_with(&format!("cannot reach the Docker Engine at {socket}: ")),
        "{message}"
    );
    assert!(
        message.contains("apt-get install docker.io") && message.contains("docker.host"),
        "{message}"
    );

    // A socket that nobody listens on any more, as a stopped Engine leaves it.
    drop(tokio::net::UnixListener::bind(directory.path().join("docker.sock")).unwrap());
    let error = runner.health().await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");

    let wrong = Runner::connect(&settings(Some("ssh://there")), Uuid::new_v4(), Clock::default());
    assert!(matches!(wrong, Err(EngineError::UnsupportedHost { .. })));
}

#[tokio::test]
async fn the_engine_says_what_it_is() {
    on_engine(async |bench| {
        let info = bench.runner.health().await.unwrap();
        assert!(
            !info.version.is_empty() && info.runtimes.contains(&"runc".to_owned()),
            "{info:?}"
        );
        let platform = bench.runner.platform().await.unwrap();
        assert_eq!((platform.os, platform.architecture), (info.os, info.architecture));
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_goes_away_in_the_midst_is_no_verdict() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let (address, cut) = proxy().await;
        let runner = Runner::connect(&settings(Some(&address)), bench.instance, bench.clock.clone()).unwrap();
        let plan = shell("sleep 600");
        let task = StepTask {
            owner: &bench.owner,
            image: &image,
            plan: &plan,
            step: &plan.steps[0],
            beside: Default::default(),
        };
        let (sink, never) = (LogSink::none(), CancellationToken::new());
        let cutting = async {
            bench.running().await;
            cut.cancel();
        };
        let step = tokio::time::timeout(Duration::from_mins(1), runner.run_step(&task, &sink, &never));
        let (end, ()) = tokio::join!(step, cutting);
        let error = end.unwrap().unwrap_err();
        assert!(
            matches!(error, EngineError::Lost { .. } | EngineError::Unreachable { .. }),
            "{error:?}"
        );
        // What the guard could not remove, the next attempt does.
        bench.runner.remove_run(bench.owner.run).await.unwrap();
        assert!(bench.containers().await.is_empty());
    })
    .await;
}

/// A way to the Engine that can be cut: its address, and the knife.
async fn proxy() -> (String, CancellationToken) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let cut = CancellationToken::new();
    let knife = cut.clone();
    let serve = async move {
        while let Ok((mut ours, _)) = listener.accept().await {
            let knife = knife.clone();
            tokio::spawn(knife.run_until_cancelled_owned(async move {
                let mut engine = tokio::net::UnixStream::connect("/var/run/docker.sock")
                    .await
                    .unwrap();
                // Either side may close first.
                let _ = tokio::io::copy_bidirectional(&mut ours, &mut engine).await;
            }));
        }
    };
    tokio::spawn(cut.clone().run_until_cancelled_owned(serve));
    (address, cut)
}
