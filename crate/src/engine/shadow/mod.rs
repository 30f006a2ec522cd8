//! What a device had found to be the user's, kept where something else came for it until that was looked at.
//!
//! Merging looks at stamps alone, so whoever sends the greater one decides what is stored: that is what makes all devices
//! hold the same. What is shown is another matter. Where a value from outside takes the place of a sealed one, the sealed
//! one stays beside it in the record, in the same transaction, until somebody with the key has looked at what came. What
//! was found to be the user's stands for itself; what was not is never shown where there is something to show instead.

mod arrivals;
mod judge;

pub(super) use arrivals::note_unseen;
pub(super) use judge::{Stands, Verdict};

use super::stamps::mark_of;
use crate::model::{SHADOW, Stamp, words};
use crate::store::{Row, RowValue};

words! {
    /// Why a value of a sealed field is not taken for the user's, or not shown.
    pub enum Distrust {
        /// Its key is here and does not open it.
        ForgedValue = "forged_value",
        /// It is not sealed for its place, though the field was sealed by then.
        Downgrade = "downgrade",
        /// Read, it did not open with the keys that were here.
        DecryptFailed = "decrypt_failed",
    }
}

const VALUE: &str = "value";
const MARK: &str = "mark";
const CODE: &str = "code";

/// A sealed value in the shadow of one that came for it.
#[derive(Clone)]
pub struct Shadow<R: Row> {
    /// The envelope.
    pub text: String,
    /// The mark it was stored with.
    mark: R,
    /// Why what came is not shown; `None`: nobody has looked at it.
    pub code: Option<Distrust>,
}

impl<R: Row> Shadow<R> {
    /// The one of a field.
    pub fn of(row: &R, field: &str) -> Option<Self> {
        let kept = row.get(SHADOW)?.as_row()?.get(field)?.as_row()?;
        let code = kept.text(CODE).and_then(|code| Distrust::of(&code));
        Some(Self { text: kept.text(VALUE)?, mark: kept.get(MARK)?.as_row()?, code })
    }

    /// What would be one: a field as it is stored, where that is an envelope.
    fn from_stored(row: &R, field: &str) -> Option<Self> {
        let text = row.text(field).filter(|text| crate::crypto::Envelope::parse(text).is_some())?;
        Some(Self { text, mark: mark_of(row, field)?, code: None })
    }

    /// When it was written.
    pub fn at(&self) -> Stamp {
        self.mark.text("at").and_then(|at| Stamp::parse(&at).ok()).unwrap_or(Stamp::EPOCH)
    }

    /// Puts it into a record, in place of one that is there.
    fn keep(self, row: &mut R, field: &str) {
        let mut kept = R::empty();
        kept.set_text(VALUE, &self.text);
        kept.set(MARK, self.mark.into_value());
        if let Some(code) = self.code {
            kept.set_word(CODE, code.as_str());
        }
        let mut all = row.get(SHADOW).and_then(|all| all.as_row()).map_or_else(R::empty, |all| all.shallow_copy());
        all.set(field, kept.into_value());
        row.set(SHADOW, all.into_value());
    }
}

/// A field's part of a record's shadow, as it is stored.
pub fn stored<R: Row>(row: &R, field: &str) -> Option<R::Value> {
    row.get(SHADOW)?.as_row()?.get(field)
}

/// Puts a field's part of the shadow back as it was stored; what came for the field since has to be looked at.
pub fn put_back<R: Row>(row: &mut R, field: &str, stored: R::Value) {
    let mut all = row.get(SHADOW).and_then(|all| all.as_row()).map_or_else(R::empty, |all| all.shallow_copy());
    all.set(field, stored);
    row.set(SHADOW, all.into_value());
}

/// The fields of a record that something came for.
pub fn fields<R: Row>(row: &R) -> Vec<String> {
    row.get(SHADOW).and_then(|all| all.as_row()).map(|all| all.names()).unwrap_or_default()
}

/// Takes the shadows of fields away: what is stored in them now stands for itself.
pub fn clear<'a, R: Row>(row: &mut R, fields: impl IntoIterator<Item = &'a str>) {
    let Some(all) = row.get(SHADOW).and_then(|all| all.as_row()) else { return };
    let mut rest = all.shallow_copy();
    fields.into_iter().for_each(|field| rest.remove(field));
    if rest.names().is_empty() {
        row.remove(SHADOW);
    } else {
        row.set(SHADOW, rest.into_value());
    }
}

/// A record as this device stands for it: in place of what is not taken for the user's, what was there before, under its
/// own mark.
pub fn standing<R: Row>(row: R) -> R {
    let failed = |field: String| Some((Shadow::of(&row, &field).filter(|shadow| shadow.code.is_some())?, field));
    let failed: Vec<_> = fields(&row).into_iter().filter_map(failed).collect();
    if failed.is_empty() {
        return row;
    }
    let mut standing = row.shallow_copy();
    let meta = row.get(crate::model::FIELD_META).and_then(|meta| meta.as_row());
    let mut meta = meta.map_or_else(R::empty, |meta| meta.shallow_copy());
    for (shadow, field) in failed {
        standing.set_text(&field, &shadow.text);
        meta.set(&field, shadow.mark.into_value());
    }
    standing.set(crate::model::FIELD_META, meta.into_value());
    standing
}
