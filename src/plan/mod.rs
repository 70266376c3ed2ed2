//! What is to be tested in an image.

use crate::config::Docker;
use crate::model::{Limits, Network, Plan, Step, StepKind};

/// The plan where nothing names another: `docker run IMAGE test`, within the operator's ceilings.
pub fn discovered(docker: &Docker) -> Plan {
    let step = Step {
        name: "test".to_owned(),
        kind: StepKind::Run {
            args: vec!["test".to_owned()],
            entrypoint: None,
            env: [].into(),
        },
    };
    Plan {
        steps: vec![step],
        profile: docker.profile,
        network: Network::None,
        limits: ceilings(docker),
    }
}

fn ceilings(docker: &Docker) -> Limits {
    let limits = &docker.limits;
    Limits {
        timeout: limits.timeout,
        idle_timeout: limits.idle_timeout,
        memory_bytes: limits.memory,
        nano_cpus: nano_cpus(limits.cpus),
        pids: limits.pids,
        disk_bytes: limits.disk,
    }
}

/// Billionths of a processor, as the Engine counts them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a checked, small, positive number"
)]
fn nano_cpus(cpus: f64) -> u64 {
    (cpus.clamp(0.01, 4096.0) * 1e9).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_in_billionths() {
        assert_eq!(nano_cpus(2.0), 2_000_000_000);
        assert_eq!(nano_cpus(0.5), 500_000_000);
    }
}
