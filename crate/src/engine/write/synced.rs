//! Writes on tables that sync: what is stored is read, the writes are planned against it, then carried out together.

use super::plan::{Act, Flip, Plan, Target};
use super::{Open, Outcome, Value, Write, Writer, rounds};
use crate::engine::error::{Error, Kind, Result};
use crate::engine::paths::Naming;
use crate::engine::ports::Host;
use crate::engine::prepare::{Field, changed_fields, is_deleted, is_purged, record_fields};
use crate::engine::read::Sight;
use crate::engine::{Touched, epoch, shadow};
use crate::model::{ID, RecordId, sort_by};
use crate::store::{Key, Row, RowValue, Scan, Store, Transaction, key_at};
use serde_json::json;

impl<S: Store, H: Host> Writer<S, H> {
    pub(super) async fn synced(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        write: Write<S::Row>,
    ) -> Result<Outcome> {
        match write {
            Write::Add(rows) => self.store_rows(open, target, rows, true).await,
            Write::Put(rows) => self.store_rows(open, target, rows, false).await,
            Write::Update(items) => self.update_rows(open, target, items, Naming::Paths, How::Change).await,
            Write::UpdateFields(items) => self.update_rows(open, target, items, Naming::Fields, How::Change).await,
            Write::Restate(items) => self.update_rows(open, target, items, Naming::Fields, How::Restate).await,
            Write::Upsert(items) => self.update_rows(open, target, items, Naming::Paths, How::Make).await,
            Write::Delete(keys) => self.flip(open, target, keys, Flip::Delete).await,
            Write::Restore(keys) => self.flip(open, target, keys, Flip::Restore).await,
            Write::Purge(keys) => self.purge(open, target, keys).await,
            Write::Clear { tombstones: true } => self.clear(open, target).await,
            Write::Clear { tombstones: false } => Err(unfit(
                target.name,
                "syncs, so clearing it deletes its records for everybody: ask for clear({ tombstones: true })",
            )),
            Write::AddAt(_) | Write::PutAt(_) => {
                Err(unfit(target.name, "keeps the key in the record: leave the second argument out"))
            }
        }
    }

    async fn store_rows(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        rows: Vec<S::Row>,
        only_new: bool,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut records = Vec::with_capacity(rows.len());
        for (position, row) in rows.iter().enumerate() {
            match self.id_of(row).and_then(|id| Ok(NewRecord { id, fields: record_fields(row)? })) {
                Ok(record) => records.push((position, record)),
                Err(error) => outcome.refuse(position, None, error),
            }
        }
        for round in rounds(records, |(_, record)| Some(Key::text(&record.id))) {
            self.store_round(open, target, round, only_new, &mut outcome).await?;
        }
        Ok(outcome)
    }

    async fn store_round(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        round: Vec<(usize, NewRecord<Value<S>>)>,
        only_new: bool,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let keys: Vec<Key> = round.iter().map(|(_, record)| Key::text(&record.id)).collect();
        let stored = self.stored(open, target.name, &keys).await?;
        let mut plans = Vec::with_capacity(round.len());
        for (((position, record), stored), key) in round.into_iter().zip(stored).zip(keys) {
            let plan = match stored {
                Some(row) if !is_deleted(&row) && only_new => Err(exists(target.name, &record.id)),
                Some(row) if !is_deleted(&row) => {
                    let shown = self.engine.opened(target.name, target.sync, row.clone());
                    self.plan_edits(target, record.id, (row, &shown), record.fields, true)
                }
                row => self.plan_insert(target, record, row),
            };
            match plan {
                Ok(plan) => {
                    plans.push(plan);
                    outcome.keys.push(key);
                }
                Err(error) => outcome.refuse(position, Some(key), error),
            }
        }
        outcome.count += self.carry_out(open, target, plans)?;
        open.result()
    }

    async fn update_rows(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        items: Vec<(Key, S::Row)>,
        naming: Naming,
        how: How,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for round in rounds(items.into_iter().enumerate(), |(_, (key, _))| Some(key.clone())) {
            let keys: Vec<Key> = round.iter().map(|(_, (key, _))| key.clone()).collect();
            let stored = self.stored(open, target.name, &keys).await?;
            let mut plans = Vec::with_capacity(round.len());
            for ((position, (key, changes)), row) in round.into_iter().zip(stored) {
                match self.plan_update(target, &key, (&changes, naming), row, how) {
                    Ok(None) => {}
                    Ok(Some(plan)) => {
                        outcome.created += usize::from(matches!(plan.act, Act::Insert { .. }));
                        plans.push(plan);
                        outcome.keys.push(key);
                    }
                    Err(error) => outcome.refuse(position, Some(key), error),
                }
            }
            outcome.count += self.carry_out(open, target, plans)?;
            open.result()?;
        }
        Ok(outcome)
    }

    fn plan_update(
        &self,
        target: &Target<'_>,
        key: &Key,
        (changes, naming): (&S::Row, Naming),
        stored: Option<S::Row>,
        how: How,
    ) -> Result<Option<Plan<S::Row>>> {
        match stored {
            Some(row) if !is_deleted(&row) => {
                let mut shown = self.engine.opened(target.name, target.sync, row.clone());
                if how == How::Restate {
                    shown = shown.shallow_copy();
                    for field in shadow::fields(&row) {
                        shown.remove(&field);
                    }
                }
                let fields = changed_fields(&shown, changes, naming)?;
                self.plan_edits(target, text_key(key)?, (row, &shown), fields, false).map(Some)
            }
            stored if how == How::Make => {
                let mut named = S::Row::empty();
                named.set_text(ID, &text_key(key)?);
                let id = self.id_of(&named)?;
                if changes.get(ID).is_some_and(|other| other.as_text().as_ref() != Some(&id)) {
                    return Err(another_id());
                }
                let mut fields = changed_fields(&S::Row::empty(), changes, naming)?;
                fields.retain(|field| field.name != ID);
                self.plan_insert(target, NewRecord { id, fields }, stored).map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn flip(&self, open: &mut Open<S>, target: &Target<'_>, keys: Vec<Key>, flip: Flip) -> Result<Outcome> {
        let mut unique: Vec<(usize, &Key)> = keys.iter().enumerate().collect();
        sort_by(&mut unique, |a, b| a.1.cmp(b.1));
        unique.dedup_by(|a, b| a.1 == b.1);
        let wanted: Vec<Key> = unique.iter().map(|(_, key)| (*key).clone()).collect();
        let stored = self.stored(open, target.name, &wanted).await?;
        let mut outcome = Outcome::default();
        let mut plans = Vec::new();
        for ((position, key), row) in unique.into_iter().zip(stored) {
            let fits = |row: &S::Row| is_deleted(row) == (flip == Flip::Restore) && !is_purged(row);
            let Some(row) = row.filter(fits) else { continue };
            match self.check_access(&row).and_then(|()| text_key(key)) {
                Ok(id) => plans.push(Plan { id, stored: Some(row), act: Act::Flip(flip) }),
                Err(error) => outcome.refuse(position, Some(key.clone()), error),
            }
        }
        outcome.count = self.carry_out(open, target, plans)?;
        open.result()?;
        outcome.keys = keys;
        Ok(outcome)
    }

    /// Deletes what a query over the table sees, all or nothing.
    async fn clear(&self, open: &mut Open<S>, target: &Target<'_>) -> Result<Outcome> {
        let table = self.engine.config().table(target.name)?;
        let sight = Sight::new(&self.engine.config(), &table, false, false);
        self.stored(open, target.name, &[]).await?;
        let rows = open.tx.scan(target.name, &Scan::default(), &|row| sight.sees(row)).await?;
        let mut outcome = Outcome::default();
        let mut plans = Vec::with_capacity(rows.len());
        // What was taken over with an id that is no text never left this device.
        let (rows, nameless): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.text(ID).is_some());
        for (position, row) in rows.into_iter().enumerate() {
            match self.check_access(&row) {
                Ok(()) => plans.push(Plan {
                    id: row.text(ID).unwrap_or_default(),
                    stored: Some(row),
                    act: Act::Flip(Flip::Delete),
                }),
                Err(error) => outcome.refuse(position, None, error),
            }
        }
        outcome.all_or_nothing()?;
        outcome.count = self.carry_out(open, target, plans)? + nameless.len();
        for row in nameless {
            let Some(key) = table.spec.primary.key_path.as_ref().and_then(|path| key_at(&row, path)) else { continue };
            open.tx.delete(target.name, &key)?;
            let table = target.name.to_owned();
            open.touched.push(Touched { table, key, old: Some(row), new: None, fields: Vec::new() });
        }
        open.result()?;
        Ok(outcome)
    }

    /// The stored rows of these keys; the first call of a transaction learns the clock's epoch in the same turn.
    pub(super) async fn stored(&self, open: &mut Open<S>, table: &str, keys: &[Key]) -> Result<Vec<Option<S::Row>>> {
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
            self.engine.host.unique(&mut random);
            return Ok(RecordId::from_parts(self.engine.host.now_ms(), &random).into());
        };
        let text = id.as_text().ok_or_else(|| unusable_id("must be a text"))?;
        RecordId::parse(text).map(Into::into).map_err(|malformed| unusable_id(&malformed.reason))
    }
}

/// What changes of records are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// Records that are there.
    Change,
    /// Others are made.
    Make,
    /// What is shown is said anew where something else is stored.
    Restate,
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

fn another_id() -> Error {
    let message = "id is the key that was given: leave it out of the changes; nothing was written";
    Error::new(Kind::ImmutableField, message).with(json!({ "field": ID }))
}

fn unfit(table: &str, why: &str) -> Error {
    Error::new(Kind::InvalidArgument, format!("{table} {why}; nothing was written")).with(json!({ "table": table }))
}

fn exists(table: &str, id: &str) -> Error {
    let message = format!("{table} has a record with this id already: use put or update; nothing was written");
    Error::new(Kind::AlreadyExists, message).with(json!({ "table": table, "id": id }))
}
