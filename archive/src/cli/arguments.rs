//! The command line.

use mana_archive::Limits;
use std::path::PathBuf;

/// How it ends, for scripts.
const EXIT_CODES: &str = "\
Exit codes:
  0  Done.
  1  The archive was refused, or a file or the terminal could not be read or written. The line on standard error begins
     with the error's code and a colon: archive_damaged, wrong_passphrase, …; failed for what is not about an archive.
  2  The command line was wrong.";

/// Opens, checks, unpacks, seals and unseals .mana backups.
///
/// A passphrase is asked for in the terminal, or read from a file (its first line): never given as an argument, which others on
/// the machine could read.
#[derive(Debug, clap::Parser)]
#[command(name = "mana-archive", version, after_help = EXIT_CODES)]
pub struct Options {
    #[command(subcommand)]
    pub command: Command,
    /// Read and write tables and sealed bodies of up to so many GiB each, and four times as much in all. The app reads 1.
    #[arg(long, value_name = "N", global = true, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=4))]
    pub max_gib: u64,
}

impl Options {
    /// What is refused.
    pub fn limits(&self) -> Limits {
        let usual = Limits::default();
        let [entry_bytes, total_bytes] = [usual.entry_bytes, usual.total_bytes].map(|bytes| bytes * self.max_gib);
        Limits { entry_bytes, total_bytes, ..usual }
    }
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Says what an archive is, without its passphrase.
    Inspect {
        /// The archive.
        file: PathBuf,
        /// As JSON: the manifest, and the tables with their bytes.
        #[arg(long)]
        json: bool,
    },
    /// Reads all of it and says whether it is as it was written.
    Verify {
        /// The archive.
        file: PathBuf,
        /// Read the passphrase from this file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Unpacks the tables into a directory, one file each. Nothing there is written over.
    Extract {
        /// The archive.
        file: PathBuf,
        /// The directory; made where it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// As CSV, for spreadsheets; else JSON lines, as they stand in the archive.
        #[arg(long)]
        csv: bool,
        /// Read the passphrase from this file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Writes a sealed archive with the rows of one that is not.
    Seal {
        /// The archive.
        file: PathBuf,
        /// The sealed one; must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Read the passphrase from this file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Writes an archive that is not sealed with the rows of one that is.
    Unseal {
        /// The archive.
        file: PathBuf,
        /// The opened one; must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Read the passphrase from this file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
}
