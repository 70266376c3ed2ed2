//! Steps on the real Engine: what ends them, and what is said about it.

use hubcheck::demo::images::{ImageBuilder, LayerBuilder};
use hubcheck::model::{Cause, Network, Profile, StepKind};

use crate::support::engine::{busybox, on_engine, plan, shell};

#[tokio::test]
async fn the_default_step_runs_the_images_own_entrypoint() {
    on_engine(async |bench| {
        let script = "#!/bin/sh\necho \"mode: $1\"\necho trouble >&2\nprintf 'no newline'\n";
        let image = bench
            .pull(busybox().script("/entry.sh", script).entrypoint(&["/entry.sh"]))
            .await;
        let (cause, log) = bench.run(&image, &plan(&["test"])).await;
        assert_eq!(cause, Cause::Passed);
        // The streams may arrive out of order.
        assert!(
            log.contains("mode: test\n") && log.contains("trouble\n") && log.contains("no newline"),
            "{log}"
        );
    })
    .await;
}

#[tokio::test]
async fn exit_codes_are_the_tests_own_whatever_their_number() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        for code in [1, 3, 126, 127, 137] {
            let (cause, _) = bench
                .run(&image, &shell(&format!("echo tried; exit {code}")))
                .await;
            assert_eq!(cause, Cause::ExitCode { code });
        }
    })
    .await;
}

#[tokio::test]
async fn a_step_gets_its_own_environment_and_entrypoint() {
    on_engine(async |bench| {
        let image = bench
            .pull(busybox().env("A", "image").entrypoint(&["/nothing"]))
            .await;
        let mut plan = shell("echo \"$A $B\"");
        let StepKind::Run { env, .. } = &mut plan.steps[0].kind else {
            panic!("another step");
        };
        env.insert("B".to_owned(), "step".to_owned());
        assert_eq!(
            bench.run(&image, &plan).await,
            (Cause::Passed, "image step\n".to_owned())
        );
    })
    .await;
}

#[tokio::test]
async fn an_image_without_entrypoint_runs_a_builtin_that_is_no_test() {
    on_engine(async |bench| {
        let builtin = LayerBuilder::default().link("/bin/test", "busybox").build();
        let image = bench.pull(busybox().layer(builtin)).await;
        assert_eq!(
            bench.run(&image, &plan(&["test"])).await,
            (Cause::ShellTestBuiltin, String::new())
        );
    })
    .await;
}

#[tokio::test]
async fn commands_that_cannot_run_are_told_apart() {
    on_engine(async |bench| {
        let image = bench.pull(busybox().file("/notes", 0o644, "no program")).await;
        let (cause, _) = bench.run(&image, &plan(&["nosuch"])).await;
        assert_eq!(
            cause,
            Cause::CommandNotFound {
                command: "nosuch".to_owned()
            }
        );
        let (cause, _) = bench.run(&image, &plan(&["/notes"])).await;
        assert_eq!(
            cause,
            Cause::NotExecutable {
                command: "/notes".to_owned()
            }
        );
    })
    .await;
}

#[tokio::test]
async fn a_program_of_another_platform_is_no_failed_test() {
    on_engine(async |bench| {
        let garbage = b"\x7fELF\x02\x01\x01garbage\xff".as_slice();
        let image = bench
            .pull(busybox().file("/app", 0o755, garbage).entrypoint(&["/app"]))
            .await;
        let (cause, log) = bench.run(&image, &plan(&["test"])).await;
        assert_eq!(cause, Cause::ExecFormat, "{log}");

        // Without a shell in the image nobody complains about the format.
        let alone = ImageBuilder::for_this_host()
            .file("/app", 0o755, garbage)
            .entrypoint(&["/app"]);
        let image = bench.pull(alone).await;
        let (cause, log) = bench.run(&image, &plan(&["test"])).await;
        assert!(
            matches!(&cause, Cause::NotRunnable { reason } if reason.contains("/app")),
            "{cause:?} {log}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_user_that_the_image_does_not_have_is_no_failed_test() {
    on_engine(async |bench| {
        let image = bench.pull(busybox().user("nobody-knows")).await;
        let (cause, _) = bench.run(&image, &shell("true")).await;
        assert!(
            matches!(&cause, Cause::NotRunnable { reason } if reason.contains("nobody-knows")),
            "{cause:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn tests_that_want_a_network_are_told_how_to_get_one() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        let mut plan = shell("ls /sys/class/net; nc -w 2 192.0.2.1 80");
        let (cause, log) = bench.run(&image, &plan).await;
        assert_eq!(cause, Cause::NeedsNetwork { code: 1 }, "{log}");
        // What goes to stdout and to stderr arrives in no certain order.
        let interfaces: Vec<&str> = log.lines().filter(|line| !line.starts_with("nc:")).collect();
        assert_eq!(interfaces, ["lo"], "{log}");

        plan = shell("ls /sys/class/net");
        plan.network = Network::Bridge;
        assert_eq!(
            bench.run(&image, &plan).await,
            (Cause::Passed, "eth0\nlo\n".to_owned())
        );
    })
    .await;
}

#[tokio::test]
async fn what_a_profile_keeps_from_tests_is_named() {
    on_engine(async |bench| {
        let image = bench.pull(busybox()).await;
        for (profile, script, cause) in [
            (
                Profile::Compatible,
                "busybox ping -c 1 127.0.0.1",
                "exit code 1: needs CAP_NET_RAW, which profile compatible drops",
            ),
            (
                Profile::Compatible,
                "mount -t tmpfs none /tmp",
                "exit code 1: needs CAP_SYS_ADMIN, which profile compatible drops",
            ),
            (
                Profile::Strict,
                "touch /made || exit 4",
                "exit code 4: needs to write to its file system, which profile strict makes read-only",
            ),
            (
                Profile::Strict,
                "touch /tmp/made && busybox chown 7 /tmp/made",
                "exit code 1: needs CAP_CHOWN, which profile strict drops",
            ),
        ] {
            let mut plan = shell(script);
            plan.profile = profile;
            let (told, log) = bench.run(&image, &plan).await;
            assert_eq!(told.to_string(), cause, "{script}: {log}");
        }
    })
    .await;
}
