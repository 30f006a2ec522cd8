use super::*;
use crate::engine::config::User;
use crate::model::{AppId, StoreSpec, TableName, UserId};
use crate::store::JsonRow;
use proptest::prelude::*;
use serde_json::{Value, json};

const OLD: &str = "2025-06-01T10:00:00.000Z";
const LATER: &str = "2025-06-02T10:00:00.000Z";

fn sync(scope: Scope) -> TableSync {
    TableSync {
        app: AppId::parse("todo").unwrap(),
        sync_name: TableName::parse("tasks").unwrap(),
        scope,
        dates: ["due".to_owned()].into(),
        sealed: crate::model::OrderedSet::new(),
        aad: crate::model::BoundNames::default(),
        schema_version: 1,
        migrations: Vec::new(),
    }
}

fn config() -> Config {
    let stores = vec![StoreSpec::parse("tasks", "id").unwrap()];
    let mut config = Config::new("test", stores, [("tasks".to_owned(), sync(Scope::Space))]).unwrap();
    config.user = Some(User { id: UserId::parse("ada").unwrap(), display_name: None });
    config
}

fn row(json: &Value) -> JsonRow {
    JsonRow::from_json(json).unwrap()
}

fn convert(json: &Value, scope: Scope) -> Value {
    let old = row(json);
    let stamps = Stamps::until(Stamp::parse("2026-01-01T00:00:00.000000Z").unwrap());
    let new = converted(&old, "tasks", &sync(scope), &config(), &stamps).unwrap_or(old);
    Value::Object(new.to_map())
}

#[test]
fn the_generation_before_gets_its_marks() {
    let new = convert(
        &json!({ "id": "r", "title": "t", "note": "n", "late": 1, "updatedAt": LATER, "createdAt": OLD, "spaceId": "s",
            "authorId": "bob", "visibility": "space", "__fieldTimestamps": { "title": LATER, "note": OLD },
            "__fieldActors": { "title": { "kind": "ai", "principalId": "x" } },
            "__lastActor": { "kind": "user", "principalId": "bob" } }),
        Scope::Space,
    );
    assert_eq!(
        new["__fieldMeta"]["title"],
        json!({ "at": LATER, "actor": { "kind": "ai", "principalId": "x" }, "origin": "agent" })
    );
    assert_eq!(new["__fieldMeta"]["note"]["actor"]["principalId"], "bob");
    assert_eq!(new["__fieldMeta"]["late"]["at"], OLD, "never edited since stamps are made");
    assert_eq!(new["_updatedAtIndex"], LATER);
    assert_eq!(new["updatedAt"], LATER, "what the older app's index holds stays");
    for gone in ["__fieldTimestamps", "__fieldActors", "__lastActor"] {
        assert!(new.get(gone).is_none());
    }
    for unsent in ["updatedAt", "spaceId", "id"] {
        assert!(new["__fieldMeta"].get(unsent).is_none());
    }
}

#[test]
fn a_record_without_stamps_is_as_old_as_it_says_and_lies_in_its_users_space() {
    let new = convert(&json!({ "id": "r", "title": "t", "updatedAt": LATER }), Scope::Space);
    assert_eq!(new["__fieldMeta"]["title"]["at"], LATER);
    assert_eq!((&new["spaceId"], &new["authorId"]), (&json!("_personal:ada"), &json!("ada")));
    assert!(new["__fieldMeta"].get("authorId").is_none(), "filled in, and nobody's edit");
    let oldest = convert(&json!({ "id": "r", "title": "t" }), Scope::Space);
    assert_eq!(oldest["__fieldMeta"]["title"]["at"], "1970-01-01T00:00:00.000001Z");
}

#[test]
fn a_record_of_the_user_names_no_space() {
    let new = convert(&json!({ "id": "r", "dark": true, "spaceId": "s", "authorId": "ada" }), Scope::User);
    assert_eq!((new.get("spaceId"), &new["userId"]), (None, &json!("ada")));
    assert!(new["__fieldMeta"].get("authorId").is_none());
}

#[test]
fn a_stamp_in_the_future_counts_as_now_and_so_does_a_deletion() {
    let mark = json!({ "at": "2031-01-01T00:00:00.000Z", "actor": { "kind": "user" }, "origin": "user" });
    let new = convert(
        &json!({ "id": "r", "deletedAt": "2031-01-01T00:00:00.000Z", "__fieldMeta": { "deletedAt": mark } }),
        Scope::Space,
    );
    assert_eq!(new["__fieldMeta"]["deletedAt"]["at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(new["deletedAt"], "2026-01-01T00:00:00.000000Z");
}

#[test]
fn dates_are_written_as_javascript_writes_them() {
    for (ms, text) in [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (-1.0, "1969-12-31T23:59:59.999Z"),
        (-14_182_940_000.0, "1969-07-20T20:17:40.000Z"),
        (951_782_400_000.0, "2000-02-29T00:00:00.000Z"),
        (-62_167_219_200_000.0, "0000-01-01T00:00:00.000Z"),
    ] {
        assert_eq!(iso_date(ms).as_deref(), Some(text));
    }
    assert_eq!(iso_date(f64::NAN), None);
}

fn times() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(OLD),
        json!(LATER),
        json!("2031-01-01T00:00:00.000Z"),
        json!("?"),
        json!(7),
    ])
}

proptest! {
    /// Interrupted and begun anew, a conversion comes to the same: what is converted stays as it is.
    #[test]
    fn converting_twice_is_converting_once(
        updated in times(), created in times(), mark in times(), stamp in times(), deleted in times(), scope in 0..2
    ) {
        let old = json!({ "id": "r", "title": "t", "note": "n", "updatedAt": updated, "createdAt": created,
            "deletedAt": deleted, "__fieldMeta": { "title": { "at": mark }, "updatedAt": { "at": mark }, "gone": { "at": mark } },
            "__fieldTimestamps": { "note": stamp } });
        let scope = if scope == 0 { Scope::Space } else { Scope::User };
        let once = convert(&old, scope);
        prop_assert_eq!(convert(&once, scope), once.clone());
        for field in ["title", "note"] {
            prop_assert_eq!(&once[field], &old[field]);
            prop_assert!(Stamp::parse(once["__fieldMeta"][field]["at"].as_str().unwrap()).is_ok());
        }
    }
}
