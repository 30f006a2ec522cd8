//! The options of `openEngine`, read from JavaScript and parsed into the engine's types.

use super::error::{invalid, thrown};
use crate::engine::{Config, Error, Kind, User};
use crate::model::{AppId, Malformed, Scope, Space, SpaceId, StoreSpec, TableName, TableSync, UserId};
use crate::store::ENGINE_STORES;
use crate::web::Durability;
use serde::Deserialize;
use std::collections::BTreeMap;
use wasm_bindgen::JsValue;

/// `RawOptions` of the shim.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    pub name: String,
    pub schema: Schema,
    pub apps: BTreeMap<String, App>,
    pub user: Option<RawUser>,
    pub spaces: Vec<RawSpace>,
    pub active_space_id: Option<String>,
    pub sync: Option<Sync>,
    pub durability: String,
}

#[derive(Deserialize)]
pub struct Schema {
    pub version: u32,
    pub stores: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    pub schema_version: u32,
    pub tables: BTreeMap<String, AppTable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppTable {
    pub dates: Vec<String>,
    pub scope: String,
    pub sync_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawUser {
    pub id: String,
    pub display_name: Option<String>,
}

#[derive(Deserialize)]
pub struct RawSpace {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub role: Option<String>,
}

#[derive(Deserialize)]
pub struct Sync {
    pub url: String,
}

/// Reads plain data.
pub fn read<T: serde::de::DeserializeOwned>(value: &JsValue, what: &str) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value.clone()).map_err(|error| invalid(&format!("{what}: {error}")))
}

impl Options {
    /// The engine's configuration.
    pub fn config(&self) -> Result<Config, JsValue> {
        let mut config = Config::new(&self.name, self.app_stores()?, self.sync_tables()?).map_err(|e| thrown(&e))?;
        config.user = self.user.as_ref().map(user).transpose()?;
        config.spaces = spaces(&self.spaces)?;
        config.active_space = self.active_space_id.as_deref().map(space_id).transpose()?;
        Ok(config)
    }

    /// The app's stores and the engine's own.
    pub fn all_stores(&self) -> Result<Vec<StoreSpec>, JsValue> {
        let mut stores = self.app_stores()?;
        for (name, schema) in ENGINE_STORES {
            stores.push(StoreSpec::parse(name, schema).map_err(|malformed| schema_error(&malformed))?);
        }
        Ok(stores)
    }

    /// When a write counts as stored.
    pub fn durability(&self) -> Durability {
        if self.durability == "strict" { Durability::Strict } else { Durability::Relaxed }
    }

    fn app_stores(&self) -> Result<Vec<StoreSpec>, JsValue> {
        let parse = |(name, schema): (&String, &String)| {
            StoreSpec::parse(name, schema).map_err(|malformed| schema_error(&malformed))
        };
        self.schema.stores.iter().map(parse).collect()
    }

    fn sync_tables(&self) -> Result<BTreeMap<String, TableSync>, JsValue> {
        let mut tables = BTreeMap::new();
        for (app, settings) in &self.apps {
            let app = AppId::parse(app.as_str()).map_err(|malformed| schema_error(&malformed))?;
            for (name, table) in &settings.tables {
                let sync_name = table.sync_name.as_deref().unwrap_or(name);
                let sync = TableSync {
                    app: app.clone(),
                    sync_name: TableName::parse(sync_name).map_err(|malformed| schema_error(&malformed))?,
                    scope: if table.scope == "user" { Scope::User } else { Scope::Space },
                    dates: table.dates.iter().cloned().collect(),
                    schema_version: settings.schema_version.max(1),
                };
                if tables.insert(name.clone(), sync).is_some() {
                    return Err(thrown(&Error::new(
                        Kind::InvalidSchema,
                        format!("the table {name} belongs to two apps"),
                    )));
                }
            }
        }
        Ok(tables)
    }
}

/// The signed-in user.
pub fn user(raw: &RawUser) -> Result<User, JsValue> {
    let id = UserId::parse(raw.id.as_str()).map_err(|malformed| thrown(&malformed.into()))?;
    if id.as_str() == crate::engine::GUEST {
        return Err(invalid("the user id 'guest' stands for nobody: pass user: null"));
    }
    Ok(User { id, display_name: raw.display_name.clone() })
}

/// The user's spaces.
pub fn spaces(raw: &[RawSpace]) -> Result<Vec<Space>, JsValue> {
    let parse = |space: &RawSpace| {
        Ok(Space { id: space_id(&space.id)?, kind: Some(space.kind.clone()), role: space.role.clone() })
    };
    raw.iter().map(parse).collect()
}

/// A space's id.
pub fn space_id(text: &str) -> Result<SpaceId, JsValue> {
    SpaceId::parse(text).map_err(|malformed| thrown(&malformed.into()))
}

fn schema_error(malformed: &Malformed) -> JsValue {
    thrown(&Error::new(Kind::InvalidSchema, malformed.to_string()))
}
