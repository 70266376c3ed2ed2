//! A repository's own file, and the URLs by which images name repositories.

use std::collections::BTreeSet;

use hubcheck::config::{Config, Docker};
use hubcheck::model::structure::Check;
use hubcheck::model::{ImageConfig, ImageName, Limits, Network, Profile, StepKind};
use hubcheck::plan::{Chosen, File, Needed, Planned, Said, Sources, plan};
use hubcheck::resolve::SourceUrl;
use hubcheck::structure::{self, Printed, expand, go_regex};

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
        ..Said::default()
    };
    let planned = self::planned(&docker, &image, said);
    let ceilings = self::planned(&docker, &image, Said::default()).plan;
    assert_eq!(
        (planned.plan.profile, planned.plan.network),
        (Profile::Strict, Network::None)
    );
    for step in &planned.plan.steps {
        assert!(is_below(&planned.plan.limits_of(step), &ceilings.limits));
    }
    let names: BTreeSet<&str> = planned.plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert!(
        names.is_empty() == planned.problem.is_some() && names.len() == planned.plan.steps.len(),
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

/// The plan, in a repository that holds nothing.
fn planned(docker: &Docker, image: &ImageName, said: Said<'_>) -> Planned {
    let mut sources = Sources::default();
    loop {
        let said = Said {
            sources: &sources,
            ..said
        };
        match plan(docker, image, said) {
            Ok(planned) => return planned,
            Err(Needed { file: Some(path), .. }) => sources
                .files
                .insert(path, None)
                .map_or((), |_| panic!("asked twice")),
            Err(Needed { file: None, .. }) => sources.root = Some(Vec::new()),
        }
    }
}

/// A text → what a structure file asserts, of which each pattern can be looked for, or a sentence.
pub(super) fn structure_files_are_judged_or_explained(input: &[u8]) {
    let text = text(input);
    let docker = Config::defaults().docker;
    let image: ImageName = "acme/app".parse().expect("it is a name");
    let mut sources = Sources::default();
    sources.files.insert("t.yml".to_owned(), Some(text.clone()));
    let chosen = Chosen::Structure {
        files: vec!["t.yml".to_owned()],
        compat: text.len().is_multiple_of(2),
    };
    let said = Said {
        chosen: Some(&chosen),
        sources: &sources,
        ..Said::default()
    };
    let planned = plan(&docker, &image, said).expect("it needs no other file");
    assert_eq!(planned.problem.is_none(), planned.plan.steps.len() == 1);
    let config = ImageConfig {
        env: vec!["PATH=/bin".to_owned(), text.clone()],
        cmd: vec![text.clone()],
        ..ImageConfig::default()
    };
    for step in &planned.plan.steps {
        let StepKind::Structure { suite } = &step.kind else {
            panic!("{step:?}")
        };
        assert!((1..=500).contains(&suite.assertions.len()));
        for assertion in &suite.assertions {
            assert!(assertion.line >= 1 && !assertion.name.is_empty());
            let errors = match &assertion.check {
                Check::Command(check) => {
                    for word in &check.args {
                        let value = |name: &str| config.variable(name).map(str::to_owned);
                        let plain = expand::plain(word, value);
                        assert!(word.contains('$') || plain == *word);
                        let _ = expand::like_go(word, value);
                    }
                    let printed = Printed {
                        code: 0,
                        stdout: &text,
                        stderr: "",
                    };
                    structure::command(check, printed)
                }
                Check::Content(check) => structure::content(check, &text),
                Check::Existence(check) => structure::existence(check, &check.path, None),
                Check::Metadata(check) => structure::metadata(check, &config),
                Check::License(_) | Check::Invalid { .. } => Vec::new(),
            };
            for error in errors {
                assert!(error.len() <= 70_000, "{error}");
            }
        }
    }
    // A pattern as such, too.
    if let Ok(regex) = go_regex::compile(&text) {
        let _ = regex.is_match(
            "some text
of two lines",
        );
    }
}

/// A text → the services of a Compose file, of which none reaches for the host, or a sentence.
pub(super) fn no_compose_file_reaches_for_the_host(input: &[u8]) {
    let text = text(input);
    let docker = Config::defaults().docker;
    let image: ImageName = "acme/app".parse().expect("it is a name");
    let mut sources = Sources::default();
    sources.files.insert("t.yml".to_owned(), Some(text.clone()));
    let chosen = Chosen::Compose("t.yml".to_owned());
    let planned = loop {
        let said = Said {
            chosen: Some(&chosen),
            sources: &sources,
            ..Said::default()
        };
        match plan(&docker, &image, said) {
            Ok(planned) => break planned,
            // All other files say the same, so that they lead to themselves.
            Err(Needed { file: Some(path), .. }) => {
                assert!(
                    !path.starts_with('/') && !path.split('/').any(|part| part == ".."),
                    "{path}"
                );
                assert!(
                    sources.files.insert(path, Some(text.clone())).is_none(),
                    "asked twice"
                );
            }
            Err(needed) => panic!("{needed:?}"),
        }
    };
    if let Some(problem) = &planned.problem {
        assert!(problem.len() <= 10_000, "{problem}");
    }
    for step in &planned.plan.steps {
        let StepKind::Compose { project } = &step.kind else {
            panic!("{step:?}")
        };
        assert!((1..=10).contains(&project.services.len()));
        assert_eq!(
            project.services.last().map(|service| service.name.as_str()),
            Some("sut")
        );
        for (number, service) in project.services.iter().enumerate() {
            for dependency in &service.depends_on {
                let before = &project.services[..number];
                assert!(before.iter().any(|other| other.name == dependency.service));
            }
        }
        for path in project.repository_paths() {
            assert!(
                !path.starts_with('/') && !path.split('/').any(|part| part == ".."),
                "{path}"
            );
        }
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
