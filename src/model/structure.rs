//! A container-structure-test file, read: what is asserted of an image.
//! <https://github.com/GoogleContainerTools/container-structure-test>

use serde::{Deserialize, Serialize};

/// What one file asserts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// Its path in the repository.
    pub file: String,
    /// Was it read at the commit under test, and not on the default branch?
    pub at_commit: bool,
    /// Are `$NAME`s replaced just as container-structure-test replaces them?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compat: bool,
    /// Given to all commands, on top of the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Variable>,
    /// Who runs the commands, where it is not the image's own user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// In the order in which they are told.
    pub assertions: Vec<Assertion>,
}

impl Suite {
    /// Does the image's configuration alone decide all of it, so that no layer is needed?
    pub fn is_of_config(&self) -> bool {
        self.assertions
            .iter()
            .all(|assertion| matches!(assertion.check, Check::Metadata(_) | Check::Invalid { .. }))
    }
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Not empty.
    pub name: String,
    /// `$NAME`s in it are replaced by the image's own values.
    pub value: String,
}

/// One entry of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// With its kind, as container-structure-test tells it: `Command Test: apt-get`.
    pub name: String,
    /// Where it stands in the file, from 1 on.
    pub line: u32,
    /// What is asserted.
    pub check: Check,
}

/// What is asserted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A command ends and prints as it should.
    Command(CommandCheck),
    /// A file holds what it should.
    Content(ContentCheck),
    /// A file is there, or is not.
    Existence(ExistenceCheck),
    /// Nothing is under a licence that is not wanted.
    License(LicenseCheck),
    /// The image's configuration says what it should.
    Metadata(Box<MetadataCheck>),
    /// It cannot be judged, and fails.
    Invalid {
        /// What is wrong with it.
        why: String,
    },
}

/// A command, and what should come of it. Patterns are Go's regular expressions, found anywhere in the output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandCheck {
    /// The program; no shell reads it.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Given to it beside the suite's own.
    pub env: Vec<Variable>,
    /// Commands that are run before it; what they write stays.
    pub setup: Vec<Vec<String>>,
    /// The exit code that it should end with.
    pub exit_code: i64,
    /// Found on the standard output.
    pub expected_output: Vec<String>,
    /// Not found there.
    pub excluded_output: Vec<String>,
    /// Found on the standard error.
    pub expected_error: Vec<String>,
    /// Not found there.
    pub excluded_error: Vec<String>,
}

/// What a file holds, by Go's regular expressions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentCheck {
    /// Of the file.
    pub path: String,
    /// Found in it.
    pub expected: Vec<String>,
    /// Not found in it.
    pub excluded: Vec<String>,
}

/// Whether a file is there, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExistenceCheck {
    /// Of the file; `$NAME`s are replaced.
    pub path: String,
    /// Should it be there? If not, nothing else is asked.
    pub should_exist: bool,
    /// As Go writes a file's mode: `drwxr-xr-x`, `urwxr-xr-x`.
    pub permissions: Option<String>,
    /// Of its owner.
    pub uid: Option<i64>,
    /// Of its group.
    pub gid: Option<i64>,
    /// `owner`, `group`, `other` or `any`.
    pub executable_by: Option<String>,
}

/// Whose licences are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseCheck {
    /// Those of Debian's packages?
    pub debian: bool,
    /// And these files.
    pub files: Vec<String>,
}

/// A key and what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// What it is called.
    pub key: String,
    /// Its value, or a pattern.
    pub value: String,
    /// Is the value one of Go's regular expressions?
    pub is_regex: bool,
}

/// What the image's configuration should say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataCheck {
    /// Variables that it sets.
    pub env: Vec<Setting>,
    /// Variables that it does not set.
    pub unbound_env: Vec<String>,
    /// Ports by their numbers.
    pub exposed_ports: Vec<String>,
    /// Ports that it does not expose.
    pub unexposed_ports: Vec<String>,
    /// Paths that are volumes.
    pub volumes: Vec<String>,
    /// Paths that are none.
    pub unmounted_volumes: Vec<String>,
    /// What is run; `None`: whatever it is.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments; `None`: whatever they are.
    pub cmd: Option<Vec<String>>,
    /// Where it is run; empty: wherever.
    pub working_dir: String,
    /// By whom; empty: by anybody.
    pub user: String,
    /// Labels that it carries.
    pub labels: Vec<Setting>,
}

/// What came of an assertion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Of the assertion.
    pub name: String,
    /// Where it stands in its file.
    pub line: u32,
    /// What is not as it should be; none: it passed.
    pub errors: Vec<String>,
    /// What a command printed on its standard output, within bounds.
    pub stdout: String,
    /// And on its standard error.
    pub stderr: String,
    /// How long it took.
    pub duration: std::time::Duration,
}
