//! The search for the index that answers one branch of a query.
//!
//! An index serves when fields with a known value come first in it, and then the field that a range or the order is
//! about: its entries then are the wanted rows, in the wanted order. Of several, the one that answers most conditions is
//! taken; of those, one that gives the order; of those, the shortest. An index lists no row that lacks one of its
//! fields, so one with further fields serves only where a query names it or nothing else would do.

use super::Branch;
use super::condition::Condition;
use super::indexes::{self, Named};
use super::plan::{Equality, Step};
use super::ranges::Place;
use crate::engine::error::{Error, Result};
use crate::engine::read::Sight;
use crate::model::{KeyPath, StoreSpec};
use crate::store::{Key, KeyRange};

/// The search for the index of one branch.
pub struct Search<'a> {
    store: &'a StoreSpec,
    branch: &'a Branch,
    /// The index the query names.
    asked: Named<'a>,
    /// Fields whose value is known.
    known: Vec<Equality>,
    /// Whether they are all of the named index's.
    is_one_key: bool,
    /// The one field of a condition that is more than a key.
    range: Option<&'a str>,
    /// The fields to be ordered by, besides known ones; then comes the primary key.
    order: Vec<String>,
    /// Whether the order was asked for, and is not just the named index's own.
    explicit: bool,
    /// Whether another index than the named one gives the same rows.
    loose: bool,
}

struct Candidate<'a> {
    index: Named<'a>,
    /// Known fields it begins with, of an index the query does not name.
    fixed: Vec<Equality>,
    /// Whether it is the one the query names.
    own: bool,
    ordered: bool,
    /// How many conditions it answers: two for what the query says, one for the space.
    answers: usize,
}

impl Candidate<'_> {
    fn rank(&self) -> (usize, bool, isize) {
        let paths = isize::try_from(indexes::paths(self.index.spec).len()).unwrap_or(isize::MAX);
        (self.answers, self.ordered, -paths)
    }
}

impl<'a> Search<'a> {
    /// Prepares the search; `order`: what rows are to be ordered by.
    pub fn new(store: &'a StoreSpec, sight: &Sight, branch: &'a Branch, order: Option<KeyPath>) -> Result<Self> {
        let asked = indexes::named(store, branch.index.as_deref())?;
        let one_key = decompose(&asked, &branch.condition);
        let is_one_key = one_key.is_some();
        let mut known: Vec<Equality> = branch.equal.iter().map(|(path, key)| Equality::of(store, path, key)).collect();
        known.extend(one_key.into_iter().flatten());
        let plain = !asked.spec.multi_entry && !asked.is_prefix();
        let range = match asked.meant() {
            [path] if plain && !asked.primary && !is_one_key && branch.condition != Condition::All => {
                Some(path.as_str())
            }
            _ => None,
        };
        let whole = branch.condition == Condition::All;
        let explicit = order.is_some();
        let loose = match (is_one_key, range.is_some(), whole) {
            (true, ..) => plain || explicit,
            (_, true, _) => true,
            (_, _, whole) => whole && (asked.primary || (plain && !explicit)),
        };
        if let Some(space) = sight.only_space().filter(|_| loose) {
            known.push(Equality::of_space(space));
        }
        let order = match order {
            // Rows of equal keys come in the order of the primary key anyway.
            Some(path) if store.primary.key_path.as_ref() == Some(&path) => Vec::new(),
            Some(path) => path.paths().to_vec(),
            None if asked.primary => Vec::new(),
            None => asked.meant().to_vec(),
        };
        let is_known = |path: &String| known.iter().any(|known| known.path() == path && !known.item());
        let order = order.into_iter().filter(|path| !is_known(path)).collect();
        Ok(Self { store, branch, asked, known, is_one_key, range, order, explicit, loose })
    }

    /// What is read, and whether it comes in the order that was asked for.
    pub fn step(self, (reverse, offset, limit): (bool, usize, Option<usize>)) -> Result<(Step<'a>, bool)> {
        let best = self.best()?;
        let fixed: Vec<Key> = best.fixed.iter().map(|known| known.key.clone()).collect();
        let answered = |known: &Equality| best.own || best.fixed.iter().any(|fixed| fixed.path() == known.path());
        let rest = self.known.iter().filter(|known| !known.of_space && !answered(known)).cloned().collect();
        let texts = matches!(self.branch.condition, Condition::Folded(_)).then_some(&self.branch.condition);
        let step = Step {
            ranges: self.ranges(&best, &fixed),
            by_space: best.fixed.iter().any(|known| known.of_space),
            fixed: fixed.len(),
            index: best.index,
            key_path: self.asked.key_path(),
            asked: self.asked,
            texts,
            rest,
            reverse,
            offset,
            limit,
        };
        Ok((step, best.ordered))
    }

    fn best(&self) -> Result<Candidate<'a>> {
        let own = self.branch.equal.is_empty().then(|| self.own());
        let best = if self.loose { self.better(own, false) } else { own };
        // As the last resort a longer index that answers all: rows that lack a further field of it are not found then.
        best.or_else(|| if self.loose { self.better(None, true) } else { None }).ok_or_else(|| self.unserved())
    }

    fn better(&self, own: Option<Candidate<'a>>, further: bool) -> Option<Candidate<'a>> {
        let criteria = self.branch.equal.len();
        let wanted = if further { criteria } else { criteria.min(1) };
        let answers =
            |candidate: &Candidate<'a>| candidate.fixed.iter().filter(|known| !known.of_space).count() >= wanted;
        let others = indexes::all(self.store).rev().filter_map(|index| self.candidate(index, further));
        others.filter(answers).chain(own).max_by_key(Candidate::rank)
    }

    /// The index the query names, or the whole table.
    fn own(&self) -> Candidate<'a> {
        let all = indexes::paths(self.asked.spec);
        // The primary key's entries are in its order, which comes last everywhere.
        let rest = if self.asked.primary {
            &[]
        } else if self.is_one_key {
            &all[self.asked.paths..]
        } else {
            all
        };
        let ordered = !self.explicit || (!self.asked.spec.multi_entry && *rest == *self.order);
        let answers = if self.branch.condition == Condition::All { 0 } else { 2 * self.asked.paths.max(1) };
        Candidate { index: self.asked, fixed: Vec::new(), own: true, ordered, answers }
    }

    /// What another index would do for the query; `further`: although it has fields the query says nothing of.
    fn candidate(&self, index: Named<'a>, further: bool) -> Option<Candidate<'a>> {
        let paths = indexes::paths(index.spec);
        let fits = |known: &&Equality, path: &str| known.path() == path && known.item() == index.spec.multi_entry;
        let find = |path: &String| self.known.iter().find(|known| fits(known, path)).cloned();
        let fixed: Vec<Equality> = paths.iter().map_while(find).collect();
        let rest = &paths[fixed.len()..];
        let is_order = *rest == *self.order;
        let complete = match self.range {
            Some(range) => *rest == [range],
            // Without an order of its own a query may want that of the index it names.
            None => is_order || (rest.is_empty() && self.explicit),
        };
        let useful = !fixed.is_empty() || (is_order && self.explicit && !index.spec.multi_entry);
        if !useful || !(complete || further) || (!self.explicit && !is_order && !further) {
            return None;
        }
        let weight = |known: &Equality| if known.of_space { 1 } else { 2 };
        let answers = fixed.iter().map(weight).sum::<usize>() + 2 * usize::from(self.range.is_some());
        Some(Candidate { index, fixed, own: false, ordered: is_order || !self.explicit, answers })
    }

    fn ranges(&self, best: &Candidate<'a>, fixed: &[Key]) -> Vec<KeyRange> {
        let paths = indexes::paths(best.index.spec).len();
        if best.own {
            let place = Place { fixed: &[], paths: self.asked.paths, more: self.asked.is_prefix() };
            return self.branch.condition.ranges().iter().map(|range| place.lift(range)).collect();
        }
        if fixed.len() == paths {
            let key = if let [one] = fixed
                && !is_compound(&best.index)
            {
                one.clone()
            } else {
                Key::List(fixed.to_vec())
            };
            return vec![KeyRange::only(key)];
        }
        if !is_compound(&best.index) {
            return vec![KeyRange::default()];
        }
        let place = Place { fixed, paths: 1, more: paths > fixed.len() + 1 };
        match self.range {
            Some(_) => self.branch.condition.ranges().iter().map(|range| place.lift(range)).collect(),
            None => vec![place.lift(&KeyRange::default())],
        }
    }

    fn unserved(&self) -> Error {
        let fields: Vec<&str> = self.branch.equal.iter().map(|(path, _)| path.as_str()).collect();
        let name = if let [one] = fields.as_slice() { (*one).to_owned() } else { format!("[{}]", fields.join("+")) };
        indexes::unknown(self.store, &name)
    }
}

fn is_compound(index: &Named<'_>) -> bool {
    matches!(index.spec.key_path, Some(KeyPath::Compound(_)))
}

/// The fields whose value a condition on one key knows.
fn decompose(asked: &Named<'_>, condition: &Condition) -> Option<Vec<Equality>> {
    let key = condition.only().filter(|_| !asked.spec.multi_entry)?;
    match (asked.meant(), key) {
        ([path], key) => Some(vec![Equality::new(path, key, false)]),
        ([], _) => None,
        (paths, Key::List(parts)) if parts.len() == paths.len() => {
            Some(paths.iter().zip(parts).map(|(path, part)| Equality::new(path, part, false)).collect())
        }
        _ => None,
    }
}
