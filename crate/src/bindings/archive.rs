//! Rows for an archive, and rows of one.

use super::convert;
use super::engine::RawEngine;
use super::error::{invalid, thrown};
use super::options;
use crate::engine::{Import, ImportPage};
use crate::model::{SpaceId, Stamp};
use js_sys::Promise;
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl RawEngine {
    /// Rows of a table from the one after `after` on: `{ lines, count, next, unreadable }`, one row per line as JSON.
    #[wasm_bindgen(js_name = exportPage)]
    pub fn export_page(
        &self,
        user: Option<String>,
        table: String,
        spaces: &JsValue,
        after: Option<String>,
        limit: f64,
    ) -> Promise {
        self.vault_used();
        let asked = space_ids(spaces).and_then(|spaces| Ok((spaces, convert::whole(limit, "limit")?)));
        self.promise(move |engine| async move {
            let (spaces, limit) = asked?;
            let page = engine.export_page(user.as_deref(), &table, &spaces, after.as_deref(), limit).await;
            let page = page.map_err(|e| thrown(&e))?;
            let mut lines = String::new();
            for row in &page.rows {
                lines.push_str(&row.to_string());
                lines.push('\n');
            }
            let unreadable: Vec<Value> =
                page.unreadable.iter().map(|one| json!({ "id": one.id, "field": one.field })).collect();
            let shown =
                json!({ "lines": lines, "count": page.rows.len(), "next": page.next, "unreadable": unreadable });
            Ok(convert::json_out(&shown))
        })
    }

    /// How many rows a table has for an archive.
    #[wasm_bindgen(js_name = exportCount)]
    pub fn export_count(&self, user: Option<String>, table: String, spaces: &JsValue) -> Promise {
        let spaces = space_ids(spaces);
        self.promise(move |engine| async move {
            engine
                .export_count(user.as_deref(), &table, &spaces?)
                .await
                .map(convert::count)
                .map_err(|error| thrown(&error))
        })
    }

    /// Takes rows of an archive in, a list as JSON: `{ new, changed, unchanged, deleted, renamed, left }`. `how`:
    /// `{ user, overwrite, dryRun, spaceId, exportedAt, schemaVersion }`, user and space `null` or texts.
    #[wasm_bindgen(js_name = importPage)]
    pub fn import_page(&self, table: String, rows: String, how: &JsValue) -> Promise {
        self.vault_used();
        let how = import_of(how);
        self.promise(move |engine| async move {
            let rows: Vec<Value> = serde_json::from_str(&rows).map_err(|_| invalid("the rows are no list"))?;
            let page = engine.import_page(&table, &rows, &how?).await.map_err(|error| thrown(&error))?;
            Ok(convert::json_out(&import_page(&page)))
        })
    }
}

fn space_ids(list: &JsValue) -> Result<Vec<SpaceId>, JsValue> {
    let items = convert::items(list, "spaces")?;
    items.iter().map(|id| options::space_id(&id.as_string().unwrap_or_default())).collect()
}

fn import_of(how: &JsValue) -> Result<Import, JsValue> {
    let text = |key: &str| convert::get(how, key).as_string();
    Ok(Import {
        user: text("user"),
        overwrite: convert::get(how, "overwrite").is_truthy(),
        dry_run: convert::get(how, "dryRun").is_truthy(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the shim has checked it")]
        schema_version: convert::get(how, "schemaVersion").as_f64().map(|version| version as u32),
        space: text("spaceId").map(|id| options::space_id(&id)).transpose()?,
        exported_at: text("exportedAt").and_then(|at| Stamp::parse(&at).ok()),
    })
}

fn import_page(page: &ImportPage) -> Value {
    let renamed: Vec<Value> = page.renamed.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect();
    let left: Vec<Value> = page
        .left
        .iter()
        .map(|left| {
            json!({ "id": left.id, "position": left.position, "code": left.error.kind().code(),
                "message": left.error.to_string() })
        })
        .collect();
    json!({ "new": page.new, "changed": page.changed, "unchanged": page.unchanged, "deleted": page.deleted,
        "renamed": renamed, "left": left })
}
