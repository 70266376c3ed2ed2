//! Configurations as people write them, and what they are told.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;

/// A folder with a configuration file in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.add("hubcheck.toml", text);
        folder
    }

    fn add(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(Some(&self.path("hubcheck.toml")), environment).map_err(|error| {
            let folder = format!("{}/", self.0.path().display());
            error.to_string().replace(&folder, "")
        })
    }
}

fn refusal(file: &str) -> String {
    Folder::with(file).load(&[]).unwrap_err()
}

fn refusal_of_variable(name: &str, value: &str) -> String {
    Folder::with("").load(&[(name, value)]).unwrap_err()
}

#[test]
fn an_empty_file_leaves_the_documented_defaults() {
    let folder = Folder::with("");
    let config = folder.load(&[("PATH", "/bin")]).unwrap();
    assert_eq!(config.listen, "127.0.0.1:8080");
    assert_eq!(config.retention, Duration::from_hours(90 * 24));
    assert_eq!(config.hooks.max_body, 1 << 20);
    assert_eq!(config.docker.limits.memory, 2 << 30);
    assert!(config.github.app_id.is_none() && config.github.webhook_secret.is_empty());
    assert!(config.images.is_empty() && config.registries.is_empty());
}

#[test]
fn a_file_stands_over_the_defaults_and_a_variable_over_the_file() {
    let folder = Folder::with("listen = \"0.0.0.0:80\"\n[docker]\nconcurrency = 4\nruntime = \"runsc\"");
    let config = folder
        .load(&[
            ("HUBCHECK_DOCKER__CONCURRENCY", "8"),
            ("HUBCHECK_DOCKER__LIMITS__CPUS", "1.5"),
            ("HUBCHECK_DOCKER__NETWORK", "false"),
            ("HUBCHECK_GITHUB__APP_ID", "123"),
            ("HUBCHECK_GITHUB__WEBHOOK_SECRET", "new, old"),
            ("HUBCHECK_HOOKS__TOKENS__CI", "t"),
        ])
        .unwrap();
    assert_eq!(
        (config.listen.as_str(), config.docker.runtime.as_str()),
        ("0.0.0.0:80", "runsc")
    );
    assert_eq!((config.docker.concurrency, config.docker.limits.cpus), (8, 1.5));
    assert!(!config.docker.network);
    assert_eq!(config.github.app_id, Some(123));
    let secrets = config
        .github
        .webhook_secret
        .iter()
        .map(ExposeSecret::expose_secret);
    assert_eq!(secrets.collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(config.hooks.tokens["ci"].expose_secret(), "t");
}

#[test]
fn a_missing_file_is_an_error_where_it_was_asked_for() {
    let error = Config::load(Some(Path::new("/nowhere/hubcheck.toml")), std::iter::empty()).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("/nowhere/hubcheck.toml"), "{error}");
}

#[test]
fn secrets_come_from_files_beside_the_configuration() {
    let folder = Folder::with(
        "[github]\nprivate_key_file = \"app.pem\"\nwebhook_secret_file = \"hooks\"\n\
         [hooks]\ntokens = { ci_file = \"ci\" }\n[registry.\"docker.io\"]\nusername = \"u\"\npassword_file = \"pw\"\n",
    );
    folder.add("app.pem", "line one\nline two\n");
    folder.add("hooks", "new\nold\n\n");
    folder.add("ci", "token\r\n");
    folder.add("pw", "from file");
    folder.add("other", "from the variable's file\n");
    let config = folder.load(&[]).unwrap();
    assert_eq!(
        config.github.private_key.unwrap().expose_secret(),
        "line one\nline two"
    );
    assert_eq!(config.github.webhook_secret.len(), 2);
    assert_eq!(config.hooks.tokens["ci"].expose_secret(), "token");
    assert_eq!(
        config.registries["docker.io"]
            .password
            .as_ref()
            .unwrap()
            .expose_secret(),
        "from file"
    );

    let config = folder
        .load(&[("HUBCHECK_GITHUB__PRIVATE_KEY_FILE", "other")])
        .unwrap();
    assert_eq!(
        config.github.private_key.unwrap().expose_secret(),
        "from the variable's file"
    );
}

#[test]
fn a_secret_and_its_file_at_once_are_refused() {
    assert_eq!(
        refusal("[github]\nprivate_key = \"a\"\nprivate_key_file = \"b\""),
        "hubcheck.toml:3: `github.private_key_file` is given beside `private_key`: give one of the two"
    );
    let missing = refusal("[github]\nprivate_key_file = \"b\"");
    assert!(missing.starts_with("cannot read b: "), "{missing}");
}

#[test]
fn relative_paths_start_at_the_configuration_file() {
    let folder = Folder::with("store = \"sqlite://data/hub.db\"\n[net]\nca_file = \"ca.pem\"");
    let config = folder.load(&[]).unwrap();
    assert_eq!(
        config.store,
        format!("sqlite://{}", folder.path("data/hub.db").display())
    );
    assert_eq!(config.net.ca_file, Some(folder.path("ca.pem")));
    let config = folder
        .load(&[("HUBCHECK_STORE", "sqlite:///var/hub.db")])
        .unwrap();
    assert_eq!(config.store, "sqlite:///var/hub.db");
}

#[test]
fn unknown_keys_are_named_with_their_place_and_the_nearest_known_one() {
    for (file, said) in [
        (
            "\n\nlisten_on = \"x\"",
            "hubcheck.toml:3: unknown key `listen_on` in the top level: did you mean `listen`?",
        ),
        (
            "[docker]\nconcurency = 2",
            "hubcheck.toml:2: unknown key `concurency` in [docker]: did you mean `concurrency`?",
        ),
        (
            "[docker.limits]\nmem = \"1GiB\"",
            "hubcheck.toml:2: unknown key `mem` in [docker.limits]: did you mean `memory`?",
        ),
        (
            "[[image]]\nname = \"a/b\"\nrepo = \"a/b\"\n[[image]]\nnam = \"a/c\"",
            "hubcheck.toml:5: unknown key `nam` in [image]: did you mean `name`?",
        ),
        (
            "[registry.\"ghcr.io\"]\npasword = \"x\"",
            "hubcheck.toml:2: unknown key `pasword` in [registry.ghcr.io]: did you mean `password`?",
        ),
        (
            "zzz = 1",
            "hubcheck.toml:1: unknown key `zzz` in the top level; hubcheck.example.toml lists them all",
        ),
        (
            "listen_file = \"x\"",
            "hubcheck.toml:1: unknown key `listen_file` in the top level: did you mean `listen`?",
        ),
    ] {
        assert_eq!(refusal(file), said);
    }
    assert_eq!(
        refusal_of_variable("HUBCHECK_GITHUB__APPID", "1"),
        "HUBCHECK_GITHUB__APPID: unknown key `appid` in [github]: did you mean `HUBCHECK_GITHUB__APP_ID`?"
    );
    assert_eq!(
        refusal_of_variable("HUBCHECK_HOOKS__TOKENS", "ci=x"),
        "HUBCHECK_HOOKS__TOKENS: unknown key `tokens` in [hooks]: did you mean `HUBCHECK_HOOKS__TOKENS__NAME`?"
    );
    assert_eq!(
        refusal_of_variable("HUBCHECK_REGISTRY__GHCR", "1"),
        "HUBCHECK_REGISTRY__GHCR: `registry` cannot be set by a variable: write it in the configuration file"
    );
}

#[test]
fn a_wrong_value_is_named_with_its_key_and_line() {
    for (file, said) in [
        (
            "[docker]\nconcurrency = \"two\"",
            "hubcheck.toml:2: `docker.concurrency` cannot be used: invalid type: string \"two\", expected usize",
        ),
        (
            "[docker]\npull_timeout = \"soon\"",
            "hubcheck.toml:2: `docker.pull_timeout` cannot be used: `soon` is no time: write it like 30s, 15m, 1h or 90d",
        ),
        (
            "[docker]\n\nimage_cache = \"20 GB\"",
            "hubcheck.toml:3: `docker.image_cache` cannot be used: `GB` is no unit of size: use B, KiB, MiB or GiB",
        ),
        (
            "[[image]]\nname = \"a/b\"\n",
            "hubcheck.toml:1: `image[1]` cannot be used: missing field `repo`",
        ),
        (
            "[[image]]\nname = \"a/b\"\nrepo = \"a/b\"\n[[image]]\nname = \"A B\"\nrepo = \"a/b\"",
            "hubcheck.toml:5: `image[2].name` cannot be used: `A B` is no image name: invalid reference format",
        ),
        ("docker = 5", "hubcheck.toml:1: `docker` is not a table"),
        (
            "listen = 'x",
            "hubcheck.toml:1: this is not TOML: invalid literal string, expected `'`",
        ),
    ] {
        assert_eq!(refusal(file), said);
    }
    assert_eq!(
        refusal_of_variable("HUBCHECK_DOCKER__LIMITS__CPUS", "many"),
        "HUBCHECK_DOCKER__LIMITS__CPUS: `docker.limits.cpus` is not a number"
    );
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    for (file, said) in [
        ("public_url = \"checks.example.org\"", "is not an address like"),
        ("public_url = \"https://x.example/\"", "ends with a slash"),
        (
            "store = \"postgres://db.example.org\"",
            "is not an address like `postgres://USER:PASSWORD@HOST:5432/DATABASE`",
        ),
        (
            "store = \"hub.db\"",
            "is neither an address like `sqlite://hubcheck.db` nor one like",
        ),
        ("listen = \"8080\"", "is not `address:port`"),
        ("[docker.limits]\ncpus = 0", "is not more than 0"),
        ("[docker.limits]\ntimeout = \"0s\"", "is no time at all"),
        ("[registry.\"https://docker.io\"]", "is not a registry's host"),
        (
            "[registry.\"docker.io\"]\nallow = [\"*\"]",
            "neither `owner/name` nor `owner/*`",
        ),
        (
            "[[image]]\nname = \"a/b\"\nrepo = \"x/y\"\n[[image]]\nname = \"docker.io/a/b\"\nrepo = \"x/z\"",
            "binds docker.io/a/b to x/z, and an entry above binds it to x/y",
        ),
    ] {
        let refusal = refusal(file);
        assert!(
            refusal.starts_with("hubcheck.toml:") && refusal.contains(said),
            "{refusal}"
        );
    }
}

#[test]
fn an_empty_secret_is_no_secret() {
    for file in [
        "[github]\nwebhook_secret = [\"good\", \"\"]",
        "[github]\nwebhook_secret = []",
        "[web]\nadmin_token = \" \"",
        "[hooks]\ntokens = { ci = \"\" }",
    ] {
        let refusal = refusal(file);
        assert!(
            refusal.starts_with("hubcheck.toml:2: ") && refusal.contains("empty"),
            "{refusal}"
        );
    }
    let refusal = refusal_of_variable("HUBCHECK_WEB__ADMIN_TOKEN", "");
    assert_eq!(refusal, "HUBCHECK_WEB__ADMIN_TOKEN: `web.admin_token` is empty");
}

#[test]
fn no_message_holds_a_secret() {
    for file in [
        "[github]\nprivate_key = [\"hunter2\"]",
        "[github]\nwebhook_secret = { a = \"hunter2\" }",
        "[github]\nwebhook_secret = [1, \"hunter2\"]",
        "[github]\nprivate_key = \"hunter2",
        "[hooks]\ntokens = \"hunter2\"",
        "[[image]]\nname = \"a/b\"\nrepo = \"a/b\"\nenv = \"hunter2\"",
        "[github]\nprivate_ky = \"hunter2\"",
        "github = \"hunter2\"",
    ] {
        let refusal = refusal(file);
        assert!(!refusal.contains("hunter2"), "{refusal}");
        assert!(refusal.starts_with("hubcheck.toml:"), "{refusal}");
    }
    let config = Folder::with("[web]\nadmin_token = \"hunter2\"")
        .load(&[])
        .unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn values_of_names_that_look_secret_are_masked() {
    let binding = "[[image]]\nname = \"a/b\"\nrepo = \"a/b\"\n\
                   env = { NPM_TOKEN = \"t\", api_key = \"k\", MODE = \"m\", EMPTY_TOKEN = \"\" }\n";
    let masked = |file: &str| {
        let config = Folder::with(file).load(&[]).unwrap();
        let values = config.images[0].masked_values();
        values
            .map(|value| value.expose_secret().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(masked(binding), ["t", "k"]);
    assert_eq!(masked(&format!("{binding}mask = [\"MODE\"]")), ["m"]);
    assert!(masked(&format!("{binding}mask = []")).is_empty());
}
