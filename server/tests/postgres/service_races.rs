//! Rows that other services add while somebody else writes, or removes, what has the same id.

use crate::postgres::{COMPACTOR, Database};
use crate::services::{add, add_as, in_family, refused, row, site, statement};
use crate::world::{FAMILY, NOTHING, acting, code};
use mana_sync::log::contract::fixtures::{accept, event, ids, insert, member, read_all};
use mana_sync::log::contract::rows::row as row_of;
use mana_sync::log::{ChangeLog as _, Transaction as _};
use serde_json::{Value, json};
use sqlx::{PgPool, Postgres, Transaction};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What stands in the tables of the log beside its rows, and how much is counted for more than the rows take.
const KEPT: &str = "SELECT concat_ws(' | ', (SELECT string_agg(stream || ' ' || pos, ',' ORDER BY stream) FROM streams WHERE pos > 0),
  (SELECT string_agg(stream || ' ' || record_id, ',' ORDER BY stream) FROM sync_records),
  (SELECT sum(bytes) FROM sync_usage)
    - (SELECT sum(octet_length(data) + octet_length(field_meta) + coalesce(octet_length(actor), 0) + 256) FROM sync_changes))";

const GAPS: &str = "SELECT coalesce(string_agg(stream || ' ' || pos, ',' ORDER BY stream, pos), '') FROM sync_changes";

fn with_id(row: &Value, n: u64) -> Value {
    let mut row = row.clone();
    row["id"] = json!(event(n));
    row
}

/// Adds a row to ada's own stream in a task, and comes back when it waits for somebody.
async fn add_while_waiting(database: &Database, pool: &PgPool, row: Value) -> JoinHandle<Result<u64, sqlx::Error>> {
    let pool = pool.clone();
    let adding = tokio::spawn(async move { add_as(&pool, ("ada", "", ""), &row, "ON CONFLICT DO NOTHING").await });
    let waiting = "SELECT count(*)::text FROM pg_stat_activity
      WHERE datname = current_database() AND usename = 'service' AND wait_event_type = 'Lock'";
    while database.text(waiting).await == "0" && !adding.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    adding
}

async fn begun(pool: &PgPool, row: &Value) -> Transaction<'static, Postgres> {
    let mut transaction = acting(pool, ("ada", FAMILY, FAMILY)).await;
    let statement = statement(row, "");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await.expect("a row");
    transaction
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_id_in_two_streams_at_once_nothing_is_left_of_the_second() {
    let (database, log, pool) = site().await;
    let first = begun(&pool, &with_id(&in_family("t1", &[]), 1)).await;
    let adding = add_while_waiting(&database, &pool, with_id(&row("t2", &[]), 1)).await;
    first.commit().await.unwrap();
    assert_eq!(adding.await.unwrap().unwrap(), 0, "it is passed over");
    assert_eq!(database.text(KEPT).await, "space:family 1 | space:family t1 | 0");
    let undone = begun(&pool, &with_id(&in_family("t3", &[]), 2)).await;
    let adding = add_while_waiting(&database, &pool, with_id(&row("t4", &[]), 2)).await;
    undone.rollback().await.unwrap();
    assert_eq!(adding.await.unwrap().unwrap(), 1, "the other never was");
    assert_eq!(database.text(KEPT).await, "space:family 1,user:ada 1 | space:family t1,user:ada t4 | 0");
    assert_eq!(ids(&read_all(&log, &member("ada")).await), ["t4", "t1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_is_under_way_is_waited_for_as_well() {
    let (database, log, pool) = site().await;
    let ada = member("ada");
    accept(&log, &ada, &[insert(1, "t1")]).await;
    let pushed = row_of("space:family", 2, "ada", insert(2, "t2"));
    let rows = [pushed];
    let mut push = log.store().transaction(&ada).await.unwrap();
    push.lock(&[rows[0].stream.clone()].into()).await.unwrap();
    push.charge(&ada.user, &rows).await.unwrap();
    push.append(&rows).await.unwrap();
    let adding = add_while_waiting(&database, &pool, with_id(&row("t3", &[]), 2)).await;
    push.commit().await.unwrap();
    assert_eq!(adding.await.unwrap().unwrap(), 0);
    assert_eq!(database.text(KEPT).await, "space:family 2 | space:family t1 | 0", "this push made no head");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_at_the_same_time_leaves_no_row_without_a_place() {
    let (database, log, pool) = site().await;
    add(&pool, &with_id(&in_family("t1", &[]), 1)).await.unwrap();
    let compactor = PgPool::connect(&database.url(COMPACTOR).await).await.unwrap();
    let mut removing = compactor.begin().await.unwrap();
    sqlx::query("DELETE FROM sync_changes").execute(&mut *removing).await.unwrap();
    let adding = add_while_waiting(&database, &pool, with_id(&row("t2", &[]), 1)).await;
    removing.commit().await.unwrap();
    assert_eq!(adding.await.unwrap().unwrap(), 1, "what is gone is not known");
    assert_eq!(database.text(GAPS).await, "user:ada 1");
    assert_eq!(ids(&read_all(&log, &member("ada")).await), ["t2"]);
}

#[tokio::test]
async fn an_id_among_the_values_is_the_text_that_names_the_record() {
    let (_database, log, pool) = site().await;
    for id in [json!(5), json!(5.0), json!(true), json!({ "id": "5" })] {
        let named = row(&id.to_string(), &[("data", json!({ "id": id, "title": "T" }))]);
        assert_eq!(refused(&pool, &named).await, "23514 invalid_change", "{id}");
        let update = row(&id.to_string(), &[("data", json!({ "id": id })), ("op", json!("update"))]);
        assert_eq!(refused(&pool, &update).await, "23514 invalid_change", "{id}");
    }
    add(&pool, &row("5", &[("data", json!({ "id": "5" }))])).await.unwrap();
    let changes = read_all(&log, &member("ada")).await;
    assert_eq!(ids(&changes), ["5"]);
    let served = mana_sync_engine::model::Change::parse(changes[0].to_json());
    assert_eq!(served.expect("a client reads it"), changes[0]);
    assert_eq!(
        code(&add_as(&pool, ("ada", "", NOTHING), &row("6", &[("data", json!("[}"))]), "").await.unwrap_err()),
        "22P02"
    );
}
