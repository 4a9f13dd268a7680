//! A registry written by hand, which can be told to misbehave: to cut, to hold, to lie, to send elsewhere. One request for each connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What is answered.
#[derive(Clone, Default)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Ranges are understood.
    ranges: bool,
    /// So many bytes are sent, then the connection ends.
    cut: Option<usize>,
    /// So many bytes are sent, then it waits until it is let go.
    hold: Option<usize>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn ok(body: &[u8]) -> Self {
        Self { body: body.to_vec(), ranges: true, ..Self::status(200) }
    }

    pub fn typed(self, kind: &str) -> Self {
        self.header("content-type", kind)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without_ranges(mut self) -> Self {
        self.ranges = false;
        self
    }

    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    pub fn held_after(mut self, bytes: usize) -> Self {
        self.hold = Some(bytes);
        self
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: HashMap<String, String>,
}

#[derive(Default)]
struct State {
    routes: HashMap<String, Vec<Reply>>,
    seen: Vec<Seen>,
}

/// The registry.
pub struct Source {
    pub port: u16,
    state: Arc<Mutex<State>>,
    gate: watch::Sender<bool>,
    held: watch::Receiver<usize>,
}

impl Source {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state: Arc<Mutex<State>> = Arc::default();
        let (gate, open) = watch::channel(false);
        let (holds, held) = watch::channel(0);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared), open.clone(), holds.clone()));
            }
        });
        Self { port, state, gate, held }
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn pattern(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One answer after the other; the last one stays.
    pub fn serve(&self, path: &str, replies: Vec<Reply>) {
        self.state.lock().expect("no panic").routes.insert(path.to_owned(), replies);
    }

    /// The requests for a path, in their order.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.state.lock().expect("no panic").seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    pub fn asked(&self) -> usize {
        self.state.lock().expect("no panic").seen.len()
    }

    /// Waits until an answer is held.
    pub async fn is_held(&mut self) {
        self.held.wait_for(|held| *held > 0).await.expect("the source runs");
    }

    /// Lets everything go that is held, now and later.
    pub fn let_go(&self) {
        self.gate.send_replace(true);
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>, mut open: watch::Receiver<bool>, holds: watch::Sender<usize>) {
    let Some(seen) = read(&mut stream).await else { return };
    let reply = {
        let mut state = state.lock().expect("no panic");
        state.seen.push(seen.clone());
        match state.routes.get_mut(&seen.path) {
            Some(replies) if replies.len() > 1 => replies.remove(0),
            Some(replies) => replies[0].clone(),
            None => Reply::status(404),
        }
    };
    let from =
        seen.headers.get("range").filter(|_| reply.ranges).and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let body = &reply.body[from.unwrap_or(0)..];
    let status = if from.is_some() { 206 } else { reply.status };
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    if let Some(from) = from {
        head.push_str(&format!("content-range: bytes {from}-{}/{}\r\n", reply.body.len() - 1, reply.body.len()));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let first = reply.cut.or(reply.hold).unwrap_or(body.len()).min(body.len());
    if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(&body[..first]).await.is_err() {
        return;
    }
    let _ = stream.flush().await;
    if reply.cut.is_some() {
        // What was sent arrives before the end does.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        return;
    }
    if reply.hold.is_some() {
        holds.send_modify(|held| *held += 1);
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
    }
    let _ = stream.write_all(&body[first..]).await;
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        // The beginning of TLS: what servers of plain HTTP answer to it.
        if head == [0x16] {
            let refusal = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n";
            stream.write_all(refusal.as_bytes()).await.ok()?;
            return None;
        }
    }
    let text = String::from_utf8(head).ok()?;
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Some(Seen { path, headers })
}
