//! What is done to one task's container: make and start it, end it, remove it. Each may be begun again after a crash at any point:
//! what is there already is taken as it is.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::deployments::work::{self, Delivery, End, RevisionWork, TaskWork, Work};
use domain::machines::Machine;
use model::ids::{MachineId, ProjectId, TaskId};
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::time::Millis;
use model::views::deployments::Reason;
use model::views::services::{TaskPort, TaskState};

use crate::build::{self, Blueprint, LABEL_TASK};
use crate::context::Context;
use crate::docker::{ContainerSeen, ContainerSpec, Docker, EngineError, Kind, Mount, Status};
use crate::fetch;
use crate::observe::{self, Fact};
use crate::ours;
use crate::parcel::{Owner, Parcel};
use crate::printed::Filter;
use crate::trouble::Trouble;

/// How often another port, network or name is tried before it is given up.
const TRIES: usize = 8;
/// How many networks are tried: a machine may have many of its own in our pool.
const NETWORK_TRIES: usize = 64;

/// All that is needed to make a task's container.
#[derive(Clone)]
pub(crate) struct Order {
    pub context: Arc<Context>,
    pub docker: Docker,
    pub machine: Machine,
    pub project_id: ProjectId,
    pub project: ProjectName,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub revision: RevisionWork,
    pub task: TaskWork,
}

impl Order {
    pub(crate) fn new(context: &Arc<Context>, docker: &Docker, machine: &Machine, work: &Work, revision: &RevisionWork, task: TaskWork) -> Self {
        Self {
            context: Arc::clone(context),
            docker: docker.clone(),
            machine: machine.clone(),
            project_id: work.project_id,
            project: work.project.clone(),
            service: work.service.clone(),
            environment: work.environment.clone(),
            revision: revision.clone(),
            task,
        }
    }

    fn blueprint<'a>(&'a self, image: &'a str, ports: &'a [TaskPort], delivery: &'a Delivery) -> Result<Blueprint<'a>, Trouble> {
        let address = &self.machine.publish_address;
        let wrong = || {
            Trouble::Reason(Reason::new(
                "publish_address",
                format!("the address {address} of {}, on which ports are published, is none", self.machine.name),
            ))
        };
        let publish_address: IpAddr = address.parse().map_err(|_| wrong())?;
        Ok(Blueprint {
            instance: self.context.instance(),
            project_id: self.project_id,
            project: &self.project,
            service: &self.service,
            environment: &self.environment,
            revision: self.revision.number,
            descriptor: &self.revision.descriptor,
            image,
            task: self.task.id,
            slot: self.task.slot,
            ports,
            host: &self.machine.host,
            publish_address,
            delivery,
        })
    }
}

/// Makes a task's container, puts in place what it needs, starts it, and records that it runs.
pub(crate) async fn begin(order: Order) -> Result<(), Trouble> {
    // Before its turn: a large artifact must not keep others from starting.
    domain::folders::still_allowed(&order.context.worker, &order.revision.descriptor).await?;
    let delivery = work::delivery(&order.context.worker, order.task.key, order.revision.id).await?;
    let mut parcel = Parcel::new(&order.revision.descriptor, &delivery);
    if let Some(artifact) = &order.revision.descriptor.artifact {
        parcel.artifact = Some(order.context.artifacts.fetch(&order.context.worker, order.project_id, artifact).await?);
    }
    let _turn = order.context.hands.acquire().await.expect("never closed");
    let source = fetch::source(&order.context, &order.docker, &order.machine, &order.revision).await?;
    let mut ports = order.task.ports.clone();
    network(&order).await?;
    volumes(&order, &order.blueprint(&source.reference, &ports, &delivery)?.spec()).await?;
    let mut fetched = false;
    for _ in 0..TRIES {
        let spec = order.blueprint(&source.reference, &ports, &delivery)?.spec();
        let id = match order.docker.create(&spec).await {
            Ok(id) => id,
            Err(EngineError { kind: Kind::NameTaken, .. }) => match adopt(&order).await? {
                Some(running) => return record(&order, &running).await,
                None => continue,
            },
            Err(error) if error.kind == Kind::NoSuchImage && !fetched => {
                fetched = true;
                fetch::pull(&order.context, &order.docker, &order.machine, &source, |_| {}).await?;
                continue;
            }
            Err(error) if error.kind == Kind::NoSuchNetwork => {
                renew_network(&order).await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        match start(&order, &spec, &id, &parcel).await {
            Ok(true) => return record(&order, &id).await,
            // Its secret files went before it had them: anew.
            Ok(false) => {
                order.context.collector.finish(order.machine.id, &order.docker, order.task.id, &id).await;
                order.docker.remove(&id).await?;
            }
            Err(error) => {
                // A container that did not start tells nothing that the error does not, and it would hold the name.
                order.docker.remove(&id).await?;
                if !parcel.secret.is_empty() {
                    forget_secrets(&order.context, &order.docker, order.task.id).await?;
                }
                ports = second_chance(&order, error, &spec, ports).await?;
            }
        }
    }
    Err(Trouble::Reason(Reason::new(
        "start_failed",
        format!("it could not be started in {TRIES} tries: its ports or its network were taken each time"),
    )))
}

/// Fills and starts a container. Whether its program found everything in place.
async fn start(order: &Order, spec: &ContainerSpec, id: &str, parcel: &Parcel) -> Result<bool, EngineError> {
    let _carrying = (!parcel.secret.is_empty()).then(|| order.context.carrying(order.task.id));
    let owner = Owner { instance: order.context.instance(), task: order.task.id };
    let carrier = parcel.fill(&order.docker, spec, id, owner).await?;
    let started = order.docker.start(id).await;
    let held = match carrier {
        Some(carrier) => carrier.let_go().await?,
        None => true,
    };
    started?;
    if held && !parcel.secret.is_empty() {
        order.context.verified().insert(order.task.id);
    }
    Ok(held)
}

/// The container that has the task's name already: made by a portal that was killed before it wrote it down. One that runs is taken as it
/// is; one that was never started is made anew, with what it should find in it.
async fn adopt(order: &Order) -> Result<Option<String>, Trouble> {
    let taken = || Trouble::Reason(Reason::new("name_taken", "a container with the task's name exists, and it is not one of ours"));
    let seen = own(&order.context, &order.docker, order.task.id).await?.ok_or_else(taken)?;
    if seen.status != Status::Created {
        return Ok(Some(seen.id));
    }
    order.docker.remove(&seen.id).await?;
    Ok(None)
}

/// The container of a task whose id was not written down: by the name, since the label may be of a copy's image.
async fn own(context: &Context, docker: &Docker, task: TaskId) -> Result<Option<ContainerSeen>, EngineError> {
    let seen = docker.list_where(context.instance(), &[(LABEL_TASK, &task.to_string())]).await?;
    Ok(seen.into_iter().find(|seen| ours::task(seen) == Some(task)))
}

/// What can be helped after a start that failed: another port, the network made anew. The ports to try with.
async fn second_chance(order: &Order, error: EngineError, spec: &ContainerSpec, ports: Vec<TaskPort>) -> Result<Vec<TaskPort>, Trouble> {
    match error.kind {
        Kind::PortTaken { port } => {
            // An engine that does not say which: with a single port it can only be that one.
            let single = || if let [only] = &spec.ports[..] { Some(only.host) } else { None };
            let Some(held) = port.or_else(single).and_then(|port| ports.iter().find(|held| held.host == port)) else {
                return Err(error.into());
            };
            Ok(work::move_port(&order.context.worker, &order.task, held.protocol, held.host).await?)
        }
        Kind::NoSuchNetwork => {
            renew_network(order).await?;
            Ok(ports)
        }
        _ => Err(error.into()),
    }
}

async fn record(order: &Order, container: &str) -> Result<(), Trouble> {
    let state = order.docker.inspect(container).await?;
    let network = build::network_name(order.context.instance(), &order.project, &order.environment);
    // What ended at once ran all the same; the next look records its end, with the container known.
    let address = state.addresses.get(&network).map(ToString::to_string);
    let started = Millis(state.started_at.unwrap_or_else(|| order.context.worker.platform().now().0));
    work::task_running(&order.context.worker, order.task.id, container, address.as_deref(), started).await?;
    order.context.collector.follow(order.machine.id, &order.docker, order.task.id, container, true);
    Ok(())
}

/// The project's network on the machine, made when it is missing.
async fn network(order: &Order) -> Result<(), Trouble> {
    let networks = order.context.networks(order.machine.id);
    let mut known = networks.lock().await;
    if known.contains(&order.project_id) {
        return Ok(());
    }
    let worker = &order.context.worker;
    let mut subnet = work::network(worker, &order.machine, order.project_id).await?;
    for _ in 0..NETWORK_TRIES {
        let instance = order.context.instance();
        let wanted = build::network_order(instance, order.project_id, &order.project, &order.environment, &subnet.to_string());
        match order.docker.ensure_network(&wanted).await {
            Ok(_) => {
                known.insert(order.project_id);
                return Ok(());
            }
            Err(error) if error.kind == Kind::RangeTaken => subnet = work::move_network(worker, &order.machine, order.project_id, subnet).await?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Trouble::Reason(Reason::new("address_range_taken", "no free network was found on the machine; an operator must give it another pool")))
}

/// The named volumes that the container will mount, made where they are missing.
async fn volumes(order: &Order, spec: &ContainerSpec) -> Result<(), Trouble> {
    for mount in &spec.mounts {
        if let Mount::Volume { name, labels, .. } = mount {
            order.docker.ensure_volume(name, labels).await?;
        }
    }
    Ok(())
}

async fn renew_network(order: &Order) -> Result<(), Trouble> {
    order.context.networks(order.machine.id).lock().await.remove(&order.project_id);
    network(order).await
}

/// Ends a task with grace, for a reason or because it should, and removes its container unless it is worth looking into. `grace`: that of its
/// own revision, if that is at hand.
pub(crate) async fn end(
    context: Arc<Context>,
    docker: Docker,
    task: TaskWork,
    grace: Option<std::time::Duration>,
    failed: Option<Reason>,
    keep: bool,
) -> Result<(), Trouble> {
    work::task_stopping(&context.worker, task.id).await?;
    context.watches.end(task.id);
    let container = match &task.container {
        Some(container) => Some(container.clone()),
        None => own(&context, &docker, task.id).await?.map(|seen| seen.id),
    };
    let mut end = End { state: TaskState::Ended, exit_code: None, reason: None };
    if let Some(container) = &container {
        let grace = match grace {
            Some(grace) => grace,
            None => work::revision(&context.worker, task.revision).await?.descriptor.stop.grace.duration(),
        };
        docker.stop(container, grace).await?;
        end.exit_code = match docker.inspect(container).await {
            Ok(state) => state.exit_code,
            Err(EngineError { kind: Kind::NoSuchContainer, .. }) => None,
            Err(error) => return Err(error.into()),
        };
    }
    if let Some(reason) = failed {
        end = End { state: TaskState::Failed, reason: Some(reason), ..end };
    }
    work::task_ended(&context.worker, task.id, &end).await?;
    if keep {
        return Ok(());
    }
    remove(context, docker, task.machine, task.id, container).await
}

/// Removes a dead task's container, after its log was read to the end.
pub(crate) async fn remove(
    context: Arc<Context>,
    docker: Docker,
    machine: MachineId,
    task: TaskId,
    container: Option<String>,
) -> Result<(), Trouble> {
    if let Some(container) = container {
        context.collector.finish(machine, &docker, task, &container).await;
        docker.remove(&container).await?;
        context.collector.forget(task, &container);
    }
    forget_secrets(&context, &docker, task).await?;
    Ok(work::task_removed(&context.worker, task).await?)
}

/// The memory in which a task's secret files were.
async fn forget_secrets(context: &Context, docker: &Docker, task: TaskId) -> Result<(), Trouble> {
    context.verified().remove(&task);
    context.limited.forget(task);
    let name = build::secrets_name(context.instance(), task);
    if !docker.remove_volume(&name).await? {
        tracing::warn!(volume = name, "the memory of a task that is gone is in use; it is removed later");
        context.memory_left.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Looks closely at a task's container and writes down what is new. The task's failure, if that is the news. `died`: an event told that
/// its program ended, with this code.
pub(crate) async fn look(
    context: &Context,
    docker: &Docker,
    task: &TaskWork,
    container: &str,
    network: &str,
    died: Option<i64>,
) -> Result<Option<Reason>, Trouble> {
    let mut state = match docker.inspect(container).await {
        Ok(state) => state,
        Err(EngineError { kind: Kind::NoSuchContainer, .. }) => return lost(context, task).await.map(|()| None),
        Err(error) => return Err(error.into()),
    };
    if let Some(error) = state.error.take() {
        state.error = Some(Filter::of(&context.worker, task).await.clean(&error));
    }
    let mut failure = None;
    for fact in observe::facts(task, &state, network, died) {
        match fact {
            Fact::Running { address, started } => work::task_running(&context.worker, task.id, container, address.as_deref(), started).await?,
            Fact::Restarting { exit_code, restarts, reason } => {
                work::task_restarting(&context.worker, task.id, exit_code, restarts, &reason).await?;
                failure = Some(reason);
            }
            Fact::Ended(end) => {
                context.watches.end(task.id);
                if task.container.is_none() {
                    // So that its container is known, and can be looked into and removed.
                    work::task_running(&context.worker, task.id, container, None, Millis(state.started_at.unwrap_or(task.created_at.0))).await?;
                }
                work::task_ended(&context.worker, task.id, &end).await?;
                if end.state == TaskState::Failed {
                    failure = end.reason;
                }
            }
        }
    }
    Ok(failure)
}

/// The container is gone, and it was not us.
pub(crate) async fn lost(context: &Context, task: &TaskWork) -> Result<(), Trouble> {
    context.watches.end(task.id);
    // Of a task that was asked to end, nothing else was wanted.
    let end = if task.state == TaskState::Stopping {
        End { state: TaskState::Ended, exit_code: None, reason: None }
    } else {
        End {
            state: TaskState::Lost,
            exit_code: None,
            reason: Some(Reason::new("removed", "its container was removed by something else than Slipway")),
        }
    };
    context.collector.lost(task.machine, context.machines.docker(task.machine), task.id, task.container.as_deref());
    if let Some(docker) = context.machines.docker(task.machine) {
        forget_secrets(context, &docker, task.id).await?;
    }
    work::task_ended(&context.worker, task.id, &end).await?;
    Ok(work::task_removed(&context.worker, task.id).await?)
}

/// The last lines of a container's log, for a reason's text. Empty where there are none to be had.
pub(crate) async fn last_lines(docker: &Docker, container: &str) -> String {
    use futures::StreamExt;
    const LINES: u32 = 20;
    const CHARACTERS: usize = 2_000;
    let order = crate::docker::LogOrder { tail: Some(LINES), since_nanos: None, follow: false };
    let read = async {
        let lines = docker.logs(container, order).await.ok()?;
        let mut lines: Vec<_> = lines.filter_map(|line| std::future::ready(line.ok())).take(LINES as usize).collect().await;
        lines.sort_by_key(|line| line.at_nanos);
        Some(lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n"))
    };
    let text = tokio::time::timeout(std::time::Duration::from_secs(5), read).await.ok().flatten().unwrap_or_default();
    let skip = text.chars().count().saturating_sub(CHARACTERS);
    // Whole lines: half a secret would not be known for one. And no database keeps a text with a NUL.
    let rest: String = text.chars().skip(skip).filter(|c| *c != '\0').collect();
    let whole = if skip > 0 { rest.split_once('\n').map_or("", |(_, whole)| whole) } else { &rest };
    whole.trim_end().to_owned()
}
