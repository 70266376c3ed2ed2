//! What tests say that lacked a right: each line of their output is held against what programs print then.

use crate::model::{Lacked, Profile};

/// What a refused system call reads like, in lower case.
const REFUSALS: [&str; 4] = [
    "operation not permitted",
    "permission denied",
    "are you root",
    "must be root",
];

/// Words of a line that speaks of a refusal, in lower case, and the capability that was missing. The first counts.
/// <https://man7.org/linux/man-pages/man7/capabilities.7.html>
const WANTED: &[(&str, &str)] = &[
    ("ping", "NET_RAW"),
    ("raw socket", "NET_RAW"),
    ("traceroute", "NET_RAW"),
    ("tcpdump", "NET_RAW"),
    ("iptables", "NET_ADMIN"),
    ("ip6tables", "NET_ADMIN"),
    ("nftables", "NET_ADMIN"),
    ("rtnetlink", "NET_ADMIN"),
    ("mknod", "MKNOD"),
    ("chroot", "SYS_CHROOT"),
    ("ptrace", "SYS_PTRACE"),
    ("strace", "SYS_PTRACE"),
    ("unshare", "SYS_ADMIN"),
    ("sethostname", "SYS_ADMIN"),
    ("mount", "SYS_ADMIN"),
    ("set date", "SYS_TIME"),
    ("settimeofday", "SYS_TIME"),
    ("mlock", "IPC_LOCK"),
    ("insmod", "SYS_MODULE"),
    ("modprobe", "SYS_MODULE"),
    ("chown", "CHOWN"),
    ("changing ownership", "CHOWN"),
    ("setgid", "SETGID"),
    ("setgroups", "SETGID"),
    ("initgroups", "SETGID"),
    ("set groups", "SETGID"),
    ("setuid", "SETUID"),
    ("failed switching to", "SETUID"),
];

/// What of `output`, in lower case, was kept from the tests by `profile`.
pub(super) fn lacked(output: &str, profile: Profile) -> Option<Lacked> {
    output.lines().find_map(|line| of_line(line, profile))
}

fn of_line(line: &str, profile: Profile) -> Option<Lacked> {
    if profile.tmpfs().is_some() && line.contains("read-only file system") {
        return Some(Lacked::WritableRoot);
    }
    if line.contains("no new privileges") {
        return Some(Lacked::NewPrivileges);
    }
    if !REFUSALS.iter().any(|refusal| line.contains(refusal)) {
        return None;
    }
    let is_dropped = |capability: &str| !profile.capabilities().contains(&capability);
    let named = named(line).filter(|capability| is_dropped(capability));
    let wanted = WANTED
        .iter()
        .find(|(word, capability)| has_word(line, word) && is_dropped(capability));
    named
        .or(wanted.map(|(_, capability)| (*capability).to_owned()))
        .map(Lacked::Capability)
}

/// A capability that the line itself names: `cap_net_raw`.
fn named(line: &str) -> Option<String> {
    let (_, after) = line.split_once("cap_")?;
    let end = after
        .find(|char: char| !char.is_ascii_lowercase() && char != '_')
        .unwrap_or(after.len());
    let name = after[..end].to_ascii_uppercase();
    (3..=20).contains(&name.len()).then_some(name)
}

/// Does `word` begin a word of the line? `shipping` is no `ping`.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|char: char| char.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line, and what it names under each profile.
    const TABLE: &[(&str, Option<&str>, Option<&str>)] = &[
        (
            "ping: permission denied (are you root?)",
            Some("NET_RAW"),
            Some("NET_RAW"),
        ),
        (
            "ping: socket: Operation not permitted",
            Some("NET_RAW"),
            Some("NET_RAW"),
        ),
        (
            "bash: ping: socket: Operation not permitted, missing cap_net_raw+p",
            Some("NET_RAW"),
            Some("NET_RAW"),
        ),
        (
            "mount: /mnt: permission denied.",
            Some("SYS_ADMIN"),
            Some("SYS_ADMIN"),
        ),
        (
            "chown: changing ownership of 'x': Operation not permitted",
            None,
            Some("CHOWN"),
        ),
        (
            "gosu: error: failed switching to \"app\": operation not permitted",
            None,
            Some("SETUID"),
        ),
        (
            "su: can't set groups: Operation not permitted",
            None,
            Some("SETGID"),
        ),
        (
            "RTNETLINK answers: Operation not permitted",
            Some("NET_ADMIN"),
            Some("NET_ADMIN"),
        ),
        ("touch: /x: Read-only file system", None, Some("WRITE")),
        (
            "sudo: The \"no new privileges\" flag is set",
            Some("NEW"),
            Some("NEW"),
        ),
        ("shipping: permission denied", None, None),
        ("open /etc/shadow: permission denied", None, None),
        ("the ping test failed", None, None),
        ("needs cap_ or not: operation not permitted", None, None),
    ];

    #[test]
    fn what_programs_print_that_lack_a_right_names_it() {
        let expected = |name: Option<&str>| match name {
            Some("WRITE") => Some(Lacked::WritableRoot),
            Some("NEW") => Some(Lacked::NewPrivileges),
            name => name.map(|name| Lacked::Capability(name.to_owned())),
        };
        for (line, compatible, strict) in TABLE {
            let line = line.to_ascii_lowercase();
            for (profile, name) in [(Profile::Compatible, compatible), (Profile::Strict, strict)] {
                assert_eq!(lacked(&line, profile), expected(*name), "{line}");
            }
        }
    }
}
