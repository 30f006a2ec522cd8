//! What an archive is made of, and what is made of one: rows of tables that sync, page by page, as text.
//!
//! What holds:
//!
//! 1. Only rows that the user may see are given out, opened; never what a guest wrote, nor another member's private rows. A row of
//!    which something cannot be opened is named.
//! 2. What is taken in becomes the user's, goes through the change log like any write, and is sealed where their records are.
//! 3. Taken in by merging, nothing takes the place of what was written later: each row is an edit of when it was written, at the
//!    latest of now. So it may be done twice, or be broken off and begun again, and comes to the same.

mod export;
mod import;

pub use export::{ExportPage, Unreadable};
pub use import::{Import, ImportPage, LeftOut};
