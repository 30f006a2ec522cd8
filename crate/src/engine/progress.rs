//! How far a user has pulled, and what the server still owes: one row per user, gone when a full pull begins.

use super::error::Result;
use super::ports::Host;
use super::{Engine, rebase, rows};
use crate::model::record;
use crate::protocol::protocol1::TimeCursor;
use crate::store::{ENGINE, Mode, Store, Transaction};
use std::rc::Rc;

record! {
    /// Where the pull stands.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Progress {
        /// Where the next page begins; `None`: at the beginning.
        pub cursor: Option<String> = "cursor",
        /// The receipt of the last push whose changes are off the log and not all come back: a pull that shows it is told
        /// when the server lost them.
        pub receipt: Option<String> = "receipt",
        /// Where the pull goes on once `cursor` was shown to the server; `None`: behind what comes at `cursor`.
        pub then: Option<String> = "then",
        /// Whether the first pull of this database has not come to its end.
        pub hydrating: bool = "hydrating",
        /// Whether the server speaks protocol 1: then the cursor is one of times.
        pub by_time: bool = "byTime" or false,
        /// The cursor of times that is kept while protocol 2 is spoken.
        pub times: Option<String> = "times",
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self { cursor: None, receipt: None, then: None, hydrating: true, by_time: false, times: None }
    }
}

/// Where a pull goes on from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Position {
    /// How far was pulled.
    pub progress: Progress,
    /// A full pull under way: its name, under which the records that came are noted.
    pub rebase: Option<String>,
}

impl Position {
    /// Reads it.
    pub async fn read<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Self> {
        let (progress, rebase) = futures_util::future::join(of(tx, user), rebase::stored(tx, user)).await;
        let (progress, rebase) = (progress?, rebase?);
        let is_first = progress.hydrating && rebase.is_none();
        let rebase = rebase.filter(|(_, wished)| !wished).map(|(id, _)| id);
        Ok(Self { progress: Progress { hydrating: is_first, ..progress }, rebase })
    }

    /// Whether a page asked for there goes on here.
    pub fn is_at(&self, here: &Self) -> bool {
        self.progress.cursor == here.progress.cursor && self.rebase == here.rebase
    }

    /// Whether this is a part of the first pull of a database, and of no full pull.
    pub const fn hydrates(&self) -> bool {
        self.progress.hydrating
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
pub async fn advance<Tx: Transaction>(
    tx: &Tx,
    user: &str,
    (cursor, hydrating): (&str, bool),
    answered: Option<&str>,
) -> Result<()> {
    let here = of(tx, user).await?;
    let receipt = here.receipt.filter(|receipt| answered != Some(receipt));
    let cursor = Some(here.then.unwrap_or_else(|| cursor.to_owned()));
    rows::write(tx, rows::CURSOR, user, Progress { cursor, receipt, then: None, hydrating, ..here })
}

/// Shows the server an older cursor once, before the pull goes on where it is.
pub async fn show_again<Tx: Transaction>(tx: &Tx, user: &str, older: String) -> Result<()> {
    let here = of(tx, user).await?;
    let then = here.then.or(here.cursor);
    rows::write(tx, rows::CURSOR, user, Progress { cursor: Some(older), then, hydrating: false, ..here })
}

/// Notes a receipt in the transaction that takes what was accepted off the log; it covers earlier ones.
pub async fn note_receipt<Tx: Transaction>(tx: &Tx, user: &str, receipt: &str) -> Result<()> {
    let progress = Progress { receipt: Some(receipt.to_owned()), ..of(tx, user).await? };
    rows::write(tx, rows::CURSOR, user, progress)
}

/// Has the next pull begin at the beginning, in the protocol that is spoken. What the server owes for a push is owed no more.
pub async fn begin_anew<Tx: Transaction>(tx: &Tx, user: &str) -> Result<()> {
    if of(tx, user).await?.by_time {
        return rows::write(tx, rows::CURSOR, user, Progress { by_time: true, ..Progress::default() });
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
