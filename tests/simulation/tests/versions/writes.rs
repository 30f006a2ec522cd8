//! What people and programs write, under the names of their version of the app.

use super::app::{FIELDS, LAST};
use super::{RECORDS, Schedule};
use mana_simulation::calls::row;
use mana_simulation::oracle;
use mana_sync_engine::engine::Write;
use mana_sync_engine::model::{EventId, Stamp};
use mana_sync_engine::store::{JsonRow, Key};
use serde_json::{Map, Value, json};

impl Schedule {
    /// Up to three fields that a version of the app writes. What is sealed cannot have been another field before.
    fn fields(&mut self, version: usize, is_sealed: bool) -> Map<String, Value> {
        let names: Vec<_> =
            FIELDS[version - 1].iter().filter(|name| !self.seals || (version, **name) != (1, "name")).collect();
        let sealed = ["title", "name", "label"][version - 1];
        let mut fields = Map::new();
        for _ in 0..=self.roll(3) {
            let name = *names[self.roll(names.len())];
            self.count += 1;
            let value = match (name, self.roll(6)) {
                _ if name == sealed && !is_sealed => continue,
                (_, 0) => Value::Null,
                ("priority" | "stage", _) => json!(self.count),
                _ => json!(format!("text {}", self.count)),
            };
            fields.insert(name.to_owned(), value);
        }
        fields
    }

    pub(super) fn write(&mut self, at: usize, id: &str) {
        let edit = self.fields(self.versions[at], true);
        let mut whole = edit.clone();
        // Of two spaces that claim one id one is shown: that is another matter.
        whole.insert("spaceId".to_owned(), json!(if ["r2", "r3"].contains(&id) { "home" } else { "club" }));
        whole.insert("id".to_owned(), json!(id));
        if id == "r2" {
            whole.insert("visibility".to_owned(), json!("private"));
        }
        let key = || vec![Key::text(id)];
        let write: Write<JsonRow> = match self.roll(10) {
            0..=2 => Write::Put(vec![row(Value::Object(whole))]),
            3..=7 => Write::Update(vec![(Key::text(id), row(Value::Object(edit)))]),
            8 => Write::Delete(key()),
            _ => Write::Restore(key()),
        };
        let device = &self.world.devices[at];
        let before = oracle::replica(device);
        // Refused where there is no such record: that is no matter here.
        let _ = device.try_transact(None, vec![("tasks", write)]);
        self.book.note_all(at, self.versions[at], &before, &oracle::replica(device));
    }

    /// Two devices write to one record in the same moment.
    pub(super) fn clash(&mut self) {
        let id = RECORDS[self.roll(RECORDS.len())];
        for _ in 0..2 {
            let at = self.roll(self.versions.len());
            self.write(at, id);
            self.reopen_dead();
        }
    }

    /// A program of the same person, of any version: it may write to a record that it makes later.
    pub(super) fn script(&mut self, record: &'static str, inserts: bool) {
        let version = 1 + self.roll(LAST);
        let (fields, now) = (self.fields(version, !self.seals), self.world.executor.now());
        let at = Stamp::at_ms(now - self.roll(100_000) as u64);
        let mut tail = [0; 10];
        self.world.random.fill(&mut tail);
        let mut change = json!({ "eventId": EventId::from_parts(now, &tail), "app": "todo", "schemaVersion": version,
            "table": "tasks", "id": record, "at": at, "spaceId": "_personal:ada", "visibility": "space", "origin": "user" });
        if inserts {
            let mut data = fields.clone();
            data.insert("authorId".to_owned(), json!("ada"));
            (change["op"], change["data"]) = (json!("insert"), Value::Object(data));
            self.inserted.insert(record);
        } else if !fields.is_empty() {
            let edits = fields.iter().map(|(name, value)| (name.clone(), json!({ "value": value, "at": at })));
            (change["op"], change["fields"]) = (json!("update"), Value::Object(edits.collect()));
        } else {
            return;
        }
        self.world.server.push_as("ada", &[change]);
        for (name, value) in fields {
            self.book.note(version, (record, &name), value, at);
        }
    }
}
