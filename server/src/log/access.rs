//! Which streams a person may read and write, from their memberships.

use super::StreamId;
use mana_sync_engine::model::{PERSONAL_PREFIX, Space, SpaceId, UserId, personal_alias};
use mana_sync_engine::protocol::wire::RejectionCode;
use std::collections::BTreeSet;

/// The person a request comes from, and the spaces they are a member of.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The person, as their token says.
    pub user: UserId,
    /// Their memberships at this moment.
    pub spaces: Vec<Space>,
}

impl Caller {
    /// The person's own stream.
    #[must_use]
    pub fn own_stream(&self) -> StreamId {
        StreamId::User(self.user.clone())
    }

    /// Every stream the person may read.
    #[must_use]
    pub fn readable(&self) -> BTreeSet<StreamId> {
        let shared = self.spaces.iter().filter(|space| !space.is_personal());
        shared.map(|space| StreamId::Space(space.id.clone())).chain([self.own_stream()]).collect()
    }

    /// The name a space has on the wire: the person's own space always goes by its alias.
    #[must_use]
    pub fn wire_name(&self, space: SpaceId) -> SpaceId {
        let own = |known: &Space| known.id == space && known.is_personal() && known.role.as_deref() == Some("owner");
        if !self.spaces.iter().any(own) {
            return space;
        }
        // A user id so long that its alias is no id names no alias; the space then keeps its own name.
        SpaceId::parse(personal_alias(&self.user)).unwrap_or(space)
    }

    /// Whether a space may be the person's own without anybody saying so: nobody says what kind it is, and they own it. A person whose
    /// alias is too long for an id has none by it.
    #[must_use]
    pub fn may_be_own(&self, space: &SpaceId) -> bool {
        let open = |known: &Space| known.id == *space && known.kind.is_none() && known.role.as_deref() == Some("owner");
        self.spaces.iter().any(open)
            && !self.spaces.iter().any(Space::is_personal)
            && SpaceId::parse(personal_alias(&self.user)).is_ok()
    }

    /// The streams of spaces that may be the person's own.
    #[must_use]
    pub(super) fn unsure(&self) -> BTreeSet<StreamId> {
        let spaces = self.spaces.iter().filter(|space| self.may_be_own(&space.id));
        spaces.map(|space| StreamId::Space(space.id.clone())).collect()
    }

    /// The same person, with a space that may be their own as such.
    #[must_use]
    pub fn with_own_space(mut self, space: &SpaceId) -> Self {
        if self.may_be_own(space) {
            let own = self.spaces.iter_mut().filter(|known| known.id == *space);
            own.for_each(|known| known.kind = Some(Space::PERSONAL.to_owned()));
        }
        self
    }

    /// Whether a name, as the wire has it, is the person's own space.
    #[must_use]
    pub fn is_own(&self, wire_name: &SpaceId) -> bool {
        wire_name.as_str().strip_prefix(PERSONAL_PREFIX) == Some(self.user.as_str())
    }

    /// The stream that changes of a space go to, when the person may write there; `None` is what belongs to no space.
    pub fn writable(&self, wire_name: Option<&SpaceId>) -> Result<StreamId, RejectionCode> {
        let Some(name) = wire_name.filter(|name| !self.is_own(name)) else {
            return Ok(self.own_stream());
        };
        match self.spaces.iter().find(|space| space.id == *name && !space.is_personal()) {
            None => Err(RejectionCode::NotAMember),
            Some(space) if space.is_read_only() => Err(RejectionCode::ReadOnly),
            Some(space) => Ok(StreamId::Space(space.id.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(id: &str, kind: &str, role: &str) -> Space {
        Space { id: SpaceId::parse(id).unwrap(), kind: Some(kind.into()), role: Some(role.into()) }
    }

    fn ada() -> Caller {
        let spaces = vec![
            space("home", "personal", "owner"),
            space("family", "family", "viewer"),
            space("club", "club", "member"),
        ];
        Caller { user: UserId::parse("ada").unwrap(), spaces }
    }

    fn target(name: &str) -> Result<StreamId, RejectionCode> {
        ada().writable(Some(&ada().wire_name(SpaceId::parse(name).unwrap())))
    }

    #[test]
    fn the_personal_space_and_its_alias_are_the_persons_own_stream() {
        assert_eq!(target("home"), Ok(ada().own_stream()));
        assert_eq!(target("_personal:ada"), Ok(ada().own_stream()));
        assert_eq!(ada().writable(None), Ok(ada().own_stream()));
    }

    #[test]
    fn only_members_write_and_viewers_do_not() {
        assert_eq!(target("club"), Ok(StreamId::Space(SpaceId::parse("club").unwrap())));
        assert_eq!(target("family"), Err(RejectionCode::ReadOnly));
        assert_eq!(target("elsewhere"), Err(RejectionCode::NotAMember));
        assert_eq!(target("_personal:bob"), Err(RejectionCode::NotAMember));
    }

    #[test]
    fn a_viewer_reads_and_a_personal_space_is_no_stream_of_its_own() {
        let names: Vec<String> = ada().readable().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["user:ada", "space:club", "space:family"]);
    }

    #[test]
    fn a_space_whose_membership_says_another_persons_alias_opens_nothing_of_theirs() {
        let caller =
            Caller { user: UserId::parse("ada").unwrap(), spaces: vec![space("_personal:bob", "family", "owner")] };
        assert!(!caller.readable().contains(&StreamId::User(UserId::parse("bob").unwrap())));
    }
}
