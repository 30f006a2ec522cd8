//! Who hears what, and that nothing is left of connections that are gone.

use super::*;
use futures_util::FutureExt as _;

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
    let mut ada = hub.subscribe(user("ada"), Interest::Everything).unwrap();
    let mut bob = hub.subscribe(user("bob"), Interest::Everything).unwrap();
    ada.set_spaces(family.clone());
    bob.set_spaces(family);
    bob.set_spaces(BTreeSet::new());
    hub.publish(&news("space:family", &["todo/tasks", "notes/notes"]), Instant::now());
    let since = Instant::now();
    hub.publish(&news("user:bob", &["todo/tags"]), since);
    let apps = [ada.next().await, ada.next().await].map(|nudge| match nudge {
        Some(Nudge::Available { app, .. }) => app.to_string(),
        _ => String::new(),
    });
    assert_eq!(apps, ["notes", "todo"]);
    let own = Nudge::Available { app: AppId::parse("todo").unwrap(), tables: vec!["tags".into()], since };
    assert_eq!(bob.next().await, Some(own));
}

#[tokio::test]
async fn a_connection_of_one_app_hears_of_no_other() {
    let hub = Hub::default();
    let mut ada = hub.subscribe(user("ada"), Interest::App(AppId::parse("todo").unwrap())).unwrap();
    hub.publish(&news("user:ada", &["notes/notes"]), Instant::now());
    hub.spaces_changed(&[user("ada")]);
    assert_eq!(ada.next().await, Some(Nudge::SpacesChanged));
}

#[tokio::test]
async fn a_connection_that_stops_reading_is_dropped_and_the_others_are_not() {
    let hub = Hub::default();
    let mut slow = hub.subscribe(user("ada"), Interest::Everything).unwrap();
    let mut quick = hub.subscribe(user("ada"), Interest::Everything).unwrap();
    for _ in 0..=BACKLOG {
        hub.publish(&news("user:ada", &["todo/tasks"]), Instant::now());
        assert!(quick.next().await.is_some());
    }
    assert_eq!(hub.len(), 1);
    let mut heard = 0;
    while slow.next().await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, BACKLOG);
}

#[tokio::test]
async fn who_reads_the_log_itself_is_told_once_however_much_there_is_and_stays() {
    let hub = Hub::default();
    let mut follower =
        hub.follow(user("ada"), BTreeSet::from([Collection::try_from("todo/tasks".to_owned()).unwrap()])).unwrap();
    hub.publish(&news("user:ada", &["todo/tags", "notes/tasks"]), Instant::now());
    assert!(follower.next().now_or_never().is_none(), "other tables");
    for _ in 0..=BACKLOG {
        hub.publish(&news("user:ada", &["todo/tasks"]), Instant::now());
    }
    assert!(follower.next().await.is_some());
    assert!(follower.next().now_or_never().is_none(), "that was all");
    hub.spaces_changed(&[user("ada")]);
    assert_eq!((follower.next().await, hub.len()), (Some(Nudge::SpacesChanged), 1));
}

#[test]
fn nothing_is_left_of_connections_that_are_gone() {
    let hub = Hub::default();
    for _ in 0..1000 {
        hub.subscribe(user("ada"), Interest::Everything)
            .unwrap()
            .set_spaces(BTreeSet::from([SpaceId::parse("family").unwrap()]));
    }
    assert!(hub.is_empty() && hub.lock().by_stream.is_empty());
}

#[test]
fn one_person_has_so_many_connections_and_others_have_theirs() {
    let hub = Hub::with_most(NonZeroU32::new(2));
    let first = hub.subscribe(user("ada"), Interest::Everything).unwrap();
    let _second = hub.follow(user("ada"), BTreeSet::new()).unwrap();
    first.set_spaces(BTreeSet::from([SpaceId::parse("family").unwrap()]));
    assert!(hub.follow(user("ada"), BTreeSet::new()).is_err(), "both kinds count");
    assert!(hub.subscribe(user("ada"), Interest::Everything).is_err());
    assert!(hub.subscribe(user("bob"), Interest::Everything).is_ok());
    drop(first);
    assert!(hub.subscribe(user("ada"), Interest::Everything).is_ok(), "one has gone");
}
