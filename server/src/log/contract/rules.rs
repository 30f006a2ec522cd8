//! Pushing into a store: what is taken, what is refused, and what other people then read.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::fixtures::{
    NOW, accept, code, event, ids, insert, member, own, person, push, randomness, read_all, sync_log, update, with,
};
use crate::log::{ChangeLog, Randomness, SyncLog};
use mana_sync_engine::model::AppId;
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What one member pushes another one pulls, with its author and its space.
pub async fn a_push_comes_back_in_a_pull<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let outcome = push(&log, &member("ada"), &[insert(1, "t1"), update(2, "t1")]).await;
    assert_eq!(outcome.accepted, [event(1), event(2)]);
    assert_eq!(outcome.news.keys().map(ToString::to_string).collect::<Vec<_>>(), ["space:family"]);
    let pulled = read_all(&log, &member("bob")).await;
    assert_eq!(pulled[0].to_json(), with(insert(1, "t1"), &[("userId", json!("ada"))]));
    assert_eq!(pulled[1].to_json(), with(update(2, "t1"), &[("userId", json!("ada"))]));
    assert!(read_all(&log, &person("eve", &[])).await.is_empty());
}

/// The same push again is accepted again and changes nothing.
pub async fn a_lost_answer_stores_nothing_twice<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    for _ in 0..3 {
        let outcome = push(&log, &member("ada"), &[insert(1, "t1"), insert(2, "t2")]).await;
        assert_eq!((outcome.accepted, outcome.rejected), (vec![event(1), event(2)], vec![]));
    }
    let outcome = push(&log, &member("ada"), &[insert(2, "t2"), insert(3, "t3")]).await;
    assert_eq!(outcome.accepted, [event(2), event(3)]);
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t1", "t2", "t3"]);
}

/// What the log has is accepted again although it would be refused today: its sender only missed the answer.
pub async fn a_lost_answer_is_repeated_whatever_the_rules_say_now<L: ChangeLog>(log: L) {
    let mut log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1")]).await;
    log.max_schema.insert(AppId::parse("todo").expect("an app"), 0);
    assert_eq!(code(&log, &person("ada", &[]), insert(1, "t1")).await, None, "the same change");
    let other = code(&log, &member("ada"), update(1, "t1")).await;
    assert_eq!(other, Some(RejectionCode::SchemaTooNew), "other content is a change of its own");
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t1"]);
}

/// Other content under a known id is refused, in any stream; another person's id is another event.
pub async fn an_event_id_names_one_change_for_ever<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1")]).await;
    for other in [insert(1, "t2"), own(1, "t1"), update(1, "t1")] {
        assert_eq!(code(&log, &member("ada"), other).await, Some(RejectionCode::EventIdReused));
    }
    let respelled = with(insert(1, "t1"), &[("at", json!("2026-01-01T12:00:00.000000+01:00"))]);
    assert_eq!(code(&log, &member("ada"), respelled).await, None, "another spelling is the same change");
    assert_eq!(code(&log, &member("bob"), insert(1, "t9")).await, None);
    assert_eq!(ids(&read_all(&log, &member("ada")).await), ["t1", "t9"]);
}

/// Each id is in exactly one of the two lists, whatever was sent.
pub async fn an_id_sent_twice_in_one_push_is_answered_once<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let bad = json!({ "eventId": event(3), "op": "upsert" });
    let sent = [insert(1, "t1"), insert(1, "t1"), insert(2, "t2"), insert(2, "t3"), insert(3, "t3"), bad, json!(7)];
    let outcome = push(&log, &member("ada"), &sent).await;
    assert_eq!(outcome.accepted, [event(1)]);
    let rejected: Vec<_> = outcome.rejected.iter().map(|r| (r.event_id.clone(), r.code)).collect();
    let reused = RejectionCode::EventIdReused;
    let invalid = (String::new(), RejectionCode::InvalidChange);
    assert_eq!(rejected, [(event(2).to_string(), reused), (event(3).to_string(), reused), invalid]);
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t1"]);
}

/// Malformed changes are named and left out; the rest is stored.
pub async fn one_bad_change_does_not_stop_the_others<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let good = insert(1, "t1");
    let mut sent = vec![good.clone()];
    for (n, (member, bad)) in (10..).zip([
        ("op", json!("upsert")),
        ("op", json!("withdraw")),
        ("table", Value::Null),
        ("table", json!("_changeLog")),
        ("id", json!(7)),
        ("id", json!("")),
        ("at", json!("yesterday")),
        ("data", json!({ "id": "another" })),
        ("data", json!({ "visibility": "private" })),
        ("data", json!({ "title": "a\0b" })),
        ("data", json!([])),
        ("spaceId", json!(5)),
        ("spaceId", json!("")),
        ("actor", json!("ada")),
        ("group", json!("")),
        ("schemaVersion", json!(-1)),
    ]) {
        let id = event(n);
        sent.push(with(good.clone(), &[("eventId", json!(id)), (member, bad)]));
    }
    let outcome = push(&log, &member("ada"), &sent).await;
    assert_eq!(outcome.accepted, [event(1)]);
    assert_eq!(outcome.rejected.len(), sent.len() - 1);
    for rejection in outcome.rejected {
        assert_eq!(rejection.code, RejectionCode::InvalidChange, "{}", rejection.message);
    }
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t1"]);
}

/// One refused change takes its group with it, under one code; the same group without it is taken.
pub async fn a_group_is_taken_whole_or_not_at_all<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let grouped = |change: Value| with(change, &[("group", json!("move"))]);
    let bad = grouped(with(insert(3, "t3"), &[("op", json!("upsert"))]));
    let ahead = grouped(with(insert(2, "t2"), &[("at", json!("2027-01-01T00:00:00.000000Z"))]));
    let sent = [grouped(insert(1, "t1")), insert(4, "t4"), ahead, bad];
    let outcome = push(&log, &member("ada"), &sent).await;
    assert_eq!(outcome.accepted, [event(4)]);
    let mut rejected: Vec<_> = outcome.rejected.into_iter().map(|r| (r.event_id, r.code)).collect();
    rejected.sort();
    let invalid = RejectionCode::InvalidChange;
    assert_eq!(rejected, [1, 2, 3].map(|n| (event(n).to_string(), invalid)));
    accept(&log, &member("ada"), &[grouped(insert(1, "t1")), grouped(own(2, "t2"))]).await;
    let large: Vec<Value> = (100..301).map(|n| grouped(insert(n, &format!("t{n}")))).collect();
    assert_eq!(push(&log, &member("ada"), &large).await.accepted, []);
    assert_eq!(push(&log, &member("ada"), &large[1..]).await.accepted.len(), 200);
}

/// Foreign spaces, other people's own spaces, and spaces one may only read.
pub async fn outsiders_and_viewers_write_nothing<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &member("ada"), &[insert(1, "t1")]).await;
    let viewer = person("vic", &["family:family:viewer"]);
    for op in
        [insert(2, "t2"), update(3, "t1"), with(insert(4, "t1"), &[("op", json!("delete")), ("deletedAt", json!(NOW))])]
    {
        assert_eq!(code(&log, &person("eve", &[]), op.clone()).await, Some(RejectionCode::NotAMember));
        assert_eq!(code(&log, &viewer, op).await, Some(RejectionCode::ReadOnly));
    }
    let alias = with(insert(5, "t5"), &[("spaceId", json!("_personal:ada")), ("data", json!({ "title": "x" }))]);
    assert_eq!(code(&log, &person("eve", &[]), alias).await, Some(RejectionCode::NotAMember));
    assert_eq!(ids(&read_all(&log, &viewer).await), ["t1"]);
}

/// The space named at the top, in the data and in the fields is one; where only one place names it, that is it.
pub async fn all_mentions_of_a_space_agree<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let ada = person("ada", &["family:family:member", "club:club:member", "home:personal:owner"]);
    let data = |space: &str| ("data", json!({ "title": "x", "spaceId": space }));
    let edit = json!({ "spaceId": { "value": "club", "at": "2026-01-01T11:00:00.000000Z" } });
    for change in [
        with(insert(1, "t1"), &[data("club")]),
        with(insert(1, "t1"), &[("fields", edit)]),
        with(insert(1, "t1"), &[data("_personal:ada")]),
        with(insert(1, "t1"), &[data("elsewhere")]),
    ] {
        assert_eq!(code(&log, &ada, change).await, Some(RejectionCode::SpaceMismatch));
    }
    let agreed = with(insert(2, "t2"), &[("spaceId", json!("home")), data("_personal:ada")]);
    accept(&log, &ada, &[agreed, with(insert(3, "t3"), &[("spaceId", Value::Null), data("club")])]).await;
    let spaces: Vec<_> = read_all(&log, &ada).await.into_iter().filter_map(|c| c.space_id).collect();
    assert_eq!(spaces.iter().map(AsRef::<str>::as_ref).collect::<Vec<_>>(), ["_personal:ada", "club"]);
}

/// The real id of one's personal space is never seen on the wire.
pub async fn the_personal_space_travels_under_its_alias<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let ada = person("ada", &["home:personal:owner"]);
    let home = with(insert(1, "t1"), &[("spaceId", json!("home")), ("data", json!({ "spaceId": "home" }))]);
    accept(&log, &ada, &[home.clone(), own(2, "t2")]).await;
    assert_eq!(push(&log, &ada, &[home]).await.accepted, [event(1)], "the retry is recognised");
    let pulled = read_all(&log, &person("ada", &[])).await;
    assert_eq!(pulled[0].to_json()["spaceId"], "_personal:ada");
    assert_eq!(pulled[0].to_json()["data"]["spaceId"], "_personal:ada");
    assert_eq!(pulled[1].space_id, None);
    assert!(read_all(&log, &person("bob", &["home:personal:member"])).await.is_empty());
}

/// Five minutes are allowed, of any stamp in the change.
pub async fn stamps_ahead_of_the_server_are_refused<L: ChangeLog>(log: L) {
    let log = sync_log(log, 1);
    let field = json!({ "title": { "value": "x", "at": "2026-01-01T12:05:00.001000Z" } });
    for change in [
        with(insert(1, "t1"), &[("at", json!("2026-01-01T12:05:00.001000Z"))]),
        with(update(1, "t1"), &[("fields", field)]),
        with(insert(1, "t1"), &[("op", json!("delete")), ("deletedAt", json!("9998-01-01T00:00:00Z"))]),
    ] {
        assert_eq!(code(&log, &member("ada"), change).await, Some(RejectionCode::ClockAhead));
    }
    accept(&log, &member("ada"), &[with(insert(1, "t1"), &[("at", json!("2026-01-01T12:05:00.000999Z"))])]).await;
}

/// The limit is per app; an app without one takes every version.
pub async fn a_schema_newer_than_the_server_is_refused<L: ChangeLog>(log: L) {
    let limits = BTreeMap::from([(AppId::parse("todo").unwrap(), 2)]);
    let random: Randomness = randomness(1);
    let log = SyncLog::new(log, random, limits);
    let versioned =
        |n, app: &str, version| with(insert(n, "t1"), &[("schemaVersion", json!(version)), ("app", json!(app))]);
    assert_eq!(code(&log, &member("ada"), versioned(1, "todo", 3)).await, Some(RejectionCode::SchemaTooNew));
    accept(&log, &member("ada"), &[versioned(1, "todo", 2), versioned(2, "notes", 99)]).await;
}
