//! Carrying out plans: one stamp for all of them, the records put, their changes kept for the log.

use super::plan::{Act, Flip, Plan, Target};
use super::saying::{Saying, keep_stamps};
use super::seal::check_sealed_size;
use super::{Open, Value, Writer};
use crate::engine::Touched;
use crate::engine::error::Result;
use crate::engine::log::{Logged, LoggedEdit, Payload};
use crate::engine::ports::Host;
use crate::engine::prepare::Field;
use crate::engine::sealing::{mark_own, visibility_of};
use crate::engine::shadow;
use crate::engine::stamps::{FieldMeta, LastFresh, Mark, stamp_of};
use crate::model::{AUTHOR_ID, DELETED_AT, EventId, FIELD_META, ID, SHARE_PROOF, SPACE_ID, Stamp, TableSync, USER_ID};
use crate::store::{Key, Row, RowValue, Store, Transaction};

impl<S: Store, H: Host> Writer<S, H> {
    /// Stamps, puts and logs; gives the number of records that changed. A failed put has aborted the transaction.
    pub(super) fn carry_out(&self, open: &mut Open<S>, target: &Target<'_>, plans: Vec<Plan<S::Row>>) -> Result<usize> {
        self.carry_out_at(open, target, plans, None)
    }

    /// The same under a stamp that is given; `None`: the transaction's.
    pub(super) fn carry_out_at(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        plans: Vec<Plan<S::Row>>,
        at: Option<Stamp>,
    ) -> Result<usize> {
        let plans: Vec<_> =
            plans.into_iter().filter(|plan| !matches!(&plan.act, Act::Edit(edits) if edits.is_empty())).collect();
        let own = |id: &str, field: &str| open.logged.wrote(target.sync, id, field);
        let seen = plans.iter().filter_map(|plan| plan.seen(|field| own(&plan.id, field))).max();
        if plans.is_empty() {
            return Ok(0);
        }
        for plan in plans.iter().filter(|plan| self.seals(target.sync, plan)) {
            self.engine.vault.check_sealing()?;
            check_sealed_size(target.sync, plan)?;
        }
        let at = at.unwrap_or_else(|| self.stamp(open, seen));
        let mut marking = Marking { mark: Mark::new(at, &self.actor, self.origin), last: LastFresh::default() };
        let count = plans.len();
        for plan in plans {
            if let Err(error) = self.carry_out_one(open, target, plan, &mut marking) {
                // Some of it may be put already.
                open.tx.abort();
                return Err(error);
            }
        }
        Ok(count)
    }

    fn carry_out_one(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        plan: Plan<S::Row>,
        marking: &mut Marking<S::Row>,
    ) -> Result<()> {
        let saying = self.saying(plan.stored.as_ref());
        let is_own = saying == Saying::Logged && self.is_sealed(target.sync, &plan);
        let releases = self.releases(target.sync, &plan);
        let at = marking.mark.at;
        let Plan { id, stored, act } = self.seal(target.sync, plan, at)?;
        let Done { mut row, payload, fields } = match (act, &stored) {
            (Act::Insert { mut data, space, mut bytes }, old) => {
                if releases {
                    let proof = self.engine.share_proof(target.sync, &id, at)?;
                    bytes += SHARE_PROOF.len() + proof.len() + 6;
                    data.set_text(SHARE_PROOF, &proof);
                }
                let mut row = data.shallow_copy();
                row.set_text(ID, &id);
                match &space {
                    Some(space) => row.set_word(SPACE_ID, space),
                    None => row.set_word(USER_ID, self.engine.config().user_id()),
                }
                insert(row, data, bytes, old.as_ref(), marking)
            }
            (Act::Edit(edits), Some(old)) => edit(old, edits, &marking.mark),
            (Act::Flip(Flip::Delete), Some(old)) => delete(old, &marking.mark),
            (Act::Flip(Flip::Restore), Some(old)) => {
                let revived = Field { name: DELETED_AT.to_owned(), value: Some(Value::<S>::null()), bytes: 0 };
                edit(old, vec![revived], &marking.mark)
            }
            // Only what is stored is edited or deleted.
            (Act::Edit(_) | Act::Flip(_), None) => return Ok(()),
        };
        shadow::clear(&mut row, fields.iter().map(String::as_str));
        if is_own || releases {
            mark_own(&mut row);
        }
        match (saying, &stored) {
            (Saying::Logged, _) => self.log(open, target.sync, &id, &row, at, payload),
            (Saying::Silent, Some(stored)) => keep_stamps(&mut row, stored),
            (Saying::Stamped | Saying::Silent, _) => {}
        }
        open.put(target.name, &row);
        let (table, key) = (target.name.to_owned(), Key::Text(id));
        open.touched.push(Touched { table, key, old: stored, new: Some(row), fields });
        Ok(())
    }

    fn log(&self, open: &mut Open<S>, sync: &TableSync, id: &str, row: &S::Row, at: Stamp, payload: Payload<S::Row>) {
        if let Payload::Update(edits) = payload {
            let earlier = open.logged.last_of(sync, id);
            if let Some(earlier) = earlier.filter(|logged| logged.takes_updates(at)) {
                for edit in edits {
                    earlier.join(edit);
                }
                return;
            }
            self.push_log(open, sync, id, row, at, Payload::Update(edits));
            return;
        }
        self.push_log(open, sync, id, row, at, payload);
    }

    fn push_log(
        &self,
        open: &mut Open<S>,
        sync: &TableSync,
        id: &str,
        row: &S::Row,
        at: Stamp,
        payload: Payload<S::Row>,
    ) {
        let config = self.engine.config();
        let change = Logged {
            event_id: self.fresh_event_id(),
            app: sync.app.clone(),
            schema_version: sync.schema_version,
            table: sync.sync_name.clone(),
            id: id.to_owned(),
            at,
            payload,
            space: row.text(SPACE_ID).map(|space| config.wire_space(&space)),
            visibility: visibility_of(row),
            bytes: 0,
        };
        open.logged.push(change.weighed());
    }

    /// The transaction's stamp; raised when a later write in it replaces something as new as that.
    fn stamp(&self, open: &mut Open<S>, seen: Option<Stamp>) -> Stamp {
        if let Some(stamp) = open.stamp.filter(|stamp| seen.is_none_or(|seen| seen < *stamp)) {
            return stamp;
        }
        let device_ms = self.engine.host.now_ms();
        let seen = seen.max(open.stamp);
        let mut clock = self.engine.clock.borrow_mut();
        let stamp = clock.tick(open.epoch.as_ref(), device_ms, seen);
        drop(clock);
        open.stamp = Some(stamp);
        stamp
    }

    fn fresh_event_id(&self) -> EventId {
        let mut random = [0; 10];
        self.engine.host.unique(&mut random);
        EventId::from_parts(self.engine.host.now_ms(), &random)
    }
}

/// How the records of one call are marked.
struct Marking<R: Row> {
    mark: Mark<R::Value>,
    last: LastFresh<R>,
}

/// What carrying one plan out gives: the record to be put, its change, and the names of the fields that changed, none
/// where all are new.
struct Done<R: Row> {
    row: R,
    payload: Payload<R>,
    fields: Vec<String>,
}

/// `row` is the new record without its metadata, `data` what its change carries.
fn insert<R: Row>(mut row: R, mut data: R, bytes: usize, tombstone: Option<&R>, marking: &mut Marking<R>) -> Done<R> {
    let names = data.names();
    let Some(tombstone) = tombstone else {
        marking.last.write(&mut row, names, &marking.mark);
        return Done { row, payload: Payload::Insert { replaced: Vec::new(), data, bytes }, fields: Vec::new() };
    };
    // Fields of before are gone, or written anew.
    let fields = names;
    take_away_old_fields(&mut data, tombstone);
    let mut meta = FieldMeta::of(Some(tombstone));
    let names = data.names();
    // The author's mark stays that of the first insert, as merging keeps it.
    let is_marked = |name: &&String| *name != AUTHOR_ID || stamp_of(tombstone, AUTHOR_ID).is_none();
    names.iter().filter(is_marked).for_each(|name| meta.mark(name, &marking.mark));
    meta.write(&mut row);
    let replaced = names.into_iter().filter_map(|name| {
        let before = tombstone.get(&name).unwrap_or_else(R::Value::null);
        stamp_of(tombstone, &name).map(|prev| (name, prev, before))
    });
    Done { row, payload: Payload::Insert { replaced: replaced.collect(), data, bytes }, fields }
}

fn edit<R: Row>(old: &R, edits: Vec<Field<R::Value>>, mark: &Mark<R::Value>) -> Done<R> {
    let (mut row, mut meta) = (old.shallow_copy(), FieldMeta::of(Some(old)));
    let fields = edits.iter().map(|edit| edit.name.clone()).collect();
    let logged = edits.into_iter().map(|edit| {
        let prev = stamp_of(old, &edit.name);
        let before = old.get(&edit.name).unwrap_or_else(R::Value::null);
        meta.mark(&edit.name, mark);
        let value = if let Some(value) = edit.value {
            row.set(&edit.name, value.clone());
            value
        } else {
            row.remove(&edit.name);
            R::Value::null()
        };
        let shadow = shadow::stored(old, &edit.name);
        LoggedEdit::new(edit.name, value, edit.bytes, prev, (before, shadow))
    });
    let payload = Payload::Update(logged.collect());
    meta.write(&mut row);
    Done { row, payload, fields }
}

fn delete<R: Row>(old: &R, mark: &Mark<R::Value>) -> Done<R> {
    let (mut row, mut meta) = (old.shallow_copy(), FieldMeta::of(Some(old)));
    row.set_text(DELETED_AT, &mark.at.to_string());
    meta.mark(DELETED_AT, mark);
    meta.write(&mut row);
    Done { row, payload: Payload::Delete(stamp_of(old, DELETED_AT)), fields: Vec::new() }
}

/// An insert over a tombstone says of every old field that it is gone, so that all replicas agree.
fn take_away_old_fields<R: Row>(data: &mut R, tombstone: &R) {
    let Some(meta) = tombstone.get(FIELD_META).and_then(|meta| meta.as_row()) else { return };
    for name in meta.names() {
        if data.get(&name).is_none() {
            data.set(&name, R::Value::null());
        }
    }
}
