//! The `mana-sync` command.

use clap::Parser as _;
use mana_sync::clock;
use mana_sync::config::{Args, Migration, Task};
use mana_sync::log::postgres::{CarriedOver, PostgresLog, Spaces, migrate_with};
use mana_sync::members::{MembershipService, personal_spaces};
use mana_sync::server::{Server, Settings};
use mana_sync::upstream::Upstream;
use mana_sync_engine::model::UserId;
use std::io::Write as _;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = Args::parse().task().and_then(|task| {
        let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
        match task {
            Task::Serve(settings) => runtime.block_on(serve(*settings)),
            Task::Migrate(migration) => runtime.block_on(migrate(migration)),
            Task::CheckRls(url) => runtime.block_on(check_rls(&url)),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("mana-sync: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn migrate(migration: Migration) -> Result<(), String> {
    let Migration { url, all_spaces_shared, memberships } = migration;
    let service = match memberships {
        Some((url, key)) => Some(MembershipService::new(Upstream::new()?, url, key.header())),
        None => None,
    };
    let ask = async |people: Vec<UserId>| match &service {
        Some(service) => personal_spaces(service, &people).await.map_err(|error| error.to_string()),
        None => Err("nobody knows memberships".to_owned()),
    };
    let spaces = match (&service, all_spaces_shared) {
        (_, true) => Spaces::AllShared,
        (Some(_), false) => Spaces::Known(ask),
        (None, false) => Spaces::Unknown,
    };
    let carried = migrate_with(&url, &clock::randomness(), spaces).await.map_err(|error| error.to_string())?;
    if carried != CarriedOver::default() {
        println!("carried over {} rows of production; {} are kept in sync_unread", carried.rows, carried.unread);
    }
    Ok(())
}

async fn check_rls(url: &str) -> Result<(), String> {
    let log = PostgresLog::open(url).await.map_err(|error| error.to_string())?;
    log.close().await;
    println!("row security holds this role: a server may start with it");
    Ok(())
}

async fn serve(settings: Settings) -> Result<(), String> {
    // Before the server says that it is ready: from then on a signal ends it in good order.
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let server = Server::start(settings).await.map_err(|error| error.to_string())?;
    println!("mana-sync listening on http://{}", server.address());
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}
