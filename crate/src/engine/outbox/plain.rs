//! Values that lie in the log in plaintext and are to be sealed: an older app queued them, or their field was registered
//! only later. They are sealed before they leave; without the key they wait, and what was logged after them waits, too.

use super::{LogRow, LoggedChange};
use crate::engine::adopt::{self, Letter};
use crate::engine::error::Result;
use crate::engine::ports::Host;
use crate::engine::prepare::fits_sealed;
use crate::engine::sealing::{is_envelope, is_envelope_text, mark_own};
use crate::engine::stamps::stamp_of;
use crate::engine::{Engine, Table, epoch};
use crate::model::{OrderedMap, Stamp, TableSync, json_bytes};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, Scan, Store, Transaction};
use serde_json::Value;
use std::rc::Rc;

/// Most rows of the log that are sealed in one transaction.
const PAGE: usize = 20;

/// A value of a record that was sealed in the log: its field, its stamp, and the envelope.
type Sealed = (String, Stamp, String);

/// What a page sealed.
struct Page {
    /// By table and record.
    sealed: OrderedMap<(String, String), Vec<Sealed>>,
    letters: Vec<Letter>,
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Whether a row of the log has something in plaintext that is to be sealed. One that left like that before is sent
    /// again as it is.
    pub(super) fn tells_plain(&self, row: &LogRow) -> bool {
        let leaves_first = row.sent_at.is_none() || row.clock_epoch == adopt::EPOCH;
        let tells = |change: &LoggedChange| {
            self.sealed_table(&row.app_id, change).is_some_and(|(_, table)| {
                table.sync.as_ref().is_some_and(|sync| sync.sealed.iter().any(|field| is_plain(change, field)))
            })
        };
        leaves_first && row.changes.iter().any(tells)
    }

    /// Seals what lies in the log in plaintext, and in its records, under unchanged stamps.
    pub(super) async fn seal_waiting(&self) -> Result<()> {
        while self.vault.check_sealing().is_ok() && self.seal_page().await? {}
        Ok(())
    }

    /// Whether there was something to do.
    async fn seal_page(&self) -> Result<bool> {
        let user = self.config().user_id().to_owned();
        let tables = self.synced_tables();
        let stores: Vec<&str> = tables.iter().map(String::as_str).chain([CHANGE_LOG, ENGINE]).collect();
        let tx = self.store.begin(Mode::Durable, &stores)?;
        self.check_lead(&tx).await?;
        let is_due = |row: &S::Row| {
            row.text("userId").as_deref() == Some(&user) && LogRow::parse(row).is_some_and(|row| self.tells_plain(&row))
        };
        let found = tx.scan(CHANGE_LOG, &Scan { limit: Some(PAGE), ..Scan::default() }, &is_due).await?;
        let mut page = Page { sealed: OrderedMap::new(), letters: Vec::new() };
        for mut row in found.iter().filter_map(LogRow::parse) {
            self.seal_row(&mut row, &mut page)?;
            row.put_or_remove(&tx)?;
        }
        for ((table, id), sealed) in page.sealed {
            seal_record(&tx, &table, &id, sealed).await?;
        }
        for letter in page.letters {
            letter.write(&tx, &user, Stamp::at_ms(self.host.now_ms()))?;
        }
        tx.commit().await?;
        Ok(!found.is_empty())
    }

    fn seal_row(&self, row: &mut LogRow, page: &mut Page) -> Result<()> {
        let (app, at) = (row.app_id.clone(), row.at);
        for change in &mut row.changes {
            let Some((name, table)) = self.sealed_table(&app, change) else { continue };
            let Some(sync) = &table.sync else { continue };
            for field in sync.sealed.iter().filter(|field| is_plain(change, field)).cloned().collect::<Vec<_>>() {
                self.seal_edit(sync, &name, change, (&field, at), page)?;
            }
        }
        row.changes.retain(|change| change.op() != "update" || change.has_fields());
        Ok(())
    }

    /// Seals a field of a change. With another content it is another change: it gets an id of its own.
    fn seal_edit(
        &self,
        sync: &TableSync,
        table: &str,
        change: &mut LoggedChange,
        (field, row_at): (&str, Stamp),
        page: &mut Page,
    ) -> Result<()> {
        let id = change.id().to_owned();
        let at = change.stamp_of(field, row_at).unwrap_or(row_at);
        let Some(value) = change.value_of_mut(field) else { return Ok(()) };
        if fits_sealed(json_bytes(value)) {
            let text = self.seal_value(sync, &id, field, at, value)?;
            *value = text.as_str().into();
            page.sealed.entry((table.to_owned(), id)).or_default().push((field.to_owned(), at, text));
        } else {
            change.take_field(field);
            let message = format!("{field} is too large to be sealed: it stays on this device");
            let event_id = epoch::fresh_id(&self.host);
            page.letters.push(Letter::of_field(sync, &id, &[(field.to_owned(), at)], message, &event_id));
        }
        change.forget_before(field);
        change.set_event_id(epoch::fresh_id(&self.host));
        Ok(())
    }

    /// The table of a change whose registered fields are sealed.
    fn sealed_table(&self, app: &str, change: &LoggedChange) -> Option<(String, Rc<Table>)> {
        let config = self.config();
        let (name, table) = config.local_table(app, change.table())?;
        let is_sealed = |sync: &TableSync| !sync.sealed.is_empty() && self.is_change_sealed(sync, change);
        table.sync.as_ref().is_some_and(is_sealed).then(|| (name.to_owned(), Rc::clone(table)))
    }
}

fn is_plain(change: &LoggedChange, field: &str) -> bool {
    change.value_of(field).is_some_and(|value: &Value| !value.is_null() && !is_envelope_text(value))
}

/// Seals in the record what was sealed in its change, where it is still that.
async fn seal_record<Tx: Transaction>(tx: &Tx, table: &str, id: &str, sealed: Vec<Sealed>) -> Result<()> {
    let Some(mut row) = tx.get(table, &Key::text(id)).await?.map(|row| row.shallow_copy()) else { return Ok(()) };
    for (field, at, text) in sealed {
        let is_its = stamp_of(&row, &field) == Some(at) && row.get(&field).is_some_and(|value| !is_envelope(&value));
        if is_its {
            row.set_text(&field, &text);
        }
    }
    mark_own(&mut row);
    Ok(tx.put(table, &row, None)?)
}
