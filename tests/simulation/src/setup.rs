//! What an app opens its engine with.

use super::place::NEWER;
use mana_sync_engine::crypto::Format;
use mana_sync_engine::engine::{Config, Result, User, read_migrations};
use mana_sync_engine::model::{AppId, BoundNames, OrderedSet, Scope, Space, StoreSpec, TableName, TableSync, UserId};
use mana_sync_engine::protocol::fallback::TransportKind;
use mana_sync_engine::store::{ENGINE_STORES, MemoryStore};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What an app opens its engine with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The signed-in user; `None` is a guest.
    pub user: Option<String>,
    /// The spaces the user is a member of.
    pub spaces: Vec<Space>,
    /// Whether the app says which they are when it opens its engine.
    pub lists_spaces: bool,
    /// The tables that sync, with their scope.
    pub tables: Vec<(&'static str, Scope)>,
    /// Tables that do not sync, with an id as their key.
    pub local: Vec<&'static str>,
    /// Fields that are sealed, with their tables.
    pub sealed: Vec<(&'static str, &'static str)>,
    /// Names that sealed values of `tasks` are bound to.
    pub aad: BoundNames,
    /// Whether values are sealed in format 1.
    pub format_one: bool,
    /// The version of the app's data.
    pub schema_version: u32,
    /// Tables that are each an app of its own, of the table's name; all others are of app `todo`.
    pub apps: Vec<&'static str>,
    /// Apps that are pulled only once they are asked for.
    pub lazy: Vec<&'static str>,
    /// How records of older versions become those of this one, as `openEngine` takes it.
    pub migrations: Value,
    /// The version of the database's schema, where tabs with an older one close before it is opened.
    pub data_version: Option<u32>,
    /// How its tabs hear of news.
    pub transports: Vec<TransportKind>,
}

impl Setup {
    /// A user with the tables `tasks` and `settings`.
    #[must_use]
    pub fn of(user: &str) -> Self {
        let tables = vec![("tasks", Scope::Space), ("settings", Scope::User)];
        Self {
            user: Some(user.to_owned()),
            spaces: Vec::new(),
            lists_spaces: true,
            tables,
            local: Vec::new(),
            sealed: Vec::new(),
            aad: BoundNames::default(),
            format_one: false,
            schema_version: 1,
            apps: Vec::new(),
            lazy: Vec::new(),
            migrations: json!({}),
            data_version: None,
            transports: TransportKind::ALL.to_vec(),
        }
    }

    /// The app's second version, which has a table more.
    #[must_use]
    pub fn upgraded(mut self) -> Self {
        self.tables.push((NEWER, Scope::Space));
        self
    }

    /// The app that a table belongs to.
    #[must_use]
    pub fn app_of<'a>(&self, table: &'a str) -> &'a str {
        if self.apps.contains(&table) { table } else { "todo" }
    }

    /// Whether this version of the app has a table.
    #[must_use]
    pub fn has(&self, table: &str) -> bool {
        self.tables.iter().any(|(name, _)| *name == table)
    }

    fn stores(&self) -> Vec<StoreSpec> {
        let synced = self.tables.iter().map(|(name, _)| (*name, "id"));
        let local = self.local.iter().map(|name| (*name, "id"));
        let all = synced.chain(local).chain([("notes", "++id")]);
        all.map(|(name, schema)| StoreSpec::parse(name, schema).expect("a schema")).collect()
    }

    /// The engine's configuration.
    #[must_use]
    pub fn config(&self) -> Config {
        self.try_config().expect("tables that fit together")
    }

    /// The engine's configuration, or why it is refused.
    pub fn try_config(&self) -> Result<Config> {
        let declared = self.migrations.as_object().expect("an object");
        let names: Vec<&str> = self.tables.iter().map(|(name, _)| *name).collect();
        let migrations = read_migrations("todo", self.schema_version, declared, &names)?;
        let sync = |(name, scope): &(&str, Scope)| {
            let app = AppId::parse(self.app_of(name)).expect("an app");
            let sync_name = TableName::parse(*name).expect("a table");
            let schema_version = self.schema_version;
            let sealed =
                self.sealed.iter().filter(|(table, _)| table == name).map(|(_, field)| (*field).to_owned()).collect();
            let aad = if *name == "tasks" { self.aad.clone() } else { BoundNames::default() };
            let (dates, migrations) = (OrderedSet::new(), migrations.get(*name).cloned().unwrap_or_default());
            let sync = TableSync { app, sync_name, scope: *scope, dates, sealed, aad, schema_version, migrations };
            ((*name).to_owned(), sync)
        };
        let sync: BTreeMap<String, TableSync> = self.tables.iter().map(sync).collect();
        let mut config = Config::new("simulated", self.stores(), sync)?;
        config.user = self.user.as_ref().map(|user| user_named(user));
        config.spaces.clone_from(&self.spaces);
        config.lists_spaces = self.lists_spaces;
        config.lazy = self.lazy.iter().map(|app| (*app).to_owned()).collect();
        config.data_version = self.data_version;
        config.transports.clone_from(&self.transports);
        if self.format_one {
            config.format = Format::One;
        }
        Ok(config)
    }
}

/// A user by id.
#[must_use]
pub fn user_named(id: &str) -> User {
    User { id: UserId::parse(id).expect("a user id"), display_name: None }
}

/// An empty database.
#[must_use]
pub fn empty(setup: &Setup) -> MemoryStore {
    MemoryStore::new(all_stores(setup))
}

/// The app's stores and the engine's.
#[must_use]
pub fn all_stores(setup: &Setup) -> Vec<StoreSpec> {
    let own = ENGINE_STORES.iter().map(|(name, schema)| StoreSpec::parse(name, schema).expect("a schema"));
    own.chain(setup.stores()).collect()
}

/// The stores that an older app on Dexie kept beside its tables, and a table with a unique index of its own.
const OLDER_STORES: [(&str, &str); 4] = [
    ("tasks", "id, &slug"),
    ("_pendingChanges", "++id, appId, collection, recordId, createdAt"),
    ("_syncMeta", "[appId+collection]"),
    ("_clientIdentity", "id"),
];

/// A database that an older app made: its stores, and the engine's, which opening adds.
#[must_use]
pub fn of_older_app(setup: &Setup) -> MemoryStore {
    let older = OLDER_STORES.iter().map(|(name, schema)| StoreSpec::parse(name, schema).expect("a schema"));
    MemoryStore::new(all_stores(setup).into_iter().chain(older))
}
