//! What people must be told: a value of theirs that lost to one whose writer had not seen it.

use super::log_rows::stamp;
use super::{Books, Ledger, WriteId, Written};
use crate::executor::Owner;
use crate::model::held;
use crate::place::{Place, Record};
use crate::sealed::opened;
use mana_sync_engine::engine::Conflict;
use mana_sync_engine::store::JsonRow;
use serde_json::Value;
use std::collections::BTreeSet;

/// A person's value that lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// The device it was written on.
    pub device: usize,
    /// The tab in which that happened.
    pub owner: Owner,
    /// The value.
    pub local: WriteId,
    /// What took its place.
    pub incoming: WriteId,
}

impl Books {
    /// A stored value gave way: a loss, where a person here wrote it and whoever wrote what beat it had not seen it. Without word of what it replaced, an incoming value is one only against what was never sent.
    pub(super) fn note_loss(&mut self, (device, owner): (usize, Owner), place: Place, old: &JsonRow, hydrating: bool) {
        let origin = old.object("__fieldMeta").and_then(|meta| meta.object(place.name())?.str("origin"));
        if origin != Some("user") || hydrating {
            return;
        }
        let Some(at) = place.stamp(old) else { return };
        let Some(local) = self.find(place, stamp(at), &held(place, old)) else { return };
        let Some(winner) = self.first_to_beat(local) else { return };
        let differs = self.writes[winner].value != self.writes[local].value;
        if differs && self.writes[winner].pushed_prev.is_some() && !self.may_have_seen(winner, local) {
            self.count("a person's value lost");
            self.losses.push(Loss { device, owner, local, incoming: winner });
        }
    }
}

impl Books {
    /// The first value the server took that beats `local`: changes come in the server's order, so this is what took its
    /// place, whatever else the same page brought.
    fn first_to_beat(&self, local: WriteId) -> Option<WriteId> {
        let place = self.writes[local].place;
        let same = (0..self.writes.len()).filter(|id| self.writes[*id].place == place && self.beats(*id, local));
        same.filter_map(|id| Some((self.writes[id].received?, id))).min().map(|(_, id)| id)
    }
}

impl Books {
    /// Whether something its maker had seen, and that beats `local` too, reached the server after `winner`: a change that
    /// was returned comes after its successors, and they say that they had seen it. Or it never came by itself, since it was
    /// merged with a later one before it went out again.
    fn came_out_of_order(&self, winner: WriteId, local: WriteId) -> bool {
        let Written { received, pushed_prev, .. } = &self.writes[winner];
        let is_later = |id: WriteId| match self.writes[id].received {
            Some(came) => Some(came) > *received,
            None => Some(self.writes[id].at) == *pushed_prev,
        };
        self.search(winner, |id| id != winner && self.beats(id, local) && is_later(id), |_| true)
    }
}

impl Ledger {
    /// Every conflict told is true, and every loss was told, once, unless its tab died in that moment. `strict`: no
    /// database was lost and no power was cut, so what devices had seen is known.
    pub fn check_conflicts(&self, told: &[(usize, Owner, Conflict)], dead: &BTreeSet<Owner>, strict: bool) {
        let books = self.0.borrow();
        let mut heard = BTreeSet::new();
        // Who may see a record is not the ledger's matter, nor are the records of other programs.
        let is_ours =
            |conflict: &Conflict| conflict.field != "visibility" && Record::of(&conflict.table, &conflict.id).is_some();
        for (device, _, conflict) in told.iter().filter(|(_, _, conflict)| is_ours(conflict)) {
            let (local, incoming) = books.named(conflict);
            assert!(
                !books.had_surely_seen(incoming, local) || !strict,
                "device {device} was told of no conflict: {conflict:?}"
            );
            let order = (books.writes[incoming].at, &books.writes[incoming].value);
            assert!(order.0 >= books.writes[local].at, "what is told as lost did lose: {conflict:?}");
            assert!(heard.insert((*device, local, incoming)) || !strict, "told twice: {conflict:?}");
        }
        let locals: BTreeSet<(usize, WriteId)> = heard.iter().map(|(device, local, _)| (*device, *local)).collect();
        for loss in books.losses.iter().filter(|loss| !books.came_out_of_order(loss.incoming, loss.local)) {
            let known = locals.contains(&(loss.device, books.resolve(loss.local))) || dead.contains(&loss.owner);
            let (local, incoming) = (&books.writes[loss.local], &books.writes[loss.incoming]);
            // To merging, what two devices sealed in one moment are two values: the tie is what gives way to the later one.
            let known = known || local.is_sealed_twice();
            assert!(known || !strict, "device {} was never told that {local:?} lost to {incoming:?}", loss.device);
        }
    }
}

impl Books {
    fn named(&self, conflict: &Conflict) -> (WriteId, WriteId) {
        let record = Record::of(&conflict.table, &conflict.id).expect("a record of the schedule");
        let place = record.field(&conflict.field).expect("a field of the schedule");
        let find = |side: &mana_sync_engine::engine::Side| {
            let at = stamp(&side.at);
            let sealed = side.sealed.as_ref().map(|text| opened(place, at, &Value::from(text.as_str())));
            let value = sealed.as_ref().unwrap_or(&side.value);
            let former = self.former.get(&super::key(place, at, value)).copied();
            let found = self.find(place, at, value).or(former);
            self.resolve(found.unwrap_or_else(|| panic!("{place}: {side:?} is told of and nobody wrote it")))
        };
        (find(&conflict.local), find(&conflict.incoming))
    }
}
