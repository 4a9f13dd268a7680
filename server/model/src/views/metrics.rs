//! Views of what services and machines use: columns of numbers over one axis of time, so that a chart, a table and a program read the same. Nothing
//! is looked up here.

use serde::{Deserialize, Serialize};

use super::events::MarkView;
use crate::ids::{EnvironmentId, MachineId, ServiceId, TaskId};
use crate::metrics::Group;
use crate::names::{EnvironmentName, MachineName, ProjectName, ServiceName};
use crate::time::Millis;
use crate::words::words;

words! {
    /// What a chart's numbers count.
    Unit,
    /// Processors that are used all the time.
    Cores = "cores",
    /// Bytes.
    Bytes = "bytes",
    /// Bytes in a second.
    BytesPerSecond = "bytes_per_second",
    /// Parts of a hundred.
    Percent = "percent",
    /// How many.
    Count = "count",
    /// How many in a second.
    PerSecond = "per_second",
    /// How often it happened in the time that a place of the axis stands for: the sum over places is how often it happened in all of them.
    Times = "times",
}

words! {
    /// How finely figures were kept.
    Resolution,
    /// As they were sampled.
    Raw = "raw",
    /// Rolled up over five minutes.
    FiveMinutes = "5m",
    /// Rolled up over an hour.
    Hour = "1h",
}

/// A number for each time of the axis; none where nothing is known.
pub type Column = Vec<Option<f64>>;

/// One line of a chart: a task, or a part of it or of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineView {
    /// Its name, for people.
    pub name: String,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Its place among the service's tasks, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// The number of the revision that it runs or ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Of which part: a device, a mount, an application's own name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// The means, of the time in which it was measured.
    pub mean: Column,
    /// The least; empty where it is not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub least: Column,
    /// The most; empty where it is not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peak: Column,
    /// Places on the axis to which no line leads from the one before.
    pub begins: Vec<u32>,
    /// The means in the time before, moved to the same places of the axis: where lines do not add up and were to be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Column,
}

/// All lines together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TotalView {
    /// The mean of their sum.
    pub mean: Column,
    /// What their sum never exceeded: the sum of their peaks.
    pub bound: Column,
    /// The mean of the line with the least.
    pub lowest: Column,
    /// The mean of the line with the most.
    pub highest: Column,
    /// Places on the axis to which no line leads from the one before.
    pub begins: Vec<u32>,
}

/// How many of a side's tasks have a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitedView {
    /// That have one.
    pub tasks: u32,
    /// Of how many.
    pub of: u32,
}

/// What a chart shows in one direction: what is used, received, sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideView {
    /// Its name, for people: `used`, `received`.
    pub name: String,
    /// The metric's name in `docs/figures.md`.
    pub metric: String,
    /// The lines.
    pub lines: Vec<LineView>,
    /// All of them together, where a sum means something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<TotalView>,
    /// What all of them together may use; none at times at which one of them had no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Column>,
    /// What one of them may use: of several limits the greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_of_one: Option<Column>,
    /// Which share of the tasks has a limit, where some have one and others have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<LimitedView>,
    /// The sum in the time before, moved to the same places of the axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Column>,
}

impl SideView {
    /// Whether anything is known at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.mean.iter().all(Option::is_none))
    }
}

/// One chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChartView {
    /// What it is about.
    pub group: Group,
    /// Its title, for people.
    pub title: String,
    /// What its numbers count.
    pub unit: Unit,
    /// One side, or two: what comes in is drawn upwards, what goes out downwards.
    pub sides: Vec<SideView>,
}

/// Why a task does not tell all of its own figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrapeProblemView {
    /// The task.
    pub task: TaskId,
    /// Its place among the service's tasks, from 1.
    pub slot: u32,
    /// Where it was asked last and what went wrong, for people.
    pub text: String,
    /// Since when it did not tell all of them, whatever went wrong first.
    pub since: Millis,
}

/// What a service or a machine used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsView {
    /// From.
    pub from: Millis,
    /// Up to, without it.
    pub to: Millis,
    /// Milliseconds that each place of the axis stands for.
    pub step_ms: i64,
    /// How finely the figures were kept.
    pub resolution: Resolution,
    /// Where the service runs; none of a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The axis: when each place begins, in milliseconds since the epoch.
    pub at: Vec<i64>,
    /// The charts.
    pub charts: Vec<ChartView>,
    /// What happened meanwhile.
    pub marks: Vec<MarkView>,
    /// Of a service: which of its tasks do not tell all of their own figures at the moment, whatever time is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ScrapeProblemView>,
    /// Whether some of it could not be read: a gap that is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
}

impl ChartView {
    /// Its id in the page.
    #[must_use]
    pub fn anchor(&self) -> String {
        self.group.anchor(&self.title)
    }
}

impl MetricsView {
    /// Whether nothing is known of this time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.charts.iter().flat_map(|chart| &chart.sides).all(SideView::is_empty)
    }
}

/// What is used at the moment; what could not be sampled is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NowView {
    /// Processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Bytes of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<f64>,
    /// Bytes that come in each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<f64>,
    /// Bytes that go out each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<f64>,
}

/// What was used in the last hour, in the places of the overview's axis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UseView {
    /// Processors.
    pub cpu: Column,
    /// Bytes of memory.
    pub memory: Column,
    /// Bytes that came in each second.
    pub received: Column,
    /// Bytes that went out each second.
    pub sent: Column,
    /// What is used at the moment; none: it was not measured in the last minutes.
    pub now: Option<NowView>,
}

/// A service in one environment, in the overview.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceUse {
    /// The service.
    pub id: ServiceId,
    /// Its project.
    pub project: ProjectName,
    /// Its name.
    pub service: ServiceName,
    /// Where it runs; none: nothing was measured of it anywhere in the last hour.
    pub environment: Option<EnvironmentName>,
    /// The environment's id.
    pub environment_id: Option<EnvironmentId>,
    /// Tasks that were measured in the last minute.
    pub tasks: u32,
    /// What it used.
    pub usage: UseView,
}

/// How full a file system is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiskUse {
    /// Where it is mounted.
    pub mount: String,
    /// Bytes that are used.
    pub used: f64,
    /// Bytes that it has.
    pub size: f64,
}

/// A machine in the overview.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineUse {
    /// The machine.
    pub id: MachineId,
    /// Its name.
    pub machine: MachineName,
    /// The environment that it belongs to.
    pub environment: EnvironmentName,
    /// What it used.
    pub usage: UseView,
    /// Its fullest file system; none: none was measured in the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskUse>,
}

/// All services that the reader may see, and for operators all machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverviewView {
    /// When this was.
    pub now: Millis,
    /// Milliseconds that each place of the axis stands for.
    pub step_ms: i64,
    /// The axis: when each place begins, in milliseconds since the epoch.
    pub at: Vec<i64>,
    /// Services, each in each environment.
    pub services: Vec<ServiceUse>,
    /// How many there are in all.
    pub total: u32,
    /// More come `after` this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
    /// Machines; none where the reader may not see what they use.
    pub machines: Vec<MachineUse>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_measured_is_empty() {
        let line = |mean: Column| LineView { mean, ..LineView::default() };
        let side = |lines: Vec<LineView>| SideView { lines, ..SideView::default() };
        assert!(side(Vec::new()).is_empty() && side(vec![line(vec![None, None])]).is_empty());
        assert!(!side(vec![line(vec![None, Some(0.0)])]).is_empty(), "nothing used is something known");
    }
}
