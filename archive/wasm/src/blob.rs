//! A file of the browser's, read at once where it is asked for: workers can do that.

use js_sys::{Function, Uint8Array};
use std::io::{Error, Read, Result, Seek, SeekFrom};
use wasm_bindgen::{JsCast, JsValue};

/// Bytes that `read(from, to)` gives as a `Uint8Array`.
pub struct Blob {
    size: u64,
    at: u64,
    read: Function,
}

impl Blob {
    pub fn new(size: f64, read: Function) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes are whole and no files of 2^53 bytes"
        )]
        Self { size: size.max(0.0) as u64, at: 0, read }
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let to = self.size.min(self.at.saturating_add(buffer.len() as u64));
        if to <= self.at {
            return Ok(0);
        }
        #[expect(clippy::cast_precision_loss, reason = "no files of 2^53 bytes")]
        let (from, end) = (self.at as f64, to as f64);
        let read = self.read.call2(&JsValue::NULL, &from.into(), &end.into());
        let bytes = read.ok().and_then(|bytes| bytes.dyn_into::<Uint8Array>().ok());
        let bytes = bytes.ok_or_else(|| Error::other("the file cannot be read any more"))?;
        let count = bytes.length().min(u32::try_from(buffer.len()).unwrap_or(u32::MAX));
        bytes.subarray(0, count).copy_to(&mut buffer[..count as usize]);
        self.at += u64::from(count);
        Ok(count as usize)
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
