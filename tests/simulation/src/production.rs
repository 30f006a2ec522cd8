//! A server of protocol 1 with the faults that clients of it have to live with: times in the place of positions, `now()` behind the
//! last page, rows that commit late, many rows of one time, a client's own rows left out, a push that is stored again when it
//! is sent again, or by half.

use super::random::Random;
use super::server::json;
use mana_sync_engine::engine::ports::{Request, Response};
use mana_sync_engine::model::{Change, EventId, Stamp};
use mana_sync_engine::protocol::limits::MAX_BODY_BYTES;
use mana_sync_engine::protocol::protocol1::said;
use serde_json::{Value, json as value};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// Most changes that a push is answered with.
const ANSWERED: usize = 5000;

/// A row of its table.
#[derive(Debug, Clone)]
struct Row {
    app: String,
    user: String,
    client: String,
    /// In microseconds since 1970, as everything here.
    created: u64,
    /// When its transaction commits.
    visible: u64,
    change: Value,
}

/// The server.
pub struct Production {
    rows: RefCell<Vec<Row>>,
    copy: RefCell<Vec<Row>>,
    /// What came by protocol 2, which stores nothing twice.
    known: RefCell<BTreeSet<String>>,
    random: Random,
    /// Rows are dated to so many microseconds.
    tick: Cell<u64>,
    /// Transactions take up to so many microseconds.
    late: Cell<u64>,
    /// The next push is stored by half, and fails.
    halves: Cell<bool>,
    /// Nobody can say who is in which space.
    members_unknown: Cell<bool>,
    /// Most changes of a page.
    page: Cell<usize>,
    /// It does not store what holds this text.
    refused: RefCell<Option<(String, u16)>>,
}

/// A request's path, its app and its query.
struct Asked<'a> {
    app: &'a str,
    call: &'a str,
    query: Vec<(&'a str, &'a str)>,
}

impl<'a> Asked<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let rest = path.strip_prefix("/sync/")?;
        let (app, call) = rest.split_once('/').unwrap_or((rest, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        Some(Self { app, call, query })
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.query.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

impl Production {
    /// A server without rows.
    #[must_use]
    pub fn new(random: Random) -> Self {
        Self {
            rows: RefCell::default(),
            copy: RefCell::default(),
            known: RefCell::default(),
            random,
            tick: Cell::new(1),
            late: Cell::new(0),
            halves: Cell::new(false),
            members_unknown: Cell::new(false),
            page: Cell::new(1000),
            refused: RefCell::default(),
        }
    }

    /// Dates rows to so many microseconds: many have one time.
    pub fn set_tick(&self, micros: u64) {
        self.tick.set(micros);
    }

    /// Lets transactions take up to so many milliseconds: their rows come later than their times say.
    pub fn set_late(&self, ms: u64) {
        self.late.set(ms * 1000);
    }

    /// Stores the next push by half, and fails.
    pub fn store_half(&self) {
        self.halves.set(true);
    }

    /// Lets the look-up of memberships fail: rows of spaces are left out without a word.
    pub fn set_members_unknown(&self, unknown: bool) {
        self.members_unknown.set(unknown);
    }

    /// Makes pages small.
    pub fn set_page(&self, changes: usize) {
        self.page.set(changes);
    }

    /// Answers pushes that hold `text` with a status.
    pub fn refuse(&self, text: &str, status: u16) {
        *self.refused.borrow_mut() = Some((text.to_owned(), status));
    }

    /// How many rows there are.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.rows.borrow().len()
    }

    /// Keeps a copy of its rows.
    pub(super) fn back_up(&self) {
        self.copy.borrow_mut().clone_from(&self.rows.borrow());
    }

    /// Goes on with the copy.
    pub(super) fn restore(&self) {
        self.rows.borrow_mut().clone_from(&self.copy.borrow());
        // What is pushed again is stored again.
        self.known.borrow_mut().clear();
    }

    /// Stores what came by protocol 2, in the table that both write to.
    pub(super) fn store(&self, user: &str, client: &str, change: &Change, now_ms: u64) {
        if self.known.borrow_mut().insert(change.event_id.to_string()) {
            for by_time in said(change) {
                self.insert(change.app.as_str(), (user, client), by_time, now_ms);
            }
        }
    }

    fn insert(&self, app: &str, (user, client): (&str, &str), change: Value, now_ms: u64) {
        let mut rows = self.rows.borrow_mut();
        let now = now_ms * 1000;
        let tick = self.tick.get();
        // The clock of a database does not stand still between two rows, but where it is coarse.
        let last = rows.last().map_or(0, |row| row.created);
        let created = if tick == 1 { now.max(last + 1) } else { now / tick * tick };
        let visible = created.max(now) + if self.late.get() > 0 { self.random.below(self.late.get()) } else { 0 };
        rows.push(Row { app: app.into(), user: user.into(), client: client.into(), created, visible, change });
    }

    /// Answers a request of a user who is in these spaces. Stored changes are given to `stored`.
    pub(super) fn answer(
        &self,
        request: &Request,
        (user, spaces): (&str, &[String]),
        now_ms: u64,
        stored: &dyn Fn(&str, &Value),
    ) -> Response {
        let Some(asked) = Asked::of(&request.path) else { return text(404, "404 page not found\n") };
        assert!(request.client.is_some(), "clients say their names");
        match asked.call {
            "" => self.push(request, &asked, (user, spaces), now_ms, stored),
            "pull" => self.pull(request, &asked, (user, spaces), now_ms),
            "stream" if asked.get("collections").is_some() => {
                Response { content_type: "text/event-stream".into(), ..text(200, "") }
            }
            _ => text(404, "404 page not found\n"),
        }
    }

    fn push(
        &self,
        request: &Request,
        asked: &Asked<'_>,
        reader: (&str, &[String]),
        now_ms: u64,
        stored: &dyn Fn(&str, &Value),
    ) -> Response {
        let body = request.body.as_deref().unwrap_or_default();
        if body.len() > MAX_BODY_BYTES {
            return text(400, "invalid JSON: http: request body too large\n");
        }
        let Some(push) = serde_json::from_str::<Value>(body).ok().filter(Value::is_object) else {
            return text(400, "invalid JSON: it is none\n");
        };
        if let Some((held, status)) = &*self.refused.borrow()
            && body.contains(held)
        {
            return text(*status, "it cannot be stored\n");
        }
        let client = request.client.as_deref().unwrap_or_default();
        let changes = push["changes"].as_array().cloned().unwrap_or_default();
        if let Some(error) = changes.iter().enumerate().find_map(|(number, change)| malformed(number, change)) {
            return text(400, &error);
        }
        let taken = if self.halves.get() && changes.len() > 1 { changes.len() / 2 } else { changes.len() };
        for change in &changes[..taken] {
            let row = self.as_stored(change, &push["schemaVersion"], now_ms);
            self.insert(asked.app, (reader.0, client), row, now_ms);
            stored(asked.app, change);
        }
        if taken < changes.len() {
            self.halves.set(false);
            return text(500, "internal error\n");
        }
        let since = push["since"].as_str().unwrap_or_default();
        self.page(since, asked.app, None, (reader, client), (ANSWERED, now_ms))
    }

    /// A change as its table holds it: under an id that is made for each row, and without what a deletion says of fields.
    fn as_stored(&self, change: &Value, version: &Value, now_ms: u64) -> Value {
        let mut number = [0; 10];
        number[2..].copy_from_slice(&(self.row_count() as u64).to_be_bytes());
        let mut row = value!({ "eventId": EventId::from_parts(now_ms, &number).to_string() });
        row["schemaVersion"] = [&change["schemaVersion"], version]
            .into_iter()
            .find(|said| said.is_u64())
            .cloned()
            .unwrap_or_else(|| 1.into());
        for name in ["table", "id", "op", "data", "fields", "deletedAt", "spaceId", "actor", "origin"] {
            let is_said = change.get(name).is_some_and(|said| !said.is_null());
            if is_said && !(change["op"] == "delete" && matches!(name, "data" | "fields")) {
                row[name] = change[name].clone();
            }
        }
        row
    }

    fn pull(&self, request: &Request, asked: &Asked<'_>, reader: (&str, &[String]), now_ms: u64) -> Response {
        let (Some(table), Some(since)) = (asked.get("collection"), asked.get("since")) else {
            return text(400, "missing collection or since parameter\n");
        };
        let client = request.client.as_deref().unwrap_or_default();
        self.page(since, asked.app, Some(table), (reader, client), (self.page.get(), now_ms))
    }

    fn page(
        &self,
        since: &str,
        app: &str,
        table: Option<&str>,
        ((user, spaces), client): ((&str, &[String]), &str),
        (limit, now_ms): (usize, u64),
    ) -> Response {
        let since = Stamp::parse(since).map_or(0, Stamp::micros);
        let rows = self.rows.borrow();
        let is_readable = |row: &&Row| {
            let space = row.change["spaceId"].as_str().filter(|space| !space.starts_with("_personal:"));
            let is_member = space.is_some_and(|space| spaces.iter().any(|known| known == space));
            row.user == user || (is_member && !self.members_unknown.get())
        };
        let is_asked = |row: &&Row| {
            row.app == app
                && row.created > since
                && row.visible <= now_ms * 1000
                && row.client != client
                && table.is_none_or(|table| row.change["table"] == table)
        };
        let mut found: Vec<&Row> = rows.iter().filter(is_asked).filter(is_readable).collect();
        found.sort_by_key(|row| row.created);
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().map_or(0, |row| row.created);
        let until = if has_more { Stamp::at_micros(last) } else { Stamp::at_micros(now_ms * 1000) };
        let changes: Vec<&Value> = found.iter().map(|row| &row.change).collect();
        let mut answer = value!({ "serverChanges": changes, "conflicts": [], "syncedUntil": until });
        if has_more && table.is_some() {
            answer["hasMore"] = true.into();
        }
        json(200, &answer)
    }
}

/// What it says of a change that it does not read.
fn malformed(number: usize, change: &Value) -> Option<String> {
    let is_there = |name: &str| change[name].as_str().is_some_and(|text| !text.is_empty());
    if !is_there("table") || !is_there("id") {
        return Some(format!("missing table or id in change {number}\n"));
    }
    let op = change["op"].as_str().unwrap_or_default();
    (!matches!(op, "insert" | "update" | "delete")).then(|| format!("invalid op \"{op}\" in change {number}\n"))
}

/// What it answers to `/health`: the time to the second, and nothing of a protocol.
pub(super) fn health(now_ms: u64) -> Response {
    let timestamp = Stamp::at_ms(now_ms / 1000 * 1000).to_string();
    let timestamp = format!("{}Z", &timestamp[..19]);
    json(200, &value!({ "status": "ok", "service": "mana-sync", "timestamp": timestamp, "connections": 0, "users": 0 }))
}

/// An answer in plain text.
pub(super) fn text(status: u16, body: &str) -> Response {
    Response { status, content_type: "text/plain; charset=utf-8".into(), retry_after_ms: None, body: body.into() }
}
