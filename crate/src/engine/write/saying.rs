//! What of a write others are told: a user's writes are logged, a guest's are not, and of an upgrade, which reaches every
//! row of the database, only what the user may say.

use super::Writer;
use crate::engine::config::Upgrading;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::guests::{is_anothers, is_guests};
use crate::engine::ports::Host;
use crate::engine::read::is_private;
use crate::engine::sealing::visibility_of;
use crate::model::{AUTHOR_ID, FIELD_META, SPACE_ID, UPDATED_AT_INDEX, USER_ID, Visibility};
use crate::store::{Row, Store};

/// What becomes of a write besides the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saying {
    /// It is stamped and logged.
    Logged,
    /// It is stamped: what is a guest's is said when it is taken over, an older app's when its adoption ends.
    Stamped,
    /// The record keeps its stamps: the new shape of somebody else's values is no edit of theirs, nor of the user's.
    Silent,
}

impl<S: Store, H: Host> Writer<S, H> {
    /// What a write over `stored` says.
    pub(super) fn saying(&self, stored: Option<&S::Row>) -> Saying {
        let config = self.engine.config();
        let Some(user) = &config.user else { return Saying::Stamped };
        let (Some(phase), Some(row)) = (config.upgrading, stored) else { return Saying::Logged };
        if is_guests(row) || phase == Upgrading::Found {
            return Saying::Stamped;
        }
        let is_authors = row.text(SPACE_ID).is_none() || visibility_of(row) == Visibility::Private;
        if is_authors && row.text(AUTHOR_ID).is_some_and(|author| author != user.id.as_str()) {
            return Saying::Silent;
        }
        match self.access(row) {
            Ok(()) => Saying::Logged,
            Err(error) if error.kind() == Kind::UnknownSpace && phase == Upgrading::Pulling => Saying::Stamped,
            Err(_) => Saying::Silent,
        }
    }

    /// Refuses records that the user may not write; upgrades reach every record.
    pub(super) fn check_access(&self, row: &S::Row) -> Result<()> {
        if self.engine.config().upgrading.is_some() { Ok(()) } else { self.access(row) }
    }

    /// Refuses records of spaces the user may not write to, of other users of this database (a guest is one), and private
    /// ones of other members.
    fn access(&self, row: &S::Row) -> Result<()> {
        let config = self.engine.config();
        // In a record of a space the field is the app's own; what is private there is its author's.
        let space = row.text(SPACE_ID);
        let owner = match &space {
            None => row.text(USER_ID),
            Some(_) => row.text(AUTHOR_ID).filter(|_| is_private(row)),
        };
        if is_anothers(&config, row) {
            let message = "the record is a guest's until it is taken over: call adoptGuestData; nothing was written";
            return Err(Error::new(Kind::OtherUser, message));
        }
        if let Some(owner) = owner.filter(|owner| owner != config.user_id()) {
            let message = format!("the record belongs to {owner}, who is not signed in now; nothing was written");
            return Err(Error::new(Kind::OtherUser, message));
        }
        space.map_or(Ok(()), |space| config.check_writable_space(&space))
    }
}

/// Gives a record the stamps it had before.
pub(super) fn keep_stamps<R: Row>(row: &mut R, stored: &R) {
    for name in [FIELD_META, UPDATED_AT_INDEX] {
        match stored.get(name) {
            Some(value) => row.set(name, value),
            None => row.remove(name),
        }
    }
}
