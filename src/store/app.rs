//! The App that the set-up made, for a configuration that names none.

use secrecy::{ExposeSecret, SecretString};

use super::db::args;
use super::{READ_SETTING, Schema, Store, StoreError};
use crate::clock::{Clock, UnixMillis};
use crate::model::RegisteredApp;

const ID: &str = "app_id";
const SLUG: &str = "app_slug";
const PAGE: &str = "app_page";
const CLIENT_ID: &str = "app_client_id";
const CLIENT_SECRET: &str = "app_client_secret";
const WEBHOOK_SECRET: &str = "app_webhook_secret";
const PRIVATE_KEY: &str = "app_private_key";
const SETUP_SESSION: &str = "setup_session";
const SETUP_UNTIL: &str = "setup_until";

/// The browser that made the App: it may go on with the set-up for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupSession {
    /// A digest of what its cookie holds.
    pub digest: String,
    /// Until when.
    pub until: UnixMillis,
}

impl Store {
    /// Keeps the App, and who made it, all at once. `false`: another replica was given one meanwhile, and that stays.
    pub async fn put_app(&self, app: &RegisteredApp, by: &SetupSession) -> Result<bool, StoreError> {
        let values = [
            (ID, app.id.to_string()),
            (SLUG, app.slug.clone()),
            (PAGE, app.page.clone()),
            (CLIENT_ID, app.client_id.clone()),
            (CLIENT_SECRET, app.client_secret.expose_secret().to_owned()),
            (WEBHOOK_SECRET, app.webhook_secret.expose_secret().to_owned()),
            (PRIVATE_KEY, app.private_key.expose_secret().to_owned()),
            (SETUP_SESSION, by.digest.clone()),
            (SETUP_UNTIL, by.until.to_string()),
        ];
        let mut tx = self.db.begin().await?;
        let there: Option<(String,)> = tx.row(READ_SETTING, args![ID]).await?;
        if there.is_some() {
            return Ok(false);
        }
        for (name, value) in values {
            tx.execute(
                "INSERT INTO settings (name, value) VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                args![name, value],
            )
            .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The App that the set-up made, if it did.
    pub async fn app(&self) -> Result<Option<RegisteredApp>, StoreError> {
        let Some(id) = self.setting(ID).await? else {
            return Ok(None);
        };
        let id = id
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("setting `{ID}`")))?;
        Ok(Some(RegisteredApp {
            id,
            slug: self.part_of_app(SLUG).await?,
            page: self.part_of_app(PAGE).await?,
            client_id: self.part_of_app(CLIENT_ID).await?,
            client_secret: SecretString::from(self.part_of_app(CLIENT_SECRET).await?),
            webhook_secret: SecretString::from(self.part_of_app(WEBHOOK_SECRET).await?),
            private_key: SecretString::from(self.part_of_app(PRIVATE_KEY).await?),
        }))
    }

    /// The App that the set-up of a store at `url` made, though an older program may have kept it. Makes no store, and
    /// changes none.
    pub async fn app_at(url: &str, clock: Clock) -> Result<Option<RegisteredApp>, StoreError> {
        if Self::schema_at(url).await? == Schema::Absent {
            return Ok(None);
        }
        let store = Self::open_as_it_is(url, clock).await?;
        let app = store.app().await;
        store.close().await;
        app
    }

    /// The browser that made the App, for as long as it may go on.
    pub async fn setup_session(&self) -> Result<Option<SetupSession>, StoreError> {
        let digest = self.setting(SETUP_SESSION).await?;
        let until = self
            .setting(SETUP_UNTIL)
            .await?
            .and_then(|until| until.parse().ok());
        let session = digest
            .zip(until)
            .map(|(digest, until)| SetupSession { digest, until });
        Ok(session.filter(|session| session.until > self.clock.now()))
    }

    async fn part_of_app(&self, name: &'static str) -> Result<String, StoreError> {
        self.setting(name)
            .await?
            .ok_or_else(|| StoreError::Corrupt(format!("setting `{name}` is missing")))
    }

    async fn setting(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = self.db.row(READ_SETTING, args![name]).await?;
        Ok(row.map(|(value,)| value))
    }
}
