//! The loop that keeps machines as they should be: woken when something is wanted, by what engines tell, and by a timer. It finds the
//! keys that have something to do and calls their crews; it decides nothing by itself.
//!
//! A pass in which nothing changed costs one call for each engine and a few readings, whatever the number of containers.

mod drifted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::Signal;
use domain::deployments::work::{self, Leftover, TaskWork, WorkKey};
use model::ids::{MachineId, TaskId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::build::{LABEL_CARRIER, LABEL_TASK};
use crate::context::Context;
use crate::docker::{ContainerSeen, Docker, Event, EventKind, Status};
use crate::machines::News;
use crate::networks;
use crate::observe::{self, Need};
use crate::ours::{self, Found};
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
        self.0.collector.stop();
    }
}

/// A crew that crashed is a fault of ours: the portal must not look alive without it.
pub(crate) fn still_standing(ended: Result<(), tokio::task::JoinError>) {
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
            context.limited.clear();
            context.collector.up(id);
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
    let task = event.labels.get(LABEL_TASK).and_then(|text| text.parse::<TaskId>().ok());
    if matches!(event.kind, EventKind::Rename | EventKind::Update | EventKind::Pause | EventKind::Unpause) {
        if let Some(task) = task {
            context.limited.forget(task);
        }
        compare(context, id, at_work);
    }
    let died = match event.kind {
        EventKind::Die { exit } => Some(exit),
        EventKind::Start | EventKind::OutOfMemory | EventKind::Destroy | EventKind::Health { .. } | EventKind::Pause | EventKind::Unpause => None,
        EventKind::Create | EventKind::Kill { .. } | EventKind::Stop | EventKind::Restart | EventKind::Rename | EventKind::Update => return,
    };
    let Some(task) = task else { return };
    if event.kind == EventKind::Start {
        context.collector.started(task);
    }
    if event.kind == EventKind::OutOfMemory {
        context.kills.add(id, task);
    }
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

/// Compares a machine's containers with what is recorded of them; where that is under way, once more after it.
fn compare(context: &Arc<Context>, id: MachineId, at_work: &mut JoinSet<()>) {
    if context.machines.docker(id).is_none() || !context.looks.begin(id) {
        return;
    }
    let context = Arc::clone(context);
    at_work.spawn(async move {
        loop {
            // Asked for each time: the machine may have got another door meanwhile.
            if let Some(docker) = context.machines.docker(id) {
                log(look_at(&context, id, &docker).await);
            }
            if context.looks.end(id) {
                return;
            }
        }
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
    let found = Found::of(&seen);
    collect(context, id, docker, &tasks, &leftovers, &found);
    for key in differing(&tasks, &leftovers, &found) {
        context.crews.wake(key, None);
    }
    let owners = tasks.iter().map(|task| (task.id, (id, task.key))).chain(leftovers.iter().map(|left| (left.task, (id, left.key))));
    let owners: BTreeMap<TaskId, (MachineId, WorkKey)> = owners.collect();
    // What a crew removed meanwhile is in the list and not in the record; the next look would find what is truly lost.
    let known = |task: TaskId| owners.contains_key(&task) || context.owners().contains_key(&task);
    let lost = ours::lost(&seen, known, |task| context.carriers().contains(&task));
    {
        let mut known = context.owners();
        known.retain(|_, (machine, _)| *machine != id);
        known.extend(owners);
    }
    let removed = remove(docker, &lost).await;
    // Last: for this the engine may be asked of each container.
    drifted::look(context, docker, &tasks, &found).await.and(removed)
}

/// Has the log of every task's container collected that is there.
fn collect(context: &Context, id: MachineId, docker: &Docker, tasks: &[TaskWork], leftovers: &[Leftover], found: &Found<'_>) {
    let living = tasks.iter().filter_map(|task| Some((task.id, found.task(task)?)));
    let left = leftovers.iter().filter_map(|left| Some((left.task, found.leftover(left)?)));
    // One that was never started has written nothing, and may be thrown away yet.
    for (task, seen) in living.chain(left).filter(|(_, seen)| !matches!(seen.status, Status::Created | Status::Removing)) {
        context.collector.follow(id, docker, task, &seen.id, seen.status.alive());
    }
}

/// Removes what belongs to no task. One that the engine does not remove keeps none of the others.
async fn remove(docker: &Docker, lost: &[&ContainerSeen]) -> Result<(), Trouble> {
    for seen in lost {
        tracing::warn!(container = seen.name, "a container of ours that belongs to no task is removed");
        match docker.remove(&seen.id).await {
            Ok(()) => {}
            Err(error) if error.passes() => return Err(error.into()),
            Err(error) => tracing::warn!(container = seen.name, %error, "it could not be removed; the next look tries again"),
        }
    }
    Ok(())
}

/// Keys of which a task is not as it is recorded, or whose dead came to life again.
fn differing(tasks: &[TaskWork], leftovers: &[Leftover], found: &Found<'_>) -> BTreeSet<WorkKey> {
    let differs = |task: &&TaskWork| {
        let seen = found.task(task);
        let health = seen.and_then(observe::health).is_some_and(|health| health != task.health);
        health || observe::need(task, seen, false) != Need::Nothing
    };
    let risen = leftovers.iter().filter(|left| found.leftover(left).is_some_and(|seen| seen.status.alive()));
    tasks.iter().filter(differs).map(|task| task.key).chain(risen.map(|left| left.key)).collect()
}
