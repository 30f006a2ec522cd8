//! How records of one version of an app's data become those of the next: data, not code, so that it does the same on every
//! device, in every order.

use super::{FieldName, OrderedMap, OrderedSet};
use serde_json::Value;

/// What becomes of the fields of one table's records. Everything in it happens at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// The version it leads to, from the one before.
    pub to: u32,
    /// New names, by the old ones.
    pub rename: OrderedMap<FieldName, FieldName>,
    /// Fields that are no more.
    pub drop: OrderedSet<FieldName>,
    /// Values of records that were made without the field.
    pub defaults: OrderedMap<FieldName, Value>,
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// It keeps its name.
    Stays,
    /// It gets this one.
    Moves(&'a FieldName),
    /// It is no more.
    Goes,
}

impl Step {
    /// Whether it leaves every record as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rename.is_empty() && self.drop.is_empty() && self.defaults.is_empty()
    }

    /// What becomes of a field.
    #[must_use]
    pub fn place_of(&self, field: &str) -> Place<'_> {
        match self.rename.get(field) {
            Some(to) => Place::Moves(to),
            None if self.drop.contains(field) => Place::Goes,
            None => Place::Stays,
        }
    }

    /// The fields that do not keep their names.
    pub fn leaving(&self) -> impl Iterator<Item = (&FieldName, Option<&FieldName>)> {
        self.rename.iter().map(|(from, to)| (from, Some(to))).chain(self.drop.iter().map(|from| (from, None)))
    }
}

/// The steps that lead on from a version, in their order.
pub fn steps_from(steps: &[Step], version: u32) -> impl Iterator<Item = &Step> {
    steps.iter().filter(move |step| step.to > version && !step.is_empty())
}
