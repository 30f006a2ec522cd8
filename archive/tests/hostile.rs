//! Archives that somebody made to hurt, or to be read differently by two programs, are refused before anything of them is used.

mod support;

use mana_archive::{Archive, Limits};
use serde_json::json;
use std::io::Cursor;
use std::time::Duration;
use support::faults::{self, Fault, manifest_entry, packed, table, with};
use support::manifest_faults::{derived, with_body};
use support::raw_zip::{Entry, Zip};
use support::{corpus, deflated, manifest, open, plain, refused, refused_within, tables, verified};

/// Whoever asks for the rows and whoever reads through all of it hear the same.
fn are_refused(faults: &[Fault]) {
    for Fault { what, code, says, bytes } in faults {
        for error in [open(bytes).and_then(tables).expect_err(what), verified(bytes).expect_err(what)] {
            assert_eq!(error.code(), *code, "{what}: {error}");
            assert!(error.to_string().starts_with(says.as_str()), "{what}: {error}");
        }
    }
}

#[test]
fn what_is_as_it_should_be_is_read() {
    let read = open(&with(table()).bytes()).and_then(tables).unwrap();
    assert_eq!(read["tasks"].len(), 1);
    assert_eq!(open(&with(packed(11)).bytes()).and_then(tables).unwrap()["tasks"].len(), 1);
}

#[test]
fn what_two_readers_could_read_differently_is_damaged() {
    are_refused(&faults::zips());
}

#[test]
fn names_that_lead_elsewhere_are_damaged() {
    are_refused(&faults::names());
    // A name like any other at the top, of which there is nothing to read.
    let bytes = with(Entry { name: b"data".to_vec(), ..table() }).bytes();
    assert_eq!(open(&bytes).unwrap().unknown_entries(), ["data"]);
}

#[test]
fn what_is_unknown_at_the_top_is_passed_over_and_named() {
    let bytes = Zip::of(vec![manifest_entry(), table(), Entry::of("thumbnail.png", "…")]).bytes();
    let archive = open(&bytes).unwrap();
    assert_eq!(archive.unknown_entries(), ["thumbnail.png"]);
    assert_eq!(tables(archive).unwrap()["tasks"].len(), 1);
}

#[test]
fn what_would_take_too_much_room_is_too_large() {
    let many = (0..10_000).map(|n| Entry::of(&format!("data/t{n}.jsonl"), "")).collect::<Vec<_>>();
    let mut all = vec![manifest_entry()];
    all.extend(many.clone());
    assert_eq!(refused(&Zip::of(all.clone()).bytes()), "archive_too_large", "10,001 entries");
    all.pop();
    assert!(open(&Zip::of(all).bytes()).is_ok(), "10,000 entries");
    assert_eq!(refused(&Zip { count: Some(u16::MAX), ..with(table()) }.bytes()), "archive_too_large", "zip64");

    // 16 MiB of zeros pack to some 16 KiB: 1,027 to 1.
    let zeros = deflated(16, &vec![0; 1 << 20]);
    let says_bytes = Some(16 << 20);
    let bomb = Entry { method: 8, says_bytes, content: zeros.clone(), crc: Some(1), ..table() };
    assert_eq!(refused(&with(bomb).bytes()), "archive_too_large", "a bomb");
    // One that says less than it is comes to no more than it says.
    let liar = Entry { method: 8, says_bytes: Some(1 << 20), content: zeros, crc: Some(1), ..table() };
    assert_eq!(refused(&with(liar).bytes()), "archive_damaged", "a bomb that says it is none");
}

#[test]
fn limits_are_the_callers() {
    let bytes = with(table()).bytes();
    let refused = |limits: Limits| Archive::open(Cursor::new(&bytes), limits).and_then(tables).unwrap_err().code();
    assert_eq!(refused(Limits { entry_bytes: 10, ..Limits::default() }), "archive_too_large");
    assert_eq!(refused(Limits { total_bytes: 100, ..Limits::default() }), "archive_too_large");
    assert_eq!(refused(Limits { entries: 1, ..Limits::default() }), "archive_too_large");
    assert_eq!(refused(Limits { line_bytes: 9, ..Limits::default() }), "archive_too_large");
    assert!(
        Archive::open(Cursor::new(&bytes), Limits { line_bytes: 10, ..Limits::default() }).and_then(tables).is_ok()
    );
}

#[test]
fn rows_that_are_no_objects_are_named_by_table_and_line() {
    are_refused(&faults::rows());
    let rows = format!("  {{\"id\":\"a\"}}\r\n{}\n{{\"__proto__\":{{\"a\":1}}}}", faults::deep(100));
    let read = open(&with(Entry::of("data/tasks.jsonl", &rows)).bytes()).and_then(tables).unwrap();
    assert_eq!(read["tasks"][2]["__proto__"]["a"], 1, "plain data here, for the importer to refuse");
}

#[test]
fn manifests_are_checked_key_by_key() {
    are_refused(&faults::manifests());
    let mut more = manifest().to_json();
    more["aLaterKey"] = serde_json::json!({ "a": 1 });
    let bytes = Zip::of(vec![Entry::of("manifest.json", &more.to_string()), table()]).bytes();
    assert!(verified(&bytes).is_ok(), "later writers may add keys");
    assert_eq!(refused(&Zip::of(vec![table()]).bytes()), "not_an_archive");
    assert_eq!(refused(b"PK"), "not_an_archive");
    assert_eq!(refused(b""), "not_an_archive");
    assert_eq!(refused(&vec![0; 70_000]), "not_an_archive");
}

#[test]
fn a_key_derivation_that_would_take_for_ever_is_refused_before_it_begins() {
    for many in ["600000", "10000000"] {
        assert!(open(&with_body(&derived(Some(many)))).is_ok(), "{many}");
    }
    let refused = faults::iterations();
    assert_eq!(refused.len(), 14);
    are_refused(&refused);
    for Fault { what, code, bytes, .. } in &refused {
        let read = || open(bytes)?.sealed()?.open("correct horse battery staple");
        assert_eq!(refused_within(Duration::from_millis(10), what, read).code(), *code, "{what}");
    }
}

#[test]
fn a_seal_and_what_lies_beside_it_agree() {
    let sealed = Entry::of("data.sealed", "0123456789abcdef");
    assert_eq!(refused(&Zip::of(vec![manifest_entry(), sealed.clone()]).bytes()), "manifest_invalid");
    let opened = plain(&support::Tables::new());
    assert_eq!(open(&opened).unwrap().sealed().unwrap_err().code(), "not_an_archive");
}

#[test]
fn files_that_broke_other_readers_break_nothing_here() {
    let files = corpus::broke_others();
    assert!(files.len() > 90, "{} files", files.len());
    // None has a manifest.
    assert!(files.iter().all(|bytes| open(bytes).is_err()));
}

#[test]
fn versions_of_apps_are_whole_numbers_from_1_on() {
    let read = |versions: &serde_json::Value| {
        let mut manifest = manifest().to_json();
        manifest["appSchemaVersions"] = versions.clone();
        open(&Zip::of(vec![Entry::of("manifest.json", &manifest.to_string())]).bytes())
            .map(|archive| archive.manifest().to_json())
    };
    for versions in [json!({}), json!({ "todo": 1 }), json!({ "todo": 7, "notes": u32::MAX })] {
        assert_eq!(read(&versions).unwrap()["appSchemaVersions"], versions, "they are passed on");
    }
    let odd =
        [json!(null), json!(3), json!([1]), json!("x"), json!({ "a": 0 }), json!({ "a": -1 }), json!({ "a": 1.5 })];
    for versions in odd.into_iter().chain([json!({ "a": "1" }), json!({ "a": null }), json!({ "a": 1u64 << 32 })]) {
        assert_eq!(read(&versions).unwrap_err().code(), "manifest_invalid", "{versions}");
    }
}
