//! The committed inputs of the fuzz target, seeds and those that once failed, go through what the target runs.

#[path = "../../fuzz/src/archive.rs"]
mod archive;
#[path = "../../fuzz/src/limit.rs"]
mod limit;

use std::fs;
use std::path::Path;

#[test]
fn every_file_is_read_or_refused() {
    let mut count = 0;
    for folder in ["seeds", "crashers"] {
        for file in
            fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder).join("archive")).unwrap()
        {
            let path = file.unwrap().path();
            println!("{}", path.display());
            archive::run(&fs::read(path).unwrap());
            count += 1;
        }
    }
    assert!(count > 3, "{count} inputs");
}

#[test]
fn every_input_of_another_zip_readers_fuzzer_is_refused() {
    let folder = std::env::temp_dir().join(format!("mana-archive-corpus-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/zip2-fuzz/fuzz-read-corpus-951.tar.gz");
    let unpacked = std::process::Command::new("tar").arg("-xzf").arg(packed).arg("-C").arg(&folder).status().unwrap();
    assert!(unpacked.success());
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 951);
    for path in files {
        let bytes = fs::read(path).unwrap();
        archive::run(&bytes);
        let opened = mana_archive::Archive::open(std::io::Cursor::new(&bytes), mana_archive::Limits::default());
        assert!(matches!(opened.unwrap_err().code(), "not_an_archive" | "archive_damaged" | "archive_too_large"));
    }
    fs::remove_dir_all(folder).unwrap();
}
