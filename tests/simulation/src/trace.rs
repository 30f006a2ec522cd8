//! What happens in a schedule, as lines for people: `simulate --seed N --trace`.

use super::place::Record;
use mana_sync_engine::store::memory::Changed;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

static ON: AtomicBool = AtomicBool::new(false);

/// Prints from now on.
pub fn begin() {
    ON.store(true, Ordering::Relaxed);
}

/// Whether anything is printed.
#[must_use]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Prints a line.
pub fn line(text: impl fmt::Display) {
    if is_on() {
        println!("{text}");
    }
}

/// Prints what a commit did to records and to the log.
pub fn commit(device: usize, commit: u64, call: Option<u64>, changes: &[Changed]) {
    if !is_on() {
        return;
    }
    let whose = call.map_or_else(|| "engine".to_owned(), |call| format!("call {call}"));
    for changed in changes {
        let Some(record) = Record::of_key(&changed.store, &changed.key) else {
            println!("  device {device} #{commit} {whose}: {} {:?} {}", changed.store, changed.key, row(changed));
            continue;
        };
        for place in record.places() {
            let of = |row: &Option<mana_sync_engine::store::JsonRow>| {
                let row = row.as_ref()?;
                Some((super::model::value_in(row, place.name()), place.stamp(row)?.to_owned()))
            };
            let (old, new) = (of(&changed.old), of(&changed.new));
            if old != new {
                println!("  device {device} #{commit} {whose}: {place} {old:?} -> {new:?}");
            }
        }
    }
}

fn row(changed: &Changed) -> String {
    changed.new.as_ref().map_or_else(|| "removed".to_owned(), |row| serde_json::Value::Object(row.to_map()).to_string())
}
