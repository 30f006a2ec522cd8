//! A server under load, beside what the same machine does without its work: a handler that does nothing, a push of nothing, and
//! the database alone. All of it in one run, in turns; the ratios count, not the milliseconds.
//!
//! `USERS` (1000), `CONNECTIONS` (four per core), `SECONDS` (3) for each turn, `ROUNDS` (3), `SOCKETS` (2000), `STREAMS`
//! (2000), `FIRST_SYNC` (100000 records); `STORE`: `sqlite` or `postgres` alone.

#![expect(clippy::cast_precision_loss, reason = "what is shown has four digits")]

mod database;
mod idle;
mod people;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
mod process;
mod sizes;
mod table;
mod turns;

use database::Direct;
use people::People;
use process::ServerProcess;
use sizes::Sizes;
use table::Table;
use tokio::time::Instant;
use turns::{Kind, Turns};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((word, urls)) if word == process::SERVE => process::serve(urls).await,
        _ => measure().await,
    }
}

async fn measure() {
    let sizes = Sizes::of_environment();
    println!("{sizes}\n");
    for store in sizes.stores.iter().copied() {
        let direct = Direct::open(store).await;
        let server = ServerProcess::start(&direct.server_urls()).await;
        let people = People::sign_in(server.url(), sizes.users).await;
        let mut table = Table::new(store);
        // First: later on, connections would lie in memory that larger things have left.
        idle::measure(&sizes, &people, &server, &mut table).await;
        requests(&sizes, &people, &direct, &mut table).await;
        first_sync(&sizes, &people, &direct, &mut table).await;
        println!("{table}");
        server.stop().await;
        direct.close().await;
    }
}

/// Everybody in turns, in another order in each round.
async fn requests(sizes: &Sizes, people: &People, direct: &Direct, table: &mut Table) {
    people.fill_pages().await;
    let turns = Turns { people, direct, connections: sizes.connections, lasting: sizes.turn };
    // Connections are opened and caches filled before anything counts.
    for kind in Kind::ALL {
        turns.take(kind, sizes.turn / 4).await;
    }
    for round in 0..sizes.rounds {
        for place in 0..Kind::ALL.len() {
            let kind = Kind::ALL[(place + round) % Kind::ALL.len()];
            table.add(kind, turns.take(kind, turns.lasting).await);
        }
    }
}

/// Reads everything a person has page by page, beside reading the same rows from the database.
async fn first_sync(sizes: &Sizes, people: &People, direct: &Direct, table: &mut Table) {
    let person = people.newcomer("reader").await;
    person.store(sizes.first_sync).await;
    let stream = format!("user:{}", person.name);
    for _ in 0..sizes.rounds {
        let began = Instant::now();
        let (read, pages) = person.read_all().await;
        assert_eq!(read, sizes.first_sync, "everything came");
        let took = began.elapsed();
        let began = Instant::now();
        assert_eq!(direct.read(&stream).await, sizes.first_sync);
        table.synced(sizes.first_sync, took, began.elapsed(), &pages);
    }
}
