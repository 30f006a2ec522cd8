//! Going on where a stream was cut off, and beginning in the middle of much.

use super::{Stream, refusal, request};
use crate::restore::copy;
use crate::support::{Site, event, task, task_in, with};
use serde_json::json;
use std::collections::BTreeMap;

#[tokio::test]
async fn cut_at_every_event_and_resumed_a_stream_misses_nothing_and_brings_nothing_twice() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let space = ada.create_space("family").await;
    let place = |n: usize| if n.is_multiple_of(3) { task_in(&space, &format!("t{n}")) } else { task(&format!("t{n}")) };
    ada.accept(&(0..60).map(place).collect::<Vec<_>>()).await;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut last: Option<String> = None;
    for cut in 0..40 {
        let query = match &last {
            // The address a client began with stays the same; the header beside it says where it was cut off.
            Some(id) if cut % 2 == 0 => format!("apps=todo/tasks&limit=2&cursor={id}"),
            _ => "apps=todo/tasks&limit=2".to_owned(),
        };
        let mut request = request(&ada, &query);
        if let Some(id) = last.as_ref().filter(|_| cut % 2 == 1) {
            request = request.header("last-event-id", id);
        }
        let mut stream = Stream::of(request.send().await.unwrap());
        ada.accept(&[place(60 + cut)]).await;
        for _ in 0..=cut % 3 {
            let event = stream.event().await;
            for id in event.tasks() {
                *seen.entry(id).or_default() += 1;
            }
            last = Some(event.id.clone());
            if seen.len() == 60 + cut + 1 {
                break;
            }
        }
    }
    let mut stream = Stream::open(&ada, &format!("apps=todo/tasks&cursor={}", last.unwrap())).await;
    while seen.len() < 100 {
        for id in stream.event().await.tasks() {
            *seen.entry(id).or_default() += 1;
        }
    }
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
}

#[tokio::test]
async fn what_is_pushed_while_the_backlog_is_read_comes_once_and_in_its_place() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    ada.accept(&(0..300).map(|n| task(&format!("t{n}"))).collect::<Vec<_>>()).await;
    let mut stream = Stream::open(&ada, "apps=todo/tasks&limit=7").await;
    let writer = tokio::spawn({
        let ada = ada.clone();
        async move {
            for n in 300..400 {
                ada.accept(&[task(&format!("t{n}"))]).await;
            }
        }
    });
    let mut found = Vec::new();
    while found.len() < 400 {
        found.extend(stream.event().await.tasks());
    }
    writer.await.unwrap();
    assert_eq!(found, (0..400).map(|n| format!("t{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_of_another_log_or_of_the_future_is_refused_as_by_a_pull() {
    let site = Site::start().await;
    let (ada, elsewhere) = (site.person("ada").await, Site::start().await);
    ada.accept(&[task("t1"), task("t2")]).await;
    let foreign = elsewhere.person("ada").await;
    foreign.accept(&[task("t1")]).await;
    let foreign = foreign.pull(None, &["tasks"], 9).await.body["cursor"].as_str().unwrap().to_owned();
    for bad in [&*foreign, "nonsense"] {
        let by_query = request(&ada, &format!("apps=todo/tasks&cursor={bad}"));
        let by_header = request(&ada, "apps=todo/tasks").header("last-event-id", bad);
        for request in [by_query, by_header] {
            assert_eq!(refusal(request).await, (410, "cursor_expired".to_owned()));
        }
    }
    let older = site.folder.path().join("older.db");
    let site = site.restart(|database| copy(database, &older)).await;
    let ada = site.person("ada").await;
    ada.accept(&[task("t3")]).await;
    let future = ada.pull(None, &["tasks"], 9).await.body["cursor"].as_str().unwrap().to_owned();
    let site = site.restart(|database| copy(&older, database)).await;
    let ada = site.person("ada").await;
    let request = request(&ada, &format!("apps=todo/tasks&cursor={future}"));
    assert_eq!(refusal(request).await, (410, "cursor_expired".to_owned()));
}

#[tokio::test]
async fn an_open_receipt_that_the_log_does_not_hold_is_refused_by_a_stream() {
    let (site, elsewhere) = (Site::start().await, Site::start().await);
    let (ada, foreign) = (site.person("ada").await, elsewhere.person("ada").await);
    let change = with(task("t1"), &[("eventId", json!(event()))]);
    let receipt = foreign.push(&[change]).await.body["receipt"].as_str().unwrap().to_owned();
    let request = request(&ada, &format!("apps=todo/tasks&receipt={receipt}"));
    assert_eq!(refusal(request).await, (410, "cursor_expired".to_owned()));
}
