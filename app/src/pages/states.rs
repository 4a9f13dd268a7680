//! How the model's states are said, each with its tone.

use model::views::copies::CopyState;
use model::views::deployments::{DeploymentKind, DeploymentState, DeploymentView};
use model::views::environments::{EnvironmentView, MachineState, StepState};
use model::views::services::{RunSummary, ServiceState, TaskHealth, TaskState, TaskView};

use crate::components::Tone;

/// A service in an environment.
pub(super) fn service(state: ServiceState) -> (Tone, &'static str) {
    match state {
        ServiceState::Empty => (Tone::Idle, "Nothing deployed"),
        ServiceState::Deploying => (Tone::Busy, "Deploying"),
        ServiceState::Healthy => (Tone::Ok, "Healthy"),
        ServiceState::Degraded => (Tone::Warn, "Degraded"),
        ServiceState::Down => (Tone::Bad, "Down"),
        ServiceState::Stopped => (Tone::Idle, "Stopped"),
    }
}

/// How many tasks of a service are as they should be.
pub(super) fn tasks_of(run: &RunSummary) -> String {
    format!("{} of {} {}", run.healthy, run.total, if run.total == 1 { "task" } else { "tasks" })
}

/// A task.
pub(super) fn task(task: &TaskView) -> (Tone, &'static str) {
    match (task.state, task.health) {
        (TaskState::Preparing, _) => (Tone::Busy, "Preparing"),
        (TaskState::Running, TaskHealth::None) => (Tone::Ok, "Running"),
        (TaskState::Running, TaskHealth::Starting) => (Tone::Busy, "Starting"),
        (TaskState::Running, TaskHealth::Healthy) => (Tone::Ok, "Healthy"),
        (TaskState::Running, TaskHealth::Unhealthy) => (Tone::Bad, "Unhealthy"),
        (TaskState::Restarting, _) => (Tone::Warn, "Restarting"),
        (TaskState::Stopping, _) => (Tone::Busy, "Stopping"),
        (TaskState::Ended, _) => (Tone::Idle, "Ended"),
        (TaskState::Failed, _) => (Tone::Bad, "Failed"),
        (TaskState::Lost, _) => (Tone::Bad, "Lost"),
    }
}

/// A deployment.
pub(super) fn deployment(state: DeploymentState) -> (Tone, &'static str) {
    match state {
        DeploymentState::Pending => (Tone::Warn, "Waits for approval"),
        DeploymentState::Queued => (Tone::Busy, "Queued"),
        DeploymentState::Pulling => (Tone::Busy, "Pulling"),
        DeploymentState::Rolling => (Tone::Busy, "Rolling"),
        DeploymentState::Succeeded => (Tone::Ok, "Succeeded"),
        DeploymentState::Failed => (Tone::Bad, "Failed"),
        DeploymentState::RolledBack => (Tone::Warn, "Rolled back"),
        DeploymentState::Cancelled => (Tone::Idle, "Cancelled"),
        DeploymentState::Superseded => (Tone::Idle, "Superseded"),
        DeploymentState::Refused => (Tone::Bad, "Refused"),
        DeploymentState::Expired => (Tone::Idle, "Expired"),
    }
}

/// What a deployment does or did, for people.
pub(super) fn act(deployment: &DeploymentView) -> String {
    let number = deployment.revision;
    match deployment.kind {
        DeploymentKind::Deploy => format!("Deploy revision {number}"),
        DeploymentKind::Rollback => format!("Roll back to revision {number}"),
        DeploymentKind::Scale => format!("Scale with revision {number}"),
        DeploymentKind::Restart => format!("Restart revision {number}"),
        DeploymentKind::Start => format!("Start revision {number}"),
    }
}

/// A machine's or environment's engine.
pub(super) fn machine(state: MachineState) -> (Tone, &'static str) {
    match state {
        MachineState::Unknown => (Tone::Idle, "Not asked yet"),
        MachineState::Up => (Tone::Ok, "Up"),
        MachineState::Away => (Tone::Bad, "Away"),
    }
}

/// An environment: its engines, together.
pub(super) fn environment(environment: &EnvironmentView) -> (Tone, &'static str) {
    if environment.machines.is_empty() { (Tone::Warn, "No machine") } else { machine(environment.state) }
}

/// A step of a connection's test.
pub(super) fn step(state: StepState) -> (Tone, &'static str) {
    match state {
        StepState::Ok => (Tone::Ok, "Right"),
        StepState::Warning => (Tone::Warn, "Mind"),
        StepState::Failed => (Tone::Bad, "Wrong"),
        StepState::Skipped => (Tone::Idle, "Not tried"),
    }
}

/// A copy's state.
pub(super) fn copy(state: CopyState) -> (Tone, &'static str) {
    match state {
        CopyState::Queued => (Tone::Busy, "Waiting"),
        CopyState::Running => (Tone::Busy, "Copying"),
        CopyState::Succeeded => (Tone::Ok, "Here"),
        CopyState::Failed => (Tone::Bad, "Failed"),
        CopyState::Cancelled => (Tone::Idle, "Cancelled"),
    }
}
