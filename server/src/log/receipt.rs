//! The receipt: where a person's streams stood once a push was taken, as text that only this server reads.
//!
//! A client takes what was accepted off its change log, but its cursor does not reach that far before it has pulled. When
//! the log is restored from an older copy in between, the cursor is still good; the receipt, shown with the next pull, is
//! not, and says that something the client was promised is missing.

use super::{Epoch, Extent, StreamId, StreamState, Tag};
use super::{LogError, cursor::is_continued, opaque};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where streams stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The log they belong to.
    pub epoch: Epoch,
    /// The newest row of each: its position and its tag.
    pub streams: BTreeMap<StreamId, (u64, Tag)>,
}

#[derive(Serialize, Deserialize)]
struct Packed {
    #[serde(rename = "v")]
    version: u8,
    #[serde(rename = "e")]
    epoch: Epoch,
    #[serde(rename = "s")]
    streams: Vec<(StreamId, u64, Tag)>,
}

const VERSION: u8 = 1;

impl Receipt {
    /// Notes where streams of a log stand.
    #[must_use]
    pub fn new(epoch: Epoch, states: &BTreeMap<StreamId, StreamState>) -> Self {
        let at = |(stream, state): (&StreamId, &StreamState)| Some((stream.clone(), (state.pos, state.tag?)));
        Self { epoch, streams: states.iter().filter_map(at).collect() }
    }

    /// The receipt as text, about 80 bytes a stream.
    #[must_use]
    pub fn to_text(&self) -> String {
        let streams = self.streams.iter().map(|(stream, (pos, tag))| (stream.clone(), *pos, *tag)).collect();
        let packed = Packed { version: VERSION, epoch: self.epoch, streams };
        opaque::encode(&packed)
    }

    /// Reads a receipt; `None` when the text is none of this server's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let packed: Packed = opaque::decode(text)?;
        let streams = packed.streams.into_iter().map(|(stream, pos, tag)| (stream, (pos, tag))).collect();
        (packed.version == VERSION).then_some(Self { epoch: packed.epoch, streams })
    }

    /// Whether the log, in which `readable` streams stand at `states`, still has everything that a receipt stands for.
    /// Streams that may not be read any more are not asked about; text that cannot be read is another log's.
    pub async fn is_held<S: Extent>(
        text: &str,
        log: &mut S,
        (epoch, states): (Epoch, &BTreeMap<StreamId, StreamState>),
        readable: &BTreeSet<StreamId>,
    ) -> Result<bool, LogError> {
        let Some(receipt) = Self::parse(text) else { return Ok(false) };
        let asked = || receipt.streams.iter().filter(|(stream, _)| readable.contains(stream));
        let state = |stream: &StreamId| states.get(stream).copied().unwrap_or_default();
        // A receipt is anybody's to make up: a store is asked only for positions that it can have.
        let positions = asked().filter(|(stream, (pos, _))| *pos <= state(stream).pos);
        let positions = positions.map(|(stream, (pos, _))| (stream.clone(), *pos)).collect();
        let tags = log.tags(&positions).await?;
        let held = |(stream, (pos, tag)): (&StreamId, &(u64, Tag))| {
            is_continued(*pos, Some(*tag), &state(stream), tags.get(stream).copied())
        };
        Ok(receipt.epoch == epoch && asked().all(held))
    }
}
