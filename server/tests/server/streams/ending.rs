//! When a stream ends, and that nothing is left of it.

use super::{Stream, has_connections};
use crate::support::{Person, Site, task, with};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn many_streams_opened_and_closed_leave_nothing_behind() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    ada.create_space("family").await;
    let mut streams = Vec::new();
    for _ in 0..120 {
        let mut stream = Stream::of_tasks(&ada).await;
        stream.event().await;
        streams.push(stream);
    }
    assert_eq!(site.server.connections(), 120);
    streams.truncate(1);
    has_connections(&site, 1).await;
    ada.accept(&[task("t1")]).await;
    streams.pop().unwrap().brings(&["t1"]).await;
    has_connections(&site, 0).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_says_so() {
    let site = Site::start().await;
    let ada = Person::sign_in_for(&site.url(), "ada", Some(2)).await;
    let mut stream = Stream::of_tasks(&ada).await;
    assert_eq!(stream.event().await.name, "changes");
    stream.ends_with("token_expired").await;
    has_connections(&site, 0).await;
}

#[tokio::test]
async fn sockets_and_streams_are_told_each_for_itself() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let mut socket = crate::sockets::Socket::open(&site, &ada).await;
    let (mut stream, mut gone) = (Stream::of_tasks(&ada).await, Stream::of_tasks(&ada).await);
    stream.event().await;
    gone.event().await;
    drop(gone);
    has_connections(&site, 2).await;
    ada.accept(&[task("t1")]).await;
    stream.brings(&["t1"]).await;
    assert_eq!(socket.hear().await, crate::sockets::available("tasks"));
    drop(stream);
    has_connections(&site, 1).await;
    ada.accept(&[task("t2")]).await;
    assert_eq!(socket.hear().await, crate::sockets::available("tasks"));
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_dropped_and_the_others_go_on() {
    let site = Site::start_with(|settings| settings.patience.deafness = Duration::from_millis(300)).await;
    let ada = site.person("ada").await;
    let (unread, mut read) = (Stream::of_tasks(&ada).await, Stream::of_tasks(&ada).await);
    read.event().await;
    assert_eq!(site.server.connections(), 2);
    let mut n = 0;
    // More than the buffers between the two hold.
    while site.server.connections() > 1 {
        n += 1;
        let large = json!({ "id": format!("t{n}"), "text": "x".repeat(3 << 20) });
        ada.accept(&[with(task(&format!("t{n}")), &[("data", large)])]).await;
        read.brings(&[&*format!("t{n}")]).await;
        assert!(n < 100, "nobody was dropped");
    }
    drop(unread);
    ada.accept(&[task("last")]).await;
    read.brings(&["last"]).await;
}

#[tokio::test]
async fn a_stopping_server_ends_its_streams_in_good_order() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let mut stream = Stream::of_tasks(&ada).await;
    stream.event().await;
    drop(ada);
    let end = tokio::spawn(async move { stream.ends_with("stopping").await });
    site.server.stop().await;
    end.await.unwrap();
}
