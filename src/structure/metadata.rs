//! What an image's configuration says, and what it should.

use super::go_regex;
use super::judge::{bad_pattern, quoted};
use crate::model::ImageConfig;
use crate::model::structure::{MetadataCheck, Setting};

/// All of it.
pub fn metadata(check: &MetadataCheck, config: &ImageConfig) -> Vec<String> {
    [
        settings(check, config),
        words(check, config),
        places(check, config),
    ]
    .concat()
}

/// Variables and labels.
fn settings(check: &MetadataCheck, config: &ImageConfig) -> Vec<String> {
    let mut wrong = Vec::new();
    for setting in &check.env {
        let value = config.variable(&setting.key);
        wrong.extend(differs("the variable", setting, value));
    }
    let is_unbound = |name: &String| config.variable(name).is_none();
    wrong.extend(listed(&check.unbound_env, is_unbound, "the variable {} is set"));
    for setting in &check.labels {
        let value = config.labels.get(&setting.key).map(String::as_str);
        wrong.extend(differs("the label", setting, value));
    }
    wrong
}

/// What is run, where and by whom.
fn words(check: &MetadataCheck, config: &ImageConfig) -> Vec<String> {
    let lists = [
        ("the command", &check.cmd, &config.cmd),
        ("the entrypoint", &check.entrypoint, &config.entrypoint),
    ];
    let lists = lists.into_iter().filter_map(|(what, expected, is)| {
        let expected = expected.as_ref().filter(|expected| *expected != is)?;
        Some((what, format!("{is:?}"), format!("{expected:?}")))
    });
    let texts = [
        ("the working directory", &check.working_dir, &config.working_dir),
        ("the user", &check.user, &config.user),
    ];
    let texts = texts
        .into_iter()
        .filter(|(_, expected, is)| !expected.is_empty() && expected != is)
        .map(|(what, expected, is)| (what, format!("`{is}`"), format!("`{expected}`")));
    lists
        .chain(texts)
        .map(|(what, is, expected)| {
            let (is, expected) = (quoted(&is), quoted(&expected));
            format!("{what} is {is}, and {expected} was expected")
        })
        .collect()
}

/// Ports and volumes.
fn places(check: &MetadataCheck, config: &ImageConfig) -> Vec<String> {
    // By its number alone, as container-structure-test has it.
    let exposes = |port: &String| {
        let mut exposed = config.exposed_ports.iter();
        exposed.any(|exposed| exposed.split('/').next() == Some(port))
    };
    let is_volume = |path: &String| config.volumes.contains(path);
    [
        listed(&check.exposed_ports, exposes, "the port {} is not exposed"),
        listed(
            &check.unexposed_ports,
            |port| !exposes(port),
            "the port {} is exposed",
        ),
        listed(&check.volumes, is_volume, "the path {} is no volume"),
        listed(
            &check.unmounted_volumes,
            |path| !is_volume(path),
            "the path {} is a volume",
        ),
    ]
    .concat()
}

/// A sentence, `{}` being the name, for each of those that are not good.
fn listed(names: &[String], is_good: impl Fn(&String) -> bool, otherwise: &str) -> Vec<String> {
    names
        .iter()
        .filter(|name| !is_good(name))
        .map(|name| otherwise.replace("{}", &quoted(name)))
        .collect()
}

fn differs(what: &str, setting: &Setting, value: Option<&str>) -> Option<String> {
    let Setting {
        key,
        value: expected,
        is_regex,
    } = setting;
    let key = quoted(key);
    let Some(value) = value else {
        return Some(format!("{what} {key} is not set"));
    };
    if !is_regex {
        return (value != expected).then(|| {
            format!(
                "{what} {key} is `{}`, and `{}` was expected",
                quoted(value),
                quoted(expected)
            )
        });
    }
    match go_regex::compile(expected) {
        Err(why) => Some(bad_pattern(expected, &why)),
        Ok(regex) => (!regex.is_match(value)).then(|| {
            format!(
                "{what} {key} is `{}`, in which `{}` is not found",
                quoted(value),
                quoted(expected)
            )
        }),
    }
}
