//! Runs the sync machine: carries out its effects and feeds it what comes of them.

mod by_time;
mod check;
mod connection;
mod filling;
mod keyring;
mod nudges;
mod socket;
mod stream;
mod telemetry;

use super::apply::{Applied, Page};
use super::config::Collections;
use super::epoch::Sample;
use super::error::{Error, Kind, Result};
use super::events::Event;
use super::outbox::{Batch, Frozen, Settled};
use super::ports::{Host, Method, NoAnswer, Request, TokenReason, Transport};
use super::progress::{self, Position, Progress};
use super::status::{State, Status, Trouble};
use super::{Engine, rebase};
use crate::model::{ClientId, OrderedSet};
use crate::protocol::limits::MAX_PAGE;
use crate::protocol::machine::{Effect, Input, Machine, Part, Problem, SettledAs};
use crate::protocol::wire::{PROTOCOL, PullAnswer, PullRequest, PushRequest};
use crate::store::Store;
use by_time::{Answer, Spoken};
pub use check::Asked;
use connection::Connection;
use futures_channel::oneshot;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use stream::Streamed;
use telemetry::{Counted, Exchange, Measure};

/// The sync driver of one engine. Only the leading tab starts it.
pub struct Driver<S: Store, H: Host, T: Transport> {
    engine: Rc<Engine<S, H>>,
    transport: Rc<T>,
    machine: RefCell<Machine>,
    token: RefCell<Option<String>>,
    batch: RefCell<Option<Batch>>,
    status: RefCell<Status>,
    /// Counts starts and stops: what an earlier run began is not listened to.
    run: Cell<u64>,
    /// Counts wishes to be woken: only the newest counts.
    alarm: Cell<u64>,
    rounds: RefCell<Vec<oneshot::Sender<Result<()>>>>,
    /// What tells of news.
    connection: Connection,
    /// The page that came by stream.
    streamed: Streamed,
    /// The device's clock when the last request was sent, and when its answer came.
    exchange: Cell<(u64, u64)>,
    measure: Measure,
    /// Where the pull stood when its last request left.
    asked: RefCell<Position>,
    /// What protocol the server speaks.
    spoken: Spoken,
}

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// A driver at rest.
    pub fn new(engine: &Rc<Engine<S, H>>, transport: T) -> Rc<Self> {
        let driver = Rc::new(Self {
            engine: Rc::clone(engine),
            transport: Rc::new(transport),
            machine: RefCell::default(),
            token: RefCell::default(),
            batch: RefCell::default(),
            status: RefCell::new(Status { pending: engine.pending(), ..Status::default() }),
            run: Cell::new(0),
            alarm: Cell::new(0),
            rounds: RefCell::default(),
            connection: Connection::new(&engine.config().transports),
            streamed: Streamed::default(),
            exchange: Cell::default(),
            measure: Measure::default(),
            asked: RefCell::default(),
            spoken: Spoken::default(),
        });
        let weak = Rc::downgrade(&driver);
        engine.on_logged(move || {
            if let Some(driver) = weak.upgrade() {
                driver.refresh_pending();
                driver.feed(Input::Logged);
            }
        });
        driver
    }

    /// Begins to sync.
    pub fn start(self: &Rc<Self>) {
        if !self.is_running() {
            self.run.set(self.run.get() + 1);
            self.forgive_connections();
            self.feed(Input::Start);
        }
    }

    /// Stops; nothing that is under way changes anything any more.
    pub fn stop(self: &Rc<Self>) {
        if self.is_running() {
            self.run.set(self.run.get() + 1);
            self.close_connection();
            self.token.borrow_mut().take();
            self.feed(Input::Stop);
            self.finish_rounds(&Err(Error::new(Kind::Closed, "sync was stopped: call start")));
        }
    }

    /// Whether it was started and not stopped.
    pub fn is_running(&self) -> bool {
        self.run.get() % 2 == 1
    }

    /// A hint that there may be news.
    pub fn nudge(self: &Rc<Self>) {
        self.feed(Input::Nudge);
    }

    /// Ends every wait that the server did not ask for: the network is back, or the tab is looked at again.
    pub fn hurry(self: &Rc<Self>) {
        self.forgive_connections();
        self.feed(Input::Woken);
    }

    /// Looks whether there is something to push of which no tab told: one that died right after its commit.
    pub async fn look(self: &Rc<Self>) {
        // A closed engine has nothing to push; any other failure shows with the next round.
        let has_unsent = self.engine.has_unsent().await.unwrap_or_default();
        if self.engine.pending() == 0 && has_unsent && self.engine.count_unsent().await.is_ok() {
            self.refresh_pending();
            self.feed(Input::Logged);
        }
    }

    /// Pushes and pulls; resolves when both have succeeded once, fails with the reason when they did not.
    pub async fn sync_now(self: &Rc<Self>) -> Result<()> {
        if !self.is_running() {
            return Err(Error::new(Kind::Closed, "sync is not running: call start"));
        }
        let (sender, receiver) = oneshot::channel();
        self.rounds.borrow_mut().push(sender);
        self.feed(Input::SyncNow);
        receiver.await.unwrap_or_else(|_| Err(Error::new(Kind::Closed, "the engine was closed")))
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Shows the number of unsent changes anew.
    pub fn refresh_pending(&self) {
        let mut status = self.status();
        status.pending = self.engine.pending();
        self.show(status);
    }

    fn feed(self: &Rc<Self>, input: Input) {
        let (lot, now) = (self.lot(), self.engine.host().now_ms());
        let exchange = Exchange::of(&input);
        let effects = self.machine.borrow_mut().step(input, now, lot);
        if let Some(exchange) = exchange {
            self.tell_answered(exchange, &effects);
        }
        for effect in effects {
            self.perform(effect);
        }
    }

    /// Any 64 random bits.
    fn lot(&self) -> u64 {
        let mut random = [0; 8];
        self.engine.host().unique(&mut random);
        u64::from_le_bytes(random)
    }

    /// Feeds what `task` comes to, unless the driver was stopped meanwhile.
    fn later(self: &Rc<Self>, task: impl Future<Output = Input> + 'static) {
        let (driver, run) = (Rc::clone(self), self.run.get());
        self.engine.host().spawn(Box::pin(async move {
            let input = task.await;
            if driver.run.get() == run {
                driver.feed(input);
            }
        }));
    }

    fn perform(self: &Rc<Self>, effect: Effect) {
        let this = Rc::clone(self);
        match effect {
            Effect::GetToken(refused) => self.later(async move { this.get_token(refused).await }),
            Effect::AskTime => self.later(async move { this.ask_time().await }),
            Effect::SettleClock { offset, server_ms } => {
                self.later(async move { this.settle_clock(offset, server_ms).await });
            }
            Effect::Freeze => self.later(async move { this.freeze(None).await }),
            Effect::FreezePart(part) => self.later(async move { this.freeze(Some(part)).await }),
            Effect::Push => self.later(async move { this.push().await }),
            Effect::Settle(settlement) => self.later(async move { this.settle(&settlement).await }),
            Effect::Pull => self.later(async move { this.pull().await }),
            Effect::Apply(page) => self.later(async move { this.apply(page).await }),
            Effect::BeginRebase(reason) => {
                self.later(async move { stored(rebase::begin(&this.engine, reason).await, |()| Input::RebaseStep) });
            }
            Effect::EndRebase => {
                self.reached();
                self.later(async move {
                    stored(this.end_round().await, |anew| if anew { Input::Overtaken } else { Input::RebaseStep })
                });
            }
            Effect::WakeAt(at) => self.wake_at(at),
            Effect::Status(shown, problem) => self.show_state(shown, problem),
            Effect::RoundDone => self.finish_rounds(&Ok(())),
        }
    }

    fn wake_at(self: &Rc<Self>, at: u64) {
        let alarm = self.alarm.get() + 1;
        self.alarm.set(alarm);
        let (driver, run) = (Rc::clone(self), self.run.get());
        let slept = self.engine.host().sleep(at.saturating_sub(self.engine.host().now_ms()));
        self.engine.host().spawn(Box::pin(async move {
            slept.await;
            if driver.alarm.get() == alarm && driver.run.get() == run {
                driver.feed(Input::Timer);
            }
        }));
    }

    async fn get_token(self: &Rc<Self>, refused: bool) -> Input {
        let reason = if refused { TokenReason::Expired } else { TokenReason::Start };
        let run = self.run.get();
        let answer = self.transport.token(reason).await;
        if self.run.get() != run {
            // Stopped meanwhile: a token that comes now is nobody's.
            return Input::Token(false);
        }
        let token = match answer {
            Ok(token) => token,
            Err(NoAnswer(message)) => return Input::TokenFailed(message),
        };
        let found = token.is_some();
        *self.token.borrow_mut() = token;
        if found {
            self.use_token();
        }
        Input::Token(found)
    }

    async fn ask_time(&self) -> Input {
        self.forget_server_time();
        let asked_at = self.engine.host().now_ms();
        let request = Request { method: Method::Get, path: "/health".into(), body: None, token: None, client: None };
        Input::Time(self.transport.send(request).await, asked_at)
    }

    async fn freeze(&self, part: Option<Part>) -> Input {
        stored(self.engine.freeze(part).await, |frozen| match frozen {
            Frozen::ClockUnknown => Input::ClockUnknown,
            Frozen::Nothing => Input::Frozen(OrderedSet::new()),
            Frozen::Batch(batch) => {
                let ids = batch.ids.clone();
                *self.batch.borrow_mut() = Some(batch);
                Input::Frozen(ids)
            }
        })
    }

    async fn push(self: &Rc<Self>) -> Input {
        let batch = self.batch.borrow().clone();
        let Some(batch) = batch else { return Input::Pushed(Err(NoAnswer("there is no frozen batch".into()))) };
        self.tell_begun(Exchange::Push, &batch.changes);
        loop {
            let (answer, by_time) = match self.push_batch(&batch).await {
                Ok(answered) => answered,
                Err(no_answer) => return Input::Pushed(Err(no_answer)),
            };
            match self.speaks_otherwise(by_time, &answer).await {
                Ok(true) => {}
                Ok(false) => return Input::Pushed(answer),
                Err(error) => return storage_failed(&error),
            }
        }
    }

    /// Sends a batch; gives what came of it, and whether by protocol 1.
    async fn push_batch(&self, batch: &Batch) -> std::result::Result<(Answer, bool), NoAnswer> {
        let progress = progress::current(&self.engine).await.map_err(|error| NoAnswer(error.to_string()))?;
        let request = PushRequest {
            protocol: PROTOCOL,
            client_id: self.client_id()?,
            personal_space_id: self.engine.config().personal_space().cloned(),
            receipt: progress.receipt,
            schema_version: batch.schema_version,
            changes: batch.changes.clone(),
        };
        let answer = if progress.by_time {
            self.push_by_time(request).await
        } else {
            self.post("/v2/push", request.into()).await
        };
        Ok((answer, progress.by_time))
    }

    async fn settle(&self, settlement: &crate::protocol::reply::Settlement) -> Input {
        let batch = self.batch.borrow_mut().take();
        let Some(batch) = batch else { return Input::Settled(SettledAs::Done) };
        let settled = self.engine.settle(&batch, settlement).await;
        self.refresh_pending();
        stored(settled, |settled| {
            Input::Settled(match settled {
                Settled { update_required: true, .. } => SettledAs::UpdateRequired,
                Settled { again: true, .. } => SettledAs::Again,
                Settled { .. } => SettledAs::Done,
            })
        })
    }

    async fn pull(self: &Rc<Self>) -> Input {
        loop {
            let position = match progress::position(&self.engine).await {
                Ok(position) => position,
                Err(error) => return storage_failed(&error),
            };
            self.asked.borrow_mut().clone_from(&position);
            // What is shown once more leads nowhere: the pull then goes on elsewhere.
            let cursor = position.progress.cursor.as_deref().filter(|_| position.progress.then.is_none());
            self.machine.borrow_mut().asks_from(cursor);
            self.measure();
            self.engine.note_asked(&position.apps);
            self.show_filling(&position.apps, None);
            let apps = self.engine.config().collections(&position.apps);
            if let Some(page) = self.streamed_page(&position.progress, &apps).await {
                return Input::Pulled(Ok(page));
            }
            let by_time = position.progress.by_time;
            let answer = match self.pull_page(position.progress, apps).await {
                Ok(answer) => answer,
                Err(failed) => return failed,
            };
            match self.speaks_otherwise(by_time, &answer).await {
                Ok(true) => {}
                Ok(false) => return Input::Pulled(answer),
                Err(error) => return storage_failed(&error),
            }
        }
    }

    async fn pull_page(self: &Rc<Self>, progress: Progress, apps: Collections) -> std::result::Result<Answer, Input> {
        let client_id = self.client_id().map_err(|error| Input::Pulled(Err(error)))?;
        if progress.cursor.is_none() {
            self.pull_keyring(&client_id).await?;
        }
        let request = PullRequest {
            protocol: PROTOCOL,
            client_id,
            personal_space_id: self.engine.config().personal_space().cloned(),
            cursor: progress.cursor,
            receipt: progress.receipt,
            apps,
            limit: MAX_PAGE,
        };
        self.tell_begun(Exchange::Pull, &[]);
        Ok(self.ask_page(request, progress.by_time).await)
    }

    /// Asks for a page in the protocol that is spoken.
    async fn ask_page(self: &Rc<Self>, request: PullRequest, by_time: bool) -> Answer {
        if by_time { self.pull_by_time(request).await } else { self.post("/v2/pull", request.into()).await }
    }

    async fn post(&self, path: &'static str, body: Value) -> Answer {
        let token = self.token.borrow().clone();
        let asked_at = self.engine.host().now_ms();
        let request =
            Request { method: Method::Post, path: path.into(), body: Some(body.to_string()), token, client: None };
        let answer = self.transport.send(request).await;
        self.exchange.set((asked_at, self.engine.host().now_ms()));
        answer
    }

    fn client_id(&self) -> std::result::Result<ClientId, NoAnswer> {
        ClientId::parse(self.engine.client_id()).map_err(|malformed| NoAnswer(malformed.to_string()))
    }

    async fn apply(&self, answer: PullAnswer) -> Input {
        let asked = self.asked.borrow().clone();
        let goes_on = asked.progress.then.is_some();
        let asked = Some(asked);
        let (spaces, more, progress) = (answer.spaces.clone(), answer.has_more, answer.progress);
        let (changes, cursor, server_ms) = (answer.changes, Some(answer.cursor), answer.server_time.ms());
        let (asked_at, answered_at) = self.exchange.get();
        let sample = Some(Sample { asked_at, answered_at, server_ms });
        let page = Page { changes, cursor, asked, more, replayed: Vec::new(), sample };
        let (counted, began) = (Counted::of(&page.changes), self.monotonic_ms());
        let applied = match self.engine.apply(page).await {
            Ok(Some(Applied { overtaken: true, .. })) => return Input::Overtaken,
            Ok(Some(applied)) => {
                self.tell_applied(counted, began, &applied);
                match &spaces {
                    Some(spaces) => self.engine.note_memberships(spaces).await,
                    None => Ok(()),
                }
            }
            Ok(None) => return Input::ClockUnknown,
            Err(error) => Err(error),
        };
        stored(applied, |()| {
            self.streamed.note_applied(server_ms);
            self.show_filled(more, progress.as_ref());
            if let Some(spaces) = spaces {
                self.engine.emit(Event::Spaces(spaces));
            }
            if goes_on { Input::Overtaken } else { Input::Applied }
        })
    }

    /// Everything was pulled: what a full pull left is dealt with, and what waited for its time is tried. Says whether a
    /// full pull begins instead, that was wished for.
    async fn end_round(&self) -> Result<bool> {
        let Position { rebase, apps, .. } = self.asked.borrow().clone();
        if let Some(id) = rebase {
            rebase::end(&self.engine, &id, &apps).await?;
        } else if rebase::begin_wished(&self.engine).await? {
            return Ok(true);
        }
        self.engine.replay_quarantine().await?;
        self.engine.follow_moves().await?;
        self.engine.tend_sealed(true).await?;
        Ok(false)
    }

    /// The database has answered nothing for long: those who wait for a round hear of it. What is under way goes on when it
    /// answers. What a person has to do first stays shown.
    pub(super) fn tell_of_silence(&self) {
        let message = "the browser's database has not answered for a minute: reload the page".to_owned();
        let silence = Trouble { code: Kind::ConnectionLost.code().to_owned(), message, retry_at: None };
        self.finish_rounds(&Err(unfinished(Kind::SyncFailed, &silence.code, &silence.message)));
        let status = self.status();
        if !status.state.awaits_a_person() {
            self.show(Status { state: State::Error, trouble: Some(silence), ..status });
        }
    }

    fn show_state(&self, shown: State, problem: Option<Problem>) {
        self.note_state(shown, problem.as_ref());
        if let Some(problem) = &problem {
            let kind = if shown == State::Offline { Kind::Offline } else { Kind::SyncFailed };
            self.finish_rounds(&Err(unfinished(kind, &problem.code, &problem.message)));
        }
        let mut status = self.status();
        if shown == State::Synced {
            status.last_synced_at = Some(self.engine.host().now_ms());
        }
        if shown == State::Local {
            status.progress.clear();
        }
        status.state = shown;
        status.pending = self.engine.pending();
        // The last failure stays visible while it is tried again.
        if shown != State::Syncing {
            status.trouble = problem.map(|p| Trouble { code: p.code, message: p.message, retry_at: p.retry_at });
        }
        if shown == State::Synced
            && let Some(until) = self.engine.ahead_until()
        {
            status.state = State::Error;
            status.trouble = Some(ahead_of_the_server(until));
        }
        self.show(status);
    }

    fn show(&self, status: Status) {
        if *self.status.borrow() != status {
            *self.status.borrow_mut() = status.clone();
            self.engine.emit(Event::Status(status));
        }
    }

    fn finish_rounds(&self, result: &Result<()>) {
        for sender in self.rounds.borrow_mut().drain(..) {
            // The receiver is gone when nobody waits any more.
            let _ = sender.send(result.clone());
        }
    }
}

/// What those hear who wait for a round that failed.
fn unfinished(kind: Kind, code: &str, message: &str) -> Error {
    Error::new(kind, format!("sync did not finish: {message}")).with(serde_json::json!({ "code": code }))
}

/// Everything was exchanged but for what is not taken before its time.
fn ahead_of_the_server(until: u64) -> Trouble {
    let message = "a change was written over one from the future: it is sent when its time has come".to_owned();
    Trouble { code: "clock_ahead".to_owned(), message, retry_at: Some(until) }
}

fn stored<T>(result: Result<T>, then: impl FnOnce(T) -> Input) -> Input {
    match result {
        Ok(value) => then(value),
        Err(error) => storage_failed(&error),
    }
}

fn storage_failed(error: &Error) -> Input {
    Input::StorageFailed {
        code: error.kind().code().to_owned(),
        message: error.to_string(),
        full: error.kind() == Kind::QuotaExceeded,
    }
}
