//! The keys that are there now, and sealing and opening values with them.

use super::secret::random_bytes;
use super::{Envelope, Error, Format, KeyName, MasterKey, Place, Random, Unopened};
use crate::model::{Stamp, json_bytes};
use serde_json::Value;
use std::cell::Cell;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// How many values a key may seal until it should be rotated: half of [`MAX_USES`].
pub const ROTATE_AT_USES: u64 = 1 << 31;
/// How many values a key may seal at all. NIST SP 800-38D, 8.3, allows 2^32 random IVs of 96 bits, so that two are equal
/// with a probability below 2^-32.
pub const MAX_USES: u64 = 1 << 32;

/// A user's keys, from the oldest to the newest. Dropping the ring overwrites them.
///
/// Whoever gives out envelopes can write any name on them, and a short id can be had by trying. So a name says where to look
/// and never more: a value is opened by whichever key of that id fits, of whatever generation it is called, and a key that
/// another one opened never seals.
#[derive(Debug, Default)]
pub struct Keyring {
    // Ordered by name.
    keys: Vec<Held>,
}

/// A key of a ring.
#[derive(Debug)]
pub(super) struct Held {
    name: KeyName,
    key: MasterKey,
    uses: Cell<u64>,
    // Another key opened it.
    is_older: bool,
}

impl ZeroizeOnDrop for Keyring where MasterKey: ZeroizeOnDrop {}

impl Keyring {
    /// A ring without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the key of a generation, which may seal; one that is there stays as it is, with its uses.
    pub fn insert(&mut self, generation: u16, key: MasterKey) -> KeyName {
        self.add(Held { name: KeyName { generation, id: key.id() }, key, uses: Cell::new(0), is_older: false })
    }

    /// Adds a key that another one of the ring opened: it opens, and never seals.
    pub(super) fn insert_older(&mut self, generation: u16, key: MasterKey) -> KeyName {
        self.add(Held { name: KeyName { generation, id: key.id() }, key, uses: Cell::new(0), is_older: true })
    }

    fn add(&mut self, new: Held) -> KeyName {
        let name = new.name;
        match self.keys.iter_mut().find(|held| held.name == name && held.key == new.key) {
            Some(held) => held.is_older &= new.is_older,
            None => self.keys.insert(self.keys.partition_point(|held| held.name <= name), new),
        }
        name
    }

    /// Has the key that seals known under that name, in place of the one it had; false where it has another id.
    pub fn name_newest(&mut self, name: KeyName) -> bool {
        let Some(at) = self.newest_at().filter(|at| self.keys[*at].name.id == name.id) else { return false };
        let held = self.keys.remove(at);
        self.add(Held { name, ..held });
        true
    }

    /// Drops all keys.
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The names of the keys, the newest last.
    pub fn names(&self) -> impl Iterator<Item = KeyName> {
        self.keys.iter().map(|held| held.name)
    }

    /// The name of the key that seals.
    #[must_use]
    pub fn newest(&self) -> Option<KeyName> {
        self.newest_held().map(|held| held.name)
    }

    /// The key that seals.
    #[must_use]
    pub fn newest_key(&self) -> Option<&MasterKey> {
        self.newest_held().map(|held| &held.key)
    }

    /// A key by its name.
    #[must_use]
    pub fn key(&self, name: KeyName) -> Option<&MasterKey> {
        self.held(name).map(|held| &held.key)
    }

    /// Whether that key is here, under whatever name.
    #[must_use]
    pub fn holds(&self, key: &MasterKey) -> bool {
        self.keys.iter().any(|held| held.key == *key)
    }

    /// How many values a key has sealed, as far as is known here.
    #[must_use]
    pub fn uses(&self, name: KeyName) -> u64 {
        self.held(name).map_or(0, |held| held.uses.get())
    }

    /// Counts values that the key has sealed elsewhere: in earlier sessions, in other tabs, on other devices, by
    /// `WebCrypto`.
    pub fn add_uses(&self, name: KeyName, many: u64) {
        if let Some(held) = self.held(name) {
            held.uses.set(held.uses.get().saturating_add(many));
        }
    }

    /// Takes note that the key has sealed at least so many values, wherever.
    pub fn used_at_least(&self, name: KeyName, many: u64) {
        if let Some(held) = self.held(name) {
            held.uses.set(held.uses.get().max(many));
        }
    }

    /// Whether the newest key has been used so often that it should be rotated.
    #[must_use]
    pub fn rotation_due(&self) -> bool {
        self.newest_held().is_some_and(|held| held.uses.get() >= ROTATE_AT_USES)
    }

    /// Seals a value, `null` too, with the newest key.
    pub fn seal(
        &self,
        format: Format,
        place: &Place<'_>,
        at: Stamp,
        value: &Value,
        random: Random<'_>,
    ) -> Result<String, Error> {
        self.seal_json(format, place, at, json_of(value), random)
    }

    /// Seals a value's JSON, as it is, with the newest key.
    pub fn seal_json(
        &self,
        format: Format,
        place: &Place<'_>,
        at: Stamp,
        json: Vec<u8>,
        random: Random<'_>,
    ) -> Result<String, Error> {
        let newest = self.newest_held().ok_or(Error::NoKey)?;
        newest.seal(newest.name, format, &place.associated_data(at), json, random)
    }

    /// Opens a text that should be sealed and parses what is in it.
    pub fn open(&self, place: &Place<'_>, at: Stamp, text: &str) -> Result<Value, Unopened> {
        value_of(&self.open_json(place, at, text)?)
    }

    /// The same, by nothing but the key that seals: who has an older one of the user's says nothing here.
    pub fn open_newest(&self, place: &Place<'_>, at: Stamp, text: &str) -> Result<Value, Unopened> {
        let envelope = Envelope::parse(text).ok_or(Unopened::NotAnEnvelope)?;
        let (held, json) = self.open_held(place, at, envelope)?;
        let is_newest = self.newest_held().is_some_and(|newest| std::ptr::eq(newest, held));
        if is_newest { value_of(&json) } else { Err(Unopened::UnknownKey) }
    }

    /// Opens a text that should be sealed, to the JSON in it as it was sealed.
    pub fn open_json(&self, place: &Place<'_>, at: Stamp, text: &str) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        self.open_bound(place, at, text).map(|(_, json)| json)
    }

    /// The same, with the format that it was sealed in: what is of format 2 was sealed for this place and stamp.
    ///
    /// A client that knows `enc:1` only may have sealed an `enc:2` text once more: an `enc:1` envelope around one that
    /// opens for this place and stamp opens to what that holds; around any other text it opens to that text.
    pub fn open_bound(
        &self,
        place: &Place<'_>,
        at: Stamp,
        text: &str,
    ) -> Result<(Format, Zeroizing<Vec<u8>>), Unopened> {
        let envelope = Envelope::parse(text).ok_or(Unopened::NotAnEnvelope)?;
        if envelope.key().is_some() {
            return Ok((Format::Two, self.open_two(place, at, envelope)?));
        }
        let json = self.open_one(envelope)?;
        let inner = inner_envelope(&json).and_then(|inner| self.open_two(place, at, inner).ok());
        Ok(inner.map_or((Format::One, json), |inner| (Format::Two, inner)))
    }

    /// `enc:1` names no key: every one is tried, the newest first.
    fn open_one(&self, envelope: Envelope) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        open_with(self.keys.iter().rev(), &[], envelope).map(|(_, json)| json)
    }

    fn open_two(&self, place: &Place<'_>, at: Stamp, envelope: Envelope) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        self.open_held(place, at, envelope).map(|(_, json)| json)
    }

    /// The same, with the key that opened it. Ids are short, so several keys may have it: every one is tried.
    pub(super) fn open_held(
        &self,
        place: &Place<'_>,
        at: Stamp,
        envelope: Envelope,
    ) -> Result<(&Held, Zeroizing<Vec<u8>>), Unopened> {
        let id = envelope.key().map(|name| name.id);
        let keys = self.keys.iter().filter(|held| Some(held.name.id) == id);
        open_with(keys, &place.associated_data(at), envelope)
    }

    fn newest_at(&self) -> Option<usize> {
        self.keys.iter().rposition(|held| !held.is_older)
    }

    pub(super) fn newest_held(&self) -> Option<&Held> {
        self.newest_at().map(|at| &self.keys[at])
    }

    fn held(&self, name: KeyName) -> Option<&Held> {
        self.keys.iter().find(|held| held.name == name)
    }
}

impl Held {
    /// Seals with the key, called by that name, and counts that. Whether it works or not, no plaintext is left behind.
    pub(super) fn seal(
        &self,
        name: KeyName,
        format: Format,
        associated: &[u8],
        json: Vec<u8>,
        random: Random<'_>,
    ) -> Result<String, Error> {
        let mut json = Zeroizing::new(json);
        self.count_use()?;
        let iv = random_bytes(random)?;
        let (key, associated) = match format {
            Format::One => (None, &[][..]),
            Format::Two => (Some(name), associated),
        };
        self.key.seal(&iv, associated, &mut json);
        Ok(Envelope::sealed(key, iv, std::mem::take(&mut *json)).to_text())
    }

    pub(super) fn name(&self) -> KeyName {
        self.name
    }

    fn count_use(&self) -> Result<(), Error> {
        let uses = self.uses.get();
        if uses >= MAX_USES {
            return Err(Error::KeyExhausted(self.name));
        }
        self.uses.set(uses + 1);
        Ok(())
    }
}

fn value_of(json: &[u8]) -> Result<Value, Unopened> {
    // As text: the engine has a parser of texts, and one of bytes would be another 8 KB of WebAssembly.
    std::str::from_utf8(json).ok().and_then(|json| serde_json::from_str(json).ok()).ok_or(Unopened::NotJson)
}

/// In a buffer that never has to grow: what it grew out of would be left in memory.
fn json_of(value: &Value) -> Vec<u8> {
    let mut json = Vec::with_capacity(json_bytes(value));
    serde_json::to_writer(&mut json, value).expect("JSON is written into memory without fail");
    json
}

fn open_with<'a>(
    keys: impl Iterator<Item = &'a Held>,
    associated: &[u8],
    envelope: Envelope,
) -> Result<(&'a Held, Zeroizing<Vec<u8>>), Unopened> {
    let iv = *envelope.iv();
    let mut text = Zeroizing::new(envelope.into_ciphertext());
    let mut unopened = Unopened::UnknownKey;
    for held in keys {
        if held.key.open(&iv, associated, &mut text) {
            return Ok((held, text));
        }
        unopened = Unopened::DoesNotOpen;
    }
    Err(unopened)
}

/// The `enc:2` envelope that a JSON text is. Envelopes need no escapes in JSON.
fn inner_envelope(json: &[u8]) -> Option<Envelope> {
    let text = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let envelope = Envelope::parse(std::str::from_utf8(text).ok()?)?;
    (envelope.format() == Format::Two).then_some(envelope)
}
