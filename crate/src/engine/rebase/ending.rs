//! What a full pull did not bring: removed, kept, or logged again, record by record.

use super::held::Held;
use super::{Came, CameFields, EPOCH, Why};
use crate::engine::adopt::Letter;
use crate::engine::apply::insert_of;
use crate::engine::config::Config;
use crate::engine::error::Result;
use crate::engine::guests::is_guests;
use crate::engine::outbox::{KNOWN, LogRow, LoggedChange, Unsent};
use crate::engine::ports::Host;
use crate::engine::prepare::is_purged;
use crate::engine::sealing::{is_envelope, is_sealed, visibility_of};
use crate::engine::stamps::{actor_of, json_of, origin_of, stamp_of};
use crate::engine::{Engine, Touched, epoch};
use crate::model::{
    AUTHOR_ID, Change, EventId, FIELD_META, Op, OrderedMap, Origin, RecordId, SPACE_ID, Scope, Stamp, TableSync,
    VISIBILITY, Visibility, is_hidden,
};
use crate::protocol::limits::MAX_LOG_ROW_CHANGES;
use crate::store::{Key, Row, RowValue, Store, Transaction};
use serde_json::{Map, Value, json};
use std::cell::Cell;

/// A change to log again: app, schema version, actor, origin, and the change itself.
pub type Relogged = (String, u32, Value, Origin, LoggedChange);

/// The end of a full pull: what did not come, record by record.
pub(super) struct Ending<R> {
    /// What came, by table and record.
    pub came: OrderedMap<(String, String), Came>,
    /// Edits that lie in the log already. They are not logged again: until they are sent, their stamps may be corrected.
    pub unsent: Unsent,
    /// What lies in the log or was set aside.
    pub held: Held,
    /// Why everything was pulled.
    pub why: Why,
    /// Corrected time.
    pub now: Stamp,
    /// Records that changed.
    pub touched: Vec<Touched<R>>,
    /// Changes to log.
    pub relogged: Vec<Relogged>,
    /// Whether something that came in plaintext is left to be sealed.
    pub came_open: Cell<bool>,
    /// What cannot travel.
    pub letters: Vec<Letter>,
}

impl<R: Row> Ending<R> {
    /// Deals with a stored record.
    pub fn row<Tx: Transaction<Row = R>, S: Store, H: Host>(
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
        if self.why == Why::Adopted {
            return self.adopted(tx, table, sync, &id, &row, engine);
        }
        let came = self.came.get(&(table.to_owned(), id.clone()));
        // What was purged from this device has stamps but no values to say again.
        let mine = self.why == Why::Restored && is_ours(&row, &engine.config()) && !is_purged(&row);
        match came {
            Some(came) if mine && came.has_author_of(&row) => {
                let fields = came.fields.clone();
                self.relog_newer(sync, &id, &row, &fields, engine);
            }
            Some(_) if !mine => {}
            // Even with an unsent update in the log: the server has lost what it updates.
            came if mine => self.relog_whole(sync, &id, &row, came.is_some(), engine),
            _ if self.unsent.has_record(sync.sync_name.as_str(), &id) || self.is_held(sync, &id) => {}
            _ => {
                tx.delete(table, &Key::text(&id))?;
                let (table, key) = (table.to_owned(), Key::Text(id));
                self.touched.push(Touched { table, key, old: Some(row), new: None, fields: Vec::new() });
            }
        }
        Ok(())
    }

    /// Whether something of the record waits in the log, or was set aside: it may be all there is of it.
    fn is_held(&self, sync: &TableSync, id: &str) -> bool {
        self.held.contains_key(&(sync.app.to_string(), sync.sync_name.to_string(), id.to_owned()))
    }

    /// Whether a server put plaintext into a field that is sealed: of before it was, or made up. The one is sealed and logged
    /// with everything else that has to be; to log the other would have it sealed as the user's own.
    pub(super) fn came_open<S: Store, H: Host>(
        &self,
        sync: &TableSync,
        row: &R,
        field: &str,
        engine: &Engine<S, H>,
    ) -> bool {
        let is_open = sync.sealed.iter().any(|sealed| sealed == field)
            && origin_of(row, field).as_deref() == Some(Origin::ServerReplay.as_str())
            && row.get(field).is_some_and(|value| !value.is_null() && !is_envelope(&value))
            && is_sealed(&engine.config(), sync, row.text(SPACE_ID).as_deref(), visibility_of(row));
        self.came_open.set(self.came_open.get() || is_open);
        is_open
    }

    fn relog_newer<S: Store, H: Host>(
        &mut self,
        sync: &TableSync,
        id: &str,
        row: &R,
        came: &CameFields,
        engine: &Engine<S, H>,
    ) {
        let mut by_author = ByAuthor::new();
        for field in marked_fields(row) {
            let Some(at) = stamp_of(row, &field) else { continue };
            let unsent = self.unsent.has_edit(sync.sync_name.as_str(), id, &field, at);
            let prev = came.get(&field);
            let is_said = unsent || field == AUTHOR_ID || prev.is_some_and(|prev| *prev >= at);
            if is_said || self.came_open(sync, row, &field, engine) {
                continue;
            }
            let (origin, actor) = author_of(row, &field);
            let mut edit = json!({ "value": json_of(row, &field), "at": at });
            match prev {
                Some(prev) => edit["prev"] = json!(prev),
                None => edit["before"] = json!({ "value": null }),
            }
            by_author.entry((actor.to_string(), origin)).or_default().insert(field, edit);
        }
        // Who may see a record is said by inserts only.
        if by_author.values().any(|fields| fields.contains_key(VISIBILITY)) {
            return self.relog_whole(sync, id, row, true, engine);
        }
        self.relogged.extend(updates(by_author, id, row, engine, sync));
    }

    /// `known`: something of the record came.
    fn relog_whole<S: Store, H: Host>(
        &mut self,
        sync: &TableSync,
        id: &str,
        row: &R,
        known: bool,
        engine: &Engine<S, H>,
    ) {
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
            fields: OrderedMap::new(),
            space_id: None,
            visibility: Visibility::Space,
            actor: None,
            origin: Origin::User,
            group: None,
            user_id: None,
        };
        let mut change = insert_of(row, &like, &engine.config());
        let table = sync.sync_name.as_str();
        change.fields.retain(|field, edit| {
            !self.unsent.has_edit(table, id, field.as_str(), edit.at)
                && !self.came_open(sync, row, field.as_str(), engine)
        });
        if change.fields.is_empty() && self.unsent.has_insert(table, id) {
            return;
        }
        change.at = change.fields.values().map(|edit| edit.at).max().unwrap_or(Stamp::EPOCH);
        let newest = marked_fields(row).into_iter().max_by_key(|field| stamp_of(row, field));
        let (origin, actor) = newest.map_or_else(|| author_of(row, AUTHOR_ID), |field| author_of(row, &field));
        if let Value::Object(mut map) = change.to_json() {
            if known {
                map.insert(KNOWN.to_owned(), true.into());
            }
            self.relogged.push((sync.app.to_string(), sync.schema_version, actor, origin, LoggedChange(map)));
        }
    }
}

/// Fields to be said, by the actor (as JSON) and the origin of whoever wrote them.
pub type ByAuthor = OrderedMap<(String, Origin), Map<String, Value>>;

/// Updates of a record that say these fields, one for each hand.
pub fn updates<R: Row, S: Store, H: Host>(
    by_author: ByAuthor,
    id: &str,
    row: &R,
    engine: &Engine<S, H>,
    sync: &TableSync,
) -> Vec<Relogged> {
    let update = |((actor, origin), fields): ((String, Origin), Map<String, Value>)| {
        let at = fields.values().filter_map(|edit| edit["at"].as_str()).max().unwrap_or_default().to_owned();
        let mut change = frame(id, Op::Update, &at, row, engine, sync);
        change.0.insert("fields".into(), Value::Object(fields));
        let actor = serde_json::from_str(&actor).unwrap_or_default();
        (sync.app.to_string(), sync.schema_version, actor, origin, change)
    };
    by_author.into_iter().map(update).collect()
}

/// A change without its fields.
pub fn frame<R: Row, S: Store, H: Host>(
    id: &str,
    op: Op,
    at: &str,
    row: &R,
    engine: &Engine<S, H>,
    sync: &TableSync,
) -> LoggedChange {
    let config = engine.config();
    let visibility = visibility_of(row);
    let mut change = json!({ "eventId": epoch::fresh_id(&engine.host), "table": sync.sync_name, "id": id,
        "op": op, "at": at, "visibility": visibility });
    if let Some(space) = row.text(SPACE_ID).filter(|_| sync.scope == Scope::Space) {
        change["spaceId"] = config.wire_space(&space).into();
    }
    match change {
        Value::Object(map) => LoggedChange(map),
        _ => LoggedChange(Map::new()),
    }
}

/// The fields of a record that have stamps.
pub fn marked_fields<R: Row>(row: &R) -> Vec<String> {
    let meta = row.get(FIELD_META).and_then(|meta| meta.as_row());
    meta.map(|meta| meta.names()).unwrap_or_default().into_iter().filter(|name| !is_hidden(name)).collect()
}

/// Who wrote a field, with the origin its first writer's hand had.
pub fn author_of<R: Row>(row: &R, field: &str) -> (Origin, Value) {
    let origin = origin_of(row, field).unwrap_or_default();
    let actor = actor_of(row, field).unwrap_or_default();
    let actor = if actor.is_object() { actor } else { json!({ "kind": "user" }) };
    let known = Origin::of(&origin);
    let by_kind = match actor["kind"].as_str() {
        Some("ai") => Origin::Agent,
        Some("system") => Origin::System,
        _ => Origin::User,
    };
    (known.filter(|origin| *origin != Origin::ServerReplay).unwrap_or(by_kind), actor)
}

/// Whether a record lies in the user's own stream or was created by the user.
pub(super) fn is_ours<R: Row>(row: &R, config: &Config) -> bool {
    let own = row.text(SPACE_ID).is_none_or(|space| config.wire_space(&space) == config.personal_alias());
    own || row.text(AUTHOR_ID).as_deref() == Some(config.user_id())
}

/// Puts changes into the log whose stamps are known to others, one row for all of an author.
pub async fn append<Tx: Transaction>(tx: &Tx, user: &str, relogged: Vec<Relogged>) -> Result<()> {
    append_as(tx, user, EPOCH, relogged).await
}

/// The same; `epoch` says where their stamps are from.
pub async fn append_as<Tx: Transaction>(tx: &Tx, user: &str, epoch: &str, relogged: Vec<Relogged>) -> Result<()> {
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
        let at = Stamp::parse(at).unwrap_or(Stamp::EPOCH);
        let row = LogRow {
            app_id,
            schema_version,
            actor,
            origin: origin.as_str().to_owned(),
            changes,
            ..LogRow::unmoved(user, epoch, at)
        };
        row.append(tx).await?;
    }
    Ok(())
}
