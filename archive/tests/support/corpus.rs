//! Files that made trouble elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// What broke other readers. None has a manifest.
pub fn broke_others() -> Vec<Vec<u8>> {
    ["zip2", "libarchive"].iter().flat_map(|name| files_of(&vectors().join(name))).collect()
}

/// The inputs of another zip reader's fuzzer.
pub fn fuzzed() -> Vec<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("mana-archive-corpus-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let packed = vectors().join("zip2-fuzz/fuzz-read-corpus-951.tar.gz");
    let unpacked = std::process::Command::new("tar").arg("-xzf").arg(packed).arg("-C").arg(&folder).status().unwrap();
    assert!(unpacked.success());
    let files = files_of(&folder);
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(files.len(), 951);
    files
}

fn files_of(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}
