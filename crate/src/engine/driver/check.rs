//! Asking the server what its log comes to. It changes nothing on either side, so a tab that does not lead asks for itself.

use super::Driver;
use crate::engine::check::Local;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::{Host, Method, NoAnswer, Request, TokenReason, Transport};
use crate::engine::{keyring, progress};
use crate::protocol::reply::{Failure, check_answer};
use crate::protocol::wire::{CheckAnswer, CheckRequest, PROTOCOL};
use crate::store::Store;
use serde_json::{Value, json};

/// What came of asking.
pub enum Asked {
    /// The answer.
    Answer(CheckAnswer),
    /// Not now: ask again, after so many milliseconds where the server says when.
    Again(Option<u64>),
}

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// Asks for the fingerprints of everything up to `cursor`.
    pub async fn ask_fingerprints(&self, local: &Local, cursor: &str) -> Result<Asked> {
        let position = progress::position(&self.engine).await?;
        if position.progress.by_time {
            return Err(failed("not_supported", "this server speaks protocol 1, which has no check"));
        }
        if !position.apps.filling(&self.engine.config()).is_empty() {
            return Ok(Asked::Again(None));
        }
        let mut apps = self.engine.config().collections(&position.apps);
        apps.retain(|app, _| app.as_str() != keyring::APP);
        let request = CheckRequest {
            protocol: PROTOCOL,
            client_id: self.client_id().map_err(|NoAnswer(message)| failed("bad_client", &message))?,
            personal_space_id: self.engine.config().personal_space().cloned(),
            cursor: cursor.to_owned(),
            apps,
            except: local.except(),
        };
        let body = Value::from(request).to_string();
        let known = self.token.borrow().clone();
        let token = match known {
            Some(token) => Some(token),
            None => self.ask_token(TokenReason::Start).await?,
        };
        match self.ask_with(token, &body).await {
            Err(Failure::Unauthorized) => {
                let token = self.ask_token(TokenReason::Expired).await?;
                told(self.ask_with(token, &body).await)
            }
            other => told(other),
        }
    }

    /// A token of its own: what the loop does about one that is refused is the loop's business.
    async fn ask_token(&self, reason: TokenReason) -> Result<Option<String>> {
        self.transport.token(reason).await.map_err(|NoAnswer(message)| failed("token_failed", &message))
    }

    async fn ask_with(&self, token: Option<String>, body: &str) -> std::result::Result<CheckAnswer, Failure> {
        if token.is_none() {
            return Err(Failure::Unauthorized);
        }
        let (path, body) = ("/v2/check".into(), Some(body.to_owned()));
        let request = Request { method: Method::Post, path, body, token, client: None };
        check_answer(self.transport.send(request).await)
    }
}

fn told(answer: std::result::Result<CheckAnswer, Failure>) -> Result<Asked> {
    match answer {
        Ok(answer) if answer.behind => Ok(Asked::Again(None)),
        Ok(answer) => Ok(Asked::Answer(answer)),
        // The next pull is told the same, and knows what to do.
        Err(Failure::Expired(_)) => Ok(Asked::Again(None)),
        Err(Failure::Later { code: "busy", retry_after_ms, .. }) => Ok(Asked::Again(retry_after_ms)),
        Err(Failure::Later { code: "offline", message, .. }) => {
            Err(Error::new(Kind::Offline, format!("the check did not finish: {message}")))
        }
        Err(failure) => {
            let message = match &failure {
                Failure::Later { message, .. } | Failure::Refused { message, .. } => message.clone(),
                Failure::Unauthorized => "the server wants another token: sign in again".to_owned(),
                Failure::PaymentRequired => "the account does not include sync at present".to_owned(),
                Failure::Expired(_) => "the cursor expired".to_owned(),
            };
            Err(failed(failure.code(), &message))
        }
    }
}

fn failed(code: &str, message: &str) -> Error {
    Error::new(Kind::SyncFailed, format!("the check did not finish: {message}")).with(json!({ "code": code }))
}
