//! The rows of a table: JSON objects, one per line.

use crate::references::identity;
use crate::{Error, Limits, Result};
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

/// One row as it stands in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Its text.
    pub text: String,
    table: Arc<str>,
}

impl Line {
    /// The row; [`Error::RowInvalid`] says which line is no JSON object, or nested deeper than 126 levels.
    pub fn object(&self) -> Result<Map<String, Value>> {
        let row: Value = serde_json::from_str(&self.text).map_err(|error| self.invalid(error.to_string()))?;
        if depth(&row) > MOST_DEPTH {
            return Err(self.invalid(format!("is nested deeper than {MOST_DEPTH} levels")));
        }
        match row {
            Value::Object(row) => Ok(row),
            _ => Err(self.invalid("is no object".to_owned())),
        }
    }

    /// What says which row it is, and where: its id, space and author, as JSON.
    #[must_use]
    pub fn identity(&self) -> String {
        identity(&self.text)
    }

    /// Says the same of it, and makes nothing of it, which takes a fraction of the time.
    #[inline(never)]
    pub fn check(&self) -> Result<()> {
        let mut reader = serde_json::Deserializer::from_str(&self.text);
        let read = Levels(MOST_DEPTH).deserialize(&mut reader).and_then(|()| reader.end());
        read.map_err(|error| self.invalid(error.to_string()))?;
        if self.text.trim_start().starts_with('{') {
            return Ok(());
        }
        Err(self.invalid("is no object".to_owned()))
    }

    fn invalid(&self, reason: String) -> Error {
        Error::RowInvalid { table: self.table.to_string(), line: self.number, reason }
    }
}

/// Levels of a row: one less than parsers of JSON take by default, so that rows fit into a list.
const MOST_DEPTH: usize = 126;

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Reads a value through whose arrays and objects may nest so deep.
#[derive(Clone, Copy)]
struct Levels(usize);

impl Levels {
    fn below<E: serde::de::Error>(self) -> std::result::Result<Self, E> {
        let left = self.0.checked_sub(1).map(Self);
        left.ok_or_else(|| E::custom(format_args!("is nested deeper than {MOST_DEPTH} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for Levels {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> std::result::Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Levels {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<(), A::Error> {
        let below = self.below()?;
        while items.next_element_seed(below)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<(), A::Error> {
        let below = self.below()?;
        while fields.next_key_seed(below)?.is_some() {
            fields.next_value_seed(below)?;
        }
        Ok(())
    }
}

/// The rows of a table, in the order in which they were written. Lines of white space are passed over.
pub struct Lines<'a> {
    source: BufReader<Box<dyn Read + 'a>>,
    table: Arc<str>,
    number: u64,
    most: usize,
    /// Bytes of the line before: the next one is hardly longer.
    usual: usize,
}

impl std::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("table", &self.table).field("number", &self.number).finish_non_exhaustive()
    }
}

impl<'a> Lines<'a> {
    pub(crate) fn new(source: Box<dyn Read + 'a>, table: &str, limits: &Limits) -> Self {
        let source = BufReader::with_capacity(64 * 1024, source);
        Self { source, table: table.into(), number: 0, most: limits.line_bytes, usual: 0 }
    }

    /// The next line; `None` at the end, where all of the table was as it was written.
    #[inline(never)]
    fn next_line(&mut self) -> Result<Option<Line>> {
        loop {
            let mut bytes = Vec::with_capacity(self.usual + self.usual / 4);
            let limit = u64::try_from(self.most).unwrap_or(u64::MAX).saturating_add(1);
            self.source.by_ref().take(limit).read_until(b'\n', &mut bytes).map_err(unreadable)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            self.usual = bytes.len();
            if bytes.len() > self.most && !bytes.ends_with(b"\n") {
                let what = format!("line {} of {} has more than {} bytes", self.number, self.table, self.most);
                return Err(Error::TooLarge(what));
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            return self.line(bytes).map(Some);
        }
    }

    fn line(&self, bytes: Vec<u8>) -> Result<Line> {
        let number = self.number;
        let Ok(mut text) = String::from_utf8(bytes) else {
            let table = self.table.to_string();
            return Err(Error::RowInvalid { table, line: number, reason: "is not UTF-8".to_owned() });
        };
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        Ok(Line { number, text, table: self.table.clone() })
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

/// What inflating or its checksum says against the data.
pub(crate) fn unreadable(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput | std::io::ErrorKind::UnexpectedEof => {
            Error::Damaged(error.to_string())
        }
        _ => Error::Io(error),
    }
}
