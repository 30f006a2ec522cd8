use super::{MOST, OrderedMap, OrderedSet, sort, sort_by};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Step {
    Insert(u16, u8),
    Remove(u16),
    Count(u16),
    KeepEvery(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..600_u16;
    let step = prop_oneof![
        60 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
        20 => key().prop_map(Step::Remove),
        10 => key().prop_map(Step::Count),
        1 => (2..5_u8).prop_map(Step::KeepEvery),
    ];
    prop::collection::vec(step, 0..1000)
}

proptest! {
    #[test]
    fn a_map_holds_what_the_standard_librarys_holds(steps in steps()) {
        let (mut map, mut known) = (OrderedMap::new(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Insert(key, value) => prop_assert_eq!(map.insert(key, value), known.insert(key, value)),
                Step::Remove(key) => prop_assert_eq!(map.remove(&key), known.remove(&key)),
                Step::Count(key) => {
                    let counted = (map.entry(key).or_default(), known.entry(key).or_default());
                    *counted.0 = counted.0.wrapping_add(1);
                    *counted.1 = counted.1.wrapping_add(1);
                }
                Step::KeepEvery(n) => {
                    map.retain(|_, value| *value % n == 0);
                    known.retain(|_, value| *value % n == 0);
                }
            }
            prop_assert!(map.pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= MOST));
        }
        prop_assert_eq!(map.len(), known.len());
        prop_assert_eq!(map.is_empty(), known.is_empty());
        prop_assert!(map.iter().eq(known.iter()));
        prop_assert!(map.values().rev().eq(known.values().rev()));
        for key in 0..600 {
            prop_assert_eq!(map.get(&key), known.get(&key));
            prop_assert_eq!(map.get_mut(&key), known.get_mut(&key));
            prop_assert_eq!(map.contains_key(&key), known.contains_key(&key));
        }
        prop_assert_eq!(&map, &known.clone().into_iter().collect());
        prop_assert_ne!(&map, &[(1, 2), (600, 1)].into());
        prop_assert!(map.into_iter().eq(known));
    }

    #[test]
    fn a_set_holds_what_the_standard_librarys_holds(items: Vec<u8>, out: Vec<u8>, first: u8) {
        let (mut set, mut known): (OrderedSet<_>, BTreeSet<_>) = (items.iter().copied().collect(), items.into_iter().collect());
        for item in out {
            prop_assert_eq!(set.remove(&item), known.remove(&item));
            prop_assert_eq!(set.insert(item / 2), known.insert(item / 2));
        }
        prop_assert_eq!(set.len(), known.len());
        prop_assert_eq!(set.contains(&first), known.contains(&first));
        prop_assert!(set.iter().eq(&known));
        prop_assert!(set.iter_from(&first).eq(known.range(first..)));
    }

    #[test]
    fn sorting_keeps_the_order_of_what_is_equal(mut items: Vec<(u8, u16)>) {
        let mut known = items.clone();
        known.sort_by_key(|(key, _)| *key);
        sort_by(&mut items, |a, b| a.0.cmp(&b.0));
        prop_assert_eq!(&items, &known);
        known.sort_unstable();
        sort(&mut items);
        prop_assert_eq!(&items, &known);
    }
}
