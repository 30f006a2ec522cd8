//! A device that merges changes as they come and a fold that merges them from a log have one fingerprint, whatever the order
//! on either side, and another one as soon as a single stamp differs.

#![cfg(not(target_arch = "wasm32"))]

use mana_sync_engine::engine::{Config, Merged, merge_into};
use mana_sync_engine::fingerprint::{Fingerprint, Fold};
use mana_sync_engine::model::{
    AppId, BoundNames, Change, EventId, OrderedSet, Scope, Stamp, StoreSpec, TableName, TableSync,
};
use mana_sync_engine::store::JsonRow;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TABLE: &str = "tasks";

fn config() -> Config {
    let sync = TableSync {
        migrations: Vec::new(),
        app: AppId::parse("todo").unwrap(),
        sync_name: TableName::parse(TABLE).unwrap(),
        scope: Scope::Space,
        dates: OrderedSet::new(),
        sealed: OrderedSet::new(),
        aad: BoundNames::default(),
        schema_version: 1,
    };
    let store = StoreSpec::parse(TABLE, "id").unwrap();
    Config::new("check", vec![store], BTreeMap::from([(TABLE.to_owned(), sync)])).unwrap()
}

/// A device's record, with the updates that wait for its insert.
#[derive(Default)]
struct Device {
    row: Option<JsonRow>,
    parked: Vec<Change>,
}

impl Device {
    fn take(&mut self, change: &Change, config: &Config) {
        match merge_into(self.row.take(), TABLE, change, config) {
            Merged::Record(row) => self.row = row,
            Merged::Parked => return self.parked.push(change.clone()),
            Merged::OtherSpace => panic!("all changes name one space"),
        }
        for parked in std::mem::take(&mut self.parked) {
            self.take(&parked, config);
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut sum = Fingerprint::default();
        let record = self.row.as_ref().map(|row| Value::Object(row.to_map())).unwrap_or_default();
        let marks = record["__fieldMeta"].as_object().cloned().unwrap_or_default();
        if self.row.is_some() && record["deletedAt"].is_null() {
            let at = |mark: &Value| Stamp::parse(mark["at"].as_str().unwrap()).unwrap();
            sum.add("t1", marks.iter().map(|(field, mark)| (field.as_str(), at(mark))));
        }
        sum
    }
}

fn fold(changes: &[Change]) -> Fingerprint {
    let (mut fold, mut sum) = (Fold::new("ada"), Fingerprint::default());
    for change in changes {
        fold.take(change.clone());
    }
    fold.add_to(&mut sum, "t1");
    sum
}

/// Few stamps, so that many are equal; some without a counter, as older clients write them.
fn stamp() -> impl Strategy<Value = String> {
    (0..12_u8, any::<bool>()).prop_map(|(n, counted)| {
        format!("2026-01-01T00:00:00.{:03}{}Z", n / 2, if counted { format!("{:03}", n % 2) } else { String::new() })
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(null)), Just(json!("a")), Just(json!("enc:1:AAAA")), Just(json!("enc:2:0002:AAAA"))]
}

fn change() -> impl Strategy<Value = Change> {
    let field = prop_oneof![Just("title"), Just("done"), Just("note")];
    let writer = prop_oneof![Just("ada"), Just("bob")];
    (0..8_u8, writer, field, value(), stamp(), stamp()).prop_map(|(what, writer, field, value, at, other)| {
        let deleted = if at < other { json!(at) } else { json!(null) };
        let is_insert = what < 2;
        // Who inserts does so once, as devices do: the same insert may come again, with other fields of other times.
        let inserted = if writer == "ada" { "2026-01-01T00:00:00.003000Z" } else { "2026-01-01T00:00:00.002Z" };
        let at = if is_insert { inserted.to_owned() } else { at };
        let members = match what {
            0 | 1 => json!({ "op": "insert", "data": { "title": value, "authorId": writer, "visibility": "space" },
                "fields": { field: { "value": value, "at": other } } }),
            2 => json!({ "op": "delete", "deletedAt": at }),
            3 => json!({ "op": "update", "fields": { "deletedAt": { "value": deleted, "at": at } } }),
            _ => json!({ "op": "update", "fields": { field: { "value": value, "at": at },
                "id": { "value": "t1", "at": other }, "__own": { "value": true, "at": at } } }),
        };
        let mut wire = json!({ "eventId": EventId::from_parts(1, &[0; 10]), "app": "todo", "table": TABLE, "id": "t1",
            "at": at, "spaceId": "club", "userId": writer });
        wire.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        Change::parse(wire).unwrap()
    })
}

/// Changes in two orders.
fn orders() -> impl Strategy<Value = (Vec<Change>, Vec<Change>)> {
    proptest::collection::vec(change(), 1..12)
        .prop_flat_map(|changes| (Just(changes.clone()).prop_shuffle(), Just(changes).prop_shuffle()))
}

proptest! {
    #[test]
    fn a_device_and_a_log_have_one_fingerprint((here, there) in orders()) {
        let (config, mut device) = (config(), Device::default());
        for change in &here {
            device.take(change, &config);
        }
        prop_assert_eq!(device.fingerprint(), fold(&there));
    }

    #[test]
    fn an_edit_that_only_one_side_has_is_noticed((here, there) in orders(), field in "f[a-z]{0,2}") {
        let later = |members: Value| {
            let mut wire = json!({ "eventId": EventId::from_parts(1, &[0; 10]), "app": "todo", "table": TABLE, "id": "t1",
                "spaceId": "club", "userId": "ada" });
            wire.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            Change::parse(wire).unwrap()
        };
        let live = later(json!({ "op": "insert", "at": "2027-01-01T00:00:00.000000Z", "data": { "deletedAt": null } }));
        let at = "2027-01-02T00:00:00.000000Z";
        let edit = later(json!({ "op": "update", "at": at, "fields": { field: { "value": 1, "at": at } } }));
        let here = [&here[..], std::slice::from_ref(&live)].concat();
        let there = [&there[..], &[live, edit]].concat();
        prop_assert_eq!(fold(&here).records, 1);
        prop_assert_ne!(fold(&here), fold(&there));
    }
}
