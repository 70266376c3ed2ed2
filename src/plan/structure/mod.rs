//! container-structure-test files: a file of the repository becomes a [`Suite`], or a sentence that says what is wrong
//! with it and where. Pure.
//! <https://github.com/GoogleContainerTools/container-structure-test#readme>

mod schema;

use serde_saphyr::Spanned;

use crate::model::Profile;
use crate::model::structure::{
    Assertion, Check, CommandCheck, ContentCheck, ExistenceCheck, LicenseCheck, MetadataCheck, Setting,
    Suite, Variable,
};
use schema::{Command, Content, Existence, License, Metadata, Pair, RunOptions, Top, Versioned};

use super::yaml;

/// The schema that is read.
const VERSION: &str = "2.0.0";

/// More assertions than this in one file are a mistake.
const MOST_ASSERTIONS: usize = 500;

/// Commands that are run before one.
const MOST_SETUP: usize = 20;

/// Reads the file `path`, whose text is `text`.
pub(super) fn read(
    path: &str,
    text: &str,
    (at_commit, compat): (bool, bool),
    notes: &mut Vec<String>,
) -> Result<Suite, String> {
    let wrong = |error: &yaml::FileError| {
        // What has a place is a value within one, which nobody wrote so.
        let key = error.key.replacen(".value", "", 1);
        yaml::FileError { key, ..error.clone() }.in_file(path)
    };
    let Versioned { version } = yaml::read(text, "schemaVersion").map_err(|error| wrong(&error))?;
    match version.as_deref() {
        Some(VERSION) => {}
        Some("1.0.0") => {
            return Err(format!(
                "{path}: it is of schema 1.0.0: set `schemaVersion: {VERSION}`, and split each `command` into `command`, \
                 the program, and `args`, its arguments"
            ));
        }
        Some(other) => {
            return Err(format!(
                "{path}: schema {other} is not known: `schemaVersion` is {VERSION}"
            ));
        }
        None => {
            return Err(format!(
                "{path}: it says nothing of its schema: put `schemaVersion: {VERSION}` at its top"
            ));
        }
    }
    let top: Top = yaml::read(text, "schemaVersion").map_err(|error| wrong(&error))?;
    let at = |line: u32, why: String| format!("{path}, line {line}: {why}");
    let (user, is_replaced) = match &top.container_run_options {
        None => (None, false),
        Some(options) => run_options(&options.value).map_err(|why| at(line(options), why))?,
    };
    let mut env = Vec::new();
    for pair in top.global_env_vars.iter().flatten() {
        let variable = variable(&pair.value).map_err(|why| at(line(pair), why))?;
        env.push(variable);
    }
    let assertions = assertions(&top, compat && is_replaced);
    if assertions.is_empty() {
        return Err(format!("{path}: there are no tests in it"));
    }
    if assertions.len() > MOST_ASSERTIONS {
        return Err(format!(
            "{path}: there are {} tests in it, and {MOST_ASSERTIONS} at most: split it",
            assertions.len()
        ));
    }
    if !compat {
        notes.extend(unreplaced(path, &assertions));
    }
    Ok(Suite {
        file: path.to_owned(),
        at_commit,
        compat,
        env,
        user,
        assertions,
    })
}

/// Where something begins.
fn line<T>(spanned: &Spanned<T>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX)
}

/// In the order of container-structure-test.
fn assertions(top: &Top, env_is_replaced: bool) -> Vec<Assertion> {
    let mut all = Vec::new();
    for test in top.command_tests.iter().flatten() {
        let mut check = command(&test.value);
        if let Check::Command(check) = &mut check
            && env_is_replaced
            && check.setup.is_empty()
        {
            // Its run options put the runner's environment in the place of the test's.
            check.env.clear();
        }
        all.push(assertion(
            "Command Test",
            test.value.name.as_deref(),
            line(test),
            check,
        ));
    }
    for test in top.file_content_tests.iter().flatten() {
        let check = content(&test.value);
        all.push(assertion(
            "File Content Test",
            test.value.name.as_deref(),
            line(test),
            check,
        ));
    }
    for test in top.file_existence_tests.iter().flatten() {
        let check = existence(&test.value);
        all.push(assertion(
            "File Existence Test",
            test.value.name.as_deref(),
            line(test),
            check,
        ));
    }
    for (number, test) in top.license_tests.iter().flatten().enumerate() {
        let License { debian, files } = &test.value;
        let check = Check::License(LicenseCheck {
            debian: debian.unwrap_or(false),
            files: files.clone().unwrap_or_default(),
        });
        let name = format!("License Test #{number}");
        all.push(Assertion {
            name,
            line: line(test),
            check,
        });
    }
    if let Some(test) = &top.metadata_test
        && let Some(check) = metadata(&test.value)
    {
        let name = "Metadata Test".to_owned();
        all.push(Assertion {
            name,
            line: line(test),
            check,
        });
    }
    all
}

fn assertion(kind: &str, name: Option<&str>, line: u32, check: Check) -> Assertion {
    let name = name.filter(|name| !name.is_empty());
    // One that cannot be run is told by its name alone.
    let (name, check) = match (name, check) {
        (None, _) => (
            kind.to_owned(),
            Check::Invalid {
                why: "it has no `name`".to_owned(),
            },
        ),
        (Some(name), check) => (format!("{kind}: {name}"), check),
    };
    Assertion { name, line, check }
}

fn invalid(why: &str) -> Check {
    Check::Invalid { why: why.to_owned() }
}

fn command(test: &Command) -> Check {
    let setup = test.setup.clone().unwrap_or_default();
    let command = test.command.clone().unwrap_or_default();
    if command.is_empty() {
        return invalid("it has no `command`");
    }
    if setup.iter().any(Vec::is_empty) {
        return invalid("there is nothing in one of its `setup` commands");
    }
    if setup.len() > MOST_SETUP {
        return invalid("it has more than 20 `setup` commands");
    }
    let env: Result<Vec<Variable>, String> = test.env_vars.iter().flatten().map(variable).collect();
    let env = match env {
        Ok(env) => env,
        Err(why) => return Check::Invalid { why },
    };
    let texts = |texts: &schema::Texts| texts.clone().unwrap_or_default();
    Check::Command(CommandCheck {
        command,
        args: texts(&test.args),
        env,
        setup,
        exit_code: test.exit_code.unwrap_or(0),
        expected_output: texts(&test.expected_output),
        excluded_output: texts(&test.excluded_output),
        expected_error: texts(&test.expected_error),
        excluded_error: texts(&test.excluded_error),
    })
}

fn variable(pair: &Pair) -> Result<Variable, String> {
    let (key, value) = (pair.key.as_deref(), pair.value.as_deref());
    match (key.unwrap_or_default(), value.unwrap_or_default()) {
        ("", _) => Err("a variable in `envVars` has no `key`".to_owned()),
        (key, _) if key.contains(['=', '\0']) => Err(format!("`{key}` is no name of a variable")),
        (key, "") => Err(format!("the variable {key} has no `value`")),
        (_, value) if value.contains('\0') => Err("a variable's value holds a NUL".to_owned()),
        (key, value) => Ok(Variable {
            name: key.to_owned(),
            value: value.to_owned(),
        }),
    }
}

fn existence(test: &Existence) -> Check {
    let Some(path) = test.path.clone().filter(|path| !path.is_empty()) else {
        return invalid("it has no `path`");
    };
    let id = |id: Option<i64>| id.filter(|id| *id >= 0);
    Check::Existence(ExistenceCheck {
        path,
        should_exist: test.should_exist.unwrap_or(true),
        permissions: test.permissions.clone().filter(|text| !text.is_empty()),
        uid: id(test.uid),
        gid: id(test.gid),
        executable_by: test.is_executable_by.clone().filter(|text| !text.is_empty()),
    })
}

fn content(test: &Content) -> Check {
    let Some(path) = test.path.clone().filter(|path| !path.is_empty()) else {
        return invalid("it has no `path`");
    };
    Check::Content(ContentCheck {
        path,
        expected: test.expected_contents.clone().unwrap_or_default(),
        excluded: test.excluded_contents.clone().unwrap_or_default(),
    })
}

/// `None`: nothing is asked.
fn metadata(test: &Metadata) -> Option<Check> {
    let settings = |pairs: &Option<Vec<Pair>>| -> Option<Vec<Setting>> {
        let pairs = pairs.iter().flatten().map(|pair| {
            Some(Setting {
                key: pair.key.clone().filter(|key| !key.is_empty())?,
                value: pair.value.clone().unwrap_or_default(),
                is_regex: pair.is_regex.unwrap_or(false),
            })
        });
        pairs.collect()
    };
    let texts = |texts: &schema::Texts| texts.clone().unwrap_or_default();
    let (Some(env), Some(labels), Some(unbound)) = (
        settings(&test.env_vars),
        settings(&test.labels),
        settings(&test.unbound_env_vars),
    ) else {
        return Some(invalid("a variable or a label has no `key`"));
    };
    let check = MetadataCheck {
        env,
        unbound_env: unbound.into_iter().map(|setting| setting.key).collect(),
        exposed_ports: texts(&test.exposed_ports),
        unexposed_ports: texts(&test.unexposed_ports),
        volumes: texts(&test.volumes),
        unmounted_volumes: texts(&test.unmounted_volumes),
        entrypoint: test.entrypoint.clone(),
        cmd: test.cmd.clone(),
        working_dir: test.workdir.clone().unwrap_or_default(),
        user: test.user.clone().unwrap_or_default(),
        labels,
    };
    (check != MetadataCheck::default()).then(|| Check::Metadata(Box::new(check)))
}

/// Who runs the commands, and whether container-structure-test would replace their environment. What reaches for the
/// host is refused.
fn run_options(options: &RunOptions) -> Result<(Option<String>, bool), String> {
    let is_some = |texts: &schema::Texts| texts.as_ref().is_some_and(|texts| !texts.is_empty());
    let user = options.user.clone().filter(|user| !user.is_empty());
    let refused = [
        (
            options.privileged == Some(true),
            "privileged",
            "no container has rights over the host",
        ),
        (
            options.allocate_tty == Some(true),
            "allocateTty",
            "a terminal would mix the two outputs",
        ),
        (
            is_some(&options.env_vars),
            "envVars",
            "it reads the environment of whoever runs the tests; set the variables under `globalEnvVars`",
        ),
        (
            options.env_file.as_ref().is_some_and(|file| !file.is_empty()),
            "envFile",
            "it reads a file of whoever runs the tests; set the variables under `globalEnvVars`",
        ),
        (
            is_some(&options.bind_mounts),
            "bindMounts",
            "it mounts folders of the host",
        ),
    ];
    if let Some((_, key, why)) = refused.into_iter().find(|(is_there, ..)| *is_there) {
        return Err(format!("`containerRunOptions.{key}` is refused: {why}"));
    }
    let granted = Profile::Compatible.capabilities();
    let capabilities = options.capabilities.iter().flatten();
    for wanted in capabilities {
        let name = wanted.to_ascii_uppercase();
        if !granted.contains(&name.trim_start_matches("CAP_")) {
            return Err(format!(
                "`containerRunOptions.capabilities` is refused: no profile grants {wanted}"
            ));
        }
    }
    let is_active = user.is_some() || is_some(&options.capabilities);
    Ok((user, is_active))
}

/// Where container-structure-test would replace a `$NAME` that stays here.
fn unreplaced(path: &str, assertions: &[Assertion]) -> Option<String> {
    let is_shell = |command: &str| {
        command
            .rsplit('/')
            .next()
            .is_some_and(|name| name.ends_with("sh"))
    };
    let holds = |assertion: &&Assertion| match &assertion.check {
        Check::Command(check) => {
            check.command.contains('$')
                || (!is_shell(&check.command) && check.args.iter().any(|arg| arg.contains('$')))
        }
        _ => false,
    };
    let found = assertions.iter().find(holds)?;
    Some(format!(
        "{path}, line {}: a `$` in a command stays as it is written; with `compat: true` it is replaced as \
         container-structure-test does",
        found.line
    ))
}
