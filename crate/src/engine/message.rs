//! What the tabs of one browser profile tell each other, as JSON.

use super::events::{ChangeOp, TableChange};
use super::key_text::KeyText;
use super::status::Status;
use crate::model::{Fields, FromJson, Object, Origin, record};
use crate::protocol::wire::Rejection;
use crate::store::Key;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// A message; its `type` names the variant.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A transaction was committed: what changed, and how many changes it logged.
    Commit(Vec<TableChange>, usize),
    /// An answer was worked into the log: the oldest row that is left, the refused changes by row, and how many changes
    /// the server does not have.
    Settled(Option<f64>, Vec<(f64, Rejection)>, usize),
    /// The leader's status.
    Status(Status),
    /// This tab leads for that user, in that generation.
    Leading(String, u64),
    /// The leader is to tell its status.
    StatusWanted,
    /// An app was asked for: the leader is to pull it.
    AppAsked,
    /// The network is back, or a tab is shown or hidden: the leader is not to wait.
    Woken,
    /// The leader is to sync now.
    SyncNow(String),
    /// It has, or why not.
    SyncDone(String, Option<String>),
    /// What is known of a user's keys changed.
    Keyring,
    /// Somebody used the vault in another tab.
    VaultUsed,
    /// A user's key, or that their vault is locked.
    VaultKey(String, Option<KeyText>),
    /// Who has the user's key is to tell it.
    VaultKeyWanted(String),
    /// Here it is, for those who still want it.
    VaultKeyGiven(String, KeyText),
}

record! {
    struct Touched {
        table: String = "table",
        op: ChangeOp = "op",
        origin: Origin = "origin",
        fields: Vec<String> = "fields",
        keys: Vec<Value> = "keys",
    }
}

record! {
    struct Refused {
        seq: f64 = "seq",
        rejection: Rejection = "rejection",
    }
}

impl FromJson for Message {
    fn from_json(value: Value) -> Option<Self> {
        read(Fields::of(value)?).ok().flatten()
    }
}

fn read(mut fields: Fields) -> Result<Option<Message>, &'static str> {
    Ok(Some(match fields.take::<String>("type")?.as_str() {
        "commit" => {
            let changes = fields.take::<Vec<Touched>>("changes")?.into_iter();
            let changes = changes.map(|one| {
                let Touched { table, op, origin, fields, keys } = one;
                TableChange { table, op, origin, fields, keys: keys_in(&keys) }
            });
            Message::Commit(changes.collect(), fields.take("logged")?)
        }
        "settled" => {
            let refused = fields.take::<Vec<Refused>>("refused")?.into_iter().map(|one| (one.seq, one.rejection));
            Message::Settled(fields.take("oldest")?, refused.collect(), fields.take("pending")?)
        }
        "status" => Message::Status(Status {
            state: fields.take("state")?,
            pending: fields.take("pending")?,
            last_synced_at: fields.take("lastSyncedAt")?,
            trouble: fields.take("trouble")?,
            progress: fields.take_or("progress", Vec::new())?,
        }),
        "leading" => Message::Leading(fields.take("user")?, fields.take("generation")?),
        "status-wanted" => Message::StatusWanted,
        "app-asked" => Message::AppAsked,
        "woken" => Message::Woken,
        "sync-now" => Message::SyncNow(fields.take("id")?),
        "vault-key" => Message::VaultKey(fields.take("user")?, fields.take("key")?),
        "vault-key-wanted" => Message::VaultKeyWanted(fields.take("user")?),
        "vault-key-given" => Message::VaultKeyGiven(fields.take("user")?, fields.take("key")?),
        "keyring" => Message::Keyring,
        "vault-used" => Message::VaultUsed,
        "sync-done" => Message::SyncDone(fields.take("id")?, fields.take("error")?),
        _ => return Ok(None),
    }))
}

impl Message {
    /// Its JSON, which is overwritten when it is dropped: it may hold a key.
    pub fn into_text(self) -> Zeroizing<String> {
        let (rest, key) = self.parts();
        let text = Value::from(rest).to_string();
        match key {
            Some(key) => key.within(&text),
            None => Zeroizing::new(text),
        }
    }

    /// All of it but the key, and the key.
    fn parts(self) -> (Object, Option<KeyText>) {
        let rest = match self {
            Self::Commit(changes, logged) => {
                let changes = changes.into_iter().map(|one| {
                    let TableChange { table, op, origin, fields, keys } = one;
                    Touched { table, op, origin, fields, keys: keys_out(&keys) }
                });
                named("commit").with("changes", list(changes)).with("logged", logged)
            }
            Self::Settled(oldest, refused, pending) => {
                let refused = refused.into_iter().map(|(seq, rejection)| Refused { seq, rejection });
                named("settled")
                    .with_any("oldest", oldest.into())
                    .with("refused", list(refused))
                    .with("pending", pending)
            }
            Self::Status(status) => named("status")
                .with("state", status.state)
                .with("pending", status.pending)
                .with_any("lastSyncedAt", status.last_synced_at.into())
                .with_any("trouble", status.trouble.into())
                .with("progress", list(status.progress.into_iter())),
            Self::Leading(user, generation) => {
                named("leading").with("user", user).with_any("generation", generation.into())
            }
            Self::StatusWanted => named("status-wanted"),
            Self::AppAsked => named("app-asked"),
            Self::Woken => named("woken"),
            Self::SyncNow(id) => named("sync-now").with("id", id),
            Self::SyncDone(id, error) => named("sync-done").with("id", id).with_any("error", error.into()),
            Self::Keyring => named("keyring"),
            Self::VaultUsed => named("vault-used"),
            Self::VaultKeyWanted(user) => named("vault-key-wanted").with("user", user),
            Self::VaultKey(user, key) => return (named("vault-key").with("user", user), key),
            Self::VaultKeyGiven(user, key) => return (named("vault-key-given").with("user", user), Some(key)),
        };
        (rest, None)
    }
}

fn named(name: &str) -> Object {
    Object::new().with("type", name)
}

fn list(items: impl Iterator<Item = impl Into<Value>>) -> Vec<Value> {
    items.map(Into::into).collect()
}

/// Keys as JSON: texts, numbers and lists as they are, dates and bytes under their kind. An empty list stands for any key.
fn keys_out(keys: &[Key]) -> Vec<Value> {
    keys.iter().map(key_out).collect()
}

fn key_out(key: &Key) -> Value {
    match key {
        Key::Text(text) => Value::from(text.as_str()),
        Key::Number(number) if number.is_finite() => Value::from(*number),
        // No JSON has these.
        Key::Number(number) => json!({ "infinite": number.signum() }),
        Key::Date(ms) => json!({ "date": ms }),
        Key::Bytes(bytes) => json!({ "bytes": bytes }),
        Key::List(keys) => Value::Array(keys_out(keys)),
    }
}

fn keys_in(keys: &[Value]) -> Vec<Key> {
    keys.iter().map(key_in).collect()
}

fn key_in(json: &Value) -> Key {
    match json {
        Value::String(text) => Key::text(text),
        Value::Number(number) => Key::Number(number.as_f64().unwrap_or_default()),
        Value::Array(keys) => Key::List(keys_in(keys)),
        other => {
            let date = other["date"].as_f64().map(Key::Date);
            let infinite = || other["infinite"].as_f64().map(|sign| Key::Number(sign * f64::INFINITY));
            let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
            let bytes = || other["bytes"].as_array().map(|bytes| Key::Bytes(bytes.iter().filter_map(byte).collect()));
            // Any key stands for a whole table.
            date.or_else(infinite).or_else(bytes).unwrap_or_else(|| Key::List(Vec::new()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::status::{AppProgress, State, Trouble};
    use crate::protocol::wire::RejectionCode;

    fn change(keys: Vec<Key>) -> TableChange {
        let fields = vec!["title".to_owned()];
        TableChange { table: "t".into(), op: ChangeOp::Update, origin: Origin::Agent, fields, keys }
    }

    #[test]
    fn what_one_tab_says_another_understands() {
        let rejection = Rejection { event_id: "e".into(), code: RejectionCode::ReadOnly, message: "m".into() };
        let trouble = Trouble { code: "offline".into(), message: "m".into(), retry_at: Some(2) };
        let progress = [None, Some(9)].map(|total| AppProgress { app: "todo".into(), done: 3, total }).to_vec();
        let status =
            Status { state: State::Offline, pending: 3, last_synced_at: Some(1), trouble: Some(trouble), progress };
        let messages = [
            Message::Commit(vec![change(vec![Key::text("a"), Key::Number(1.5), Key::Number(f64::NEG_INFINITY)])], 2),
            Message::Commit(vec![change(vec![Key::Bytes(vec![0, 255]), Key::Date(-5.0), Key::pair("a", "b")])], 1),
            Message::Commit(vec![change(vec![Key::List(Vec::new())])], 1),
            Message::Settled(Some(4.0), vec![(2.0, rejection)], 1),
            Message::Settled(None, Vec::new(), 0),
            Message::Status(status),
            Message::Status(Status::default()),
            Message::Leading("ada".into(), u64::MAX),
            Message::StatusWanted,
            Message::AppAsked,
            Message::Woken,
            Message::SyncNow("id".into()),
            Message::SyncDone("id".into(), Some("why".into())),
            Message::SyncDone("id".into(), None),
            Message::VaultKey("ada".into(), KeyText::from_json("00ff".into())),
            Message::VaultKey("ada".into(), None),
            Message::Keyring,
            Message::VaultUsed,
            Message::VaultKeyWanted("ada".into()),
            Message::VaultKeyGiven("ada".into(), KeyText::from_json("00ff".into()).unwrap()),
        ];
        for message in messages {
            let text = message.clone().into_text();
            assert_eq!(Message::from_json(serde_json::from_str(&text).unwrap()), Some(message));
        }
        assert_eq!(Message::from_json(serde_json::json!({ "type": "from-a-newer-tab" })), None);
    }
}
