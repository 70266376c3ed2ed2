//! A sandbox in the Engine's words.

use std::time::Duration;

use super::api;
use crate::model::compose::Healthcheck;
use crate::runner::sandbox::Sandbox;

/// What the Engine is told to make.
pub(super) fn container_body(sandbox: Sandbox) -> api::ContainerCreateBody {
    api::ContainerCreateBody {
        image: Some(sandbox.image.clone()),
        entrypoint: sandbox.entrypoint.clone(),
        cmd: sandbox.command.clone(),
        env: Some(sandbox.env.clone()),
        working_dir: sandbox.working_dir.clone(),
        user: sandbox.user.clone(),
        healthcheck: sandbox.healthcheck.as_ref().map(health_config),
        networking_config: networking(&sandbox),
        labels: Some(sandbox.labels.clone()),
        // A terminal would mix the streams, and bollard misreads them then.
        tty: Some(false),
        open_stdin: Some(false),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host_config(sandbox)),
        ..api::ContainerCreateBody::default()
    }
}

/// The names by which others on the network reach the container.
fn networking(sandbox: &Sandbox) -> Option<api::NetworkingConfig> {
    let endpoint = api::EndpointSettings {
        aliases: Some(sandbox.aliases.clone()),
        ..api::EndpointSettings::default()
    };
    (!sandbox.aliases.is_empty()).then(|| api::NetworkingConfig {
        endpoints_config: Some([(sandbox.network.clone(), endpoint)].into()),
    })
}

/// Times in nanoseconds; what is not given is inherited.
fn health_config(check: &Healthcheck) -> api::HealthConfig {
    let nanos = |time: Option<Duration>| time.and_then(|time| i64::try_from(time.as_nanos()).ok());
    api::HealthConfig {
        test: (!check.test.is_empty()).then(|| check.test.clone()),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        start_period: nanos(check.start_period),
        retries: check.retries.map(i64::from),
        ..api::HealthConfig::default()
    }
}

fn host_config(sandbox: Sandbox) -> api::HostConfig {
    let texts = |list: &[&str]| Some(list.iter().map(|&text| text.to_owned()).collect());
    let ulimit = |name: &str, value| api::ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(value),
        hard: Some(value),
    };
    let open_files = sandbox.open_files.map(|files| ulimit("nofile", files));
    let ulimits = open_files.into_iter().chain([ulimit("core", 0)]).collect();
    let tmpfs = sandbox
        .tmpfs
        .into_iter()
        .map(|(path, options)| (path, options.to_owned()));
    let mounts = sandbox.volumes.into_iter().map(|(name, path)| api::Mount {
        source: name,
        target: Some(path),
        typ: Some(api::MountType::VOLUME),
        volume_options: Some(api::MountVolumeOptions {
            labels: Some(sandbox.labels.clone()),
            ..api::MountVolumeOptions::default()
        }),
        ..api::Mount::default()
    });
    let memory = i64::try_from(sandbox.limits.memory_bytes).ok();
    api::HostConfig {
        cap_drop: texts(&["ALL"]),
        cap_add: texts(sandbox.capabilities),
        security_opt: texts(&["no-new-privileges:true"]),
        readonly_rootfs: Some(sandbox.read_only),
        tmpfs: Some(tmpfs.collect()),
        mounts: Some(mounts.collect()),
        memory,
        // The same number for both: no swap.
        memory_swap: memory,
        nano_cpus: i64::try_from(sandbox.limits.nano_cpus).ok(),
        pids_limit: Some(sandbox.limits.pids.into()),
        ulimits: Some(ulimits),
        network_mode: Some(sandbox.network),
        runtime: (!sandbox.runtime.is_empty()).then_some(sandbox.runtime),
        // The output is read from the container itself; following a log driver's file loses lines.
        log_config: Some(api::HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        init: Some(true),
        auto_remove: Some(false),
        ..api::HostConfig::default()
    }
}
