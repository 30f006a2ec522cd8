//! Opening: versions, upgrades, databases made by others, and browsers that do not let us.

use crate::support::{Heard, Patched, call_async, delete, fresh_name, get, impatient_timers, open, put, row, try_open};
use mana_sync_engine::store::{Key, KeyRange, Mode, Row, Scan, Store, Transaction};
use mana_sync_engine::web::{IndexedDb, OpenError};
use serde_json::json;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

/// Makes a database by plain calls: `stores` is a JavaScript function that gets the database while it is upgraded.
async fn made_by_hand(name: &str, version: u32, stores: &str, rows: &str) {
    let make = format!(
        "async (name) => {{
            const opened = indexedDB.open(name, {version});
            opened.onupgradeneeded = () => ({stores})(opened.result);
            const db = await new Promise((done, fail) => {{ opened.onsuccess = () => done(opened.result);
                opened.onerror = () => fail(opened.error); }});
            const tx = db.transaction([...db.objectStoreNames], 'readwrite');
            ({rows})((store) => tx.objectStore(store));
            await new Promise((done, fail) => {{ tx.oncomplete = done; tx.onabort = () => fail(tx.error); }});
            db.close();
        }}"
    );
    call_async(&make, &[&JsValue::from_str(name)]).await;
}

async fn layout(name: &str) -> String {
    let read = "async (name) => {
        const opened = indexedDB.open(name);
        const db = await new Promise((done) => { opened.onsuccess = () => done(opened.result); });
        const tx = db.transaction([...db.objectStoreNames]);
        const stores = [...db.objectStoreNames].map((s) => `${s}(${[...tx.objectStore(s).indexNames]})`);
        db.close();
        return `${db.version}: ${stores}`;
    }";
    call_async(read, &[&JsValue::from_str(name)]).await.as_string().expect("a text")
}

async fn refused(name: &str, version: u32, stores: &[(&str, &str)]) -> OpenError {
    try_open(name, version, stores, &Heard::new()).await.err().expect("is refused")
}

#[wasm_bindgen_test]
async fn a_new_version_adds_stores_and_indexes_and_removes_undeclared_indexes() {
    let name = fresh_name();
    let db = open(&name, 1, &[("tasks", "id, old, kept"), ("left", "id, own")]).await;
    put(&db, "tasks", &row(&json!({ "id": "a", "kept": 1, "added": ["x", "y"] }))).await;
    drop(db);
    assert_eq!(layout(&name).await, "11: left(own),tasks(kept,old)");
    let db = open(&name, 2, &[("tasks", "id, kept, *added"), ("more", "++seq")]).await;
    assert_eq!(db.physical_version(), 21);
    let tx = db.begin(Mode::Read, &["tasks"]).expect("begins");
    let scan = Scan { index: Some("added".into()), ..Scan::default() };
    assert_eq!(tx.scan("tasks", &scan, &|_| true).await.expect("scans").len(), 2, "rows that were there are indexed");
    drop((tx, db));
    assert_eq!(layout(&name).await, "21: left(own),more(),tasks(added,kept)");
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn an_index_declared_otherwise_is_made_anew() {
    let name = fresh_name();
    drop(open(&name, 1, &[("tasks", "id, tag")]).await);
    let db = open(&name, 2, &[("tasks", "id, &tag")]).await;
    put(&db, "tasks", &row(&json!({ "id": "a", "tag": 1 }))).await;
    let tx = db.begin(Mode::Write, &["tasks"]).expect("begins");
    tx.put("tasks", &row(&json!({ "id": "b", "tag": 1 })), None).expect("is asked for");
    assert!(tx.commit().await.is_err(), "it is unique now");
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn rows_that_break_a_new_unique_index_refuse_the_upgrade_and_stay() {
    let name = fresh_name();
    let db = open(&name, 1, &[("tasks", "id")]).await;
    put(&db, "tasks", &row(&json!({ "id": "a", "tag": 1 }))).await;
    put(&db, "tasks", &row(&json!({ "id": "b", "tag": 1 }))).await;
    drop(db);
    let error = refused(&name, 2, &[("tasks", "id, &tag")]).await;
    assert!(matches!(error, OpenError::Store(mana_sync_engine::store::StoreError::Constraint(_))), "{error:?}");
    assert_eq!(layout(&name).await, "11: tasks()");
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_changed_primary_key_is_refused_by_name() {
    let name = fresh_name();
    drop(open(&name, 1, &[("tasks", "id")]).await);
    for schema in ["++id", "[a+b]", ""] {
        let error = refused(&name, 2, &[("more", "id"), ("tasks", schema)]).await;
        let changed = OpenError::PrimaryKeyChanged { store: "tasks".into(), stored: "id".into() };
        assert_eq!(error, changed, "{schema}");
        assert_eq!(error.code(), "primary_key_changed");
    }
    assert_eq!(layout(&name).await, "11: tasks()", "nothing was changed");
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_newer_database_is_used_when_it_has_what_is_declared() {
    let name = fresh_name();
    let db = open(&name, 9, &[("tasks", "id, a, b"), ("more", "id")]).await;
    put(&db, "tasks", &row(&json!({ "id": "kept" }))).await;
    drop(db);
    let db = open(&name, 3, &[("tasks", "id, a")]).await;
    assert_eq!(db.physical_version(), 91);
    assert!(get(&db, "tasks", "kept").await.is_some());
    drop(db);
    for stores in [&[("tasks", "id, c")][..], &[("tasks", "id"), ("unknown", "id")]] {
        let error = refused(&name, 3, stores).await;
        assert_eq!(error.code(), "schema_too_new");
        assert!(matches!(error, OpenError::SchemaTooNew { stored: 91, wanted: 31, .. }), "{error:?}");
    }
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_schema_that_grew_without_its_version_takes_a_step_between() {
    let name = fresh_name();
    drop(open(&name, 1, &[("tasks", "id")]).await);
    let db = open(&name, 1, &[("tasks", "id, due"), ("more", "id")]).await;
    assert_eq!(db.physical_version(), 12);
    drop(db);
    assert_eq!(layout(&name).await, "12: more(),tasks(due)");
    drop(open(&name, 1, &[("tasks", "id")]).await);
    assert_eq!(layout(&name).await, "12: more(),tasks(due)", "an app without the addition changes nothing");
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_dexie_database_opens_in_place_and_keeps_its_rows() {
    let name = fresh_name();
    let stores = "(db) => {
        const tasks = db.createObjectStore('tasks', { keyPath: 'id' });
        tasks.createIndex('[spaceId+dueDate]', ['spaceId', 'dueDate']);
        tasks.createIndex('tags', 'tags', { multiEntry: true });
        tasks.createIndex('meta.kind', 'meta.kind');
        db.createObjectStore('_pendingChanges', { keyPath: 'id', autoIncrement: true });
    }";
    let rows = "(store) => {
        store('tasks').put({ id: 't1', spaceId: 's', dueDate: new Date(0), tags: ['a', 'b'], meta: { kind: 'k' } });
        store('tasks').put({ id: 't2', spaceId: 's', dueDate: new Date(5), tags: [] });
        store('_pendingChanges').put({ op: 'insert' });
    }";
    made_by_hand(&name, 550, stores, rows).await;
    let declared = [("tasks", "id, [spaceId+dueDate], *tags, meta.kind"), ("_changeLog", "++seq, userId, appId")];
    let db = open(&name, 55, &declared).await;
    assert_eq!(db.physical_version(), 551);
    let due = |ms| Key::List(vec![Key::text("s"), Key::Date(ms)]);
    let range = KeyRange { lower: Some((due(0.0), true)), upper: Some((due(9.0), false)) };
    assert_eq!(ids(&db, "[spaceId+dueDate]", Some(range)).await, ["t2"]);
    assert_eq!(ids(&db, "tags", Some(KeyRange::only(Key::text("b")))).await, ["t1"]);
    assert_eq!(ids(&db, "meta.kind", None).await, ["t1"]);
    let tx = db.begin(Mode::Read, &["_pendingChanges"]).expect("undeclared stores can be read");
    let pending = tx.get("_pendingChanges", &Key::Number(1.0)).await.expect("reads").expect("is there");
    assert_eq!(pending.text("op").as_deref(), Some("insert"));
    drop((tx, db));
    delete(&name).await;
}

async fn ids(db: &IndexedDb, index: &str, range: Option<KeyRange>) -> Vec<String> {
    let tx = db.begin(Mode::Read, &["tasks"]).expect("begins");
    let scan = Scan { index: Some(index.to_owned()), range, ..Scan::default() };
    let rows = tx.scan("tasks", &scan, &|_| true).await.expect("scans");
    rows.iter().filter_map(|row| row.text("id")).collect()
}

#[wasm_bindgen_test]
async fn scans_by_the_primary_keys_name_go_by_it() {
    let name = fresh_name();
    let db = open(&name, 1, &[("pairs", "[a+b]")]).await;
    put(&db, "pairs", &row(&json!({ "a": "x", "b": "y" }))).await;
    let tx = db.begin(Mode::Read, &["pairs"]).expect("begins");
    let range = Some(KeyRange::only(Key::pair("x", "y")));
    let scan = Scan { index: Some("[a+b]".into()), range, ..Scan::default() };
    assert_eq!(tx.scan("pairs", &scan, &|_| true).await.expect("scans").len(), 1);
    drop((tx, db));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_browser_without_usable_indexeddb_is_told_apart() {
    let absent =
        ["{ value: undefined }", "{ value: null }", "{ get() { throw new DOMException('no', 'SecurityError') } }"];
    for descriptor in absent {
        let _patch = Patched::new("globalThis", "indexedDB", descriptor);
        assert_eq!(refused("none", 1, &[]).await.code(), "storage_unavailable", "{descriptor}");
    }
    let throws = "{ value: { open() { throw new DOMException('no', 'SecurityError') } } }";
    let _patch = Patched::new("globalThis", "indexedDB", throws);
    assert_eq!(refused("none", 1, &[]).await, OpenError::Unavailable("SecurityError: no".to_owned()));
}

#[wasm_bindgen_test]
async fn opening_that_fails_later_is_told_apart() {
    let fails = "{ value: { open() { const request = new EventTarget(); \
        request.error = new DOMException('no', 'InvalidStateError'); \
        queueMicrotask(() => request.onerror({ type: 'error', target: request })); return request; } } }";
    let _patch = Patched::new("globalThis", "indexedDB", fails);
    assert_eq!(refused("none", 1, &[]).await, OpenError::Unavailable("InvalidStateError: no".to_owned()));
}

#[wasm_bindgen_test]
async fn opening_that_is_never_answered_ends() {
    let _timers = impatient_timers();
    let _patch = Patched::new("globalThis", "indexedDB", "{ value: { open: () => new EventTarget() } }");
    assert_eq!(refused("none", 1, &[]).await, OpenError::NoAnswer);
}
