//! Archives that somebody made to hurt, or to be read differently by two programs, are refused before anything of them is used.

mod support;

use mana_archive::{Archive, Limits};
use serde_json::json;
use std::io::{Cursor, Write};
use std::path::Path;
use support::raw_zip::{Entry, Zip};
use support::{manifest, open, plain, refused, tables};

const ROW: &str = "{\"id\":\"a\"}\n";

fn manifest_entry() -> Entry {
    Entry::of("manifest.json", &manifest().to_json().to_string())
}

fn with(entry: Entry) -> Zip {
    Zip::of(vec![manifest_entry(), entry])
}

fn table() -> Entry {
    Entry::of("data/tasks.jsonl", ROW)
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("x", options).unwrap();
    zip.write_all(content).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut packed = Vec::new();
    std::io::Read::read_to_end(&mut zip.by_index_raw(0).unwrap(), &mut packed).unwrap();
    packed
}

#[test]
fn what_is_as_it_should_be_is_read() {
    let read = open(&with(table()).bytes()).and_then(tables).unwrap();
    assert_eq!(read["tasks"].len(), 1);
    let packed = Entry {
        method: 8,
        says_bytes: Some(11),
        crc: Some(support::raw_zip::crc32(ROW.as_bytes())),
        content: deflated(ROW.as_bytes()),
        ..table()
    };
    assert_eq!(open(&with(packed).bytes()).and_then(tables).unwrap()["tasks"].len(), 1);
}

#[test]
fn what_two_readers_could_read_differently_is_damaged() {
    let offset = Some(0);
    let unicode_path = [0x75, 0x70, 5, 0, 1, 0, 0, 0, 0].to_vec();
    let zip64 = [1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let odd: Vec<(&str, Zip)> = vec![
        ("a name twice", Zip::of(vec![manifest_entry(), table(), table()])),
        ("entries that overlap", with(Entry { offset, ..table() })),
        ("bytes between entries", with(Entry { gap: 4, ..table() })),
        ("bytes before the first", Zip::of(vec![Entry { gap: 4, ..manifest_entry() }, table()])),
        ("bytes after the end", Zip { after: b"x".to_vec(), ..with(table()) }),
        ("a comment", Zip { comment: b"hello".to_vec(), ..with(table()) }),
        ("a zip after the zip", Zip { after: with(table()).bytes(), ..with(table()) }),
        ("a zip in the comment", Zip { comment: with(table()).bytes(), ..with(table()) }),
        ("another name in the local header", with(Entry { local_name: Some(b"data/other.jsonl".to_vec()), ..table() })),
        ("another method in the local header", with(Entry { local_method: Some(8), ..table() })),
        ("a wrong checksum", with(Entry { crc: Some(1), ..table() })),
        ("stored in another size", with(Entry { says_bytes: Some(12), ..table() })),
        (
            "longer than it says",
            with(Entry {
                method: 8,
                says_bytes: Some(3),
                content: deflated(ROW.as_bytes()),
                crc: Some(support::raw_zip::crc32(ROW.as_bytes())),
                ..table()
            }),
        ),
        (
            "shorter than it says",
            with(Entry {
                method: 8,
                says_bytes: Some(30),
                content: deflated(ROW.as_bytes()),
                crc: Some(support::raw_zip::crc32(ROW.as_bytes())),
                ..table()
            }),
        ),
        ("encrypted", with(Entry { flags: 1, ..table() })),
        ("strongly encrypted", with(Entry { flags: 1 << 6, ..table() })),
        ("headers masked", with(Entry { flags: 1 << 13, ..table() })),
        ("packed otherwise", with(Entry { method: 14, ..table() })),
        ("a path beside the name", with(Entry { extra: unicode_path, ..table() })),
        ("sizes beside the sizes", with(Entry { extra: zip64, ..table() })),
        ("an extra field cut short", with(Entry { extra: vec![0x55, 0x54, 9, 0, 1], ..table() })),
        ("another version in the local header", with(Entry { local_version: Some(10), ..table() })),
        ("another time in the local header", with(Entry { local_time: Some([1, 0]), ..table() })),
        ("another date in the local header", with(Entry { local_time: Some([0, 1]), ..table() })),
        ("attributes that nobody knows", with(Entry { internal_attributes: 2, ..table() })),
        ("a folder of DOS", with(Entry { attributes: 0x10, ..table() })),
        ("the name of a disk", with(Entry { attributes: 0x08, ..table() })),
        ("a link", with(Entry { attributes: 0o120_777 << 16, ..table() })),
        ("one part of several", Zip { disk: 1, ..with(table()) }),
        ("fewer entries than there are", Zip { count: Some(1), ..with(table()) }),
        ("more entries than there are", Zip { count: Some(3), ..with(table()) }),
        ("a directory elsewhere", Zip { directory_at: Some(3), ..with(table()) }),
        ("a shorter directory", Zip { directory_bytes: Some(46), ..with(table()) }),
    ];
    for (what, zip) in odd {
        assert_eq!(refused(&zip.bytes()), "archive_damaged", "{what}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_damaged() {
    let names = [
        "../tasks.jsonl",
        "/etc/passwd",
        "data/../tasks.jsonl",
        "data//tasks.jsonl",
        "data/a/b.jsonl",
        "data/tasks.json",
        "data/.jsonl",
        "data/",
        "data",
        "data\\tasks.jsonl",
        "C:tasks.jsonl",
        "data/ta sks.jsonl",
        "data/tasks.jsonl\0",
        "data/tasks\n.jsonl",
        "..",
        ".",
        ".hidden",
        "",
        "data/tä.jsonl",
        "DATA/tasks.jsonl",
        "data/tasks.JSONL",
        "./manifest.json",
        "other/tasks.jsonl",
        "data/tasks.jsonl/",
    ];
    for name in names {
        // "data" is a name like any other at the top, of which there is nothing to read.
        if name == "data" {
            let bytes = with(Entry::of(name, ROW)).bytes();
            assert_eq!(open(&bytes).unwrap().unknown_entries(), ["data"]);
            continue;
        }
        assert_eq!(refused(&with(Entry::of(name, ROW)).bytes()), "archive_damaged", "{name:?}");
    }
    let latin = Entry { name: b"data/t\xe4.jsonl".to_vec(), ..table() };
    assert_eq!(refused(&with(latin).bytes()), "archive_damaged");
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
    let zeros = vec![0; 16 << 20];
    let says_bytes = Some(16 << 20);
    let bomb = Entry { method: 8, says_bytes, content: deflated(&zeros), crc: Some(1), ..table() };
    assert_eq!(refused(&with(bomb).bytes()), "archive_too_large", "a bomb");
    // One that says less than it is comes to no more than it says.
    let liar = Entry { method: 8, says_bytes: Some(1 << 20), content: deflated(&zeros), crc: Some(1), ..table() };
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
    let deep = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    let rows = ["[]", "null", "{", "{} {}", "{\"a\":1e999}", "{'a':1}", "\u{feff}{}", &deep(200)];
    for row in rows {
        let content = format!("{{\"id\":\"a\"}}\n\n{row}\n");
        let error = open(&with(Entry::of("data/tasks.jsonl", &content)).bytes()).and_then(tables).unwrap_err();
        assert_eq!(error.code(), "row_invalid", "{row}");
        assert!(error.to_string().starts_with("data/tasks.jsonl, line 3:"), "{error}");
        let error =
            open(&with(Entry::of("data/tasks.jsonl", &content)).bytes()).and_then(|mut it| it.verify()).unwrap_err();
        assert_eq!(error.code(), "row_invalid", "{row}");
    }
    let latin = Entry { content: b"{\"id\":\"\xe4\"}\n".to_vec(), ..table() };
    assert_eq!(refused(&with(latin).bytes()), "row_invalid");
    let rows = format!("  {{\"id\":\"a\"}}\r\n{}\n{{\"__proto__\":{{\"a\":1}}}}", deep(100));
    let read = open(&with(Entry::of("data/tasks.jsonl", &rows)).bytes()).and_then(tables).unwrap();
    assert_eq!(read["tasks"][2]["__proto__"]["a"], 1, "plain data here, for the importer to refuse");
}

#[test]
fn manifests_are_checked_key_by_key() {
    let whole = manifest().to_json();
    let open_with = |json: &serde_json::Value| {
        let zip = Zip::of(vec![Entry::of("manifest.json", &json.to_string()), table()]);
        open(&zip.bytes()).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(open_with(&whole), Ok(()));
    for key in ["formatVersion", "schemaVersion", "producedBy", "exportedAt", "userId", "scope", "fieldsPlaintext"] {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(key);
        assert_eq!(open_with(&without), Err(format!("the manifest's {key} is missing or invalid")));
        let mut odd = whole.clone();
        odd[key] = serde_json::json!([{}]);
        assert_eq!(open_with(&odd), Err(format!("the manifest's {key} is missing or invalid")));
    }
    let mut more = whole;
    more["aLaterKey"] = serde_json::json!({ "a": 1 });
    assert_eq!(open_with(&more), Ok(()), "later writers may add keys");
    assert_eq!(refused(&Zip::of(vec![table()]).bytes()), "not_an_archive");
    assert_eq!(refused(b"PK"), "not_an_archive");
    assert_eq!(refused(b""), "not_an_archive");
    assert_eq!(refused(&vec![0; 70_000]), "not_an_archive");
}

#[test]
fn a_key_derivation_that_would_take_for_ever_is_refused_before_it_begins() {
    let seal = serde_json::json!({ "kdf": "PBKDF2-SHA256", "kdfIterations": 600_000, "kdfSaltBase64": "EZ2J_obisEdSMC18MRrEeg",
        "cipher": "AES-GCM-256", "ivBase64": "QhddaBmek5XB0yTt" });
    let open_with = |key: &str, value: serde_json::Value| {
        let (mut json, mut seal) = (manifest().to_json(), seal.clone());
        seal[key] = value;
        json["passphrase"] = seal;
        let zip =
            Zip::of(vec![Entry::of("manifest.json", &json.to_string()), Entry::of("data.sealed", "0123456789abcdef")]);
        open(&zip.bytes()).map(|_| ()).map_err(|error| error.to_string())
    };
    let invalid = |key: &str| Err(format!("the manifest's passphrase.{key} is missing or invalid"));
    for many in [600_000, 10_000_000] {
        assert_eq!(open_with("kdfIterations", many.into()), Ok(()));
    }
    let odd = [
        "0",
        "1",
        "599999",
        "10000001",
        "2147483648",
        "4294967295",
        "4294967296",
        "-1",
        "1.5",
        "\"600000\"",
        "null",
        "1e308",
    ];
    for many in odd {
        assert_eq!(open_with("kdfIterations", serde_json::from_str(many).unwrap()), invalid("kdfIterations"), "{many}");
    }
    for (key, value) in [
        ("kdf", "scrypt"),
        ("cipher", "AES-CBC"),
        ("kdfSaltBase64", "EZ2J/obisEdSMC18MRrEeg=="),
        ("kdfSaltBase64", "EZ2J"),
        ("ivBase64", "QhddaBmek5XB0yTt00"),
        ("plaintextSha256", "abc"),
        ("keyCheckBase64", "abc"),
    ] {
        assert_eq!(open_with(key, value.into()), invalid(key), "{value}");
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
    let mut count = 0;
    for folder in ["zip2", "libarchive"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(folder);
        for file in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            // None has a manifest.
            assert!(open(&bytes).is_err());
            count += 1;
        }
    }
    assert!(count > 90, "{count} files");
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
