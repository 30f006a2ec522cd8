//! The real program, killed in the middle of pushes: what was acknowledged is there afterwards, whole.

use crate::support::{DATABASE, Person, answer, push_body, task};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const KILLS: usize = 6;
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
        let mut child = Command::new(env!("CARGO_BIN_EXE_mana-sync"))
            .arg("--dev")
            .env("PORT", "0")
            .env("DATABASE_URL", format!("sqlite://{}", folder.join(DATABASE).display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_lost_nothing_it_acknowledged_and_kept_no_half_push() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut unanswered = Vec::new();
    for _ in 0..KILLS {
        let mut program = Program::start(folder.path());
        let person = Person::sign_in(&program.url, "ada").await;
        let enough = Arc::new((AtomicUsize::new(0), Notify::new()));
        let writers: Vec<_> = (0..WRITERS).map(|w| tokio::spawn(write(person.clone(), w, enough.clone()))).collect();
        enough.1.notified().await;
        program.kill();
        for writer in writers {
            let ledger = writer.await.unwrap();
            acknowledged.extend(ledger.acknowledged.iter().flat_map(|batch| events(batch)));
            unanswered.extend(ledger.sent.into_iter().skip(ledger.acknowledged.len()));
        }
        let program = Program::start(folder.path());
        let person = Person::sign_in(&program.url, "ada").await;
        let (changes, _) = person.read_on(None, &["tasks"], 1000).await;
        let stored = events(&changes);
        assert_eq!(stored.len(), changes.len(), "nothing comes twice");
        assert!(acknowledged.is_subset(&stored), "nothing acknowledged is lost");
        for batch in &unanswered {
            let found = events(batch).intersection(&stored).count();
            assert!(found == 0 || found == BATCH, "a push is stored whole or not at all, not {found} of {BATCH}");
        }
    }
    assert!(acknowledged.len() >= KILLS * PUSHES * BATCH && !unanswered.is_empty());
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
