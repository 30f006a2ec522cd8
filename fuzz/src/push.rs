//! A push at the server: every change is answered once, and what was taken comes back as every client can read it.

use super::change::there_and_back;
use super::world::now;
use mana_sync::log::contract::fixtures::{NOW, person, sync_log};
use mana_sync::log::memory::MemoryLog;
use mana_sync::log::{Caller, Collection, Epoch, Pull, Push, PushOutcome, Sent, SyncLog};
use mana_sync_engine::model::{Change, ClientId, Op, Stamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// A push as the server reads it: its changes stay text until each is looked at alone.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
}

/// Takes a text as a push, or as the one change of a push.
///
/// # Panics
/// When a promise is broken.
pub fn take(text: &str) {
    let body = serde_json::from_str::<Body<'_>>(text).map(|body| body.changes);
    let Ok(changes) = body.or_else(|_| serde_json::from_str(text).map(|change| vec![change])) else { return };
    let caller = person("ada", &["family:family:member", "club:club:viewer", "home:personal:owner"]);
    let log = sync_log(MemoryLog::new(Epoch([1; 16])), 1);
    let first = push(&log, &caller, &changes);
    let second = push(&log, &caller, &changes);
    let accepted: BTreeSet<&str> = first.accepted.iter().map(AsRef::as_ref).collect();
    assert!(accepted.iter().all(|id| second.accepted.iter().any(|again| again.as_str() == *id)), "a retry is accepted");
    let tables = first.news.values().chain(second.news.values()).flatten().cloned().collect();
    let served = read_all(&log, &caller, tables);
    let served: BTreeSet<&str> = served.iter().map(|change| change.event_id.as_str()).collect();
    assert!(served.is_superset(&accepted), "what was accepted is served to its writer");
}

fn push(log: &SyncLog<MemoryLog>, caller: &Caller, changes: &[&RawValue]) -> PushOutcome {
    let size: usize = changes.iter().map(|change| change.get().len()).sum();
    let changes: Vec<Sent> = changes.iter().map(|change| Sent::from_text(change)).collect();
    let sent: BTreeSet<String> = changes.iter().map(|change| change.event_id.clone()).collect();
    let client_id = ClientId::parse("install.session").expect("a client id");
    let push =
        Push { caller: caller.clone(), client_id, receipt: None, changes, now: Stamp::parse(NOW).expect("a stamp") };
    let outcome = now(log.push(push)).expect("no push makes the log fail");
    let said: usize = outcome.rejected.iter().map(|rejection| rejection.message.len()).sum();
    assert!(said <= size + 200 * sent.len(), "an answer is not much longer than the push");
    let accepted = outcome.accepted.iter().map(ToString::to_string);
    let answered: Vec<String> = accepted.chain(outcome.rejected.iter().map(|r| r.event_id.clone())).collect();
    assert_eq!(answered.len(), sent.len(), "every change is answered once");
    assert_eq!(BTreeSet::from_iter(answered), sent, "every change is answered by the id it was sent under");
    outcome
}

fn read_all(log: &SyncLog<MemoryLog>, caller: &Caller, tables: BTreeSet<Collection>) -> Vec<Change> {
    let mut pull = Pull { caller: caller.clone(), cursor: None, receipt: None, tables, limit: 1000 };
    let mut all = Vec::new();
    loop {
        let page = now(log.pull(&pull)).expect("a page");
        page.changes.iter().for_each(there_and_back);
        all.extend(page.changes.into_iter().filter(|change| change.op != Op::Withdraw));
        if !page.has_more {
            return all;
        }
        pull.cursor = Some(page.cursor);
    }
}
