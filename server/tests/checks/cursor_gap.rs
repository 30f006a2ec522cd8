//! Readers that poll while others commit: every change comes once, in the order of its stream.

use crate::figures::{figure, seed, stopwatch};
use crate::support::{insert, sqlite};
use mana_sync::log::contract::fixtures::{numbers, person, pull_of, push_of, sync_log};
use mana_sync::log::sqlite::{Database, SqliteLog};
use mana_sync::log::{Caller, LogError, PushOutcome, SyncLog};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

const WRITERS: u64 = 8;
const SPACES: [&str; 3] = ["alpha", "beta", "gamma"];
const POLL: Duration = Duration::from_millis(20);
/// Two of the readers write, too: they read a stream of their own besides the shared ones.
const READERS: [&str; 3] = ["reader", "w0", "w3"];
/// Room for the event ids of one writer.
const IDS: u64 = 1 << 32;

type Log = Arc<SyncLog<SqliteLog>>;

/// The event ids of each stream, in the order they came.
type Streams = BTreeMap<String, Vec<String>>;

/// Each writer is in two of the three spaces, everybody else in all.
fn caller(name: &str) -> Caller {
    let number = name.strip_prefix('w').and_then(|number| number.parse::<usize>().ok());
    let is_member = |at: usize| number.is_none_or(|number| !(number + at).is_multiple_of(SPACES.len()));
    let spaces: Vec<String> =
        (0..SPACES.len()).filter(|at| is_member(*at)).map(|at| format!("{}:club:member", SPACES[at])).collect();
    person(name, &spaces.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Pushes as a client does: the same again, until there is an answer.
async fn push_until_answered(log: &Log, caller: &Caller, changes: &[Value]) -> PushOutcome {
    loop {
        match log.push(push_of(caller, changes)).await {
            Ok(outcome) => return outcome,
            Err(LogError::Busy(_) | LogError::Conflict) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Commits batches of 1 to 5 changes; gives the ids of all changes that were accepted.
async fn write(log: Log, writer: u64, commits: u64, seed: u64) -> Vec<String> {
    let caller = caller(&format!("w{writer}"));
    let next = numbers(seed ^ (writer + 1));
    let places: Vec<Option<&str>> = caller.spaces.iter().map(|space| Some(space.id.as_str())).chain([None]).collect();
    let (mut n, mut accepted) = (writer * IDS, Vec::new());
    for _ in 0..commits {
        let mut change = || {
            n += 1;
            let place = places[usize::try_from(next()).unwrap_or(0) % places.len()];
            insert(n, &format!("w{writer}-{}", n % 500), place)
        };
        let batch: Vec<Value> = (0..=next() % 5).map(|_| change()).collect();
        let outcome = push_until_answered(&log, &caller, &batch).await;
        assert_eq!(outcome.accepted.len(), batch.len(), "{:?}", outcome.rejected);
        accepted.extend(outcome.accepted.into_iter().map(String::from));
    }
    accepted
}

/// A reader, and what it got so far.
struct Reader {
    name: &'static str,
    caller: Caller,
    cursor: Option<String>,
    got: Streams,
    polls: u64,
}

impl Reader {
    /// Polls until a poll that began after the last commit has brought everything.
    async fn run(mut self, log: Log, seed: u64, finished: Arc<AtomicBool>) -> Self {
        let next = numbers(seed);
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.polls += 1;
            let last = finished.load(Ordering::SeqCst);
            while self.page(&log, usize::try_from(next() % 1000 + 1).expect("small")).await {}
            if last {
                return self;
            }
        }
    }

    /// Reads one page with the cursor the last one gave; says whether there are more.
    async fn page(&mut self, log: &Log, limit: usize) -> bool {
        let pull = pull_of(&self.caller, self.cursor.take(), &["tasks"], limit);
        let page = log.pull(&pull).await.expect("a page");
        for change in page.changes {
            let stream = change.space_id.map_or(format!("user:{}", self.name), |space| format!("space:{space}"));
            self.got.entry(stream).or_default().push(change.event_id.into());
        }
        self.cursor = Some(page.cursor);
        page.has_more
    }

    /// Holds what came against what lies in the log.
    fn check(&self, there: &Streams) {
        let readable: Vec<String> = self.caller.readable().iter().map(ToString::to_string).collect();
        assert!(self.got.keys().all(|stream| readable.contains(stream)), "{} got nothing of others", self.name);
        for stream in readable {
            let ids = |streams: &Streams| streams.get(&stream).cloned().unwrap_or_default();
            let (got, there) = (ids(&self.got), ids(there));
            let once: BTreeSet<&String> = got.iter().collect();
            let missed = there.iter().filter(|id| !once.contains(id)).count();
            let astray = got.iter().zip(&there).position(|(got, there)| got != there);
            let found = (missed, got.len() - once.len(), astray, got.len());
            let what = "missed, twice, first out of order, all";
            assert_eq!(found, (0, 0, None, there.len()), "{what}: {} in {stream}", self.name);
        }
        println!("{}: {} polls, {} changes", self.name, self.polls, self.got.values().map(Vec::len).sum::<usize>());
    }
}

/// What lies in the log, asked of the database and of none of the code that serves it.
async fn stored(database: &Database) -> Streams {
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT stream, pos, id FROM sync_changes ORDER BY stream, pos")
            .fetch_all(&database.readers)
            .await
            .expect("the rows");
    let mut streams = Streams::new();
    for (stream, pos, id) in rows {
        let ids = streams.entry(stream).or_default();
        ids.push(id);
        assert_eq!(usize::try_from(pos).ok(), Some(ids.len()), "positions have no gaps");
    }
    streams
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_poll_while_eight_write_get_every_change_once_and_in_order() {
    let (seed, commits) = (seed(), figure("COMMITS", 2_000));
    let (_folder, database, log) = sqlite(seed).await;
    let log = Arc::new(sync_log(log, seed));
    let (seconds, finished) = (stopwatch(), Arc::new(AtomicBool::new(false)));
    let readers = READERS.map(|name| {
        let reader = Reader { name, caller: caller(name), cursor: None, got: Streams::new(), polls: 0 };
        tokio::spawn(reader.run(log.clone(), !seed, finished.clone()))
    });
    let writers = (0..WRITERS).map(|w| tokio::spawn(write(log.clone(), w, commits.div_ceil(WRITERS), seed)));
    let mut accepted = BTreeSet::new();
    for writer in writers.collect::<Vec<_>>() {
        accepted.extend(writer.await.expect("the writer ends"));
    }
    finished.store(true, Ordering::SeqCst);
    let took = seconds();
    println!("{commits} commits of {} changes in {took:.1} s", accepted.len());
    let there = stored(&database).await;
    assert_eq!(there.values().map(Vec::len).sum::<usize>(), accepted.len(), "every change lies there once");
    assert!(there.values().flatten().all(|id| accepted.contains(id)), "and nothing else does");
    for reader in readers {
        reader.await.expect("the reader ends").check(&there);
    }
}
