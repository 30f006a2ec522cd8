//! Zips written byte by byte, so that every number in them can be wrong.

/// An entry, with what its headers say where that is not the truth.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub local_name: Option<Vec<u8>>,
    pub content: Vec<u8>,
    pub crc: Option<u32>,
    pub says_bytes: Option<u32>,
    pub says_packed: Option<u32>,
    pub flags: u16,
    pub method: u16,
    pub local_method: Option<u16>,
    pub extra: Vec<u8>,
    pub attributes: u32,
    /// The version of the format that the local header says it needs, where it is another than the directory's.
    pub local_version: Option<u16>,
    /// The program that made it.
    pub made_by: u16,
    /// Whether it is text, and more that no reader uses.
    pub internal_attributes: u16,
    /// Time and date, as DOS has them.
    pub time: [u16; 2],
    pub local_time: Option<[u16; 2]>,
    /// Where the directory says that it begins.
    pub offset: Option<u32>,
    /// Bytes before it that belong to nobody.
    pub gap: usize,
}

impl Entry {
    /// A stored entry.
    pub fn of(name: &str, content: &str) -> Self {
        Self {
            name: name.into(),
            local_name: None,
            content: content.into(),
            crc: None,
            says_bytes: None,
            says_packed: None,
            flags: 0,
            method: 0,
            local_method: None,
            extra: Vec::new(),
            attributes: 0,
            local_version: None,
            made_by: 20,
            internal_attributes: 0,
            time: [0, 0],
            local_time: None,
            offset: None,
            gap: 0,
        }
    }

    /// A stored entry as this crate writes one.
    pub fn as_written(name: &str, content: &[u8]) -> Self {
        let (content, attributes) = (content.to_vec(), 0o100_644 << 16);
        Self { content, made_by: 0x0314, time: [0, 0x21], attributes, ..Self::of(name, "") }
    }

    fn crc(&self) -> u32 {
        self.crc.unwrap_or_else(|| crc32(&self.content))
    }

    fn sizes(&self) -> (u32, u32) {
        let length = u32::try_from(self.content.len()).unwrap();
        (self.says_packed.unwrap_or(length), self.says_bytes.unwrap_or(length))
    }
}

/// A zip, with what its end record says where that is not the truth.
#[derive(Debug, Clone, Default)]
pub struct Zip {
    pub entries: Vec<Entry>,
    pub count: Option<u16>,
    pub disk: u16,
    pub comment: Vec<u8>,
    /// What follows its end.
    pub after: Vec<u8>,
    pub directory_at: Option<u32>,
    pub directory_bytes: Option<u32>,
}

impl Zip {
    pub fn of(entries: Vec<Entry>) -> Self {
        Self { entries, ..Self::default() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            out.extend(vec![0; entry.gap]);
            let at = u32::try_from(out.len()).unwrap();
            local(entry, &mut out);
            central(entry, entry.offset.unwrap_or(at), &mut directory);
        }
        let start = u32::try_from(out.len()).unwrap();
        let length = u32::try_from(directory.len()).unwrap();
        let count = self.count.unwrap_or(u16::try_from(self.entries.len()).unwrap());
        out.extend(directory);
        out.extend(0x0605_4b50_u32.to_le_bytes());
        put16(&mut out, &[self.disk, self.disk, count, count]);
        out.extend(self.directory_bytes.unwrap_or(length).to_le_bytes());
        out.extend(self.directory_at.unwrap_or(start).to_le_bytes());
        out.extend(u16::try_from(self.comment.len()).unwrap().to_le_bytes());
        out.extend(&self.comment);
        out.extend(&self.after);
        out
    }
}

fn local(entry: &Entry, out: &mut Vec<u8>) {
    let (packed, bytes) = entry.sizes();
    let name = entry.local_name.as_ref().unwrap_or(&entry.name);
    out.extend(0x0403_4b50_u32.to_le_bytes());
    let method = entry.local_method.unwrap_or(entry.method);
    let [time, date] = entry.local_time.unwrap_or(entry.time);
    put16(out, &[entry.local_version.unwrap_or(20), entry.flags, method, time, date]);
    put32(out, &[entry.crc(), packed, bytes]);
    put16(out, &[length(name), length(&entry.extra)]);
    out.extend(name);
    out.extend(&entry.extra);
    out.extend(&entry.content);
}

fn central(entry: &Entry, offset: u32, out: &mut Vec<u8>) {
    let (packed, bytes) = entry.sizes();
    out.extend(0x0201_4b50_u32.to_le_bytes());
    put16(out, &[entry.made_by, 20, entry.flags, entry.method, entry.time[0], entry.time[1]]);
    put32(out, &[entry.crc(), packed, bytes]);
    put16(out, &[length(&entry.name), length(&entry.extra), 0, 0, entry.internal_attributes]);
    put32(out, &[entry.attributes, offset]);
    out.extend(&entry.name);
    out.extend(&entry.extra);
}

fn length(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap()
}

fn put16(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, numbers: &[u32]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// CRC-32 as zips have it (ISO 3309, reflected), bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
