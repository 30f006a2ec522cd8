//! Erasure: everything of one person or one space leaves the log.
//!
//! Stream by stream, each in one transaction: where it is broken off, asking again goes on. A stream that lost rows gets a
//! horizon behind all it ever had, so every cursor into it ends with `retention` and the devices read it from its beginning. What
//! others wrote in it moves behind the horizon, in its order: a device that reads it anew in pages never stands before it.

use super::{Collection, LogError, News, StreamId};
use mana_sync_engine::model::{SpaceId, UserId};
use std::collections::BTreeSet;

/// Whose rows are erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// All of a person: their own stream, and in shared spaces what they wrote.
    User(UserId),
    /// All of a space, whoever wrote it. What lies in a person's own space goes with the person.
    Space(SpaceId),
}

/// A store that erases.
pub trait Erase: Sync {
    /// The streams in which there is something to erase.
    fn streams_of(&self, whose: &Erasure) -> impl Future<Output = Result<BTreeSet<StreamId>, LogError>> + Send;

    /// Erases in one stream, in one transaction: all of it, or what is this person's. Gives the tables that lost rows.
    fn erase_in(
        &self,
        stream: &StreamId,
        only: Option<&UserId>,
    ) -> impl Future<Output = Result<BTreeSet<Collection>, LogError>> + Send;

    /// Forgets what is kept beside the streams: which space is the person's own, what was withheld, and rows that could not
    /// be carried over. Called last: nothing of what was erased is left in any file of the store's afterwards.
    fn forget(&self, whose: &Erasure) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// Erases everything; `tell` hears of each stream as soon as it is done. Where nothing is left, nothing is done.
pub async fn erase<E: Erase>(store: &E, whose: &Erasure, tell: impl Fn(&News) + Send) -> Result<(), LogError> {
    for stream in store.streams_of(whose).await? {
        let tables = match whose {
            Erasure::User(user) if stream != StreamId::User(user.clone()) => {
                store.erase_in(&stream, Some(user)).await?
            }
            Erasure::User(_) | Erasure::Space(_) => store.erase_in(&stream, None).await?,
        };
        if !tables.is_empty() {
            tell(&News::from([(stream, tables)]));
        }
    }
    store.forget(whose).await
}
