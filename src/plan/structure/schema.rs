//! A structure file's keys, as version 2.0.0 of its schema has them. What `null` leaves out is left out.

use serde::Deserialize;
use serde_saphyr::Spanned;

/// Texts, of which the list may be left out.
pub(super) type Texts = Option<Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Top {
    #[serde(rename = "schemaVersion")]
    pub(super) _schema_version: Option<String>,
    pub(super) global_env_vars: Option<Vec<Spanned<Pair>>>,
    pub(super) command_tests: Option<Vec<Spanned<Command>>>,
    pub(super) file_existence_tests: Option<Vec<Spanned<Existence>>>,
    pub(super) file_content_tests: Option<Vec<Spanned<Content>>>,
    pub(super) metadata_test: Option<Spanned<Metadata>>,
    pub(super) license_tests: Option<Vec<Spanned<License>>>,
    pub(super) container_run_options: Option<Spanned<RunOptions>>,
}

/// The version alone, whatever else there is.
#[derive(Deserialize)]
pub(super) struct Versioned {
    #[serde(rename = "schemaVersion")]
    pub(super) version: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Pair {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) is_regex: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are the file's")]
pub(super) struct Command {
    pub(super) name: Option<String>,
    pub(super) setup: Option<Vec<Vec<String>>>,
    /// Of no effect in a container, which is thrown away.
    #[serde(rename = "teardown")]
    pub(super) _teardown: Option<Vec<Vec<String>>>,
    pub(super) env_vars: Option<Vec<Pair>>,
    pub(super) exit_code: Option<i64>,
    pub(super) command: Option<String>,
    pub(super) args: Texts,
    pub(super) expected_output: Texts,
    pub(super) excluded_output: Texts,
    pub(super) expected_error: Texts,
    pub(super) excluded_error: Texts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Existence {
    pub(super) name: Option<String>,
    pub(super) path: Option<String>,
    pub(super) should_exist: Option<bool>,
    pub(super) permissions: Option<String>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) is_executable_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Content {
    pub(super) name: Option<String>,
    pub(super) path: Option<String>,
    pub(super) expected_contents: Texts,
    pub(super) excluded_contents: Texts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) env_vars: Option<Vec<Pair>>,
    pub(super) unbound_env_vars: Option<Vec<Pair>>,
    pub(super) exposed_ports: Texts,
    pub(super) unexposed_ports: Texts,
    pub(super) volumes: Texts,
    pub(super) unmounted_volumes: Texts,
    pub(super) entrypoint: Texts,
    pub(super) cmd: Texts,
    pub(super) workdir: Option<String>,
    pub(super) user: Option<String>,
    pub(super) labels: Option<Vec<Pair>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct License {
    pub(super) debian: Option<bool>,
    pub(super) files: Texts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RunOptions {
    pub(super) user: Option<String>,
    pub(super) privileged: Option<bool>,
    pub(super) allocate_tty: Option<bool>,
    pub(super) env_vars: Texts,
    pub(super) env_file: Option<String>,
    pub(super) capabilities: Texts,
    pub(super) bind_mounts: Texts,
}
