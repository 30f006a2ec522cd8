//! What older clients read of the log: everything that is theirs, by time, and nothing else.

use super::{BEGINNING, OldClient, old_edit, old_task, old_task_in};
use crate::postgres::{Database, SERVER};
use crate::support::{Person, Site, ids, task, task_in, with};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn on_postgres(database: &Database) -> Site {
    let url = database.url(SERVER).await;
    Site::start_with(|settings| settings.postgres_url = Some(url)).await
}

#[tokio::test]
async fn nobody_misses_anything_who_reads_by_time_while_many_write() {
    many_write(Site::start().await).await;
}

#[tokio::test]
async fn nobody_misses_anything_who_reads_by_time_while_many_write_on_postgresql() {
    let database = Database::migrated().await;
    many_write(on_postgres(&database).await).await;
}

async fn many_write(site: Site) {
    let owner = site.person("owner").await;
    let space = owner.create_space("team").await;
    let mut writers = Vec::new();
    for n in 0..6 {
        owner.add_member(&space, &format!("w{n}"), "member").await;
        writers.push(tokio::spawn(write(site.person(&format!("w{n}")).await, space.clone(), n)));
    }
    let reader = OldClient::of(&owner, "reader");
    let (mut seen, mut since) = (BTreeSet::new(), BEGINNING.to_owned());
    loop {
        let finished = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let (changes, until, has_more) = reader.page(&since).await;
        seen.extend(ids(&changes));
        since = until;
        if finished && !has_more {
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen.len(), 6 * 20 * 12);
    assert_eq!(reader.ids().await.len(), 6 * 20 * 12, "from the beginning, over several pages, each once");
}

/// Writes in turn as a client of each protocol.
async fn write(person: Person, space: String, writer: usize) {
    let old = OldClient::of(&person, "old");
    for n in 0..20 {
        let id = |at: usize| format!("{writer}-{n}-{at}");
        if n % 2 == 0 {
            person.accept(&(0..12).map(|at| task_in(&space, &id(at))).collect::<Vec<Value>>()).await;
        } else {
            old.write(&(0..12).map(|at| old_task_in(&space, &id(at))).collect::<Vec<Value>>()).await;
        }
    }
}

#[tokio::test]
async fn what_commits_late_is_not_skipped() {
    let database = Database::migrated().await;
    let site = on_postgres(&database).await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    ada.accept(&[task_in(&space, "t1")]).await;
    let held = database.hold("SELECT 1 FROM sync_records WHERE record_id = 't1' FOR UPDATE").await;
    let edit = json!({ "title": { "value": "Late", "at": "2026-01-02T00:00:00.000000Z" } });
    let late = with(task_in(&space, "t1"), &[("op", json!("update")), ("fields", edit), ("data", Value::Null)]);
    let late = tokio::spawn(async move { bob.accept(&[late]).await });
    // Its rows have their time once it waits for the record.
    database.waits_for_a_lock().await;
    ada.accept(&[task("own")]).await;
    let reader = OldClient::of(&ada, "reader");
    let (changes, until, _) = reader.page(BEGINNING).await;
    assert_eq!(ids(&changes), ["t1", "own"], "what is there is served");
    held.rollback().await.unwrap();
    late.await.unwrap();
    assert!(ids(&reader.read(&until).await).contains(&"t1".to_owned()), "and what came late is still to come");
}

#[tokio::test]
async fn who_does_not_write_the_log_holds_no_reader_back() {
    let database = Database::migrated().await;
    let site = on_postgres(&database).await;
    let ada = site.person("ada").await;
    ada.accept(&[task("own")]).await;
    database.run("CREATE ROLE passer_by LOGIN").await;
    let pool = sqlx::PgPool::connect(&database.url("passer_by").await).await.unwrap();
    let mut held = pool.begin().await.unwrap();
    // As a transaction would that began to write in 1970.
    let lock = "SELECT pg_advisory_xact_lock_shared(19822::bigint << 48 | 1)";
    sqlx::raw_sql(lock).execute(&mut *held).await.unwrap();
    let (changes, until, _) = OldClient::of(&ada, "reader").page(BEGINNING).await;
    assert_eq!(ids(&changes), ["own"]);
    assert!(!until.starts_with("1970"), "{until}");
}

#[tokio::test]
async fn the_time_to_read_on_after_is_never_that_of_a_client_whose_clock_is_ahead() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let (old, other) = (OldClient::of(&ada, "a"), OldClient::of(&ada, "b"));
    old.write(&[old_task("t1")]).await;
    let (changes, until, _) = other.page("2099-01-01T00:00:00.000Z").await;
    assert!(changes.is_empty() && until.starts_with("20") && !until.starts_with("2099"), "{until}");
    old.write(&[old_task("t2")]).await;
    assert_eq!(ids(&other.read(&until).await), ["t2"]);
}

#[tokio::test]
async fn what_protocol_2_refuses_is_kept_for_its_author_alone() {
    for database in [None, Some(Database::migrated().await)] {
        let site = match &database {
            None => Site::start().await,
            Some(database) => on_postgres(database).await,
        };
        let (ada, eve) = (site.person("ada").await, site.person("eve").await);
        let space = ada.create_space("family").await;
        ada.accept(&[task_in(&space, "t1")]).await;
        let (writer, reader) = (OldClient::of(&eve, "a"), OldClient::of(&eve, "b"));
        let odd = json!({ "table": "_odd", "id": "o", "op": "insert", "data": {} });
        writer.write(&[old_task_in(&space, "forged"), old_task("own"), odd]).await;
        assert_eq!(reader.ids().await, ["own", "forged"]);
        assert_eq!(reader.read(BEGINNING).await[1]["spaceId"], json!(space));
        assert!(writer.ids().await.is_empty(), "a client's own changes are left out");
        assert_eq!(eve.tasks().await, ["own"], "protocol 2 does not have it");
        assert_eq!((OldClient::of(&ada, "c").ids().await, ada.tasks().await), (vec!["t1".into()], vec!["t1".into()]));
    }
}

#[tokio::test]
async fn what_was_withheld_is_counted() {
    let site = Site::start_watched().await;
    let eve = site.person("eve").await;
    OldClient::of(&eve, "a").write(&[old_task_in("elsewhere", "forged"), old_task("own")]).await;
    site.counts(&[
        "mana_sync_changes_total{direction=\"withheld\"} 1",
        "mana_sync_changes_total{direction=\"accepted\"} 1",
    ])
    .await;
}

#[tokio::test]
async fn private_rows_go_to_their_author_alone_and_a_record_that_is_hidden_is_deleted_for_the_others() {
    hide(Site::start().await).await;
    let database = Database::migrated().await;
    hide(on_postgres(&database).await).await;
}

async fn hide(site: Site) {
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    let (of_ada, of_bob) = (OldClient::of(&ada, "a"), OldClient::of(&bob, "b"));
    ada.accept(&[task_in(&space, "t1")]).await;
    let shown = of_bob.page(BEGINNING).await;
    assert_eq!(ids(&shown.0), ["t1"]);
    let at = json!("2026-01-02T00:00:00.000000Z");
    let mut hidden = with(task_in(&space, "t1"), &[("visibility", json!("private")), ("at", at.clone())]);
    hidden["data"]["visibility"] = json!("private");
    hidden["data"]["title"] = json!("secret");
    ada.accept(&[hidden]).await;
    // The author's older client edits the record, whose visibility it does not know.
    let mut edit = old_edit("t1", "title", &json!("still secret"), "2026-01-03T00:00:00.000Z");
    edit["spaceId"] = json!(space);
    of_ada.write(&[edit.clone()]).await;
    let after = of_bob.read(&shown.1).await;
    assert_eq!((after.len(), &after[0]["op"], &after[0]["deletedAt"]), (1, &json!("delete"), &at));
    assert!(!json!(of_bob.read(BEGINNING).await).to_string().contains("secret"));
    assert_eq!(OldClient::of(&ada, "c").ids().await, ["t1", "t1", "t1"]);
    assert_eq!(ada.tasks().await, ["t1", "t1", "t1"], "the edit is in the log");
    edit["fields"]["title"]["value"] = json!("bob's");
    of_bob.write(&[edit]).await;
    assert!(!json!(OldClient::of(&ada, "c").read(BEGINNING).await).to_string().contains("bob's"));
}

#[tokio::test]
async fn an_older_client_hides_a_record_by_an_update_and_shows_none_by_half() {
    let site = Site::start().await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    let (of_ada, of_bob) = (OldClient::of(&ada, "a"), OldClient::of(&bob, "b"));
    ada.accept(&[task_in(&space, "t1")]).await;
    let shown = of_bob.page(BEGINNING).await.1;
    let says = |visibility: &str, at: &str| {
        with(old_edit("t1", "visibility", &json!(visibility), at), &[("spaceId", json!(space))])
    };
    let forged = says("private", "2026-01-02T00:00:00.000Z");
    of_bob.write(std::slice::from_ref(&forged)).await;
    assert_eq!(of_bob.ids().await, ["t1"], "somebody else hides nothing");
    of_ada.write(&[forged]).await;
    let kinds = |changes: &[Value]| changes.iter().map(|change| change["op"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&of_bob.read(&shown).await), ["delete"]);
    assert_eq!(kinds(&bob.read_on(None, &["tasks"], 9).await.0), ["withdraw"]);
    let edit =
        with(old_edit("t1", "title", &json!("secret"), "2026-01-03T00:00:00.000Z"), &[("spaceId", json!(space))]);
    of_ada.write(&[edit, says("space", "2026-01-04T00:00:00.000Z")]).await;
    assert!(!json!(bob.read_on(None, &["tasks"], 9).await.0).to_string().contains("secret"));
    let other = OldClient::of(&ada, "c").read(BEGINNING).await;
    assert_eq!(kinds(&other), ["insert", "update", "update", "update"], "the author's devices are told as it was sent");
    assert_eq!(other[1]["fields"], json!({ "visibility": { "value": "private", "at": "2026-01-02T00:00:00.000Z" } }));
    assert_eq!(kinds(&ada.read_on(None, &["tasks"], 9).await.0), ["insert", "insert", "update"]);
}

#[tokio::test]
async fn a_push_that_is_sent_again_is_stored_once_and_an_id_used_twice_loses_nothing() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let (old, other) = (OldClient::of(&ada, "a"), OldClient::of(&ada, "b"));
    let id = "0193e0a0-0000-7000-8000-000000000001";
    let named = |task: Value| with(task, &[("eventId", json!(id))]);
    old.write(&[named(old_task("t1"))]).await;
    old.write(&[named(old_task("t1"))]).await;
    assert_eq!(other.ids().await, ["t1"]);
    old.write(&[named(old_task("t2")), named(old_task("t3"))]).await;
    let all: BTreeSet<String> = ["t1", "t2", "t3"].map(str::to_owned).into();
    assert_eq!(other.ids().await.into_iter().collect::<BTreeSet<_>>(), all);
    assert_eq!(ada.tasks().await.into_iter().collect::<BTreeSet<_>>(), all, "in the log, under ids of their own");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_leaves_nothing_behind() {
    let site = Site::start().await;
    let ada = Person::sign_in_for(&site.url(), "ada", Some(2)).await;
    let url = format!("{}/sync/todo/stream?collections=tasks&since={BEGINNING}", ada.url);
    let mut stream = crate::streams::Stream::of(ada.http.get(url).bearer_auth(&ada.token).send().await.unwrap());
    ada.accept(&[task("t1")]).await;
    let event = stream.event().await;
    assert_eq!((&*event.name, &event.data["table"]), ("changes", &json!("tasks")));
    assert!(stream.next().await.is_none(), "it ends as a stream should");
}
