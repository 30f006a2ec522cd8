//! Cursors and receipts that no server wrote: read, written again, and used as any client may send them.

use super::limit;
use super::world::{EPOCH, ROWS, log, may_read, now, people};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mana_sync::log::contract::fixtures::pull_of;
use mana_sync::log::{Cursor, PullError, Receipt};
use mana_sync_engine::protocol::wire::ExpiryReason;
use std::collections::BTreeSet;

/// Ways to read on from a cursor: as whom, and with which tables and page size.
pub const WAYS: usize = 9;

/// Takes an input for what a cursor's text encodes, and for the text, and reads on in one of the ways.
///
/// # Panics
/// When the cursor's promises or those of a pull are broken.
pub fn run(input: &[u8]) {
    let sum = input.iter().fold(input.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    run_in(input, sum % WAYS);
}

/// The same, in the way with this number.
///
/// # Panics
/// As [`run`] does.
pub fn run_in(input: &[u8], way: usize) {
    limit::within_a_second(|| {
        let encoded = URL_SAFE_NO_PAD.encode(input);
        for text in std::iter::once(encoded.as_str()).chain(std::str::from_utf8(input)) {
            read(text, way);
            show(text, way);
        }
    });
}

fn read(text: &str, way: usize) {
    let Some(cursor) = Cursor::parse(text) else {
        assert_eq!(follow(Some(text), None, 0), Followed::Expired, "what is no cursor is not followed");
        return;
    };
    let canonical = cursor.to_text();
    assert_eq!(Cursor::parse(&canonical).as_ref(), Some(&cursor), "a cursor comes back as it was");
    assert_eq!(Cursor::parse(&canonical).map(|again| again.to_text()), Some(canonical), "and is written one way");
    for forged in forgeries(cursor) {
        follow(Some(&forged), None, way);
    }
}

fn show(text: &str, way: usize) {
    let Some(receipt) = Receipt::parse(text) else {
        assert_eq!(follow(None, Some(text), 0), Followed::Expired, "what is no receipt is not held");
        return;
    };
    let canonical = receipt.to_text();
    assert_eq!(Receipt::parse(&canonical).as_ref(), Some(&receipt), "a receipt comes back as it was");
    follow(None, Some(&canonical), way);
    follow(None, Some(&Receipt { epoch: EPOCH, ..receipt }.to_text()), way);
}

/// The cursor as it came, and as somebody would write it who knows the log's epoch, or also that tags may be left out.
fn forgeries(mut cursor: Cursor) -> [String; 3] {
    let as_it_came = cursor.to_text();
    cursor.epoch = EPOCH;
    let with_epoch = cursor.to_text();
    cursor.streams.values_mut().for_each(|mark| mark.tag = None);
    [as_it_came, with_epoch, cursor.to_text()]
}

#[derive(Debug, PartialEq, Eq)]
enum Followed {
    Expired,
    ToTheEnd,
}

/// Reads pages from a cursor on, showing a receipt, until there are no more.
fn follow(cursor: Option<&str>, receipt: Option<&str>, way: usize) -> Followed {
    let (tables, limit): (&[&str], usize) = [(&["tasks", "notes"][..], 3), (&["notes"], 1), (&[], 2)][way / 3];
    let person = &people()[way % 3];
    let mut pull = pull_of(person, cursor.map(str::to_owned), tables, limit);
    pull.receipt = receipt.map(str::to_owned);
    let mut served = BTreeSet::new();
    for page_number in 0..=ROWS {
        let page = match now(log().pull(&pull)) {
            Ok(page) => page,
            Err(PullError::Expired(reason)) => {
                // Rows behind the horizon are still there in this log, so a page may end before it.
                assert!(page_number == 0 || reason == ExpiryReason::Retention, "a page's own cursor is followed");
                return Followed::Expired;
            }
            Err(PullError::Log(error)) => panic!("no cursor makes the log fail: {error}"),
        };
        assert!(page.changes.len() <= limit, "a page has at most its limit");
        for change in &page.changes {
            assert!(may_read(person, change), "{} is served {change:?}", person.user);
            assert!(tables.contains(&change.table.as_str()), "only the tables asked for are served");
            assert!(served.insert(change.event_id.clone()), "{} is served twice", change.event_id);
        }
        if !page.has_more {
            return Followed::ToTheEnd;
        }
        assert!(!page.changes.is_empty(), "a page that promises more brings something");
        pull.cursor = Some(page.cursor);
    }
    panic!("the pages do not end");
}
