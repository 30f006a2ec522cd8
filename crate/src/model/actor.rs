//! Who made a change, and by what kind of hand.

use super::{FromJson, Malformed, words};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

words! {
    /// Where a field's value came from, as kept in its metadata.
    pub enum Origin {
        /// A person, at this device.
        User = "user",
        /// An assistant acting for a person.
        Agent = "agent",
        /// The app itself.
        System = "system",
        /// An upgrade of the app's data.
        Migration = "migration",
        /// Applied from the server.
        ServerReplay = "server-replay",
    }
}

/// The author of a change: an object the app defines and the engine keeps as it is, with `kind` and `principalId`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Actor(Map<String, Value>);

impl Actor {
    /// The person signed in, or `guest`.
    #[must_use]
    pub fn user(principal_id: &str, display_name: Option<&str>) -> Self {
        let mut map = Map::new();
        map.insert("kind".into(), "user".into());
        map.insert("principalId".into(), principal_id.into());
        if let Some(name) = display_name {
            map.insert("displayName".into(), name.into());
        }
        Self(map)
    }

    /// Takes an object with a `kind` of `user`, `ai` or `system`; everything else in it is the app's.
    pub fn parse(value: Value) -> Result<Self, Malformed> {
        let Value::Object(map) = value else {
            return Err(Malformed::new("actor", "must be an object"));
        };
        match map.get("kind").and_then(Value::as_str) {
            Some("user" | "ai" | "system") => {}
            _ => return Err(Malformed::new("actor.kind", "must be 'user', 'ai' or 'system'")),
        }
        super::check_travels(&Value::Object(map.clone()), "actor")?;
        Ok(Self(map))
    }

    /// What a local write by this actor is marked with.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self.0.get("kind").and_then(Value::as_str) {
            Some("ai") => Origin::Agent,
            Some("system") if self.0.get("migration") == Some(&Value::Bool(true)) => Origin::Migration,
            Some("system") => Origin::System,
            _ => Origin::User,
        }
    }

    /// The actor as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

impl FromJson for Actor {
    fn from_json(value: Value) -> Option<Self> {
        Self::parse(value).ok()
    }
}

impl TryFrom<Value> for Actor {
    type Error = Malformed;
    fn try_from(value: Value) -> Result<Self, Malformed> {
        Self::parse(value)
    }
}

impl From<Actor> for Value {
    fn from(actor: Actor) -> Self {
        Self::Object(actor.0)
    }
}
