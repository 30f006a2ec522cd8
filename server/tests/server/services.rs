//! A server whose people and memberships other services know: the identity service of another server, which speaks the
//! same contract as any, and services that answer oddly.

use crate::postgres::{Database, MIGRATOR, SERVER};
use crate::sockets::{Socket, available};
use crate::streams::Stream;
use crate::support::{Person, Site, answer, client, database_url, task, task_in};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use mana_sync::auth::ServiceKey;
use mana_sync::dev::ISSUER;
use mana_sync::server::{Identities, Server, Services, Settings};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub const KEY: &str = "between services";

/// The other services, and a server that asks them.
struct Town {
    provider: Site,
    site: Site,
}

pub fn services(provider: &str, memberships: &str) -> impl FnOnce(&mut Settings) + use<> {
    let url = |text: String| text.parse().expect("an address");
    let identities = Identities::Services(Box::new(Services {
        jwks: url(format!("{provider}/dev/jwks")),
        issuer: Some(ISSUER.name.to_owned()),
        audience: Some(ISSUER.audience.to_owned()),
        memberships: url(memberships.to_owned()),
        lasting: Duration::from_secs(30),
    }));
    move |settings| {
        settings.identities = identities;
        settings.service_key = ServiceKey::new(KEY);
    }
}

pub async fn provider() -> Site {
    Site::start_with(|settings| settings.service_key = ServiceKey::new(KEY)).await
}

impl Town {
    async fn start() -> Self {
        let provider = provider().await;
        let site = Site::start_with(services(&provider.url(), &provider.url())).await;
        Self { provider, site }
    }

    /// Somebody at the provider, and the same person at the server.
    async fn person(&self, name: &str) -> (Person, Person) {
        let at_provider = self.provider.person(name).await;
        let here = Person { url: self.site.url(), ..at_provider.clone() };
        (at_provider, here)
    }

    async fn tell(&self, users: &[&str], key: &str) -> StatusCode {
        let url = format!("{}/internal/spaces-changed", self.site.url());
        let request = client().post(url).header("x-service-key", key);
        request.json(&json!({ "userIds": users })).send().await.expect("an answer").status()
    }
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["rejected"].as_array().into_iter().flatten().filter_map(|one| one["code"].as_str()).collect()
}

#[tokio::test]
async fn people_sync_by_the_tokens_and_memberships_of_other_services() {
    let town = Town::start().await;
    let (ada_there, ada) = town.person("ada").await;
    let (_, bob) = town.person("bob").await;
    let (_, eve) = town.person("eve").await;
    let space = ada_there.create_space("family").await;
    ada_there.add_member(&space, "bob", "viewer").await;
    ada.accept(&[task("own"), task_in(&space, "t1")]).await;
    assert_eq!(
        (ada.tasks().await, bob.tasks().await),
        (vec!["own".to_owned(), "t1".to_owned()], vec!["t1".to_owned()])
    );
    assert_eq!(eve.tasks().await, Vec::<String>::new());
    assert_eq!(codes(&bob.push(&[task_in(&space, "t2")]).await.body), ["read_only"]);
    assert_eq!(codes(&eve.push(&[task_in(&space, "t3")]).await.body), ["not_a_member"]);
    let dev = ada.post("/dev/login", json!({ "user": "ada" })).await;
    assert_eq!(dev.code(), (404, "not_found"), "nobody signs in by name here");
}

#[tokio::test]
async fn nobody_is_refused_by_what_was_true_a_moment_ago() {
    let town = Town::start().await;
    let (ada_there, _) = town.person("ada").await;
    let (_, bob) = town.person("bob").await;
    let space = ada_there.create_space("family").await;
    assert_eq!(bob.tasks().await, Vec::<String>::new());
    // The server is not told, and remembers that bob is in no space.
    ada_there.add_member(&space, "bob", "viewer").await;
    let (own, shared) = (task("own"), task_in(&space, "t1"));
    let refused = bob.push(&[own.clone(), shared.clone()]).await;
    assert_eq!((codes(&refused.body), &refused.body["accepted"]), (vec!["read_only"], &json!([own["eventId"]])));
    ada_there.add_member(&space, "bob", "member").await;
    bob.accept(&[own, shared]).await;
    assert_eq!(bob.tasks().await, ["own", "t1"], "what was pushed again is there once");
}

#[tokio::test]
async fn who_left_a_space_is_in_it_no_longer_than_until_the_server_is_told() {
    let town = Town::start().await;
    let (ada_there, ada) = town.person("ada").await;
    let (bob_there, bob) = town.person("bob").await;
    let space = ada_there.create_space("family").await;
    ada_there.add_member(&space, "bob", "member").await;
    ada.accept(&[task_in(&space, "t1")]).await;
    assert_eq!(bob.tasks().await, ["t1"]);
    let path = format!("/dev/spaces/{space}/members");
    let left = bob_there.send(reqwest::Method::DELETE, &path, json!({ "userId": "bob" })).await;
    assert_eq!(left.status, StatusCode::NO_CONTENT);
    for key in ["", "other", "Between services"] {
        assert_eq!(town.tell(&["bob"], key).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(bob.tasks().await, ["t1"], "for half a minute memberships are remembered");
    assert_eq!(town.tell(&["bob"], KEY).await, StatusCode::NO_CONTENT);
    assert_eq!(bob.tasks().await, Vec::<String>::new());
    assert_eq!(codes(&bob.push(&[task_in(&space, "t2")]).await.body), ["not_a_member"]);
}

#[tokio::test]
async fn an_open_connection_is_told_that_its_memberships_changed_and_hears_of_the_new_space() {
    let town = Town::start().await;
    let (ada_there, ada) = town.person("ada").await;
    let (_, bob) = town.person("bob").await;
    let mut socket = Socket::open(&town.site, &bob).await;
    let space = ada_there.create_space("family").await;
    ada_there.add_member(&space, "bob", "member").await;
    assert_eq!(town.tell(&["ada", "bob"], KEY).await, StatusCode::NO_CONTENT);
    assert_eq!(socket.hear().await, json!({ "type": "spaces-changed" }));
    ada.accept(&[task_in(&space, "t1")]).await;
    assert_eq!(socket.hear().await, available("tasks"));
}

#[tokio::test]
async fn a_stream_finds_out_by_itself_who_left_a_space_and_ends_once_that_cannot_be_asked() {
    let provider = provider().await;
    let site = Site::start_with(|settings| {
        services(&provider.url(), &provider.url())(settings);
        settings.live.recheck = Duration::from_millis(50);
        if let Identities::Services(services) = &mut settings.identities {
            services.lasting = Duration::from_millis(50);
        }
    })
    .await;
    let town = Town { provider, site };
    let (ada_there, ada) = town.person("ada").await;
    let (_, bob) = town.person("bob").await;
    let space = ada_there.create_space("family").await;
    ada_there.add_member(&space, "bob", "member").await;
    ada.accept(&[task_in(&space, "t1")]).await;
    let mut stream = Stream::of_tasks(&bob).await;
    stream.brings(&["t1"]).await;
    let members = format!("/dev/spaces/{space}/members");
    ada_there.send(reqwest::Method::DELETE, &members, json!({ "userId": "bob" })).await;
    assert_eq!(stream.event().await.data["spaces"], json!([]), "nobody told the server");
    ada.accept(&[task_in(&space, "t2")]).await;
    bob.accept(&[task("own")]).await;
    stream.brings(&["own"]).await;
    town.provider.server.stop().await;
    let end = stream.event().await;
    assert_eq!((&*end.name, &end.data["code"]), ("end", &json!("memberships_unavailable")));
}

#[tokio::test]
async fn without_the_other_services_who_is_known_reads_and_nothing_is_concluded_of_others() {
    let town = Town::start().await;
    let (ada_there, ada) = town.person("ada").await;
    let (_, bob) = town.person("bob").await;
    let space = ada_there.create_space("family").await;
    ada.accept(&[task_in(&space, "t1")]).await;
    let addresses = services(&town.provider.url(), &town.provider.url());
    town.provider.server.stop().await;
    assert_eq!(ada.tasks().await, ["t1"]);
    ada.accept(&[task_in(&space, "t2")]).await;
    let denied = ada.push(&[task_in("elsewhere", "t3")]).await;
    assert_eq!(denied.code(), (503, "memberships_unavailable"), "a refusal needs a new answer");
    assert_eq!(bob.pull(None, &["tasks"], 9).await.code(), (503, "memberships_unavailable"));
    let unaware = Site::start_with(addresses).await;
    let ada = Person { url: unaware.url(), ..ada };
    assert_eq!(ada.pull(None, &["tasks"], 9).await.code(), (503, "identity_unavailable"));
}

#[tokio::test]
async fn with_other_services_the_log_may_lie_in_postgresql_and_other_machines_may_ask() {
    let (database, provider) = (Database::migrated().await, provider().await);
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = Settings::dev(database_url(&folder));
    services(&provider.url(), &provider.url())(&mut settings);
    settings.postgres_url = Some(database.url(SERVER).await);
    settings.listen = "0.0.0.0:0".parse().expect("an address");
    let server = Server::start(settings).await.expect("it starts");
    let url = format!("http://127.0.0.1:{}", server.address().port());
    let ada = Person { url, ..provider.person("ada").await };
    ada.accept(&[task("own")]).await;
    assert_eq!(ada.tasks().await, ["own"]);
    assert!(std::fs::read_dir(folder.path()).expect("the folder").next().is_none(), "nothing is kept beside it");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_told_of_changed_memberships_tells_the_others() {
    let (database, provider) = (Database::migrated().await, provider().await);
    let url = database.url(SERVER).await;
    let start = || {
        let (url, services) = (Some(url.clone()), services(&provider.url(), &provider.url()));
        Site::start_with(move |settings| {
            services(settings);
            settings.postgres_url = url;
        })
    };
    let (site, other) = (start().await, start().await);
    let ada_there = provider.person("ada").await;
    let bob = Person { url: other.url(), ..provider.person("bob").await };
    let mut socket = Socket::open(&other, &bob).await;
    let mut stream = Stream::of_tasks(&bob).await;
    assert_eq!(stream.event().await.data["spaces"], json!([]));
    let space = ada_there.create_space("family").await;
    ada_there.add_member(&space, "bob", "member").await;
    let town = Town { provider, site };
    assert_eq!(town.tell(&["bob"], KEY).await, StatusCode::NO_CONTENT);
    assert_eq!(socket.hear().await, json!({ "type": "spaces-changed" }));
    assert_eq!(stream.event().await.data["spaces"][0]["id"], json!(space));
    assert_eq!(bob.pull(None, &["tasks"], 9).await.body["spaces"][0]["id"], json!(space));
    let ada = Person { url: town.site.url(), ..ada_there.clone() };
    ada.accept(&[task_in(&space, "t1")]).await;
    assert_eq!(socket.hear().await, available("tasks"));
    stream.brings(&["t1"]).await;
    let members = format!("/dev/spaces/{space}/members");
    ada_there.send(reqwest::Method::DELETE, &members, json!({ "userId": "bob" })).await;
    assert_eq!(town.tell(&["bob"], KEY).await, StatusCode::NO_CONTENT);
    assert_eq!(stream.event().await.data["spaces"], json!([]));
    ada.accept(&[task_in(&space, "t2")]).await;
    bob.accept(&[task("own")]).await;
    stream.brings(&["own"]).await;
}

/// A service that answers every path alike.
async fn odd(say: impl Fn(HeaderMap) -> Response + Clone + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().fallback(get(async move |headers: HeaderMap| say(headers)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[tokio::test]
async fn a_membership_service_that_answers_oddly_makes_nobody_leave_a_space() {
    let provider = provider().await;
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&elsewhere);
    let thief = odd(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Json(json!([])).into_response()
    })
    .await;
    let answers: [fn(&str) -> Response; 7] = [
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |_| (StatusCode::NOT_FOUND, Json(json!([]))).into_response(),
        |_| "<html>".into_response(),
        |_| Json(json!({ "userId": "bob", "memberships": [] })).into_response(),
        |_| Json(json!({ "memberships": [] })).into_response(),
        |_| format!("[{}]", " ".repeat(2_000_000)).into_response(),
        |thief| Redirect::temporary(thief).into_response(),
    ];
    for (number, odd_answer) in answers.into_iter().enumerate() {
        let target = thief.clone();
        let service = odd(move |_| odd_answer(&target)).await;
        let site = Site::start_with(services(&provider.url(), &service)).await;
        let ada = Person { url: site.url(), ..provider.person("ada").await };
        let read = ada.pull(None, &["tasks"], 9).await;
        assert_eq!(read.code(), (503, "memberships_unavailable"), "answer {number}");
    }
    assert_eq!(elsewhere.load(Ordering::Relaxed), 0, "the key goes to nobody else");
}

#[tokio::test]
async fn a_bare_list_of_memberships_is_taken_as_well_and_the_key_goes_along() {
    let provider = provider().await;
    let service = odd(|headers| match headers.get("x-service-key") {
        Some(key) if key == KEY => Json(json!([{ "organizationId": "club", "role": "member" }])).into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    })
    .await;
    let site = Site::start_with(services(&provider.url(), &service)).await;
    let ada = Person { url: site.url(), ..provider.person("ada").await };
    ada.accept(&[task_in("club", "t1")]).await;
    let spaces = ada.pull(None, &["tasks"], 9).await.body["spaces"].clone();
    assert_eq!(spaces, json!([{ "id": "club", "role": "member" }]));
}

#[tokio::test]
async fn a_space_that_the_app_calls_the_users_own_is_theirs_where_memberships_do_not_say_it() {
    let provider = provider().await;
    let service = odd(|_| Json(json!([{ "organizationId": "home", "role": "owner" }])).into_response()).await;
    let site = Site::start_with(services(&provider.url(), &service)).await;
    let ada = Person { url: site.url(), ..provider.person("ada").await };
    ada.accept(&[task_in("home", "t1")]).await;
    let places = async |person: &Person| -> Vec<String> {
        let (changes, _) = person.read_on(None, &["tasks"], 10).await;
        changes.iter().map(|change| change["spaceId"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(places(&ada).await, ["home"]);
    let apps = json!({ "todo": ["tasks"] });
    let pull = json!({ "protocol": 2, "clientId": "i.s", "personalSpaceId": "home", "apps": apps, "limit": 10 });
    let pulled = ada.post("/v2/pull", pull).await.body;
    assert_eq!(pulled["changes"][0]["spaceId"], "_personal:ada");
    assert_eq!(pulled["spaces"], json!([{ "id": "home", "role": "owner" }]), "the app's word decides there");
    ada.accept(&[task_in("home", "t2")]).await;
    assert_eq!(places(&ada).await, ["_personal:ada"; 2]);
    let bob = Person { url: site.url(), ..provider.person("bob").await };
    let tasks = [task_in("home", "t3")];
    let push = json!({ "protocol": 2, "clientId": "i.s", "personalSpaceId": "home", "changes": tasks });
    let refused = bob.post("/v2/push", push).await.body;
    assert_eq!(refused["rejected"][0]["code"], "not_a_member", "a second person is not believed: {refused}");
    assert_eq!(places(&bob).await, [""; 0]);
}

#[tokio::test]
async fn a_space_that_somebody_else_has_read_is_not_taken_for_the_users_own() {
    let provider = provider().await;
    let service = odd(|_| Json(json!([{ "organizationId": "home", "role": "owner" }])).into_response()).await;
    let site = Site::start_with(services(&provider.url(), &service)).await;
    let ada = Person { url: site.url(), ..provider.person("ada").await };
    let bob = Person { url: site.url(), ..provider.person("bob").await };
    ada.accept(&[task_in("home", "t1")]).await;
    assert_eq!(bob.tasks().await, ["t1"]);
    let tasks = [task_in("home", "t2")];
    let push = json!({ "protocol": 2, "clientId": "i.s", "personalSpaceId": "home", "changes": tasks });
    assert_eq!(ada.post("/v2/push", push).await.body["rejected"], json!([]));
    bob.accept(&[task_in("home", "t3")]).await;
    assert_eq!((ada.tasks().await, bob.tasks().await.len()), (bob.tasks().await, 3));
}

#[tokio::test]
async fn a_migration_asks_which_spaces_of_the_production_table_are_personal() {
    let (town, database) = (Town::start().await, Database::empty().await);
    let (ada, _) = town.person("ada").await;
    let (home, family) = (ada.create_space("personal").await, ada.create_space("family").await);
    let table = "CREATE TABLE sync_changes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), app_id text NOT NULL, table_name text NOT NULL,
        record_id text NOT NULL, user_id text NOT NULL, op text NOT NULL, data jsonb, field_meta jsonb, client_id text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(), schema_version int, actor jsonb, origin text, space_id text);
      ALTER TABLE sync_changes OWNER TO migrator";
    database.run(table).await;
    let rows = format!(
        "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, space_id)
         VALUES ('todo', 'tasks', 'a', 'ada', 'insert', '{{}}', 'c', '{home}'), ('todo', 'tasks', 'b', 'ada', 'insert', '{{}}', 'c', '{family}'),
           ('todo', 'tasks', '', 'ada', 'insert', '{{}}', 'c', NULL)"
    );
    database.run(&rows).await;
    let url = database.url(MIGRATOR).await;
    let migrate = async |settings: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mana-sync"));
        command.arg("migrate").env("DATABASE_URL", &url).envs(settings.iter().copied());
        // Elsewhere: the services it asks run here.
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("it runs");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (provider, nobody) = (town.provider.url(), odd(|_| StatusCode::NOT_FOUND.into_response()).await);
    for (settings, reason) in [
        (&[][..], "MANA_AUTH_URL"),
        (&[("MANA_AUTH_URL", provider.as_str())], "MANA_SERVICE_KEY"),
        (&[("MANA_AUTH_URL", nobody.as_str()), ("MANA_SERVICE_KEY", KEY)], "unavailable"),
    ] {
        let (done, said) = migrate(settings).await;
        assert!(!done && said.contains(reason), "{said}");
    }
    let (done, said) = migrate(&[("MANA_AUTH_URL", &provider), ("MANA_SERVICE_KEY", KEY)]).await;
    assert!(done && said.contains("carried over 2 rows of production; 1 are kept in sync_unread"), "{said}");
    let streams = database.text("SELECT string_agg(stream, ' ' ORDER BY record_id) FROM sync_changes").await;
    assert_eq!(streams, format!("user:ada space:{family}"));
}

#[tokio::test]
async fn tokens_by_keys_that_nobody_knows_do_not_make_the_server_ask_again_and_again() {
    let provider = provider().await;
    let jwks: Value = answer(client().get(format!("{}/dev/jwks", provider.url()))).await.expect("keys").body;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let keys = odd(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Json(jwks.clone()).into_response()
    })
    .await;
    let site = Site::start_with(services(&keys, &provider.url())).await;
    let ada = Person { url: site.url(), ..provider.person("ada").await };
    assert_eq!(ada.tasks().await, Vec::<String>::new());
    let stranger = Person { url: site.url(), ..Site::start().await.person("ada").await };
    for _ in 0..20 {
        assert_eq!(stranger.pull(None, &["tasks"], 9).await.code(), (401, "unauthorized"));
    }
    assert_eq!(ada.tasks().await, Vec::<String>::new());
    assert_eq!(asked.load(Ordering::Relaxed), 1, "not before some seconds have passed");
}
