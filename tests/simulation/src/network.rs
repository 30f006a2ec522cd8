//! A device's line to the server: it delays, drops, repeats, loses answers, and mixes in answers of strangers.

use super::executor::{Executor, Owner};
use super::random::Random;
use super::server::{Server, json};
use super::stream::Connections;
use futures_util::future::{LocalBoxFuture, ready};
use mana_sync_engine::engine::ports::{
    LongAnswer, NoAnswer, Request, Response, Socket, SocketEvent, TokenReason, Transport,
};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// How long a request or an answer may be on its way, in milliseconds: connections end before, and what is in them with them.
const LONGEST_ON_THE_WAY_MS: u64 = 600_000;

/// Where changes are pushed to.
const PUSH: &str = "/v2/push";

/// What may happen to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never reaches the server.
    DropRequest,
    /// The server works on it, and its answer is lost.
    LoseAnswer,
    /// It reaches the server twice; the second answer comes back.
    Duplicate,
    /// Somebody else answers 200 with a page of HTML.
    Html,
    /// Somebody else answers with JSON of another protocol.
    Stranger,
    /// The server fails.
    ServerError,
    /// The answer ends in the middle.
    Cut,
    /// The request takes this many milliseconds more, and so does its answer.
    Delay(u64),
    /// The device hears nothing, and the request arrives this many milliseconds later, after others.
    Late(u64),
    /// It is answered, and arrives once more this many milliseconds later, after others.
    Again(u64),
    /// The server asks for patience.
    Busy,
    /// The server refuses the token.
    Unauthorized,
    /// The server wants to be paid.
    Unpaid,
    /// The server refuses the request in its own words.
    Refused,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::DropRequest,
        Self::LoseAnswer,
        Self::Duplicate,
        Self::Html,
        Self::Stranger,
        Self::ServerError,
        Self::Cut,
        Self::Delay(3000),
        Self::Late(9000),
        Self::Again(20_000),
        Self::Busy,
        Self::Unauthorized,
        Self::Unpaid,
        Self::Refused,
    ];

    /// What happened, for counting.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropRequest => "network: request dropped",
            Self::LoseAnswer => "network: answer lost",
            Self::Duplicate => "network: sent twice at once",
            Self::Html => "network: a page of HTML",
            Self::Stranger => "network: another protocol",
            Self::ServerError => "network: the server fails",
            Self::Cut => "network: answer cut",
            Self::Delay(_) => "network: delayed",
            Self::Late(_) => "network: arrives after others",
            Self::Again(_) => "network: arrives again after others",
            Self::Busy => "network: asked for patience",
            Self::Unauthorized => "network: token refused",
            Self::Unpaid => "network: payment required",
            Self::Refused => "network: request refused",
        }
    }
}

/// What a body becomes on its way.
type Rewrite = Box<dyn Fn(&str) -> String>;

/// The line; the device's tabs share it.
pub struct Line {
    executor: Executor,
    server: Rc<Server>,
    random: Random,
    user: String,
    online: Cell<bool>,
    /// Of 1,000 requests this many meet a fault.
    faulty: Cell<u64>,
    planned: RefCell<VecDeque<(&'static str, Fault)>>,
    /// Of 1,000 requests to a path so many meet this fault.
    mix: RefCell<Vec<(&'static str, Fault, u64)>>,
    /// The faults so far, with their paths.
    met: RefCell<Vec<(&'static str, Fault)>>,
    /// Rewrites the bodies of all answers.
    forged: RefCell<Option<Rewrite>>,
    tokens: Cell<u64>,
    signed_in: Cell<bool>,
    sent: RefCell<Vec<Request>>,
    /// The tabs that wait for the answer to a push.
    pushing: RefCell<Vec<Owner>>,
    /// Pushes that a tab began while another one waited for the answer to its own.
    crossed: Cell<usize>,
    sockets: RefCell<Vec<Rc<Connection>>>,
    /// What befalls its connections.
    pub connections: Connections,
    tokens_fail: Cell<bool>,
    /// What answers some requests in the server's place.
    barrier: RefCell<Option<Barrier>>,
}

/// What becomes of a request that does not reach the server.
type Barrier = Box<dyn Fn(&Request) -> Option<Result<Response, NoAnswer>>>;

struct Connection {
    owner: Owner,
    /// Until the tab drops it.
    wanted: Cell<bool>,
    /// The token it was opened with, once that was accepted.
    token: RefCell<Option<String>>,
    on_event: Box<dyn Fn(SocketEvent)>,
}

impl Line {
    /// A line that works.
    #[must_use]
    pub fn new(executor: &Executor, server: &Rc<Server>, random: Random, user: &str) -> Rc<Self> {
        Rc::new(Self {
            executor: executor.clone(),
            server: Rc::clone(server),
            random,
            user: user.to_owned(),
            online: Cell::new(true),
            faulty: Cell::new(0),
            planned: RefCell::default(),
            mix: RefCell::default(),
            forged: RefCell::default(),
            tokens: Cell::new(0),
            signed_in: Cell::new(true),
            sent: RefCell::default(),
            pushing: RefCell::default(),
            crossed: Cell::new(0),
            sockets: RefCell::default(),
            connections: Connections::default(),
            tokens_fail: Cell::new(false),
            met: RefCell::default(),
            barrier: RefCell::default(),
        })
    }

    /// Connects or cuts the network.
    pub fn set_online(&self, online: bool) {
        self.online.set(online);
        if !online {
            self.cut();
        }
    }

    /// Cuts every connection that is open.
    pub fn cut(&self) {
        for connection in self.sockets.take() {
            self.tell(&connection, SocketEvent::Closed);
        }
        self.connections.cut_off.set(self.connections.cut_off.get() + 1);
        self.server.stir();
    }

    /// Whether the network is there.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online.get()
    }

    /// Of 1,000 requests this many meet a fault.
    pub fn set_faulty(&self, permille: u64) {
        self.faulty.set(permille);
    }

    /// Of 1,000 requests to `path` so many meet each of these faults; [`Line::set_faulty`] decides about other paths.
    pub fn set_mix(&self, path: &'static str, mix: &[(Fault, u64)]) {
        let mut all = self.mix.borrow_mut();
        all.retain(|(other, ..)| *other != path);
        all.extend(mix.iter().map(|(fault, permille)| (path, *fault, *permille)));
    }

    /// Rewrites the bodies of all answers from now on.
    pub fn forge(&self, rewrite: impl Fn(&str) -> String + 'static) {
        *self.forged.borrow_mut() = Some(Box::new(rewrite));
    }

    /// From now on the body of a request decides whether it reaches the server, or is answered with such a status and a page
    /// of HTML.
    pub fn stop_bodies(&self, status: impl Fn(&str) -> Option<u16> + 'static) {
        self.stop(move |request| status(request.body.as_deref().unwrap_or_default()).map(|status| Ok(html(status))));
    }

    /// From now on somebody else answers the requests for which there is an answer here.
    pub fn stop(&self, answer: impl Fn(&Request) -> Option<Result<Response, NoAnswer>> + 'static) {
        *self.barrier.borrow_mut() = Some(Box::new(answer));
    }

    /// How many requests to a path have met this fault.
    #[must_use]
    pub fn met(&self, path: &str, fault: Fault) -> usize {
        self.met.borrow().iter().filter(|met| **met == (path, fault)).count()
    }

    /// How many requests went to a path so far, lost ones included.
    #[must_use]
    pub fn requests_to(&self, path: &str) -> usize {
        self.sent.borrow().iter().filter(|request| call_of(&request.path) == path).count()
    }

    /// Plans a fault for the next request to this path.
    pub fn plan(&self, path: &'static str, fault: Fault) {
        self.planned.borrow_mut().push_back((path, fault));
    }

    /// Signs the user in or out at the identity provider.
    pub fn set_signed_in(&self, signed_in: bool) {
        self.signed_in.set(signed_in);
    }

    /// Makes the app fail to get tokens, as without a network to its identity provider.
    pub fn set_tokens_fail(&self, fail: bool) {
        self.tokens_fail.set(fail);
    }

    /// How often each fault happened so far.
    #[must_use]
    pub fn met_by_name(&self) -> BTreeMap<&'static str, u64> {
        let mut met = BTreeMap::new();
        self.met.borrow().iter().for_each(|(_, fault)| *met.entry(fault.name()).or_default() += 1);
        met
    }

    /// Gives the next tokens numbers from here on.
    pub fn set_next_token(&self, number: u64) {
        self.tokens.set(number);
    }

    /// The number the next token will have.
    #[must_use]
    pub fn next_token(&self) -> u64 {
        self.tokens.get()
    }

    /// How many pushes a tab began while another one waited for the answer to its own.
    #[must_use]
    pub fn crossed_pushes(&self) -> usize {
        self.crossed.get()
    }

    /// The bodies sent to a path so far, lost ones included.
    #[must_use]
    pub fn sent_to(&self, path: &str) -> Vec<String> {
        let sent = self.sent.borrow();
        sent.iter()
            .filter(|request| call_of(&request.path) == path)
            .filter_map(|request| request.body.clone())
            .collect()
    }

    /// Tells the running tab that there is news.
    pub fn nudge(&self) {
        let frame = r#"{"type":"sync-available","appId":"todo","tables":["tasks"]}"#;
        self.sockets.borrow().iter().for_each(|connection| self.tell(connection, SocketEvent::Text(frame.into())));
    }

    /// Ends the sockets whose tokens are no longer good, as the server does.
    pub fn end_expired_sockets(&self) {
        let is_good = |connection: &Connection| {
            connection.token.borrow().as_ref().is_none_or(|token| self.server.user_of(Some(token)).is_some())
        };
        let ended: Vec<_> = self.sockets.borrow().iter().filter(|socket| !is_good(socket)).cloned().collect();
        for socket in &ended {
            self.end_socket(socket, "token_expired");
        }
    }

    fn end_socket(&self, socket: &Rc<Connection>, reason: &str) {
        self.sockets.borrow_mut().retain(|other| !Rc::ptr_eq(other, socket));
        self.tell(socket, SocketEvent::Text(format!(r#"{{"type":"error","tables":["{reason}"]}}"#)));
        self.tell(socket, SocketEvent::Closed);
    }

    fn tell(&self, connection: &Rc<Connection>, event: SocketEvent) {
        let connection = Rc::clone(connection);
        let held = self.connections.hold_ms.get();
        let slept = (held > 0 && event != SocketEvent::Closed).then(|| self.executor.sleep(held));
        self.executor.spawn(
            connection.owner,
            Box::pin(async move {
                if let Some(slept) = slept {
                    slept.await;
                }
                if connection.wanted.get() {
                    (connection.on_event)(event);
                }
            }),
        );
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut planned = self.planned.borrow_mut();
        if let Some(at) = planned.iter().position(|(wanted, _)| *wanted == path) {
            return planned.remove(at).map(|(_, fault)| fault);
        }
        let mix = self.mix.borrow();
        let mut of_path = mix.iter().filter(|(wanted, ..)| *wanted == path).peekable();
        if of_path.peek().is_none() {
            return self.random.chance(self.faulty.get()).then(|| *self.random.pick(&Fault::ALL));
        }
        let mut lot = self.random.below(1000);
        of_path.find(|(_, _, permille)| lot.checked_sub(*permille).map(|rest| lot = rest).is_none()).map(|(_, f, _)| *f)
    }

    pub(super) async fn exchange(self: Rc<Self>, request: Request) -> Result<Response, NoAnswer> {
        let call = call_of(&request.path);
        let fault = self.fault(call);
        self.met.borrow_mut().extend(fault.map(|fault| (call, fault)));
        self.note_sent(&request);
        let extra = if let Some(Fault::Delay(ms)) = fault { ms } else { 0 };
        let sent = self.executor.now();
        self.executor.sleep(5 + self.random.below(40) + extra).await;
        let lost = |why: &str| Err(NoAnswer(why.to_owned()));
        if !self.online.get() || self.is_given_up(sent) || fault == Some(Fault::DropRequest) {
            return lost("the request was lost");
        }
        if let Some(Fault::Late(ms) | Fault::Again(ms)) = fault {
            self.deliver_later(request.clone(), ms);
        }
        if let Some(Fault::Late(_)) = fault {
            return lost("the request seemed lost");
        }
        if let Some(answer) = fault.and_then(strange) {
            return Ok(answer);
        }
        let stopped = self.barrier.borrow().as_ref().and_then(|barrier| barrier(&request));
        if let Some(answer) = stopped {
            return answer;
        }
        let mut answer = self.server.answer(&request);
        if fault == Some(Fault::Duplicate) {
            answer = self.server.answer(&request);
        }
        if let Some(rewrite) = &*self.forged.borrow() {
            answer.body = rewrite(&answer.body);
        }
        self.executor.sleep(5 + self.random.below(40) + extra).await;
        match fault {
            _ if !self.online.get() || self.is_given_up(sent) => lost("the answer was lost"),
            Some(Fault::LoseAnswer) => lost("the answer was lost"),
            Some(Fault::Cut) => {
                let half: String = answer.body.chars().take(answer.body.chars().count() / 2).collect();
                Ok(Response { body: half, ..answer })
            }
            _ => Ok(answer),
        }
    }
}

impl Line {
    pub(super) fn server(&self) -> Rc<Server> {
        Rc::clone(&self.server)
    }

    pub(super) fn note_sent(&self, request: &Request) {
        self.sent.borrow_mut().push(request.clone());
    }

    /// A way that takes as long as any.
    pub(super) async fn delay(&self) {
        self.executor.sleep(5 + self.random.below(40)).await;
    }

    pub(super) fn sleep(&self, ms: u64) -> impl Future<Output = ()> + 'static {
        self.executor.sleep(ms)
    }

    /// What something on the way takes before it passes on what is said on a connection.
    pub(super) async fn hold(&self) {
        self.executor.sleep(self.connections.hold_ms.get()).await;
    }

    /// A number below `end`.
    #[expect(clippy::cast_possible_truncation, reason = "it is below a size")]
    pub(super) fn below(&self, end: usize) -> usize {
        self.random.below(end as u64) as usize
    }

    pub(super) fn forged(&self, body: &str) -> String {
        self.forged.borrow().as_ref().map_or_else(|| body.to_owned(), |rewrite| rewrite(body))
    }

    /// The request reaches the server on its own, whatever became of its sender.
    fn deliver_later(self: &Rc<Self>, request: Request, ms: u64) {
        let (line, sent, slept) = (Rc::clone(self), self.executor.now(), self.executor.sleep(ms));
        self.executor.spawn(
            0,
            Box::pin(async move {
                slept.await;
                if !line.is_given_up(sent) {
                    drop(line.server.answer(&request));
                }
            }),
        );
    }

    /// Whether nobody carries a request any more that was sent then: a machine slept, and its connections are gone.
    fn is_given_up(&self, sent: u64) -> bool {
        self.executor.now() > sent + LONGEST_ON_THE_WAY_MS
    }
}

/// The call of a path, by which faults are counted and planned.
fn call_of(path: &str) -> &'static str {
    const CALLS: [&str; 5] = ["/v2/push", "/v2/pull", "/v2/stream", "/v2/check", "/health"];
    match path.strip_prefix("/sync/") {
        Some(rest) if rest.contains("/pull?") => "/sync/pull",
        Some(rest) if rest.contains("/stream?") => "/sync/stream",
        Some(_) => "/sync",
        None => CALLS.into_iter().find(|call| *call == path).unwrap_or("other"),
    }
}

fn html(status: u16) -> Response {
    Response {
        status,
        content_type: "text/html".into(),
        retry_after_ms: None,
        body: "<h1>Welcome to the airport</h1>".into(),
    }
}

fn strange(fault: Fault) -> Option<Response> {
    let typed = |status, code: &str| {
        json(status, &serde_json::json!({ "protocol": 2, "code": code, "message": "a fault of the simulation" }))
    };
    match fault {
        Fault::Html => Some(html(200)),
        Fault::ServerError => Some(html(502)),
        Fault::Busy => Some(Response { retry_after_ms: Some(2000), ..typed(429, "busy") }),
        Fault::Unauthorized => Some(typed(401, "unauthorized")),
        Fault::Unpaid => Some(typed(402, "payment_required")),
        Fault::Refused => Some(typed(400, "invalid_request")),
        Fault::Stranger => Some(json(200, &serde_json::json!({ "protocol": 3, "accepted": [], "changes": [] }))),
        _ => None,
    }
}

/// The network as one running tab sees it.
pub struct SimTransport {
    line: Rc<Line>,
    owner: Owner,
}

impl SimTransport {
    /// The line, used by the tab `owner`.
    #[must_use]
    pub fn new(line: &Rc<Line>, owner: Owner) -> Self {
        Self { line: Rc::clone(line), owner }
    }
}

/// A push under way; it ends with its answer or with its tab.
struct Pushing {
    line: Rc<Line>,
    owner: Owner,
}

impl Pushing {
    fn begin(line: &Rc<Line>, owner: Owner) -> Self {
        let mut pushing = line.pushing.borrow_mut();
        if pushing.iter().any(|other| *other != owner) {
            line.crossed.set(line.crossed.get() + 1);
        }
        pushing.push(owner);
        Self { line: Rc::clone(line), owner }
    }
}

impl Drop for Pushing {
    fn drop(&mut self) {
        let mut pushing = self.line.pushing.borrow_mut();
        if let Some(at) = pushing.iter().position(|owner| *owner == self.owner) {
            pushing.swap_remove(at);
        }
    }
}

impl Transport for SimTransport {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Response, NoAnswer>> {
        let pushing = (request.path == PUSH).then(|| Pushing::begin(&self.line, self.owner));
        let exchange = Rc::clone(&self.line).exchange(request);
        Box::pin(async move {
            let _until_answered = pushing;
            exchange.await
        })
    }

    fn token(&self, _: TokenReason) -> LocalBoxFuture<'static, Result<Option<String>, NoAnswer>> {
        if self.line.tokens_fail.get() {
            return Box::pin(ready(Err(NoAnswer("the identity provider does not answer".into()))));
        }
        let number = self.line.tokens.get();
        self.line.tokens.set(number + 1);
        let token = format!("{}#{number}", self.line.user);
        Box::pin(ready(Ok(self.line.signed_in.get().then_some(token))))
    }

    fn stream(&self, request: Request) -> LocalBoxFuture<'static, Result<LongAnswer, NoAnswer>> {
        Box::pin(Rc::clone(&self.line).open_stream(request))
    }

    fn connect(&self, _: &'static str, on_event: Box<dyn Fn(SocketEvent)>) -> Box<dyn Socket> {
        let (wanted, token) = (Cell::new(true), RefCell::default());
        let connection = Rc::new(Connection { owner: self.owner, wanted, token, on_event });
        self.line.connections.sockets.set(self.line.connections.sockets.get() + 1);
        if self.line.online.get() && !self.line.server.deploys.is_under_way() {
            self.line.tell(&connection, SocketEvent::Open);
            self.line.sockets.borrow_mut().push(Rc::clone(&connection));
        } else {
            self.line.tell(&connection, SocketEvent::Closed);
        }
        Box::new(SimSocket { line: Rc::clone(&self.line), connection })
    }
}

struct SimSocket {
    line: Rc<Line>,
    connection: Rc<Connection>,
}

impl Socket for SimSocket {
    fn send(&self, text: &str) {
        if !self.line.sockets.borrow().iter().any(|connection| Rc::ptr_eq(connection, &self.connection)) {
            return;
        }
        let frame: serde_json::Value = serde_json::from_str(text).expect("devices send JSON");
        if frame["type"] != "auth" {
            return self.line.tell(&self.connection, SocketEvent::Text(r#"{"type":"pong"}"#.into()));
        }
        let token = frame["token"].as_str().map(str::to_owned);
        if self.line.server.user_of(token.as_deref()).is_none() {
            return self.line.end_socket(&self.connection, "unauthorized");
        }
        *self.connection.token.borrow_mut() = token;
        self.line.tell(&self.connection, SocketEvent::Text(r#"{"type":"auth-ok"}"#.into()));
        if self.line.connections.sockets_close.get() {
            self.line.end_socket(&self.connection, "closed by something on the way");
        }
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.connection.wanted.set(false);
        let dead = Rc::clone(&self.connection);
        self.line.sockets.borrow_mut().retain(|connection| !Rc::ptr_eq(connection, &dead));
    }
}
