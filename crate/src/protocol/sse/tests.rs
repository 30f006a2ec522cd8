//! Events, read in any pieces, against a reader of the whole text.

use super::*;
use proptest::prelude::*;

const ROOM: usize = 1 << 20;

/// What a stream holds, read from its whole text at once.
fn whole(bytes: &[u8]) -> (Vec<Event>, Option<u64>) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let (mut events, mut retry, mut id) = (Vec::new(), None, String::new());
    let (mut name, mut data) = (String::new(), Vec::new());
    for line in complete.split('\n').take(text.matches('\n').count()) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "" if line.is_empty() => {
                if !data.is_empty() {
                    let name = if name.is_empty() { "message".to_owned() } else { name.clone() };
                    events.push(Event { name, data: data.join("\n"), id: id.clone() });
                }
                data.clear();
                name.clear();
            }
            "event" => name = value,
            "data" => data.push(value),
            "id" if !value.contains('\0') => id = value,
            "retry" if value.chars().all(|digit| digit.is_ascii_digit()) => retry = value.parse().ok().or(retry),
            _ => {}
        }
    }
    (events, retry)
}

fn in_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<u64>) {
    let mut parser = Parser::new(ROOM);
    let events = pieces.into_iter().flat_map(|piece| parser.push(piece).expect("there is room")).collect();
    (events, parser.retry_ms())
}

fn event(name: &str, data: &str, id: &str) -> Event {
    Event { name: name.to_owned(), data: data.to_owned(), id: id.to_owned() }
}

fn read(text: &str) -> Vec<Event> {
    in_pieces([text.as_bytes()]).0
}

#[test]
fn an_event_is_what_stands_between_two_empty_lines() {
    let page = "event: changes\nid: c1\ndata: {\"a\":\ndata: 1}\n\n: a comment\n\nevent:heartbeat\r\ndata:{}\r\n\r\n";
    assert_eq!(read(page), [event("changes", "{\"a\":\n1}", "c1"), event("heartbeat", "{}", "c1")]);
}

#[test]
fn only_one_space_behind_the_colon_is_taken_off() {
    assert_eq!(read("data:  two\ndata:none\ndata\n\n"), [event("message", " two\nnone\n", "")]);
}

#[test]
fn an_event_without_data_is_none_and_one_with_an_empty_line_of_data_is_one() {
    assert_eq!(read("event: changes\n\ndata:\n\n"), [event("message", "", "")]);
}

#[test]
fn what_breaks_off_is_no_event() {
    assert_eq!(read("data: a\n\ndata: b\n"), [event("message", "a", "")]);
}

#[test]
fn an_id_holds_until_the_next_and_is_none_with_a_nul_in_it() {
    let text = "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n";
    assert_eq!(read(text), [event("message", "a", "1"), event("message", "b", "1"), event("message", "c", "")]);
}

#[test]
fn a_wait_is_a_number_of_milliseconds_in_digits() {
    for (text, wait) in
        [("retry: 1500\n", Some(1500)), ("retry: 1.5\n", None), ("retry: -1\n", None), ("retry\n", None)]
    {
        assert_eq!(in_pieces([text.as_bytes()]).1, wait, "{text}");
    }
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_beginning_only() {
    assert_eq!(read("\u{FEFF}data: a\n\n"), [event("message", "a", "")]);
    assert_eq!(read("\u{FEFF}\u{FEFF}data: a\n\n"), []);
    assert_eq!(read("\n\u{FEFF}data: a\n\n"), []);
}

#[test]
fn an_event_is_given_out_with_the_carriage_return_that_ends_it() {
    let mut parser = Parser::new(ROOM);
    assert_eq!(parser.push(b"data: a\r\r"), Ok(vec![event("message", "a", "")]));
    assert_eq!(parser.push(b"\ndata: b\r\n"), Ok(vec![]));
    assert_eq!(parser.push(b"\r\n"), Ok(vec![event("message", "b", "")]));
}

#[test]
fn what_is_kept_is_bounded() {
    for endless in ["data: a\n", "data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "é"] {
        let mut parser = Parser::new(100);
        assert!((0..100).any(|_| parser.push(endless.as_bytes()).is_err()), "{endless}");
        assert_eq!(parser.push(b"\n\ndata: b\n\n"), Err(TooLarge), "nothing is read after a gap");
    }
    let mut parser = Parser::new(100);
    for _ in 0..100 {
        assert_eq!(
            parser.push(b"event: changes\ndata: aaaaaaaaaaaaaaaaaaaaaaaaa\n\n").map(|events| events.len()),
            Ok(1)
        );
    }
}

/// Streams of what events are made of, and of any bytes at all.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "data",
        "data: ",
        "data:",
        "event: changes",
        "event",
        "id: 7",
        "id: \0",
        "retry: 20",
        "retry: x",
        ":",
        ": ",
        " ",
        "\n",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "\r\n\r\n",
        "\u{FEFF}",
        "ä",
        "€",
        "😀",
        "{\"a\":1}",
        "other: x",
    ]);
    let words = prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes());
    prop_oneof![4 => words, 1 => prop::collection::vec(any::<u8>(), 0..60)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_same_events_come_whatever_pieces_the_bytes_come_in(bytes in streams(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let expected = whole(&bytes);
        prop_assert_eq!(in_pieces(cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]])), expected.clone());
        prop_assert_eq!(in_pieces(bytes.chunks(1)), expected);
    }
}
