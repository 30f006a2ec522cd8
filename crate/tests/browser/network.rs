//! Requests, tokens and sockets, against stand-ins for what the app may bring.

use crate::support::{Heard, impatient_timers, js};
use mana_sync_engine::engine::ports::{Method, NoAnswer, Request, Response, SocketEvent, TokenReason, Transport};
use mana_sync_engine::web::{BrowserNetwork, NetworkOptions};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;

fn options() -> NetworkOptions {
    NetworkOptions { base: "https://sync.test/base/".to_owned(), fetch: None, web_socket: None, get_token: None }
}

fn network(fetch: &str) -> BrowserNetwork {
    BrowserNetwork::new(NetworkOptions { fetch: Some(js(fetch).unchecked_into()), ..options() })
}

fn post(body: &str) -> Request {
    Request {
        method: Method::Post,
        path: "/v2/push".into(),
        body: Some(body.to_owned()),
        token: Some("t".to_owned()),
        client: None,
    }
}

fn get() -> Request {
    Request { method: Method::Get, path: "/v2/pull".into(), body: None, token: None, client: None }
}

async fn refused(fetch: &str) -> NoAnswer {
    network(fetch).send(get()).await.expect_err("no answer")
}

#[wasm_bindgen_test]
async fn a_request_says_what_it_must() {
    let fetch = "async (url, init) => new Response(JSON.stringify([url, init.method, init.headers, init.body, init.cache]), \
        { status: 201, headers: { 'Content-Type': 'application/json; charset=utf-8', 'Retry-After': '7' } })";
    let answer = network(fetch).send(post("{\"a\":1}")).await.expect("answers");
    assert_eq!(answer, Response {
        status: 201,
        content_type: "application/json; charset=utf-8".to_owned(),
        retry_after_ms: Some(7000),
        body: r#"["https://sync.test/base/v2/push","POST",{"Accept":"application/json","Authorization":"Bearer t","Content-Type":"application/json"},"{\"a\":1}","no-store"]"#.to_owned(),
    });
    let answer = network(fetch).send(get()).await.expect("answers");
    assert_eq!(
        answer.body,
        r#"["https://sync.test/base/v2/pull","GET",{"Accept":"application/json"},null,"no-store"]"#
    );
}

#[wasm_bindgen_test]
async fn a_server_may_say_when_to_come_back_in_seconds_or_as_a_date() {
    let noon = "Sun, 06 Nov 1994 12:00:00 GMT";
    let said = [
        ("'120'", Some(120_000)),
        ("' 7 '", Some(7000)),
        ("'Sun, 06 Nov 1994 12:01:30 GMT'", Some(90_000)),
        ("'Sunday, 06-Nov-94 12:01:30 GMT'", Some(90_000)),
        ("'Sun Nov  6 12:01:30 1994'", Some(90_000)),
        ("'Sun, 06 Nov 1994 11:59:00 GMT'", Some(0)),
        ("'Fri, 31 Dec 9999 23:59:59 GMT'", Some(252_618_177_599_000)),
        ("'99999999999999999999'", None),
        ("'in 5 minutes'", None),
        ("'-1'", None),
        ("'1.5'", None),
        ("'soon'", None),
        ("''", None),
    ];
    for (header, wanted) in said {
        let fetch =
            format!("async () => new Response('', {{ headers: {{ 'Retry-After': {header}, 'Date': '{noon}' }} }})");
        assert_eq!(network(&fetch).send(get()).await.expect("answers").retry_after_ms, wanted, "{header}");
    }
}

#[wasm_bindgen_test]
async fn a_date_to_come_back_at_is_compared_with_the_clock_where_the_answer_has_none_of_its_own() {
    for date in ["", ", 'Date': 'today'"] {
        let soon = "new Date(Date.now() + 100_000).toUTCString()";
        let fetch = format!("async () => new Response('', {{ headers: {{ 'Retry-After': {soon} {date} }} }})");
        let asked = network(&fetch).send(get()).await.expect("answers").retry_after_ms.expect("a wait");
        assert!((90_000..=100_000).contains(&asked), "{asked} ms");
    }
}

#[wasm_bindgen_test]
async fn large_bodies_are_compressed_where_the_browser_can() {
    let fetch = "async (url, init) => { const gzip = init.headers['Content-Encoding'];
        const text = gzip ? await new Response(new Blob([init.body]).stream().pipeThrough(new DecompressionStream(gzip))).text()
            : init.body; return new Response(`${gzip} ${init.body.byteLength < 1000} ${text}`) }";
    let large = "ä".repeat(20_000);
    assert_eq!(network(fetch).send(post(&large)).await.expect("answers").body, format!("gzip true {large}"));
    assert_eq!(network(fetch).send(post("small")).await.expect("answers").body, "undefined false small");
    let _patch = crate::support::Patched::new("globalThis", "CompressionStream", "{ value: undefined }");
    assert_eq!(network(fetch).send(post(&large)).await.expect("answers").body, format!("undefined false {large}"));
}

#[wasm_bindgen_test]
async fn a_server_of_protocol_1_is_sent_its_clients_name_and_nothing_that_its_preflight_refuses() {
    let fetch =
        "async (url, init) => new Response(`${Object.keys(init.headers).sort()} ${init.headers['X-Client-Id']}`)";
    let request = |body: &str| Request { client: Some("a.b".to_owned()), ..post(body) };
    let large = "a".repeat(20_000);
    for body in ["small", &large] {
        let sent = network(fetch).send(request(body)).await.expect("answers").body;
        assert_eq!(sent, "Accept,Authorization,Content-Type,X-Client-Id a.b");
    }
    let sent = network(fetch).send(post("small")).await.expect("answers").body;
    assert_eq!(sent, "Accept,Authorization,Content-Type undefined");
}

#[wasm_bindgen_test]
async fn whatever_goes_wrong_is_no_answer() {
    assert_eq!(refused("async () => { throw new TypeError('Failed to fetch') }").await.0, "TypeError: Failed to fetch");
    assert_eq!(refused("() => { throw new Error('at once') }").await.0, "Error: at once");
    for fetch in [
        "async () => undefined",
        "async () => ({ status: 0 })",
        "async () => new Response(new Uint8Array([255, 254]))",
        "async () => new Response(new ReadableStream({ pull(c) { c.error(new Error('cut')) } }))",
    ] {
        refused(fetch).await;
    }
}

#[wasm_bindgen_test]
async fn answers_without_a_stream_are_read_as_text() {
    let plain = "() => ({ status: 204, headers: new Headers(), body: null, text: async () => '' })";
    let answer = network(plain).send(get()).await.expect("answers");
    assert_eq!((answer.status, answer.body.as_str(), answer.content_type.as_str()), (204, "", ""));
    let answer = network("async () => ({ status: 200, text: () => 'own' })").send(get()).await.expect("answers");
    assert_eq!(answer.body, "own");
}

#[wasm_bindgen_test]
async fn an_endless_answer_is_cut_off() {
    js("globalThis.cancelled = false");
    let endless =
        "async () => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(4 * 1024 * 1024)) },
        cancel() { cancelled = true } }))";
    assert!(refused(endless).await.0.contains("larger"));
    assert_eq!(js("cancelled"), true);
}

#[wasm_bindgen_test]
async fn a_request_without_answer_ends_and_is_taken_back() {
    js("globalThis.aborted = false");
    let _timers = impatient_timers();
    let silent = "(url, init) => new Promise(() => init.signal.addEventListener('abort', () => { aborted = true }))";
    assert_eq!(refused(silent).await.0, "no answer within 30 s");
    assert_eq!(js("aborted"), true);
}

#[wasm_bindgen_test]
async fn the_apps_callback_gives_tokens() {
    let token = async |callback: Option<&str>, reason| {
        let get_token = callback.map(|callback| js(callback).unchecked_into());
        BrowserNetwork::new(NetworkOptions { get_token, ..options() }).token(reason).await
    };
    let given = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(token(Some("(reason) => reason"), TokenReason::Start).await, given("start"));
    assert_eq!(token(Some("async (reason) => reason"), TokenReason::Expired).await, given("expired"));
    for none in ["() => null", "async () => ''", "() => 5"] {
        assert_eq!(token(Some(none), TokenReason::Start).await, Ok(None), "{none}");
    }
    assert_eq!(token(None, TokenReason::Start).await, Ok(None));
}

#[wasm_bindgen_test]
async fn a_token_that_cannot_be_had_now_is_not_the_same_as_none() {
    let _timers = impatient_timers();
    for later in ["() => { throw 1 }", "async () => { throw 1 }", "() => new Promise(() => {})"] {
        let get_token = Some(js(later).unchecked_into());
        let token = BrowserNetwork::new(NetworkOptions { get_token, ..options() }).token(TokenReason::Start).await;
        assert!(token.is_err(), "{later}");
    }
}

const SOCKET: &str = "globalThis.FakeSocket = class {
    constructor(url) { this.url = url; this.sent = []; globalThis.last = this }
    send(text) { this.sent.push(text) }
    close() { this.closed = true }
    emit(type, data) { this[`on${type}`]?.({ type, data }) }
}";

#[wasm_bindgen_test]
async fn a_socket_reports_what_happens_and_ends_once() {
    let web_socket = Some(js(SOCKET).unchecked_into());
    let network = BrowserNetwork::new(NetworkOptions { web_socket, ..options() });
    let heard = Heard::new();
    let events = heard.clone();
    let socket = network.connect("/v2/nudge", Box::new(move |event| events.note(event)));
    assert_eq!(js("last.url"), "wss://sync.test/base/v2/nudge");
    js("last.emit('open')");
    socket.send("hello");
    js("last.emit('message', 'nudge'), last.emit('message', new Blob([])), last.emit('close'), last.emit('close')");
    assert_eq!(heard.all(), [SocketEvent::Open, SocketEvent::Text("nudge".to_owned()), SocketEvent::Closed]);
    socket.send("too late");
    assert_eq!(js("last.sent.join()"), "hello");
}

#[wasm_bindgen_test]
async fn a_dropped_socket_is_closed_and_silent() {
    let web_socket = Some(js(SOCKET).unchecked_into());
    let network = BrowserNetwork::new(NetworkOptions { base: "http://sync.test".to_owned(), web_socket, ..options() });
    let heard = Heard::new();
    let events = heard.clone();
    drop(network.connect("/v2/nudge", Box::new(move |event| events.note(event))));
    assert_eq!(js("last.url"), "ws://sync.test/v2/nudge");
    js("last.emit('open'), last.emit('close')");
    assert_eq!(js("last.closed"), true);
    assert!(heard.all().is_empty());
}

#[wasm_bindgen_test]
async fn a_socket_that_cannot_be_made_ends_in_a_later_turn() {
    let web_socket = Some(js("class { constructor() { throw new Error('no') } }").unchecked_into());
    let network = BrowserNetwork::new(NetworkOptions { web_socket, ..options() });
    let heard = Heard::new();
    let events = heard.clone();
    let _socket = network.connect("/v2/nudge", Box::new(move |event| events.note(event)));
    assert!(heard.all().is_empty());
    assert_eq!(heard.wait_for(1).await, [SocketEvent::Closed]);
}

/// A stream of the pieces that a script enqueues as `pieces` says; `aborted` tells when its request was taken back.
fn streaming(pieces: &str) -> BrowserNetwork {
    js("globalThis.aborted = false");
    network(&format!(
        "async (url, init) => {{ init.signal.addEventListener('abort', () => {{ aborted = true }});
            globalThis.asked = [url, init.method, init.headers.Accept, init.headers.Authorization, init.body].join(' ');
            return new Response(new ReadableStream({{ async start(c) {{ {pieces} }} }}),
                {{ headers: {{ 'Content-Type': 'text/event-stream', 'Retry-After': '2' }} }}) }}"
    ))
}

fn stream_request() -> Request {
    Request {
        method: Method::Post,
        path: "/v2/stream".into(),
        body: Some("{}".to_owned()),
        token: Some("t".to_owned()),
        client: None,
    }
}

#[wasm_bindgen_test]
async fn a_stream_is_read_piece_by_piece_to_its_end() {
    let network = streaming("for (const b of [[195], [164, 10]]) c.enqueue(new Uint8Array(b)); c.close()");
    let mut answer = network.stream(stream_request()).await.expect("answers");
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "text/event-stream"));
    assert_eq!(answer.retry_after_ms, Some(2000));
    assert_eq!(js("asked"), "https://sync.test/base/v2/stream POST text/event-stream Bearer t {}");
    assert_eq!(answer.body.next().await, Ok(Some(vec![195])));
    assert_eq!(answer.body.next().await, Ok(Some(vec![164, 10])));
    assert_eq!(answer.body.next().await, Ok(None));
}

#[wasm_bindgen_test]
async fn a_stream_that_breaks_off_or_does_not_stream_is_no_answer() {
    let network_of_errors = streaming("c.enqueue(new Uint8Array([1])); await null; c.error(new Error('cut'))");
    let mut answer = network_of_errors.stream(stream_request()).await.expect("answers");
    while let Ok(Some(_)) = answer.body.next().await {}
    assert!(answer.body.next().await.is_err());
    let plain = network("() => ({ status: 200, headers: new Headers(), body: null })");
    assert!(plain.stream(stream_request()).await.is_err());
}

#[wasm_bindgen_test]
async fn a_stream_that_is_dropped_is_taken_back() {
    let answer = streaming("").stream(stream_request()).await.expect("answers");
    assert_eq!(js("aborted"), false);
    drop(answer);
    assert_eq!(js("aborted"), true);
}
