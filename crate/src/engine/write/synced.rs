//! Writes on tables that sync: what is stored is read, the writes are planned against it, then carried out together.

use super::plan::{Act, Flip, Plan, Target};
use super::{Open, Value, Write, Writer, Written};
use crate::engine::epoch;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::prepare::{Field, changed_fields, is_deleted, record_fields};
use crate::model::{ID, RecordId};
use crate::store::{Key, Row, RowValue, Store, Transaction};
use serde_json::json;
use std::collections::BTreeSet;

impl<S: Store, H: Host> Writer<S, H> {
    pub(super) async fn synced(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        write: Write<S::Row>,
    ) -> Result<Written> {
        match write {
            Write::Add(rows) => self.store_rows(open, target, rows, true).await,
            Write::Put(rows) => self.store_rows(open, target, rows, false).await,
            Write::Update(items) => self.update_rows(open, target, items).await,
            Write::Delete(keys) => self.flip(open, target, keys, Flip::Delete).await,
            Write::Restore(keys) => self.flip(open, target, keys, Flip::Restore).await,
            Write::Clear => Err(Error::new(
                Kind::InvalidArgument,
                format!("{} syncs: clear() would be undone by the next pull; delete its records instead", target.name),
            )),
        }
    }

    async fn store_rows(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        rows: Vec<S::Row>,
        only_new: bool,
    ) -> Result<Written> {
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            records.push(NewRecord { id: self.id_of(row)?, fields: record_fields(row)? });
        }
        let mut ids = BTreeSet::new();
        if let Some(twice) = records.iter().find(|record| !ids.insert(record.id.clone())).filter(|_| only_new) {
            return Err(exists(target.name, &twice.id));
        }
        let mut written = Written::default();
        let mut rest = records.into_iter().peekable();
        while rest.peek().is_some() {
            // A record named twice is compared with its first writing, so the second waits for another round.
            let mut ids = BTreeSet::new();
            let mut round = Vec::new();
            while let Some(record) = rest.next_if(|record| ids.insert(record.id.clone())) {
                round.push(record);
            }
            self.store_round(open, target, round, only_new, &mut written).await?;
        }
        Ok(written)
    }

    async fn store_round(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        round: Vec<NewRecord<Value<S>>>,
        only_new: bool,
        written: &mut Written,
    ) -> Result<()> {
        let keys: Vec<Key> = round.iter().map(|record| Key::text(&record.id)).collect();
        let stored = self.stored(open, target.name, &keys).await?;
        let mut plans = Vec::with_capacity(round.len());
        for (record, stored) in round.into_iter().zip(stored) {
            plans.push(match stored {
                Some(row) if !is_deleted(&row) && only_new => return Err(exists(target.name, &record.id)),
                Some(row) if !is_deleted(&row) => self.plan_edits(record.id, row, record.fields, true)?,
                row => self.plan_insert(target, record, row)?,
            });
        }
        written.keys.extend(keys);
        written.count += self.carry_out(open, target, plans);
        open.result()
    }

    async fn update_rows(&self, open: &mut Open<S>, target: &Target<'_>, items: Vec<(Key, S::Row)>) -> Result<Written> {
        let mut written = Written::default();
        let mut rest = items.into_iter().peekable();
        while rest.peek().is_some() {
            let mut seen = BTreeSet::new();
            let mut round = Vec::new();
            while let Some(item) = rest.next_if(|(key, _)| seen.insert(key.clone())) {
                round.push(item);
            }
            self.update_round(open, target, round, &mut written).await?;
        }
        Ok(written)
    }

    async fn update_round(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        round: Vec<(Key, S::Row)>,
        written: &mut Written,
    ) -> Result<()> {
        let keys: Vec<Key> = round.iter().map(|(key, _)| key.clone()).collect();
        let stored = self.stored(open, target.name, &keys).await?;
        let mut plans = Vec::with_capacity(round.len());
        for ((key, changes), row) in round.into_iter().zip(stored) {
            let Some(row) = row.filter(|row| !is_deleted(row)) else { continue };
            let fields = changed_fields(&row, &changes)?;
            plans.push(self.plan_edits(text_key(&key)?, row, fields, false)?);
            written.keys.push(key);
        }
        written.count += self.carry_out(open, target, plans);
        open.result()
    }

    async fn flip(&self, open: &mut Open<S>, target: &Target<'_>, keys: Vec<Key>, flip: Flip) -> Result<Written> {
        let mut unique = keys.clone();
        unique.sort();
        unique.dedup();
        let stored = self.stored(open, target.name, &unique).await?;
        let mut plans = Vec::new();
        for (key, row) in unique.iter().zip(stored) {
            let Some(row) = row.filter(|row| is_deleted(row) == (flip == Flip::Restore)) else { continue };
            self.check_access(&row)?;
            plans.push(Plan { id: text_key(key)?, stored: Some(row), act: Act::Flip(flip) });
        }
        let count = self.carry_out(open, target, plans);
        open.result()?;
        Ok(Written { keys, count, ticket: None })
    }

    /// The stored rows of these keys; the first call of a transaction learns the clock's epoch in the same turn.
    async fn stored(&self, open: &mut Open<S>, table: &str, keys: &[Key]) -> Result<Vec<Option<S::Row>>> {
        if open.epoch.is_some() {
            return Ok(open.tx.get_many(table, keys).await?);
        }
        let epoch = epoch::current(&open.tx, &self.engine.host, &self.engine.watch);
        let stored = open.tx.get_many(table, keys);
        let (epoch, stored) = futures_util::future::join(epoch, stored).await;
        open.epoch = Some(epoch?);
        Ok(stored?)
    }

    fn id_of(&self, row: &S::Row) -> Result<String> {
        let Some(id) = row.get(ID) else {
            let mut random = [0; 10];
            self.engine.host.random(&mut random);
            return Ok(RecordId::from_parts(self.engine.host.now_ms(), &random).into());
        };
        let text = id.as_text().ok_or_else(|| unusable_id("must be a text"))?;
        RecordId::parse(text).map(Into::into).map_err(|malformed| unusable_id(&malformed.reason))
    }
}

/// A whole record on its way in.
pub(super) struct NewRecord<V> {
    /// Its id.
    pub(super) id: String,
    /// Its fields, checked.
    pub(super) fields: Vec<Field<V>>,
}

fn text_key(key: &Key) -> Result<String> {
    match key {
        Key::Text(id) => Ok(id.clone()),
        _ => Err(unusable_id("must be a text")),
    }
}

fn unusable_id(reason: &str) -> Error {
    Error::new(Kind::InvalidRecord, format!("the record's id {reason}; nothing was written"))
        .with(json!({ "field": ID }))
}

fn exists(table: &str, id: &str) -> Error {
    let message = format!("{table} has a record with this id already: use put or update; nothing was written");
    Error::new(Kind::AlreadyExists, message).with(json!({ "table": table, "id": id }))
}
