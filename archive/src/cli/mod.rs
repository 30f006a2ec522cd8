//! The commands.

mod extract;
mod passphrase;

use mana_archive::{Archive, Error, Limits, Manifest, Scope, SealRandom, SealedWriter, Writer};
use passphrase::Passphrase;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Opens, checks, unpacks, seals and unseals .mana backups.
///
/// A passphrase is asked for in the terminal, or read from a file (its first line): never given as an argument, which others on
/// the machine could read.
#[derive(Debug, clap::Parser)]
#[command(name = "mana-archive", version)]
pub enum Command {
    /// Says what an archive is, without its passphrase.
    Inspect {
        /// The archive.
        file: PathBuf,
        /// As JSON: the manifest, and the tables with their bytes.
        #[arg(long)]
        json: bool,
    },
    /// Reads every row and says whether all of it is as it was written.
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

/// Why a command failed: the error's code, and what it means.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(format!("{}: {error}", error.code()))
    }
}

impl Failure {
    fn of(path: &Path, error: impl fmt::Display) -> Self {
        Self(format!("failed: {}: {error}", path.display()))
    }
}

type Done<T = ()> = Result<T, Failure>;

/// Runs a command.
pub fn run(command: &Command) -> Done {
    match command {
        Command::Inspect { file, json } => inspect(file, *json),
        Command::Verify { file, passphrase_file } => verify(file, &Passphrase::from(passphrase_file)),
        Command::Extract { file, out, csv, passphrase_file } => {
            let opened = open(file)?;
            if opened.is_sealed() {
                extract::extract(unseal(opened, &Passphrase::from(passphrase_file))?, out, *csv)
            } else {
                extract::extract(opened, out, *csv)
            }
        }
        Command::Seal { file, out, passphrase_file } => seal(file, out, &Passphrase::from(passphrase_file)),
        Command::Unseal { file, out, passphrase_file } => {
            let opened = unseal(open(file)?, &Passphrase::from(passphrase_file))?;
            write_new(out, |to| copy_plain(opened, to))
        }
    }
}

type FromFile = Archive<BufReader<File>>;

fn open(path: &Path) -> Done<FromFile> {
    let file = File::open(path).map_err(|error| Failure::of(path, error))?;
    Ok(Archive::open(BufReader::new(file), Limits::default())?)
}

fn unseal(archive: FromFile, passphrase: &Passphrase) -> Done<Archive<std::io::Cursor<Vec<u8>>>> {
    let sealed = archive.sealed()?;
    Ok(sealed.open(&passphrase.get()?)?)
}

fn inspect(file: &Path, json: bool) -> Done {
    let archive = open(file)?;
    let tables = archive.tables();
    if json {
        let bytes: serde_json::Map<_, _> =
            tables.iter().map(|table| (table.name.clone(), table.bytes.into())).collect();
        let all = serde_json::json!({ "manifest": archive.manifest().to_json(), "tables": bytes });
        println!("{all:#}");
        return Ok(());
    }
    print_manifest(archive.manifest(), archive.is_sealed());
    for table in tables {
        println!("  {:<24} {:>12} bytes", table.name, table.bytes);
    }
    for name in archive.unknown_entries() {
        println!("  {name}: unknown, passed over");
    }
    Ok(())
}

fn print_manifest(manifest: &Manifest, is_sealed: bool) {
    let scope = match &manifest.scope {
        Scope::Full => "all apps".to_owned(),
        Scope::Filtered(apps) => apps.join(", "),
    };
    println!("written    {} by {}", manifest.exported_at, manifest.produced_by);
    println!("of         {}", manifest.user_id);
    println!("holds      {scope}, schema version {}", manifest.schema_version);
    println!("sealed     {}", if is_sealed { "yes: what stands here is certain once it is opened" } else { "no" });
    for (table, rows) in &manifest.row_counts {
        println!("  {table:<24} {rows:>12} rows, as the manifest has it");
    }
}

fn verify(file: &Path, passphrase: &Passphrase) -> Done {
    let mut archive = open(file)?;
    let (counts, missing) = if archive.is_sealed() {
        let mut opened = unseal(archive, passphrase)?;
        (opened.verify()?, opened.missing()?)
    } else {
        (archive.verify()?, archive.missing()?)
    };
    for (table, rows) in &counts {
        println!("{table}: {rows} rows");
    }
    if !missing.is_empty() {
        println!("incomplete: {} values could not be read when it was written", missing.len());
    }
    println!("ok: {} tables, {} rows", counts.len(), counts.iter().map(|(_, rows)| rows).sum::<u64>());
    Ok(())
}

fn seal(file: &Path, out: &Path, passphrase: &Passphrase) -> Done {
    let mut archive = open(file)?;
    if archive.is_sealed() {
        return Err(Failure(format!("failed: {} is sealed already", file.display())));
    }
    let mut random = [0; 44];
    getrandom::fill(&mut random).map_err(|error| Failure(format!("failed: no random numbers: {error}")))?;
    let words = passphrase.get_new()?;
    let mut writer = SealedWriter::new(archive.manifest(), &words, SealRandom::from(random))?;
    copy_rows(&mut archive, writer.body())?;
    write_new(out, |to| Ok(writer.finish(to).map(drop)?))
}

fn copy_plain<R: Read + Seek>(mut archive: Archive<R>, to: &mut dyn Write) -> Done {
    let mut writer = Writer::new(to, archive.manifest())?;
    copy_rows(&mut archive, &mut writer)?;
    Ok(writer.finish().map(drop)?)
}

/// Copies everything but the manifest.
fn copy_rows<R: Read + Seek, W: Write>(archive: &mut Archive<R>, writer: &mut Writer<W>) -> Done {
    for table in archive.tables() {
        writer.table(&table.name)?;
        for line in archive.rows(&table.name)? {
            let line = line?;
            line.check()?;
            writer.row(&line.text)?;
        }
    }
    let missing = archive.missing()?;
    if !missing.is_empty() {
        writer.missing(&missing)?;
    }
    Ok(())
}

/// Writes a file that is there whole, or not at all.
fn write_new(path: &Path, write: impl FnOnce(&mut dyn Write) -> Done) -> Done {
    let file = File::create_new(path).map_err(|error| Failure::of(path, error))?;
    let mut to = BufWriter::new(file);
    let written = write(&mut to).and_then(|()| {
        let file = to.into_inner().map_err(|error| Failure::of(path, error))?;
        file.sync_all().map_err(|error| Failure::of(path, error))
    });
    if written.is_err() {
        // What could not be written is not left behind half.
        let _ = std::fs::remove_file(path);
    }
    written
}
