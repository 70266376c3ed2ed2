//! How containers are held on the real Engine, and how much of what they print is kept. What happens at a
//! limit is told in `hostile_images`.

use hubcheck::model::{Cause, Plan, Profile};

use crate::support::engine::{busybox, on_engine, shell};

#[tokio::test]
async fn a_flood_keeps_its_head_and_its_tail() {
    on_engine(async |bench| {
        let plan = shell("echo first; yes 0123456789abcdef0123 | head -c 20000000; printf last");
        let (cause, log) = bench.run_in_busybox(&plan).await;
        assert_eq!(cause, Cause::Passed);
        assert!(
            log.starts_with("first\n0123") && log.ends_with("last"),
            "{}",
            &log[log.len() - 100..]
        );
        assert!(
            log.contains("[… 14.0 MiB of output dropped here …]"),
            "{}",
            log.len()
        );
        assert!(log.len() < 6 << 20);
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
