//! The command that repeats a step on anybody's machine, with the bounds that were really set.

use crate::model::{
    Cause, Digest, ImageName, Network, Plan, Platform, Profile, Step, StepKind, Verdict, is_secret_name,
};

/// What a step was run on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The image.
    pub image: &'a ImageName,
    /// The manifest that was tested.
    pub digest: &'a Digest,
    /// What it was run on.
    pub platform: &'a Platform,
}

/// The line that repeats the first step that did not pass, or else the first one; `None` for a plan
/// without steps.
pub fn reproduce_line(subject: &Subject<'_>, plan: &Plan, verdict: Option<&Verdict>) -> Option<String> {
    let results = || verdict.iter().flat_map(|verdict| &verdict.steps);
    let cause_of = |step: &Step| {
        results()
            .find(|result| result.name == step.name)
            .map(|result| &result.cause)
    };
    let failed = |step: &&Step| cause_of(step).is_some_and(|cause| *cause != Cause::Passed);
    let step = plan.steps.iter().find(failed).or(plan.steps.first())?;
    Some(match cause_of(step) {
        // Docker knows nothing of what reports say.
        Some(Cause::TestsFailed { code: 0, .. }) if matches!(step.kind, StepKind::Run { .. }) => {
            ours(subject, plan, "")
        }
        _ => command(subject, plan, step),
    })
}

/// The line of `step`: one of Docker's where it can say all of it.
fn command(subject: &Subject<'_>, plan: &Plan, step: &Step) -> String {
    let (args, entrypoint, env) = match &step.kind {
        StepKind::Run {
            args,
            entrypoint,
            env,
        } => (args.as_slice(), entrypoint, env),
        StepKind::Healthy { .. } => return ours(subject, plan, ""),
        // What no line of `docker run` can say, hubcheck does.
        StepKind::Compose { project } => {
            return ours(subject, plan, &format!(" --compose {}", quoted(&project.file)));
        }
        StepKind::Structure { suite } => {
            let compat = if suite.compat { " --compat" } else { "" };
            return ours(
                subject,
                plan,
                &format!(" --structure {}{compat}", quoted(&suite.file)),
            );
        }
    };
    let mut words: Vec<String> = ["docker", "run", "--rm", "--init"].map(str::to_owned).to_vec();
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
    flag("--platform", &subject.platform.to_string());
    bounds(plan, &mut flag);
    for (name, value) in env {
        if is_secret_name(name) {
            // Docker takes it from where it is called.
            flag("--env", name);
        } else {
            flag("--env", &format!("{name}={value}"));
        }
    }
    // The command line takes one word for an entrypoint; those after it come before the arguments.
    let (program, rest) = entrypoint.as_ref().map_or((None, &[][..]), |words| {
        let (program, rest) = words
            .split_first()
            .map_or(("", &[][..]), |(program, rest)| (program, rest));
        (Some(program), rest)
    });
    if let Some(program) = program {
        flag("--entrypoint", program);
    }
    if plan.profile.tmpfs().is_some() {
        words.push("--read-only".to_owned());
    }
    words.push(quoted(&format!("{}@{}", subject.image, subject.digest)));
    words.extend(rest.iter().chain(args).map(|word| quoted(word)));
    words.join(" ")
}

/// The line of `hubcheck test`, called in the repository.
fn ours(subject: &Subject<'_>, plan: &Plan, options: &str) -> String {
    let image = quoted(&format!("{}@{}", subject.image, subject.digest));
    let profile = match plan.profile {
        Profile::Compatible => "",
        Profile::Strict => " --profile strict",
    };
    format!("hubcheck test{options}{profile} {image}")
}

fn bounds(plan: &Plan, flag: &mut impl FnMut(&str, &str)) {
    let limits = &plan.limits;
    flag(
        "--network",
        match plan.network {
            Network::None => "none",
            Network::Bridge => "bridge",
        },
    );
    flag("--memory", &memory(limits.memory_bytes));
    flag("--memory-swap", &memory(limits.memory_bytes));
    flag("--cpus", &cpus(limits.nano_cpus));
    flag("--pids-limit", &limits.pids.to_string());
    flag("--security-opt", "no-new-privileges:true");
    flag("--cap-drop", "ALL");
    for capability in plan.profile.capabilities() {
        flag("--cap-add", capability);
    }
    if let Some(options) = plan.profile.tmpfs() {
        flag("--tmpfs", &format!("/tmp:{options}"));
    }
}

/// Billionths of a processor as `docker run` takes them: `2`, `0.5`.
fn cpus(nano_cpus: u64) -> String {
    const ONE: u64 = 1_000_000_000;
    let text = format!("{}.{:09}", nano_cpus / ONE, nano_cpus % ONE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes as `docker run` takes them: `2g`, `512m`.
fn memory(bytes: u64) -> String {
    [("g", 1 << 30), ("m", 1 << 20)]
        .iter()
        .find(|(_, size)| bytes.is_multiple_of(*size))
        .map_or_else(
            || bytes.to_string(),
            |(unit, size)| format!("{}{unit}", bytes / size),
        )
}

/// `word` as a POSIX shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@,+%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_one_word_in_a_shell() {
        assert_eq!(quoted("npm"), "npm");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b; rm -rf $HOME"), "'a b; rm -rf $HOME'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn sizes_are_written_as_docker_takes_them() {
        assert_eq!(cpus(2_000_000_000), "2");
        assert_eq!(cpus(500_000_000), "0.5");
        assert_eq!(cpus(10_000_000_000), "10");
        assert_eq!(memory(2 << 30), "2g");
        assert_eq!(memory(1536 << 20), "1536m");
        assert_eq!(memory(1000), "1000");
    }
}
