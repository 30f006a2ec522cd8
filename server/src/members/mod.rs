//! Memberships: which spaces a person is in, as some other service knows it.

mod recent;
mod service;

pub use recent::Recent;
pub use service::MembershipService;

use mana_sync_engine::model::{Space, SpaceId, Stamp, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

/// A person's spaces.
#[derive(Debug, Clone)]
pub struct SpaceList {
    /// The spaces, each with its kind where the service says it, and the person's role.
    pub spaces: Vec<Space>,
    /// When the service was asked.
    pub as_of: Stamp,
}

impl SpaceList {
    /// The ids of those that are not the person's own.
    #[must_use]
    pub fn shared(&self) -> BTreeSet<SpaceId> {
        self.spaces.iter().filter(|space| !space.is_personal()).map(|space| space.id.clone()).collect()
    }
}

/// Memberships cannot be looked up; nothing may be concluded from that. The text is for the server's log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("memberships are unavailable: {0}")]
pub struct Unavailable(pub String);

/// What an implementation's look-up gives.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Result<SpaceList, Unavailable>> + Send + 'a>>;

/// A source of memberships. It never answers with an empty list because it failed.
pub trait Memberships: Send + Sync {
    /// The spaces this person is a member of now.
    fn spaces_of<'a>(&'a self, user: &'a UserId) -> Lookup<'a>;

    /// The spaces this person was a member of within the last half minute. Enough to let them do something; never
    /// enough to refuse it.
    fn recent_spaces_of<'a>(&'a self, user: &'a UserId) -> Lookup<'a> {
        self.spaces_of(user)
    }

    /// These people's memberships changed: what was known of them is not used any more.
    fn forget(&self, _users: &[UserId]) {}
}

/// Those of these people's spaces that are personal, each with its owner.
pub async fn personal_spaces(
    memberships: &impl Memberships,
    people: &[UserId],
) -> Result<BTreeMap<SpaceId, UserId>, Unavailable> {
    let mut personal = BTreeMap::new();
    for user in people {
        let spaces = memberships.spaces_of(user).await?.spaces;
        let own = spaces.into_iter().filter(|space| space.is_personal() && space.role.as_deref() == Some("owner"));
        personal.extend(own.map(|space| (space.id, user.clone())));
    }
    Ok(personal)
}
