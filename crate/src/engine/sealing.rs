//! Which fields of which records are sealed, and rows as the app sees them.
//!
//! What decides is the record's own space, never the one a person happens to look at: what lies in a space of the user's
//! own, or belongs to the user, is sealed, and so are private records of shared spaces. Everything else in shared spaces
//! is plaintext, and a text there that looks like an envelope is a text.

use super::Engine;
use super::config::Config;
use super::error::Result;
use super::events::{Conflict, Event, Side};
use super::guests::is_guests;
use super::ports::Host;
use super::query::Found;
use super::shadow::{Distrust, Stands};
use super::stamps::stamp_of;
use crate::crypto::{Envelope, Format, Place, Unopened};
use crate::model::{
    FieldName, ID, OWN, RecordId, SHADOW, SHARE_PROOF, SPACE_ID, Scope, Stamp, TableSync, VISIBILITY, Visibility,
    same_json,
};
use crate::store::{Row, RowValue, Store};
use serde_json::Value;

/// Whether the registered fields of a record are sealed: of one in `space`, as stored, with that visibility.
pub fn is_sealed(config: &Config, sync: &TableSync, space: Option<&str>, visibility: Visibility) -> bool {
    if sync.sealed.is_empty() || config.user.is_none() {
        return false;
    }
    match space.filter(|_| sync.scope == Scope::Space) {
        None => true,
        Some(space) => config.is_own_space(space) || visibility == Visibility::Private,
    }
}

/// The same of a stored record; one that was the user's alone once stays so.
pub fn is_row_sealed<R: Row>(config: &Config, sync: &TableSync, row: &R) -> bool {
    if sync.sealed.is_empty() {
        return false;
    }
    if row.get(OWN).is_some() {
        return true;
    }
    let space = row.text(SPACE_ID).filter(|_| sync.scope == Scope::Space);
    if config.upgrading.is_some() {
        if is_guests(row) {
            return false;
        }
        // Of rows that nobody can tell whose they are, an upgrade neither opens nor writes what may be sealed.
        if config.user.is_none() || space.as_deref().is_some_and(|space| !config.knows_space(space)) {
            return true;
        }
    }
    is_sealed(config, sync, space.as_deref(), visibility_of(row))
}

/// Who may see a record.
pub fn visibility_of<R: Row>(row: &R) -> Visibility {
    let is_private = row.get(VISIBILITY).is_some_and(|value| value.is_word(Visibility::Private.as_str()));
    if is_private { Visibility::Private } else { Visibility::Space }
}

/// Marks a record that is the user's alone, so that it stays so.
pub fn mark_own<R: Row>(row: &mut R) {
    row.set(OWN, R::Value::number(1.0));
}

/// Whether a value is an envelope.
pub fn is_envelope_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Envelope::parse(text).is_some())
}

/// Whether a stored value is an envelope.
pub fn is_envelope<V: RowValue>(value: &V) -> bool {
    value.as_text().is_some_and(|text| Envelope::parse(&text).is_some())
}

/// Calls `act` with the place of a field, where its names are valid.
pub(super) fn at_place<T>(sync: &TableSync, id: &str, field: &str, act: impl FnOnce(&Place<'_>) -> T) -> Option<T> {
    let (id, field) = (RecordId::parse(id).ok()?, FieldName::parse(sync.bound_field(field)).ok()?);
    Some(act(&Place::new(&sync.app, sync.bound_table(), &id, &field)))
}

impl<S: Store, H: Host> Engine<S, H> {
    /// The row as the app sees it: what is sealed is opened, and what cannot be opened now is marked.
    pub(super) fn opened(&self, table: &str, sync: &TableSync, row: S::Row) -> S::Row {
        if !is_row_sealed(&self.config(), sync, &row) {
            return row;
        }
        let id = row.text(ID).unwrap_or_default();
        let has_shadow = row.get(SHADOW).is_some();
        let mut shown: Option<S::Row> = None;
        if self.is_shown_private(sync, &row) {
            shown.get_or_insert_with(|| row.shallow_copy()).set_word(VISIBILITY, Visibility::Private.as_str());
        }
        for field in &sync.sealed {
            let stands = if has_shadow { self.stands(sync, &row, &id, field) } else { None };
            let value = match stands {
                Some(Stands::Before(value)) => Some(value),
                Some(Stands::Unknown) => self.sealed_before(sync, &row, &id, field),
                Some(Stands::Stored) | None => {
                    let Some(text) = row.text(field).filter(|text| Envelope::is_like(text)) else { continue };
                    let at = stamp_of(&row, field).unwrap_or(Stamp::EPOCH);
                    match self.open_stored(sync, &id, field, at, &text) {
                        Err(Unopened::NotAnEnvelope) => continue,
                        Err(_) => {
                            self.tell_unreadable(table, &id, field);
                            None
                        }
                        Ok(value) => Some(value),
                    }
                }
            };
            let value = value.map_or_else(<S::Row as Row>::Value::sealed, |value| RowValue::from_json(&value));
            shown.get_or_insert_with(|| row.shallow_copy()).set(field, value);
        }
        let mut shown = shown.unwrap_or(row);
        if has_shadow {
            shown = shown.shallow_copy();
            shown.remove(SHADOW);
        }
        shown
    }

    /// Tells the app of a value that the keys which are here do not open, once for each field of a table.
    fn tell_unreadable(&self, table: &str, id: &str, field: &str) {
        if self.is_locked() || self.is_outdated() || !self.vault.is_first_unreadable(table, field) {
            return;
        }
        let (table, id, field) = (table.to_owned(), id.to_owned(), field.to_owned());
        self.emit(Event::Integrity { code: Distrust::DecryptFailed, table, id, field, kept: None });
    }

    /// The same of what a query found.
    pub(super) fn opened_found(&self, table: &str, found: Vec<Found<S::Row>>) -> Vec<Found<S::Row>> {
        let info = self.config().table(table).ok();
        let Some(sync) = info.as_ref().and_then(|table| table.sync.as_ref()).filter(|sync| !sync.sealed.is_empty())
        else {
            return found;
        };
        found.into_iter().map(|one| Found { row: one.row.map(|row| self.opened(table, sync, row)), ..one }).collect()
    }

    /// What a sealed text holds; `None` where no key here opens it.
    pub(super) fn open_text(&self, sync: &TableSync, id: &str, field: &str, at: Stamp, text: &str) -> Option<Value> {
        self.open_stored(sync, id, field, at, text).ok()
    }

    fn open_stored(
        &self,
        sync: &TableSync,
        id: &str,
        field: &str,
        at: Stamp,
        text: &str,
    ) -> std::result::Result<Value, Unopened> {
        let opened = at_place(sync, id, field, |place| self.vault.ring().open(place, at, text));
        let nowhere = || Err(Envelope::parse(text).map_or(Unopened::NotAnEnvelope, |_| Unopened::DoesNotOpen));
        opened.unwrap_or_else(nowhere)
    }

    /// What a sealed text of a field holds, for an app's own use of it. Fails with
    /// [`Kind::VaultLocked`](super::Kind::VaultLocked) where no key here opens it.
    pub fn open_value(&self, table: &str, id: &str, field: &str, at: &str, text: &str) -> Result<Value> {
        let table = self.config().table(table)?;
        let at = Stamp::parse(at).unwrap_or(Stamp::EPOCH);
        let value = table.sync.as_ref().and_then(|sync| self.open_text(sync, id, field, at, text));
        value.ok_or_else(super::vault::locked)
    }

    /// Seals a value of a field.
    pub(super) fn seal_value(
        &self,
        sync: &TableSync,
        id: &str,
        field: &str,
        at: Stamp,
        value: &Value,
    ) -> Result<String> {
        self.vault.check_sealing()?;
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let format = self.config().format;
        let sealed = at_place(sync, id, field, |place| self.vault.ring().seal(format, place, at, value, &random));
        Ok(sealed.ok_or_else(super::vault::locked)??)
    }

    /// What says that a record of the user's own is everybody's in its space, as decided at `at`. Nobody without the key
    /// can say so, nor say it of another record or at another time.
    pub(super) fn share_proof(&self, sync: &TableSync, id: &str, at: Stamp) -> Result<String> {
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let shared = Value::from(Visibility::Space.as_str());
        let seal = |place: &Place<'_>| self.vault.ring().seal(Format::Two, place, at, &shared, &random);
        Ok(at_place(sync, id, SHARE_PROOF, seal).ok_or_else(super::vault::locked)??)
    }

    /// Whether new values of a record are sealed: by the rule for it, or because it was the user's alone and nobody with
    /// the key said that it is everybody's.
    pub(super) fn is_kept_sealed(&self, sync: &TableSync, row: &S::Row) -> bool {
        if !is_row_sealed(&self.config(), sync, row) {
            return false;
        }
        if is_sealed(&self.config(), sync, row.text(SPACE_ID).as_deref(), visibility_of(row)) {
            return true;
        }
        let (id, at) = (row.text(ID).unwrap_or_default(), stamp_of(row, VISIBILITY).unwrap_or(Stamp::EPOCH));
        let said = row.text(SHARE_PROOF).and_then(|proof| self.open_text(sync, &id, SHARE_PROOF, at, &proof));
        said != Some(Value::from(Visibility::Space.as_str()))
    }

    /// Who may see a record, as far as this device believes it: nobody without the key makes everybody's what is kept
    /// sealed in a shared space.
    pub(super) fn believed_visibility(&self, sync: &TableSync, row: &S::Row) -> Visibility {
        let is_shared = |space: String| !self.config().is_own_space(&space);
        let is_hidden =
            sync.scope == Scope::Space && row.text(SPACE_ID).is_some_and(is_shared) && self.is_kept_sealed(sync, row);
        if is_hidden { Visibility::Private } else { visibility_of(row) }
    }

    /// Whether a record is said to be everybody's, and that is not believed.
    pub(super) fn is_said_shared(&self, sync: &TableSync, row: &S::Row) -> bool {
        visibility_of(row) == Visibility::Space && self.believed_visibility(sync, row) == Visibility::Private
    }

    /// Whether such a record is shown as its author's alone. One that brings a proof is shown as it says until the key is
    /// here to tell: else what was shared would seem to be private whenever the vault is locked.
    fn is_shown_private(&self, sync: &TableSync, row: &S::Row) -> bool {
        let waits = || (self.is_locked() || self.is_outdated()) && row.text(SHARE_PROOF).is_some();
        self.is_said_shared(sync, row) && !waits()
    }

    /// A conflict as the app sees it, in the record `row`; `None` where both sides turn out to be the same. What cannot
    /// be opened now is `null`, and kept as it is beside that.
    pub(super) fn opened_conflict(&self, conflict: Conflict, row: Option<&S::Row>) -> Option<Conflict> {
        let Ok(table) = self.config().table(&conflict.table) else { return Some(conflict) };
        let sealed = table.sync.as_ref().filter(|sync| sync.sealed.contains(&conflict.field));
        let Some(sync) = sealed.filter(|sync| row.is_none_or(|row| is_row_sealed(&self.config(), sync, row))) else {
            return Some(conflict);
        };
        let open = |side: Side| {
            let Some(text) = side.value.as_str().filter(|text| Envelope::parse(text).is_some()) else { return side };
            let at = Stamp::parse(&side.at).unwrap_or(Stamp::EPOCH);
            match self.open_text(sync, &conflict.id, &conflict.field, at, text) {
                Some(value) => Side { value, ..side },
                None => Side { sealed: Some(text.to_owned()), value: Value::Null, ..side },
            }
        };
        let (local, incoming) = (open(conflict.local), open(conflict.incoming));
        let same = local.sealed.is_none() && incoming.sealed.is_none() && same_json(&local.value, &incoming.value);
        (!same).then_some(Conflict { local, incoming, ..conflict })
    }
}
