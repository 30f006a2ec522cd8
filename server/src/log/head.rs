//! What becomes of a record's head: who its author is, and who sees it.
//!
//! By the clients' merge rule: the server serves a record to those to whom its author's devices show it, in whatever
//! order changes come. Of an author it believes a writer only what that one says of themselves.

use super::admit::{Admitted, Refusal};
use super::{Deletion, Head, StreamId};
use mana_sync_engine::merge::tie_order;
use mana_sync_engine::model::{
    AUTHOR_ID, Change, DELETED_AT, Edit, FieldName, Op, Stamp, UserId, VISIBILITY, Visibility,
};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::Value;
use std::cmp::Ordering;

/// The record's head after this change, and whether the change takes the record away from other readers.
///
/// Visibility changes only by an insert of the author's, which carries the whole record, and only where what it says is
/// newer than what was said before. A private record belongs to its author alone. Where only updates have come so far,
/// the first insert says who the author is.
pub(super) fn next_head(head: Option<&Head>, admitted: &Admitted, user: &UserId) -> Result<(Head, bool), Refusal> {
    let change = &admitted.change;
    let Some(head) = head else { return Ok((first_head(change, user), false)) };
    if head.visibility == Visibility::Private && head.author.as_ref() != Some(user) {
        return Err(Refusal::new(RejectionCode::NotTheAuthor, "the record is private to its author"));
    }
    let differs = head.visibility != change.visibility;
    if differs && change.op != Op::Insert {
        return Err(Refusal::new(RejectionCode::VisibilityMismatch, "the record's visibility is another now"));
    }
    let (author, author_at) = author_after(head, change, user);
    let is_author = author.as_ref() == Some(user);
    if differs && !is_author {
        return Err(Refusal::new(RejectionCode::NotTheAuthor, "only its author changes a record's visibility"));
    }
    let (visibility, visibility_at) = visibility_after(head, change, user, is_author);
    let deletion = newer(head.deletion, deletion_of(change));
    let is_hidden = head.visibility != visibility && visibility == Visibility::Private;
    let withdraws = is_hidden && matches!(admitted.stream, StreamId::Space(_));
    Ok((Head { author, author_at, visibility, visibility_at, deletion }, withdraws))
}

fn first_head(change: &Change, user: &UserId) -> Head {
    let is_insert = change.op == Op::Insert;
    let owns = is_insert || change.visibility == Visibility::Private;
    Head {
        author: owns.then(|| user.clone()),
        author_at: named_at(change, user).filter(|_| is_insert),
        visibility: change.visibility,
        visibility_at: edit(change, VISIBILITY).map(|edit| edit.at).filter(|_| owns),
        deletion: deletion_of(change),
    }
}

/// Of two inserts the earlier gives the author; under one stamp the lower id does. One that names nobody gives an author
/// only to a record without one.
fn author_after(head: &Head, change: &Change, user: &UserId) -> (Option<UserId>, Option<Stamp>) {
    let named = named_at(change, user);
    let is_earlier = match (&head.author, head.author_at, named) {
        _ if change.op != Op::Insert => false,
        (None, ..) | (Some(_), None, Some(_)) => true,
        (Some(_), _, None) => false,
        (Some(author), Some(known), Some(at)) => (at, user.as_str()) < (known, author.as_str()),
    };
    if is_earlier { (Some(user.clone()), named) } else { (head.author.clone(), head.author_at) }
}

/// An insert that gives another author gives who sees the record, too; so does the first insert of all. Otherwise the
/// author's newest word counts.
fn visibility_after(head: &Head, change: &Change, user: &UserId, is_author: bool) -> (Visibility, Option<Stamp>) {
    let said = edit(change, VISIBILITY).map(|edit| edit.at);
    let is_first = head.author.is_none() && change.op == Op::Insert;
    let of_another = head.author_at.is_some() && head.author.as_ref() != Some(user);
    let counts = is_first || said.is_some_and(|at| is_author && (of_another || is_later(head, change.visibility, at)));
    if counts { (change.visibility, said) } else { (head.visibility, head.visibility_at) }
}

fn is_later(head: &Head, visibility: Visibility, at: Stamp) -> bool {
    let value = |visibility: Visibility| Value::from(visibility.as_str());
    match head.visibility_at {
        Some(known) if known == at => tie_order(&value(visibility), &value(head.visibility)) == Ordering::Greater,
        known => Some(at) > known,
    }
}

/// The stamp under which a writer names themselves the author.
fn named_at(change: &Change, user: &UserId) -> Option<Stamp> {
    edit(change, AUTHOR_ID).filter(|edit| edit.value.as_str() == Some(user.as_str())).map(|edit| edit.at)
}

fn deletion_of(change: &Change) -> Option<Deletion> {
    edit(change, DELETED_AT).map(|edit| Deletion { at: edit.at, deleted: edit.value != Value::Null })
}

/// The merge's own rule for one field: the newer stamp, then the greater value (`null` sorts after a date's quote).
fn newer(a: Option<Deletion>, b: Option<Deletion>) -> Option<Deletion> {
    a.into_iter().chain(b).max_by_key(|deletion| (deletion.at, !deletion.deleted))
}

fn edit<'a>(change: &'a Change, name: &str) -> Option<&'a Edit> {
    FieldName::parse(name).ok().and_then(|name| change.fields.get(&name))
}
