//! The first thing that a pull from the beginning reads is the user's keyring, so that no value is sealed under an older
//! key only because the newest was not known yet.

use super::Driver;
use super::by_time::nothing_said;
use crate::engine::error::Kind;
use crate::engine::ports::{Host, Transport};
use crate::engine::progress;
use crate::model::ClientId;
use crate::protocol::limits::MAX_PAGE;
use crate::protocol::machine::{Input, Pages};
use crate::protocol::reply::pull_answer;
use crate::protocol::wire::{PROTOCOL, PullRequest};
use crate::store::Store;
use std::rc::Rc;

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// Stores the clock's offset and stamps anew what was never sent. What is sealed may lie under an older key than the one
    /// that is here, which opens it once the keyring is known: where it takes a key, that is read, and the time asked again.
    pub(super) async fn settle_clock(self: &Rc<Self>, offset: i64, server_ms: u64) -> Input {
        let run = self.run.get();
        let Err(error) = self.engine.settle_clock(offset, server_ms).await else { return Input::ClockSettled };
        let needs_key = error.kind() == Kind::VaultLocked && !self.engine.is_locked();
        let (true, Ok(client_id)) = (needs_key && self.run.get() == run, self.client_id()) else {
            return super::storage_failed(&error);
        };
        match self.pull_keyring(&client_id).await {
            Ok(true) => Input::ClockUnknown,
            Ok(false) => super::storage_failed(&error),
            Err(failed) => failed,
        }
    }

    /// Reads the keyring; whether it had anything new, or what came of it where that did not succeed. It leaves no cursor behind.
    pub(super) async fn pull_keyring(self: &Rc<Self>, client_id: &ClientId) -> Result<bool, Input> {
        let Some(keyring) = self.engine.config().keyring() else { return Ok(false) };
        let failed = |error| super::storage_failed(&error);
        let (mut cursor, run, mut is_new) = (None, self.run.get(), false);
        let mut pages = Pages::default();
        loop {
            pages.ask(cursor.as_deref());
            let by_time = progress::current(&self.engine).await.map_err(failed)?.by_time;
            let request = PullRequest {
                protocol: PROTOCOL,
                client_id: client_id.clone(),
                personal_space_id: self.engine.config().personal_space().cloned(),
                cursor,
                receipt: None,
                apps: [keyring.clone()].into_iter().collect(),
                limit: MAX_PAGE,
            };
            let reply = self.ask_page(request, by_time).await;
            if self.speaks_otherwise(by_time, &reply).await.map_err(failed)? {
                cursor = None;
                continue;
            }
            // Where it was stopped meanwhile, nothing changes any more.
            let answer = pull_answer(reply.clone()).ok().filter(|_| self.run.get() == run);
            let answer = answer.ok_or(Input::Pulled(reply))?;
            is_new |= self.engine.learn_keys(&answer.changes).await.map_err(failed)?;
            if !answer.has_more {
                return Ok(is_new);
            }
            if pages.was_at(&answer.cursor) {
                // They lead in a circle: it is asked again later.
                return Err(Input::Pulled(Ok(nothing_said())));
            }
            cursor = Some(answer.cursor);
        }
    }
}
