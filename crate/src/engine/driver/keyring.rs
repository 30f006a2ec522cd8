//! The first thing that a pull from the beginning reads is the user's keyring, so that no value is sealed under an older
//! key only because the newest was not known yet.

use super::Driver;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::{Host, Transport};
use crate::model::ClientId;
use crate::protocol::limits::MAX_PAGE;
use crate::protocol::machine::Input;
use crate::protocol::reply::pull_answer;
use crate::protocol::wire::{PROTOCOL, PullRequest};
use crate::store::Store;
use std::rc::Rc;

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// Stores the clock's offset and stamps anew what was never sent. What is sealed may lie under an older key than the one
    /// that is here, which opens it once the keyring is known: so that is read where it takes a key.
    pub(super) async fn settle_clock(self: &Rc<Self>, offset: i64, server_ms: u64) -> Result<()> {
        let settled = self.engine.settle_clock(offset, server_ms).await;
        let needs_key = |error: &Error| error.kind() == Kind::VaultLocked && !self.engine.is_locked();
        let (true, Ok(client_id)) = (settled.as_ref().is_err_and(needs_key), self.client_id()) else { return settled };
        let mut failed = self.pull_keyring(&client_id).await;
        if matches!(&failed, Some(Input::Pulled(Ok(answer))) if answer.status == 401) {
            self.get_token(true).await;
            failed = self.pull_keyring(&client_id).await;
        }
        if failed.is_none() { self.engine.settle_clock(offset, server_ms).await } else { settled }
    }

    /// Reads the keyring; what came of it where that did not succeed. It leaves no cursor behind.
    pub(super) async fn pull_keyring(self: &Rc<Self>, client_id: &ClientId) -> Option<Input> {
        let apps = [self.engine.config().keyring()?];
        let (mut cursor, run) = (None, self.run.get());
        loop {
            let request = PullRequest {
                protocol: PROTOCOL,
                client_id: client_id.clone(),
                personal_space_id: self.engine.config().personal_space().cloned(),
                cursor,
                receipt: None,
                apps: apps.iter().cloned().collect(),
                limit: MAX_PAGE,
            };
            let reply = self.post("/v2/pull", request.into()).await;
            let Ok(answer) = pull_answer(reply.clone()) else { return Some(Input::Pulled(reply)) };
            if self.run.get() != run {
                // Stopped meanwhile.
                return Some(Input::Pulled(reply));
            }
            if let Err(error) = self.engine.learn_keys(&answer.changes).await {
                return Some(super::storage_failed(&error));
            }
            if !answer.has_more {
                return None;
            }
            cursor = Some(answer.cursor);
        }
    }
}
