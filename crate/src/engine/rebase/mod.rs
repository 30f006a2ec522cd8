//! Re-base: a full pull after the server can no longer follow our cursor, resumable, with unsent changes kept.
//!
//! `retention`: what lay behind the cursor was removed, so a record that does not come and has no unsent change is gone.
//! `restored`: the server's log is an older copy, so what it lacks is logged again with its own stamps, but only for
//! records of the user's own stream or of the user's authorship; others' rows are left to their authors.
//! `adopted`: the database was an older app's, so what did not come and was never queued is logged (see `adopt`).

mod adopted;
mod ending;
pub(super) mod held;
mod wished;

use super::apps::Apps;
use super::error::Result;
use super::events::Event;
use super::ports::Host;
use super::stamps::{json_of, stamp_of};
use super::{Engine, adopt, epoch, keyring, leaving, outbox, progress, rows, shadow};
use crate::model::{
    AUTHOR_ID, Change, Edit, FromJson, Op, OrderedMap, Origin, Place, SPACE_ID, Stamp, Step, record, same_json, words,
};
use crate::probe::{Probe, hit};
use crate::protocol::wire::ExpiryReason;
use crate::store::{CHANGE_LOG, ENGINE, Mode, Row, Scan, Store, Transaction};
use ending::Ending;
pub(super) use ending::{ByAuthor, Relogged, append, append_as, author_of, frame, marked_fields, updates};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::rc::Rc;
pub(super) use wished::{begin_wished, change_protocol, read_again, read_once_more, stored};

/// The greatest stamp that came of each field of a record.
type CameFields = OrderedMap<String, Stamp>;

words! {
    /// Why everything is pulled from the beginning.
    pub enum Why {
        /// The server's log is an older copy.
        Restored = "restored",
        /// What lay behind the cursor was removed.
        Retention = "retention",
        /// The database was an older app's.
        Adopted = "adopted",
        /// What some record had before is known to the server alone; nothing is gone because it does not come.
        ReadAgain = "readAgain",
    }
}

impl From<ExpiryReason> for Why {
    fn from(reason: ExpiryReason) -> Self {
        match reason {
            ExpiryReason::Restored => Self::Restored,
            ExpiryReason::Retention => Self::Retention,
        }
    }
}

/// What came of a record.
#[derive(Default, Clone)]
struct Came {
    fields: CameFields,
    /// Whether its insert did: without it, updates are of no use to a device that does not have the record.
    inserted: bool,
}

impl Came {
    /// Whether the insert came that gives the record its author; only an insert can.
    fn has_author_of<R: Row>(&self, row: &R) -> bool {
        let came = self.fields.get(AUTHOR_ID);
        self.inserted && came.is_none_or(|came| stamp_of(row, AUTHOR_ID).is_none_or(|at| *came <= at))
    }
}

record! {
    /// What came of a record on one page.
    struct Part {
        table: String = "table",
        id: String = "id",
        fields: Map<String, Value> = "fields",
        inserted: bool = "inserted",
    }
}

record! {
    /// What a page of a full pull brought.
    #[derive(Default)]
    pub struct Seen {
        seen: Vec<Part> = "seen",
    }
}

record! {
    struct Rebase {
        id: String = "id",
        reason: Why = "reason",
        /// Whether it begins only when the server has judged the cursor that is stored.
        wished: bool = "wished" or false,
        /// The cursor that the server had judged last when it began: it is shown once more in the end.
        from: Option<String> = "from",
        /// Whether something came of which a part had made room before: one more follows.
        again: bool = "again" or false,
    }
}

/// Stands for the clock epoch in rows logged again: their stamps are known to others and are never moved.
pub const EPOCH: &str = "rebase";

/// Kind of the rows that note what came.
const SEEN: &str = "rebaseSeen";

impl Seen {
    /// Notes the fields a change carries, once it was merged into `row`. A value that lost a tie is not what the record
    /// holds, so its stamp says nothing.
    pub fn add<R: Row>(&mut self, table: &str, change: &Change, row: Option<&R>) {
        let lost_tie = |name: &str, edit: &Edit| {
            let stored = row.filter(|row| stamp_of(*row, name) == Some(edit.at));
            stored.is_some_and(|row| !same_json(&json_of(row, name), &edit.value))
        };
        let came = change.fields.iter().filter(|(name, edit)| !lost_tie(name.as_str(), edit));
        let mut fields = Map::new();
        for (name, edit) in came {
            fields.insert(name.to_string(), edit.at.into());
        }
        let (table, id) = (table.to_owned(), change.id.to_string());
        self.seen.push(Part { table, id, fields, inserted: change.op == Op::Insert });
    }

    /// Stores the note in the transaction of its page.
    pub fn write<Tx: Transaction>(self, tx: &Tx, rebase: &str, page: &str) -> Result<()> {
        // Asked again after its end, a pull answers an empty page under the last one's cursor: that page stays noted.
        if self.seen.is_empty() {
            return Ok(());
        }
        rows::write(tx, SEEN, &format!("{rebase}/{page}"), self)
    }
}

/// Takes steps of the app's data with what full pulls brought so far; `steps` gives those of a table.
pub async fn migrate_seen<'a, Tx: Transaction>(tx: &Tx, steps: impl Fn(&str) -> Option<Vec<&'a Step>>) -> Result<()> {
    for (key, mut page) in rows::read_all::<_, Seen>(tx, SEEN).await? {
        for part in &mut page.seen {
            for step in steps(&part.table).unwrap_or_default() {
                part.take(step);
            }
        }
        rows::write(tx, SEEN, &key, page)?;
    }
    Ok(())
}

impl Part {
    fn take(&mut self, step: &Step) {
        for (name, at) in std::mem::take(&mut self.fields) {
            let name = match step.place_of(&name) {
                Place::Stays => name,
                Place::Moves(to) => to.to_string(),
                Place::Goes => continue,
            };
            let is_later = |there: &Value| Stamp::from_json(at.clone()) > Stamp::from_json(there.clone());
            if self.fields.get(&name).is_none_or(is_later) {
                self.fields.insert(name, at);
            }
        }
        for name in step.defaults.keys().filter(|_| self.inserted) {
            self.fields.entry(name.as_str()).or_insert_with(|| Stamp::EPOCH.into());
        }
    }
}

/// Begins a full pull: the cursor goes, and the session gets a new id; a full pull under way begins anew.
pub async fn begin<S: Store, H: Host>(engine: &Rc<Engine<S, H>>, reason: ExpiryReason) -> Result<()> {
    let user = engine.config().user_id().to_owned();
    let tx = engine.store.begin(Mode::Write, &[ENGINE])?;
    engine.check_lead(&tx).await?;
    let under_way: Option<Rebase> = rows::read(&tx, rows::REBASE, &user).await?;
    // What an adopted database still owes is not forgotten because its first cursor expired.
    let adopted = under_way.is_some_and(|rebase| rebase.reason == Why::Adopted);
    let why = if adopted { Why::Adopted } else { reason.into() };
    wish(&tx, &user, why, epoch::fresh_id(&engine.host)).await?;
    tx.commit().await?;
    engine.renew_session();
    Ok(())
}

/// Has the next pull begin at the beginning, under the name `id`. What waited for its record, and what found no room in
/// quarantine, comes again.
pub async fn wish<Tx: Transaction>(tx: &Tx, user: &str, reason: Why, id: String) -> Result<()> {
    for kind in [SEEN, rows::PARKED] {
        for (key, _) in rows::read_all::<_, Value>(tx, kind).await? {
            rows::remove(tx, kind, &key)?;
        }
    }
    rows::remove(tx, rows::DROPPED, user)?;
    progress::begin_anew(tx, user).await?;
    rows::write(tx, rows::REBASE, user, Rebase { id, reason, wished: false, from: None, again: false })
}

/// Ends the full pull `id`, whose last page was applied: deals with what did not come of the apps that it named, in one
/// transaction. Nothing is done where another one began meanwhile: of that one nothing came yet.
pub async fn end<S: Store, H: Host>(engine: &Rc<Engine<S, H>>, id: &str, named: &Apps) -> Result<()> {
    let user = engine.config().user_id().to_owned();
    let tables = engine.synced_tables();
    let stores: Vec<&str> = tables.iter().map(String::as_str).chain([ENGINE, CHANGE_LOG]).collect();
    let tx = engine.store.begin(Mode::Write, &stores)?;
    engine.check_lead(&tx).await?;
    let rebase = rows::read::<_, Rebase>(&tx, rows::REBASE, &user).await?.filter(|rebase| rebase.id == id);
    let Some(rebase) = rebase else { return Ok(()) };
    let now = Stamp::at_ms(epoch::current(&tx, &engine.host, &engine.watch).await?.now_ms(engine.host.now_ms()));
    let mut ending = Ending {
        came: came(&tx, &rebase.id).await?,
        unsent: outbox::unsent(&tx, |_| true).await?,
        held: held::read(&tx, &user).await?,
        why: rebase.reason,
        now,
        touched: Vec::new(),
        relogged: Vec::new(),
        came_open: Cell::default(),
        letters: Vec::new(),
    };
    let away = leaving::away(&tx, &user).await?;
    let judged = if rebase.reason == Why::ReadAgain { &[][..] } else { &tables[..] };
    for table in judged {
        let info = engine.config().table(table)?;
        let Some(sync) = info.sync.as_ref().filter(|sync| named.is_asked(sync.app.as_str())) else { continue };
        // Of a space that was left, or is not named just now, the server could bring nothing.
        let is_here = |row: &S::Row| row.text(SPACE_ID).is_none_or(|space| !away.contains(&space));
        for row in tx.scan(table, &Scan::default(), &is_here).await? {
            ending.row(&tx, table, sync, shadow::standing(row), engine)?;
        }
    }
    let told = keyring::tell_again(&tx, &user, || epoch::fresh_id(&engine.host)).await?;
    let (relogged, letters) = (ending.relogged.len(), ending.letters.len());
    let logged = relogged + told;
    if logged > 0 {
        hit(Probe::LoopRelogged);
    }
    append(&tx, &user, ending.relogged).await?;
    if ending.came_open.get() {
        keyring::note_arrivals(&tx, &user).await?;
    }
    for letter in ending.letters {
        letter.write(&tx, &user, now)?;
    }
    for (key, _) in rows::read_all::<_, Value>(&tx, SEEN).await? {
        rows::remove(&tx, SEEN, &key)?;
    }
    rows::remove(&tx, rows::REBASE, &user)?;
    if rebase.again {
        read_again(&tx, &user, epoch::fresh_id(&engine.host)).await?;
    }
    if let Some(from) = rebase.from {
        // Its log may have been restored or cut since: that is noticed there alone.
        progress::show_again(&tx, &user, from).await?;
    }
    let adoption = if rebase.reason == Why::Adopted { adopt::finish(&tx, relogged, letters).await? } else { None };
    tx.commit().await?;
    engine.committed(&ending.touched, Origin::ServerReplay, logged);
    if let Some(adoption) = adoption {
        engine.emit(Event::Adoption(adoption));
    }
    Ok(())
}

async fn came<Tx: Transaction>(tx: &Tx, rebase: &str) -> Result<OrderedMap<(String, String), Came>> {
    let mut came: OrderedMap<(String, String), Came> = OrderedMap::new();
    for (key, page) in rows::read_all::<_, Seen>(tx, SEEN).await? {
        if !key.starts_with(rebase) {
            continue;
        }
        for part in page.seen {
            let known = came.entry((part.table, part.id)).or_default();
            known.inserted |= part.inserted;
            for (field, at) in part.fields {
                let Some(at) = Stamp::from_json(at) else { continue };
                // The earliest insert gives the author, the newest edit everything else.
                let kept = |seen: Stamp| if field == AUTHOR_ID { at.min(seen) } else { at.max(seen) };
                let kept = known.fields.get(&field).copied().map_or(at, kept);
                known.fields.insert(field, kept);
            }
        }
    }
    Ok(came)
}
