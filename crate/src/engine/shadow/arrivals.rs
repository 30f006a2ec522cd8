//! Looking at what came for sealed fields: in the transaction it comes in where the key is here, else once it is.

use super::judge::Verdict;
use super::{Distrust, Shadow, clear, fields};
use crate::crypto::Unopened;
use crate::engine::apply::Works;
use crate::engine::error::Result;
use crate::engine::events::{Conflict, Event, Side};
use crate::engine::ports::Host;
use crate::engine::prepare::is_purged;
use crate::engine::sealing::{is_envelope_text, is_row_sealed};
use crate::engine::stamps::{actor_of, json_of, stamp_of};
use crate::engine::{Engine, Touched, keyring, rows};
use crate::model::{OrderedMap, TableSync, record};
use crate::store::{ENGINE, Key, Mode, Row, RowValue, Store, Transaction};
use serde_json::Value;
use std::rc::Rc;

/// Most records that are looked at in one transaction.
const PAGE: usize = 100;

record! {
    /// A record with a shadow that nobody with the key has looked at.
    struct Unseen {
        user_id: String = "userId",
        table: String = "table",
        id: String = "id",
    }
}

/// Notes a record of which something in the shadow was not looked at.
pub fn note_unseen<Tx: Transaction>(tx: &Tx, user: &str, table: &str, id: &str) -> Result<()> {
    let unseen = Unseen { user_id: user.to_owned(), table: table.to_owned(), id: id.to_owned() };
    rows::write(tx, rows::UNSEEN, &format!("{table}/{id}"), unseen)
}

/// What a page brought for sealed fields.
#[derive(Default)]
pub struct Arrived {
    unseen: Vec<Unseen>,
    told: Vec<Event>,
}

impl Arrived {
    /// Notes, in the transaction of the page, what has to be looked at once the key is here.
    pub fn note<Tx: Transaction>(&mut self, tx: &Tx) -> Result<()> {
        for one in self.unseen.drain(..) {
            rows::write(tx, rows::UNSEEN, &format!("{}/{}", one.table, one.id), one)?;
        }
        Ok(())
    }

    /// What the app is to be told of records that were stored.
    pub fn told<R>(self, touched: &[Touched<R>]) -> impl Iterator<Item = Event> {
        let is_stored = |event: &Event| match event {
            Event::Integrity { table, id, .. } => {
                touched.iter().any(|one| one.table == *table && matches!(&one.key, Key::Text(key) if key == id))
            }
            _ => false,
        };
        self.told.into_iter().filter(is_stored)
    }
}

/// A field of a record.
#[derive(Clone, Copy)]
struct Spot<'a> {
    table: &'a str,
    id: &'a str,
    field: &'a str,
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Looks at what a page brings for sealed fields, before it is stored. What was sealed there stays in the shadow of
    /// what came, unless that is found to be the user's.
    pub(in crate::engine) fn look_at(&self, works: &mut Works<S::Row>) -> Arrived {
        let mut arrived = Arrived::default();
        let config = self.config();
        if !config.seals_fields() {
            return arrived;
        }
        for ((table, id), work) in works.iter_mut() {
            let sync = config.tables.get(table).and_then(|table| table.sync.as_ref());
            let Some(sync) = sync.filter(|sync| !sync.sealed.is_empty()) else { continue };
            let Some((old, row)) = work.change() else { continue };
            if is_purged(row) || old.is_none() && self.is_locked() || !is_row_sealed(&config, sync, row) {
                continue;
            }
            let mut is_unseen = false;
            for field in &sync.sealed {
                if !came_for(old, row, field) {
                    continue;
                }
                let before = old.and_then(|old| Shadow::of(old, field).or_else(|| Shadow::from_stored(old, field)));
                let before = before.map(|before| Shadow { code: None, ..before });
                is_unseen |= !self.look(sync, row, Spot { table, id, field }, before, &mut arrived.told);
            }
            if is_unseen {
                let user_id = config.user_id().to_owned();
                arrived.unseen.push(Unseen { user_id, table: table.clone(), id: id.clone() });
            }
        }
        arrived
    }

    /// Looks at what is stored in a field, `before` in its shadow; whether the keys to tell were here. What the app is to
    /// be told goes to `told`.
    fn look(
        &self,
        sync: &TableSync,
        row: &mut S::Row,
        at: Spot<'_>,
        before: Option<Shadow<S::Row>>,
        told: &mut Vec<Event>,
    ) -> bool {
        let code = match self.judge(sync, row, (at.id, at.field), before.as_ref()) {
            Verdict::Bad(code) => code,
            Verdict::Good => {
                clear(row, [at.field]);
                return true;
            }
            Verdict::Unknown => {
                let Some(before) = before else { return true };
                before.keep(row, at.field);
                return false;
            }
        };
        let opened = before.map(|before| (self.open_shadow(sync, at.id, at.field, &before), before));
        match opened {
            Some((Err(Unopened::UnknownKey), before)) => {
                before.keep(row, at.field);
                return false;
            }
            Some((Ok(value), before)) => {
                told.push(distrusted(row, at, code, Some((value, &before))));
                Shadow { code: Some(code), ..before }.keep(row, at.field);
            }
            Some((Err(_), _)) | None => {
                told.push(distrusted(row, at, code, None));
                clear(row, [at.field]);
            }
        }
        true
    }

    /// Looks at what came while the key was not here. Whoever is killed in between goes on where it was.
    pub(in crate::engine) async fn look_again(self: &Rc<Self>) -> Result<()> {
        if self.is_locked() || !self.config().seals_fields() {
            return Ok(());
        }
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let noted: Vec<(String, Unseen)> = rows::read_all(&tx, rows::UNSEEN).await?;
        drop(tx);
        let user = self.config().user_id().to_owned();
        let mut by_table: OrderedMap<String, Vec<(String, String)>> = OrderedMap::new();
        for (note, unseen) in noted.into_iter().filter(|(_, unseen)| unseen.user_id == user) {
            by_table.entry(unseen.table).or_default().push((note, unseen.id));
        }
        for (table, noted) in by_table {
            if self.config().table(&table).is_ok() {
                for page in noted.chunks(PAGE) {
                    self.look_at_page(&table, page).await?;
                }
            }
        }
        Ok(())
    }

    async fn look_at_page(self: &Rc<Self>, table: &str, page: &[(String, String)]) -> Result<()> {
        let info = self.config().table(table)?;
        let Some(sync) = &info.sync else { return Ok(()) };
        let keys: Vec<Key> = page.iter().map(|(_, id)| Key::text(id)).collect();
        let tx = self.store.begin(Mode::Write, &[table, ENGINE])?;
        let stored = tx.get_many(table, &keys).await?;
        let (mut told, mut touched) = (Vec::new(), Vec::new());
        for ((note, id), old) in page.iter().zip(stored) {
            let (mut is_seen, mut is_changed) = (true, false);
            if let Some(old) = old.filter(|row| is_row_sealed(&self.config(), sync, row)) {
                let mut row = old.shallow_copy();
                for field in fields(&old) {
                    let shadow = Shadow::of(&old, &field).filter(|one| one.code.is_none());
                    let Some(shadow) = shadow.filter(|_| sync.sealed.contains(&field)) else { continue };
                    let is_known =
                        self.look(sync, &mut row, Spot { table, id, field: &field }, Some(shadow), &mut told);
                    is_seen &= is_known;
                    is_changed |= is_known;
                }
                // What no key here can tell stays as it is, however often it is looked at.
                if is_changed {
                    tx.put(table, &row, None)?;
                    let (table, key) = (table.to_owned(), Key::text(id));
                    touched.push(Touched { table, key, old: Some(old), new: Some(row), fields: Vec::new() });
                }
            }
            if is_seen {
                rows::remove(&tx, rows::UNSEEN, note)?;
            }
        }
        if keyring::brings_work(self, &touched) {
            let user = self.config().user_id().to_owned();
            keyring::note_arrivals(&tx, &user).await?;
        }
        tx.commit().await?;
        // Reading looks for itself, so what queries show is the same as before.
        for event in told {
            self.emit(event);
        }
        Ok(())
    }
}

/// Whether something came for a field.
fn came_for<R: Row>(old: Option<&R>, row: &R, field: &str) -> bool {
    let Some(old) = old else { return row.get(field).is_some_and(|value| !value.is_null()) };
    let same = match (old.get(field), row.get(field)) {
        (Some(old), Some(new)) => old.same(&new),
        (old, new) => old.is_none() && new.is_none(),
    };
    !same || stamp_of(old, field) != stamp_of(row, field)
}

/// What the app is told, with what is shown instead.
fn distrusted<R: Row>(row: &R, at: Spot<'_>, code: Distrust, before: Option<(Value, &Shadow<R>)>) -> Event {
    let names = || (at.table.to_owned(), at.id.to_owned(), at.field.to_owned());
    let kept = before.map(|(value, before)| {
        let actor = before.mark.get("actor").and_then(|actor| actor.to_json().ok()).unwrap_or_default();
        let local = Side { value, sealed: None, at: before.at().to_string(), actor };
        let stored = json_of(row, at.field);
        let sealed = stored.as_str().filter(|_| is_envelope_text(&stored)).map(str::to_owned);
        let value = if sealed.is_some() { Value::Null } else { stored };
        let written = stamp_of(row, at.field).map(|at| at.to_string()).unwrap_or_default();
        let actor = actor_of(row, at.field).unwrap_or_default();
        let (table, id, field) = names();
        Box::new(Conflict { table, id, field, local, incoming: Side { value, sealed, at: written, actor } })
    });
    let (table, id, field) = names();
    Event::Integrity { code, table, id, field, kept }
}
