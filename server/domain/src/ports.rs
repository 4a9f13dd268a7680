//! What lies outside of the process and must be asked live: traits that `engine` and `registry` implement and `server` plugs in.
//!
//! A [`Place`] says which container is meant, and only this crate makes one, after it asked for the permission: so nothing can be
//! asked of an engine about a task that the caller may not see. Nothing here keeps anything, and no SQL is written here.

use std::collections::BTreeSet;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::engine::EngineAddress;
use model::ids::MachineId;
use model::names::{ProjectName, RepositoryPath};
use model::outside::{AllowList, RegistryHost};
use model::secret::Secret;
use model::time::Millis;
use model::views::copies::CheckView;
use model::views::environments::{HostKeyView, StepState, TrialStep};
use model::views::inspect::{ChangesQuery, ChangesView, FilePath, FileView, ProcessesView};
use model::views::services::ForeignContainers;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::Result;

/// A container on a machine's engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    machine: MachineId,
    container: String,
}

impl Place {
    /// Only after a permission was asked for.
    pub(crate) fn new(machine: MachineId, container: impl Into<String>) -> Self {
        Self { machine, container: container.into() }
    }

    /// Whose engine.
    #[must_use]
    pub fn machine(&self) -> MachineId {
        self.machine
    }

    /// The engine's id of the container.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.container
    }
}

/// A container that something else made, as its engine describes it: with all that it holds, secrets too.
pub struct Described {
    /// The container.
    pub container: serde_json::Value,
    /// Its image; null where the engine has it no longer.
    pub image: serde_json::Value,
}

/// What must not be seen in an inspection, besides the values of variables whose names say that they are secret.
#[derive(Clone, Default)]
pub struct Hidden {
    /// Secret values, wherever they stand.
    pub values: Vec<Secret>,
}

/// A regular file of a container, on its way.
pub struct FileBytes {
    /// Which file, and how large: so many bytes come, or an error.
    pub file: FileView,
    /// Its content. A wait for the engine is bounded, the whole is not.
    pub bytes: BoxStream<'static, Result<Bytes>>,
}

/// A terminal to open.
#[derive(Clone, Debug)]
pub struct ShellOrder {
    /// Program and arguments; none: the best shell that the image has.
    pub command: Option<Vec<String>>,
    /// Another user than the task's.
    pub user: Option<String>,
    /// Another folder than the task's.
    pub workdir: Option<String>,
    /// Columns of the window.
    pub columns: u16,
    /// Rows of the window.
    pub rows: u16,
}

/// An open terminal. It ends with [`ShellControl::end`] or by itself, not by being dropped.
pub struct Shell {
    /// What it prints, byte by byte as the process wrote it.
    pub output: Pin<Box<dyn AsyncRead + Send>>,
    /// What is typed.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// The rest.
    pub control: std::sync::Arc<dyn ShellControl>,
}

/// How a terminal ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellExit {
    /// Its process did, with this code; -1 when it cannot be known.
    Code(i64),
    /// Its task's container stopped.
    TaskEnded,
}

/// What can be done to an open terminal besides reading and writing.
#[async_trait]
pub trait ShellControl: Send + Sync {
    /// Tells it its size.
    async fn resize(&self, columns: u16, rows: u16) -> Result<()>;
    /// How it ended, once its output has.
    async fn exit(&self) -> Result<ShellExit>;
    /// Ends its process and all that it started.
    ///
    /// # Errors
    /// When some of it may be left.
    async fn end(&self) -> Result<()>;
}

/// Whoever keeps how a terminal's processes are found again by [`Engines::end_shell`].
#[async_trait]
pub trait ShellKeeper: Send + Sync {
    /// Keeps the mark, which is the engine's own text. It is told before the terminal's command runs; a terminal whose mark is not kept is not
    /// opened.
    async fn keep(&self, mark: &str) -> Result<()>;
    /// Keeps another mark of the same terminal in its place: it says more, of what is known only once the command runs.
    async fn amend(&self, mark: &str) -> Result<()>;
}

/// How an engine is reached: where it is, and what proves both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineDoor {
    /// Where.
    pub address: EngineAddress,
    /// For `tcp://`; none: plain.
    pub tls: Option<TlsKeys>,
    /// For `ssh://`.
    pub ssh: Option<SshKeys>,
}

/// Certificates for an engine behind TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsKeys {
    /// Whom the engine's certificate is vouched for by.
    pub ca: String,
    /// Our certificate and its key, where the engine wants one.
    pub client: Option<(String, Secret)>,
}

/// Keys for an engine behind an SSH server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKeys {
    /// Our private key.
    pub key: Secret,
    /// The server's key that was confirmed, as OpenSSH writes public keys; none: nobody has yet, and nothing is sent to it.
    pub host_key: Option<String>,
}

/// A connection to be tried.
#[derive(Clone, Debug)]
pub struct TrialOrder {
    /// How the engine is reached.
    pub door: EngineDoor,
    /// The embedded registry as that engine is to reach it, and a token for an image that it does not have.
    pub registry: Option<(String, Secret)>,
    /// The ports that would be given out.
    pub ports: (u16, u16),
    /// The portal's time.
    pub now: Millis,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// The steps that were made.
    pub steps: Vec<TrialStep>,
    /// The SSH server's key, where nobody confirmed one yet, or it is another one than the confirmed.
    pub host_key: Option<HostKeyView>,
    /// What the engine calls itself, where it answered.
    pub engine_id: Option<String>,
}

/// The engines of all machines. How they do is recorded by a loop (`machines`), and how far a pull is, in the deployment.
#[async_trait]
pub trait Engines: Send + Sync {
    /// The engine's inspection of a container, without secrets.
    ///
    /// # Errors
    /// `Unavailable` when the engine is away, `NotFound` when the container is gone. The same for what follows.
    async fn inspect(&self, place: &Place, hidden: &Hidden) -> Result<serde_json::Value>;

    /// The engine's whole description of a container and of its image, for an import. It holds secrets, and is never passed on.
    async fn describe(&self, place: &Place) -> Result<Described>;

    /// The processes of a running container, without secrets.
    ///
    /// # Errors
    /// `Conflict` with `wrong_state`: it does not run.
    async fn processes(&self, place: &Place, hidden: &Hidden) -> Result<ProcessesView>;

    /// What of a container's files is not as in its image, without secrets; bounded, however much changed.
    async fn changes(&self, place: &Place, query: &ChangesQuery, hidden: &Hidden) -> Result<ChangesView>;

    /// Looks whether a path leads to a regular file that may leave the container.
    ///
    /// # Errors
    /// `NotFound` where there is nothing, `Conflict` with `not_a_file` for folders, devices and what else is no file, `Forbidden` for a secret
    /// file that was put there by us, however its path is written.
    async fn find_file(&self, place: &Place, path: &FilePath) -> Result<FileView>;

    /// The file that a path leads to. Errors as above.
    async fn file(&self, place: &Place, path: &FilePath) -> Result<FileBytes>;

    /// The containers that this portal did not make, on every machine; `recorded` are the ids of those that it knows to have made. Never an
    /// error: machines that do not answer are named.
    async fn foreign(&self, instance: &str, recorded: &BTreeSet<String>) -> ForeignContainers;

    /// A terminal in a running container, of the right size from its first byte.
    ///
    /// # Errors
    /// `Conflict` with the code `command_not_found` (no shell in the image) or `wrong_state` (it does not run); what the keeper said. Where a mark
    /// was kept, something may be left of the terminal: [`Engines::end_shell`] ends it.
    async fn shell(&self, place: &Place, order: &ShellOrder, keeper: &dyn ShellKeeper) -> Result<Shell>;

    /// Ends what is left of a terminal that an earlier life of the portal opened. Good as well when nothing is.
    ///
    /// # Errors
    /// `Unavailable` when the engine is away; any when some of it may be left.
    async fn end_shell(&self, place: &Place, mark: &str) -> Result<()>;

    /// Tries a connection, step by step, and says what is wrong. Ends within a minute. Nothing is kept, and nothing is changed on the engine.
    async fn try_door(&self, order: &TrialOrder) -> Trial;
}

/// Where no engine is plugged in (a command at the console): everything is away.
pub struct NoEngines;

#[async_trait]
impl Engines for NoEngines {
    async fn inspect(&self, _: &Place, _: &Hidden) -> Result<serde_json::Value> {
        Err(away())
    }

    async fn describe(&self, _: &Place) -> Result<Described> {
        Err(away())
    }

    async fn processes(&self, _: &Place, _: &Hidden) -> Result<ProcessesView> {
        Err(away())
    }

    async fn changes(&self, _: &Place, _: &ChangesQuery, _: &Hidden) -> Result<ChangesView> {
        Err(away())
    }

    async fn find_file(&self, _: &Place, _: &FilePath) -> Result<FileView> {
        Err(away())
    }

    async fn file(&self, _: &Place, _: &FilePath) -> Result<FileBytes> {
        Err(away())
    }

    async fn foreign(&self, _: &str, _: &BTreeSet<String>) -> ForeignContainers {
        ForeignContainers::default()
    }

    async fn shell(&self, _: &Place, _: &ShellOrder, _: &dyn ShellKeeper) -> Result<Shell> {
        Err(away())
    }

    async fn end_shell(&self, _: &Place, _: &str) -> Result<()> {
        Err(away())
    }

    async fn try_door(&self, _: &TrialOrder) -> Trial {
        let message = "no engine is connected to this process".to_owned();
        Trial { steps: vec![TrialStep { step: "reach".into(), state: StepState::Failed, message }], ..Trial::default() }
    }
}

fn away() -> crate::Error {
    crate::Error::Unavailable("no engine is connected to this process".into())
}

/// The embedded registry, as an engine of ours needs it.
pub trait PullGrants: Send + Sync {
    /// A bearer token with which an engine can pull from this one repository for some minutes.
    fn pull_grant(&self, project: &ProjectName, repository: &RepositoryPath) -> Secret;
}

/// Other registries, as somebody who keeps their credentials needs them.
#[async_trait]
pub trait OutsideRegistries: Send + Sync {
    /// Whether the registry answers and takes the credential: user name and secret. Ends within half a minute.
    async fn check(&self, host: &RegistryHost, credential: Option<(String, Secret)>, allowed: &AllowList) -> CheckView;
}
