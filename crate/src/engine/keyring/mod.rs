//! The user's keyring record: older keys sealed under their successors, what was sealed since when, and how often keys
//! were used. It is synced like any record (app `_mana`, table `keyring`, the user's id), and no table of the app's.
//!
//! One field per fact. A fact is never replaced by another of its name, so that nobody takes away what opens older
//! values by writing garbage over it; only counts are, by later ones. Merging never looks at keys.

mod ahead;
mod coming;
mod refresh;
mod reseal;
mod rotate;
mod swept;
mod unite;
mod uses;

pub(super) use coming::{Settled, is_of_keyring, settle, take};
pub use rotate::NewKey;
pub(super) use rotate::Outcome as RotationOutcome;
pub(super) use rotate::{in_progress, under_way};
pub(super) use swept::{brings_work, forget, note_arrivals};
use uses::Uses;

use super::error::Result;
use super::outbox::{LogRow, LoggedChange};
use super::vault::FIRST_GENERATION;
use super::{rebase, rows};
use crate::crypto::{Envelope, KeyId, KeyName, Keyring, KeyringRecord, MasterKey, SealedKey};
use crate::model::{FieldName, OrderedSet, Stamp, UserId, record, words};
use crate::store::Transaction;
use serde_json::{Map, Value, json};

/// The record's app.
pub const APP: &str = "_mana";
/// The record's table.
pub const TABLE: &str = "keyring";
/// Kind of the row that keeps the record's facts, by user.
const FACTS: &str = "keyring";
/// Kind of the row of a rotation under way, by user.
const ROTATION: &str = "rotation";
/// How many facts of one name are kept, where a server shows several.
const MAX_VERSIONS: usize = 8;

record! {
    /// A field of the record.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Fact {
        /// The field.
        pub name: String = "name",
        /// An `enc:2` envelope.
        pub value: String = "value",
        /// The field's stamp.
        pub at: Stamp = "at",
    }
}

record! {
    struct Facts {
        facts: Vec<Fact> = "facts",
    }
}

words! {
    /// How far a rotation is.
    pub enum Phase {
        /// The app is keeping the new key; nobody else knows of it.
        Prepared = "prepared",
        /// It lies in the log.
        Logged = "logged",
        /// Another device's was first.
        Refused = "refused",
    }
}

record! {
    /// A rotation that this device began, until the server has it. It tells nothing to who does not have the new key.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Rotation {
        /// How far it is.
        pub phase: Phase = "phase",
        /// The new key's name.
        pub key: String = "newKey",
        /// The older key, sealed under the new one.
        pub fact: Fact = "fact",
        /// The change's id, which every device's change of this generation has.
        pub event_id: String = "eventId",
    }
}

impl Rotation {
    /// The new key's name.
    fn name(&self) -> Option<KeyName> {
        KeyName::parse(&self.key)
    }
}

/// What is known of a user's keys without having any.
#[derive(Default)]
pub struct Known {
    /// The record's facts.
    facts: Vec<Fact>,
    /// This device's rotation.
    rotation: Option<Rotation>,
    /// How often this device used each key, by its id.
    uses: Vec<(String, Uses)>,
}

impl Known {
    /// Reads it.
    pub async fn read<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Self> {
        let facts = rows::read::<_, Facts>(tx, FACTS, user).await?.map(|row| row.facts).unwrap_or_default();
        Ok(Self { facts, rotation: rows::read(tx, ROTATION, user).await?, uses: uses::read(tx, user).await? })
    }

    /// The name of the newest key that any fact names and that lies under no other. Nobody proves these names: they say when
    /// a key is too old to seal, and never that one may that was given up. Where a former key is called a newer one, the
    /// newest is called a newer one still, so that what lies under the former is sealed anew, and that wins.
    pub fn newest(&self) -> Option<KeyName> {
        let (given_up, greatest) = (self.given_up(), self.sealing().max()?);
        let newest = self.sealing().filter(|name| !given_up.contains(&name.id)).max().unwrap_or(greatest);
        let generation = if newest < greatest { greatest.generation.saturating_add(1) } else { newest.generation };
        Some(KeyName { generation, ..newest })
    }

    /// Whether the key of that id lies under another.
    fn is_given_up(&self, id: KeyId) -> bool {
        self.given_up().contains(&id)
    }

    /// The keys that facts were sealed with, as they say.
    fn sealing(&self) -> impl Iterator<Item = KeyName> {
        self.facts.iter().filter_map(|fact| Envelope::parse(&fact.value)?.key())
    }

    fn given_up(&self) -> OrderedSet<KeyId> {
        self.facts.iter().filter_map(|fact| Some(key_in(&fact.name)?.id)).collect()
    }

    /// The keys that the key leads to, and itself.
    fn opened_by(&self, record: &KeyringRecord, key: MasterKey) -> Keyring {
        let mut ring = Keyring::new();
        ring.insert(FIRST_GENERATION, key);
        self.open_older(record, &mut ring);
        ring
    }

    /// Opens the older keys that the ring leads to.
    fn open_older(&self, record: &KeyringRecord, ring: &mut Keyring) {
        let fields: Vec<(FieldName, &Fact)> =
            self.named("key:").filter_map(|(_, fact)| Some((FieldName::parse(&fact.name).ok()?, fact))).collect();
        let sealed = fields.iter().map(|(field, fact)| SealedKey { field, at: fact.at, text: &fact.value });
        ring.open_keys(record, &sealed.collect::<Vec<_>>());
    }

    /// Whether a rotation to the new key is over: that opens the former one. Nobody who does not have both can tell of that.
    fn is_over(&self, record: &KeyringRecord, new: &MasterKey, former: Option<&MasterKey>) -> bool {
        former.is_some_and(|former| self.opened_by(record, new.copy()).holds(former))
    }

    /// Whether this device's rotation to that key was refused.
    fn is_refused(&self, name: KeyName) -> bool {
        self.rotation.as_ref().is_some_and(|one| one.phase == Phase::Refused && one.name() == Some(name))
    }

    /// The facts whose names begin so, with the rest of their names.
    fn named<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Fact)> {
        self.facts.iter().filter_map(move |fact| Some((fact.name.strip_prefix(kind)?, fact)))
    }

    /// Takes a fact up; whether it was new.
    fn merge(&mut self, fact: Fact) -> bool {
        let under = Envelope::parse(&fact.value).and_then(|envelope| envelope.key());
        // No key lies under an older one.
        if under.is_none_or(|under| key_in(&fact.name).is_some_and(|older| older >= under))
            || self.facts.contains(&fact)
        {
            return false;
        }
        let same = self.facts.iter().filter(|known| known.name == fact.name);
        if fact.name.starts_with(uses::FACT) {
            if same.map(|known| known.at).max() >= Some(fact.at) {
                return false;
            }
            self.facts.retain(|known| known.name != fact.name);
        } else if same.count() >= MAX_VERSIONS {
            return false;
        }
        self.facts.push(fact);
        true
    }

    /// Takes up a fact of this device's own, however many versions of it others have shown.
    fn take_own(&mut self, fact: Fact) {
        if fact.name.starts_with(uses::FACT) {
            self.facts.retain(|known| known.name != fact.name);
        }
        if !self.merge(fact.clone()) && !self.facts.contains(&fact) {
            self.facts.push(fact);
        }
    }

    fn write_facts<Tx: Transaction>(&self, tx: &Tx, user: &str) -> Result<()> {
        rows::write(tx, FACTS, user, Facts { facts: self.facts.clone() })
    }
}

/// The older key that a fact of this name holds.
fn key_in(name: &str) -> Option<KeyName> {
    KeyringRecord::key_in(&FieldName::parse(name).ok()?)
}

/// The record of a user.
fn record_of(user: &str) -> Option<KeyringRecord> {
    KeyringRecord::of(&UserId::parse(user).ok()?).ok()
}

/// Takes facts of this device into the record, and logs them.
async fn tell<Tx: Transaction>(tx: &Tx, user: &str, facts: Vec<Fact>, event_id: String) -> Result<Known> {
    let mut known = Known::read(tx, user).await?;
    for fact in &facts {
        known.take_own(fact.clone());
    }
    known.write_facts(tx, user)?;
    log(tx, user, &facts, event_id).await?;
    Ok(known)
}

/// Logs everything the record says once more: the server has lost some of it. One change has one value per field, so each
/// further version of a fact, which a server may have shown beside the real one, goes into a further change. `fresh` gives
/// their ids. Gives how many they are.
pub(super) async fn tell_again<Tx: Transaction>(tx: &Tx, user: &str, fresh: impl Fn() -> String) -> Result<usize> {
    let mut changes: Vec<Vec<Fact>> = Vec::new();
    for fact in Known::read(tx, user).await?.facts {
        let holds = |facts: &[Fact]| facts.iter().any(|known| known.name == fact.name);
        match changes.iter_mut().find(|facts| !holds(facts)) {
            Some(facts) => facts.push(fact),
            None => changes.push(vec![fact]),
        }
    }
    for facts in &changes {
        log(tx, user, facts, fresh()).await?;
    }
    Ok(changes.len())
}

/// Logs facts as one insert: it is never merged with others, and keeps its id. Their stamps are part of what is sealed,
/// so no correction of the clock moves them.
async fn log<Tx: Transaction>(tx: &Tx, user: &str, facts: &[Fact], event_id: String) -> Result<()> {
    let at = facts.iter().map(|fact| fact.at).max().unwrap_or(Stamp::EPOCH);
    let fields: Map<String, Value> =
        facts.iter().map(|fact| (fact.name.clone(), json!({ "value": fact.value, "at": fact.at }))).collect();
    let change = json!({ "eventId": event_id, "table": TABLE, "id": user, "op": "insert", "at": at,
        "visibility": "space", "fields": fields });
    let Value::Object(change) = change else { return Ok(()) };
    let changes = vec![LoggedChange(change)];
    let row = LogRow { app_id: APP.to_owned(), changes, ..LogRow::unmoved(user, rebase::EPOCH, at) };
    row.append(tx).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: &str = "enc:2:0002b856b0b4.oKGio6Slpqeoqaqr.xF8O7vkIndpAcu7/WZmst2jeZdwYGxyqSA==";

    fn fact(name: &str, value: &str, ms: u64) -> Fact {
        Fact { name: name.to_owned(), value: value.to_owned(), at: Stamp::at_ms(ms) }
    }

    #[test]
    fn nobody_takes_a_fact_away_by_writing_over_it() {
        let mut known = Known::default();
        assert!(known.merge(fact("key:000100000001", SEALED, 1)));
        assert!(!known.merge(fact("key:000100000001", SEALED, 1)), "it is known");
        assert!(!known.merge(fact("key:000100000001", "plain", 2)), "it is no envelope");
        for ms in 2..100 {
            known.merge(fact("key:000100000001", SEALED, ms));
        }
        assert_eq!(known.facts.len(), MAX_VERSIONS, "a server cannot fill the device");
        assert_eq!(known.facts[0], fact("key:000100000001", SEALED, 1));
    }

    #[test]
    fn a_later_count_replaces_an_earlier_one() {
        let mut known = Known::default();
        for (ms, kept) in [(5, 5), (4, 5), (6, 6)] {
            known.merge(fact("used:a:b856b0b4", SEALED, ms));
            assert_eq!(known.facts, [fact("used:a:b856b0b4", SEALED, kept)]);
        }
    }

    #[test]
    fn the_newest_key_is_known_without_any() {
        let mut known = Known::default();
        assert_eq!(known.newest(), None);
        known.merge(fact("sealed:todo/tasks/title", SEALED, 1));
        assert_eq!(known.newest(), KeyName::parse("0002b856b0b4"));
        assert!(!known.merge(fact("key:000300000001", SEALED, 1)), "no key lies under an older one");
    }

    #[test]
    fn a_key_that_lies_under_another_is_the_newest_no_more_whatever_generation_is_told_of_it() {
        let mut known = Known::default();
        known.merge(fact("key:000100000001", SEALED, 1));
        let forged = SEALED.replace("0002b856b0b4", "000900000001");
        known.merge(fact("sealed:todo/tasks/title", &forged, 2));
        assert_eq!(known.newest(), KeyName::parse("000ab856b0b4"));
    }
}
