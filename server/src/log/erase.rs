//! Erasure: everything of one person or one space leaves the log.
//!
//! Stream by stream, each in one transaction: where it is broken off, asking again goes on. A stream that lost rows gets a
//! horizon behind all it ever had, so every cursor into it ends with `retention` and the devices read it from its beginning. What
//! others wrote in it moves behind the horizon, in its order: a device that reads it anew in pages never stands before it.

use super::columns::bytes;
use super::{Collection, LogError, News, StreamId};
use mana_sync_engine::model::{SpaceId, UserId};
use std::collections::BTreeSet;

/// Statements of erasure that both databases take. Which rows of a stream ($1) go: all of them, or what a person ($2) wrote.
/// What others wrote before a record became this person's alone was everybody's, and is again.
macro_rules! doomed {
    () => {
        "stream = $1 AND (CAST($2 AS text) IS NULL OR user_id = $2)"
    };
}

pub(super) const STREAMS: &str = "SELECT DISTINCT stream FROM sync_changes WHERE user_id = $1";

pub(super) const TABLES: &str = concat!("SELECT DISTINCT app_id, table_name FROM sync_changes WHERE ", doomed!());

pub(super) const DISCHARGE: &str = concat!(
    "UPDATE sync_usage AS u SET bytes = CASE WHEN u.bytes > gone.bytes THEN u.bytes - gone.bytes ELSE 0 END
  FROM (SELECT user_id, sum(",
    bytes!(),
    ") AS bytes FROM sync_changes WHERE ",
    doomed!(),
    " GROUP BY user_id) AS gone WHERE u.user_id = gone.user_id"
);

pub(super) const DELETE: &str = concat!("DELETE FROM sync_changes WHERE ", doomed!());

pub(super) const DELETE_HEADS: &str =
    "DELETE FROM sync_records WHERE stream = $1 AND (app_id, table_name, record_id) NOT IN (
    SELECT app_id, table_name, record_id FROM sync_changes WHERE stream = $1)";

pub(super) const UNNAME: &str =
    "UPDATE sync_records SET author = NULL, author_at = NULL, visibility = 'space', visibility_at = NULL
  WHERE stream = $1 AND author = $2";

pub(super) const FORGET_USAGE: &str = "DELETE FROM sync_usage WHERE bytes = 0";

/// What is forgotten of a person ($1) beside the streams.
pub(super) const FORGET_USER: [&str; 4] = [
    "DELETE FROM own_spaces WHERE user_id = $1",
    "DELETE FROM sync_members WHERE user_id = $1",
    "DELETE FROM sync_withheld WHERE user_id = $1",
    "DELETE FROM sync_usage WHERE user_id = $1",
];

/// The same of a space ($1). That there was such a space stays, of which servers go out that have noted its members.
pub(super) const FORGET_SPACE: [&str; 3] = [
    "UPDATE sync_members SET user_id = NULL WHERE space_id = $1",
    "UPDATE sync_usage AS u SET bytes = CASE WHEN u.bytes > gone.bytes THEN u.bytes - gone.bytes ELSE 0 END
  FROM (SELECT user_id, sum(octet_length(change) + 256) AS bytes FROM sync_withheld WHERE space_id = $1 GROUP BY user_id) AS gone
  WHERE u.user_id = gone.user_id",
    "DELETE FROM sync_withheld WHERE space_id = $1",
];

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
    /// The names of the streams in which this person has written.
    fn written_by(&self, user: &UserId) -> impl Future<Output = Result<Vec<String>, LogError>> + Send;

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

/// The streams in which there is something to erase.
async fn streams_of<E: Erase>(store: &E, whose: &Erasure) -> Result<BTreeSet<StreamId>, LogError> {
    let user = match whose {
        Erasure::Space(space) => return Ok(BTreeSet::from([StreamId::Space(space.clone())])),
        Erasure::User(user) => user,
    };
    let written = store.written_by(user).await?.into_iter().map(|stream| Ok(StreamId::try_from(stream)?));
    written.chain([Ok(StreamId::User(user.clone()))]).collect()
}

/// Erases everything; `tell` hears of each stream as soon as it is done. Where nothing is left, nothing is done.
pub async fn erase<E: Erase>(store: &E, whose: &Erasure, tell: impl Fn(&News) + Send) -> Result<(), LogError> {
    for stream in streams_of(store, whose).await? {
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
