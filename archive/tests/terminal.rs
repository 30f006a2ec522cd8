//! A passphrase that is typed: asked for without showing it, and twice where it is new.

#![cfg(all(feature = "cli", unix))]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const WORDS: &str = "correct horse battery staple";

/// Runs a program on a terminal of its own. Each answer is typed once something is asked and nothing that is typed shows any more,
/// for which it waits 20 s. Gives the exit status and all that the terminal showed.
const ON_A_TERMINAL: &str = r"
import json, os, pty, sys, termios, time
answers, command = json.loads(sys.argv[1]), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
shown = b''
def read():
    global shown
    try:
        piece = os.read(terminal, 1000)
    except OSError:
        return False
    shown += piece
    return len(piece) > 0
for answer in answers:
    asked = len(shown)
    while not shown[asked:].endswith(b': ') and read():
        pass
    until = time.monotonic() + 20
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        if time.monotonic() > until:
            sys.exit('what is typed shows')
        time.sleep(0.01)
    os.write(terminal, answer.encode() + b'\n')
while read():
    pass
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()]))
";

fn typed(answers: &[&str], arguments: &[&str]) -> (i64, String) {
    let answers = Value::from(answers).to_string();
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", ON_A_TERMINAL, &answers, env!("CARGO_BIN_EXE_mana-archive")]).args(arguments);
    let output = python.output().expect("python3, which make setup installs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: (i64, String) = serde_json::from_slice(&output.stdout).unwrap();
    for answer in serde_json::from_str::<Vec<String>>(&answers).unwrap().iter().filter(|answer| !answer.is_empty()) {
        assert!(!said.1.contains(answer.as_str()), "what was typed shows: {}", said.1);
    }
    said
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).to_str().unwrap().to_owned()
}

/// A file that is not there, and is removed with it.
struct Out(PathBuf);

impl Out {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("mana-archive-typed-{name}-{}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_passphrase_of_an_archive_is_asked_for_once() {
    let (status, shown) = typed(&[WORDS], &["verify", &fixture("sealed.mana")]);
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains("Passphrase: ") && !shown.contains("Once more"), "{shown}");
    assert!(shown.contains("ok: 4 tables, 263 rows"), "{shown}");
    let (status, shown) = typed(&["another"], &["verify", &fixture("sealed.mana")]);
    assert!(status == 1 && shown.contains("wrong_passphrase_or_damaged"), "{shown}");
}

#[test]
fn a_new_passphrase_is_asked_for_twice() {
    let out = Out::new("twice");
    let (status, shown) = typed(&[WORDS, WORDS], &["seal", &fixture("plain.mana"), "--out", out.path()]);
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains("Passphrase: ") && shown.contains("Once more: "), "{shown}");
    let (status, shown) = typed(&[WORDS], &["verify", out.path()]);
    assert_eq!(status, 0, "{shown}");
}

#[test]
fn one_that_differs_or_is_empty_seals_nothing() {
    let out = Out::new("differs");
    for (answers, why) in
        [(&[WORDS, "correct horse"][..], "the two passphrases differ"), (&[""], "passphrase is empty")]
    {
        let (status, shown) = typed(answers, &["seal", &fixture("plain.mana"), "--out", out.path()]);
        assert!(status == 1 && shown.contains(why), "{shown}");
        assert!(!out.0.exists(), "{why}");
    }
}
