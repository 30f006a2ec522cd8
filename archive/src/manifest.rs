//! `manifest.json`: what an archive is and where it comes from.

use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u64 = 2;

const KDF: &str = "PBKDF2-SHA256";
const CIPHER: &str = "AES-GCM-256";
/// The lower bound is OWASP's for PBKDF2-HMAC-SHA256 (Password Storage Cheat Sheet), the upper one what a device bears: a file
/// may name a number that keeps it busy for hours.
const OPENABLE_ITERATIONS: RangeInclusive<u64> = 600_000..=10_000_000;

/// The key that says of which version each app's records are.
const APP_VERSIONS: &str = "appSchemaVersions";

/// The key of a sealed copy that holds random bytes.
pub(crate) const BLIND: &str = "random";

/// Which records an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of all apps.
    Full,
    /// Those of some apps.
    Filtered(Vec<String>),
}

impl Scope {
    fn parse(value: &Value) -> Option<Self> {
        match value["type"].as_str()? {
            "full" => Some(Self::Full),
            "filtered" => {
                let ids = value["appIds"].as_array()?.iter().map(|id| id.as_str().map(str::to_owned));
                Some(Self::Filtered(ids.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Full => json!({ "type": "full" }),
            Self::Filtered(ids) => json!({ "type": "filtered", "appIds": ids }),
        }
    }
}

/// How a body is sealed: everything that is needed to open it, but for the passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealParameters {
    /// How often PBKDF2 repeats.
    pub iterations: u32,
    /// PBKDF2's salt.
    pub salt: [u8; 16],
    /// AES-GCM's initialization vector.
    pub iv: [u8; 12],
    /// SHA-256 of what was sealed, where the writer said it.
    pub plaintext_sha256: Option<[u8; 32]>,
    /// What the right key gives, where the writer said it: it tells a wrong passphrase from damage, and commits the file to
    /// one key, which AES-GCM alone does not (Len, Grubbs, Ristenpart: Partitioning Oracle Attacks, 2021).
    pub key_check: Option<[u8; 16]>,
}

impl SealParameters {
    fn parse(value: &Value) -> Result<Self> {
        let invalid = Error::ManifestInvalid;
        let text = |key: &str| value[key].as_str();
        if text("kdf") != Some(KDF) {
            return Err(invalid("passphrase.kdf"));
        }
        if text("cipher") != Some(CIPHER) {
            return Err(invalid("passphrase.cipher"));
        }
        let iterations = value["kdfIterations"].as_u64().filter(|many| OPENABLE_ITERATIONS.contains(many));
        let iterations = iterations.and_then(|many| u32::try_from(many).ok());
        // `null` is no hash; what is there and not a hash is an error.
        let hash = match &value["plaintextSha256"] {
            Value::Null => None,
            given => Some(given.as_str().and_then(from_hex).ok_or(invalid("passphrase.plaintextSha256"))?),
        };
        let check = match &value["keyCheckBase64"] {
            Value::Null => None,
            given => Some(given.as_str().and_then(bytes).ok_or(invalid("passphrase.keyCheckBase64"))?),
        };
        Ok(Self {
            iterations: iterations.ok_or(invalid("passphrase.kdfIterations"))?,
            salt: text("kdfSaltBase64").and_then(bytes).ok_or(invalid("passphrase.kdfSaltBase64"))?,
            iv: text("ivBase64").and_then(bytes).ok_or(invalid("passphrase.ivBase64"))?,
            plaintext_sha256: hash,
            key_check: check,
        })
    }

    fn to_json(&self) -> Value {
        let mut json = json!({
            "kdf": KDF,
            "kdfIterations": self.iterations,
            "kdfSaltBase64": URL_SAFE_NO_PAD.encode(self.salt),
            "cipher": CIPHER,
            "ivBase64": URL_SAFE_NO_PAD.encode(self.iv),
        });
        if let Some(hash) = self.plaintext_sha256 {
            json["plaintextSha256"] = Value::from(to_hex(&hash));
        }
        if let Some(check) = self.key_check {
            json["keyCheckBase64"] = Value::from(URL_SAFE_NO_PAD.encode(check));
        }
        json
    }
}

/// What an archive is and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The version of the database that the records are of.
    pub schema_version: u32,
    /// The program that wrote it.
    pub produced_by: String,
    /// When it was written, in ISO 8601.
    pub exported_at: String,
    /// Whose records they are.
    pub user_id: String,
    /// Which records it holds.
    pub scope: Scope,
    /// How many rows each table had when the export began. Informative: the rows win.
    pub row_counts: BTreeMap<String, u64>,
    /// Whether fields lie in the clear. No writer says otherwise.
    pub fields_plaintext: bool,
    /// How the body is sealed; `None`: it is not.
    pub seal: Option<SealParameters>,
    /// Keys that this version does not know: later ones only add to them.
    pub others: Map<String, Value>,
}

impl Manifest {
    /// Reads `manifest.json`; [`Error::ManifestInvalid`] names the key that is not what it should be.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let parsed = serde_json::from_slice(text);
        let Ok(Value::Object(mut keys)) = parsed else { return Err(Error::ManifestInvalid("JSON")) };
        let invalid = Error::ManifestInvalid;
        let mut take = |key: &str| keys.remove(key).unwrap_or_default();
        match take("formatVersion").as_u64() {
            Some(FORMAT_VERSION) => {}
            Some(version) => return Err(Error::UnsupportedVersion(version)),
            None => return Err(invalid("formatVersion")),
        }
        let text = |value: Value| value.as_str().map(str::to_owned);
        let schema_version = take("schemaVersion").as_u64().and_then(|version| u32::try_from(version).ok());
        let seal = Some(take("passphrase")).filter(|value| !value.is_null());
        Ok(Self {
            schema_version: schema_version.ok_or(invalid("schemaVersion"))?,
            produced_by: text(take("producedBy")).ok_or(invalid("producedBy"))?,
            exported_at: text(take("exportedAt")).filter(|at| is_time(at)).ok_or(invalid("exportedAt"))?,
            user_id: text(take("userId")).ok_or(invalid("userId"))?,
            scope: Scope::parse(&take("scope")).ok_or(invalid("scope"))?,
            row_counts: counts(&take("rowCounts")).ok_or(invalid("rowCounts"))?,
            fields_plaintext: take("fieldsPlaintext").as_bool().ok_or(invalid("fieldsPlaintext"))?,
            seal: seal.as_ref().map(SealParameters::parse).transpose()?,
            others: with_versions(keys)?,
        })
    }

    /// What stands in `manifest.json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "formatVersion": FORMAT_VERSION,
            "schemaVersion": self.schema_version,
            "producedBy": self.produced_by,
            "exportedAt": self.exported_at,
            "userId": self.user_id,
            "scope": self.scope.to_json(),
            "rowCounts": self.row_counts,
            "fieldsPlaintext": self.fields_plaintext,
        });
        for (key, value) in &self.others {
            json[key.as_str()] = value.clone();
        }
        if let Some(seal) = &self.seal {
            json["passphrase"] = seal.to_json();
        }
        json
    }

    /// The copy that lies inside a sealed body, so that the one outside cannot be edited: without how it is sealed, and with a
    /// mark that a key check belongs to it, which nobody can then leave out.
    #[must_use]
    pub fn sealed_copy(&self) -> Value {
        let outside = Self { seal: None, ..self.clone() };
        let mut json = outside.to_json();
        json["keyCheck"] = Value::from(true);
        json
    }
}

/// Keys that are passed on, of which programs that take the rows in go by one.
fn with_versions(keys: Map<String, Value>) -> Result<Map<String, Value>> {
    let is_version = |value: &Value| value.as_u64().is_some_and(|version| (1..=u32::MAX.into()).contains(&version));
    let are_versions = |value: &Value| value.as_object().is_some_and(|apps| apps.values().all(is_version));
    if keys.get(APP_VERSIONS).is_none_or(are_versions) { Ok(keys) } else { Err(Error::ManifestInvalid(APP_VERSIONS)) }
}

fn counts(value: &Value) -> Option<BTreeMap<String, u64>> {
    match value {
        Value::Null => Some(BTreeMap::new()),
        value => value.as_object()?.iter().map(|(table, count)| Some((table.clone(), count.as_u64()?))).collect(),
    }
}

/// As much of ISO 8601 as `Date.toISOString` writes, with any number of decimals.
fn is_time(text: &str) -> bool {
    let shape = |text: &str| -> String { text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect() };
    let Some((seconds, decimals)) = text.strip_suffix('Z').map(|text| text.split_once('.').unwrap_or((text, "0")))
    else {
        return false;
    };
    shape(seconds) == "0000-00-00T00:00:00" && !decimals.is_empty() && decimals.bytes().all(|b| b.is_ascii_digit())
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let pair = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = is_hex.then(|| (0..32).map(pair).collect()).flatten();
    bytes?.try_into().ok()
}
