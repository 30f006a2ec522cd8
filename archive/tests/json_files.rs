//! Every file of `JSONTestSuite` as the value of a row's field.

#[path = "../../tests/vectors/json/mod.rs"]
mod json;
mod support;

use support::raw_zip::{Entry, Zip};
use support::{manifest, open, tables};

fn archive(value: &[u8]) -> Vec<u8> {
    // A line ends a row; outside of texts it means the same as this.
    let value = value.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte });
    let row = Entry {
        content: b"{\"id\":\"a\",\"v\":".iter().copied().chain(value).chain(*b"}\n").collect(),
        ..Entry::of("data/tasks.jsonl", "")
    };
    Zip::of(vec![Entry::of("manifest.json", &manifest().to_json().to_string()), row]).bytes()
}

#[test]
fn the_reader_of_archives_accepts_what_it_should_and_nothing_else() {
    let mistaken = json::mistaken(|_, value| open(&archive(value)).and_then(tables).is_ok());
    assert_eq!(mistaken, []);
}
