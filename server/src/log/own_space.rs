//! Which space is a person's own, where memberships do not say what kind a space is.
//!
//! The app knows it and says it with a push or a pull (`personalSpaceId`). It is believed once: of a space that its sender owns
//! and nobody else has written in. Changes that lie there already go to the person's own stream.

use super::{Caller, ChangeLog, LogError, SyncLog};
use mana_sync_engine::model::SpaceId;

/// A store that keeps whose own a space turned out to be.
pub trait OwnSpaces: ChangeLog {
    /// The space that is kept as this person's own.
    fn own_space(&self, caller: &Caller) -> impl Future<Output = Result<Option<SpaceId>, LogError>> + Send;

    /// Makes a space the caller's own, for ever, in one transaction: the rows and heads of its stream go to their own stream, at
    /// new positions and under the space's alias, and a writer who did not know it yet and locks the space's stream afterwards is told that the
    /// log is busy. Says no, and changes nothing, where the person has another one, the space is somebody else's, or somebody else has
    /// written in it.
    fn make_own(&self, caller: &Caller, space: &SpaceId) -> impl Future<Output = Result<bool, LogError>> + Send;
}

impl<L: OwnSpaces> SyncLog<L> {
    /// The caller with the space that is kept as their own marked as such. Nothing is asked where memberships say the kinds.
    pub async fn knowing_own_space(&self, caller: Caller) -> Result<Caller, LogError> {
        if !caller.spaces.iter().any(|space| caller.may_be_own(&space.id)) {
            return Ok(caller);
        }
        let own = self.log.own_space(&caller).await?;
        Ok(match own {
            Some(space) => caller.with_own_space(&space),
            None => caller,
        })
    }

    /// Hears that the app calls a space the caller's own.
    pub async fn hear_of_own_space(&self, caller: &Caller, named: &SpaceId) -> Result<(), LogError> {
        if caller.may_be_own(named) && self.log.own_space(caller).await?.is_none() {
            self.log.make_own(caller, named).await?;
        }
        Ok(())
    }
}
