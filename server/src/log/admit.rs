//! What can be said of a pushed change by looking at it alone: is it well-formed, small enough, of our time, and
//! addressed to a space its sender may write to.

use super::{Caller, ContentHash, StreamId};
use mana_sync_engine::model::{
    AppId, Change, EventId, FieldName, ID, Malformed, Op, SPACE_ID, SpaceId, Stamp, VISIBILITY, Visibility,
};
use mana_sync_engine::protocol::limits::{MAX_CHANGE_BYTES, MAX_PUSH_AHEAD_MS};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// One change of a push as it arrived: an id to answer with, and its content or why it has none.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The event id as it was sent; empty when there was none.
    pub event_id: String,
    /// The group it names, whether or not the rest can be read.
    pub(super) group: Option<String>,
    pub(super) content: Result<Value, Refusal>,
}

/// Why a change is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: RejectionCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: RejectionCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::new(RejectionCode::InvalidChange, malformed.to_string())
    }
}

/// A change that may be taken unless the log knows better.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    /// The change, its personal space under its alias.
    pub change: Change,
    /// Where it goes.
    pub stream: StreamId,
    /// What was sent, before any renaming.
    pub hash: ContentHash,
}

/// The names a change is answered by, from text whose other parts may be unreadable.
#[derive(Deserialize, Default)]
struct Named<'a> {
    #[serde(rename = "eventId", borrow, default)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    group: Option<&'a RawValue>,
}

impl Sent {
    /// A change as text. Text that is no JSON value becomes an invalid change, not an error of the whole push.
    #[must_use]
    pub fn from_text(text: &RawValue) -> Self {
        let refusal = if text.get().len() > MAX_CHANGE_BYTES {
            Refusal::new(RejectionCode::TooLarge, format!("has more than {MAX_CHANGE_BYTES} bytes"))
        } else {
            match serde_json::from_str(text.get()) {
                // Its names are taken from what is stored: of a key that stands twice the two readers differ.
                Ok(value) => return Self::from_value(value),
                Err(error) => Malformed::new("change", error.to_string()).into(),
            }
        };
        let named: Named<'_> = serde_json::from_str(text.get()).unwrap_or_default();
        let event_id = named.event_id.map(|id| serde_json::from_str(id.get()).unwrap_or_else(|_| id.get().to_owned()));
        let group = named.group.and_then(|group| serde_json::from_str(group.get()).ok());
        Self { event_id: event_id.unwrap_or_default(), group, content: Err(refusal) }
    }

    /// A change that is parsed already.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        let event_id = match value.get("eventId") {
            Some(Value::String(id)) => id.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let group = value.get("group").and_then(Value::as_str).map(str::to_owned);
        Self { event_id, group, content: Ok(value) }
    }
}

/// What admission depends on besides the change itself.
pub(super) struct Gate<'a> {
    pub caller: &'a Caller,
    pub now: Stamp,
    pub max_schema: &'a BTreeMap<AppId, u32>,
}

/// An event by its id and what was sent under it.
pub(super) type Event = (EventId, ContentHash);

impl Gate<'_> {
    /// Takes a change in, or says why not; with the event, where the change can be read.
    pub fn admit(&self, value: Value) -> (Option<Event>, Result<Admitted, Refusal>) {
        match read(value) {
            Err(refusal) => (None, Err(refusal)),
            Ok((change, named)) => {
                let hash = ContentHash::of(&change);
                (Some((change.event_id.clone(), hash)), self.admit_change(change, hash, named))
            }
        }
    }

    fn admit_change(&self, mut change: Change, hash: ContentHash, named: Vec<SpaceId>) -> Result<Admitted, Refusal> {
        self.check_versions(&change)?;
        let space = self.one_space(named)?;
        let stream = self.caller.writable(space.as_ref()).map_err(|code| refuse_space(code, space.as_ref()))?;
        set_space(&mut change, space);
        change.user_id = Some(self.caller.user.clone());
        Ok(Admitted { change, stream, hash })
    }

    fn check_versions(&self, change: &Change) -> Result<(), Refusal> {
        let limit = self.now.ms() + MAX_PUSH_AHEAD_MS;
        let newest = change.newest_stamp();
        if newest.ms() > limit {
            let message = format!("{newest} is more than {} s ahead of the server", MAX_PUSH_AHEAD_MS / 1000);
            return Err(Refusal::new(RejectionCode::ClockAhead, message));
        }
        match self.max_schema.get(&change.app) {
            Some(max) if change.schema_version > *max => Err(Refusal::new(
                RejectionCode::SchemaTooNew,
                format!("version {} of {} is newer than {max}", change.schema_version, change.app),
            )),
            _ => Ok(()),
        }
    }

    /// The one space that all mentions name, under its name on the wire.
    fn one_space(&self, named: Vec<SpaceId>) -> Result<Option<SpaceId>, Refusal> {
        let mut mentions = named.into_iter().map(|space| self.caller.wire_name(space));
        let first = mentions.next();
        if mentions.all(|name| Some(&name) == first.as_ref()) {
            return Ok(first);
        }
        Err(Refusal::new(
            RejectionCode::SpaceMismatch,
            "spaceId, data.spaceId and fields.spaceId name different spaces",
        ))
    }
}

fn read(value: Value) -> Result<(Change, Vec<SpaceId>), Refusal> {
    let named = named_spaces(&value)?;
    let change = Change { user_id: None, ..Change::parse(value)? };
    check_shape(&change)?;
    Ok((change, named))
}

fn refuse_space(code: RejectionCode, space: Option<&SpaceId>) -> Refusal {
    let name = space.map_or("", SpaceId::as_str);
    match code {
        RejectionCode::ReadOnly => Refusal::new(code, format!("you may only read in space '{name}'")),
        _ => Refusal::new(code, format!("you are not a member of space '{name}'")),
    }
}

/// Every place where a change may name its space; `null` names none.
fn named_spaces(value: &Value) -> Result<Vec<SpaceId>, Refusal> {
    let places = [
        ("spaceId", value.get(SPACE_ID)),
        ("data.spaceId", value.get("data").and_then(|data| data.get(SPACE_ID))),
        ("fields.spaceId", value.get("fields").and_then(|f| f.get(SPACE_ID)).and_then(|edit| edit.get("value"))),
    ];
    let mut spaces = Vec::new();
    for (path, found) in places {
        match found {
            None | Some(Value::Null) => {}
            Some(Value::String(id)) => spaces.push(SpaceId::parse(id.as_str())?),
            Some(_) => return Err(Malformed::new(path, "must be a string").into()),
        }
    }
    Ok(spaces)
}

/// What `Change::parse` leaves open: operations of servers, names in two places that must agree.
fn check_shape(change: &Change) -> Result<(), Refusal> {
    if change.op == Op::Withdraw {
        return Err(Malformed::new("op", "only a server withdraws").into());
    }
    if change.group.as_deref().is_some_and(|group| group.is_empty() || group.len() > 255) {
        return Err(Malformed::new("group", "must have 1 to 255 bytes").into());
    }
    match field(change, ID) {
        None => {}
        Some(Value::String(id)) if id == change.id.as_str() => {}
        Some(_) => return Err(Malformed::new("id", "differs from the record's own field 'id'").into()),
    }
    match field(change, VISIBILITY) {
        None => {}
        Some(Value::String(word)) if Visibility::from(word.clone()) == change.visibility => {}
        Some(_) => return Err(Malformed::new("visibility", "differs from the field 'visibility'").into()),
    }
    Ok(())
}

fn field<'a>(change: &'a Change, name: &str) -> Option<&'a Value> {
    change.fields.iter().find(|(field, _)| field.as_str() == name).map(|(_, edit)| &edit.value)
}

fn set_space(change: &mut Change, space: Option<SpaceId>) {
    if let Some(space) = &space {
        let written = FieldName::parse(SPACE_ID).ok().and_then(|name| change.fields.get_mut(&name));
        if let Some(edit) = written.filter(|edit| edit.value.is_string()) {
            edit.value = Value::String(space.as_str().to_owned());
        }
    }
    change.space_id = space;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str) -> Sent {
        Sent::from_text(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_change_is_answered_by_the_id_it_is_stored_under() {
        assert_eq!(sent(r#"{ "eventId": "a", "group": "g", "eventId": "b" }"#).event_id, "b");
        assert_eq!(sent(r#"{ "eventId": "a", "group": "g" }"#).group.as_deref(), Some("g"));
    }

    #[test]
    fn a_change_that_cannot_be_stored_is_answered_by_what_can_be_read_of_it() {
        let unreadable = sent(r#"{ "eventId": "a", "group": "g", "data": { "n": 1e999 } }"#);
        assert_eq!((unreadable.event_id.as_str(), unreadable.group.as_deref()), ("a", Some("g")));
        assert!(unreadable.content.is_err());
    }
}
