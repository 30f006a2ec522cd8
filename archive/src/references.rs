//! Values that name a record by its id, which go by another one once it was taken in under that.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Ids of fewer letters are words as often as they are names of records: they stay.
const LEAST_LETTERS: usize = 16;
/// An id that a record gets is a UUID (RFC 9562, section 4).
const UUID_LETTERS: usize = 36;
/// Fields that say what a row is, and name no other one. Those that begin with `_` are none of an app's either.
const OF_THE_ROW: [&[u8]; 7] = [b"id", b"spaceId", b"authorId", b"userId", b"visibility", b"updatedAt", b"deletedAt"];

/// What records are called that go by another id than in their archive: 52 bytes and what a map needs for each, however long its id.
#[derive(Debug, Default)]
pub struct References(BTreeMap<[u8; 16], [u8; UUID_LETTERS]>);

impl References {
    /// Notes that a record is called `to`. An id is taken for a name where it has 16 characters or more, all of them ASCII letters,
    /// digits, `-` or `_`, as UUID, ULID, nanoid and their like do: whatever equals one of those by chance does not exist.
    pub fn add(&mut self, from: &str, to: &str) {
        if let (true, Ok(to)) = (is_name(from.as_bytes()), to.as_bytes().try_into()) {
            self.0.insert(short(from.as_bytes()), to);
        }
    }

    /// Puts the new name in wherever a value of a row is an old one, as a whole: in a field, a list, or an object. Keys stay, and so
    /// does what says which row it is. Gives how many there were. The row is JSON, as `JSON.stringify` spells ids: without escapes.
    pub fn rewrite(&self, row: &mut String) -> usize {
        if self.0.is_empty() {
            return 0;
        }
        let found = self.found(row.as_bytes());
        if found.is_empty() {
            return 0;
        }
        let (mut renamed, mut copied) = (String::with_capacity(row.len() + found.len() * UUID_LETTERS), 0);
        for (from, to, name) in &found {
            renamed.push_str(&row[copied..*from]);
            renamed.extend(name.iter().copied().map(char::from));
            copied = *to;
        }
        renamed.push_str(&row[copied..]);
        *row = renamed;
        found.len()
    }

    /// Where old names begin and end, and the new ones.
    fn found(&self, row: &[u8]) -> Vec<(usize, usize, &[u8; UUID_LETTERS])> {
        let (mut found, mut depth, mut is_the_rows, mut at) = (Vec::new(), 0_usize, false, 0);
        while let Some(byte) = row.get(at) {
            at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => {
                    let (from, to) = (at, end_of_text(row, at));
                    at = (to + 1).min(row.len());
                    let text = &row[from..to];
                    if row[at..].trim_ascii_start().first() == Some(&b':') {
                        is_the_rows = if depth == 1 { is_of_the_row(text) } else { is_the_rows };
                    } else if !is_the_rows && let Some(name) = self.name_of(text) {
                        found.push((from, to, name));
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn name_of(&self, text: &[u8]) -> Option<&[u8; UUID_LETTERS]> {
        if is_name(text) { self.0.get(&short(text)) } else { None }
    }
}

/// Where a text ends that begins at a place.
fn end_of_text(row: &[u8], mut at: usize) -> usize {
    loop {
        match row.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at,
            Some(_) => at += 1,
            None => return row.len(),
        }
    }
}

/// A key that is spelt with escapes may be any.
fn is_of_the_row(key: &[u8]) -> bool {
    OF_THE_ROW.contains(&key) || key.starts_with(b"_") || key.contains(&b'\\')
}

fn is_name(text: &[u8]) -> bool {
    text.len() >= LEAST_LETTERS && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Half of a hash: of two ids that anybody has, none share it.
fn short(id: &[u8]) -> [u8; 16] {
    let hash = Sha256::digest(id);
    std::array::from_fn(|at| hash[at])
}
