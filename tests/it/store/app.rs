//! The App that the set-up made.

use hubcheck::clock::{Clock, millis};
use hubcheck::model::RegisteredApp;
use hubcheck::store::{Schema, SetupSession, Store};
use secrecy::SecretString;
use std::time::Duration;

use crate::support::store::{Shelf, on_both_engines};

on_both_engines! {
    the_first_app_stays_and_a_newer_program_finds_it_before_its_migrations_ran,
}

fn app(id: u64) -> RegisteredApp {
    let secret = |what: &str| SecretString::from(format!("{what} of {id}"));
    RegisteredApp {
        id,
        slug: format!("app-{id}"),
        page: format!("https://github.com/apps/app-{id}"),
        client_id: format!("Iv1.{id}"),
        client_secret: secret("client secret"),
        webhook_secret: secret("webhook secret"),
        private_key: secret("private key"),
    }
}

async fn the_first_app_stays_and_a_newer_program_finds_it_before_its_migrations_ran(shelf: Shelf) {
    let by = SetupSession {
        digest: "of a cookie".to_owned(),
        until: shelf.clock.now() + millis(Duration::from_hours(1)),
    };
    assert!(shelf.store.put_app(&app(1), &by).await.unwrap());
    assert!(
        !shelf.store.put_app(&app(2), &by).await.unwrap(),
        "another replica was first"
    );

    // As if the newest migration had not been there when the App was made.
    let forget = "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
    if shelf.url.starts_with("sqlite:") {
        let database = sqlx::SqlitePool::connect(&shelf.url).await.unwrap();
        sqlx::query(forget).execute(&database).await.unwrap();
        database.close().await;
    } else {
        let database = sqlx::PgPool::connect(&shelf.url).await.unwrap();
        sqlx::query(forget).execute(&database).await.unwrap();
        database.close().await;
    }
    assert_eq!(Store::schema_at(&shelf.url).await.unwrap(), Schema::Behind(1));
    let found = Store::app_at(&shelf.url, Clock::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.id, found.slug.as_str()), (1, "app-1"));
    assert_eq!(
        Store::schema_at(&shelf.url).await.unwrap(),
        Schema::Behind(1),
        "looking changes nothing"
    );
}
