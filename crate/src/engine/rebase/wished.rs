//! Full pulls that the device itself wishes for. They begin when the server has judged the cursor that is stored, and show
//! it to the server once more in the end: only from there it is noticed that its log was restored or cut.

use super::{Rebase, Why, wish};
use crate::engine::error::Result;
use crate::engine::ports::Host;
use crate::engine::{Engine, apply, epoch, progress, rows};
use crate::store::{ENGINE, Mode, Store, Transaction};
use std::rc::Rc;

/// Has everything be pulled anew because what a record had before is known to the server alone. The cursor stays until the
/// server has judged it: only from there it is noticed that its log was restored or cut. A full pull that is under way for
/// such a reason begins anew at once; a page that was asked for before is not applied any more.
pub async fn read_again<Tx: Transaction>(tx: &Tx, user: &str, id: String) -> Result<()> {
    let under_way: Option<Rebase> = rows::read(tx, rows::REBASE, user).await?;
    let from = match under_way {
        Some(judged) if judged.reason != Why::ReadAgain => return anew(tx, user, Rebase { id, ..judged }).await,
        other => other.and_then(|rebase| rebase.from),
    };
    rows::write(tx, rows::REBASE, user, Rebase { id, reason: Why::ReadAgain, wished: true, from, again: false })
}

/// The same while a page of a full pull is applied: that one goes on to its end first, or it would never come to one.
pub async fn read_once_more<Tx: Transaction>(tx: &Tx, user: &str, id: String) -> Result<()> {
    match rows::read::<_, Rebase>(tx, rows::REBASE, user).await?.filter(|rebase| !rebase.wished) {
        Some(under_way) => rows::write(tx, rows::REBASE, user, Rebase { again: true, ..under_way }),
        None => read_again(tx, user, id).await,
    }
}

/// Has a full pull begin at the beginning. What the server still owes for a push stays owed.
async fn anew<Tx: Transaction>(tx: &Tx, user: &str, rebase: Rebase) -> Result<()> {
    let receipt = progress::of(tx, user).await?.receipt;
    wish(tx, user, rebase.reason, rebase.id.clone()).await?;
    if let Some(receipt) = receipt {
        progress::note_receipt(tx, user, &receipt).await?;
    }
    rows::write(tx, rows::REBASE, user, rebase)
}

/// Begins a full pull that was wished for, now that everything after the cursor has come; says whether there was one.
pub async fn begin_wished<S: Store, H: Host>(engine: &Rc<Engine<S, H>>) -> Result<bool> {
    let user = engine.config().user_id().to_owned();
    let tx = engine.store.begin(Mode::Read, &[ENGINE])?;
    let wished = rows::read::<_, Rebase>(&tx, rows::REBASE, &user).await?.filter(|rebase| rebase.wished);
    let by_time = progress::of(&tx, &user).await?.by_time;
    if wished.is_none_or(|wished| by_time && !wished.reason.is_of_any_server()) {
        return Ok(false);
    }
    drop(tx);
    let tx = engine.store.begin(Mode::Write, &[ENGINE])?;
    engine.check_lead(&tx).await?;
    // One that was begun meanwhile is no wish any more.
    let wished = rows::read::<_, Rebase>(&tx, rows::REBASE, &user).await?.filter(|rebase| rebase.wished);
    if let Some(wished) = wished {
        // A cursor of times is judged by nobody.
        let here = progress::of(&tx, &user).await?;
        let from = wished.from.clone().or(here.cursor).filter(|_| !here.by_time);
        anew(&tx, &user, Rebase { wished: false, from, ..wished }).await?;
    }
    tx.commit().await?;
    Ok(true)
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Has the next pull begin at the beginning, without anything being removed or logged again.
    pub(in crate::engine) async fn wish_everything(&self) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Write, &[ENGINE])?;
        read_again(&tx, &user, epoch::fresh_id(&self.host)).await?;
        Ok(tx.commit().await?)
    }
}

/// A full pull that is under way or wished for.
pub struct Stored {
    /// Its name.
    pub id: String,
    /// Whether it has to wait.
    pub wished: bool,
    /// Why everything is pulled.
    pub why: Why,
}

/// The full pull that is under way or wished for.
pub async fn stored<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Option<Stored>> {
    let stored = rows::read::<_, Rebase>(tx, rows::REBASE, user).await?;
    Ok(stored.map(|Rebase { id, wished, reason, .. }| Stored { id, wished, why: reason }))
}

impl Why {
    /// Whether a server of protocol 1 can be read for it. Of what does not come there nothing follows: rows of spaces whose
    /// members cannot be looked up are left out without a word.
    const fn is_of_any_server(self) -> bool {
        matches!(self, Self::ReadAgain | Self::Adopted)
    }
}

/// Another protocol is spoken. Protocol 1 does not say that a server was restored from an older copy, and shows others' private
/// records; so when protocol 2 is spoken again, everything is compared as after `restored`. A full pull that is under way begins
/// anew; what protocol 1 cannot do waits until then.
pub async fn change_protocol<Tx: Transaction>(tx: &Tx, user: &str, by_time: bool, id: String) -> Result<()> {
    let under_way = rows::read::<_, Rebase>(tx, rows::REBASE, user).await?;
    if !by_time {
        // Applied as it came by time, it would never be said to those who hear of it by protocol 2.
        apply::forget_ahead(tx, user).await?;
        let reason = under_way.map_or(Why::Restored, |rebase| rebase.reason);
        let reason = if reason == Why::ReadAgain { Why::Restored } else { reason };
        return anew(tx, user, Rebase { id, reason, wished: false, from: None, again: false }).await;
    }
    let Some(rebase) = under_way else { return Ok(()) };
    if rebase.wished || !rebase.reason.is_of_any_server() {
        if !rebase.wished {
            // When it began, changes were dropped that wait for their record: they have to come again.
            progress::forget_times(tx, user).await?;
        }
        return rows::write(tx, rows::REBASE, user, Rebase { id, wished: true, from: None, ..rebase });
    }
    anew(tx, user, Rebase { id, wished: false, from: None, ..rebase }).await
}
