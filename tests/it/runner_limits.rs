//! How containers are held on the real Engine, and how much of what they print is kept. What happens at a
//! limit is told in `hostile_images`.

use hubcheck::model::{Cause, Plan, Profile};
use hubcheck::runner::StepEnd;
use tokio_util::sync::CancellationToken;

use crate::support::engine::{busybox, on_engine, shell};

/// Bytes of memory of this process, which is one test's: now (`VmRSS`), or at most so far (`VmHWM`).
fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

#[tokio::test]
async fn of_two_million_lines_none_is_lost_on_the_way_and_memory_stays_flat() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        // Whatever a first step needs is there then.
        bench.run(&image, &shell("busybox seq 1 1000")).await;
        let before = memory("VmRSS:");
        let plan = shell("busybox seq 1 2000000; printf last");
        let end = bench.end(&image, &plan, &CancellationToken::new()).await;
        let grown = memory("VmHWM:").saturating_sub(before);
        let StepEnd::Done(done) = end else {
            panic!("{end:?}")
        };
        assert_eq!(done.result.cause, Cause::Passed);
        // Every byte of them came: 9 numbers of one digit, 90 of two, and so on.
        assert_eq!(done.log.printed_bytes(), 14_888_896 + 4);
        let log = String::from_utf8(done.log.to_bytes()).unwrap();
        assert!(log.starts_with("1\n2\n3\n") && log.ends_with("\n1999999\n2000000\nlast"));
        assert!(log.contains("of output dropped here …]"), "{}", log.len());
        assert!(log.len() < 6 << 20, "{}", log.len());
        // The log itself is five of them.
        assert!(grown < 24 << 20, "{} MiB", grown >> 20);
    })
    .await;
}

#[tokio::test]
async fn a_long_line_is_cut() {
    on_engine(async |bench| {
        let plan = shell("head -c 20480 /dev/zero; echo; echo next");
        let (_, log) = bench.run_in_busybox(&plan).await;
        let lines: Vec<&str> = log.lines().map(|line| line.trim_matches('\0')).collect();
        assert_eq!(lines, [" [… 4 KiB of this line dropped]", "next"]);
    })
    .await;
}

/// Prints what the kernel says about the container's powers.
const POWERS: &str = "grep -E 'CapBnd|CapEff|NoNewPrivs|Seccomp:' /proc/self/status; \
     ulimit -c; ulimit -n; \
     touch /written 2>/dev/null && echo root writable; \
     touch /tmp/written 2>/dev/null && echo tmp writable; \
     touch /data/written 2>/dev/null && echo volume writable; \
     mount | grep -E ' on (/tmp|/data) ' | cut -d' ' -f1-5; \
     cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null";

#[tokio::test]
async fn the_compatible_profile_is_in_force() {
    on_engine(async |bench| {
        let (_, log) = bench.run_in_busybox(&powers(Profile::Compatible)).await;
        // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE: bits 0, 1, 3-7, 10.
        for line in [
            "CapBnd:\t00000000000004fb",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
            "root writable\ntmp writable",
            "64",
        ] {
            assert!(log.contains(line), "{line}: {log}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_strict_profile_is_in_force() {
    on_engine(async |bench| {
        let image = bench.pull(busybox().volume("/data")).await;
        let (_, log) = bench.run(&image, &powers(Profile::Strict)).await;
        for line in [
            "CapBnd:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
            "0\n4096\ntmp writable\nvolume writable",
            "tmpfs on /tmp type tmpfs",
            "tmpfs on /data type tmpfs",
        ] {
            assert!(log.contains(line), "{line}: {log}");
        }
    })
    .await;
}

fn powers(profile: Profile) -> Plan {
    let script = POWERS
        .replace("grep", "busybox grep")
        .replace("cut", "busybox cut");
    Plan {
        profile,
        ..shell(&script)
    }
}
