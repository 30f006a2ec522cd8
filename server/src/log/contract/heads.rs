//! Heads against the clients' merge: who the author is and who sees a record are the same on both sides, whatever the
//! order in which inserts come.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::fixtures::{accept, code, edited, insert, member, numbers, read_all, sync_log, with};
use crate::log::{ChangeLog, Collection, Head, RecordKey, StreamId, SyncLog, Transaction};
use mana_sync_engine::merge::{Outcome, RecordView, merge};
use mana_sync_engine::model::{AUTHOR_ID, Change, FieldName, Op, RecordId, Stamp, VISIBILITY};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A record as a client merges it.
#[derive(Default)]
struct Merged(BTreeMap<String, (Stamp, Value)>);

impl RecordView for Merged {
    fn stamp(&self, field: &str) -> Option<Stamp> {
        self.0.get(field).map(|(at, _)| *at)
    }

    fn value(&self, field: &str) -> Value {
        self.0.get(field).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    fn space(&self) -> Option<String> {
        Some("family".to_owned())
    }
}

impl Merged {
    fn of<'a>(changes: impl Iterator<Item = &'a Change>) -> Self {
        let mut record: Option<Self> = None;
        for change in changes.filter(|change| change.op != Op::Withdraw) {
            let taken: Vec<FieldName> = match merge(change, record.as_ref()) {
                Outcome::Create => change.fields.keys().cloned().collect(),
                Outcome::Take(fields) => fields,
                other => panic!("an insert is merged: {other:?}"),
            };
            let fields = &mut record.get_or_insert_default().0;
            let edits = taken.iter().filter_map(|name| Some((name.to_string(), change.fields.get(name)?)));
            fields.extend(edits.map(|(name, edit)| (name, (edit.at, edit.value.clone()))));
        }
        record.expect("an insert")
    }
}

async fn head<L: ChangeLog>(log: &SyncLog<L>, record: &str) -> Head {
    let key = RecordKey {
        stream: StreamId::try_from("space:family".to_owned()).expect("a stream"),
        collection: Collection::try_from("todo/tasks".to_owned()).expect("a table"),
        id: RecordId::parse(record).expect("an id"),
    };
    let mut transaction = log.store().transaction(&member("ada")).await.expect("a transaction");
    transaction.lock(&[key.stream.clone()].into()).await.expect("locked");
    transaction.heads(&[key.clone()].into()).await.expect("heads").remove(&key).expect("a head")
}

/// The head says what a client says that merged everything which the record's author is served.
async fn check<L: ChangeLog>(log: &SyncLog<L>, record: &str) {
    let head = head(log, record).await;
    let author = head.author.expect("an author");
    let served = read_all(log, &member(author.as_str())).await;
    let merged = Merged::of(served.iter().filter(|change| change.id.as_str() == record));
    let (author, visibility) = (json!(author), json!(head.visibility));
    assert_eq!((head.author_at, author), (merged.stamp(AUTHOR_ID), merged.value(AUTHOR_ID)), "{record}");
    assert_eq!((head.visibility_at, visibility), (merged.stamp(VISIBILITY), merged.value(VISIBILITY)), "{record}");
}

/// An insert of `author`'s as an engine makes it: it says who made the record and who sees it.
fn whole(n: u64, record: &str, (author, made): (&str, u64), (word, said): (&str, u64)) -> Value {
    let change = with(insert(n, record), &[("visibility", json!(word))]);
    edited(edited(change, AUTHOR_ID, author, made), VISIBILITY, word, said)
}

/// The earlier one, by stamp; under one stamp the lower id.
pub async fn of_two_inserts_the_merge_says_whose_gives_the_author<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    for (n, (adas, bobs, author)) in (0..).zip([(1, 2, "ada"), (2, 1, "bob"), (1, 1, "ada")]) {
        for (turn, order) in (0..).zip([[("ada", adas), ("bob", bobs)], [("bob", bobs), ("ada", adas)]]) {
            let record = format!("t{n}{turn}");
            let event = 10 * (2 * n + turn);
            for (i, (who, made)) in (0..).zip(order) {
                accept(&log, &member(who), &[whole(event + i, &record, (who, made), ("space", made))]).await;
            }
            check(&log, &record).await;
            let other = if author == "ada" { "bob" } else { "ada" };
            let hiding = |n, who| whole(n, &record, (who, 3), ("private", 3));
            let refused = Some(RejectionCode::NotTheAuthor);
            assert_eq!(code(&log, &member(other), hiding(event + 3, other)).await, refused, "{record}");
            assert_eq!(code(&log, &member(author), hiding(event + 4, author)).await, None, "{record}");
            check(&log, &record).await;
        }
    }
}

/// An insert that names another than its writer gives nobody the record.
pub async fn nobody_makes_another_person_the_author<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[whole(1, "t1", ("ada", 2), ("space", 2))]).await;
    accept(&log, &member("bob"), &[whole(2, "t1", ("eve", 1), ("space", 3))]).await;
    assert_eq!(head(&log, "t1").await.author.expect("an author").as_str(), "ada");
    accept(&log, &member("bob"), &[whole(3, "t2", ("ada", 1), ("private", 1))]).await;
    assert_eq!(head(&log, "t2").await.author.expect("an author").as_str(), "bob");
}

/// Inserts of two authors in any order, under any stamps, with and without a word on who sees the record.
pub async fn heads_are_what_clients_merge<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let next = numbers(7);
    let below = |bound: u64| next() % bound;
    for round in 0..40 {
        let record = format!("t{round}");
        for n in 0..5 {
            let who = ["ada", "bob"][usize::from(below(2) == 0)];
            let word = ["space", "private"][usize::from(below(3) == 0)];
            let mut change = whole(1 + 5 * round + n, &record, (who, below(3)), (word, below(4)));
            if n > 0 && below(4) == 0 {
                change["fields"] = json!({});
            }
            let refused = code(&log, &member(who), change).await;
            assert!(matches!(refused, None | Some(RejectionCode::NotTheAuthor)), "{refused:?}");
            check(&log, &record).await;
        }
    }
}
