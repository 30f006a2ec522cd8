//! Private records: who reads them, who writes them, and how a record becomes private or stops being so.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::fixtures::{
    NOW, accept, code, edited, ids, insert, member, own, push, read_all, read_on, sync_log, update, with,
};
use crate::log::ChangeLog;
use mana_sync_engine::model::{Op, Visibility};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::{Value, json};

fn private(change: Value) -> Value {
    with(change, &[("visibility", json!("private"))])
}

/// An insert that says `word` of who sees its record, written at this minute.
fn seen_by(word: &str, minute: u64, insert: Value) -> Value {
    edited(with(insert, &[("visibility", json!(word))]), "visibility", word, minute)
}

/// No row of a private record reaches another member, and no other member writes it.
pub async fn private_records_are_served_and_written_by_their_author_only<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[private(insert(1, "t1")), private(update(2, "t1")), insert(3, "t2")]).await;
    assert_eq!(ids(&read_all(&log, &member("ada")).await), ["t1", "t1", "t2"]);
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t2"]);
    for change in [private(update(4, "t1")), update(4, "t1"), insert(4, "t1"), private(insert(4, "t1"))] {
        assert_eq!(code(&log, &member("bob"), change).await, Some(RejectionCode::NotTheAuthor));
    }
}

/// The others get a withdrawal and nothing of what follows; what came before is no longer served to newcomers.
pub async fn hiding_a_record_withdraws_it_from_the_others<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1"), insert(2, "t2")]).await;
    let (_, cursor) = read_on(&log, &member("bob"), None, (&["tasks"], 10)).await;
    accept(&log, &member("ada"), &[seen_by("private", 1, insert(3, "t1")), private(update(4, "t1"))]).await;
    let (after, _) = read_on(&log, &member("bob"), Some(cursor), (&["tasks"], 10)).await;
    assert_eq!(after.iter().map(|c| (c.id.as_str(), c.op)).collect::<Vec<_>>(), [("t1", Op::Withdraw)]);
    assert!(after[0].fields.is_empty());
    let fresh = read_all(&log, &member("eve")).await;
    let fresh: Vec<_> = fresh.iter().map(|c| (c.id.as_str(), c.op)).collect();
    assert_eq!(fresh, [("t2", Op::Insert), ("t1", Op::Withdraw)]);
    assert_eq!(ids(&read_all(&log, &member("ada")).await), ["t1", "t2", "t1", "t1"]);
}

/// The author's insert carries the whole record to those who have passed its older rows.
pub async fn showing_a_record_sends_it_to_the_others<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[private(insert(1, "t1")), insert(2, "t2")]).await;
    let (_, cursor) = read_on(&log, &member("bob"), None, (&["tasks"], 10)).await;
    accept(&log, &member("ada"), &[seen_by("space", 1, insert(3, "t1"))]).await;
    let (after, _) = read_on(&log, &member("bob"), Some(cursor), (&["tasks"], 10)).await;
    assert_eq!(after.iter().map(|c| (c.id.as_str(), c.op)).collect::<Vec<_>>(), [("t1", Op::Insert)]);
    assert_eq!(code(&log, &member("bob"), update(4, "t1")).await, None);
}

/// Updates and deletes never change it, and other members never do.
pub async fn only_an_insert_of_the_author_changes_visibility<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1"), private(insert(2, "t2"))]).await;
    let delete = with(insert(3, "t1"), &[("op", json!("delete")), ("deletedAt", json!(NOW))]);
    for change in [private(update(3, "t1")), private(delete), update(3, "t2")] {
        assert_eq!(code(&log, &member("ada"), change).await, Some(RejectionCode::VisibilityMismatch));
    }
    assert_eq!(code(&log, &member("bob"), private(update(3, "t1"))).await, Some(RejectionCode::VisibilityMismatch));
    assert_eq!(code(&log, &member("bob"), private(insert(3, "t1"))).await, Some(RejectionCode::NotTheAuthor));
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t1"]);
}

/// A stale insert that shows a record does not show what was hidden after it: not itself, nor anything before.
pub async fn an_insert_older_than_what_hid_the_record_shows_nothing<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[seen_by("private", 2, insert(1, "t1")), private(update(2, "t1"))]).await;
    let stale = [seen_by("space", 1, insert(3, "t1")), insert(4, "t1")];
    accept(&log, &member("ada"), &stale).await;
    accept(&log, &member("ada"), &stale).await;
    assert_eq!(ids(&read_all(&log, &member("bob")).await), [""; 0]);
    let own = read_all(&log, &member("ada")).await;
    assert_eq!(ids(&own), ["t1"; 4], "its author has all of it, once");
    assert!(own.iter().all(|change| change.visibility == Visibility::Private));
    assert_eq!(code(&log, &member("bob"), update(5, "t1")).await, Some(RejectionCode::NotTheAuthor));
    accept(&log, &member("ada"), &[seen_by("space", 3, insert(6, "t1"))]).await;
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t1"; 5], "a newer one does");
}

/// A stale insert that hides a record takes it from nobody that a newer one showed it to.
pub async fn an_insert_older_than_what_showed_the_record_withdraws_nothing<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[seen_by("space", 2, insert(1, "t1"))]).await;
    let late =
        [seen_by("private", 1, insert(2, "t1")), seen_by("private", 2, insert(3, "t1")), private(insert(4, "t1"))];
    accept(&log, &member("ada"), &late).await;
    let read: Vec<_> = read_all(&log, &member("bob")).await.into_iter().map(|c| (c.op, c.visibility)).collect();
    assert_eq!(read, [(Op::Insert, Visibility::Space); 4], "nor under the same stamp, nor without any");
    assert_eq!(code(&log, &member("bob"), update(5, "t1")).await, None);
    accept(&log, &member("ada"), &[seen_by("private", 3, insert(6, "t1"))]).await;
    assert_eq!(read_all(&log, &member("bob")).await.iter().map(|c| c.op).collect::<Vec<_>>(), [Op::Withdraw]);
}

/// Updates of a record whose insert is not in the log are taken and give it no author; a private one does.
pub async fn the_first_insert_says_who_the_author_is<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("bob"), &[update(1, "t1"), private(update(2, "t2"))]).await;
    accept(&log, &member("ada"), &[insert(1, "t1")]).await;
    assert_eq!(code(&log, &member("bob"), private(insert(3, "t1"))).await, Some(RejectionCode::NotTheAuthor));
    assert_eq!(code(&log, &member("ada"), private(insert(3, "t1"))).await, None);
    assert_eq!(code(&log, &member("ada"), insert(4, "t2")).await, Some(RejectionCode::NotTheAuthor));
}

/// Other members are not even told that there is something.
pub async fn private_news_is_told_to_the_author_only<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let told = async |changes: &[Value]| {
        let outcome = push(&log, &member("ada"), changes).await;
        outcome.news.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(&[private(insert(1, "t1"))]).await, ["user:ada"]);
    assert_eq!(told(&[insert(2, "t2"), own(3, "t3")]).await, ["user:ada", "space:family"]);
    assert_eq!(told(&[seen_by("private", 2, insert(4, "t2"))]).await, ["user:ada", "space:family"], "a withdrawal");
    assert_eq!(told(&[seen_by("space", 1, insert(5, "t2"))]).await, ["user:ada"], "older than what hid it");
    assert!(told(&[insert(2, "t2")]).await.is_empty(), "a retry is none");
}
