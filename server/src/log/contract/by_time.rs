//! Reading by time.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::fixtures::{accept, edited, insert, member, own, person, push_of, sync_log, update, with};
use super::rows::row;
use crate::log::{ByTime, Caller, ChangeLog, Dated, DatedPage, Since, SyncLog, Transaction as _};
use mana_sync_engine::model::{AppId, Change, ClientId, Op, Stamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// All tables of the app `todo` from this time on, of every client.
pub(super) fn since(since: Stamp, limit: usize) -> Since {
    Since { since, app: AppId::parse("todo").unwrap(), tables: None, but: None, limit }
}

fn change(dated: &Dated) -> Option<&Change> {
    match dated {
        Dated::Row(change) => Some(change),
        Dated::Withheld(_) => None,
    }
}

/// A change in a few letters: its record, and what was done to it.
fn name(dated: &Dated) -> String {
    match dated {
        Dated::Row(change) if change.op == Op::Insert => change.id.to_string(),
        Dated::Row(change) => format!("{} {}", change.id, change.op.as_str()),
        Dated::Withheld(change) => format!("withheld {}", change["id"].as_str().unwrap_or_default()),
    }
}

pub(super) fn names(changes: &[Dated]) -> Vec<String> {
    changes.iter().map(name).collect()
}

async fn read<L: ByTime>(log: &L, caller: &Caller, asked: &Since) -> DatedPage {
    let page = log.since(caller, asked).await.unwrap();
    assert!(page.until >= asked.since || page.changes.is_empty(), "who reads on does not go back");
    page
}

/// Waits until everything that was committed is settled, so that nothing comes twice.
async fn settle<L: ByTime>(log: &L, caller: &Caller) {
    let mut asked = since(Stamp::EPOCH, 100_000);
    for _ in 0..2000 {
        let page = read(log, caller, &asked).await;
        if page.changes.is_empty() {
            return;
        }
        asked.since = page.until;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("after everything that was written there is always something to read");
}

/// Everything, page by page.
pub(super) async fn pages<L: ByTime>(log: &L, caller: &Caller, mut asked: Since) -> Vec<Vec<Dated>> {
    let mut pages = Vec::new();
    loop {
        let page = read(log, caller, &asked).await;
        assert!(!page.has_more || page.until > asked.since, "pages go on");
        asked.since = page.until;
        pages.push(page.changes);
        if !page.has_more {
            return pages;
        }
    }
}

pub(super) async fn all<L: ByTime>(log: &L, caller: &Caller) -> Vec<String> {
    settle(log, caller).await;
    names(&pages(log, caller, since(Stamp::EPOCH, 1000)).await.concat())
}

fn in_space(space: &str, change: Value) -> Value {
    with(change, &[("spaceId", json!(space)), ("data", json!({ "n": 1 }))])
}

pub(super) fn ada() -> Caller {
    person("ada", &["family:family:member", "club:club:member"])
}

/// Three people write into three streams, and somebody else where ada is not.
async fn written<L: ByTime + ChangeLog>(log: L) -> (SyncLog<L>, Vec<String>) {
    let (log, bob) = (sync_log(log, 1), member("bob"));
    accept(&log, &ada(), &[insert(1, "f1"), own(2, "o1"), in_space("club", insert(3, "c1")), insert(4, "f2")]).await;
    accept(&log, &bob, &[insert(1, "f3"), own(2, "of bob"), insert(3, "f4")]).await;
    accept(
        &log,
        &person("carl", &["club:club:member", "team:team:member"]),
        &[in_space("club", insert(1, "c2")), in_space("team", insert(2, "of the team"))],
    )
    .await;
    accept(&log, &ada(), &[own(5, "o2"), insert(6, "f5"), update(7, "f3")]).await;
    let wanted = ["f1", "o1", "c1", "f2", "f3", "f4", "c2", "o2", "f5", "f3 update"];
    (log, wanted.map(str::to_owned).to_vec())
}

/// All that a person may read, each change once, in the order in which it was written, and with all that it says.
pub async fn every_page_size_gives_each_change_once_in_its_order<L: ByTime + ChangeLog>(log: L) {
    let (log, wanted) = written(log).await;
    let log = log.store();
    settle(log, &ada()).await;
    for limit in 1..=wanted.len() + 1 {
        let pages = pages(log, &ada(), since(Stamp::EPOCH, limit)).await;
        assert_eq!(names(&pages.concat()), wanted, "in pages of {limit}");
        assert!(pages.iter().all(|page| page.len() <= limit), "no two of these have one time");
        assert!(pages.len() <= wanted.len().div_ceil(limit) + 1, "pages of {limit} are full");
    }
    let read = pages(log, &ada(), since(Stamp::EPOCH, 1000)).await.concat();
    let first = change(&read[0]).unwrap();
    let sent = Change::parse(insert(1, "f1")).unwrap();
    assert_eq!(*first, Change { user_id: Some(ada().user), ..sent });
    assert_eq!(all(log, &member("bob")).await, ["f1", "f2", "f3", "of bob", "f4", "f5", "f3 update"]);
    assert_eq!(all(log, &person("eve", &[])).await, [""; 0]);
}

/// Who reads on after a page gets what was written later and nothing again; nothing new is an empty page at no earlier time.
pub async fn who_reads_on_gets_what_is_new<L: ByTime + ChangeLog>(log: L) {
    let (log, wanted) = written(log).await;
    settle(log.store(), &ada()).await;
    let page = read(log.store(), &ada(), &since(Stamp::EPOCH, 1000)).await;
    assert_eq!((page.changes.len(), page.has_more), (wanted.len(), false));
    let again = read(log.store(), &ada(), &since(page.until, 1000)).await;
    assert!(again.changes.is_empty() && again.until >= page.until && !again.has_more);
    accept(&log, &member("bob"), &[insert(9, "f9")]).await;
    assert_eq!(names(&read(log.store(), &ada(), &since(again.until, 1000)).await.changes), ["f9"]);
    // Somebody whose clock is ahead is not taken past what will be written.
    let ahead = read(log.store(), &ada(), &since(Stamp::parse("2999-01-01T00:00:00.000Z").unwrap(), 9)).await;
    assert!(ahead.changes.is_empty() && ahead.until < Stamp::parse("2998-01-01T00:00:00.000Z").unwrap());
}

/// An app, some tables, and other clients than one's own; a client of the same name is another person's own.
pub async fn only_what_is_asked_for_comes<L: ByTime + ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let at = |n: u64, app: &str, table: &str, record: &str| {
        with(insert(n, record), &[("app", json!(app)), ("table", json!(table))])
    };
    let mut other_client = push_of(&ada(), &[at(5, "todo", "tasks", "other")]);
    other_client.client_id = ClientId::parse("other.client").unwrap();
    accept(&log, &ada(), &[at(1, "todo", "tasks", "t"), at(2, "todo", "tags", "g"), at(3, "notes", "tasks", "n")])
        .await;
    accept(&log, &member("bob"), &[at(4, "todo", "tasks", "bobs")]).await;
    assert_eq!(log.push(other_client).await.unwrap().rejected, []);
    settle(log.store(), &ada()).await;
    let tables = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>());
    let own_client = ClientId::parse("install.session").unwrap();
    for (tables, but, wanted) in [
        (None, None, vec!["t", "g", "bobs", "other"]),
        (tables(&["tasks"]), None, vec!["t", "bobs", "other"]),
        (tables(&["tags", "none", "a'b,\"c"]), None, vec!["g"]),
        (tables(&[]), None, vec![]),
        (None, Some(own_client), vec!["bobs", "other"]),
        (tables(&["tasks"]), Some(ClientId::parse("other.client").unwrap()), vec!["t", "bobs"]),
    ] {
        let asked = Since { tables, but, ..since(Stamp::EPOCH, 2) };
        assert_eq!(names(&pages(log.store(), &ada(), asked.clone()).await.concat()), wanted, "{asked:?}");
    }
}

/// A page ends once it has some 4 MB, whatever its limit.
pub async fn a_page_by_time_is_cut_by_bytes<L: ByTime + ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let text = "x".repeat(3 * 1024 * 1024);
    for n in 1..=5 {
        let large = with(insert(n, &format!("t{n}")), &[("data", json!({ "text": text }))]);
        accept(&log, &ada(), &[large]).await;
    }
    settle(log.store(), &ada()).await;
    let pages = pages(log.store(), &ada(), since(Stamp::EPOCH, 1000)).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(names(&pages.concat()), ["t1", "t2", "t3", "t4", "t5"]);
}

/// Private records are for their author; who may no longer see one gets its withdrawal, and nothing else of it.
pub async fn nobody_is_served_what_they_may_not_see<L: ByTime + ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let private = |change: Value| with(change, &[("visibility", json!("private"))]);
    accept(&log, &ada(), &[private(insert(1, "secret")), insert(2, "turned"), private(update(3, "secret"))]).await;
    assert_eq!(all(log.store(), &ada()).await, ["secret", "turned", "secret update"]);
    assert_eq!(all(log.store(), &member("bob")).await, ["turned"]);
    accept(&log, &ada(), &[edited(private(insert(4, "turned")), "visibility", "private", 1), own(5, "own")]).await;
    assert_eq!(all(log.store(), &ada()).await, ["secret", "turned", "secret update", "turned", "own"]);
    assert_eq!(all(log.store(), &member("bob")).await, ["turned withdraw"]);
    assert_eq!(all(log.store(), &person("carl", &["club:club:member"])).await, [""; 0]);
    let left = person("bob", &[]);
    assert_eq!(all(log.store(), &left).await, [""; 0], "who left is served no more");
}

/// What one transaction has not committed yet, while others have written after it, is not passed by.
pub async fn what_commits_late_is_read<L: ByTime + ChangeLog>(log: L) {
    let log = Arc::new(sync_log(log, 1));
    accept(&log, &ada(), &[own(1, "before")]).await;
    settle(log.store(), &ada()).await;
    let bob = member("bob");
    let mut late = log.store().transaction(&bob).await.unwrap();
    let rows = [row("space:family", 1, "bob", insert(1, "late"))];
    late.lock(&[rows[0].stream.clone()].into()).await.unwrap();
    late.append(&rows).await.unwrap();
    // Where one writes at a time, this one waits.
    let others = tokio::spawn({
        let log = log.clone();
        async move { accept(&log, &person("carl", &["club:club:member"]), &[in_space("club", insert(1, "other"))]).await }
    });
    let (mut asked, mut got) = (since(Stamp::EPOCH, 1000), BTreeSet::new());
    for _ in 0..50 {
        let page = read(log.store(), &ada(), &asked).await;
        got.extend(names(&page.changes));
        assert!(!got.contains("late"), "nobody sees what is not committed");
        asked.since = page.until;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    late.commit().await.unwrap();
    others.await.unwrap();
    for _ in 0..1000 {
        let page = read(log.store(), &ada(), &asked).await;
        got.extend(names(&page.changes));
        asked.since = page.until;
        if got.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(got, ["before", "late", "other"].map(str::to_owned).into());
    assert_eq!(all(log.store(), &ada()).await, ["before", "late", "other"], "each once, once all is settled");
}
