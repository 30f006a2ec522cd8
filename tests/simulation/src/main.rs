//! `simulate`: runs schedules and says what they came to; `scripts/simulate` lists the options.
//!
//! A schedule that fails is printed with its seed, made smaller, and kept in `crashers/`, whose files are run with every
//! test. `--twice N` runs the first N schedules twice and compares what can be seen of both runs.

use mana_simulation::runner::{self, Range, Report};
use mana_simulation::schedule::{Kind, Plan};
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Options {
    seed: Option<u64>,
    kind: Option<Kind>,
    count: Option<u64>,
    events: usize,
    threads: usize,
    twice: u64,
    keep: bool,
    shrink: bool,
    trace: bool,
}

impl Options {
    fn read() -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (seed, kind, count, twice) = (None, None, None, 0);
        let mut options =
            Self { seed, kind, count, events: 100, threads: cores, twice, keep: true, shrink: true, trace: false };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--no-keep" => options.keep = false,
                "--no-shrink" => options.shrink = false,
                "--trace" => options.trace = true,
                "--kind" => options.kind = Some(kind_of(words.next().as_deref())?),
                _ => {
                    options.number(&word, words.next().as_deref())?;
                }
            }
        }
        Ok(options)
    }

    fn number(&mut self, word: &str, value: Option<&str>) -> Result<(), String> {
        let value = value.ok_or(format!("{word} needs a number"))?;
        let number: u64 = value.parse().map_err(|_| format!("{word} {value}: not a number"))?;
        let size = usize::try_from(number).unwrap_or(usize::MAX);
        match word {
            "--seed" => self.seed = Some(number),
            "--count" => self.count = Some(number),
            "--events" => self.events = size,
            "--threads" => self.threads = size.max(1),
            "--twice" => self.twice = number,
            _ => return Err(format!("unknown option {word}")),
        }
        Ok(())
    }
}

fn kind_of(name: Option<&str>) -> Result<Kind, String> {
    let all = Kind::ALL.map(Kind::name).join(", ");
    name.and_then(Kind::parse).ok_or_else(|| format!("--kind needs one of {all}"))
}

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}; the first lines of scripts/simulate list the options");
            return ExitCode::from(2);
        }
    };
    runner::keep_panics();
    #[expect(clippy::disallowed_methods, reason = "how long a run took, for people")]
    let started = Instant::now();
    let tick = |done: u64| {
        if done.is_multiple_of(10_000) {
            println!("{done} schedules, {:.0} s", started.elapsed().as_secs_f64());
        }
    };
    // A seed alone is that one schedule.
    let (first, count) =
        (options.seed.unwrap_or(0), options.count.unwrap_or(if options.seed.is_some() { 1 } else { 20_000 }));
    let range = Range { first, count, events: options.events, kind: options.kind };
    let report = runner::run_all(range, options.threads, tick);
    let same = (0..options.twice).filter(|number| is_same(&range.plan(*number))).count();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = report.run as f64 / started.elapsed().as_secs_f64();
    print!("{}", report.counts_as_text());
    let kind = options.kind.map_or_else(String::new, |kind| format!(" of the kind {}", kind.name()));
    println!("{} schedules{kind} of {} events, {rate:.0} per second", report.run, options.events);
    let differing = options.twice - same as u64;
    if options.twice > 0 {
        println!("{same} schedules run twice had the same trace, {differing} had not");
    }
    conclude(&report, differing, &options)
}

fn is_same(plan: &Plan) -> bool {
    let (once, twice) = (runner::run(plan), runner::run(plan));
    let same = once == twice;
    if !same {
        println!("SEED={} has two traces", plan.seed);
    }
    same
}

fn conclude(report: &Report, differing: u64, options: &Options) -> ExitCode {
    for failure in &report.failures {
        println!("{} failed: {}", failure.name(), failure.message);
    }
    if let Some(first) = report.failures.first().filter(|_| options.shrink || options.trace) {
        let small = if options.shrink { runner::shrink(first) } else { first.clone() };
        if options.trace {
            mana_simulation::trace::begin();
            // It fails again, and this time says how.
            let _ = runner::run(&small.plan);
        }
        println!("{} made smaller, {} events: {}", small.name(), small.plan.events.len(), small.message);
        small.plan.events.iter().for_each(|event| println!("  {event:?}"));
        if options.keep && options.shrink {
            match runner::keep(&small) {
                Ok(path) => println!("kept in {}", path.display()),
                Err(error) => println!("it could not be kept: {error}"),
            }
        }
    }
    let weak = report.weak_spots();
    for spot in &weak {
        println!("too rare to mean anything: {spot}");
    }
    let failed = report.failures.len() + weak.len() + usize::try_from(differing).unwrap_or(usize::MAX);
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {word}. {} passed; {failed} failed", report.run - report.failures.len() as u64);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
