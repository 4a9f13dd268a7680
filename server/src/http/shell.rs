//! `/ws/tasks/{task}/shell`: a terminal in a task. Binary frames carry the terminal's bytes both ways, text frames JSON control, as the
//! contract has them. At most 1 MiB of output is sent ahead of what the client says it has shown, so a flood fills no memory: the engine's
//! own stream waits. Ends when the process ends, the client goes, the permission is lost, or the portal stops; then the process is ended
//! too.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use app::api::server::Caller;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Path, Query, State};
use axum::response::Response;
use domain::access::Lease;
use domain::ports::{Shell, ShellControl, ShellOrder};
use domain::{Actor, Error, can, shells, streams};
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use model::ids::TaskId;
use model::shell::{FromClient, ToClient};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, interval};

use super::caller::ApiCaller;
use super::problem::{Answer, Refusal};
use super::table::Table;
use super::{Portal, api, doors};

/// Output sent ahead of the client's acknowledgement, in bytes.
const AHEAD_MAX: u64 = 1024 * 1024;
/// Output read at once, in bytes.
const CHUNK: usize = 16 * 1024;
/// The largest frame taken, in bytes: a large paste comes whole.
const FRAME_MAX: usize = 2 * 1024 * 1024;
/// Input that waits for the process, in bytes; beyond it the client waits.
const WAITING_MAX: usize = 4 * FRAME_MAX;
/// Idle proxies cut after a minute, some sooner.
const PING: Duration = Duration::from_secs(20);
/// A client that answered no ping for so long is gone.
const DEAD: Duration = Duration::from_secs(60);

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
}

async fn open(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path(task): Path<String>,
    Query(asked): Query<Asked>,
    mut parts: Parts,
) -> Answer<Response> {
    let actor = actor(&portal, &caller, &mut parts).await?;
    let lease: Lease<can::OpenShell, TaskId> = actor.lease(&portal.platform, api::named(&task, "task")?).await?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &portal).await.map_err(|_| {
        let text = "this path speaks websocket: the upgrade did not arrive; a proxy in between must pass the headers Upgrade and Connection on";
        Refusal(Error::invalid("upgrade", text))
    })?;
    let order = ShellOrder {
        command: asked.command.filter(|command| !command.is_empty()).map(|command| vec![command]),
        user: asked.user.filter(|user| !user.is_empty()),
        workdir: asked.workdir.filter(|folder| !folder.is_empty()),
        // A window of no size would leave the terminal without lines.
        columns: asked.cols.unwrap_or(80).clamp(2, 1000),
        rows: asked.rows.unwrap_or(24).clamp(1, 1000),
    };
    let upgrade = upgrade.max_message_size(FRAME_MAX).max_frame_size(FRAME_MAX);
    let slot = match streams::open(&portal.platform, &actor, streams::Kind::Shell) {
        // A page cannot read why an upgrade was refused: it is told over the websocket.
        Err(error) if !parts.headers.contains_key(AUTHORIZATION) => return Ok(upgrade.on_upgrade(move |socket| refuse(socket, error))),
        slot => slot?,
    };
    Ok(upgrade.on_upgrade(move |socket| async move {
        run(portal, lease, order, socket).await;
        drop(slot);
    }))
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

async fn run(portal: Portal, lease: Lease<can::OpenShell, TaskId>, order: ShellOrder, socket: WebSocket) {
    let mut wire = Wire { socket, heard: Instant::now() };
    match shells::open(&portal.platform, lease.may(), &order).await {
        Ok((session, shell)) => {
            let control = Arc::clone(&shell.control);
            if wire.tell(&ToClient::Ready { session }).await.is_err() {
                end(&*control).await;
                return;
            }
            Session { portal, lease, wire, sent: 0, shown: 0, taken: 0 }.run(shell).await;
        }
        Err(error) => wire.refuse(&error).await,
    }
}

async fn refuse(socket: WebSocket, error: Error) {
    Wire { socket, heard: Instant::now() }.refuse(&error).await;
}

async fn end(control: &dyn ShellControl) {
    if let Err(error) = control.end().await {
        tracing::warn!(%error, "a shell's process could not be ended");
    }
}

/// The client's side of a session.
struct Wire {
    socket: WebSocket,
    heard: Instant,
}

/// The client is gone.
struct Gone;

impl Wire {
    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        // A client that takes nothing for so long is as good as gone.
        match tokio::time::timeout(DEAD, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn tell(&mut self, message: &ToClient) -> Result<(), Gone> {
        let text = serde_json::to_string(message).expect("our own words have no keys that JSON refuses");
        self.send(Message::Text(text.into())).await
    }

    /// Says why it ends, and ends.
    async fn refuse(&mut self, error: &Error) {
        if let Error::Internal(cause) = error {
            tracing::error!(error = %cause, "a shell failed");
        }
        let problem = error.problem();
        let _ = self.tell(&ToClient::Error { code: problem.code, message: problem.detail }).await;
        self.close(4000, "refused").await;
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let _ = self.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    }
}

/// A session while it runs.
struct Session {
    portal: Portal,
    lease: Lease<can::OpenShell, TaskId>,
    wire: Wire,
    /// Output bytes sent.
    sent: u64,
    /// Output bytes that the client has shown.
    shown: u64,
    /// Input bytes that the terminal took.
    taken: u64,
}

impl Session {
    async fn run(mut self, mut shell: Shell) {
        let control = Arc::clone(&shell.control);
        let ended = self.pump(&mut shell).await;
        match ended {
            Ended::Process => {
                let code = control.exit_code().await.unwrap_or(-1);
                let _ = self.wire.tell(&ToClient::Exit { code }).await;
                self.wire.close(1000, "ended").await;
            }
            Ended::Client => end(&*control).await,
            Ended::Refused(error) => {
                end(&*control).await;
                self.wire.refuse(&error).await;
            }
        }
    }

    async fn pump(&mut self, shell: &mut Shell) -> Ended {
        let mut pings = interval(PING);
        let mut buffer = vec![0; CHUNK];
        // What is typed waits here while the process does not read: nothing else waits with it.
        let mut typed: VecDeque<Bytes> = VecDeque::new();
        loop {
            let room = self.sent.saturating_sub(self.shown) < AHEAD_MAX;
            let waiting: usize = typed.iter().map(Bytes::len).sum();
            tokio::select! {
                error = self.lease.lost() => return Ended::Refused(error),
                () = self.portal.stopping.cancelled() => {
                    return Ended::Refused(Error::Unavailable("the portal is stopping; open the shell again when it is back".into()));
                }
                read = shell.output.read(&mut buffer), if room => match read {
                    Ok(0) | Err(_) => return Ended::Process,
                    Ok(count) => {
                        self.sent += count as u64;
                        let bytes = Bytes::copy_from_slice(&buffer[..count]);
                        if self.wire.send(Message::Binary(bytes)).await.is_err() {
                            return Ended::Client;
                        }
                    }
                },
                written = write_some(&mut shell.input, typed.front()), if !typed.is_empty() => match written {
                    Ok(count) if count > 0 => {
                        if let Err(ended) = self.took(&mut typed, count).await {
                            return ended;
                        }
                    }
                    _ => return Ended::Process,
                },
                message = self.wire.socket.recv(), if waiting < WAITING_MAX => {
                    let Some(Ok(message)) = message else { return Ended::Client };
                    self.wire.heard = Instant::now();
                    if let Err(ended) = self.take(message, shell, &mut typed).await {
                        return ended;
                    }
                }
                _ = pings.tick() => {
                    // A client whose input waits is not listened to, and so is not taken for dead.
                    let dead = waiting < WAITING_MAX && self.wire.heard.elapsed() > DEAD;
                    if dead || self.wire.send(Message::Ping(Bytes::new())).await.is_err() {
                        return Ended::Client;
                    }
                }
            }
        }
    }

    /// The terminal took so many bytes of what was typed first.
    async fn took(&mut self, typed: &mut VecDeque<Bytes>, count: usize) -> Result<(), Ended> {
        self.taken += count as u64;
        if let Some(first) = typed.front_mut() {
            let _ = first.split_to(count.min(first.len()));
            if !first.is_empty() {
                return Ok(());
            }
            typed.pop_front();
        }
        let bytes = self.taken;
        self.wire.tell(&ToClient::Ack { bytes }).await.map_err(|Gone| Ended::Client)
    }

    async fn take(&mut self, message: Message, shell: &mut Shell, typed: &mut VecDeque<Bytes>) -> Result<(), Ended> {
        match message {
            Message::Binary(bytes) => {
                if !bytes.is_empty() {
                    typed.push_back(bytes);
                }
                Ok(())
            }
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(FromClient::Resize { cols, rows }) => {
                    if let Err(error) = shell.control.resize(cols.clamp(2, 1000), rows.clamp(1, 1000)).await {
                        tracing::debug!(%error, "a terminal was not resized");
                    }
                    Ok(())
                }
                Ok(FromClient::Ack { bytes }) => {
                    self.shown = bytes.min(self.sent).max(self.shown);
                    Ok(())
                }
                Err(error) => Err(Ended::Refused(Error::invalid("message", error))),
            },
            Message::Close(_) => Err(Ended::Client),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }
}

/// Writes what the terminal takes of these bytes now; dropping the future loses nothing.
async fn write_some(input: &mut (impl AsyncWrite + Unpin), bytes: Option<&Bytes>) -> std::io::Result<usize> {
    let Some(bytes) = bytes else { return std::future::pending().await };
    input.write(bytes).await
}

/// How a session ended.
enum Ended {
    /// Its process did.
    Process,
    /// The client went.
    Client,
    /// It may not go on.
    Refused(Error),
}
