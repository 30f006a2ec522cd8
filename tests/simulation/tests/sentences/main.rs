//! What whole devices do, a sentence each, in virtual time.

mod adoption;
mod adoption_sealed;
mod aside;
mod bad_input;
mod bulk;
mod clocks;
mod crashes;
mod forged_visibility;
mod fork;
mod guests;
mod late;
mod laundering;
mod moves;
mod owners;
mod rebase;
mod rotation;
mod rotation_kills;
mod sealed;
mod sealed_attacks;
mod shadows;
mod spaces;
mod two_devices;
mod united_ahead;
mod upgrades;
mod visibility;
mod writes;
