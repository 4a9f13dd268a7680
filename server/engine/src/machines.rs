//! The machines whose engines we speak with: one connection each, one listener for its events each, and a record of whether it
//! answers.
//!
//! Follows what the database says: a machine that is added is connected, one whose address or keys are changed is connected anew, one that is
//! removed is let go. An engine that is away harms no other, and an engine that is another machine's already is not used at all. It never touches
//! a container. All that engines tell, of everybody's containers, is passed on to be written down ([`crate::events`]); the loops hear of ours alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use domain::events::work::Cursor;
use domain::machines::{Machine, Seen};
use domain::{Worker, machines};
use futures::StreamExt;
use model::ids::{EnvironmentId, MachineId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::docker::{Docker, EngineError, Event, Heard, Kind, LABEL_INSTANCE};
use crate::events::Recorder;

/// How often an engine is asked whether it still answers. Its stream of events ends when it stops; this is for one that hangs, or
/// for a network that swallows everything.
const PULSE: Duration = Duration::from_secs(15);

/// How often an engine that is another machine's is asked whether it still is.
const TWIN: Duration = Duration::from_secs(30);

/// Wait after the database could not be read.
const RETRY: Duration = Duration::from_secs(1);

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
    bearing: Arc<Bearing>,
}

/// How an engine does, as its listener knows.
#[derive(Default)]
struct Bearing(AtomicU8);

impl Bearing {
    const AWAY: u8 = 1;
    const TAKEN: u8 = 2;

    fn set(&self, bearing: u8) {
        self.0.store(bearing, Ordering::Relaxed);
    }

    fn is(&self, bearing: u8) -> bool {
        self.0.load(Ordering::Relaxed) == bearing
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Machines {
    /// The engine of a machine, if the machine is known and its engine is its own.
    pub fn docker(&self, id: MachineId) -> Option<Docker> {
        let links = self.links.read().expect("no code panics while it holds this lock");
        links.get(&id).filter(|link| !link.bearing.is(Bearing::TAKEN)).map(|link| link.docker.clone())
    }

    /// Whether the engine of a machine is known to be away.
    pub fn away(&self, id: MachineId) -> bool {
        let links = self.links.read().expect("no code panics while it holds this lock");
        links.get(&id).is_none_or(|link| link.bearing.is(Bearing::AWAY))
    }

    /// A machine as the database had it last.
    pub fn machine(&self, id: MachineId) -> Option<Machine> {
        self.links.read().expect("no code panics while it holds this lock").get(&id).map(|link| link.machine.clone())
    }

    /// All machines and their engines.
    pub fn all(&self) -> Vec<(Machine, Docker)> {
        let links = self.links.read().expect("no code panics while it holds this lock");
        links.values().filter(|link| !link.bearing.is(Bearing::TAKEN)).map(|link| (link.machine.clone(), link.docker.clone())).collect()
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
                    Some(link) if link.machine.same_door(&machine) => link.machine = machine,
                    _ => match machines::door(worker.platform(), &machine) {
                        Ok(door) => {
                            let (docker, bearing) = (Docker::through(door), Arc::<Bearing>::default());
                            let listener = listen(worker.clone(), machine.clone(), docker.clone(), Arc::clone(&bearing), news.clone());
                            links.insert(machine.id, Link { machine, docker, listener, bearing });
                        }
                        Err(error) => {
                            links.remove(&machine.id);
                            unusable.push((machine, EngineError::new(Kind::Unsupported, error.to_string())));
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
fn listen(worker: Worker, machine: Machine, docker: Docker, bearing: Arc<Bearing>, news: mpsc::Sender<News>) -> AbortHandle {
    let work = async move {
        let instance = worker.platform().instance().to_owned();
        let cursor = heard_so_far(&worker, &machine).await;
        let mut newest = cursor.map(|cursor| cursor.nanos);
        let recorder = Recorder::start(&worker, &machine, &docker, cursor);
        let mut events = Box::pin(docker.all_events(newest));
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
                        events = Box::pin(docker.all_events(newest));
                        Heard::Lost(error)
                    }
                },
            };
            let told = match heard {
                Heard::Event(event) => {
                    newest = newest.max(Some(event.at_nanos));
                    recorder.hear(&event);
                    // What others' containers do, and what happened before, is kept and nothing more.
                    if event.past || event.labels.get(LABEL_INSTANCE) != Some(&instance) {
                        continue;
                    }
                    News::Event(machine.id, event)
                }
                Heard::Connected => {
                    let seen = introduce(&docker, &machine).await;
                    if !record(&worker, &machine, seen).await {
                        bearing.set(Bearing::TAKEN);
                        tracing::error!(machine = %machine.name, "the engine is another machine's already; it is left alone");
                        tokio::time::sleep(TWIN).await;
                        // Asked anew: the other machine may be gone.
                        events = Box::pin(docker.all_events(newest));
                        continue;
                    }
                    up = true;
                    bearing.set(0);
                    recorder.connected();
                    News::Up(machine.id)
                }
                Heard::Lost(error) => {
                    up = false;
                    bearing.set(Bearing::AWAY);
                    recorder.lost();
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

/// How far the engine was heard before; that it cannot be read now passes.
async fn heard_so_far(worker: &Worker, machine: &Machine) -> Option<Cursor> {
    loop {
        match domain::events::work::cursor(worker, machine.id).await {
            Ok(cursor) => return cursor,
            Err(error) => tracing::warn!(machine = %machine.name, %error, "how far its engine was heard could not be read; it is tried again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn introduce(docker: &Docker, machine: &Machine) -> Seen {
    match docker.info().await {
        Ok(info) => Seen::Up {
            id: info.id,
            version: info.version,
            api_version: info.api,
            os: info.system,
            cpus: i64::from(info.cpus),
            memory: i64::try_from(info.memory).unwrap_or(i64::MAX),
            certificate_ends: docker.shown_certificate().and_then(|der| domain::alerts::certificate_ends(&der)),
        },
        Err(error) => Seen::Away(advice(machine, &error)),
    }
}

/// Whether the engine is this machine's own. A record that cannot be written is no reason to stop listening.
async fn record(worker: &Worker, machine: &Machine, seen: Seen) -> bool {
    match machines::seen(worker, machine, &seen).await {
        Ok(own) => own,
        Err(error) => {
            tracing::error!(machine = %machine.name, %error, "the state of a machine could not be recorded");
            true
        }
    }
}

/// What is wrong and what to do.
fn advice(machine: &Machine, error: &EngineError) -> String {
    let what = match error.kind {
        Kind::Unsupported | Kind::Identity => "",
        _ if machine.engine.starts_with("unix:") && machine.name.as_str() == "local" => {
            " Start Docker on this machine, or give the address of another engine with --docker-host."
        }
        _ => " Check that the engine runs and that its address is right.",
    };
    format!("{}.{what}", error.message.trim_end_matches('.'))
}
