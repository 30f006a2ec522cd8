//! Requests and answers of protocol 2 (`/v2/push`, `/v2/pull`), as both sides read and write them.

use crate::fingerprint::Hash;
use crate::model::{
    AppId, ClientId, EventId, Fields, FromJson, Object, RecordId, Space, SpaceId, Stamp, TableName, record, words,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The protocol these types belong to; every answer carries it.
pub const PROTOCOL: u32 = 2;

/// The name by which servers of both protocols call themselves.
pub const SERVICE: &str = "mana-sync";

record! {
    /// Body of `POST /v2/push`. Changes are read one by one ([`crate::model::Change::parse`]), so that a malformed one is
    /// rejected alone.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct PushRequest {
        /// Always [`PROTOCOL`].
        pub protocol: u32 = "protocol",
        /// The running client.
        pub client_id: ClientId = "clientId",
        /// The real id of the user's own space, where the app knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub personal_space_id: Option<SpaceId> = "personalSpaceId",
        /// The receipt that is still open; an answer gives a later one only where the server holds this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub receipt: Option<String> = "receipt",
        /// The newest schema version among the changes.
        pub schema_version: u32 = "schemaVersion",
        /// The changes, oldest first.
        pub changes: Vec<Value> = "changes",
    }
}

record! {
    /// Answer of `POST /v2/push`: every sent event id is in exactly one of the two lists.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct PushAnswer {
        /// Always [`PROTOCOL`].
        pub protocol: u32 = "protocol",
        /// Changes the server now has, whether from this request or an earlier one.
        pub accepted: Vec<EventId> = "accepted",
        /// Changes the server will not take as they are.
        pub rejected: Vec<Rejection> = "rejected",
        /// To be shown with the next pull: says whether the server still has what it accepted. Opaque to clients.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub receipt: Option<String> = "receipt",
        /// The server's clock.
        pub server_time: Stamp = "serverTime",
    }
}

record! {
    /// Why a change was not taken.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Rejection {
        /// The change, as it was sent; text, because a malformed change may have a malformed id.
        pub event_id: String = "eventId",
        /// A stable code.
        pub code: RejectionCode = "code",
        /// A sentence for people.
        pub message: String = "message",
    }
}

words! {
    /// The codes of a rejection.
    pub enum RejectionCode {
        /// The change is malformed.
        InvalidChange = "invalid_change",
        /// The user is not a member of the space.
        NotAMember = "not_a_member",
        /// The user may only read in the space.
        ReadOnly = "read_only",
        /// The record belongs to another space.
        SpaceMismatch = "space_mismatch",
        /// Only the author may write the record, or that field of it.
        NotTheAuthor = "not_the_author",
        /// The event id names another change already.
        EventIdReused = "event_id_reused",
        /// The stamp is more than [`super::limits::MAX_PUSH_AHEAD_MS`] ahead of the server's clock.
        ClockAhead = "clock_ahead",
        /// The change was written under a schema newer than the server's.
        SchemaTooNew = "schema_too_new",
        /// The change's visibility is not the record's.
        VisibilityMismatch = "visibility_mismatch",
        /// The change is larger than the server takes.
        TooLarge = "too_large",
    }
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
    /// The receipt of the last push, until a whole pull has answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The tables wanted, by app.
    pub apps: BTreeMap<AppId, Vec<TableName>>,
    /// Most changes in the answer, 1 to [`super::limits::MAX_PAGE`].
    pub limit: usize,
}

record! {
    /// Answer of `POST /v2/pull`.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct PullAnswer {
        /// Always [`PROTOCOL`].
        pub protocol: u32 = "protocol",
        /// Changes in the order of their streams' positions; read one by one, so that a malformed one is quarantined alone.
        pub changes: Vec<Value> = "changes",
        /// Where the next page begins.
        pub cursor: String = "cursor",
        /// Whether there is a next page now.
        pub has_more: bool = "hasMore",
        /// Where there is a next page: how far each app was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub progress: Option<PullProgress> = "progress",
        /// The server's clock.
        pub server_time: Stamp = "serverTime",
        /// The spaces the user is a member of; absent where the server does not know of spaces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub spaces: Option<Vec<Space>> = "spaces",
        /// When the server learnt that list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub spaces_as_of: Option<Stamp> = "spacesAsOf",
    }
}

record! {
    /// A record by its names on the wire.
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    pub struct RecordName {
        /// The app.
        pub app: AppId = "app",
        /// The table.
        pub table: TableName = "table",
        /// The record.
        pub id: RecordId = "id",
    }
}

/// Body of `POST /v2/check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRequest {
    /// Always [`PROTOCOL`].
    pub protocol: u32,
    /// The running client.
    pub client_id: ClientId,
    /// The real id of the user's own space, where the app knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_space_id: Option<SpaceId>,
    /// Where the client's pull stands.
    pub cursor: String,
    /// The tables wanted, by app.
    pub apps: BTreeMap<AppId, Vec<TableName>>,
    /// Records to be left out, at most [`super::limits::MAX_CHECK_EXCEPT`]: of which the client holds what the server does not
    /// have, or the other way round, and knows it.
    #[serde(default)]
    pub except: Vec<RecordName>,
}

record! {
    /// Answer of `POST /v2/check`.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct CheckAnswer {
        /// Always [`PROTOCOL`].
        pub protocol: u32 = "protocol",
        /// Whether there is more to pull behind the cursor. The lists are empty then.
        pub behind: bool = "behind",
        /// The streams that the user reads.
        pub streams: Vec<String> = "streams",
        /// The tables with live records.
        pub tables: Vec<TableFingerprint> = "tables",
        /// The server's clock.
        pub server_time: Stamp = "serverTime",
    }
}

record! {
    /// What the log's changes to one table come to, in one stream.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct TableFingerprint {
        /// The stream.
        pub stream: String = "stream",
        /// The app.
        pub app: AppId = "app",
        /// The table.
        pub table: TableName = "table",
        /// How many live records there are.
        pub records: u64 = "records",
        /// The XOR of their hashes, as 64 hexadecimal digits.
        pub hash: Hash = "hash",
    }
}

record! {
    /// How far a client has read, in positions of all streams that it reads.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct PullProgress {
        /// The positions of these streams.
        pub total: u64 = "total",
        /// By app, up to how many of them all of its tables that were asked for were read.
        pub apps: Map<String, Value> = "apps",
    }
}

impl PullProgress {
    /// How many positions an app was read up to; nothing where it was not asked for.
    #[must_use]
    pub fn of(&self, app: &str) -> u64 {
        self.apps.get(app).and_then(Value::as_u64).unwrap_or(0)
    }
}

record! {
    /// Body of every answer that is not a success.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct ErrorAnswer {
        /// Always [`PROTOCOL`].
        pub protocol: u32 = "protocol",
        /// A stable code, such as `cursor_expired`, `unauthorized`, `too_large`, `memberships_unavailable`.
        pub code: String = "code",
        /// A sentence for people.
        pub message: String = "message",
        /// With `cursor_expired`: why the cursor cannot be followed any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reason: Option<ExpiryReason> = "reason",
    }
}

words! {
    /// Why a cursor expired.
    pub enum ExpiryReason {
        /// The server's log is an older copy of the one the cursor came from.
        Restored = "restored",
        /// What lies behind the cursor was removed after its retention time.
        Retention = "retention",
    }
}

record! {
    /// Answer of `GET /health`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Health {
        /// `ok` when the server works.
        pub status: String = "status",
        /// The server's name.
        pub service: String = "service",
        /// The newest protocol it speaks; a protocol-1 server does not say.
        #[serde(default)]
        pub protocol: Option<u32> = "protocol",
        /// The server's clock.
        pub timestamp: Stamp = "timestamp",
    }
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

fn apps_to_json(apps: BTreeMap<AppId, Vec<TableName>>) -> Object {
    apps.into_iter().fold(Object::new(), |object, (app, tables)| object.with(app.as_str(), tables))
}

impl From<CheckRequest> for Value {
    fn from(request: CheckRequest) -> Self {
        let body = Object::new().with("protocol", request.protocol).with("clientId", request.client_id);
        let body = body.with_any("personalSpaceId", request.personal_space_id.into()).with("cursor", request.cursor);
        body.with("apps", apps_to_json(request.apps)).with("except", request.except).into()
    }
}

impl From<PullRequest> for Value {
    fn from(request: PullRequest) -> Self {
        let apps = apps_to_json(request.apps);
        let body = Object::new().with("protocol", request.protocol).with("clientId", request.client_id);
        let body = body.with_any("personalSpaceId", request.personal_space_id.into());
        let body = body.with_any("cursor", request.cursor.into()).with_any("receipt", request.receipt.into());
        body.with("apps", apps).with("limit", request.limit).into()
    }
}

impl FromJson for ServerFrame {
    fn from_json(value: Value) -> Option<Self> {
        let mut fields = Fields::of(value)?;
        match fields.take::<String>("type").ok()?.as_str() {
            "auth-ok" => Some(Self::AuthOk),
            "pong" => Some(Self::Pong),
            "error" => Some(Self::Error { tables: fields.take_or("tables", Vec::new()).ok()? }),
            "sync-available" => {
                Some(Self::SyncAvailable { app_id: fields.take("appId").ok()?, tables: fields.take("tables").ok()? })
            }
            "spaces-changed" => Some(Self::SpacesChanged),
            _ => None,
        }
    }
}

impl From<ClientFrame> for Value {
    fn from(frame: ClientFrame) -> Self {
        let object = Object::new();
        match frame {
            ClientFrame::Auth { token } => object.with("type", "auth").with("token", token).into(),
            ClientFrame::Ping => object.with("type", "ping").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    const TIME: &str = "2026-01-01T00:00:00.000000Z";
    const EVENT: &str = "0198c0de-0000-7000-8000-000000000001";

    /// The engine's reader and writer and the server's derived ones agree, with every optional field there and without.
    fn agrees<T>(whole: &Value, optional: &[&str])
    where
        T: Serialize + DeserializeOwned + FromJson + Into<Value> + PartialEq + std::fmt::Debug,
    {
        let without = |key: &str| {
            let mut json = whole.clone();
            json.as_object_mut().unwrap().remove(key);
            json
        };
        for json in optional.iter().map(|key| without(key)).chain([whole.clone()]) {
            let derived: T = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(T::from_json(json.clone()).as_ref(), Some(&derived));
            assert_eq!(serde_json::to_value(&derived).unwrap(), json);
            assert_eq!(derived.into(), json);
        }
        for key in whole.as_object().unwrap().keys().filter(|key| !optional.contains(&key.as_str())) {
            assert!(
                T::from_json(without(key)).is_none() && serde_json::from_value::<T>(without(key)).is_err(),
                "{key}"
            );
        }
    }

    #[test]
    fn client_and_server_read_and_write_the_same_names() {
        let rejection = json!({ "eventId": EVENT, "code": "read_only", "message": "m" });
        agrees::<Rejection>(&rejection, &[]);
        let answer = json!({ "protocol": 2, "accepted": [EVENT], "rejected": [rejection], "receipt": "r",
            "serverTime": TIME });
        agrees::<PushAnswer>(&answer, &["receipt"]);
        let request = json!({ "protocol": 2, "clientId": "i.s", "personalSpaceId": "p", "receipt": "r",
            "schemaVersion": 1, "changes": [{}] });
        agrees::<PushRequest>(&request, &["personalSpaceId", "receipt"]);
        let space = json!({ "id": "s", "type": "team", "role": "viewer" });
        agrees::<Space>(&space, &["type", "role"]);
        let page = json!({ "protocol": 2, "changes": [1], "cursor": "c", "hasMore": true, "serverTime": TIME,
            "spaces": [space], "spacesAsOf": TIME, "progress": { "total": 9, "apps": { "todo": 3 } } });
        agrees::<PullAnswer>(&page, &["progress", "spaces", "spacesAsOf"]);
        let error = json!({ "protocol": 2, "code": "cursor_expired", "message": "m", "reason": "restored" });
        agrees::<ErrorAnswer>(&error, &["reason"]);
        let table =
            json!({ "stream": "user:ada", "app": "todo", "table": "tasks", "records": 2, "hash": "0f".repeat(32) });
        let checked = json!({ "protocol": 2, "behind": false, "streams": ["user:ada"], "tables": [table],
            "serverTime": TIME });
        agrees::<CheckAnswer>(&checked, &[]);
    }

    #[test]
    fn a_check_request_is_written_as_the_server_reads_it() {
        let whole = json!({ "protocol": 2, "clientId": "i.s", "personalSpaceId": "p", "cursor": "c",
            "apps": { "todo": ["tasks"] }, "except": [{ "app": "todo", "table": "tasks", "id": "t1" }] });
        let mut bare = whole.clone();
        bare.as_object_mut().unwrap().remove("personalSpaceId");
        for json in [whole, bare] {
            let request: CheckRequest = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(Value::from(request), json);
        }
    }

    #[test]
    fn a_pull_request_is_written_as_the_server_reads_it() {
        let whole = json!({ "protocol": 2, "clientId": "i.s", "personalSpaceId": "p", "cursor": "c", "receipt": "r",
            "apps": { "todo": ["tasks"] }, "limit": 10 });
        let mut bare = whole.clone();
        bare.as_object_mut()
            .unwrap()
            .retain(|key, _| !["cursor", "personalSpaceId", "receipt"].contains(&key.as_str()));
        for json in [whole, bare] {
            let request: PullRequest = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(Value::from(request), json);
        }
    }

    #[test]
    fn frames_are_read_and_written_as_the_server_does() {
        let frames = [
            ServerFrame::AuthOk,
            ServerFrame::Pong,
            ServerFrame::Error { tables: vec!["t".into()] },
            ServerFrame::SyncAvailable { app_id: AppId::parse("todo").unwrap(), tables: vec!["t".into()] },
            ServerFrame::SpacesChanged,
        ];
        for frame in frames {
            assert_eq!(ServerFrame::from_json(serde_json::to_value(&frame).unwrap()), Some(frame));
        }
        for frame in [ClientFrame::Auth { token: "t".into() }, ClientFrame::Ping] {
            assert_eq!(serde_json::to_value(&frame).unwrap(), Value::from(frame));
        }
    }
}
