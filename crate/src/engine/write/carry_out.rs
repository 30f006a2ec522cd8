//! Carrying out plans: one stamp for all of them, the records put, their changes kept for the log.

use super::plan::{Act, Flip, Plan, Target};
use super::seal::check_sealed_size;
use super::{Open, Value, Writer};
use crate::engine::Touched;
use crate::engine::config::GUEST;
use crate::engine::error::Result;
use crate::engine::log::{Logged, LoggedEdit, Payload};
use crate::engine::ports::Host;
use crate::engine::prepare::Field;
use crate::engine::sealing::mark_own;
use crate::engine::shadow;
use crate::engine::stamps::{FieldMeta, Mark, stamp_of};
use crate::model::{
    AUTHOR_ID, DELETED_AT, EventId, FIELD_META, ID, SHARE_PROOF, SPACE_ID, Stamp, TableSync, USER_ID, VISIBILITY,
    Visibility,
};
use crate::store::{Key, Row, RowValue, Store, Transaction};

impl<S: Store, H: Host> Writer<S, H> {
    /// Stamps, puts and logs; gives the number of records that changed. A failed put has aborted the transaction.
    pub(super) fn carry_out(&self, open: &mut Open<S>, target: &Target<'_>, plans: Vec<Plan<S::Row>>) -> Result<usize> {
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
        let at = self.stamp(open, seen);
        let mark = Mark::new(at, &self.actor, self.origin);
        let count = plans.len();
        for plan in plans {
            if let Err(error) = self.carry_out_one(open, target, plan, &mark) {
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
        mark: &Mark<Value<S>>,
    ) -> Result<()> {
        let is_own = self.is_sealed(target.sync, &plan);
        let releases = self.releases(target.sync, &plan);
        let Plan { id, stored, act } = self.seal(target.sync, plan, mark.at)?;
        let mut row = match &act {
            Act::Insert { .. } => S::Row::empty(),
            Act::Edit(_) | Act::Flip(_) => stored.as_ref().map_or_else(S::Row::empty, Row::shallow_copy),
        };
        let mut meta = FieldMeta::of(stored.as_ref());
        let fields = match &act {
            Act::Edit(edits) => edits.iter().map(|edit| edit.name.clone()).collect(),
            // Fields of before are gone, or written anew.
            Act::Insert { data, .. } if stored.is_some() => data.names(),
            Act::Flip(Flip::Restore) => vec![DELETED_AT.to_owned()],
            Act::Insert { .. } | Act::Flip(Flip::Delete) => Vec::new(),
        };
        let payload = match act {
            Act::Insert { mut data, space, mut bytes } => {
                if releases {
                    let proof = self.engine.share_proof(target.sync, &id, mark.at)?;
                    bytes += SHARE_PROOF.len() + proof.len() + 6;
                    data.set_text(SHARE_PROOF, &proof);
                }
                row = data.shallow_copy();
                row.set_text(ID, &id);
                match &space {
                    Some(space) => row.set_word(SPACE_ID, space),
                    None => row.set_word(USER_ID, self.engine.config().user_id()),
                }
                take_away_old_fields(&mut data, stored.as_ref());
                // The author's mark stays that of the first insert, as merging keeps it.
                let marked = |name: &String| {
                    name != AUTHOR_ID || stored.as_ref().and_then(|row| stamp_of(row, AUTHOR_ID)).is_none()
                };
                let names = data.names();
                names.iter().filter(|name| marked(name)).for_each(|name| meta.mark(name, mark));
                let replaced = |name: String| stamp_of(stored.as_ref()?, &name).map(|prev| (name, prev));
                let replaced =
                    if stored.is_some() { names.into_iter().filter_map(replaced).collect() } else { Vec::new() };
                Payload::Insert { replaced, data, bytes }
            }
            Act::Edit(edits) => Payload::Update(edit_row(&mut row, &mut meta, edits, mark)),
            Act::Flip(Flip::Delete) => {
                let prev = stamp_of(&row, DELETED_AT);
                row.set_text(DELETED_AT, &mark.at.to_string());
                meta.mark(DELETED_AT, mark);
                Payload::Delete(prev)
            }
            Act::Flip(Flip::Restore) => {
                let revived = Field { name: DELETED_AT.to_owned(), value: Some(Value::<S>::null()), bytes: 0 };
                Payload::Update(edit_row(&mut row, &mut meta, vec![revived], mark))
            }
        };
        meta.write(&mut row);
        shadow::clear(&mut row, fields.iter().map(String::as_str));
        if is_own || releases {
            mark_own(&mut row);
        }
        self.log(open, target.sync, &id, &row, mark.at, payload);
        open.put(target.name, &row);
        let (table, key) = (target.name.to_owned(), Key::Text(id));
        open.touched.push(Touched { table, key, old: stored, new: Some(row), fields });
        Ok(())
    }

    fn log(&self, open: &mut Open<S>, sync: &TableSync, id: &str, row: &S::Row, at: Stamp, payload: Payload<S::Row>) {
        let config = self.engine.config();
        if config.user_id() == GUEST {
            return;
        }
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
            visibility: row.text(VISIBILITY).map(Visibility::from).unwrap_or_default(),
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
        self.engine.host.random(&mut random);
        EventId::from_parts(self.engine.host.now_ms(), &random)
    }
}

fn edit_row<R: Row>(
    row: &mut R,
    meta: &mut FieldMeta<R>,
    edits: Vec<Field<R::Value>>,
    mark: &Mark<R::Value>,
) -> Vec<LoggedEdit<R::Value>> {
    let logged = edits.into_iter().map(|edit| {
        let prev = stamp_of(row, &edit.name);
        let before = row.get(&edit.name).unwrap_or_else(R::Value::null);
        meta.mark(&edit.name, mark);
        let value = if let Some(value) = edit.value {
            row.set(&edit.name, value.clone());
            value
        } else {
            row.remove(&edit.name);
            R::Value::null()
        };
        LoggedEdit::new(edit.name, value, edit.bytes, prev, before)
    });
    logged.collect()
}

/// An insert over a tombstone says of every old field that it is gone, so that all replicas agree.
fn take_away_old_fields<R: Row>(data: &mut R, tombstone: Option<&R>) {
    let Some(meta) = tombstone.and_then(|row| row.get(FIELD_META)).and_then(|meta| meta.as_row()) else { return };
    for name in meta.names() {
        if data.get(&name).is_none() {
            data.set(&name, R::Value::null());
        }
    }
}
