//! A note beside the database, so that a database the browser lost is missed: `{ install, unsent }`, no contents.

use super::js;
use crate::model::{FromJson, record};
use serde_json::Value;
use wasm_bindgen::JsValue;

/// The note of one database, in `localStorage`; where there is none (a worker, blocked storage), nothing is noted.
pub struct Marker {
    key: String,
}

record! {
    /// What is noted.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Note {
        /// The install id of the database.
        pub install: String = "install",
        /// How many of its changes the server did not have.
        pub unsent: usize = "unsent",
    }
}

impl Marker {
    /// The note of `database`.
    #[must_use]
    pub fn of(database: &str) -> Self {
        Self { key: format!("mana:{database}") }
    }

    /// The note, when it is about another database than the one with this install id.
    #[must_use]
    pub fn lost(&self, install: &str) -> Option<Note> {
        let text = self.call("getItem", &[])?.as_string()?;
        let note = Note::from_json(serde_json::from_str(&text).ok()?)?;
        (note.install != install).then_some(note)
    }

    /// Notes which database there is, and how many of its changes the server does not have.
    pub fn keep(&self, install: &str, unsent: usize) {
        let note = Value::from(Note { install: install.to_owned(), unsent });
        self.call("setItem", &[JsValue::from_str(&note.to_string())]);
    }

    /// Forgets the database: it was deleted on purpose.
    pub fn remove(&self) {
        self.call("removeItem", &[]);
    }

    fn call(&self, method: &str, more: &[JsValue]) -> Option<JsValue> {
        let storage = js::global("localStorage")?;
        let arguments: Vec<JsValue> =
            std::iter::once(JsValue::from_str(&self.key)).chain(more.iter().cloned()).collect();
        js::call(&storage, method, &arguments).ok()
    }
}
