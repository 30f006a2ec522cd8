//! Older keys sealed under their successors, so that the newest key opens everything.
//!
//! A sealed key is an `enc:2` envelope around the key's bytes in base64, as a JSON text. It is a field of the user's
//! keyring record (app `_mana`, table `keyring`, the user's id as record) named `key:` and the older key's name.

use super::secret::cleanly;
use super::{Error, Format, KeyName, Keyring, MasterKey, Place, Random, Unopened, base64};
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

impl Keyring {
    /// Seals a key of the ring under a newer one of it; that is a use of the newer one. [`Error::NoKey`] when either is
    /// not here or the successor is not newer.
    pub fn seal_key(
        &self,
        record: &KeyringRecord,
        older: KeyName,
        successor: KeyName,
        at: Stamp,
        random: Random<'_>,
    ) -> Result<String, Error> {
        let key = self.key(older).filter(|_| older < successor).ok_or(Error::NoKey)?;
        self.seal_under(record, (older, key), successor, at, random)
    }

    fn seal_under(
        &self,
        record: &KeyringRecord,
        (older, key): (KeyName, &MasterKey),
        successor: KeyName,
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
        cleanly(|| self.seal_with(successor, Format::Two, &associated, json, random))
    }

    /// Opens a sealed key and adds it. [`Unopened::DoesNotOpen`] also when it is not the key that its field names, or was
    /// sealed under an older one.
    pub fn open_key(&mut self, record: &KeyringRecord, sealed: SealedKey<'_>) -> Result<KeyName, Unopened> {
        let (named, key) = self.opened(record, sealed)?;
        Ok(self.insert(named.generation, key))
    }

    fn opened(&self, record: &KeyringRecord, sealed: SealedKey<'_>) -> Result<(KeyName, MasterKey), Unopened> {
        let named = KeyringRecord::key_in(sealed.field).ok_or(Unopened::NotAnEnvelope)?;
        let envelope = super::Envelope::parse(sealed.text).ok_or(Unopened::NotAnEnvelope)?;
        // What names no key could have been sealed for another place.
        if envelope.key().is_none_or(|successor| successor <= named) {
            return Err(Unopened::DoesNotOpen);
        }
        let json = cleanly(|| self.open_json(&record.place(sealed.field), sealed.at, sealed.text))?;
        let key = key_of(&json).filter(|key| key.id() == named.id).ok_or(Unopened::DoesNotOpen)?;
        Ok((named, key))
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
        let successor = super::Envelope::parse(sealed.text).and_then(|envelope| envelope.key()).ok_or(Error::NoKey)?;
        let (older, key) = self.opened(record, sealed).map_err(|_| Error::NoKey)?;
        self.seal_under(record, (older, &key), successor, at, random)
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

fn key_of(json: &[u8]) -> Option<MasterKey> {
    let text = std::str::from_utf8(json.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()?;
    MasterKey::from_bytes(&Zeroizing::new(base64::decode(text)?)).ok()
}
