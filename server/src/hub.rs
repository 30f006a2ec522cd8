//! Who is connected and what they want to hear of: nudges go from a push to every open socket they concern.

use crate::lock::hold;
use crate::log::{Collection, StreamId};
use mana_sync_engine::model::{AppId, SpaceId, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;

/// What a connection is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nudge {
    /// There is something to pull in these tables of an app.
    Available {
        /// The app.
        app: AppId,
        /// The tables' names on the wire.
        tables: Vec<String>,
    },
    /// The person's memberships changed.
    SpacesChanged,
}

/// Nudges a connection may be behind before it counts as dead. It pulls after reconnecting, so none is missed.
const BACKLOG: usize = 64;

/// All open connections of this process.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<Connections>>);

#[derive(Default)]
struct Connections {
    next: u64,
    open: HashMap<u64, Connection>,
    by_stream: HashMap<StreamId, HashSet<u64>>,
}

struct Connection {
    user: UserId,
    app: Option<AppId>,
    spaces: BTreeSet<SpaceId>,
    sender: mpsc::Sender<Nudge>,
}

/// An open connection's place in the hub; leaving the hub is dropping it.
pub struct Subscription {
    hub: Hub,
    id: u64,
    receiver: mpsc::Receiver<Nudge>,
}

impl Hub {
    /// Adds a connection of `user` that hears of one app, or of all; of what is the person's own at once, of spaces
    /// after [`Subscription::set_spaces`].
    #[must_use]
    pub fn subscribe(&self, user: UserId, app: Option<AppId>) -> Subscription {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let mut connections = self.lock();
        connections.next += 1;
        let id = connections.next;
        connections.by_stream.entry(StreamId::User(user.clone())).or_default().insert(id);
        connections.open.insert(id, Connection { user, app, spaces: BTreeSet::new(), sender });
        drop(connections);
        Subscription { hub: self.clone(), id, receiver }
    }

    /// Tells everybody who may read these streams that there is something to pull.
    pub fn publish(&self, news: &BTreeMap<StreamId, BTreeSet<Collection>>) {
        let mut connections = self.lock();
        let mut told: BTreeMap<u64, BTreeSet<&Collection>> = BTreeMap::new();
        for (stream, tables) in news {
            for id in connections.by_stream.get(stream).into_iter().flatten() {
                told.entry(*id).or_default().extend(tables);
            }
        }
        for (id, tables) in told {
            connections.tell(id, tables);
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
    fn tell(&mut self, id: u64, tables: BTreeSet<&Collection>) {
        let mut by_app: BTreeMap<&AppId, Vec<String>> = BTreeMap::new();
        for collection in tables {
            by_app.entry(&collection.app).or_default().push(collection.table.to_string());
        }
        for (app, tables) in by_app {
            let wanted = self.open.get(&id).is_some_and(|open| open.app.as_ref().is_none_or(|only| only == app));
            if wanted {
                self.send(id, Nudge::Available { app: app.clone(), tables });
            }
        }
    }

    /// A connection that does not take its nudges is dropped rather than waited for.
    fn send(&mut self, id: u64, nudge: Nudge) {
        if self.open.get(&id).is_some_and(|open| open.sender.try_send(nudge).is_err()) {
            self.remove(id);
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
mod tests {
    use super::*;

    fn news(stream: &str, tables: &[&str]) -> BTreeMap<StreamId, BTreeSet<Collection>> {
        let tables = tables.iter().map(|table| Collection::try_from((*table).to_owned()).unwrap());
        BTreeMap::from([(StreamId::try_from(stream.to_owned()).unwrap(), tables.collect())])
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[tokio::test]
    async fn a_space_is_heard_by_those_who_are_in_it_now() {
        let hub = Hub::default();
        let family = BTreeSet::from([SpaceId::parse("family").unwrap()]);
        let mut ada = hub.subscribe(user("ada"), None);
        let mut bob = hub.subscribe(user("bob"), None);
        ada.set_spaces(family.clone());
        bob.set_spaces(family);
        bob.set_spaces(BTreeSet::new());
        hub.publish(&news("space:family", &["todo/tasks", "notes/notes"]));
        hub.publish(&news("user:bob", &["todo/tags"]));
        let apps = [ada.next().await, ada.next().await].map(|nudge| match nudge {
            Some(Nudge::Available { app, .. }) => app.to_string(),
            _ => String::new(),
        });
        assert_eq!(apps, ["notes", "todo"]);
        let own = Nudge::Available { app: AppId::parse("todo").unwrap(), tables: vec!["tags".into()] };
        assert_eq!(bob.next().await, Some(own));
    }

    #[tokio::test]
    async fn a_connection_of_one_app_hears_of_no_other() {
        let hub = Hub::default();
        let mut ada = hub.subscribe(user("ada"), Some(AppId::parse("todo").unwrap()));
        hub.publish(&news("user:ada", &["notes/notes"]));
        hub.spaces_changed(&[user("ada")]);
        assert_eq!(ada.next().await, Some(Nudge::SpacesChanged));
    }

    #[tokio::test]
    async fn a_connection_that_stops_reading_is_dropped_and_the_others_are_not() {
        let hub = Hub::default();
        let mut slow = hub.subscribe(user("ada"), None);
        let mut quick = hub.subscribe(user("ada"), None);
        for _ in 0..=BACKLOG {
            hub.publish(&news("user:ada", &["todo/tasks"]));
            assert!(quick.next().await.is_some());
        }
        assert_eq!(hub.len(), 1);
        let mut heard = 0;
        while slow.next().await.is_some() {
            heard += 1;
        }
        assert_eq!(heard, BACKLOG);
    }

    #[test]
    fn nothing_is_left_of_connections_that_are_gone() {
        let hub = Hub::default();
        for _ in 0..1000 {
            hub.subscribe(user("ada"), None).set_spaces(BTreeSet::from([SpaceId::parse("family").unwrap()]));
        }
        assert!(hub.is_empty() && hub.lock().by_stream.is_empty());
    }
}
