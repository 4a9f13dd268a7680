//! The machines whose engines we speak with: one connection each, one listener for its events each, and a record of whether it
//! answers.
//!
//! Follows what the database says: a machine that is added is connected, one that is changed is connected anew, one that is removed is
//! let go. An engine that is away harms no other. It never touches a container.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use domain::machines::{Machine, Seen};
use domain::{Worker, machines};
use futures::StreamExt;
use model::ids::{EnvironmentId, MachineId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::docker::{Address, Docker, EngineError, Event, Heard, Kind};

/// How often an engine is asked whether it still answers. Its stream of events ends when it stops; this is for one that hangs, or
/// for a network that swallows everything.
const PULSE: Duration = Duration::from_secs(15);

/// What the loops hear of a machine.
#[derive(Debug)]
pub enum News {
    /// Its engine answers (again): look at everything on it.
    Up(MachineId),
    /// Its engine went away, and what runs on it may have gone with it.
    Away(MachineId),
    /// Something happened to a container of ours.
    Event(MachineId, Event),
}

/// All machines. Cheap to clone.
#[derive(Clone, Default)]
pub struct Machines {
    links: Arc<RwLock<BTreeMap<MachineId, Link>>>,
    environments: Arc<RwLock<BTreeSet<EnvironmentId>>>,
}

struct Link {
    machine: Machine,
    docker: Docker,
    listener: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Machines {
    /// The engine of a machine, if the machine is known.
    pub fn docker(&self, id: MachineId) -> Option<Docker> {
        self.links.read().expect("no code panics while it holds this lock").get(&id).map(|link| link.docker.clone())
    }

    /// A machine as the database had it last.
    pub fn machine(&self, id: MachineId) -> Option<Machine> {
        self.links.read().expect("no code panics while it holds this lock").get(&id).map(|link| link.machine.clone())
    }

    /// All machines and their engines.
    pub fn all(&self) -> Vec<(Machine, Docker)> {
        let links = self.links.read().expect("no code panics while it holds this lock");
        links.values().map(|link| (link.machine.clone(), link.docker.clone())).collect()
    }

    /// All environments that have a machine, also one whose address is of no use.
    pub fn environments(&self) -> BTreeSet<EnvironmentId> {
        self.environments.read().expect("no code panics while it holds this lock").clone()
    }

    /// Reads the machines anew. Listeners of new ones tell `news`.
    pub async fn refresh(&self, worker: &Worker, news: &mpsc::Sender<News>) -> domain::Result<()> {
        let wanted = machines::all(worker).await?;
        *self.environments.write().expect("no code panics while it holds this lock") = wanted.iter().map(|machine| machine.environment_id).collect();
        let mut unusable = Vec::new();
        {
            let mut links = self.links.write().expect("no code panics while it holds this lock");
            links.retain(|id, _| wanted.iter().any(|machine| machine.id == *id));
            for machine in wanted {
                match links.get_mut(&machine.id) {
                    Some(link) if link.machine.engine == machine.engine => link.machine = machine,
                    _ => match machine.engine.parse::<Address>() {
                        Ok(address) => {
                            let docker = Docker::new(address);
                            let listener = listen(worker.clone(), machine.clone(), docker.clone(), news.clone());
                            links.insert(machine.id, Link { machine, docker, listener });
                        }
                        Err(error) => {
                            links.remove(&machine.id);
                            unusable.push((machine, error));
                        }
                    },
                }
            }
        }
        for (machine, error) in unusable {
            machines::seen(worker, &machine, &Seen::Away(advice(&machine, &error))).await?;
        }
        Ok(())
    }

    /// Lets go of all.
    pub fn clear(&self) {
        self.links.write().expect("no code panics while it holds this lock").clear();
    }
}

/// Listens to one engine until it is let go.
fn listen(worker: Worker, machine: Machine, docker: Docker, news: mpsc::Sender<News>) -> AbortHandle {
    let work = async move {
        let instance = worker.platform().instance().to_owned();
        let mut events = Box::pin(docker.events(&instance));
        let mut up = false;
        loop {
            let heard = match tokio::time::timeout(PULSE, events.next()).await {
                Ok(Some(heard)) => heard,
                Ok(None) => return,
                Err(_) if !up => continue,
                Err(_) => match docker.ping().await {
                    Ok(()) => continue,
                    Err(error) => {
                        // The old stream would never say so.
                        events = Box::pin(docker.events(&instance));
                        Heard::Lost(error)
                    }
                },
            };
            let told = match heard {
                Heard::Event(event) => News::Event(machine.id, event),
                Heard::Connected => {
                    up = true;
                    record(&worker, &machine, introduce(&docker, &machine).await).await;
                    News::Up(machine.id)
                }
                Heard::Lost(error) => {
                    up = false;
                    tracing::warn!(machine = %machine.name, %error, "an engine is away");
                    record(&worker, &machine, Seen::Away(advice(&machine, &error))).await;
                    News::Away(machine.id)
                }
            };
            if news.send(told).await.is_err() {
                return;
            }
        }
    };
    tokio::spawn(work).abort_handle()
}

async fn introduce(docker: &Docker, machine: &Machine) -> Seen {
    match docker.info().await {
        Ok(info) => Seen::Up {
            version: info.version,
            api_version: info.api,
            os: info.system,
            cpus: i64::from(info.cpus),
            memory: i64::try_from(info.memory).unwrap_or(i64::MAX),
        },
        Err(error) => Seen::Away(advice(machine, &error)),
    }
}

/// A record that cannot be written is no reason to stop listening.
async fn record(worker: &Worker, machine: &Machine, seen: Seen) {
    if let Err(error) = machines::seen(worker, machine, &seen).await {
        tracing::error!(machine = %machine.name, %error, "the state of a machine could not be recorded");
    }
}

/// What is wrong and what to do.
fn advice(machine: &Machine, error: &EngineError) -> String {
    let what = match error.kind {
        Kind::Unsupported => "",
        _ if machine.engine.starts_with("unix:") => " Start Docker on this machine, or give the address of another engine with --docker-host.",
        _ => " Check that the engine runs and that its address is right.",
    };
    format!("{}.{what}", error.message.trim_end_matches('.'))
}
