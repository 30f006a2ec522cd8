//! Values that name a record by its id, which go by another one once it was taken in under that.

use sha2::{Digest, Sha256};

/// Ids of fewer letters are words as often as they are names of records: they stay.
const LEAST_LETTERS: usize = 16;
/// An id that a record gets is a UUID (RFC 9562, section 4).
const UUID_LETTERS: usize = 36;
/// Fields that say what a row is, and name no other one. Those that begin with `_` are none of an app's either.
const OF_THE_ROW: [&[u8]; 7] = [b"id", b"spaceId", b"authorId", b"userId", b"visibility", b"updatedAt", b"deletedAt"];

/// The half of a hash of an id, and what its record is called; zeros where there is none.
type Slot = ([u8; 16], [u8; UUID_LETTERS]);

/// What records are called that go by another id than in their archive: 104 to 208 bytes for each, however long its id. A table
/// with open addresses, of which at most half is taken: it is a fraction of what a map of the standard library is to download.
#[derive(Debug, Default)]
pub struct References {
    slots: Vec<Slot>,
    count: usize,
}

impl References {
    /// Notes that a record is called `to`. An id is taken for a name where it has 16 characters or more, all of them ASCII letters,
    /// digits, `-` or `_`, as UUID, ULID, nanoid and their like do: whatever equals one of those by chance does not exist.
    pub fn add(&mut self, from: &str, to: &str) {
        if let (true, Ok(to)) = (is_name(from.as_bytes()), to.as_bytes().try_into()) {
            if self.slots.len() <= 2 * self.count {
                let larger = vec![([0; 16], [0; UUID_LETTERS]); (4 * self.count).max(64).next_power_of_two()];
                for (id, name) in std::mem::replace(&mut self.slots, larger) {
                    self.put(id, name);
                }
            }
            self.count += usize::from(self.put(short(from.as_bytes()), to));
        }
    }

    /// Whether it was not there yet. Zeros are nobody's name.
    fn put(&mut self, id: [u8; 16], name: [u8; UUID_LETTERS]) -> bool {
        let at = self.place_of(&id);
        let is_new = self.slots[at].1[0] == 0 && name[0] != 0;
        self.slots[at] = (id, name);
        is_new
    }

    /// Where it stands, or would.
    fn place_of(&self, id: &[u8; 16]) -> usize {
        // A hash is as good a beginning as any.
        let mut at = id.iter().fold(0_usize, |at, byte| at << 8 | at >> (usize::BITS - 8) ^ usize::from(*byte));
        loop {
            at &= self.slots.len() - 1;
            let (there, name) = &self.slots[at];
            if name[0] == 0 || there == id {
                return at;
            }
            at += 1;
        }
    }

    /// Puts the new name in wherever a value of a row is an old one, as a whole: in a field, a list, or an object. Keys stay, and so
    /// does what says which row it is. Gives how many there were. The row is JSON, as `JSON.stringify` spells ids: without escapes.
    pub fn rewrite(&self, row: &mut String) -> usize {
        if self.count == 0 {
            return 0;
        }
        let found = self.found(row.as_bytes());
        if found.is_empty() {
            return 0;
        }
        let bytes = row.as_bytes();
        let (mut renamed, mut copied) = (Vec::with_capacity(bytes.len() + found.len() * UUID_LETTERS), 0);
        for (from, to, name) in &found {
            renamed.extend_from_slice(&bytes[copied..*from]);
            renamed.extend_from_slice(*name);
            copied = *to;
        }
        renamed.extend_from_slice(&bytes[copied..]);
        // ASCII in place of ASCII.
        *row = String::from_utf8(renamed).unwrap_or_default();
        found.len()
    }

    /// Where old names begin and end, and the new ones.
    fn found(&self, row: &[u8]) -> Vec<(usize, usize, &[u8; UUID_LETTERS])> {
        let mut found = Vec::new();
        each_text(row, &mut |field, _, (from, to)| {
            if !is_of_the_row(field)
                && let Some(name) = self.name_of(&row[from..to])
            {
                found.push((from, to, name));
            }
        });
        found
    }

    fn name_of(&self, text: &[u8]) -> Option<&[u8; UUID_LETTERS]> {
        if !is_name(text) {
            return None;
        }
        let (_, name) = &self.slots[self.place_of(&short(text))];
        Some(name).filter(|name| name[0] != 0)
    }
}

/// What says which row a line is, and where: its id, space and author, as JSON.
pub(crate) fn identity(row: &str) -> String {
    let (row, mut identity) = (row.as_bytes(), b"{".to_vec());
    each_text(row, &mut |field, depth, (from, to)| {
        if depth == 1 && matches!(field, b"id" | b"spaceId" | b"authorId") {
            let comma: &[u8] = if identity.len() > 1 { b"," } else { b"" };
            for part in [comma, b"\"", field, b"\":\"", &row[from..to], b"\""] {
                identity.extend_from_slice(part);
            }
        }
    });
    identity.push(b'}');
    // Whole texts of a text.
    String::from_utf8(identity).unwrap_or_default()
}

/// Tells of each text that is a value: in which of the row's fields it lies, how deep, and where.
fn each_text<'a>(row: &'a [u8], tell: &mut dyn FnMut(&'a [u8], usize, (usize, usize))) {
    let (mut depth, mut field, mut at) = (0_usize, &row[..0], 0);
    while let Some(byte) = row.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let (from, to) = (at, end_of_text(row, at));
                at = (to + 1).min(row.len());
                if row[at..].trim_ascii_start().first() != Some(&b':') {
                    tell(field, depth, (from, to));
                } else if depth == 1 {
                    field = &row[from..to];
                }
            }
            _ => {}
        }
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
