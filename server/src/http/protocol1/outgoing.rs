//! Changes of the log as protocol 1 says them.

use crate::log::Dated;
use mana_sync_engine::protocol::protocol1::said;
use serde_json::Value;

/// How much of a change is said: the server before this one left out some of it in streams.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Whole,
    InStream,
}

/// What a stream leaves out.
const NOT_IN_STREAMS: [&str; 3] = ["eventId", "schemaVersion", "spaceId"];

/// The changes that say what these rows say, in their order.
pub(super) fn served(rows: Vec<Dated>, form: Form) -> Vec<Value> {
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            Dated::Row(change) => changes.extend(said(&change)),
            Dated::Withheld(change) => changes.push(change),
        }
    }
    if let Form::InStream = form {
        for change in changes.iter_mut().filter_map(Value::as_object_mut) {
            change.retain(|name, _| !NOT_IN_STREAMS.contains(&name.as_str()));
        }
    }
    changes
}
