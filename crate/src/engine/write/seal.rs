//! Sealing what a write stores, between its stamp and its put, without waiting for anything.

use super::Writer;
use super::plan::{Act, Plan};
use crate::engine::error::Result;
use crate::engine::ports::Host;
use crate::engine::prepare::Field;
use crate::engine::sealing::{is_envelope, is_row_sealed, is_sealed};
use crate::model::{Stamp, TableSync, VISIBILITY, Visibility};
use crate::store::{Row, RowValue, Store};

impl<S: Store, H: Host> Writer<S, H> {
    /// Whether carrying a plan out takes the key.
    pub(super) fn seals(&self, sync: &TableSync, plan: &Plan<S::Row>) -> bool {
        if !self.is_sealed(sync, plan) {
            return false;
        }
        let stored = plan.stored.as_ref();
        match &plan.act {
            Act::Insert { data, .. } => sync.sealed.iter().any(|name| is_kept(data.get(name).as_ref(), stored, name)),
            Act::Edit(edits) => edits
                .iter()
                .filter(|edit| sync.sealed.contains(&edit.name))
                .any(|edit| is_kept(edit.value.as_ref(), stored, &edit.name)),
            Act::Flip(_) => false,
        }
    }

    fn is_sealed(&self, sync: &TableSync, plan: &Plan<S::Row>) -> bool {
        let config = self.engine.config();
        match (&plan.act, &plan.stored) {
            (Act::Insert { data, space, .. }, _) => {
                let visibility = data.text(VISIBILITY).map(Visibility::from).unwrap_or_default();
                is_sealed(&config, sync, space.as_deref(), visibility)
            }
            (_, Some(stored)) => is_row_sealed(&config, sync, stored),
            (_, None) => false,
        }
    }

    /// Seals the values of a plan that are to be, under the stamp they get.
    pub(super) fn seal(&self, sync: &TableSync, plan: &mut Plan<S::Row>, at: Stamp) -> Result<()> {
        if !self.is_sealed(sync, plan) {
            return Ok(());
        }
        let (id, stored) = (plan.id.clone(), plan.stored.clone());
        match &mut plan.act {
            Act::Insert { data, bytes, .. } => {
                for name in &sync.sealed {
                    let value = data.get(name);
                    if is_kept(value.as_ref(), stored.as_ref(), name) {
                        let text = self.sealed_text(sync, &id, name, at, value.as_ref())?;
                        *bytes += text.len() + name.len() + 6;
                        data.set_text(name, &text);
                    }
                }
            }
            Act::Edit(edits) => {
                for edit in edits.iter_mut().filter(|edit| sync.sealed.contains(&edit.name)) {
                    if is_kept(edit.value.as_ref(), stored.as_ref(), &edit.name) {
                        let text = self.sealed_text(sync, &id, &edit.name, at, edit.value.as_ref())?;
                        let (name, bytes) = (std::mem::take(&mut edit.name), text.len() + 2);
                        *edit = Field { name, value: Some(RowValue::text(&text)), bytes };
                    }
                }
            }
            Act::Flip(_) => {}
        }
        Ok(())
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

/// Whether a value of a sealed field is sealed: every value but one that is none, and that too where a sealed one is
/// taken away, so that nobody can tell.
fn is_kept<R: Row>(value: Option<&R::Value>, stored: Option<&R>, name: &str) -> bool {
    value.is_some_and(|value| !value.is_null())
        || stored.and_then(|row| row.get(name)).is_some_and(|stored| is_envelope(&stored))
}
