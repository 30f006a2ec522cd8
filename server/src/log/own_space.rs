//! Which space is a person's own, where memberships do not say what kind a space is.
//!
//! The app knows it and says it with a push or a pull (`personalSpaceId`). It is believed once: of a space that its sender owns,
//! in which nobody else has written, and in whose list of members nobody else was seen. Changes that lie there already go to the
//! person's own stream.
//!
//! Whoever comes with such a space among theirs is noted as a member of it, before anything else is done for them: so none that
//! somebody already knows becomes another person's own. Where it is too late for that, the space is none of theirs.

use super::{Caller, ChangeLog, LogError, SyncLog};
use crate::lock::hold;
use mana_sync_engine::model::{SpaceId, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

/// How a space of which nobody says the kind stands, for one of its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody else was seen in it. It may become this person's own, or is already.
    Alone,
    /// Several people were seen in it: it becomes nobody's own.
    Shared,
    /// It is kept as somebody else's own.
    Foreign,
}

/// A store that keeps whose own a space turned out to be.
pub trait OwnSpaces: ChangeLog {
    /// The space that is kept as this person's own.
    fn own_space(&self, caller: &Caller) -> impl Future<Output = Result<Option<SpaceId>, LogError>> + Send;

    /// Notes durably that the caller is a member of these spaces, and says how each of them stands. From then on, one that was
    /// not [`Standing::Foreign`] becomes nobody else's own, whichever server is asked.
    fn note_member(
        &self,
        caller: &Caller,
        spaces: &BTreeSet<SpaceId>,
    ) -> impl Future<Output = Result<BTreeMap<SpaceId, Standing>, LogError>> + Send;

    /// Makes a space the caller's own, for ever, in one transaction: the rows and heads of its stream go to their own stream, at
    /// new positions and under the space's alias, and a writer who did not know it yet and locks the space's stream afterwards is told that the
    /// log is busy. Says no, and changes nothing, where the person has another one, the space is somebody else's, or somebody else has
    /// written in it or was noted as a member of it.
    fn make_own(&self, caller: &Caller, space: &SpaceId) -> impl Future<Output = Result<bool, LogError>> + Send;
}

/// How many spaces are remembered as noted. Were there more, all would be noted again, which changes nothing.
const MOST_NOTED: usize = 100_000;

/// Which members this server has noted already: of each space the only one, or that there are several.
#[derive(Default)]
pub(super) struct Noted(Mutex<HashMap<SpaceId, Option<UserId>>>);

impl Noted {
    /// The caller's spaces without a kind that they are to be noted in.
    fn missing(&self, caller: &Caller) -> BTreeSet<SpaceId> {
        let noted = hold(&self.0);
        let is_noted =
            |space| noted.get(space).is_some_and(|only| only.as_ref().is_none_or(|user| *user == caller.user));
        let open = caller.spaces.iter().filter(|space| space.kind.is_none());
        open.map(|space| &space.id).filter(|space| !is_noted(space)).cloned().collect()
    }

    /// Whether several people were seen in a space.
    fn is_shared(&self, space: &SpaceId) -> bool {
        hold(&self.0).get(space).is_some_and(Option::is_none)
    }

    /// What is somebody else's own is asked for again each time: that ends when its owner is erased.
    fn keep(&self, user: &UserId, standings: &BTreeMap<SpaceId, Standing>) {
        let mut noted = hold(&self.0);
        if noted.len() + standings.len() > MOST_NOTED {
            noted.clear();
        }
        for (space, standing) in standings {
            match standing {
                Standing::Alone => drop(noted.insert(space.clone(), Some(user.clone()))),
                Standing::Shared => drop(noted.insert(space.clone(), None)),
                Standing::Foreign => {}
            }
        }
    }
}

impl<L: OwnSpaces> SyncLog<L> {
    /// The caller as the log has them: noted as a member of their spaces, without those that are kept as somebody else's own, and with
    /// the one that is kept as their own marked as such. Nothing is asked where memberships say the kinds.
    pub async fn knowing_own_space(&self, caller: Caller) -> Result<Caller, LogError> {
        let caller = self.noted_member(caller).await?;
        if !caller.spaces.iter().any(|space| caller.may_be_own(&space.id)) {
            return Ok(caller);
        }
        let own = self.log.own_space(&caller).await?;
        Ok(match own {
            Some(space) => caller.with_own_space(&space),
            None => caller,
        })
    }

    async fn noted_member(&self, mut caller: Caller) -> Result<Caller, LogError> {
        let missing = self.noted.missing(&caller);
        if missing.is_empty() {
            return Ok(caller);
        }
        let standings = self.log.note_member(&caller, &missing).await?;
        self.noted.keep(&caller.user, &standings);
        caller.spaces.retain(|space| standings.get(&space.id) != Some(&Standing::Foreign));
        Ok(caller)
    }

    /// Hears that the app calls a space the caller's own.
    pub async fn hear_of_own_space(&self, caller: &Caller, named: &SpaceId) -> Result<(), LogError> {
        let may_be = caller.may_be_own(named) && !self.noted.is_shared(named);
        if may_be && self.log.own_space(caller).await?.is_none() {
            self.log.make_own(caller, named).await?;
        }
        Ok(())
    }
}
