//! How the model's states are said, each with its tone.

use model::views::copies::CopyState;
use model::views::deployments::{DeploymentKind, DeploymentState, DeploymentView};
use model::views::environments::{EnvironmentView, MachineState, StepState};
use model::views::events::{EventKind, EventView};
use model::views::services::{LastRun, RunSummary, ServiceState, TaskHealth, TaskState, TaskView};

use crate::components::Tone;

/// A service in an environment. Of a job, whose tasks are there to end, it is how the last run ended.
pub(super) fn service(run: &RunSummary) -> (Tone, &'static str) {
    match (run.state, run.job) {
        (ServiceState::Empty, _) => (Tone::Idle, "Nothing deployed"),
        (ServiceState::Deploying, _) => (Tone::Busy, "Deploying"),
        (ServiceState::Stopped, _) => (Tone::Idle, "Stopped"),
        (_, Some(LastRun::None)) => (Tone::Idle, "No runs yet"),
        (_, Some(LastRun::Succeeded)) => (Tone::Ok, "Succeeded"),
        (_, Some(LastRun::Failed)) => (Tone::Bad, "Failed"),
        (ServiceState::Healthy, None) => (Tone::Ok, "Healthy"),
        (ServiceState::Degraded, None) => (Tone::Warn, "Degraded"),
        (ServiceState::Down, None) => (Tone::Bad, "Down"),
    }
}

/// How many tasks of a service are as they should be, or what the state of a job is about.
pub(super) fn tasks_of(run: &RunSummary) -> String {
    match (run.job, run.state) {
        (Some(LastRun::Succeeded | LastRun::Failed), ServiceState::Healthy | ServiceState::Degraded | ServiceState::Down) => String::from("last run"),
        (Some(_), _) => String::from("job"),
        // While they are replaced there are more of them.
        (None, _) => format!("{} of {} {}", run.healthy.min(run.total), run.total, if run.total == 1 { "task" } else { "tasks" }),
    }
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

/// What happens to a container.
pub(super) fn event_kind(kind: EventKind) -> (Tone, &'static str) {
    match kind {
        EventKind::Created => (Tone::Idle, "Created"),
        EventKind::Started => (Tone::Ok, "Started"),
        EventKind::Died => (Tone::Bad, "Exited"),
        EventKind::OutOfMemory => (Tone::Bad, "Out of memory"),
        EventKind::Killed => (Tone::Warn, "Signal sent"),
        EventKind::Stopped => (Tone::Idle, "Stopped"),
        EventKind::Restarted => (Tone::Busy, "Restarted"),
        EventKind::Removed => (Tone::Idle, "Removed"),
        EventKind::Healthy => (Tone::Ok, "Healthy"),
        EventKind::Unhealthy => (Tone::Bad, "Unhealthy"),
        EventKind::Paused => (Tone::Warn, "Paused"),
        EventKind::Resumed => (Tone::Ok, "Resumed"),
        EventKind::Renamed => (Tone::Warn, "Renamed"),
        EventKind::Updated => (Tone::Warn, "Limits changed"),
        EventKind::Gap => (Tone::Warn, "Not known"),
    }
}

/// An event: an end that Slipway brought about, or that is no failure, is nothing to look at.
pub(super) fn event(event: &EventView) -> (Tone, &'static str) {
    let (tone, text) = event_kind(event.kind);
    let fine = event.planned || (event.kind == EventKind::Died && event.exit_code == Some(0));
    (if fine { Tone::Idle } else { tone }, text)
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
        DeploymentKind::Clone => format!("Clone as revision {number}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(state: ServiceState, job: Option<LastRun>) -> RunSummary {
        let environment = "local".parse().expect("a name");
        let updated_at = model::time::Millis(1);
        RunSummary { environment, state, healthy: 0, total: 0, image: None, revision: Some(1), updated_at, crash_loop: false, job }
    }

    #[test]
    fn a_job_says_how_its_last_run_ended() {
        let said = |state, job| {
            let run = summary(state, job);
            format!("{} {}", service(&run).1, tasks_of(&run))
        };
        assert_eq!(said(ServiceState::Healthy, Some(LastRun::None)), "No runs yet job");
        assert_eq!(said(ServiceState::Healthy, Some(LastRun::Succeeded)), "Succeeded last run");
        assert_eq!(said(ServiceState::Degraded, Some(LastRun::Failed)), "Failed last run");
        assert_eq!(said(ServiceState::Stopped, Some(LastRun::Failed)), "Stopped job");
        assert_eq!(said(ServiceState::Deploying, Some(LastRun::None)), "Deploying job");
        assert_eq!(said(ServiceState::Healthy, None), "Healthy 0 of 0 tasks");
    }
}
