//! The read path: what of a table the signed-in user may see; rows by their keys.

use super::config::{Config, GUEST, Table};
use super::error::Result;
use super::guests::is_guests;
use super::ports::Host;
use super::prepare::{is_deleted, is_purged};
use super::{Engine, log_json};
use crate::model::{AUTHOR_ID, SPACE_ID, Scope, USER_ID, VISIBILITY, Visibility};
use crate::store::{CHANGE_LOG, Key, Mode, Row, RowValue, Scan, Store, Transaction};
use serde_json::{Value, json};

/// Which rows of a table a query may see.
pub struct Sight {
    /// Whoever they belong to.
    all: bool,
    deleted: bool,
    scope: Option<Scope>,
    user: String,
    /// Names under which rows of the wanted spaces are stored.
    spaces: Vec<String>,
    /// Rows without space are the user's own.
    own: bool,
}

impl Sight {
    /// What a query over `table` sees.
    pub fn new(config: &Config, table: &Table, include_deleted: bool, across_spaces: bool) -> Self {
        let known = |stored: &str| config.spaces.iter().any(|space| space.id.as_str() == stored);
        let home = config.home_space();
        let own = across_spaces || config.wire_space(&home) == config.personal_alias();
        let mut spaces = Vec::new();
        if own {
            spaces.push(config.personal_alias());
            spaces.extend(config.personal_space().map(ToString::to_string));
        }
        if across_spaces {
            spaces.extend(config.spaces.iter().map(|space| space.id.to_string()));
        } else if known(&home) {
            spaces.push(home);
        }
        let all = config.upgrading.is_some();
        if all {
            spaces.clear();
        }
        Self {
            all,
            deleted: include_deleted,
            scope: table.sync.as_ref().map(|sync| sync.scope),
            user: config.user_id().to_owned(),
            spaces,
            own,
        }
    }

    /// Whether every row is seen, whatever is in it.
    pub fn sees_all(&self) -> bool {
        self.scope.is_none()
    }

    /// The space that all rows it sees are stored under, where it is one.
    pub fn only_space(&self) -> Option<&str> {
        match self.spaces.as_slice() {
            [one] if self.scope == Some(Scope::Space) && !self.own => Some(one),
            _ => None,
        }
    }

    /// What it looks at in each row, in words.
    pub fn looks_at(&self) -> &'static [&'static str] {
        match (self.scope, self.deleted) {
            (None, _) => &[],
            (_, false) if self.all => &["deletedAt"],
            (_, true) if self.all => &[],
            (Some(Scope::User), false) => &["deletedAt", "userId"],
            (Some(Scope::User), true) => &["userId"],
            (Some(Scope::Space), false) => &["deletedAt", "spaceId", "visibility"],
            (Some(Scope::Space), true) => &["spaceId", "visibility"],
        }
    }

    /// What access by id sees: live rows of every space.
    pub fn by_id(config: &Config, table: &Table) -> Self {
        Self::new(config, table, false, true)
    }

    /// Whether the row may be seen.
    pub fn sees<R: Row>(&self, row: &R) -> bool {
        let Some(scope) = self.scope else { return true };
        let hidden = if self.deleted { is_purged(row) } else { is_deleted(row) };
        if hidden {
            return false;
        }
        match scope {
            _ if self.all => true,
            Scope::User => self.is_own(row, USER_ID),
            Scope::Space => self.sees_space(row) && self.sees_private(row) && !self.is_of_guest(row),
        }
    }

    fn sees_space<R: Row>(&self, row: &R) -> bool {
        let Some(space) = row.get(SPACE_ID) else { return self.sees_spaceless(row) };
        self.spaces.iter().any(|known| space.is_word(known)) || (space.as_text().is_none() && self.sees_spaceless(row))
    }

    /// A row of the time before spaces: its author's, where it says who that is.
    fn sees_spaceless<R: Row>(&self, row: &R) -> bool {
        self.own && self.is_own(row, AUTHOR_ID)
    }

    /// What a guest wrote is nobody's until it is taken over.
    fn is_of_guest<R: Row>(&self, row: &R) -> bool {
        self.user != GUEST && row.get(AUTHOR_ID).is_some_and(|author| author.is_word(GUEST)) && is_guests(row)
    }

    fn sees_private<R: Row>(&self, row: &R) -> bool {
        !is_private(row) || self.is_own(row, AUTHOR_ID)
    }

    /// Whether `field` names the user, or nobody.
    fn is_own<R: Row>(&self, row: &R, field: &str) -> bool {
        row.get(field).is_none_or(|user| user.is_word(&self.user) || user.as_text().is_none())
    }
}

/// Whether only its author sees the row.
pub(super) fn is_private<R: Row>(row: &R) -> bool {
    row.get(VISIBILITY).is_some_and(|visibility| visibility.is_word(Visibility::Private.as_str()))
}

impl<S: Store, H: Host> Engine<S, H> {
    /// The live rows of these keys, in their order.
    pub async fn get_many(&self, table: &str, keys: &[Key]) -> Result<Vec<Option<S::Row>>> {
        self.config().table(table)?;
        let tx = self.store.begin(Mode::Read, &[table])?;
        self.get_many_in(&tx, table, keys).await
    }

    /// The live rows of these keys, in a transaction.
    pub async fn get_many_in(&self, tx: &S::Tx, table: &str, keys: &[Key]) -> Result<Vec<Option<S::Row>>> {
        let info = self.config().table(table)?;
        self.uses(&info);
        let sight = Sight::by_id(&self.config(), &info);
        let rows = tx.get_many(table, keys).await?;
        let shown = |row: S::Row| match &info.sync {
            Some(sync) => self.opened(table, sync, row),
            None => row,
        };
        Ok(rows.into_iter().map(|row| row.filter(|row| sight.sees(row)).map(shown)).collect())
    }

    /// A record as stored, with its hidden fields, and the rows of the change log that name it.
    pub async fn inspect(&self, table: &str, key: &Key) -> Result<(Option<S::Row>, Vec<Value>)> {
        let info = self.config().table(table)?;
        let tx = self.store.begin(Mode::Read, &[table, CHANGE_LOG])?;
        let record = tx.get(table, key).await?;
        let (Some(sync), Key::Text(id)) = (&info.sync, key) else { return Ok((record, Vec::new())) };
        let rows = log_json(&tx).await?;
        let names = |change: &Value| change["table"] == json!(sync.sync_name) && change["id"] == json!(id);
        let rows = rows.into_iter().filter(|row| row["changes"].as_array().is_some_and(|all| all.iter().any(names)));
        Ok((record, rows.collect()))
    }

    /// The oldest rows of the change log.
    pub async fn log_rows(&self, limit: usize) -> Result<Vec<Value>> {
        let tx = self.store.begin(Mode::Read, &[CHANGE_LOG])?;
        let rows = tx.scan(CHANGE_LOG, &Scan { limit: Some(limit), ..Scan::default() }, &|_| true).await?;
        Ok(rows.iter().filter_map(|row| row.to_json().ok()).collect())
    }
}
