//! `mana-sync migrate` on a database with the production server's table.

use crate::postgres::{Database, MIGRATOR, SUPERUSER, randomness};
use mana_sync::log::contract::fixtures::{code, ids, member, person, read_all, sync_log, update};
use mana_sync::log::postgres::{CarriedOver, Owners, Spaces, migrate, migrate_with};
use mana_sync::log::{Caller, LogError};
use mana_sync_engine::model::{Change, SpaceId, UserId};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::{Value, json};
use sqlx::PgPool;

/// The table as production makes it, with its row security.
const TABLE: &str = "CREATE TABLE sync_changes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), app_id text NOT NULL, table_name text NOT NULL, record_id text NOT NULL,
    user_id text NOT NULL, op text NOT NULL CHECK (op IN ('insert', 'update', 'delete')), data jsonb,
    field_meta jsonb DEFAULT '{}', client_id text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    schema_version int DEFAULT 1, actor jsonb, origin text, space_id text);
  CREATE INDEX ON sync_changes (user_id, app_id, created_at);
  ALTER TABLE sync_changes OWNER TO migrator;
  ALTER TABLE sync_changes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  CREATE POLICY own ON sync_changes USING (user_id = current_setting('app.current_user_id', true));";

pub async fn production() -> Database {
    let database = Database::empty().await;
    database.run(TABLE).await;
    database
}

/// Adds rows, one second after another from ten o'clock on; each says only what differs from an insert of ada's.
async fn store(database: &Database, rows: &[Value]) {
    let admin = PgPool::connect(&database.url(SUPERUSER).await).await.expect("a connection");
    for (n, row) in rows.iter().enumerate() {
        let mut whole = json!({ "id": format!("00000000-0000-4000-8000-{n:012}"), "app_id": "todo", "table_name": "tasks",
            "user_id": "ada", "op": "insert", "data": {}, "field_meta": {}, "client_id": "client-a", "schema_version": 1,
            "created_at": format!("2026-01-01T10:00:{n:02}.123456+00:00") });
        for (column, value) in row.as_object().expect("columns") {
            whole[column] = value.clone();
        }
        let add = "INSERT INTO sync_changes SELECT * FROM jsonb_populate_record(NULL::sync_changes, $1::text::jsonb)";
        sqlx::query(add).bind(whole.to_string()).execute(&admin).await.expect("the row is stored");
    }
}

pub async fn carry(database: &Database) -> Result<CarriedOver, LogError> {
    let spaces = Spaces::<fn(Vec<UserId>) -> std::future::Ready<Result<Owners, String>>>::AllShared;
    migrate_with(&database.url(MIGRATOR).await, &randomness(), spaces).await
}

async fn read(database: &Database, caller: &Caller) -> Vec<Change> {
    let changes = read_all(&sync_log(database.log().await, 1), caller).await;
    for change in &changes {
        assert_eq!(Change::parse(change.to_json()).as_ref(), Ok(change), "a client takes it");
    }
    changes
}

/// A change as it is served, without its event id.
fn served(change: &Change) -> Value {
    let mut wire = change.to_json();
    wire.as_object_mut().expect("an object").remove("eventId");
    wire
}

fn stamp(changes: &[Change], at: usize, field: &str) -> String {
    let (_, edit) = changes[at].fields.iter().find(|(name, _)| name.as_str() == field).expect("the field");
    edit.at.to_string()
}

/// The rows that production stored for the recorded exchanges of its protocol.
#[tokio::test]
async fn what_production_stored_is_served_as_changes() {
    let database = production().await;
    let actor = json!({ "kind": "ai", "missionId": "m1", "iterationId": "i1", "rationale": "because" });
    let sealed = "enc:1:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let first = json!({ "id": "t1", "title": sealed, "done": false, "spaceId": "_personal:ada", "authorId": "ada",
        "visibility": "space", "createdAt": "2026-01-01T09:00:01.000Z" });
    let edits = json!({ "done": "2026-01-01T09:00:02.000Z", "order": "2026-01-01T09:00:03.000Z" });
    store(&database, &[
        json!({ "record_id": "t1", "data": first, "space_id": "_personal:ada", "origin": "user" }),
        json!({ "record_id": "t1", "op": "update", "data": { "done": true, "order": 3 }, "field_meta": edits,
            "space_id": "_personal:ada", "actor": actor, "origin": "agent" }),
        json!({ "record_id": "t2", "data": { "id": "t2", "title": "shared", "spaceId": "family" }, "space_id": "family" }),
        json!({ "record_id": "t1", "op": "delete", "data": { "deletedAt": "2026-01-01T09:00:04.000Z" },
            "space_id": "_personal:ada", "schema_version": 0 }),
        json!({ "record_id": "t3", "data": { "id": "t3" }, "schema_version": null }),
    ])
    .await;
    assert_eq!(carry(&database).await.expect("carried over"), CarriedOver { rows: 5, unread: 0 });
    let changes = read(&database, &member("ada")).await;
    assert_eq!(ids(&changes), ["t1", "t1", "t1", "t3", "t2"]);
    let common = |op: &str, at: &str| {
        json!({ "app": "todo", "schemaVersion": 1, "table": "tasks", "id": "t1", "op": op, "at": at, "visibility": "space",
            "origin": "user", "spaceId": "_personal:ada", "userId": "ada" })
    };
    let mut wanted = common("insert", "2026-01-01T09:00:01.000Z");
    wanted["data"] = first;
    assert_eq!(served(&changes[0]), wanted);
    let mut wanted = common("update", "2026-01-01T09:00:03.000Z");
    wanted["fields"] = json!({ "done": { "value": true, "at": "2026-01-01T09:00:02.000Z" },
        "order": { "value": 3, "at": "2026-01-01T09:00:03.000Z" } });
    (wanted["actor"], wanted["origin"]) = (actor, json!("agent"));
    assert_eq!(served(&changes[1]), wanted);
    let mut wanted = common("delete", "2026-01-01T09:00:04.000Z");
    wanted["deletedAt"] = json!("2026-01-01T09:00:04.000Z");
    assert_eq!(served(&changes[2]), wanted);
    assert_eq!(changes[3].space_id, None, "a record without a space stays one");
    assert_eq!(ids(&read(&database, &member("bob")).await), ["t2"]);
    assert_eq!(database.text("SELECT string_agg(DISTINCT client_id, ' ') FROM sync_changes").await, "client-a");
}

#[tokio::test]
async fn stamps_are_those_of_the_rows_and_held_at_five_minutes_after_they_came() {
    let database = production().await;
    let far = "2999-01-01T00:00:00.000Z";
    let edit = |at: &str| json!({ "op": "update", "record_id": "t1", "data": { "title": "T" }, "field_meta": { "title": at } });
    store(&database, &[
        edit(far),
        edit("2026-01-01T10:04:00.000Z"),
        edit(""),
        json!({ "op": "delete", "record_id": "t1", "data": { "deletedAt": far } }),
        json!({ "record_id": "t2", "data": { "title": "T", "updatedAt": "2026-01-01T09:30:00.000Z", "createdAt": "2026-01-01T09:00:00.000Z" } }),
        json!({ "record_id": "t3", "data": { "title": "T", "updatedAt": far } }),
        json!({ "record_id": "t4", "data": { "title": "T", "body": "B" }, "field_meta": { "title": "2026-01-01T09:45:00.000Z" } }),
        json!({ "op": "update", "record_id": "t4", "data": { "title": "T" }, "field_meta": {} }),
    ])
    .await;
    carry(&database).await.expect("carried over");
    let changes = read(&database, &member("ada")).await;
    assert_eq!(stamp(&changes, 0, "title"), "2026-01-01T10:05:00.123456Z");
    assert_eq!(stamp(&changes, 1, "title"), "2026-01-01T10:04:00.000Z");
    assert_eq!(stamp(&changes, 2, "title"), "2026-01-01T10:00:02.123456Z", "what is no time is that of the row");
    assert_eq!(changes[3].at.to_string(), "2026-01-01T10:05:03.123456Z");
    assert_eq!((stamp(&changes, 4, "title"), changes[4].fields.len()), ("2026-01-01T09:30:00.000Z".to_owned(), 2));
    assert_eq!(stamp(&changes, 5, "title"), "2026-01-01T10:05:05.123456Z");
    assert_eq!(stamp(&changes, 6, "title"), "2026-01-01T09:45:00.000Z");
    assert_eq!(stamp(&changes, 6, "body"), "2026-01-01T10:00:06.123456Z");
    assert_eq!(stamp(&changes, 7, "title"), "2026-01-01T10:00:07.123456Z", "values without stamps are not lost");
}

#[tokio::test]
async fn an_insert_without_a_time_does_not_undo_what_was_edited_in_its_record() {
    let database = production().await;
    let edit =
        |at: &str| json!({ "op": "update", "record_id": "t1", "data": { "title": at }, "field_meta": { "title": at } });
    // Written offline and sent at once: the edit is older than the row of the insert.
    store(&database, &[
        json!({ "record_id": "t1", "data": { "title": "first" } }),
        edit("2026-01-01T08:30:00.000Z"),
        edit("2026-01-01T08:00:00.000Z"),
        json!({ "record_id": "t1", "data": { "title": "again" } }),
        json!({ "record_id": "t1", "user_id": "bob", "op": "update", "data": { "title": "B" }, "field_meta": { "title": "2026-01-01T07:00:00.000Z" } }),
    ])
    .await;
    carry(&database).await.expect("carried over");
    let changes = read(&database, &member("ada")).await;
    assert_eq!(stamp(&changes, 0, "title"), "2026-01-01T07:59:59.999Z");
    assert_eq!(stamp(&changes, 3, "title"), "2026-01-01T10:00:03.123456Z", "nothing of ada's was edited after that");
}

#[tokio::test]
async fn rows_that_no_client_could_read_are_kept_and_counted() {
    let database = production().await;
    store(&database, &[
        json!({ "record_id": "good", "data": { "a": 1 } }),
        json!({ "record_id": "", "data": { "a": 1 } }),
        json!({ "record_id": "r", "table_name": "_own", "data": { "a": 1 } }),
        json!({ "record_id": "r", "app_id": "a/b", "data": { "a": 1 } }),
        json!({ "record_id": "r", "user_id": "", "data": { "a": 1 } }),
        json!({ "record_id": "r", "data": ["no object"] }),
        json!({ "record_id": "r", "data": { "a": { "constructor": 1 } } }),
        json!({ "record_id": "r", "data": { "id": "another" } }),
        json!({ "record_id": "r", "op": "update", "data": { "updatedAt": "2026-01-01T09:30:00.000Z" } }),
        json!({ "record_id": "r", "op": "update", "data": null, "field_meta": null }),
        json!({ "record_id": "r", "data": { "a": 1 }, "space_id": "_personal:bob" }),
        json!({ "record_id": "r", "data": { "a": 1 }, "created_at": "infinity" }),
        // These say something odd besides, which keeps nobody from their contents.
        json!({ "record_id": "odd", "data": { "a": 1, "__x": 2 }, "client_id": "", "origin": "?", "actor": { "kind": "robot" } }),
    ])
    .await;
    database.run("UPDATE sync_changes SET data = '{ \"a\": 1e400 }' WHERE table_name = '_own'").await;
    assert_eq!(carry(&database).await.expect("carried over"), CarriedOver { rows: 2, unread: 11 });
    assert_eq!(ids(&read(&database, &member("ada")).await), ["good", "odd"]);
    let kept =
        "SELECT count(DISTINCT id) || ' ' || bool_and(reason <> '' AND content::jsonb ? 'created_at') FROM sync_unread";
    assert_eq!(database.text(kept).await, "11 true");
    let server = PgPool::connect(&database.url(crate::postgres::SERVER).await).await.unwrap();
    assert!(sqlx::query("SELECT 1 FROM sync_unread").execute(&server).await.is_err(), "they are nobody's to read");
}

#[tokio::test]
async fn what_its_author_made_private_is_nobody_elses_afterwards() {
    let database = production().await;
    let word = |user: &str, record: &str, op: &str, word: &str| json!({ "record_id": record, "user_id": user, "op": op, "data": { "visibility": word }, "space_id": "family" });
    let title = |user: &str, record: &str| json!({ "record_id": record, "user_id": user, "op": "update", "data": { "title": user }, "space_id": "family" });
    store(
        &database,
        &[
            word("ada", "born", "insert", "private"),
            title("ada", "born"),
            title("bob", "born"),
            word("ada", "turned", "insert", "space"),
            title("bob", "turned"),
            word("ada", "turned", "update", "private"),
            word("ada", "open", "insert", "space"),
            word("bob", "open", "update", "private"),
            title("ada", "open"),
            word("ada", "shown", "insert", "private"),
            word("ada", "shown", "update", "space"),
        ],
    )
    .await;
    carry(&database).await.expect("carried over");
    assert_eq!(ids(&read(&database, &member("bob")).await), ["open", "open", "open", "shown", "shown"]);
    assert_eq!(read(&database, &member("ada")).await.len(), 11);
    let log = sync_log(database.log().await, 2);
    for (record, refused) in
        [("born", Some(RejectionCode::NotTheAuthor)), ("turned", Some(RejectionCode::NotTheAuthor)), ("open", None)]
    {
        let n = u64::try_from(record.len()).unwrap();
        assert_eq!(code(&log, &member("bob"), update(n, record)).await, refused, "{record}");
    }
}

#[tokio::test]
async fn a_personal_space_goes_into_its_owners_stream() {
    let database = production().await;
    let row = |user: &str, space: &str| json!({ "record_id": format!("{user}-{space}"), "user_id": user, "data": { "spaceId": space }, "space_id": space });
    store(&database, &[row("ada", "home"), row("bob", "home"), row("bob", "family"), row("ada", "family")]).await;
    let url = database.url(MIGRATOR).await;
    let refused = migrate(&url, &randomness()).await.expect_err("it is not known").to_string();
    assert!(refused.contains("MANA_AUTH_URL"), "{refused}");
    let asked = std::cell::RefCell::new(Vec::new());
    let ask = async |people: Vec<UserId>| {
        asked.borrow_mut().extend(people.iter().map(ToString::to_string));
        Ok(Owners::from([(SpaceId::parse("home").unwrap(), UserId::parse("ada").unwrap())]))
    };
    let failing = migrate_with(&url, &randomness(), Spaces::Known(async |_| Err("no answer".to_owned()))).await;
    assert!(failing.is_err());
    let carried = migrate_with(&url, &randomness(), Spaces::Known(ask)).await.expect("carried over");
    assert_eq!(carried, CarriedOver { rows: 3, unread: 1 });
    asked.borrow_mut().sort();
    assert_eq!(*asked.borrow(), ["ada", "bob"]);
    let typed = person("ada", &["home:personal:owner", "family:family:member"]);
    let changes = read(&database, &typed).await;
    assert_eq!(ids(&changes), ["ada-home", "bob-family", "ada-family"]);
    assert_eq!(changes[0].space_id.as_ref().map(SpaceId::as_str), Some("_personal:ada"));
    assert_eq!(ids(&read(&database, &member("bob")).await), ["bob-family", "ada-family"]);
    let kept = "SELECT string_agg(space_id || ' ' || user_id, ',') FROM own_spaces";
    assert_eq!(database.text(kept).await, "home ada", "also for rows that services add");
}

#[tokio::test]
async fn a_table_of_something_else_is_left_alone() {
    let database = Database::empty().await;
    database.run("CREATE TABLE sync_changes (id int); ALTER TABLE sync_changes OWNER TO migrator").await;
    let refused = carry(&database).await.expect_err("not production's").to_string();
    assert!(refused.contains("no column app_id"), "{refused}");
    let database = production().await;
    store(&database, &[json!({ "record_id": "t1" })]).await;
    database.run("CREATE VIEW reports AS SELECT id FROM sync_changes").await;
    assert!(carry(&database).await.is_err(), "something depends on it");
    assert_eq!(database.text("SELECT count(*)::text FROM reports").await, "1");
}
