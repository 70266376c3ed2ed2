//! The table of causes.

use std::time::Duration;

use bytes::Bytes;

use super::super::log::{LogSink, Recorder};
use super::*;

fn limits() -> Limits {
    Limits {
        timeout: Duration::from_mins(15),
        idle_timeout: Duration::from_mins(5),
        memory_bytes: 2 << 30,
        nano_cpus: 1_000_000_000,
        pids: 512,
        disk_bytes: 5 << 30,
    }
}

fn log(output: &'static str) -> StepLog {
    let mut recorder = Recorder::new(LogSink::none());
    recorder.record(Bytes::from_static(output.as_bytes()));
    recorder.finish()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Why a step ended that exited with `code`.
fn exited(code: i64, command: &str, network: Network, output: &'static str) -> String {
    let end = End::Exited(Exit {
        code,
        out_of_memory: false,
    });
    let given = Given {
        words: &words(command),
        network,
        profile: Profile::Compatible,
        limits: &limits(),
    };
    of_end(end, given, &log(output)).to_string()
}

#[test]
fn exit_codes_are_read_with_what_was_printed() {
    for (code, command, output, cause) in [
        (0, "/app test", "", "passed"),
        (3, "/app test", "boom\n", "exit code 3"),
        (1, "test", "", "no test command: the shell's own test builtin ran"),
        (
            1,
            "/bin/sh -c test",
            "",
            "no test command: the shell's own test builtin ran",
        ),
        (1, "test", "1 failed\n", "exit code 1"),
        (1, "/app test", "", "exit code 1"),
        (2, "test", "", "exit code 2"),
        (
            127,
            "test",
            "[FATAL tini (7)] exec test failed: No such file or directory\n",
            "no test command: `test` is not in the image",
        ),
        (
            126,
            "/bin/x a",
            "[FATAL tini (7)] exec /bin/x failed: Permission denied\n",
            "no test command: `/bin/x` is not executable",
        ),
        (127, "/app test", "/app: line 3: jq: not found\n", "exit code 127"),
        (126, "/app test", "", "exit code 126"),
        (
            127,
            "/app test",
            "hello\n[FATAL tini (7)] exec /app failed: No such file or directory\n",
            "exit code 127",
        ),
        (
            127,
            "/app",
            "/app: line 1: \u{7f}ELF\u{2}: not found\n",
            "not a runnable image: its program is not for this platform (exec format error)",
        ),
        (
            1,
            "/app",
            "exec /app: exec format error\n",
            "not a runnable image: its program is not for this platform (exec format error)",
        ),
        (
            1,
            "/app",
            "curl: (6) Could not resolve host: example.org\n",
            "exit code 1: needs the network: set `network: bridge`",
        ),
    ] {
        assert_eq!(
            exited(code, command, Network::None, output),
            cause,
            "{code} {command} {output}"
        );
    }
}

#[test]
fn who_may_start_no_more_processes_is_told_the_limit() {
    for output in [
        "/app: line 1: can't fork: Resource temporarily unavailable\n",
        "bash: fork: retry: Resource temporarily unavailable\n",
        "runtime: failed to create new OS thread (have 9 already; errno=11)\n",
        "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory\n",
    ] {
        let cause = exited(2, "/app test", Network::None, output);
        assert_eq!(cause, "too many processes (limit 512)", "{output}");
        assert_eq!(exited(0, "/app test", Network::None, output), "passed");
    }
}

#[test]
fn what_the_profile_drops_is_named() {
    let output = "PING host\nping: permission denied (are you root?)\n";
    assert_eq!(
        exited(1, "/app", Network::None, output),
        "exit code 1: needs CAP_NET_RAW, which profile compatible drops"
    );
}

#[test]
fn a_step_that_had_the_network_did_not_lack_it() {
    let output = "dial tcp: lookup db: no such host\n";
    assert_eq!(exited(1, "/app", Network::Bridge, output), "exit code 1");
}

#[test]
fn limits_are_named_with_their_size() {
    let given = Given {
        words: &words("/app test"),
        network: Network::None,
        profile: Profile::Compatible,
        limits: &limits(),
    };
    let oom = |code| {
        End::Exited(Exit {
            code,
            out_of_memory: true,
        })
    };
    for (end, cause) in [
        (oom(137), "out of memory (limit 2 GiB)"),
        (oom(1), "out of memory (limit 2 GiB)"),
        (oom(0), "passed"),
        (End::Stopped(Stop::TotalTime), "timed out after 15m"),
        (End::Stopped(Stop::Silence), "no output for 5m"),
        (End::Stopped(Stop::Disk), "wrote too much to disk (limit 5 GiB)"),
        (End::Stopped(Stop::Output), "printed too much (limit 256 MiB)"),
    ] {
        assert_eq!(of_end(end, given, &log("")).to_string(), cause);
    }
}

#[test]
fn a_refused_start_is_the_images_doing_or_the_engines() {
    let oci = "OCI runtime create failed: runc create failed: unable to start container process: exec: ";
    for (message, cause) in [
        (
            format!("{oci}\"x\": executable file not found in $PATH: unknown"),
            Some("no test command: `x` is not in the image"),
        ),
        (
            format!("{oci}\"/x\": stat /x: no such file or directory: unknown"),
            Some("no test command: `x` is not in the image"),
        ),
        (
            format!("{oci}\"/x\": permission denied: unknown"),
            Some("no test command: `x` is not executable"),
        ),
        (
            "unable to find user app: no matching entries in passwd file".to_owned(),
            Some("not a runnable image: unable to find user app: no matching entries in passwd file"),
        ),
        (
            "mkdir /var/lib/docker/x: no space left on device".to_owned(),
            None,
        ),
        ("network 123 not found".to_owned(), None),
    ] {
        let found = of_refused_start(&message, &words("x test")).map(|cause| cause.to_string());
        assert_eq!(found.as_deref(), cause, "{message}");
    }
}
