//! Memberships from the service that manages organisations.

use super::{Lookup, Memberships, SpaceList, Unavailable};
use crate::clock;
use crate::upstream::{Upstream, below};
use mana_sync_engine::model::{Space, SpaceId, UserId};
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Asks `GET {address}/api/v1/internal/users/{id}/memberships`.
pub struct MembershipService {
    upstream: Upstream,
    address: Url,
    key: HeaderValue,
}

/// The two shapes of its answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Named {
        #[serde(rename = "userId")]
        user: String,
        memberships: Vec<Membership>,
    },
    Bare(Vec<Membership>),
}

#[derive(Deserialize)]
struct Membership {
    #[serde(rename = "organizationId")]
    space: String,
    role: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl MembershipService {
    /// The service at `address`, which knows this server by `key`.
    #[must_use]
    pub fn new(upstream: Upstream, address: Url, key: HeaderValue) -> Self {
        Self { upstream, address, key }
    }

    async fn ask(&self, user: &UserId) -> Result<SpaceList, Unavailable> {
        let as_of = clock::now();
        let url = self.url_of(user).ok_or_else(|| Unavailable("this person's id makes no path".to_owned()))?;
        let answer = self.upstream.get(url, Some(&self.key)).await.map_err(|error| Unavailable(error.to_string()))?;
        let memberships = match answer {
            Answer::Bare(memberships) => memberships,
            Answer::Named { user: named, memberships } if named == user.as_str() => memberships,
            Answer::Named { .. } => return Err(Unavailable("the service answers about somebody else".to_owned())),
        };
        Ok(SpaceList { spaces: spaces(memberships), as_of })
    }

    fn url_of(&self, user: &UserId) -> Option<Url> {
        below(&self.address, &["api", "v1", "internal", "users", user.as_str(), "memberships"])
    }
}

/// A name that is no space's id opens nothing. Of two memberships in one space the first counts.
fn spaces(memberships: Vec<Membership>) -> Vec<Space> {
    let mut spaces = BTreeMap::new();
    for Membership { space, role, kind } in memberships {
        let Ok(id) = SpaceId::parse(space) else {
            tracing::warn!("a membership names a space by something that is no id");
            continue;
        };
        spaces.entry(id.clone()).or_insert(Space { id, kind, role });
    }
    spaces.into_values().collect()
}

impl Memberships for MembershipService {
    fn spaces_of<'a>(&'a self, user: &'a UserId) -> Lookup<'a> {
        Box::pin(self.ask(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(address: &str, user: &str) -> Option<String> {
        let upstream = Upstream::new().unwrap();
        let address = Url::parse(address).unwrap();
        let service = MembershipService::new(upstream, address, HeaderValue::from_static("key"));
        service.url_of(&UserId::parse(user).unwrap()).map(|url| url.to_string())
    }

    #[test]
    fn an_id_is_one_segment_of_the_path_whatever_it_holds() {
        let users = "https://auth.example/api/v1/internal/users";
        for (user, encoded) in [
            ("ada", "ada"),
            ("a/b", "a%2Fb"),
            ("../admin", "..%2Fadmin"),
            ("a?b#c", "a%3Fb%23c"),
            ("a%2Fb", "a%252Fb"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(path("https://auth.example", user), Some(format!("{users}/{encoded}/memberships")));
        }
        let below = "http://a/base/api/v1/internal/users/x/memberships";
        assert_eq!(path("http://a/base/", "x").as_deref(), Some(below));
        assert_eq!((path("http://a", "."), path("http://a", "..")), (None, None));
    }

    #[test]
    fn a_membership_without_a_spaces_id_opens_nothing_and_the_first_of_two_counts() {
        let membership =
            |space: &str, role: &str| Membership { space: space.into(), role: Some(role.into()), kind: None };
        let found =
            spaces(vec![membership("", "owner"), membership("family", "viewer"), membership("family", "owner")]);
        let found: Vec<_> = found.iter().map(|space| (space.id.as_str(), space.role.as_deref())).collect();
        assert_eq!(found, [("family", Some("viewer"))]);
    }
}
