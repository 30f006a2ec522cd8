//! Where the entries of a zip lie, and whether what stands before and after each says what the directory does.

use crate::structure::{Bytes, DESCRIPTOR, Entry, LOCAL, is_harmless, read};
use crate::{Error, Result};
use std::io::{Read, Seek};

const LOCAL_BYTES: u64 = 30;

/// Every byte up to the directory belongs to one entry, whose local header says what the directory does.
pub(crate) fn follow_each_other<R: Read + Seek>(source: &mut R, entries: &mut [Entry], directory: u64) -> Result<()> {
    let mut order: Vec<&mut Entry> = entries.iter_mut().collect();
    order.sort_by_key(|entry| entry.offset);
    let mut place = 0;
    for entry in order {
        if entry.offset != place {
            return Err(Error::damaged(format!("{} does not begin where the entry before it ends", entry.name)));
        }
        (entry.data, place) = places_of(source, entry, directory)?;
    }
    if place == directory {
        Ok(())
    } else {
        Err(Error::damaged("something lies between its entries and its directory"))
    }
}

/// Where an entry's data begin, and where it ends, after what follows them.
fn places_of<R: Read + Seek>(source: &mut R, entry: &Entry, directory: u64) -> Result<(u64, u64)> {
    let differs = || Error::damaged(format!("{} says of itself something else than the directory", entry.name));
    let fixed = read(source, entry.offset, LOCAL_BYTES.min(directory.saturating_sub(entry.offset)))?;
    if fixed.len() < 30 {
        return Err(differs());
    }
    let local = Bytes(&fixed);
    let (name, extra) = (u64::from(local.u16(26)), u64::from(local.u16(28)));
    let data = entry.offset + LOCAL_BYTES + name + extra;
    let end = data + entry.packed;
    if end > directory || local.u32(0) != LOCAL || fixed[4..14] != entry.repeated {
        return Err(differs());
    }
    let words = read(source, entry.offset + LOCAL_BYTES, name + extra)?;
    let (said, extra) = words.split_at(usize::try_from(name).expect("16 bits"));
    let sizes = [u64::from(entry.crc), entry.packed, entry.bytes];
    // What is not known yet is 0. Info-ZIP's `zip` knows how long a file is that it packs into a stream.
    let agrees = |(at, size): (usize, &u64)| {
        let said = u64::from(local.u32(14 + 4 * at));
        said == *size || entry.has_descriptor() && said == 0
    };
    let agree = sizes.iter().enumerate().all(agrees);
    if said != entry.name.as_bytes() || !is_harmless(extra) || !agree {
        return Err(differs());
    }
    if !entry.has_descriptor() {
        return Ok((data, end));
    }
    let after = after_descriptor(source, entry, end, directory).ok_or_else(differs)??;
    Ok((data, after))
}

/// A descriptor with or without its signature, that says what the directory does.
fn after_descriptor<R: Read + Seek>(source: &mut R, entry: &Entry, end: u64, directory: u64) -> Option<Result<u64>> {
    let bytes = match read(source, end, 16.min(directory - end)) {
        Ok(bytes) => bytes,
        Err(error) => return Some(Err(error)),
    };
    let signed = bytes.len() == 16 && Bytes(&bytes).u32(0) == DESCRIPTOR;
    let said = Bytes(bytes.get(if signed { 4..16 } else { 0..12 })?);
    let agrees =
        said.u32(0) == entry.crc && u64::from(said.u32(4)) == entry.packed && u64::from(said.u32(8)) == entry.bytes;
    agrees.then_some(Ok(end + if signed { 16 } else { 12 }))
}
