//! The identity service of `--dev`: people, spaces, members.

use crate::support::{Person, Site, answer};
use mana_sync::auth::ServiceKey;
use reqwest::Method;
use serde_json::{Value, json};

async fn remove(person: &Person, space: &str, user: &str) -> u16 {
    let path = format!("/dev/spaces/{space}/members");
    person.send(Method::DELETE, &path, json!({ "userId": user })).await.status.as_u16()
}

#[tokio::test]
async fn anybody_signs_in_by_name_and_the_key_is_published() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let login = ada.post("/dev/login", json!({ "user": "ada" })).await.body;
    assert_eq!((&login["user"], login["token"].is_string()), (&json!("ada"), true));
    let jwks = answer(ada.http.get(format!("{}/dev/jwks", ada.url))).await.unwrap().body;
    assert_eq!((&jwks["keys"][0]["alg"], &jwks["keys"][0]["crv"]), (&json!("EdDSA"), &json!("Ed25519")));
}

#[tokio::test]
async fn owners_change_members_and_others_do_not() {
    let site = Site::start().await;
    let (ada, bob, eve) = (site.person("ada").await, site.person("bob").await, site.person("eve").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    let path = format!("/dev/spaces/{space}/members");
    let invite = json!({ "userId": "mallory", "role": "owner" });
    assert_eq!(bob.post(&path, invite.clone()).await.code(), (403, "forbidden"));
    assert_eq!(eve.post(&path, invite).await.code(), (404, "not_found"));
    assert_eq!(ada.post(&path, json!({ "userId": "x", "role": "king" })).await.code(), (400, "invalid_request"));
    assert_eq!(remove(&bob, &space, "ada").await, 403);
    assert_eq!(remove(&ada, &space, "ada").await, 409, "the last owner stays");
    ada.add_member(&space, "bob", "owner").await;
    assert_eq!((remove(&ada, &space, "ada").await, remove(&bob, &space, "ada").await), (204, 204));
    let spaces = answer(bob.http.get(format!("{}/dev/spaces", bob.url)).bearer_auth(&bob.token)).await.unwrap().body;
    assert_eq!(spaces["spaces"], json!([{ "id": space, "name": "Home", "type": "family", "role": "owner" }]));
}

#[tokio::test]
async fn who_is_in_a_space_is_told_to_its_members_alone() {
    let site = Site::start().await;
    let (ada, bob, eve) = (site.person("ada").await, site.person("bob").await, site.person("eve").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    let ask = async |person: &Person, space: &str| {
        let request = person.http.get(format!("{}/dev/spaces/{space}/members", person.url));
        answer(request.bearer_auth(&person.token)).await.unwrap()
    };
    let both = json!([{ "userId": "ada", "role": "owner" }, { "userId": "bob", "role": "member" }]);
    assert_eq!(ask(&bob, &space).await.body["members"], both);
    assert_eq!(ask(&eve, &space).await.code(), (404, "not_found"));
    assert_eq!(ask(&ada, "nowhere").await.code(), (404, "not_found"));
    assert_eq!(remove(&bob, &space, "bob").await, 204);
    assert_eq!(ask(&bob, &space).await.code(), (404, "not_found"));
}

#[tokio::test]
async fn a_person_has_one_personal_space_and_nobody_else_is_in_it() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let home = ada.create_space("personal").await;
    let second = ada.post("/dev/spaces", json!({ "name": "Second", "type": "personal" })).await;
    assert_eq!(second.code(), (409, "conflict"));
    let path = format!("/dev/spaces/{home}/members");
    assert_eq!(ada.post(&path, json!({ "userId": "bob", "role": "member" })).await.code(), (409, "conflict"));
}

#[tokio::test]
async fn the_membership_endpoint_asks_for_the_service_key() {
    let site = Site::start_with(|settings| settings.service_key = ServiceKey::new("key")).await;
    let ada = site.person("ada").await;
    let space = ada.create_space("family").await;
    let ask = async |key: Option<&str>| -> (u16, Value) {
        let mut request = ada.http.get(format!("{}/api/v1/internal/users/ada/memberships", ada.url));
        if let Some(key) = key {
            request = request.header("x-service-key", key);
        }
        let answer = answer(request).await.unwrap();
        (answer.status.as_u16(), answer.body)
    };
    let memberships = json!([{ "organizationId": space, "role": "owner", "type": "family" }]);
    assert_eq!(ask(Some("key")).await, (200, json!({ "userId": "ada", "memberships": memberships })));
    assert_eq!((ask(None).await.0, ask(Some("")).await.0, ask(Some("other")).await.0), (401, 401, 401));
    let shut = Site::start().await;
    let request = ada.http.get(format!("{}/api/v1/internal/users/ada/memberships", shut.url()));
    assert_eq!(answer(request.header("x-service-key", "")).await.unwrap().status.as_u16(), 401);
}
