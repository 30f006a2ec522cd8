//! What is in an entry of a zip, unpacked as it is read.

use crate::structure::Entry;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom, Take};

/// Bytes of the file that are read at once.
const PIECE: usize = 32 * 1024;

/// Fails where an entry unpacks to more or less than it says, or to something else than its checksum: its headers alone are not
/// believed.
pub struct Content<'a, R> {
    packed: Packed<'a, R>,
    left: u64,
    crc: Crc,
    expected: u32,
}

enum Packed<'a, R> {
    Stored(Take<&'a mut R>),
    Deflated(Box<DeflateDecoder<BufReader<Take<&'a mut R>>>>),
}

impl<'a, R: Read + Seek> Content<'a, R> {
    /// The content of an entry of `source`, whose structure was checked.
    pub fn of(source: &'a mut R, entry: &Entry) -> crate::Result<Self> {
        source.seek(SeekFrom::Start(entry.data))?;
        let bytes = source.take(entry.packed);
        let packed = if entry.is_deflated() {
            Packed::Deflated(Box::new(DeflateDecoder::new(BufReader::with_capacity(PIECE, bytes))))
        } else {
            Packed::Stored(bytes)
        };
        Ok(Self { packed, left: entry.bytes, crc: Crc::new(), expected: entry.crc })
    }
}

impl<R: Read> Content<'_, R> {
    /// Whether all of the packed bytes were needed: what follows the end of a DEFLATE stream is nobody's.
    fn is_used_up(&mut self) -> bool {
        match &mut self.packed {
            Packed::Stored(bytes) => bytes.limit() == 0,
            Packed::Deflated(decoder) => {
                let rest = decoder.get_mut();
                rest.buffer().is_empty() && rest.get_ref().limit() == 0
            }
        }
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = match &mut self.packed {
            Packed::Stored(bytes) => bytes.read(buffer)?,
            Packed::Deflated(decoder) => decoder.read(buffer)?,
        };
        let wrong = |what| Error::new(ErrorKind::InvalidData, what);
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| wrong("an entry is longer than it says"))?;
        self.crc.update(&buffer[..count]);
        if count == 0 && !buffer.is_empty() {
            if self.left > 0 || !self.is_used_up() {
                return Err(wrong("an entry is not of the size it says"));
            }
            if self.crc.sum() != self.expected {
                return Err(wrong("an entry's checksum does not fit"));
            }
        }
        Ok(count)
    }
}
