//! The engine: write, apply and read paths, live queries and the sync driver, generic over store, network and host.

mod adopt;
mod apply;
mod apps;
mod archive;
mod changes;
mod check;
mod config;
mod data_version;
mod driver;
mod epoch;
mod error;
mod events;
#[cfg(feature = "planted-faults")]
pub mod faults;
mod guests;
mod install;
mod key_text;
mod keyring;
mod lead;
mod leaving;
mod letters;
mod live;
mod local;
mod log;
mod message;
mod migrate;
mod outbox;
mod own_space;
mod paths;
pub mod ports;
mod prepare;
mod progress;
mod query;
mod read;
mod rebase;
mod restamp;
mod rows;
mod sealing;
mod session;
mod shadow;
mod spaces;
mod stamps;
mod status;
mod vault;
mod whole;
mod write;

pub use adopt::Adoption;
pub use apply::{Applied, Merged, Page, QuarantineCount, Reason, merge_into};
pub use archive::{ExportPage, Import, ImportPage, LeftOut, Unreadable};
pub use check::{Check, CheckState, Held, TableCheck};
pub use config::{Config, GUEST, Table, User, read_migrations};
pub use data_version::Upgrade;
pub use driver::Driver;
pub use error::{Error, Kind, Result};
pub use events::{ChangeOp, Conflict, Event, Kept, Side, TableChange, Telemetry, TelemetryName};
pub use guests::{Existing, GuestData, Left};
pub use keyring::NewKey;
pub use letters::{DeadLetter, Refused};
pub use live::Subscription;
pub use outbox::{Batch, Frozen, Settled};
pub use query::{Branch, Condition, Explanation, Found, Part, Query, Want};
pub use session::Session;
pub use shadow::Distrust;
pub use status::{AppProgress, State, Status, Trouble};
pub use vault::Unlock;
pub use write::{Write, Writer, Written};

use crate::model::{OrderedSet, Origin, record};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, Scan, Store, Transaction};
use epoch::{CorrectedClock, Epoch, JumpWatch, fresh_id};
use ports::Host;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// One record's part of a commit: what it was and what it is now.
pub struct Touched<R> {
    /// The table.
    pub table: String,
    /// The record's key.
    pub key: Key,
    /// Before, where that is known.
    pub old: Option<R>,
    /// After; `None` when it is gone.
    pub new: Option<R>,
    /// Which of its fields got another value, where it was there before and still is.
    pub fields: Vec<String>,
}

/// The local half: a database with its change log. The sync driver works on top of it.
pub struct Engine<S: Store, H: Host> {
    store: S,
    host: H,
    config: RefCell<Config>,
    clock: RefCell<CorrectedClock>,
    watch: JumpWatch,
    identity: Identity,
    live: live::Live<S::Row>,
    pending: Cell<usize>,
    /// When the first change may be sent that is ahead of the server's clock, by the device's.
    ahead_until: Cell<Option<u64>>,
    /// Apps whose last push failed while others' may be taken: by protocol 1 each is sent by itself.
    failing_apps: RefCell<OrderedSet<String>>,
    listener: RefCell<Rc<dyn Fn(Event)>>,
    on_logged: RefCell<Option<Rc<dyn Fn()>>>,
    waiters: RefCell<Vec<outbox::Waiter>>,
    closed: Cell<bool>,
    adoption: RefCell<Option<Adoption>>,
    vault: vault::Vault,
    lead: lead::Lead,
    /// Lazy apps that nobody has asked for, as far as this tab knows.
    unasked: RefCell<OrderedSet<String>>,
    /// How many changes waited for a newer version of the app when that was told last.
    too_new: Cell<usize>,
}

/// Who this client is to the server.
#[derive(Debug, Clone)]
struct Identity {
    install: String,
    session: RefCell<String>,
}

record! {
    struct Owner {
        user_id: String = "userId",
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Opens the engine over a store that has the configured tables and the engine's own.
    ///
    /// `first_tab`: no other tab has this database open, so a new clock epoch begins. Fails with
    /// [`Kind::OtherUser`] when the database belongs to somebody else.
    pub async fn open(store: S, host: H, mut config: Config, first_tab: bool) -> Result<Rc<Self>> {
        adopt::find(&store, &config).await?;
        if !config.lists_spaces {
            config.spaces = spaces::kept(&store, config.user_id()).await?;
        }
        let adoption = adopt::take_over(&store, &host, &config).await?;
        migrate::run(&store, &host, &config).await?;
        let tx = store.begin(Mode::Write, &[ENGINE, CHANGE_LOG])?;
        check_owner(&tx, &config).await?;
        if config.lists_spaces {
            let list = std::mem::take(&mut config.spaces);
            config.spaces = spaces::begin(&tx, config.user_id(), list).await?;
        }
        let install = install::read_or_make(&tx, &host).await?.id;
        let last: Option<Epoch> = rows::read(&tx, rows::CLOCK, "").await?;
        let epoch = match last {
            Some(running) if !first_tab => running,
            last => Epoch::begin(&host, last.as_ref()),
        };
        rows::write(&tx, rows::CLOCK, "", epoch.clone())?;
        let watch = JumpWatch::default();
        watch.watch(&host, &epoch.epoch);
        let pending = outbox::count(&tx, config.user_id()).await?;
        let (vault, lead) = (vault::Vault::default(), lead::Lead::default());
        *vault.known.borrow_mut() = keyring::Known::read(&tx, config.user_id()).await?;
        let unasked = apps::begin(&tx, &config).await?;
        tx.commit().await?;
        own_space::name(&store, &config).await?;
        let session = fresh_id(&host);
        Ok(Rc::new(Self {
            store,
            host,
            config: RefCell::new(config),
            clock: RefCell::default(),
            watch,
            identity: Identity { install, session: RefCell::new(session) },
            live: live::Live::default(),
            pending: Cell::new(pending),
            ahead_until: Cell::default(),
            failing_apps: RefCell::default(),
            listener: RefCell::new(Rc::new(|_| {})),
            on_logged: RefCell::new(None),
            waiters: RefCell::default(),
            closed: Cell::new(false),
            adoption: RefCell::new(adoption),
            vault,
            lead,
            unasked: RefCell::new(unasked),
            too_new: Cell::default(),
        }))
    }

    /// Calls `listener` with everything that happens from now on.
    pub fn listen(&self, listener: impl Fn(Event) + 'static) {
        *self.listener.borrow_mut() = Rc::new(listener);
    }

    /// Calls `hook` after every commit that logged changes.
    pub fn on_logged(&self, hook: impl Fn() + 'static) {
        *self.on_logged.borrow_mut() = Some(Rc::new(hook));
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What the app has set.
    pub fn config(&self) -> std::cell::Ref<'_, Config> {
        self.config.borrow()
    }

    /// The client id, `<install id>.<session id>`.
    pub fn client_id(&self) -> String {
        format!("{}.{}", self.identity.install, self.identity.session.borrow())
    }

    /// A new session id: before every read from the beginning, because servers of protocol 1 leave a client's own
    /// changes out.
    pub(crate) fn renew_session(&self) {
        *self.identity.session.borrow_mut() = fresh_id(&self.host);
    }

    /// The id made together with this database.
    pub fn install_id(&self) -> &str {
        &self.identity.install
    }

    /// Changes the server does not have yet.
    pub fn pending(&self) -> usize {
        self.pending.get()
    }

    /// When the first change may be sent that is ahead of the server's clock, by the device's clock in milliseconds since 1970;
    /// `None`: none waits for that.
    pub fn ahead_until(&self) -> Option<u64> {
        self.ahead_until.get()
    }

    /// What opening took over from an older app; told once.
    pub fn take_adoption(&self) -> Option<Adoption> {
        self.adoption.take()
    }

    /// Sets the space that new records go to and queries look at.
    pub fn set_active_space(self: &Rc<Self>, space: Option<crate::model::SpaceId>) {
        self.config.borrow_mut().active_space = space;
        self.live.invalidate_all();
        live::schedule(self);
    }

    /// Signs a user in on a guest's database, or changes the shown name. Another user needs another database.
    pub async fn set_user(self: &Rc<Self>, user: Option<User>) -> Result<()> {
        let tx = self.store.begin(Mode::Write, &[ENGINE, CHANGE_LOG])?;
        if let Some(user) = &user {
            claim(&tx, user.id.as_str()).await?;
        }
        tx.commit().await?;
        let config = Config { user: user.clone(), ..self.config().clone() };
        let adoption = adopt::take_over(&self.store, &self.host, &config).await?;
        if adoption.is_some() {
            migrate::run(&self.store, &self.host, &config).await?;
        }
        let tx = self.store.begin(Mode::Write, &[CHANGE_LOG])?;
        let id = user.as_ref().map_or(GUEST, |user| user.id.as_str()).to_owned();
        let pending = outbox::count(&tx, &id).await?;
        tx.commit().await?;
        self.pending.set(pending);
        let before = self.config().user_id().to_owned();
        if before != id && before != GUEST {
            // Said while it is still known whose it is.
            self.lock_elsewhere();
        }
        self.config.borrow_mut().user = user;
        if before != id {
            // Keys and spaces were the former user's.
            self.drop_keys();
            self.read_keyring().await?;
            self.take_kept_spaces(&id, &before).await?;
        }
        self.live.invalidate_all();
        live::schedule(self);
        if let Some(adoption) = adoption {
            self.emit(Event::Adoption(adoption));
        }
        Ok(())
    }

    /// Counts the changes the server does not have, in the database itself and after every write under way: those on
    /// their way, dead letters, and what waits behind them.
    pub async fn count_unsent(&self) -> Result<usize> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Write, &[CHANGE_LOG, ENGINE])?;
        let count = outbox::count(&tx, &user).await?;
        let refused = letters::count(&tx, &user).await?;
        self.pending.set(count);
        tx.commit().await?;
        Ok(count + refused)
    }

    /// Whether the log has a change of the user's.
    pub async fn has_unsent(&self) -> Result<bool> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Read, &[CHANGE_LOG])?;
        let mine = |row: &S::Row| row.text("userId").as_deref() == Some(&user);
        Ok(!tx.scan(CHANGE_LOG, &Scan { limit: Some(1), ..Scan::default() }, &mine).await?.is_empty())
    }

    /// Ends the engine's use of the store; what is committing finishes.
    pub fn close(&self) {
        self.closed.set(true);
        self.vault.count_lock();
        self.vault.forget();
        self.live.clear();
        self.waiters.borrow_mut().clear();
        self.store.close();
    }

    pub(crate) fn emit(&self, event: Event) {
        let listener = Rc::clone(&self.listener.borrow());
        listener(event);
    }

    /// Tells live queries, the app and the sync driver what a transaction did.
    pub(crate) fn committed(self: &Rc<Self>, touched: &[Touched<S::Row>], origin: Origin, logged: usize) {
        self.pending.set(self.pending.get() + logged);
        self.count_uses();
        self.live.mark(touched, |query| self.sight_of(query).ok().map(|(_, sight)| sight));
        live::schedule(self);
        let changes = changes::of_commit(touched, origin, &self.config());
        if !changes.is_empty() {
            self.emit(Event::Change { changes, logged: Some(logged) });
        }
        if logged > 0 {
            self.tell_driver();
        }
    }

    /// Tells what a transaction did that may have changed nothing but the log: the tab that leads has something to send.
    fn committed_to_log(self: &Rc<Self>, touched: &[Touched<S::Row>], origin: Origin, logged: usize) {
        self.committed(touched, origin, logged);
        if touched.is_empty() && logged > 0 {
            self.emit(Event::Change { changes: Vec::new(), logged: Some(logged) });
        }
    }

    /// Has the sync driver look at the log.
    fn tell_driver(&self) {
        let hook = self.on_logged.borrow().clone();
        if let Some(hook) = hook {
            hook();
        }
    }

    /// Takes note of a commit another tab made: what it changed, and how many changes it logged.
    pub fn committed_elsewhere(self: &Rc<Self>, changes: Vec<TableChange>, logged: usize) {
        self.pending.set(self.pending.get() + logged);
        self.live.mark_tables(&changes);
        live::schedule(self);
        if !changes.is_empty() {
            self.emit(Event::Change { changes, logged: None });
        }
        if logged > 0 {
            self.tell_driver();
        }
    }

    /// Takes note of an answer another tab worked into the log.
    pub fn settled_elsewhere(
        &self,
        oldest: Option<f64>,
        refused: &[(f64, crate::protocol::wire::Rejection)],
        pending: usize,
    ) {
        self.pending.set(pending);
        self.wake_waiters(oldest, refused);
    }
}

async fn check_owner<Tx: Transaction>(tx: &Tx, config: &Config) -> Result<()> {
    match &config.user {
        Some(user) => claim(tx, user.id.as_str()).await,
        None => Ok(()),
    }
}

/// A database belongs to the first user who signs in on it.
async fn claim<Tx: Transaction>(tx: &Tx, user_id: &str) -> Result<()> {
    match rows::read::<_, Owner>(tx, rows::OWNER, "").await? {
        Some(owner) if owner.user_id != user_id => Err(Error::new(
            Kind::OtherUser,
            "this database belongs to another user: open one with another name, or wipe it first",
        )),
        Some(_) => Ok(()),
        None => rows::write(tx, rows::OWNER, "", Owner { user_id: user_id.to_owned() }),
    }
}

/// The smallest key in the change log, to know which tickets are settled. What was put back right behind another row
/// (`letters/release.rs`) counts as that one: its writers have the other's ticket.
pub(crate) async fn oldest_logged<Tx: Transaction>(tx: &Tx) -> Result<Option<f64>> {
    let first = tx.scan(CHANGE_LOG, &Scan { limit: Some(1), ..Scan::default() }, &|_| true).await?;
    let seq = first.first().and_then(|row| row.get("seq")).and_then(|seq| crate::store::RowValue::as_number(&seq));
    Ok(seq.map(f64::floor))
}

/// All rows of the change log as JSON, in order.
pub(crate) async fn log_json<Tx: Transaction>(tx: &Tx) -> Result<Vec<serde_json::Value>> {
    let rows = tx.scan(CHANGE_LOG, &Scan::default(), &|_| true).await?;
    Ok(rows.iter().filter_map(|row| row.to_json().ok()).collect())
}
