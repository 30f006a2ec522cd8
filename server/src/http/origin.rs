//! Which web origins may use the server: exact spellings, for requests and sockets alike.

use crate::error::ApiError;
use axum::http::{HeaderMap, HeaderValue, header};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The web origins that may use the server.
#[derive(Debug, Clone)]
pub enum Origins {
    /// Pages of this machine, on any port: for development.
    ThisMachine,
    /// Exactly these.
    Exactly(Arc<BTreeSet<String>>),
}

impl Origins {
    /// The origins of a comma-separated list such as `https://app.example,http://localhost:5173`.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Self::Exactly(Arc::new(entries.map(str::to_owned).collect()))
    }

    /// Refuses a request of a page that may not use the server. Browsers always say where a page comes from; a client
    /// without an origin is no page.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match headers.get(header::ORIGIN) {
            Some(origin) if !self.allow(origin) => Err(ApiError::forbidden("this origin may not connect")),
            _ => Ok(()),
        }
    }

    /// Whether a page of this origin may use the server.
    #[must_use]
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        match self {
            Self::Exactly(origins) => origins.contains(origin),
            Self::ThisMachine => ["http://localhost", "http://127.0.0.1"]
                .iter()
                .filter_map(|host| origin.strip_prefix(host))
                .any(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &Origins, origin: &str) -> bool {
        origins.allow(&HeaderValue::from_str(origin).unwrap())
    }

    #[test]
    fn only_exact_origins_are_allowed() {
        let origins = Origins::parse("https://app.example, http://localhost:5173,");
        for good in ["https://app.example", "http://localhost:5173"] {
            assert!(allowed(&origins, good), "{good}");
        }
        for bad in [
            "",
            "null",
            "*",
            "https://app.example/",
            "https://app.example:443",
            "http://app.example",
            "https://APP.example",
            "https://app.example.evil.test",
            "https://evil.test?https://app.example",
            "https://app.example@evil.test",
            " https://app.example",
            "http://localhost",
            "http://localhost:51730",
            "http://localhost:5173, https://evil.test",
        ] {
            assert!(!allowed(&origins, bad), "{bad}");
        }
    }

    #[test]
    fn pages_of_this_machine_are_allowed_on_any_port_while_developing() {
        for good in ["http://localhost", "http://localhost:1", "http://127.0.0.1:65535"] {
            assert!(allowed(&Origins::ThisMachine, good), "{good}");
        }
        for bad in [
            "http://localhost:",
            "http://localhost:65536",
            "http://localhost:80.evil.test",
            "http://localhost.evil.test",
            "http://127.0.0.1.evil.test",
            "https://localhost:80",
            "http://evil.test:80",
            "null",
        ] {
            assert!(!allowed(&Origins::ThisMachine, bad), "{bad}");
        }
    }
}
