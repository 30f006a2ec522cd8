//! The apply path, the only way in for changes from outside: a page with its cursor, in one transaction.
//!
//! Validate each change (bad ones are quarantined and counted) → read the touched records → merge in order → put
//! records, parked changes, quarantine and cursor → commit → tell conflicts and live queries. A crash leaves the page
//! together with its cursor, or neither.

mod aside;
mod parked;
mod record;
mod unique;

pub use aside::{QuarantineCount, Reason};
pub(super) use aside::{forget_ahead, quarantined};
pub use record::{Merged, merge_into};

use super::config::Config;
use super::epoch::{self, Epoch, Sample};
use super::error::Result;
use super::events::{Conflict, Event};
use super::ports::Host;
use super::progress::{self, Position};
use super::rebase::Seen;
use super::whole::note_moved;
use super::{Engine, Touched, apps, keyring, outbox, rebase, rows};
use crate::migrate;
use crate::model::{Change, Malformed, Op, OrderedMap, OrderedSet, Origin};
use crate::probe::{Probe, hit};
use crate::protocol::limits::MAX_PULL_AHEAD_MS;
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Store, Transaction};
use parked::Parking;
pub(super) use record::insert_of;
use record::{Effect, Work};
use serde_json::Value;

/// Changes that came together.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The changes, in order, as the wire carries them.
    pub changes: Vec<Value>,
    /// Where the next page begins; stored with the page. `None` for replayed changes.
    pub cursor: Option<String>,
    /// Where this page was asked for; `None` for replayed changes.
    pub asked: Option<Position>,
    /// Whether there are further pages of this pull.
    pub more: bool,
    /// Keys of quarantined changes this page replays; what fails again goes back.
    pub replayed: Vec<String>,
    /// What the answer says of the server's clock.
    pub sample: Option<Sample>,
}

/// What a page did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// Records that changed.
    pub records: usize,
    /// Changes put aside, by reason.
    pub aside: OrderedMap<Reason, usize>,
    /// Local values that lost.
    pub conflicts: Vec<Conflict>,
    /// Nothing was applied: the pull begins elsewhere since the page was asked for.
    pub overtaken: bool,
}

impl Page {
    /// Whether it is a part of the first pull of a table's app: no conflicts are reported.
    fn fills(&self, table: &str, config: &Config) -> bool {
        let sync = config.tables.get(table).and_then(|table| table.sync.as_ref());
        self.asked.as_ref().zip(sync).is_some_and(|(asked, sync)| asked.fills(sync.app.as_str()))
    }

    /// The full pull that it is a part of.
    fn rebase(&self) -> Option<&str> {
        self.asked.as_ref()?.rebase.as_deref()
    }
}

/// A change that names a table of this app.
struct Valid {
    table: String,
    change: Change,
}

pub(super) type Works<R> = OrderedMap<(String, String), Work<R>>;

impl<S: Store, H: Host> Engine<S, H> {
    /// Applies a page. `None`: the clock's offset is not known now, so nothing was applied; measure it and come again.
    pub async fn apply(self: &std::rc::Rc<Self>, page: Page) -> Result<Option<Applied>> {
        // Read before the epoch is: where the clock is set in between, the epoch says so.
        let device_ms = self.host.now_ms();
        let (of_keyring, changes) = split(&page.changes);
        let (parsed, mut aside) = self.parse_all(&changes);
        let tables: OrderedSet<&str> = parsed.iter().map(|valid| valid.table.as_str()).collect();
        let stores: Vec<&str> = tables.into_iter().chain([ENGINE, CHANGE_LOG]).collect();
        let tx = self.store.begin(Mode::Write, &stores)?;
        let user = self.config_user();
        let (led, epoch, loaded, parking, here) = futures_util::future::join5(
            self.check_lead(&tx),
            epoch::current(&tx, &self.host, &self.watch),
            self.load(&tx, &parsed),
            Parking::read(&tx, user.clone()),
            Position::read(&tx, &user),
        )
        .await;
        led?;
        let (epoch, mut works, mut parking, here) = (epoch?, loaded?, parking?, here?);
        if page.asked.as_ref().is_some_and(|asked| !asked.is_at(&here)) {
            hit(Probe::ApplyOvertaken);
            return Ok(Some(Applied { overtaken: true, ..Applied::default() }));
        }
        if epoch.offset.is_none() {
            hit(Probe::ApplyClockUnknown);
            return Ok(None);
        }
        if page.sample.is_some_and(|sample| !sample.fits(&epoch)) {
            epoch::doubt(&tx, &self.host, &self.watch, &epoch)?;
            tx.commit().await?;
            return Ok(None);
        }
        let withdrawn = parsed.iter().filter(|valid| valid.change.op == Op::Withdraw);
        aside::forget_withdrawn(&tx, &user, withdrawn.map(|valid| &valid.change)).await?;
        let valid = hold_back_future(parsed, epoch.now_ms(device_ms), &mut aside);
        let mut tally = record::Tally::default();
        let mut seen = Seen::default();
        let unique = self.unique_indexes(&works);
        for Valid { table, change } in valid {
            unique::note(&unique, &mut tally, &table, &change);
            self.merge_one(&tx, &mut works, &table, &change, &unique, &mut parking, &mut tally, &mut aside).await?;
            if page.rebase().is_some() {
                let work = works.get(&(table.clone(), change.id.to_string()));
                seen.add(&table, &change, work.and_then(Work::row));
            }
        }
        if let (Some(rebase), Some(cursor)) = (page.rebase(), &page.cursor) {
            seen.write(&tx, rebase, cursor)?;
        }
        parking.make_room(&tx).await?;
        if parking.is_incomplete {
            rebase::read_once_more(&tx, &user, epoch::fresh_id(&self.host)).await?;
        }
        let mut arrived = self.look_at(&mut works);
        arrived.note(&tx)?;
        let mut touched = unique::store(&tx, &unique, &mut works, &mut tally, &mut aside).await?;
        touched.extend(self.finish(&tx, works, &tally, &aside, &page).await?);
        note_moved(&tx, self.config().user_id(), &touched)?;
        let keyring_changed = keyring::take(&tx, &self.config_user(), &of_keyring).await?;
        if keyring::brings_work(self, &touched) {
            keyring::note_arrivals(&tx, &self.config_user()).await?;
        }
        let mut conflicts = confirm(&tx, tally).await?;
        conflicts.retain(|conflict| !page.fills(&conflict.table, &self.config()));
        tx.commit().await?;
        if keyring_changed {
            self.keyring_changed().await?;
        }
        // What stays aside was told of when it went there.
        aside.retain(|aside| !aside.event_id().is_some_and(|id| page.replayed.iter().any(|known| known == id)));
        let applied = self.tell(&touched, conflicts, aside);
        for event in arrived.told(&touched) {
            self.emit(event);
        }
        Ok(Some(applied))
    }

    fn config_user(&self) -> String {
        self.config().user_id().to_owned()
    }

    fn parse_all(&self, changes: &[&Value]) -> (Vec<Valid>, Vec<aside::Aside>) {
        let (mut valid, mut aside) = (Vec::with_capacity(changes.len()), Vec::new());
        for json in changes {
            match self.parse((*json).clone()) {
                Ok(change) => {
                    if let Some(Valid { change: Change { op: Op::Withdraw, .. }, .. }) = &change {
                        // What was put aside of the record before it was taken away is not for this reader any more.
                        aside.retain(|before: &aside::Aside| !before.is_of_record(json));
                    }
                    valid.extend(change);
                }
                Err((reason, malformed)) => {
                    aside.push(aside::Aside::new(reason, (*json).clone(), &malformed.to_string()));
                }
            }
        }
        (valid, aside)
    }

    /// Reads a change and brings it to the app's version; `None`: nothing of it is left.
    fn parse(&self, json: Value) -> std::result::Result<Option<Valid>, (Reason, Malformed)> {
        let mut change = Change::parse(json).map_err(|malformed| (Reason::Malformed, malformed))?;
        let config = self.config();
        let known = config.local_table(change.app.as_str(), change.table.as_str());
        let Some((name, sync)) = known.and_then(|(name, table)| Some((name, table.sync.as_ref()?))) else {
            return Err((Reason::UnknownTable, Malformed::new("table", "is not known to this version of the app")));
        };
        // What takes a record away does so in every version.
        if change.schema_version > sync.schema_version && change.op != Op::Withdraw {
            return Err((
                Reason::SchemaTooNew,
                Malformed::new("schemaVersion", "is newer than this version of the app"),
            ));
        }
        let is_left = migrate::bring(&mut change, &sync.migrations, sync.schema_version);
        Ok(is_left.then(|| Valid { table: name.to_owned(), change }))
    }

    /// The stored records the changes name, read in one go per table.
    async fn load(&self, tx: &S::Tx, parsed: &[Valid]) -> Result<Works<S::Row>> {
        let mut wanted: OrderedMap<&str, OrderedSet<&str>> = OrderedMap::new();
        for valid in parsed {
            wanted.entry(&valid.table).or_default().insert(valid.change.id.as_str());
        }
        let work = if self.config().user.is_some() { Work::of_user } else { Work::new };
        let reads = wanted.into_iter().map(|(table, ids)| async move {
            let keys: Vec<Key> = ids.iter().map(|id| Key::text(id)).collect();
            let rows = tx.get_many(table, &keys).await?;
            Ok::<_, super::Error>(
                ids.into_iter()
                    .zip(rows)
                    .map(move |(id, row)| ((table.to_owned(), id.to_owned()), work(row)))
                    .collect::<Vec<_>>(),
            )
        });
        let read = futures_util::future::try_join_all(reads).await?;
        Ok(read.into_iter().flatten().collect())
    }

    fn unique_indexes(&self, works: &Works<S::Row>) -> unique::Unique {
        let tables: OrderedSet<&str> = works.keys().map(|(table, _)| table.as_str()).collect();
        let indexes = tables.into_iter().map(|table| (table.to_owned(), self.store.unique_indexes(table)));
        indexes.filter(|(_, indexes)| !indexes.is_empty()).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one page, taken apart for the borrow checker")]
    async fn merge_one(
        &self,
        tx: &S::Tx,
        works: &mut Works<S::Row>,
        table: &str,
        change: &Change,
        unique: &unique::Unique,
        parking: &mut Parking,
        tally: &mut record::Tally,
        aside: &mut Vec<aside::Aside>,
    ) -> Result<()> {
        let work = works.entry((table.to_owned(), change.id.to_string())).or_insert_with(|| Work::new(None));
        let effect = record::apply(work, table, change, &self.config(), tally);
        let waits = matches!(effect, Effect::Park);
        put_aside(effect, change, aside);
        let parked = if work.row().is_some() { parking.take(tx, table, change).await? } else { None };
        if let Some(parked) = parked {
            // It follows its insert.
            hit(Probe::MergeUnparked);
            for json in parked {
                match self.parse(json.clone()) {
                    Ok(Some(Valid { change, .. })) => {
                        unique::note(unique, tally, table, &change);
                        put_aside(record::apply(work, table, &change, &self.config(), tally), &change, aside);
                    }
                    Ok(None) => {}
                    // A newer app parked it.
                    Err((reason, malformed)) => aside.push(aside::Aside::new(reason, json, &malformed.to_string())),
                }
            }
        } else if waits {
            parking.park(tx, table, change).await?;
        }
        Ok(())
    }

    async fn finish(
        &self,
        tx: &S::Tx,
        works: Works<S::Row>,
        tally: &record::Tally,
        aside: &[aside::Aside],
        page: &Page,
    ) -> Result<Vec<Touched<S::Row>>> {
        let user = self.config().user_id().to_owned();
        if !tally.lost.is_empty() || !tally.matched.is_empty() {
            outbox::note_others(tx, &tally.lost, &tally.matched).await?;
        }
        let mut touched = Vec::new();
        for ((table, id), work) in works {
            touched.extend(work.store(tx, table, id)?);
        }
        for key in &page.replayed {
            rows::remove(tx, rows::QUARANTINE, key)?;
        }
        aside::quarantine(tx, aside, &user, epoch::fresh_id(&self.host)).await?;
        if let Some(cursor) = &page.cursor {
            if let Some(asked) = page.asked.as_ref().filter(|_| !page.more) {
                let filled = asked.apps.filling(&self.config());
                apps::arrived(tx, filled).await?;
            }
            let shown = page.asked.as_ref().and_then(|asked| asked.progress.receipt.as_deref());
            progress::advance(tx, &user, cursor, shown.filter(|_| !page.more)).await?;
        }
        Ok(touched)
    }

    fn tell(
        self: &std::rc::Rc<Self>,
        touched: &[Touched<S::Row>],
        conflicts: Vec<Conflict>,
        aside: Vec<aside::Aside>,
    ) -> Applied {
        let mut counts = OrderedMap::new();
        for put_aside in aside {
            *counts.entry(put_aside.reason).or_insert(0) += 1;
        }
        self.committed(touched, Origin::ServerReplay, 0);
        for conflict in &conflicts {
            hit(Probe::ApplyConflict);
            let is_its = |one: &&Touched<S::Row>| one.table == conflict.table && one.key == Key::text(&conflict.id);
            let row = touched.iter().find(is_its).and_then(|one| one.new.as_ref());
            if let Some(opened) = self.opened_conflict(conflict.clone(), row) {
                self.emit(Event::Conflict(opened));
            }
        }
        for (reason, count) in &counts {
            self.emit(Event::Quarantine { code: reason.as_str(), count: *count });
        }
        Applied { records: touched.len(), aside: counts, conflicts, overtaken: false }
    }

    /// Tries quarantined changes again that a newer app knows or whose time has come; others stay where they are. Tells
    /// the app how many wait for a newer one.
    pub async fn replay_quarantine(self: &std::rc::Rc<Self>) -> Result<Option<Applied>> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let mut held = aside::replayable(&tx, &user).await?;
        let epoch: Option<Epoch> = rows::read(&tx, rows::CLOCK, "").await?;
        let now = epoch.map_or(0, |epoch| epoch.now_ms(self.host.now_ms()));
        let is_missed = aside::has_missed(&tx, &user, now, |app, version| self.knows(app, version)).await?;
        drop(tx);
        if is_missed {
            self.read_missed(&user, now).await?;
        }
        let mut too_new = 0;
        held.retain(|(_, json)| match self.parse(json.clone()) {
            Ok(valid) => valid.is_none_or(|valid| is_of_our_time(&valid.change, now)),
            Err((reason, _)) => {
                too_new += usize::from(reason == Reason::SchemaTooNew);
                false
            }
        });
        if too_new > self.too_new.replace(too_new) {
            self.emit(Event::UpdateRequired { waiting: too_new });
        }
        if held.is_empty() {
            return Ok(Some(Applied::default()));
        }
        let (replayed, changes) = held.into_iter().unzip();
        self.apply(Page { changes, replayed, ..Page::default() }).await
    }

    /// What quarantine holds for the user, by reason.
    pub async fn quarantine(&self) -> Result<Vec<QuarantineCount>> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        aside::counts(&tx, &user).await
    }

    /// Whether this app is of that version at least.
    fn knows(&self, app: &str, version: u32) -> bool {
        let config = self.config();
        let mut known = config.tables.values().filter_map(|table| table.sync.as_ref());
        known.any(|sync| sync.app.as_str() == app && sync.schema_version >= version)
    }

    /// Has everything be pulled anew: changes that had to leave quarantine are known to this version of the app, or their time
    /// has come.
    async fn read_missed(&self, user: &str, now: u64) -> Result<()> {
        let tx = self.store.begin(Mode::Write, &[ENGINE])?;
        self.check_lead(&tx).await?;
        aside::forget_missed(&tx, user, now, |app, version| self.knows(app, version)).await?;
        rebase::read_again(&tx, user, epoch::fresh_id(&self.host)).await?;
        Ok(tx.commit().await?)
    }
}

/// Changes of the user's keyring, and those of the app's tables.
fn split(changes: &[Value]) -> (Vec<&Value>, Vec<&Value>) {
    changes.iter().partition(|change| keyring::is_of_keyring(change))
}

fn put_aside(effect: Effect, change: &Change, aside: &mut Vec<aside::Aside>) {
    if let Effect::OtherSpace(displaced) = effect {
        let loser = displaced.map_or_else(|| change.to_json(), |displaced| displaced.to_json());
        aside.push(aside::Aside::new(Reason::SpaceMismatch, loser, "belongs to another space"));
    }
}

/// Puts aside what is stamped too far ahead of `now`, the server's time in milliseconds; gives the rest.
fn hold_back_future(parsed: Vec<Valid>, now: u64, aside: &mut Vec<aside::Aside>) -> Vec<Valid> {
    let (valid, ahead): (Vec<_>, Vec<_>) = parsed.into_iter().partition(|valid| is_of_our_time(&valid.change, now));
    let message = "is stamped more than 24 h ahead of the server's clock";
    aside.extend(ahead.into_iter().map(|v| aside::Aside::new(Reason::ClockAhead, v.change.to_json(), message)));
    valid
}

/// Whether no stamp of the change is too far ahead of `now`, corrected time in ms.
fn is_of_our_time(change: &Change, now: u64) -> bool {
    let latest = now.saturating_add(MAX_PULL_AHEAD_MS);
    change.at.ms() <= latest && change.fields.values().all(|edit| edit.at.ms() <= latest)
}

/// A change without `prev` is in conflict only with values that were never sent.
async fn confirm<Tx: Transaction>(tx: &Tx, tally: record::Tally) -> Result<Vec<Conflict>> {
    let mut conflicts = tally.conflicts;
    if !tally.suspects.is_empty() {
        hit(Probe::ApplySuspect);
        let unsent = outbox::unsent(tx, |_| true).await?;
        let is_unsent = |sync_name: &str, c: &Conflict| unsent.has_field(sync_name, &c.id, &c.field);
        conflicts.extend(tally.suspects.into_iter().filter(|(name, c)| is_unsent(name, c)).map(|(_, c)| c));
    }
    Ok(conflicts)
}

pub(super) use record::Other;
