//! Push: one transaction that admits, decides and writes the changes of one request.

use super::admit::{Admitted, Gate, Sent};
use super::decide::{Candidate, Decision, Facts, decide, key_of, news};
use super::{
    Caller, ChangeLog, Collection, ContentHash, Epoch, LogError, LogRow, Receipt, StreamId, SyncLog, Tag, Transaction,
    check_quota,
};
use mana_sync_engine::model::{Change, ClientId, EventId, Op, OrderedMap, Stamp};
use mana_sync_engine::protocol::wire::Rejection;
use std::collections::{BTreeMap, BTreeSet};

/// What a client pushes.
#[derive(Debug)]
pub struct Push {
    /// Who pushes.
    pub caller: Caller,
    /// The running client.
    pub client_id: ClientId,
    /// The receipt of an earlier push that no pull has answered.
    pub receipt: Option<String>,
    /// The changes, oldest first.
    pub changes: Vec<Sent>,
    /// The server's clock.
    pub now: Stamp,
}

/// What became of a push. Every event id sent is in exactly one of the first two lists.
#[derive(Debug, Default)]
pub struct PushOutcome {
    /// In the log, from this push or an earlier one.
    pub accepted: Vec<EventId>,
    /// Not taken.
    pub rejected: Vec<Rejection>,
    /// What to show with the next pull ([`super::Receipt`]), where something was accepted.
    pub receipt: Option<String>,
    /// Whom to tell that there is something to pull: a stream stands for everybody who may read it.
    pub news: News,
}

/// Streams with something to pull, each with its tables.
pub type News = BTreeMap<StreamId, BTreeSet<Collection>>;

impl<L: ChangeLog> SyncLog<L> {
    /// Takes a push into the log, whole: what it accepts is durable when this returns. After a failure it can be sent again,
    /// and is in the log once.
    pub async fn push(&self, push: Push) -> Result<PushOutcome, LogError> {
        let gate = Gate { caller: &push.caller, now: push.now, max_schema: &self.max_schema };
        let candidates: Vec<Candidate> = push.changes.into_iter().map(|sent| admit(&gate, sent)).collect();
        let streams: BTreeSet<StreamId> = admitted(&candidates).map(|a| a.stream.clone()).collect();
        if candidates.iter().all(|candidate| candidate.event.is_none()) {
            let decision = decide(candidates, &Facts::none(), &push.caller.user);
            return Ok(outcome(decision, None, News::new()));
        }
        let mut transaction = self.log.transaction(&push.caller).await?;
        let positions = transaction.lock(&streams).await?;
        let facts = read_facts(&mut transaction, &push.caller, &candidates).await?;
        let mut decision = decide(candidates, &facts, &push.caller.user);
        let rows = Writer { log: self, push: (&push.client_id, push.now), positions }.rows(&mut decision);
        let news = news(&rows);
        if !rows.is_empty() {
            let used = transaction.charge(&push.caller.user, &rows).await?;
            check_quota(used, self.quota)?;
            transaction.append(&rows).await?;
            transaction.put_heads(&decision.heads).await?;
        }
        // Before the commit: what is in the log is told of, and nothing can go wrong between the two.
        let receipt = if decision.accepted.is_empty() {
            None
        } else {
            Some(receipt(&mut transaction, self.log.epoch(), (&push.caller, push.receipt)).await?)
        };
        // Also where nothing is new: what was read may be another push's that waits for its commit.
        transaction.commit().await?;
        Ok(outcome(decision, receipt, news))
    }
}

/// Where everything the caller may read stands with this push. It stands for what an open receipt does, too; where the log
/// does not hold that one, it is given back, for the next pull to be told.
async fn receipt<T: Transaction>(
    log: &mut T,
    epoch: Epoch,
    (caller, open): (&Caller, Option<String>),
) -> Result<String, LogError> {
    let readable = caller.readable();
    let states = log.streams(&readable).await?;
    match open {
        Some(text) if !Receipt::is_held(&text, log, (epoch, &states), &readable).await? => Ok(text),
        _ => Ok(Receipt::new(epoch, &states).to_text()),
    }
}

impl Facts {
    fn none() -> Self {
        Self { known: BTreeMap::new(), heads: BTreeMap::new() }
    }
}

fn admit(gate: &Gate<'_>, sent: Sent) -> Candidate {
    let (event, content) = match sent.content {
        Ok(value) => gate.admit(value),
        Err(refusal) => (None, Err(refusal)),
    };
    Candidate { event_id: sent.event_id, group: sent.group, event, content }
}

fn admitted(candidates: &[Candidate]) -> impl Iterator<Item = &Admitted> {
    candidates.iter().filter_map(|candidate| candidate.content.as_ref().ok())
}

async fn read_facts<T: Transaction>(
    transaction: &mut T,
    caller: &Caller,
    candidates: &[Candidate],
) -> Result<Facts, LogError> {
    let events = candidates.iter().filter_map(|candidate| Some(candidate.event.as_ref()?.0.clone())).collect();
    let keys = admitted(candidates).map(key_of).collect();
    let known = transaction.known(&caller.user, &events).await?;
    Ok(Facts { known, heads: transaction.heads(&keys).await? })
}

fn outcome(decision: Decision, receipt: Option<String>, news: News) -> PushOutcome {
    PushOutcome { accepted: decision.accepted, rejected: decision.rejected, receipt, news }
}

/// Gives rows their positions and tags.
struct Writer<'a, L> {
    log: &'a SyncLog<L>,
    push: (&'a ClientId, Stamp),
    positions: BTreeMap<StreamId, u64>,
}

impl<L> Writer<'_, L> {
    fn rows(mut self, decision: &mut Decision) -> Vec<LogRow> {
        let mut rows = Vec::new();
        for entry in std::mem::take(&mut decision.entries) {
            let Admitted { change, stream, hash } = entry.admitted;
            if entry.withdraws {
                let withdrawal = self.withdrawal(&change);
                let hash = ContentHash::of(&withdrawal);
                rows.extend(self.row(stream.clone(), withdrawal, hash));
            }
            rows.extend(self.row(stream, change, hash));
        }
        rows
    }

    fn row(&mut self, stream: StreamId, change: Change, hash: ContentHash) -> Option<LogRow> {
        let pos = self.positions.entry(stream.clone()).or_default();
        *pos += 1;
        let pos = *pos;
        let mut tag = Tag([0; 8]);
        (self.log.random)(&mut tag.0);
        let (client_id, created_at) = (self.push.0.clone(), self.push.1);
        let user = change.user_id.clone()?;
        Some(LogRow { stream, pos, tag, hash, user, client_id, created_at, change })
    }

    /// The server's own change that takes a record away from everybody but its author.
    fn withdrawal(&self, insert: &Change) -> Change {
        let mut random = [0; 10];
        (self.log.random)(&mut random);
        Change {
            event_id: EventId::from_parts(self.push.1.ms(), &random),
            op: Op::Withdraw,
            fields: OrderedMap::new(),
            actor: None,
            group: None,
            ..insert.clone()
        }
    }
}
