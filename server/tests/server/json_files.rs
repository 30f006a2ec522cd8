//! Every file of `JSONTestSuite` as the value of a field that is pushed.

#[path = "../../../tests/vectors/json/mod.rs"]
mod json;

use crate::support::{Person, Site, answer, event};
use reqwest::header::CONTENT_TYPE;

async fn accepts(person: &Person, value: &[u8]) -> bool {
    let names =
        r#""app":"todo","schemaVersion":1,"table":"tasks","id":"t","op":"insert","at":"2026-01-01T00:00:00.000000Z""#;
    let begin = format!(
        r#"{{"protocol":2,"clientId":"install.session","schemaVersion":1,"changes":[{{"eventId":"{}",{names},"data":{{"id":"t","v":"#,
        event()
    );
    let body = [begin.as_bytes(), value, b"}}]}"].concat();
    let request = person.http.post(format!("{}/v2/push", person.url)).bearer_auth(&person.token);
    let answer = answer(request.header(CONTENT_TYPE, "application/json").body(body)).await.expect("an answer");
    assert!([200, 400].contains(&answer.status.as_u16()), "{}", answer.body);
    answer.body["accepted"].as_array().is_some_and(|accepted| accepted.len() == 1)
}

#[tokio::test]
async fn the_server_accepts_what_it_should_and_nothing_else() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let mut accepted = Vec::new();
    for (name, bytes) in json::FILES {
        if accepts(&ada, bytes).await {
            accepted.push(*name);
        }
    }
    assert_eq!(json::mistaken(|name, _| accepted.contains(&name)), json::REFUSED_IN_CHANGES);
}
