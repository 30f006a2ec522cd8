//! The command line: what people type, and what it answers.

#![cfg(feature = "cli")]

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::raw_zip;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mana-archive-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("words"), "correct horse battery staple\n").unwrap();
        std::fs::write(path.join("wrong"), "another one").unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mana-archive")).args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What it says on standard error, when it ends with that status.
fn failed(arguments: &[&str], status: i32) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).to_str().unwrap().to_owned()
}

#[test]
fn inspect_says_what_it_is_without_a_passphrase() {
    let said = done(&["inspect", &fixture("sealed.mana")]);
    assert!(said.contains("mana-web") && said.contains("user-1") && said.contains("sealed     yes"), "{said}");
    let json: Value = serde_json::from_str(&done(&["inspect", "--json", &fixture("plain.mana")])).unwrap();
    assert_eq!(json["manifest"]["rowCounts"]["tasks"], 250);
    assert_eq!(json["tables"]["tasks"], 107_457);
}

#[test]
fn verify_reads_everything_and_tells_what_is_wrong() {
    let folder = Folder::new("verify");
    let words = folder.at("words");
    assert!(done(&["verify", &fixture("plain.mana")]).contains("ok: 4 tables, 263 rows"));
    assert!(done(&["verify", &fixture("sealed.mana"), "--passphrase-file", &words]).contains("ok: 4 tables, 263 rows"));
    let wrong = failed(&["verify", &fixture("sealed.mana"), "--passphrase-file", &folder.at("wrong")], 1);
    assert!(wrong.starts_with("wrong_passphrase_or_damaged: "), "{wrong}");
    let damaged = failed(&["verify", &fixture("sealed-badsha.mana"), "--passphrase-file", &words], 1);
    assert!(damaged.starts_with("archive_damaged: "), "{damaged}");
    assert!(failed(&["verify", &fixture("v1-refused.mana")], 1).starts_with("unsupported_version: "));
    assert!(failed(&["verify", "/no/such/file"], 1).starts_with("failed: /no/such/file: "));
}

#[test]
fn extract_writes_a_file_per_table_and_over_nothing() {
    let folder = Folder::new("extract");
    let out = folder.at("out");
    done(&["extract", &fixture("sealed.mana"), "--out", &out, "--passphrase-file", &folder.at("words")]);
    let tasks = std::fs::read_to_string(Path::new(&out).join("tasks.jsonl")).unwrap();
    assert_eq!(tasks.lines().count(), 250);
    let again = failed(&["extract", &fixture("plain.mana"), "--out", &out], 1);
    assert!(again.contains("exists"), "{again}");
}

#[test]
fn extract_as_csv_gives_each_field_a_column_and_runs_no_formula() {
    let folder = Folder::new("csv");
    let rows = [
        serde_json::json!({ "id": "a", "title": "=HYPERLINK(\"x\")", "n": -5 }),
        serde_json::json!({ "id": "b", "note": "two\nlines, \"quoted\"", "tags": ["x"], "none": null }),
    ];
    std::fs::write(folder.at("a.mana"), support::plain(&[("tasks".to_owned(), rows.to_vec())].into())).unwrap();
    done(&["extract", &folder.at("a.mana"), "--csv", "--out", &folder.at("out")]);
    let text = std::fs::read_to_string(folder.0.join("out/tasks.csv")).unwrap();
    let lines = "id,n,none,note,tags,title\na,-5,,,,\"'=HYPERLINK(\"\"x\"\")\"\nb,,,\"two\nlines, \"\"quoted\"\"\",\"[\"\"x\"\"]\",\n";
    assert_eq!(text, lines);
}

#[test]
fn what_is_sealed_and_unsealed_again_is_the_same() {
    let folder = Folder::new("seal");
    let (words, sealed, opened) = (folder.at("words"), folder.at("sealed.mana"), folder.at("opened.mana"));
    done(&["seal", &fixture("plain.mana"), "--out", &sealed, "--passphrase-file", &words]);
    assert!(done(&["inspect", &sealed]).contains("sealed     yes"));
    let wrong = failed(&["verify", &sealed, "--passphrase-file", &folder.at("wrong")], 1);
    assert!(wrong.starts_with("wrong_passphrase: "), "{wrong}");
    done(&["unseal", &sealed, "--out", &opened, "--passphrase-file", &words]);
    let tables = |path: &str| support::open(&std::fs::read(path).unwrap()).and_then(support::tables).unwrap();
    assert_eq!(tables(&opened), tables(&fixture("plain.mana")));
    // Neither is written over, nothing is left of what failed.
    assert!(
        failed(&["seal", &fixture("plain.mana"), "--out", &sealed, "--passphrase-file", &words], 1).contains("exists")
    );
    assert!(
        failed(&["seal", &sealed, "--out", &folder.at("twice"), "--passphrase-file", &words], 1).contains("already")
    );
    assert!(!Path::new(&folder.at("twice")).exists());
}

#[test]
fn help_names_every_command_and_mistakes_end_with_2() {
    let help = done(&["--help"]);
    assert!(["inspect", "verify", "extract", "seal", "unseal"].iter().all(|name| help.contains(name)), "{help}");
    let exit_codes = &help[help.find("Exit codes:\n").expect(&help)..];
    for code in ["  0  Done.\n", "  1  The archive was refused", "  2  The command line was wrong."] {
        assert!(exit_codes.contains(code), "{help}");
    }
    let words = include_str!("../../docs/archives.md");
    let is_shown = |name: &&str| words.contains(&format!("\nmana-archive {name} "));
    assert!(["inspect", "verify", "extract", "seal", "unseal"].iter().all(is_shown));
    // What they say of 0 and 1 is what every other test here sees.
    failed(&["open", "x"], 2);
    failed(&["extract", "x"], 2);
    failed(&["verify", "x", "--passphrase", "words"], 2);
}

#[test]
#[cfg(unix)]
fn what_cannot_be_read_is_no_damage() {
    // A pipe has no end that could be read first.
    let mut command = Command::new(env!("CARGO_BIN_EXE_mana-archive"));
    let command = command.args(["verify", "/dev/stdin"]).stdin(std::process::Stdio::piped());
    let mut running = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(running.stdin.take());
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("archive_unreadable: "), "{said}");
    let folder = failed(&["verify", env!("CARGO_MANIFEST_DIR")], 1);
    assert!(folder.starts_with("archive_unreadable: "), "{folder}");
}

#[test]
fn larger_files_are_read_on_request() {
    for gib in ["0", "5", "x"] {
        failed(&["verify", &fixture("plain.mana"), "--max-gib", gib], 2);
    }
    assert!(done(&["--max-gib", "2", "verify", &fixture("plain.mana")]).contains("ok: 4 tables, 263 rows"));
    // A gigabyte and one byte, as its headers say: too large is told before it is unpacked, damaged after.
    let folder = Folder::new("larger");
    let file = folder.at("larger.mana");
    let entries = [
        raw_zip::Entry::of("manifest.json", &support::manifest().to_json().to_string()),
        raw_zip::Entry {
            method: 8,
            says_bytes: Some((1 << 30) + 1),
            content: vec![0; 2 << 20],
            ..raw_zip::Entry::of("data/tasks.jsonl", "")
        },
    ];
    std::fs::write(&file, raw_zip::Zip::of(entries.to_vec()).bytes()).unwrap();
    assert!(failed(&["verify", &file], 1).starts_with("archive_too_large: "));
    assert!(failed(&["verify", &file, "--max-gib", "2"], 1).starts_with("archive_damaged: "));
}

#[test]
fn what_is_missing_is_said_when_it_is_verified_and_extracted() {
    let folder = Folder::new("missing");
    let file = folder.at("missing.mana");
    let mut writer = mana_archive::Writer::new(Vec::new(), &support::manifest()).unwrap();
    let lost = |n: u32| serde_json::json!({ "table": "tasks", "id": format!("t{n}"), "field": "title" });
    writer.missing(&[lost(1), lost(2), serde_json::json!({ "more": 5 })]).unwrap();
    std::fs::write(&file, writer.finish().unwrap()).unwrap();
    for command in [vec!["verify", &file], vec!["extract", &file, "--out", &folder.at("out")]] {
        assert!(done(&command).contains("incomplete: 7 values"), "{command:?}");
    }
    assert!(!done(&["extract", &fixture("plain.mana"), "--out", &folder.at("whole")]).contains("incomplete"));
}
