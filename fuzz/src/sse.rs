//! Streams of server-sent events: read in pieces, they hold what they hold as a whole.

use super::limit;
use mana_sync_engine::protocol::sse::{Event, Parser, TooLarge};

/// More than any input here comes to.
const ROOM: usize = 1 << 24;
/// So little that inputs do not fit.
const NARROW: usize = 64;

/// Reads an input in pieces, which its first bytes say the sizes of.
///
/// # Panics
/// When the pieces make a difference, or more is kept than there is room for.
pub fn run(input: &[u8]) {
    limit::within_a_second(|| {
        let sizes: Vec<usize> = input.iter().take(8).map(|byte| usize::from(*byte) % 17 + 1).collect();
        let whole = read(ROOM, std::iter::once(input)).expect("there is room");
        assert_eq!(read(ROOM, pieces(input, &sizes)).as_ref(), Ok(&whole), "in pieces");
        assert_eq!(read(ROOM, input.chunks(1)).as_ref(), Ok(&whole), "byte by byte");
        assert!(whole.iter().all(|event| !event.name.is_empty() && !event.id.contains('\0')), "what an event is");
        let narrow = read(NARROW, pieces(input, &sizes));
        assert_eq!(narrow.is_ok(), read(NARROW, std::iter::once(input)).is_ok(), "what is too large");
        if let Ok(events) = narrow {
            assert_eq!(events, whole, "what has room");
        }
    });
}

fn read<'a>(room: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Event>, TooLarge> {
    let mut parser = Parser::new(room);
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(parser.push(piece)?);
    }
    Ok(events)
}

fn pieces<'a>(input: &'a [u8], sizes: &[usize]) -> impl Iterator<Item = &'a [u8]> {
    let (mut rest, mut sizes) = (input, sizes.iter().copied().cycle());
    std::iter::from_fn(move || {
        let size = sizes.next()?.min(rest.len());
        let (piece, later) = rest.split_at(size);
        rest = later;
        (size > 0).then_some(piece)
    })
}
