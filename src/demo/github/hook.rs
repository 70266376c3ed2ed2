//! The App's webhook at the simulated GitHub: where it is, what was sent there and what was answered, and what is sent
//! again because somebody asked.

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::whole_seconds;
use super::refusal::{Refusal, Reply};
use super::routes::Call;
use super::server::Shared;
use super::webhook::Webhook;
use super::world::World;

/// What GitHub says of a webhook that nobody answered.
const NO_ANSWER: u16 = 502;

/// What stands for an event that is not sent to the App at all.
pub(super) const NOT_SENT: u16 = 0;

/// One attempt to deliver an event. Those of one event share its GUID.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// GitHub's number of the attempt.
    pub id: u64,
    /// The event.
    pub webhook: Webhook,
    /// When.
    pub at: Timestamp,
    /// What was answered; 502 where nobody did.
    pub status: u16,
    /// Did somebody ask for it?
    pub is_redelivery: bool,
}

impl Attempt {
    fn json(&self) -> Value {
        let is_good = (200..400).contains(&self.status);
        json!({
            "id": self.id,
            "guid": self.webhook.delivery,
            "delivered_at": whole_seconds(self.at),
            "redelivery": self.is_redelivery,
            "duration": 0.1,
            "status": if is_good { "OK" } else { "failed to connect to host" },
            "status_code": self.status,
            "event": self.webhook.event,
            "action": null,
            "installation_id": null,
            "repository_id": null,
            "throttled_at": null,
        })
    }
}

/// Sends an event to the App's webhook, and notes what was answered.
pub(super) async fn deliver(shared: &Arc<Shared>, webhook: Webhook) -> u16 {
    send(shared, webhook, false).await
}

/// Sends what was asked for again.
pub(super) async fn redeliver(shared: Arc<Shared>) {
    loop {
        let next = shared.world().asked_again.pop();
        let Some(webhook) = next else { return };
        send(&shared, webhook, true).await;
    }
}

async fn send(shared: &Arc<Shared>, webhook: Webhook, is_redelivery: bool) -> u16 {
    if !shared.world().sends(webhook.event) {
        return NOT_SENT;
    }
    let url = shared.world().hook_url.clone();
    let answered = match &url {
        Some(url) => webhook
            .post(url)
            .await
            .map_or(NO_ANSWER, |status| status.as_u16()),
        None => NO_ANSWER,
    };
    {
        let mut world = shared.world();
        let (id, at) = (world.next_id(), world.now());
        world.attempts.push(Attempt {
            id,
            webhook,
            at,
            status: answered,
            is_redelivery,
        });
    }
    shared.changed();
    answered
}

impl World {
    /// `GET /app/hook/deliveries`, newest first.
    pub(super) fn list_deliveries(&self, call: &Call<'_>) -> Result<Reply, Refusal> {
        let per_page = call.number("per_page").unwrap_or(30).clamp(1, 100);
        let before: u64 = match call.param("cursor") {
            None => u64::MAX,
            Some(cursor) => cursor
                .strip_prefix("v1_")
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid cursor"))?,
        };
        let status = call.param("status");
        let is_wanted = |attempt: &&Attempt| match status.as_deref() {
            Some("failure") => (400..600).contains(&attempt.status),
            Some("success") => (200..400).contains(&attempt.status),
            _ => true,
        };
        let mut listed: Vec<&Attempt> = self
            .attempts
            .iter()
            .rev()
            .filter(|attempt| attempt.id < before)
            .filter(is_wanted)
            .take(per_page + 1)
            .collect();
        let has_more = listed.len() > per_page;
        listed.truncate(per_page);
        let mut reply = Reply::ok(Value::Array(
            listed.iter().map(|attempt| attempt.json()).collect(),
        ));
        if let Some(last) = listed.last().filter(|_| has_more) {
            let status = status
                .map(|status| format!("&status={status}"))
                .unwrap_or_default();
            let next = format!(
                "{}{}?per_page={per_page}&cursor=v1_{}{status}",
                self.api_url(),
                call.path,
                last.id
            );
            reply.headers.push(("link", format!("<{next}>; rel=\"next\"")));
        }
        Ok(reply)
    }

    /// `POST /app/hook/deliveries/{id}/attempts`
    pub(super) fn ask_again(&mut self, id: &str) -> Result<Reply, Refusal> {
        let known = self.attempts.iter().find(|attempt| attempt.id.to_string() == id);
        let webhook = known.ok_or_else(Refusal::not_found)?.webhook.clone();
        self.asked_again.push(webhook);
        Ok(Reply {
            status: StatusCode::ACCEPTED,
            ..Reply::ok(json!({}))
        })
    }
}
