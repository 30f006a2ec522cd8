//! Neither writing nor reading holds a table: memory does not grow with its rows. Alone in its process, which it measures.

mod support;

use mana_archive::{Archive, Limits, Writer};
use std::fs::File;
use std::io::BufReader;

const ROWS: u64 = 300_000;
/// What writing and reading may take together, of tables of 70 MB.
const MOST_KIB: u64 = 8 * 1024;

#[test]
fn more_rows_need_no_more_memory() {
    let path = std::env::temp_dir().join(format!("mana-archive-memory-{}", std::process::id()));
    let before = support::peak_kib();
    let mut writer = Writer::new(File::create(&path).unwrap(), &support::manifest()).unwrap();
    writer.table("tasks").unwrap();
    for n in 0..ROWS {
        writer.row(&format!("{{\"id\":\"{n}\",\"title\":\"{:0>200}\"}}", n * 7919)).unwrap();
    }
    writer.finish().unwrap();
    let mut archive = Archive::open(BufReader::new(File::open(&path).unwrap()), Limits::default()).unwrap();
    assert_eq!(archive.verify().unwrap(), [("tasks".to_owned(), ROWS)]);
    let after = support::peak_kib();
    std::fs::remove_file(path).unwrap();
    assert!(after < before + MOST_KIB, "{before} KiB before, {after} KiB after");
}
