//! How the database finds what statements ask for.

use crate::postgres::Database;
use mana_sync::log::contract::fixtures::{accept, own, page, person, sync_log};
use std::time::Duration;

/// How often tables were read from end to end, and how often through an index.
const READ: &str = "SELECT sum(seq_scan) || ' ' || sum(idx_scan) FROM pg_stat_user_tables
  WHERE relname IN ('sync_changes', 'sync_records', 'streams')";

#[tokio::test]
async fn a_statement_planned_when_there_was_little_reads_no_whole_table_when_there_is_much() {
    const ROWS: u64 = 500;
    let database = Database::migrated().await;
    let log = sync_log(database.log().await, 1);
    let ada = person("ada", &[]);
    let read = async || {
        let text = database.text(READ).await;
        let (whole, by_index) = text.split_once(' ').expect("two numbers");
        (whole.parse::<u64>().expect("a number"), by_index.parse::<u64>().expect("a number"))
    };
    let (before, _) = read().await;
    // From its sixth time on, the database keeps a statement's plan.
    for n in 0..10 {
        accept(&log, &ada, &[own(n, &format!("t{n}"))]).await;
        page(&log, &ada, None, 1000).await.expect("a page");
    }
    accept(&log, &ada, &(10..ROWS).map(|n| own(n, &format!("t{n}"))).collect::<Vec<_>>()).await;
    let all = page(&log, &ada, None, 1000).await.expect("a page");
    assert_eq!(all.changes.len() as u64, ROWS);
    log.store().close().await;
    // What was counted is known once its connections are closed; the last page alone looks up each of its records.
    let counted = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let (whole, by_index) = read().await;
            if by_index >= ROWS {
                return whole;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(counted.await.expect("it is counted"), before, "tables read from end to end");
}
