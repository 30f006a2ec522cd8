//! What was written before anybody signed in: kept beside the user's records, and taken into their account when they ask.
//!
//! What holds, wherever it is interrupted:
//!
//! 1. A guest's records stay on the device, in plaintext, and are neither logged nor sent, until the user takes them over
//!    or discards them.
//! 2. Nothing of a guest's takes the place of what the account has. Where a record of the account comes under an id that
//!    a guest's has, the guest's is set aside whole, in the transaction that stores the other.
//! 3. Taking over says each record once, as an insert in the user's own space, sealed where it is to be, with the stamps
//!    that it has. Record and log entry are one transaction, so what was taken over is the guest's no more, and what was
//!    not is still there to be taken over.

mod owned;
mod page;

use super::config::{Config, GUEST};
use super::error::{Error, Kind, Result};
use super::ports::{Host, Tabs, Transport};
use super::prepare::is_deleted;
use super::session::Session;
use super::stamps::origin_of;
use super::{Engine, Table, rows};
use crate::model::{AUTHOR_ID, ID, Origin, SPACE_ID, UPDATED_AT_INDEX, USER_ID, record};
use crate::store::{ENGINE, Key, Mode, Row, Scan, Store, Transaction};
use owned::is_untouched;
use serde_json::Value;
use std::rc::Rc;

/// Kind of the rows that keep a guest's records whose ids the account has, by table, id, and when they were last written: a
/// guest may have written under one id more than once.
const ASIDE: &str = "guest";

/// What became of a guest's records, or would.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestData<R> {
    /// Records that are the user's now.
    pub adopted: usize,
    /// Records that the app made by itself and nobody touched: the account has its own.
    pub dropped: usize,
    /// Records whose ids the account has: its own stay as they are, the guest's are kept beside them.
    pub existing: Vec<Existing<R>>,
    /// Records that cannot be sent; they stay the guest's.
    pub left: Vec<Left>,
}

/// A guest's record whose id the account has.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing<R> {
    /// The table.
    pub table: String,
    /// The id.
    pub id: String,
    /// The guest's record.
    pub row: R,
}

/// A guest's record that cannot be taken over.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// The table.
    pub table: String,
    /// The id.
    pub id: String,
    /// Why.
    pub error: Error,
}

record! {
    struct Aside {
        table: String = "table",
        id: String = "id",
        row: Value = "row",
    }
}

/// Whether a record was written before anybody signed in: it was never logged, and no server knows it.
pub fn is_guests<R: Row>(row: &R) -> bool {
    let is = |field: &str| row.text(field).as_deref() == Some(GUEST);
    // In a record of a space `userId` is the app's own; and what a server says of an author is no guest's word.
    let came = || origin_of(row, AUTHOR_ID).as_deref() == Some(Origin::ServerReplay.as_str());
    if row.text(SPACE_ID).is_some() { is(AUTHOR_ID) && !came() } else { is(USER_ID) }
}

/// Whether a record is a guest's while somebody is signed in: to them it is not there until it is taken over.
pub fn is_anothers<R: Row>(config: &Config, row: &R) -> bool {
    config.user.is_some() && is_guests(row)
}

/// Keeps a guest's record aside, in the transaction that puts the account's in its place.
pub fn set_aside<Tx: Transaction>(tx: &Tx, table: &str, id: &str, row: &Tx::Row) -> Result<()> {
    let aside = Aside { table: table.to_owned(), id: id.to_owned(), row: row.to_json()? };
    let written = row.text(UPDATED_AT_INDEX).unwrap_or_default();
    rows::write(tx, ASIDE, &format!("{table}/{id}/{written}"), aside)
}

/// Changes the guests' records of a table that are kept aside; `change` gives `None` for one that stays as it is.
pub async fn migrate_aside<Tx: Transaction>(
    tx: &Tx,
    table: &str,
    change: impl Fn(&Tx::Row) -> Option<Tx::Row>,
) -> Result<()> {
    for (key, aside) in rows::read_all::<_, Aside>(tx, ASIDE).await? {
        let row = Tx::Row::from_json(&aside.row).filter(|_| aside.table == table);
        if let Some(changed) = row.and_then(|row| change(&row)) {
            rows::write(tx, ASIDE, &key, Aside { row: changed.to_json()?, ..aside })?;
        }
    }
    Ok(())
}

impl<R> Default for GuestData<R> {
    fn default() -> Self {
        Self { adopted: 0, dropped: 0, existing: Vec::new(), left: Vec::new() }
    }
}

impl<S: Store, H: Host, T: Transport, B: Tabs> Session<S, H, T, B> {
    /// Takes a guest's records into the account of the user who signed in; where there is a server, once everything was
    /// pulled. Called again, it goes on where it was. `wait_ms`: how long it waits for the vault, where it takes the key.
    pub async fn adopt_guest_data(self: &Rc<Self>, wait_ms: u64) -> Result<GuestData<S::Row>> {
        self.engine().check_signed_in()?;
        let user = self.engine().config().user_id().to_owned();
        if self.has_server() {
            // Which ids the account has, and which of the user's keys is the newest, is only known then: a pull of some
            // time ago does not know what other devices made since.
            self.sync_now().await?;
        }
        self.engine().adopt_guest_data(&user, wait_ms).await
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    fn check_signed_in(&self) -> Result<()> {
        match self.config().user {
            Some(_) => Ok(()),
            None => {
                Err(Error::new(Kind::InvalidArgument, "nobody is signed in: call setUser first; nothing was written"))
            }
        }
    }

    /// Fails where another user has signed in since, or nobody is: what is taken over is only that user's.
    fn check_still(&self, user: &str) -> Result<()> {
        if self.config().user.is_some() && self.config().user_id() == user {
            return Ok(());
        }
        Err(Error::new(Kind::OtherUser, "the user changed meanwhile: call it again for the one who is signed in now"))
    }

    /// What adopting would come to, as far as it is known now. Writes nothing, and needs neither key nor server.
    pub async fn guest_data(self: &Rc<Self>) -> Result<GuestData<S::Row>> {
        self.check_signed_in()?;
        let mut data = GuestData::default();
        for (name, _) in self.tables_of_guests() {
            let tx = self.store.begin(Mode::Read, &[&name])?;
            for row in tx.scan(&name, &Scan::default(), &is_guests).await? {
                if is_untouched(&row) {
                    data.dropped += 1;
                } else if !is_deleted(&row) {
                    data.adopted += 1;
                }
            }
        }
        data.existing = self.existing().await?;
        Ok(data)
    }

    /// Deletes what is left of a guest's on this device: what was not taken over, and what was set aside. Gives how many
    /// records that were.
    pub async fn discard_guest_data(self: &Rc<Self>) -> Result<usize> {
        self.check_signed_in()?;
        let tables = self.synced_tables();
        let stores: Vec<&str> = tables.iter().map(String::as_str).chain([ENGINE]).collect();
        let tx = self.store.begin(Mode::Durable, &stores)?;
        let asides: Vec<(String, Aside)> = rows::read_all(&tx, ASIDE).await?;
        let mut count = asides.len();
        for (key, _) in asides {
            rows::remove(&tx, ASIDE, &key)?;
        }
        for table in &tables {
            for row in tx.scan(table, &Scan::default(), &is_guests).await? {
                if let Some(id) = row.text(ID) {
                    tx.delete(table, &Key::Text(id))?;
                    count += usize::from(!is_deleted(&row));
                }
            }
        }
        tx.commit().await?;
        Ok(count)
    }

    pub(super) async fn adopt_guest_data(self: &Rc<Self>, user: &str, wait_ms: u64) -> Result<GuestData<S::Row>> {
        let mut data = GuestData::default();
        for (name, table) in self.tables_of_guests() {
            let mut after = None;
            loop {
                let page = self.adopt_page(user, (&name, &table), after.as_deref(), &mut data).await;
                after = match page {
                    Ok(None) => break,
                    Ok(last) => last,
                    Err(error) => {
                        self.wait_for_key(error, wait_ms).await?;
                        after
                    }
                };
            }
        }
        while let Err(error) = self.adopt_aside(user, &mut data).await {
            self.wait_for_key(error, wait_ms).await?;
        }
        data.existing = self.existing().await?;
        Ok(data)
    }

    async fn wait_for_key(&self, error: Error, wait_ms: u64) -> Result<()> {
        let is_worth_it = error.kind() == Kind::VaultLocked && self.unlocked_within(wait_ms).await;
        if is_worth_it { Ok(()) } else { Err(error) }
    }

    fn tables_of_guests(&self) -> Vec<(String, Rc<Table>)> {
        let config = self.config();
        let synced = config.tables.iter().filter(|(_, table)| table.sync.is_some());
        synced.map(|(name, table)| (name.clone(), Rc::clone(table))).collect()
    }

    /// What was set aside, as the app sees it.
    async fn existing(&self) -> Result<Vec<Existing<S::Row>>> {
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let asides: Vec<(String, Aside)> = rows::read_all(&tx, ASIDE).await?;
        drop(tx);
        let shown = asides.into_iter().filter_map(|(_, Aside { table, id, row })| {
            let row = S::Row::from_json(&row)?;
            let known = self.config().tables.get(&table).cloned();
            let row = match known.as_ref().and_then(|table| table.sync.as_ref()) {
                Some(sync) => self.opened(&table, sync, row),
                None => row,
            };
            Some(Existing { table, id, row })
        });
        Ok(shown.collect())
    }
}
