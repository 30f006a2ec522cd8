//! The committed inputs of the fuzz target, seeds and those that once failed, go through what the target runs.

#[path = "../../fuzz/src/archive.rs"]
mod archive;
#[path = "support/corpus.rs"]
mod corpus;
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
fn every_file_that_made_trouble_elsewhere_is_read_or_refused() {
    for bytes in corpus::fuzzed().iter().chain(&corpus::broke_others()) {
        archive::run(bytes);
    }
}
