//! The files of `JSONTestSuite`: what every parser of JSON must accept, must refuse, and may do as it likes. What ours do with the
//! last is pinned, so that a device, the server and an archive never take another's value for something else.

mod files;

pub use files::FILES;

/// What may be read as one likes and is accepted: numbers that are rounded. The others have half surrogate pairs, bytes that are
/// no UTF-8, numbers that are too large, or 500 levels.
const ACCEPTED: [&str; 5] = [
    "i_number_double_huge_neg_exp",
    "i_number_real_underflow",
    "i_number_too_big_neg_int",
    "i_number_too_big_pos_int",
    "i_number_very_big_negative_int",
];

/// What no change may hold, because PostgreSQL cannot keep it: U+0000.
#[allow(dead_code, reason = "archives may hold it")]
pub const REFUSED_IN_CHANGES: [(&str, bool); 2] =
    [("y_object_escaped_null_in_key", false), ("y_string_null_escape", false)];

/// Whether a file is accepted.
fn is_accepted(name: &str) -> bool {
    name.starts_with("y_") || ACCEPTED.contains(&name)
}

/// The files that `reads` takes otherwise than it should, and whether it accepts them.
pub fn mistaken(mut reads: impl FnMut(&'static str, &'static [u8]) -> bool) -> Vec<(&'static str, bool)> {
    assert_eq!(FILES.len(), 318);
    let read = FILES.iter().map(|(name, bytes)| (*name, reads(name, bytes)));
    read.filter(|(name, accepted)| *accepted != is_accepted(name)).collect()
}
