//! Streams of servers of protocol 1: one to an app, and at most two, as browsers open few connections to a host. What they say is
//! left unread, since it lacks the space of a change: it nudges. Other apps wait for the next poll.

use super::Driver;
use super::connection::on;
use super::stream::{SILENCE_MS, lost, opened, within};
use crate::engine::ports::{Host, Method, Request, Transport};
use crate::engine::progress;
use crate::model::{Stamp, TableName};
use crate::protocol::fallback::Ending;
use crate::protocol::limits::MAX_BODY_BYTES;
use crate::protocol::machine::Input;
use crate::protocol::sse::Parser;
use crate::store::Store;
use futures_util::future::{Either, LocalBoxFuture, select};
use std::rc::{Rc, Weak};

/// Streams at a time.
const MAX_STREAMS: usize = 2;

/// Reads the streams until one of them has ended; gives why.
pub(super) async fn follow<S: Store, H: Host, T: Transport>(
    weak: &Weak<Driver<S, H, T>>,
    number: u64,
) -> Result<Ending, Ending> {
    let requests = on(weak, number).ok_or_else(lost)?.nudge_requests().await?;
    let listening = |request| -> LocalBoxFuture<'_, Result<Ending, Ending>> { Box::pin(listen(weak, number, request)) };
    let mut streams = requests.into_iter().map(listening);
    match (streams.next(), streams.next()) {
        (Some(one), Some(other)) => match select(one, other).await {
            Either::Left((ending, _)) | Either::Right((ending, _)) => ending,
        },
        (Some(one), None) => one.await,
        (None, _) => Err(Ending::Refused),
    }
}

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    async fn nudge_requests(self: &Rc<Self>) -> Result<Vec<Request>, Ending> {
        let position = progress::position(&self.engine).await.map_err(|_| lost())?;
        let since = self.server_time().unwrap_or_else(|| Stamp::at_ms(self.engine.host().now_ms()));
        let apps = self.engine.config().collections(&position.apps);
        // A stream opened for other apps is opened anew.
        self.streamed.name(&apps);
        let request = |(app, tables): (_, Vec<TableName>)| {
            let tables: Vec<&str> = tables.iter().map(TableName::as_str).collect();
            let path = format!("/sync/{app}/stream?collections={}&since={since}", tables.join(",")).into();
            let (token, client) = (self.connection.token.borrow().clone(), Some(self.engine.client_id()));
            Request { method: Method::Get, path, body: None, token, client }
        };
        Ok(apps.into_iter().take(MAX_STREAMS).map(request).collect())
    }
}

async fn listen<S: Store, H: Host, T: Transport>(
    weak: &Weak<Driver<S, H, T>>,
    number: u64,
    request: Request,
) -> Result<Ending, Ending> {
    let present = || on(weak, number).ok_or_else(lost);
    let silence = || present().map(|driver| driver.engine.host().sleep(SILENCE_MS));
    let mut answer = opened(weak, number, request).await?;
    let mut parser = Parser::new(2 * MAX_BODY_BYTES);
    loop {
        let chunk = within(silence()?, answer.body.next()).await.flatten().ok_or_else(lost)?;
        let events = parser.push(&chunk).map_err(|_| lost())?;
        let driver = present()?;
        driver.note_accepted();
        if events.iter().any(|event| event.name == "changes") {
            driver.feed(Input::Nudge);
        }
    }
}
