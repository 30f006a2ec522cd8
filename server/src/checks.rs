//! How many checks are made at once: each reads all that its person may read, on a connection of its own.

use crate::lock::hold;
use mana_sync_engine::model::UserId;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// How many a server makes at once, of all people together: a fraction of its connections.
const AT_ONCE: usize = 4;

/// This person's check, or as many as there may be, are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnderWay;

/// Whose check is under way.
#[derive(Clone, Default)]
pub struct Checks(Arc<Mutex<HashSet<UserId>>>);

/// A check under way; dropping it ends it.
#[derive(Debug)]
pub struct Checking {
    people: Arc<Mutex<HashSet<UserId>>>,
    user: UserId,
}

impl Checks {
    /// Begins a check of this person's. Nobody waits: who is refused asks again later.
    pub fn begin(&self, user: &UserId) -> Result<Checking, UnderWay> {
        let mut people = hold(&self.0);
        if people.len() == AT_ONCE || !people.insert(user.clone()) {
            return Err(UnderWay);
        }
        Ok(Checking { people: Arc::clone(&self.0), user: user.clone() })
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        hold(&self.people).remove(&self.user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ApiError;
    use axum::http::header::RETRY_AFTER;
    use axum::response::IntoResponse as _;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[test]
    fn who_is_refused_is_told_when_to_come_again() {
        let response = ApiError::from(UnderWay).into_response();
        assert_eq!((response.status().as_u16(), response.headers()[RETRY_AFTER].as_bytes()), (429, &b"5"[..]));
    }

    #[test]
    fn a_person_has_one_check_at_a_time_and_all_together_have_some() {
        let checks = Checks::default();
        let ada = checks.begin(&user("ada")).unwrap();
        assert_eq!(checks.begin(&user("ada")).unwrap_err(), UnderWay);
        let others: Vec<_> = (1..AT_ONCE).map(|n| checks.begin(&user(&format!("user{n}"))).unwrap()).collect();
        assert_eq!(checks.begin(&user("bob")).unwrap_err(), UnderWay);
        drop(ada);
        assert!(checks.begin(&user("ada")).is_ok());
        drop(others);
        assert!(hold(&checks.0).is_empty());
    }
}
