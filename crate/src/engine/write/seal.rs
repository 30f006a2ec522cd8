//! Sealing what a write stores, between its stamp and its put, without waiting for anything.

use super::Writer;
use super::plan::{Act, Plan};
use crate::engine::error::Result;
use crate::engine::ports::Host;
use crate::engine::prepare::{Field, fits_sealed, too_large};
use crate::engine::sealing::{is_envelope, is_row_sealed, is_sealed, visibility_of};
use crate::engine::shadow::Shadow;
use crate::engine::stamps::stamp_of;
use crate::model::{Stamp, TableSync};
use crate::store::{Row, RowValue, Store};

impl<S: Store, H: Host> Writer<S, H> {
    /// Whether carrying a plan out takes the key.
    pub(super) fn seals(&self, sync: &TableSync, plan: &Plan<S::Row>) -> bool {
        let names = || sync.sealed.iter();
        match &plan.act {
            Act::Insert { data, .. } => {
                self.releases(sync, plan)
                    || names().any(|name| self.seals_field(sync, plan, name, data.get(name).as_ref()))
            }
            Act::Edit(edits) => edits
                .iter()
                .filter(|edit| sync.sealed.contains(&edit.name))
                .any(|edit| self.seals_field(sync, plan, &edit.name, edit.value.as_ref())),
            Act::Flip(_) => false,
        }
    }

    /// Whether a new value of a registered field is sealed: by the rule for the record, and where what is stored was
    /// sealed, whatever has become of the record's visibility since. Of no value it is only sealed where one is taken away,
    /// so that nobody can tell; to a device that had sealed that one, a bare null were a stranger's.
    fn seals_field(&self, sync: &TableSync, plan: &Plan<S::Row>, name: &str, value: Option<&super::Value<S>>) -> bool {
        let stored = plan.stored.as_ref();
        let was = stored.and_then(|row| row.get(name)).filter(is_envelope);
        if self.is_sealed(sync, plan) {
            let holds = |row: &S::Row| row.get(name).is_some_and(|value| !value.is_null());
            let hides = || stored.is_some_and(|row| holds(row) || Shadow::of(row, name).is_some());
            return value.is_some_and(|value| !value.is_null()) || hides();
        }
        // A record made anew is what the app says now.
        if matches!(plan.act, Act::Insert { .. }) {
            return false;
        }
        let (Some(row), Some(was)) = (stored, was.and_then(|was| was.as_text())) else { return false };
        let at = stamp_of(row, name).unwrap_or(Stamp::EPOCH);
        self.engine.open_text(sync, &plan.id, name, at, &was).is_some()
    }

    pub(super) fn is_sealed(&self, sync: &TableSync, plan: &Plan<S::Row>) -> bool {
        let config = self.engine.config();
        match (&plan.act, &plan.stored) {
            (Act::Insert { data, space, .. }, _) => is_sealed(&config, sync, space.as_deref(), visibility_of(data)),
            (_, Some(stored)) => self.engine.is_kept_sealed(sync, stored),
            (_, None) => false,
        }
    }

    /// Whether an insert makes a record everybody's that was the user's alone before it was deleted.
    pub(super) fn releases(&self, sync: &TableSync, plan: &Plan<S::Row>) -> bool {
        let was = plan.stored.as_ref().is_some_and(|row| is_row_sealed(&self.engine.config(), sync, row));
        was && matches!(plan.act, Act::Insert { .. }) && !self.is_sealed(sync, plan)
    }

    /// Seals the values of a plan that are to be, under the stamp they get.
    pub(super) fn seal(&self, sync: &TableSync, mut plan: Plan<S::Row>, at: Stamp) -> Result<Plan<S::Row>> {
        for name in &sync.sealed {
            let value = match &plan.act {
                Act::Insert { data, .. } => data.get(name),
                Act::Edit(edits) => match edits.iter().find(|edit| edit.name == *name) {
                    Some(edit) => edit.value.clone(),
                    None => continue,
                },
                Act::Flip(_) => return Ok(plan),
            };
            if !self.seals_field(sync, &plan, name, value.as_ref()) {
                continue;
            }
            let text = self.sealed_text(sync, &plan.id, name, at, value.as_ref())?;
            match &mut plan.act {
                Act::Insert { data, bytes, .. } => {
                    *bytes += text.len() + name.len() + 6;
                    data.set_text(name, &text);
                }
                Act::Edit(edits) => {
                    let bytes = text.len() + 2;
                    let sealed = Field { name: name.clone(), value: Some(RowValue::text(&text)), bytes };
                    edits.iter_mut().filter(|edit| edit.name == *name).for_each(|edit| *edit = sealed.clone());
                }
                Act::Flip(_) => {}
            }
        }
        Ok(plan)
    }

    fn sealed_text(
        &self,
        sync: &TableSync,
        id: &str,
        name: &str,
        at: Stamp,
        value: Option<&super::Value<S>>,
    ) -> Result<String> {
        let json = value.map(RowValue::to_json).transpose()?.unwrap_or_default();
        self.engine.seal_value(sync, id, name, at, &json)
    }
}

/// Refuses values that would be too large when they are sealed.
pub(super) fn check_sealed_size<R: Row>(sync: &TableSync, plan: &Plan<R>) -> Result<()> {
    let check = |name: &str, bytes: usize| {
        if fits_sealed(bytes) { Ok(()) } else { Err(too_large(name)) }
    };
    match &plan.act {
        Act::Insert { data, .. } => {
            sync.sealed.iter().try_for_each(|name| data.get(name).map_or(Ok(()), |value| check(name, value.weight())))
        }
        Act::Edit(edits) => {
            let mut sealed = edits.iter().filter(|edit| sync.sealed.contains(&edit.name));
            sealed.try_for_each(|edit| check(&edit.name, edit.bytes))
        }
        Act::Flip(_) => Ok(()),
    }
}
