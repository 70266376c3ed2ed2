//! Images that take what they can get: each limit bites, and is named.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::{house_with_limits, judged, still_serves};
use crate::support::house::House;

/// What this process may grow by while it reads from an image, in KiB.
const GROWTH_KIB: u64 = 128 << 10;

#[tokio::test]
async fn a_fork_bomb_is_too_many_processes_and_harms_nobody_else() {
    let house = house_with_limits(|limits| (limits.pids, limits.cpus) = (64, 0.5)).await;
    // Whoever could fork twice stays: the bomb cannot die out before the test's own process meets the limit.
    let bomb = "bomb() { bomb & bomb & exec sleep 600; }\nwhile true; do bomb 2>/dev/null & done";
    let (seen, ()) = tokio::join!(judged(&house, bomb), still_serves(&house));
    assert_eq!(
        seen.title(),
        "test: too many processes (limit 64)",
        "{}",
        seen.log
    );
    assert_eq!(seen.shown.conclusion(), ("failure", "failure"));
    assert!(
        seen.page.contains("too many processes (limit 64)"),
        "{}",
        seen.page
    );
    still_serves(&house).await;
    house.close().await;
}

#[tokio::test]
async fn a_memory_hog_is_out_of_memory() {
    let house = house_with_limits(|limits| limits.memory = 16 << 20).await;
    let seen = judged(&house, "echo eating\nbusybox tail /dev/zero\nexit $?").await;
    assert_eq!(seen.title(), "test: out of memory (limit 16 MiB)", "{}", seen.log);
    assert_eq!(seen.shown.conclusion(), ("failure", "failure"));
    assert!(
        seen.page.contains("out of memory (limit 16 MiB)"),
        "{}",
        seen.page
    );
    house.close().await;
}

#[tokio::test]
async fn a_disk_filler_wrote_too_much() {
    let house = house_with_limits(|limits| limits.disk = 16 << 20).await;
    let seen = judged(&house, "dd if=/dev/zero of=/big bs=1M count=64\nexec sleep 600").await;
    assert_eq!(
        seen.title(),
        "test: wrote too much to disk (limit 16 MiB)",
        "{}",
        seen.log
    );
    assert_eq!(seen.shown.conclusion(), ("failure", "failure"));
    house.close().await;
}

#[tokio::test]
async fn output_without_end_is_stopped_and_fills_no_memory() {
    let house = House::open().await;
    let line = "0123456789abcdef".repeat(16);
    let before_kib = peak_memory_kib();
    let seen = judged(&house, &format!("exec yes {line}")).await;
    assert_eq!(
        seen.title(),
        "test: printed too much (limit 256 MiB)",
        "{}",
        seen.log.len()
    );
    assert_eq!(seen.shown.conclusion(), ("failure", "failure"));
    let note = seen.log.lines().find(|line| line.starts_with("[…")).unwrap();
    assert!(note.ends_with("MiB of output dropped here …]"), "{note}");
    assert!(seen.log.len() < 6 << 20, "{}", seen.log.len());
    let grown_kib = peak_memory_kib() - before_kib;
    assert!(grown_kib < GROWTH_KIB, "{grown_kib} KiB more");
    house.close().await;
}

#[tokio::test]
async fn a_line_without_end_is_cut_stopped_and_fills_no_memory() {
    let house = House::open().await;
    let before_kib = peak_memory_kib();
    let seen = judged(&house, "exec dd if=/dev/zero bs=1M count=1024 2>/dev/null").await;
    assert_eq!(
        seen.title(),
        "test: printed too much (limit 256 MiB)",
        "{}",
        seen.log.len()
    );
    assert!(seen.log.ends_with("of this line dropped]"), "{}", seen.log.len());
    assert!(seen.log.len() < 17 << 10, "{}", seen.log.len());
    let grown_kib = peak_memory_kib() - before_kib;
    assert!(grown_kib < GROWTH_KIB, "{grown_kib} KiB more");
    house.close().await;
}

#[tokio::test]
async fn what_an_image_prints_is_not_kept_by_the_engine() {
    let house = House::open().await;
    let (commit, image) = house.build_image("endless", "while true; do echo on; sleep 1; done");
    house.push("endless", &image).await;
    let docker = Docker::connect_with_defaults().unwrap();
    let id = container_of(&house, &docker).await;
    let found = docker.inspect_container(&id, None).await.unwrap();
    assert_eq!(found.log_path.as_deref(), Some(""), "a file that would grow");
    let log = found.host_config.unwrap().log_config.unwrap();
    assert_eq!(log.typ.as_deref(), Some("none"));
    house
        .push("endless", &crate::support::house::labelled(&commit, "true"))
        .await;
    house.shown(&commit, 2).await;
    house.close().await;
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let house = house_with_limits(|limits| limits.idle_timeout = Duration::from_secs(4)).await;
    let script = "for i in 1 2 3; do echo $i; sleep 1; done; echo quiet; exec sleep 600";
    let seen = judged(&house, script).await;
    assert_eq!(seen.title(), "test: no output for 4.0s");
    assert_eq!(seen.shown.conclusion(), ("timed_out", "failure"));
    assert_eq!(seen.log, "1\n2\n3\nquiet\n");
    assert!(seen.shown.summary().contains("quiet"), "{}", seen.shown.summary());
    house.close().await;
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_when_the_time_is_up() {
    let house = house_with_limits(|limits| limits.timeout = Duration::from_secs(2)).await;
    let script = "trap 'echo not now' TERM; while true; do echo busy; sleep 1; done";
    let seen = judged(&house, script).await;
    assert_eq!(seen.title(), "test: timed out after 2.0s");
    assert_eq!(seen.shown.conclusion(), ("timed_out", "failure"));
    assert!(
        seen.log.starts_with("busy\n") && seen.log.contains("not now"),
        "{}",
        seen.log
    );
    house.close().await;
}

#[tokio::test]
async fn a_working_directory_that_leads_out_of_the_container_is_refused_before_anything_runs() {
    let house = House::open().await;
    let commit = house
        .github
        .commit(&house.repo, "a way to the runtime's files")
        .unwrap();
    let image = crate::support::house::plain("echo it ran")
        .working_dir("/proc/self/fd/8")
        .label("org.opencontainers.image.revision", commit.as_str())
        .build();
    house.push("v1", &image).await;
    let seen = super::see(&house, house.shown(&commit, 1).await).await;
    assert_eq!(
        seen.title(),
        "test: not a runnable image: its working directory lies among the processes' files (/proc)"
    );
    assert_eq!(seen.shown.conclusion(), ("action_required", "error"));
    assert_eq!(seen.log, "");
    house.close().await;
}

#[tokio::test]
async fn a_process_that_is_left_behind_is_gone_with_its_container() {
    let house = House::open().await;
    // A number that no other process has among its words.
    let number = format!("9{:08}", std::process::id());
    let script = format!("busybox setsid sleep {number} >/dev/null 2>&1 &\nsleep 2\necho I am done\nexit 0");
    let appears = async {
        while processes_with(&number) == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (seen, seen_alive) = tokio::join!(
        judged(&house, &script),
        tokio::time::timeout(Duration::from_mins(1), appears)
    );
    seen_alive.expect("the daemon never ran, or this is not the Engine's machine");
    assert_eq!(seen.shown.conclusion(), ("success", "success"));
    house.service.runner().drain().await;
    assert_eq!(processes_with(&number), 0);
    house.close().await;
}

/// Processes of this machine that have `word` as a word of their own.
fn processes_with(word: &str) -> usize {
    let commands = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    commands
        .filter(|command| command.split(|&byte| byte == 0).any(|own| own == word.as_bytes()))
        .count()
}

/// The most memory that this process ever had.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The container that the house's bot runs, once there is one.
pub(crate) async fn container_of(house: &House, docker: &Docker) -> String {
    let instance = house.service.store().instance().await.unwrap();
    let filters = HashMap::from([("label", vec![format!("hubcheck.instance={instance}")])]);
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    let poll = async {
        loop {
            let running = docker.list_containers(Some(options.clone())).await.unwrap();
            if let Some(id) = running.into_iter().find_map(|found| found.id) {
                return id;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), poll)
        .await
        .expect("no container came up within 60 s")
}
