//! What a check says: what its reader's pulls come to, and nothing of what they may not read.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::fixtures::{
    NOW, accept, edited, insert, member, numbers, own, person, pull_of, read_on, sync_log, update, with,
};
use crate::log::{Caller, ChangeLog, Check, Checked, Collection, PullError, SyncLog};
use mana_sync_engine::fingerprint::{Fingerprint, Fold};
use mana_sync_engine::model::{Change, RecordId, Stamp};
use mana_sync_engine::protocol::wire::ExpiryReason;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TABLES: [&str; 2] = ["tasks", "tags"];

fn collection(table: &str) -> Collection {
    Collection::try_from(format!("todo/{table}")).expect("a table")
}

fn check_of(caller: &Caller, cursor: String, except: &[&str]) -> Check {
    let except = except.iter().map(|id| (collection("tasks"), RecordId::parse(*id).expect("an id")));
    let tables = TABLES.map(collection).into();
    Check { caller: caller.clone(), cursor, tables, except: except.collect() }
}

/// What a check without `except` says to somebody who has pulled everything, by stream and table.
async fn checked<L: ChangeLog>(log: &SyncLog<L>, caller: &Caller, except: &[&str]) -> BTreeMap<String, Fingerprint> {
    let (_, cursor) = read_on(log, caller, None, (&TABLES, 100)).await;
    match log.check(&check_of(caller, cursor, except)).await.expect("an answer") {
        Checked::Behind => panic!("everything was read"),
        Checked::AtEnd { streams, tables } => {
            assert_eq!(streams, caller.readable());
            tables.into_iter().map(|((stream, table), sum)| (format!("{stream} {table}"), sum)).collect()
        }
    }
}

/// A fingerprint of records, each with the stamps of its fields, all on the first of January.
fn sum(records: &[(&str, &[(&str, &str)])]) -> Fingerprint {
    let mut sum = Fingerprint::default();
    for (id, stamps) in records {
        let at = |time: &str| Stamp::parse(&format!("2026-01-01T{time}Z")).expect("a stamp");
        sum.add(id, stamps.iter().map(|(field, time)| (*field, at(time))));
    }
    sum
}

const FIRST: &str = "11:00:00.000000";
const SECOND: &str = "11:30:00.000000";

/// Of each stream and table: live records, under the greatest stamp of each field.
pub async fn a_check_counts_live_records_under_their_newest_stamps<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let delete = with(insert(4, "t2"), &[("op", json!("delete")), ("deletedAt", json!(NOW))]);
    let tag = with(insert(5, "g1"), &[("table", json!("tags"))]);
    let changes = [insert(1, "t1"), insert(2, "t2"), update(3, "t1"), delete, tag, own(6, "t1"), update(7, "t9")];
    accept(&log, &member("ada"), &changes).await;
    let older = edited(with(update(8, "t1"), &[("fields", json!({}))]), "title", "old", 10);
    accept(&log, &member("bob"), &[older]).await;
    let title = |at| sum(&[("t1", &[("title", at)])]);
    let expected = [
        ("space:family todo/tags", sum(&[("g1", &[("title", FIRST)])])),
        ("space:family todo/tasks", title(SECOND)),
        ("user:ada todo/tasks", title(FIRST)),
    ];
    let expected = BTreeMap::from(expected.map(|(name, sum)| (name.to_owned(), sum)));
    assert_eq!(checked(&log, &member("ada"), &[]).await, expected);
    let mut bobs = expected;
    bobs.remove("user:ada todo/tasks");
    assert_eq!(checked(&log, &member("bob"), &[]).await, bobs);
    assert_eq!(checked(&log, &person("eve", &[]), &[]).await, BTreeMap::new());
}

/// Records that a client names count in no stream.
pub async fn a_check_leaves_out_what_it_is_told_to<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1"), insert(2, "t2"), own(3, "t1"), insert(4, "t3")]).await;
    let expected = sum(&[("t2", &[("title", FIRST)])]);
    let is = checked(&log, &member("ada"), &["t3", "t1", "t4"]).await;
    assert_eq!(is, [("space:family todo/tasks".to_owned(), expected)].into());
}

/// Another's private record leaves no trace, whatever was served of it before; to its author it counts.
pub async fn a_check_says_nothing_of_what_its_reader_may_not_see<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1"), insert(2, "t2")]).await;
    let before = checked(&log, &member("bob"), &["t1"]).await;
    let private = [("visibility", json!("private"))];
    let hidden = edited(with(insert(3, "t1"), &private), "visibility", "private", 40);
    accept(&log, &member("ada"), &[hidden, with(update(4, "t1"), &private), with(insert(5, "t3"), &private)]).await;
    assert_eq!(checked(&log, &member("bob"), &[]).await, before);
    assert_eq!(checked(&log, &member("eve"), &[]).await, before);
    let adas = checked(&log, &member("ada"), &[]).await;
    assert_eq!(adas["space:family todo/tasks"].records, 3);
    let shown = edited(insert(6, "t1"), "visibility", "space", 50);
    accept(&log, &member("ada"), &[shown]).await;
    assert_eq!(checked(&log, &member("bob"), &[]).await["space:family todo/tasks"].records, 2);
}

/// Who has not pulled everything is told so, without numbers; who comes from another log, too.
pub async fn a_check_behind_the_end_says_so<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let (_, cursor) = read_on(&log, &member("bob"), None, (&TABLES, 100)).await;
    accept(&log, &member("ada"), &[insert(1, "t1"), own(2, "t2")]).await;
    let ask = async |cursor: &str| log.check(&check_of(&member("bob"), cursor.to_owned(), &[])).await;
    assert_eq!(ask(&cursor).await.unwrap(), Checked::Behind);
    // A table that was never asked for was not read, either.
    let one = log.pull(&pull_of(&member("bob"), None, &["tasks"], 100)).await.unwrap();
    assert_eq!(ask(&one.cursor).await.unwrap(), Checked::Behind);
    let (_, cursor) = read_on(&log, &member("bob"), Some(cursor), (&TABLES, 100)).await;
    assert!(matches!(ask(&cursor).await, Ok(Checked::AtEnd { .. })));
    for wrong in ["", "no cursor"] {
        assert!(matches!(ask(wrong).await, Err(PullError::Expired(ExpiryReason::Restored))), "{wrong}");
    }
    accept(&log, &member("ada"), &[own(3, "t3")]).await;
    assert!(matches!(ask(&cursor).await, Ok(Checked::AtEnd { .. })), "others' own streams are nobody's news");
}

/// Whatever was pushed by whom: a check is what merging the reader's own pull comes to.
pub async fn a_check_is_what_its_readers_pull_comes_to<L: ChangeLog>(log: L) {
    let (log, next) = (sync_log(log, 1), numbers(7));
    let mut below = |limit: u64| next() % limit;
    for n in 0..300 {
        let writer = member(["ada", "bob", "eve"][usize::try_from(below(3)).unwrap_or(0)]);
        // A rule may refuse it, as a record of somebody else's that is private: that is another test's.
        super::fixtures::push(&log, &writer, &[random_change(n, &mut below)]).await;
    }
    for reader in ["ada", "bob", "eve"].map(member) {
        let (changes, _) = read_on(&log, &reader, None, (&TABLES, 7)).await;
        let is = checked(&log, &reader, &[]).await;
        assert!(is.values().map(|sum| sum.records).sum::<u64>() > 3, "{is:?}");
        assert_eq!(is, merged(&reader, changes));
    }
}

fn random_change(n: u64, below: &mut impl FnMut(u64) -> u64) -> Value {
    let (id, minute) = (format!("t{}", below(12)), below(60));
    let at = format!("2026-01-01T11:{minute:02}:00.00000{}Z", below(2));
    let base = match below(6) {
        0 => with(own(n, &id), &[("data", json!({ "title": "o", "deletedAt": null }))]),
        1 | 2 => insert(n, &id),
        3 => with(insert(n, &id), &[("op", json!("delete")), ("deletedAt", json!(at))]),
        _ => edited(update(n, &id), ["title", "done", "note"][usize::try_from(below(3)).unwrap_or(0)], "x", minute),
    };
    let base = with(base, &[("at", json!(at)), ("table", json!(TABLES[usize::from(below(4) == 0)]))]);
    match below(4) {
        0 if base["op"] == "insert" => {
            let word = if below(2) == 0 { "private" } else { "space" };
            edited(with(base, &[("visibility", json!(word))]), "visibility", word, minute)
        }
        _ => base,
    }
}

/// The changes of a pull, merged record by record in the order in which they came.
fn merged(reader: &Caller, changes: Vec<Change>) -> BTreeMap<String, Fingerprint> {
    let mut folds: BTreeMap<(String, String), Fold> = BTreeMap::new();
    for change in changes {
        let stream =
            change.space_id.as_ref().map_or_else(|| reader.own_stream().to_string(), |id| format!("space:{id}"));
        let name = format!("{stream} {}/{}", change.app, change.table);
        let fold = folds.entry((name, change.id.to_string()));
        fold.or_insert_with(|| Fold::new(reader.user.as_str())).take(change);
    }
    let mut sums: BTreeMap<String, Fingerprint> = BTreeMap::new();
    for ((name, id), fold) in folds {
        fold.add_to(sums.entry(name).or_default(), &id);
    }
    sums.retain(|_, sum| sum.records > 0);
    sums
}
