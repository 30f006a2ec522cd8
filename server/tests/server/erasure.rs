//! Erasing people and spaces: all of theirs goes, devices learn of it, and nothing of others is touched.

use crate::postgres::{COMPACTOR, Database, SERVER};
use crate::sockets::{Socket, available};
use crate::support::{Answer, DATABASE, Person, Site, answer, event, ids, task, task_in, with};
use mana_sync::auth::ServiceKey;
use mana_sync::server::{Server, Settings};
use serde_json::{Value, json};

const KEY: &str = "between services";

/// A server on SQLite and one on PostgreSQL that can erase.
async fn on_both() -> [(Site, Option<Database>); 2] {
    let database = Database::migrated().await;
    let (server, compactor) = (database.url(SERVER).await, database.url(COMPACTOR).await);
    let with_key = |settings: &mut Settings| settings.service_key = ServiceKey::new(KEY);
    let on_postgres = Site::start_with(|settings| {
        with_key(settings);
        settings.postgres_url = Some(server);
        settings.compactor_url = Some(compactor);
    });
    [(Site::start_with(with_key).await, None), (on_postgres.await, Some(database))]
}

async fn erase(site: &Site, path: &str) -> Answer {
    erase_with(site, path, Some(KEY)).await
}

async fn erase_with(site: &Site, path: &str, key: Option<&str>) -> Answer {
    let mut request = crate::support::client().delete(format!("{}/internal/{path}", site.url()));
    if let Some(key) = key {
        request = request.header("x-service-key", key);
    }
    answer(request).await.expect("an answer")
}

/// A private task in a space.
fn private(space: &str, id: &str) -> Value {
    with(task_in(space, id), &[("visibility", json!("private"))])
}

fn edit(space: &str, id: &str, title: &str) -> Value {
    let at = "2026-01-02T00:00:00.000000Z";
    json!({ "eventId": event(), "app": "todo", "table": "tasks", "id": id, "op": "update", "at": at,
        "spaceId": space, "fields": { "title": { "value": title, "at": at } } })
}

/// Ada and Bob with a family, and Bob's own.
async fn family(site: &Site) -> (Person, Person, String) {
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    ada.accept(&[task("own"), task_in(&space, "a1"), private(&space, "a2")]).await;
    bob.accept(&[task("bobs"), task_in(&space, "b1"), private(&space, "b2"), edit(&space, "a1", "By Bob")]).await;
    ada.accept(&[edit(&space, "b1", "By Ada")]).await;
    (ada, bob, space)
}

async fn cursor_of(person: &Person) -> String {
    person.read_on(None, &["tasks"], 1000).await.1
}

#[tokio::test]
async fn all_of_a_person_goes_and_nothing_of_others_does() {
    for (site, _) in on_both().await {
        let (ada, bob, space) = family(&site).await;
        let (of_ada, of_bob) = (cursor_of(&ada).await, cursor_of(&bob).await);
        assert_eq!(erase(&site, "users/ada").await.status, 204);
        for (person, cursor) in [(&ada, of_ada), (&bob, of_bob)] {
            let expired = person.pull(Some(&cursor), &["tasks"], 9).await;
            assert_eq!((expired.code(), &expired.body["reason"]), ((410, "cursor_expired"), &json!("retention")));
        }
        // Page by page: the first ones end where rows were removed.
        let (left, cursor) = bob.read_on(None, &["tasks"], 1).await;
        assert_eq!(ids(&left), ["bobs", "b1", "b2", "a1"], "each once, in their order, and the last is Bob's edit");
        assert!(left.iter().all(|change| change["userId"] == "bob"));
        assert_eq!(ids(&ada.read_on(None, &["tasks"], 1).await.0), ["b1", "a1"]);
        // Life goes on, from the same cursor.
        bob.accept(&[task_in(&space, "b3"), task("bobs2")]).await;
        assert_eq!(ids(&bob.read_on(Some(cursor), &["tasks"], 1).await.0), ["bobs2", "b3"]);
        assert_eq!(erase(&site, "users/ada").await.status, 204, "again, for nothing");
    }
}

#[tokio::test]
async fn all_of_a_space_goes_and_its_members_keep_their_own() {
    for (site, _) in on_both().await {
        let (ada, bob, space) = family(&site).await;
        let other = ada.create_space("club").await;
        ada.accept(&[task_in(&other, "c1")]).await;
        let cursor = cursor_of(&bob).await;
        let mut socket = Socket::open(&site, &bob).await;
        assert_eq!(erase(&site, &format!("spaces/{space}")).await.status, 204);
        assert_eq!(socket.hear().await, available("tasks"), "devices are told to look");
        let expired = bob.pull(Some(&cursor), &["tasks"], 9).await;
        assert_eq!((expired.code(), &expired.body["reason"]), ((410, "cursor_expired"), &json!("retention")));
        assert_eq!((ada.tasks().await, bob.tasks().await), (vec!["own".into(), "c1".into()], vec!["bobs".to_owned()]));
        // The space itself is the membership service's: as long as it names it, it can be used, and heads are forgotten.
        let (_, cursor) = bob.read_on(None, &["tasks"], 1).await;
        bob.accept(&[task_in(&space, "a2")]).await;
        assert_eq!(ids(&bob.read_on(Some(cursor), &["tasks"], 1).await.0), ["a2"]);
    }
}

#[tokio::test]
async fn what_is_kept_beside_the_log_goes_as_well() {
    let [_, (site, database)] = on_both().await;
    let database = database.expect("one on PostgreSQL");
    let keep = "INSERT INTO own_spaces VALUES ('home-of-ada', 'ada'), ('home-of-bob', 'bob');
      INSERT INTO sync_members VALUES ('home-of-ada', 'ada'), ('club', 'bob'), ('home-of-bob', 'bob');
      INSERT INTO sync_unread VALUES ('1', 'ada', 'odd', '{\"space_id\": null}'), ('2', 'bob', 'odd', '{\"space_id\": \"club\"}'),
        ('3', 'bob', 'odd', '{\"space_id\": null}')";
    database.run(keep).await;
    let kept = async || {
        let query = "SELECT concat_ws('/', (SELECT string_agg(user_id, ' ') FROM own_spaces), (SELECT string_agg(id, ' ') FROM sync_unread),
          (SELECT string_agg(space_id || ' ' || coalesce(user_id, '-'), ' ' ORDER BY space_id) FROM sync_members))";
        database.text(query).await
    };
    assert_eq!(erase(&site, "users/ada").await.status, 204);
    assert_eq!(kept().await, "bob/2 3/club bob home-of-bob bob");
    assert_eq!(erase(&site, "spaces/club").await.status, 204);
    assert_eq!(kept().await, "bob/3/club - home-of-bob bob");
}

#[tokio::test]
async fn what_was_withheld_goes_however_odd_it_is_and_holds_nothing_up() {
    for (site, _) in on_both().await {
        let (ada, bob, space) = family(&site).await;
        let odd = |space: &str, id: &str| {
            json!({ "clientId": "old", "changes": [{ "table": "tasks", "id": id, "op": "insert",
            "spaceId": space, "data": { "id": id, "text": "a\u{0}b" } }] })
        };
        for (person, id) in [(&ada, "x1"), (&bob, "x2")] {
            assert_eq!(person.post("/sync/todo", odd(&space, id)).await.status, 200);
        }
        let withheld = async |person: &Person| {
            let page = person.post("/sync/todo", json!({ "clientId": "other", "since": "", "changes": [] })).await;
            page.body["serverChanges"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|change| change["id"].as_str().unwrap().starts_with('x'))
                .count()
        };
        assert_eq!((withheld(&ada).await, withheld(&bob).await), (1, 1));
        assert_eq!(erase(&site, "users/ada").await.status, 204);
        assert_eq!((withheld(&ada).await, withheld(&bob).await), (0, 1));
        assert_eq!(erase(&site, &format!("spaces/{space}")).await.status, 204);
        assert_eq!(withheld(&bob).await, 0);
        bob.accept(&[task("later")]).await;
    }
}

#[tokio::test]
async fn what_others_wrote_in_a_record_that_somebody_made_their_own_is_everybodys_again() {
    for (site, _) in on_both().await {
        let (ada, bob, space) = family(&site).await;
        ada.accept(&[task_in(&space, "taken")]).await;
        let (early, late) = ("1970-01-01T00:00:01.000000Z", "2026-01-03T00:00:00.000000Z");
        let mut takes = with(private(&space, "taken"), &[("at", json!(late))]);
        takes["fields"] =
            json!({ "authorId": { "value": "bob", "at": early }, "visibility": { "value": "private", "at": late } });
        bob.accept(&[takes]).await;
        let written = async || {
            let (changes, _) = ada.read_on(None, &["tasks"], 1000).await;
            changes.iter().filter(|change| change["id"] == "taken" && change["op"] == "insert").count()
        };
        assert_eq!(written().await, 0, "it is bob's alone");
        assert_eq!(erase(&site, "users/bob").await.status, 204);
        assert_eq!(written().await, 1, "what she wrote is there again");
    }
}

#[tokio::test]
async fn what_goes_is_taken_off_the_quota() {
    for (site, database) in on_both().await {
        let (ada, bob, space) = family(&site).await;
        let used = async || {
            if let Some(database) = &database {
                let query = "SELECT coalesce(string_agg(user_id, ' ' ORDER BY user_id), '') FROM sync_usage";
                return database.text(query).await;
            }
            let url = format!("sqlite://{}", site.folder.path().join(DATABASE).display());
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            let query =
                "SELECT coalesce(group_concat(user_id, ' '), '') FROM (SELECT user_id FROM sync_usage ORDER BY 1)";
            sqlx::query_scalar::<_, String>(query).fetch_one(&pool).await.unwrap()
        };
        assert_eq!(used().await, "ada bob");
        assert_eq!(erase(&site, "users/ada").await.status, 204);
        assert_eq!(used().await, "bob", "nothing is left of her");
        assert_eq!(erase(&site, &format!("spaces/{space}")).await.status, 204);
        assert_eq!(used().await, "bob", "he has something of his own");
        assert_eq!(erase(&site, "users/bob").await.status, 204);
        assert_eq!(used().await, "");
        drop((ada, bob));
    }
}

#[tokio::test]
async fn a_device_that_comes_back_with_old_changes_brings_back_no_more_than_those() {
    for (site, _) in on_both().await {
        let (ada, _, _) = family(&site).await;
        let receipt = ada.push(&[task("last")]).await.body["receipt"].clone();
        assert_eq!(erase(&site, "users/ada").await.status, 204);
        let mut pull = crate::support::pull_body(None, &["tasks"], 9);
        pull["receipt"] = receipt;
        let answer = ada.post("/v2/pull", pull).await;
        assert_eq!(answer.status, 200, "the log is no older copy, so nothing is sent again: {}", answer.body);
        ada.accept(&[task("late")]).await;
        assert_eq!(ids(&ada.read_on(None, &["tasks"], 9).await.0), ["late", "b1", "a1"]);
    }
}

#[tokio::test]
async fn without_the_key_or_by_strange_ids_nothing_is_erased() {
    for (site, _) in on_both().await {
        let (ada, bob, space) = family(&site).await;
        for key in [None, Some(""), Some("other"), Some("Between services"), Some(ada.token.as_str())] {
            for path in ["users/ada".to_owned(), format!("spaces/{space}"), "users/%00".to_owned()] {
                assert_eq!(erase_with(&site, &path, key).await.code(), (401, "unauthorized"), "{path}");
            }
        }
        let bearer = crate::support::client().delete(format!("{}/internal/users/ada", site.url()));
        assert_eq!(answer(bearer.bearer_auth(&ada.token)).await.unwrap().code(), (401, "unauthorized"));
        for path in ["users/%00", "users/a%0Ab", "spaces/%00", &format!("users/{}", "x".repeat(300))] {
            assert_eq!(erase(&site, path).await.code(), (400, "invalid_request"), "{path}");
        }
        for path in ["users", "users/", "users/ada/", "spaces/..%2Fusers%2Fada/x"] {
            assert_eq!(erase(&site, path).await.status, 404, "{path}");
        }
        // Ids of nobody, however they are written.
        let aliases = [
            "users/%25",
            "users/_da",
            "users/a*",
            "users/ADA",
            "users/ada%20",
            "users/%27%20OR%20%27%27%3D%27",
            "users/space%3Afamily",
            "users/user%3Aada",
            "spaces/_personal%3Aada",
            "spaces/ada",
            "spaces/user%3Aada",
            "spaces/%25",
            "spaces/..%2F..%2Fusers%2Fada",
            "users/eve",
        ];
        for path in aliases {
            let status = erase(&site, path).await.status.as_u16();
            assert!(matches!(status, 204 | 400), "{path}: {status}");
        }
        assert_eq!(ada.tasks().await, ["own", "a1", "a2", "b1", "a1", "b1"]);
        assert_eq!(bob.tasks().await.len(), 6);
    }
}

#[tokio::test]
async fn erased_words_are_in_no_file_of_sqlite() {
    let site = Site::start_with(|settings| settings.service_key = ServiceKey::new(KEY)).await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let word = "marmalade-in-a-diary";
    for n in 0..20 {
        let data = json!({ "id": format!("t{n}"), "text": format!("{word} ").repeat(300) });
        ada.accept(&[with(task(&format!("t{n}")), &[("data", data)])]).await;
    }
    let withheld = json!({ "clientId": "old", "changes": [{ "table": "tasks", "id": "odd", "op": "insert",
        "data": { "id": "odd", "text": format!("\u{0}{word}") } }] });
    assert_eq!(ada.post("/sync/todo", withheld).await.status, 200);
    bob.accept(&[with(task("b1"), &[("data", json!({ "id": "b1", "text": "said-by-bob" }))])]).await;
    let holds = |word: &str| {
        let files =
            std::fs::read_dir(site.folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
    };
    assert!(holds(word) && holds("said-by-bob"));
    assert_eq!(erase(&site, "users/ada").await.status, 204);
    assert!(!holds(word), "neither in the database nor beside it");
    assert!(holds("said-by-bob"));
}

#[tokio::test]
async fn on_postgresql_only_the_compactor_erases() {
    let database = Database::migrated().await;
    let server = database.url(SERVER).await;
    let settings = |compactor: Option<String>| {
        let server = server.clone();
        move |settings: &mut Settings| {
            settings.service_key = ServiceKey::new(KEY);
            settings.postgres_url = Some(server);
            settings.compactor_url = compactor;
        }
    };
    let site = Site::start_with(settings(None)).await;
    let (ada, _, _) = family(&site).await;
    assert_eq!(erase(&site, "users/ada").await.code(), (501, "erasure_unavailable"));
    assert!(ada.tasks().await.contains(&"own".to_owned()));
    let mut wrong = Settings::dev(crate::support::database_url(&site.folder));
    settings(Some(server.clone()))(&mut wrong);
    let refused = Server::start(wrong).await.err().expect("no server").to_string();
    assert!(refused.contains("mana_sync_compactor"), "{refused}");
}
