//! Older keys sealed under their successors, so that the newest key opens everything.
//!
//! A sealed key is an `enc:2` envelope around the key's bytes in base64, as a JSON text. It is a field of the user's
//! keyring record (app `_mana`, table `keyring`, the user's id as record) named `key:` and the older key's name.

use super::keyring::Held;
use super::secret::cleanly;
use super::{Envelope, Error, Format, KeyName, Keyring, MasterKey, Place, Random, Unopened, base64};
use crate::model::{AppId, FieldName, Malformed, RecordId, Stamp, TableName, UserId};
use zeroize::Zeroizing;

/// What the names of such fields begin with.
const FIELD: &str = "key:";

/// A user's keyring record.
#[derive(Debug, Clone)]
pub struct KeyringRecord {
    app: AppId,
    table: TableName,
    record: RecordId,
}

impl KeyringRecord {
    /// The keyring of a user.
    pub fn of(user: &UserId) -> Result<Self, Malformed> {
        Ok(Self {
            app: AppId::parse("_mana")?,
            table: TableName::parse("keyring")?,
            record: RecordId::parse(user.as_str())?,
        })
    }

    /// The app that the record belongs to.
    #[must_use]
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// The table that the record is in.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// A field of the record.
    #[must_use]
    pub fn place<'a>(&'a self, field: &'a FieldName) -> Place<'a> {
        Place::new(&self.app, &self.table, &self.record, field)
    }

    /// The field of a sealed key.
    pub fn field_of(name: KeyName) -> Result<FieldName, Malformed> {
        FieldName::parse(format!("{FIELD}{name}"))
    }

    /// The key that a field holds; `None` when the field holds something else.
    #[must_use]
    pub fn key_in(field: &FieldName) -> Option<KeyName> {
        KeyName::parse(field.as_str().strip_prefix(FIELD)?)
    }
}

/// A field of the keyring record that may hold a sealed key.
#[derive(Debug, Clone, Copy)]
pub struct SealedKey<'a> {
    /// The field's name.
    pub field: &'a FieldName,
    /// The field's stamp.
    pub at: Stamp,
    /// The field's value.
    pub text: &'a str,
}

/// A sealed key, opened.
struct Opened<'a> {
    named: KeyName,
    key: MasterKey,
    /// The key that it lies under, and what that is called there.
    under: &'a Held,
    called: KeyName,
}

impl Keyring {
    /// Seals an older key under the one that seals here; that is a use of it. [`Error::NoKey`] when there is none, or it is
    /// not newer.
    pub fn seal_key(
        &self,
        record: &KeyringRecord,
        (older, key): (KeyName, &MasterKey),
        at: Stamp,
        random: Random<'_>,
    ) -> Result<String, Error> {
        let newest = self.newest_held().filter(|newest| older < newest.name()).ok_or(Error::NoKey)?;
        seal_under((newest, newest.name()), record, (older, key), at, random)
    }

    /// Opens a sealed key and adds it: it opens, and never seals. [`Unopened::DoesNotOpen`] also when it is not the key
    /// that its field names, or was sealed under an older one.
    pub fn open_key(&mut self, record: &KeyringRecord, sealed: SealedKey<'_>) -> Result<KeyName, Unopened> {
        let opened = self.opened(record, sealed)?;
        let (named, key) = (opened.named, opened.key);
        Ok(self.insert_older(named.generation, key))
    }

    fn opened(&self, record: &KeyringRecord, sealed: SealedKey<'_>) -> Result<Opened<'_>, Unopened> {
        let named = KeyringRecord::key_in(sealed.field).ok_or(Unopened::NotAnEnvelope)?;
        let envelope = Envelope::parse(sealed.text).ok_or(Unopened::NotAnEnvelope)?;
        // What names no key could have been sealed for another place.
        let called = envelope.key().filter(|successor| *successor > named).ok_or(Unopened::DoesNotOpen)?;
        let (under, json) = cleanly(|| self.open_held(&record.place(sealed.field), sealed.at, envelope))?;
        let key = key_of(&json).filter(|key| key.id() == named.id).ok_or(Unopened::DoesNotOpen)?;
        Ok(Opened { named, key, under, called })
    }

    /// Seals a sealed key for another time, under the key that it lies under; that is a use of it. Only what opens as it is, in
    /// its place and for its stamp, is sealed anew: whoever sealed it had both keys, whatever names somebody else may give
    /// them.
    pub fn reseal_key(
        &self,
        record: &KeyringRecord,
        sealed: SealedKey<'_>,
        at: Stamp,
        random: Random<'_>,
    ) -> Result<String, Error> {
        let opened = self.opened(record, sealed).map_err(|_| Error::NoKey)?;
        seal_under((opened.under, opened.called), record, (opened.named, &opened.key), at, random)
    }

    /// Opens every sealed key that a key of the ring leads to, in whatever order they are given, and adds them. Gives the
    /// names of those that stay closed.
    pub fn open_keys(&mut self, record: &KeyringRecord, sealed: &[SealedKey<'_>]) -> Vec<KeyName> {
        let mut closed: Vec<_> =
            sealed.iter().filter_map(|sealed| Some((KeyringRecord::key_in(sealed.field)?, *sealed))).collect();
        // Each key that opens may be the one that opens others.
        let mut left = usize::MAX;
        while closed.len() < left {
            left = closed.len();
            closed.retain(|(_, sealed)| self.open_key(record, *sealed).is_err());
        }
        closed.into_iter().map(|(name, _)| name).collect()
    }
}

fn seal_under(
    (held, successor): (&Held, KeyName),
    record: &KeyringRecord,
    (older, key): (KeyName, &MasterKey),
    at: Stamp,
    random: Random<'_>,
) -> Result<String, Error> {
    let field = KeyringRecord::field_of(older).map_err(|_| Error::NoKey)?;
    let bytes = Zeroizing::new(base64::encode(key.expose()));
    let mut json = Vec::with_capacity(bytes.len() + 2);
    json.push(b'"');
    json.extend_from_slice(bytes.as_bytes());
    json.push(b'"');
    let associated = record.place(&field).associated_data(at);
    cleanly(|| held.seal(successor, Format::Two, &associated, json, random))
}

fn key_of(json: &[u8]) -> Option<MasterKey> {
    let text = std::str::from_utf8(json.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()?;
    MasterKey::from_bytes(&Zeroizing::new(base64::decode(text)?)).ok()
}
