//! Stable sorting that is compiled once: the places of the items are sorted, then the items are swapped into them.

use std::cmp::Ordering;

/// Sorts in ascending order; what is equal stays in its order.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, Ord::cmp);
}

/// Sorts by a comparison; what is equal stays in its order.
pub fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let from = order(items.len(), &mut |a, b| compare(&items[a], &items[b]));
    arrange(from, &mut |a, b| items.swap(a, b));
}

/// For each place the number of the item that belongs there.
fn order(count: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

/// Swaps every item into its place: along each cycle of places whose items take each other's.
fn arrange(mut from: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..from.len() {
        let mut at = start;
        loop {
            let next = std::mem::replace(&mut from[at], at);
            if next == start {
                break;
            }
            swap(at, next);
            at = next;
        }
    }
}
