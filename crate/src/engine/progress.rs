//! How far a user has pulled, and what the server still owes: one row per user, gone when a full pull begins.

use super::apps::{self, Apps};
use super::error::Result;
use super::ports::Host;
use super::{Engine, rebase, rows};
use crate::model::record;
use crate::protocol::protocol1::TimeCursor;
use crate::store::{ENGINE, Mode, Store, Transaction};
use std::rc::Rc;

record! {
    /// Where the pull stands.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Progress {
        /// Where the next page begins; `None`: at the beginning.
        pub cursor: Option<String> = "cursor",
        /// The receipt of the last push whose changes are off the log and not all come back: a pull that shows it is told
        /// when the server lost them.
        pub receipt: Option<String> = "receipt",
        /// Where the pull goes on once `cursor` was shown to the server; `None`: behind what comes at `cursor`.
        pub then: Option<String> = "then",
        /// Whether the server speaks protocol 1: then the cursor is one of times.
        pub by_time: bool = "byTime" or false,
        /// The cursor of times that is kept while protocol 2 is spoken.
        pub times: Option<String> = "times",
    }
}

/// Where a pull goes on from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Position {
    /// How far was pulled.
    pub progress: Progress,
    /// A full pull under way: its name, under which the records that came are noted.
    pub rebase: Option<String>,
    /// Whether what an older app left in this database is still compared with what the server has.
    adopting: bool,
    /// The apps whose tables are named.
    pub apps: Apps,
}

impl Position {
    /// Reads it.
    pub async fn read<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Self> {
        let (progress, rebase, apps) =
            futures_util::future::join3(of(tx, user), rebase::stored(tx, user), apps::of(tx)).await;
        let (progress, rebase, apps) = (progress?, rebase?, apps?);
        let adopting = rebase.as_ref().is_some_and(|rebase| rebase.why == rebase::Why::Adopted);
        let rebase = rebase.filter(|rebase| !rebase.wished).map(|rebase| rebase.id);
        Ok(Self { progress, rebase, adopting, apps })
    }

    /// Whether a page asked for there goes on here.
    pub fn is_at(&self, here: &Self) -> bool {
        self.progress.cursor == here.progress.cursor && self.rebase == here.rebase
    }

    /// Whether an app is pulled for the first time. What an older app left is no first time.
    pub fn fills(&self, app: &str) -> bool {
        !self.adopting && self.apps.is_asked(app) && !self.apps.is_here(app)
    }
}

/// Where the user's pull goes on from.
pub async fn position<S: Store, H: Host>(engine: &Rc<Engine<S, H>>) -> Result<Position> {
    let user = engine.config().user_id().to_owned();
    let tx = engine.store.begin(Mode::Read, &[ENGINE])?;
    Position::read(&tx, &user).await
}

/// How far the user has pulled.
pub async fn current<S: Store, H: Host>(engine: &Rc<Engine<S, H>>) -> Result<Progress> {
    let user = engine.config().user_id().to_owned();
    let tx = engine.store.begin(Mode::Read, &[ENGINE])?;
    of(&tx, &user).await
}

/// The same, in a transaction.
pub async fn of<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Progress> {
    Ok(rows::read(tx, rows::CURSOR, user).await?.unwrap_or_default())
}

/// Moves the cursor, in the transaction of its page. The receipt `answered` by the last page has done its work; a later
/// one has not.
pub async fn advance<Tx: Transaction>(tx: &Tx, user: &str, cursor: &str, answered: Option<&str>) -> Result<()> {
    let here = of(tx, user).await?;
    // A server of protocol 1 is shown no receipt.
    let receipt = here.receipt.filter(|receipt| here.by_time || answered != Some(receipt));
    let cursor = Some(here.then.unwrap_or_else(|| cursor.to_owned()));
    rows::write(tx, rows::CURSOR, user, Progress { cursor, receipt, then: None, ..here })
}

/// Shows the server an older cursor once, before the pull goes on where it is.
pub async fn show_again<Tx: Transaction>(tx: &Tx, user: &str, older: String) -> Result<()> {
    let here = of(tx, user).await?;
    let then = here.then.or(here.cursor);
    rows::write(tx, rows::CURSOR, user, Progress { cursor: Some(older), then, ..here })
}

/// Notes a receipt in the transaction that takes what was accepted off the log; it covers earlier ones.
pub async fn note_receipt<Tx: Transaction>(tx: &Tx, user: &str, receipt: &str) -> Result<()> {
    let progress = Progress { receipt: Some(receipt.to_owned()), ..of(tx, user).await? };
    rows::write(tx, rows::CURSOR, user, progress)
}

/// Has the next pull begin at the beginning, in the protocol that is spoken. What the server owes for a push is owed no more.
pub async fn begin_anew<Tx: Transaction>(tx: &Tx, user: &str) -> Result<()> {
    let Progress { by_time, times, .. } = of(tx, user).await?;
    if by_time || times.is_some() {
        return rows::write(tx, rows::CURSOR, user, Progress { by_time, times, ..Progress::default() });
    }
    rows::remove(tx, rows::CURSOR, user)
}

/// Goes over to the other protocol. Protocol 2 is read from its beginning, since no time says what lies in its streams; a cursor
/// of times is kept meanwhile, and gone on with a day before it.
pub async fn change_protocol<Tx: Transaction>(tx: &Tx, user: &str, by_time: bool) -> Result<()> {
    let here = of(tx, user).await?;
    if here.by_time == by_time {
        return Ok(());
    }
    let earlier = |times: &String| TimeCursor::read(Some(times)).a_day_before().text();
    let cursor = here.times.as_ref().filter(|_| by_time).map(earlier);
    let times = here.cursor.clone().filter(|_| !by_time);
    rows::write(tx, rows::CURSOR, user, Progress { cursor, times, then: None, by_time, ..here })
}

/// Has a server of protocol 1 be read from the beginning.
pub async fn forget_times<Tx: Transaction>(tx: &Tx, user: &str) -> Result<()> {
    let here = of(tx, user).await?;
    rows::write(tx, rows::CURSOR, user, Progress { cursor: None, times: None, ..here })
}
