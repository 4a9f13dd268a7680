//! The way to an engine through its machine's SSH server: one connection, kept, and a channel to the engine's socket for each stream. What the
//! `docker` client does with a program on both sides (`ssh ... docker system dial-stdio`) is done here without either: no key is ever written to a
//! disk, nothing asks on a terminal, and the machine needs no `docker` client.
//!
//! Nothing is said to a server whose key nobody confirmed: the connection ends before it signs in.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use domain::ports::SshKeys;
use model::engine::EngineAddress;
use model::views::environments::HostKeyView;
use russh::client::{self, AuthResult, Config, Handle, Handler};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{ChannelOpenFailure, ChannelStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::connect;
use super::{EngineError, Kind, Result};

/// Longest time for both sides to prove who they are.
const SIGN_IN: Duration = Duration::from_secs(12);
/// Longest time for the server to open a channel.
const OPEN: Duration = Duration::from_secs(10);
/// A silent connection is asked for a sign of life so often, and given up after so many times.
const KEEP_ALIVE: (Duration, usize) = (Duration::from_secs(15), 3);

/// The way to one engine.
pub(super) struct Line {
    user: String,
    host: String,
    port: u16,
    socket: String,
    key: Arc<PrivateKey>,
    pinned: Option<PublicKey>,
    /// The key that the server showed last.
    shown: Arc<Mutex<Option<PublicKey>>>,
    /// The connection, once it stands. Held while it is made: one is enough.
    session: tokio::sync::Mutex<Option<Arc<Handle<Judge>>>>,
}

/// A stream to the engine's socket. Keeps its connection.
pub(super) struct Channel {
    stream: ChannelStream<client::Msg>,
    _session: Arc<Handle<Judge>>,
}

impl AsyncRead for Channel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Channel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Decides whether a server is the one that was confirmed.
struct Judge {
    pinned: Option<PublicKey>,
    shown: Arc<Mutex<Option<PublicKey>>>,
}

/// Why a connection did not come to be.
#[derive(Debug)]
enum Refused {
    Ssh(russh::Error),
    NotTheOne,
}

impl From<russh::Error> for Refused {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl Handler for Judge {
    type Error = Refused;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> std::result::Result<bool, Refused> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Err(Refused::NotTheOne) };
        *self.shown.lock().expect("no code panics while it holds this lock") = Some(key.clone());
        // What stands behind a key (a comment) says nothing.
        if self.pinned.as_ref().is_some_and(|pinned| pinned.key_data() == key.key_data()) { Ok(true) } else { Err(Refused::NotTheOne) }
    }
}

fn wrong(text: impl Into<String>) -> EngineError {
    EngineError::new(Kind::Identity, text)
}

impl Line {
    pub fn new(address: &EngineAddress, keys: &SshKeys) -> Result<Self> {
        let EngineAddress::Ssh { user, host, port, socket } = address else { return Err(wrong("an address without SSH")) };
        let key = russh::keys::decode_secret_key(keys.key.expose(), None).map_err(|error| match error {
            russh::keys::Error::KeyIsEncrypted => {
                wrong("the private key is protected by a passphrase, and nobody is there to type it: give one without (it is kept sealed)")
            }
            _ => wrong("the private key cannot be read: paste the whole file, as ssh-keygen made it"),
        })?;
        if key.is_encrypted() {
            return Err(wrong("the private key is protected by a passphrase, and nobody is there to type it: give one without (it is kept sealed)"));
        }
        let pinned = match &keys.host_key {
            None => None,
            Some(text) => Some(read_key(text)?),
        };
        Ok(Self {
            user: user.clone(),
            host: host.clone(),
            port: *port,
            socket: socket.clone(),
            key: Arc::new(key),
            pinned,
            shown: Arc::default(),
            session: tokio::sync::Mutex::default(),
        })
    }

    /// The key that the server showed last, if it is not the confirmed one.
    pub fn shown_key(&self) -> Option<HostKeyView> {
        let shown = self.shown.lock().expect("no code panics while it holds this lock").clone()?;
        if self.pinned.as_ref().is_some_and(|pinned| pinned.key_data() == shown.key_data()) {
            return None;
        }
        let bare = PublicKey::new(shown.key_data().clone(), "");
        Some(HostKeyView { fingerprint: bare.fingerprint(HashAlg::Sha256).to_string(), key: bare.to_openssh().ok()?.trim().to_owned() })
    }

    /// A stream to the engine's socket.
    pub async fn open(&self) -> Result<Channel> {
        // A connection that died unseen is found out by using it: then once more with a new one.
        for last in [false, true] {
            let session = self.session().await?;
            match tokio::time::timeout(OPEN, session.channel_open_direct_streamlocal(self.socket.clone())).await {
                Ok(Ok(channel)) => return Ok(Channel { stream: channel.into_stream(), _session: session }),
                Ok(Err(russh::Error::ChannelOpenFailure(failure))) => return Err(self.not_opened(&failure)),
                Ok(Err(error)) if last => return Err(self.broke(&error)),
                Err(_) if last => return Err(self.broke(&russh::Error::ConnectionTimeout)),
                Ok(Err(_)) | Err(_) => self.forget(&session).await,
            }
        }
        Err(self.broke(&russh::Error::Disconnect))
    }

    async fn forget(&self, session: &Arc<Handle<Judge>>) {
        let mut kept = self.session.lock().await;
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, session)) {
            *kept = None;
        }
    }

    async fn session(&self) -> Result<Arc<Handle<Judge>>> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        *kept = None;
        let stream = connect(&self.host, self.port).await?;
        let session = match tokio::time::timeout(SIGN_IN, self.sign_in(stream)).await {
            Ok(outcome) => Arc::new(outcome?),
            Err(_) => {
                let text = format!("{} port {} took the connection, and no SSH server answered within {} s", self.host, self.port, SIGN_IN.as_secs());
                return Err(EngineError::new(Kind::Unreachable, text));
            }
        };
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn sign_in(&self, stream: tokio::net::TcpStream) -> Result<Handle<Judge>> {
        let mut config = Config { keepalive_interval: Some(KEEP_ALIVE.0), keepalive_max: KEEP_ALIVE.1, nodelay: true, ..Config::default() };
        if let Some(pinned) = &self.pinned {
            // A server has keys of several sorts: the confirmed one is asked for.
            let sort = |algorithm: &Algorithm| match (algorithm, pinned.algorithm()) {
                (Algorithm::Rsa { hash }, Algorithm::Rsa { .. }) => hash.is_some(),
                (algorithm, pinned) => *algorithm == pinned,
            };
            config.preferred.key = config.preferred.key.iter().filter(|algorithm| sort(algorithm)).cloned().collect();
        }
        let judge = Judge { pinned: self.pinned.clone(), shown: Arc::clone(&self.shown) };
        let mut session = client::connect_stream(Arc::new(config), stream, judge).await.map_err(|refused| self.not_the_one(refused))?;
        let hash = if self.key.algorithm().is_rsa() { session.best_supported_rsa_hash().await.ok().flatten().flatten() } else { None };
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&self.key), hash);
        match session.authenticate_publickey(self.user.clone(), key).await {
            Ok(AuthResult::Success) => Ok(session),
            Ok(AuthResult::Failure { partial_success, .. }) => Err(self.not_let_in(partial_success)),
            Err(error) => Err(self.broke(&error)),
        }
    }

    fn not_let_in(&self, partly: bool) -> EngineError {
        if partly {
            return wrong(format!(
                "{} takes the key of {} and asks for something more (a password, a second factor): nobody is there to give it",
                self.host, self.user
            ));
        }
        let public = PublicKey::new(self.key.public_key().key_data().clone(), "slipway").to_openssh().unwrap_or_default();
        wrong(format!(
            "{} does not let {} in with this key: put this line into ~{}/.ssh/authorized_keys there: {public}",
            self.host, self.user, self.user
        ))
    }

    fn not_the_one(&self, refused: Refused) -> EngineError {
        match refused {
            Refused::NotTheOne => {
                let shown = self.shown_key().map(|key| key.fingerprint).unwrap_or_default();
                match &self.pinned {
                    None => wrong(format!(
                        "the SSH server of {} shows a key that nobody confirmed yet: {shown}. Compare it with the machine's (ssh-keygen -lf \
                         /etc/ssh/ssh_host_ed25519_key.pub there), and confirm it.",
                        self.host
                    )),
                    Some(pinned) => wrong(format!(
                        "the SSH server of {} shows another key ({shown}) than the confirmed one ({}): it was set up anew, or somebody stands in \
                         between. Nothing was sent to it. Confirm the new key only if you know why it changed.",
                        self.host,
                        pinned.fingerprint(HashAlg::Sha256)
                    )),
                }
            }
            Refused::Ssh(russh::Error::NoCommonAlgo { kind: russh::AlgorithmKind::Key, .. }) if self.pinned.is_some() => wrong(format!(
                "the SSH server of {} has no key of the confirmed sort any more: it was set up anew, or somebody stands in between. Nothing was sent to it.",
                self.host
            )),
            Refused::Ssh(russh::Error::NoCommonAlgo { kind, .. }) => {
                wrong(format!("the SSH server of {} is too old or too new for this portal: they have no {kind:?} algorithm in common", self.host))
            }
            Refused::Ssh(russh::Error::Version | russh::Error::Disconnect) => EngineError::new(
                Kind::Unreachable,
                format!("what answers at {} port {} is no SSH server, or it hung up at once", self.host, self.port),
            ),
            Refused::Ssh(error) => self.broke(&error),
        }
    }

    fn not_opened(&self, failure: &ChannelOpenFailure) -> EngineError {
        let Self { user, host, socket, .. } = self;
        match failure {
            ChannelOpenFailure::AdministrativelyProhibited => wrong(format!(
                "the SSH server of {host} forbids {user} to reach sockets: allow it in sshd_config (AllowStreamLocalForwarding yes), and take \
                 \"restrict\" and \"no-port-forwarding\" from its line in authorized_keys"
            )),
            _ => EngineError::new(
                Kind::Unreachable,
                format!(
                    "{user} is let in at {host}, and cannot reach the engine's socket {socket}: the engine does not run, or {user} may not use its socket \
                     (is it in the group docker?)"
                ),
            ),
        }
    }

    fn broke(&self, error: &russh::Error) -> EngineError {
        EngineError::new(Kind::Unreachable, format!("the SSH connection to {} broke: {error}", self.host))
    }
}

/// A server's key, as OpenSSH writes public keys and `ssh-keyscan` prints them.
fn read_key(text: &str) -> Result<PublicKey> {
    let text = text.trim();
    let bare = PublicKey::from_openssh(text).or_else(|error| match text.split_once(char::is_whitespace) {
        Some((_, rest)) => PublicKey::from_openssh(rest.trim()),
        None => Err(error),
    });
    bare.map_err(|_| wrong("the confirmed key of the SSH server cannot be read: it is written like ssh-ed25519 AAAA..."))
}

/// A new key in OpenSSH's format, for tests.
#[cfg(test)]
fn new_key() -> (String, PublicKey) {
    let key = PrivateKey::from(russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]));
    (key.to_openssh(russh::keys::ssh_key::LineEnding::LF).expect("a text").to_string(), key.public_key().clone())
}

#[cfg(test)]
mod tests {
    use model::secret::Secret;

    use super::*;

    fn line(key: &str, host_key: Option<String>) -> Result<Line> {
        Line::new(&"ssh://u@h".parse().expect("an address"), &SshKeys { key: Secret::new(key), host_key })
    }

    #[test]
    fn keys_are_read_and_what_is_none_is_told() {
        let (key, public) = new_key();
        let public = public.to_openssh().expect("a text");
        assert!(line(&key, None).is_ok());
        assert!(line(&key, Some(public.clone())).is_ok());
        assert!(line(&key, Some(format!("docker1.example.com {public}"))).is_ok(), "as ssh-keyscan prints it");
        assert!(line(&key, Some("nonsense".into())).err().is_some_and(|error| error.message.contains("ssh-ed25519 AAAA")));
        assert!(line("nonsense", None).err().is_some_and(|error| error.message.contains("ssh-keygen")));
        assert!(line("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", None).is_err());
    }
}
