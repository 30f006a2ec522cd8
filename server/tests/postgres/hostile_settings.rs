//! Settings and ids that try to be something else.

use crate::world::{NOTHING, acting, ask, world};
use mana_sync::log::contract::fixtures::{ids, insert, own, person, push_of, read_all, with};
use mana_sync::log::{Caller, LogError};
use mana_sync_engine::model::{Space, SpaceId, UserId};
use serde_json::json;

const STREAMS: &str = "SELECT DISTINCT stream FROM sync_changes ORDER BY stream";

#[tokio::test]
async fn a_list_of_spaces_that_is_no_json_array_is_refused() {
    let (_database, log) = world().await;
    for list in ["family", "family,club", "{family}", r#"{"family":1}"#, r#""family""#, "[\"family\"", "*", "1"] {
        let mut bob = acting(log.store().pool(), ("bob", list, NOTHING)).await;
        let refused = ask(&mut bob, STREAMS).await.expect_err(list);
        assert!(["22P02", "22023"].contains(&refused.as_str()), "{list}: {refused}");
    }
}

#[tokio::test]
async fn an_entry_of_the_list_is_one_space_whatever_characters_it_has() {
    let (_database, log) = world().await;
    let lists = [
        json!(["family,club"]),
        json!(["family\",\"club"]),
        json!(["family' OR '1'='1"]),
        json!([["family"]]),
        json!([{ "id": "family" }]),
        json!(["", null, 0, true]),
        json!(["%", "*", "_amily", "FAMILY", "family ", " family", "fam\u{200B}ily", "ｆamily"]),
        json!(["family) OR (true"]),
    ];
    for list in lists {
        let list = list.to_string();
        let mut eve = acting(log.store().pool(), ("eve", &list, &list)).await;
        assert_eq!(ask(&mut eve, STREAMS).await, Ok(Vec::new()), "{list}");
    }
    let mut eve = acting(log.store().pool(), ("eve", r#"["family"]"#, NOTHING)).await;
    assert_eq!(ask(&mut eve, STREAMS).await, Ok(vec!["space:family".into()]), "the plain name is the space");
}

#[tokio::test]
async fn a_persons_name_is_one_name_whatever_characters_it_has() {
    let (_database, log) = world().await;
    let names = [
        "ada,bob",
        "ada\"",
        "ada' OR '1'='1",
        "[\"ada\"]",
        "{ada}",
        "%",
        "ADA",
        "a\u{301}da",
        "ada ",
        "user:ada",
        "ada\\",
        "*",
        "ada; SELECT 1",
        "аda",
        "\u{202E}ada",
        "null",
        "ada/**/",
    ];
    for (n, name) in (100..).zip(names) {
        let space = format!("{name}'s,\"family\"");
        let home = Space { id: SpaceId::parse(&space).unwrap(), kind: Some("club".into()), role: Some("owner".into()) };
        let caller = Caller { user: UserId::parse(name).unwrap(), spaces: vec![home] };
        assert_eq!(ids(&read_all(&log, &caller).await), Vec::<&str>::new(), "{name}");
        let in_space = with(insert(n, "there"), &[("spaceId", json!(space)), ("data", json!({ "n": n }))]);
        let pushed = log.push(push_of(&caller, &[in_space, own(n + 1000, "mine")])).await.unwrap();
        assert_eq!((pushed.accepted.len(), pushed.rejected), (2, Vec::new()), "{name}");
        let mut got = ids(&read_all(&log, &caller).await).join(" ");
        got.make_ascii_lowercase();
        assert_eq!(got, "mine there", "{name}");
        assert_eq!(
            ids(&read_all(&log, &person("zed", &["family:family:viewer"])).await),
            ["shared", "turned", "shared"]
        );
    }
}

#[tokio::test]
async fn an_id_that_the_database_cannot_hold_is_refused_and_leaves_nothing() {
    let (_database, log) = world().await;
    assert!(UserId::parse("").is_err() && UserId::parse("a\0b").is_err() && SpaceId::parse("a\0b").is_err());
    let mut pool = log.store().pool().acquire().await.unwrap();
    let text = sqlx::query("SELECT set_config('app.current_user_id', $1, true)").bind("a\0b").execute(&mut *pool).await;
    assert!(matches!(text.map_err(LogError::from), Err(LogError::Failed(_))));
}
