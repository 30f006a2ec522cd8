//! Reading pages over a store: every row once, whatever the page size, and cursors that cannot be followed any more.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::fixtures::{
    accept, ids, insert, member, own, page, person, pull_of, push, push_of, read_on, sync_log, with,
};
use crate::log::{ChangeLog, Cursor, Epoch, Pull, PullError, PullPage, Push, Receipt, StreamId, Tag, Transaction};
use mana_sync_engine::protocol::wire::ExpiryReason;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Batches lie across streams and pages are cut inside them.
pub async fn every_page_size_gives_every_row_once<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let ada = person("ada", &["family:family:member", "club:club:member"]);
    let spaces = [json!("family"), json!("club"), Value::Null];
    let placed = |n: u64| {
        let space = &spaces[usize::try_from(n % 3).unwrap()];
        with(insert(n, &format!("t{n:02}")), &[("spaceId", space.clone()), ("data", json!({ "n": n }))])
    };
    for batch in [0..1, 1..12, 12..37] {
        accept(&log, &ada, &batch.map(placed).collect::<Vec<_>>()).await;
    }
    let whole = read_on(&log, &ada, None, (&["tasks"], 1000)).await.0;
    assert_eq!(ids(&whole).into_iter().collect::<BTreeSet<_>>().len(), 37);
    for limit in 1..=38 {
        let (changes, cursor) = read_on(&log, &ada, None, (&["tasks"], limit)).await;
        assert_eq!(changes, whole, "pages of {limit}");
        assert!(read_on(&log, &ada, Some(cursor), (&["tasks"], limit)).await.0.is_empty());
    }
}

/// A table asked for later is read from its start while the others are not sent again, whatever the page size.
pub async fn a_table_added_later_comes_from_its_beginning<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let ada = member("ada");
    let placed = |n: u64| {
        let table = if n.is_multiple_of(3) { "tags" } else { "tasks" };
        with(insert(n, &format!("r{n:02}")), &[("table", json!(table))])
    };
    accept(&log, &ada, &(1..=20).map(placed).collect::<Vec<_>>()).await;
    let (_, before) = read_on(&log, &ada, None, (&["tasks"], 7)).await;
    accept(&log, &ada, &(21..=30).map(placed).collect::<Vec<_>>()).await;
    for limit in [1, 2, 3, 5, 100] {
        let (changes, cursor) = read_on(&log, &ada, Some(before.clone()), (&["tasks", "tags"], limit)).await;
        let mut got = ids(&changes);
        got.sort_unstable();
        let wanted = (1..=30).filter(|n| n % 3 == 0 || *n > 20);
        assert_eq!(got, wanted.map(|n| format!("r{n:02}")).collect::<Vec<_>>(), "pages of {limit}");
        let state = Cursor::parse(&cursor).unwrap();
        assert!(state.streams.values().all(|mark| mark.read.values().all(|at| *at == 30)), "all caught up");
    }
}

/// Tables that stand at different places are read in the order of the stream, each from its own place.
pub async fn tables_at_different_places_are_read_in_the_order_of_the_stream<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let ada = member("ada");
    let names = ["tasks", "tags", "notes"];
    let batch = |range: std::ops::Range<u64>| {
        let place =
            |n: u64| with(insert(n, &format!("r{n:02}")), &[("table", json!(names[usize::try_from(n % 3).unwrap()]))]);
        range.map(place).collect::<Vec<_>>()
    };
    let mut cursor = None;
    for (range, tables) in [(0..9, &["tasks"][..]), (9..18, &["notes"]), (18..27, &[])] {
        accept(&log, &ada, &batch(range)).await;
        cursor = Some(read_on(&log, &ada, cursor, (tables, 4)).await.1);
    }
    for limit in [1, 4, 100] {
        let (changes, _) = read_on(&log, &ada, cursor.clone(), (&names, limit)).await;
        let wanted = (0..27).filter(|n| n % 3 == 1 || (n % 3 == 0 && *n >= 9) || (n % 3 == 2 && *n >= 18));
        assert_eq!(ids(&changes), wanted.map(|n| format!("r{n:02}")).collect::<Vec<_>>(), "pages of {limit}");
    }
}

/// Joining brings a space's history; leaving and joining again brings it again.
pub async fn a_space_joined_later_comes_from_its_beginning<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1"), insert(2, "t2")]).await;
    accept(&log, &person("bob", &[]), &[own(1, "b1")]).await;
    let (mine, cursor) = read_on(&log, &person("bob", &[]), None, (&["tasks"], 10)).await;
    assert_eq!(ids(&mine), ["b1"]);
    let (joined, cursor) = read_on(&log, &member("bob"), Some(cursor), (&["tasks"], 1)).await;
    assert_eq!(ids(&joined), ["t1", "t2"]);
    let (left, cursor) = read_on(&log, &person("bob", &[]), Some(cursor), (&["tasks"], 10)).await;
    assert!(left.is_empty());
    let (again, _) = read_on(&log, &member("bob"), Some(cursor), (&["tasks"], 10)).await;
    assert_eq!(ids(&again), ["t1", "t2"]);
}

/// A request that names fewer tables does not move the others.
pub async fn fewer_tables_leave_the_others_where_they_were<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let ada = member("ada");
    let tag = |n: u64| with(insert(n, &format!("r{n}")), &[("table", json!("tags"))]);
    accept(&log, &ada, &[insert(1, "r1"), tag(2)]).await;
    let (_, cursor) = read_on(&log, &ada, None, (&["tasks", "tags"], 10)).await;
    accept(&log, &ada, &[insert(3, "r3"), tag(4)]).await;
    let (tasks, cursor) = read_on(&log, &ada, Some(cursor), (&["tasks"], 10)).await;
    let (none, cursor) = read_on(&log, &ada, Some(cursor), (&[], 10)).await;
    let (tags, _) = read_on(&log, &ada, Some(cursor), (&["tasks", "tags"], 10)).await;
    assert_eq!((ids(&tasks), ids(&none), ids(&tags)), (vec!["r3"], vec![], vec!["r4"]));
}

/// A page that is not the last says how far each app was read, in positions of all streams of the reader: as far as its
/// table that is furthest behind, whatever page size, and never back.
pub async fn a_page_says_how_far_each_app_was_read<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let ada = member("ada");
    let tag = |n: u64| with(own(n, &format!("r{n}")), &[("table", json!("tags"))]);
    accept(&log, &ada, &[insert(1, "r1"), insert(2, "r2"), insert(3, "r3"), own(4, "r4"), tag(5)]).await;
    let said = |page: &PullPage| page.progress.as_ref().map(|progress| (progress.of("todo"), progress.total));
    let whole = page(&log, &ada, None, 10).await.unwrap();
    assert_eq!((whole.has_more, said(&whole)), (false, None), "everything is there");
    let mut cursor = None;
    let mut told = Vec::new();
    loop {
        let page = log.pull(&pull_of(&ada, cursor, &["tasks", "tags"], 2)).await.unwrap();
        told.extend(said(&page));
        cursor = Some(page.cursor);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(told, [(2, 5), (4, 5)]);
    accept(&log, &ada, &[tag(6), tag(7), insert(8, "r8")]).await;
    let (_, cursor) = read_on(&log, &ada, None, (&["tasks"], 10)).await;
    let later = log.pull(&pull_of(&ada, Some(cursor), &["tasks", "tags"], 1)).await.unwrap();
    assert_eq!(
        said(&later),
        Some((2, 8)),
        "tags were read up to the second change of the own stream, and nowhere else"
    );
    assert!(later.progress.unwrap().apps.keys().eq(["todo"]), "nothing is said of what was not asked for");
}

/// Pages are cut by size too, and never end before something larger than a page.
pub async fn a_large_change_makes_a_page_of_its_own<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let large = |n| with(insert(n, &format!("t{n}")), &[("data", json!({ "text": "x".repeat(5 * 1024 * 1024) }))]);
    accept(&log, &member("ada"), &[large(1), large(2), insert(3, "t3")]).await;
    let first = page(&log, &member("bob"), None, 1000).await.unwrap();
    assert_eq!((ids(&first.changes), first.has_more), (vec!["t1"], true));
    let second = page(&log, &member("bob"), Some(first.cursor), 1000).await.unwrap();
    assert_eq!(ids(&second.changes), ["t2"]);
    let third = page(&log, &member("bob"), Some(second.cursor), 1000).await.unwrap();
    assert_eq!((ids(&third.changes), third.has_more), (vec!["t3"], false));
}

fn reason<T>(answer: &Result<T, PullError>) -> Option<ExpiryReason> {
    match answer {
        Err(PullError::Expired(reason)) => Some(*reason),
        _ => None,
    }
}

/// Text that is no cursor, and cursors of logs with another epoch.
pub async fn a_cursor_of_another_log_is_refused<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let foreign = Cursor::start(Epoch([0xab; 16])).to_text();
    for text in [foreign, String::new(), "garbage".to_owned()] {
        assert_eq!(reason(&page(&log, &member("ada"), Some(text), 10).await), Some(ExpiryReason::Restored));
    }
}

/// A position the log has not reached, and a row that is another one now.
pub async fn a_cursor_ahead_of_the_log_is_refused<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1"), insert(2, "t2")]).await;
    let (_, text) = read_on(&log, &member("bob"), None, (&["tasks"], 10)).await;
    let cursor = Cursor::parse(&text).unwrap();
    let family = StreamId::try_from("space:family".to_owned()).unwrap();
    let mut ahead = cursor.clone();
    ahead.streams.get_mut(&family).unwrap().read.values_mut().for_each(|at| *at = 3);
    let mut other = cursor.clone();
    other.streams.get_mut(&family).unwrap().tag = Some(Tag([0xab; 8]));
    for broken in [ahead, other] {
        assert_eq!(reason(&page(&log, &member("bob"), Some(broken.to_text()), 10).await), Some(ExpiryReason::Restored));
    }
    assert!(page(&log, &member("bob"), Some(text), 10).await.is_ok());
}

/// What a push was answered with is good as long as the log has what it took, for whoever may still read it.
pub async fn a_receipt_is_refused_by_a_log_without_what_it_stands_for<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let (ada, bob) = (member("ada"), member("bob"));
    let first = push(&log, &ada, &[insert(1, "t1")]).await.receipt.unwrap();
    let again = push(&log, &ada, &[insert(1, "t1")]).await.receipt;
    assert_eq!(again.as_ref(), Some(&first), "a repeated push is one that was taken");
    assert!(push(&log, &person("eve", &[]), &[insert(2, "t2")]).await.receipt.is_none(), "nothing was taken");
    let (_, cursor) = read_on(&log, &ada, None, (&["tasks"], 10)).await;
    accept(&log, &bob, &[insert(3, "t3")]).await;
    let shown =
        |receipt: String| Pull { receipt: Some(receipt), ..pull_of(&ada, Some(cursor.clone()), &["tasks"], 10) };
    assert_eq!(ids(&log.pull(&shown(first.clone())).await.unwrap().changes), ["t3"]);
    let held = Receipt::parse(&first).unwrap();
    let family = StreamId::try_from("space:family".to_owned()).unwrap();
    let with = |at: (u64, Tag)| Receipt { streams: BTreeMap::from([(family.clone(), at)]), ..held.clone() }.to_text();
    let (pos, tag) = held.streams[&family];
    let elsewhere = Receipt { epoch: Epoch([0xab; 16]), ..held.clone() }.to_text();
    let nowhere = with((u64::MAX, tag));
    let other_tag = with((pos, Tag([0xab; 8])));
    for broken in [with((pos + 2, tag)), nowhere, other_tag, elsewhere, String::new(), "garbage".to_owned()] {
        assert_eq!(reason(&log.pull(&shown(broken)).await), Some(ExpiryReason::Restored));
    }
    let ahead = with((pos + 2, tag));
    let pushed = |receipt: &str| Push { receipt: Some(receipt.to_owned()), ..push_of(&ada, &[insert(4, "t4")]) };
    assert_eq!(log.push(pushed(&ahead)).await.unwrap().receipt, Some(ahead), "one that is not held stays open");
    assert_ne!(
        log.push(pushed(&first)).await.unwrap().receipt,
        Some(first),
        "one that is held gives way to a later one"
    );
    let left = Pull { caller: person("ada", &[]), ..shown(with((pos + 3, tag))) };
    assert!(log.pull(&left).await.is_ok(), "a space that was left is not asked about");
}

/// Behind the horizon something may be missing; at it, or not begun, nothing is.
pub async fn a_cursor_behind_the_horizon_is_refused<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1"), insert(2, "t2"), insert(3, "t3")]).await;
    let behind = page(&log, &member("bob"), None, 1).await.unwrap();
    let at_horizon = page(&log, &member("bob"), None, 2).await.unwrap();
    let family = StreamId::try_from("space:family".to_owned()).unwrap();
    let mut transaction = log.store().transaction(&member("ada")).await.unwrap();
    transaction.lock(&BTreeSet::from([family.clone()])).await.unwrap();
    transaction.set_horizon(&family, 2).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(reason(&page(&log, &member("bob"), Some(behind.cursor), 10).await), Some(ExpiryReason::Retention));
    assert_eq!(ids(&page(&log, &member("bob"), Some(at_horizon.cursor), 10).await.unwrap().changes), ["t3"]);
    assert!(page(&log, &member("bob"), None, 10).await.is_ok());
}
