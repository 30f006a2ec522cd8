//! Discarding a dead letter: the record is as if the change had never been made, and so is what was written over it.

use super::later::{Discard, Left, Name};
use super::{Letter, of_group, read};
use crate::engine::error::Result;
use crate::engine::events::Event;
use crate::engine::guests::is_guests;
use crate::engine::ports::Host;
use crate::engine::sealing::visibility_of;
use crate::engine::{Engine, epoch, keyring, oldest_logged, rebase, rows, shadow};
use crate::model::{Actor, Origin};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, RowValue, Store, Transaction};
use std::rc::Rc;

impl<S: Store, H: Host> Engine<S, H> {
    /// Discards a dead letter, with all of its group. Fails with [`Kind::NotFound`](crate::engine::Kind::NotFound) where
    /// there is no such letter.
    pub async fn discard_letter(self: &Rc<Self>, id: &str) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tables = self.synced_tables();
        let stores: Vec<&str> = tables.iter().map(String::as_str).chain([CHANGE_LOG, ENGINE]).collect();
        let tx = self.store.begin(Mode::Write, &stores)?;
        let letters = of_group(&read(&tx, &user).await?, id)?;
        let mut discard = self.undo_letters(&tx, &user, &letters).await?;
        let (dropped, told) = std::mem::take(&mut discard.dropped);
        let Left { letters, parked, touched } = discard.write(&tx, || epoch::fresh_id(&self.host))?;
        let released = self.release(&tx, &letters, parked, Vec::new()).await?;
        if keyring::brings_work(self, &touched) {
            keyring::note_arrivals(&tx, &user).await?;
        }
        let oldest = oldest_logged(&tx).await?;
        tx.commit().await?;
        if dropped > 0 {
            self.pending.set(self.pending.get().saturating_sub(dropped));
            self.wake_waiters(oldest, &told);
            self.emit(Event::Settled { oldest, refused: told });
        }
        self.committed_to_log(&touched, Origin::ServerReplay, released);
        self.tell_driver();
        self.look_again().await
    }

    /// Takes letters out of their records; those that tell of what cannot travel only go.
    async fn undo_letters(&self, tx: &S::Tx, user: &str, letters: &[Letter]) -> Result<Discard<S::Row>> {
        let mut discard = Discard::read(tx, user, letters).await?;
        let actor = RowValue::from_json(&Actor::user(user, None).to_json());
        for letter in letters.iter().rev() {
            rows::remove(tx, rows::LETTER, &letter.key)?;
            let name = if letter.is_refusal() { self.load_record(tx, letter, &mut discard).await? } else { None };
            if let Some(name) = name {
                let info = self.config().table(&name.0)?;
                let seen_by = |row: &S::Row| {
                    info.sync.as_ref().map_or_else(|| visibility_of(row), |sync| self.believed_visibility(sync, row))
                };
                discard.undo(letter, &name, &actor, &seen_by);
            }
        }
        for (table, id) in &discard.unseen {
            shadow::note_unseen(tx, user, table, id)?;
        }
        if discard.is_unknown {
            rebase::read_again(tx, user, epoch::fresh_id(&self.host)).await?;
        }
        Ok(discard)
    }

    /// Reads a letter's record, once for all letters; `None`: this app has no such table, or the record is a guest's.
    async fn load_record(&self, tx: &S::Tx, letter: &Letter, discard: &mut Discard<S::Row>) -> Result<Option<Name>> {
        let table = {
            let config = self.config();
            config.local_table(&letter.row.app_id, letter.change.table()).map(|(name, _)| name.to_owned())
        };
        let Some(table) = table else { return Ok(None) };
        let name = (table, letter.change.id().to_owned());
        if !discard.knows(&name) {
            let row = tx.get(&name.0, &Key::text(&name.1)).await?;
            if row.as_ref().is_some_and(is_guests) {
                return Ok(None);
            }
            discard.know(name.clone(), row);
        }
        Ok(Some(name))
    }
}
