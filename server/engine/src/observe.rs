//! What the engine shows of a task, compared with what is recorded of it: which news there is, in the words of the record.
//!
//! Pure. The loops ask it and write the news down through the domain.

use domain::deployments::work::{End, TaskWork};
use model::time::Millis;
use model::views::deployments::Reason;
use model::views::services::{TaskHealth, TaskState};

use crate::docker::{ContainerSeen, ContainerState, Health, Status};

/// What a look at the list of containers calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The record is right.
    Nothing,
    /// The container must be looked at closely.
    Inspect,
    /// The container is gone, and it was not us who removed it.
    Lost,
}

/// News of a task.
#[derive(Debug, Clone)]
pub enum Fact {
    /// Its program runs.
    Running {
        /// Address in the project's network.
        address: Option<String>,
        /// Since when.
        started: Millis,
    },
    /// It ended by itself, and the engine starts it again, or has.
    Restarting {
        /// With what it ended.
        exit_code: Option<i64>,
        /// How often so far.
        restarts: i64,
        /// Why.
        reason: Reason,
    },
    /// It is over.
    Ended(End),
}

/// What the list calls for. `died`: an event told that its program ended since the last look; it may run again already.
pub fn need(task: &TaskWork, seen: Option<&ContainerSeen>, died: bool) -> Need {
    let Some(seen) = seen else {
        return if task.container.is_some() { Need::Lost } else { Need::Nothing };
    };
    match (task.state, seen.status) {
        (_, Status::Removing | Status::Created) => Need::Nothing,
        (_, Status::Exited | Status::Dead) | (TaskState::Preparing, _) => Need::Inspect,
        (TaskState::Running, Status::Restarting) | (TaskState::Restarting, Status::Running | Status::Paused) => Need::Inspect,
        (TaskState::Running | TaskState::Restarting, _) if died => Need::Inspect,
        (TaskState::Running | TaskState::Restarting | TaskState::Stopping | TaskState::Ended | TaskState::Failed | TaskState::Lost, _) => {
            Need::Nothing
        }
    }
}

/// The news that a close look tells, in their order. `died`: the exit code that an event told since the last look.
pub fn facts(task: &TaskWork, state: &ContainerState, network: &str, died: Option<i64>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let restarts = i64::from(state.restarts);
    if restarts > task.restarts || (state.status == Status::Restarting && task.state != TaskState::Restarting) {
        let exit_code = died.or(state.exit_code);
        facts.push(Fact::Restarting { exit_code, restarts, reason: ending(state, exit_code) });
    }
    match state.status {
        Status::Running | Status::Paused => facts.push(Fact::Running {
            address: state.addresses.get(network).or_else(|| state.addresses.values().next()).map(ToString::to_string),
            started: Millis(state.started_at.unwrap_or(task.created_at.0)),
        }),
        Status::Exited | Status::Dead => {
            // A job's task is there to end.
            let done = task.run.is_some() && state.exit_code == Some(0) && !state.out_of_memory;
            let asked = done || task.state == TaskState::Stopping;
            let how = if asked { TaskState::Ended } else { TaskState::Failed };
            let reason = (!asked || state.out_of_memory).then(|| ending(state, state.exit_code));
            facts.push(Fact::Ended(End { state: how, exit_code: state.exit_code, reason }));
        }
        Status::Created | Status::Restarting | Status::Removing => {}
    }
    facts
}

/// Why a program ended, for people.
fn ending(state: &ContainerState, exit_code: Option<i64>) -> Reason {
    if state.out_of_memory {
        return Reason::new("oom", "it took more memory than its limit and was ended by the kernel");
    }
    if let Some(error) = &state.error {
        return Reason::new("start_failed", error.clone());
    }
    match exit_code {
        Some(code @ 129..=192) => Reason::new("exited", format!("it was ended by signal {} (exit code {code})", code - 128)),
        Some(code) => Reason::new("exited", format!("its program ended with exit code {code}")),
        None => Reason::new("exited", "its program ended"),
    }
}

/// The engine's own check, in the record's words; none where there is no such check.
pub fn health(seen: &ContainerSeen) -> Option<TaskHealth> {
    match seen.health {
        Health::None => None,
        Health::Starting => Some(TaskHealth::Starting),
        Health::Healthy => Some(TaskHealth::Healthy),
        Health::Unhealthy => Some(TaskHealth::Unhealthy),
    }
}

#[cfg(test)]
mod tests;
