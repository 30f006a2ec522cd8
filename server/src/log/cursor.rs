//! The cursor: how far a client has read each table of each stream, as text that only this server reads.
//!
//! Every table of a stream has a position of its own, so that a table asked for later starts at the beginning while
//! the others go on; they agree as soon as it has caught up, and the text then names the position once.

use super::{Collection, Epoch, StreamId, StreamState, Tag, opaque};
use mana_sync_engine::protocol::wire::ExpiryReason;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How far a client has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The log it belongs to.
    pub epoch: Epoch,
    /// The streams read so far.
    pub streams: BTreeMap<StreamId, Mark>,
}

/// How far a client has read one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// The tag of the row at the greatest of the positions.
    pub tag: Option<Tag>,
    /// The position up to which each table was read; 0 is its beginning.
    pub read: BTreeMap<Collection, u64>,
}

impl Mark {
    /// The greatest position, whose row the tag belongs to.
    #[must_use]
    pub fn pos(&self) -> u64 {
        self.read.values().copied().max().unwrap_or(0)
    }

    /// Notes that these tables were read up to `pos`, the position of the row with `tag`.
    pub fn advance(&mut self, tables: &BTreeSet<Collection>, pos: u64, tag: Option<Tag>) {
        if pos >= self.pos() {
            self.tag = tag;
        }
        for table in tables {
            self.read.insert(table.clone(), pos);
        }
    }

    /// Why this mark cannot be followed in a stream that stands at `state`, where `tag` is the tag now found at the
    /// mark's position. A table whose reading has not begun misses nothing, whatever was removed.
    #[must_use]
    pub fn expiry(&self, state: &StreamState, tag: Option<Tag>, tables: &BTreeSet<Collection>) -> Option<ExpiryReason> {
        let pos = self.pos();
        let missed = |table: &Collection| self.read.get(table).is_some_and(|&read| read > 0 && read < state.horizon);
        if pos <= state.pos && tables.iter().any(missed) {
            return Some(ExpiryReason::Retention);
        }
        (!is_continued(pos, self.tag, state, tag)).then_some(ExpiryReason::Restored)
    }
}

/// Whether a stream at `state` goes on from the row with `tag` at `pos`, where `found` is the tag now found there.
#[must_use]
pub(super) fn is_continued(pos: u64, tag: Option<Tag>, state: &StreamState, found: Option<Tag>) -> bool {
    let other = match (tag, found) {
        (Some(tag), Some(found)) => tag != found,
        (Some(_), None) => pos > state.horizon.max(state.folded_through),
        (None, _) => false,
    };
    pos <= state.pos && !other
}

/// The text inside the base64: names once, streams by their sets of names.
#[derive(Serialize, Deserialize)]
struct Packed {
    #[serde(rename = "v")]
    version: u8,
    #[serde(rename = "e")]
    epoch: Epoch,
    #[serde(rename = "n")]
    names: Vec<Collection>,
    /// Distinct sets of indexes into `names`.
    #[serde(rename = "g")]
    sets: Vec<Vec<usize>>,
    #[serde(rename = "s")]
    streams: Vec<PackedMark>,
}

/// Stream, greatest position, its tag, index of its set, and the tables that are elsewhere.
#[derive(Serialize, Deserialize)]
struct PackedMark(StreamId, u64, Option<Tag>, usize, Vec<(usize, u64)>);

const VERSION: u8 = 1;
/// Most tables of all streams together: sets are shared in the text, so a short one could claim any number.
const MAX_ENTRIES: usize = 200_000;

impl Cursor {
    /// A cursor at the beginning of everything.
    #[must_use]
    pub fn start(epoch: Epoch) -> Self {
        Self { epoch, streams: BTreeMap::new() }
    }

    /// The cursor as text; at most about 20 bytes a stream and 30 a table.
    #[must_use]
    pub fn to_text(&self) -> String {
        let names: BTreeSet<&Collection> = self.streams.values().flat_map(|mark| mark.read.keys()).collect();
        let index: BTreeMap<&Collection, usize> = names.iter().copied().zip(0..).collect();
        let mut sets: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let mut streams = Vec::new();
        for (stream, mark) in &self.streams {
            let next = sets.len();
            let set = *sets.entry(mark.read.keys().map(|name| index[name]).collect()).or_insert(next);
            let pos = mark.pos();
            let behind = mark.read.iter().filter(|(_, at)| **at != pos).map(|(name, at)| (index[name], *at)).collect();
            streams.push(PackedMark(stream.clone(), pos, mark.tag, set, behind));
        }
        let mut by_index: Vec<(Vec<usize>, usize)> = sets.into_iter().collect();
        by_index.sort_by_key(|(_, at)| *at);
        let sets = by_index.into_iter().map(|(set, _)| set).collect();
        let names = names.into_iter().cloned().collect();
        let packed = Packed { version: VERSION, epoch: self.epoch, names, sets, streams };
        opaque::encode(&packed)
    }

    /// Reads a cursor; `None` when the text is none of this server's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let packed: Packed = opaque::decode(text)?;
        if packed.version != VERSION {
            return None;
        }
        let mut streams = BTreeMap::new();
        let mut entries = 0;
        for PackedMark(stream, pos, tag, set, behind) in packed.streams {
            let name = |at: &usize| packed.names.get(*at).cloned();
            let set = packed.sets.get(set)?;
            entries += set.len();
            if entries > MAX_ENTRIES {
                return None;
            }
            let members = set.iter().map(|at| Some((name(at)?, pos)));
            let mut read = members.collect::<Option<BTreeMap<Collection, u64>>>()?;
            for (at, own) in behind {
                *read.get_mut(&name(&at)?)? = own;
            }
            streams.insert(stream, Mark { tag, read });
        }
        Some(Self { epoch: packed.epoch, streams })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn table(name: &str) -> Collection {
        Collection::try_from(format!("todo/{name}")).unwrap()
    }

    fn mark(tag: u8, read: &[(&str, u64)]) -> Mark {
        Mark { tag: Some(Tag([tag; 8])), read: read.iter().map(|(name, at)| (table(name), *at)).collect() }
    }

    #[test]
    fn a_cursor_goes_there_and_back() {
        let mut cursor = Cursor::start(Epoch([7; 16]));
        let streams = ["user:ada", "space:a,b", "space:user:ada"].map(|s| StreamId::try_from(s.to_owned()).unwrap());
        for (stream, mark) in streams.into_iter().zip([
            mark(1, &[("tasks", 9), ("tags", 9)]),
            mark(2, &[("tasks", 4), ("tags", 0)]),
            Mark::default(),
        ]) {
            cursor.streams.insert(stream, mark);
        }
        assert_eq!(Cursor::parse(&cursor.to_text()), Some(cursor));
    }

    #[test]
    fn text_that_is_no_cursor_is_none() {
        let bad_set = r#"{"v":1,"e":"00000000000000000000000000000000","n":[],"g":[],"s":[["user:a",1,null,0,[]]]}"#;
        let newer = r#"{"v":2,"e":"00000000000000000000000000000000","n":[],"g":[],"s":[]}"#;
        for text in ["", "x", "%%%%", "e30", &URL_SAFE_NO_PAD.encode(bad_set), &URL_SAFE_NO_PAD.encode(newer)] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_mark_expires_when_the_log_went_back_or_on_without_it() {
        let tables = BTreeSet::from([table("tasks")]);
        let state = StreamState { pos: 10, tag: None, horizon: 5, folded_through: 7 };
        let expiry = |at, found| mark(1, &[("tasks", at)]).expiry(&state, found, &tables);
        assert_eq!(expiry(10, Some(Tag([1; 8]))), None);
        assert_eq!(expiry(11, None), Some(ExpiryReason::Restored));
        assert_eq!(expiry(10, Some(Tag([2; 8]))), Some(ExpiryReason::Restored));
        assert_eq!(expiry(8, None), Some(ExpiryReason::Restored));
        assert_eq!(expiry(7, None), None, "folded away");
        assert_eq!(expiry(4, None), Some(ExpiryReason::Retention));
        assert_eq!(expiry(5, None), None, "the horizon itself was read");
        assert_eq!(Mark::default().expiry(&state, None, &tables), None, "nothing read, nothing missed");
    }
}
