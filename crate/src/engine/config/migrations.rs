//! Reading an app's `migrations`, and holding them to the rest of the schema: what does not fit is refused when the engine
//! opens, because afterwards it would be in people's records.

use crate::engine::error::{Error, Kind, Result};
use crate::model::{
    DELETED_AT, FieldName, FromJson, MOVED_TO, OrderedMap, OrderedSet, Place, SHARE_PROOF, Step, TableSync, UPDATED_AT,
    VISIBILITY, check_travels, is_hidden, is_immutable, record,
};
use serde_json::{Map, Value, json};

record! {
    /// What an app declares for one table and version.
    struct Declared {
        rename: Map<String, Value> = "rename" or Map::new(),
        drop: Vec<String> = "drop" or Vec::new(),
        defaults: Map<String, Value> = "defaults" or Map::new(),
    }
}

/// Where something is declared, for errors.
#[derive(Clone, Copy)]
struct At<'a> {
    app: &'a str,
    version: u32,
    table: Option<&'a str>,
}

impl At<'_> {
    fn refuse(self, field: Option<&str>, why: &str) -> Error {
        let Self { app, version, table } = self;
        let place = table.map(|table| format!(", table {table}")).unwrap_or_default();
        let place = field.map_or(place.clone(), |field| format!("{place}, field {field}"));
        let details = json!({ "app": app, "version": version, "table": table, "field": field });
        Error::new(Kind::InvalidSchema, format!("migrations of {app} to version {version}{place}: {why}")).with(details)
    }
}

/// Reads `{ [version]: { [table]: { rename, drop, defaults } } }` of an app at `version`, for each of its `tables` by
/// local name.
pub fn read_migrations(
    app: &str,
    version: u32,
    declared: &Map<String, Value>,
    tables: &[&str],
) -> Result<OrderedMap<String, Vec<Step>>> {
    let mut versions = OrderedMap::new();
    for (name, step) in declared {
        let to = name.parse::<u32>().ok().filter(|to| to.to_string() == *name && (2..=version).contains(to));
        let Some(to) = to else {
            let why = format!("{name} is no version from 2 to the app's schemaVersion, which is {version}");
            return Err(At { app, version, table: None }.refuse(None, &why));
        };
        versions.insert(to, step);
    }
    let first = versions.keys().next().copied().unwrap_or(version + 1);
    if let Some(gap) = (first..=version).find(|to| !versions.contains_key(to)) {
        let why = "is missing: declare {} where no field of a record changed";
        return Err(At { app, version: gap, table: None }.refuse(None, why));
    }
    let mut steps: OrderedMap<String, Vec<Step>> = tables.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    for (to, step) in versions {
        let at = At { app, version: to, table: None };
        let of_tables = step.as_object().ok_or_else(|| at.refuse(None, "must name tables"))?;
        for (name, declared) in of_tables {
            let at = At { table: Some(name), ..at };
            let known = steps.get_mut(name);
            let known = known.ok_or_else(|| at.refuse(None, "the app has no such table that syncs"))?;
            known.push(read_step(at, declared)?);
        }
    }
    Ok(steps)
}

fn read_step(at: At<'_>, declared: &Value) -> Result<Step> {
    let unreadable = "must have rename (new names by old ones), drop (a list of names) or defaults (values by name)";
    let known = |map: &Map<String, Value>| map.keys().all(|key| matches!(key.as_str(), "rename" | "drop" | "defaults"));
    let declared = Some(declared).filter(|value| value.as_object().is_some_and(known)).cloned();
    let declared = declared.and_then(Declared::from_json).ok_or_else(|| at.refuse(None, unreadable))?;
    let mut step = Step { to: at.version, ..Step::default() };
    for (from, to) in declared.rename {
        let to = to.as_str().ok_or_else(|| at.refuse(Some(&from), "its new name must be a text"))?;
        step.rename.insert(field(at, &from)?, field(at, to)?);
    }
    for name in declared.drop {
        step.drop.insert(field(at, &name)?);
    }
    for (name, value) in declared.defaults {
        check_travels(&value, &name).map_err(|malformed| at.refuse(Some(&name), &malformed.to_string()))?;
        step.defaults.insert(field(at, &name)?, value);
    }
    check_alone(at, &step)?;
    Ok(step)
}

/// A field of the app's own.
fn field(at: At<'_>, name: &str) -> Result<FieldName> {
    let of_engine = is_hidden(name)
        || is_immutable(name)
        || matches!(name, VISIBILITY | DELETED_AT | UPDATED_AT | MOVED_TO | SHARE_PROOF);
    if of_engine {
        return Err(at.refuse(Some(name), "is the engine's own"));
    }
    FieldName::parse(name).map_err(|malformed| at.refuse(Some(name), &malformed.to_string()))
}

/// What contradicts itself within a step.
fn check_alone(at: At<'_>, step: &Step) -> Result<()> {
    let mut new = OrderedSet::new();
    for (from, to) in &step.rename {
        let why = if from == to {
            "is renamed to itself"
        } else if step.drop.contains(from.as_str()) {
            "is renamed and dropped"
        } else if !new.insert(to.as_str()) {
            return Err(at.refuse(Some(to.as_str()), "two fields would get this name"));
        } else {
            continue;
        };
        return Err(at.refuse(Some(from.as_str()), why));
    }
    let taken = |name: &&FieldName| step.place_of(name.as_str()) != Place::Stays || new.contains(name.as_str());
    match step.defaults.keys().find(taken) {
        Some(name) => Err(at.refuse(Some(name.as_str()), "has a default, and is dropped, renamed or a new name, too")),
        None => Ok(()),
    }
}

/// Holds a table's steps to each other, and to what the table seals now.
pub(super) fn check(name: &str, sync: &TableSync) -> Result<()> {
    let mut given: OrderedSet<&FieldName> = OrderedSet::new();
    for (n, step) in sync.migrations.iter().enumerate() {
        let at = At { app: sync.app.as_str(), version: step.to, table: Some(name) };
        given = given.into_iter().filter(|name| step.place_of(name.as_str()) == Place::Stays).collect();
        for new in step.rename.values().chain(step.defaults.keys()) {
            if !given.insert(new) {
                return Err(
                    at.refuse(Some(new.as_str()), "an earlier step gave a field this name, and it is still there")
                );
            }
        }
        check_sealed(at, sync, n, step)?;
    }
    Ok(())
}

fn check_sealed(at: At<'_>, sync: &TableSync, n: usize, step: &Step) -> Result<()> {
    let (before, after) = (&sync.migrations[..n], &sync.migrations[n + 1..]);
    for (from, to) in &step.rename {
        let (first, last) = (first_name(before, from), last_name(after, to));
        let is_sealed = last.is_some_and(|last| sync.sealed.contains(last.as_str()));
        if is_sealed && last.is_some_and(|last| sync.bound_field(last.as_str()) != first.as_str()) {
            let why = format!(
                "is sealed, and its values are bound to the name {first}: say so under aad.fields, or older ones cannot be opened"
            );
            return Err(at.refuse(Some(to.as_str()), &why));
        }
        if !is_sealed && sync.sealed.contains(from.as_str()) {
            return Err(at.refuse(Some(from.as_str()), "is sealed, and its new name is not"));
        }
    }
    for (name, value) in &step.defaults {
        let last = last_name(after, name);
        if last.is_some_and(|last| sync.sealed.contains(last.as_str())) {
            return Err(at.refuse(Some(name.as_str()), "is sealed: a default would stand there in plaintext"));
        }
        if last.is_some_and(|last| sync.dates.contains(last.as_str())) && !value.is_string() {
            return Err(at.refuse(Some(name.as_str()), "is listed under dates: its default must be an ISO text"));
        }
    }
    Ok(())
}

/// The name that a field had before all these steps.
fn first_name<'a>(steps: &'a [Step], name: &'a FieldName) -> &'a FieldName {
    steps
        .iter()
        .rev()
        .fold(name, |name, step| step.rename.iter().find(|(_, to)| *to == name).map_or(name, |(from, _)| from))
}

/// The name that a field has after all these steps; `None`: it is no more.
fn last_name<'a>(steps: &'a [Step], name: &'a FieldName) -> Option<&'a FieldName> {
    steps.iter().try_fold(name, |name, step| match step.place_of(name.as_str()) {
        Place::Stays => Some(name),
        Place::Moves(to) => Some(to),
        Place::Goes => None,
    })
}

#[cfg(test)]
mod tests;
