//! Rows that other services add to a space which turned out to be its owner's own.

use crate::postgres::COMPACTOR;
use crate::services::{add_as, field, refused_as, row, site};
use crate::world::{NOTHING, acting, ask, code};
use mana_sync::log::LogError;
use mana_sync::log::contract::fixtures::{accept, ids, insert, push_of, read_all, with};
use mana_sync::log::contract::own_spaces::untyped;
use mana_sync_engine::model::SpaceId;
use serde_json::json;

#[tokio::test]
async fn a_space_that_turned_out_to_be_its_owners_own_goes_by_its_alias() {
    let (_database, log, pool) = site().await;
    let ada = untyped("ada", &[("home", "owner")]);
    let data = |record: &str| json!({ "id": record, "spaceId": "home" });
    let at_home = |record: &str| row(record, &[("space_id", json!("home")), ("data", data(record))]);
    add_as(&pool, ("ada", "", r#"["home"]"#), &at_home("t1"), "").await.unwrap();
    log.hear_of_own_space(&ada, &ada.spaces[0].id).await.unwrap();
    for (record, writable) in [("t2", r#"["home"]"#), ("t3", NOTHING)] {
        add_as(&pool, ("ada", "", writable), &at_home(record), "").await.unwrap();
    }
    let changes = read_all(&log, &log.knowing_own_space(ada).await.unwrap()).await;
    assert_eq!(ids(&changes), ["t1", "t2", "t3"]);
    for change in &changes {
        assert_eq!(change.space_id.as_ref().map(SpaceId::as_str), Some("_personal:ada"));
        assert_eq!(field(change, "spaceId").0, "_personal:ada");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_while_a_space_turns_out_to_be_its_owners_own_is_to_be_tried_again() {
    let (database, log, pool) = site().await;
    let (home, log) = (r#"["home"]"#, std::sync::Arc::new(log));
    let ada = untyped("ada", &[("home", "owner")]);
    let claim = "SELECT set_config('app.current_user_id', 'ada', true), set_config('app.current_user_space_ids', '[\"home\"]', true),
        set_config('app.current_user_writable_space_ids', '[\"home\"]', true); SELECT sync_claim_space('home')";
    let held = database.hold(claim).await;
    let pushing = tokio::spawn({
        let (log, push) =
            (log.clone(), push_of(&ada, &[with(insert(1, "t1"), &[("spaceId", json!("home")), ("data", json!({}))])]));
        async move { log.push(push).await }
    });
    let adding = tokio::spawn({
        let row = row("t2", &[("space_id", json!("home"))]);
        async move { add_as(&pool, ("ada", home, home), &row, "").await }
    });
    let waiting =
        "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..3000 {
        if database.text(waiting).await == "2" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(database.text(waiting).await, "2", "both wait for the stream");
    held.commit().await.expect("claimed");
    let pushed = pushing.await.unwrap();
    assert!(matches!(pushed, Err(LogError::Busy(_))), "{pushed:?}");
    assert_eq!(code(&adding.await.unwrap().expect_err("refused")), "40001");
    assert_eq!(database.text("SELECT count(*)::text FROM sync_changes").await, "0", "nothing lies where nobody reads");
}

#[tokio::test]
async fn nothing_is_added_for_others_to_what_is_its_owners_own() {
    let (database, log, pool) = site().await;
    let ada = untyped("ada", &[("home", "owner")]);
    log.hear_of_own_space(&ada, &ada.spaces[0].id).await.unwrap();
    let of_bob = row("t1", &[("space_id", json!("home")), ("user_id", json!("bob"))]);
    for readable in ["", r#"["home"]"#] {
        let refused = refused_as(&pool, ("bob", readable, r#"["home"]"#), &of_bob).await;
        assert_eq!(refused, "23514 not_a_member", "{readable}");
    }
    assert_eq!(database.text("SELECT count(*)::text FROM sync_changes").await, "0");
}

#[tokio::test]
async fn who_is_noted_as_a_member_is_for_nobody_to_see_and_for_members_to_add_to() {
    let (database, log, pool) = site().await;
    let noted =
        "SELECT string_agg(space_id || ' ' || coalesce(user_id, 'several'), ',' ORDER BY space_id) FROM sync_members";
    let note = "SELECT space, is_shared::text, is_foreign::text FROM sync_note_member('{family,club}')";
    for (user, wanted) in [("ada", "family false false"), ("bob", "family true false")] {
        let mut acting = acting(log.store().pool(), (user, r#"["family"]"#, NOTHING)).await;
        assert_eq!(ask(&mut acting, note).await, Ok(vec![wanted.to_owned()]), "{user} is in no club");
        assert_eq!(ask(&mut acting, "SELECT user_id FROM sync_members").await, Err("42501".into()));
        acting.rollback().await.unwrap();
        let mut again = self::acting(log.store().pool(), (user, r#"["family"]"#, NOTHING)).await;
        ask(&mut again, note).await.unwrap();
        again.commit().await.unwrap();
    }
    assert_eq!(database.text(noted).await, "family several");
    let mut nobody = acting(log.store().pool(), ("", r#"["club"]"#, NOTHING)).await;
    assert_eq!(ask(&mut nobody, note).await, Ok(Vec::new()));
    nobody.commit().await.unwrap();
    assert_eq!(database.text(noted).await, "family several");
    let mut service = acting(&pool, ("eve", r#"["club"]"#, NOTHING)).await;
    assert_eq!(ask(&mut service, note).await, Err("42501".into()));
}

#[tokio::test]
async fn what_is_kept_as_somebodys_own_can_be_ended() {
    let (database, log, _pool) = site().await;
    let (ada, bob) = (untyped("ada", &[("home", "owner")]), untyped("bob", &[("home", "member")]));
    log.hear_of_own_space(&ada, &ada.spaces[0].id).await.unwrap();
    assert!(log.knowing_own_space(bob.clone()).await.unwrap().spaces.is_empty());
    let compactor = sqlx::PgPool::connect(&database.url(COMPACTOR).await).await.unwrap();
    sqlx::query("DELETE FROM own_spaces WHERE space_id = 'home'").execute(&compactor).await.unwrap();
    log.hear_of_own_space(&ada, &ada.spaces[0].id).await.unwrap();
    let at_home = |n| with(insert(n, &format!("t{n}")), &[("spaceId", json!("home")), ("data", json!({}))]);
    accept(&log, &log.knowing_own_space(ada.clone()).await.unwrap(), &[at_home(1)]).await;
    let bob = log.knowing_own_space(bob).await.unwrap();
    accept(&log, &bob, &[at_home(2)]).await;
    assert_eq!(ids(&read_all(&log, &bob).await), ["t1", "t2"]);
    assert_eq!(ids(&read_all(&log, &log.knowing_own_space(ada).await.unwrap()).await), ["t1", "t2"]);
}
