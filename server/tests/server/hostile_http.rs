//! Clients that mean no good, or have died: connections that say nothing, bodies without end, odd paths and origins.
//! Each is refused with its code or ended, memory stays bounded, and everybody else is served.

use crate::kill::Program;
use crate::support::{Answer, Person, Site, answer, client, pull_body, push_body, task, with};
use flate2::Compression;
use flate2::write::GzEncoder;
use mana_sync::http::Origins;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(200);
/// Longest wait for what has to come; no test waits for it to pass.
const PATIENCE: Duration = Duration::from_mins(1);

fn connect(address: SocketAddr, said: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.set_write_timeout(Some(PATIENCE)).expect("set");
    stream.write_all(said.as_bytes()).expect("written");
    stream
}

/// Everything the server says until it ends the connection.
fn heard(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        // Reset is an end, too; a wait that was too long is none.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the server ends it");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a request without a body is answered with, its target as it stands.
fn raw(address: SocketAddr, method: &str, target: &str) -> String {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: sync.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    heard(&mut connect(address, &request))
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_more_are_ended() {
    let site = Site::start_with(|settings| settings.patience.silence = SHORT).await;
    let address = site.server.address();
    let said = ["", "G", "POST /v2/push HTTP/1.1\r\n", "GET /health HTTP/1.1\r\nHost: sync.test\r\nX-Long: abc"];
    let silent: Vec<TcpStream> = (0..300).map(|n| connect(address, said[n % said.len()])).collect();
    let ended = tokio::task::spawn_blocking(move || silent.into_iter().map(|mut one| heard(&mut one)).collect());
    let heard_of: Vec<String> = ended.await.expect("all end");
    assert!(heard_of.iter().all(|text| !text.contains("200 OK")), "{heard_of:?}");
    // One that was answered and then says nothing.
    let asked = connect(address, "GET /health HTTP/1.1\r\nHost: sync.test\r\n\r\n");
    let last = tokio::task::spawn_blocking(move || heard(&mut { asked })).await.expect("it ends");
    assert_eq!(status(&last), 200);
    site.person("ada").await.accept(&[task("alive")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let site = Site::start_with(|settings| settings.patience.body = SHORT).await;
    let ada = site.person("ada").await;
    let head = format!(
        "POST /v2/push HTTP/1.1\r\nHost: sync.test\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n{{",
        ada.token
    );
    let waiting = connect(site.server.address(), &head);
    let said = tokio::task::spawn_blocking(move || heard(&mut { waiting })).await.expect("it ends");
    assert_eq!(status(&said), 408, "{said}");
    assert!(said.contains("request_timeout"), "{said}");
    ada.accept(&[task("alive")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_no_answer_is_ended() {
    let site = Site::start_with(|settings| settings.patience.deafness = SHORT).await;
    let ada = site.person("ada").await;
    for n in 0..4 {
        ada.accept(&[with(task(&format!("large{n}")), &[("data", json!({ "text": "x".repeat(7 << 20) }))])]).await;
    }
    let body = pull_body(None, &["tasks"], 1000).to_string();
    let request = format!(
        "POST /v2/pull HTTP/1.1\r\nHost: sync.test\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        ada.token,
        body.len()
    );
    let deaf = connect(site.server.address(), &request.repeat(3));
    let ended = tokio::task::spawn_blocking(move || {
        // Nothing is read; whether the other side is still there shows when something is written.
        (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            (&deaf).write_all(b"POST").is_err()
        })
    });
    assert!(ended.await.expect("no panic"), "the server ends it");
    ada.accept(&[task("alive")]).await;
}

/// The most memory a program has had, in MiB.
fn most_memory(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

/// Sends a body of 1 GiB as far as the server takes it, and gives what it answers.
fn flood(address: SocketAddr, token: &str, chunked: bool) -> String {
    let (length, piece) = (1usize << 30, vec![b' '; 1 << 20]);
    let framing = if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {length}") };
    let head = format!(
        "POST /v2/push HTTP/1.1\r\nHost: sync.test\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n{framing}\r\n\r\n"
    );
    let mut stream = connect(address, &head);
    for _ in 0..length / piece.len() {
        let size = if chunked { format!("{:x}\r\n", piece.len()) } else { String::new() };
        let end: &[u8] = if chunked { b"\r\n" } else { b"" };
        if [size.as_bytes(), &piece, end].into_iter().any(|part| stream.write_all(part).is_err()) {
            break;
        }
    }
    heard(&mut stream)
}

/// One GiB of spaces in a megabyte: gzip members, one after the other (RFC 1952, 2.2).
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 64 << 20]).expect("in memory");
    encoder.finish().expect("in memory").repeat(16)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_without_end_take_no_more_memory_than_a_body_may_have() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::start(folder.path());
    let ada = Person::sign_in(program.url(), "ada").await;
    let address: SocketAddr = program.url().trim_start_matches("http://").parse().expect("an address");
    let before = most_memory(&program);
    let floods = (0..20).map(|n| {
        let token = ada.token.clone();
        tokio::task::spawn_blocking(move || flood(address, &token, n % 2 == 0))
    });
    for said in futures_util::future::join_all(floods).await {
        let said = said.expect("no panic");
        // Who is still sending when the connection ends may not get to hear why.
        assert!(said.is_empty() || status(&said) == 413, "{said}");
    }
    let bombs = (0..20).map(|_| {
        let request = ada.http.post(format!("{}/v2/push", ada.url)).bearer_auth(&ada.token).body(bomb());
        answer(request.header("content-type", "application/json").header("content-encoding", "gzip"))
    });
    for refused in futures_util::future::join_all(bombs).await {
        // Whether further members are read is the decoder's business; and who is still sending when the connection ends
        // may not get to hear why.
        assert!(refused.is_err() || refused.is_ok_and(|answer| [400, 413].contains(&answer.status.as_u16())));
    }
    let grown = most_memory(&program) - before;
    assert!(grown < 20 * 10 + 100, "20 bodies of at most 10 MiB each, not {grown} MiB");
    Person::sign_in(program.url(), "bob").await.accept(&[task("alive")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_paths_lead_nowhere() {
    let site = Site::start().await;
    let address = site.server.address();
    let long = format!("/ws/{}", "a".repeat(20_000));
    let targets = [
        "//v2/push",
        "/v2//push",
        "/v2/push/",
        "/v2/push//",
        "/./v2/push",
        "/v2/./push",
        "/v2/../v2/push",
        "/V2/push",
        "/v2/PUSH",
        "/v2/push%00",
        "/v2/push%20",
        "/v2/push;a",
        "/v2/push/..",
        "/v2%2fpush",
        "/%76%32/push",
        "/v2\\push",
        "/v2/push%2f",
        "/v2/push?a=../../internal",
        "/v2/pull#x",
        "/v2/pull%23",
        "/v3/push",
        "/v1/push",
        "/v2",
        "/v2/",
        "/internal",
        "/internal/",
        "/internal/spaces-changed/",
        "/internal/../metrics",
        "/internal/spaces-changed%00",
        "/internal/%73paces-changed",
        "//internal/spaces-changed",
        "/metrics",
        "/metrics/",
        "/metrics%2f",
        "/%6detrics",
        "/ws/%00",
        "/ws/..%2f..%2fmetrics",
        "/ws/a/b",
        "/ws/%ff",
        "/ws/a%20b",
        &long,
        "/dev/spaces/../login/members",
        "/dev/spaces/%2e%2e/members",
        "/dev/spaces/a%00/members",
        "/dev/spaces/%F0%9F%98%80/members",
        "/api/v1/internal/users/ada%2f..%2fbob/memberships",
        "/api/v1/internal/users//memberships",
        "/api/v1/internal/users/%00/memberships",
        "http://evil.test/v2/push",
        "*",
    ];
    let tried = tokio::task::spawn_blocking({
        let targets = targets.map(str::to_owned);
        move || {
            targets
                .map(|target| ["GET", "POST", "DELETE"].map(|method| (raw(address, method, &target), target.clone())))
        }
    });
    for (said, target) in tried.await.expect("no panic").into_iter().flatten() {
        assert!((400..500).contains(&status(&said)), "{target}: {said}");
        // What is no HTTP at all never gets to where codes are made.
        assert!(said.contains("\"code\":") || [400, 414, 431].contains(&status(&said)), "{target}: {said}");
    }
    site.person("ada").await.accept(&[task("alive")]).await;
}

#[tokio::test]
async fn no_origin_that_only_looks_like_a_listed_one_gets_anywhere() {
    let listed = "https://app.example,https://other.example:8443";
    let site = Site::start_with(|settings| settings.origins = Origins::parse(listed)).await;
    let near = [
        "http://app.example",
        "https://app.example.",
        "https://app.example:443",
        "https://app.example:80",
        "https://app.example/",
        "https://app.example/x",
        "https://app.example?",
        "https://app.example#",
        "https://APP.example",
        "HTTPS://app.example",
        "https://app.example.evil.test",
        "https://evil.test/app.example",
        "https://evilapp.example",
        "https://evil-app.example",
        "https://sub.app.example",
        "https://app.exampl",
        "https://app.example%00",
        "https://app.example@evil.test",
        "https://user@app.example",
        "https://:@app.example",
        "https://app.example:8443",
        "https://other.example",
        "https://other.example:8444",
        "https://other.example:08443",
        "https://other.example:443",
        "//app.example",
        "app.example",
        "https:app.example",
        "https:/app.example",
        "https:///app.example",
        "https://app.example,https://evil.test",
        "https://evil.test,https://app.example",
        "https://app.example https://evil.test",
        "https://app.example\thttps://evil.test",
        "null",
        "Null",
        "*",
        "",
        " ",
        "file://",
        "file:///app.example",
        "chrome-extension://app.example",
        "data:text/html,x",
        "blob:https://app.example/1",
        "about:blank",
        "javascript:0",
        "wss://app.example",
        "ftp://app.example",
        "https://127.0.0.1",
        "http://localhost",
        "http://localhost:5173",
        "http://[::1]",
        "http://0.0.0.0",
        "https://xn--app.example",
        "https://app\u{2024}example",
        "https://app.ex\u{e4}mple",
        "https://app.example\u{3000}",
        "\u{feff}https://app.example",
        "https://аpp.example",
        "undefined",
    ];
    assert_eq!(near.len(), 60);
    for origin in near {
        let request = client().post(format!("{}/v2/pull", site.url())).header("origin", origin.as_bytes());
        let response = request.send().await.expect("an answer");
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{origin}");
        let upgrade = client().get(format!("{}/ws", site.url())).header("origin", origin.as_bytes());
        let upgrade = upgrade.header("upgrade", "websocket").header("connection", "upgrade");
        let upgrade =
            upgrade.header("sec-websocket-version", "13").header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(upgrade.send().await.expect("an answer").status(), 403, "{origin}");
    }
}

#[tokio::test]
async fn json_that_readers_read_differently_is_read_one_way_or_not_at_all() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let push = async |text: String| -> Answer {
        let request = ada.http.post(format!("{}/v2/push", ada.url)).bearer_auth(&ada.token);
        answer(request.header("content-type", "application/json").body(text)).await.expect("an answer")
    };
    let body = push_body(&[]).to_string();
    // A member that is there twice, in the frame; and what only some readers take for JSON.
    let twice = body.replacen('{', r#"{"protocol":2,"#, 1);
    assert_eq!(push(twice).await.code(), (400, "invalid_request"));
    for text in [format!("\u{feff}{body}"), format!("{body},"), format!("{body}{body}"), format!("/**/{body}")] {
        assert_eq!(push(text.clone()).await.code(), (400, "malformed_json"), "{text}");
    }
    for text in [body.replace("\"changes\":[]", "\"changes\":[,]"), body.replace(":2", ":02"), body.replace('"', "'")] {
        assert_eq!(push(text.clone()).await.code(), (400, "malformed_json"), "{text}");
    }
    let huge = body.replace("\"schemaVersion\":1", &format!("\"schemaVersion\":{}", "9".repeat(10_000)));
    assert!(push(huge).await.status.is_success(), "what is not asked for is not read");
    for number in ["1e400", "-1e400", "99999999999999999999999999", "1.5", "-1", "4294967298"] {
        let (status, code) = (push(body.replace("\"protocol\":2", &format!("\"protocol\":{number}"))).await, 400);
        assert_eq!(status.status.as_u16(), code, "{number}: {}", status.body);
    }
    ada.accept(&[task("alive")]).await;
}
