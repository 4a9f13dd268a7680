//! `/ws/tasks/{task}/shell`: a client's connection to a terminal in a task. Binary frames carry the terminal's bytes both ways, text frames JSON
//! control, as the contract has them. The session itself lives in `domain::shells`: here bytes are passed on, and a connection that is cut ends
//! nothing. A client that closes with code 1000 leaves for good.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use app::api::server::Caller;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts as _, Path, Query, State};
use axum::response::Response;
use domain::access::Lease;
use domain::ports::ShellOrder;
use domain::shells::{self, Attachment, Hands, Order, Patience, Said};
use domain::streams::Slot;
use domain::{Actor, Error, Platform, can};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use model::ids::{ShellId, TaskId};
use model::shell::{FromClient, ToClient};
use serde::Deserialize;
use tokio::time::{Instant, interval, timeout};

use super::caller::ApiCaller;
use super::problem::{Answer, Refusal};
use super::table::Table;
use super::{Portal, api, doors};

/// The largest frame taken, in bytes: a large paste comes whole.
const FRAME_MAX: usize = 2 * 1024 * 1024;
/// Read at once from a client, in bytes: kept for each connection, and keys are short.
const READ: usize = 4 * 1024;
/// How long a client that was told the end may take to say that it knows.
const FAREWELL: Duration = Duration::from_secs(5);
/// The close code of whoever is refused.
const REFUSED: u16 = 4000;

pub(super) fn table() -> Table {
    doors().get("/ws/tasks/{task}/shell", open)
}

#[derive(Debug, Deserialize)]
struct Asked {
    cols: Option<u16>,
    rows: Option<u16>,
    user: Option<String>,
    workdir: Option<String>,
    command: Option<String>,
    why: Option<String>,
    session: Option<String>,
    received: Option<u64>,
}

/// What a client wants.
enum Wanted {
    /// Another shell.
    Open(Box<Order>, Slot),
    /// Its own one, from this byte on.
    Attach(ShellId, u64),
}

type ShellLease = Lease<can::OpenShell, TaskId>;

async fn open(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path(task): Path<String>,
    Query(asked): Query<Asked>,
    mut parts: Parts,
) -> Answer<Response> {
    let program = parts.headers.contains_key(AUTHORIZATION);
    let actor = actor(&portal, &caller, &mut parts).await?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &portal).await.ok();
    let allowed = allow(&portal.platform, &actor, &task, asked).await;
    let Some(upgrade) = upgrade else {
        allowed?;
        let text = "this path speaks websocket: the upgrade did not arrive; a proxy in between must pass the headers Upgrade and Connection on";
        return Err(Refusal(Error::invalid("upgrade", text)));
    };
    let upgrade = upgrade.max_message_size(FRAME_MAX).max_frame_size(FRAME_MAX).read_buffer_size(READ);
    match allowed {
        Ok((lease, wanted)) => Ok(upgrade.on_upgrade(move |socket| run(portal.platform, lease, wanted, socket))),
        Err(error) if program => Err(error),
        // A page cannot read why an upgrade was refused: it is told over the websocket.
        Err(Refusal(error)) => {
            let patience = portal.platform.shells().patience();
            Ok(upgrade.on_upgrade(move |socket| async move { Wire::new(socket, patience).refuse(&error).await }))
        }
    }
}

async fn allow(platform: &Platform, actor: &Actor, task: &str, asked: Asked) -> Answer<(ShellLease, Wanted)> {
    actor.account()?;
    let lease: ShellLease = actor.lease(platform, api::named(task, "task")?).await?;
    if let Some(session) = &asked.session {
        let session = api::named(session, "shell")?;
        return Ok((lease, Wanted::Attach(session, asked.received.unwrap_or(0))));
    }
    let command = asked.command.as_deref().map(model::shell::command).transpose();
    let terminal = ShellOrder {
        command: command.map_err(|error| Error::invalid("command", error))?.flatten(),
        user: asked.user.filter(|user| !user.is_empty()),
        workdir: asked.workdir.filter(|folder| !folder.is_empty()),
        // A window of no size would leave the terminal without lines.
        columns: columns(asked.cols.unwrap_or(80)),
        rows: rows(asked.rows.unwrap_or(24)),
    };
    let order = Order { terminal, why: asked.why.unwrap_or_default() };
    Ok((lease, Wanted::Open(Box::new(order), shells::slot(platform, actor)?)))
}

fn columns(count: u16) -> u16 {
    count.clamp(2, 1000)
}

fn rows(count: u16) -> u16 {
    count.clamp(1, 1000)
}

/// A page shows its cookie and must show its origin; a program shows a token or Basic and the cookie is not looked at.
async fn actor(portal: &Portal, caller: &Caller, parts: &mut Parts) -> Answer<Actor> {
    if parts.headers.contains_key(AUTHORIZATION) {
        return Ok(ApiCaller::from_request_parts(parts, portal).await?.0);
    }
    if !parts.headers.contains_key(ORIGIN) && caller.actor.account().is_ok() {
        return Err(Refusal(Error::Forbidden("a websocket of a page sends its Origin; programs send a token".into())));
    }
    Ok(caller.actor.clone())
}

async fn run(platform: Platform, lease: ShellLease, wanted: Wanted, socket: WebSocket) {
    let mut wire = Wire::new(socket, platform.shells().patience());
    // In boxes: what is needed to open a shell is not kept as long as it is open.
    let attached = match wanted {
        Wanted::Open(order, slot) => Box::pin(shells::open(&platform, lease, slot, &order)).await,
        Wanted::Attach(session, received) => Box::pin(shells::attach(&platform, lease, session, received)).await,
    };
    match attached {
        Ok(attachment) => wire.serve(attachment).await,
        Err(error) => Box::pin(wire.refuse(&error)).await,
    }
}

/// The client's connection. Its two directions wait for each other nowhere: a client that writes much and reads little, or the other way round, is
/// heard and served.
struct Wire {
    out: Out,
    heard: SplitStream<WebSocket>,
    patience: Patience,
}

/// What the client is told.
struct Out {
    socket: SplitSink<WebSocket, Message>,
    /// A client that takes nothing for so long is as good as gone.
    dead: Duration,
}

/// How a connection ends.
enum End {
    /// The client went, and may come back.
    Gone,
    /// It went for good.
    Left,
    /// It says what nobody understands.
    Wrong(Error),
    /// The session said its last word.
    Said(ToClient),
}

/// The client is gone.
struct Gone;

impl Wire {
    fn new(socket: WebSocket, patience: Patience) -> Self {
        let (socket, heard) = socket.split();
        Self { out: Out { socket, dead: patience.dead }, heard, patience }
    }

    async fn serve(&mut self, mut attachment: Attachment) {
        let hands = attachment.hands();
        let pulse = Pulse::new(self.patience);
        let end = tokio::select! {
            end = speak(&mut self.out, &mut attachment, &pulse) => end,
            end = listen(&mut self.heard, &hands, &pulse) => end,
        };
        match end {
            End::Gone => {}
            End::Left => attachment.leave(),
            End::Wrong(error) => self.refuse(&error).await,
            End::Said(told @ ToClient::Exit { .. }) => {
                if self.out.tell(&told).await.is_ok() && self.farewell().await {
                    attachment.done();
                }
            }
            End::Said(told) => {
                let _ = self.out.tell(&told).await;
                self.close(REFUSED, "ended").await;
            }
        }
    }

    /// Closes, and waits for the client to do so as well; whether it did.
    async fn farewell(&mut self) -> bool {
        self.close(close_code::NORMAL, "ended").await;
        let closed = async {
            loop {
                match self.heard.next().await {
                    Some(Ok(Message::Close(_))) => return true,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return false,
                }
            }
        };
        timeout(FAREWELL, closed).await.unwrap_or(false)
    }

    /// Says why it ends, and ends.
    async fn refuse(&mut self, error: &Error) {
        if let Error::Internal(cause) = error {
            tracing::error!(error = %cause, "a shell failed");
        }
        let problem = error.problem();
        let _ = self.out.tell(&ToClient::Error { code: problem.code, message: problem.detail }).await;
        self.close(REFUSED, "refused").await;
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let _ = self.out.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    }
}

impl Out {
    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        match timeout(self.dead, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn tell(&mut self, message: &ToClient) -> Result<(), Gone> {
        let text = serde_json::to_string(message).expect("our own words have no keys that JSON refuses");
        self.send(Message::Text(text.into())).await
    }
}

/// Tells the client what the session says, until its last word, which is left to the caller.
async fn speak(out: &mut Out, attachment: &mut Attachment, pulse: &Pulse) -> End {
    if out.tell(&ToClient::Ready { session: attachment.id().to_string() }).await.is_err() {
        return End::Gone;
    }
    let mut pings = interval(pulse.patience.ping);
    let mut taken = None;
    loop {
        let sent = tokio::select! {
            said = attachment.next() => match said {
                Said::Output(bytes) => out.send(Message::Binary(bytes)).await,
                Said::Taken(bytes) => {
                    taken = Some(bytes);
                    out.tell(&ToClient::Ack { bytes }).await
                }
                Said::Ended(ending) => return End::Said(ending.told().clone()),
            },
            _ = pings.tick() => if pulse.is_dead() { Err(Gone) } else { beat(out, taken).await },
        };
        if sent.is_err() {
            return End::Gone;
        }
    }
}

/// Asks the client whether it is there, and lets it hear that we are: a page does not see pings, so what was taken is said once more.
async fn beat(out: &mut Out, taken: Option<u64>) -> Result<(), Gone> {
    out.send(Message::Ping(Bytes::new())).await?;
    match taken {
        Some(bytes) => out.tell(&ToClient::Ack { bytes }).await,
        None => Ok(()),
    }
}

/// Does what the client says, until it goes.
async fn listen(heard: &mut SplitStream<WebSocket>, hands: &Hands, pulse: &Pulse) -> End {
    loop {
        pulse.beat();
        match heard.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                // Only what is typed waits: what was shown is heard whatever waits, for without it the terminal may print, and take, no more.
                if !hands.has_room() {
                    // It is not listened to meanwhile, and so not taken for dead.
                    pulse.hold();
                    hands.room().await;
                }
                hands.typed(&bytes);
            }
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(FromClient::Resize { cols, rows: count }) => hands.resize(columns(cols), rows(count)),
                Ok(FromClient::Ack { bytes }) => hands.shown(bytes),
                Err(error) => return End::Wrong(Error::invalid("message", error)),
            },
            Some(Ok(Message::Close(Some(frame)))) if frame.code == close_code::NORMAL => return End::Left,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
        }
    }
}

/// When the client was heard last.
struct Pulse {
    patience: Patience,
    began: Instant,
    /// Milliseconds since then.
    last: AtomicU64,
}

impl Pulse {
    fn new(patience: Patience) -> Self {
        Self { patience, began: Instant::now(), last: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn beat(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn hold(&self) {
        self.last.store(u64::MAX, Ordering::Relaxed);
    }

    fn is_dead(&self) -> bool {
        u128::from(self.now().saturating_sub(self.last.load(Ordering::Relaxed))) > self.patience.dead.as_millis()
    }
}
