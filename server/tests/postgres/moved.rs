//! Rows on their way to their writer's own stream, to the letter.

use crate::services::{add_as, row, site};
use crate::world::NOTHING;
use mana_sync::log::contract::fixtures::{accept, insert, with};
use mana_sync::log::contract::own_spaces::untyped;
use serde_json::{Value, json};

/// What was sent, in the order in which it was written.
const HASHES: &str = "SELECT string_agg(field_meta || encode(content_hash, 'hex'), ' ' ORDER BY pos) FROM sync_changes";

/// How much more is counted than the rows take.
const DRIFT: &str = "SELECT ((SELECT sum(bytes) FROM sync_usage)
  - (SELECT sum(octet_length(data) + octet_length(field_meta) + coalesce(octet_length(actor), 0) + 256) FROM sync_changes))::text";

/// Rows of services, which were written by `jsonb`, that are not as it writes them after the move.
const OTHERWISE: &str = "SELECT coalesce(string_agg(concat_ws(' ', c.record_id, c.data), E'\\n'), 'none')
  FROM sync_changes AS c JOIN before USING (record_id)
  WHERE starts_with(record_id, 's') AND c.data <> CASE jsonb_typeof(before.data::jsonb -> 'spaceId')
    WHEN 'string' THEN before.data::jsonb || '{\"spaceId\": \"_personal:ada\"}' ELSE before.data::jsonb END::text";

#[tokio::test]
async fn a_row_is_moved_without_another_letter_being_written_anew() {
    let (database, log, pool) = site().await;
    let ada = untyped("ada", &[("home", "owner")]);
    let sent = [
        json!({ "spaceId": "home", "zero": -0.0, "power": 1e300, "a\"é\u{1}": ["\u{2028}", 1.0, { "spaceId": "home" }] }),
        json!({ "x\\\"spaceId": "home", "spaceId": "home", "z": "\"spaceId\":\"home\"", "é": { "b": 1, "aa": 2 } }),
        json!({ "spaceId": "home" }),
        json!({ "inner": { "spaceId": "home" } }),
        json!({}),
    ];
    for (n, data) in (1..).zip(&sent) {
        let change = with(insert(n, &format!("p{n}")), &[("spaceId", json!("home")), ("data", data.clone())]);
        accept(&log, &ada, &[change]).await;
        let added = row(&format!("s{n}"), &[("space_id", json!("home")), ("data", data.clone())]);
        add_as(&pool, ("ada", NOTHING, r#"["home"]"#), &added, "").await.unwrap();
    }
    database.run("CREATE TABLE before AS SELECT record_id, data FROM sync_changes").await;
    assert_eq!(database.text(DRIFT).await, "0");
    let hashes = database.text(HASHES).await;
    log.hear_of_own_space(&ada, &ada.spaces[0].id).await.unwrap();
    assert_eq!(database.text("SELECT DISTINCT stream FROM sync_changes").await, "user:ada");
    let wanted = |data: &Value| {
        let mut data = data.clone();
        if let Some(space) = data.get_mut("spaceId") {
            *space = json!("_personal:ada");
        }
        data.to_string()
    };
    let pushed = "SELECT string_agg(data, E'\\n' ORDER BY pos) FROM sync_changes WHERE starts_with(record_id, 'p')";
    assert_eq!(database.text(pushed).await, sent.iter().map(wanted).collect::<Vec<String>>().join("\n"));
    assert_eq!(database.text(OTHERWISE).await, "none");
    assert_eq!(database.text(HASHES).await, hashes);
    assert_eq!(database.text(DRIFT).await, "0");
}

/// What somebody else wrote there by hand is renamed as well, if not to the letter.
#[tokio::test]
async fn a_text_that_nobody_of_the_log_wrote_is_renamed_and_counted() {
    let (database, log, _pool) = site().await;
    let ada = untyped("ada", &[("home", "owner")]);
    let texts = [
        "{ \"spaceId\" :\n\"home\", \"n\" : 1}",
        "{\"n\":1, \"spaceId\":\"home\"}",
        "{\"n\" :1,\"spaceId\": \"home\"}",
    ];
    for (n, text) in (1..).zip(texts) {
        accept(&log, &ada, &[with(insert(n, "t"), &[("spaceId", json!("home")), ("data", json!({}))])]).await;
        database.run(&format!("UPDATE sync_changes SET data = '{text}' WHERE pos = {n}")).await;
        database.run(&format!("UPDATE sync_usage SET bytes = bytes + {}", text.len() - 2)).await;
    }
    log.hear_of_own_space(&ada, &ada.spaces[0].id).await.unwrap();
    let read = "SELECT string_agg(DISTINCT data::jsonb::text, ' ') FROM sync_changes";
    assert_eq!(database.text(read).await, r#"{"n": 1, "spaceId": "_personal:ada"}"#);
    assert_eq!(database.text(DRIFT).await, "0");
}
