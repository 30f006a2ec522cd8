//! What the server makes up.

use super::book::{PLACES, Place, sealed_in_format_one};
use mana_simulation::Random;
use mana_sync_engine::model::{Change, Stamp};
use serde_json::{Value, json};

/// Kinds of lies.
pub const KINDS: [&str; 13] = [
    "an older one under a new stamp",
    "of another place",
    "with a bit changed",
    "cut short",
    "plaintext",
    "nothing",
    "garbage in format 1",
    "of long ago, in format 1",
    "a format of tomorrow",
    "under a key nobody has",
    "a number",
    "an object",
    "deleted",
];

/// A change that the user never made, by its kind; `None` where it needs an envelope and there is none yet.
pub fn made_up(random: &Random, known: &[Change], now: u64) -> Option<(&'static str, Value)> {
    let kind = *random.pick(&KINDS);
    let place = *random.pick(&PLACES);
    let Made { mut change, at } = frame(random, place, now);
    if kind == "deleted" {
        change["op"] = "delete".into();
        change["deletedAt"] = at.into();
        return Some((kind, change));
    }
    let value = value(kind, random, known, place)?;
    if random.chance(300) {
        change["op"] = "insert".into();
        change["data"] = json!({ place.2: value });
    } else {
        change["fields"] = json!({ place.2: { "value": value, "at": at } });
    }
    Some((kind, change))
}

/// A change in the making.
pub struct Made {
    pub change: Value,
    pub at: String,
}

/// What every change of a place has.
pub fn frame(random: &Random, place: Place, now: u64) -> Made {
    let at = Stamp::at_ms(now - random.below(3_000)).to_string();
    let event_id = format!("00000000-0000-7000-8000-{:012x}", random.next() >> 16);
    let change = json!({ "eventId": event_id, "app": "todo", "schemaVersion": 1, "table": place.0, "id": place.1,
        "op": "update", "at": at, "origin": "user", "visibility": "space" });
    Made { change, at }
}

pub fn value(kind: &str, random: &Random, known: &[Change], place: Place) -> Option<Value> {
    let made_up = random.below(1_000_000);
    Some(match kind {
        "an older one under a new stamp" => picked(random, &envelopes(known, |of| of == place))?.into(),
        "of another place" => picked(random, &envelopes(known, |of| of != place))?.into(),
        "with a bit changed" => {
            let text = picked(random, &envelopes(known, |of| of == place))?;
            let at = text.len() - 8;
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &text[..at], &text[at + 1..]).into()
        }
        "cut short" => {
            let text = picked(random, &envelopes(known, |of| of == place))?;
            text[..text.len() - 4].into()
        }
        "plaintext" => format!("made up {made_up}").into(),
        "nothing" => Value::Null,
        "garbage in format 1" => "enc:1:oKGio6Slpqeoqaqr.AAAAAAAAAAAAAAAAAAAAAA==".into(),
        "of long ago, in format 1" => sealed_in_format_one(&format!("of long ago {made_up}")).into(),
        "a format of tomorrow" => "enc:9:oKGio6Slpqeoqaqr.AAAA".into(),
        "under a key nobody has" => "enc:2:0007b856b0b4.oKGio6Slpqeoqaqr.AAAAAAAAAAAAAAAAAAAAAA==".into(),
        "a number" => made_up.into(),
        _ => json!({ "deep": ["made", "up", made_up] }),
    })
}

fn picked(random: &Random, envelopes: &[String]) -> Option<String> {
    if envelopes.is_empty() { None } else { Some(random.pick(envelopes).clone()) }
}

/// What the server has of sealed values in such places.
fn envelopes(known: &[Change], is_wanted: impl Fn(Place) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for change in known {
        for (name, edit) in &change.fields {
            let is_here = |place: &&Place| {
                **place == (change.table.as_str(), change.id.as_str(), name.as_str()) && is_wanted(**place)
            };
            let Some(text) = edit.value.as_str().filter(|_| PLACES.iter().any(|place| is_here(&place))) else {
                continue;
            };
            found.extend(text.starts_with("enc:2:0001").then(|| text.to_owned()));
        }
    }
    found
}
