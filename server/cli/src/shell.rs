//! `slipway shell`: this terminal becomes a terminal in a task. Bytes pass as they are in both directions; the window's size is told and
//! told again. When the connection breaks, it comes back to the same session: output goes on at the byte where it stopped, and what was typed and not taken
//! is sent again. As with ssh, Enter, `~` and `.` end a session that does not answer.

mod refusal;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures::{SinkExt as _, StreamExt as _};
use model::shell::{FromClient, ToClient};
use model::views::services::{TaskState, TaskView};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::account::Which;
use crate::client::{Portal, Wire, quoted};
use crate::error::{Error, Result};
use crate::target::Target;
use crate::terminal::{self, Modes};
use refusal::{ended, refused};

/// How long it is tried to come back; the portal keeps a session for as long.
const COMES_BACK: Duration = Duration::from_secs(60);
/// The portal pings every 20 s; a connection that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(45);
/// Output that was shown and not told yet, in bytes.
const TELL: u64 = 64 * 1024;
/// How long the portal may take to hear that this client leaves.
const FAREWELL: Duration = Duration::from_secs(1);
/// Typed bytes on their way that were not taken yet; beyond it nothing is read.
const WAITING_MAX: usize = 1024 * 1024;
/// Bytes that are read at once of what is typed or piped in.
const PIECE: usize = 16 * 1024;

/// Open a shell.
#[derive(Debug, Args)]
pub struct Shell {
    /// The service, or one task of it: shop/web, shop/web.2
    target: Target,
    /// In which environment, where there are several.
    #[arg(long, short)]
    environment: Option<String>,
    /// As another user than the task's.
    #[arg(long, short)]
    user: Option<String>,
    /// In another folder than the task's.
    #[arg(long, short)]
    workdir: Option<String>,
    /// What it is for; kept with the recording.
    #[arg(long)]
    why: Option<String>,
    /// A program and its arguments in place of the image's shell.
    #[arg(last = true)]
    command: Vec<String>,
    #[command(flatten)]
    which: Which,
}

/// Runs it to its end; the exit code of what ran.
pub(crate) async fn run(order: Shell) -> Result<u8> {
    let portal = order.which.portal()?;
    let task = find(&portal, &order).await?;
    let mut window = signal(SignalKind::window_change()).map_err(Error::local("the window's size cannot be watched"))?;
    let mut session = Session::new(&portal, &task, &order);
    let mut socket = session.connect().await?;
    let modes = Modes::raw()?;
    let ended = tokio::select! {
        ended = session.run(&mut socket, &mut window) => ended,
        asked = asked_to_end() => asked.and_then(|()| Err(Error::wrong("ended by a signal"))),
    };
    let _ = tokio::time::timeout(FAREWELL, leave(&mut socket)).await;
    drop(modes);
    // What the kernel knows as a signal stands above 128, as shells have it; what is not known is a failure.
    ended.map(|code| u8::try_from(code).unwrap_or(1))
}

/// Resolves when this process is asked to end, as by a terminal that is closed: the modes of the terminal are taken back, and the portal hears that
/// nobody comes back.
async fn asked_to_end() -> Result<()> {
    let failed = || Error::local("signals cannot be watched");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed())?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

/// Leaves for good: the portal ends at once what is left of the session, where otherwise it would wait for us to come back. Reads on until it
/// has heard that, so that nothing unread takes the word back.
async fn leave(socket: &mut Socket) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "left".into() };
    if socket.close(Some(frame)).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}

#[derive(Deserialize)]
struct Tasks {
    items: Vec<TaskView>,
}

/// The running task that is meant.
async fn find(portal: &Portal, order: &Shell) -> Result<TaskView> {
    let environment = order.environment.as_ref().map(|name| format!("?environment={}", quoted(name))).unwrap_or_default();
    let answer = portal.get(&format!("{}/tasks{environment}", order.target.path())).await?;
    let tasks: Tasks = serde_json::from_value(answer).map_err(|error| Error::Unreachable(format!("the list of tasks cannot be read: {error}")))?;
    choose(tasks.items, order.target.slot, order.target.service.as_ref()).map_err(Error::Wrong)
}

fn choose(tasks: Vec<TaskView>, slot: Option<i64>, service: &str) -> std::result::Result<TaskView, String> {
    let mut running: Vec<TaskView> =
        tasks.into_iter().filter(|task| task.state == TaskState::Running && slot.is_none_or(|slot| task.slot == slot)).collect();
    let mut environments: Vec<String> = running.iter().map(|task| task.environment.to_string()).collect();
    environments.sort();
    environments.dedup();
    if environments.len() > 1 {
        return Err(format!("{service} runs in {}: say which with --environment", environments.join(" and ")));
    }
    running.sort_by_key(|task| (task.slot, std::cmp::Reverse(task.id)));
    running.into_iter().next().ok_or_else(|| match slot {
        Some(slot) => format!("{service}.{slot} does not run"),
        None => format!("no task of {service} runs"),
    })
}

/// What is typed, read by a task of its own; its end is the channel's.
fn keys() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        let mut stdin = tokio::io::stdin();
        let mut piece = vec![0; PIECE];
        while let Ok(count @ 1..) = stdin.read(&mut piece).await {
            if sender.send(Bytes::copy_from_slice(&piece[..count])).await.is_err() {
                return;
            }
        }
        if !terminal::is_typed() {
            // What was piped in has ended, and a terminal's end of file is a key.
            let _ = sender.send(Bytes::from_static(b"\x04")).await;
        }
        sender.closed().await;
    });
    receiver
}

/// How a connection ended.
enum End {
    /// The process did, with this code.
    Exit(i64),
    /// The person at the terminal had enough.
    Left,
    /// It broke.
    Broken,
}

type Socket = WebSocketStream<Box<dyn Wire>>;

/// The client's half of a session, which outlives its connections.
struct Session<'a> {
    portal: &'a Portal,
    path: String,
    /// The portal's name of it.
    id: Option<String>,
    received: u64,
    told: u64,
    /// Bytes that the portal took of what was typed, all together.
    taken: u64,
    /// Typed and not known to be taken, the oldest first.
    untaken: VecDeque<u8>,
    escape: Escape,
}

impl<'a> Session<'a> {
    fn new(portal: &'a Portal, task: &TaskView, order: &Shell) -> Self {
        let mut path = format!("/ws/tasks/{}/shell?", task.id);
        let mut put = |key: &str, value: &str| path.push_str(&format!("{key}={}&", quoted(value)));
        if !order.command.is_empty() {
            put("command", &shell_words::join(&order.command));
        }
        for (key, value) in [("user", &order.user), ("workdir", &order.workdir), ("why", &order.why)] {
            if let Some(value) = value {
                put(key, value);
            }
        }
        Self { portal, path, id: None, received: 0, told: 0, taken: 0, untaken: VecDeque::new(), escape: Escape::default() }
    }

    /// Passes bytes on to the end of what runs, through all breaks of the connection; its exit code.
    async fn run(&mut self, socket: &mut Socket, window: &mut Signal) -> Result<i64> {
        let mut typed = keys();
        loop {
            match self.pump(socket, &mut typed, window).await? {
                End::Exit(code) => return Ok(code),
                End::Left => return Ok(0),
                End::Broken => match self.come_back(&mut typed).await? {
                    Some(again) => *socket = again,
                    None => return Ok(0),
                },
            }
        }
    }

    async fn connect(&self) -> Result<Socket> {
        let (columns, rows) = terminal::size();
        let again = self.id.as_ref().map(|id| format!("&session={id}&received={}", self.received)).unwrap_or_default();
        let path = format!("{}cols={columns}&rows={rows}{again}", self.path);
        let request = self.portal.url().websocket(&path).into_client_request();
        let mut request = request.map_err(|error| Error::wrong(format!("this cannot be asked: {error}")))?;
        request.headers_mut().insert(http::header::AUTHORIZATION, self.portal.authorization().clone());
        let wire = self.portal.dial().await?;
        let opened = tokio::time::timeout(Duration::from_secs(30), tokio_tungstenite::client_async(request, wire)).await;
        match opened.map_err(|_| Error::Unreachable(format!("{} does not answer", self.portal.url())))? {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(answer)) => Err(refused(self.portal, &path, &answer).await),
            Err(error) => Err(Error::Unreachable(format!("{} does not open a websocket: {error}", self.portal.url()))),
        }
    }

    /// Comes back to the session after the connection broke; nothing: the person at the terminal had enough of waiting.
    async fn come_back(&mut self, typed: &mut mpsc::Receiver<Bytes>) -> Result<Option<Socket>> {
        if self.id.is_none() {
            return Err(Error::Unreachable("the connection broke before the shell was open".into()));
        }
        terminal::note("\r\nslipway: the connection broke; coming back")?;
        let (until, mut wait) = (Instant::now() + COMES_BACK, Duration::from_millis(200));
        loop {
            match self.connect().await {
                Ok(socket) => return Ok(Some(socket)),
                Err(error @ Error::Unreachable(_)) if Instant::now() > until => return Err(error),
                Err(Error::Unreachable(_)) => {}
                Err(Error::Refused(problem)) if problem.status >= 500 && Instant::now() < until => {}
                Err(Error::Refused(problem)) if matches!(problem.status, 403 | 404) => return Err(ended("not_found", problem.detail, true)),
                Err(error) => return Err(error),
            }
            if self.had_enough(wait, typed).await {
                return Ok(None);
            }
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    /// Waits before the next try, and keeps what is typed meanwhile; true as soon as that are the keys that end a session.
    async fn had_enough(&mut self, wait: Duration, typed: &mut mpsc::Receiver<Bytes>) -> bool {
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return false,
                Some(bytes) = typed.recv(), if self.untaken.len() < WAITING_MAX => {
                    if self.escape.typed(&bytes) && terminal::is_typed() {
                        return true;
                    }
                    self.untaken.extend(&bytes);
                }
            }
        }
    }

    async fn pump(&mut self, socket: &mut Socket, typed: &mut mpsc::Receiver<Bytes>, window: &mut Signal) -> Result<End> {
        let mut out = tokio::io::stdout();
        let mut heard = Instant::now();
        // Typing waits until the portal said how much of it arrived.
        let mut known = self.id.is_none();
        loop {
            tokio::select! {
                message = tokio::time::timeout_at(heard + SILENCE, socket.next()) => {
                    let Ok(Some(Ok(message))) = message else { return Ok(End::Broken) };
                    heard = Instant::now();
                    match message {
                        Message::Binary(bytes) => self.show(socket, &mut out, &bytes).await?,
                        Message::Text(text) => match self.hear(&text)? {
                            Heard::Exit(code) => return Ok(End::Exit(code)),
                            Heard::Taken if !known => {
                                known = true;
                                if self.send_again(socket).await.is_err() { return Ok(End::Broken) }
                            }
                            Heard::Taken | Heard::Other => {}
                        },
                        Message::Close(_) => return Ok(End::Broken),
                        _ => {}
                    }
                }
                Some(bytes) = typed.recv(), if known && self.untaken.len() < WAITING_MAX => {
                    if self.escape.typed(&bytes) && terminal::is_typed() { return Ok(End::Left) }
                    self.untaken.extend(&bytes);
                    if socket.send(Message::Binary(bytes)).await.is_err() { return Ok(End::Broken) }
                }
                _ = window.recv() => {
                    let (cols, rows) = terminal::size();
                    if tell(socket, &FromClient::Resize { cols, rows }).await.is_err() { return Ok(End::Broken) }
                }
            }
        }
    }

    async fn show(&mut self, socket: &mut Socket, out: &mut tokio::io::Stdout, bytes: &[u8]) -> Result<()> {
        let failed = || Error::local("the terminal cannot be written");
        out.write_all(bytes).await.map_err(failed())?;
        out.flush().await.map_err(failed())?;
        self.received += bytes.len() as u64;
        // Small output is told with the next: the portal lets a MiB go ahead.
        if self.received - self.told >= TELL {
            self.told = self.received;
            // A broken connection is found by the next read.
            let _ = tell(socket, &FromClient::Ack { bytes: self.received }).await;
        }
        Ok(())
    }

    fn hear(&mut self, text: &str) -> Result<Heard> {
        // A word that a newer portal knows is left alone.
        let Ok(word) = serde_json::from_str::<ToClient>(text) else { return Ok(Heard::Other) };
        match word {
            ToClient::Ready { session } => self.id = Some(session),
            ToClient::Ack { bytes } => {
                let new = usize::try_from(bytes.saturating_sub(self.taken)).unwrap_or(usize::MAX).min(self.untaken.len());
                self.untaken.drain(..new);
                self.taken = self.taken.max(bytes);
                return Ok(Heard::Taken);
            }
            ToClient::Exit { code } => return Ok(Heard::Exit(code)),
            ToClient::Error { code, message } => return Err(ended(&code, message, self.id.is_some())),
        }
        Ok(Heard::Other)
    }

    async fn send_again(&mut self, socket: &mut Socket) -> std::result::Result<(), tungstenite::Error> {
        if self.untaken.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::copy_from_slice(self.untaken.make_contiguous());
        socket.send(Message::Binary(bytes)).await
    }
}

/// What a word of the portal means for the pump.
enum Heard {
    Exit(i64),
    Taken,
    Other,
}

async fn tell(socket: &mut Socket, word: &FromClient) -> std::result::Result<(), tungstenite::Error> {
    let text = serde_json::to_string(word).expect("our own words have no keys that JSON refuses");
    socket.send(Message::Text(text.into())).await
}

/// Looks for Enter, `~`, `.` among what is typed.
#[derive(Default)]
struct Escape {
    /// How much of it was typed; a session begins like after Enter.
    state: Option<u8>,
}

impl Escape {
    fn typed(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            self.state = match (self.state, byte) {
                (Some(1), b'.') => return true,
                (Some(0) | None, b'~') => Some(1),
                (_, b'\r' | b'\n') => Some(0),
                _ => Some(2),
            };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_keys_end_a_session_and_no_others_do() {
        let ends = |keys: &[&[u8]]| {
            let mut escape = Escape::default();
            keys.iter().any(|keys| escape.typed(keys))
        };
        assert!(ends(&[b"ls\r", b"~", b"."]) && ends(&[b"~."]) && ends(&[b"\r~."]));
        assert!(!ends(&[b"cd ~/x\r"]) && !ends(&[b"ls ~."]) && !ends(&[b"\r~~."]) && !ends(&[b"\r~x."]));
    }

    #[test]
    fn a_command_reaches_the_portal_word_by_word() {
        let words = ["sh", "-c", "echo 'a b' $X", ""];
        let line = shell_words::join(words);
        assert_eq!(line, r"sh -c 'echo '\''a b'\'' $X' ''");
        assert_eq!(model::shell::command(&line), Ok(Some(words.map(str::to_owned).to_vec())), "as the portal reads it");
    }
}
