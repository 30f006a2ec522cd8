//! `mana-archive`: opens, checks, unpacks, seals and unseals backups without the app.

mod cli;

use clap::Parser;
use std::process::ExitCode;

/// 0: done. 1: the archive was refused or a file could not be read or written; the line on standard error begins with the
/// error's code. 2: the command line was wrong.
fn main() -> ExitCode {
    match cli::run(&cli::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
