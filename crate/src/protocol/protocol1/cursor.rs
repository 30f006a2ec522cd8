//! How far a client of protocol 1 has read: one time for each table.
//!
//! A time is no position. Rows are dated before their transaction commits, so that what is read up to a time may lack rows
//! that are older; a run over the tables therefore begins some time before the last one ended. Many rows can have one time,
//! and a page may end among them; so the next one begins just below it. What comes twice changes nothing.

use crate::model::{AppId, FromJson, Stamp, TableName, record};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A run goes back so far, in microseconds: longer than a transaction of the server is open.
const OVERLAP: u64 = 60 * 1_000_000;
/// A wide run goes back so far, in microseconds.
const WIDE_OVERLAP: u64 = 7 * DAY;
/// One is due after so long, in microseconds.
const DAY: u64 = 24 * 60 * 60 * 1_000_000;

/// A time of the server's, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(u64);

impl Time {
    /// Of milliseconds since 1970.
    #[must_use]
    pub const fn of_ms(ms: u64) -> Self {
        Self(ms * 1000)
    }

    /// Reads an RFC 3339 time; what is finer than microseconds is cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Stamp::parse(text).ok().map(|stamp| Self(stamp.micros()))
    }

    const fn before(self, micros: u64) -> Self {
        Self(self.0.saturating_sub(micros))
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Stamp::at_micros(self.0).fmt(f)
    }
}

impl FromJson for Time {
    fn from_json(value: Value) -> Option<Self> {
        Self::parse(value.as_str()?)
    }
}

impl From<Time> for Value {
    fn from(time: Time) -> Self {
        time.to_string().into()
    }
}

/// What is asked next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All tables of an app, by a push that brings nothing: it is answered with what is newer than a time.
    App {
        /// The app.
        app: AppId,
        /// The time.
        since: Time,
    },
    /// A page of one table.
    Table {
        /// Its app.
        app: AppId,
        /// The table.
        table: TableName,
        /// What is newer is asked for.
        since: Time,
        /// Whether the table was never read to its end: then also what this client sent itself is wanted.
        is_first: bool,
    },
}

record! {
    /// Where a client stands.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct TimeCursor {
        /// Table → the time up to which it was read, by `app/table`.
        until: Map<String, Value> = "until" or Map::new(),
        /// Tables that were read from the beginning once only, while others' spaces were among what is read.
        once: Vec<String> = "once" or Vec::new(),
        /// The spaces of others whose rows were among what was read from the beginning.
        spaces: Vec<String> = "spaces" or Vec::new(),
        run: Option<Run> = "run",
        /// The server's time when old rows were last read again.
        reread: Time = "reread" or Time::default(),
    }
}

record! {
    /// A run over all tables that has not come to its end.
    #[derive(Debug, Clone, PartialEq)]
    struct Run {
        /// The server's time when it began.
        began: Time = "began",
        /// Whether it goes back further than others.
        wide: bool = "wide" or false,
        /// Apps and tables that were read.
        done: Vec<String> = "done" or Vec::new(),
        /// The table under way, and where its next page begins.
        table: Option<String> = "table",
        since: Time = "since" or Time::default(),
    }
}

impl TimeCursor {
    /// Reads a cursor; what is none is the beginning.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).and_then(Self::from_json).unwrap_or_default()
    }

    /// The cursor as it is stored.
    #[must_use]
    pub fn text(self) -> String {
        Value::from(self).to_string()
    }

    /// A cursor a day before this one: another protocol was spoken since, and what that brought is not in it.
    #[must_use]
    pub fn a_day_before(mut self) -> Self {
        for until in self.until.values_mut() {
            let time = Time::from_json(until.take()).unwrap_or_default();
            *until = time.before(DAY).into();
        }
        Self { run: None, ..self }
    }

    /// Whether no run is under way.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.run.is_none()
    }

    /// Begins a run, with the spaces of others that the user is in. What was written in a space before they joined it is older
    /// than what was read up to, so that everything is read again. Rows of such spaces may be left out without a word, while
    /// nobody can say who is in them: so once a day more is read again, and everything the first time.
    pub fn begin(&mut self, now: Time, spaces: &[String]) {
        let is_joined = spaces.iter().any(|space| !self.spaces.contains(space));
        // A clock that was ahead when something was read: what came until it is right would be passed by.
        let was_ahead = self
            .until
            .values()
            .filter_map(|until| Time::from_json(until.clone()))
            .any(|until| until.before(OVERLAP) > now);
        if is_joined || was_ahead {
            self.until.clear();
            self.once.clear();
            self.reread = if was_ahead { Time::default() } else { now };
        }
        self.spaces = spaces.to_vec();
        let wide = !spaces.is_empty() && now.before(DAY) > self.reread;
        self.run = Some(Run { began: now, wide, done: Vec::new(), table: None, since: Time::default() });
    }

    /// What is to be asked next; `None`: everything was, the run has ended.
    #[must_use]
    pub fn next(&self, apps: &BTreeMap<AppId, Vec<TableName>>) -> Option<Step> {
        let run = self.run.as_ref()?;
        apps.iter().filter(|(app, _)| !run.done.iter().any(|done| done == app.as_str())).find_map(|(app, tables)| {
            let keys: Vec<String> = tables.iter().map(|table| key(app, table)).collect();
            let untouched = !keys.iter().any(|key| run.table.as_ref() == Some(key) || run.done.contains(key));
            let since = keys.iter().map(|key| self.goes_on_at(key, run)).min().flatten();
            if let Some(since) = since.filter(|_| untouched) {
                return Some(Step::App { app: app.clone(), since: run.back_from(since) });
            }
            let at = keys.iter().position(|key| !run.done.contains(key))?;
            let until = self.goes_on_at(&keys[at], run);
            let under_way = run.table.as_ref() == Some(&keys[at]);
            let since = if under_way { run.since } else { until.map_or(Time::default(), |until| run.back_from(until)) };
            Some(Step::Table { app: app.clone(), table: tables[at].clone(), since, is_first: until.is_none() })
        })
    }

    /// All that is newer in an app came, up to a time.
    pub fn read_app(&mut self, app: &AppId, tables: &[TableName], until: Time) {
        for table in tables {
            self.note(key(app, table), until);
        }
        if let Some(run) = &mut self.run {
            run.done.push(app.as_str().to_owned());
        }
    }

    /// There was more in an app than is answered at once: its tables are read one by one.
    pub fn read_by_table(&mut self, app: &AppId, tables: &[TableName], since: Time) {
        let first = tables.first().map(|table| key(app, table));
        if let (Some(run), Some(first)) = (&mut self.run, first) {
            run.table = Some(first);
            run.since = since;
        }
    }

    /// A page of a table came that ends at a time, and there is more.
    pub fn read_page(&mut self, app: &AppId, table: &TableName, since: Time) {
        if let Some(run) = &mut self.run {
            run.table = Some(key(app, table));
            run.since = since;
        }
    }

    /// The last page of a table came, up to a time.
    pub fn read_table(&mut self, app: &AppId, table: &TableName, until: Time) {
        let key = key(app, table);
        let was_once = self.once.contains(&key);
        let is_wide = self.run.as_ref().is_some_and(|run| run.wide);
        if self.until(&key).is_none() && !was_once && !self.spaces.is_empty() {
            self.once.push(key.clone());
        } else if is_wide {
            self.once.retain(|once| *once != key);
        }
        self.note(key.clone(), until);
        if let Some(run) = &mut self.run {
            run.table = None;
            run.done.push(key);
        }
    }

    /// Ends the run.
    pub fn end(&mut self) {
        if let Some(run) = self.run.take().filter(|run| run.wide) {
            self.reread = run.began;
        }
    }

    /// Up to where a table was read, for this run; `None`: it is read from the beginning.
    fn goes_on_at(&self, key: &str, run: &Run) -> Option<Time> {
        let is_again = run.wide && self.once.iter().any(|once| once == key);
        self.until(key).filter(|_| !is_again)
    }

    fn until(&self, key: &str) -> Option<Time> {
        Time::from_json(self.until.get(key)?.clone())
    }

    /// Nothing is taken as read that is later than the run: what a server says of its time is no reason to leave rows out.
    fn note(&mut self, key: String, until: Time) {
        let until = self.run.as_ref().map_or(until, |run| until.min(run.began));
        self.until.insert(key, until.into());
    }
}

impl Run {
    const fn back_from(&self, until: Time) -> Time {
        until.before(if self.wide { WIDE_OVERLAP } else { OVERLAP })
    }
}

impl Time {
    /// Where the page after one begins that began at `self` and ended at `end`. The rows at its end come again, since there may
    /// be more of that time; `None` where that would be the same page for ever.
    #[must_use]
    pub fn next_page(self, end: Self) -> Option<Self> {
        Some(end.before(1)).filter(|next| *next > self)
    }

    /// Where it goes on when everything of one time was asked for at once: behind that.
    #[must_use]
    pub fn step_over(self, end: Self) -> Self {
        end.max(Self(self.0 + 1))
    }
}

fn key(app: &AppId, table: &TableName) -> String {
    format!("{app}/{table}")
}

#[cfg(test)]
mod tests;
