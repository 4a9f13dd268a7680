//! Views of quotas: how much a project keeps and runs, and how much it may.

use serde::{Deserialize, Serialize};

use crate::descriptor::Resources;
use crate::names::ProjectName;
use crate::page::Page;
use crate::quantity::{Cpus, Memory, PortRange, shown_bytes};
use crate::words::words;

/// How much there may be; no limit where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of blobs, each counted once.
    pub bytes: Option<i64>,
    /// Tags in all repositories.
    pub tags: Option<i64>,
    /// Processors of all tasks together.
    pub cpus: Option<Cpus>,
    /// Bytes of memory of all tasks together.
    pub memory: Option<i64>,
    /// Tasks of all services in all environments.
    pub tasks: Option<i64>,
    /// Where fixed ports of machines may lie; none: anywhere that is allowed at all.
    pub ports: Option<PortRange>,
    /// What a task gets whose descriptor says no share of processors; none in a project: the site's.
    pub task_cpus: Option<Cpus>,
    /// What a task gets whose descriptor says no memory, in bytes; none in a project: the site's.
    pub task_memory: Option<i64>,
    /// Bytes of kept logs, of which the oldest go; none in a project: the site's. Limits that an older portal wrote do not name it.
    #[serde(default = "logs_by_default")]
    pub logs: Option<i64>,
    /// The same of recordings of shells.
    #[serde(default = "recordings_by_default")]
    pub recordings: Option<i64>,
}

/// Bytes of kept logs of each project, as long as no operator said anything, not even that there is no limit.
pub const LOGS_BY_DEFAULT: i64 = 2 << 30;
/// The same of recordings of shells.
pub const RECORDINGS_BY_DEFAULT: i64 = 1 << 30;

fn logs_by_default() -> Option<i64> {
    Some(LOGS_BY_DEFAULT)
}

fn recordings_by_default() -> Option<i64> {
    Some(RECORDINGS_BY_DEFAULT)
}

impl Limits {
    /// Whether what runs is limited.
    #[must_use]
    pub fn limits_running(&self) -> bool {
        self.cpus.is_some() || self.memory.is_some() || self.tasks.is_some()
    }

    /// The limits that a task without its own gets.
    #[must_use]
    pub fn task(&self) -> TaskLimits {
        let memory = self.task_memory.and_then(|bytes| u64::try_from(bytes).ok()).map(Memory::from_bytes);
        TaskLimits { cpus: self.task_cpus, memory }
    }
}

/// What each task gets that names no limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLimits {
    /// Share of processors.
    pub cpus: Option<Cpus>,
    /// Memory.
    pub memory: Option<Memory>,
}

impl TaskLimits {
    /// These, and where there is none the others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self { cpus: self.cpus.or(others.cpus), memory: self.memory.or(others.memory) }
    }

    /// Fills in what a descriptor leaves open. What was filled in, in words.
    pub fn fill(self, resources: &mut Resources) -> Vec<String> {
        let mut filled = Vec::new();
        if let Some(cpus) = self.cpus.filter(|_| resources.cpus.is_none()) {
            resources.cpus = Some(cpus);
            filled.push(format!("{cpus} CPUs"));
        }
        if let Some(memory) = self.memory.filter(|_| resources.memory.is_none()) {
            resources.memory = Some(memory);
            filled.push(memory.to_string());
        }
        filled
    }
}

/// What runs, or would run: of each thing how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Thousandths of processors that tasks may take.
    pub cpu_millis: i64,
    /// Bytes of memory that tasks may take.
    pub memory: i64,
    /// Tasks.
    pub tasks: i64,
    /// Tasks without a limit of processors, which are not in the sum.
    pub without_cpus: i64,
    /// Tasks without a limit of memory, which are not in the sum.
    pub without_memory: i64,
}

impl Running {
    /// So many tasks with these limits each.
    #[must_use]
    pub fn of(resources: &Resources, replicas: u32) -> Self {
        let tasks = i64::from(replicas);
        let memory = resources.memory.map(|memory| i64::try_from(memory.bytes()).unwrap_or(i64::MAX));
        Self {
            cpu_millis: resources.cpus.map_or(0, |cpus| i64::from(cpus.millis()) * tasks),
            memory: memory.unwrap_or(0).saturating_mul(tasks),
            tasks,
            without_cpus: if resources.cpus.is_none() { tasks } else { 0 },
            without_memory: if memory.is_none() { tasks } else { 0 },
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, i64::saturating_add)
    }

    /// Of each thing the larger amount.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        self.each(other, i64::max)
    }

    fn each(self, other: Self, both: fn(i64, i64) -> i64) -> Self {
        Self {
            cpu_millis: both(self.cpu_millis, other.cpu_millis),
            memory: both(self.memory, other.memory),
            tasks: both(self.tasks, other.tasks),
            without_cpus: both(self.without_cpus, other.without_cpus),
            without_memory: both(self.without_memory, other.without_memory),
        }
    }
}

words! {
    /// What is counted of what runs.
    Counted,
    /// Thousandths of processors.
    Cpus = "cpu_millis",
    /// Bytes of memory.
    Memory = "memory_bytes",
    /// Tasks.
    Tasks = "tasks",
}

impl Counted {
    /// An amount with its unit, for people.
    #[must_use]
    pub fn shown(self, amount: i64) -> String {
        match self {
            Self::Cpus => shown_cpus(amount),
            Self::Memory => shown_bytes(u64::try_from(amount).unwrap_or(0)),
            Self::Tasks => amount.to_string(),
        }
    }
}

/// Thousandths of processors as people write them: `1.5`.
#[must_use]
pub fn shown_cpus(millis: i64) -> String {
    let text = format!("{}.{:03}", millis / 1000, (millis % 1000).abs());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What a plan takes of one of the project's limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taking {
    /// Of what; amounts are in its unit.
    pub what: Counted,
    /// How much the service would take in that environment.
    pub takes: i64,
    /// How much it takes there now.
    pub before: i64,
    /// The project's limit.
    pub limit: i64,
    /// What would be left of it; below zero where more is taken than the limit allows.
    pub left: i64,
    /// The same for people: `takes 1.5 of 4 CPUs, 2 left`.
    pub text: String,
}

impl Taking {
    /// What is taken of a limit, where others of the project take so much.
    #[must_use]
    pub fn new(what: Counted, takes: i64, before: i64, others: i64, limit: i64) -> Self {
        let left = limit.saturating_sub(others).saturating_sub(takes);
        let unit = match what {
            Counted::Cpus => " CPUs",
            Counted::Memory => " of memory",
            Counted::Tasks => " tasks",
        };
        let rest = if left < 0 { format!("{} more than there may be", what.shown(-left)) } else { format!("{} left", what.shown(left)) };
        let text = format!("takes {} of {}{unit}, {rest}", what.shown(takes), what.shown(limit));
        Self { what, takes, before, limit, left, text }
    }
}

/// A project's quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaView {
    /// The project.
    pub project: ProjectName,
    /// Bytes of its blobs, each counted once.
    pub used_bytes: i64,
    /// Tags in all its repositories.
    pub used_tags: i64,
    /// What should run of it, in all environments; none in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// What it may keep and run. Less than there is stops only what would take more.
    pub limits: Limits,
    /// What a task gets that names no limit: the project's word, else the site's.
    #[serde(default)]
    pub task: TaskLimits,
    /// Bytes of logs that are kept at most: the project's word, else the site's.
    #[serde(default)]
    pub logs: Option<i64>,
    /// Bytes of logs that are kept; none in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_bytes: Option<u64>,
    /// Bytes of recordings of shells that are kept at most: the project's word, else the site's.
    #[serde(default)]
    pub recordings: Option<i64>,
    /// Bytes of recordings of shells that have ended; none in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recordings_bytes: Option<i64>,
}

impl QuotaView {
    /// Whether a limit is reached, so that pushes may be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.limits.bytes.is_some_and(|limit| self.used_bytes >= limit) || self.limits.tags.is_some_and(|limit| self.used_tags >= limit)
    }
}

/// Every project by what it keeps, and what new projects may keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotasView {
    /// The limits that a new project gets, and what each task gets where its project says nothing.
    pub default: Limits,
    /// Projects, the largest first.
    #[serde(flatten)]
    pub projects: Page<QuotaView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_said_in_the_units_that_people_write() {
        assert_eq!(Taking::new(Counted::Cpus, 1500, 0, 500, 4000).text, "takes 1.5 of 4 CPUs, 2 left");
        assert_eq!(Taking::new(Counted::Memory, 256 << 20, 0, 0, 1 << 30).text, "takes 256 MiB of 1.0 GiB of memory, 768 MiB left");
        assert_eq!(Taking::new(Counted::Tasks, 3, 0, 9, 10).text, "takes 3 of 10 tasks, 2 more than there may be");
    }

    #[test]
    fn what_a_descriptor_says_is_never_overwritten() {
        let site = TaskLimits { cpus: Cpus::from_millis(500), memory: Some(Memory::from_mib(256)) };
        let project = TaskLimits { cpus: Cpus::from_millis(250), memory: None };
        let mut own = Resources { cpus: None, memory: Some(Memory::from_mib(64)), pids: None };
        assert_eq!(project.or(site).fill(&mut own), ["0.25 CPUs"]);
        assert_eq!((own.cpus, own.memory), (Cpus::from_millis(250), Some(Memory::from_mib(64))));
        assert!(project.or(site).fill(&mut own).is_empty(), "there is nothing left to say");
    }

    #[test]
    fn limits_of_an_older_portal_say_nothing_of_logs_and_recordings_and_null_is_no_limit() {
        let read = |text: &str| serde_json::from_str::<Limits>(text).map(|limits| (limits.logs, limits.recordings)).expect("limits");
        assert_eq!(read(r#"{"tags":2}"#), (Some(LOGS_BY_DEFAULT), Some(RECORDINGS_BY_DEFAULT)));
        assert_eq!(read(r#"{"tags":2,"logs":null,"recordings":null}"#), (None, None));
        assert_eq!(read(r#"{"logs":5,"recordings":6}"#), (Some(5), Some(6)));
    }

    #[test]
    fn tasks_without_a_limit_are_counted_apart() {
        let some = Running::of(&Resources { cpus: Cpus::from_millis(500), memory: None, pids: None }, 3);
        assert_eq!(some, Running { cpu_millis: 1500, memory: 0, tasks: 3, without_cpus: 0, without_memory: 3 });
        let huge = Running { memory: i64::MAX, ..some };
        assert_eq!(huge.plus(huge).memory, i64::MAX, "sums end at the largest number");
    }
}
