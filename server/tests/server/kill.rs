//! The real program, killed in the middle of pushes: what was acknowledged is there afterwards, whole, and every reader gets
//! it once.

use crate::figures::{figure, stopwatch};
use crate::postgres::{Database, SERVER};
use crate::services::{KEY, provider};
use crate::support::{DATABASE, Person, Site, answer, push_body, task};
use mana_sync::dev::ISSUER;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const WRITERS: usize = 4;
const BATCH: usize = 5;
/// Acknowledged pushes before each kill.
const PUSHES: usize = 12;

/// A server process; it never outlives its test.
pub struct Program {
    child: Child,
    url: String,
}

impl Program {
    pub fn start(folder: &Path) -> Self {
        let database = format!("sqlite://{}", folder.join(DATABASE).display());
        Self::run(&["--dev"], &[("DATABASE_URL", &database)])
    }

    /// One that serves what lies in PostgreSQL, to the people of another server.
    fn on_postgres(database: &str, provider: &Site) -> Self {
        let (url, jwks) = (provider.url(), format!("{}/dev/jwks", provider.url()));
        Self::run(
            &[],
            &[
                ("DATABASE_URL", database),
                ("JWKS_URL", &jwks),
                ("TOKEN_ISSUER", ISSUER.name),
                ("TOKEN_AUDIENCE", ISSUER.audience),
                ("MANA_AUTH_URL", &url),
                ("MANA_SERVICE_KEY", KEY),
                ("CORS_ORIGINS", "https://app.example"),
                ("HOST", "127.0.0.1"),
            ],
        )
    }

    fn run(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mana-sync"));
        command.args(args).env("PORT", "0").envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let url = line.trim().strip_prefix("mana-sync listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn kill(&mut self) {
        // SIGKILL; an error means that it is gone already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What writers know: batches that were acknowledged, and all that were sent.
#[derive(Default)]
struct Ledger {
    acknowledged: Vec<Vec<Value>>,
    sent: Vec<Vec<Value>>,
}

async fn write(person: Person, writer: usize, enough: Arc<(AtomicUsize, Notify)>) -> Ledger {
    let mut ledger = Ledger::default();
    for n in 0.. {
        let batch: Vec<Value> = (0..BATCH).map(|at| task(&format!("w{writer}-{n}-{at}"))).collect();
        ledger.sent.push(batch.clone());
        let request = person.http.post(format!("{}/v2/push", person.url)).bearer_auth(&person.token);
        match answer(request.json(&push_body(&batch))).await {
            Ok(answer) if answer.status.as_u16() == 200 => ledger.acknowledged.push(batch),
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => return ledger,
        }
        if enough.0.fetch_add(1, Ordering::Relaxed) + 1 >= PUSHES {
            enough.1.notify_one();
        }
    }
    ledger
}

fn events(changes: &[Value]) -> BTreeSet<String> {
    changes.iter().map(|change| change["eventId"].as_str().unwrap().to_owned()).collect()
}

/// Kills a server again and again while it is pushed to; `ada` is who pushes.
async fn kill_and_look(start: impl Fn() -> Program, ada: impl AsyncFn(&str) -> Person) {
    let (kills, seconds) = (usize::try_from(figure("SERVER_KILLS", 30)).expect("a number"), stopwatch());
    let mut acknowledged = BTreeSet::new();
    let mut unanswered = Vec::new();
    let (mut cursor, mut read) = (None, BTreeSet::new());
    for kill in 1..=kills {
        let mut program = start();
        let person = ada(&program.url).await;
        let enough = Arc::new((AtomicUsize::new(0), Notify::new()));
        let writers: Vec<_> = (0..WRITERS).map(|w| tokio::spawn(write(person.clone(), w, enough.clone()))).collect();
        enough.1.notified().await;
        program.kill();
        for writer in writers {
            let ledger = writer.await.unwrap();
            acknowledged.extend(ledger.acknowledged.iter().flat_map(|batch| events(batch)));
            unanswered.extend(ledger.sent.into_iter().skip(ledger.acknowledged.len()));
        }
        let program = start();
        let person = ada(&program.url).await;
        // Somebody who reads on from where they were misses nothing and gets nothing again.
        let (more, next) = person.read_on(cursor, &["tasks"], 100).await;
        assert!(more.iter().all(|change| read.insert(change["eventId"].as_str().unwrap().to_owned())));
        cursor = Some(next);
        if kill % 10 == 0 || kill == kills {
            let (all, _) = person.read_on(None, &["tasks"], 1000).await;
            assert_eq!((all.len(), events(&all)), (read.len(), read.clone()), "and has what a first reader gets, once");
        }
        let stored = &read;
        assert!(acknowledged.is_subset(stored), "nothing acknowledged is lost");
        for batch in &unanswered {
            let found = events(batch).intersection(stored).count();
            assert!(found == 0 || found == BATCH, "a push is stored whole or not at all, not {found} of {BATCH}");
        }
    }
    assert!(acknowledged.len() >= kills * PUSHES * BATCH && !unanswered.is_empty());
    let (kept, cut) = (acknowledged.len(), unanswered.len());
    println!("{kills} kills: {kept} acknowledged changes are there, {cut} pushes were cut off, {:.0} s", seconds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_lost_nothing_it_acknowledged_and_kept_no_half_push() {
    let folder = tempfile::tempdir().unwrap();
    kill_and_look(|| Program::start(folder.path()), async |url| Person::sign_in(url, "ada").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_has_one_whose_log_lies_in_postgresql() {
    let (database, provider) = (Database::migrated().await, provider().await);
    let (address, ada) = (database.url(SERVER).await, provider.person("ada").await);
    let here = async |url: &str| Person { url: url.to_owned(), http: crate::support::client(), ..ada.clone() };
    kill_and_look(|| Program::on_postgres(&address, &provider), here).await;
}

#[test]
fn the_program_ends_in_good_order_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut program = Program::start(folder.path());
        let told = Command::new("kill").arg(signal).arg(program.child.id().to_string()).status().unwrap();
        assert!(told.success());
        assert!(program.child.wait().unwrap().success(), "{signal}");
    }
}

#[test]
fn the_program_says_why_it_does_not_start() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mana-sync")).args(args).env("PORT", "0").output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (started, message) = run(&["--dev", "--database-url", "postgres://localhost/mana"]);
    assert!(!started && message.contains("DATABASE_URL"), "{message}");
    let (started, message) = run(&["--dev", "--database-url", "sqlite:///nowhere/at/all.db"]);
    assert!(!started && message.contains("mana-sync:"), "{message}");
    assert!(run(&["--help"]).0);
}
