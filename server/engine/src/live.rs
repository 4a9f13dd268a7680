//! What people ask of an engine live: a container's inspection, its processes and files, a terminal. The domain's port, on top of [`Machines`].
//!
//! Whether somebody may ask was decided by the domain, which alone makes a [`Place`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Described, Engines, FileBytes, Hidden, Place, Shell, ShellControl, ShellExit, ShellKeeper, ShellOrder, Trial, TrialOrder};
use domain::{Error, Result};
use futures::StreamExt;
use model::names::MachineName;
use model::time::Millis;
use model::views::inspect::{ChangesQuery, ChangesView, FilePath, FileView, ProcessesView};
use model::views::services::{ForeignContainer, ForeignContainers};

use crate::build::SECRETS;
use crate::docker::{self, ContainerSeen, EngineError, ExecControl, ExecOrder, Exit, Keeper, Kind, Mark};
use crate::machines::Machines;
use crate::ours;

/// How long the processes of a terminal may take to hang up before they are killed.
const SHELL_GRACE: Duration = Duration::from_secs(1);

/// The port.
pub struct Live {
    machines: Machines,
}

impl Live {
    /// Over the machines that the loops look after.
    pub fn new(machines: Machines) -> Self {
        Self { machines }
    }

    fn docker(&self, place: &Place) -> Result<docker::Docker> {
        self.machines
            .docker(place.machine())
            .ok_or_else(|| Error::Unavailable("the machine that this runs on is not connected yet; try again".into()))
    }
}

#[async_trait]
impl Engines for Live {
    async fn inspect(&self, place: &Place, hidden: &Hidden) -> Result<serde_json::Value> {
        self.docker(place)?.inspect_full(place.container(), &hiding(hidden)).await.map_err(to_domain)
    }

    async fn processes(&self, place: &Place, hidden: &Hidden) -> Result<ProcessesView> {
        self.docker(place)?.processes(place.container(), &hiding(hidden)).await.map_err(to_domain)
    }

    async fn changes(&self, place: &Place, query: &ChangesQuery, hidden: &Hidden) -> Result<ChangesView> {
        self.docker(place)?.changes(place.container(), query, &hiding(hidden)).await.map_err(to_domain)
    }

    async fn find_file(&self, place: &Place, path: &FilePath) -> Result<FileView> {
        self.docker(place)?.find_file(place.container(), path.as_str(), SECRETS).await.map_err(to_domain)
    }

    async fn file(&self, place: &Place, path: &FilePath) -> Result<FileBytes> {
        let (file, content) = self.docker(place)?.file(place.container(), path.as_str(), SECRETS).await.map_err(to_domain)?;
        Ok(FileBytes { file, bytes: content.map(|piece| piece.map_err(to_domain)).boxed() })
    }

    async fn describe(&self, place: &Place) -> Result<Described> {
        let (container, image) = self.docker(place)?.describe(place.container()).await.map_err(to_domain)?;
        Ok(Described { container, image })
    }

    async fn foreign(&self, instance: &str, recorded: &BTreeSet<String>) -> ForeignContainers {
        let asked = self.machines.all().into_iter().map(async |(machine, docker)| (machine.name, docker.list_all().await));
        let mut found = ForeignContainers::default();
        for (machine, seen) in futures::future::join_all(asked).await {
            let Ok(mut seen) = seen else {
                found.away.push(machine);
                continue;
            };
            let own = |seen: &ContainerSeen| recorded.contains(&seen.id) || ours::named(seen);
            seen.retain(|seen| seen.label(docker::LABEL_INSTANCE) != Some(instance) || !own(seen));
            seen.sort_by(|one, other| one.name.cmp(&other.name));
            found.items.extend(seen.into_iter().map(|seen| foreign(&machine, seen)));
        }
        found
    }

    async fn shell(&self, place: &Place, order: &ShellOrder, keeper: &dyn ShellKeeper) -> Result<Shell> {
        let order = ExecOrder {
            container: place.container().to_owned(),
            command: order.command.clone(),
            user: order.user.clone(),
            workdir: order.workdir.clone(),
            columns: order.columns,
            rows: order.rows,
        };
        let told = Told { keeper, refused: Mutex::default() };
        let exec = match self.docker(place)?.exec(&order, &told).await {
            Ok(exec) => exec,
            // Its own words, where it was the keeper who refused.
            Err(error) => return Err(told.refused.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(|| to_domain(error))),
        };
        Ok(Shell { output: Box::pin(exec.output), input: Box::pin(exec.input), control: Arc::new(Control(exec.control)) })
    }

    async fn end_shell(&self, place: &Place, mark: &str) -> Result<()> {
        let mark: Mark = serde_json::from_str(mark).map_err(|error| Error::internal(format!("a shell's mark: {error}")))?;
        self.docker(place)?.end_exec(place.container(), &mark, SHELL_GRACE).await.map_err(to_domain)
    }

    async fn try_door(&self, order: &TrialOrder) -> Trial {
        crate::trial::make(order).await
    }
}

/// Passes a terminal's mark on to whoever keeps it.
struct Told<'a> {
    keeper: &'a dyn ShellKeeper,
    refused: Mutex<Option<Error>>,
}

#[async_trait]
impl Keeper for Told<'_> {
    async fn keep(&self, mark: &Mark) -> std::result::Result<(), String> {
        let text = serde_json::to_string(mark).map_err(|error| error.to_string())?;
        self.keeper.keep(&text).await.map_err(|error| self.refuse(error))
    }

    async fn amend(&self, mark: &Mark) -> std::result::Result<(), String> {
        let text = serde_json::to_string(mark).map_err(|error| error.to_string())?;
        self.keeper.amend(&text).await.map_err(|error| self.refuse(error))
    }
}

impl Told<'_> {
    fn refuse(&self, error: Error) -> String {
        let text = error.to_string();
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        text
    }
}

struct Control(ExecControl);

#[async_trait]
impl ShellControl for Control {
    async fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        self.0.resize(columns, rows).await.map_err(to_domain)
    }

    async fn exit(&self) -> Result<ShellExit> {
        Ok(match self.0.exit().await.map_err(to_domain)? {
            Exit::Code(code) => ShellExit::Code(code),
            Exit::Container => ShellExit::TaskEnded,
        })
    }

    async fn end(&self) -> Result<()> {
        self.0.end(SHELL_GRACE).await.map_err(to_domain)
    }
}

fn hiding(hidden: &Hidden) -> docker::Hidden {
    docker::Hidden::new(hidden.values.iter().map(|value| value.expose().to_owned()))
}

fn foreign(machine: &MachineName, seen: ContainerSeen) -> ForeignContainer {
    let state = match seen.status {
        docker::Status::Created => "created",
        docker::Status::Running => "running",
        docker::Status::Paused => "paused",
        docker::Status::Restarting => "restarting",
        docker::Status::Removing => "removing",
        docker::Status::Exited => "exited",
        docker::Status::Dead => "dead",
    };
    ForeignContainer {
        machine: machine.clone(),
        id: seen.id,
        name: seen.name,
        image: seen.image,
        state: state.to_owned(),
        created_at: Millis(seen.created.saturating_mul(1_000)),
    }
}

/// An engine's failure as the domain tells it.
pub(crate) fn to_domain(error: EngineError) -> Error {
    match error.kind {
        Kind::NoSuchContainer => Error::NotFound { what: "container" },
        Kind::NoSuchFile => Error::NotFound { what: "file in this task" },
        Kind::SecretFile => Error::Forbidden(error.message),
        Kind::Unreachable | Kind::Unsupported | Kind::Identity => Error::Unavailable(format!("the engine cannot be asked: {}", error.public())),
        Kind::TimedOut | Kind::RegistryUnreachable | Kind::DiskFull => Error::Unavailable(error.message),
        Kind::Other => Error::Unavailable(format!("the engine failed: {}", error.message)),
        kind @ (Kind::NoSuchImage
        | Kind::NoSuchNetwork
        | Kind::NameTaken
        | Kind::RangeTaken
        | Kind::PortTaken { .. }
        | Kind::CommandNotFound
        | Kind::MemoryTooLow
        | Kind::Denied
        | Kind::WrongState
        | Kind::NotAFile
        | Kind::Refused) => Error::conflict(kind.code(), error.message),
    }
}
