//! Other services that add rows to `sync_changes` themselves: what the trigger makes of them, and what it refuses.

use crate::postgres::{Database, SERVICE};
use crate::world::{FAMILY, NOTHING, acting, code};
use mana_sync::log::SyncLog;
use mana_sync::log::contract::fixtures::{
    accept, code as rejection, edited, ids, insert, member, person, read_all, sync_log, update, with,
};
use mana_sync::log::postgres::PostgresLog;
use mana_sync_engine::model::{Change, Stamp, Visibility};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::{Value, json};
use sqlx::PgPool;

/// A database with the log as a server has it, and a pool of another service's role.
pub async fn site() -> (Database, SyncLog<PostgresLog>, PgPool) {
    let database = Database::migrated().await;
    let log = sync_log(database.log().await, 1);
    let pool = PgPool::connect(&database.url(SERVICE).await).await.expect("a connection");
    (database, log, pool)
}

/// Adds a row as a service does, for ada and her family unless it says another; columns that are left out are not named.
pub async fn add(pool: &PgPool, row: &Value) -> Result<u64, sqlx::Error> {
    add_as(pool, (row["user_id"].as_str().unwrap_or("ada"), FAMILY, FAMILY), row, "").await
}

/// The same in the name of somebody, with the end of the statement.
pub async fn add_as(pool: &PgPool, who: (&str, &str, &str), row: &Value, end: &str) -> Result<u64, sqlx::Error> {
    let mut transaction = acting(pool, who).await;
    let statement = statement(row, end);
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(done.rows_affected())
}

/// Objects go as `jsonb`, as a service's driver sends them.
pub fn statement(row: &Value, end: &str) -> String {
    let row = row.as_object().expect("columns");
    let literal = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Object(_) | Value::Array(_) => format!("'{}'::jsonb", value.to_string().replace('\'', "''")),
        other => other.to_string(),
    };
    let columns: Vec<&str> = row.keys().map(String::as_str).collect();
    let values: Vec<String> = row.values().map(literal).collect();
    format!("INSERT INTO sync_changes ({}) VALUES ({}) {end}", columns.join(", "), values.join(", "))
}

/// A row of ada's own, as a service writes it: the columns of the production table, without those that have defaults.
pub fn row(record: &str, parts: &[(&str, Value)]) -> Value {
    let row = json!({ "app_id": "todo", "table_name": "tasks", "record_id": record, "user_id": "ada", "op": "insert",
        "data": { "id": record, "title": "From a service" }, "field_meta": {}, "client_id": "system:bootstrap" });
    with(row, parts)
}

pub fn in_family(record: &str, parts: &[(&str, Value)]) -> Value {
    with(row(record, &[("space_id", json!("family"))]), parts)
}

pub async fn refused(pool: &PgPool, row: &Value) -> String {
    refused_as(pool, (row["user_id"].as_str().unwrap_or("ada"), FAMILY, FAMILY), row).await
}

/// The code and the constraint that a row in the name of somebody is refused by.
pub async fn refused_as(pool: &PgPool, who: (&str, &str, &str), row: &Value) -> String {
    let error = add_as(pool, who, row, "").await.expect_err("the row is refused");
    let error = error.as_database_error().expect("an answer of the database");
    format!("{} {}", error.code().unwrap_or_default(), error.constraint().unwrap_or_default())
}

pub fn field<'a>(change: &'a Change, name: &str) -> (&'a Value, String) {
    let (_, edit) = change.fields.iter().find(|(field, _)| field.as_str() == name).expect("the field");
    (&edit.value, edit.at.to_string())
}

#[tokio::test]
async fn rows_of_production_columns_become_changes_in_their_streams() {
    let (_database, log, pool) = site().await;
    let at = "2026-01-01T10:00:00.000Z";
    let meta = json!({ "title": at, "done": { "at": "2026-01-01T10:00:01.5+00:00", "prev": at }, "gone": at });
    let actor = json!({ "kind": "system", "principalId": "system:bootstrap" });
    let mut first = row("t1", &[("actor", actor.clone()), ("origin", json!("system"))]);
    first.as_object_mut().unwrap().remove("field_meta");
    add(&pool, &first).await.unwrap();
    let update = json!({ "title": "Two", "done": true, "__hidden": 1 });
    add(&pool, &in_family("t2", &[("op", json!("update")), ("data", update), ("field_meta", meta)])).await.unwrap();
    let deletion = json!({ "deletedAt": "2026-01-01T10:00:04.000Z" });
    add(&pool, &in_family("t2", &[("op", json!("delete")), ("data", deletion), ("schema_version", json!(0))]))
        .await
        .unwrap();
    let changes = read_all(&log, &member("ada")).await;
    assert_eq!(ids(&changes), ["t1", "t2", "t2"]);
    let [own, updated, deleted] = &changes[..] else { panic!("three changes") };
    assert_eq!(own.actor.as_ref().unwrap().to_json(), actor);
    assert_eq!((own.space_id.as_ref(), field(own, "title").1), (None, own.at.to_string()));
    assert_eq!(field(updated, "title"), (&json!("Two"), at.to_owned()));
    assert_eq!(field(updated, "done"), (&json!(true), "2026-01-01T10:00:01.500Z".to_owned()));
    assert_eq!((updated.fields.len(), updated.at.to_string()), (2, "2026-01-01T10:00:01.500Z".to_owned()));
    assert_eq!((deleted.schema_version, deleted.at.to_string()), (1, "2026-01-01T10:00:04.000Z".to_owned()));
    // What is served is what a client takes.
    for change in &changes {
        let served = Change::parse(change.to_json()).expect("a change");
        assert_eq!(&served, change);
    }
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t2", "t2"]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_a_code() {
    let (_database, log, pool) = site().await;
    let deep = (0..65).fold(json!(1), |inner, _| json!([inner]));
    // The actor is a level itself.
    let within = (0..64).fold(json!(1), |inner, _| json!([inner]));
    // Few bytes, and many digits.
    let long_numbers = format!("{{ \"a\": [{}] }}", vec!["1e-16000"; 1_000].join(","));
    for (part, value, wanted) in [
        ("op", json!("upsert"), "23514 invalid_change"),
        ("op", Value::Null, "23514 invalid_change"),
        ("op", json!("withdraw"), "23514 invalid_change"),
        ("id", json!("not a uuid"), "23514 invalid_change"),
        ("app_id", json!(""), "23514 invalid_change"),
        ("app_id", json!("a/b"), "23514 invalid_change"),
        ("table_name", json!("_own"), "23514 invalid_change"),
        ("record_id", json!("x".repeat(256)), "23514 invalid_change"),
        ("record_id", json!("a\u{85}b"), "23514 invalid_change"),
        ("record_id", Value::Null, "23514 invalid_change"),
        ("user_id", json!(""), "23514 invalid_change"),
        ("client_id", json!("\u{7}"), "23514 invalid_change"),
        ("space_id", json!("é".repeat(128)), "23514 invalid_change"),
        ("origin", json!("nowhere"), "23514 invalid_change"),
        ("schema_version", json!(-1), "23514 invalid_change"),
        ("schema_version", json!(4_294_967_296_u64), "23514 invalid_change"),
        ("actor", json!({ "kind": "robot" }), "23514 invalid_change"),
        ("actor", json!(["ai"]), "23514 invalid_change"),
        ("actor", json!({ "kind": "ai", "x": within }), "23514 invalid_change"),
        ("data", json!([1]), "23514 invalid_change"),
        ("data", json!({ "id": "t2" }), "23514 invalid_change"),
        ("data", json!({ "id": Value::Null }), "23514 invalid_change"),
        ("data", json!({ "id": ["t1"] }), "23514 invalid_change"),
        ("data", json!({ "spaceId": 5 }), "23514 invalid_change"),
        ("data", json!({ "visibility": 5 }), "23514 invalid_change"),
        ("data", json!({ "visibility": Value::Null }), "23514 invalid_change"),
        ("data", json!({ "": 5 }), "23514 invalid_change"),
        ("data", json!({ "x".repeat(256): 5 }), "23514 invalid_change"),
        ("data", json!({ "constructor": 5 }), "23514 invalid_change"),
        ("data", json!({ "a": [{ "prototype": 5 }] }), "23514 invalid_change"),
        ("data", json!({ "a": deep }), "23514 invalid_change"),
        ("data", json!("{ \"a\": 1e400 }"), "23514 invalid_change"),
        ("data", json!("{ \"a\": "), "22P02 "),
        ("data", json!({ "title": "x".repeat(8 * 1024 * 1024) }), "23514 too_large"),
        ("data", json!(long_numbers), "23514 too_large"),
        ("data", json!({ "spaceId": "family" }), "23514 space_mismatch"),
        ("field_meta", json!({ "title": "yesterday" }), "23514 invalid_change"),
        ("field_meta", json!({ "title": "1969-12-31T23:59:59.000Z" }), "23514 invalid_change"),
        ("field_meta", json!({ "title": { "at": 5 } }), "23514 invalid_change"),
        ("field_meta", json!([]), "23514 invalid_change"),
    ] {
        let space = if wanted.ends_with("space_mismatch") { json!("club") } else { Value::Null };
        let row = with(row("t1", &[("space_id", space)]), &[(part, value.clone())]);
        assert_eq!(refused(&pool, &row).await, wanted, "{part}: {:.60}", value.to_string());
    }
    for row in [
        row("t1", &[("op", json!("update")), ("data", json!({}))]),
        row("t1", &[("op", json!("update")), ("data", json!({ "__hidden": 1 }))]),
        row("t1", &[("op", json!("delete")), ("data", json!({ "deletedAt": "" }))]),
    ] {
        assert_eq!(refused(&pool, &row).await, "23514 invalid_change", "{row}");
    }
    assert_eq!(read_all(&log, &member("ada")).await, [], "and nothing is there");
    let as_deep_as_may_be = (0..63).fold(json!(1), |inner, _| json!([inner]));
    add(&pool, &row("t1", &[("actor", json!({ "kind": "ai", "x": as_deep_as_may_be }))])).await.unwrap();
    assert_eq!(read_all(&log, &member("ada")).await.len(), 1, "and is read");
}

#[tokio::test]
async fn a_service_writes_for_the_person_it_names_where_that_one_may_write() {
    let (_database, log, pool) = site().await;
    let (ada, club) = (("ada", FAMILY, FAMILY), json!("club"));
    for (who, row) in [
        (("", "", ""), row("t1", &[])),
        (("bob", FAMILY, FAMILY), row("t1", &[])),
        (ada, in_family("t1", &[("space_id", club)])),
        (ada, row("t1", &[("space_id", json!("_personal:bob"))])),
        (ada, row("t1", &[("data", json!({ "spaceId": "club" }))])),
        (("ada", FAMILY, NOTHING), in_family("t1", &[])),
        (("ada", "", ""), in_family("t1", &[])),
        // These belong to the trigger.
        (ada, row("t1", &[("stream", json!("space:club"))])),
        (ada, row("t1", &[("pos", json!(7))])),
        (ada, row("t1", &[("visibility", json!("space"))])),
    ] {
        let error = add_as(&pool, who, &row, "").await.expect_err("refused");
        assert_eq!(code(&error), "42501", "{who:?} {row}");
    }
    assert_eq!(add_as(&pool, ("ada", "", ""), &row("own", &[]), "").await.unwrap(), 1);
    let alias = row("aliased", &[("space_id", json!("_personal:ada"))]);
    assert_eq!(add_as(&pool, ("ada", "", ""), &alias, "").await.unwrap(), 1);
    add(&pool, &in_family("shared", &[])).await.unwrap();
    add(&pool, &row("named", &[("data", json!({ "spaceId": "family" }))])).await.unwrap();
    assert_eq!(ids(&read_all(&log, &member("ada")).await), ["own", "aliased", "shared", "named"]);
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["shared", "named"]);
    let mut bob = acting(&pool, ("bob", FAMILY, FAMILY)).await;
    for statement in [
        "UPDATE sync_changes SET data = '{}'",
        "DELETE FROM sync_changes",
        "SELECT pos FROM streams",
        "SELECT * FROM sync_tags",
        "INSERT INTO streams (stream) VALUES ('user:bob')",
        "CREATE TEMP TABLE streams (stream text)",
    ] {
        let done = sqlx::query(statement).execute(&mut *bob).await;
        match done {
            Ok(_) => assert!(statement.starts_with("CREATE TEMP"), "{statement}"),
            Err(error) => assert_eq!(code(&error), "42501", "{statement}"),
        }
        bob = acting(&pool, ("bob", FAMILY, FAMILY)).await;
    }
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM sync_changes").fetch_one(&mut *bob).await.unwrap();
    assert_eq!(seen, 2, "what bob may see and no more");
}

#[tokio::test]
async fn a_temporary_table_is_not_taken_for_one_of_the_logs() {
    let (_database, log, pool) = site().await;
    let mut ada = acting(&pool, ("ada", FAMILY, FAMILY)).await;
    sqlx::raw_sql("CREATE TEMP TABLE streams (stream text PRIMARY KEY, pos bigint DEFAULT 90)")
        .execute(&mut *ada)
        .await
        .unwrap();
    let insert = statement(&row("t1", &[]), "");
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut *ada).await.unwrap();
    ada.commit().await.unwrap();
    assert_eq!(ids(&read_all(&log, &member("ada")).await), ["t1"]);
}

#[tokio::test]
async fn stamps_of_the_future_are_held_at_five_minutes_ahead() {
    let (_database, log, pool) = site().await;
    let far = json!("2999-01-01T00:00:00.000Z");
    let data = json!({ "id": "t1", "title": "T", "visibility": "space", "deletedAt": null });
    let meta = json!({ "title": far, "visibility": far, "deletedAt": { "at": far, "prev": far } });
    add(&pool, &in_family("t1", &[("data", data), ("field_meta", meta), ("created_at", far.clone())])).await.unwrap();
    add(&pool, &in_family("t2", &[("op", json!("delete")), ("data", json!({ "deletedAt": far }))])).await.unwrap();
    let most = mana_sync::clock::now().ms() + 5 * 60 * 1000 + 1;
    let changes = read_all(&log, &member("bob")).await;
    let stamps = changes.iter().flat_map(|change| {
        change.fields.values().flat_map(|edit| [Some(edit.at), edit.prev]).chain([Some(change.at)]).flatten()
    });
    assert_eq!(stamps.filter(|stamp| stamp.ms() > most).collect::<Vec<Stamp>>(), []);
    assert_eq!(changes.len(), 2);
}

#[tokio::test]
async fn private_records_stay_their_authors_whoever_writes_which_way() {
    let (database, log, pool) = site().await;
    let private = |record: &str| in_family(record, &[("data", json!({ "id": record, "visibility": "private" }))]);
    let title = json!({ "title": "T" });
    add(&pool, &private("s1")).await.unwrap();
    add(&pool, &in_family("s1", &[("op", json!("update")), ("data", title.clone())])).await.unwrap();
    accept(&log, &member("ada"), &[with(insert(1, "s2"), &[("visibility", json!("private"))]), insert(2, "open")])
        .await;
    for record in ["s1", "s2"] {
        let of_bob = [("user_id", json!("bob")), ("op", json!("update")), ("data", title.clone())];
        assert_eq!(refused(&pool, &in_family(record, &of_bob)).await, "23514 not_the_author");
        let pushed = rejection(&log, &member("bob"), update(10, record)).await;
        assert_eq!(pushed, Some(RejectionCode::NotTheAuthor), "{record}");
    }
    add(&pool, &in_family("s2", &[("op", json!("update")), ("data", title.clone())])).await.unwrap();
    for (record, word) in [("s1", "space"), ("open", "private")] {
        let turned = json!({ "id": record, "visibility": word });
        assert_eq!(refused(&pool, &in_family(record, &[("data", turned)])).await, "23514 visibility_mismatch");
    }
    let of_ada = read_all(&log, &member("ada")).await;
    assert_eq!(ids(&of_ada), ["s1", "s1", "s2", "open", "s2"]);
    assert!(of_ada.iter().all(|change| (change.visibility == Visibility::Private) == (change.id.as_str() != "open")));
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["open"]);
    let row_security_alone = sync_log(database.log().await.with_row_security_alone(), 2);
    assert_eq!(ids(&read_all(&row_security_alone, &member("bob")).await), ["open"]);
}

#[tokio::test]
async fn heads_are_those_that_the_same_pushes_make() {
    let (database, log, pool) = site().await;
    let named = |user: &str| json!({ "title": "T", "authorId": user, "visibility": "space" });
    let at = |minute: u64| format!("2026-01-01T11:{minute:02}:00.000000Z");
    let meta = |minute: u64| json!({ "title": at(minute), "authorId": at(minute), "visibility": at(minute) });
    let steps = [("bob", 20), ("ada", 10), ("bob", 15), ("ada", 30), ("bob", 5)];
    for (n, (user, minute)) in (100..).zip(steps) {
        let parts = [("user_id", json!(user)), ("data", named(user)), ("field_meta", meta(minute))];
        add(&pool, &in_family("served", &parts)).await.unwrap();
        let mut change = with(insert(n, "pushed"), &[("data", json!({})), ("at", json!(at(minute)))]);
        for field in ["title", "authorId", "visibility"] {
            change = edited(change, field, named(user)[field].as_str().unwrap(), minute);
        }
        accept(&log, &member(user), &[change]).await;
        let differing =
            "SELECT count(DISTINCT (author, author_at, visibility, visibility_at, deleted, deleted_at))::text
            FROM sync_records";
        assert_eq!(database.text(differing).await, "1", "after {user} at {minute}");
    }
    for (n, minute, value) in [(200, 40, json!(at(40))), (201, 35, Value::Null), (202, 50, Value::Null)] {
        let parts = [
            ("op", json!("update")),
            ("data", json!({ "deletedAt": value })),
            ("field_meta", json!({ "deletedAt": at(minute) })),
        ];
        add(&pool, &in_family("served", &parts)).await.unwrap();
        let edit = json!({ "deletedAt": { "value": value, "at": at(minute) } });
        let mut change = with(update(n, "pushed"), &[("fields", edit)]);
        change["at"] = json!(at(minute));
        accept(&log, &member("ada"), &[change]).await;
    }
    let heads = "SELECT string_agg(DISTINCT concat_ws(' ', author, author_at, visibility_at, deleted, deleted_at), '|') FROM sync_records";
    let wanted = format!("bob {} {} f {}", at(5), at(5), at(50));
    assert_eq!(database.text(heads).await, wanted);
}

#[tokio::test]
async fn a_known_id_takes_no_place_in_the_stream() {
    let (database, log, pool) = site().await;
    let id = ("id", json!("01a20350-9a75-7fb5-b364-84f6881af588"));
    add(&pool, &in_family("t1", std::slice::from_ref(&id))).await.unwrap();
    assert_eq!(refused(&pool, &in_family("t1", std::slice::from_ref(&id))).await, "23505 sync_changes_user_id_id_key");
    let who = ("ada", FAMILY, FAMILY);
    let again = add_as(&pool, who, &in_family("t1", std::slice::from_ref(&id)), "ON CONFLICT DO NOTHING").await;
    assert_eq!(again.unwrap(), 0);
    add(&pool, &in_family("t2", &[])).await.unwrap();
    let bob = person("bob", &["family:family:member"]);
    assert_eq!(ids(&read_all(&log, &bob).await), ["t1", "t2"]);
    let gaps = "SELECT string_agg(pos::text, ' ' ORDER BY pos) FROM sync_changes";
    assert_eq!(database.text(gaps).await, "1 2");
}
