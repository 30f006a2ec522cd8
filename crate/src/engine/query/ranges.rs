//! Sets of key ranges: brought into order, complemented, and carried over to compound indexes.

use crate::model::{sort, sort_by};
use crate::store::{Key, KeyRange};
use std::cmp::Ordering;

type Bound = Option<(Key, bool)>;

/// The same keys as ranges in ascending order that share none: what an index lists once is then read once.
pub fn united(mut ranges: Vec<KeyRange>) -> Vec<KeyRange> {
    ranges.retain(|range| !range.is_empty());
    sort_by(&mut ranges, |a, b| by_lower(&a.lower, &b.lower));
    let mut out: Vec<KeyRange> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if touches(&last.upper, &range.lower) => {
                if by_upper(&last.upper, &range.upper) == Ordering::Less {
                    last.upper = range.upper;
                }
            }
            _ => out.push(range),
        }
    }
    out
}

/// Everything but these keys.
pub fn without(mut keys: Vec<Key>) -> Vec<KeyRange> {
    sort(&mut keys);
    keys.dedup();
    let mut lower = None;
    let mut out = Vec::new();
    for key in keys {
        out.push(KeyRange { lower, upper: Some((key.clone(), true)) });
        lower = Some((key, true));
    }
    out.push(KeyRange { lower, upper: None });
    out
}

/// All texts that begin with `prefix`. U+FFFF is no character: no text goes on with it.
pub fn beginning_with(prefix: &str) -> KeyRange {
    KeyRange { lower: Some((Key::text(prefix), false)), upper: Some((Key::Text(format!("{prefix}\u{ffff}")), false)) }
}

fn by_lower(a: &Bound, b: &Bound) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Less,
        (_, None) => Ordering::Greater,
        (Some((a, a_open)), Some((b, b_open))) => a.cmp(b).then(a_open.cmp(b_open)),
    }
}

fn by_upper(a: &Bound, b: &Bound) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some((a, a_open)), Some((b, b_open))) => a.cmp(b).then(b_open.cmp(a_open)),
    }
}

/// Whether no key lies between the end of one range and the beginning of the next.
fn touches(upper: &Bound, lower: &Bound) -> bool {
    match (upper, lower) {
        (None, _) | (_, None) => true,
        (Some((upper, upper_open)), Some((lower, lower_open))) => {
            upper > lower || (upper == lower && !(*upper_open && *lower_open))
        }
    }
}

/// How the keys of a condition stand in the keys of a compound index: behind fixed ones, and before others.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Keys of the index's first paths, the same for all wanted rows.
    pub fixed: &'a [Key],
    /// How many paths the condition speaks of; of one, its keys are not lists.
    pub paths: usize,
    /// Whether the index goes on behind them.
    pub more: bool,
}

impl Place<'_> {
    /// The range of the index that holds exactly the wanted rows.
    pub fn lift(&self, range: &KeyRange) -> KeyRange {
        if self.fixed.is_empty() && !self.more {
            return range.clone();
        }
        KeyRange { lower: self.lower(range.lower.as_ref()), upper: self.upper(range.upper.as_ref()) }
    }

    fn lower(&self, bound: Option<&(Key, bool)>) -> Bound {
        let Some((key, open)) = bound else {
            return (!self.fixed.is_empty()).then(|| (self.list(&[]), false));
        };
        let Some(parts) = self.parts(key) else { return Some((key.clone(), *open)) };
        Some(match self.cut(parts) {
            Cut::Exact if !self.more => (self.list(parts), *open),
            Cut::Exact if *open => (after(self.list(parts)), false),
            Cut::Short | Cut::Exact => (self.list(parts), false),
            Cut::Long => (after(self.list(&parts[..self.paths])), false),
        })
    }

    fn upper(&self, bound: Option<&(Key, bool)>) -> Bound {
        let Some((key, open)) = bound else {
            return (!self.fixed.is_empty()).then(|| (after(self.list(&[])), true));
        };
        let Some(parts) = self.parts(key) else { return Some((key.clone(), *open)) };
        Some(match self.cut(parts) {
            Cut::Exact if !self.more => (self.list(parts), *open),
            Cut::Exact if !*open => (after(self.list(parts)), true),
            Cut::Short | Cut::Exact => (self.list(parts), true),
            Cut::Long => (after(self.list(&parts[..self.paths])), true),
        })
    }

    /// The key's parts; `None`: a key of another kind, which lies below all lists.
    fn parts<'k>(&self, key: &'k Key) -> Option<&'k [Key]> {
        match key {
            Key::List(parts) if self.paths != 1 => Some(parts),
            _ if self.paths == 1 => Some(std::slice::from_ref(key)),
            _ => None,
        }
    }

    fn cut(&self, parts: &[Key]) -> Cut {
        match parts.len().cmp(&self.paths) {
            Ordering::Less => Cut::Short,
            Ordering::Equal => Cut::Exact,
            Ordering::Greater => Cut::Long,
        }
    }

    fn list(&self, parts: &[Key]) -> Key {
        Key::List(self.fixed.iter().chain(parts).cloned().collect())
    }
}

enum Cut {
    Short,
    Exact,
    Long,
}

/// The first list behind all that begin with these parts.
fn after(list: Key) -> Key {
    match list {
        Key::List(mut parts) => {
            if let Some(last) = parts.last_mut() {
                *last = last.successor();
            }
            Key::List(parts)
        }
        other => other.successor(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: f64) -> Key {
        Key::Number(n)
    }
    fn list(parts: &[f64]) -> Key {
        Key::List(parts.iter().copied().map(Key::Number).collect())
    }
    fn range(lower: Option<(f64, bool)>, upper: Option<(f64, bool)>) -> KeyRange {
        let bound = |bound: Option<(f64, bool)>| bound.map(|(n, open)| (number(n), open));
        KeyRange { lower: bound(lower), upper: bound(upper) }
    }

    #[test]
    fn ranges_that_overlap_or_touch_become_one() {
        let (one, two, three) = (Some((1.0, false)), Some((2.0, true)), Some((3.0, false)));
        let united = |ranges: &[KeyRange]| united(ranges.to_vec());
        assert_eq!(united(&[range(Some((2.0, false)), three), range(one, two)]), [range(one, three)]);
        let apart = [range(one, two), range(Some((2.0, true)), three)];
        assert_eq!(united(&apart), apart, "2 itself is in neither");
        assert_eq!(united(&[range(None, None), range(one, two)]), [range(None, None)]);
        assert_eq!(united(&[range(three, one)]), []);
    }

    #[test]
    fn everything_but_some_keys_is_the_ranges_between_them() {
        let found = without(vec![number(2.0), number(1.0), number(2.0)]);
        let expected = [
            range(None, Some((1.0, true))),
            range(Some((1.0, true)), Some((2.0, true))),
            range(Some((2.0, true)), None),
        ];
        assert_eq!(found, expected);
    }

    /// Every range over the first paths of an index lists the same rows when it is carried over to the index.
    #[test]
    fn a_lifted_range_holds_the_same_rows() {
        let values = [f64::NEG_INFINITY, 0.0, 1.0, 2.0];
        let bounds: Vec<Option<(f64, bool)>> = std::iter::once(None)
            .chain([0.0, 1.0].into_iter().flat_map(|n| [Some((n, false)), Some((n, true))]))
            .collect();
        for (lower, upper) in bounds.iter().flat_map(|a| bounds.iter().map(move |b| (*a, *b))) {
            let wanted = range(lower, upper);
            for (a, b, c) in values.iter().flat_map(|a| values.iter().flat_map(move |b| values.map(|c| (*a, *b, c)))) {
                let first = Place { fixed: &[], paths: 1, more: true }.lift(&wanted);
                assert_eq!(first.contains(&list(&[a, b, c])), wanted.contains(&number(a)), "{wanted:?}");
                let fixed = [number(1.0)];
                let second = Place { fixed: &fixed, paths: 1, more: true }.lift(&wanted);
                let inside = number(a) == fixed[0] && wanted.contains(&number(b));
                assert_eq!(second.contains(&list(&[a, b, c])), inside, "{wanted:?}");
                let last = Place { fixed: &fixed, paths: 1, more: false }.lift(&wanted);
                assert_eq!(last.contains(&list(&[a, b])), inside, "{wanted:?}");
            }
        }
    }

    #[test]
    fn lists_of_another_length_keep_their_place_in_the_order() {
        let place = Place { fixed: &[], paths: 2, more: true };
        for bound in [list(&[1.0]), list(&[1.0, 1.0]), list(&[1.0, 1.0, 1.0]), number(1.0)] {
            for open in [false, true] {
                let above = KeyRange { lower: Some((bound.clone(), open)), upper: None };
                let below = KeyRange { lower: None, upper: Some((bound.clone(), open)) };
                for (a, b) in [(0.0, 2.0), (1.0, 0.0), (1.0, 1.0), (1.0, 2.0), (2.0, 0.0)] {
                    let (entry, key) = (list(&[a, b, 7.0]), list(&[a, b]));
                    assert_eq!(place.lift(&above).contains(&entry), above.contains(&key), "{above:?} {key:?}");
                    assert_eq!(place.lift(&below).contains(&entry), below.contains(&key), "{below:?} {key:?}");
                }
            }
        }
    }
}
