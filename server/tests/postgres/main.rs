//! The log in PostgreSQL: row security under attack, roles, migrations, and many writers.

#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/postgres.rs"]
mod postgres;

mod carry_over;
mod hostile_settings;
mod lies;
mod migrations;
mod mixed_writers;
mod moved;
mod oracle;
mod plans;
mod production;
mod production_many;
mod requests;
mod scrambled;
mod service_races;
mod service_spaces;
mod services;
mod sight;
mod standing;
mod world;
mod writes;
