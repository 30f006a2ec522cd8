//! Values that name a record by its id, which go by another one once it was taken in under that.

use sha2::{Digest, Sha256};

/// Ids of fewer letters are words as often as they are names of records: they stay.
const LEAST_LETTERS: usize = 16;
/// An id that a record gets is a UUID (RFC 9562, section 4).
const UUID_LETTERS: usize = 36;
/// Fields that say what a row is, and name no other one. Those that begin with `__` are none of an app's either.
const OF_THE_ROW: [&[u8]; 7] = [b"id", b"spaceId", b"authorId", b"userId", b"visibility", b"updatedAt", b"deletedAt"];

/// In the place of a name: the id stays, whatever it is said to be called.
const STAYS: [u8; UUID_LETTERS] = [1; UUID_LETTERS];

/// The half of a hash of an id, what its records are called, zeros where there are none, and how many.
type Slot = ([u8; 16], [u8; UUID_LETTERS], u32);

/// What records are called that go by another id than in their archive: 112 to 224 bytes for each, however long its id. A table
/// with open addresses, of which at most half is taken: it is a fraction of what a map of the standard library is to download.
///
/// An id that names anything else besides stays as it is ([`Self::keep`], [`Self::settle`]), since a value does not say which of
/// them it means.
#[derive(Debug, Default)]
pub struct References {
    slots: Vec<Slot>,
    count: usize,
    /// Whether any record was added.
    any: bool,
}

impl References {
    /// Notes that a record is called `to`. An id is taken for a name where it has 16 characters or more, all of them ASCII letters,
    /// digits, `-`, `_`, `.` or `:`, and a digit or an upper-case letter among them, as UUID, ULID, nanoid and their like do: whatever
    /// equals one of those by chance does not exist.
    pub fn add(&mut self, from: &str, to: &str) {
        if let Ok(to) = to.as_bytes().try_into() {
            self.any = true;
            self.note(from.as_bytes(), to);
        }
    }

    /// Has an id stay as it is, before it is added or after: a user's, or a space's, say, which a record may have as well.
    pub fn keep(&mut self, id: &str) {
        self.note(id.as_bytes(), STAYS);
    }

    /// Keeps those whose rows it says of where they are, and by whom: a space, and a user. `identity` is one of [`crate::Line`].
    pub fn keep_around(&mut self, identity: &str) {
        let row = identity.as_bytes();
        each_text(row, &mut |field, _, (from, to)| {
            if field != b"id" {
                self.note(&row[from..to], STAYS);
            }
        });
    }

    /// Counts a row of any table against those that were added: an id that more rows have than got another name stays as it is. To be
    /// asked of every row, after all were added; `identity` is one of [`crate::Line`].
    pub fn settle(&mut self, identity: &str) {
        let row = identity.as_bytes();
        each_text(row, &mut |field, _, (from, to)| {
            if field == b"id" && self.name_of(&row[from..to]).is_some() {
                let at = self.place_of(&short(&row[from..to]));
                let (_, name, rows) = &mut self.slots[at];
                match rows.checked_sub(1) {
                    Some(fewer) => *rows = fewer,
                    None => *name = STAYS,
                }
            }
        });
    }

    /// Whether no record was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.any
    }

    fn note(&mut self, id: &[u8], name: [u8; UUID_LETTERS]) {
        if is_name(id) {
            if self.slots.len() <= 2 * self.count {
                let larger = vec![([0; 16], [0; UUID_LETTERS], 0); (4 * self.count).max(64).next_power_of_two()];
                for (id, name, rows) in std::mem::replace(&mut self.slots, larger) {
                    self.put(id, name, rows);
                }
            }
            self.count += usize::from(self.put(short(id), name, 1));
        }
    }

    /// Whether it was not there yet. Zeros are nobody's name.
    fn put(&mut self, id: [u8; 16], name: [u8; UUID_LETTERS], rows: u32) -> bool {
        let at = self.place_of(&id);
        let (there, called, count) = &mut self.slots[at];
        let is_new = called[0] == 0 && name[0] != 0;
        if *called != STAYS {
            (*there, *called, *count) = (id, name, *count + rows);
        }
        is_new
    }

    /// Where it stands, or would.
    fn place_of(&self, id: &[u8; 16]) -> usize {
        // A hash is as good a beginning as any.
        let mut at = id.iter().fold(0_usize, |at, byte| at << 8 | at >> (usize::BITS - 8) ^ usize::from(*byte));
        loop {
            at &= self.slots.len() - 1;
            let (there, name, _) = &self.slots[at];
            if name[0] == 0 || there == id {
                return at;
            }
            at += 1;
        }
    }

    /// Puts the new name in wherever a value of a row is an old one, as a whole: in a field, a list, or an object. Keys stay, and so
    /// does what says which row it is. Gives how many there were. The row is JSON, as `JSON.stringify` spells ids: without escapes.
    pub fn rewrite(&self, row: &mut String) -> usize {
        if !self.any {
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
        if self.count == 0 || !is_name(text) {
            return None;
        }
        let (_, name, _) = &self.slots[self.place_of(&short(text))];
        Some(name).filter(|name| name[0] > STAYS[0])
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
    OF_THE_ROW.contains(&key) || key.starts_with(b"__") || key.contains(&b'\\')
}

/// Words that are put together, as those of an address, have neither digits nor upper-case letters.
fn is_name(text: &[u8]) -> bool {
    text.len() >= LEAST_LETTERS
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
        && text.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// Half of a hash: of two ids that anybody has, none share it.
fn short(id: &[u8]) -> [u8; 16] {
    let hash = Sha256::digest(id);
    std::array::from_fn(|at| hash[at])
}
