//! What was seen of a container: the cheap view out of a list of all, and the full state out of an inspection.
//!
//! Pure: reads what the engine answered, says nothing about what should be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bollard::models::{
    ContainerInspectResponse, ContainerState as EngineState, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum, HealthStatusEnum,
    HostConfig, RestartPolicyNameEnum,
};

use super::Restart;

/// Where in its life a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Frozen by hand.
    Paused,
    /// Between two starts, by the engine's restart policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// Removal failed half way.
    Dead,
}

/// The engine's own verdict on health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// No check.
    None,
    /// In its start period.
    Starting,
    /// The last check passed.
    Healthy,
    /// Too many checks failed.
    Unhealthy,
}

/// One line of the list of all containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSeen {
    /// The engine's id.
    pub id: String,
    /// Name, without the slash.
    pub name: String,
    /// Reference that it was made from.
    pub image: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Where in its life.
    pub status: Status,
    /// The engine's own health check.
    pub health: Health,
    /// If it ended: the exit code, where the list tells it.
    pub exit_code: Option<i64>,
    /// Address in each network.
    pub addresses: BTreeMap<String, IpAddr>,
    /// Networks that it is connected to.
    pub networks: Vec<String>,
    /// Seconds since the epoch, by the engine's clock.
    pub created: i64,
}

/// What a container may take, and what the engine does when it ends: an engine changes these while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// When it ends by itself.
    pub restart: Restart,
}

impl Limits {
    /// From the engine's inspection.
    pub(super) fn read(host: &HostConfig) -> Self {
        let policy = host.restart_policy.clone().unwrap_or_default();
        let restart = match policy.name {
            Some(RestartPolicyNameEnum::ON_FAILURE) => {
                Restart::OnFailure { max: policy.maximum_retry_count.and_then(|n| u32::try_from(n).ok()).unwrap_or_default() }
            }
            Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED) => Restart::Always,
            _ => Restart::No,
        };
        // Processors are given as a quota of a period, too.
        let quota = match (host.cpu_quota.filter(|quota| *quota > 0), host.cpu_period.filter(|period| *period > 0)) {
            (Some(quota), period) => u32::try_from(quota.saturating_mul(1_000) / period.unwrap_or(100_000)).ok(),
            (None, _) => None,
        };
        let nano = host.nano_cpus.filter(|nano| *nano > 0).and_then(|nano| u32::try_from(nano / 1_000_000).ok());
        Self {
            memory: host.memory.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0),
            cpu_millis: nano.or(quota),
            pids: host.pids_limit.and_then(|pids| u32::try_from(pids).ok()).filter(|pids| *pids > 0),
            restart,
        }
    }
}

/// The full state of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// The engine's id.
    pub id: String,
    /// Where in its life.
    pub status: Status,
    /// If it ended: with what.
    pub exit_code: Option<i64>,
    /// Was it ended for want of memory?
    pub out_of_memory: bool,
    /// Why it could not be started, in the engine's words.
    pub error: Option<String>,
    /// Health with the last check's output.
    pub health: HealthSeen,
    /// How often the engine started it again.
    pub restarts: u32,
    /// Address in each network.
    pub addresses: BTreeMap<String, IpAddr>,
    /// Last start, milliseconds since the epoch.
    pub started_at: Option<i64>,
    /// Last end, milliseconds since the epoch.
    pub finished_at: Option<i64>,
}

/// Health as an inspection tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSeen {
    /// The verdict.
    pub health: Health,
    /// Failures in a row.
    pub failing: u32,
    /// What the last check printed, cut by the engine; a secret may be in it.
    pub output: Option<String>,
}

impl Status {
    /// Does it have a running process (a frozen one counts)?
    pub fn alive(self) -> bool {
        matches!(self, Status::Running | Status::Paused | Status::Restarting)
    }
}

impl ContainerSeen {
    /// From the engine's list; `None` for what has no id (nothing that a call could be made for).
    pub(super) fn read(summary: ContainerSummary) -> Option<Self> {
        let text = summary.status.unwrap_or_default();
        let status = summary.state.map_or(Status::Created, from_summary);
        let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Some(Self {
            id: summary.id?,
            name: name.trim_start_matches('/').to_owned(),
            image: summary.image.unwrap_or_default(),
            labels: summary.labels.unwrap_or_default().into_iter().collect(),
            status,
            networks: networks.keys().cloned().collect(),
            health: health_in(&text),
            exit_code: exit_code_in(&text),
            addresses: networks.into_iter().filter_map(|(network, end)| Some((network, end.ip_address?.parse().ok()?))).collect(),
            created: summary.created.unwrap_or_default(),
        })
    }

    /// A label's value. Our containers bear those of our labels that don't apply without a value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl ContainerState {
    /// From the engine's inspection.
    pub(super) fn read(answer: ContainerInspectResponse) -> Self {
        let state = answer.state.unwrap_or_default();
        let status = state.status.map_or(Status::Created, from_state);
        let networks = answer.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Self {
            id: answer.id.unwrap_or_default(),
            status,
            exit_code: matches!(status, Status::Exited | Status::Dead | Status::Restarting).then_some(state.exit_code).flatten(),
            out_of_memory: state.oom_killed.unwrap_or_default(),
            error: state.error.clone().filter(|text| !text.is_empty()),
            restarts: answer.restart_count.and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
            addresses: networks.into_iter().filter_map(|(network, end)| Some((network, end.ip_address?.parse().ok()?))).collect(),
            started_at: state.started_at.as_deref().and_then(millis),
            finished_at: state.finished_at.as_deref().and_then(millis),
            health: HealthSeen::read(&state),
        }
    }
}

impl HealthSeen {
    fn read(state: &EngineState) -> Self {
        let Some(seen) = &state.health else {
            return Self { health: Health::None, failing: 0, output: None };
        };
        let health = match seen.status {
            Some(HealthStatusEnum::STARTING) => Health::Starting,
            Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
            _ => Health::None,
        };
        let last = seen.log.as_ref().and_then(|log| log.last());
        let output = last.and_then(|check| check.output.as_deref()).map(str::trim).filter(|text| !text.is_empty());
        Self { health, failing: seen.failing_streak.and_then(|n| u32::try_from(n).ok()).unwrap_or_default(), output: output.map(str::to_owned) }
    }
}

fn from_summary(state: ContainerSummaryStateEnum) -> Status {
    match state {
        ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING => Status::Running,
        ContainerSummaryStateEnum::PAUSED => Status::Paused,
        ContainerSummaryStateEnum::RESTARTING => Status::Restarting,
        ContainerSummaryStateEnum::REMOVING => Status::Removing,
        ContainerSummaryStateEnum::EXITED => Status::Exited,
        ContainerSummaryStateEnum::DEAD => Status::Dead,
        ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY => Status::Created,
    }
}

fn from_state(state: ContainerStateStatusEnum) -> Status {
    match state {
        ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING => Status::Running,
        ContainerStateStatusEnum::PAUSED => Status::Paused,
        ContainerStateStatusEnum::RESTARTING => Status::Restarting,
        ContainerStateStatusEnum::REMOVING => Status::Removing,
        ContainerStateStatusEnum::EXITED => Status::Exited,
        ContainerStateStatusEnum::DEAD => Status::Dead,
        ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY => Status::Created,
    }
}

/// "Up 3 minutes (healthy)": the list has no other field for it before API 1.52.
fn health_in(text: &str) -> Health {
    if text.ends_with("(healthy)") {
        Health::Healthy
    } else if text.ends_with("(unhealthy)") {
        Health::Unhealthy
    } else if text.ends_with("(health: starting)") {
        Health::Starting
    } else {
        Health::None
    }
}

/// "Exited (137) 3 minutes ago", "Restarting (1) 2 seconds ago".
fn exit_code_in(text: &str) -> Option<i64> {
    let rest = text.strip_prefix("Exited (").or_else(|| text.strip_prefix("Restarting ("))?;
    rest.split_once(')')?.0.parse().ok()
}

/// RFC 3339 to milliseconds; the engine's "never" (year 1) is none.
pub(super) fn millis(text: &str) -> Option<i64> {
    let at = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    (at > 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_tells_health_and_exit_code_in_words() {
        assert_eq!(health_in("Up 3 minutes (healthy)"), Health::Healthy);
        assert_eq!(health_in("Up 2 seconds (health: starting)"), Health::Starting);
        assert_eq!(health_in("Up 1 hour (unhealthy)"), Health::Unhealthy);
        assert_eq!(health_in("Up 1 hour"), Health::None);
        assert_eq!(exit_code_in("Exited (137) 3 minutes ago"), Some(137));
        assert_eq!(exit_code_in("Restarting (1) 2 seconds ago"), Some(1));
        assert_eq!(exit_code_in("Up 1 hour"), None);
    }

    #[test]
    fn never_is_not_a_time() {
        assert_eq!(millis("0001-01-01T00:00:00Z"), None);
        assert_eq!(millis("2026-11-20T08:00:00.5Z"), Some(1_795_161_600_500));
    }
}
