//! Memberships: which spaces a person is in, as some other service knows it.

use mana_sync_engine::model::{Space, Stamp, UserId};
use std::pin::Pin;

/// A person's spaces.
#[derive(Debug, Clone)]
pub struct SpaceList {
    /// The spaces, each with its kind where the service says it, and the person's role.
    pub spaces: Vec<Space>,
    /// When the service said so.
    pub as_of: Stamp,
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
}
