//! Other programs of the same user, which write to records of their own.

use super::Schedule;
use crate::place::{FIELDS, LAZY};
use mana_sync_engine::engine::ports::{Method, Request};
use mana_sync_engine::engine::{Kind, Write};
use mana_sync_engine::model::Stamp;
use mana_sync_engine::store::{JsonRow, Key};
use serde_json::{Value, json};

/// The table that they write to.
const TABLE: &str = "settings";
/// The field that they change.
const FIELD: &str = FIELDS[1];

impl Schedule {
    pub(super) fn script(&mut self, record: &str, insert: bool) {
        self.count("event: another program writes");
        let at = Stamp::at_ms(self.world.executor.now() - 700_000);
        let mut change = self.foreign(record, insert, at);
        change["eventId"] = json!(format!("00000000-0000-7000-8000-{:012}", self.calls));
        for (name, value) in [("app", json!(self.foreign_app())), ("visibility", json!("space"))] {
            change[name] = value;
        }
        // Where the server thinks the app too new, it says no.
        let _ = self.world.server.try_push_as("ada", &[change]);
    }

    /// A program whose clock is ahead writes: a server of protocol 1 takes stamps of any time.
    pub(super) fn write_ahead(&mut self, record: &str, insert: bool, ms: u64) {
        if !self.world.server.speaks_protocol_1() {
            return;
        }
        let at = Stamp::at_ms(self.world.executor.now() + ms);
        let changes = [self.foreign(record, insert, at)];
        let body = json!({ "clientId": "older", "since": "", "schemaVersion": 1, "changes": changes }).to_string();
        let token = self.world.devices.iter().map(|device| device.line.next_token()).max().unwrap_or(0);
        let path = format!("/sync/{}", self.foreign_app()).into();
        let (token, client) = (Some(format!("ada#{token}")), Some("older".into()));
        let request = Request { method: Method::Post, path, body: Some(body), token, client };
        if self.world.server.answer(&request).status == 200 {
            self.ahead_until = self.ahead_until.max(at.ms());
            self.count("event: another program writes from the future");
        }
    }

    /// Somebody writes over what another program wrote, where it is here.
    pub(super) fn write_over(&mut self, number: usize, record: &str) {
        self.revive(number);
        let device = &self.world.devices[number];
        let key = Key::text(record);
        if device.memory.borrow().row(TABLE, &key).is_none() {
            return;
        }
        self.calls += 1;
        let fields =
            JsonRow::from(json!({ FIELD: format!("over {}", self.calls) }).as_object().cloned().expect("fields"));
        match device.transact_in(0, None, None, vec![(TABLE, Write::Update(vec![(key, fields)]))]) {
            Some(Ok(_)) => self.count("event: a write over another program's"),
            Some(Err(error)) => {
                let known = [Kind::QuotaExceeded, Kind::VaultLocked, Kind::KeyOutdated, Kind::NotFound];
                assert!(known.contains(&error.kind()), "no write fails so: {error}");
            }
            None => {}
        }
    }

    fn foreign_app(&self) -> &'static str {
        if self.lazy { LAZY } else { "todo" }
    }

    fn foreign(&mut self, record: &str, insert: bool, at: Stamp) -> Value {
        self.calls += 1;
        let text = format!("script {}", self.calls);
        let mut change = json!({ "schemaVersion": 1, "table": TABLE, "id": record, "at": at, "origin": "user" });
        if insert {
            change["op"] = json!("insert");
            // It has no key.
            let field = if self.seals { FIELDS[2] } else { FIELDS[0] };
            change["data"] = json!({ field: text });
        } else {
            change["op"] = json!("update");
            change["fields"] = json!({ FIELD: { "value": text, "at": at } });
        }
        change
    }
}
