//! Protocol 1: clients that are older than the server.

mod fleet;
mod log;
mod odd;
mod recorded;

use crate::support::{Answer, Person, answer};
use serde_json::{Value, json};

/// A client of protocol 1.
#[derive(Clone)]
pub struct OldClient {
    person: Person,
    id: String,
}

pub const BEGINNING: &str = "1970-01-01T00:00:00.000Z";

impl OldClient {
    pub fn of(person: &Person, id: &str) -> Self {
        Self { person: person.clone(), id: id.to_owned() }
    }

    pub async fn push(&self, changes: &[Value]) -> Answer {
        let body = json!({ "clientId": self.id, "since": "2099-01-01T00:00:00.000Z", "changes": changes });
        let request = self.person.http.post(format!("{}/sync/todo", self.person.url)).json(&body);
        answer(self.signed(request)).await.expect("an answer")
    }

    /// Pushes changes that the server must take, or say that it did.
    pub async fn write(&self, changes: &[Value]) {
        let pushed = self.push(changes).await;
        assert_eq!((pushed.status.as_u16(), &pushed.body["conflicts"]), (200, &json!([])), "{}", pushed.body);
    }

    /// One page of tasks, and the time to read on after.
    pub async fn page(&self, since: &str) -> (Vec<Value>, String, bool) {
        let url = format!("{}/sync/todo/pull?collection=tasks&since={since}", self.person.url);
        let page = answer(self.signed(self.person.http.get(url))).await.expect("an answer");
        assert_eq!(page.status.as_u16(), 200, "{}", page.body);
        let changes = page.body["serverChanges"].as_array().expect("changes").clone();
        (changes, page.body["syncedUntil"].as_str().expect("a time").to_owned(), page.body["hasMore"] == json!(true))
    }

    /// All tasks from a time on.
    pub async fn read(&self, since: &str) -> Vec<Value> {
        let (mut changes, mut since) = (Vec::new(), since.to_owned());
        loop {
            let (more, until, has_more) = self.page(&since).await;
            changes.extend(more);
            since = until;
            if !has_more {
                return changes;
            }
        }
    }

    pub async fn ids(&self) -> Vec<String> {
        crate::support::ids(&self.read(BEGINNING).await)
    }

    /// Sends a body to be pushed: the status and the text of the answer.
    pub async fn send(&self, body: String) -> (u16, String) {
        let request = self.person.http.post(format!("{}/sync/todo", self.person.url)).body(body);
        let response = self.signed(request).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a text"))
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.bearer_auth(&self.person.token).header("x-client-id", &self.id)
    }
}

/// A task as older clients insert one.
pub fn old_task(id: &str) -> Value {
    json!({ "table": "tasks", "id": id, "op": "insert", "data": { "id": id, "title": format!("Task {id}") } })
}

/// A task in a space.
pub fn old_task_in(space: &str, id: &str) -> Value {
    let mut change = old_task(id);
    change["spaceId"] = json!(space);
    change["data"]["spaceId"] = json!(space);
    change
}

/// An edit of one field, as older clients write it.
pub fn old_edit(id: &str, field: &str, value: &Value, at: &str) -> Value {
    json!({ "table": "tasks", "id": id, "op": "update", "fields": { field: { "value": value, "at": at } } })
}
