//! A receiver of webhooks that can be told to be away, in trouble, or deaf. One request for each connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It takes what comes.
    Take,
    /// It closes connections at once.
    Refuse,
    /// It answers that it is in trouble.
    Fail,
    /// A proxy before it answers that nothing is there.
    Proxy,
    /// It reads and never answers.
    Hang,
}

/// A request that was taken.
#[derive(Clone, Debug)]
pub struct Request {
    headers: HashMap<String, String>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).cloned().unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

struct State {
    mode: Mutex<Mode>,
    taken: Mutex<Vec<Request>>,
    tries: AtomicUsize,
}

/// The receiver.
pub struct Receiver {
    pub port: u16,
    state: Arc<State>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State { mode: Mutex::new(Mode::Take), taken: Mutex::default(), tries: AtomicUsize::new(0) });
        tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    state.tries.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(serve(stream, Arc::clone(&state)));
                }
            }
        });
        Self { port, state }
    }

    pub fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn set(&self, mode: Mode) {
        *self.state.mode.lock().expect("no panic") = mode;
    }

    /// Connections that came.
    pub fn tries(&self) -> usize {
        self.state.tries.load(Ordering::SeqCst)
    }

    /// What it took, in order.
    pub fn taken(&self) -> Vec<Request> {
        self.state.taken.lock().expect("no panic").clone()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mode = *state.mode.lock().expect("no panic");
    if mode == Mode::Refuse {
        return;
    }
    let Some(request) = read(&mut stream).await else { return };
    match mode {
        Mode::Hang => std::future::pending::<()>().await,
        Mode::Fail => {
            let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy").await;
        }
        Mode::Proxy => {
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\nconnection: close\r\n\r\nno backend").await;
        }
        Mode::Take | Mode::Refuse => {
            state.taken.lock().expect("no panic").push(request);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let headers: HashMap<String, String> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())))
                .collect();
            let length: usize = headers.get("content-length")?.parse().ok()?;
            if body.len() >= length {
                return Some(Request { headers, body: body.to_owned() });
            }
        }
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// HMAC-SHA256 (RFC 2104), written out: the test does not check the sender with the sender's own library.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.map(|own| own ^ byte);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
