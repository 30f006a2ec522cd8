//! What the cases of a store are made of: streams, callers, and rows written and read without the rules.

use super::fixtures::NOW;
use crate::log::{
    Caller, ChangeLog, Collection, ContentHash, Head, LogError, LogRow, RecordKey, Rows, Snapshot, Span, StreamId, Tag,
    Transaction,
};
use mana_sync_engine::model::{Change, ClientId, Space, Stamp, UserId, Visibility};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn stream(text: &str) -> StreamId {
    StreamId::try_from(text.to_owned()).unwrap()
}

pub(super) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(super) fn tables(names: &[&str]) -> BTreeSet<Collection> {
    names.iter().map(|name| Collection::try_from(format!("todo/{name}")).unwrap()).collect()
}

/// Somebody who may read and write these streams.
pub(super) fn caller<'a>(name: &str, streams: impl IntoIterator<Item = &'a StreamId>) -> Caller {
    let space = |stream: &StreamId| match stream {
        StreamId::User(_) => None,
        StreamId::Space(id) => Some(Space { id: id.clone(), kind: Some("club".into()), role: Some("member".into()) }),
    };
    Caller { user: user(name), spaces: streams.into_iter().filter_map(space).collect() }
}

/// A row in the space that its stream is of.
///
/// # Panics
/// When a name or the change is malformed.
#[must_use]
pub fn row(place: &str, pos: u64, author: &str, change: Value) -> LogRow {
    let stream = stream(place);
    let space_id = caller(author, [&stream]).spaces.pop().map(|space| space.id);
    let change = Change { user_id: Some(user(author)), space_id, group: None, ..Change::parse(change).unwrap() };
    LogRow {
        stream,
        pos,
        tag: Tag([u8::try_from(pos % 251).unwrap(); 8]),
        hash: ContentHash::of(&change),
        user: user(author),
        client_id: ClientId::parse("install.session").unwrap(),
        created_at: Stamp::parse(NOW).unwrap(),
        change,
    }
}

/// Writes rows of one person.
pub(super) async fn write<L: ChangeLog>(
    log: &L,
    rows: &[LogRow],
    heads: &BTreeMap<RecordKey, Head>,
) -> Result<(), LogError> {
    let streams: BTreeSet<StreamId> = rows.iter().map(|row| row.stream.clone()).collect();
    let mut transaction = log.transaction(&caller(rows[0].user.as_str(), &streams)).await?;
    transaction.lock(&streams).await?;
    transaction.append(rows).await?;
    transaction.put_heads(heads).await?;
    transaction.commit().await
}

pub(super) async fn read<L: ChangeLog>(log: &L, place: &str, reader: &str) -> Vec<Change> {
    let found = span(log, place, (0, 1000), (&["tasks", "tags"], reader), (1000, usize::MAX)).await;
    assert!(found.complete);
    found.rows.into_iter().map(|row| row.change).collect()
}

pub(super) async fn span<L: ChangeLog>(
    log: &L,
    place: &str,
    (after, through): (u64, u64),
    (names, reader): (&[&str], &str),
    (limit, max_bytes): (usize, usize),
) -> Rows {
    let (stream, collections) = (stream(place), tables(names));
    let caller = caller(reader, [&stream]);
    let reader = &caller.user;
    let span = Span { stream: &stream, after, through, collections: &collections, reader, limit, max_bytes };
    log.snapshot(&caller).await.unwrap().rows(&span).await.unwrap()
}

pub(super) fn positions(rows: &Rows) -> Vec<u64> {
    rows.rows.iter().map(|row| row.pos).collect()
}

pub(super) fn none() -> BTreeMap<RecordKey, Head> {
    BTreeMap::new()
}

pub(super) fn head(author: &str, visibility: Visibility) -> Head {
    Head { author: Some(user(author)), author_at: None, visibility, visibility_at: None, deletion: None }
}
