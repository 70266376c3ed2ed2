//! The operator's configuration. Its author is no stranger; whoever reads its errors in a log may be.

use std::io::Write as _;
use std::time::Duration;

use hubcheck::config::Config;

use super::{text, text_line};

/// Stands for a secret: no error shows it.
const SECRET: &str = "hunter2";

/// Where a secret may stand.
const PLACES: [(&str, &str); 8] = [
    ("hooks", "secret"),
    ("hooks.tokens", "ci"),
    ("github", "private_key"),
    ("github", "webhook_secret"),
    ("github", "client_secret"),
    ("web", "admin_token"),
    ("registry.\"docker.io\"", "password"),
    ("image.env", "TOKEN"),
];

/// A file of any text: what is taken has no zero where zero means nothing. Where the first line is `secret`
/// and a digit, the rest of it is the value of a secret key, whatever its type: no error repeats what stands
/// in it.
pub(super) fn what_is_taken_is_sound_and_no_secret_is_shown(input: &[u8]) {
    let (first, _) = text_line(input);
    if let Some(value) = first.strip_prefix("secret ")
        && let Some(place) = value.chars().next().and_then(|digit| digit.to_digit(8))
    {
        let (table, key) = PLACES[place as usize];
        let name = "name = \"acme/app\"\nrepo = \"acme/app\"\n";
        let header = if table == "image.env" {
            format!("[[image]]\n{name}")
        } else {
            String::new()
        };
        let file = format!("{header}[{table}]\n{key} = {}\n", &value[1..]);
        if let Err(error) = load(&file) {
            assert!(!error.contains(SECRET), "{error}");
        }
        return;
    }
    let file = text(input);
    // It could name any file of this machine.
    if file.contains("_file") {
        return;
    }
    match load(&file) {
        Ok(config) => sound(&config),
        Err(error) => assert!(error.len() <= 1_000 + 4 * file.len()),
    }
}

fn sound(config: &Config) {
    let docker = &config.docker;
    assert!(docker.concurrency > 0 && docker.limits.pids > 0 && docker.limits.cpus > 0.0);
    assert!(docker.limits.memory > 0 && docker.limits.disk > 0 && config.hooks.max_body > 0);
    assert!(docker.limits.timeout > Duration::ZERO && docker.pull_timeout > Duration::ZERO);
    assert!(config.public_url.starts_with("http") && !config.public_url.ends_with('/'));
    let mut names: Vec<_> = config.images.iter().map(|image| &image.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        names.len(),
        config.images.len(),
        "an image speaks for one repository"
    );
}

/// The configuration of a file with this text, or the error as people see it.
fn load(text: &str) -> Result<Config, String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes())
        .expect("a temporary file is written");
    Config::load(Some(file.path()), std::iter::empty()).map_err(|error| error.to_string())
}
