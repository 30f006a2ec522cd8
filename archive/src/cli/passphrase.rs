//! Where a passphrase comes from: a file, or the terminal, which does not show it.

use super::{Done, Failure};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Asked for when it is needed.
pub struct Passphrase {
    file: Option<PathBuf>,
}

impl From<&Option<PathBuf>> for Passphrase {
    fn from(file: &Option<PathBuf>) -> Self {
        Self { file: file.clone() }
    }
}

impl Passphrase {
    /// The passphrase of an archive that is there.
    pub fn get(&self) -> Done<Zeroizing<String>> {
        match &self.file {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| Failure::of(path, error))?;
                Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
            }
            None => ask("Passphrase: "),
        }
    }

    /// A new passphrase, which in the terminal is asked for twice.
    pub fn get_new(&self) -> Done<Zeroizing<String>> {
        let first = self.get()?;
        if first.is_empty() {
            return Err(Failure("failed: the passphrase is empty".to_owned()));
        }
        if self.file.is_none() && *ask("Once more: ")? != *first {
            return Err(Failure("failed: the two passphrases differ".to_owned()));
        }
        Ok(first)
    }
}

fn ask(question: &str) -> Done<Zeroizing<String>> {
    let answer = rpassword::prompt_password(question);
    answer.map(Zeroizing::new).map_err(|error| Failure(format!("failed: no passphrase was typed: {error}")))
}
