//! Random pushes and pulls of many people over many spaces, on PostgreSQL and in memory: both answer the same, also where
//! row security is all that stands between a person and the rows of others.

use crate::figures::{figure, seed, stopwatch};
use crate::lies::ActingAs;
use crate::postgres::{Database, SUPERUSER};
use crate::requests::{PEOPLE, SPACES, World, fresh};
use mana_sync::log::contract::fixtures::{pull_of, push_of, read_on, sync_log};
use mana_sync::log::memory::MemoryLog;
use mana_sync::log::postgres::PostgresLog;
use mana_sync::log::{Caller, Check, Checked, Collection, Epoch, LogError, SyncLog};
use mana_sync_engine::model::{Change, Op};
use std::collections::{BTreeMap, BTreeSet};

/// Both logs, and where each person's readers stand in each.
struct Trial {
    memory: SyncLog<MemoryLog>,
    postgres: SyncLog<PostgresLog>,
    /// The store whose statements have no guard of their own.
    bare: PostgresLog,
    pages: BTreeMap<u64, [Option<String>; 2]>,
    bare_pages: BTreeMap<u64, [Option<String>; 2]>,
    compared: usize,
    refused: usize,
    checked: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_or_writes_a_row_that_the_same_rules_over_memory_keep_from_them() {
    let (database, seed, elapsed) = (Database::migrated().await, seed(), stopwatch());
    let requests = figure("REQUESTS", 2000);
    let mut world = World::new(seed);
    let mut trial = Trial::new(&database, seed).await;
    for n in 0..requests {
        let person = world.next(PEOPLE);
        match world.next(200) {
            0..10 => world.change_membership(),
            10..100 => trial.push(&mut world, person, n).await,
            100..180 => trial.page(&mut world, person).await,
            180..195 => trial.read_bare(&world, person).await,
            195..199 => trial.write_by_a_lie(&mut world, person, n).await,
            // These read all there is: less often as it grows, or they would take all the time.
            _ if world.next(1 + n / 5000) == 0 => trial.read_by_a_lie(&mut world, person).await,
            _ => trial.read_bare(&world, person).await,
        }
    }
    let admin = sqlx::PgPool::connect(&database.url(SUPERUSER).await).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM sync_changes").fetch_one(&admin).await.unwrap();
    assert_eq!(usize::try_from(rows).unwrap(), trial.memory.store().row_count(), "no row more than the rules wrote");
    let Trial { compared, refused, checked, .. } = trial;
    println!(
        "{requests} requests, {PEOPLE} people, {SPACES} spaces: {rows} rows, {compared} changes compared, {checked} checks, {refused} lies \
         refused, {:.1} s",
        elapsed()
    );
    assert!(refused > 0 && compared > 0 && checked > 0);
}

impl Trial {
    async fn new(database: &Database, seed: u64) -> Self {
        let log = database.log().await;
        Self {
            memory: sync_log(MemoryLog::new(Epoch([1; 16])), seed),
            postgres: sync_log(log.clone(), seed),
            bare: log.with_row_security_alone(),
            pages: BTreeMap::new(),
            bare_pages: BTreeMap::new(),
            compared: 0,
            refused: 0,
            checked: 0,
        }
    }

    /// One push; both accept and reject the same.
    async fn push(&mut self, world: &mut World, person: u64, n: u64) {
        let caller = world.caller(person);
        let changes = world.changes(person, n);
        let expected = self.memory.push(push_of(&caller, &changes)).await.unwrap();
        let outcome = self.postgres.push(push_of(&caller, &changes)).await.unwrap();
        assert_eq!((outcome.accepted, outcome.rejected), (expected.accepted, expected.rejected), "{n}: {changes:?}");
        assert_eq!(outcome.news, expected.news, "{n}");
    }

    /// The next page of this person's reader.
    async fn page(&mut self, world: &mut World, person: u64) {
        let caller = world.caller(person);
        let limit = usize::try_from(world.next(60) + 1).unwrap();
        let [memory, postgres] = self.pages.remove(&person).filter(|_| world.next(100) > 0).unwrap_or_default();
        let expected = self.memory.pull(&pull_of(&caller, memory, &["tasks"], limit)).await.unwrap();
        let page = self.postgres.pull(&pull_of(&caller, postgres, &["tasks"], limit)).await.unwrap();
        self.compare(&caller, &page.changes, &expected.changes);
        assert_eq!(page.has_more, expected.has_more);
        if !page.has_more && world.next(10) == 0 {
            self.check(&caller, (&expected.cursor, &page.cursor)).await;
        }
        self.pages.insert(person, [Some(expected.cursor), Some(page.cursor)]);
    }

    /// A check at the end; both say the same.
    async fn check(&mut self, caller: &Caller, (memory, postgres): (&str, &str)) {
        let tables: BTreeSet<Collection> = pull_of(caller, None, &["tasks"], 1).tables;
        let of = |cursor: &str| Check {
            caller: caller.clone(),
            cursor: cursor.to_owned(),
            tables: tables.clone(),
            except: BTreeSet::new(),
        };
        let expected = self.memory.check(&of(memory)).await.unwrap();
        assert!(matches!(&expected, Checked::AtEnd { .. }), "{caller:?}");
        assert_eq!(self.postgres.check(&of(postgres)).await.unwrap(), expected, "{caller:?}");
        self.checked += 1;
    }

    /// All that is new, from the store without a guard of its own. It serves a person's own withdrawals, too.
    async fn read_bare(&mut self, world: &World, person: u64) {
        let caller = world.caller(person);
        let [memory, postgres] = self.bare_pages.remove(&person).unwrap_or_default();
        let (expected, memory) = read_on(&self.memory, &caller, memory, (&["tasks"], 1000)).await;
        let (changes, postgres) = read_on(&sync_log(self.bare.clone(), 1), &caller, postgres, (&["tasks"], 1000)).await;
        self.compare(&caller, &without_own_withdrawals(changes, &caller), &expected);
        self.bare_pages.insert(person, [Some(memory), Some(postgres)]);
    }

    fn compare(&mut self, caller: &Caller, changes: &[Change], expected: &[Change]) {
        assert_eq!(changes, expected, "{caller:?}");
        let foreign = changes.iter().find(|change| !is_for(caller, change));
        assert_eq!(foreign, None, "{caller:?}");
        self.compared += changes.len();
    }

    /// The rules are made to believe that the person is somebody else, or a member of everything; row security is not.
    async fn read_by_a_lie(&mut self, world: &mut World, person: u64) {
        let caller = world.caller(person);
        let expected = read_on(&self.memory, &caller, None, (&["tasks"], 1000)).await.0;
        let deceived = sync_log(ActingAs { log: self.bare.clone(), caller: caller.clone() }, 1);
        let (changes, _) = read_on(&deceived, &World::omnipresent(person), None, (&["tasks"], 1000)).await;
        self.compare(&caller, &without_own_withdrawals(changes, &caller), &expected);
        let other = World::omnipresent((person + 1) % PEOPLE);
        let (changes, _) = read_on(&deceived, &other, None, (&["tasks"], 1000)).await;
        let foreign = changes.iter().find(|change| !is_for(&caller, change));
        assert_eq!(foreign, None, "as somebody else");
        let own: Vec<Change> = expected.into_iter().filter(|change| !is_own(&caller, change)).collect();
        assert_eq!(without_own_withdrawals(changes, &caller), own, "their spaces, and nothing of the other's own");
    }

    /// A write that row security has to refuse, since the rules were deceived.
    async fn write_by_a_lie(&mut self, world: &mut World, person: u64, n: u64) {
        let caller = world.caller(person);
        let deceived = sync_log(ActingAs { log: self.bare.clone(), caller: caller.clone() }, 1);
        let forbidden = (0..SPACES).filter(|space| !world.may_write(person, *space)).collect::<Vec<_>>();
        let space = forbidden.get(usize::try_from(world.next(SPACES)).unwrap() % forbidden.len().max(1));
        if let Some(space) = space {
            let push = push_of(&World::omnipresent(person), &[fresh(n, Some(*space))]);
            self.refuse(deceived.push(push).await);
        }
        self.refuse(deceived.push(push_of(&world.caller((person + 1) % PEOPLE), &[fresh(n, None)])).await);
    }

    fn refuse<T: std::fmt::Debug>(&mut self, outcome: Result<T, LogError>) {
        match outcome {
            Err(LogError::Failed(message)) => assert!(message.contains("row-level security"), "{message}"),
            other => panic!("a lie was believed: {other:?}"),
        }
        self.refused += 1;
    }
}

fn without_own_withdrawals(mut changes: Vec<Change>, caller: &Caller) -> Vec<Change> {
    changes.retain(|change| change.op != Op::Withdraw || change.user_id.as_ref() != Some(&caller.user));
    changes
}

/// Whether a change lies in the person's own stream.
fn is_own(caller: &Caller, change: &Change) -> bool {
    change.space_id.as_ref().is_none_or(|space| caller.is_own(space)) && change.user_id.as_ref() == Some(&caller.user)
}

/// Whether a change is the person's own, or of a space that they are a member of now.
fn is_for(caller: &Caller, change: &Change) -> bool {
    let space = change.space_id.as_ref();
    is_own(caller, change) || caller.spaces.iter().any(|known| space == Some(&known.id))
}
