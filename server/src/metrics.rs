//! What a server counts, for Prometheus (`OpenMetrics` 1.0). No person, space or record is named in it.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The counters of one server.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    changes: Family<Direction, Counter>,
    connections: Gauge,
    refused: Counter,
    lag: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("mana_sync");
        let requests = Family::<Answered, Counter>::default();
        registry.register("requests", "Requests that were answered", requests.clone());
        let seconds = Family::<Route, Histogram>::new_with_constructor(durations);
        registry.register_with_unit("request_duration", "How long answers took", Unit::Seconds, seconds.clone());
        let changes = Family::<Direction, Counter>::default();
        registry.register("changes", "Changes accepted, rejected, withheld and served", changes.clone());
        let connections = Gauge::default();
        registry.register("connections", "Connections that are told what there is to pull", connections.clone());
        let refused = Counter::default();
        registry.register(
            "connections_refused",
            "Connections that were one too many of their person's",
            refused.clone(),
        );
        let lag = durations();
        registry.register_with_unit("lag", "From storing changes to telling a connection", Unit::Seconds, lag.clone());
        Self { registry, requests, seconds, changes, connections, refused, lag }
    }
}

/// From 1 ms to 16 s.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl Metrics {
    /// A request was answered; `route` is the path as it was declared.
    pub fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        let labels = Answered { route: route.to_owned(), method: method.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// A push was answered.
    pub fn pushed(&self, accepted: usize, rejected: usize) {
        self.count("accepted", accepted);
        self.count("rejected", rejected);
    }

    /// Changes of protocol 1 were kept that protocol 2 refuses.
    pub fn withheld(&self, changes: usize) {
        self.count("withheld", changes);
    }

    /// A person had as many connections as one may have, and opened another one.
    pub fn connection_refused(&self) {
        self.refused.inc();
    }

    /// A connection was told of changes that were stored this long ago, on this server or another one.
    pub fn told(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// A page was served.
    pub fn served(&self, changes: usize) {
        self.count("served", changes);
    }

    fn count(&self, direction: &'static str, changes: usize) {
        self.changes.get_or_create(&Direction { direction }).inc_by(changes as u64);
    }

    /// All of it as text.
    #[must_use]
    pub fn text(&self, connections: usize) -> String {
        self.connections.set(i64::try_from(connections).unwrap_or(i64::MAX));
        let mut all = String::new();
        // Writing to a text does not fail.
        let _ = text::encode(&mut all, &self.registry);
        all
    }
}
