//! Connections go from request to request; an identity does not.

use crate::figures::{figure, seed};
use crate::postgres::SUPERUSER;
use crate::world::{FAMILY, acting, ask, world};
use mana_sync::log::contract::fixtures::{ids, insert, member, numbers, own, page, person, push, push_of, read_all};
use mana_sync::log::{ChangeLog as _, LogError, SyncLog, postgres::PostgresLog};
use sqlx::{PgPool, Row as _};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Takes every connection of the pool and finds on none a person, or a transaction that somebody left open.
async fn nobody_is_left(pool: &PgPool) {
    let mut taken = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        taken.push(pool.acquire().await.expect("a connection"));
    }
    for connection in &mut taken {
        let left = "SELECT now() = statement_timestamp(),
            coalesce(current_setting('app.current_user_id', true), '')
              || coalesce(current_setting('app.current_user_space_ids', true), '')
              || coalesce(current_setting('app.current_user_writable_space_ids', true), ''),
            (SELECT count(*) FROM sync_changes)";
        // As one message: only then do a transaction and its statement begin at one time.
        let left = sqlx::raw_sql(left).fetch_one(&mut **connection).await.expect("an answer");
        assert_eq!((left.get(0), left.get(1), left.get(2)), (true, "", 0_i64));
    }
}

#[tokio::test]
async fn an_identity_ends_with_its_transaction_however_that_ends() {
    let (_database, log) = world().await;
    let pool = log.store().pool();
    let (ada, bob) = (member("ada"), member("bob"));
    for _ in 0..20 {
        read_all(&log, &ada).await;
        drop(log.store().snapshot(&ada).await.unwrap());
        drop(log.store().transaction(&bob).await.unwrap());
        let mut failing = acting(pool, ("ada", FAMILY, FAMILY)).await;
        assert!(ask(&mut failing, "SELECT 1 / 0").await.is_err());
        drop(failing);
        let mut failing = acting(pool, ("bob", FAMILY, FAMILY)).await;
        assert!(ask(&mut failing, "SELECT pg_sleep('no number')").await.is_err());
        failing.commit().await.unwrap();
    }
    nobody_is_left(pool).await;
}

/// What a request of somebody's does; most are given up on the way.
async fn request(log: Arc<SyncLog<PostgresLog>>, n: u64, name: &str) {
    let caller = member(name);
    if n.is_multiple_of(2) {
        let _ = page(&log, &caller, None, 3).await;
    } else {
        let _ = log.push(push_of(&caller, &[insert(n, &format!("{name}{n}")), own(n + 1_000_000, "own")])).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_given_up_anywhere_leave_no_identity_and_no_open_transaction() {
    let (_database, log) = world().await;
    let log = Arc::new(log);
    let next = numbers(seed());
    for round in 0..figure("CANCELLED", 600) / 30 {
        let requests: Vec<_> = (0..30)
            .map(|n| {
                let (n, patience) = (1000 + round * 30 + n, Duration::from_micros(next() % 12_000));
                let name = ["ada", "bob", "eve"][usize::try_from(n % 3).unwrap()];
                let log = log.clone();
                tokio::spawn(async move { tokio::time::timeout(patience, request(log, n, name)).await.is_ok() })
            })
            .collect();
        for request in requests {
            request.await.unwrap();
        }
    }
    nobody_is_left(log.store().pool()).await;
    let eve = person("eve", &[]);
    assert!(ids(&read_all(&log, &eve).await).iter().all(|id| *id == "own"), "eve has what is hers");
    assert_eq!(push(&log, &member("ada"), &[insert(900_000, "after")]).await.accepted.len(), 1, "no stream is held");
    let events: BTreeSet<String> =
        read_all(&log, &member("zed")).await.iter().map(|c| format!("{:?}", c.event_id)).collect();
    assert_eq!(events.len(), read_all(&log, &member("zed")).await.len());
}

/// Waits until no connection of the server's role stands inside a transaction that nobody goes on with.
async fn until_nothing_is_open(admin: &PgPool) -> bool {
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'server' AND state LIKE 'idle in transaction%'";
    for _ in 0..500 {
        let count: i64 = sqlx::query_scalar(open).fetch_one(admin).await.expect("an answer");
        if count == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_given_up_while_it_is_begun_is_ended() {
    let (database, log) = world().await;
    let admin = PgPool::connect(&database.url(SUPERUSER).await).await.unwrap();
    let caller = member("ada");
    for n in 0..figure("CANCELLED", 600) {
        let patience = Duration::from_micros(n % 300 * 10);
        let begun = tokio::time::timeout(patience, log.store().snapshot(&caller)).await;
        drop(begun);
        assert!(until_nothing_is_open(&admin).await, "given up after {patience:?}");
    }
}

#[tokio::test]
async fn what_is_busy_is_told_from_what_failed() {
    let (_database, log) = world().await;
    let pool = log.store().pool();
    for (statement, busy) in [
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", true),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", true),
        ("DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$", true),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", true),
        ("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$", true),
        // As a number it looks like one of SQLite's.
        ("DO $$ BEGIN RAISE SQLSTATE '42501'; END $$", false),
        ("SELECT 1 / 0", false),
    ] {
        let error = LogError::from(sqlx::query(statement).execute(pool).await.unwrap_err());
        assert_eq!(matches!(error, LogError::Busy(_)), busy, "{statement}: {error}");
        assert_eq!(matches!(error, LogError::Failed(_)), !busy, "{statement}: {error}");
    }
}
