//! Random programs against a store. What one store answers to a program is what every store answers: so the store that
//! the simulation runs on is held to what browsers do.

use super::{json_of, row};
use crate::store::{Entry, Key, KeyRange, MemoryStore, Mode, Offered, Row, Scan, Store, StoreError, Transaction};
use serde_json::{Value, json};

/// Transactions, one after the other, on the stores of [`super::tables`].
#[derive(Debug)]
pub struct Program(pub(super) Vec<Attempt>);

impl Program {
    /// The same without keys given to the store that makes its keys. fake-indexeddb goes on counting from those of aborted
    /// transactions.
    #[must_use]
    pub fn with_made_keys_only(mut self) -> Self {
        let uncount = |row: &mut Value| drop(row.as_object_mut().and_then(|row| row.remove("seq")));
        for call in self.0.iter_mut().flat_map(|transaction| &mut transaction.calls) {
            match call {
                Call::Put("counted", row, _) | Call::Insert("counted", row, _) => uncount(row),
                Call::Offer("counted", rows, _) => rows.iter_mut().for_each(|(_, row)| uncount(row)),
                _ => {}
            }
        }
        self
    }
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Attempt {
    pub mode: Mode,
    pub calls: Vec<Call>,
    pub end: End,
}

/// One call in a transaction.
#[derive(Debug)]
pub(super) enum Call {
    Get(&'static str, Vec<Key>),
    Scan(&'static str, Scan, bool),
    Entries(&'static str, Scan, bool, bool),
    Count(&'static str, Option<String>, Option<KeyRange>),
    Put(&'static str, Value, Option<Key>),
    Insert(&'static str, Value, Option<Key>),
    Offer(&'static str, Vec<(Option<Key>, Value)>, bool),
    Delete(&'static str, Key),
    Clear(&'static str),
    Pulse,
}

/// How a transaction ends.
#[derive(Debug)]
pub(super) enum End {
    Commit,
    CommitWith(Vec<Value>),
    Abort,
    Drop,
}

const STORES: [&str; 3] = ["items", "counted", "beside"];

/// Runs a program on an empty store with the tables of [`super::tables`]; gives what each transaction answered, and what
/// the tables held after it.
pub async fn run<S: Store>(store: &S, program: &Program) -> Vec<Value> {
    let mut answers = Vec::new();
    for transaction in &program.0 {
        answers.push(transact(store, transaction).await);
        answers.push(contents(store).await);
    }
    answers
}

/// Runs a program on an empty store, and on the memory store: both answer alike. `of` names it where they do not.
pub async fn compare_with_memory<S: Store>(store: &S, program: &Program, of: u64) {
    let wanted = run(&MemoryStore::new(super::tables()), program).await;
    let found = run(store, program).await;
    for (step, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
        assert_eq!(found, wanted, "program {of}, answer {step}: {program:?}");
    }
}

async fn contents<S: Store>(store: &S) -> Value {
    let tx = store.begin(Mode::Read, &STORES).expect("begins");
    let mut all = Vec::new();
    for name in STORES {
        let listed = tx.entries(name, &Scan::default(), true, &|_, _| true).await.expect("lists");
        all.push(listed.iter().map(listed_as::<S::Row>).collect::<Value>());
    }
    Value::from(all)
}

/// What a transaction answered; of one that failed only why: where a store notices it is its own affair.
async fn transact<S: Store>(store: &S, transaction: &Attempt) -> Value {
    let tx = store.begin(transaction.mode, &STORES).expect("begins");
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for call in &transaction.calls {
        match answer(&tx, call).await {
            Ok(answer) => answers.push(answer),
            Err(error) => failures.push(error),
        }
    }
    let ended = match &transaction.end {
        End::Commit => tx.commit().await.map(|()| Value::from("committed")),
        End::CommitWith(rows) => {
            let rows: Vec<S::Row> = rows.iter().map(row).collect();
            tx.commit_with("counted", &rows).await.map(|keys| json!({ "committed": format!("{keys:?}") }))
        }
        // Whether it had failed before is for the store to notice or not.
        End::Abort => {
            tx.abort();
            return Value::from("aborted");
        }
        End::Drop => return Value::from("dropped"),
    };
    failures.extend(ended.as_ref().err().cloned());
    match ended {
        Ok(end) if failures.is_empty() => json!([answers, end]),
        _ => json!({ "failed": reason(&failures) }),
    }
}

/// What failed first, other than because of a failure before.
fn reason(failures: &[StoreError]) -> &'static str {
    let first = failures.iter().find(|error| !matches!(error, StoreError::Aborted | StoreError::Inactive(_)));
    first.or(failures.first()).map_or("nothing", kind)
}

fn kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::Constraint(_) => "constraint",
        StoreError::InvalidKey(_) | StoreError::NotStorable(_) => "not storable",
        StoreError::NotFound(_) => "not found",
        StoreError::Aborted | StoreError::Inactive(_) => "aborted",
        StoreError::Quota | StoreError::Closed | StoreError::ConnectionLost(_) | StoreError::Other(..) => "other",
    }
}

async fn answer<T: Transaction>(tx: &T, call: &Call) -> Result<Value, StoreError> {
    Ok(match call {
        Call::Get(store, keys) if keys.len() == 1 => json!(tx.get(store, &keys[0]).await?.map(|row| json_of(&row))),
        Call::Get(store, keys) => {
            let rows = tx.get_many(store, keys).await?;
            rows.iter().map(|row| row.as_ref().map(json_of)).collect()
        }
        Call::Scan(store, scan, some) => {
            let rows = tx.scan(store, scan, &|row| !some || row.text("kind").as_deref() == Some("x")).await?;
            rows.iter().map(json_of).collect()
        }
        Call::Entries(store, scan, rows, some) => {
            let listed = tx.entries(store, scan, *rows, &|key, _| !some || matches!(key, Key::Text(_))).await?;
            listed.iter().map(listed_as::<T::Row>).collect()
        }
        Call::Count(store, index, range) => json!(tx.count(store, index.as_deref(), range.as_ref()).await?),
        Call::Insert(store, json, key) => json!(format!("{:?}", tx.insert(store, &row(json), key.as_ref()).await?)),
        Call::Offer(store, rows, only_new) => {
            let rows: Vec<(Option<Key>, T::Row)> = rows.iter().map(|(key, json)| (key.clone(), row(json))).collect();
            offered(&tx.offer(store, &rows, *only_new).await?)
        }
        Call::Put(..) | Call::Delete(..) | Call::Clear(_) | Call::Pulse => return change(tx, call).await,
    })
}

/// The calls that answer nothing.
async fn change<T: Transaction>(tx: &T, call: &Call) -> Result<Value, StoreError> {
    match call {
        Call::Put(store, json, key) => tx.put(store, &row(json), key.as_ref())?,
        Call::Delete(store, key) => tx.delete(store, key)?,
        Call::Clear(store) => tx.clear(store)?,
        _ => tx.pulse().await,
    }
    Ok(Value::Null)
}

fn listed_as<R: Row>(entry: &Entry<R>) -> Value {
    json!([format!("{:?}", entry.key), format!("{:?}", entry.primary), entry.row.as_ref().map(json_of)])
}

fn offered(offered: &Offered) -> Value {
    let each = |one: &Result<Key, StoreError>| match one {
        Ok(key) => format!("{key:?}"),
        Err(error) => kind(error).to_owned(),
    };
    offered.iter().map(each).collect()
}
