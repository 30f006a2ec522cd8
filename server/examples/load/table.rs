//! What was measured, as a table of medians and ratios.

use crate::sizes::Store;
use crate::turns::{Kind, Sample};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub struct Table {
    store: Store,
    samples: BTreeMap<Kind, Vec<Sample>>,
    /// Records, by the server, by the database alone, for each round.
    syncs: Vec<(usize, f64, f64)>,
    pages: Vec<Duration>,
    other: Vec<String>,
}

impl Table {
    pub fn new(store: Store) -> Self {
        Self { store, samples: BTreeMap::new(), syncs: Vec::new(), pages: Vec::new(), other: Vec::new() }
    }

    pub fn add(&mut self, kind: Kind, sample: Sample) {
        self.samples.entry(kind).or_default().push(sample);
    }

    pub fn synced(&mut self, records: usize, served: Duration, read: Duration, pages: &[Duration]) {
        self.syncs.push((records, served.as_secs_f64(), read.as_secs_f64()));
        self.pages.extend(pages);
    }

    pub fn connections(&mut self, names: &str, count: usize, bytes: u64) {
        if count > 0 {
            let each = bytes as f64 / count as f64 / 1024.0;
            self.other.push(format!("{count} idle {names}: {each:.1} KB of the server's memory for each"));
        }
    }

    pub fn news(&mut self, names: &str, times: &[Duration]) {
        let (half, most) = (quantile(times, 0.5), quantile(times, 0.95));
        self.other
            .push(format!("from sending a push to hearing of it, {names}: median {half:.1} ms, p95 {most:.1} ms"));
    }

    fn rate(&self, kind: Kind) -> f64 {
        median(self.samples[&kind].iter().map(|sample| sample.rate).collect())
    }

    fn p95(&self, kind: Kind) -> f64 {
        let times: Vec<Duration> = self.samples[&kind].iter().flat_map(|sample| sample.times.iter().copied()).collect();
        quantile(&times, 0.95)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}\n", self.store)?;
        writeln!(f, "| | a second | rows a second | p95 | of the no-op | of the database, 10 rows |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        let (nothing, alone) = (self.rate(Kind::Nothing), self.rate(Kind::TenRows));
        for kind in Kind::ALL {
            let (rate, p95) = (self.rate(kind), self.p95(kind));
            let rows = rate * kind.rows() as f64;
            let of_alone = if kind.rows() == 0 {
                "–".to_owned()
            } else {
                format!("{:.2}", rows / (alone * Kind::TenRows.rows() as f64))
            };
            let (words, of_nothing) = (kind.words(), rate / nothing);
            writeln!(f, "| {words} | {rate:.0} | {rows:.0} | {p95:.1} ms | {of_nothing:.2} | {of_alone} |")?;
        }
        let served = median(self.syncs.iter().map(|sync| sync.1).collect());
        let read = median(self.syncs.iter().map(|sync| sync.2).collect());
        let records = self.syncs[0].0;
        writeln!(
            f,
            "\n- first sync of {records} records: {served:.2} s ({:.0} a second, pages p95 {:.1} ms), {:.1} × reading them from the database",
            records as f64 / served,
            quantile(&self.pages, 0.95),
            served / read
        )?;
        for line in &self.other {
            writeln!(f, "- {line}")?;
        }
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// In milliseconds.
fn quantile(times: &[Duration], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted[place.saturating_sub(1)].as_secs_f64() * 1000.0
}
