//! People join, leave and lose the right to write, told or untold, and the service that knows of it fails in between:
//! what everybody reads and may write is what a model of the rules says, row by row.

use crate::figures::{figure, seed, stopwatch};
use crate::services::{KEY, provider, services};
use crate::sockets::Socket;
use crate::support::{Answer, Person, Site, client, ids, task_in, with};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use mana_sync::log::contract::fixtures::numbers;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

const PEOPLE: [&str; 4] = ["ada", "bob", "eve", "joe"];
const SPACES: [&str; 3] = ["choir", "club", "team"];
const STEPS: u64 = 60;

/// Who is in which space, with which role.
type Roles = BTreeMap<(String, String), &'static str>;

/// The service that knows memberships.
#[derive(Default)]
struct Registry {
    roles: Roles,
    is_down: bool,
}

type Shared = Arc<Mutex<Registry>>;

async fn memberships(State(registry): State<Shared>, Path(user): Path<String>) -> Response {
    let registry = registry.lock().expect("not poisoned");
    if registry.is_down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let of_user = registry.roles.iter().filter(|((name, _), _)| *name == user);
    let list: Vec<Value> =
        of_user.map(|((_, space), role)| json!({ "organizationId": space, "role": role, "type": "club" })).collect();
    Json(json!({ "userId": user, "memberships": list })).into_response()
}

async fn serve(registry: Shared) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().route("/api/v1/internal/users/{id}/memberships", get(memberships)).with_state(registry);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A row as the model knows it.
struct Row {
    id: String,
    author: &'static str,
    is_private: bool,
}

/// What the server must do, and what everybody has read.
struct Model {
    registry: Shared,
    /// What the server remembers of people; each entry as the service said it last.
    known: BTreeMap<&'static str, BTreeMap<String, &'static str>>,
    rows: BTreeMap<&'static str, Vec<Row>>,
    /// How far everybody's cursor has come in the spaces that it names.
    read: BTreeMap<&'static str, BTreeMap<String, usize>>,
}

impl Model {
    fn truth(&self, who: &str) -> Option<BTreeMap<String, &'static str>> {
        let registry = self.registry.lock().expect("not poisoned");
        let of_user = registry.roles.iter().filter(|((name, _), _)| name == who);
        (!registry.is_down).then(|| of_user.map(|((_, space), role)| (space.clone(), *role)).collect())
    }

    /// What the server goes by; `None` where it has to ask and gets no answer.
    fn recent(&mut self, who: &'static str) -> Option<BTreeMap<String, &'static str>> {
        if let Some(known) = self.known.get(who) {
            return Some(known.clone());
        }
        self.ask(who)
    }

    fn ask(&mut self, who: &'static str) -> Option<BTreeMap<String, &'static str>> {
        let truth = self.truth(who)?;
        self.known.insert(who, truth.clone());
        Some(truth)
    }

    /// How a push of one change ends: accepted, rejected with a code, or not answered.
    fn push(&mut self, who: &'static str, space: &'static str) -> Result<Option<&'static str>, ()> {
        let judge = |roles: &BTreeMap<String, &'static str>| match roles.get(space) {
            None => Some("not_a_member"),
            Some(&"viewer") => Some("read_only"),
            Some(_) => None,
        };
        match judge(&self.recent(who).ok_or(())?) {
            None => Ok(None),
            Some(_) => self.ask(who).map(|roles| judge(&roles)).ok_or(()),
        }
    }

    /// What a pull brings, by space.
    fn pull(&mut self, who: &'static str) -> Option<BTreeSet<String>> {
        let spaces = self.recent(who)?;
        let before = self.read.remove(who).unwrap_or_default();
        let mut read = BTreeMap::new();
        let mut brought = BTreeSet::new();
        for space in spaces.keys() {
            let rows = self.rows.get(space.as_str()).map(Vec::as_slice).unwrap_or_default();
            let from = before.get(space).copied().unwrap_or_default();
            let seen = rows[from..].iter().filter(|row| !row.is_private || row.author == who);
            brought.extend(seen.map(|row| row.id.clone()));
            read.insert(space.clone(), rows.len());
        }
        self.read.insert(who, read);
        Some(brought)
    }
}

/// A server, people, and the model beside them.
struct Run {
    site: Site,
    people: BTreeMap<&'static str, (Person, Option<String>)>,
    /// Whose they are, and whether those were in any space when they opened them.
    sockets: Vec<(&'static str, bool, Socket)>,
    model: Model,
    random: Box<dyn Fn() -> u64 + Send>,
    rows: u64,
}

impl Run {
    async fn start(provider: &Site, seed: u64) -> Self {
        let random: Box<dyn Fn() -> u64 + Send> = Box::new(numbers(seed));
        let registry = Shared::default();
        for who in PEOPLE {
            for space in SPACES.iter().filter(|_| !random().is_multiple_of(3)) {
                registry.lock().expect("not poisoned").roles.insert((who.to_owned(), (*space).to_owned()), "member");
            }
        }
        let site = Site::start_with(services(&provider.url(), &serve(Arc::clone(&registry)).await)).await;
        let mut people = BTreeMap::new();
        for name in PEOPLE {
            people.insert(name, (Person { url: site.url(), ..provider.person(name).await }, None));
        }
        let (known, rows, read) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let model = Model { registry, known, rows, read };
        Self { site, people, sockets: Vec::new(), model, random, rows: 0 }
    }

    fn below(&self, end: u64) -> u64 {
        (self.random)() % end
    }

    fn one_of<T: Copy>(&self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("small")]
    }

    async fn step(&mut self) {
        if self.model.registry.lock().expect("not poisoned").is_down && self.below(4) == 0 {
            self.model.registry.lock().expect("not poisoned").is_down = false;
        }
        let (who, space) = (self.one_of(&PEOPLE), self.one_of(&SPACES));
        match self.below(20) {
            0..=4 => self.change(who, space).await,
            5..=10 => self.push(who, space).await,
            11..=17 => self.pull(who).await,
            18 => self.model.registry.lock().expect("not poisoned").is_down = true,
            _ => self.listen(who).await,
        }
    }

    async fn change(&mut self, who: &'static str, space: &'static str) {
        let role = self.one_of(&[None, Some("viewer"), Some("member"), Some("owner")]);
        {
            let mut registry = self.model.registry.lock().expect("not poisoned");
            let place = (who.to_owned(), space.to_owned());
            match role {
                Some(role) => drop(registry.roles.insert(place, role)),
                None => drop(registry.roles.remove(&place)),
            }
        }
        if self.below(3) > 0 {
            // For somebody who listens the server asks again by itself.
            self.sockets.retain(|(listener, ..)| *listener != who);
            while self.site.server.connections() > self.sockets.len() {
                tokio::task::yield_now().await;
            }
            let url = format!("{}/internal/spaces-changed", self.site.url());
            let told = client().post(url).header("x-service-key", KEY).json(&json!({ "userIds": [who] }));
            assert_eq!(told.send().await.expect("an answer").status(), 204);
            self.model.known.remove(who);
        }
    }

    async fn push(&mut self, who: &'static str, space: &'static str) {
        self.rows += 1;
        let (id, is_private) = (format!("r{}", self.rows), self.below(4) == 0);
        let visibility = if is_private { "private" } else { "space" };
        let change = with(task_in(space, &id), &[("visibility", json!(visibility))]);
        let answer = self.people[who].0.push(&[change]).await;
        match self.model.push(who, space) {
            Err(()) => assert_eq!(answer.code(), (503, "memberships_unavailable")),
            Ok(Some(code)) => assert_eq!(answer.body["rejected"][0]["code"], code, "{who} in {space}: {}", answer.body),
            Ok(None) => {
                assert_eq!(
                    answer.body["accepted"].as_array().map(Vec::len),
                    Some(1),
                    "{who} in {space}: {}",
                    answer.body
                );
                self.model.rows.entry(space).or_default().push(Row { id, author: who, is_private });
            }
        }
    }

    async fn pull(&mut self, who: &'static str) {
        let (person, cursor) = self.people[who].clone();
        let Some(expected) = self.model.pull(who) else {
            let answer: Answer = person.pull(cursor.as_deref(), &["tasks"], 7).await;
            assert_eq!(answer.code(), (503, "memberships_unavailable"), "nothing is concluded");
            return;
        };
        let (changes, next) = person.read_on(cursor, &["tasks"], 7).await;
        let brought: BTreeSet<String> = ids(&changes).into_iter().collect();
        assert_eq!((brought.len(), &brought), (changes.len(), &expected), "what {who} is brought");
        self.people.insert(who, (person, Some(next)));
    }

    /// Somebody opens a connection, and every connection that is open is looked at: nobody hears of what they may not read.
    async fn listen(&mut self, who: &'static str) {
        if self.sockets.len() < 3
            && let Some(spaces) = self.model.recent(who)
        {
            self.sockets.push((who, !spaces.is_empty(), Socket::open(&self.site, &self.people[who].0).await));
        }
        for (listener, may_hear, socket) in &mut self.sockets {
            let heard = socket.hear_all().await;
            assert!(heard.is_empty() || *may_hear, "{listener} hears {heard:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_reads_and_writes_what_they_may_whatever_happens_to_memberships() {
    let (runs, seed, seconds) = (figure("MEMBERSHIP_RUNS", 40), seed(), stopwatch());
    let provider = provider().await;
    let mut rows = 0;
    for number in 0..runs {
        let mut run = Run::start(&provider, seed + number).await;
        for _ in 0..STEPS {
            run.step().await;
        }
        run.model.registry.lock().expect("not poisoned").is_down = false;
        for who in PEOPLE {
            run.pull(who).await;
        }
        rows += run.model.rows.values().map(Vec::len).sum::<usize>();
        run.site.server.stop().await;
    }
    println!("{runs} runs of {STEPS} steps, {rows} rows, {:.0} s", seconds());
    assert!(rows as u64 > runs * 5, "enough was written to be read by somebody");
}
