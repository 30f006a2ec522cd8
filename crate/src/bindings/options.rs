//! The options of `openEngine`, read from JavaScript and parsed into the engine's types.

use super::error::{invalid, thrown};
use crate::crypto::Format;
use crate::engine::{Config, Error, Kind, User, read_migrations};
use crate::model::{
    AppId, BoundNames, FieldName, FromJson, Malformed, OrderedMap, OrderedSet, Scope, Space, SpaceId, StoreSpec,
    TableName, TableSync, UserId, record,
};
use crate::protocol::fallback::TransportKind;
use crate::store::{ENGINE_STORES, RowValue};
use crate::web::Durability;
use serde_json::{Map, Value};
use wasm_bindgen::JsValue;

/// IndexedDB counts versions in 32 bits, and ten of them are one of the app's.
const MAX_VERSION: u32 = 429_496_728;

record! {
    /// `RawOptions` of the shim.
    pub struct Options {
        pub name: String = "name",
        pub schema: Schema = "schema",
        pub apps: Map<String, Value> = "apps",
        pub user: Option<RawUser> = "user",
        pub spaces: Option<Vec<RawSpace>> = "spaces",
        pub active_space_id: Option<String> = "activeSpaceId",
        pub sync: Option<Sync> = "sync",
        pub durability: String = "durability",
        pub transports: Vec<TransportKind> = "transports" or TransportKind::ALL.to_vec(),
        pub encryption: Option<Encryption> = "encryption",
        /// Milliseconds.
        pub vault_wait_ms: f64 = "vaultWaitMs",
        /// Milliseconds; 0 is never.
        pub vault_idle_lock_ms: f64 = "vaultIdleLockMs",
    }
}

record! {
    pub struct Encryption {
        pub fields: Map<String, Value> = "fields",
        pub format: f64 = "format",
    }
}

record! {
    pub struct Schema {
        pub version: u32 = "version",
        pub stores: Map<String, Value> = "stores",
        /// The versions whose data the app upgrades.
        pub upgrades: Vec<u32> = "upgrades",
    }
}

record! {
    pub struct App {
        pub schema_version: u32 = "schemaVersion",
        pub migrations: Map<String, Value> = "migrations",
        pub tables: Map<String, Value> = "tables",
    }
}

record! {
    pub struct AppTable {
        pub dates: Vec<String> = "dates",
        pub scope: String = "scope",
        pub sync_name: Option<String> = "syncName",
        pub aad: Option<Aad> = "aad",
    }
}

record! {
    pub struct Aad {
        pub table: Option<String> = "table",
        pub fields: Map<String, Value> = "fields",
    }
}

record! {
    pub struct RawUser {
        pub id: String = "id",
        pub display_name: Option<String> = "displayName",
    }
}

record! {
    pub struct RawSpace {
        pub id: String = "id",
        pub kind: String = "type",
        pub role: Option<String> = "role",
    }
}

record! {
    pub struct Sync {
        pub url: String = "url",
    }
}

/// Reads plain data.
pub fn read<T: FromJson>(value: &JsValue, what: &str) -> Result<T, JsValue> {
    let json = value.to_json().map_err(|malformed| invalid(&format!("{what}{malformed}")))?;
    T::from_json(json).ok_or_else(|| malformed(what))
}

fn malformed(what: &str) -> JsValue {
    invalid(&format!("{what}: something is missing, or is not what it should be"))
}

impl Options {
    /// The engine's configuration.
    pub fn config(&self) -> Result<Config, JsValue> {
        let mut config = Config::new(&self.name, self.app_stores()?, self.sync_tables()?).map_err(|e| thrown(&e))?;
        config.user = self.user.as_ref().map(user).transpose()?;
        config.data_version = Some(self.schema.version);
        config.lists_spaces = self.spaces.is_some();
        config.spaces = spaces(self.spaces.as_deref().unwrap_or_default())?;
        config.format = self.encryption.as_ref().map_or(Ok(Format::Two), Encryption::format)?;
        config.transports.clone_from(&self.transports);
        let lazy = self.apps.iter().filter(|(_, app)| app["sync"] == "lazy");
        config.lazy = lazy.map(|(app, _)| app.clone()).collect();
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
        if !(1..=MAX_VERSION).contains(&self.schema.version) {
            let reason = format!("must be a whole number from 1 to {MAX_VERSION}");
            return Err(schema_error(&Malformed::new("schema.version", reason)));
        }
        let parse = |(name, schema): (&String, &Value)| {
            let schema = schema.as_str().ok_or_else(|| malformed("schema.stores"))?;
            StoreSpec::parse(name, schema).map_err(|malformed| schema_error(&malformed))
        };
        self.schema.stores.iter().map(parse).collect()
    }

    fn sync_tables(&self) -> Result<Vec<(String, TableSync)>, JsValue> {
        let mut tables: Vec<(String, TableSync)> = Vec::new();
        let mut sealed = self.encryption.as_ref().map(Encryption::sealed).transpose()?.unwrap_or_default();
        for (app, settings) in &self.apps {
            let app = AppId::parse(app.as_str()).map_err(|malformed| schema_error(&malformed))?;
            let settings = App::from_json(settings.clone()).ok_or_else(|| malformed("apps"))?;
            let version = settings.schema_version.max(1);
            let names: Vec<&str> = settings.tables.keys().map(String::as_str).collect();
            let mut migrations =
                read_migrations(app.as_str(), version, &settings.migrations, &names).map_err(|e| thrown(&e))?;
            for (name, table) in &settings.tables {
                let table = AppTable::from_json(table.clone()).ok_or_else(|| malformed("apps"))?;
                let sync_name = table.sync_name.as_deref().unwrap_or(name);
                let sync = TableSync {
                    app: app.clone(),
                    sync_name: TableName::parse(sync_name).map_err(|malformed| schema_error(&malformed))?,
                    scope: if table.scope == "user" { Scope::User } else { Scope::Space },
                    dates: table.dates.iter().cloned().collect(),
                    sealed: sealed.remove(name).unwrap_or_default(),
                    aad: table.aad.as_ref().map(Aad::names).transpose()?.unwrap_or_default(),
                    schema_version: version,
                    migrations: migrations.remove(name).unwrap_or_default(),
                };
                if tables.iter().any(|(known, _)| known == name) {
                    return Err(thrown(&Error::new(
                        Kind::InvalidSchema,
                        format!("the table {name} belongs to two apps"),
                    )));
                }
                tables.push((name.clone(), sync));
            }
        }
        if let Some(table) = sealed.keys().next() {
            let message = format!("encryption names {table}, which does not sync: name it under apps");
            return Err(thrown(&Error::new(Kind::InvalidSchema, message)));
        }
        Ok(tables)
    }
}

impl Aad {
    fn names(&self) -> Result<BoundNames, JsValue> {
        let field = |(field, bound): (&String, &Value)| {
            let bound = FieldName::parse(bound.as_str().unwrap_or_default()).map_err(|m| schema_error(&m))?;
            Ok::<_, JsValue>((field.clone(), bound))
        };
        let table = self.table.as_deref().map(|name| TableName::parse(name).map_err(|m| schema_error(&m)));
        Ok(BoundNames { table: table.transpose()?, fields: self.fields.iter().map(field).collect::<Result<_, _>>()? })
    }
}

impl Encryption {
    fn format(&self) -> Result<Format, JsValue> {
        match self.format {
            1.0 => Ok(Format::One),
            2.0 => Ok(Format::Two),
            _ => Err(thrown(&Error::new(
                Kind::InvalidSchema,
                "encryption.format is 1 while older clients read the data, 2 otherwise",
            ))),
        }
    }

    /// The fields to seal, by table.
    fn sealed(&self) -> Result<OrderedMap<String, OrderedSet<String>>, JsValue> {
        let fields = |(table, fields): (&String, &Value)| {
            let fields = Vec::<String>::from_json(fields.clone()).ok_or_else(|| malformed("encryption.fields"))?;
            Ok((table.clone(), fields.into_iter().collect()))
        };
        self.fields.iter().map(fields).collect()
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
