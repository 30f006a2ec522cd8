//! Running many schedules on all cores: counts, failures, smaller failures, and crasher files.

use super::coverage;
use super::schedule::{Counts, Kind, Plan};
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, thread};

/// After so many failures a run gives up: one defect fails many schedules.
const MAX_FAILURES: usize = 5;
/// How often making a failure smaller may run it.
const SHRINK_RUNS: usize = 400;

/// A schedule that broke a promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The schedule.
    pub plan: Plan,
    /// What was broken.
    pub message: String,
    /// The kind that the run was of.
    pub kind: Option<Kind>,
}

impl Failure {
    /// How to name the schedule to repeat it: its seed, and the kind that the run was of.
    #[must_use]
    pub fn name(&self) -> String {
        let kind = self.kind.map_or_else(String::new, |kind| format!(" KIND={}", kind.name()));
        format!("SEED={}{kind}", self.plan.seed)
    }
}

/// Which schedules a run has.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Events of each.
    pub events: usize,
    /// The one kind that all are of.
    pub kind: Option<Kind>,
}

impl Range {
    /// The schedule of a number, counted from 0.
    #[must_use]
    pub fn plan(&self, number: u64) -> Plan {
        Plan::of_kind(self.first + number, self.events, self.kind)
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Schedules run.
    pub run: u64,
    /// How often things happened.
    pub counts: Counts,
    /// What failed.
    pub failures: Vec<Failure>,
    /// The one kind that all are of.
    pub kind: Option<Kind>,
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what schedules say when they fail, instead of printing it each time.
pub fn keep_panics() {
    set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        LAST_PANIC.with_borrow_mut(|last| *last = format!("{}{place}", words_of(panic.payload())));
    }));
}

fn words_of(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// Runs a schedule; an error says which promise was broken.
pub fn run(plan: &Plan) -> Result<(u64, Counts), String> {
    // A failed schedule's world is dropped whole, so nothing half-done is looked at again.
    catch_unwind(AssertUnwindSafe(|| plan.run())).map_err(|_| LAST_PANIC.take())
}

/// Runs these schedules on `threads` threads; `tick` hears of progress.
#[must_use]
pub fn run_all(range: Range, threads: usize, tick: impl Fn(u64) + Sync) -> Report {
    let (next, report) = (AtomicU64::new(0), Mutex::new(Report { kind: range.kind, ..Report::default() }));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(range, &next, &report, &tick));
        }
    });
    report.into_inner().expect("workers do not panic")
}

fn work(range: Range, next: &AtomicU64, report: &Mutex<Report>, tick: &impl Fn(u64)) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= range.count || report.lock().expect("workers do not panic").failures.len() >= MAX_FAILURES {
            return;
        }
        let plan = range.plan(number);
        let result = run(&plan);
        let mut report = report.lock().expect("workers do not panic");
        report.run += 1;
        match result {
            Ok((_, counts)) => counts.into_iter().for_each(|(what, n)| *report.counts.entry(what).or_default() += n),
            Err(message) => report.failures.push(Failure { plan, message, kind: range.kind }),
        }
        tick(report.run);
    }
}

/// Leaves out of a failing schedule whatever is not needed for it to fail.
#[must_use]
pub fn shrink(failure: &Failure) -> Failure {
    let mut best = failure.clone();
    let (mut chunk, mut runs) = (best.plan.events.len() / 2, 0);
    while chunk > 0 && runs < SHRINK_RUNS {
        let mut at = 0;
        while at < best.plan.events.len() && runs < SHRINK_RUNS {
            let mut plan = best.plan.clone();
            plan.events.drain(at..(at + chunk).min(plan.events.len()));
            runs += 1;
            match run(&plan) {
                Err(message) => best = Failure { plan, message, ..best },
                Ok(_) => at += chunk,
            }
        }
        chunk /= 2;
    }
    best
}

impl Report {
    /// The counts as lines, and what was reached too rarely for the number of schedules.
    #[must_use]
    pub fn counts_as_text(&self) -> String {
        let mut text = String::new();
        for (what, count) in &self.counts {
            // Writing to a text does not fail.
            let _ = writeln!(text, "  {count:>12}  {what}");
        }
        let _ = writeln!(text, "  {:>11.1}%  of competing values were ties", coverage::tie_share(&self.counts) * 100.0);
        text
    }

    /// What was reached too rarely for so many schedules.
    #[must_use]
    pub fn weak_spots(&self) -> Vec<String> {
        coverage::weak_spots(&self.counts, self.run, self.kind)
    }
}

/// Where failures are kept.
#[must_use]
pub fn crashers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crashers")
}

/// Keeps a failing schedule as a file; gives its path.
pub fn keep(failure: &Failure) -> std::io::Result<PathBuf> {
    let kind = failure.kind.map_or_else(String::new, |kind| format!("{}-", kind.name()));
    let path = crashers().join(format!("{kind}seed-{}.json", failure.plan.seed));
    let json = serde_json::to_string_pretty(&failure.plan).expect("a plan is plain data");
    fs::write(&path, json + "\n")?;
    Ok(path)
}

/// The schedules kept as files, by file name.
#[must_use]
pub fn kept() -> BTreeMap<String, Plan> {
    let files = fs::read_dir(crashers()).expect("the folder of crashers is there").flatten();
    let of_json = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|ext| ext == "json"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a crasher can be read");
        let plan = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), plan)
    };
    of_json.map(read).collect()
}
