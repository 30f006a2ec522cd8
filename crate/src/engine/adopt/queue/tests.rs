use super::*;
use crate::engine::config::User;
use crate::engine::outbox::LogRow;
use crate::model::{StoreSpec, TableName, UserId};
use crate::store::JsonRow;
use proptest::prelude::*;

const AT: &str = "2025-06-02T10:00:00.000Z";
const ID: &str = "01a20350-9a75-7fb5-b364-84f6881af588";

fn config() -> Config {
    let sync = |name: &str, scope| TableSync {
        app: AppId::parse("todo").unwrap(),
        sync_name: TableName::parse(name).unwrap(),
        scope,
        dates: crate::model::OrderedSet::new(),
        sealed: crate::model::OrderedSet::new(),
        aad: crate::model::BoundNames::default(),
        schema_version: 1,
        migrations: Vec::new(),
    };
    let stores = ["tasks", "settings"].map(|name| StoreSpec::parse(name, "id").unwrap());
    let tables =
        [("tasks".to_owned(), sync("todoTasks", Scope::Space)), ("settings".to_owned(), sync("settings", Scope::User))];
    let mut config = Config::new("test", stores.into(), tables).unwrap();
    config.user = Some(User { id: UserId::parse("ada").unwrap(), display_name: None });
    config
}

fn fresh() -> impl FnMut() -> String {
    let mut count = 0;
    move || {
        count += 1;
        format!("01a20350-9a75-7fb5-b364-{count:012}")
    }
}

fn moved(queued: &Value, record: Option<&Value>) -> Moved {
    let (config, mut fresh) = (config(), fresh());
    let mut stamps = Stamps::until(Stamp::parse("2026-01-01T00:00:00.000000Z").unwrap());
    match read(JsonRow::from_json(queued).unwrap(), &config, &mut fresh) {
        Ok(row) => row.changes(record.and_then(JsonRow::from_json).as_ref(), &config, &mut stamps, &mut fresh),
        Err(letter) => Moved { changes: Vec::new(), letters: vec![letter] },
    }
}

fn queued(op: &str, more: &Value) -> Value {
    let mut row = json!({ "appId": "todo", "collection": "tasks", "recordId": "r", "op": op, "createdAt": AT });
    more.as_object().unwrap().iter().for_each(|(name, value)| row[name] = value.clone());
    row
}

fn only(moved: &Moved) -> &Outgoing {
    assert_eq!((moved.changes.len(), moved.letters.len()), (1, 0), "{moved:?}");
    &moved.changes[0]
}

#[test]
fn both_shapes_of_an_update_come_to_one_change() {
    for time in ["at", "updatedAt"] {
        let moved = moved(&queued("update", &json!({ "fields": { "title": { "value": "x", time: AT } } })), None);
        let out = only(&moved);
        assert_eq!(Value::Object(out.change.0.clone())["fields"], json!({ "title": { "value": "x", "at": AT } }));
        assert_eq!(
            (out.change.table(), out.change.at(&LogRow::unmoved("ada", "adopted", Stamp::EPOCH))),
            ("todoTasks", Stamp::parse(AT).unwrap())
        );
        assert_eq!((&out.actor["principalId"], out.origin), (&json!("ada"), Origin::User));
        assert_eq!(out.change.0["spaceId"], "_personal:ada");
    }
}

#[test]
fn who_wrote_and_where_is_kept_where_it_was_noted() {
    let row = queued(
        "update",
        &json!({ "fields": { "a": { "value": 1, "at": AT } }, "actor": { "kind": "ai", "principalId": "x" },
            "origin": "agent", "spaceId": "club", "eventId": ID }),
    );
    let moved = moved(&row, None);
    let out = only(&moved);
    assert_eq!((out.origin, &out.actor["kind"], out.named), (Origin::Agent, &json!("ai"), true));
    assert_eq!((&out.change.0["spaceId"], out.change.event_id()), (&json!("club"), ID));
}

#[test]
fn an_insert_says_who_made_it_and_nothing_that_only_the_device_knows() {
    let row =
        queued("insert", &json!({ "data": { "id": "r", "title": "x", "updatedAt": AT, "userId": "bob", "__x": 1 } }));
    let moved = moved(&row, None);
    let data = only(&moved).change.0["data"].clone();
    assert_eq!(data, json!({ "title": "x", "authorId": "bob", "visibility": "space" }));
    let of_user = moved_in_settings();
    assert_eq!(only(&of_user).change.0["data"], json!({ "dark": true }));
    assert!(!only(&of_user).change.0.contains_key("spaceId"));
}

fn moved_in_settings() -> Moved {
    let row = json!({ "appId": "todo", "collection": "settings", "recordId": "r", "op": "insert", "createdAt": AT,
        "data": { "dark": true, "spaceId": "_personal:ada", "authorId": "ada" }, "spaceId": "_personal:ada" });
    moved(&row, None)
}

#[test]
fn a_delete_that_edits_other_fields_becomes_two_changes() {
    let fields = json!({ "deletedAt": { "value": AT, "at": AT }, "title": { "value": "x", "at": AT } });
    let moved = moved(&queued("delete", &json!({ "deletedAt": AT, "fields": fields, "eventId": ID })), None);
    let ops: Vec<_> = moved.changes.iter().map(|out| (out.change.op(), out.change.event_id() == ID)).collect();
    assert_eq!(ops, [("update", false), ("delete", true)]);
    assert_eq!(moved.changes[1].change.0["deletedAt"], AT);
}

#[test]
fn an_edit_of_a_path_carries_the_whole_value_of_its_record() {
    let row = queued("update", &json!({ "fields": { "address.city": { "value": "Zug", "at": AT } } }));
    let record = json!({ "id": "r", "address": { "city": "Zug", "zip": 1 } });
    let with_record = moved(&row, Some(&record));
    assert_eq!(only(&with_record).change.0["fields"]["address"]["value"], record["address"]);
    let without = moved(&row, None);
    assert_eq!((without.changes.len(), without.letters.len()), (0, 1));
}

#[test]
fn what_cannot_travel_is_set_aside_alone() {
    let fields = json!({ "good": { "value": 1, "at": AT }, "bad": { "value": "\u{0}", "at": AT } });
    let moved = moved(&queued("update", &json!({ "fields": fields, "eventId": ID })), None);
    assert_eq!(moved.changes[0].change.0["fields"], json!({ "good": { "value": 1, "at": AT } }));
    assert_ne!(moved.changes[0].change.event_id(), ID, "it is not what was queued under that id");
    assert_eq!((moved.letters[0].code, moved.letters[0].message.contains("bad")), ("value_not_syncable", true));
}

#[test]
fn what_belongs_nowhere_is_set_aside_whole() {
    let elsewhere = moved(&json!({ "appId": "todo", "collection": "gone", "recordId": "r", "op": "delete" }), None);
    assert_eq!(
        (elsewhere.letters[0].code, &elsewhere.letters[0].change["collection"]),
        ("unknown_table", &json!("gone"))
    );
    assert_eq!(moved(&queued("merge", &json!({})), None).letters[0].code, "malformed");
    assert_eq!(
        moved(&queued("update", &json!({ "fields": { "updatedAt": { "value": AT, "at": AT } } })), None),
        Moved::default()
    );
}

proptest! {
    /// Whatever the queue holds: each field is sent or set aside, and what is sent is a change.
    #[test]
    fn nothing_of_a_queued_row_is_lost(
        op in prop::sample::select(vec!["insert", "update", "delete"]),
        values in prop::collection::btree_map("[a-d]", prop::sample::select(vec![json!(1), json!("x"), json!("\u{0}"), json!(null), json!([[]])]), 1..4),
        at in prop::sample::select(vec![json!(AT), json!("?"), json!(null), json!("2031-01-01T00:00:00.000Z")])
    ) {
        let fields: Map<String, Value> = values.iter().map(|(name, value)| (name.clone(), json!({ "value": value, "at": at }))).collect();
        let moved = moved(&queued(op, &json!({ "fields": fields, "data": values })), None);
        for name in values.keys() {
            let sent = moved.changes.iter().any(|out| ["data", "fields"].iter().any(|part| out.change.0.get(*part).is_some_and(|map| map.get(name).is_some())));
            let aside = moved.letters.iter().any(|letter| letter.change["fields"].get(name).is_some());
            prop_assert!(sent != aside, "{name}: {moved:?}");
        }
    }
}
