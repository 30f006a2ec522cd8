//! The network of a window or worker: fetch for requests and streams, the app's callback for tokens, WebSocket for nudges.

use super::gzip::gzip;
use super::host::sleep;
use super::js;
use super::retry_after::retry_after_ms;
use super::socket::BrowserSocket;
use super::stream::{BrowserBody, next};
use crate::engine::ports::{
    LongAnswer, Method, NoAnswer, Request, Response, Socket, SocketEvent, TokenReason, Transport,
};
use crate::protocol::limits::{MAX_BODY_BYTES, MAX_DATED_ANSWER_BYTES};
use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use js_sys::{Function, Object, Reflect};
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::{AbortController, AbortSignal, Url};

/// How long a request or a token may take, in milliseconds.
const LIMIT_MS: u64 = 30_000;
/// Bodies larger than this are compressed.
const GZIP_OVER_BYTES: usize = 16 * 1024;
/// Larger answers are not read to their end.
const MAX_ANSWER_BYTES: usize = MAX_BODY_BYTES * 2;

/// Where the server is, and what the app brings of its own.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// The server's URL; relative ones count from the page.
    pub base: String,
    /// Used instead of the global `fetch`.
    pub fetch: Option<Function>,
    /// Used instead of the global `WebSocket`.
    pub web_socket: Option<Function>,
    /// Called with `"start"` or `"expired"`; gives a token or a promise of one.
    pub get_token: Option<Function>,
}

/// The browser's network.
#[derive(Debug, Clone)]
pub struct BrowserNetwork(Rc<NetworkOptions>);

impl BrowserNetwork {
    /// A network that speaks to the server at `options.base`.
    #[must_use]
    pub fn new(options: NetworkOptions) -> Self {
        let base = absolute(&options.base).trim_end_matches('/').to_owned();
        Self(Rc::new(NetworkOptions { base, ..options }))
    }
}

impl Transport for BrowserNetwork {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Response, NoAnswer>> {
        let options = Rc::clone(&self.0);
        async move {
            let controller = Cancel(AbortController::new().map_err(no_answer)?);
            let exchange = exchange(&options, &request, controller.0.signal());
            match select(pin!(exchange), pin!(sleep(LIMIT_MS))).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Err(NoAnswer("no answer within 30 s".to_owned())),
            }
        }
        .boxed_local()
    }

    fn token(&self, reason: TokenReason) -> LocalBoxFuture<'static, Result<Option<String>, NoAnswer>> {
        let options = Rc::clone(&self.0);
        async move {
            match select(pin!(ask_token(&options, reason)), pin!(sleep(LIMIT_MS))).await {
                Either::Left((token, _)) => token,
                Either::Right(_) => Err(NoAnswer("getToken did not answer within 30 s".to_owned())),
            }
        }
        .boxed_local()
    }

    fn stream(&self, request: Request) -> LocalBoxFuture<'static, Result<LongAnswer, NoAnswer>> {
        let options = Rc::clone(&self.0);
        async move {
            let cancel = Cancel(AbortController::new().map_err(no_answer)?);
            let response = respond(&options, &request, "text/event-stream", cancel.0.signal()).await?;
            Ok(LongAnswer {
                status: status(&response)?,
                content_type: header(&response, "content-type").unwrap_or_default(),
                retry_after_ms: retry_after_ms(&response),
                body: Box::new(BrowserBody::of(&response, cancel)?),
            })
        }
        .boxed_local()
    }

    fn connect(&self, path: &'static str, on_event: Box<dyn Fn(SocketEvent)>) -> Box<dyn Socket> {
        let url = format!("{}{path}", web_socket_url(&self.0.base));
        Box::new(BrowserSocket::open(&url, self.0.web_socket.clone(), on_event))
    }
}

/// Ends a request that is still under way when nobody waits for it any longer.
pub struct Cancel(AbortController);

impl Cancel {
    pub fn controller(&self) -> &AbortController {
        &self.0
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function that takes the error")]
pub fn no_answer(thrown: JsValue) -> NoAnswer {
    NoAnswer(js::describe(&thrown))
}

fn absolute(base: &str) -> String {
    let page = js::global("location").and_then(|location| js::property(&location, "href"));
    let page = page.and_then(|href| href.as_string()).unwrap_or_default();
    Url::new_with_base(base, &page).or_else(|_| Url::new(base)).map_or_else(|_| base.to_owned(), |url| url.href())
}

fn web_socket_url(base: &str) -> String {
    match base.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some(("http", rest)) => format!("ws://{rest}"),
        _ => base.to_owned(),
    }
}

async fn exchange(options: &NetworkOptions, request: &Request, signal: AbortSignal) -> Result<Response, NoAnswer> {
    let response = respond(options, request, "application/json", signal).await?;
    Ok(Response {
        status: status(&response)?,
        content_type: header(&response, "content-type").unwrap_or_default(),
        retry_after_ms: retry_after_ms(&response),
        body: body(&response, most_bytes(request)).await?,
    })
}

/// The head of an answer of the type `accept`.
async fn respond(
    options: &NetworkOptions,
    request: &Request,
    accept: &str,
    signal: AbortSignal,
) -> Result<JsValue, NoAnswer> {
    let fetch = options.fetch.clone().or_else(|| js::global_function("fetch"));
    let fetch = fetch.ok_or_else(|| NoAnswer("there is no fetch".to_owned()))?;
    let init = init(request, accept, signal).await;
    let url = JsValue::from_str(&format!("{}{}", options.base, request.path));
    let returned = fetch.call2(&JsValue::UNDEFINED, &url, &init).map_err(no_answer)?;
    js::settled(returned).await.map_err(no_answer)
}

async fn init(request: &Request, accept: &str, signal: AbortSignal) -> Object {
    let (init, headers) = (Object::new(), Object::new());
    set(&headers, "Accept", accept);
    if let Some(token) = &request.token {
        set(&headers, "Authorization", format!("Bearer {token}"));
    }
    if let Some(client) = &request.client {
        set(&headers, "X-Client-Id", client.as_str());
    }
    if let Some(text) = &request.body {
        set(&headers, "Content-Type", "application/json");
        let may_pack = text.len() > GZIP_OVER_BYTES && request.client.is_none();
        let packed = if may_pack { gzip(text).await } else { None };
        if packed.is_some() {
            set(&headers, "Content-Encoding", "gzip");
        }
        set(&init, "body", packed.map_or_else(|| JsValue::from_str(text), JsValue::from));
    }
    set(
        &init,
        "method",
        match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
        },
    );
    set(&init, "headers", headers);
    set(&init, "cache", "no-store");
    set(&init, "signal", signal);
    init
}

fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    // Setting a property of a new plain object cannot fail.
    let _ = Reflect::set(object, &JsValue::from_str(name), &value.into());
}

fn status(response: &JsValue) -> Result<u16, NoAnswer> {
    let status = js::property(response, "status").and_then(|status| status.as_f64());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    let checked = status.filter(|status| (100.0..1000.0).contains(status)).map(|status| status as u16);
    checked.ok_or_else(|| NoAnswer("the answer has no status".to_owned()))
}

pub(super) fn header(response: &JsValue, name: &str) -> Option<String> {
    let headers = js::property(response, "headers")?;
    js::call(&headers, "get", &[JsValue::from_str(name)]).ok()?.as_string()
}

fn most_bytes(request: &Request) -> usize {
    if request.client.is_some() { MAX_DATED_ANSWER_BYTES } else { MAX_ANSWER_BYTES }
}

async fn body(response: &JsValue, most: usize) -> Result<String, NoAnswer> {
    let bytes = match js::property(response, "body").filter(|body| js::function(body, "getReader").is_some()) {
        Some(stream) => read(&stream, most).await?,
        // An empty answer, or one of the app's own `fetch` that does not stream.
        None => return text(response, most).await,
    };
    String::from_utf8(bytes).map_err(|_| NoAnswer("the answer is not UTF-8".to_owned()))
}

async fn text(response: &JsValue, most: usize) -> Result<String, NoAnswer> {
    let read = js::settled(js::call(response, "text", &[]).map_err(no_answer)?).await.map_err(no_answer)?;
    let text = read.as_string().unwrap_or_default();
    if text.len() > most { Err(too_large(most)) } else { Ok(text) }
}

fn too_large(most: usize) -> NoAnswer {
    NoAnswer(format!("the answer is larger than {most} bytes"))
}

async fn read(stream: &JsValue, most: usize) -> Result<Vec<u8>, NoAnswer> {
    let reader = js::call(stream, "getReader", &[]).map_err(no_answer)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = next(&reader).await? {
        if bytes.len() + chunk.length() as usize > most {
            let _ = js::call(&reader, "cancel", &[]);
            return Err(too_large(most));
        }
        let start = bytes.len();
        bytes.resize(start + chunk.length() as usize, 0);
        chunk.copy_to(&mut bytes[start..]);
    }
    Ok(bytes)
}

async fn ask_token(options: &NetworkOptions, reason: TokenReason) -> Result<Option<String>, NoAnswer> {
    let reason = match reason {
        TokenReason::Start => "start",
        TokenReason::Expired => "expired",
    };
    let Some(get_token) = &options.get_token else { return Ok(None) };
    let returned = get_token.call1(&JsValue::UNDEFINED, &reason.into()).map_err(no_answer)?;
    let token = js::settled(returned).await.map_err(no_answer)?;
    Ok(token.as_string().filter(|token| !token.is_empty()))
}
