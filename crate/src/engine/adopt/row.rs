//! Records of older generations as the engine keeps them. Pure, and to no effect on a record that is in order.
//!
//! The generation before kept `__fieldTimestamps: { [f]: ISO }`, `__fieldActors: { [f]: actor }` and `__lastActor`, and
//! sent `updatedAt` like any field; older records have no stamps at all. All become `__fieldMeta`.

use super::clamp::Stamps;
use super::queue::time_of;
use crate::engine::Config;
use crate::engine::stamps::{Mark, origin_of, stamp_of};
use crate::model::{
    AUTHOR_ID, Actor, DELETED_AT, FIELD_META, ID, Malformed, OrderedMap, Origin, SPACE_ID, Scope, Stamp, TableSync,
    UPDATED_AT, UPDATED_AT_INDEX, USER_ID, VISIBILITY, Visibility, is_hidden,
};
use crate::store::{Row, RowValue};

const FIELD_TIMESTAMPS: &str = "__fieldTimestamps";
const FIELD_ACTORS: &str = "__fieldActors";
const LAST_ACTOR: &str = "__lastActor";

/// Whether a field of a record is part of changes: not what only the device knows, or what the change itself says.
pub fn is_sent(name: &str, scope: Scope) -> bool {
    let of_space = matches!(name, AUTHOR_ID | VISIBILITY);
    !is_hidden(name) && !matches!(name, ID | UPDATED_AT | SPACE_ID | USER_ID) && (scope == Scope::Space || !of_space)
}

/// A value as it travels; a `Date` in a field that the app lists under `dates` is a text there.
pub fn travelling<V: RowValue>(name: &str, value: &V, sync: &TableSync) -> Result<V, Malformed> {
    crate::model::FieldName::parse(name)?;
    if sync.dates.contains(name)
        && let Some(text) = value.as_date_ms().and_then(iso_date)
    {
        return Ok(V::text(&text));
    }
    value.travelling(name)
}

/// A date as JavaScript's `toISOString` writes it, for the years 0 to 9999.
pub fn iso_date(ms: f64) -> Option<String> {
    if !ms.is_finite() || !(-62_167_219_200_000.0..253_402_300_800_000.0).contains(&ms) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let ms = ms.trunc() as i64;
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days since 0000-03-01, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000))
}

/// The record in the engine's form; `None` when it is already, or has no usable id.
pub fn converted<R: Row>(row: &R, table: &str, sync: &TableSync, config: &Config, stamps: &Stamps) -> Option<R> {
    let id = row.text(ID)?;
    let mut conversion = Conversion { id, table, sync, stamps, old: row, out: row.shallow_copy(), changed: false };
    conversion.complete(config);
    conversion.write_dates();
    conversion.write_marks(config);
    conversion.drop_old();
    conversion.changed.then_some(conversion.out)
}

struct Conversion<'a, R: Row> {
    id: String,
    table: &'a str,
    sync: &'a TableSync,
    stamps: &'a Stamps,
    old: &'a R,
    out: R,
    changed: bool,
}

impl<R: Row> Conversion<'_, R> {
    /// Says whose the record is, where it does not.
    fn complete(&mut self, config: &Config) {
        if self.sync.scope == Scope::User {
            if self.out.get(SPACE_ID).is_some() {
                // A record that names a space belongs to it.
                self.out.remove(SPACE_ID);
                self.changed = true;
            }
            return self.default(USER_ID, || config.user_id().to_owned());
        }
        self.default(SPACE_ID, || config.stored_space(&config.personal_alias()));
        let author = self.old.text(USER_ID);
        self.default(AUTHOR_ID, || author.unwrap_or_else(|| config.user_id().to_owned()));
        self.default(VISIBILITY, || Visibility::Space.as_str().to_owned());
    }

    fn default(&mut self, field: &str, value: impl FnOnce() -> String) {
        if self.out.text(field).is_none() {
            self.out.set_text(field, &value());
            self.changed = true;
        }
    }

    fn write_dates(&mut self) {
        for name in &self.sync.dates {
            if let Some(text) = self.out.get(name).and_then(|value| value.as_date_ms()).and_then(iso_date) {
                self.out.set_text(name, &text);
                self.changed = true;
            }
        }
    }

    fn write_marks(&mut self, config: &Config) {
        let old = self.old.get(FIELD_META).and_then(|meta| meta.as_row());
        let is_queued = |name: &str| self.stamps.newest(self.table, &self.id, name).is_some();
        // Who made a record is said by the insert that comes, or by the one that is logged when none does.
        let is_told = |name: &str| is_queued(name) || name != AUTHOR_ID;
        let mut known = old.as_ref().map(Row::names).unwrap_or_default();
        known.retain(|name| is_sent(name, self.sync.scope) && is_told(name));
        let mut names: Vec<String> = self.out.names().into_iter().filter(|n| is_sent(n, self.sync.scope)).collect();
        // What was only filled in, now or by a conversion before this one, is nobody's edit: whatever comes takes its place.
        let is_stamped = |name: &str| is_queued(name) || old_time(self.old, FIELD_TIMESTAMPS, name).is_some();
        let is_default =
            |name: &str| name == VISIBILITY && self.out.text(name).as_deref() == Some(Visibility::Space.as_str());
        let is_own = |name: &str| is_stamped(name) || !is_default(name);
        names.retain(|name| is_told(name) && is_own(name) && !known.contains(name));
        names.extend(known);
        let (mut meta, mut newest) = (R::empty(), None);
        let mut marks = Marks::new(self.old, config);
        for name in names {
            let own = stamp_of(self.old, &name);
            let told = self.told(&name, own);
            let at = self.stamps.stored(self.table, &self.id, &name, told);
            let kept =
                old.as_ref().and_then(|old| old.get(&name)).filter(|_| own == Some(at) && is_whole(self.old, &name));
            self.changed |= kept.is_none();
            meta.set(&name, kept.unwrap_or_else(|| marks.mark(&name, at)));
            newest = newest.max(Some(at));
            if name == DELETED_AT && (told != at || self.stamps.newest(self.table, &self.id, &name) == Some(at)) {
                self.tell_deletion(at);
            }
        }
        self.changed |= old.as_ref().is_none_or(|old| old.names().len() != meta.names().len());
        self.out.set(FIELD_META, meta.into_value());
        let newest = newest.map(|at| at.to_string());
        if newest != self.out.text(UPDATED_AT_INDEX) {
            self.changed = true;
            if let Some(at) = newest {
                self.out.set_text(UPDATED_AT_INDEX, &at);
            }
        }
    }

    /// When a field was written: as stamped, as queued, or as old as the record's own times say.
    fn told(&self, name: &str, own: Option<Stamp>) -> Stamp {
        let queued = || self.stamps.newest(self.table, &self.id, name);
        let deleted = || self.old.get(DELETED_AT).filter(|_| name == DELETED_AT).as_ref().and_then(time_of);
        let stamped = own.or_else(|| old_time(self.old, FIELD_TIMESTAMPS, name));
        stamped.or_else(queued).or_else(deleted).unwrap_or_else(|| self.age())
    }

    /// How old an unstamped field is. In a record whose edits were stamped it was never edited, so it is as old as the
    /// record.
    fn age(&self) -> Stamp {
        let stamped = self.old.get(FIELD_TIMESTAMPS).is_some() || self.has_marks();
        let edited = self.old.get(UPDATED_AT).filter(|_| !stamped);
        let times = [edited, self.old.get("createdAt")];
        times.iter().flatten().find_map(time_of).unwrap_or(Stamp::UNKNOWN)
    }

    /// Whether it has marks that say when it was edited: not those alone that an upgrade made before it was taken over.
    fn has_marks(&self) -> bool {
        let Some(meta) = self.old.get(FIELD_META).and_then(|meta| meta.as_row()) else { return false };
        let names = meta.names();
        let migration = Some(Origin::Migration.as_str().to_owned());
        names.is_empty() || names.iter().any(|name| origin_of(self.old, name) != migration)
    }

    /// A tombstone's `deletedAt` is the stamp of its deletion, as the change in the log says it.
    fn tell_deletion(&mut self, at: Stamp) {
        let text = at.to_string();
        let is_deleted = self.out.get(DELETED_AT).is_some_and(|value| !value.is_null());
        if is_deleted && self.out.text(DELETED_AT).as_ref() != Some(&text) {
            self.out.set_text(DELETED_AT, &text);
            self.changed = true;
        }
    }

    fn drop_old(&mut self) {
        for name in [FIELD_TIMESTAMPS, FIELD_ACTORS, LAST_ACTOR] {
            if self.old.get(name).is_some() {
                self.out.remove(name);
                self.changed = true;
            }
        }
    }
}

fn old_time<R: Row>(row: &R, map: &str, name: &str) -> Option<Stamp> {
    row.get(map)?.as_row()?.get(name).as_ref().and_then(time_of)
}

/// Whether a mark says by whom and by what kind of hand.
fn is_whole<R: Row>(row: &R, name: &str) -> bool {
    crate::engine::stamps::mark_parts(row, name).is_some()
}

/// Marks of one record: fields of one stamp and author share one.
struct Marks<'a, R: Row> {
    row: &'a R,
    user: Actor,
    made: OrderedMap<(Stamp, String, &'static str), R::Value>,
}

impl<'a, R: Row> Marks<'a, R> {
    fn new(row: &'a R, config: &Config) -> Self {
        Self { row, user: Actor::user(config.user_id(), None), made: OrderedMap::new() }
    }

    fn mark(&mut self, name: &str, at: Stamp) -> R::Value {
        let own = |map: &str| self.row.get(map)?.as_row()?.get(name);
        let kept = own(FIELD_META).and_then(|mark| mark.as_row());
        let candidates =
            [kept.as_ref().and_then(|mark| mark.get("actor")), own(FIELD_ACTORS), self.row.get(LAST_ACTOR)];
        let actor = candidates.into_iter().flatten().find_map(|actor| Actor::parse(actor.to_json().ok()?).ok());
        let actor = actor.unwrap_or_else(|| self.user.clone());
        let origin = kept.and_then(|mark| mark.text("origin")).and_then(|text| Origin::of(&text));
        let origin = origin.unwrap_or_else(|| actor.origin());
        let json = actor.to_json();
        let made = self.made.entry((at, json.to_string(), origin.as_str()));
        made.or_insert_with(|| Mark::new(at, &R::Value::from_json(&json), origin).into_value()).clone()
    }
}

#[cfg(test)]
mod tests;
