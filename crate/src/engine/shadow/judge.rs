//! Whether what is stored in a sealed field is the user's, by the keys that are here.

use super::{Distrust, Shadow};
use crate::crypto::{Format, Unopened};
use crate::engine::Engine;
use crate::engine::ports::Host;
use crate::engine::sealing::{at_place, is_envelope};
use crate::engine::stamps::stamp_of;
use crate::model::{Stamp, TableSync};
use crate::store::{Row, RowValue, Store};
use serde_json::Value;

/// What was found of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the user's, or nothing says that it is not.
    Good,
    /// The key that it takes to tell is not here.
    Unknown,
    /// It is not.
    Bad(Distrust),
}

/// What stands in a field that something came for.
pub enum Stands {
    /// What is stored.
    Stored,
    /// What was there before.
    Before(Value),
    /// Nobody can tell now.
    Unknown,
}

impl<S: Store, H: Host> Engine<S, H> {
    /// What is shown of a field; `None` where nothing came for it, or nothing is left that could be shown instead.
    pub(in crate::engine) fn stands(&self, sync: &TableSync, row: &S::Row, id: &str, field: &str) -> Option<Stands> {
        let shadow = Shadow::of(row, field)?;
        let verdict = shadow.code.map_or_else(|| self.judge(sync, row, (id, field), Some(&shadow)), Verdict::Bad);
        match verdict {
            Verdict::Good => Some(Stands::Stored),
            Verdict::Unknown => Some(Stands::Unknown),
            Verdict::Bad(_) => match self.open_shadow(sync, id, field, &shadow) {
                Ok(value) => Some(Stands::Before(value)),
                Err(Unopened::UnknownKey) => Some(Stands::Unknown),
                Err(_) => None,
            },
        }
    }

    /// What a field held before something came for it that does not open: where that has the same stamp, it is the same
    /// write sealed anew under a key that is on its way, and no reason to take its value from the app.
    pub(in crate::engine) fn sealed_before(
        &self,
        sync: &TableSync,
        row: &S::Row,
        id: &str,
        field: &str,
    ) -> Option<Value> {
        let shadow = Shadow::of(row, field).filter(|shadow| stamp_of(row, field) == Some(shadow.at()))?;
        self.open_shadow(sync, id, field, &shadow).ok()
    }

    pub(super) fn open_shadow(
        &self,
        sync: &TableSync,
        id: &str,
        field: &str,
        shadow: &Shadow<S::Row>,
    ) -> Result<Value, Unopened> {
        let open = at_place(sync, id, field, |place| self.vault.ring().open(place, shadow.at(), &shadow.text));
        open.unwrap_or(Err(Unopened::DoesNotOpen))
    }

    /// Judges what is stored in a sealed field. `shadow`: what it took the place of.
    pub(in crate::engine) fn judge(
        &self,
        sync: &TableSync,
        row: &S::Row,
        (id, field): (&str, &str),
        shadow: Option<&Shadow<S::Row>>,
    ) -> Verdict {
        if self.is_locked() {
            return Verdict::Unknown;
        }
        if !self.is_kept_sealed(sync, row) {
            // Its author shared it: what stands in it is everybody's.
            return Verdict::Good;
        }
        let at = stamp_of(row, field).unwrap_or(Stamp::EPOCH);
        // What displaced the whole record, and is older: no merge of a field does that.
        if shadow.is_some_and(|shadow| at < shadow.at()) {
            return Verdict::Bad(Distrust::ForgedValue);
        }
        let value = row.get(field).filter(|value| !value.is_null());
        match value {
            // That there is nothing is no secret until something sealed is taken away.
            None if shadow.is_none() => Verdict::Good,
            Some(value) if is_envelope(&value) => {
                let text = value.as_text().unwrap_or_default();
                self.judge_sealed(sync, (id, field), at, &text, shadow)
            }
            _ => self.judge_unbound(sync, field, at),
        }
    }

    fn judge_sealed(
        &self,
        sync: &TableSync,
        (id, field): (&str, &str),
        at: Stamp,
        text: &str,
        shadow: Option<&Shadow<S::Row>>,
    ) -> Verdict {
        let opened =
            at_place(sync, id, field, |place| self.vault.ring().open_bound(place, at, text).map(|(as_, _)| as_));
        match opened.unwrap_or(Err(Unopened::DoesNotOpen)) {
            Ok(Format::Two) => Verdict::Good,
            Ok(Format::One) => self.judge_unbound(sync, field, at),
            Err(Unopened::UnknownKey) => Verdict::Unknown,
            Err(_) if text.starts_with("enc:2:") => Verdict::Bad(Distrust::ForgedValue),
            // It names no key, so it may be under one that is not here: unless what was there before opens.
            Err(_) => match self.judge_unbound(sync, field, at) {
                Verdict::Good if shadow.is_some_and(|one| self.open_shadow(sync, id, field, one).is_ok()) => {
                    Verdict::Bad(Distrust::ForgedValue)
                }
                Verdict::Good => Verdict::Unknown,
                verdict => verdict,
            },
        }
    }

    /// Judges what is not sealed for its place, by since when the field is sealed.
    fn judge_unbound(&self, sync: &TableSync, field: &str, at: Stamp) -> Verdict {
        if self.is_outdated() {
            // That is said under a key that is not here.
            return Verdict::Unknown;
        }
        let since = self.since(&self.vault.known.borrow(), sync, field);
        if since.is_some_and(|since| at > since) { Verdict::Bad(Distrust::Downgrade) } else { Verdict::Good }
    }
}
