//! Many rows in one call: found whatever their keys, and inserted together with the commit.

use super::{fill, json_of, row};
use crate::store::{Key, Mode, Row, Store, Transaction};
use serde_json::{Value, json};

fn id(number: usize) -> String {
    format!("k{number:03}")
}

/// A row for every third number, so that there are gaps.
fn stored() -> Vec<Value> {
    (0..60).step_by(3).map(|number| json!({ "id": id(number), "rank": number })).collect()
}

pub(super) async fn rows_of_many_keys_come_in_the_order_of_the_keys<S: Store>(store: &S) {
    fill(store, &stored()).await;
    let asked: [Vec<usize>; 11] = [
        (0..60).step_by(3).collect(),
        (0..60).rev().step_by(3).collect(),
        (0..60).collect(),
        vec![0, 3, 6, 9, 12, 15, 18, 57],
        vec![1, 2, 4, 5, 7, 8, 10, 11, 13],
        vec![57, 0, 59, 1, 30, 29, 31, 58, 3],
        (100..120).collect(),
        [0, 3, 6, 9, 12, 15, 18, 21, 24, 3].to_vec(),
        vec![3, 4],
        (0..24).step_by(3).chain([28, 29, 31, 33, 44, 46, 47, 51]).collect(),
        (0..60).step_by(9).chain([1, 2, 4, 5]).collect(),
    ];
    for numbers in asked {
        let keys: Vec<Key> = numbers.iter().map(|number| Key::text(&id(*number))).collect();
        let tx = store.begin(Mode::Read, &["items"]).expect("begins");
        let rows = tx.get_many("items", &keys).await.expect("reads");
        let found: Vec<_> = rows.iter().map(|row| row.as_ref().and_then(|row| row.text("id"))).collect();
        let there = |number: &usize| (number.is_multiple_of(3) && *number < 60).then(|| id(*number));
        assert_eq!(found, numbers.iter().map(there).collect::<Vec<_>>(), "{numbers:?}");
    }
}

pub(super) async fn many_rows_show_the_transactions_own_writes<S: Store>(store: &S) {
    fill(store, &stored()).await;
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": id(1), "rank": -1 })), None).expect("puts");
    tx.delete("items", &Key::text(&id(3))).expect("deletes");
    let keys: Vec<Key> = (0..10).map(|number| Key::text(&id(number))).collect();
    let rows = tx.get_many("items", &keys).await.expect("reads");
    let ranks: Vec<_> = rows.iter().flatten().map(|row| json_of(row)["rank"].clone()).collect();
    assert_eq!(ranks, [json!(0), json!(-1), json!(6), json!(9)]);
    tx.commit().await.expect("commits");
}

pub(super) async fn what_is_inserted_with_the_commit_has_its_keys<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["items", "counted"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("puts");
    let names = ["one", "two", "three"].map(|name| row(&json!({ "name": name })));
    let keys = tx.commit_with("counted", &names).await.expect("commits");
    assert_eq!(keys, [1.0, 2.0, 3.0].map(Key::Number));
    let tx = store.begin(Mode::Read, &["items", "counted"]).expect("begins");
    assert!(tx.get("items", &Key::text("a")).await.expect("reads").is_some(), "what was put before is stored with it");
    let second = tx.get("counted", &keys[1]).await.expect("reads").expect("is there");
    assert_eq!(second.text("name").as_deref(), Some("two"));
    drop(tx);
    assert!(store.begin(Mode::Write, &["items"]).expect("begins").commit_with("counted", &[]).await.is_ok());
}

pub(super) async fn a_refused_row_undoes_what_it_would_have_ended<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["items", "beside"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("puts");
    // A store that neither makes keys nor finds them in rows.
    assert!(tx.commit_with("beside", &[row(&json!({ "name": "keyless" }))]).await.is_err());
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    assert!(tx.get("items", &Key::text("a")).await.expect("reads").is_none());
}
