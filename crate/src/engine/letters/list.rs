//! Dead letters as the app sees them.

use super::{Blocked, Letter, Waiting, read, read_waiting};
use crate::engine::Engine;
use crate::engine::error::Result;
use crate::engine::ports::Host;
use crate::model::Stamp;
use crate::store::{ENGINE, Mode, Store};
use serde_json::Value;

/// A dead letter as the app sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Names it.
    pub id: String,
    /// Why it was refused.
    pub code: String,
    /// The same, for people.
    pub message: String,
    /// When that became known, by the device's clock.
    pub at: Stamp,
    /// What was refused: of a group all of it.
    pub changes: Vec<Refused>,
    /// How many later changes wait behind it.
    pub waiting: usize,
    /// Whether it can go out again. What never could travel stays on the device.
    pub retryable: bool,
}

/// A refused change as the app sees it; its values are those that the record shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The app.
    pub app: String,
    /// The table, by its local name where it has one.
    pub table: String,
    /// The record.
    pub id: String,
    /// `insert`, `update` or `delete`.
    pub op: String,
    /// The record's space as the wire names it.
    pub space: Option<String>,
    /// The fields that it writes.
    pub fields: Vec<String>,
}

impl<S: Store, H: Host> Engine<S, H> {
    /// The user's dead letters, oldest first; of a group one stands for all.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let (letters, waiting) = (read(&tx, &user).await?, read_waiting(&tx, &user).await?);
        let is_first = |at: &usize| !letters[..*at].iter().any(|earlier| earlier.is_with(&letters[*at]));
        let shown = (0..letters.len()).filter(is_first).map(|at| self.shown(&letters[at], &letters, &waiting));
        Ok(shown.collect())
    }

    fn shown(&self, first: &Letter, letters: &[Letter], waiting: &[Waiting]) -> DeadLetter {
        let of_it: Vec<&Letter> = letters.iter().filter(|letter| letter.is_with(first)).collect();
        let mut blocked = Blocked::default();
        for letter in &of_it {
            blocked.add_letter(letter);
        }
        let behind = waiting.iter().filter(|one| blocked.takes(one)).map(|one| one.row.changes.len()).sum();
        DeadLetter {
            id: first.change.event_id().to_owned(),
            code: first.code.clone(),
            message: first.message.clone(),
            at: first.at,
            changes: of_it.iter().map(|letter| self.refused(letter)).collect(),
            waiting: behind,
            retryable: first.is_refusal(),
        }
    }

    fn refused(&self, letter: &Letter) -> Refused {
        let config = self.config();
        let (app, change) = (&letter.row.app_id, &letter.change);
        // What an older app queued, and could not be read, names its record otherwise.
        let named = |name: &str, older: &str| {
            let found = [name, older].into_iter().filter_map(|key| change.0.get(key)?.as_str());
            found.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
        };
        let on_the_wire = named("table", "collection");
        let table = config.local_table(app, on_the_wire).map_or(on_the_wire, |(name, _)| name);
        Refused {
            app: app.clone(),
            table: table.to_owned(),
            id: named("id", "recordId").to_owned(),
            op: change.op().to_owned(),
            space: change.0.get("spaceId").and_then(Value::as_str).map(str::to_owned),
            fields: change.stamps(&letter.row).into_iter().map(|stamp| stamp.field).collect(),
        }
    }
}
