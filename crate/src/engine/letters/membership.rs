//! Letters of a space that the user was no member of: tried again when an answer names the space.
//!
//! Each is tried once by itself, and then again whenever the space was missing from an answer in between: a server that
//! names a space and refuses what is written there is not asked for ever.

use super::{Letter, read};
use crate::engine::error::Result;
use crate::engine::outbox::AGAIN;
use crate::engine::ports::Host;
use crate::engine::{Engine, rows};
use crate::model::{Origin, Space};
use crate::protocol::wire::RejectionCode;
use crate::store::{CHANGE_LOG, ENGINE, Mode, Store, Transaction};
use serde_json::Value;
use std::rc::Rc;

/// What an answer's list of spaces means for letters.
#[derive(Default)]
struct Meaning {
    due: Vec<Letter>,
    /// Their space is missing for the first time.
    absent: Vec<Letter>,
}

impl Meaning {
    fn of(letters: &[Letter], is_named: impl Fn(&str) -> bool) -> Self {
        let mut meaning = Self::default();
        let is_here = |letter: &Letter| letter.change.0.get("spaceId").and_then(Value::as_str).is_none_or(&is_named);
        let is_outside = |letter: &Letter| letter.code == RejectionCode::NotAMember.as_str();
        for letter in letters {
            let group = || letters.iter().filter(|other| other.is_with(letter));
            if !group().any(is_outside) {
                continue;
            }
            if !is_here(letter) && !letter.absent {
                meaning.absent.push(letter.clone());
            }
            let was_tried = group().any(|other| other.change.0.contains_key(AGAIN));
            if group().all(is_here) && (!was_tried || group().any(|other| other.absent)) {
                meaning.due.push(letter.clone());
            }
        }
        meaning
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Tries letters again whose space an answer names; `letters`: those there were just now.
    pub(in crate::engine) async fn retry_named(self: &Rc<Self>, letters: &[Letter], list: &[Space]) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let meaning = self.meaning(letters, list);
        if meaning.due.is_empty() && meaning.absent.is_empty() {
            return Ok(());
        }
        let tx = self.store.begin(Mode::Write, &[CHANGE_LOG, ENGINE])?;
        let Meaning { mut due, absent } = self.meaning(&read(&tx, &user).await?, list);
        for mut letter in absent {
            letter.absent = true;
            let key = letter.key.clone();
            rows::write(&tx, rows::LETTER, &key, letter)?;
        }
        for letter in &mut due {
            letter.change.0.insert(AGAIN.to_owned(), true.into());
        }
        let released = self.release_letters(&tx, &user, due).await?;
        tx.commit().await?;
        self.committed_to_log(&[], Origin::System, released);
        Ok(())
    }

    fn meaning(&self, letters: &[Letter], list: &[Space]) -> Meaning {
        let config = self.config();
        let is_named = |space: &str| {
            config.is_own_space(&config.stored_space(space))
                || list.iter().any(|one| config.wire_space(one.id.as_str()) == space)
        };
        Meaning::of(letters, is_named)
    }
}
