//! Running the app's upgrades when an engine opens: one tab at a time, one transaction each.

use super::error::thrown;
use super::options::Schema;
use super::transaction::{Inner, RawTx, SharedEngine};
use crate::engine::ports::Tabs;
use crate::engine::{Error, Kind, Upgrade};
use crate::model::sort;
use crate::web::{BrowserHost, BrowserTabs, IndexedDb, describe};
use js_sys::{Function, Promise};
use serde_json::json;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Brings the data to the schema's version; other tabs that open meanwhile wait. `run` is the host's `upgrade`, `tell`
/// is told `version`, `step` and `steps` before each and after all.
pub async fn run(
    engine: &SharedEngine,
    schema: &Schema,
    tabs: &BrowserTabs,
    run: &Function,
    tell: impl Fn(u32, usize, usize),
) -> Result<(), JsValue> {
    let reached = async || engine.data_version().await.map(|at| at.unwrap_or(schema.version)).map_err(|e| thrown(&e));
    if reached().await? >= schema.version {
        return Ok(());
    }
    let _alone = tabs.lock("upgrading").await;
    let from = reached().await?;
    let mut versions = schema.upgrades.clone();
    versions.retain(|version| (from + 1..=schema.version).contains(version));
    sort(&mut versions);
    let upgrade = Upgrade::begin(engine).await.map_err(|e| thrown(&e))?;
    for (step, version) in versions.iter().enumerate() {
        tell(*version, step, versions.len());
        one(engine, &upgrade, *version, run).await?;
        if reached().await? < *version {
            let message = format!("the upgrade to version {version} ended without its transaction");
            return Err(failed(*version, &message));
        }
    }
    engine.note_data_version(schema.version).await.map_err(|e| thrown(&e))?;
    if !versions.is_empty() {
        tell(schema.version, versions.len(), versions.len());
    }
    Ok(())
}

async fn one(
    engine: &SharedEngine,
    upgrade: &Upgrade<IndexedDb, BrowserHost>,
    version: u32,
    run: &Function,
) -> Result<(), JsValue> {
    let writer = upgrade.to(version).await.map_err(|e| thrown(&e))?;
    let tx = RawTx::new(Rc::clone(engine), Inner::Write(Rc::new(writer)));
    let promise = run.call2(&JsValue::UNDEFINED, &JsValue::from_f64(f64::from(version)), &tx.into());
    let ended = match promise.map(JsCast::dyn_into::<Promise>) {
        Ok(Ok(promise)) => JsFuture::from(promise).await.map(drop),
        Ok(Err(other)) => Err(other),
        Err(thrown) => Err(thrown),
    };
    ended.map_err(|thrown| failed(version, &describe(&thrown)))
}

fn failed(version: u32, why: &str) -> JsValue {
    let message = format!("the data could not be upgraded to version {version}, and are as before: {why}");
    thrown(&Error::new(Kind::UpgradeFailed, message).with(json!({ "version": version })))
}
