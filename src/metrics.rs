//! What can be counted, for Prometheus: one registry to an application, so that tests share nothing.
//! No label names a repository or an image.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::model::Outcome;
use crate::store::{JobKind, QueueDepth};
use crate::tally::Requests;

/// Upper bounds of the durations' buckets, in seconds.
const SECONDS: [f64; 10] = [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0];

/// Upper bounds of the buckets for requests.
const REQUESTS: [f64; 7] = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    sender: &'static str,
    answer: Answer,
}

/// How a webhook request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Answer {
    /// Stored, to be worked on.
    Queued,
    /// Stored, nothing to do.
    Ignored,
    /// Known already.
    Duplicate,
    /// Refused for what it was.
    Refused,
    /// Not taken, for want of room or of a store.
    Turned,
}

/// The counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    deliveries: Family<DeliveryLabels, Counter>,
    verdicts: Family<Named, Counter>,
    jobs: Family<Named, Histogram, fn() -> Histogram>,
    queue: Family<Named, Gauge>,
    parked: Family<Named, Gauge>,
    github_writes: Counter,
    resolve_requests: Family<Named, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("hubcheck"),
            deliveries: Family::default(),
            verdicts: Family::default(),
            jobs: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            queue: Family::default(),
            parked: Family::default(),
            github_writes: Counter::default(),
            resolve_requests: Family::new_with_constructor(|| Histogram::new(REQUESTS)),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "deliveries",
            "Webhook requests, by answer",
            metrics.deliveries.clone(),
        );
        registry.register(
            "verdicts",
            "Runs that ended, by outcome",
            metrics.verdicts.clone(),
        );
        registry.register("job_seconds", "How long jobs took, by kind", metrics.jobs.clone());
        registry.register(
            "jobs_open",
            "Jobs to be done now or later, by kind",
            metrics.queue.clone(),
        );
        registry.register(
            "jobs_parked",
            "Jobs given up: a person must look",
            metrics.parked.clone(),
        );
        registry.register(
            "github_writes",
            "Writes sent to GitHub",
            metrics.github_writes.clone(),
        );
        registry.register(
            "resolve_requests",
            "Requests for one look at a tag's pushes, by whom they went to",
            metrics.resolve_requests.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// A webhook request was answered.
    pub fn delivery(&self, sender: &'static str, answer: Answer) {
        self.deliveries
            .get_or_create(&DeliveryLabels { sender, answer })
            .inc();
    }

    /// A run ended.
    pub fn verdict(&self, outcome: Outcome) {
        self.verdicts
            .get_or_create(&Named {
                name: outcome.as_str(),
            })
            .inc();
    }

    /// A job was worked on.
    pub fn job_done(&self, kind: JobKind, took: Duration) {
        self.jobs
            .get_or_create(&Named { name: kind.as_str() })
            .observe(took.as_secs_f64());
    }

    /// The queue of a kind is so deep now.
    pub fn depth(&self, kind: JobKind, depth: QueueDepth) {
        self.queue
            .get_or_create(&Named { name: kind.as_str() })
            .set(depth.open);
        self.parked
            .get_or_create(&Named { name: kind.as_str() })
            .set(depth.parked);
    }

    /// A look at the pushes of a tag took so many requests.
    pub fn resolved(&self, requests: Requests) {
        for (name, sent) in [("registry", requests.registry), ("github", requests.github)] {
            self.resolve_requests
                .get_or_create(&Named { name })
                .observe(f64::from(sent));
        }
    }

    /// A write was sent to GitHub.
    pub fn github_write(&self) {
        self.github_writes.inc();
    }

    /// All of it, in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }
}
