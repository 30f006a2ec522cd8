//! A disk or network that fails while an archive is read or written is told from an archive that is damaged.

mod support;

use mana_archive::{Archive, Limits, Result, SealedWriter, Writer};
use serde_json::json;
use std::io::{Cursor, Error, Read, Seek, SeekFrom, Write};
use support::{Tables, fill, key, manifest, plain, random, sealed};

/// A file that fails from some operation on.
struct Failing<F> {
    file: F,
    left: usize,
}

impl<F> Failing<F> {
    fn file(&mut self) -> std::io::Result<&mut F> {
        self.left = self.left.checked_sub(1).ok_or_else(|| Error::from_raw_os_error(5))?;
        Ok(&mut self.file)
    }
}

impl<F: Read> Read for Failing<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // In pieces, so that some entries are cut.
        let most = buffer.len().min(100);
        self.file()?.read(&mut buffer[..most])
    }
}

impl<F: Seek> Seek for Failing<F> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file()?.seek(to)
    }
}

impl<F: Write> Write for Failing<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let most = bytes.len().min(100);
        self.file()?.write(&bytes[..most])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn rows() -> Tables {
    let row = |n: u32| json!({ "id": format!("r{n}"), "title": n.wrapping_mul(0x9e37_79b9) });
    Tables::from([("notes".to_owned(), vec![]), ("tasks".to_owned(), (0..60).map(row).collect())])
}

/// Whatever operation fails, that is what is told; gives how many there are.
fn operations_of<T>(what: &str, run: impl Fn(usize) -> Result<T>) -> usize {
    for left in 0.. {
        match run(left) {
            Ok(_) => return left,
            Err(error) => assert_eq!(error.code(), "archive_unreadable", "{what}, operation {left}: {error}"),
        }
    }
    unreachable!("it ends some time")
}

#[test]
fn a_file_that_fails_while_it_is_read_is_unreadable() {
    let (plain, sealed, incomplete) = (plain(&rows()), sealed(&rows()), with_missing());
    let open = |bytes, left| Archive::open(Failing { file: Cursor::new(bytes), left }, Limits::default());
    let counts = [
        operations_of("all of it", |left| open(&plain, left)?.verify()),
        operations_of("rows", |left| support::tables(open(&plain, left)?)),
        operations_of("what is missing", |left| open(&incomplete, left)?.missing()),
        operations_of("all of a sealed one", |left| open(&sealed, left)?.verify()),
        operations_of("what is sealed", |left| support::tables(open(&sealed, left)?.sealed()?.open_with(&key())?)),
        operations_of("its place", |left| open(&sealed, left)?.sealed_place()),
    ];
    assert!(counts.iter().all(|count| *count > 15), "{counts:?} operations");
}

fn with_missing() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &manifest()).unwrap();
    writer.missing(&[json!({ "table": "tasks", "id": "a", "field": "title" })]).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_body_that_fails_once_it_is_open_is_unreadable() {
    let bytes = sealed(&rows());
    let (lock, mut body) = support::open(&bytes).unwrap().sealed().unwrap().into_parts();
    lock.decrypt(&key(), &mut body).unwrap();
    let read = |left| {
        let lock = support::open(&bytes).unwrap().lock().unwrap();
        support::tables(lock.opened(Failing { file: Cursor::new(&body), left })?)
    };
    assert!(operations_of("the body", read) > 15);
}

#[test]
fn a_file_that_fails_while_it_is_written_is_unreadable() {
    let to = |left| Failing { file: Vec::new(), left };
    let plain = |left| {
        let mut writer = Writer::new(to(left), &manifest())?;
        fill(&mut writer, &rows());
        writer.finish()
    };
    let sealed = |left| {
        let mut writer = SealedWriter::with_key(Vec::new(), &manifest(), key(), random())?;
        fill(writer.body(), &rows());
        writer.finish(to(left))
    };
    assert!(operations_of("plain", plain) > 5);
    assert!(operations_of("sealed", sealed) > 5);
}
