//! How far sealing anew is: by which key, for which fields, up to which record.

use super::Known;
use crate::crypto::{Envelope, KeyName};
use crate::engine::error::Result;
use crate::engine::ports::Host;
use crate::engine::shadow::Shadow;
use crate::engine::stamps::stamp_of;
use crate::engine::{Engine, Touched, rows};
use crate::model::{Stamp, TableSync, record};
use crate::store::{Row, RowValue, Store, Transaction};

/// Kind of the row that says how far it is, by user.
const SWEEP: &str = "sweep";
/// What the names of facts begin with that say since when a field is sealed.
pub const SEALED: &str = "sealed:";

record! {
    /// How far it is.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Sweep {
        /// The key under which everything is to be.
        pub key: String = "under",
        /// The fields that are registered.
        pub fields: Vec<String> = "fields",
        /// The table it is at; `None`: at the beginning.
        pub table: Option<String> = "table",
        /// The last record of it that was dealt with.
        pub after: Option<String> = "after",
        /// Something came, or had to wait, so that once more is needed.
        pub again: bool = "again",
        /// It has come to its end.
        pub done: bool = "done",
        /// Fields with values that cannot be sealed.
        pub left: Vec<String> = "left",
    }
}

impl Sweep {
    /// How far it is; one for another key or for other fields begins anew.
    pub async fn read<Tx: Transaction>(tx: &Tx, user: &str, key: KeyName, fields: Vec<String>) -> Result<Self> {
        let key = key.to_string();
        let stored: Option<Self> = rows::read(tx, SWEEP, user).await?;
        let stored = stored.filter(|sweep| sweep.key == key && sweep.fields == fields && !(sweep.done && sweep.again));
        Ok(stored.unwrap_or(Self { key, fields, ..Self::default() }))
    }

    /// Stores it.
    pub fn write<Tx: Transaction>(self, tx: &Tx, user: &str) -> Result<()> {
        rows::write(tx, SWEEP, user, self)
    }
}

/// Has everything looked through again.
pub fn forget<Tx: Transaction>(tx: &Tx, user: &str) -> Result<()> {
    rows::remove(tx, SWEEP, user)
}

/// The name of a field in the record's facts: as its values are bound, so that one that was renamed is no new one.
pub fn field_name(sync: &TableSync, field: &str) -> String {
    format!("{}/{}/{}", sync.app.as_str(), sync.bound_table().as_str(), sync.bound_field(field))
}

/// The fields that are registered.
pub fn registered<S: Store, H: Host>(engine: &Engine<S, H>) -> Vec<String> {
    let config = engine.config();
    let syncs = config.tables.values().filter_map(|table| table.sync.as_ref());
    syncs.flat_map(|sync| sync.sealed.iter().map(|field| field_name(sync, field))).collect()
}

/// The fields of a record that are to be sealed under `newest`: what is in plaintext or under an older key. `since` says
/// from when a field was sealed: what is not sealed for its place and came later is nobody's of this app, and is not taken
/// for it; nor is what nobody with the key has looked at.
pub fn fields_to_seal<'a, R: Row>(
    row: &R,
    sync: &'a TableSync,
    newest: KeyName,
    since: &impl Fn(&str) -> Option<Stamp>,
) -> Vec<&'a str> {
    let is_due = |field: &&String| {
        let Some(value) = row.get(field).filter(|value| !value.is_null()) else { return false };
        let is_early = || since(field).is_none_or(|since| stamp_of(row, field).is_some_and(|at| at <= since));
        let is_due = match value.as_text().and_then(|text| Envelope::parse(&text)) {
            Some(envelope) => envelope.key().map_or_else(|| newest.generation > 1 && is_early(), |key| key < newest),
            None => is_early(),
        };
        is_due && Shadow::of(row, field).is_none()
    };
    sync.sealed.iter().filter(is_due).map(String::as_str).collect()
}

/// Whether records that arrived have to be sealed anew.
pub fn brings_work<S: Store, H: Host>(engine: &Engine<S, H>, touched: &[Touched<S::Row>]) -> bool {
    let (config, known) = (engine.config(), engine.vault.known.borrow());
    let newest = known.newest();
    touched.iter().any(|one| {
        let sync = config.tables.get(&one.table).and_then(|table| table.sync.as_ref());
        let (Some(sync), Some(row)) = (sync.filter(|sync| !sync.sealed.is_empty()), &one.new) else { return false };
        let since = |field: &str| told_since(&known, sync, field);
        engine.is_kept_sealed(sync, row)
            && newest.is_some_and(|newest| !fields_to_seal(row, sync, newest, &since).is_empty())
    })
}

/// Since when a field is sealed, as the record says without being opened.
fn told_since(known: &Known, sync: &TableSync, field: &str) -> Option<Stamp> {
    let name = field_name(sync, field);
    known.named(SEALED).filter(|(of, _)| *of == name).map(|(_, fact)| fact.at).min()
}

/// Notes, in the transaction of a page, that it brought something to be sealed anew.
pub async fn note_arrivals<Tx: Transaction>(tx: &Tx, user: &str) -> Result<()> {
    match rows::read::<_, Sweep>(tx, SWEEP, user).await? {
        Some(sweep) if !sweep.again => rows::write(tx, SWEEP, user, Sweep { again: true, ..sweep }),
        _ => Ok(()),
    }
}
