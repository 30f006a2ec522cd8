//! How often each key sealed a value: counted per device in blocks, told to the other devices every 2^16.
//!
//! A block is charged when its first value was sealed, so what a killed tab had sealed is counted; the sum is a little
//! too great, never too small by more than the values of a tab that was killed before it charged its first block.

use super::{Fact, Known, record_of};
use crate::crypto::{Format, KeyName, ROTATE_AT_USES};
use crate::engine::error::Result;
use crate::engine::events::Event;
use crate::engine::ports::Host;
use crate::engine::{Engine, epoch, rows};
use crate::model::{FieldName, Stamp, record};
use crate::protocol::limits::MAX_PULL_AHEAD_MS;
use crate::store::{CHANGE_LOG, ENGINE, Mode, Store, Transaction};
use serde_json::Value;
use std::rc::Rc;

/// What the names of counts begin with.
pub const FACT: &str = "used:";
/// Kind of the rows that count, by user and key id.
const USES: &str = "keyUses";
/// Values that are counted at once on this device.
const BLOCK: u64 = 1 << 10;
/// Values after which other devices are told.
const TOLD: u64 = 1 << 16;

record! {
    /// How often this device used a key.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Uses {
        /// So often.
        pub count: u64 = "count",
        /// What the others were told.
        pub told: u64 = "told",
    }
}

fn row_name(user: &str, key: &str) -> String {
    format!("{user}/{key}")
}

/// The key whose uses a fact of this name counts, by its id.
pub fn key_of(name: &str) -> Option<&str> {
    Some(name.strip_prefix(FACT)?.rsplit_once(':')?.1)
}

/// Has the other devices told anew of how often this device used a key.
pub fn tell_again<Tx: Transaction>(tx: &Tx, user: &str, key: &str, known: &Known) -> Result<()> {
    let Some((_, counted)) = known.uses.iter().find(|(id, _)| id == key) else { return Ok(()) };
    rows::write(tx, USES, &row_name(user, key), Uses { told: 0, ..*counted })
}

/// When a count of this name was told last. What is stamped too far ahead of `now`, corrected time in ms, no device of the
/// user's told, and no clock follows it. Keys are learned all the same, whatever the clock says.
fn told_before(known: &Known, name: &str, now: u64) -> Option<Stamp> {
    let latest = now.saturating_add(MAX_PULL_AHEAD_MS);
    let told = known.facts.iter().filter(|fact| fact.name == name).map(|fact| fact.at);
    told.filter(|at| at.ms() <= latest).max()
}

/// The counts of a user, by key id.
pub async fn read<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Vec<(String, Uses)>> {
    let all: Vec<(String, Uses)> = rows::read_all(tx, USES).await?;
    let own = |(name, uses): (String, Uses)| Some((name.strip_prefix(user)?.strip_prefix('/')?.to_owned(), uses));
    Ok(all.into_iter().filter_map(own).collect())
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Takes note of what all devices have used the newest key for.
    pub(super) fn sum_uses(&self, known: &Known) {
        let ring = self.vault.ring();
        let (Some(newest), Some(record)) = (ring.newest(), record_of(self.config().user_id())) else { return };
        let key = newest.id.to_string();
        let own = known.uses.iter().find(|(id, _)| *id == key).map_or(0, |(_, uses)| uses.count);
        let others = known.named(FACT).filter_map(|(of, fact)| {
            let (install, id) = of.rsplit_once(':')?;
            let field =
                FieldName::parse(fact.name.as_str()).ok().filter(|_| id == key && install != self.install_id())?;
            ring.open_newest(&record.place(&field), fact.at, &fact.value).ok()?.as_u64()
        });
        ring.used_at_least(newest, others.fold(own, u64::saturating_add));
        self.vault.charged.set(ring.uses(newest));
        drop(ring);
        self.ask_for_rotation();
    }

    fn ask_for_rotation(&self) {
        let uses = self.vault.ring().newest().map_or(0, |newest| self.vault.ring().uses(newest));
        if uses >= ROTATE_AT_USES && self.vault.asks_for_rotation() {
            self.emit(Event::RotationDue { uses });
        }
    }

    /// After a commit: counts what it sealed.
    pub(in crate::engine) fn count_uses(self: &Rc<Self>) {
        let Some(newest) = self.vault.ring().newest() else { return };
        let (uses, charged) = (self.vault.ring().uses(newest), self.vault.charged.get());
        if uses <= charged {
            return;
        }
        let blocks = (uses - charged).div_ceil(BLOCK) * BLOCK;
        self.vault.charged.set(charged + blocks);
        self.ask_for_rotation();
        let engine = Rc::clone(self);
        self.host.spawn(Box::pin(async move {
            if engine.charge(newest, blocks).await.is_err() {
                // It is counted with what comes next.
                engine.vault.charged.set(engine.vault.charged.get().saturating_sub(blocks));
            }
        }));
    }

    async fn charge(self: &Rc<Self>, key: KeyName, many: u64) -> Result<()> {
        let (user, id) = (self.config().user_id().to_owned(), key.id.to_string());
        let tx = self.store.begin(Mode::Write, &[ENGINE, CHANGE_LOG])?;
        let epoch = epoch::current(&tx, &self.host, &self.watch).await?;
        let known = Known::read(&tx, &user).await?;
        let mut counted =
            known.uses.iter().find(|(known, _)| *known == id).map(|(_, known)| *known).unwrap_or_default();
        counted.count = counted.count.saturating_add(many);
        let is_due = counted.count / TOLD > counted.told / TOLD && self.config().format == Format::Two;
        if is_due && epoch.offset.is_some() && self.vault.check_sealing().is_ok() {
            let name = format!("{FACT}{}:{id}", self.install_id());
            let now_ms = self.host.now_ms();
            let before = told_before(&known, &name, epoch.now_ms(now_ms));
            let at = self.clock.borrow_mut().tick(Some(&epoch), now_ms, before);
            let fact = self.sealed_fact(name, at, &counted.count.into())?;
            super::tell(&tx, &user, vec![fact], epoch::fresh_id(&self.host)).await?;
            counted.told = counted.count;
        }
        rows::write(&tx, USES, &row_name(&user, &id), counted)?;
        tx.commit().await?;
        if counted.told == counted.count {
            self.committed(&[], crate::model::Origin::System, 1);
            self.keyring_changed().await?;
        }
        Ok(())
    }

    /// A fact of the record, sealed under the newest key.
    pub(super) fn sealed_fact(&self, name: String, at: Stamp, value: &Value) -> Result<Fact> {
        self.vault.check_sealing()?;
        let (record, field) = (record_of(self.config().user_id()), FieldName::parse(name.as_str())?);
        let record = record.ok_or_else(crate::engine::vault::locked)?;
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let value = self.vault.ring().seal(Format::Two, &record.place(&field), at, value, &random)?;
        Ok(Fact { name, value, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: &str = "enc:2:0001b856b0b4.oKGio6Slpqeoqaqr.xF8O7vkIndpAcu7/WZmst2jeZdwYGxyqSA==";

    #[test]
    fn no_clock_follows_a_count_of_the_far_future() {
        let (now, name) = (1_767_225_600_000, "used:a:b856b0b4");
        let fact = |ms| Fact { name: name.to_owned(), value: SEALED.to_owned(), at: Stamp::at_ms(ms) };
        let mut known = Known::default();
        known.merge(fact(now + MAX_PULL_AHEAD_MS));
        assert_eq!(told_before(&known, name, now), Some(Stamp::at_ms(now + MAX_PULL_AHEAD_MS)));
        known.merge(fact(253_000_000_000_000));
        assert_eq!(told_before(&known, name, now), None);
        // What this device tells then stands, and takes the place of it.
        known.take_own(fact(now));
        assert_eq!(told_before(&known, name, now), Some(Stamp::at_ms(now)));
        assert_eq!(known.facts, [fact(now)]);
    }
}
