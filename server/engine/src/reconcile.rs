//! The loop that keeps machines as they should be: woken when something is wanted, by what engines tell, and by a timer. It finds the
//! keys that have something to do and calls their crews; it decides nothing by itself.
//!
//! A pass in which nothing changed costs one call for each engine and a few readings, whatever the number of containers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::Signal;
use domain::deployments::work::{self, Leftover, TaskWork, WorkKey};
use model::ids::{MachineId, TaskId};
use model::views::services::TaskState;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::build::{self, LABEL_CARRIER, LABEL_TASK};
use crate::context::Context;
use crate::docker::{ContainerSeen, Docker, EngineError, Event, EventKind, Kind, Status};
use crate::drift;
use crate::machines::News;
use crate::networks;
use crate::observe::{self, Need};
use crate::tend::tend;
use crate::trouble::Trouble;

/// How often everything is compared, whatever was told or not.
const PASS: Duration = Duration::from_secs(30);
/// News of engines that may wait; more make their listeners wait.
const NEWS: usize = 1024;

/// Runs until it is dropped.
pub(crate) async fn run(context: Arc<Context>) {
    let _end = End(Arc::clone(&context));
    let (tell, mut news) = mpsc::channel(NEWS);
    let mut called = context.crews.called().expect("the loop runs once");
    // Crews, and looks at whole machines: nothing that asks an engine is waited for here, since an engine may hang.
    let mut at_work = JoinSet::new();
    let mut timer = tokio::time::interval(PASS);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let platform = context.worker.platform().clone();
    loop {
        tokio::select! {
            Some((key, crew)) = called.recv() => drop(at_work.spawn(tend(Arc::clone(&context), key, crew))),
            Some(ended) = at_work.join_next() => still_standing(ended),
            () = platform.signal(Signal::Reconcile).notified() => log(due(&context).await),
            () = platform.signal(Signal::Machines).notified() => log(pass(&context, &tell, &mut at_work).await),
            Some(told) = news.recv() => log(heard(&context, told, &mut at_work).await),
            _ = timer.tick() => log(pass(&context, &tell, &mut at_work).await),
        }
    }
}

/// Whoever drops the loop ends all that it began.
struct End(Arc<Context>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.machines.clear();
        self.0.watches.clear();
    }
}

/// A crew that crashed is a fault of ours: the portal must not look alive without it.
fn still_standing(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

fn log(result: Result<(), Trouble>) {
    match result {
        Ok(()) => {}
        // Whoever listens to that engine has told it.
        Err(Trouble::Away(_)) => {}
        Err(Trouble::Store(error)) => tracing::warn!(%error, "reconciliation could not read what is wanted; the next pass tries again"),
        Err(Trouble::Reason(reason)) => {
            tracing::warn!(code = reason.code, reason = reason.message, "an engine refused to tell what runs; the next pass asks again")
        }
    }
}

/// Something is wanted, or was recorded: calls the crews of all keys that do not fit.
async fn due(context: &Arc<Context>) -> Result<(), Trouble> {
    for environment in context.machines.environments() {
        for key in work::due(&context.worker, environment).await? {
            context.crews.wake(key, None);
        }
    }
    Ok(())
}

async fn heard(context: &Arc<Context>, told: News, at_work: &mut JoinSet<()>) -> Result<(), Trouble> {
    match told {
        News::Up(id) => {
            // An engine that was away may have lost its networks, and started tasks again.
            context.forget_networks(id);
            context.verified().clear();
            context.limits().clear();
            sweep_memory(context, id, at_work);
            let Some(machine) = context.machines.machine(id) else { return Ok(()) };
            for key in work::every_key(&context.worker, machine.environment_id).await? {
                context.crews.wake(key, None);
            }
            compare(context, id, at_work);
        }
        News::Away(id) => {
            // What a probe finds now says something about the engine and nothing about the task. Watches begin anew with the next look.
            let there: Vec<TaskId> = context.owners().iter().filter(|(_, (machine, _))| *machine == id).map(|(task, _)| *task).collect();
            there.into_iter().for_each(|task| context.watches.end(task));
            // A deployment that is under way says what it waits for.
            if let Some(machine) = context.machines.machine(id) {
                for key in work::due(&context.worker, machine.environment_id).await? {
                    context.crews.wake(key, None);
                }
            }
        }
        News::Event(id, event) => happened(context, id, &event, at_work),
    }
    Ok(())
}

/// Something happened to a container: the crew of its key looks at it.
fn happened(context: &Arc<Context>, id: MachineId, event: &Event, at_work: &mut JoinSet<()>) {
    if matches!(event.kind, EventKind::Rename | EventKind::Update | EventKind::Pause | EventKind::Unpause) {
        if let Some(task) = event.labels.get(LABEL_TASK).and_then(|text| text.parse::<TaskId>().ok()) {
            context.limits().remove(&task);
        }
        compare(context, id, at_work);
    }
    let died = match event.kind {
        EventKind::Die { exit } => Some(exit),
        EventKind::Start | EventKind::OutOfMemory | EventKind::Destroy | EventKind::Health { .. } | EventKind::Pause | EventKind::Unpause => None,
        EventKind::Kill { .. } | EventKind::Stop | EventKind::Restart | EventKind::Rename | EventKind::Update => return,
    };
    let Some(task) = event.labels.get(LABEL_TASK).and_then(|text| text.parse::<TaskId>().ok()) else { return };
    let owner = context.owners().get(&task).copied();
    match owner {
        Some((_, key)) => context.crews.wake(key, died.map(|exit| (task, exit))),
        // The last news of a container that we removed ourselves needs no look.
        None if event.kind == EventKind::Destroy => {}
        None => compare(context, id, at_work),
    }
}

/// Compares everything.
async fn pass(context: &Arc<Context>, tell: &mpsc::Sender<News>, at_work: &mut JoinSet<()>) -> Result<(), Trouble> {
    context.machines.refresh(&context.worker, tell).await?;
    due(context).await?;
    let sweep = context.memory_left.swap(false, Ordering::Relaxed);
    for (machine, _) in context.machines.all() {
        compare(context, machine.id, at_work);
        if sweep {
            sweep_memory(context, machine.id, at_work);
        }
    }
    let context = Arc::clone(context);
    at_work.spawn(async move { networks::give_back(&context).await });
    Ok(())
}

/// Compares a machine's containers with what is recorded of them, unless that is under way.
fn compare(context: &Arc<Context>, id: MachineId, at_work: &mut JoinSet<()>) {
    let Some(docker) = context.machines.docker(id) else { return };
    if !context.comparing().insert(id) {
        return;
    }
    let context = Arc::clone(context);
    at_work.spawn(async move {
        log(look_at(&context, id, &docker).await);
        context.comparing().remove(&id);
    });
}

/// Removes the memory of tasks that are gone: what a portal left that was killed at its work, or what something else used when its task
/// went.
fn sweep_memory(context: &Arc<Context>, id: MachineId, at_work: &mut JoinSet<()>) {
    let Some(docker) = context.machines.docker(id) else { return };
    let context = Arc::clone(context);
    at_work.spawn(async move {
        let swept = async {
            let volumes = docker.volumes(context.instance(), LABEL_CARRIER).await?;
            let living: BTreeSet<TaskId> = work::living(&context.worker, id).await?.into_iter().map(|task| task.id).collect();
            let kept: BTreeSet<TaskId> = work::leftovers(&context.worker, id).await?.into_iter().map(|left| left.task).collect();
            for volume in volumes {
                let task = volume.labels.get(LABEL_CARRIER).and_then(|text| text.parse::<TaskId>().ok());
                if task.is_none_or(|task| !living.contains(&task) && !kept.contains(&task)) {
                    let gone = docker.remove_volume(&volume.name).await?;
                    context.memory_left.fetch_or(!gone, Ordering::Relaxed);
                }
            }
            Ok(())
        };
        log(swept.await);
    });
}

/// One look at a machine, with one call.
async fn look_at(context: &Arc<Context>, id: MachineId, docker: &Docker) -> Result<(), Trouble> {
    // The list first: a container's task is recorded before the container is made, so none of the list is too new for the record.
    let seen = docker.list(context.instance()).await?;
    let tasks = work::living(&context.worker, id).await?;
    let leftovers = work::leftovers(&context.worker, id).await?;
    drifted(context, docker, &tasks, &seen).await?;
    let by_task: BTreeMap<&str, &ContainerSeen> = seen.iter().filter_map(|seen| Some((seen.label(LABEL_TASK)?, seen))).collect();
    for key in differing(&tasks, &leftovers, &by_task) {
        context.crews.wake(key, None);
    }
    let owners = tasks.iter().map(|task| (task.id, (id, task.key))).chain(leftovers.iter().map(|left| (left.task, (id, left.key))));
    let owners: BTreeMap<TaskId, (MachineId, WorkKey)> = owners.collect();
    for seen in seen.iter().filter(|seen| seen.status != Status::Removing) {
        let task = seen.label(LABEL_TASK).and_then(|text| text.parse::<TaskId>().ok());
        let carried = seen.label(LABEL_CARRIER).and_then(|text| text.parse::<TaskId>().ok());
        if carried.is_some_and(|task| context.carriers().contains(&task)) {
            continue;
        }
        // What a crew removed meanwhile is in the list and not in the record; the next pass would find what is truly lost.
        let lost = task.is_none_or(|task| !owners.contains_key(&task) && !context.owners().contains_key(&task));
        if lost {
            tracing::warn!(container = seen.name, "a container of ours that belongs to no task is removed");
            docker.remove(&seen.id).await?;
        }
    }
    let mut known = context.owners();
    known.retain(|_, (machine, _)| *machine != id);
    known.extend(owners);
    Ok(())
}

/// Compares what runs with what was ordered and writes down what differs. Whoever tends the key puts right what should be.
async fn drifted(context: &Context, docker: &Docker, tasks: &[TaskWork], seen: &[ContainerSeen]) -> Result<(), Trouble> {
    let by_id: BTreeMap<&str, &ContainerSeen> = seen.iter().map(|seen| (seen.id.as_str(), seen)).collect();
    for task in tasks.iter().filter(|task| task.state == TaskState::Running) {
        let Some(seen) = task.container.as_deref().and_then(|id| by_id.get(id)).filter(|seen| seen.status.alive()) else { continue };
        let mut found = drift::in_list(context.instance(), task.id, task.slot, seen);
        let known = context.limits().get(&task.id).cloned();
        match known {
            Some(known) => found.extend(known),
            None => {
                let revision = work::revision(&context.worker, task.revision).await?;
                let there = match docker.limits(&seen.id).await {
                    Ok(there) => there,
                    Err(EngineError { kind: Kind::NoSuchContainer, .. }) => continue,
                    Err(error) => return Err(error.into()),
                };
                let differs = drift::in_limits(&build::limits(&revision.descriptor), &there);
                context.limits().insert(task.id, differs.clone());
                found.extend(differs);
            }
        }
        if found != task.drift {
            work::task_drift(&context.worker, task.id, &found).await?;
            context.crews.wake(task.key, None);
        }
    }
    Ok(())
}

/// Keys of which a task is not as it is recorded, or whose dead came to life again.
fn differing(tasks: &[TaskWork], leftovers: &[Leftover], by_task: &BTreeMap<&str, &ContainerSeen>) -> BTreeSet<WorkKey> {
    let differs = |task: &&TaskWork| {
        let seen = by_task.get(task.id.to_string().as_str()).copied();
        let health = seen.and_then(observe::health).is_some_and(|health| health != task.health);
        health || observe::need(task, seen, false) != Need::Nothing
    };
    let risen = leftovers.iter().filter(|left| by_task.get(left.task.to_string().as_str()).is_some_and(|seen| seen.status.alive()));
    tasks.iter().filter(differs).map(|task| task.key).chain(risen.map(|left| left.key)).collect()
}
