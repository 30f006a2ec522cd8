//! Going through what came after a discarded change: in the log, parked, or refused itself.

use super::{Discard, Letter};
use crate::engine::outbox::{Before, LogRow, LoggedChange};
use crate::model::{VISIBILITY, Visibility, sort_by};
use crate::protocol::wire::{Rejection, RejectionCode};
use crate::store::Row;
use serde_json::{Map, Value};

fn is_of(letter: &Letter, row: &LogRow, change: &LoggedChange) -> bool {
    let is_same = change.table() == letter.change.table() && change.id() == letter.change.id();
    is_same && row.app_id == letter.row.app_id && row.seq >= letter.row.seq
}

impl<R: Row> Discard<R> {
    /// Calls `visit` with every later change of a letter's record; one that it says `false` of is taken away.
    pub(super) fn visit(&mut self, letter: &Letter, visit: &mut dyn FnMut(&mut LoggedChange, &LogRow) -> bool) {
        let mut halved = Vec::new();
        let mut rewrite = |row: &mut LogRow| {
            let (before, frame) = (row.changes.clone(), LogRow { changes: Vec::new(), ..row.clone() });
            row.changes.retain_mut(|change| {
                let stays = !is_of(letter, &frame, change) || visit(change, &frame);
                halved.extend(change.0.get("group").filter(|_| !stays).cloned());
                stays
            });
            row.changes != before
        };
        for one in &mut self.log {
            let count = one.kept.changes.len();
            one.is_changed |= rewrite(&mut one.kept);
            if let Some(code) = RejectionCode::of(&letter.code).filter(|_| one.kept.changes.len() < count) {
                self.dropped.0 += count - one.kept.changes.len();
                let (event_id, message) = (letter.key.clone(), letter.message.clone());
                let why = Rejection { event_id, code, message };
                self.dropped.1.extend(one.kept.tickets().map(|seq| (seq, why.clone())));
            }
        }
        for one in &mut self.parked {
            one.is_changed |= rewrite(&mut one.kept.row);
        }
        for one in &mut self.letters {
            let mut row = LogRow { changes: vec![one.kept.change.clone()], ..one.kept.row.clone() };
            one.is_changed |= rewrite(&mut row);
            // Without a change left, the letter goes.
            one.kept.change = row.changes.pop().unwrap_or_else(|| LoggedChange(Map::new()));
        }
        self.ungroup(&halved);
    }

    /// Without its other half, a change is no group any more: what was moved out of a record that goes stays where it is.
    fn ungroup(&mut self, halved: &[Value]) {
        if halved.is_empty() {
            return;
        }
        let ungroup = |changes: &mut [LoggedChange]| {
            let is_half = |change: &LoggedChange| change.0.get("group").is_some_and(|group| halved.contains(group));
            let mut alone = changes.iter_mut().filter(|change| is_half(change)).peekable();
            let any = alone.peek().is_some();
            alone.for_each(|change| drop(change.0.remove("group")));
            any
        };
        for one in &mut self.log {
            one.is_changed |= ungroup(&mut one.kept.changes);
        }
        for one in &mut self.parked {
            one.is_changed |= ungroup(&mut one.kept.row.changes);
        }
        for one in &mut self.letters {
            one.is_changed |= ungroup(std::slice::from_mut(&mut one.kept.change));
        }
    }

    /// The later changes of a letter's record, oldest first.
    pub(super) fn later_of(&mut self, letter: &Letter) -> Vec<(LogRow, LoggedChange)> {
        let mut found = Vec::new();
        self.visit(letter, &mut |change, row| {
            found.push((row.clone(), change.clone()));
            true
        });
        sort_by(&mut found, |(a, _), (b, _)| a.seq.total_cmp(&b.seq));
        found
    }

    /// Where a discarded change had said who sees the record, has what came after it name who does without it: by that it is
    /// sealed. Up to where this device said it anew that is who saw it before, else who sees it `now`, whoever said so, as far
    /// as this device believes it.
    pub(super) fn have_seen_by(&mut self, letter: &Letter, now: Option<Visibility>) {
        let said = |row: &LogRow, change: &LoggedChange| change.stamp_of(VISIBILITY, row.at);
        let Some(at) = said(&letter.row, &letter.change) else { return };
        let later = self.later_of(letter);
        let anew = later.iter().find(|(row, change)| said(row, change).is_some_and(|stamp| stamp > at));
        let until = anew.map(|(row, _)| row.seq);
        let before = match (until, letter.change.before_of(VISIBILITY)) {
            (None, _) => now,
            (Some(_), Before::Was { value, .. }) => value.as_str().map(|text| Visibility::from(text.to_owned())),
            (Some(_), Before::Nothing | Before::Unknown) => None,
        };
        let Some(before) = before else { return };
        self.visit(letter, &mut |change, row| {
            if until.is_none_or(|until| row.seq < until) {
                change.set_visibility(before);
            }
            true
        });
    }
}
