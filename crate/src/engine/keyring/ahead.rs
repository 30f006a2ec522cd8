//! What was said of the keyring by a clock that was ahead. A server refuses it until its own clock is there, which may take
//! years, and what is written later waits for it. Sealing it for another time would need the key; instead it is taken back,
//! and whoever said it says it again.

use super::{APP, Known, swept, uses};
use crate::engine::error::Result;
use crate::engine::outbox::{LogRow, LoggedChange};
use crate::model::{OrderedSet, Stamp};
use crate::store::Transaction;
use serde_json::{Value, json};

/// Takes back what a row of the log, which was never sent, says ahead of the server's time; gives what is left of the row.
/// `None`: there is nothing of the kind. A key that was changed stays: it is only prepared when the server has answered.
pub async fn take_back<Tx: Transaction>(tx: &Tx, row: &LogRow, server_ms: u64) -> Result<Option<LogRow>> {
    if row.app_id != APP {
        return Ok(None);
    }
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
