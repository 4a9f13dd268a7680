//! Views of events: what happened to containers, as engines told it or as it was found out later, and the marks that are made of it in charts.

use serde::{Deserialize, Serialize};

use crate::ids::{EventId, TaskId};
use crate::names::{EnvironmentName, MachineName, ProjectName, ServiceName};
use crate::time::Millis;
use crate::words::words;

words! {
    /// What happened.
    EventKind,
    /// It was made.
    Created = "created",
    /// Its program started.
    Started = "started",
    /// Its program ended.
    Died = "died",
    /// The kernel ended a process of it for want of memory.
    OutOfMemory = "oom",
    /// A signal was sent to it.
    Killed = "killed",
    /// It was stopped by order.
    Stopped = "stopped",
    /// The engine started it again by order.
    Restarted = "restarted",
    /// It is gone.
    Removed = "removed",
    /// Its health check passes.
    Healthy = "healthy",
    /// Its health check failed too often.
    Unhealthy = "unhealthy",
    /// Frozen.
    Paused = "paused",
    /// Goes on.
    Resumed = "resumed",
    /// It got another name.
    Renamed = "renamed",
    /// Its limits or restart policy were changed.
    Updated = "updated",
    /// What happened for a while is not known.
    Gap = "gap",
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// The event.
    pub id: EventId,
    /// When, by the engine's clock.
    pub at: Millis,
    /// What.
    pub kind: EventKind,
    /// The machine.
    pub machine: MachineName,
    /// The project; this and the next ones are left out for a container that Slipway did not make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// The service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Its place among the service's tasks, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<i64>,
    /// Number of the revision that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The container's id on the engine; none: it happened to the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The container's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The image that it was made from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// What its program ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// The signal that was sent, or that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i64>,
    /// Whether it ended for want of memory.
    pub oom: bool,
    /// Whether Slipway ended it.
    pub planned: bool,
    /// Whether nobody heard it: it was found out later.
    pub recovered: bool,
    /// What its health check printed, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl EventView {
    /// With what a program ended, for people: `exit code 1`, `exit code 137 (SIGKILL, out of memory)`; none where that is not known.
    #[must_use]
    pub fn ending(&self) -> Option<String> {
        let code = self.exit_code?;
        let mut about = Vec::new();
        if let Some(signal) = self.signal {
            let name = signal_name(signal);
            about.push(if code == 128 + signal { name } else { format!("after {name}") });
        }
        if self.oom {
            about.push(String::from("out of memory"));
        }
        Some(if about.is_empty() { format!("exit code {code}") } else { format!("exit code {code} ({})", about.join(", ")) })
    }
}

/// What a signal is called.
#[must_use]
pub fn signal_name(signal: i64) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        17 => "SIGCHLD",
        18 => "SIGCONT",
        19 => "SIGSTOP",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        28 => "SIGWINCH",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// A part of a timeline, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsView {
    /// The events.
    pub items: Vec<EventView>,
    /// The cursor for older ones (`after`); none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The cursor for newer ones (`before`); none where nothing newer is known to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

/// Which events are asked for, as an address has it: what is empty asks for nothing in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventFilter {
    /// What happened: a word of [`EventKind`].
    pub kind: String,
    /// To which task.
    pub task: String,
    /// In which environment.
    pub environment: String,
    /// From when: RFC 3339, seconds since 1970, or an age like `10m`.
    pub since: String,
    /// Until when.
    pub until: String,
    /// `true`: also of containers that Slipway did not make, and of engines. Where all events are listed, and for those who manage machines.
    pub others: String,
    /// What is older than this cursor.
    pub after: String,
    /// What is newer than this cursor.
    pub before: String,
    /// How many at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl EventFilter {
    /// What an address says after `?`: the names and values of what is asked for, without the place in the list.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, &str); 6] {
        [
            ("kind", self.kind.as_str()),
            ("task", self.task.as_str()),
            ("environment", self.environment.as_str()),
            ("since", self.since.as_str()),
            ("until", self.until.as_str()),
            ("others", self.others.as_str()),
        ]
    }
}

words! {
    /// What a mark in a chart stands for.
    MarkKind,
    /// A deployment.
    Deployment = "deployment",
    /// A task ended by itself, and was started again.
    Restart = "restart",
    /// A task ended for want of memory.
    OutOfMemory = "oom",
    /// A health check failed.
    Unhealthy = "unhealthy",
    /// An alert fired.
    Alert = "alert",
    /// A machine's engine went away or came back, or it is not known what happened there for a while.
    Engine = "engine",
}

/// A mark on a chart's axis of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkView {
    /// When, in milliseconds since the epoch.
    pub ms: i64,
    /// What it stands for.
    pub kind: MarkKind,
    /// What happened, for people.
    pub text: String,
    /// The page that tells more.
    pub link: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn died(exit_code: Option<i64>, signal: Option<i64>, oom: bool) -> Option<String> {
        let json = serde_json::json!({"id": "0193a000-0000-7000-8000-000000000000", "at": 0, "kind": "died", "machine": "m1", "exit_code": exit_code,
            "signal": signal, "oom": oom, "planned": false, "recovered": false});
        serde_json::from_value::<EventView>(json).expect("an event").ending()
    }

    #[test]
    fn an_end_is_told_by_code_and_signal() {
        assert_eq!(died(Some(1), None, false).as_deref(), Some("exit code 1"));
        assert_eq!(died(Some(137), Some(9), true).as_deref(), Some("exit code 137 (SIGKILL, out of memory)"));
        assert_eq!(died(Some(0), Some(15), false).as_deref(), Some("exit code 0 (after SIGTERM)"));
        assert_eq!(died(Some(165), Some(37), false).as_deref(), Some("exit code 165 (signal 37)"));
        assert_eq!(died(None, Some(9), false), None);
    }
}
