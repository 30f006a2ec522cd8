//! Makes random programs: of few keys, so that rows meet, and with keys of every kind, so that their order is tried.

use super::program::{Attempt, Call, End, Program};
use crate::store::{JsonValue, Key, KeyRange, Mode, RowValue as _, Scan};
use serde_json::{Value, json};

/// Numbers from a seed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Dice(u64);

/// The program of a seed: 8 transactions of up to 8 calls.
#[must_use]
pub fn program(seed: u64) -> Program {
    let mut dice = Dice(seed);
    Program((0..8).map(|_| dice.transaction()).collect())
}

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.next() % sides as u64).unwrap_or_default()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }

    fn several<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.roll(most + 1)).map(|_| make(self)).collect()
    }

    fn transaction(&mut self) -> Attempt {
        if self.one_in(4) {
            return Attempt { mode: Mode::Read, calls: self.several(8, Self::reading), end: End::Commit };
        }
        // Waiting for the disk takes most of the time.
        let mode = if self.one_in(10) { Mode::Durable } else { Mode::Write };
        let calls = self.several(8, |dice| if dice.one_in(3) { dice.reading() } else { dice.writing() });
        let end = match self.roll(12) {
            0 => End::Abort,
            1 => End::Drop,
            2 => End::CommitWith(self.several(3, |dice| json!({ "name": dice.roll(9) }))),
            _ => End::Commit,
        };
        Attempt { mode, calls, end }
    }

    fn reading(&mut self) -> Call {
        let store = self.store();
        match self.roll(6) {
            0 | 1 => Call::Get(store, (0..=self.roll(12)).map(|_| self.key_of(store)).collect()),
            2 | 3 => Call::Scan(store, self.scan(store), self.one_in(3)),
            4 => Call::Entries(store, self.scan(store), self.one_in(2), self.one_in(3)),
            _ => {
                let scan = self.scan(store);
                Call::Count(store, scan.index, scan.range)
            }
        }
    }

    fn writing(&mut self) -> Call {
        let store = self.store();
        match self.roll(20) {
            0..=8 => self.row_of(store, Call::Put),
            9..=11 => self.row_of(store, Call::Insert),
            12..=15 => {
                let rows = self.several(6, |dice| dice.row_of(store, |_, row, key| (key, row)));
                Call::Offer(store, rows, self.one_in(2))
            }
            16..=17 => Call::Delete(store, self.key_of(store)),
            18 if self.one_in(3) => Call::Clear(store),
            _ => Call::Pulse,
        }
    }

    fn store(&mut self) -> &'static str {
        self.pick(&["items", "items", "items", "counted", "beside"])
    }

    fn row_of<T>(&mut self, store: &'static str, make: impl Fn(&'static str, Value, Option<Key>) -> T) -> T {
        match store {
            "items" => make(store, self.item(), None),
            "counted" => make(store, self.counted(), None),
            _ => {
                let key = self.key();
                make(store, json!({ "v": self.roll(9) }), Some(key))
            }
        }
    }

    fn item(&mut self) -> Value {
        let mut item = serde_json::Map::new();
        // Hardly ever none that can be a key: it ends the transaction.
        let id = if self.one_in(40) { self.pick(&[json!(null), json!(true), json!({})]) } else { self.id() };
        item.insert("id".into(), id);
        let ranks = [json!(-1), json!(0), json!(1), json!(1.5), json!(2), json!(1e300)];
        let odd = [json!("2"), json!([1, "x"]), json!([]), json!(false), json!(null), json!({ "a": 1 }), json!([null])];
        match self.roll(4) {
            0 => {}
            1 => drop(item.insert("rank".into(), self.pick(&odd))),
            _ => drop(item.insert("rank".into(), self.pick(&ranks))),
        }
        if !self.one_in(3) {
            item.insert("kind".into(), self.pick(&[json!("x"), json!("y"), json!(7)]));
        }
        if self.one_in(2) {
            let tags = [json!("p"), json!("q"), json!("p"), json!(1), json!(["n"]), json!(true), json!(null)];
            let listed = Value::from(self.several(4, |dice| dice.pick(&tags)));
            item.insert("tags".into(), if self.one_in(6) { json!("p") } else { listed });
        }
        if self.one_in(4) {
            item.insert("slug".into(), self.pick(&[json!("s"), json!("t"), json!(5), json!("u"), json!("v")]));
        }
        Value::from(item)
    }

    /// Mostly without a key, which the store then makes; else one that moves the store's count, or does not.
    fn counted(&mut self) -> Value {
        if self.one_in(3) {
            let seqs =
                [json!(2), json!(5), json!(7.5), json!(-3), json!("text"), json!(9), json!([4]), json!(1_u64 << 53)];
            return json!({ "seq": self.pick(&seqs), "name": self.roll(9) });
        }
        json!({ "name": self.roll(9) })
    }

    fn id(&mut self) -> Value {
        // The last two are in another order by their UTF-16 units than by their code points.
        let ids = ["a", "b", "c", "d", "e", "", "é", "\u{ff5e}", "\u{1f600}"].map(Value::from);
        if self.one_in(8) { self.pick(&[json!(3), json!(["a", 1]), json!(-0.5)]) } else { self.pick(&ids) }
    }

    /// A key of any kind.
    fn key(&mut self) -> Key {
        match self.roll(12) {
            0..=3 => self.pick(&["a", "b", "", "\u{ff5e}", "\u{1f600}"].map(Key::text)),
            4..=6 => self.pick(&[-1.0, 0.0, 1.0, 1.5, 2.0, f64::INFINITY, f64::NEG_INFINITY].map(Key::Number)),
            7 => self.pick(&[0.0, 1.0, -1.0].map(Key::Date)),
            // None is empty: fake-indexeddb takes those for transferred buffers.
            8 => self.pick(&[Key::Bytes(vec![0]), Key::Bytes(vec![1]), Key::Bytes(vec![1, 0]), Key::Bytes(vec![200])]),
            _ => Key::List(self.several(2, Self::key)),
        }
    }

    fn key_of(&mut self, store: &str) -> Key {
        match store {
            "items" => Key::of(&JsonValue::from_json(&self.id())).expect("an id is a key"),
            "counted" => Key::Number(self.pick(&[1.0, 2.0, 3.0, 5.0, 7.5, 8.0, 10.0])),
            _ => self.key(),
        }
    }

    fn scan(&mut self, store: &str) -> Scan {
        let indexes = [None, Some("rank"), Some("[kind+rank]"), Some("tags"), Some("slug")];
        let index = if store == "items" { self.pick(&indexes) } else { None }.map(ToOwned::to_owned);
        let range = (!self.one_in(3)).then(|| self.range(store, index.as_deref()));
        let limit = self.one_in(3).then(|| self.roll(4));
        Scan { index, range, reverse: self.one_in(2), offset: self.pick(&[0, 0, 0, 1, 2]), limit }
    }

    fn range(&mut self, store: &str, index: Option<&str>) -> KeyRange {
        let bound = |dice: &mut Self| match index {
            None => dice.key_of(store),
            Some("[kind+rank]") => Key::List(vec![dice.pick(&["x", "y"].map(Key::text)), dice.key()]),
            Some("rank") => dice.pick(&[Key::Number(0.0), Key::Number(1.0), Key::Number(2.0), Key::text("2")]),
            Some(_) => dice.pick(&[Key::text("p"), Key::text("s"), Key::text("t"), Key::Number(1.0)]),
        };
        if self.one_in(3) {
            return KeyRange::only(bound(self));
        }
        let lower = (!self.one_in(4)).then(|| (bound(self), self.one_in(2)));
        let upper = (!self.one_in(4)).then(|| (bound(self), self.one_in(2)));
        KeyRange { lower, upper }
    }
}
