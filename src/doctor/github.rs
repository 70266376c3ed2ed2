//! The App at GitHub: whether it is who it says, what it may do, and whether its webhook comes here.

use super::{Finding, Patient};
use crate::app_manifest::{AppManifest, hook_url};
use crate::config::Config;
use crate::github::{AppInfo, GitHub, GithubError, Grant};
use crate::net::Trust;

/// Seconds that clocks may differ.
const TOLERATED_S: i64 = 30;

/// Of the hour's requests: with fewer left, writes will have to wait.
const LOW_PERCENT: u64 = 10;

/// All about the App.
pub(super) async fn app(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    if config.github.app_id.is_none() && config.github.private_key.is_none() {
        return vec![Finding::wrong(
            "GitHub App",
            "none is configured",
            "start `hubcheck serve`: it leads through making one; or make one with what `hubcheck manifest` prints, and set [github] app_id, private_key_file and webhook_secret",
        )];
    }
    let client = Trust::new(&config.net)
        .map_err(|error| error.to_string())
        .and_then(|trust| {
            GitHub::with_clock(&config.github, &trust, patient.clock.clone())
                .map_err(|error| error.to_string())
        });
    let github = match client {
        Ok(github) => github,
        Err(why) => {
            return vec![Finding::wrong(
                "GitHub App",
                why,
                "correct [github] in the configuration",
            )];
        }
    };
    let (app, ahead) = match github.checkup().await {
        Ok(found) => found,
        Err(error) => return vec![unknown(config, &github, &error).await],
    };
    let manifest = AppManifest::at(&config.public_url);
    let mut findings = vec![
        Finding::good("GitHub App", format!("{} ({})", app.name, app.id)),
        clock(ahead),
        webhook(config, &github).await,
    ];
    findings.extend(two_githubs(config));
    findings.extend(asked_for(&manifest, &app));
    match github.grants().await {
        Ok(grants) if grants.is_empty() => findings.push(Finding::wrong(
            "installations",
            "the App is installed nowhere",
            format!("install it: {}/installations/new", app.page),
        )),
        Ok(grants) => {
            for grant in grants {
                findings.extend(installation(&manifest, &github, &grant).await);
            }
        }
        Err(error) => findings.push(Finding::wrong("installations", error.to_string(), "try again")),
    }
    findings
}

/// One address may lead to github.com, and the other to another GitHub: then no source URL of an image is known again.
fn two_githubs(config: &Config) -> Option<Finding> {
    let is_public = |url: &url::Url, host: &str| url.host_str() == Some(host);
    let (api, web) = (&config.github.api_url, &config.github.web_url);
    (is_public(api, "api.github.com") != is_public(web, "github.com")).then(|| {
        let advice = "set both for the same GitHub, as https://HOST/api/v3 and https://HOST";
        Finding::note(
            "addresses",
            format!("github.api_url is {api}, and github.web_url is {web}: {advice}"),
        )
    })
}

/// Why GitHub does not know the App: by its client id its key can be told from its number.
async fn unknown(config: &Config, github: &GitHub, error: &GithubError) -> Finding {
    let subject = "GitHub App";
    let api = &config.github.api_url;
    if !matches!(error, GithubError::Unauthorized(_) | GithubError::NotFound(_)) {
        return Finding::wrong(
            subject,
            format!("{api} cannot be asked: {error}"),
            "check `github.api_url`, the network, and the proxy in HTTPS_PROXY",
        );
    }
    let number = github.app_id();
    let Some(client_id) = &config.github.client_id else {
        return Finding::wrong(
            subject,
            format!("GitHub does not take the key as that of App {number}: one of the two is another App's"),
            "compare `github.app_id` with the App's settings page, or make a new private key there; with `github.client_id` set this can say which",
        );
    };
    match github.app_of_client(client_id).await {
        Ok(app) => Finding::wrong(
            subject,
            format!(
                "the key is that of App {} ({}), not of App {number}",
                app.id, app.name
            ),
            format!("set `github.app_id = {}`", app.id),
        ),
        Err(_) => Finding::wrong(
            subject,
            format!("the key is another App's: GitHub takes it neither for App {number} nor for {client_id}"),
            "make a new private key on the App's settings page, and set `github.private_key_file`",
        ),
    }
}

fn clock(ahead: Option<i64>) -> Finding {
    let subject = "clock";
    match ahead {
        None => Finding::note(subject, "GitHub did not say its time"),
        Some(ahead) if ahead.abs() <= TOLERATED_S => Finding::good(subject, "agrees with GitHub's"),
        Some(ahead) => Finding::wrong(
            subject,
            format!(
                "this machine's clock is {}s {} GitHub's",
                ahead.abs(),
                if ahead > 0 { "behind" } else { "ahead of" }
            ),
            "set it right, and keep it so: `timedatectl set-ntp true`",
        ),
    }
}

async fn webhook(config: &Config, github: &GitHub) -> Finding {
    let subject = "webhook";
    let wanted = hook_url(&config.public_url);
    if config.github.webhook_secret.is_empty() {
        return Finding::wrong(
            subject,
            "`github.webhook_secret` is not set: no event can be believed",
            "set it to the secret on the App's settings page",
        );
    }
    match github.hook_url().await {
        Ok(Some(url)) if url == wanted => Finding::good(subject, url),
        Ok(Some(url)) => Finding::wrong(
            subject,
            format!("GitHub sends events to {url}, not to {wanted}"),
            "change the webhook URL on the App's settings page, or `public_url`",
        ),
        Ok(None) => Finding::wrong(
            subject,
            "the App has no webhook URL",
            format!("set it to {wanted} on the App's settings page"),
        ),
        Err(error) => Finding::wrong(subject, error.to_string(), "try again"),
    }
}

/// What the App itself asks for, wherever it is installed.
fn asked_for(manifest: &AppManifest, app: &AppInfo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lacking = manifest.lacking_permissions(&app.permissions);
    findings.push(if lacking.is_empty() {
        Finding::good("permissions", "the App asks for all that it needs")
    } else {
        Finding::wrong(
            "permissions",
            format!("the App does not ask for {}", lacking.join(", ")),
            "add it on the App's settings page under Permissions & events, and accept it where the App is installed",
        )
    });
    let lacking = manifest.lacking_events(&app.events);
    findings.push(if lacking.is_empty() {
        Finding::good("events", "the App is told of all that it needs")
    } else {
        Finding::wrong(
            "events",
            format!("the App is not told of {}", lacking.join(", ")),
            "subscribe to it on the App's settings page under Permissions & events",
        )
    });
    findings
}

async fn installation(manifest: &AppManifest, github: &GitHub, grant: &Grant) -> Vec<Finding> {
    let subject = format!("installation {}", grant.account);
    if grant.is_suspended {
        return vec![Finding::wrong(
            subject,
            "it is suspended",
            "an owner of the account takes it up again on the App's installation page",
        )];
    }
    let lacking = manifest.lacking_permissions(&grant.permissions);
    if !lacking.is_empty() {
        return vec![Finding::wrong(
            subject,
            format!("it did not grant {}", lacking.join(", ")),
            "an owner of the account accepts the new permissions on the App's installation page",
        )];
    }
    let lacking = manifest.lacking_events(&grant.events);
    if !lacking.is_empty() {
        return vec![Finding::wrong(
            subject,
            format!("the App is not told of its {}", lacking.join(", ")),
            "subscribe to it on the App's settings page, and have an owner of the account accept what changed",
        )];
    }
    match github.budget(grant.installation).await {
        Ok(None) => vec![Finding::good(subject, "its requests are not limited")],
        Ok(Some(budget)) if budget.remaining * 100 < budget.limit * LOW_PERCENT => vec![Finding::wrong(
            subject,
            format!(
                "{} of {} requests are left in this hour",
                budget.remaining, budget.limit
            ),
            "wait for the next hour; writes wait by themselves",
        )],
        Ok(Some(budget)) => vec![Finding::good(
            subject,
            format!(
                "{} of {} requests are left in this hour",
                budget.remaining, budget.limit
            ),
        )],
        Err(error) => vec![Finding::wrong(subject, error.to_string(), "try again")],
    }
}
