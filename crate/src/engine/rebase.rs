//! Re-base: a full pull after the server can no longer follow our cursor, resumable, with unsent changes kept.
//!
//! `retention`: what lay behind the cursor was removed, so a record that does not come and has no unsent change is gone.
//! `restored`: the server's log is an older copy, so what it lacks is logged again with its own stamps, but only for
//! records of the user's own stream or of the user's authorship; others' rows are left to their authors.

use super::apply::insert_of;
use super::config::{Config, GUEST};
use super::error::Result;
use super::outbox::{self, LogRow, LoggedChange};
use super::ports::Host;
use super::prepare::is_purged;
use super::stamps::{source_of, stamp_of};
use super::{Engine, Touched, epoch, rows};
use crate::model::{
    AUTHOR_ID, Change, Edit, EventId, FIELD_META, FromJson, Op, Origin, RecordId, SPACE_ID, Stamp, TableSync, USER_ID,
    VISIBILITY, Visibility, is_hidden, record, same_json,
};
use crate::probe::{Probe, hit};
use crate::protocol::limits::MAX_LOG_ROW_CHANGES;
use crate::protocol::wire::ExpiryReason;
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, RowValue, Scan, Store, Transaction};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The greatest stamp that came of each field of a record.
type CameFields = BTreeMap<String, Stamp>;

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
        reason: ExpiryReason = "reason",
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
        rows::write(tx, SEEN, &format!("{rebase}/{page}"), self)
    }
}

/// Begins a full pull: the cursor goes, and the session gets a new id; a full pull under way begins anew.
pub async fn begin<S: Store, H: Host>(engine: &Rc<Engine<S, H>>, reason: ExpiryReason) -> Result<()> {
    let user = engine.config().user_id().to_owned();
    let tx = engine.store.begin(Mode::Write, &[ENGINE])?;
    for kind in [SEEN, rows::PARKED] {
        for (key, _) in rows::read_all::<_, Value>(&tx, kind).await? {
            rows::remove(&tx, kind, &key)?;
        }
    }
    rows::remove(&tx, rows::CURSOR, &user)?;
    rows::write(&tx, rows::REBASE, &user, Rebase { id: epoch::fresh_id(&engine.host), reason })?;
    tx.commit().await?;
    engine.renew_session();
    Ok(())
}

/// The full pull under way, if there is one.
pub async fn current<S: Store, H: Host>(engine: &Rc<Engine<S, H>>) -> Result<Option<String>> {
    let user = engine.config().user_id().to_owned();
    let tx = engine.store.begin(Mode::Read, &[ENGINE])?;
    Ok(rows::read::<_, Rebase>(&tx, rows::REBASE, &user).await?.map(|rebase| rebase.id))
}

/// Ends a full pull whose last page was applied: deals with what did not come, in one transaction.
pub async fn end<S: Store, H: Host>(engine: &Rc<Engine<S, H>>) -> Result<()> {
    if current(engine).await?.is_none() {
        return Ok(());
    }
    let user = engine.config().user_id().to_owned();
    let tables = engine.synced_tables();
    let stores: Vec<&str> = tables.iter().map(String::as_str).chain([ENGINE, CHANGE_LOG]).collect();
    let tx = engine.store.begin(Mode::Write, &stores)?;
    let Some(rebase) = rows::read::<_, Rebase>(&tx, rows::REBASE, &user).await? else { return Ok(()) };
    let mut ending = Ending {
        came: came(&tx, &rebase.id).await?,
        unsent: outbox::unsent_fields(&tx).await?,
        restored: rebase.reason == ExpiryReason::Restored,
        touched: Vec::new(),
        relogged: Vec::new(),
    };
    for table in &tables {
        let info = engine.config().table(table)?;
        let Some(sync) = &info.sync else { continue };
        for row in tx.scan(table, &Scan::default(), &|_| true).await? {
            ending.row(&tx, table, sync, row, engine)?;
        }
    }
    let logged = ending.relogged.len();
    if logged > 0 {
        hit(Probe::LoopRelogged);
    }
    append(&tx, &user, ending.relogged).await?;
    for (key, _) in rows::read_all::<_, Value>(&tx, SEEN).await? {
        rows::remove(&tx, SEEN, &key)?;
    }
    rows::remove(&tx, rows::REBASE, &user)?;
    tx.commit().await?;
    engine.committed(&ending.touched, Origin::ServerReplay, logged);
    Ok(())
}

async fn came<Tx: Transaction>(tx: &Tx, rebase: &str) -> Result<BTreeMap<(String, String), Came>> {
    let mut came: BTreeMap<(String, String), Came> = BTreeMap::new();
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

/// A change to log again: app, schema version, actor, origin, and the change itself.
type Relogged = (String, u32, Value, Origin, LoggedChange);

struct Ending<R> {
    came: BTreeMap<(String, String), Came>,
    unsent: BTreeSet<(String, String, String)>,
    restored: bool,
    touched: Vec<Touched<R>>,
    relogged: Vec<Relogged>,
}

impl<R: Row> Ending<R> {
    fn row<Tx: Transaction<Row = R>, S: Store, H: Host>(
        &mut self,
        tx: &Tx,
        table: &str,
        sync: &TableSync,
        row: R,
        engine: &Engine<S, H>,
    ) -> Result<()> {
        let Some(id) = row.text(crate::model::ID) else { return Ok(()) };
        if is_guests(&row) {
            return Ok(());
        }
        let came = self.came.get(&(table.to_owned(), id.clone()));
        // What was purged from this device has stamps but no values to say again.
        let mine = self.restored && is_ours(&row, &engine.config()) && !is_purged(&row);
        match came {
            Some(came) if mine && came.has_author_of(&row) => {
                let fields = came.fields.clone();
                self.relog_newer(sync, &id, &row, &fields, engine);
            }
            Some(_) if !mine => {}
            // Even with an unsent update in the log: the server has lost what it updates.
            _ if mine => self.relog_whole(sync, &id, &row, engine),
            _ if self.is_unsent(sync, &id) => {}
            _ => {
                tx.delete(table, &Key::text(&id))?;
                let (table, key) = (table.to_owned(), Key::Text(id));
                self.touched.push(Touched { table, key, old: Some(row), new: None, fields: Vec::new() });
            }
        }
        Ok(())
    }

    fn is_unsent(&self, sync: &TableSync, id: &str) -> bool {
        let name = sync.sync_name.as_str();
        let first = (name.to_owned(), id.to_owned(), String::new());
        self.unsent.range(first..).next().is_some_and(|(table, record, _)| table == name && record == id)
    }

    fn relog_newer<S: Store, H: Host>(
        &mut self,
        sync: &TableSync,
        id: &str,
        row: &R,
        came: &CameFields,
        engine: &Engine<S, H>,
    ) {
        let mut by_author: BTreeMap<(String, Origin), Map<String, Value>> = BTreeMap::new();
        for field in marked_fields(row) {
            let Some(at) = stamp_of(row, &field) else { continue };
            let unsent = self.unsent.contains(&(sync.sync_name.to_string(), id.to_owned(), field.clone()));
            let prev = came.get(&field);
            if unsent || field == AUTHOR_ID || prev.is_some_and(|prev| *prev >= at) {
                continue;
            }
            let (origin, actor) = author_of(row, &field);
            let mut edit = json!({ "value": json_of(row, &field), "at": at });
            if let Some(prev) = prev {
                edit["prev"] = json!(prev);
            }
            by_author.entry((actor.to_string(), origin)).or_default().insert(field, edit);
        }
        // Who may see a record is said by inserts only.
        if by_author.values().any(|fields| fields.contains_key(VISIBILITY)) {
            return self.relog_whole(sync, id, row, engine);
        }
        for ((actor, origin), fields) in by_author {
            let at = fields.values().filter_map(|edit| edit["at"].as_str()).max().unwrap_or_default().to_owned();
            let mut change = Self::frame(id, Op::Update, &at, row, engine, sync);
            change.0.insert("fields".into(), Value::Object(fields));
            let actor = serde_json::from_str(&actor).unwrap_or_default();
            self.relogged.push((sync.app.to_string(), sync.schema_version, actor, origin, change));
        }
    }

    fn relog_whole<S: Store, H: Host>(&mut self, sync: &TableSync, id: &str, row: &R, engine: &Engine<S, H>) {
        let (Ok(record), Ok(event_id)) = (RecordId::parse(id), EventId::parse(epoch::fresh_id(&engine.host))) else {
            return;
        };
        let like = Change {
            event_id,
            app: sync.app.clone(),
            schema_version: sync.schema_version,
            table: sync.sync_name.clone(),
            id: record,
            op: Op::Insert,
            at: Stamp::EPOCH,
            fields: BTreeMap::new(),
            space_id: None,
            visibility: Visibility::Space,
            actor: None,
            origin: Origin::User,
            group: None,
            user_id: None,
        };
        let change = insert_of(row, &like, &engine.config());
        let newest = marked_fields(row).into_iter().max_by_key(|field| stamp_of(row, field));
        let (origin, actor) = newest.map_or_else(|| author_of(row, AUTHOR_ID), |field| author_of(row, &field));
        if let Value::Object(map) = change.to_json() {
            self.relogged.push((sync.app.to_string(), sync.schema_version, actor, origin, LoggedChange(map)));
        }
    }

    fn frame<S: Store, H: Host>(
        id: &str,
        op: Op,
        at: &str,
        row: &R,
        engine: &Engine<S, H>,
        sync: &TableSync,
    ) -> LoggedChange {
        let config = engine.config();
        let visibility = row.text(VISIBILITY).map(Visibility::from).unwrap_or_default();
        let mut change = json!({ "eventId": epoch::fresh_id(&engine.host), "table": sync.sync_name, "id": id,
            "op": op, "at": at, "visibility": visibility });
        if let Some(space) = row.text(SPACE_ID) {
            change["spaceId"] = config.wire_space(&space).into();
        }
        match change {
            Value::Object(map) => LoggedChange(map),
            _ => LoggedChange(Map::new()),
        }
    }
}

fn marked_fields<R: Row>(row: &R) -> Vec<String> {
    let meta = row.get(FIELD_META).and_then(|meta| meta.as_row());
    meta.map(|meta| meta.names()).unwrap_or_default().into_iter().filter(|name| !is_hidden(name)).collect()
}

fn json_of<R: Row>(row: &R, field: &str) -> Value {
    row.get(field).and_then(|value| value.to_json().ok()).unwrap_or_default()
}

/// Who wrote a field, with the origin its first writer's hand had.
fn author_of<R: Row>(row: &R, field: &str) -> (Origin, Value) {
    let (origin, actor) = source_of(row, field).unwrap_or_default();
    let actor = if actor.is_object() { actor } else { json!({ "kind": "user" }) };
    let known = Origin::of(&origin);
    let by_kind = match actor["kind"].as_str() {
        Some("ai") => Origin::Agent,
        Some("system") => Origin::System,
        _ => Origin::User,
    };
    (known.filter(|origin| *origin != Origin::ServerReplay).unwrap_or(by_kind), actor)
}

/// Whether a record was written before anybody signed in: it was never logged, and no server knows it.
fn is_guests<R: Row>(row: &R) -> bool {
    [USER_ID, AUTHOR_ID].into_iter().any(|field| row.text(field).as_deref() == Some(GUEST))
}

/// Whether a record lies in the user's own stream or was created by the user.
fn is_ours<R: Row>(row: &R, config: &Config) -> bool {
    let own = row.text(SPACE_ID).is_none_or(|space| config.wire_space(&space) == config.personal_alias());
    own || row.text(AUTHOR_ID).as_deref() == Some(config.user_id())
}

async fn append<Tx: Transaction>(tx: &Tx, user: &str, relogged: Vec<Relogged>) -> Result<()> {
    let mut groups: Vec<(String, u32, Value, Origin, Vec<LoggedChange>)> = Vec::new();
    for (app, version, actor, origin, change) in relogged {
        let same = groups
            .iter_mut()
            .find(|g| (&g.0, g.1, &g.2, g.3) == (&app, version, &actor, origin) && g.4.len() < MAX_LOG_ROW_CHANGES);
        match same {
            Some(group) => group.4.push(change),
            None => groups.push((app, version, actor, origin, vec![change])),
        }
    }
    for (app_id, schema_version, actor, origin, changes) in groups {
        let at = changes.iter().filter_map(|change| change.0.get("at")?.as_str()).max().unwrap_or_default();
        let row = LogRow {
            seq: 0.0,
            user_id: user.to_owned(),
            app_id,
            schema_version,
            clock_epoch: EPOCH.to_owned(),
            clock_offset: 0,
            at: Stamp::parse(at).unwrap_or(Stamp::EPOCH),
            actor,
            origin: origin.as_str().to_owned(),
            absorbed: Vec::new(),
            changes,
            sent_at: None,
        };
        row.append(tx).await?;
    }
    Ok(())
}
