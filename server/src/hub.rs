//! Who is connected and what they want to hear of: nudges go from a push to every open socket they concern.

use crate::lock::hold;
use crate::log::{Collection, StreamId};
use mana_sync_engine::model::{AppId, SpaceId, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

/// What a connection is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nudge {
    /// There is something to pull in these tables of an app.
    Available {
        /// The app.
        app: AppId,
        /// The tables' names on the wire.
        tables: Vec<String>,
        /// When it was stored.
        since: Instant,
    },
    /// The person's memberships changed.
    SpacesChanged,
}

/// What of its person's news a connection hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interest {
    /// All of it.
    Everything,
    /// That of one app.
    App(AppId),
    /// That of these tables.
    Tables(BTreeSet<Collection>),
}

impl Interest {
    fn has(&self, collection: &Collection) -> bool {
        match self {
            Self::Everything => true,
            Self::App(app) => collection.app == *app,
            Self::Tables(tables) => tables.contains(collection),
        }
    }
}

/// Nudges a connection may be behind before it counts as dead. It pulls after reconnecting, so none is missed.
const BACKLOG: usize = 64;

/// This person has as many connections as one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// All open connections of this process.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<Connections>>);

#[derive(Default)]
struct Connections {
    /// How many one person may have; without it as many as they like.
    most: Option<NonZeroU32>,
    next: u64,
    open: HashMap<u64, Connection>,
    by_stream: HashMap<StreamId, HashSet<u64>>,
}

struct Connection {
    user: UserId,
    interest: Interest,
    spaces: BTreeSet<SpaceId>,
    sender: mpsc::Sender<Nudge>,
    /// Whether one nudge says as much as many: who reads the log itself needs to know only that it has to.
    looks_itself: bool,
}

/// An open connection's place in the hub; leaving the hub is dropping it.
pub struct Subscription {
    hub: Hub,
    id: u64,
    receiver: mpsc::Receiver<Nudge>,
}

impl Hub {
    /// A hub in which one person has at most so many connections. The one that is too many is refused rather than an older one
    /// ended: that one would connect again, and push out the next one.
    #[must_use]
    pub fn with_most(most: Option<NonZeroU32>) -> Self {
        Self(Arc::new(Mutex::new(Connections { most, ..Connections::default() })))
    }

    /// Adds a connection of `user` that is told every nudge; of what is the person's own at once, of spaces after
    /// [`Subscription::set_spaces`]. One that does not take them is dropped.
    pub fn subscribe(&self, user: UserId, interest: Interest) -> Result<Subscription, TooMany> {
        self.add(user, interest, false)
    }

    /// Adds a connection that reads the log by itself once it is told that there is something: however much there is,
    /// one nudge waits for it, so that it takes no more memory when it is slow and need not be dropped.
    pub fn follow(&self, user: UserId, tables: BTreeSet<Collection>) -> Result<Subscription, TooMany> {
        self.add(user, Interest::Tables(tables), true)
    }

    fn add(&self, user: UserId, interest: Interest, looks_itself: bool) -> Result<Subscription, TooMany> {
        let (sender, receiver) = mpsc::channel(if looks_itself { 1 } else { BACKLOG });
        let mut connections = self.lock();
        let own = StreamId::User(user.clone());
        let open = connections.by_stream.get(&own).map_or(0, HashSet::len);
        if connections.most.is_some_and(|most| u64::from(most.get()) <= open as u64) {
            return Err(TooMany);
        }
        connections.next += 1;
        let id = connections.next;
        connections.by_stream.entry(own).or_default().insert(id);
        connections.open.insert(id, Connection { user, interest, spaces: BTreeSet::new(), sender, looks_itself });
        drop(connections);
        Ok(Subscription { hub: self.clone(), id, receiver })
    }

    /// Tells everybody who may read these streams that there is something to pull, which was stored at `since`.
    pub fn publish(&self, news: &BTreeMap<StreamId, BTreeSet<Collection>>, since: Instant) {
        let mut connections = self.lock();
        let mut told: BTreeMap<u64, BTreeSet<&Collection>> = BTreeMap::new();
        for (stream, tables) in news {
            for id in connections.by_stream.get(stream).into_iter().flatten() {
                told.entry(*id).or_default().extend(tables);
            }
        }
        for (id, tables) in told {
            connections.tell(id, tables, since);
        }
    }

    /// Tells these people's connections that their memberships changed.
    pub fn spaces_changed(&self, users: &[UserId]) {
        let mut connections = self.lock();
        for user in users {
            let ids = connections.by_stream.get(&StreamId::User(user.clone())).cloned().unwrap_or_default();
            for id in ids {
                connections.send(id, Nudge::SpacesChanged);
            }
        }
    }

    /// How many connections are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        hold(&self.0)
    }
}

impl Connections {
    fn tell(&mut self, id: u64, tables: BTreeSet<&Collection>, since: Instant) {
        let Some(open) = self.open.get(&id) else { return };
        let mut by_app: BTreeMap<&AppId, Vec<String>> = BTreeMap::new();
        for collection in tables.into_iter().filter(|collection| open.interest.has(collection)) {
            by_app.entry(&collection.app).or_default().push(collection.table.to_string());
        }
        for (app, tables) in by_app {
            self.send(id, Nudge::Available { app: app.clone(), tables, since });
        }
    }

    /// A connection that does not take its nudges is dropped rather than waited for.
    fn send(&mut self, id: u64, nudge: Nudge) {
        let Some(open) = self.open.get(&id) else { return };
        match open.sender.try_send(nudge) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) if open.looks_itself => {}
            Err(_) => self.remove(id),
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(connection) = self.open.remove(&id) else { return };
        self.forget(id, &StreamId::User(connection.user));
        for space in connection.spaces {
            self.forget(id, &StreamId::Space(space));
        }
    }

    fn forget(&mut self, id: u64, stream: &StreamId) {
        if let Some(ids) = self.by_stream.get_mut(stream) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_stream.remove(stream);
            }
        }
    }
}

impl Subscription {
    /// From now on the connection hears of exactly these shared spaces.
    pub fn set_spaces(&self, spaces: BTreeSet<SpaceId>) {
        let mut connections = self.hub.lock();
        let Some(connection) = connections.open.get_mut(&self.id) else { return };
        let before = std::mem::replace(&mut connection.spaces, spaces.clone());
        for space in before.difference(&spaces) {
            connections.forget(self.id, &StreamId::Space(space.clone()));
        }
        for space in spaces {
            connections.by_stream.entry(StreamId::Space(space)).or_default().insert(self.id);
        }
    }

    /// The next nudge; `None` when the connection was dropped for being too slow.
    pub async fn next(&mut self) -> Option<Nudge> {
        self.receiver.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests;
