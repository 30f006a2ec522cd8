//! What statements without any condition of their own see: row security alone.

use crate::postgres::Database;
use crate::world::{FAMILY, NOTHING, acting, ask, world};
use mana_sync::log::contract::fixtures::{accept, insert, member, person, sync_log};
use mana_sync::log::{ByTime as _, Withheld};
use mana_sync_engine::model::{AppId, ClientId, EventId};
use serde_json::json;

/// `stream writer op record` of everything there is.
const EVERYTHING: &str = "SELECT stream, user_id, op, record_id FROM sync_changes ORDER BY stream, pos";

/// What was withheld from protocol 2.
const WITHHELD: &str = "SELECT user_id, table_name FROM sync_withheld";
/// A change in the name of somebody else.
const FORGE: &str = "INSERT INTO sync_withheld (user_id, id, app_id, table_name, client_id, created_at, code, change)
  SELECT 'ada', 'x', 'todo', 'tasks', 'a', '', '', '' RETURNING id";

#[tokio::test]
async fn a_person_sees_their_own_stream_and_their_spaces_without_others_private_records() {
    let (_database, log) = world().await;
    let mut bob = acting(log.store().pool(), ("bob", FAMILY, FAMILY)).await;
    let seen = ask(&mut bob, EVERYTHING).await.unwrap();
    assert_eq!(
        seen,
        [
            "space:family ada insert shared",
            "space:family ada withdraw turned",
            "space:family bob update shared",
            "space:family bob insert bobs",
            "user:bob bob insert own",
            "user:bob bob insert diary",
        ]
    );
    let mut ada = acting(log.store().pool(), ("ada", FAMILY, FAMILY)).await;
    let seen = ask(&mut ada, EVERYTHING).await.unwrap();
    assert_eq!(seen.iter().filter(|row| row.contains("secret") || row.contains("turned")).count(), 4, "{seen:?}");
    assert!(
        !seen.iter().any(|row| row.contains("bobs") || row.contains("club") || row.contains("user:bob")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_space_that_is_not_said_shows_nothing_not_even_what_oneself_wrote_there() {
    let (_database, log) = world().await;
    let mut ada = acting(log.store().pool(), ("ada", NOTHING, NOTHING)).await;
    assert_eq!(ask(&mut ada, EVERYTHING).await.unwrap(), ["user:ada ada insert own"]);
    let heads = ask(&mut ada, "SELECT stream, record_id FROM sync_records").await.unwrap();
    assert_eq!(heads, ["user:ada own"]);
    assert_eq!(ask(&mut ada, "SELECT stream FROM streams").await.unwrap(), ["user:ada"]);
    assert_eq!(ask(&mut ada, "SELECT DISTINCT stream FROM sync_tags").await.unwrap(), ["user:ada"]);
}

#[tokio::test]
async fn without_an_identity_there_is_nothing_to_see() {
    let (_database, log) = world().await;
    let mut nobody = log.store().pool().begin().await.unwrap();
    for table in [
        EVERYTHING,
        "SELECT stream FROM streams",
        "SELECT stream FROM sync_records",
        "SELECT stream FROM sync_tags",
        "SELECT id FROM sync_events",
    ] {
        assert_eq!(ask(&mut nobody, table).await, Ok(Vec::new()), "{table}");
    }
    let mut blank = acting(log.store().pool(), ("", FAMILY, FAMILY)).await;
    assert_eq!(ask(&mut blank, EVERYTHING).await, Ok(Vec::new()), "spaces are nobody's without a person");
}

#[tokio::test]
async fn the_looks_past_row_security_show_tags_of_ones_streams_and_ids_of_ones_events() {
    let (_database, log) = world().await;
    let mut bob = acting(log.store().pool(), ("bob", FAMILY, FAMILY)).await;
    let tags = ask(&mut bob, "SELECT stream, count(*)::text FROM sync_tags GROUP BY stream ORDER BY stream").await;
    assert_eq!(tags.unwrap(), ["space:family 7", "user:bob 2"], "a tag says nothing of the row");
    let events = ask(&mut bob, "SELECT DISTINCT user_id FROM sync_events").await;
    assert_eq!(events.unwrap(), ["bob"]);
    for column in ["SELECT data FROM sync_tags", "SELECT data FROM sync_events"] {
        let mut bob = acting(log.store().pool(), ("bob", FAMILY, FAMILY)).await;
        assert_eq!(ask(&mut bob, column).await, Err("42703".into()), "there is no such column");
    }
}

#[tokio::test]
async fn how_much_others_wrote_is_neither_seen_nor_changed() {
    let database = Database::migrated().await;
    let log = sync_log(database.log().await, 1);
    accept(&log, &member("ada"), &[insert(1, "t1")]).await;
    accept(&log, &member("bob"), &[insert(2, "t2")]).await;
    let mut transaction = log.store().pool().begin().await.unwrap();
    let say = "SELECT set_config('app.current_user_id', 'ada', true)";
    sqlx::query(say).execute(&mut *transaction).await.unwrap();
    let seen = sqlx::query_scalar::<_, String>("SELECT user_id FROM sync_usage").fetch_all(&mut *transaction).await;
    assert_eq!(seen.unwrap(), ["ada"]);
    let changed = sqlx::query("UPDATE sync_usage SET bytes = 0 WHERE user_id = 'bob'").execute(&mut *transaction).await;
    assert_eq!(changed.unwrap().rows_affected(), 0);
    let forged = sqlx::query("INSERT INTO sync_usage VALUES ('eve', -1)").execute(&mut *transaction).await;
    assert!(forged.is_err());
    drop(transaction);
    assert!(sqlx::query("DELETE FROM sync_usage").execute(log.store().pool()).await.is_err());
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM sync_usage").fetch_one(log.store().pool()).await.unwrap();
    assert_eq!(seen, 0, "without a person there is nothing");
}

#[tokio::test]
async fn what_was_withheld_is_its_authors_alone() {
    let (_database, log) = world().await;
    let withheld = Withheld {
        event_id: EventId::named("withheld"),
        app: AppId::parse("todo").unwrap(),
        table: "tasks".to_owned(),
        client_id: ClientId::parse("a").unwrap(),
        code: "not_a_member",
        change: json!({ "spaceId": "family", "id": "forged" }),
    };
    log.store().withhold(&person("ada", &["family:family:member"]), &[withheld], None).await.unwrap();
    let mut ada = acting(log.store().pool(), ("ada", NOTHING, NOTHING)).await;
    assert_eq!(ask(&mut ada, WITHHELD).await.unwrap(), ["ada tasks"]);
    assert!(ask(&mut ada, "DELETE FROM sync_withheld RETURNING id").await.is_err(), "and stays");
    let mut bob = acting(log.store().pool(), ("bob", FAMILY, FAMILY)).await;
    assert_eq!(ask(&mut bob, WITHHELD).await.unwrap(), Vec::<String>::new());
    assert!(ask(&mut bob, FORGE).await.is_err());
}
