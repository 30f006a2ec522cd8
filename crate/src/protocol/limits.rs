//! Sizes both sides of the wire agree on.

/// Largest request body in bytes, also after decompression.
pub const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Largest answer that is read of a server of protocol 1, in bytes: its pages have a number of rows, whatever their size.
pub const MAX_DATED_ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// Most changes in one page of a pull.
pub const MAX_PAGE: usize = 1000;
/// Most tables in one pull, of all apps together. A cursor may say another position for each of them, and each position
/// is read from on its own.
pub const MAX_PULL_TABLES: usize = 1000;
/// Most records that a check may leave out.
pub const MAX_CHECK_EXCEPT: usize = 1000;
/// Most changes a client sends in one push.
pub const MAX_PUSH_CHANGES: usize = 200;
/// Most bytes of changes a client sends in one push; one larger change goes alone.
pub const MAX_PUSH_BYTES: usize = 4 * 1024 * 1024;
/// Most changes a server takes in one push.
pub const MAX_ACCEPTED_PUSH: usize = 1000;
/// Most changes in one row of the change log.
pub const MAX_LOG_ROW_CHANGES: usize = 200;
/// Most bytes of changes in one row of the change log; one larger change stands alone.
pub const MAX_LOG_ROW_BYTES: usize = 256 * 1024;
/// How far a pushed stamp may be ahead of the server's clock, in milliseconds.
pub const MAX_PUSH_AHEAD_MS: u64 = 5 * 60 * 1000;
/// How far a pulled stamp may be ahead of corrected time, in milliseconds; beyond it a change waits in quarantine.
pub const MAX_PULL_AHEAD_MS: u64 = 24 * 60 * 60 * 1000;
/// Largest single change in bytes of JSON a server takes; leaves room for the rest of a body of [`MAX_BODY_BYTES`].
pub const MAX_CHANGE_BYTES: usize = 8 * 1024 * 1024;
