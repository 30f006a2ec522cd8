//! Whose transaction it is: what row security goes by.
//!
//! The identity is said in the transaction's first statement and ends with it, so a connection carries none from one request
//! to the next. Spaces travel as a JSON array: an id is a value there, whatever characters it has.

use super::by_time::BEGIN_WRITING;
use crate::log::{Caller, LogError};
use serde_json::json;
use sqlx::{PgPool, Postgres, Transaction};

/// What a transaction is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Reads one moment.
    Read,
    /// Reads and writes.
    Write,
}

/// Also where somebody has set the database to answer before its disk: what was acknowledged outlives a power cut.
const SAY: &str = "SELECT set_config('app.current_user_id', $1, true),
  set_config('app.current_user_space_ids', $2, true),
  set_config('app.current_user_writable_space_ids', $3, true),
  set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true),
  set_config('lock_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '60s', true)";

/// Begins a transaction of this person's. A snapshot takes its moment with the first statement, which is run here.
pub(super) async fn begin(
    pool: &PgPool,
    caller: &Caller,
    purpose: Purpose,
) -> Result<Transaction<'static, Postgres>, LogError> {
    let (user, readable) = (caller.user.to_string(), spaces(caller, |_| true));
    let (statement, writable) = match purpose {
        Purpose::Read => ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", json!([]).to_string()),
        Purpose::Write => ("BEGIN ISOLATION LEVEL READ COMMITTED", spaces(caller, |space| !space.is_read_only())),
    };
    let pool = pool.clone();
    // In a task of its own, which goes on when the request is given up: a `BEGIN` that nobody waits for would leave its
    // connection inside a transaction that the pool knows nothing of.
    let begun = tokio::spawn(async move {
        let mut transaction = pool.begin_with(statement).await?;
        let say = sqlx::query(SAY).bind(user).bind(readable).bind(writable);
        say.execute(&mut *transaction).await?;
        if let Purpose::Write = purpose {
            sqlx::query(BEGIN_WRITING).execute(&mut *transaction).await?;
        }
        Ok(transaction)
    });
    begun.await.map_err(|_| LogError::Failed("a transaction could not be begun".into()))?
}

/// The person's shared spaces as a JSON array.
fn spaces(caller: &Caller, wanted: impl Fn(&mana_sync_engine::model::Space) -> bool) -> String {
    let shared = caller.spaces.iter().filter(|space| !space.is_personal() && wanted(space));
    json!(shared.map(|space| space.id.as_str()).collect::<Vec<_>>()).to_string()
}
