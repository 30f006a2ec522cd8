//! The conditions of `where(…)`, as sets of keys.

use super::fold::Folded;
use super::ranges::{beginning_with, united, without};
use crate::engine::error::{Error, Kind, Result};
use crate::store::{Key, KeyRange};
use serde_json::json;

/// Which keys of an index are wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Condition {
    /// All.
    #[default]
    All,
    /// Those in ranges, which are in ascending order and share no key.
    Ranges(Vec<KeyRange>),
    /// Texts, whatever their case.
    Folded(Folded),
}

impl Condition {
    /// One key.
    #[must_use]
    pub fn equals(key: Key) -> Self {
        Self::Ranges(vec![KeyRange::only(key)])
    }

    /// A condition by its name in `where(…)`. `includes`: whether lower and upper bounds belong to `between` and
    /// `inAnyRange`. What lies between a greater and a smaller key is nothing.
    pub fn named(name: &str, keys: Vec<Key>, includes: (bool, bool)) -> Result<Self> {
        let range = |lower: Option<(Key, bool)>, upper: Option<(Key, bool)>| KeyRange { lower, upper };
        let ranges = match name {
            "all" => return Ok(Self::All),
            "anyOf" => keys.into_iter().map(KeyRange::only).collect(),
            "noneOf" => without(keys),
            "startsWith" => texts(name, &keys)?.iter().map(|text| beginning_with(text)).collect(),
            "equalsIgnoreCase" => return Ok(Self::Folded(Folded::new(&texts(name, &keys)?, false))),
            "startsWithIgnoreCase" => return Ok(Self::Folded(Folded::new(&texts(name, &keys)?, true))),
            "inAnyRange" => pairs(keys, includes)?,
            "between" => {
                let [lower, upper] = exactly(name, keys)?;
                vec![range(Some((lower, !includes.0)), Some((upper, !includes.1)))]
            }
            _ => {
                let [key] = exactly(name, keys)?;
                vec![match name {
                    "equals" => KeyRange::only(key),
                    "above" => range(Some((key, true)), None),
                    "aboveOrEqual" => range(Some((key, false)), None),
                    "below" => range(None, Some((key, true))),
                    "belowOrEqual" => range(None, Some((key, false))),
                    _ => return Err(invalid(name, "is not a condition")),
                }]
            }
        };
        Ok(Self::Ranges(united(ranges)))
    }

    /// The one key wanted, where it is one.
    pub(super) fn only(&self) -> Option<&Key> {
        match self {
            Self::Ranges(ranges) => match ranges.as_slice() {
                [KeyRange { lower: Some((lower, false)), upper: Some((upper, false)) }] if lower == upper => {
                    Some(lower)
                }
                _ => None,
            },
            Self::All | Self::Folded(_) => None,
        }
    }

    /// Ranges that hold all wanted keys; only of folded texts others, too.
    pub(super) fn ranges(&self) -> Vec<KeyRange> {
        match self {
            Self::All => vec![KeyRange::default()],
            Self::Ranges(ranges) => ranges.clone(),
            Self::Folded(folded) => folded.ranges(),
        }
    }

    /// Whether a key is wanted.
    pub(super) fn accepts(&self, key: &Key) -> bool {
        match self {
            Self::All => true,
            Self::Ranges(ranges) => ranges.iter().any(|range| range.contains(key)),
            Self::Folded(folded) => folded.accepts(key),
        }
    }
}

fn exactly<const N: usize>(name: &str, keys: Vec<Key>) -> Result<[Key; N]> {
    keys.try_into().map_err(|_| invalid(name, "was given another number of keys than it takes"))
}

fn texts(name: &str, keys: &[Key]) -> Result<Vec<String>> {
    let text = |key: &Key| match key {
        Key::Text(text) => Some(text.clone()),
        _ => None,
    };
    keys.iter().map(text).collect::<Option<_>>().ok_or_else(|| invalid(name, "takes strings"))
}

fn pairs(keys: Vec<Key>, (lower, upper): (bool, bool)) -> Result<Vec<KeyRange>> {
    let mut ranges = Vec::new();
    let mut keys = keys.into_iter();
    while let Some(low) = keys.next() {
        let high = keys.next().filter(|high| low <= *high);
        let high =
            high.ok_or_else(|| invalid("inAnyRange", "takes pairs of keys whose second is not below the first"))?;
        ranges.push(KeyRange { lower: Some((low, !lower)), upper: Some((high, !upper)) });
    }
    Ok(ranges)
}

fn invalid(name: &str, reason: &str) -> Error {
    Error::new(Kind::InvalidArgument, format!("{name} {reason}")).with(json!({ "condition": name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, keys: &[f64]) -> Result<Condition> {
        Condition::named(name, keys.iter().copied().map(Key::Number).collect(), (true, false))
    }

    #[test]
    fn each_condition_accepts_its_keys() {
        let cases: [(&str, &[f64], &[f64]); 9] = [
            ("equals", &[2.0], &[2.0]),
            ("above", &[2.0], &[3.0, 4.0]),
            ("aboveOrEqual", &[2.0], &[2.0, 3.0, 4.0]),
            ("below", &[2.0], &[1.0]),
            ("belowOrEqual", &[2.0], &[1.0, 2.0]),
            ("between", &[1.0, 3.0], &[1.0, 2.0]),
            ("between", &[3.0, 1.0], &[]),
            ("noneOf", &[1.0, 4.0], &[2.0, 3.0]),
            ("inAnyRange", &[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0]),
        ];
        for (name, keys, expected) in cases {
            let condition = named(name, keys).unwrap();
            let found: Vec<f64> =
                [1.0, 2.0, 3.0, 4.0].into_iter().filter(|n| condition.accepts(&Key::Number(*n))).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_makes_no_condition_is_refused() {
        for (name, keys) in [
            ("between", &[1.0][..]),
            ("equals", &[1.0, 2.0]),
            ("startsWith", &[1.0]),
            ("equalsIgnoreCase", &[1.0]),
            ("inAnyRange", &[2.0, 1.0]),
            ("inAnyRange", &[2.0]),
            ("like", &[1.0]),
        ] {
            assert_eq!(named(name, keys).unwrap_err().kind(), Kind::InvalidArgument, "{name}");
        }
    }
}
