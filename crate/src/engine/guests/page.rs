//! Taking a guest's records over, page by page, each in one transaction with its entries in the change log.

use super::owned::{Owned, is_untouched};
use super::{ASIDE, Aside, GuestData, Left, is_guests};
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::prepare::is_deleted;
use crate::engine::rebase::{Relogged, append_as};
use crate::engine::{Engine, Table, Touched, adopt, epoch, rows};
use crate::model::{ID, Origin, Stamp, TableSync};
use crate::store::{CHANGE_LOG, ENGINE, Key, KeyRange, Mode, Row, Scan, Store, Transaction};
use std::rc::Rc;

/// Most records of a page.
const PAGE: usize = 100;
/// Most bytes that a page logs, but for its last record.
const PAGE_BYTES: usize = 256 * 1024;

/// What a page came to.
struct Page<R> {
    touched: Vec<Touched<R>>,
    relogged: Vec<Relogged>,
    bytes: usize,
    dropped: usize,
    left: Vec<Left>,
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Takes the next records of a table over, in one transaction; gives the id of the last one that was looked at.
    pub(super) async fn adopt_page(
        self: &Rc<Self>,
        user: &str,
        (name, table): (&str, &Table),
        after: Option<&str>,
        data: &mut GuestData<S::Row>,
    ) -> Result<Option<String>> {
        let Some(sync) = &table.sync else { return Ok(None) };
        let tx = self.store.begin(Mode::Durable, &[name, CHANGE_LOG, ENGINE])?;
        let now = self.corrected_now(&tx).await?;
        let range = after.map(|after| KeyRange { lower: Some((Key::text(after), true)), upper: None });
        let scan = Scan { range, limit: Some(PAGE), ..Scan::default() };
        let mut page = Page { touched: vec![], relogged: vec![], bytes: 0, dropped: 0, left: vec![] };
        let mut last = None;
        let rows = tx.scan(name, &scan, &is_guests).await?;
        // From here to the last put nothing is waited for: who is signed in now owns and seals all of it.
        self.check_still(user)?;
        for row in rows {
            self.adopt_row(&tx, (name, sync), &row, now, &mut page)?;
            last = row.text(ID).or(last);
            if page.bytes > PAGE_BYTES {
                break;
            }
        }
        append_as(&tx, user, adopt::EPOCH, page.relogged).await?;
        tx.commit().await?;
        if !page.touched.is_empty() {
            self.committed(&page.touched, Origin::User, page.touched.len());
        }
        data.adopted += page.touched.len();
        data.dropped += page.dropped;
        data.left.extend(page.left);
        Ok(last)
    }

    fn adopt_row(
        &self,
        tx: &S::Tx,
        (name, sync): (&str, &TableSync),
        row: &S::Row,
        now: Stamp,
        page: &mut Page<S::Row>,
    ) -> Result<()> {
        let Some(id) = row.text(ID) else { return Ok(()) };
        if is_deleted(row) || is_untouched(row) {
            page.dropped += usize::from(!is_deleted(row));
            return Ok(tx.delete(name, &Key::Text(id))?);
        }
        match self.owned(sync, &id, row, now) {
            Ok(Owned { row, change }) => {
                page.bytes += change.4.bytes();
                tx.put(name, &row, None)?;
                page.relogged.push(change);
                let (table, key) = (name.to_owned(), Key::Text(id));
                // To the user it is new.
                page.touched.push(Touched { table, key, old: None, new: Some(row), fields: Vec::new() });
            }
            Err(error) => page.left.push(left_out(name, id, error)?),
        }
        Ok(())
    }

    /// Seals, in one transaction, what was set aside, and forgets what nobody touched.
    pub(super) async fn adopt_aside(&self, user: &str, data: &mut GuestData<S::Row>) -> Result<()> {
        let tx = self.store.begin(Mode::Durable, &[ENGINE])?;
        let now = self.corrected_now(&tx).await?;
        let (mut dropped, mut left) = (0, Vec::new());
        let asides = rows::read_all::<_, Aside>(&tx, ASIDE).await?;
        self.check_still(user)?;
        for (key, aside) in asides {
            let Some(row) = S::Row::from_json(&aside.row).filter(is_guests) else { continue };
            let table = self.config().tables.get(&aside.table).cloned();
            let Some(sync) = table.as_ref().and_then(|table| table.sync.as_ref()) else { continue };
            if is_deleted(&row) || is_untouched(&row) {
                dropped += usize::from(!is_deleted(&row));
                rows::remove(&tx, ASIDE, &key)?;
                continue;
            }
            match self.owned(sync, &aside.id, &row, now) {
                Ok(Owned { row, .. }) => rows::write(&tx, ASIDE, &key, Aside { row: row.to_json()?, ..aside })?,
                Err(error) => left.push(left_out(&aside.table, aside.id, error)?),
            }
        }
        tx.commit().await?;
        data.dropped += dropped;
        data.left.extend(left);
        Ok(())
    }

    async fn corrected_now(&self, tx: &S::Tx) -> Result<Stamp> {
        let epoch = epoch::current(tx, &self.host, &self.watch).await?;
        Ok(Stamp::at_ms(epoch.now_ms(self.host.now_ms())))
    }
}

/// What is said of a record that cannot be taken over; any other failure ends it.
fn left_out(table: &str, id: String, error: Error) -> Result<Left> {
    match error.kind() {
        Kind::ValueNotSyncable => Ok(Left { table: table.to_owned(), id, error }),
        _ => Err(error),
    }
}
