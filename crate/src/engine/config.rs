//! What an app tells the engine when it opens it: tables, user, spaces. Parsed once, then valid.

mod aad;
mod migrations;

use super::apps::Apps;
use super::error::{Error, Kind, Result};
use crate::crypto::Format;
use crate::model::{
    DELETED_AT, FieldName, KeyPath, OrderedMap, OrderedSet, PERSONAL_PREFIX, SHARE_PROOF, Space, SpaceId, StoreSpec,
    TableName, TableSync, UPDATED_AT, UserId, VISIBILITY, is_hidden, is_immutable, personal_alias,
};
use crate::protocol::fallback::TransportKind;
use crate::store::ENGINE_STORES;
use serde_json::json;
use std::collections::BTreeMap;
use std::rc::Rc;

pub use migrations::read_migrations;

/// Tables by app, as the wire names them.
pub type Collections = BTreeMap<crate::model::AppId, Vec<TableName>>;

/// Stands for the user in records written before anybody signed in.
pub const GUEST: &str = "guest";

/// A table: its store and how it syncs; without sync it is local.
#[derive(Debug)]
pub struct Table {
    /// The store.
    pub spec: StoreSpec,
    /// How it syncs.
    pub sync: Option<TableSync>,
}

/// The signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// Shown beside changes.
    pub display_name: Option<String>,
}

/// Whose rows an upgrade of the data may find: how far the adoption of an older app's database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrading {
    /// Found: the rows are the older app's still.
    Found,
    /// A full pull is under way, whose end logs what did not come.
    Pulling,
    /// There is none, or it is done.
    Settled,
}

/// Everything the app has set.
#[derive(Debug, Clone)]
pub struct Config {
    /// The database's name.
    pub name: String,
    /// The tables by local name.
    pub tables: OrderedMap<String, Rc<Table>>,
    /// The signed-in user; `None` is a guest.
    pub user: Option<User>,
    /// Spaces the user is a member of.
    pub spaces: Vec<Space>,
    /// Whether the app says which spaces there are; else it is those of the list that was set last.
    pub lists_spaces: bool,
    /// The space new records go to and queries look at.
    pub active_space: Option<SpaceId>,
    /// How values are sealed.
    pub format: Format,
    /// The apps that are pulled only once they are asked for.
    pub lazy: OrderedSet<String>,
    /// How the engine hears that there is news: the first of these that works.
    pub transports: Vec<TransportKind>,
    /// The version of the database's schema, where tabs with an older one close before it is opened.
    pub data_version: Option<u32>,
    /// Set while upgrades of the data run, which reach every row.
    pub upgrading: Option<Upgrading>,
}

impl Config {
    /// Checks that tables and sync settings fit together.
    pub fn new(
        name: &str,
        stores: Vec<StoreSpec>,
        sync: impl IntoIterator<Item = (String, TableSync)>,
    ) -> Result<Self> {
        let mut sync: Vec<_> = sync.into_iter().collect();
        let mut tables = OrderedMap::new();
        for spec in stores {
            check_table_name(&spec.name)?;
            let at = sync.iter().position(|(name, _)| *name == spec.name);
            let sync = at.map(|at| sync.swap_remove(at).1);
            if let Some(sync) = &sync {
                check_synced(&spec)?;
                check_sealed(&spec, sync)?;
                aad::check_fields(&spec.name, sync)?;
                migrations::check(&spec.name, sync)?;
            }
            tables.insert(spec.name.clone(), Rc::new(Table { spec, sync }));
        }
        if let Some((missing, _)) = sync.first() {
            return Err(invalid(missing, "is named under apps but not in schema.stores: add it to the schema"));
        }
        check_sync_names(&tables)?;
        aad::check_tables(&tables)?;
        Ok(Self {
            name: name.to_owned(),
            tables,
            user: None,
            spaces: Vec::new(),
            lists_spaces: false,
            active_space: None,
            format: Format::Two,
            lazy: OrderedSet::new(),
            transports: TransportKind::ALL.to_vec(),
            data_version: None,
            upgrading: None,
        })
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Result<Rc<Table>> {
        self.tables.get(name).cloned().ok_or_else(|| {
            Error::new(Kind::UnknownTable, format!("there is no table {name}: add it to schema.stores"))
                .with(json!({ "name": name }))
        })
    }

    /// The local name of a table on the wire.
    #[must_use]
    pub fn local_table(&self, app: &str, sync_name: &str) -> Option<(&str, &Rc<Table>)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table)).find(|(_, table)| {
            table.sync.as_ref().is_some_and(|s| s.app.as_str() == app && s.sync_name.as_str() == sync_name)
        })
    }

    /// The id written into records: the user's, or [`GUEST`].
    #[must_use]
    pub fn user_id(&self) -> &str {
        self.user.as_ref().map_or(GUEST, |user| user.id.as_str())
    }

    /// The real id of the user's own space, where the app knows it.
    #[must_use]
    pub fn personal_space(&self) -> Option<&SpaceId> {
        self.spaces.iter().find(|space| space.is_personal()).map(|space| &space.id)
    }

    /// The space as the wire names it: the user's own space is always `_personal:<user>`.
    #[must_use]
    pub fn wire_space(&self, stored: &str) -> String {
        if self.personal_space().is_some_and(|id| id.as_str() == stored) {
            return self.personal_alias();
        }
        stored.to_owned()
    }

    /// The space as records keep it: the real id of the user's own space, where it is known.
    #[must_use]
    pub fn stored_space(&self, wire: &str) -> String {
        match self.personal_space() {
            Some(real) if wire == self.personal_alias() => real.to_string(),
            _ => wire.to_owned(),
        }
    }

    /// `_personal:<user>`.
    #[must_use]
    pub fn personal_alias(&self) -> String {
        match &self.user {
            Some(user) => personal_alias(&user.id),
            None => format!("{PERSONAL_PREFIX}{GUEST}"),
        }
    }

    /// Whether any table has fields that are sealed.
    #[must_use]
    pub fn seals_fields(&self) -> bool {
        self.tables.values().any(|table| table.sync.as_ref().is_some_and(|sync| !sync.sealed.is_empty()))
    }

    /// Whether a space, as stored, is a person's own: the alias of the user's, or one of that type.
    #[must_use]
    pub fn is_own_space(&self, stored: &str) -> bool {
        stored == self.personal_alias()
            || self.spaces.iter().any(|space| space.id.as_str() == stored && space.is_personal())
    }

    /// Whether it is certain who reads what lies in a space, as stored.
    #[must_use]
    pub fn knows_space(&self, stored: &str) -> bool {
        let is_told = |space: &Space| space.id.as_str() == stored && space.kind.is_some();
        self.is_own_space(stored) || self.spaces.iter().any(is_told)
    }

    /// The space new records go to, as records keep it.
    #[must_use]
    pub fn home_space(&self) -> String {
        let active = self.active_space.as_ref().map(|id| self.stored_space(id.as_str()));
        active.unwrap_or_else(|| self.stored_space(&self.personal_alias()))
    }

    /// Refuses a space the user may not write to.
    pub fn check_writable_space(&self, stored: &str) -> Result<()> {
        if self.wire_space(stored) == self.personal_alias() {
            return Ok(());
        }
        match self.spaces.iter().find(|space| space.id.as_str() == stored) {
            None => Err(Error::new(
                Kind::UnknownSpace,
                format!("the user is not known to be a member of the space {stored}: pass it to setSpaces first; nothing was written"),
            )
            .with(json!({ "spaceId": stored }))),
            // What a space is for decides what is sealed in it.
            Some(space) if space.kind.is_none() && self.seals_fields() => Err(Error::new(
                Kind::UnknownSpace,
                format!("nobody said of what type the space {stored} is: pass it to setSpaces with its type; nothing was written"),
            )
            .with(json!({ "spaceId": stored }))),
            Some(space) if space.is_read_only() => Err(Error::new(
                Kind::ReadOnlySpace,
                format!("the user may only read in the space {stored}; nothing was written"),
            )
            .with(json!({ "spaceId": stored }))),
            Some(_) => Ok(()),
        }
    }

    /// The app and table of the user's keyring record, where anything is sealed.
    #[must_use]
    pub fn keyring(&self) -> Option<(crate::model::AppId, Vec<TableName>)> {
        let record = crate::crypto::KeyringRecord::of(&self.user.as_ref()?.id).ok().filter(|_| self.seals_fields())?;
        Some((record.app().clone(), vec![record.table().clone()]))
    }

    /// The apps with tables that sync.
    #[must_use]
    pub fn apps(&self) -> Vec<String> {
        let mut apps: Vec<String> = Vec::new();
        for sync in self.tables.values().filter_map(|table| table.sync.as_ref()) {
            if !apps.iter().any(|app| app == sync.app.as_str()) {
                apps.push(sync.app.to_string());
            }
        }
        apps
    }

    /// Synced tables of the apps that were asked for, by app, as a pull names them.
    #[must_use]
    pub fn collections(&self, asked: &Apps) -> Collections {
        let mut apps = Collections::new();
        let syncs = self.tables.values().filter_map(|table| table.sync.as_ref());
        for sync in syncs.filter(|sync| asked.is_asked(sync.app.as_str())) {
            apps.entry(sync.app.clone()).or_default().push(sync.sync_name.clone());
        }
        apps.extend(self.keyring());
        apps
    }
}

fn check_table_name(name: &str) -> Result<()> {
    if ENGINE_STORES.iter().any(|(engine, _)| *engine == name) {
        return Err(invalid(name, "is the engine's own: choose another name"));
    }
    Ok(())
}

fn check_synced(spec: &StoreSpec) -> Result<()> {
    if spec.primary.key_path != Some(KeyPath::Single("id".into())) || spec.primary.auto_increment {
        return Err(invalid(&spec.name, "syncs, so its primary key must be 'id': ids are made on the device"));
    }
    if let Some(unique) = spec.indexes.iter().find(|index| index.unique) {
        let message = format!(
            "{}.{} is unique on a table that syncs: two devices may create the same value offline; take the & away",
            spec.name, unique.name
        );
        return Err(Error::new(Kind::UniqueOnSynced, message).with(json!({ "table": spec.name, "index": unique.name })));
    }
    Ok(())
}

/// A sealed field cannot be looked for, and what the engine reads itself cannot be sealed.
fn check_sealed(spec: &StoreSpec, sync: &TableSync) -> Result<()> {
    for field in &sync.sealed {
        let fixed =
            is_hidden(field) || is_immutable(field) || matches!(field.as_str(), VISIBILITY | DELETED_AT | SHARE_PROOF);
        if fixed || field == UPDATED_AT || FieldName::parse(field.as_str()).is_err() {
            return Err(invalid(&spec.name, &format!("cannot have {field} sealed: name a field of the app's own")));
        }
        let lies_in = |path: &KeyPath| path.paths().iter().any(|path| path.split('.').next() == Some(field));
        if let Some(index) = spec.indexes.iter().find(|index| index.key_path.as_ref().is_some_and(lies_in)) {
            let reason =
                format!("has {field} sealed and in the index {}: what is sealed cannot be looked for", index.name);
            return Err(invalid(&spec.name, &reason));
        }
    }
    Ok(())
}

fn check_sync_names(tables: &OrderedMap<String, Rc<Table>>) -> Result<()> {
    let mut seen = OrderedSet::new();
    for (name, table) in tables {
        if let Some(sync) = &table.sync
            && !seen.insert((sync.app.clone(), sync.sync_name.clone()))
        {
            return Err(invalid(name, "has a syncName that another table of its app has too"));
        }
    }
    Ok(())
}

fn invalid(name: &str, reason: &str) -> Error {
    Error::new(Kind::InvalidSchema, format!("the table {name} {reason}")).with(json!({ "table": name }))
}
