//! A map and a set in the order of their keys, in little code.
//!
//! The standard library's trees and sorts are compiled anew for every type they hold: some 8 KB for a map and 5 KB for a
//! sort, which every visitor downloads. Here only the moving and comparing of items is; what decides is compiled once.

mod set;
mod sort;

pub use set::OrderedSet;
pub use sort::{sort, sort_by};

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::iter::{Flatten, Map};
use std::{fmt, mem, slice, vec};

/// Most entries that lie in one piece: so many are moved, at most, to make room for another.
const MOST: usize = 64;

/// A map in the order of its keys: sorted pieces of up to 64 entries, one after the other.
#[derive(Clone)]
pub struct OrderedMap<K, V> {
    /// Only a map that never held anything, or holds nothing any more, has none. None of them is empty.
    pieces: Vec<Vec<(K, V)>>,
}

/// A piece, and a place in it.
type Place = (usize, usize);
type Entries<'a, K, V> = Flatten<slice::Iter<'a, Vec<(K, V)>>>;

impl<K, V> OrderedMap<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The entries in the order of their keys.
    #[must_use]
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    /// The keys in their order.
    #[must_use]
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.entries().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    #[must_use]
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.entries().map(|(_, value)| value)
    }

    /// The entries in the order of their keys, their values to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.pieces.iter_mut().flatten().map(|(key, value)| (&*key, value))
    }

    /// The values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.pieces.iter_mut().flatten().map(|(_, value)| value)
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.pieces.clear();
    }

    /// The values themselves in the order of their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }

    /// Removes the entries for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for piece in &mut self.pieces {
            piece.retain_mut(|(key, value)| keep(key, value));
        }
        self.pieces.retain(|piece| !piece.is_empty());
    }

    fn entries(&self) -> Entries<'_, K, V> {
        self.pieces.iter().flatten()
    }

    fn value_at(&mut self, (piece, at): Place) -> &mut V {
        &mut self.pieces[piece][at].1
    }

    /// Puts an entry where [`Self::find`] said that it belongs.
    fn put(&mut self, (mut piece, mut at): Place, key: K, value: V) -> &mut V {
        if self.pieces.is_empty() {
            self.pieces.push(Vec::new());
        }
        if self.pieces[piece].len() == MOST {
            let upper = self.pieces[piece].split_off(MOST / 2);
            self.pieces.insert(piece + 1, upper);
            if at > MOST / 2 {
                (piece, at) = (piece + 1, at - MOST / 2);
            }
        }
        self.pieces[piece].insert(at, (key, value));
        self.value_at((piece, at))
    }
}

impl<K: Ord, V> OrderedMap<K, V> {
    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|(piece, at)| &self.pieces[piece][at].1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|place| self.value_at(place))
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Sets the value of a key; gives the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(place) => Some(mem::replace(self.value_at(place), value)),
            Err(place) => {
                self.put(place, key, value);
                None
            }
        }
    }

    /// Takes an entry out; gives its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (piece, at) = self.find(key).ok()?;
        let (_, value) = self.pieces[piece].remove(at);
        if self.pieces[piece].is_empty() {
            self.pieces.remove(piece);
        }
        Some(value)
    }

    /// The place of a key, to be filled where it has no value.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        let place = self.find(&key);
        Entry { map: self, key, place }
    }

    /// Where a key is, or where it belongs.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Place, Place>
    where
        K: Borrow<Q>,
    {
        search(self.pieces.len(), &|piece, at| {
            let entry = self.pieces.get(piece).and_then(|entries| entries.get(at));
            entry.map_or(Ordering::Greater, |(known, _)| known.borrow().cmp(key))
        })
    }
}

/// Finds the place for which `compare` says `Equal`, or the first for which it says `Greater`, which it says past a
/// piece's end, too.
fn search(pieces: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Result<Place, Place> {
    let piece = count(pieces, &|piece| compare(piece, 0).is_le()).saturating_sub(1);
    let at = count(MOST, &|at| compare(piece, at).is_lt());
    if compare(piece, at).is_eq() { Ok((piece, at)) } else { Err((piece, at)) }
}

/// How many of the numbers below `end` hold, where after the first that does not none does.
fn count(end: usize, holds: &dyn Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The place of a key in a map.
pub struct Entry<'a, K, V> {
    map: &'a mut OrderedMap<K, V>,
    key: K,
    place: Result<Place, Place>,
}

impl<'a, K, V> Entry<'a, K, V> {
    /// The key's value; where there is none, the one that `make` gives becomes it.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        match self.place {
            Ok(place) => self.map.value_at(place),
            Err(place) => self.map.put(place, self.key, make()),
        }
    }

    /// The key's value; where there is none, `value` becomes it.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The key's value; where there is none, the type's default becomes it.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}

/// Where the entries are divided into pieces says nothing of what a map holds.
impl<K: PartialEq, V: PartialEq> PartialEq for OrderedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries().eq(other.entries())
    }
}

impl<K: Eq, V: Eq> Eq for OrderedMap<K, V> {}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for OrderedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for OrderedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for OrderedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for OrderedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for OrderedMap<K, V> {
    type Item = (K, V);
    type IntoIter = Flatten<vec::IntoIter<Vec<(K, V)>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter().flatten()
    }
}

impl<'a, K, V> IntoIterator for &'a OrderedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Map<Entries<'a, K, V>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries().map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests;
