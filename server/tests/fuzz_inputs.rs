//! The committed inputs of the fuzz targets, seeds and those that once failed, go through what the targets run.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use mana_sync_engine::model::Change;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder).join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn run_all(target: &str, run: fn(&[u8])) {
    let seeds = inputs("seeds", target);
    assert!(!seeds.is_empty(), "{target} has seeds");
    for file in seeds.into_iter().chain(inputs("crashers", target)) {
        // Shown by the test runner when the input fails.
        println!("{}", file.display());
        run(&fs::read(&file).unwrap());
    }
}

#[test]
fn every_input_from_the_network_is_read_or_refused() {
    run_all("wire", fuzz::wire::run);
}

#[test]
fn every_cursor_gives_what_its_reader_may_see_or_expires() {
    run_all("cursor", |input| {
        fuzz::cursor::run(input);
        (0..fuzz::cursor::WAYS).for_each(|way| fuzz::cursor::run_in(input, way));
    });
}

#[test]
fn every_text_opens_only_if_it_was_sealed() {
    run_all("envelope", fuzz::envelope::run);
}

#[test]
fn every_stream_holds_the_same_in_any_pieces() {
    run_all("sse", fuzz::sse::run);
}

/// A change whose one value is this.
fn insert_of(value: &Value) -> Value {
    json!({ "eventId": "0198c0de-0000-7000-8000-000000000001", "app": "todo", "table": "tasks", "id": "t", "op": "insert",
        "at": "2026-01-01T11:00:00.000000Z", "data": { "value": value } })
}

#[test]
fn a_long_key_over_many_values_is_read_in_time() {
    let change = insert_of(&json!({ "k".repeat(256 * 1024): vec![0; 128 * 1024] }));
    fuzz::limit::within_a_second(|| assert!(Change::parse(change.clone()).is_ok()));
}

#[test]
fn values_of_every_extreme_shape_are_read_in_time() {
    let keys = |key: fn(usize) -> String| (0..4000).map(|n| (key(n), Value::Null)).collect::<Value>();
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(60), close.repeat(60));
    let shapes = [
        keys(|n| format!("{}{n}", "k".repeat(30))).to_string(),
        keys(|n| format!("\u{10000}{n}")).to_string(),
        nested("[", "]"),
        nested("{\"a\":", "}"),
        format!("0.{}1", "0".repeat(100_000)),
        format!("1{}e-100000", "0".repeat(100_000)),
        format!("\"{}\"", "\\u0001".repeat(20_000)),
        format!("[{}]", vec!["1.7976931348623157e308"; 4000].join(",")),
    ];
    for shape in shapes {
        let change = insert_of(&json!("here")).to_string().replace("\"here\"", &shape);
        println!("{change:.200}");
        fuzz::wire::run(change.as_bytes());
        fuzz::cursor::run(shape.as_bytes());
    }
}
