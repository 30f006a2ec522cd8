//! Sealing anew what is stored in plaintext or under an older key, page by page, under unchanged stamps.
//!
//! What is sealed anew is logged like any change. It wins over what it replaces, and over no edit. Whoever is killed in
//! between goes on where it was.

use super::swept::{SEALED, Sweep, field_name, fields_to_seal, registered};
use super::{Fact, Known, record_of};
use crate::crypto::{Envelope, Format, KeyName};
use crate::engine::error::{Kind, Result};
use crate::engine::guests::is_guests;
use crate::engine::outbox::{self, Unsent};
use crate::engine::ports::Host;
use crate::engine::prepare::fits_sealed;
use crate::engine::progress;
use crate::engine::rebase::{ByAuthor, Relogged, append, author_of, updates};
use crate::engine::stamps::stamp_of;
use crate::engine::{Engine, Table, epoch};
use crate::model::{FieldName, ID, Origin, SPACE_ID, Stamp, TableSync};
use crate::store::{CHANGE_LOG, ENGINE, Key, KeyRange, Mode, Row, RowValue, Scan, Store, Transaction};
use serde_json::{Value, json};
use std::rc::Rc;

/// Most records of a page.
const PAGE: usize = 100;
/// Most bytes that a page seals, but for its last record.
const PAGE_BYTES: usize = 256 * 1024;

type SealedTable = (String, Rc<Table>);

/// What a page came to.
struct Paged<R> {
    rows: Vec<R>,
    relogged: Vec<Relogged>,
    sweep: Sweep,
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Seals anew what has to be, if the keys are here. `synced`: there is a server, so nothing is done before everything
    /// was pulled once: only then it is certain that the key is the user's newest.
    pub async fn tend_sealed(self: &Rc<Self>, synced: bool) -> Result<()> {
        self.look_again().await?;
        if self.vault.tending.replace(true) {
            return Ok(());
        }
        let tended = self.tend_pages(synced).await;
        self.vault.tending.set(false);
        match tended {
            // Without a key that may seal, everything else goes on.
            Err(error) if matches!(error.kind(), Kind::VaultLocked | Kind::KeyOutdated | Kind::KeyExhausted) => Ok(()),
            tended => tended,
        }
    }

    async fn tend_pages(self: &Rc<Self>, synced: bool) -> Result<()> {
        if !self.config().seals_fields() || synced && self.is_filling().await? {
            return Ok(());
        }
        while self.tend_page().await? {}
        Ok(())
    }

    /// Whether something that was asked for was never pulled to its end.
    async fn is_filling(self: &Rc<Self>) -> Result<bool> {
        let position = progress::position(self).await?;
        Ok(position.progress.cursor.is_none() || !position.apps.filling(&self.config()).is_empty())
    }

    /// Whether there is more.
    async fn tend_page(self: &Rc<Self>) -> Result<bool> {
        let newest = self.vault.ring().newest().filter(|_| self.vault.check_sealing().is_ok());
        let Some(newest) = newest.filter(|_| self.config().user.is_some()) else { return Ok(false) };
        let user = self.config().user_id().to_owned();
        let tables = self.sealed_tables();
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let sweep = Sweep::read(&tx, &user, newest, registered(self)).await?;
        drop(tx);
        let at = sweep.table.as_ref().map_or(Some(0), |at| tables.iter().position(|(name, _)| name == at));
        let (false, Some(at)) = (sweep.done, at) else { return Ok(false) };
        let next = tables.get(at + 1).map(|(name, _)| name.clone());
        let found = self.due(&tables[at], sweep.after.as_deref(), newest).await?;
        self.reseal_page(&tables[at], next, &found, newest, &user).await
    }

    fn sealed_tables(&self) -> Vec<SealedTable> {
        let config = self.config();
        let seals = |table: &&Rc<Table>| table.sync.as_ref().is_some_and(|sync| !sync.sealed.is_empty());
        config
            .tables
            .iter()
            .filter(|(_, table)| seals(table))
            .map(|(name, table)| (name.clone(), table.clone()))
            .collect()
    }

    /// Since when a field is sealed. A fact that does not open says that nobody knows, so that nothing is taken for
    /// something that was there before.
    pub(in crate::engine) fn since(&self, known: &Known, sync: &TableSync, field: &str) -> Option<Stamp> {
        let (name, record) = (field_name(sync, field), record_of(self.config().user_id())?);
        let facts: Vec<&Fact> = known.named(SEALED).filter(|(of, _)| *of == name).map(|(_, fact)| fact).collect();
        let opens = |fact: &Fact| {
            let field = FieldName::parse(fact.name.as_str()).ok()?;
            self.vault.ring().open(&record.place(&field), fact.at, &fact.value).ok()
        };
        let opened = facts.iter().filter(|fact| opens(fact).is_some()).map(|fact| fact.at).min();
        opened.or(facts.first().map(|_| Stamp::EPOCH))
    }

    /// The next records of a table that have to be sealed anew.
    async fn due(&self, (name, table): &SealedTable, after: Option<&str>, newest: KeyName) -> Result<Vec<S::Row>> {
        let Some(sync) = &table.sync else { return Ok(Vec::new()) };
        let range = after.map(|after| KeyRange { lower: Some((Key::text(after), true)), upper: None });
        let scan = Scan { range, limit: Some(PAGE), ..Scan::default() };
        let tx = self.store.begin(Mode::Read, &[name])?;
        Ok(tx.scan(name, &scan, &|row| !self.fields_due(sync, row, newest).is_empty()).await?)
    }

    fn fields_due<'a>(&self, sync: &'a TableSync, row: &S::Row, newest: KeyName) -> Vec<&'a str> {
        let config = self.config();
        let is_writable = row.text(SPACE_ID).is_none_or(|space| config.check_writable_space(&space).is_ok());
        if !is_writable || is_guests(row) || !self.is_kept_sealed(sync, row) {
            return Vec::new();
        }
        let known = self.vault.known.borrow();
        fields_to_seal(row, sync, newest, &|field| self.since(&known, sync, field))
    }

    async fn reseal_page(
        self: &Rc<Self>,
        (name, table): &SealedTable,
        next: Option<String>,
        found: &[S::Row],
        newest: KeyName,
        user: &str,
    ) -> Result<bool> {
        let Some(sync) = &table.sync else { return Ok(false) };
        let keys: Vec<Key> = found.iter().filter_map(|row| row.text(ID)).map(Key::Text).collect();
        let tx = self.store.begin(Mode::Write, &[name, CHANGE_LOG, ENGINE])?;
        let unsent = outbox::unsent(&tx, |_| true).await?;
        let sweep = Sweep::read(&tx, user, newest, registered(self)).await?;
        let stored = tx.get_many(name, &keys).await?;
        let mut page = Paged { rows: Vec::new(), relogged: Vec::new(), sweep };
        let mut bytes = 0;
        for row in stored.iter().flatten() {
            bytes += self.reseal_row(sync, row, newest, &unsent, &mut page)?;
            page.sweep.after = row.text(ID);
            if bytes > PAGE_BYTES {
                break;
            }
        }
        let mut logged = page.relogged.len();
        let more = bytes > PAGE_BYTES || found.len() >= PAGE || next.is_some();
        if bytes <= PAGE_BYTES && found.len() < PAGE {
            page.sweep.done = next.is_none();
            (page.sweep.table, page.sweep.after) = (next, None);
        } else {
            page.sweep.table = Some(name.clone());
        }
        if page.sweep.done && !page.sweep.again {
            logged += self.tell_sealed(&tx, user, &mut page.sweep).await?;
        }
        for row in &page.rows {
            tx.put(name, row, None)?;
        }
        append(&tx, user, page.relogged).await?;
        let is_done = page.sweep.done;
        page.sweep.write(&tx, user)?;
        tx.commit().await?;
        if logged > 0 {
            self.committed(&[], Origin::System, logged);
        }
        if is_done {
            self.keyring_changed().await?;
        }
        Ok(more)
    }

    /// Seals the fields of a record that have to be; gives how many bytes that took. What waits in the log under the
    /// same stamp is left for later: until it is sent, its stamp may be corrected.
    fn reseal_row(
        &self,
        sync: &TableSync,
        row: &S::Row,
        newest: KeyName,
        unsent: &Unsent,
        page: &mut Paged<S::Row>,
    ) -> Result<usize> {
        let id = row.text(ID).unwrap_or_default();
        let mut resealed = row.shallow_copy();
        let mut by_author = ByAuthor::new();
        let mut bytes = 0;
        for field in self.fields_due(sync, row, newest) {
            let at = stamp_of(row, field);
            if at.is_some_and(|at| unsent.has_edit(sync.sync_name.as_str(), &id, field, at)) {
                page.sweep.again = true;
                continue;
            }
            let is_plain = row.text(field).is_none_or(|text| Envelope::parse(&text).is_none());
            let (Some(at), Some(value)) = (at, at.and_then(|at| self.plain_value(sync, row, (&id, field), at))) else {
                if is_plain {
                    page.sweep.left.push(field_name(sync, field));
                }
                continue;
            };
            let text = self.seal_value(sync, &id, field, at, &value)?;
            bytes += text.len();
            resealed.set_text(field, &text);
            let (origin, actor) = author_of(row, field);
            let edit = json!({ "value": text, "at": at, "prev": at });
            by_author.entry((actor.to_string(), origin)).or_default().insert(field.to_owned(), edit);
        }
        page.relogged.extend(updates(by_author, &id, row, self, sync));
        if bytes > 0 {
            page.rows.push(resealed);
        }
        Ok(bytes)
    }

    /// What a field holds; `None` where no key here opens it, or it cannot be sealed.
    fn plain_value(&self, sync: &TableSync, row: &S::Row, (id, field): (&str, &str), at: Stamp) -> Option<Value> {
        let value = row.get(field)?;
        if let Some(text) = value.as_text().filter(|text| Envelope::parse(text).is_some()) {
            return self.open_text(sync, id, field, at, &text);
        }
        fits_sealed(value.weight()).then(|| value.to_json().ok())?
    }

    /// Says of every registered field that it is sealed from now on, where nobody has said so.
    async fn tell_sealed(&self, tx: &S::Tx, user: &str, sweep: &mut Sweep) -> Result<usize> {
        let known = Known::read(tx, user).await?;
        let epoch = epoch::current(tx, &self.host, &self.watch).await?;
        let is_told = |field: &String| known.named(SEALED).any(|(of, _)| of == field) || sweep.left.contains(field);
        let names: Vec<String> = sweep.fields.iter().filter(|field| !is_told(field)).cloned().collect();
        if names.is_empty() || self.config().format == Format::One {
            return Ok(0);
        }
        if epoch.offset.is_none() {
            // A stamp of a clock that nobody has compared is no measure for others.
            sweep.again = true;
            return Ok(0);
        }
        let at = self.clock.borrow_mut().tick(Some(&epoch), self.host.now_ms(), None);
        let mut facts = Vec::new();
        for name in
            names.iter().map(|name| format!("{SEALED}{name}")).filter(|name| FieldName::parse(name.as_str()).is_ok())
        {
            facts.push(self.sealed_fact(name, at, &json!(at))?);
        }
        super::tell(tx, user, facts, epoch::fresh_id(&self.host)).await?;
        Ok(1)
    }
}
