//! Bringing a database's stores and indexes to what is declared, and comparing the two.

use super::OpenError;
use super::error::store_error;
use crate::model::{IndexSpec, KeyPath, OrderedMap, StoreSpec};
use crate::store::{DATA_VERSION, ENGINE};
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::JsValue;
use web_sys::{
    DomStringList, IdbDatabase, IdbIndex, IdbIndexParameters, IdbObjectStore, IdbObjectStoreParameters, IdbTransaction,
    IdbTransactionMode,
};

/// Creates missing stores and indexes and removes indexes that are no longer declared; stores that are not declared stay
/// as they are.
pub(super) fn upgrade(db: &IdbDatabase, tx: &IdbTransaction, specs: &[StoreSpec]) -> Result<(), OpenError> {
    let existing = db.object_store_names();
    for spec in specs {
        if existing.contains(&spec.name) {
            let store = tx.object_store(&spec.name).map_err(refused)?;
            check_primary(&store, spec)?;
            adapt_indexes(&store, spec)?;
        } else {
            create(db, spec)?;
        }
    }
    Ok(())
}

/// Notes, with the engine's first store, which version of the app's schema the rows were written under: upgrades of the
/// data run later, and may be interrupted. `old` is IndexedDB's version before, 0 for a new database.
pub(super) fn note_data_version(tx: &IdbTransaction, old: u32, wanted: u32) -> Result<(), OpenError> {
    let row = Object::new();
    let version = f64::from(if old == 0 { wanted } else { old } / super::open::STEPS);
    for (field, value) in [("kind", DATA_VERSION.into()), ("key", "".into()), ("version", JsValue::from_f64(version))] {
        Reflect::set(&row, &JsValue::from_str(field), &value).map_err(refused)?;
    }
    tx.object_store(ENGINE).and_then(|store| store.put(&row)).map(drop).map_err(refused)
}

/// The first declared store or index that the database lacks.
pub(super) fn missing(db: &IdbDatabase, specs: &[StoreSpec]) -> Result<Option<String>, OpenError> {
    let existing = db.object_store_names();
    if let Some(spec) = specs.iter().find(|spec| !existing.contains(&spec.name)) {
        return Ok(Some(spec.name.clone()));
    }
    if specs.is_empty() {
        return Ok(None);
    }
    let names: Array = specs.iter().map(|spec| JsValue::from_str(&spec.name)).collect();
    // Without a request it ends by itself.
    let tx = db.transaction_with_str_sequence_and_mode(&names, IdbTransactionMode::Readonly).map_err(refused)?;
    for spec in specs {
        let store = tx.object_store(&spec.name).map_err(refused)?;
        check_primary(&store, spec)?;
        let names = store.index_names();
        for index in &spec.indexes {
            if !names.contains(&index.name) || !fits_index(&store.index(&index.name).map_err(refused)?, index)? {
                return Ok(Some(format!("{}.{}", spec.name, index.name)));
            }
        }
    }
    Ok(None)
}

/// The unique indexes of the declared stores, as they are.
pub(super) fn unique_indexes(
    db: &IdbDatabase,
    specs: &[StoreSpec],
) -> Result<OrderedMap<String, Vec<IndexSpec>>, OpenError> {
    let mut found = OrderedMap::new();
    if specs.is_empty() {
        return Ok(found);
    }
    let names: Array = specs.iter().map(|spec| JsValue::from_str(&spec.name)).collect();
    let tx = db.transaction_with_str_sequence_and_mode(&names, IdbTransactionMode::Readonly).map_err(refused)?;
    for spec in specs {
        let store = tx.object_store(&spec.name).map_err(refused)?;
        let mut unique = Vec::new();
        for index in &spec.indexes {
            if store.index(&index.name).map_err(refused)?.unique() {
                unique.push(IndexSpec { unique: true, ..index.clone() });
            }
        }
        if !unique.is_empty() {
            found.insert(spec.name.clone(), unique);
        }
    }
    Ok(found)
}

fn create(db: &IdbDatabase, spec: &StoreSpec) -> Result<(), OpenError> {
    let options = IdbObjectStoreParameters::new();
    options.set_auto_increment(spec.primary.auto_increment);
    if let Some(path) = &spec.primary.key_path {
        options.set_key_path(&key_path_to_js(path));
    }
    let store = db.create_object_store_with_optional_parameters(&spec.name, &options).map_err(refused)?;
    spec.indexes.iter().try_for_each(|index| create_index(&store, index))
}

fn create_index(store: &IdbObjectStore, index: &IndexSpec) -> Result<(), OpenError> {
    let options = IdbIndexParameters::new();
    options.set_unique(index.unique);
    options.set_multi_entry(index.multi_entry);
    let made = match &index.key_path {
        Some(KeyPath::Single(path)) => store.create_index_with_str_and_optional_parameters(&index.name, path, &options),
        Some(path @ KeyPath::Compound(_)) => {
            let paths = key_path_to_js(path);
            store.create_index_with_str_sequence_and_optional_parameters(&index.name, &paths, &options)
        }
        None => return Ok(()),
    };
    made.map(drop).map_err(refused)
}

fn adapt_indexes(store: &IdbObjectStore, spec: &StoreSpec) -> Result<(), OpenError> {
    let existing = store.index_names();
    for name in texts(&existing) {
        let declared = spec.indexes.iter().find(|index| index.name == name);
        let kept = match declared {
            Some(index) => fits_index(&store.index(&name).map_err(refused)?, index)?,
            None => false,
        };
        if !kept {
            store.delete_index(&name).map_err(refused)?;
        }
    }
    let kept = store.index_names();
    spec.indexes.iter().filter(|index| !kept.contains(&index.name)).try_for_each(|index| create_index(store, index))
}

fn check_primary(store: &IdbObjectStore, spec: &StoreSpec) -> Result<(), OpenError> {
    let stored = key_path_name(&store.key_path().map_err(refused)?);
    let declared = spec.primary.key_path.as_ref().map(key_path_text).unwrap_or_default();
    if stored == declared && store.auto_increment() == spec.primary.auto_increment {
        return Ok(());
    }
    let mark = if store.auto_increment() { "++" } else { "" };
    Err(OpenError::PrimaryKeyChanged { store: spec.name.clone(), stored: format!("{mark}{stored}") })
}

/// Whether an index serves as declared. One that is unique though it need not be stays: an older app made it, may come
/// back for it, and its queries are the same.
fn fits_index(stored: &IdbIndex, declared: &IndexSpec) -> Result<bool, OpenError> {
    let path = key_path_name(&stored.key_path().map_err(refused)?);
    Ok((stored.unique() || !declared.unique)
        && stored.multi_entry() == declared.multi_entry
        && Some(path) == declared.key_path.as_ref().map(key_path_text))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function that takes the error")]
fn refused(thrown: JsValue) -> OpenError {
    OpenError::Store(store_error(&thrown, "open"))
}

fn texts(list: &DomStringList) -> Vec<String> {
    (0..list.length()).filter_map(|at| list.item(at)).collect()
}

fn key_path_to_js(path: &KeyPath) -> JsValue {
    match path {
        KeyPath::Single(path) => JsValue::from_str(path),
        KeyPath::Compound(paths) => paths.iter().map(|path| JsValue::from_str(path)).collect::<Array>().into(),
    }
}

fn key_path_text(path: &KeyPath) -> String {
    match path {
        KeyPath::Single(path) => path.clone(),
        KeyPath::Compound(paths) => format!("[{}]", paths.join("+")),
    }
}

/// A key path as Dexie names it; nothing for keys beside rows.
pub(super) fn key_path_name(path: &JsValue) -> String {
    if Array::is_array(path) {
        let parts: Vec<String> = Array::from(path).iter().filter_map(|part| part.as_string()).collect();
        return format!("[{}]", parts.join("+"));
    }
    path.as_string().unwrap_or_default()
}
