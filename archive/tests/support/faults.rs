//! Archives with one fault each.

pub use super::manifest_faults::{iterations, manifests};
use super::raw_zip::{Entry, Zip, crc32};
use super::{deflated, manifest};

pub const ROW: &str = "{\"id\":\"a\"}\n";

/// An archive that is refused.
pub struct Fault {
    pub what: String,
    pub code: &'static str,
    /// What the message begins with.
    pub says: String,
    pub bytes: Vec<u8>,
}

impl Fault {
    pub fn new(what: &str, code: &'static str, zip: &Zip) -> Self {
        Self { what: what.to_owned(), code, says: String::new(), bytes: zip.bytes() }
    }
}

pub fn all() -> Vec<Fault> {
    [zips(), names(), rows(), manifests(), iterations()].into_iter().flatten().collect()
}

pub fn manifest_entry() -> Entry {
    Entry::of("manifest.json", &manifest().to_json().to_string())
}

pub fn with(entry: Entry) -> Zip {
    Zip::of(vec![manifest_entry(), entry])
}

pub fn table() -> Entry {
    Entry::of("data/tasks.jsonl", ROW)
}

/// A table that is packed, and says that it has so many bytes.
pub fn packed(says_bytes: u32) -> Entry {
    let (content, crc) = (deflated(1, ROW.as_bytes()), Some(crc32(ROW.as_bytes())));
    Entry { method: 8, says_bytes: Some(says_bytes), crc, content, ..table() }
}

/// Zips that two readers could read differently.
pub fn zips() -> Vec<Fault> {
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
        ("longer than it says", with(packed(3))),
        ("shorter than it says", with(packed(30))),
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
    odd.iter().map(|(what, zip)| Fault::new(what, "archive_damaged", zip)).collect()
}

/// Names that lead elsewhere.
pub fn names() -> Vec<Fault> {
    let names = [
        "../tasks.jsonl",
        "/etc/passwd",
        "data/../tasks.jsonl",
        "data//tasks.jsonl",
        "data/a/b.jsonl",
        "data/tasks.json",
        "data/.jsonl",
        "data/",
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
    let latin = b"data/t\xe4.jsonl".as_slice();
    let fault = |name: &[u8]| {
        let entry = Entry { name: name.to_vec(), ..table() };
        Fault::new(&format!("{:?}", String::from_utf8_lossy(name)), "archive_damaged", &with(entry))
    };
    names.iter().map(|name| name.as_bytes()).chain([latin]).map(fault).collect()
}

/// Rows so deep.
pub fn deep(levels: usize) -> String {
    format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels))
}

/// Rows that are no objects, in the third line.
pub fn rows() -> Vec<Fault> {
    let deep = deep(200);
    let rows = ["[]", "null", "{", "{} {}", "{\"a\":1e999}", "{'a':1}", "\u{feff}{}", &deep];
    let latin = b"{\"id\":\"\xe4\"}".as_slice();
    let fault = |row: &[u8]| {
        let content = [ROW.as_bytes(), b"\n", row, b"\n"].concat();
        let what = String::from_utf8_lossy(row);
        let fault = Fault::new(&what, "row_invalid", &with(Entry { content, ..table() }));
        Fault { says: "data/tasks.jsonl, line 3:".to_owned(), ..fault }
    };
    rows.iter().map(|row| row.as_bytes()).chain([latin]).map(fault).collect()
}
