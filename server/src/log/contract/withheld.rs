//! What protocol 2 refuses and its author's older clients get back.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::by_time::{ada, all, names, pages, since};
use super::fixtures::{accept, event, insert, member, sync_log};
use crate::log::{ByTime, ChangeLog, Dated, LogError, Since, Transaction as _, Withheld};
use mana_sync_engine::model::{AppId, ClientId, Stamp};
use serde_json::json;

fn withheld(n: u64, client: &str, table: &str, record: &str) -> Withheld {
    Withheld {
        event_id: event(n),
        app: AppId::parse("todo").unwrap(),
        table: table.to_owned(),
        client_id: ClientId::parse(client).unwrap(),
        code: "not_a_member",
        change: json!({ "id": record, "table": table, "odd": [-0.0, "a\u{0}b", { "constructor": null }] }),
    }
}

/// They come in their order among the others, as they were sent, to their author's other clients and to nobody else.
pub async fn what_is_withheld_is_for_its_authors_other_clients<L: ByTime + ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &ada(), &[insert(1, "t1")]).await;
    let kept = [withheld(2, "old.one", "tasks", "w1"), withheld(3, "old.one", "no such table", "w2")];
    log.store().withhold(&ada(), &kept, None).await.unwrap();
    accept(&log, &member("bob"), &[insert(4, "t2")]).await;
    log.store().withhold(&ada(), &[withheld(5, "old.two", "tasks", "w3")], None).await.unwrap();
    let wanted = ["t1", "withheld w1", "withheld w2", "t2", "withheld w3"];
    assert_eq!(all(log.store(), &ada()).await, wanted);
    for limit in 1..=6 {
        assert_eq!(names(&pages(log.store(), &ada(), since(Stamp::EPOCH, limit)).await.concat()), wanted, "{limit}");
    }
    let read = pages(log.store(), &ada(), since(Stamp::EPOCH, 9)).await.concat();
    let Dated::Withheld(change) = &read[1] else { panic!("{:?}", read[1]) };
    assert_eq!(change.to_string(), kept[0].change.to_string());
    assert_eq!(all(log.store(), &member("bob")).await, ["t1", "t2"]);
    let of = |tables: &[&str], but: &str| Since {
        tables: Some(tables.iter().map(|table| (*table).to_owned()).collect()),
        but: Some(ClientId::parse(but).unwrap()),
        ..since(Stamp::EPOCH, 9)
    };
    for (asked, wanted) in [
        (of(&["tasks"], "old.one"), vec!["t1", "t2", "withheld w3"]),
        (of(&["tasks"], "old.two"), vec!["t1", "withheld w1", "t2"]),
        (of(&["no such table"], "old.two"), vec!["withheld w2"]),
        (Since { app: AppId::parse("notes").unwrap(), ..since(Stamp::EPOCH, 9) }, vec![]),
    ] {
        assert_eq!(names(&pages(log.store(), &ada(), asked.clone()).await.concat()), wanted, "{asked:?}");
    }
}

/// It counts for its author; over the quota nothing of it is kept, and nothing is counted.
pub async fn what_is_withheld_counts_and_is_kept_whole_or_not_at_all<L: ByTime + ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let used = async || {
        let mut transaction = log.store().transaction(&ada()).await.unwrap();
        transaction.charge(&ada().user, &[]).await.unwrap()
    };
    log.store().withhold(&ada(), &[withheld(1, "old.one", "tasks", "w1")], None).await.unwrap();
    let one = used().await;
    assert!(one > 0);
    let two = [withheld(2, "old.one", "tasks", "w2"), withheld(3, "old.one", "tasks", "w3")];
    let over = log.store().withhold(&ada(), &two, Some(one * 3 - 1)).await;
    assert!(matches!(over, Err(LogError::OverQuota(quota)) if quota == one * 3 - 1), "{over:?}");
    assert_eq!((used().await, all(log.store(), &ada()).await), (one, vec!["withheld w1".to_owned()]));
    log.store().withhold(&ada(), &two, Some(one * 3)).await.unwrap();
    assert_eq!(used().await, one * 3);
    assert_eq!(all(log.store(), &ada()).await, ["withheld w1", "withheld w2", "withheld w3"]);
    log.store().withhold(&member("bob"), &two, Some(one * 2)).await.unwrap();
    assert_eq!(all(log.store(), &member("bob")).await, ["withheld w2", "withheld w3"], "ids are each person's own");
}
