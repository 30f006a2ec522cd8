//! Apps that are pulled only once somebody asks for them, from any tab: the wish goes through the database, where the tab
//! that leads finds it with its next pull.

use super::Session;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::message::Message;
use crate::engine::ports::{Host, Tabs, Transport};
use crate::engine::status::{State, Status};
use crate::store::Store;
use serde_json::json;
use std::rc::Rc;

impl<S: Store, H: Host, T: Transport, B: Tabs> Session<S, H, T, B> {
    /// Asks for an app and resolves when all of it was pulled once, at once where it was. Where that fails, the app stays
    /// asked for, and is pulled as soon as that is possible.
    pub async fn ensure(self: &Rc<Self>, app: &str) -> Result<()> {
        if !self.engine.config().apps().iter().any(|known| known == app) {
            let message = format!("there is no app {app} with tables that sync: name it under apps");
            return Err(Error::new(Kind::UnknownApp, message).with(json!({ "app": app })));
        }
        if self.engine.ask_for(app).await? {
            return Ok(());
        }
        loop {
            let before = self.status();
            let round = self.sync_now().await;
            if self.engine.is_here(app).await? {
                return Ok(());
            }
            match round {
                // A tab that leads has longer to do than another one waits for its answer.
                Err(_) if goes_on(&before, &self.status()) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let message = format!("the tab that syncs does not know the app {app}: reload that tab");
                    return Err(Error::new(Kind::SyncFailed, message).with(json!({ "app": app })));
                }
            }
        }
    }

    /// A query has used an app: it is asked for, and nobody waits.
    pub(super) fn ask_for(self: &Rc<Self>, app: String) {
        let session = Rc::clone(self);
        self.engine.host().spawn(Box::pin(async move {
            if session.engine.ask_for(&app).await.is_err() {
                return session.engine.forget_use(app);
            }
            match session.running() {
                Some(driver) => driver.nudge(),
                None => session.post(Message::AppAsked),
            }
        }));
    }
}

/// Whether the first pull has come further and was not given up.
fn goes_on(before: &Status, now: &Status) -> bool {
    now.state == State::Syncing && now.progress != before.progress
}
