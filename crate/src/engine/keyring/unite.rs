//! Two keys of one generation: a server that forgot of a rotation takes another one. The key with the greater id is the
//! newest then, and what the other has sealed is opened by it once that one lies under it. Who has both sees to that: the
//! device on which the vault was unlocked with the one after the other.

use super::{Fact, Known, record_of, tell};
use crate::crypto::{Envelope, KeyName, Keyring, KeyringRecord, MasterKey, SealedKey};
use crate::engine::error::Result;
use crate::engine::ports::Host;
use crate::engine::{Engine, epoch};
use crate::model::{FieldName, Origin};
use crate::store::{CHANGE_LOG, ENGINE, Mode, Store, Transaction};
use std::rc::Rc;

/// Keys of which the lesser is to lie under the greater, which is the newest.
struct Pair {
    both: Keyring,
    lesser: KeyName,
    greater: KeyName,
}

impl Known {
    /// What two keys come to. `None`: neither is the newest, the other never was the user's, or there is nothing to do.
    fn pair(&self, record: &KeyringRecord, one: MasterKey, other: MasterKey) -> Option<Pair> {
        let greater = self.newest()?;
        let (newest, older) = if one.id() == greater.id { (one, other) } else { (other, one) };
        if newest.id() != greater.id || older.id() == greater.id {
            return None;
        }
        let sealing = self.facts.iter().filter_map(|fact| Envelope::parse(&fact.value)?.key());
        let lesser = sealing.filter(|name| name.id == older.id() && *name < greater).max()?;
        let mut both = Keyring::new();
        both.insert(greater.generation, newest);
        let fields: Vec<(FieldName, &Fact)> =
            self.facts.iter().filter_map(|fact| Some((FieldName::parse(fact.name.as_str()).ok()?, fact))).collect();
        let sealed = fields.iter().map(|(field, fact)| SealedKey { field, at: fact.at, text: &fact.value });
        both.open_keys(record, &sealed.collect::<Vec<_>>());
        let is_opened = both.key(lesser).is_some();
        both.insert(lesser.generation, older);
        // Only the user's keys have sealed facts of the user's.
        let is_its = |(field, fact): &(FieldName, &Fact)| {
            Envelope::parse(&fact.value).is_some_and(|envelope| envelope.key() == Some(lesser))
                && both.open_json(&record.place(field), fact.at, &fact.value).is_ok()
        };
        (!is_opened && fields.iter().any(is_its)).then_some(Pair { both, lesser, greater })
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Has the lesser of two keys of the user's lie under the newest, where it does not.
    pub(in crate::engine) async fn unite_keys(self: &Rc<Self>, one: MasterKey, other: MasterKey) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let Some(record) = record_of(&user) else { return Ok(()) };
        let tx = self.store.begin(Mode::Durable, &[ENGINE, CHANGE_LOG])?;
        let epoch = epoch::current(&tx, &self.host, &self.watch).await?;
        let Some(pair) = Known::read(&tx, &user).await?.pair(&record, one, other) else { return Ok(()) };
        let at = self.clock.borrow_mut().tick(Some(&epoch), self.host.now_ms(), None);
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let value = pair.both.seal_key(&record, pair.lesser, pair.greater, at, &random)?;
        let fact = Fact { name: KeyringRecord::field_of(pair.lesser)?.into(), value, at };
        tell(&tx, &user, vec![fact], epoch::fresh_id(&self.host)).await?;
        tx.commit().await?;
        self.keyring_changed().await?;
        self.committed(&[], Origin::System, 1);
        Ok(())
    }
}
