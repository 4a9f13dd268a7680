//! Compares what runs with what was ordered and writes down what differs. Whoever tends the key puts right what should be.
//!
//! One container of which the engine does not tell keeps no other from being compared: it comes last in the next look.

use std::time::Duration;

use domain::deployments::work::{self, TaskWork};
use model::views::services::{Difference, TaskState};
use tokio::time::Instant;

use crate::build;
use crate::context::Context;
use crate::docker::{ContainerSeen, Docker, EngineError, Kind};
use crate::drift;
use crate::ours::Found;
use crate::trouble::Trouble;

/// How long the engine is asked one by one in a look; the next one goes on.
const LONGEST: Duration = Duration::from_secs(20);

/// Compares all tasks of a machine.
pub(super) async fn look(context: &Context, docker: &Docker, tasks: &[TaskWork], found: &Found<'_>) -> Result<(), Trouble> {
    let recorded = tasks.iter().filter(|task| task.state == TaskState::Running && task.container.is_some());
    let mut running: Vec<(&TaskWork, &ContainerSeen)> = recorded.filter_map(|task| Some((task, found.task(task)?))).collect();
    running.retain(|(_, seen)| seen.status.alive());
    running.sort_by_key(|(task, _)| context.limited.turn(task.id));
    let began = Instant::now();
    for (task, seen) in running {
        if began.elapsed() > LONGEST {
            break;
        }
        let mut differs = drift::in_list(context.instance(), task.id, task.slot, seen);
        match limits(context, docker, task, &seen.id).await? {
            Some(limits) => differs.extend(limits),
            None => continue,
        }
        if differs != task.drift {
            work::task_drift(&context.worker, task.id, &differs).await?;
            context.crews.wake(task.key, None);
        }
    }
    Ok(())
}

/// What differs of a task's limits; none: it cannot be known now.
async fn limits(context: &Context, docker: &Docker, task: &TaskWork, container: &str) -> Result<Option<Vec<Difference>>, Trouble> {
    if let Some(known) = context.limited.known(task.id) {
        return Ok(Some(known));
    }
    let ordered = build::limits(&work::revision(&context.worker, task.revision).await?.descriptor);
    context.limited.ask(task.id);
    match docker.limits(container).await {
        Ok(there) => {
            let differs = drift::in_limits(&ordered, &there);
            Ok(context.limited.told(task.id, &differs).then_some(differs))
        }
        Err(EngineError { kind: Kind::NoSuchContainer, .. }) => Ok(None),
        Err(error @ EngineError { kind: Kind::Unreachable | Kind::Unsupported | Kind::Identity, .. }) => Err(error.into()),
        // Of this one; of others it may tell.
        Err(error) => {
            tracing::warn!(container, %error, "an engine does not tell the limits of a container; it is asked again later");
            Ok(None)
        }
    }
}
