//! `POST /sync/{app}`: changes of one app, answered with what is new.

use super::incoming::{Incoming, check};
use super::pull::{answer, page};
use super::surrogates::replaced;
use super::{Asking, Refusal, since};
use crate::clock;
use crate::error::ApiError;
use crate::http::body::read_any;
use crate::http::push::take;
use crate::log::{Caller, Collection, News, Sent, Since, StreamId, Withheld};
use crate::server::AppState;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use mana_sync_engine::model::{AppId, ClientId, EventId, Stamp, UserId};
use mana_sync_engine::protocol::limits::MAX_ACCEPTED_PUSH;
use mana_sync_engine::protocol::wire::RejectionCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Most changes that a push is answered with.
const ANSWERED: usize = 5000;
/// How often a change that is refused for what can be mended is tried in all.
const ATTEMPTS: usize = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    changes: Option<Vec<Value>>,
}

pub(super) async fn push(
    State(app): State<AppState>,
    asking: Asking,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let body = read(request, &app).await?;
    let version = body.schema_version.unwrap_or(1).max(1);
    if let Some(newest) = app.log.newest_schema(&asking.app).filter(|newest| version > u64::from(*newest)) {
        return Err(Refusal::bad_request(format!("unsupported schemaVersion {version} (max {newest})")));
    }
    let changes = body.changes.unwrap_or_default();
    for (at, change) in changes.iter().enumerate() {
        check(at, change).map_err(Refusal::bad_request)?;
    }
    let client = asking.client.or_else(|| ClientId::parse(body.client_id?).ok());
    let writer = Writer { app: &app, user: &asking.identity.user, of: &asking.app, client: client.clone() };
    writer.write(incoming(changes, version)).await?;
    let since = since(&body.since.unwrap_or_default());
    let wanted = Since { since, app: asking.app, tables: None, but: client, limit: ANSWERED };
    let list = app.memberships.recent_spaces_of(&asking.identity.user).await?;
    Ok(Json(answer(page(&app, &asking.identity.user, list, &wanted).await?)))
}

async fn read(request: Request, app: &AppState) -> Result<Body, Refusal> {
    let invalid = |what: String| Refusal::bad_request(format!("invalid JSON: {what}"));
    let bytes = read_any(request.into_body(), app).await.map_err(|error| {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            invalid("request body too large".into())
        } else {
            Refusal(error)
        }
    })?;
    // An object: a list would do for a type whose parts may all be missing.
    let object = serde_json::from_slice::<Map<String, Value>>(&replaced(&bytes));
    let body = object.and_then(|object| serde_json::from_value(Value::Object(object)));
    body.map_err(|error| invalid(error.to_string()))
}

/// Puts changes in order, each under an id of its own.
fn incoming(changes: Vec<Value>, version: u64) -> Vec<Incoming> {
    let (now, mut seen) = (clock::now(), BTreeSet::new());
    let mut put_in_order = |change| {
        let mut incoming = Incoming::new(change, fresh(now), version, now);
        if !seen.insert(incoming.event_id.to_string()) {
            incoming.event_id = fresh(now);
        }
        incoming
    };
    changes.into_iter().map(&mut put_in_order).collect()
}

fn fresh(now: Stamp) -> EventId {
    let mut random = [0; 10];
    clock::random(&mut random);
    EventId::from_parts(now.ms(), &random)
}

/// A push under way.
struct Writer<'a> {
    app: &'a AppState,
    user: &'a UserId,
    of: &'a AppId,
    client: Option<ClientId>,
}

impl Writer<'_> {
    /// Takes all changes: into the log, or where protocol 2 refuses them, among what is withheld.
    async fn write(&self, changes: Vec<Incoming>) -> Result<(), ApiError> {
        let mut withheld = Vec::new();
        let mut rest = changes.into_iter();
        loop {
            let batch: Vec<Incoming> = rest.by_ref().take(MAX_ACCEPTED_PUSH).collect();
            if batch.is_empty() {
                return self.withhold(withheld).await;
            }
            withheld.extend(self.push(batch).await?);
        }
    }

    /// Pushes changes until those that are left cannot be mended; gives these with the codes they were refused with.
    async fn push(&self, mut batch: Vec<Incoming>) -> Result<Vec<(Incoming, RejectionCode)>, ApiError> {
        let mut refused = Vec::new();
        for attempt in 1..=ATTEMPTS {
            if batch.is_empty() {
                break;
            }
            let sent: Vec<Sent> = batch.iter().map(|change| Sent::from_value(change.as_protocol_2(self.of))).collect();
            let outcome = take(self.app, self.user, (&self.client_id(), None), &sent).await?;
            self.app.metrics.pushed(outcome.accepted.len(), 0);
            let codes: BTreeMap<String, RejectionCode> =
                outcome.rejected.into_iter().map(|rejection| (rejection.event_id, rejection.code)).collect();
            let mut again = Vec::new();
            for mut change in batch {
                let Some(code) = codes.get(change.event_id.as_str()) else { continue };
                if attempt < ATTEMPTS && mend(&mut change, *code) {
                    again.push(change);
                } else {
                    refused.push((change, *code));
                }
            }
            batch = again;
        }
        Ok(refused)
    }

    async fn withhold(&self, refused: Vec<(Incoming, RejectionCode)>) -> Result<(), ApiError> {
        if refused.is_empty() {
            return Ok(());
        }
        let client_id = self.client_id();
        let keep = |(change, code): (Incoming, RejectionCode)| Withheld {
            event_id: fresh(clock::now()),
            app: self.of.clone(),
            table: change.table().to_owned(),
            client_id: client_id.clone(),
            code: code.as_str(),
            change: change.as_sent(),
        };
        let withheld: Vec<Withheld> = refused.into_iter().map(keep).collect();
        let caller = Caller { user: self.user.clone(), spaces: Vec::new() };
        let turn = self.app.turns.take(self.user).await?;
        self.app.log.withhold(&caller, &withheld).await?;
        drop(turn);
        self.app.metrics.withheld(withheld.len());
        let table = |one: &Withheld| Collection::try_from(format!("{}/{}", one.app, one.table)).ok();
        let tables = withheld.iter().filter_map(table).collect();
        self.app.publish(&News::from([(StreamId::User(self.user.clone()), tables)]));
        Ok(())
    }

    fn client_id(&self) -> ClientId {
        let unnamed = || ClientId::parse("protocol-1").expect("it is a name");
        self.client.clone().unwrap_or_else(unnamed)
    }
}

/// Changes what older clients cannot know to say; says whether it is worth another attempt.
fn mend(change: &mut Incoming, code: RejectionCode) -> bool {
    match code {
        RejectionCode::EventIdReused => change.event_id = fresh(clock::now()),
        RejectionCode::VisibilityMismatch => return change.mend_visibility(),
        _ => return false,
    }
    true
}
