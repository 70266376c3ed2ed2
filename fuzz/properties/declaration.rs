//! A repository's own file, and the URLs by which images name repositories.

use std::collections::BTreeSet;

use hubcheck::config::Config;
use hubcheck::model::{Limits, Network, Profile};
use hubcheck::plan::{File, Said, plan};
use hubcheck::resolve::SourceUrl;

use super::{assert_sentence, text};

/// A text → a file whose plan stays below every ceiling, or an error that says where and can be shown.
pub(super) fn no_file_loosens_what_the_operator_set(input: &[u8]) {
    let text = text(input);
    let file = match File::parse(&text) {
        Ok(file) => file,
        Err(error) => return assert_sentence(&error.to_string(), 4_000),
    };
    let mut docker = Config::defaults().docker;
    docker.profile = Profile::Strict;
    docker.network = false;
    let image = "acme/app".parse().expect("it is a name");
    let said = Said {
        on_default: Some(&file),
        at_commit: Some(&file),
        label: Some(&text),
        of_fork: false,
    };
    let planned = plan(&docker, &image, said);
    let ceilings = plan(&docker, &image, Said::default()).plan;
    assert_eq!(
        (planned.plan.profile, planned.plan.network),
        (Profile::Strict, Network::None)
    );
    for step in &planned.plan.steps {
        assert!(is_below(&planned.plan.limits_of(step), &ceilings.limits));
    }
    let names: BTreeSet<&str> = planned.plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert!(
        !names.is_empty() && names.len() == planned.plan.steps.len(),
        "{names:?}"
    );
    for pattern in file.images() {
        assert_eq!(pattern.to_string().parse().as_ref(), Ok(pattern));
    }
    let Some(declared) = file.of(&image) else { return };
    for tag in ["latest", "1.2.3", "v1-alpine"].map(|tag| tag.parse().expect("it is a tag")) {
        if let Some(reference) = declared.reference(&tag) {
            assert!(reference.as_str().starts_with("heads/") || reference.as_str().starts_with("tags/"));
        }
        assert!(
            declared
                .variant(&tag)
                .is_none_or(|variant| !variant.contains('/'))
        );
    }
}

fn is_below(limits: &Limits, ceilings: &Limits) -> bool {
    limits.timeout <= ceilings.timeout
        && limits.idle_timeout <= ceilings.idle_timeout
        && limits.memory_bytes <= ceilings.memory_bytes
        && limits.nano_cpus <= ceilings.nano_cpus
        && limits.pids <= ceilings.pids
        && limits.disk_bytes <= ceilings.disk_bytes
}

/// A text → a repository that stands in it letter by letter, behind the name of the one host.
pub(super) fn a_source_is_where_it_says(input: &[u8]) {
    let text = text(input);
    for host in ["github.com", "ghe.example.org:8443"] {
        let SourceUrl::Repo(name) = SourceUrl::read(&text, host) else {
            continue;
        };
        let text = text.to_ascii_lowercase();
        let bare = host.split(':').next().unwrap_or_default();
        let (_, behind) = text.split_once(bare).expect("the host is named");
        let (owner, name) = (
            name.owner().to_ascii_lowercase(),
            name.name().to_ascii_lowercase(),
        );
        assert!(
            behind.contains(&format!("{owner}/{name}")),
            "{text}: {owner}/{name}"
        );
    }
}
