//! Putting refused and parked changes back into the log, where they were.

use super::{Blocked, Letter, Waiting, read, read_waiting};
use crate::engine::error::Result;
use crate::engine::migrate::says_something;
use crate::engine::outbox::LogRow;
use crate::engine::ports::Host;
use crate::engine::{Engine, epoch, rows};
use crate::model::sort_by;
use crate::protocol::limits::MAX_LOG_ROW_CHANGES;
use crate::store::{CHANGE_LOG, Key, Store, Transaction};

/// How far apart rows are put whose place is taken: far less than any two rows of the log are.
const STEP: f64 = 1.0 / 1024.0;

impl<S: Store, H: Host> Engine<S, H> {
    /// Puts letters back into the log, with what waited behind them; gives how many changes that are.
    pub(super) async fn release_letters(&self, tx: &S::Tx, user: &str, letters: Vec<Letter>) -> Result<usize> {
        let mut freed = Vec::new();
        for letter in letters {
            rows::remove(tx, rows::LETTER, letter.change.event_id())?;
            // Of an older version of the app's data, and dropped since: there is nothing to send.
            if says_something(&letter.change) {
                freed.push(LogRow { changes: vec![letter.change], ..letter.row });
            }
        }
        let held = read(tx, user).await?;
        self.release(tx, &held, read_waiting(tx, user).await?, freed).await
    }

    /// Puts `freed` back into the log, and what is parked and waits for none of the letters that are `held` still.
    pub(super) async fn release(
        &self,
        tx: &S::Tx,
        held: &[Letter],
        parked: Vec<Waiting>,
        mut freed: Vec<LogRow>,
    ) -> Result<usize> {
        let mut blocked = Blocked::default();
        for letter in held {
            blocked.add_letter(letter);
        }
        for one in parked {
            if !blocked.takes(&one) {
                rows::remove(tx, rows::WAITING, &one.key)?;
                freed.push(one.row);
            }
        }
        for row in &mut freed {
            row.sent_at = None;
        }
        sort_by(&mut freed, |a, b| a.seq.total_cmp(&b.seq));
        let mut rows: Vec<LogRow> = Vec::new();
        for row in freed {
            match rows.last_mut().filter(|last| last.without_changes() == row.without_changes()) {
                Some(last) => last.changes.extend(row.changes),
                None => rows.push(row),
            }
        }
        let released = rows.iter().map(|row| row.changes.len()).sum();
        for row in rows {
            self.put_back(tx, row).await?;
        }
        Ok(released)
    }

    /// Puts a row back under its number, before what is left there of it, or right after what has that number now.
    async fn put_back(&self, tx: &S::Tx, mut row: LogRow) -> Result<()> {
        for change in &mut row.changes {
            change.set_event_id(epoch::fresh_id(&self.host));
        }
        loop {
            let there = tx.get(CHANGE_LOG, &Key::Number(row.seq)).await?;
            let Some(there) = there else { return row.put(tx) };
            let fits = LogRow::parse(&there).filter(|there| {
                there.without_changes() == row.without_changes()
                    && there.changes.len() + row.changes.len() <= MAX_LOG_ROW_CHANGES
            });
            if let Some(there) = fits {
                row.changes.extend(there.changes);
                return row.put(tx);
            }
            row.seq += STEP;
        }
    }
}
