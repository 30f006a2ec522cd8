//! A small log with people in it, for cursors to be followed in: shared and private records, and a stream with a horizon.

use futures_util::FutureExt as _;
use mana_sync::log::contract::fixtures::{accept, edited, insert, own, person, sync_log, update, with};
use mana_sync::log::memory::MemoryLog;
use mana_sync::log::{Caller, ChangeLog, Epoch, StreamId, SyncLog, Transaction};
use mana_sync_engine::model::{Change, Op, SpaceId};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The log's epoch.
pub const EPOCH: Epoch = Epoch([1; 16]);
/// Most changes that one person can be served.
pub const ROWS: usize = 16;
/// Records that only their author may read, whatever their older rows say.
const PRIVATE: [&str; 2] = ["secret", "turned"];

/// What a future gives whose log never waits.
///
/// # Panics
/// When it does wait.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a log in memory does not wait")
}

/// The people: two who share a space, one of them alone in another, and one without any.
pub fn people() -> &'static [Caller; 3] {
    static PEOPLE: OnceLock<[Caller; 3]> = OnceLock::new();
    PEOPLE.get_or_init(|| {
        let ada = person("ada", &["family:family:member", "club:club:owner", "home:personal:owner"]);
        [ada, person("bob", &["family:family:viewer"]), person("eve", &[])]
    })
}

/// Whether a person may be served a change, said without the rules of the log.
pub fn may_read(person: &Caller, change: &Change) -> bool {
    let own = change.user_id.as_ref() == Some(&person.user);
    let private = PRIVATE.contains(&change.id.as_str()) && change.op != Op::Withdraw;
    match &change.space_id {
        None => own,
        Some(space) if space.as_str().starts_with("_personal:") => own,
        Some(space) => person.spaces.iter().any(|known| known.id == *space) && (own || !private),
    }
}

/// The log, the same each time.
pub fn log() -> &'static SyncLog<MemoryLog> {
    static LOG: OnceLock<SyncLog<MemoryLog>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = sync_log(MemoryLog::new(EPOCH), 7);
        now(fill(&log));
        log
    })
}

async fn fill(log: &SyncLog<MemoryLog>) {
    let [ada, bob] = ["ada", "bob"].map(|name| person(name, &["family:family:member", "club:club:member"]));
    let private = |change: Value| with(change, &[("visibility", json!("private"))]);
    let in_table = |change: Value| with(change, &[("table", json!("notes"))]);
    let in_club =
        |n: u64| with(insert(n, &format!("club{n}")), &[("spaceId", json!("club")), ("data", json!({ "n": n }))]);
    accept(log, &ada, &[insert(1, "shared"), private(insert(2, "secret")), insert(3, "turned")]).await;
    accept(log, &bob, &[insert(4, "bobs"), in_table(insert(5, "note")), own(6, "own"), private(own(7, "diary"))]).await;
    accept(
        log,
        &ada,
        &[
            edited(private(insert(8, "turned")), "visibility", "private", 1),
            update(9, "shared"),
            in_table(own(10, "own")),
        ],
    )
    .await;
    accept(log, &ada, &[in_club(11), in_club(12), in_table(in_club(13)), in_club(14)]).await;
    let club = StreamId::Space(SpaceId::parse("club").expect("a space id"));
    let mut transaction = log.store().transaction(&ada).await.expect("a transaction");
    transaction.lock(&[club.clone()].into()).await.expect("a lock");
    transaction.set_horizon(&club, 2).await.expect("a horizon");
    transaction.commit().await.expect("a commit");
}
