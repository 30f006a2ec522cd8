//! Writes past the rules, straight to the tables: refused by the database.

use crate::world::{FAMILY, NOTHING, acting, code, world};
use sqlx::PgPool;

const REFUSED: &str = "42501";

/// Inserts a row as somebody; the code of the error.
async fn insert(
    pool: &PgPool,
    who: (&str, &str, &str),
    (writer, stream, space): (&str, &str, Option<&str>),
) -> Result<(), String> {
    let mut transaction = acting(pool, who).await;
    let insert = sqlx::query(
        "INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_meta, client_id,
           created_at, schema_version, origin, space_id, stream, pos, tag, visibility, at, content_hash)
         VALUES ('e', 'todo', 'tasks', 'r', $1, 'insert', '{}', '{}', 'c', '', 1, 'user', $2, $3, 1000, '', 'space', '', '')",
    );
    let done = insert.bind(writer).bind(space).bind(stream).execute(&mut *transaction).await;
    done.map(drop).map_err(|error| code(&error))
}

#[tokio::test]
async fn a_row_goes_into_the_writers_own_stream_or_a_space_they_may_write_to_and_nowhere_else() {
    let (_database, log) = world().await;
    let pool = log.store().pool();
    let bob = ("bob", FAMILY, FAMILY);
    assert_eq!(insert(pool, bob, ("bob", "space:family", Some("family"))).await, Ok(()));
    assert_eq!(insert(pool, bob, ("bob", "user:bob", None)).await, Ok(()));
    assert_eq!(insert(pool, bob, ("bob", "user:bob", Some("_personal:bob"))).await, Ok(()));
    for row in [
        ("bob", "user:ada", None),
        ("ada", "user:ada", None),
        ("ada", "space:family", Some("family")),
        ("bob", "space:club", Some("club")),
        ("bob", "space:family", Some("club")),
        ("bob", "space:family", None),
        ("bob", "user:bob", Some("family")),
        ("bob", "user:bob", Some("_personal:ada")),
        ("bob", "family", Some("family")),
        ("", "user:", None),
    ] {
        assert_eq!(insert(pool, bob, row).await, Err(REFUSED.into()), "{row:?}");
    }
    let viewer = ("bob", FAMILY, NOTHING);
    assert_eq!(insert(pool, viewer, ("bob", "space:family", Some("family"))).await, Err(REFUSED.into()));
    for nobody in [("", FAMILY, FAMILY), ("", "", "")] {
        assert_eq!(insert(pool, nobody, ("", "user:", None)).await, Err(REFUSED.into()));
    }
}

#[tokio::test]
async fn an_empty_writer_is_refused_by_the_table_itself() {
    let (database, _log) = world().await;
    let admin = PgPool::connect(&database.url(crate::postgres::SUPERUSER).await).await.unwrap();
    let done = insert(&admin, ("", "", ""), ("", "user:", None)).await;
    assert_eq!(done, Err("23514".into()), "a check stands whoever writes");
}

#[tokio::test]
async fn what_is_written_is_neither_changed_nor_removed() {
    let (_database, log) = world().await;
    for statement in [
        "UPDATE sync_changes SET data = '{}'",
        "DELETE FROM sync_changes",
        "TRUNCATE sync_changes",
        "DELETE FROM streams",
        "UPDATE streams SET horizon = 9",
        "DELETE FROM sync_records",
        "UPDATE log_epoch SET epoch = ''",
        "ALTER TABLE sync_changes DISABLE ROW LEVEL SECURITY",
        "DROP POLICY server_reads ON sync_changes",
        "CREATE OR REPLACE FUNCTION sync_caller() RETURNS text LANGUAGE sql RETURN 'ada'",
        "SET ROLE mana_sync_compactor",
        "SET SESSION AUTHORIZATION migrator",
    ] {
        let mut bob = acting(log.store().pool(), ("bob", FAMILY, FAMILY)).await;
        let done = sqlx::query(statement).execute(&mut *bob).await.map_err(|error| code(&error));
        assert_eq!(done.map(drop), Err(REFUSED.into()), "{statement}");
    }
}

#[tokio::test]
async fn nobody_moves_a_foreign_stream_or_opens_anothers_private_record() {
    let (_database, log) = world().await;
    for (statement, touched) in [
        ("UPDATE streams SET pos = pos WHERE stream = 'space:club'", Ok(0)),
        ("UPDATE streams SET pos = pos", Ok(2)),
        ("INSERT INTO streams (stream) VALUES ('space:club')", Err(REFUSED)),
        ("INSERT INTO streams (stream) VALUES ('space:new')", Err(REFUSED)),
        ("INSERT INTO streams (stream) VALUES ('space:club') ON CONFLICT (stream) DO UPDATE SET pos = 9", Err(REFUSED)),
        ("UPDATE sync_records SET visibility = 'space' WHERE record_id = 'secret'", Ok(0)),
        ("UPDATE sync_records SET author = 'bob' WHERE record_id = 'secret'", Ok(0)),
        ("UPDATE sync_records SET visibility = 'private' WHERE record_id = 'shared'", Err(REFUSED)),
        ("UPDATE sync_records SET stream = 'space:club' WHERE record_id = 'shared'", Err(REFUSED)),
        (
            "INSERT INTO sync_records (stream, app_id, table_name, record_id, visibility)
          VALUES ('space:family', 'todo', 'tasks', 'secret', 'space')
          ON CONFLICT (stream, app_id, table_name, record_id) DO UPDATE SET visibility = 'space'",
            Err(REFUSED),
        ),
    ] {
        let mut bob = acting(log.store().pool(), ("bob", FAMILY, FAMILY)).await;
        let done = sqlx::query(statement).execute(&mut *bob).await.map_err(|error| code(&error));
        assert_eq!(done.map(|done| done.rows_affected()), touched.map_err(str::to_owned), "{statement}");
    }
}
