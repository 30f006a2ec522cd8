//! The check, from one round to the next: pushed and pulled, read here, asked for there, compared.

use super::{Session, not_running};
use crate::engine::check::{Check, CheckState};
use crate::engine::driver::{Asked, Driver};
use crate::engine::error::Result;
use crate::engine::ports::{Host, Tabs, Transport};
use crate::protocol::limits::MAX_CHECK_EXCEPT;
use crate::store::Store;
use futures_util::future::{Either, select};
use std::rc::Rc;

/// After so many rounds without a result there is none.
const MAX_ROUNDS: usize = 5;
/// How long pushing and pulling may take, in milliseconds.
const MAX_SYNC_MS: u64 = 60_000;
/// How long a round that came to nothing is followed by nothing, in milliseconds.
const PAUSE_MS: u64 = 500;
/// The longest pause, whatever the server asks for, in milliseconds.
const MAX_PAUSE_MS: u64 = 10_000;

/// What a round came to.
enum Round {
    /// Nothing, because something moved; the next one begins after so many milliseconds.
    Moved(u64),
    /// This.
    Found(Check),
}

impl<S: Store, H: Host, T: Transport, B: Tabs> Session<S, H, T, B> {
    /// Compares what this device holds with what the server does. Nothing is changed on either side beyond the pushing and
    /// pulling that comes before; what is found to differ is mended by [`Session::resync`].
    pub async fn check(self: &Rc<Self>) -> Result<Check> {
        let driver = self.driver.as_ref().filter(|_| self.wanted.get()).ok_or_else(not_running)?;
        let mut before: Option<Check> = None;
        for _ in 0..MAX_ROUNDS {
            let limit = self.engine.host().sleep(MAX_SYNC_MS);
            match select(Box::pin(self.sync_now()), limit).await {
                Either::Left((synced, _)) => synced?,
                // Somebody writes faster than it is sent.
                Either::Right(_) => break,
            }
            match self.compare(driver).await? {
                Round::Found(check) if check.state != CheckState::Different => return Ok(check),
                // Of two rounds, each with what was pushed and pulled before it.
                Round::Found(check) if before.as_ref() == Some(&check) => return Ok(check),
                Round::Found(check) => before = Some(check),
                Round::Moved(pause) => self.engine.host().sleep(pause).await,
            }
        }
        Ok(Check::unsaid(CheckState::Moving, before.map_or(0, |check| check.left_out)))
    }

    async fn compare(self: &Rc<Self>, driver: &Rc<Driver<S, H, T>>) -> Result<Round> {
        let local = self.engine.fingerprints().await?;
        if local.left_out() > MAX_CHECK_EXCEPT {
            return Ok(Round::Found(Check::unsaid(CheckState::Waiting, local.left_out())));
        }
        let Some(cursor) = local.cursor() else { return Ok(Round::Moved(PAUSE_MS)) };
        let answer = match driver.ask_fingerprints(&local, cursor).await? {
            Asked::Again(pause) => return Ok(Round::Moved(pause.unwrap_or(PAUSE_MS).clamp(PAUSE_MS, MAX_PAUSE_MS))),
            Asked::Answer(answer) => answer,
        };
        let check = Check::of(&local, &answer);
        if check.state == CheckState::Different && !self.engine.has_stayed(&local).await? {
            return Ok(Round::Moved(PAUSE_MS));
        }
        Ok(Round::Found(check))
    }
}
