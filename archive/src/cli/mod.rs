//! The commands.

mod arguments;
mod extract;
mod passphrase;

use arguments::Command;
pub use arguments::Options;
use mana_archive::{Archive, Error, Limits, Manifest, Scope, SealRandom, SealedWriter, Writer, how_many_missing};
use passphrase::Passphrase;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

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
pub fn run(options: &Options) -> Done {
    let limits = options.limits();
    match &options.command {
        Command::Inspect { file, json } => {
            inspect(&open(file, limits)?, *json);
            Ok(())
        }
        Command::Verify { file, passphrase_file } => verify(open(file, limits)?, &Passphrase::from(passphrase_file)),
        Command::Extract { file, out, csv, passphrase_file } => {
            let opened = open(file, limits)?;
            if opened.is_sealed() {
                extract::extract(unseal(opened, &Passphrase::from(passphrase_file))?, out, *csv)
            } else {
                extract::extract(opened, out, *csv)
            }
        }
        Command::Seal { file, out, passphrase_file } => seal(file, out, &Passphrase::from(passphrase_file), limits),
        Command::Unseal { file, out, passphrase_file } => {
            let opened = unseal(open(file, limits)?, &Passphrase::from(passphrase_file))?;
            write_new(out, |to| copy_plain(opened, to, limits))
        }
    }
}

type FromFile = Archive<BufReader<File>>;

fn open(path: &Path, limits: Limits) -> Done<FromFile> {
    let file = File::open(path).map_err(|error| Failure::of(path, error))?;
    Ok(Archive::open(BufReader::new(file), limits)?)
}

fn unseal(archive: FromFile, passphrase: &Passphrase) -> Done<Archive<std::io::Cursor<Vec<u8>>>> {
    let sealed = archive.sealed()?;
    Ok(sealed.open(&passphrase.get()?)?)
}

fn inspect(archive: &FromFile, json: bool) {
    let tables = archive.tables();
    if json {
        let bytes: serde_json::Map<_, _> =
            tables.iter().map(|table| (table.name.clone(), table.bytes.into())).collect();
        let all = serde_json::json!({ "manifest": archive.manifest().to_json(), "tables": bytes });
        println!("{all:#}");
        return;
    }
    print_manifest(archive.manifest(), archive.is_sealed());
    for table in tables {
        println!("  {:<24} {:>12} bytes", table.name, table.bytes);
    }
    for name in archive.unknown_entries() {
        println!("  {name}: unknown, passed over");
    }
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

fn verify(mut archive: FromFile, passphrase: &Passphrase) -> Done {
    let outside = archive.verify()?;
    let (counts, missing) = if archive.is_sealed() {
        let mut opened = unseal(archive, passphrase)?;
        (opened.verify()?, opened.missing()?)
    } else {
        (outside, archive.missing()?)
    };
    for (table, rows) in &counts {
        println!("{table}: {rows} rows");
    }
    if !missing.is_empty() {
        println!("incomplete: {} values could not be read when it was written", how_many_missing(&missing));
    }
    println!("ok: {} tables, {} rows", counts.len(), counts.iter().map(|(_, rows)| rows).sum::<u64>());
    Ok(())
}

fn seal(file: &Path, out: &Path, passphrase: &Passphrase, limits: Limits) -> Done {
    let mut archive = open(file, limits)?;
    if archive.is_sealed() {
        return Err(Failure(format!("failed: {} is sealed already", file.display())));
    }
    let mut random = [0; 44];
    getrandom::fill(&mut random).map_err(|error| Failure(format!("failed: no random numbers: {error}")))?;
    let words = passphrase.get_new()?;
    let mut writer = SealedWriter::new(archive.manifest(), &words, SealRandom::from(random))?.within(limits);
    copy_rows(&mut archive, writer.body())?;
    write_new(out, |to| Ok(writer.finish(to).map(drop)?))
}

fn copy_plain<R: Read + Seek>(mut archive: Archive<R>, to: &mut dyn Write, limits: Limits) -> Done {
    let mut writer = Writer::new(to, archive.manifest())?.within(limits);
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
