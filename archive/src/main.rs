//! `mana-archive`: opens, checks, unpacks, seals and unseals backups without the app.

mod cli;

use clap::Parser;
use std::process::ExitCode;

/// Ends with what its help says.
fn main() -> ExitCode {
    match cli::run(&cli::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
