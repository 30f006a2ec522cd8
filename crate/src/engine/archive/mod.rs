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

use super::error::{Error, Kind, Result};
use super::ports::Host;
use super::{Engine, GUEST};
use crate::store::Store;

pub use export::{ExportPage, Unreadable};
pub use import::{Import, ImportPage, LeftOut};

/// The field of a row in an archive that says when its fields were written, where that was not when the row was: hidden, so no
/// app has it.
const STAMPS: &str = "__stamps";

impl<S: Store, H: Host> Engine<S, H> {
    /// Refuses to go on with an archive that was begun for somebody else: `None` is a guest.
    fn check_archive_user(&self, user: Option<&str>) -> Result<()> {
        if self.config().user_id() == user.unwrap_or(GUEST) {
            return Ok(());
        }
        Err(Error::new(Kind::OtherUser, "the user changed meanwhile: begin again for the one who is signed in now"))
    }
}
