//! Pages that lead in a circle. Cursors are opaque, so of one only this can be said: whether the run asked with it before.
//!
//! Each page that promises more is compared with the cursor it was asked for with, and with one other of the run, which is
//! replaced by the present one after 1, 2, 4, 8 … pages (R. P. Brent, An improved Monte Carlo factorization algorithm, 1980).
//! So any circle is found within a few times its length, whatever the length, and two cursors are remembered.

use super::Machine;
use super::messages::Effect;
use crate::protocol::state::State;

/// The cursors of one run of pages.
#[derive(Debug, Default)]
pub struct Pages {
    asked: Option<String>,
    mark: Option<String>,
    /// Pages since the mark was set, and how many there are until it is set anew.
    since: u64,
    until: u64,
    /// How many runs in a row ended in a circle.
    circles: u32,
}

impl Pages {
    /// Whether a page that promises more ends where the run was already.
    #[must_use]
    pub fn was_at(&self, cursor: &str) -> bool {
        [&self.asked, &self.mark].into_iter().flatten().any(|met| met == cursor)
    }

    /// The run begins anew: it may pass by where it was.
    pub(super) fn begin(&mut self) {
        *self = Self { circles: self.circles, ..Self::default() };
    }

    /// All pages of a run came.
    pub(super) fn ended(&mut self) {
        self.circles = 0;
    }

    /// A page is asked for with a cursor; `None`: from a beginning, or from where nothing follows.
    pub fn ask(&mut self, cursor: Option<&str>) {
        let Some(cursor) = cursor else { return self.begin() };
        if self.asked.as_deref() == Some(cursor) {
            return;
        }
        self.asked = Some(cursor.to_owned());
        if self.since == self.until {
            self.mark.clone_from(&self.asked);
            (self.since, self.until) = (0, (self.until * 2).max(1));
        }
        self.since += 1;
    }
}

impl Machine {
    /// Says with what cursor a page is asked for; `None`: from a beginning, or from where nothing follows.
    pub fn asks_from(&mut self, cursor: Option<&str>) {
        self.pages.ask(cursor);
    }

    /// The page is no answer, whatever is on it.
    pub(super) fn led_in_a_circle(&mut self, now: u64, random: u64) -> Vec<Effect> {
        self.failed_with = Some("bad_answer".to_owned());
        self.failures = self.pages.circles;
        self.pages.circles = self.pages.circles.saturating_add(1);
        let message = "the server's pages lead in a circle".to_owned();
        self.rest_after(State::Error, "bad_answer".into(), message, None, now, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many pages a server is found out that leads in a circle of so many cursors after so many others.
    fn found_after(others: u64, circle: u64) -> u64 {
        let mut pages = Pages::default();
        for page in 0.. {
            let at = |page: u64| if page < others { page } else { others + (page - others) % circle };
            pages.ask(Some(&at(page).to_string()));
            if pages.was_at(&at(page + 1).to_string()) {
                return page + 1;
            }
        }
        unreachable!("it is found")
    }

    #[test]
    fn a_circle_of_any_length_is_found_within_a_few_times_that_length() {
        for others in [0, 1, 5, 100] {
            for circle in 1..60 {
                let found = found_after(others, circle);
                assert!(found <= 3 * (others + circle) + 1, "{others} and {circle}: {found}");
            }
        }
    }

    #[test]
    fn a_cursor_that_stands_still_is_found_at_once() {
        assert_eq!(found_after(0, 1), 1);
    }

    #[test]
    fn cursors_that_go_on_are_never_met_again() {
        let mut pages = Pages::default();
        for page in 0..10_000 {
            pages.ask(Some(&page.to_string()));
            pages.ask(Some(&page.to_string()));
            assert!(!pages.was_at(&(page + 1).to_string()), "the same may be asked for twice");
        }
    }

    #[test]
    fn who_begins_anew_may_pass_by_where_they_were() {
        let mut pages = Pages::default();
        pages.ask(Some("a"));
        pages.ask(Some("b"));
        pages.ask(None);
        assert!(!pages.was_at("a") && !pages.was_at("b"));
    }
}
