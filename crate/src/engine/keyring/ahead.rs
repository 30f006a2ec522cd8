//! What was said of the keyring by a clock that was ahead. A server refuses it until its own clock is there, which may take
//! years, and what is written later waits for it. Sealing it for another time would need the key; instead it is taken back,
//! and whoever said it says it again. A key that was laid under another nobody may be able to lay there again, so it is
//! sealed anew, for the server's time.

use super::{APP, Fact, Known, ROTATION, Rotation, key_in, record_of, swept, uses};
use crate::crypto::{self, SealedKey};
use crate::engine::error::Result;
use crate::engine::outbox::{LogRow, LoggedChange};
use crate::engine::ports::Host;
use crate::engine::{Engine, rows, vault};
use crate::model::{FieldName, OrderedSet, Stamp};
use crate::protocol::limits::MAX_PUSH_AHEAD_MS;
use crate::store::{Store, Transaction};
use serde_json::{Value, json};

impl<S: Store, H: Host> Engine<S, H> {
    /// Brings what a row of the log, which was never sent, says of the keyring ahead of the server's time back to it; gives
    /// what is left of the row. `None`: there is nothing of the kind. Fails with
    /// [`Kind::VaultLocked`](crate::engine::Kind::VaultLocked) while that takes keys and the newest one is not here.
    pub(in crate::engine) async fn bring_back_keyring(
        &self,
        tx: &S::Tx,
        row: &LogRow,
        server_ms: u64,
    ) -> Result<Option<LogRow>> {
        if row.app_id != APP {
            return Ok(None);
        }
        let resealed = self.reseal_keys(tx, row, server_ms).await?;
        let left = take_back(tx, resealed.as_ref().unwrap_or(row), server_ms).await?;
        Ok(left.or(resealed))
    }

    /// Seals older keys for the server's time whose facts the server would refuse. A key that was changed stays: it is only
    /// prepared when the server has answered.
    async fn reseal_keys(&self, tx: &S::Tx, row: &LogRow, server_ms: u64) -> Result<Option<LogRow>> {
        let rotation: Option<Rotation> = rows::read(tx, ROTATION, &row.user_id).await?;
        let mut resealed = row.clone();
        let mut moved: Vec<(Fact, Fact)> = Vec::new();
        for (name, said) in resealed.changes.iter_mut().filter_map(LoggedChange::fields_mut).flatten() {
            let Some(fact) = fact_of(name, said).filter(|fact| key_in(&fact.name).is_some()) else { continue };
            let is_rotation = rotation.as_ref().is_some_and(|rotation| rotation.fact == fact);
            if is_rotation || fact.at.ms() <= server_ms.saturating_add(MAX_PUSH_AHEAD_MS) {
                continue;
            }
            let Some(now) = self.sealed_for(&row.user_id, &fact, Stamp::at_ms(server_ms))? else { continue };
            *said = json!({ "value": now.value, "at": now.at });
            moved.push((fact, now));
        }
        if moved.is_empty() {
            return Ok(None);
        }
        resealed.changes.retain_mut(stamp_anew);
        resealed.at = resealed.changes.iter().map(|change| change.at(row)).max().unwrap_or(row.at);
        let mut known = Known::read(tx, &row.user_id).await?;
        for (was, is) in moved {
            known.facts.retain(|fact| *fact != was);
            known.take_own(is);
        }
        known.write_facts(tx, &row.user_id)?;
        Ok(Some(resealed))
    }

    /// The fact that an older key lies under its successor, sealed for another time. `None` where it is not what it says it is,
    /// as far as the keys tell that are here.
    fn sealed_for(&self, user: &str, fact: &Fact, at: Stamp) -> Result<Option<Fact>> {
        let Some((record, field)) = record_of(user).zip(FieldName::parse(&fact.name).ok()) else { return Ok(None) };
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let sealed = SealedKey { field: &field, at: fact.at, text: &fact.value };
        match self.vault.ring().reseal_key(&record, sealed, at, &random) {
            Ok(value) => Ok(Some(Fact { name: fact.name.clone(), value, at })),
            // Its key may come with the newest one.
            Err(crypto::Error::NoKey) if self.vault.check_sealing().is_err() => Err(vault::locked()),
            Err(crypto::Error::NoKey) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Takes back what a row of the log, which was never sent, says ahead of the server's time; gives what is left of the row.
/// `None`: there is nothing of the kind.
async fn take_back<Tx: Transaction>(tx: &Tx, row: &LogRow, server_ms: u64) -> Result<Option<LogRow>> {
    let (mut left, mut taken) = (row.clone(), OrderedSet::new());
    for fields in left.changes.iter_mut().filter_map(LoggedChange::fields_mut) {
        fields.retain(|name, fact| {
            let is_said_again = name.starts_with(swept::SEALED) || name.starts_with(uses::FACT);
            let at = stamp_of(fact).filter(|at| is_said_again && at.ms() > server_ms);
            taken.extend(at.map(|at| (name.clone(), at)));
            at.is_none()
        });
    }
    if taken.is_empty() {
        return Ok(None);
    }
    left.changes.retain_mut(stamp_anew);
    left.at = left.changes.iter().map(|change| change.at(row)).max().unwrap_or(row.at);
    let mut known = Known::read(tx, &row.user_id).await?;
    known.facts.retain(|fact| !taken.contains(&(fact.name.clone(), fact.at)));
    known.write_facts(tx, &row.user_id)?;
    if taken.iter().any(|(name, _)| name.starts_with(swept::SEALED)) {
        swept::forget(tx, &row.user_id)?;
    }
    for key in taken.iter().filter_map(|(name, _)| uses::key_of(name)) {
        uses::tell_again(tx, &row.user_id, key, &known)?;
    }
    Ok(Some(left))
}

/// Gives a change the stamp of the newest of its facts; `false` where none is left.
fn stamp_anew(change: &mut LoggedChange) -> bool {
    let newest = change.fields_mut().into_iter().flatten().filter_map(|(_, fact)| stamp_of(fact)).max();
    if let Some(newest) = newest {
        change.0.insert("at".to_owned(), json!(newest));
    }
    newest.is_some()
}

fn stamp_of(fact: &Value) -> Option<Stamp> {
    Stamp::parse(fact["at"].as_str()?).ok()
}

fn fact_of(name: &str, said: &Value) -> Option<Fact> {
    Some(Fact { name: name.to_owned(), value: said["value"].as_str()?.to_owned(), at: stamp_of(said)? })
}
