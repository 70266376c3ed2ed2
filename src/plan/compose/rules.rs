//! Which keys of a Compose file are obeyed, which change nothing here, and which reach for the host: those are refused by
//! name, with their line, before anything is started.

use super::Refusal;
use super::tree::{Kind, Node};

/// Keys of a service that are obeyed.
pub(super) const OBEYED: [&str; 20] = [
    "build",
    "command",
    "configs",
    "depends_on",
    "entrypoint",
    "env_file",
    "environment",
    "extends",
    "healthcheck",
    "hostname",
    "image",
    "links",
    "network_mode",
    "networks",
    "secrets",
    "tmpfs",
    "user",
    "volumes",
    "volumes_from",
    "working_dir",
];

/// Keys that change nothing: nothing is published, restarted or built here, and the limits are hubcheck's own.
const IDLE: [&str; 54] = [
    "annotations",
    "attach",
    "blkio_config",
    "cap_drop",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "deploy",
    "develop",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "dockerfile",
    "expose",
    "extra_hosts",
    "group_add",
    "init",
    "isolation",
    "label_file",
    "labels",
    "logging",
    "log_driver",
    "log_opt",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "oom_score_adj",
    "pids_limit",
    "platform",
    "ports",
    "profiles",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "scale",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "tty",
    "ulimits",
];

/// Keys that reach for the host whatever stands behind them.
const REFUSED: [(&str, &str); 19] = [
    ("cap_add", "capabilities are those of the profile"),
    ("cgroup", "it places the container among the host's groups"),
    ("cgroup_parent", "it places the container among the host's groups"),
    ("credential_spec", "it reads credentials of the host"),
    ("device_cgroup_rules", "it opens devices of the host"),
    ("devices", "it opens devices of the host"),
    ("external_links", "it reaches for containers of others"),
    ("gpus", "it opens devices of the host"),
    ("ipc", "it shares memory with others"),
    ("models", "it reaches for what runs on the host"),
    ("pid", "it shows the processes of others"),
    ("post_start", "hooks are not run here"),
    ("pre_stop", "hooks are not run here"),
    ("provider", "it runs a program of the host"),
    ("runtime", "the operator chooses the runtime"),
    ("security_opt", "it loosens how the container is held"),
    ("sysctls", "it changes settings of the kernel"),
    ("userns_mode", "it loosens how the container is held"),
    ("uts", "it shares the host's name"),
];

/// Values of refused keys that are harmless, by key.
const HARMLESS: [(&str, &str); 6] = [
    ("cgroup", "private"),
    ("ipc", "private"),
    ("ipc", "shareable"),
    ("ipc", "none"),
    ("security_opt", "no-new-privileges:true"),
    ("security_opt", "no-new-privileges"),
];

/// Refuses what a service must not ask for.
pub(super) fn check_service(name: &str, service: &Node) -> Result<(), Refusal> {
    let Some(keys) = service.map() else {
        return Err(Refusal::at(
            service.line,
            format!("service `{name}` is no mapping"),
        ));
    };
    for (key, value) in keys {
        if key.starts_with("x-") || value.kind == Kind::Null {
            continue;
        }
        let refuse = |why: &str| {
            Err(Refusal::at(
                value.line,
                format!("`{key}` of service `{name}` is refused: {why}"),
            ))
        };
        match key.as_str() {
            "privileged" if value.is_true() => return refuse("no container is privileged here"),
            "use_api_socket" if value.is_true() => {
                return refuse("nothing reaches the Docker Engine from a test");
            }
            "privileged" | "use_api_socket" => {}
            "network_mode" => check_network_mode(value).or_else(|why| refuse(&why))?,
            "volumes" => check_volumes(value).or_else(|why| refuse(&why))?,
            "volumes_from" => check_volumes_from(value).or_else(|why| refuse(&why))?,
            key => {
                if let Some((_, why)) = REFUSED.iter().find(|(known, _)| *known == key) {
                    if !is_harmless(key, value) {
                        return refuse(why);
                    }
                } else if !OBEYED.contains(&key) && !IDLE.contains(&key) {
                    return Err(unknown(name, key, value.line));
                }
            }
        }
    }
    Ok(())
}

/// Refuses what reaches for the host outside of the services.
pub(super) fn check_top(file: &Node) -> Result<(), Refusal> {
    for section in ["volumes", "networks", "configs", "secrets"] {
        for (name, definition) in file.get(section).and_then(Node::map).into_iter().flatten() {
            let refuse = |node: &Node, why: &str| {
                Err(Refusal::at(
                    node.line,
                    format!("`{name}` of `{section}` is refused: {why}"),
                ))
            };
            if let Some(external) = definition.get("external")
                && (external.is_true() || external.map().is_some())
            {
                return refuse(external, "it is not the test's own (`external`)");
            }
            match (section, definition.get("driver"), definition.get("driver_opts")) {
                ("volumes", _, Some(options)) => {
                    return refuse(options, "options of a driver can name a folder of the host");
                }
                ("volumes", Some(driver), _) if driver.text().as_deref() != Some("local") => {
                    return refuse(driver, "only volumes of the driver `local` are made");
                }
                ("networks", Some(driver), _)
                    if !matches!(driver.text().as_deref(), Some("bridge" | "overlay" | "default")) =>
                {
                    return refuse(driver, "the services have one network of their own");
                }
                ("configs" | "secrets", ..) => {
                    if let Some(environment) = definition.get("environment") {
                        return refuse(environment, "it reads the environment of the host");
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn check_network_mode(value: &Node) -> Result<(), String> {
    match value.text().as_deref() {
        Some("none" | "bridge" | "default") => Ok(()),
        Some("host") => Err("it is the host's own network".to_owned()),
        Some(other) if other.starts_with("service:") => Err(
            "services share no network here but that of all of them: call the other one by its name"
                .to_owned(),
        ),
        _ => Err("it is the network of another container".to_owned()),
    }
}

/// Sources that the file's own readers would take for names. What lies where is seen when they are read.
fn check_volumes(value: &Node) -> Result<(), String> {
    for entry in value.list().unwrap_or_default() {
        let source = entry.get("source").unwrap_or(entry).text().unwrap_or_default();
        if source.starts_with('~') || source.contains('\\') {
            return Err(format!("`{source}` lies on the host, not in the repository"));
        }
    }
    Ok(())
}

fn check_volumes_from(value: &Node) -> Result<(), String> {
    let other = value
        .texts()
        .into_iter()
        .any(|(text, _)| text.starts_with("container:"));
    if other {
        return Err("it reaches for the volumes of another container".to_owned());
    }
    Err("name the volumes under `volumes` instead".to_owned())
}

fn is_harmless(key: &str, value: &Node) -> bool {
    let texts = value.texts();
    if texts.is_empty() {
        return true;
    }
    texts.iter().all(|(text, _)| HARMLESS.contains(&(key, text)))
}

fn unknown(service: &str, key: &str, line: u64) -> Refusal {
    let known: Vec<&str> = OBEYED.iter().chain(&IDLE).copied().collect();
    let hint = crate::config::nearest(key, &known)
        .map(|known| format!(": did you mean `{known}`?"))
        .unwrap_or_default();
    Refusal::at(
        line,
        format!("there is no key `{key}` of service `{service}`{hint}"),
    )
}
