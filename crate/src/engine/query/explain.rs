//! How a query is answered, in words for people and in a shape that tests can rely on.

use super::plan::{Plan, Step};
use crate::engine::read::Sight;
use crate::model::KeyPath;
use crate::store::{Key, KeyRange};
use serde_json::Value;

/// How a query is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What is read; of several, rows are united.
    pub parts: Vec<Part>,
    /// What rows are sorted by in memory.
    pub sort: Option<String>,
    /// Whether rows that came twice are dropped in memory.
    pub distinct: bool,
    /// The same in sentences.
    pub text: String,
}

/// What is read of one index.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The index; `None`: the primary key.
    pub index: Option<String>,
    /// The ranges in interval notation, `[` and `]` where a bound belongs to it.
    pub ranges: Vec<String>,
    /// From the greatest key down.
    pub reverse: bool,
    /// What is looked at in each row.
    pub filters: Vec<String>,
    /// Why this index.
    pub why: String,
}

/// Says what a plan does.
pub fn explain(sight: &Sight, plan: &Plan<'_>) -> Explanation {
    let parts: Vec<Part> = plan.steps.iter().map(|step| part(sight, step)).collect();
    let sort = plan.sort.as_ref().map(name_of);
    let distinct = plan.distinct;
    let mut lines: Vec<String> = parts.iter().map(sentence).collect();
    if distinct {
        lines.push("Rows that come twice are dropped in memory.".to_owned());
    }
    if let Some(sort) = &sort {
        lines.push(format!("All of them are sorted by {sort} in memory: no index that serves has this order."));
    }
    Explanation { parts, sort, distinct, text: lines.join("\n") }
}

fn part(sight: &Sight, step: &Step<'_>) -> Part {
    let mut filters: Vec<String> =
        step.rest.iter().map(|known| format!("{} = {}", known.path(), key_text(&known.key))).collect();
    if step.texts.is_some() {
        filters.push("texts without regard to case".to_owned());
    }
    filters.extend(sight.looks_at().iter().map(|what| (*what).to_owned()));
    Part {
        index: (!step.index.primary).then(|| step.index.spec.name.clone()),
        ranges: step.ranges.iter().map(range_text).collect(),
        reverse: step.reverse,
        filters,
        why: why(step),
    }
}

fn why(step: &Step<'_>) -> String {
    let known = if step.by_space { "known fields, the space among them" } else { "known fields" };
    match (std::ptr::eq(step.index.spec, step.asked.spec), step.fixed) {
        (_, 0) if step.asked.is_prefix() => "it begins with what the query names".to_owned(),
        (true, _) if step.index.primary => "the query names no index that would serve better".to_owned(),
        (true, _) => "the query names it".to_owned(),
        (false, 0) => "it gives the order".to_owned(),
        (false, _) => format!("it begins with {known}"),
    }
}

fn sentence(part: &Part) -> String {
    let index = part.index.as_deref().unwrap_or("the primary key");
    let ranges = if part.ranges.is_empty() { "nothing".to_owned() } else { part.ranges.join(" ∪ ") };
    let down = if part.reverse { ", from above" } else { "" };
    let filters = if part.filters.is_empty() {
        "Nothing is looked at in the rows.".to_owned()
    } else {
        format!("In each row: {}.", part.filters.join("; "))
    };
    format!("Reads {index}, {ranges}{down}: {}. {filters}", part.why)
}

fn name_of(path: &KeyPath) -> String {
    match path {
        KeyPath::Single(path) => path.clone(),
        KeyPath::Compound(paths) => format!("[{}]", paths.join("+")),
    }
}

fn range_text(range: &KeyRange) -> String {
    let lower = range
        .lower
        .as_ref()
        .map_or("(−∞".to_owned(), |(key, open)| format!("{}{}", if *open { '(' } else { '[' }, key_text(key)));
    let upper = range
        .upper
        .as_ref()
        .map_or("∞)".to_owned(), |(key, open)| format!("{}{}", key_text(key), if *open { ')' } else { ']' }));
    format!("{lower}, {upper}")
}

fn key_text(key: &Key) -> String {
    match key {
        Key::Number(number) => number.to_string(),
        Key::Date(ms) => format!("Date({ms})"),
        Key::Text(text) => Value::from(text.as_str()).to_string(),
        Key::Bytes(bytes) => format!("Bytes({})", bytes.len()),
        Key::List(keys) => format!("[{}]", keys.iter().map(key_text).collect::<Vec<_>>().join(", ")),
    }
}
