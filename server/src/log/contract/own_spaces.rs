//! A space becomes a person's own.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::fixtures::{
    accept, code, edited, ids, insert, own, person, push, read_all, read_on, sync_log, update, with,
};
use super::rows::row;
use crate::log::{Caller, Head, LogError, LogRow, OwnSpaces, RecordKey, StreamId, SyncLog, Transaction as _};
use mana_sync_engine::model::{Change, Space, SpaceId, UserId};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A person with roles in spaces of which nobody says the kind.
#[must_use]
pub fn untyped(name: &str, spaces: &[(&str, &str)]) -> Caller {
    let space = |(id, role): &(&str, &str)| Space { id: space(id), kind: None, role: Some((*role).to_owned()) };
    Caller { user: UserId::parse(name).unwrap(), spaces: spaces.iter().map(space).collect() }
}

fn ada() -> Caller {
    untyped("ada", &[("home", "owner"), ("family", "member")])
}

fn space(id: &str) -> SpaceId {
    SpaceId::parse(id).unwrap()
}

/// An insert into `home`.
fn at_home(n: u64, record: &str) -> Value {
    with(insert(n, record), &[("spaceId", json!("home")), ("data", json!({ "n": n, "spaceId": "home" }))])
}

async fn named<L: OwnSpaces>(log: &SyncLog<L>, caller: Caller, space: &str) -> Caller {
    log.hear_of_own_space(&caller, &self::space(space)).await.unwrap();
    log.knowing_own_space(caller).await.unwrap()
}

fn space_of(change: &Change) -> Option<&str> {
    change.space_id.as_ref().map(SpaceId::as_str)
}

/// What lies in the space goes to its owner's stream under the alias, and what is pushed later goes there, too.
pub async fn a_space_that_its_owner_names_becomes_their_own<L: OwnSpaces>(log: L) {
    let log = sync_log(log, 1);
    let shared = log.knowing_own_space(ada()).await.unwrap();
    assert_eq!(shared.spaces, ada().spaces, "nobody named it");
    accept(&log, &shared, &[at_home(1, "h1"), own(2, "o1"), at_home(3, "h2"), insert(4, "f1")]).await;
    let ada = named(&log, ada(), "home").await;
    assert!(ada.spaces[0].is_personal() && !ada.spaces[1].is_personal());
    accept(&log, &ada, &[at_home(5, "h3"), at_home(1, "h1")]).await;
    let changes = read_all(&log, &ada).await;
    assert_eq!(ids(&changes), ["o1", "h1", "h2", "h3", "f1"]);
    for change in [&changes[1], &changes[3]] {
        assert_eq!(space_of(change), Some("_personal:ada"));
        assert_eq!(change.to_json()["data"]["spaceId"], "_personal:ada");
    }
    assert_eq!((space_of(&changes[0]), space_of(&changes[4])), (None, Some("family")));
    assert_eq!(
        ids(&read_all(&log, &shared).await),
        ["o1", "h1", "h2", "h3", "f1"],
        "nothing is left in the old stream"
    );
    let again = named(&log, self::ada(), "home").await;
    assert_eq!(again.spaces, ada.spaces, "named once more it stays");
}

/// A cursor from before is followed.
pub async fn a_reader_goes_on_and_gets_what_was_moved_once<L: OwnSpaces>(log: L) {
    let log = sync_log(log, 1);
    accept(&log, &ada(), &[own(1, "o1"), at_home(2, "h1"), at_home(3, "h2")]).await;
    let (read, cursor) = read_on(&log, &ada(), None, (&["tasks"], 100)).await;
    assert_eq!(ids(&read), ["o1", "h1", "h2"]);
    let ada = named(&log, ada(), "home").await;
    accept(&log, &ada, &[at_home(4, "h3")]).await;
    let (read, cursor) = read_on(&log, &ada, Some(cursor), (&["tasks"], 1)).await;
    assert_eq!(ids(&read), ["h1", "h2", "h3"]);
    assert_eq!(ids(&read_on(&log, &ada, Some(cursor), (&["tasks"], 100)).await.0), [""; 0]);
}

/// One owner, one writer, one space each.
pub async fn nobody_is_believed_about_a_space_that_may_be_shared<L: OwnSpaces>(log: L) {
    let log = sync_log(log, 1);
    let bob = untyped("bob", &[("family", "owner"), ("club", "owner"), ("team", "owner")]);
    let hidden =
        with(insert(1, "s"), &[("visibility", json!("private")), ("spaceId", json!("family")), ("data", json!({}))]);
    accept(&log, &ada(), &[hidden]).await;
    let is_own = |caller: &Caller| caller.spaces.iter().any(Space::is_personal);
    assert!(!is_own(&named(&log, bob.clone(), "family").await), "somebody else has written in it");
    assert!(!is_own(&named(&log, bob.clone(), "elsewhere").await), "bob is not in it");
    assert!(!is_own(&named(&log, ada(), "family").await), "ada is not its owner");
    assert!(is_own(&named(&log, ada(), "home").await));
    let in_her_home = untyped("bob", &[("home", "owner"), ("club", "owner")]);
    assert!(!is_own(&named(&log, in_her_home, "home").await), "it is somebody else's");
    let club = named(&log, bob.clone(), "club").await;
    assert!(club.spaces[1].is_personal());
    assert_eq!(named(&log, bob.clone(), "team").await.spaces, club.spaces, "bob has one already");
    let typed = person("eve", &["home2:personal:owner", "x:family:owner"]);
    assert_eq!(named(&log, typed.clone(), "x").await.spaces, typed.spaces, "memberships say the kinds");
    let demoted = untyped("bob", &[("club", "member")]);
    assert!(!is_own(&log.knowing_own_space(demoted).await.unwrap()), "what one does not own is not one's own");
}

async fn heads<L: OwnSpaces>(log: &SyncLog<L>, caller: &Caller, stream: StreamId) -> BTreeMap<String, Head> {
    let collection = crate::log::Collection::try_from("todo/tasks".to_owned()).unwrap();
    let key = |record: &str| RecordKey {
        stream: stream.clone(),
        collection: collection.clone(),
        id: mana_sync_engine::model::RecordId::parse(record).unwrap(),
    };
    let keys = ["a", "b", "c"].map(key).into_iter().collect();
    let mut transaction = log.store().transaction(caller).await.unwrap();
    let heads = transaction.heads(&keys).await.unwrap();
    heads.into_iter().map(|(key, head)| (key.id.to_string(), head)).collect()
}

/// Author, visibility and deletion stay known; of a record in both streams the newer word counts.
pub async fn heads_go_along<L: OwnSpaces>(log: L) {
    let log = sync_log(log, 1);
    let home = |change: Value| with(change, &[("spaceId", json!("home"))]);
    let deleted = |n: u64, record: &str, minute: u64| {
        let at = json!(format!("2026-01-01T11:{minute:02}:00.000000Z"));
        let mut change = with(update(n, record), &[("op", json!("delete")), ("deletedAt", at.clone()), ("at", at)]);
        change.as_object_mut().map(|change| change.remove("fields"));
        change
    };
    let private =
        |n, record| edited(with(at_home(n, record), &[("visibility", json!("private"))]), "visibility", "private", 9);
    accept(&log, &ada(), &[private(1, "a"), at_home(2, "b"), home(deleted(3, "b", 20))]).await;
    accept(&log, &ada(), &[own(4, "c"), with(deleted(5, "c", 10), &[("spaceId", Value::Null)])]).await;
    accept(&log, &ada(), &[edited(at_home(6, "c"), "visibility", "space", 5), home(deleted(7, "c", 30))]).await;
    let before = heads(&log, &ada(), StreamId::Space(space("home"))).await;
    assert_eq!(before.len(), 3);
    let ada = named(&log, ada(), "home").await;
    assert_eq!(heads(&log, &ada, ada.own_stream()).await, before);
    assert_eq!(heads(&log, &ada, StreamId::Space(space("home"))).await, BTreeMap::new());
}

/// A push that began before the space was named.
pub async fn a_writer_that_did_not_know_writes_to_the_own_stream_instead<L: OwnSpaces>(log: L) {
    let log = sync_log(log, 1);
    let known = named(&log, ada(), "home").await;
    let home = BTreeSet::from([StreamId::Space(space("home"))]);
    let mut transaction = log.store().transaction(&ada()).await.unwrap();
    assert!(matches!(transaction.lock(&home).await, Err(LogError::Busy(_))));
    drop(transaction);
    let late = super::fixtures::push_of(&ada(), &[at_home(1, "h1")]);
    assert!(matches!(log.push(late).await, Err(LogError::Busy(_))), "and is sent again");
    assert_eq!(push(&log, &known, &[at_home(1, "h1")]).await.accepted.len(), 1);
    assert_eq!(ids(&read_all(&log, &known).await), ["h1"]);
    // Memberships that say otherwise by now are right.
    for (n, other) in [(2, untyped("ada", &[("home", "member")])), (3, person("ada", &["home:family:owner"]))] {
        accept(&log, &log.knowing_own_space(other.clone()).await.unwrap(), &[at_home(n, "h2")]).await;
        assert_eq!(space_of(read_all(&log, &other).await.last().unwrap()), Some("home"));
    }
}

/// Having read is enough, through whichever server, and in whichever role.
pub async fn a_space_that_somebody_else_was_seen_in_becomes_nobodys_own<L: OwnSpaces + Clone>(log: L) {
    let (one, other) = (sync_log(log.clone(), 1), sync_log(log, 2));
    for (n, role) in [(1, "member"), (3, "viewer"), (5, "owner")] {
        let home = format!("home-{role}");
        let at_home = |n, record: &str| {
            with(insert(n, record), &[("spaceId", json!(home)), ("data", json!({ "n": n, "spaceId": home }))])
        };
        let ada = untyped("ada", &[(&home, "owner")]);
        accept(&one, &one.knowing_own_space(ada.clone()).await.unwrap(), &[at_home(n, "h1")]).await;
        let bob = other.knowing_own_space(untyped("bob", &[(&home, role)])).await.unwrap();
        assert_eq!(ids(&read_all(&other, &bob).await), ["h1"], "bob reads as {role}");
        let ada = named(&one, ada, &home).await;
        assert!(!ada.spaces[0].is_personal(), "{role}");
        accept(&one, &ada, &[at_home(n + 1, "h2")]).await;
        assert_eq!(ids(&read_all(&other, &bob).await), ["h1", "h2"], "and goes on as {role}");
    }
}

/// They are told, rather than that what they write lies where nobody reads it.
pub async fn who_turns_up_in_somebodys_own_space_is_not_in_it<L: OwnSpaces + Clone>(log: L) {
    let (one, other, store) = (sync_log(log.clone(), 1), sync_log(log.clone(), 2), log);
    let ada = named(&one, ada(), "home").await;
    accept(&one, &ada, &[at_home(1, "h1")]).await;
    for role in ["member", "owner"] {
        for log in [&one, &other, &one] {
            let bob = named(log, untyped("bob", &[("home", role), ("family", "member")]), "home").await;
            assert_eq!(code(log, &bob, at_home(2, "h2")).await, Some(RejectionCode::NotAMember), "{role}");
            assert_eq!(ids(&read_all(log, &bob).await), [""; 0]);
        }
    }
    let again = one.knowing_own_space(self::ada()).await.unwrap();
    assert_eq!(again.spaces, ada.spaces, "and it stays ada's");
    // Also where a server hears of her first that others were seen in it.
    let third = sync_log(store, 3);
    assert_eq!(third.knowing_own_space(self::ada()).await.unwrap().spaces, ada.spaces);
    let bob = named(&third, untyped("bob", &[("home", "member")]), "home").await;
    assert_eq!(code(&third, &bob, at_home(2, "h2")).await, Some(RejectionCode::NotAMember));
    let typed = one.knowing_own_space(person("bob", &["home:family:member"])).await.unwrap();
    accept(&one, &typed, &[at_home(3, "h3")]).await;
}

/// An owner names a space while somebody else reads in it for the first time: one of the two is too late.
pub async fn of_an_owner_and_a_member_at_once_nobodys_changes_lie_alone<L: OwnSpaces + Clone>(log: L) {
    let (one, other) = (Arc::new(sync_log(log.clone(), 1)), Arc::new(sync_log(log, 2)));
    for n in 0..20 {
        let (home, owner) = (format!("home{n}"), format!("owner{n}"));
        let owner = untyped(&owner, &[(&home, "owner")]);
        let bob = untyped("bob", &[(&home, "member")]);
        let (claims, joins) = (one.clone(), other.clone());
        let (name, who) = (space(&home), owner.clone());
        let claim = tokio::spawn(async move { claims.hear_of_own_space(&who, &name).await });
        let join = tokio::spawn(async move { joins.knowing_own_space(bob).await });
        claim.await.unwrap().unwrap();
        let bob = join.await.unwrap().unwrap();
        let is_own = one.knowing_own_space(owner).await.unwrap().spaces[0].is_personal();
        assert_eq!(bob.spaces.is_empty(), is_own, "round {n}");
    }
}

/// Only the space's name is another one, and it counts with its length.
pub async fn what_is_moved_stays_as_it_was_written<L: OwnSpaces>(log: L) {
    let log = sync_log(log, 1);
    let data = json!({ "spaceId": "home", "zero": -0.0, "large": 1e300, "small": 2.5e-8, "whole": 1.0, "long": 9_007_199_254_740_993_u64,
        "a\"b\u{1}é": "\u{7f}\u{2028}\\\"spaceId\":\"home\"", "in": { "spaceId": "home", "b": [1.0, { "spaceId": "home" }] } });
    let renamed = edited(at_home(2, "h2"), "title", "Renamed", 20);
    let changes = [with(at_home(1, "h1"), &[("data", data)]), renamed, with(at_home(3, "h3"), &[("data", json!({}))])];
    accept(&log, &ada(), &changes).await;
    let texts = |changes: &[Change]| changes.iter().map(|change| change.to_json().to_string()).collect::<Vec<String>>();
    let before = read_all(&log, &ada()).await;
    let ada = named(&log, ada(), "home").await;
    let after = read_all(&log, &ada).await;
    let mut wanted: Vec<Value> = before.iter().map(Change::to_json).collect();
    for change in &mut wanted {
        change["spaceId"] = json!("_personal:ada");
        if change["data"].get("spaceId").is_some() {
            change["data"]["spaceId"] = json!("_personal:ada");
        }
    }
    assert_eq!(texts(&after), wanted.iter().map(Value::to_string).collect::<Vec<String>>());
    // What rows that are read count for is what is counted.
    let row = |change: Change| LogRow { change, ..row("user:ada", 1, "ada", insert(9, "any")) };
    let rows: Vec<LogRow> = after.into_iter().map(row).collect();
    let charge = async |rows: &[LogRow]| {
        let mut transaction = log.store().transaction(&ada).await.unwrap();
        transaction.lock(&BTreeSet::from([ada.own_stream()])).await.unwrap();
        transaction.charge(&ada.user, rows).await.unwrap()
    };
    let used = charge(&[]).await;
    assert_eq!(charge(&rows).await, 2 * used);
}
