//! Servers of protocol 1, spoken to so that the loop need not know: its pushes and pulls are carried out by the calls that such
//! a server has, and answered as one of protocol 2 would.
//!
//! Which protocol is spoken stands beside the cursor. It is doubted when an answer is none, and then `/health` says it.

use super::Driver;
use crate::engine::config::Collections;
use crate::engine::epoch::{self, TOLERANCE_MS};
use crate::engine::error::Result;
use crate::engine::ports::{Host, Method, NoAnswer, Request, Response, Transport};
use crate::engine::{progress, rebase};
use crate::model::{AppId, Change, EventId, Object, OrderedSet, Stamp, TableName};
use crate::probe::{Probe, hit};
use crate::protocol::limits::MAX_PUSH_AHEAD_MS;
use crate::protocol::protocol1::{Step, Time, TimeCursor, TimedPage, health, received, said, timed_page};
use crate::protocol::wire::{PROTOCOL, PullRequest, PushRequest, Rejection, RejectionCode};
use crate::store::{ENGINE, Mode, Store, Transaction as _};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// So many changes a push is answered with at most.
const ANSWERED: usize = 5000;
/// No change is later: a push that asks for what is newer is answered with nothing.
const NOTHING_SINCE: &str = "9998-12-31T00:00:00.000Z";
/// The server's time is believed for so long by the clock that nobody can set, in milliseconds.
const TIME_HOLDS_MS: i64 = 60_000;

/// What came of a request.
pub(super) type Answer = std::result::Result<Response, NoAnswer>;

/// Changes, or the answer that had none.
type Read = std::result::Result<std::result::Result<Vec<Value>, Response>, NoAnswer>;

/// What is known of the server.
#[derive(Default)]
pub(super) struct Spoken {
    /// It answered in the protocol that is spoken, and nothing since was no answer.
    confirmed: Cell<bool>,
    /// It said once that it speaks protocol 1, while protocol 2 is spoken.
    suspected: Cell<bool>,
    time: Cell<Option<Heard>>,
    /// What it has of a batch that it did not take whole.
    taken: RefCell<OrderedSet<EventId>>,
}

/// The server's time, and when it was asked for it and answered.
#[derive(Clone, Copy)]
struct Heard {
    time: Stamp,
    /// By the device's clock, in milliseconds since 1970.
    asked_at: u64,
    answered_at: u64,
    /// By the clock that nobody can set, in milliseconds.
    since: f64,
}

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// Whether another protocol is spoken now: the answer was none, and the server says so. Where it was understood before, the
    /// first failure is taken as one.
    pub(super) async fn speaks_otherwise(self: &Rc<Self>, by_time: bool, answer: &Answer) -> Result<bool> {
        if answer.as_ref().is_ok_and(|answer| !is_strange(answer)) {
            self.spoken.confirmed.set(true);
            self.spoken.suspected.set(false);
            return Ok(false);
        }
        if self.spoken.confirmed.replace(false) {
            return Ok(false);
        }
        let run = self.run.get();
        let Ok(Ok((_, speaks_by_time))) = self.ask_health().await else { return Ok(false) };
        if speaks_by_time == by_time || self.run.get() != run {
            return Ok(false);
        }
        // Going back to protocol 1 is dear: once may be somebody on the way.
        if speaks_by_time && !self.spoken.suspected.replace(true) {
            return Ok(false);
        }
        self.spoken.suspected.set(false);
        self.change_protocol(speaks_by_time).await?;
        Ok(true)
    }

    /// Whether protocol 1 is spoken.
    pub(super) async fn speaks_by_time(&self) -> bool {
        progress::current(&self.engine).await.is_ok_and(|progress| progress.by_time)
    }

    async fn change_protocol(self: &Rc<Self>, by_time: bool) -> Result<()> {
        hit(if by_time { Probe::LoopToProtocol1 } else { Probe::LoopToProtocol2 });
        let user = self.engine.config().user_id().to_owned();
        let tx = self.engine.store.begin(Mode::Write, &[ENGINE])?;
        self.engine.check_lead(&tx).await?;
        progress::change_protocol(&tx, &user, by_time).await?;
        rebase::change_protocol(&tx, &user, by_time, epoch::fresh_id(self.engine.host())).await?;
        tx.commit().await?;
        self.engine.forget_failing_apps();
        self.engine.renew_session();
        // What tells of news spoke the other protocol.
        self.close_connection();
        self.connect();
        Ok(())
    }

    /// Asks the server for its time and whether it speaks protocol 1; gives the answer where it is another one.
    async fn ask_health(&self) -> std::result::Result<std::result::Result<(Heard, bool), Response>, NoAnswer> {
        let request = Request { method: Method::Get, path: "/health".into(), body: None, token: None, client: None };
        let (asked_at, since) = (self.engine.host().now_ms(), self.monotonic_ms());
        let answer = self.transport.send(request).await?;
        let known = health(&answer);
        let answered_at = self.engine.host().now_ms();
        let known = known.map(|(time, by_time)| (Heard { time, asked_at, answered_at, since }, by_time));
        self.spoken.time.set(known.map(|(heard, _)| heard));
        Ok(known.ok_or(answer))
    }

    /// The server's time, asked for where it is not known, or `anew`. Where the server does not say that it speaks protocol 1,
    /// the answer that says why not, and then it is found out which one is spoken.
    async fn heard(&self, anew: bool) -> std::result::Result<std::result::Result<Heard, Response>, NoAnswer> {
        if let Some(heard) = self.spoken.time.get().filter(|_| !anew && self.server_time().is_some()) {
            return Ok(Ok(heard));
        }
        match self.ask_health().await? {
            Ok((heard, true)) => Ok(Ok(heard)),
            // It says when to come back, or what is wrong; and nothing of the protocol.
            Err(answer) if is_refusal(answer.status) => Ok(Err(answer)),
            Ok((_, false)) | Err(_) => {
                self.spoken.confirmed.set(false);
                Ok(Err(nothing_said()))
            }
        }
    }

    /// The server's time, where it was learnt a short while ago. A device that slept, or whose clock was set, knows nothing of it.
    pub(super) fn server_time(&self) -> Option<Stamp> {
        let Heard { time, asked_at, since, .. } = self.spoken.time.get()?;
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds that went by")]
        let passed = (self.monotonic_ms() - since) as i64;
        let by_the_wall = self.engine.host().now_ms().cast_signed() - asked_at.cast_signed();
        let is_even = passed.abs_diff(by_the_wall) <= TOLERANCE_MS;
        (is_even && (0..TIME_HOLDS_MS).contains(&passed)).then(|| time.shifted(passed))
    }

    /// Forgets the server's time.
    pub(super) fn forget_server_time(&self) {
        self.spoken.time.set(None);
    }

    /// Pushes app by app. A server that has half of it is sent all of it again, which merging leaves without effect. It takes
    /// stamps of any time; so what is ahead of it is held back here, as a server of protocol 2 would refuse it.
    pub(super) async fn push_by_time(&self, request: PushRequest) -> Answer {
        let time = match self.heard(false).await? {
            Ok(heard) => heard.time,
            Err(answer) => return Ok(answer),
        };
        let now = self.server_time().unwrap_or(time);
        let read = |change| Change::parse(change).map_err(|malformed| NoAnswer(malformed.to_string()));
        let changes = request.changes.into_iter().map(read).collect::<std::result::Result<Vec<_>, _>>()?;
        let (ahead, sent) = held_back(changes, now);
        if let Some(failed) = self.push_apps(&sent).await? {
            return Ok(failed);
        }
        self.spoken.taken.borrow_mut().clear();
        let accepted: Vec<EventId> = sent.into_iter().map(|change| change.event_id).collect();
        let answer = Object::new().with("accepted", accepted).with("rejected", ahead);
        Ok(typed(answer.with("serverTime", now)))
    }

    /// Pushes what the server does not have, app by app; gives the first answer that was none. What one app's failure leaves is
    /// sent again without what the server took of others.
    async fn push_apps(&self, changes: &[Change]) -> std::result::Result<Option<Response>, NoAnswer> {
        let mut apps: BTreeMap<&AppId, Vec<&Change>> = BTreeMap::new();
        for change in changes.iter().filter(|change| !self.spoken.taken.borrow().contains(&change.event_id)) {
            apps.entry(&change.app).or_default().push(change);
        }
        let (run, mut failed) = (self.run.get(), None);
        for (app, changes) in apps {
            let version = changes.iter().map(|change| change.schema_version).max().unwrap_or(1);
            let said = changes.iter().flat_map(|change| said(change)).collect();
            let answer = self.post_changes(app, NOTHING_SINCE, version, said).await?;
            if self.run.get() != run {
                return Err(NoAnswer("sync was stopped".to_owned()));
            }
            let is_taken = timed_page(&answer).is_some();
            self.engine.note_app(app, is_taken);
            if is_taken {
                self.spoken.taken.borrow_mut().extend(changes.iter().map(|change| change.event_id.clone()));
            } else if is_of_all(&answer) {
                return Ok(Some(answer));
            } else {
                failed = failed.or(Some(answer));
            }
        }
        Ok(failed)
    }

    /// What is new, as a page: of the first table, in the order of the run, that has anything.
    pub(super) async fn pull_by_time(self: &Rc<Self>, request: PullRequest) -> Answer {
        let mut cursor = TimeCursor::read(request.cursor.as_deref());
        let Heard { time: now, asked_at, answered_at, .. } = match self.heard(cursor.is_at_rest()).await? {
            Ok(heard) => heard,
            Err(answer) => return Ok(answer),
        };
        self.exchange.set((asked_at, answered_at));
        if cursor.is_at_rest() {
            let config = self.engine.config();
            let others = config.spaces.iter().filter(|space| !space.is_personal());
            cursor.begin(Time::of_ms(now.ms()), &others.map(|space| space.id.to_string()).collect::<Vec<_>>());
        }
        while let Some(step) = cursor.next(&request.apps) {
            let changes = match self.take_step(&mut cursor, &request.apps, step, now).await? {
                Ok(changes) => changes,
                Err(answer) => return Ok(answer),
            };
            if !changes.is_empty() {
                let has_more = cursor.next(&request.apps).is_some();
                return Ok(page(cursor, changes, has_more, now));
            }
        }
        Ok(page(cursor, Vec::new(), false, now))
    }

    /// Asks for what a step says; gives its changes as protocol 2 has them, or the answer that was none.
    async fn take_step(&self, cursor: &mut TimeCursor, apps: &Collections, step: Step, now: Stamp) -> Read {
        let (app, read) = match step {
            Step::App { app, since } => {
                let tables = apps.get(&app).cloned().unwrap_or_default();
                let answer = self.post_changes(&app, &since.to_string(), 1, Vec::new()).await;
                match answer.as_ref().ok().and_then(timed_page) {
                    Some(page) if !page.has_more && page.changes.len() < ANSWERED => {
                        cursor.read_app(&app, &tables, page.until);
                        // A table that this version of the app does not have is read when it does.
                        let is_known = |change: &Value| tables.iter().any(|table| change["table"] == table.as_str());
                        (app, page.changes.into_iter().filter(is_known).collect())
                    }
                    None if answer.as_ref().is_ok_and(|answer| is_refusal(answer.status)) => return Ok(Err(answer?)),
                    // More than is answered at once, or than can be read.
                    _ => {
                        cursor.read_by_table(&app, &tables, since);
                        (app, Vec::new())
                    }
                }
            }
            Step::Table { app, table, since, is_first } => {
                let answer = self.get_page(&app, &table, since, is_first).await?;
                let Some(page) = timed_page(&answer) else { return Ok(Err(answer)) };
                match self.read_page(cursor, (&app, &table), since, page).await? {
                    Ok(changes) => (app, changes),
                    Err(answer) => return Ok(Err(answer)),
                }
            }
        };
        let user = self.engine.config().user_id().to_owned();
        Ok(Ok(read.into_iter().filter_map(|change| received(change, &app, &user, now)).collect()))
    }

    /// Moves the cursor behind a page of a table. Where more rows than it holds have one time, they are asked for at once.
    async fn read_page(
        &self,
        cursor: &mut TimeCursor,
        (app, table): (&AppId, &TableName),
        since: Time,
        page: TimedPage,
    ) -> Read {
        if !page.has_more {
            cursor.read_table(app, table, page.until);
            return Ok(Ok(page.changes));
        }
        if page.until <= since || page.changes.is_empty() {
            // Only what is newer was asked for, and there is to be more of it: from there it would never go on.
            return Ok(Err(nothing_said()));
        }
        if let Some(next) = since.next_page(page.until) {
            cursor.read_page(app, table, next);
            return Ok(Ok(page.changes));
        }
        hit(Probe::LoopTimeStuck);
        let answer = self.post_changes(app, &since.to_string(), 1, Vec::new()).await?;
        let Some(all) = timed_page(&answer) else { return Ok(Err(answer)) };
        if all.changes.len() >= ANSWERED {
            // There are still more, and nothing in this protocol that asks for them.
            self.tell_stuck(app.as_str());
        }
        cursor.read_page(app, table, since.step_over(page.until));
        let is_of_table = |change: &Value| change["table"].as_str() == Some(table.as_str());
        Ok(Ok(page.changes.into_iter().chain(all.changes.into_iter().filter(is_of_table)).collect()))
    }

    async fn get_page(&self, app: &AppId, table: &TableName, since: Time, is_first: bool) -> Answer {
        // Who reads from the beginning also wants what went out under the name that this client pushes with.
        let client = self.engine.client_id() + if is_first { "-first" } else { "" };
        let path = format!("/sync/{app}/pull?collection={table}&since={since}").into();
        let token = self.token.borrow().clone();
        self.transport.send(Request { method: Method::Get, path, body: None, token, client: Some(client) }).await
    }

    async fn post_changes(&self, app: &AppId, since: &str, schema_version: u32, changes: Vec<Value>) -> Answer {
        let client = self.engine.client_id();
        let body = Object::new().with("clientId", client.as_str()).with("since", since);
        let body = Value::from(body.with("schemaVersion", schema_version).with("changes", changes)).to_string();
        let (path, token) = (format!("/sync/{app}").into(), self.token.borrow().clone());
        let request = Request { method: Method::Post, path, body: Some(body), token, client: Some(client) };
        self.transport.send(request).await
    }
}

/// What is ahead of the server, refused, and what is sent; changes of a group are dealt with as one.
fn held_back(changes: Vec<Change>, now: Stamp) -> (Vec<Rejection>, Vec<Change>) {
    let is_ahead = |change: &Change| change.newest_stamp().ms() > now.ms() + MAX_PUSH_AHEAD_MS;
    let groups: Vec<String> =
        changes.iter().filter(|change| is_ahead(change)).filter_map(|change| change.group.clone()).collect();
    let is_held =
        |change: &Change| is_ahead(change) || change.group.as_ref().is_some_and(|group| groups.contains(group));
    let (held, sent): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_held);
    let refuse = |change: Change| Rejection {
        event_id: change.event_id.to_string(),
        code: RejectionCode::ClockAhead,
        message: format!("{} is ahead of the server", change.newest_stamp()),
    };
    (held.into_iter().map(refuse).collect(), sent)
}

/// Whether an answer may be that of a server, or of something on the way, that speaks another protocol. Nothing of it is believed.
fn is_strange(answer: &Response) -> bool {
    let is_typed = answer.body.contains("\"protocol\":2");
    !is_typed && !is_refusal(answer.status) && answer.status < 500
}

/// Whether a status says the same in every protocol.
fn is_refusal(status: u16) -> bool {
    matches!(status, 401 | 402 | 408 | 429) || status >= 500
}

/// Whether a failure is none of the app's alone, or says when to come back: others are not asked after it.
fn is_of_all(answer: &Response) -> bool {
    matches!(answer.status, 401 | 402 | 408 | 429 | 503) || answer.retry_after_ms.is_some()
}

/// An answer that says nothing.
pub(super) fn nothing_said() -> Response {
    Response { status: 200, content_type: String::new(), retry_after_ms: None, body: String::new() }
}

fn page(mut cursor: TimeCursor, changes: Vec<Value>, has_more: bool, now: Stamp) -> Response {
    if !has_more {
        cursor.end();
    }
    let answer = Object::new().with("changes", changes).with("cursor", cursor.text()).with("hasMore", has_more);
    typed(answer.with("serverTime", now))
}

fn typed(answer: Object) -> Response {
    let body = Value::from(answer.with("protocol", PROTOCOL)).to_string();
    Response { status: 200, content_type: "application/json".to_owned(), retry_after_ms: None, body }
}
