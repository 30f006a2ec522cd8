//! Dead letters: outgoing changes that the server refused for good, and what waits behind them until a person decides.
//!
//! What holds, whatever happens in between, a kill at any storage operation included:
//!
//! 1. A change the server refused is in exactly one place: the log, a letter, or parked behind a letter. It leaves all
//!    of them only when the server took it or the person discarded it.
//! 2. Nothing of a record is pushed past a letter of it: later changes are parked, in the order of the log. A change
//!    of a group takes the whole group along, and with it what comes later of the group's other records.
//! 3. `retry` puts the refused change and what waited behind it back where they were in the log, in order, under new ids.
//! 4. `discard` leaves every field of the change as if it had never been written, unless something newer stands in it;
//!    what was parked is released and falls back to the same. The record of a discarded insert is gone without a marker,
//!    with what was parked of it, unless others have the record.
//! 5. What the person sees, the change log and the letters change in one transaction.
//!
//! Letters and what is parked have no bound: nobody else has these changes. They do not count as pending, because
//! nothing sends them by itself, and whoever waits for one is told why it was refused.

mod blocked;
mod discard;
mod later;
mod list;
mod membership;
mod release;
mod undo;

pub use blocked::{Blocked, Parked, units};
pub use list::{DeadLetter, Refused};

use super::error::{Error, Kind, Result};
use super::outbox::{LogRow, LoggedChange};
use super::ports::Host;
use super::{Engine, rows};
use crate::model::{OrderedSet, Origin, Stamp, record, sort_by};
use crate::protocol::wire::RejectionCode;
use crate::store::{CHANGE_LOG, ENGINE, Mode, Store, Transaction};
use serde_json::{Value, json};
use std::rc::Rc;

record! {
    /// A change that is a dead letter, as it is stored. Of a group each change is one.
    #[derive(Debug, Clone)]
    pub struct Letter {
        /// What it is stored under: the change's event id.
        pub key: String = "key",
        /// Whose it is.
        pub user_id: String = "userId",
        /// Why it was refused.
        pub code: String = "code",
        /// The same, for people.
        pub message: String = "message",
        /// When that became known, by the device's clock.
        pub at: Stamp = "at",
        /// The row of the log it lay in, without changes.
        pub row: LogRow = "row",
        /// The change.
        pub change: LoggedChange = "change",
        /// Its place among those that were refused together.
        pub part: u32 = "part" or 0,
        /// Whether an answer since then lacked its space.
        pub absent: bool = "absent" or false,
    }
}

record! {
    /// What is parked: a change, or all of a group, in its row of the log.
    #[derive(Debug, Clone)]
    pub struct Waiting {
        /// What it is stored under: the event id its first change had.
        pub key: String = "key",
        /// Whose it is.
        pub user_id: String = "userId",
        /// Why what it waits for was refused, or it itself.
        pub code: String = "code",
        /// The same, for people.
        pub message: String = "message",
        /// The row it lay in, with these changes alone.
        pub row: LogRow = "row",
        /// Its place among what is parked of that row.
        pub part: u32 = "part",
    }
}

impl Letter {
    /// Whether a server refused it: other letters tell of values that cannot travel at all, and hold nothing up.
    pub fn is_refusal(&self) -> bool {
        RejectionCode::of(&self.code).is_some()
    }

    /// Whether it lies in the same group as another one, or is that one.
    fn is_with(&self, other: &Self) -> bool {
        let group = |letter: &Self| letter.change.0.get("group").cloned();
        self.change.event_id() == other.change.event_id() || group(self).is_some() && group(self) == group(other)
    }
}

impl Waiting {
    /// Stores what is left of it.
    fn put_or_remove<Tx: Transaction>(self, tx: &Tx) -> Result<()> {
        let key = self.key.clone();
        if self.row.changes.is_empty() {
            rows::remove(tx, rows::WAITING, &key)
        } else {
            rows::write(tx, rows::WAITING, &key, self)
        }
    }
}

/// A user's letters in the order of the log.
pub async fn read<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Vec<Letter>> {
    let all = rows::read_all::<_, Letter>(tx, rows::LETTER).await?;
    let mut letters: Vec<Letter> =
        all.into_iter().map(|(_, letter)| letter).filter(|letter| letter.user_id == user).collect();
    sort_by(&mut letters, |a, b| a.row.seq.total_cmp(&b.row.seq).then(a.part.cmp(&b.part)));
    Ok(letters)
}

/// What is parked of a user's, in the order of the log.
pub async fn read_waiting<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Vec<Waiting>> {
    let all = rows::read_all::<_, Waiting>(tx, rows::WAITING).await?;
    let mut waiting: Vec<Waiting> = all.into_iter().map(|(_, one)| one).filter(|one| one.user_id == user).collect();
    sort_by(&mut waiting, |a, b| a.row.seq.total_cmp(&b.row.seq).then(a.part.cmp(&b.part)));
    Ok(waiting)
}

/// Notes in letters, and in what is parked, what others have of these records (table on the wire, id); `note` says
/// whether a change noted anything.
pub async fn note_others<Tx: Transaction>(
    tx: &Tx,
    records: &OrderedSet<(&str, &str)>,
    note: impl Fn(&mut LoggedChange, &LogRow) -> bool,
) -> Result<()> {
    let is_of = |change: &LoggedChange| records.contains(&(change.table(), change.id()));
    for (key, mut letter) in rows::read_all::<_, Letter>(tx, rows::LETTER).await? {
        if is_of(&letter.change) && note(&mut letter.change, &letter.row) {
            rows::write(tx, rows::LETTER, &key, letter)?;
        }
    }
    for (key, mut waiting) in rows::read_all::<_, Waiting>(tx, rows::WAITING).await? {
        let frame = LogRow { changes: Vec::new(), ..waiting.row.clone() };
        let noted = waiting.row.changes.iter_mut().filter(|change| is_of(change)).map(|change| note(change, &frame));
        if noted.fold(false, |any, noted| any | noted) {
            rows::write(tx, rows::WAITING, &key, waiting)?;
        }
    }
    Ok(())
}

/// How many of a user's changes are dead letters or parked.
pub async fn count<Tx: Transaction>(tx: &Tx, user: &str) -> Result<usize> {
    let letters = read(tx, user).await?.len();
    let waiting = read_waiting(tx, user).await?;
    Ok(letters + waiting.iter().map(|one| one.row.changes.len()).sum::<usize>())
}

/// The letter named `id`, with the others of its group.
fn of_group(letters: &[Letter], id: &str) -> Result<Vec<Letter>> {
    let named = letters.iter().find(|letter| letter.change.event_id() == id).ok_or_else(|| {
        let message = format!("there is no dead letter {id}: it was retried or discarded, here or in another tab");
        Error::new(Kind::NotFound, message).with(json!({ "id": id }))
    })?;
    Ok(letters.iter().filter(|letter| letter.is_with(named)).cloned().collect())
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Forgets what was refused or is parked of a space that was left for good; gives how many changes wait no longer and
    /// went back into the log. A group that reaches into another space stays whole: half of it would say something else.
    pub(super) async fn forget_letters(&self, tx: &S::Tx, user: &str, space: &str) -> Result<usize> {
        let is_of = |change: &LoggedChange| change.0.get("spaceId").and_then(Value::as_str) == Some(space);
        let (all, parked) = (read(tx, user).await?, read_waiting(tx, user).await?);
        let is_over = |letter: &&Letter| all.iter().filter(|one| one.is_with(letter)).all(|one| is_of(&one.change));
        let (over, kept): (Vec<&Letter>, Vec<&Letter>) = all.iter().partition(is_over);
        for letter in &over {
            rows::remove(tx, rows::LETTER, &letter.key)?;
        }
        let (gone, left): (Vec<Waiting>, Vec<Waiting>) =
            parked.into_iter().partition(|one| one.row.changes.iter().all(is_of));
        for one in &gone {
            rows::remove(tx, rows::WAITING, &one.key)?;
        }
        if over.is_empty() && gone.is_empty() {
            return Ok(0);
        }
        let kept: Vec<Letter> = kept.into_iter().cloned().collect();
        self.release(tx, &kept, left, Vec::new()).await
    }

    /// Puts a dead letter, and what waits behind it, back into the log, under new ids. Fails with
    /// [`Kind::NotFound`] where there is no such letter, and with
    /// [`Kind::InvalidArgument`] where it tells of what cannot travel.
    pub async fn retry_letter(self: &Rc<Self>, id: &str) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Write, &[CHANGE_LOG, ENGINE])?;
        let letters = of_group(&read(&tx, &user).await?, id)?;
        if let Some(letter) = letters.iter().find(|letter| !letter.is_refusal()) {
            let message =
                format!("this cannot be sent at all: {}. Discard the letter, or write the value anew", letter.message);
            return Err(Error::new(Kind::InvalidArgument, message).with(json!({ "id": id })));
        }
        let released = self.release_letters(&tx, &user, letters).await?;
        tx.commit().await?;
        self.committed_to_log(&[], Origin::System, released);
        Ok(())
    }
}
