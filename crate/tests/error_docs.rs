//! The codes that reach apps and the tables of docs/errors.md name the same things.

#![cfg(not(target_arch = "wasm32"))]

use mana_sync_engine::engine::Kind;
use mana_sync_engine::protocol::state::State;
use mana_sync_engine::protocol::wire::RejectionCode;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../docs/errors.md");
const STATES: &str = include_str!("../../docs/sync-states.md");

/// Every code in the given column of the tables under a heading of docs/errors.md, up to the next heading.
fn documented(heading: &str, column: usize) -> BTreeSet<&'static str> {
    documented_in(PAGE, heading, column)
}

fn documented_in(page: &'static str, heading: &str, column: usize) -> BTreeSet<&'static str> {
    let rest = page.split_once(&format!("{heading}\n")).expect("the heading is on the page").1;
    let section = rest.split("\n#").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(column));
    cells.filter_map(|cell| cell.strip_prefix('`')?.strip_suffix('`')).collect()
}

/// Every rejection code; a new one does not compile until it is in this list.
fn rejection_codes() -> Vec<RejectionCode> {
    use RejectionCode as Code;
    let after = |code| match code {
        Code::InvalidChange => Some(Code::NotAMember),
        Code::NotAMember => Some(Code::ReadOnly),
        Code::ReadOnly => Some(Code::SpaceMismatch),
        Code::SpaceMismatch => Some(Code::NotTheAuthor),
        Code::NotTheAuthor => Some(Code::EventIdReused),
        Code::EventIdReused => Some(Code::ClockAhead),
        Code::ClockAhead => Some(Code::SchemaTooNew),
        Code::SchemaTooNew => Some(Code::VisibilityMismatch),
        Code::VisibilityMismatch => Some(Code::TooLarge),
        Code::TooLarge => None,
    };
    std::iter::successors(Some(Code::InvalidChange), |code| after(*code)).collect()
}

/// Every state; a new one does not compile until it is in this list.
fn states() -> Vec<State> {
    let after = |state| match state {
        State::Local => Some(State::Syncing),
        State::Syncing => Some(State::Synced),
        State::Synced => Some(State::Offline),
        State::Offline => Some(State::Error),
        State::Error => Some(State::NeedsAuth),
        State::NeedsAuth => Some(State::UpdateRequired),
        State::UpdateRequired => Some(State::BillingRequired),
        State::BillingRequired => Some(State::StorageFull),
        State::StorageFull => None,
    };
    std::iter::successors(Some(State::Local), |state| after(*state)).collect()
}

#[test]
fn every_kind_of_error_is_documented_and_nothing_else_is() {
    let codes: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(documented("### From the engine", 0), codes);
}

#[test]
fn the_page_says_which_errors_are_retryable() {
    for kind in Kind::ALL {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{}` |", kind.code()))).unwrap_or_default();
        assert_eq!(row.contains("Retryable."), kind.retryable(), "{row}");
    }
}

#[test]
fn every_rejection_is_documented_and_nothing_else_is() {
    let code = |code| serde_json::to_value(code).ok().and_then(|json| json.as_str().map(str::to_owned));
    let codes: Vec<String> = rejection_codes().into_iter().filter_map(code).collect();
    assert_eq!(documented("## Rejections", 0), codes.iter().map(String::as_str).collect());
}

#[test]
fn every_state_of_sync_is_documented_and_nothing_else_is() {
    let states = states();
    let words: BTreeSet<&str> = states.iter().map(|state| state.as_str()).collect();
    assert_eq!(documented_in(STATES, "# States of sync", 0), words);
}
