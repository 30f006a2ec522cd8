//! What the status says of apps that are pulled for the first time.

use super::Driver;
use crate::engine::apps::Apps;
use crate::engine::ports::{Host, Transport};
use crate::engine::status::AppProgress;
use crate::protocol::wire::PullProgress;
use crate::store::Store;

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// Shows how far the apps are that are not here yet; what the server does not tell stays as it was told last.
    pub(super) fn show_filling(&self, apps: &Apps, told: Option<&PullProgress>) {
        let mut status = self.status();
        let known = std::mem::take(&mut status.progress);
        for app in apps.filling(&self.engine.config()) {
            let before = || known.iter().find(|one| one.app == app).cloned();
            let shown = match told {
                Some(told) => AppProgress { done: told.of(&app), total: Some(told.total), app },
                None => before().unwrap_or(AppProgress { app, done: 0, total: None }),
            };
            status.progress.push(shown);
        }
        self.show(status);
    }

    /// A page was applied: after the last one, everything that it named is here.
    pub(super) fn show_filled(&self, more: bool, told: Option<&PullProgress>) {
        if more {
            let apps = self.asked.borrow().apps.clone();
            self.show_filling(&apps, told);
        } else {
            self.show_filling(&Apps::default(), None);
        }
    }
}
