//! Who sees a record: an insert with all fields, each one tick above the stamp it had, sealed or plain by the new rule.

use super::{live, not_found, of_spaces, travelling_fields};
use crate::engine::epoch;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::read::Sight;
use crate::engine::sealing::{is_envelope_text, is_row_sealed, is_sealed, visibility_of};
use crate::engine::stamps::{json_of, stamp_of};
use crate::engine::write::Written;
use crate::engine::{Engine, Touched};
use crate::model::{
    AUTHOR_ID, Change, Edit, FieldName, OrderedMap, RecordId, SHARE_PROOF, SPACE_ID, Stamp, TableSync, VISIBILITY,
    Visibility,
};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, Store, Transaction};
use serde_json::{Value, json};
use std::rc::Rc;

impl<S: Store, H: Host> Engine<S, H> {
    /// Makes a record its author's alone, or everybody's in its space. Only the author may; what is sealed becomes
    /// plaintext in a shared space, and what is plaintext is sealed from now on.
    pub async fn set_visibility(self: &Rc<Self>, table: &str, id: &str, to: Visibility) -> Result<Written> {
        let info = self.config().table(table)?;
        let sync = of_spaces(&info)?;
        let record = RecordId::parse(id)?;
        let tx = self.store.begin(Mode::Write, &[table, CHANGE_LOG, ENGINE])?;
        let key = Key::text(id);
        let epoch = epoch::current(&tx, &self.host, &self.watch);
        let (epoch, stored) = futures_util::future::join(epoch, tx.get(table, &key)).await;
        let sight = Sight::by_id(&self.config(), &info);
        let stored = live(stored?).filter(|row| sight.sees(row)).ok_or_else(|| not_found(table, id))?;
        self.check_author(&stored)?;
        if visibility_of(&stored) == to && self.is_as_the_rule_says(sync, &stored) {
            return Ok(Written { keys: vec![key], ..Written::default() });
        }
        let change = self.seen_by(sync, record, &stored, to)?;
        let row = self.merged(table, Some(stored.clone()), &change, &stored)?;
        let fields = change.fields.keys().map(ToString::to_string).collect();
        let touched = Touched { table: table.to_owned(), key, old: Some(stored), new: Some(row), fields };
        self.log_whole(tx, &epoch?, vec![(change, Some(id))], vec![touched]).await
    }

    fn check_author(&self, row: &S::Row) -> Result<()> {
        let config = self.config();
        let space = row.text(SPACE_ID).unwrap_or_else(|| config.personal_alias());
        config.check_writable_space(&space)?;
        match row.text(AUTHOR_ID) {
            Some(author) if author == config.user_id() => Ok(()),
            None if config.is_own_space(&space) => Ok(()),
            _ => Err(Error::new(
                Kind::NotTheAuthor,
                "only the person who made a record decides who sees it; nothing was written",
            )
            .with(json!({ "field": VISIBILITY }))),
        }
    }

    /// Whether what is sealed of a record is what its visibility says.
    fn is_as_the_rule_says(&self, sync: &TableSync, row: &S::Row) -> bool {
        let rule = is_sealed(&self.config(), sync, row.text(SPACE_ID).as_deref(), visibility_of(row));
        let holds_sealed = || {
            travelling_fields(row)
                .iter()
                .any(|name| sync.sealed.contains(name) && is_envelope_text(&json_of(row, name)))
        };
        rule == self.is_kept_sealed(sync, row) && (rule || !is_row_sealed(&self.config(), sync, row) || !holds_sealed())
    }

    fn seen_by(&self, sync: &TableSync, id: RecordId, row: &S::Row, to: Visibility) -> Result<Change> {
        let space = row.text(SPACE_ID);
        let was = is_row_sealed(&self.config(), sync, row);
        let is = is_sealed(&self.config(), sync, space.as_deref(), to);
        if was || is {
            self.vault.check_sealing()?;
        }
        let decided = stamp_of(row, VISIBILITY).unwrap_or(Stamp::EPOCH).next();
        let mut fields = OrderedMap::new();
        for mut plain in self.plain_fields(sync, id.as_str(), row)? {
            let name = plain.name.as_str();
            // What a server made up stays as it came, as where a record moves.
            if was && is && sync.sealed.contains(name) && self.is_foreign(sync, row, (id.as_str(), name)) {
                continue;
            }
            // Who made it is no edit: the first insert said so.
            let is_author = name == AUTHOR_ID;
            let at = if is_author { plain.at } else { plain.at.next() };
            match name {
                VISIBILITY => plain.value = to.as_str().into(),
                SHARE_PROOF if to == Visibility::Private => plain.value = Value::Null,
                _ => {}
            }
            let value = if is { self.resealed(sync, id.as_str(), &plain, at)? } else { plain.value };
            fields.insert(plain.name, Edit { value, at, prev: (!is_author).then_some(plain.at) });
        }
        if was && !is {
            let proof = self.share_proof(sync, id.as_str(), decided)?.into();
            let prev = stamp_of(row, SHARE_PROOF);
            let at = prev.map_or(decided, |prev| prev.next().max(decided));
            fields.insert(FieldName::parse(SHARE_PROOF)?, Edit { value: proof, at, prev });
        }
        self.whole_insert(sync, id, fields, (space.as_deref(), to))
    }
}
