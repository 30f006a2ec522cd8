//! A server whose database was put back to an older copy.

use crate::support::{Site, task};
use serde_json::json;
use std::path::Path;

/// Copies a closed database; its side files are gone then.
pub fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

#[tokio::test]
async fn a_cursor_from_before_a_restore_is_answered_410_also_after_the_log_has_grown_past_it() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    ada.accept(&[task("t1"), task("t2")]).await;
    let (_, old) = ada.read_on(None, &["tasks"], 10).await;
    let site = site.restart(|database| copy(database, &database.with_extension("backup"))).await;
    let ada = site.person("ada").await;
    ada.accept(&[task("t3"), task("t4")]).await;
    let (_, new) = ada.read_on(Some(old.clone()), &["tasks"], 10).await;

    let site = site.restart(|database| copy(&database.with_extension("backup"), database)).await;
    let ada = site.person("ada").await;
    let restored = ada.pull(Some(&new), &["tasks"], 10).await;
    assert_eq!((restored.code(), &restored.body["reason"]), ((410, "cursor_expired"), &json!("restored")), "ahead");
    ada.accept(&[task("t5"), task("t6"), task("t7")]).await;
    let restored = ada.pull(Some(&new), &["tasks"], 10).await;
    assert_eq!((restored.code(), &restored.body["reason"]), ((410, "cursor_expired"), &json!("restored")), "overtaken");
    let (changes, _) = ada.read_on(Some(old), &["tasks"], 10).await;
    assert_eq!(changes.len(), 3, "a cursor from before the backup goes on");
}

#[tokio::test]
async fn a_cursor_of_another_server_is_answered_410() {
    let (here, there) = (Site::start().await, Site::start().await);
    let (ada, other) = (here.person("ada").await, there.person("ada").await);
    ada.accept(&[task("t1")]).await;
    other.accept(&[task("t1")]).await;
    let (_, cursor) = ada.read_on(None, &["tasks"], 10).await;
    assert_eq!(other.pull(Some(&cursor), &["tasks"], 10).await.body["reason"], "restored");
}

#[tokio::test]
async fn tokens_memberships_and_cursors_survive_a_restart() {
    let site = Site::start().await;
    let mut ada = site.person("ada").await;
    let space = ada.create_space("family").await;
    ada.accept(&[task("t1")]).await;
    let (_, cursor) = ada.read_on(None, &["tasks"], 10).await;
    let site = site.restart(|_| {}).await;
    ada.url = site.url();
    let page = ada.pull(Some(&cursor), &["tasks"], 10).await;
    assert_eq!((page.status.as_u16(), &page.body["changes"]), (200, &json!([])));
    assert_eq!(page.body["spaces"], json!([{ "id": space, "type": "family", "role": "owner" }]));
}
