//! The server with its log in PostgreSQL.

use crate::postgres::{Database, MIGRATOR, SERVER, SERVICE, SUPERUSER};
use crate::sockets::{Socket, available};
use crate::streams::Stream;
use crate::support::{Site, database_url, ids, task, task_in, watch, with};
use mana_sync::server::{Server, Settings, StartError};
use serde_json::{Value, json};
use std::time::Duration;

async fn start(database: &Database) -> Site {
    let url = database.url(SERVER).await;
    Site::start_with(|settings| {
        settings.postgres_url = Some(url);
        watch(settings);
    })
    .await
}

#[tokio::test]
async fn people_sync_and_keep_what_is_theirs() {
    let database = Database::migrated().await;
    let site = start(&database).await;
    let (ada, bob, eve) = (site.person("ada").await, site.person("bob").await, site.person("eve").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    ada.accept(&[task("own"), task_in(&space, "t1"), with(task_in(&space, "t2"), &[("visibility", json!("private"))])])
        .await;
    bob.accept(&[task_in(&space, "t3"), task("bobs")]).await;
    assert_eq!(ada.tasks().await, ["own", "t1", "t2", "t3"]);
    assert_eq!(bob.tasks().await, ["bobs", "t1", "t3"]);
    assert_eq!(eve.tasks().await, Vec::<String>::new());
    for (person, records) in [(&ada, 4), (&bob, 3), (&eve, 0)] {
        let (_, cursor) = person.read_on(None, &["tasks"], 10).await;
        let body = json!({ "protocol": 2, "clientId": "a.b", "cursor": cursor, "apps": { "todo": ["tasks"] } });
        let checked = person.post("/v2/check", body).await.body;
        let tables = checked["tables"].as_array().expect("a list");
        assert_eq!(tables.iter().filter_map(|table| table["records"].as_u64()).sum::<u64>(), records);
    }
    let foreign = eve.push(&[task_in(&space, "t4")]).await;
    assert_eq!(foreign.body["rejected"][0]["code"], "not_a_member");
}

#[tokio::test]
async fn two_servers_over_one_database_are_one_log() {
    let database = Database::migrated().await;
    let (here, there) = (start(&database).await, start(&database).await);
    let (ada, also_ada) = (here.person("ada").await, there.person("ada").await);
    ada.accept(&[task("t1")]).await;
    let (changes, cursor) = also_ada.read_on(None, &["tasks"], 10).await;
    assert_eq!(ids(&changes), ["t1"]);
    also_ada.accept(&[task("t2")]).await;
    let (changes, _) = ada.read_on(Some(cursor), &["tasks"], 10).await;
    assert_eq!(ids(&changes), ["t2"]);
}

#[tokio::test]
async fn a_push_reaches_connections_to_the_other_server_also_after_the_database_cut_them_off() {
    let database = Database::migrated().await;
    let (here, there) = (start(&database).await, start(&database).await);
    let (ada, bob) = (here.person("ada").await, there.person("bob").await);
    let also_ada = there.person("ada").await;
    let (mut of_ada, mut of_bob) = (Socket::open(&there, &also_ada).await, Socket::open(&there, &bob).await);
    ada.accept(&[task("t1")]).await;
    assert_eq!(of_ada.hear().await, available("tasks"));
    there.counts(&["mana_sync_lag_seconds_count 1"]).await;
    database.cut_off(SERVER).await;
    // What is told while nobody listens is lost, so it is told until it is heard.
    let mut n = 0;
    while of_ada.hear_all().await.is_empty() {
        n += 1;
        ada.push(&[task(&format!("again{n}"))]).await;
        assert!(n < 2000, "the servers do not find each other again");
    }
    assert_eq!(of_bob.hear_all().await, Vec::<Value>::new(), "nobody hears of what is not theirs");
}

#[tokio::test]
async fn a_stream_from_one_server_brings_what_was_pushed_to_another_and_finds_what_it_was_not_told_of() {
    let database = Database::migrated().await;
    let url = database.url(SERVER).await;
    let (here, there) = (
        start(&database).await,
        Site::start_with(|settings| {
            settings.postgres_url = Some(url);
            settings.live.recheck = Duration::from_millis(50);
        })
        .await,
    );
    let (ada, also_ada) = (here.person("ada").await, there.person("ada").await);
    ada.accept(&[task("t1")]).await;
    let mut stream = Stream::of_tasks(&also_ada).await;
    stream.brings(&["t1"]).await;
    ada.accept(&[task("t2")]).await;
    stream.brings(&["t2"]).await;
    // Told by nobody, as where the word of another server was lost.
    database.run("ALTER TABLE sync_changes DISABLE ROW LEVEL SECURITY; ALTER TABLE sync_changes NO FORCE ROW LEVEL SECURITY;
      INSERT INTO sync_changes SELECT replace(id, '0', '1'), app_id, table_name, 't3', user_id, op, data, field_meta, client_id,
        created_at, schema_version, actor, origin, space_id, stream, 3, tag, visibility, at, content_hash
      FROM sync_changes WHERE record_id = 't2';
      UPDATE streams SET pos = 3;
      ALTER TABLE sync_changes ENABLE ROW LEVEL SECURITY; ALTER TABLE sync_changes FORCE ROW LEVEL SECURITY;").await;
    stream.brings(&["t3"]).await;
}

#[tokio::test]
async fn a_row_that_another_service_adds_reaches_connections_and_is_pulled_as_a_change() {
    let database = Database::migrated().await;
    let (here, there) = (start(&database).await, start(&database).await);
    let (ada, also_ada, bob) = (here.person("ada").await, there.person("ada").await, there.person("bob").await);
    let mut sockets = [Socket::open(&here, &ada).await, Socket::open(&there, &also_ada).await];
    let mut of_bob = Socket::open(&there, &bob).await;
    let service = sqlx::PgPool::connect(&database.url(SERVICE).await).await.expect("a connection");
    // As it was recorded of production; the person is the one thing that a service says besides.
    let add = "BEGIN;
        SELECT set_config('app.current_user_id', 'ada', true);
        INSERT INTO sync_changes (app_id, table_name, record_id, user_id, space_id, op, data, field_meta, client_id,
          schema_version, actor, origin)
        VALUES ('todo', 'tasks', 't1', 'ada', NULL, 'insert',
          '{ \"id\": \"t1\", \"title\": \"Hello\", \"done\": false }'::jsonb,
          '{ \"title\": \"2026-04-22T10:00:01.000Z\", \"done\": \"2026-04-22T10:00:02.000Z\" }'::jsonb, 'system:bootstrap', 1,
          '{ \"kind\": \"system\", \"principalId\": \"system:bootstrap\" }'::jsonb, 'system');
        COMMIT";
    sqlx::raw_sql(add).execute(&service).await.expect("the row is added");
    for socket in &mut sockets {
        assert_eq!(socket.hear().await, available("tasks"));
    }
    let counted = database.text("SELECT string_agg(user_id, ' ') FROM sync_usage WHERE bytes > 256").await;
    assert_eq!(counted, "ada", "it counts for her quota");
    let (changes, _) = ada.read_on(None, &["tasks"], 10).await;
    let [change] = &changes[..] else { panic!("one change: {changes:?}") };
    let mut change = change.clone();
    let id = change.as_object_mut().and_then(|change| change.remove("eventId"));
    assert!(id.is_some_and(|id| id.is_string()));
    let at = "2026-04-22T10:00:02.000Z";
    let title = json!({ "value": "Hello", "at": "2026-04-22T10:00:01.000Z" });
    assert_eq!(
        change,
        json!({ "app": "todo", "schemaVersion": 1, "table": "tasks", "id": "t1", "op": "insert", "at": at,
            "data": { "id": "t1", "done": false }, "fields": { "title": title }, "visibility": "space",
            "actor": { "kind": "system", "principalId": "system:bootstrap" }, "origin": "system", "userId": "ada" })
    );
    assert_eq!(of_bob.hear_all().await, Vec::<Value>::new(), "nobody hears of what is not theirs");
}

#[tokio::test]
async fn a_stream_whose_log_goes_back_to_an_older_copy_ends_and_says_so() {
    let database = Database::migrated().await;
    let url = database.url(SERVER).await;
    let site = Site::start_with(|settings| {
        settings.postgres_url = Some(url);
        settings.live.recheck = Duration::from_millis(50);
    })
    .await;
    let ada = site.person("ada").await;
    ada.accept(&[task("t1"), task("t2")]).await;
    let mut stream = Stream::of_tasks(&ada).await;
    stream.brings(&["t1", "t2"]).await;
    database.run("DELETE FROM sync_changes WHERE pos = 2; UPDATE streams SET pos = 1").await;
    let end = stream.event().await;
    assert_eq!(
        (&*end.name, &end.data["code"], &end.data["reason"]),
        ("end", &json!("cursor_expired"), &json!("restored"))
    );
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn somebody_whose_requests_all_wait_keeps_nobody_else_waiting() {
    let database = Database::migrated().await;
    let site = start(&database).await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    ada.accept(&[task("t0")]).await;
    let held = database.hold("SELECT 1 FROM streams WHERE stream = 'user:ada' FOR UPDATE").await;
    let pushes: Vec<_> = (1..=40)
        .map(|n| {
            let ada = ada.clone();
            tokio::spawn(async move { ada.push(&[task(&format!("t{n}"))]).await.status })
        })
        .collect();
    for n in 0..20 {
        bob.accept(&[task(&format!("b{n}"))]).await;
    }
    assert!(pushes.iter().all(|push| !push.is_finished()), "all that time they waited");
    held.rollback().await.expect("released");
    for push in pushes {
        assert_eq!(push.await.expect("an answer"), 200);
    }
    assert_eq!(ada.tasks().await.len(), 41);
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart() {
    let database = Database::migrated().await;
    let site = start(&database).await;
    site.person("ada").await.accept(&[task("t1")]).await;
    site.server.stop().await;
    assert_eq!(start(&database).await.person("ada").await.tasks().await, ["t1"]);
}

#[tokio::test]
async fn a_server_that_row_security_would_not_hold_does_not_start() {
    let (database, folder) = (Database::migrated().await, tempfile::tempdir().unwrap());
    for role in [SUPERUSER, MIGRATOR] {
        let settings =
            Settings { postgres_url: Some(database.url(role).await), ..Settings::dev(database_url(&folder)) };
        let refused = Server::start(settings).await.err().expect("no server").to_string();
        assert!(refused.contains("row security"), "{refused}");
    }
}

#[tokio::test]
async fn where_anybody_may_sign_in_postgresql_is_served_on_this_machine_only() {
    let (database, folder) = (Database::migrated().await, tempfile::tempdir().unwrap());
    let settings = Settings {
        postgres_url: Some(database.url(SERVER).await),
        listen: "0.0.0.0:0".parse().unwrap(),
        ..Settings::dev(database_url(&folder))
    };
    assert!(matches!(Server::start(settings).await.err(), Some(StartError::Open(_))));
}
