//! Odd values and names pushed as they are: each is rejected alone, or comes back as it was sent.

#[path = "../../../tests/simulation/tests/poison/values.rs"]
mod values;

use crate::support::{Person, Site, answer, push_body, task};
use reqwest::header::CONTENT_TYPE;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use values::{DEPTHS, NAMES, NULS, NUMBERS, differences, nested};

const HOLE: &str = "\"@@\"";

/// Pushes `odd`, its hole filled with `json`, between two good changes; says whether it was accepted.
async fn push_between(ada: &Person, odd: &Value, json: &str) -> bool {
    let (before, after) = (task(&format!("before {}", odd["eventId"])), task(&format!("after {}", odd["eventId"])));
    let body = push_body(&[before.clone(), odd.clone(), after.clone()]).to_string().replace(HOLE, json);
    let request = ada.http.post(format!("{}/v2/push", ada.url)).bearer_auth(&ada.token);
    let answer = answer(request.header(CONTENT_TYPE, "application/json").body(body)).await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    let accepted = answer.body["accepted"].as_array().cloned().unwrap_or_default();
    assert!(accepted.contains(&before["eventId"]) && accepted.contains(&after["eventId"]), "the good ones are taken");
    let is_accepted = accepted.contains(&odd["eventId"]);
    let rejected = answer.body["rejected"].as_array().cloned().unwrap_or_default();
    let named = rejected.iter().all(|r| r["eventId"] == odd["eventId"] && r["code"] == "invalid_change");
    assert!(named && rejected.len() == usize::from(!is_accepted), "{rejected:?}");
    is_accepted
}

fn odd_value() -> Value {
    let mut odd = task("odd");
    odd["id"] = odd["eventId"].clone();
    odd["data"] = json!({ "value": "@@" });
    odd
}

/// Pushes a value, and notes what it must come back as.
async fn push_value(ada: &Person, json: &str, wanted: &mut BTreeMap<String, String>) -> bool {
    let odd = odd_value();
    let accepted = push_between(ada, &odd, json).await;
    if accepted {
        let value: Value = serde_json::from_str(json).expect("only JSON is accepted");
        wanted.insert(odd["id"].as_str().unwrap().to_owned(), value.to_string());
    }
    accepted
}

#[tokio::test]
async fn odd_values_are_rejected_alone_or_come_back_as_they_were_sent() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let mut wanted = BTreeMap::new();
    // Longer ones make a request too large.
    for (what, may_travel, json) in differences().iter().filter(|(.., json)| json.len() < 7 << 20) {
        assert_eq!(push_value(&ada, json, &mut wanted).await, *may_travel, "{what}");
    }
    for json in NUMBERS.iter().filter(|json| serde_json::from_str::<&RawValue>(json).is_ok()) {
        let is_number = serde_json::from_str::<Value>(json).is_ok();
        assert_eq!(push_value(&ada, json, &mut wanted).await, is_number, "{json}");
    }
    for json in NULS {
        assert!(!push_value(&ada, json, &mut wanted).await, "{json}");
    }
    for depth in DEPTHS {
        assert_eq!(push_value(&ada, &nested(depth, false), &mut wanted).await, depth <= 64, "{depth} levels");
        assert_eq!(push_value(&ada, &nested(depth, true), &mut wanted).await, depth <= 64, "{depth} levels");
    }
    let (changes, _) = ada.read_on(None, &["tasks"], 1000).await;
    let values = changes.iter().filter(|change| change["data"].get("value").is_some());
    let got: BTreeMap<String, String> =
        values.map(|change| (change["id"].as_str().unwrap().to_owned(), change["data"]["value"].to_string())).collect();
    assert!(got == wanted, "{} values come back as they were sent", wanted.len());
}

#[tokio::test]
async fn odd_names_are_rejected_alone() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    for name in NAMES {
        let json = json!(name).to_string();
        let is_reserved = ["constructor", "prototype", ""].contains(&name);
        let mut odd = odd_value();
        odd["data"] = json!({ "@@": 1 });
        assert_eq!(push_between(&ada, &odd, &json).await, !is_reserved, "field {name:?}");
        let mut odd = odd_value();
        (odd["id"], odd["data"]) = (json!("@@"), json!({}));
        assert_eq!(push_between(&ada, &odd, &json).await, !is_reserved && name != "__proto__", "record {name:?}");
        let mut odd = odd_value();
        (odd["table"], odd["data"]) = (json!("@@"), json!({}));
        let is_table = ["toString", "hasOwnProperty", "updatedAt"].contains(&name);
        assert_eq!(push_between(&ada, &odd, &json).await, is_table, "table {name:?}");
    }
}
