//! `GET /ws` and `GET /ws/{app}`: one person's connection that is told when there is something to pull.

use crate::auth::{Identity, Unverified};
use crate::error::ApiError;
use crate::http::Segment;
use crate::hub::{Interest, Nudge, Subscription, TooMany};
use crate::server::{App, AppState};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use mana_sync_engine::model::AppId;
use mana_sync_engine::protocol::wire::{ClientFrame, ServerFrame};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Largest frame of a client; tokens are a few hundred bytes.
const MAX_FRAME: usize = 64 * 1024;
/// What a connection holds to read into while it is idle; a larger frame takes more while it comes.
const READ_BUFFER: usize = 4 * 1024;
/// How often the server asks whether the other side is still there.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Nothing heard for this long, not even an answer to a heartbeat: the connection is dead.
const SILENCE: Duration = Duration::from_secs(75);
/// How long a frame may take to be sent.
const SENDING: Duration = Duration::from_secs(10);

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

pub(super) async fn all_apps(app: State<AppState>, headers: HeaderMap, up: Upgrade) -> Result<Response, ApiError> {
    accept(app.0, &headers, up, Interest::Everything)
}

pub(super) async fn one_app(
    app: State<AppState>,
    Segment(only): Segment<AppId>,
    headers: HeaderMap,
    up: Upgrade,
) -> Result<Response, ApiError> {
    accept(app.0, &headers, up, Interest::App(only))
}

fn accept(app: AppState, headers: &HeaderMap, up: Upgrade, interest: Interest) -> Result<Response, ApiError> {
    app.origins.check(headers)?;
    let up = up.map_err(|_| {
        ApiError::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", "this path takes WebSocket connections")
    })?;
    let up = up.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME).read_buffer_size(READ_BUFFER);
    Ok(up.on_upgrade(move |socket| async move {
        let mut connection = Connection { app: &app, socket, heard: Instant::now() };
        let end = connection.run(interest).await;
        connection.close(end).await;
    }))
}

/// Why a connection ends.
enum End {
    /// The other side went away.
    Gone,
    /// The server stops.
    Stopping,
    /// The client did something it may not, or its time is over; the code says which.
    Refused(&'static str),
}

struct Connection<'a> {
    app: &'a App,
    socket: WebSocket,
    heard: Instant,
}

impl Connection<'_> {
    async fn run(&mut self, interest: Interest) -> End {
        match self.serve(interest).await {
            Ok(()) => End::Gone,
            Err(end) => end,
        }
    }

    async fn serve(&mut self, interest: Interest) -> Result<(), End> {
        let mut identity = self.authenticate().await?;
        let mut nudges = self.subscribe(&identity, interest)?;
        self.listen_to_spaces(&identity, &nudges).await?;
        // Only now: who reads after this frame misses nothing.
        self.send(&ServerFrame::AuthOk).await?;
        let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        loop {
            tokio::select! {
                frame = self.socket.recv() => self.receive(frame, &mut identity).await?,
                nudge = nudges.next() => self.tell(nudge, &identity, &nudges).await?,
                () = sleep_until(identity.ends()) => return Err(End::Refused("token_expired")),
                _ = heartbeat.tick() => self.beat().await?,
                () = self.app.stopped() => return Err(End::Stopping),
            }
        }
    }

    fn subscribe(&self, identity: &Identity, interest: Interest) -> Result<Subscription, End> {
        self.app.hub.subscribe(identity.user.clone(), interest).map_err(|TooMany| {
            self.app.metrics.connection_refused();
            End::Refused("too_many_connections")
        })
    }

    /// Waits for the token, and not for longer than it may take: a connection that says nothing ends by this timer.
    async fn authenticate(&mut self) -> Result<Identity, End> {
        let deadline = Instant::now() + self.app.socket_auth;
        loop {
            let frame = tokio::select! {
                frame = self.socket.recv() => frame,
                () = sleep_until(deadline) => return Err(End::Refused("auth_timeout")),
                () = self.app.stopped() => return Err(End::Stopping),
            };
            match self.client_frame(frame)? {
                Some(ClientFrame::Auth { token }) => {
                    return verify(self.app, &token).await;
                }
                Some(ClientFrame::Ping) => self.send(&ServerFrame::Pong).await?,
                None => {}
            }
        }
    }

    async fn receive(
        &mut self,
        frame: Option<Result<Message, axum::Error>>,
        identity: &mut Identity,
    ) -> Result<(), End> {
        match self.client_frame(frame)? {
            None => Ok(()),
            Some(ClientFrame::Ping) => self.send(&ServerFrame::Pong).await,
            Some(ClientFrame::Auth { token }) => {
                let renewed = verify(self.app, &token).await?;
                if renewed.user != identity.user {
                    return Err(End::Refused("other_user"));
                }
                *identity = renewed;
                self.send(&ServerFrame::AuthOk).await
            }
        }
    }

    /// What the client said; `None` for frames below the protocol. Text that is no frame ends the connection.
    fn client_frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<Option<ClientFrame>, End> {
        let Some(Ok(message)) = frame else { return Err(End::Gone) };
        self.heard = Instant::now();
        match message {
            Message::Text(text) => serde_json::from_str(&text).map(Some).map_err(|_| End::Refused("invalid_frame")),
            Message::Binary(_) => Err(End::Refused("invalid_frame")),
            Message::Close(_) => Err(End::Gone),
            Message::Ping(_) | Message::Pong(_) => Ok(None),
        }
    }

    async fn tell(&mut self, nudge: Option<Nudge>, identity: &Identity, nudges: &Subscription) -> Result<(), End> {
        match nudge {
            None => Err(End::Refused("too_slow")),
            Some(Nudge::Available { app, tables, since }) => {
                self.send(&ServerFrame::SyncAvailable { app_id: app, tables }).await?;
                self.app.metrics.told(since.elapsed());
                Ok(())
            }
            Some(Nudge::SpacesChanged) => {
                self.listen_to_spaces(identity, nudges).await?;
                self.send(&ServerFrame::SpacesChanged).await
            }
        }
    }

    async fn listen_to_spaces(&mut self, identity: &Identity, nudges: &Subscription) -> Result<(), End> {
        let list = self.app.memberships.recent_spaces_of(&identity.user).await;
        let list = list.map_err(|_| End::Refused("memberships_unavailable"))?;
        nudges.set_spaces(list.shared());
        Ok(())
    }

    async fn beat(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > SILENCE {
            return Err(End::Gone);
        }
        self.transmit(Message::Ping(Vec::new().into())).await
    }

    async fn send(&mut self, frame: &ServerFrame) -> Result<(), End> {
        let text = serde_json::to_string(frame).map_err(|_| End::Gone)?;
        self.transmit(Message::Text(text.into())).await
    }

    async fn transmit(&mut self, message: Message) -> Result<(), End> {
        match timeout(SENDING, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    async fn close(mut self, end: End) {
        let (code, reason) = match end {
            End::Gone => (close_code::NORMAL, ""),
            End::Stopping => (close_code::AWAY, "stopping"),
            End::Refused(reason) => {
                // Either way the connection is over.
                let _ = self.send(&ServerFrame::Error { tables: vec![reason.to_owned()] }).await;
                (close_code::POLICY, reason)
            }
        };
        let _ = self.transmit(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    }
}

async fn verify(app: &App, token: &str) -> Result<Identity, End> {
    app.tokens.verify(token).await.map_err(|error| match error {
        Unverified::Bad => End::Refused("unauthorized"),
        Unverified::Unavailable => End::Refused("identity_unavailable"),
    })
}
