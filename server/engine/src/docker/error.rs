//! What can go wrong at an engine, sorted into the few kinds that the rest of Slipway acts upon.
//!
//! The engine tells errors as text, and the text differs between versions; this is the only place that reads it. The message is
//! kept (shortened) for people. It never holds a credential: bodies that we sent are not part of an engine's answer.

use std::time::Duration;

/// Longest message kept, in characters. Engines put whole command lines and stack traces into some.
const MESSAGE_LIMIT: usize = 1_000;

/// What sort of failure it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// No engine answers at the address (absent, stopped, or cut off in the middle of a call).
    Unreachable,
    /// The engine took longer than it may.
    TimedOut,
    /// The address or the engine's version cannot be used at all.
    Unsupported,
    /// One side could not prove who it is: certificates, keys, the SSH server's key.
    Identity,
    /// The image is neither on the engine nor at its registry.
    NoSuchImage,
    /// There is no such container (any more).
    NoSuchContainer,
    /// There is nothing at this path of a container.
    NoSuchFile,
    /// What is at this path of a container is no regular file.
    NotAFile,
    /// What is at this path of a container holds a secret.
    SecretFile,
    /// There is no such network (any more).
    NoSuchNetwork,
    /// A container of this name exists already.
    NameTaken,
    /// A network with this address range exists already.
    RangeTaken,
    /// A host port is taken, if it could be read which.
    PortTaken {
        /// The port on the host.
        port: Option<u16>,
    },
    /// The image has no such command, or it is not executable.
    CommandNotFound,
    /// The memory limit is below what the engine or the container's start needs.
    MemoryTooLow,
    /// The registry refused the credential, or hides the image from it.
    Denied,
    /// The engine cannot reach the registry.
    RegistryUnreachable,
    /// The machine's disk is full.
    DiskFull,
    /// The container's state does not allow it (not running, being removed).
    WrongState,
    /// What we asked for makes no sense to the engine.
    Refused,
    /// Anything else.
    Other,
}

impl Kind {
    /// A stable word for `reason.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Kind::Unreachable => "engine_unreachable",
            Kind::TimedOut => "engine_timed_out",
            Kind::Unsupported => "engine_unsupported",
            Kind::Identity => "engine_identity",
            Kind::NoSuchImage => "image_not_found",
            Kind::NoSuchContainer => "container_not_found",
            Kind::NoSuchFile => "file_not_found",
            Kind::NotAFile => "not_a_file",
            Kind::SecretFile => "secret_file",
            Kind::NoSuchNetwork => "network_not_found",
            Kind::NameTaken => "name_taken",
            Kind::RangeTaken => "address_range_taken",
            Kind::PortTaken { .. } => "port_taken",
            Kind::CommandNotFound => "command_not_found",
            Kind::MemoryTooLow => "memory_too_low",
            Kind::Denied => "pull_denied",
            Kind::RegistryUnreachable => "registry_unreachable",
            Kind::DiskFull => "disk_full",
            Kind::WrongState => "wrong_state",
            Kind::Refused => "refused_by_engine",
            Kind::Other => "engine_error",
        }
    }
}

/// An engine's failure: what kind, and what it said.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// What to act upon.
    pub kind: Kind,
    /// What to show; plain text, bounded.
    pub message: String,
}

/// Result of a call to an engine.
pub type Result<T> = std::result::Result<T, EngineError>;

impl EngineError {
    /// An error with words of our own.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = shorten(&message.into());
        Self { kind, message }
    }

    /// A call that took longer than it may.
    pub fn timed_out(what: &str, after: Duration) -> Self {
        Self::new(Kind::TimedOut, format!("the engine did not finish to {what} within {} s", after.as_secs().max(1)))
    }

    /// From the engine's answer: HTTP status and message.
    pub fn answered(status: u16, message: &str) -> Self {
        if status == 400 && message.to_ascii_lowercase().contains("http request to an https server") {
            return Self::new(
                Kind::Identity,
                "the engine speaks TLS at this port: give its authority's certificate (CA), and do not say that it is without TLS",
            );
        }
        Self::new(classify(status, message), tidy(message))
    }

    /// What everybody may read of it. Where an engine is, and what it takes to be let in, is for operators, who read the whole message at the
    /// machine.
    pub fn public(&self) -> String {
        match self.kind {
            Kind::Unreachable => "it does not answer; operators see why at its machine".into(),
            Kind::Unsupported | Kind::Identity => "it cannot be used as it is; operators see why at its machine".into(),
            _ => self.message.clone(),
        }
    }

    /// Is it worth trying the same call again by itself, later? (The engine is away or slow, not our wish wrong.)
    pub fn passes(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::TimedOut)
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        if let Some(told) = told(&error) {
            return told;
        }
        match error {
            Error::DockerResponseServerError { status_code, message } => Self::answered(status_code, &message),
            Error::DockerStreamError { error } => Self::answered(500, &error),
            Error::RequestTimeoutError => Self::new(Kind::TimedOut, "the engine did not answer in time"),
            Error::SocketNotFoundError(path) => Self::new(Kind::Unreachable, format!("no engine answers: there is no socket at {path}")),
            Error::HyperLegacyError { err } => Self::new(Kind::Unreachable, format!("no engine answers: {}", root_cause(&err))),
            Error::HyperResponseError { err } => Self::new(Kind::Unreachable, format!("the connection to the engine broke: {}", root_cause(&err))),
            Error::IOError { err } => Self::new(Kind::Unreachable, format!("the connection to the engine broke: {}", root_cause(&err))),
            Error::UnsupportedURISchemeError { uri } => Self::new(Kind::Unsupported, format!("{uri} is not an engine's address")),
            other => Self::new(Kind::Other, format!("the engine's answer could not be read: {}", root_cause(&other))),
        }
    }
}

/// What our own connections said of an error, somewhere in its sources.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> Option<EngineError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<EngineError>() {
            return Some(own.clone());
        }
        // What an io::Error wraps is not among its sources.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(own) = wrapped.and_then(|error| error.downcast_ref::<EngineError>()) {
            return Some(own.clone());
        }
        next = error.source();
    }
    None
}

impl From<model::engine::InvalidEngineAddress> for EngineError {
    fn from(error: model::engine::InvalidEngineAddress) -> Self {
        Self::new(Kind::Unsupported, error.to_string())
    }
}

/// The innermost source of an error: "Connection refused" rather than "client error (Connect)".
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Sorts an engine's message. The order matters: the first match is the most special one.
fn classify(status: u16, message: &str) -> Kind {
    let text = message.to_lowercase();
    let has = |needle: &str| text.contains(needle);
    if has("no space left on device") {
        return Kind::DiskFull;
    }
    if has("port is already allocated") || has("address already in use") || has("failed to bind host port") {
        return Kind::PortTaken { port: host_port(message) };
    }
    if has("minimum memory limit") || has("memory limit too low") || has("minimum memory") {
        return Kind::MemoryTooLow;
    }
    if command_missing(&text) {
        return Kind::CommandNotFound;
    }
    if has("pull access denied") || has("unauthorized") || has("authentication required") || has("denied:") || has("no basic auth credentials") {
        return Kind::Denied;
    }
    if has("manifest unknown") || has("no such image") || (has("manifest for") && has("not found")) || has("name unknown") {
        return Kind::NoSuchImage;
    }
    if registry_away(&text) {
        return Kind::RegistryUnreachable;
    }
    if has("pool overlaps") {
        return Kind::RangeTaken;
    }
    match status {
        404 if has("no such container") => Kind::NoSuchContainer,
        404 if has("network") => Kind::NoSuchNetwork,
        404 if has("no such exec") => Kind::NoSuchContainer,
        404 if has("failed to resolve reference") => Kind::NoSuchImage,
        409 if has("already in use by container") => Kind::NameTaken,
        409 => Kind::WrongState,
        400 if has("client version") => Kind::Unsupported,
        400 => Kind::Refused,
        _ => Kind::Other,
    }
}

/// runc and its kin say it in several ways, always as `exec: "..."`.
fn command_missing(text: &str) -> bool {
    let starting = text.contains("exec:") || text.contains("exec failed") || text.contains("starting container process");
    starting
        && (text.contains("executable file not found")
            || text.contains("no such file or directory")
            || text.contains("permission denied")
            || text.contains("exec format error"))
}

/// The engine's own HTTP client could not talk to the registry.
fn registry_away(text: &str) -> bool {
    [
        "dial tcp",
        "no such host",
        "connection refused",
        "i/o timeout",
        "tls handshake",
        "server gave http response to https client",
        "client.timeout exceeded",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

/// The host port out of "Bind for 127.0.0.1:8080 failed", "listen tcp4 0.0.0.0:8080: bind:", "host port for 127.0.0.1:8080:172...".
fn host_port(message: &str) -> Option<u16> {
    let after = ["Bind for ", "listen tcp4 ", "listen tcp6 ", "listen tcp ", "listen udp4 ", "listen udp ", "host port for ", "host port "]
        .iter()
        .find_map(|lead| message.split_once(lead).map(|(_, rest)| rest))?;
    let address = after.split_whitespace().next()?;
    let address = address.rsplit_once(']').map_or(address, |(_, rest)| rest);
    address
        .trim_end_matches(',')
        .split(':')
        .skip_while(|part| part.contains('.') || part.is_empty())
        .find_map(|part| part.parse().ok())
        .filter(|port| *port != 0)
}

/// Takes off what only an engine's developer needs.
fn tidy(message: &str) -> String {
    let mut text = message.trim();
    for lead in ["Error response from daemon: ", "failed to create task for container: ", "failed to create shim task: "] {
        text = text.strip_prefix(lead).unwrap_or(text);
    }
    text.trim_end_matches(": unknown").to_owned()
}

/// Cuts at a character's border, with a sign that it was cut.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_LIMIT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, message: &str) -> Kind {
        EngineError::answered(status, message).kind
    }

    #[test]
    fn ports() {
        let driver = "driver failed programming external connectivity on endpoint a (b): ";
        assert_eq!(kind(500, &format!("{driver}Bind for 127.0.0.1:8080 failed: port is already allocated")), Kind::PortTaken { port: Some(8080) });
        assert_eq!(
            kind(500, &format!("{driver}Error starting userland proxy: listen tcp4 0.0.0.0:18080: bind: address already in use")),
            Kind::PortTaken { port: Some(18080) }
        );
        assert_eq!(
            kind(500, "failed to set up container networking: failed to bind host port for 127.0.0.1:8081:172.17.0.2:80/tcp: address already in use"),
            Kind::PortTaken { port: Some(8081) }
        );
        assert_eq!(kind(500, "Bind for :::9000 failed: port is already allocated"), Kind::PortTaken { port: Some(9000) });
        assert_eq!(kind(500, "port is already allocated"), Kind::PortTaken { port: None });
    }

    #[test]
    fn commands() {
        let found = r#"failed to create shim: OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "nope": executable file not found in $PATH: unknown"#;
        assert_eq!(kind(400, found), Kind::CommandNotFound);
        assert_eq!(
            kind(
                400,
                r#"OCI runtime create failed: runc create failed: unable to start container process: exec: "/x": stat /x: no such file or directory: unknown"#
            ),
            Kind::CommandNotFound
        );
        assert_eq!(
            kind(400, r#"runc create failed: unable to start container process: exec: "/etc/passwd": permission denied: unknown"#),
            Kind::CommandNotFound
        );
        assert!(EngineError::answered(400, found).message.ends_with("$PATH"));
    }

    #[test]
    fn images() {
        assert_eq!(kind(404, "No such image: 127.0.0.1:3000/a/b@sha256:00"), Kind::NoSuchImage);
        assert_eq!(kind(404, "manifest for 127.0.0.1:3000/a/b@sha256:00 not found: manifest unknown: manifest unknown"), Kind::NoSuchImage);
        assert_eq!(kind(404, "pull access denied for a/b, repository does not exist or may require 'docker login'"), Kind::Denied);
        assert_eq!(kind(500, "Head \"http://127.0.0.1:3000/v2/a/b/manifests/x\": unauthorized: sign in first"), Kind::Denied);
        assert_eq!(kind(500, "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused"), Kind::RegistryUnreachable);
    }

    #[test]
    fn containers() {
        assert_eq!(kind(404, "No such container: x"), Kind::NoSuchContainer);
        assert_eq!(kind(409, "Conflict. The container name \"/x\" is already in use by container \"y\". You have to remove"), Kind::NameTaken);
        assert_eq!(kind(409, "Container x is not running"), Kind::WrongState);
        assert_eq!(kind(400, "Minimum memory limit allowed is 6MB"), Kind::MemoryTooLow);
        assert_eq!(kind(404, "network p-local not found"), Kind::NoSuchNetwork);
        assert_eq!(kind(403, "Pool overlaps with other one on this address space"), Kind::RangeTaken);
        assert_eq!(kind(500, "write /var/lib/docker/x: no space left on device"), Kind::DiskFull);
    }

    #[test]
    fn where_an_engine_is_is_not_told_to_everybody() {
        for kind in [Kind::Unreachable, Kind::Unsupported, Kind::Identity] {
            let error = EngineError::new(kind, "no engine answers at ssh://root@10.0.0.1");
            assert!(!error.public().contains("10.0.0.1") && error.message.contains("10.0.0.1"));
        }
        assert_eq!(
            EngineError::timed_out("list containers", Duration::from_secs(15)).public(),
            "the engine did not finish to list containers within 15 s"
        );
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let error = EngineError::answered(500, &"é".repeat(5_000));
        assert_eq!(error.message.chars().count(), MESSAGE_LIMIT + 1);
    }
}
