//! Taking a change out of a record: its fields become what they were, each unless something newer stands in it.

use crate::engine::outbox::{Before, LogRow, LoggedChange};
use crate::engine::prepare::is_purged;
use crate::engine::shadow;
use crate::engine::stamps::{FieldMeta, Mark, json_of, stamp_of};
use crate::model::{AUTHOR_ID, DELETED_AT, OrderedSet, Origin, Stamp, VISIBILITY, same_json};
use crate::store::{Row, RowValue};

/// Fields of records that wait to be sent under their stamps: app, table on the wire, record, field, stamp.
pub type Edits = OrderedSet<(String, String, String, String, Stamp)>;

/// What taking changes out of a record comes to.
pub struct Undone<R> {
    /// The record; `None`: nothing is left of it.
    pub row: Option<R>,
    /// The fields that became something else.
    pub fields: Vec<String>,
    /// Something that nobody has looked at is in the record's shadow again.
    pub is_unseen: bool,
    /// What a field was is known to the server alone: it has to be read again.
    pub is_unknown: bool,
}

impl<R: Row> Undone<R> {
    /// A record of which nothing was taken yet.
    pub fn of(row: R) -> Self {
        Self { row: Some(row), fields: Vec::new(), is_unseen: false, is_unknown: false }
    }

    /// Takes a change out. `unsent`: what waits in the log; `actor`: the user.
    pub fn undo(&mut self, log_row: &LogRow, change: &LoggedChange, unsent: &Edits, actor: &R::Value) {
        let Some(stored) = self.row.take() else { return };
        let (mut row, mut meta) = (stored.shallow_copy(), FieldMeta::of(Some(&stored)));
        for stamp in change.stamps(log_row) {
            // Another's value may have the same stamp, and stands for itself.
            if stamp.matched || stamp_of(&stored, &stamp.field) != Some(stamp.at) {
                continue;
            }
            let field = stamp.field.as_str();
            let before = change.before_of(field);
            if matches!(&before, Before::Was { value, at, .. } if *at == stamp.at && same_json(value, &json_of(&stored, field)))
            {
                continue;
            }
            shadow::clear(&mut row, [field]);
            match before {
                Before::Was { value, at, shadow } => {
                    let name = (stamp.table.0, stamp.table.1, stamp.id, stamp.field.clone(), at);
                    let is_unsent = unsent.contains(&name);
                    let mark = if is_unsent { Mark::new(at, actor, Origin::User) } else { Mark::replayed(at, None) };
                    meta.mark(field, &mark);
                    if !is_purged(&row) || matches!(field, AUTHOR_ID | VISIBILITY | DELETED_AT) {
                        row.set(field, R::Value::from_json(&value));
                        if let Some(shadow) = shadow {
                            self.is_unseen |= shadow.get("code").is_none();
                            shadow::put_back(&mut row, field, R::Value::from_json(&shadow));
                        }
                    }
                }
                Before::Nothing => {
                    meta.unmark(field);
                    row.remove(field);
                }
                Before::Unknown => {
                    // Whatever the server says of it is taken; until then nobody sees what was discarded.
                    meta.unmark(field);
                    if !matches!(field, AUTHOR_ID | VISIBILITY) {
                        row.remove(field);
                    }
                    self.is_unknown = true;
                }
            }
            self.fields.push(stamp.field);
        }
        meta.renew();
        let is_empty = meta.has_defaults_alone();
        meta.write(&mut row);
        self.row = Some(row).filter(|_| !is_empty);
    }
}
