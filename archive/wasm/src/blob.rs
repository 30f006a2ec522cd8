//! A file of the browser's, read at once where it is asked for: workers can do that.

use js_sys::{Function, Uint8Array};
use std::io::{Error, Read, Result, Seek, SeekFrom};
use wasm_bindgen::{JsCast, JsValue};

/// Bytes that are read of a file at once.
const PIECE: u64 = 256 * 1024;

/// Bytes that `read(from, to)` gives as a `Uint8Array`. The piece that was read last is kept, wherever is sought meanwhile: headers
/// that lie beside each other cost one reading.
pub struct Blob {
    size: u64,
    at: u64,
    read: Function,
    piece: Vec<u8>,
    /// Where the piece begins.
    from: u64,
}

impl Blob {
    pub fn new(size: f64, read: Function) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes are whole and no files of 2^53 bytes"
        )]
        let size = size.max(0.0) as u64;
        Self { size, at: 0, read, piece: Vec::new(), from: 0 }
    }

    /// Reads the piece that begins here.
    fn fetch(&mut self) -> Result<()> {
        let to = self.size.min(self.at.saturating_add(PIECE));
        #[expect(clippy::cast_precision_loss, reason = "no files of 2^53 bytes")]
        let (from, end) = (self.at as f64, to as f64);
        let read = self.read.call2(&JsValue::NULL, &from.into(), &end.into());
        let bytes = read.ok().and_then(|bytes| bytes.dyn_into::<Uint8Array>().ok());
        let bytes = bytes.filter(|bytes| u64::from(bytes.length()) == to - self.at);
        self.piece = bytes.ok_or_else(|| Error::other("the file cannot be read any more"))?.to_vec();
        self.from = self.at;
        Ok(())
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let is_here = (self.from..self.from + self.piece.len() as u64).contains(&self.at);
        if !is_here {
            self.fetch()?;
        }
        let skip = usize::try_from(self.at - self.from).map_err(Error::other)?;
        let count = (self.piece.len() - skip).min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece[skip..skip + count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Blob {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::other("a place before the beginning"))?;
        Ok(self.at)
    }
}
