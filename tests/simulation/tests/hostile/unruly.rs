//! What no server's rules would let through: records that are in other spaces than they were, are said to be everybody's or
//! moved, other lists of spaces, and facts of a keyring that nobody wrote.

use super::book::{PLACES, Place};
use super::forge::{Made, frame, value};
use mana_simulation::Random;
use mana_sync_engine::model::{Change, Space, SpaceId, Stamp};
use serde_json::{Value, json};

/// Kinds of lies about where a record is, and whose.
pub const ABOUT_PLACES: [&str; 6] = [
    "in a shared space",
    "in a space nobody knows",
    "private to the user",
    "everybody's in a shared space",
    "a whole record in a shared space",
    "moved to a shared space",
];

/// Kinds of lies about keys.
pub const ABOUT_KEYS: [&str; 4] =
    ["since when a field is sealed", "a key of before the first", "how often a key was used", "a fact of another name"];

/// A key that the user never had, as the newest: nothing is sealed any more until somebody has it.
pub const A_NEWER_KEY: &str = "a newer key";

/// Changes that the rules would refuse, by their kind, about a record that every device knows for the user's own; to be put
/// into answers past the rules.
pub fn about_places(
    random: &Random,
    known: &[Change],
    now: u64,
    is_known: impl Fn(Place) -> bool,
) -> Option<(&'static str, Vec<Value>)> {
    let kind = *random.pick(&ABOUT_PLACES);
    let tasks: Vec<Place> = PLACES.into_iter().filter(|place| place.0 == "tasks" && is_known(*place)).collect();
    if tasks.is_empty() {
        return None;
    }
    let place = *random.pick(&tasks);
    let Made { mut change, at } = frame(random, place, now);
    let plain = random.chance(500);
    let said = if plain { "made up for all".into() } else { value("of another place", random, known, place)? };
    let edit = json!({ "value": said, "at": at });
    change["spaceId"] = if kind == "in a space nobody knows" { "strange" } else { "club" }.into();
    change["fields"] = json!({ place.2: edit });
    match kind {
        "private to the user" | "everybody's in a shared space" => {
            let visibility = if kind == "private to the user" { "private" } else { "space" };
            change["op"] = "insert".into();
            change["data"] = json!({});
            change["visibility"] = visibility.into();
            change["fields"]["visibility"] = json!({ "value": visibility, "at": at });
        }
        "a whole record in a shared space" => {
            change["op"] = "insert".into();
            change["data"] = json!({ place.2: said, "spaceId": "club", "authorId": "bob" });
            change["fields"] = json!({});
        }
        "moved to a shared space" => return Some((kind, moved(random, change, place, (&at, now)))),
        _ => {}
    }
    Some((kind, vec![change]))
}

/// A tombstone that names another record, and that one.
fn moved(random: &Random, mut change: Value, place: Place, (at, now): (&str, u64)) -> Vec<Value> {
    let there = format!("{}-there", place.1);
    let mut target = frame(random, place, now).change;
    target["id"] = there.as_str().into();
    target["op"] = "insert".into();
    target["spaceId"] = "club".into();
    target["data"] = json!({ place.2: "made up for all", "authorId": "ada" });
    change["op"] = "delete".into();
    change["deletedAt"] = at.into();
    change["spaceId"] = "_personal:ada".into();
    change["fields"] = json!({ "movedTo": { "value": there, "at": at } });
    vec![target, change]
}

/// A change of the keyring, by its kind; `None` where it takes a fact and there is none yet.
pub fn about_keys(random: &Random, facts: &[Change], now: u64, may_name_newer: bool) -> Option<(&'static str, Value)> {
    let known: Vec<(String, String)> = facts.iter().flat_map(facts_of).collect();
    if known.is_empty() {
        return None;
    }
    let (name, envelope) = random.pick(&known).clone();
    let kind = if may_name_newer && random.chance(200) { A_NEWER_KEY } else { *random.pick(&ABOUT_KEYS) };
    let field = match kind {
        "since when a field is sealed" => "sealed:todo/tasks/title".to_owned(),
        "a key of before the first" => format!("key:0000{:08x}", random.below(1 << 32)),
        "how often a key was used" => format!("used:{}:{}", random.below(100), &envelope[10..18]),
        A_NEWER_KEY => "key:0001ffffffff".to_owned(),
        _ => random.pick(&known).0.clone(),
    };
    // What one fact holds under the name of another, or with its end cut and made up.
    let made_up = format!("{}.oKGio6Slpqeoqaqr.AAAAAAAAAAAAAAAAAAAAAA==", &envelope[..18]);
    let value = if name == field || random.chance(500) { made_up } else { envelope };
    let at = Stamp::at_ms(now - random.below(600_000)).to_string();
    let event_id = format!("00000000-0000-7000-8000-{:012x}", random.next() >> 16);
    let change = json!({ "eventId": event_id, "app": "_mana", "schemaVersion": 1, "table": "keyring", "id": "ada",
        "op": "insert", "at": at, "origin": "user", "visibility": "space", "data": {},
        "fields": { field: { "value": value, "at": at } } });
    Some((kind, change))
}

fn facts_of(change: &Change) -> impl Iterator<Item = (String, String)> + '_ {
    let sealed = |value: &Value| value.as_str().filter(|text| text.starts_with("enc:2:0001")).map(str::to_owned);
    change.fields.iter().filter_map(move |(name, edit)| Some((name.to_string(), sealed(&edit.value)?)))
}

/// A list of the user's spaces that is not theirs.
pub fn spaces(random: &Random) -> Vec<Space> {
    let kinds = ["personal", "family", "team"];
    let named = [("home", 800), ("club", 700), ("strange", 300)];
    let listed = named.iter().filter(|(_, permille)| random.chance(*permille));
    listed.map(|(id, _)| space(id, random.pick::<&str>(&kinds))).collect()
}

/// A space of the user's.
pub fn space(id: &str, kind: &str) -> Space {
    Space { id: SpaceId::parse(id).expect("an id"), kind: Some(kind.to_owned()), role: Some("owner".to_owned()) }
}
