//! A production table of many rows: carried over whole, in order and once, whenever the migration is killed.

use crate::figures::{figure, stopwatch};
use crate::postgres::{Database, MIGRATOR};
use crate::production::{carry, production};
use mana_sync::log::contract::fixtures::{insert, member, person, push, read_on, sync_log};
use mana_sync::log::postgres::CarriedOver;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Rows of fifty people in ten spaces, several in each moment; a copy of them in `before`.
async fn fill(database: &Database, rows: u64) {
    let statements = "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, field_meta, client_id, created_at,
        schema_version, actor, origin, space_id)
      SELECT 'todo', 'tasks', 'r' || n % (ROWS / 5), 'u' || n % 50,
        CASE WHEN n < ROWS / 5 THEN 'insert' WHEN n % 20 = 19 THEN 'delete' ELSE 'update' END,
        CASE WHEN n >= ROWS / 5 AND n % 20 = 19 THEN jsonb_build_object('deletedAt', at) ELSE
          jsonb_build_object('title', 'Title ' || n, 'body', repeat('text ', 20), 'n', n) END,
        CASE WHEN n < ROWS / 5 OR n % 20 = 19 THEN '{}' ELSE jsonb_build_object('title', at, 'body', at, 'n', at) END,
        'client-' || n % 70, '2026-01-01T00:00:00Z'::timestamptz + n / 100 * interval '1 second', n % 2,
        CASE n % 3 WHEN 0 THEN '{ \"kind\": \"user\", \"principalId\": \"x\" }'::jsonb END, 'user',
        CASE n % 50 % 4 WHEN 0 THEN NULL WHEN 1 THEN '_personal:u' || n % 50 ELSE 's' || n % 50 % 10 END
      FROM generate_series(0, ROWS - 1) AS n,
        LATERAL (SELECT to_char('2026-01-01T00:00:00Z'::timestamptz AT TIME ZONE 'UTC' + n / 100 * interval '1 second', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')) AS said (at);
      CREATE TABLE before AS SELECT * FROM sync_changes";
    database.run(&statements.replace("ROWS", &rows.to_string())).await;
}

/// Holds the log against what production had.
async fn check(database: &Database, rows: u64) {
    let differing = "SELECT count(*) || ' ' || count(*) FILTER (WHERE c.id IS NULL OR c.pos <> b.place OR c.data::jsonb <> b.data
          OR c.user_id <> b.user_id OR c.client_id <> b.client_id OR c.op <> b.op OR c.schema_version <> 1
          OR c.actor::jsonb IS DISTINCT FROM b.actor OR c.created_at::timestamptz <> b.created_at)
      FROM (
        SELECT *, row_number() OVER (PARTITION BY stream ORDER BY created_at, id) AS place FROM (
          SELECT *, CASE WHEN coalesce(space_id, '_') LIKE '\\_%' THEN 'user:' || user_id ELSE 'space:' || space_id END AS stream
          FROM before) AS placed
      ) AS b FULL JOIN sync_changes AS c ON c.id = b.id::text AND c.stream = b.stream";
    assert_eq!(database.text(differing).await, format!("{rows} 0"));
    let heads = "SELECT (SELECT count(*) FROM sync_records) - (SELECT count(DISTINCT (stream, record_id)) FROM sync_changes) || ' '
      || (SELECT count(*) FROM streams AS s WHERE s.pos <> (SELECT max(pos) FROM sync_changes AS c WHERE c.stream = s.stream))";
    assert_eq!(database.text(heads).await, "0 0", "heads and streams are those of the rows");
    let log = sync_log(database.log().await, 3);
    for name in ["u0", "u1", "u13"] {
        let spaces: Vec<String> = (0..10).map(|space| format!("s{space}:club:member")).collect();
        let caller = person(name, &spaces.iter().map(String::as_str).collect::<Vec<_>>());
        let count =
            format!("SELECT count(*)::text FROM sync_changes WHERE stream = 'user:{name}' OR stream LIKE 'space:%'");
        let (changes, _) = read_on(&log, &caller, None, (&["tasks"], 1000)).await;
        assert_eq!(changes.len().to_string(), database.text(&count).await, "{name}");
    }
}

/// Everything there is, as one number.
async fn digest(database: &Database) -> String {
    let of = |table: &str| format!("(SELECT md5(string_agg(md5(t::text), '' ORDER BY t::text)) FROM {table} AS t)");
    let tables = ["sync_changes", "streams", "sync_records", "log_epoch"].map(of);
    database.text(&format!("SELECT concat_ws(' ', {})", tables.join(", "))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_many_rows_is_carried_over_through_kills_and_once() {
    let rows = figure("PRODUCTION_ROWS", 20_000);
    let database = production().await;
    fill(&database, rows).await;
    let url = database.url(MIGRATOR).await;
    for n in 0..figure("MIGRATION_KILLS", 4) {
        let mut migrating = Command::new(env!("CARGO_BIN_EXE_mana-sync"))
            .args(["migrate", "--all-spaces-shared"])
            .env("DATABASE_URL", &url)
            .stdout(Stdio::null())
            .spawn()
            .expect("the command runs");
        tokio::time::sleep(Duration::from_millis(100 + n * 300)).await;
        let ended = migrating.try_wait().expect("asked");
        migrating.kill().expect("killed");
        migrating.wait().expect("gone");
        if ended.is_some() {
            println!("kill {n} came too late");
            break;
        }
        let there = "SELECT (to_regclass('streams') IS NULL AND (SELECT count(*) FROM sync_changes) = (SELECT count(*) FROM before))::text";
        assert_eq!(database.text(there).await, "true", "all or nothing");
    }
    let seconds = stopwatch();
    let carried = carry(&database).await.expect("carried over");
    println!("{rows} rows in {:.1} s", seconds());
    check(&database, rows).await;
    let after = digest(&database).await;
    assert_eq!(carry(&database).await.expect("again"), CarriedOver::default());
    assert_eq!(digest(&database).await, after, "a second run changes nothing");
    assert!(carried == CarriedOver { rows, unread: 0 } || carried == CarriedOver::default());
    let log = sync_log(database.log().await, 4);
    assert_eq!(push(&log, &member("ada"), &[insert(1, "t1")]).await.accepted.len(), 1, "and it goes on from there");
}
