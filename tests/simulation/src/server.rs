//! The server: its real rules of push and pull over its log in memory, behind requests and answers as text.

use super::deploy::Deploys;
use super::executor::Executor;
use super::production::{self, Production};
use super::random::Random;
use futures_util::FutureExt as _;
use mana_sync::log::memory::MemoryLog;
use mana_sync::log::{
    Caller, ChangeLog as _, Check, Collection, Epoch, LogError, Pull, PullError, Push, PushOutcome, Sent, SyncLog,
    Transaction as _,
};
use mana_sync_engine::crypto::{Envelope, KeyName};
use mana_sync_engine::engine::ports::{Request, Response};
use mana_sync_engine::model::{AppId, Change, EventId, Space, Stamp, TableName, UserId};
use mana_sync_engine::protocol::limits::{MAX_BODY_BYTES, MAX_PUSH_AHEAD_MS};
use mana_sync_engine::protocol::protocol1::translated;
use mana_sync_engine::protocol::wire::{
    CheckRequest, ErrorAnswer, ExpiryReason, Health, PROTOCOL, PullAnswer, PullRequest, PushAnswer, RecordName,
    RejectionCode,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

/// What the server reads of a push: the changes as text, so that one it cannot read is rejected alone.
#[derive(Deserialize)]
struct PushBody<'a> {
    #[serde(rename = "clientId")]
    client_id: &'a str,
    receipt: Option<String>,
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
}

/// The server.
pub struct Server {
    executor: Executor,
    memory: RefCell<MemoryLog>,
    seed: u64,
    max_schema: RefCell<BTreeMap<AppId, u32>>,
    /// The most bytes of one person's.
    quota: Cell<Option<u64>>,
    members: RefCell<BTreeMap<String, Vec<Space>>>,
    /// Whether nobody can say who is in which space.
    members_unknown: Cell<bool>,
    /// Spaces that pushes know no members of, whatever pulls say.
    refusing: RefCell<BTreeSet<String>>,
    /// Changes that retention removed, or that are withheld.
    removed: RefCell<BTreeSet<EventId>>,
    /// Tokens of this number and above are good.
    good_tokens_from: Cell<u64>,
    /// How many changes a page has at most, whatever clients ask for.
    page: Cell<usize>,
    answers: Cell<u64>,
    /// How often the log was asked.
    uses: Cell<u64>,
    /// The same rows as a server of protocol 1 has them, and whether it is that one that answers.
    production: Production,
    speaks_1: Cell<bool>,
    keeps_times: Cell<bool>,
    on_push: RefCell<Option<PushHook>>,
    on_pull: RefCell<Option<PullHook>>,
    /// How often something was stored, or otherwise changed for those who listen.
    heard: Cell<u64>,
    listeners: RefCell<Vec<Waker>>,
    /// What stands in its place for a while.
    pub deploys: Deploys,
}

/// Hears of every push: the changes as sent, and what the server said of them.
type PushHook = Box<dyn Fn(&[serde_json::Value], &PushAnswer)>;

/// Bends the answer to a pull: its changes.
type PullHook = Box<dyn Fn(&mut Vec<serde_json::Value>)>;

impl Server {
    /// A server with an empty log.
    #[must_use]
    pub fn new(executor: &Executor, random: &Random) -> Self {
        let mut epoch = [0; 16];
        random.fill(&mut epoch);
        Self {
            executor: executor.clone(),
            memory: RefCell::new(MemoryLog::new(Epoch(epoch))),
            seed: random.next(),
            max_schema: RefCell::default(),
            quota: Cell::new(None),
            members: RefCell::default(),
            members_unknown: Cell::new(false),
            refusing: RefCell::default(),
            removed: RefCell::default(),
            good_tokens_from: Cell::new(0),
            page: Cell::new(1000),
            answers: Cell::new(0),
            uses: Cell::new(0),
            production: Production::new(Random::new(random.next())),
            speaks_1: Cell::new(false),
            keeps_times: Cell::new(false),
            on_push: RefCell::default(),
            on_pull: RefCell::default(),
            heard: Cell::new(0),
            listeners: RefCell::default(),
            deploys: Deploys::default(),
        }
    }

    /// How often something was stored, or otherwise changed for those who listen.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.heard.get()
    }

    /// Wakes those who listen.
    pub fn stir(&self) {
        self.heard.set(self.heard.get() + 1);
        self.listeners.take().into_iter().for_each(Waker::wake);
    }

    /// Resolves when more was heard than so often.
    pub async fn hears_after(&self, seen: u64) {
        poll_fn(|cx| {
            if self.heard.get() > seen {
                return Poll::Ready(());
            }
            self.listeners.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Has the table kept that servers of both protocols write to; before anything is pushed.
    pub fn keep_times(&self) {
        self.keeps_times.set(true);
    }

    /// Rolls the server back to one that speaks protocol 1 only, or forward again.
    pub fn set_protocol_1(&self, speaks: bool) {
        assert!(self.keeps_times.get(), "the table is kept from the beginning");
        self.speaks_1.set(speaks);
        self.stir();
    }

    /// Whether it speaks protocol 1 only.
    #[must_use]
    pub fn speaks_protocol_1(&self) -> bool {
        self.speaks_1.get()
    }

    /// The server of protocol 1.
    #[must_use]
    pub const fn production(&self) -> &Production {
        &self.production
    }

    /// Sets the spaces a user is a member of.
    pub fn set_spaces(&self, user: &str, spaces: Vec<Space>) {
        self.members.borrow_mut().insert(user.to_owned(), spaces);
        self.stir();
    }

    /// Refuses what is pushed into a space as if nobody were a member, while pulls name it.
    pub fn refuse_in(&self, space: &str, refuse: bool) {
        let mut refusing = self.refusing.borrow_mut();
        if refuse {
            refusing.insert(space.to_owned())
        } else {
            refusing.remove(space)
        };
    }

    /// Lets the look-up of memberships fail, or work again.
    pub fn set_members_unknown(&self, unknown: bool) {
        self.members_unknown.set(unknown);
    }

    /// Takes changes of this app up to this schema version only.
    pub fn set_max_schema(&self, app: &str, version: u32) {
        let app = AppId::parse(app).expect("an app id");
        self.max_schema.borrow_mut().insert(app, version);
    }

    /// Takes changes of every schema version again.
    pub fn forget_max_schema(&self) {
        self.max_schema.borrow_mut().clear();
    }

    /// Takes so many bytes of each person, or any number.
    pub fn set_quota(&self, quota: Option<u64>) {
        self.quota.set(quota);
    }

    /// Calls `hook` with every push and its answer, in the moment the server works on it.
    pub fn on_push(&self, hook: impl Fn(&[serde_json::Value], &PushAnswer) + 'static) {
        *self.on_push.borrow_mut() = Some(Box::new(hook));
    }

    /// Calls `hook` with the changes of every pull, which it may change on their way.
    pub fn on_pull(&self, hook: impl Fn(&mut Vec<serde_json::Value>) + 'static) {
        *self.on_pull.borrow_mut() = Some(Box::new(hook));
    }

    /// Makes pages small.
    pub fn set_page(&self, changes: usize) {
        self.page.set(changes);
    }

    /// Refuses the tokens given out so far.
    pub fn expire_tokens(&self, good_from: u64) {
        self.good_tokens_from.set(good_from);
        self.stir();
    }

    /// A copy of the log as it is now.
    #[must_use]
    pub fn backup(&self) -> MemoryLog {
        self.production.back_up();
        self.memory.borrow().copy()
    }

    /// Goes on with a backup; what came after it is gone.
    pub fn restore(&self, backup: &MemoryLog) {
        *self.memory.borrow_mut() = backup.copy();
        self.production.restore();
        self.stir();
    }

    /// Removes a user's records after their retention time; cursors from before cannot be followed any more.
    pub fn retire(&self, user: &str, records: &[&str]) {
        let old = self
            .changes(user, &["tasks", "settings"])
            .into_iter()
            .filter(|change| records.contains(&change.id.as_str()));
        let old: Vec<EventId> = old.map(|change| change.event_id).collect();
        self.removed.borrow_mut().extend(old);
        let caller = Caller { user: UserId::parse(user).expect("a user id"), spaces: Vec::new() };
        let stream = caller.own_stream();
        let log = self.memory.borrow().clone();
        let retired = async {
            let mut tx = log.transaction(&caller).await?;
            let newest = tx.lock(&BTreeSet::from([stream.clone()])).await?.get(&stream).copied().unwrap_or(0);
            tx.set_horizon(&stream, newest).await?;
            tx.commit().await
        };
        retired.now_or_never().expect("the log in memory never waits").expect("it works");
    }

    /// How many changes lie in the log.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.memory.borrow().row_count()
    }

    /// How many requests were answered.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers.get()
    }

    /// The newest key that a user's keyring names.
    #[must_use]
    pub fn newest_key(&self, user: &str) -> Option<KeyName> {
        let facts = self.keyring(user);
        let edits = facts.iter().flat_map(|change| change.fields.values());
        edits.filter_map(|edit| Envelope::parse(edit.value.as_str()?)?.key()).max()
    }

    /// Everything that the log holds of a user's keyring, in order.
    #[must_use]
    pub fn keyring(&self, user: &str) -> Vec<Change> {
        self.of_collections(user, &["_mana/keyring".to_owned()])
    }

    /// Everything a user may read of these tables, in order.
    #[must_use]
    pub fn changes(&self, user: &str, tables: &[&str]) -> Vec<Change> {
        let named: Vec<String> =
            tables.iter().flat_map(|name| [format!("todo/{name}"), format!("{name}/{name}")]).collect();
        self.of_collections(user, &named)
    }

    fn of_collections(&self, user: &str, named: &[String]) -> Vec<Change> {
        let table = |name: &String| Collection::try_from(name.clone()).expect("a table");
        let tables = named.iter().map(table).collect();
        let mut pull = Pull { caller: self.caller(user), cursor: None, receipt: None, tables, limit: 1_000_000 };
        let mut changes = Vec::new();
        loop {
            // A page ends by size, too.
            let page = self.rules().pull(&pull).now_or_never().expect("the log in memory never waits");
            let page = page.expect("a page");
            changes.extend(page.changes.into_iter().filter(|change| !self.is_removed(change)));
            if !page.has_more {
                return changes;
            }
            pull.cursor = Some(page.cursor);
        }
    }

    /// Takes changes as another client of `user` would push them.
    pub fn push_as(&self, user: &str, changes: &[serde_json::Value]) {
        let outcome = self.try_push_as(user, changes);
        assert_eq!(outcome.rejected, [], "another client's changes are taken");
    }

    /// Takes or refuses changes as another client of `user` would push them.
    pub fn try_push_as(&self, user: &str, changes: &[serde_json::Value]) -> PushAnswer {
        let answer = self.push(user, None, changes.iter().cloned().map(Sent::from_value).collect());
        let answer = answer.expect("nobody is over a quota");
        if self.keeps_times.get() {
            let read = |change: &serde_json::Value| Change::parse(change.clone()).ok();
            self.date(user, "another", &changes.iter().filter_map(read).collect::<Vec<_>>(), &answer);
        }
        answer
    }

    /// Keeps a change to itself: who has not read it passes it.
    pub fn withhold(&self, change: EventId) {
        self.removed.borrow_mut().insert(change);
    }

    /// Shows what was withheld to those who come from before it.
    pub fn show_everything(&self) {
        self.removed.borrow_mut().clear();
    }

    /// Whether there is anything in the log that is not shown.
    #[must_use]
    pub fn withholds(&self) -> bool {
        !self.removed.borrow().is_empty()
    }

    fn is_removed(&self, change: &Change) -> bool {
        self.removed.borrow().contains(&change.event_id)
    }

    fn rules(&self) -> SyncLog<MemoryLog> {
        // Tags must differ between a log and the copy it was restored from, so they depend on how often it was asked.
        self.uses.set(self.uses.get() + 1);
        let state = AtomicU64::new(self.seed ^ (self.uses.get() << 20));
        let random = Arc::new(move |bytes: &mut [u8]| {
            let seed = state.fetch_add(1, Ordering::Relaxed);
            Random::new(seed).fill(bytes);
        });
        SyncLog::new(self.memory.borrow().clone(), random, self.max_schema.borrow().clone())
            .with_quota(self.quota.get())
    }

    fn caller(&self, user: &str) -> Caller {
        let spaces = self.members.borrow().get(user).cloned().unwrap_or_default();
        Caller { user: UserId::parse(user).expect("a user id"), spaces }
    }

    fn now(&self) -> Stamp {
        Stamp::at_ms(self.executor.now())
    }

    /// Answers a request, at once, or lets answer what stands in its place.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Response {
        self.answers.set(self.answers.get() + 1);
        self.deploys.answer(self.executor.now()).unwrap_or_else(|| self.serve(request))
    }

    /// Answers a request itself.
    pub(super) fn serve(&self, request: &Request) -> Response {
        if request.path == "/health" && self.speaks_1.get() {
            return production::health(self.executor.now());
        }
        if request.path == "/health" {
            let (status, service) = ("ok".to_owned(), "mana-sync".to_owned());
            return json(200, &Health { status, service, protocol: Some(PROTOCOL), timestamp: self.now() });
        }
        let Some(user) = self.user_of(request.token.as_deref()) else {
            if self.speaks_1.get() {
                return production::text(401, "unauthorized: no good token\n");
            }
            return error(401, "unauthorized", None);
        };
        if self.speaks_1.get() {
            return self.answer_by_time(&user, request);
        }
        if self.members_unknown.get() {
            return Response { retry_after_ms: Some(2000), ..error(503, "memberships_unavailable", None) };
        }
        let body = request.body.as_deref().unwrap_or_default();
        if body.len() > MAX_BODY_BYTES {
            return error(413, "too_large", None);
        }
        match &*request.path {
            "/v2/push" => match serde_json::from_str::<PushBody<'_>>(body) {
                Ok(push) => self.answer_push(&user, push),
                Err(_) => error(400, "invalid_request", None),
            },
            // A stream begins with a page.
            "/v2/pull" | "/v2/stream" => match serde_json::from_str::<PullRequest>(body) {
                Ok(pull) => self.pull(&user, pull),
                Err(_) => error(400, "invalid_request", None),
            },
            "/v2/check" => match serde_json::from_str::<CheckRequest>(body) {
                Ok(check) => self.check(&user, check),
                Err(_) => error(400, "invalid_request", None),
            },
            _ => error(404, "not_found", None),
        }
    }

    fn date(&self, user: &str, client: &str, changes: &[Change], answer: &PushAnswer) {
        for change in changes.iter().filter(|change| answer.accepted.contains(&change.event_id)) {
            self.production.store(user, client, change, self.executor.now());
        }
    }

    fn answer_by_time(&self, user: &str, request: &Request) -> Response {
        let spaces: Vec<String> = self.caller(user).spaces.iter().map(|space| space.id.to_string()).collect();
        if let Some(answer) = self.refused_as_newer(request) {
            return answer;
        }
        let answer = self.production.answer(request, (user, &spaces), self.executor.now(), &|app, change| {
            self.take_over(user, app, change);
        });
        if request.body.as_ref().is_some_and(|body| !body.contains("\"changes\":[]")) {
            self.stir();
        }
        answer
    }

    fn refused_as_newer(&self, request: &Request) -> Option<Response> {
        let push: serde_json::Value = serde_json::from_str(request.body.as_deref()?).ok()?;
        let version = push["schemaVersion"].as_u64().unwrap_or(1);
        let app = request.path.strip_prefix("/sync/")?;
        let newest = self.max_schema.borrow().iter().find(|(known, _)| known.as_str() == app).map(|(_, max)| *max)?;
        let answer = format!("unsupported schemaVersion {version} (max {newest})\n");
        (version > u64::from(newest)).then(|| production::text(400, &answer))
    }

    /// Takes a row of protocol 1 into the streams, as the table itself does it.
    fn take_over(&self, user: &str, app: &str, change: &serde_json::Value) {
        let app = AppId::parse(app).expect("an app id");
        let serde_json::Value::Object(change) = change.clone() else { panic!("devices push changes") };
        let mut change = translated(&change, &app);
        // A push that is sent again is stored again.
        let mut random = [0; 10];
        Random::new(self.seed ^ self.production.row_count() as u64).fill(&mut random);
        change.insert("eventId".to_owned(), EventId::from_parts(self.executor.now(), &random).to_string().into());
        change.values_mut().for_each(|said| hold(said, self.now()));
        for name in ["at", "deletedAt"] {
            if let Some(at) = change.get_mut(name) {
                *at = held(at, self.now());
            }
        }
        let mut refused = Vec::new();
        for attempt in 0..3 {
            match attempt {
                1 => drop(change.insert("visibility".to_owned(), "private".into())),
                // The table has no rules: what says of an earlier time who sees its record is stored, and loses.
                2 => {
                    let said = change["fields"]["visibility"]["value"].clone();
                    change.insert("visibility".to_owned(), said);
                    change.insert("op".to_owned(), "insert".into());
                }
                _ => {}
            }
            let change = serde_json::Value::Object(change.clone());
            let answer = self.push(user, None, vec![Sent::from_value(change.clone())]).expect("nobody is over a quota");
            if answer.rejected.is_empty() {
                if let Some(hook) = &*self.on_push.borrow() {
                    hook(&[change], &answer);
                }
                return;
            }
            if answer.rejected.iter().all(|rejection| rejection.code == RejectionCode::NotAMember) {
                // It is kept apart, and protocol 2 never shows it.
                return;
            }
            refused.push((answer.rejected, change));
        }
        panic!("what a server of protocol 1 stored is said again as it was: {refused:?}");
    }

    /// The user of a token `<user>#<number>`, while that number is good.
    #[must_use]
    pub fn user_of(&self, token: Option<&str>) -> Option<String> {
        let (user, number) = token?.split_once('#')?;
        (number.parse::<u64>().ok()? >= self.good_tokens_from.get()).then(|| user.to_owned())
    }

    fn answer_push(&self, user: &str, push: PushBody<'_>) -> Response {
        let changes = push.changes.iter().copied().map(Sent::from_text).collect();
        let answer = match self.push(user, push.receipt, changes) {
            Ok(answer) => answer,
            Err(LogError::OverQuota(_)) => return error(403, "storage_quota_exceeded", None),
            Err(failed) => panic!("the log works: {failed}"),
        };
        if self.keeps_times.get() {
            let read = |text: &&RawValue| Change::parse(serde_json::from_str(text.get()).ok()?).ok();
            self.date(user, push.client_id, &push.changes.iter().filter_map(read).collect::<Vec<_>>(), &answer);
        }
        if let Some(hook) = &*self.on_push.borrow() {
            let read = |text: &&RawValue| serde_json::from_str(text.get()).expect("devices push JSON");
            hook(&push.changes.iter().map(read).collect::<Vec<_>>(), &answer);
        }
        json(200, &answer)
    }

    fn push(&self, user: &str, receipt: Option<String>, changes: Vec<Sent>) -> Result<PushAnswer, LogError> {
        let mut caller = self.caller(user);
        caller.spaces.retain(|space| !self.refusing.borrow().contains(space.id.as_str()));
        let push = Push {
            caller,
            client_id: mana_sync_engine::model::ClientId::parse("a.b").expect("a client id"),
            receipt,
            changes,
            now: self.now(),
        };
        let outcome = self.rules().push(push).now_or_never().expect("the log in memory never waits");
        let PushOutcome { accepted, rejected, receipt, .. } = outcome?;
        self.stir();
        Ok(PushAnswer { protocol: PROTOCOL, accepted, rejected, receipt, server_time: self.now() })
    }

    fn check(&self, user: &str, request: CheckRequest) -> Response {
        let (caller, tables) = (self.caller(user), tables(request.apps));
        let except = request.except.into_iter().map(|RecordName { app, table, id }| (Collection { app, table }, id));
        let check = Check { caller, cursor: request.cursor, tables, except: except.collect() };
        match self.rules().check(&check).now_or_never().expect("the log in memory never waits") {
            Err(PullError::Expired(reason)) => error(410, "cursor_expired", Some(reason)),
            Err(PullError::Log(_)) => error(503, "busy", None),
            Ok(checked) => json(200, &checked.into_answer(self.now())),
        }
    }

    fn pull(&self, user: &str, request: PullRequest) -> Response {
        let caller = self.caller(user);
        let spaces = Some(caller.spaces.clone());
        let tables = tables(request.apps);
        let (cursor, receipt, limit) = (request.cursor, request.receipt, request.limit.min(self.page.get()));
        let pull = Pull { caller, cursor, receipt, tables, limit };
        match self.rules().pull(&pull).now_or_never().expect("the log in memory never waits") {
            Err(PullError::Expired(reason)) => error(410, "cursor_expired", Some(reason)),
            Err(PullError::Log(_)) => error(503, "busy", None),
            Ok(page) => {
                let kept = page.changes.iter().filter(|change| !self.is_removed(change));
                let mut changes = kept.map(Change::to_json).collect();
                if let Some(hook) = &*self.on_pull.borrow() {
                    hook(&mut changes);
                }
                let (server_time, spaces_as_of) = (self.now(), Some(self.now()));
                let answer = PullAnswer {
                    protocol: PROTOCOL,
                    changes,
                    cursor: page.cursor,
                    has_more: page.has_more,
                    progress: page.progress,
                    server_time,
                    spaces,
                    spaces_as_of,
                };
                json(200, &answer)
            }
        }
    }
}

fn tables(apps: BTreeMap<AppId, Vec<TableName>>) -> BTreeSet<Collection> {
    let of_app = |(app, tables): (AppId, Vec<_>)| {
        tables.into_iter().map(move |table| Collection { app: app.clone(), table }).collect::<Vec<_>>()
    };
    apps.into_iter().flat_map(of_app).collect()
}

/// A JSON answer.
#[must_use]
pub fn json(status: u16, body: &impl Serialize) -> Response {
    let body = serde_json::to_string(body).expect("answers are plain data");
    Response { status, content_type: "application/json".into(), retry_after_ms: None, body }
}

/// A typed error of the server, or of a stranger that knows how they look.
#[must_use]
pub fn typed_error(status: u16, code: &str) -> Response {
    error(status, code, None)
}

fn error(status: u16, code: &str, reason: Option<ExpiryReason>) -> Response {
    json(status, &ErrorAnswer { protocol: PROTOCOL, code: code.into(), message: code.into(), reason })
}

/// Holds the stamps of what a table of protocol 1 took at the server's time, as what takes its rows into streams does.
fn hold(said: &mut serde_json::Value, now: Stamp) {
    for (name, value) in said.as_object_mut().into_iter().flatten() {
        if name == "at" {
            *value = held(value, now);
        } else if !value.is_string() {
            hold(value, now);
        }
    }
}

fn held(at: &serde_json::Value, now: Stamp) -> serde_json::Value {
    let limit = Stamp::at_ms(now.ms() + MAX_PUSH_AHEAD_MS);
    let read = at.as_str().and_then(|at| Stamp::parse(at).ok());
    read.filter(|read| *read > limit).map_or_else(|| at.clone(), |_| limit.to_string().into())
}
