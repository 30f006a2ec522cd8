//! Requests and answers as plain data, so that machines and tests need no network.

use std::borrow::Cow;

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Without body.
    Get,
    /// With a JSON body.
    Post,
}

/// A request to the sync server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How it is made.
    pub method: Method,
    /// Path below the server's URL, beginning with `/`, and query.
    pub path: Cow<'static, str>,
    /// JSON, for [`Method::Post`].
    pub body: Option<String>,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<String>,
    /// Sent as `X-Client-Id`, to servers of protocol 1. They take no headers beyond these, nor compressed bodies.
    pub client: Option<String>,
}

/// An answer, whatever it is; nothing of it has been believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header, or nothing.
    pub content_type: String,
    /// The `Retry-After` header in milliseconds, where it is a number of seconds.
    pub retry_after_ms: Option<u64>,
    /// The body as text.
    pub body: String,
}

/// No answer came: no network, no such server, refused by the browser, cut midway, timed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer(pub String);
