//! Edits of a record that was moved: one that its mover had not seen is made where the record is now.
//!
//! Whoever sees such an edit, may write there and has the key where it takes one makes it, under the stamp it had, so
//! that it does not matter who does. A value that was sealed is never made plaintext so: it stays where it is, and the
//! person is told, who may write it there themselves.

use super::{of_spaces, travelling_fields};
use crate::engine::epoch;
use crate::engine::error::Result;
use crate::engine::events::{Conflict, Event, Side};
use crate::engine::ports::Host;
use crate::engine::prepare::is_deleted;
use crate::engine::sealing::{is_row_sealed, visibility_of};
use crate::engine::shadow::{Stands, Verdict as Found};
use crate::engine::stamps::{actor_of, json_of, stamp_of};
use crate::engine::{Engine, Touched, rows};
use crate::model::{
    AUTHOR_ID, Change, DELETED_AT, Edit, FieldName, ID, MOVED_TO, Op, OrderedMap, RecordId, SHARE_PROOF, SPACE_ID,
    TableSync, VISIBILITY, record, same_json,
};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, Store, Transaction};
use std::rc::Rc;

record! {
    /// A moved record that something came of.
    struct Moved {
        user_id: String = "userId",
        table: String = "table",
        id: String = "id",
    }
}

/// Where a deleted record was moved to, if its deletion was a move.
fn moved_to<R: Row>(row: &R) -> Option<String> {
    let is_move = is_deleted(row) && stamp_of(row, MOVED_TO) == stamp_of(row, DELETED_AT);
    row.text(MOVED_TO).filter(|_| is_move)
}

/// Notes in the transaction of a page which moved records something came of.
pub fn note_moved<Tx: Transaction>(tx: &Tx, user: &str, touched: &[Touched<Tx::Row>]) -> Result<()> {
    let moved = touched.iter().filter(|one| one.new.as_ref().is_some_and(|row| moved_to(row).is_some()));
    for one in moved {
        if let Key::Text(id) = &one.key {
            let note = Moved { user_id: user.to_owned(), table: one.table.clone(), id: id.clone() };
            rows::write(tx, rows::MOVED, &format!("{}/{id}", one.table), note)?;
        }
    }
    Ok(())
}

/// Fields that are about the record where it was.
fn stays(field: &str) -> bool {
    matches!(field, AUTHOR_ID | VISIBILITY | DELETED_AT | MOVED_TO | SHARE_PROOF)
}

/// Moves are followed so often: what refers to itself ends.
const MOST_MOVES: usize = 16;

/// Where a moved record is.
enum Place<R> {
    /// There, or nowhere any more.
    Known(Option<R>),
    /// It has not come, or may not be written yet.
    NotYet,
}

/// What is to be done with an edit of a moved record.
enum Verdict {
    Make(Edit),
    Tell(Box<Conflict>),
    /// The key is not here.
    Wait,
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Makes edits of moved records where these are now; once everything that was to come has come.
    pub(in crate::engine) async fn follow_moves(self: &Rc<Self>) -> Result<()> {
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let noted: Vec<(String, Moved)> = rows::read_all(&tx, rows::MOVED).await?;
        drop(tx);
        let user = self.config().user_id().to_owned();
        for (key, moved) in noted.into_iter().filter(|(_, moved)| moved.user_id == user) {
            if self.config().table(&moved.table).is_ok() {
                self.follow_move(&key, &moved.table, &moved.id).await?;
            }
        }
        Ok(())
    }

    async fn follow_move(self: &Rc<Self>, note: &str, table: &str, id: &str) -> Result<()> {
        let info = self.config().table(table)?;
        let (Ok(sync), Ok(record)) = (of_spaces(&info), RecordId::parse(id)) else { return Ok(()) };
        let tx = self.store.begin(Mode::Write, &[table, CHANGE_LOG, ENGINE])?;
        self.check_lead(&tx).await?;
        let epoch = epoch::current(&tx, &self.host, &self.watch).await?;
        let source = tx.get(table, &Key::text(id)).await?;
        let Place::Known(target) = self.place_of(&tx, table, record, source.as_ref()).await? else { return Ok(()) };
        let (mut fields, mut told) = (OrderedMap::new(), Vec::new());
        if let (Some(source), Some(target)) = (&source, &target) {
            for name in travelling_fields(source) {
                match self.verdict(sync, (table, &name), source, target)? {
                    None => {}
                    Some(Verdict::Wait) => return Ok(()),
                    Some(Verdict::Tell(conflict)) => told.push(*conflict),
                    Some(Verdict::Make(edit)) => {
                        if let Ok(name) = FieldName::parse(name) {
                            fields.insert(name, edit);
                        }
                    }
                }
            }
        }
        rows::remove(&tx, rows::MOVED, note)?;
        match (source, target) {
            (Some(source), Some(target)) if !fields.is_empty() => {
                let space = target.text(SPACE_ID);
                let to = RecordId::parse(target.text(ID).unwrap_or_default())?;
                let whole = self.whole_insert(sync, to, fields, (space.as_deref(), visibility_of(&target)))?;
                let change = Change { op: Op::Update, group: Some(epoch::fresh_id(&self.host)), ..whole };
                let row = self.merged(table, Some(target.clone()), &change, &source)?;
                let fields = change.fields.keys().map(ToString::to_string).collect();
                let key = Key::text(change.id.as_str());
                let touched = Touched { table: table.to_owned(), key, old: Some(target), new: Some(row), fields };
                self.log_whole(tx, &epoch, vec![(change, Some(id))], vec![touched]).await?;
            }
            _ => tx.commit().await?,
        }
        for conflict in told {
            self.emit(Event::Conflict(conflict));
        }
        Ok(())
    }

    /// Where a moved record is now, however often it was moved.
    async fn place_of(
        &self,
        tx: &S::Tx,
        table: &str,
        mut record: RecordId,
        source: Option<&S::Row>,
    ) -> Result<Place<S::Row>> {
        let mut next = source.and_then(moved_to);
        for _ in 0..MOST_MOVES {
            let Some(to) = next else { break };
            let Some(row) = tx.get(table, &Key::text(&to)).await? else { return Ok(Place::NotYet) };
            let space = row.text(SPACE_ID).unwrap_or_default();
            if record.in_space(&self.config().wire_space(&space)).as_str() != to {
                break;
            }
            if !is_deleted(&row) {
                let is_writable = self.config().check_writable_space(&space).is_ok();
                return Ok(if is_writable { Place::Known(Some(row)) } else { Place::NotYet });
            }
            next = moved_to(&row);
            record = RecordId::parse(to)?;
        }
        Ok(Place::Known(None))
    }

    fn verdict(
        &self,
        sync: &TableSync,
        (table, name): (&str, &str),
        source: &S::Row,
        target: &S::Row,
    ) -> Result<Option<Verdict>> {
        let (at, prev) = (stamp_of(source, name), stamp_of(target, name));
        let Some(at) = at.filter(|at| Some(*at) > prev && !stays(name)) else { return Ok(None) };
        let (from, to) = (source.text(ID).unwrap_or_default(), target.text(ID).unwrap_or_default());
        // What is not the user's stays where it is.
        match self.stands(sync, source, &from, name) {
            Some(Stands::Unknown) => return Ok(Some(Verdict::Wait)),
            Some(Stands::Before(_)) => return Ok(None),
            Some(Stands::Stored) | None => {}
        }
        let value = json_of(source, name);
        let seals = sync.sealed.contains(name) && self.is_kept_sealed(sync, target);
        let opens = sync.sealed.contains(name) && is_row_sealed(&self.config(), sync, source);
        let envelope = value.as_str().filter(|_| opens && super::is_envelope_text(&value));
        if self.is_locked() && (envelope.is_some() || seals && !value.is_null()) {
            return Ok(Some(Verdict::Wait));
        }
        let Some(text) = envelope else {
            if opens && !value.is_null() {
                // Nothing was there before it: it is the user's all the same only if nothing says that it is not.
                match self.judge(sync, source, (&from, name), None) {
                    Found::Good => {}
                    Found::Unknown => return Ok(Some(Verdict::Wait)),
                    Found::Bad(_) => return Ok(None),
                }
            }
            let sealed = seals && !value.is_null();
            let value = if sealed { self.seal_value(sync, &to, name, at, &value)?.into() } else { value };
            return Ok(Some(Verdict::Make(Edit { value, at, prev })));
        };
        let Some(value) = self.open_text(sync, &from, name, at, text) else { return Ok(None) };
        if seals {
            let value = self.seal_value(sync, &to, name, at, &value)?.into();
            return Ok(Some(Verdict::Make(Edit { value, at, prev })));
        }
        let side = |row: &S::Row, value, at: String| {
            let actor = actor_of(row, name).unwrap_or_default();
            Side { value, sealed: None, at, actor }
        };
        let shown = json_of(target, name);
        if same_json(&shown, &value) {
            return Ok(None);
        }
        let incoming = side(target, shown, prev.map(|prev| prev.to_string()).unwrap_or_default());
        let local = side(source, value, at.to_string());
        let conflict = Conflict { table: table.to_owned(), id: to, field: name.to_owned(), local, incoming };
        Ok(Some(Verdict::Tell(Box::new(conflict))))
    }
}
