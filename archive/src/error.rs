//! Why an archive is not read or written. Each error has a stable code, for programs and for docs/errors.md.

use std::fmt;

/// What came of it.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an archive is not read or written.
#[derive(Debug)]
pub enum Error {
    /// It is no zip, or has no manifest.
    NotAnArchive(String),
    /// A version of the format that this reader does not know.
    UnsupportedVersion(u64),
    /// A key of the manifest is missing or not what it should be.
    ManifestInvalid(&'static str),
    /// It is sealed, and no passphrase was given.
    PassphraseRequired,
    /// The passphrase is another one: nothing is wrong with the file.
    WrongPassphrase,
    /// The passphrase is another one, or the file is damaged: it says nothing that could tell the two apart.
    WrongPassphraseOrDamaged,
    /// It is not as it was written, or two readers could read it differently.
    Damaged(String),
    /// A line of a table is no JSON object.
    RowInvalid {
        /// The table.
        table: String,
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It exceeds a limit.
    TooLarge(String),
    /// Reading or writing the bytes failed.
    Io(std::io::Error),
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnArchive(_) => "not_an_archive",
            Self::UnsupportedVersion(_) => "unsupported_version",
            Self::ManifestInvalid(_) => "manifest_invalid",
            Self::PassphraseRequired => "passphrase_required",
            Self::WrongPassphrase => "wrong_passphrase",
            Self::WrongPassphraseOrDamaged => "wrong_passphrase_or_damaged",
            Self::Damaged(_) => "archive_damaged",
            Self::RowInvalid { .. } => "row_invalid",
            Self::TooLarge(_) => "archive_too_large",
            Self::Io(_) => "archive_unreadable",
        }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnArchive(why) => write!(f, "this is no .mana archive: {why}"),
            Self::UnsupportedVersion(version) => {
                write!(f, "format version {version} is not supported; this program reads version 2")
            }
            Self::ManifestInvalid(key) => write!(f, "the manifest's {key} is missing or invalid"),
            Self::PassphraseRequired => f.write_str("the archive is sealed: its passphrase is needed"),
            Self::WrongPassphrase => f.write_str("wrong passphrase; the archive is not damaged"),
            Self::WrongPassphraseOrDamaged => f.write_str("wrong passphrase, or the archive is damaged"),
            Self::Damaged(what) => write!(f, "the archive is damaged: {what}"),
            Self::RowInvalid { table, line, reason } => write!(f, "data/{table}.jsonl, line {line}: {reason}"),
            Self::TooLarge(what) => write!(f, "the archive is too large: {what}"),
            Self::Io(error) => write!(f, "reading or writing the archive failed: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
