//! Requests and answers of protocol 2 (`/v2/push`, `/v2/pull`), as both sides read and write them.

use crate::model::{AppId, ClientId, EventId, Space, SpaceId, Stamp, TableName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The protocol these types belong to; every answer carries it.
pub const PROTOCOL: u32 = 2;

/// Body of `POST /v2/push`. Changes are read one by one ([`crate::model::Change::parse`]), so that a malformed one is
/// rejected alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushRequest {
    /// Always [`PROTOCOL`].
    pub protocol: u32,
    /// The running client.
    pub client_id: ClientId,
    /// The real id of the user's own space, where the app knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_space_id: Option<SpaceId>,
    /// The newest schema version among the changes.
    pub schema_version: u32,
    /// The changes, oldest first.
    pub changes: Vec<Value>,
}

/// Answer of `POST /v2/push`: every sent event id is in exactly one of the two lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushAnswer {
    /// Always [`PROTOCOL`].
    pub protocol: u32,
    /// Changes the server now has, whether from this request or an earlier one.
    pub accepted: Vec<EventId>,
    /// Changes the server will not take as they are.
    pub rejected: Vec<Rejection>,
    /// The server's clock.
    pub server_time: Stamp,
}

/// Why a change was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// The change, as it was sent; text, because a malformed change may have a malformed id.
    pub event_id: String,
    /// A stable code.
    pub code: RejectionCode,
    /// A sentence for people.
    pub message: String,
}

/// The codes of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionCode {
    /// The change is malformed.
    InvalidChange,
    /// The user is not a member of the space.
    NotAMember,
    /// The user may only read in the space.
    ReadOnly,
    /// The record belongs to another space.
    SpaceMismatch,
    /// Only the author may write the record, or that field of it.
    NotTheAuthor,
    /// The event id names another change already.
    EventIdReused,
    /// The stamp is more than [`super::limits::MAX_PUSH_AHEAD_MS`] ahead of the server's clock.
    ClockAhead,
    /// The change was written under a schema newer than the server's.
    SchemaTooNew,
    /// The change's visibility is not the record's.
    VisibilityMismatch,
    /// The change is larger than the server takes.
    TooLarge,
}

/// Body of `POST /v2/pull`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// Always [`PROTOCOL`].
    pub protocol: u32,
    /// The running client.
    pub client_id: ClientId,
    /// The real id of the user's own space, where the app knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_space_id: Option<SpaceId>,
    /// Where the last page ended; absent: from the beginning. Opaque to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The tables wanted, by app.
    pub apps: BTreeMap<AppId, Vec<TableName>>,
    /// Most changes in the answer, 1 to [`super::limits::MAX_PAGE`].
    pub limit: usize,
}

/// Answer of `POST /v2/pull`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullAnswer {
    /// Always [`PROTOCOL`].
    pub protocol: u32,
    /// Changes in the order of their streams' positions; read one by one, so that a malformed one is quarantined alone.
    pub changes: Vec<Value>,
    /// Where the next page begins.
    pub cursor: String,
    /// Whether there is a next page now.
    pub has_more: bool,
    /// The server's clock.
    pub server_time: Stamp,
    /// The spaces the user is a member of.
    pub spaces: Vec<Space>,
    /// When the server learnt that list.
    pub spaces_as_of: Stamp,
}

/// Body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorAnswer {
    /// Always [`PROTOCOL`].
    pub protocol: u32,
    /// A stable code, such as `cursor_expired`, `unauthorized`, `too_large`, `memberships_unavailable`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// With `cursor_expired`: why the cursor cannot be followed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ExpiryReason>,
}

/// Why a cursor expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryReason {
    /// The server's log is an older copy of the one the cursor came from.
    Restored,
    /// What lies behind the cursor was removed after its retention time.
    Retention,
}

/// Answer of `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok` when the server works.
    pub status: String,
    /// The server's name.
    pub service: String,
    /// The newest protocol it speaks; a protocol-1 server does not say.
    #[serde(default)]
    pub protocol: Option<u32>,
    /// The server's clock.
    pub timestamp: Stamp,
}

/// Text frames a server sends on `GET /ws`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerFrame {
    /// The token was accepted.
    AuthOk,
    /// Answer to a ping.
    Pong,
    /// Something went wrong; the connection closes.
    Error {
        /// The reasons, under the name older clients expect.
        #[serde(default)]
        tables: Vec<String>,
    },
    /// There are changes to pull.
    #[serde(rename_all = "camelCase")]
    SyncAvailable {
        /// The app.
        app_id: AppId,
        /// Its tables with news.
        tables: Vec<String>,
    },
    /// The user's memberships changed.
    SpacesChanged,
}

/// Text frames a client sends on `GET /ws`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ClientFrame {
    /// Must come within 10 s of connecting.
    Auth {
        /// The bearer token.
        token: String,
    },
    /// Asks for a pong.
    Ping,
}
