//! Turns that share a transaction are each kept whole or not at all, whatever becomes of the others.

use crate::clock;
use crate::log::LogError;
use crate::log::contract::fixtures::{insert, member, push_of, sync_log};
use crate::log::sqlite::{Database, SqliteLog};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tempfile::TempDir;

/// Rows of turns: those of `family` 0 are refused, but only at the commit.
const TABLE: &str = "CREATE TABLE families (id INTEGER PRIMARY KEY); INSERT INTO families VALUES (1);
  CREATE TABLE rows (turn INTEGER, place INTEGER, family INTEGER REFERENCES families DEFERRABLE INITIALLY DEFERRED)";
const ROWS_OF_A_TURN: i64 = 3;

async fn database() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("log.db").display());
    let database = Database::open(&url).await.unwrap();
    let mut turn = database.writer.turn().await.unwrap();
    sqlx::raw_sql(TABLE).execute(&mut *turn).await.unwrap();
    turn.commit().await.unwrap();
    (folder, database)
}

/// Writes the rows of a turn, and keeps them if that is wanted.
async fn write(database: &Database, number: i64, (family, keep): (i64, bool)) -> Result<(), LogError> {
    let mut turn = database.writer.turn().await?;
    for place in 0..ROWS_OF_A_TURN {
        let insert = sqlx::query("INSERT INTO rows VALUES (?, ?, ?)").bind(number).bind(place).bind(family);
        insert.execute(&mut *turn).await?;
    }
    if keep { turn.commit().await } else { Ok(()) }
}

/// How many rows each turn has.
async fn kept(database: &Database) -> BTreeMap<i64, i64> {
    let count = sqlx::query_as("SELECT turn, count(*) FROM rows GROUP BY turn");
    count.fetch_all(&database.readers).await.unwrap().into_iter().collect()
}

/// Polls a future so often at most, and drops it then.
async fn at_most<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn nobody_is_told_before_all_who_waited_have_had_their_turn() {
    let (_folder, database) = database().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let first = database.writer.turn().await.unwrap();
    let turns = (0..20).map(async |number| {
        let turn = database.writer.turn().await.unwrap();
        heard.lock().unwrap().push(("had a turn", number));
        turn.commit().await.unwrap();
        heard.lock().unwrap().push(("is kept", number));
    });
    let release = async { drop(first) };
    tokio::join!(join_all(turns), release);
    let heard = heard.lock().unwrap();
    let first_told = heard.iter().position(|(what, _)| *what == "is kept").unwrap();
    // Those who came before the transaction was open to be committed are in it; nobody is in one of their own.
    assert!(first_told > 10, "{heard:?}");
}

#[tokio::test]
async fn a_turn_that_is_dropped_leaves_nothing_and_its_neighbours_everything() {
    let (_folder, database) = database().await;
    let all = join_all((0..30).map(|number| write(&database, number, (1, number % 3 != 0)))).await;
    assert!(all.iter().all(Result::is_ok));
    let expected = (0..30).filter(|number| number % 3 != 0).map(|number| (number, ROWS_OF_A_TURN)).collect();
    assert_eq!(kept(&database).await, expected);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_everybody_in_it_and_the_next_works() {
    let (_folder, database) = database().await;
    for round in 0..10 {
        let numbers = round * 10..round * 10 + 10;
        let told =
            join_all(numbers.clone().map(|number| write(&database, number, (i64::from(number % 10 != 4), true))));
        let told: BTreeMap<i64, _> = numbers.zip(told.await).collect();
        let there = kept(&database).await;
        assert!(told[&(round * 10 + 4)].is_err(), "what the database does not take is told");
        for (number, answer) in told {
            assert_eq!(there.contains_key(&number), answer.is_ok(), "turn {number}: {answer:?}");
        }
    }
    write(&database, 1000, (1, true)).await.unwrap();
}

#[tokio::test]
async fn a_turn_broken_off_anywhere_is_kept_whole_or_not_at_all_and_disturbs_nobody() {
    let (_folder, database) = database().await;
    let (mut broken, mut through) = (0, 0);
    for round in 0..60_i64 {
        let number = |place| round * 10 + place;
        let tasks = (0..10).map(async |place| {
            let write = write(&database, number(place), (1, true));
            // Every other turn is dropped after a number of polls that grows with the round.
            let polls = if place % 2 == 0 { usize::MAX } else { usize::try_from(round % 12 + place).unwrap() };
            (number(place), at_most(polls, write).await)
        });
        let answers = join_all(tasks).await;
        // Behind all that was under way.
        drop(database.writer.turn().await.unwrap());
        let there = kept(&database).await;
        for (number, answer) in answers {
            let rows = there.get(&number).copied().unwrap_or(0);
            assert!(rows == 0 || rows == ROWS_OF_A_TURN, "turn {number} has {rows} rows");
            match answer {
                Some(Ok(())) => assert_eq!(rows, ROWS_OF_A_TURN, "turn {number} was told that it is kept"),
                Some(Err(error)) => panic!("turn {number}: {error}"),
                None => broken += 1,
            }
            through += usize::from(rows > 0);
        }
    }
    assert!(broken > 100 && through >= 300, "{broken} were broken off, {through} kept");
}

#[tokio::test]
async fn what_another_push_has_not_kept_yet_is_nobodys_answer() {
    let (_folder, database) = database().await;
    let log = sync_log(SqliteLog::open(database.clone(), &clock::randomness()).await.unwrap(), 1);
    let push = || log.push(push_of(&member("ada"), &[insert(1, "t1")]));
    let first = database.writer.turn().await.unwrap();
    let fails = write(&database, 1, (0, true));
    let (sent, again, failed, ()) = tokio::join!(push(), push(), fails, async { drop(first) });
    assert!(sent.is_err() && again.is_err() && failed.is_err(), "{sent:?}, {again:?}");
    assert_eq!(push().await.unwrap().accepted.len(), 1);
    assert_eq!(push().await.unwrap().accepted.len(), 1, "and once more");
}

#[tokio::test]
async fn after_the_end_nobody_has_a_turn_and_the_file_is_whole() {
    let (folder, database) = database().await;
    write(&database, 1, (1, true)).await.unwrap();
    database.close().await;
    assert!(matches!(write(&database, 2, (1, true)).await, Err(LogError::Busy(_))));
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["log.db"]);
}
