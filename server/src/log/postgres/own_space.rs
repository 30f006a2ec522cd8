//! Own spaces in PostgreSQL.

use super::PostgresLog;
use super::identity::{Purpose, begin};
use super::sql;
use crate::log::{Caller, LogError, OwnSpaces, Standing};
use mana_sync_engine::model::SpaceId;
use std::collections::{BTreeMap, BTreeSet};

const OWN: &str = "SELECT space_id FROM own_spaces WHERE user_id = $1";

impl OwnSpaces for PostgresLog {
    async fn own_space(&self, caller: &Caller) -> Result<Option<SpaceId>, LogError> {
        let mut transaction = begin(&self.pool, caller, Purpose::Read).await?;
        let own = sqlx::query_scalar(OWN).bind(caller.user.as_str()).fetch_optional(&mut *transaction).await?;
        Ok(own.map(|space: String| SpaceId::parse(space)).transpose()?)
    }

    async fn note_member(
        &self,
        caller: &Caller,
        spaces: &BTreeSet<SpaceId>,
    ) -> Result<BTreeMap<SpaceId, Standing>, LogError> {
        let mut transaction = begin(&self.pool, caller, Purpose::Write).await?;
        let spaces: Vec<&str> = spaces.iter().map(SpaceId::as_str).collect();
        let note = sqlx::query("SELECT space, is_shared, is_foreign FROM sync_note_member($1)").bind(spaces);
        let rows = note.fetch_all(&mut *transaction).await?;
        let standings = rows.iter().map(sql::standing).collect::<Result<_, LogError>>()?;
        transaction.commit().await?;
        Ok(standings)
    }

    async fn make_own(&self, caller: &Caller, space: &SpaceId) -> Result<bool, LogError> {
        let mut transaction = begin(&self.pool, caller, Purpose::Write).await?;
        let claim = sqlx::query_scalar("SELECT sync_claim_space($1)").bind(space.as_str());
        let is_own: bool = claim.fetch_one(&mut *transaction).await?;
        if is_own {
            transaction.commit().await?;
        }
        Ok(is_own)
    }
}
