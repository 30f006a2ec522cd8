//! The spaces the user is a member of: kept for starts without a connection, with the types they were first seen with.
//!
//! What lies in a space of the user's own is for the user alone. Were a list that arrives later able to turn it into a
//! shared one, whoever makes the lists could read what a person writes for themselves: so a type is pinned, and only the
//! app, asked by name, lets go of it.

use super::error::{Error, Kind, Result};
use super::ports::Host;
use super::{Engine, GUEST, live, own_space, progress, rows};
use crate::model::{Space, SpaceId, record};
use crate::store::{ENGINE, Mode, Store, Transaction};
use serde_json::{Map, Value, json};
use std::rc::Rc;

record! {
    /// What is kept of a user's spaces.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Kept {
        /// The list as it was last set.
        pub spaces: Vec<Space> = "spaces",
        /// Every type a space was ever seen with, by id.
        pub pinned: Map<String, Value> = "pinned",
        /// Every space the server named: since when, in device milliseconds, it does so no more; `null` while it does.
        pub named: Map<String, Value> = "named" or Map::new(),
        /// The spaces that were left, and when; see `leaving.rs`.
        pub left: Map<String, Value> = "left" or Map::new(),
    }
}

impl Kept {
    /// The spaces of `list` with the types that stay, and what is to be kept. A space that was the user's own and is
    /// shared now is refused, unless it is among `confirmed`.
    pub fn with(&self, list: Vec<Space>, confirmed: &[SpaceId]) -> Result<Self> {
        let is_refused = |space: &&Space| is_turned(self.pinned_type(space), space) && !confirmed.contains(&space.id);
        match list.iter().find(is_refused) {
            Some(space) => Err(turned(space)),
            None => Ok(self.listing(list, true)),
        }
    }

    /// The same, where nobody can be asked: a type that is pinned stays.
    pub fn with_pinned(&self, list: Vec<Space>) -> Self {
        self.listing(list, false)
    }

    fn listing(&self, list: Vec<Space>, may_turn: bool) -> Self {
        let mut kept = Self { spaces: Vec::with_capacity(list.len()), ..self.clone() };
        for space in list {
            let pinned = self.pinned_type(&space);
            let told = space.kind.clone().filter(|_| may_turn || !is_turned(pinned, &space));
            let kind = told.or_else(|| pinned.map(str::to_owned));
            if let Some(kind) = &kind {
                kept.pinned.insert(space.id.to_string(), kind.as_str().into());
            }
            kept.spaces.push(Space { kind, ..space });
        }
        kept
    }

    /// The spaces of the list that the server did not take back.
    pub fn shown(&self) -> Vec<Space> {
        let is_named =
            |space: &&Space| space.is_personal() || self.named.get(space.id.as_str()).is_none_or(Value::is_null);
        self.spaces.iter().filter(is_named).cloned().collect()
    }

    fn pinned_type(&self, space: &Space) -> Option<&str> {
        self.pinned.get(space.id.as_str()).and_then(Value::as_str)
    }
}

/// Whether a space that was a person's own is to be shared.
fn is_turned(pinned: Option<&str>, space: &Space) -> bool {
    pinned == Some(Space::PERSONAL) && space.kind.as_deref().is_some_and(|kind| kind != Space::PERSONAL)
}

fn turned(space: &Space) -> Error {
    let kind = space.kind.as_deref().unwrap_or_default();
    let message = format!(
        "the space {} was the user's own and is said to be shared now ({kind}): what is written there would be read by \
         others. When the person wants that, pass its id as confirmTypeChange; nothing was changed",
        space.id
    );
    Error::new(Kind::SpaceTypeChanged, message).with(json!({ "spaceId": space.id, "type": kind }))
}

/// The list a user's spaces were last set to.
pub async fn kept<S: Store>(store: &S, user: &str) -> Result<Vec<Space>> {
    let tx = store.begin(Mode::Read, &[ENGINE])?;
    Ok(read(&tx, user).await?.shown())
}

/// The spaces to begin with, after the app's list; the list is kept.
pub async fn begin<Tx: Transaction>(tx: &Tx, user: &str, list: Vec<Space>) -> Result<Vec<Space>> {
    let known = read(tx, user).await?;
    let kept = known.with_pinned(list);
    if kept != known {
        rows::write(tx, rows::SPACES, user, kept.clone())?;
    }
    Ok(kept.shown())
}

/// What is kept of a user's spaces.
pub async fn read<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Kept> {
    Ok(rows::read(tx, rows::SPACES, user).await?.unwrap_or_default())
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Goes over to the spaces of a user who signed in, or of a guest: those kept for them; where there are none, those an
    /// app named for its guest. What another user was a member of is nobody else's to see.
    pub(super) async fn take_kept_spaces(&self, user: &str, before: &str) -> Result<()> {
        let mut named = std::mem::take(&mut self.config.borrow_mut().spaces);
        if before != GUEST {
            named.clear();
            self.config.borrow_mut().active_space = None;
        }
        let tx = self.store.begin(Mode::Write, &[ENGINE])?;
        let known = read(&tx, user).await?;
        let kept = if known.spaces.is_empty() { known.with_pinned(named) } else { known };
        if user != GUEST {
            rows::write(&tx, rows::SPACES, user, kept.clone())?;
        }
        tx.commit().await?;
        self.config.borrow_mut().spaces = kept.shown();
        self.name_own_space().await?;
        Ok(())
    }

    async fn name_own_space(&self) -> Result<bool> {
        let config = self.config().clone();
        own_space::name(&self.store, &config).await
    }

    /// Sets the spaces the user is a member of, and keeps the list. Fails with [`Kind::SpaceTypeChanged`] where a space
    /// of the user's own is shared now and is not among `confirmed`.
    pub async fn set_spaces(self: &Rc<Self>, spaces: Vec<Space>, confirmed: &[SpaceId]) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Write, &[ENGINE])?;
        let mut kept = read(&tx, &user).await?.with(spaces, confirmed)?;
        if progress::of(&tx, &user).await?.by_time {
            // A server of protocol 1 names no spaces: who is in which again is for the app to say.
            for space in &kept.spaces {
                kept.named.remove(space.id.as_str());
                kept.left.remove(space.id.as_str());
            }
        }
        rows::write(&tx, rows::SPACES, &user, kept.clone())?;
        tx.commit().await?;
        self.show_spaces(&kept);
        if self.name_own_space().await? {
            // What was read meanwhile may lack what had the other name.
            self.live.invalidate_all();
            live::schedule(self);
        }
        Ok(())
    }

    /// Goes over to the spaces of a list, where they are others.
    pub(super) fn show_spaces(self: &Rc<Self>, kept: &Kept) {
        let shown = kept.shown();
        if self.config().spaces != shown {
            self.config.borrow_mut().spaces = shown;
            self.live.invalidate_all();
            live::schedule(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(id: &str, kind: Option<&str>) -> Space {
        Space { id: SpaceId::parse(id).expect("an id"), kind: kind.map(str::to_owned), role: None }
    }

    fn kept(list: Vec<Space>) -> Kept {
        Kept::default().with(list, &[]).expect("nothing is pinned")
    }

    fn kind(kept: &Kept) -> Option<&str> {
        kept.spaces[0].kind.as_deref()
    }

    #[test]
    fn a_space_of_ones_own_is_not_shared_by_a_later_list() {
        let own = kept(vec![space("s", Some("personal"))]);
        let shared = || vec![space("s", Some("family"))];
        let error = own.with(shared(), &[]).expect_err("refused");
        assert_eq!(error.kind(), Kind::SpaceTypeChanged);
        assert_eq!(kind(&own.with_pinned(shared())), Some("personal"));
        // Not by a detour either.
        let without = own.with(Vec::new(), &[]).expect("the user left it");
        assert!(without.with(shared(), &[]).is_err(), "it is remembered");
        let confirmed = own.with(shared(), &[SpaceId::parse("s").expect("an id")]).expect("the app says so");
        assert_eq!(kind(&confirmed), Some("family"));
    }

    #[test]
    fn a_shared_space_may_become_ones_own_and_a_list_without_types_changes_none() {
        let shared = kept(vec![space("s", Some("family"))]);
        let own = shared.with(vec![space("s", Some("personal"))], &[]).expect("taken");
        assert_eq!(kind(&own), Some("personal"));
        let untold = own.with(vec![space("s", None)], &[]).expect("taken");
        assert_eq!(kind(&untold), Some("personal"));
        assert_eq!(kind(&own.with_pinned(vec![space("s", None)])), Some("personal"));
    }
}
