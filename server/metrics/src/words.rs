//! The words of the store: of what samples are, the samples themselves, and what is answered. No I/O.

use std::borrow::Cow;
use std::sync::Arc;

use model::ids::{EnvironmentId, MachineId, ProjectId, ServiceId, TaskId};

use crate::Metric;

/// Of what the samples of one stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A service in an environment: samples of its tasks.
    Service {
        /// The service's project.
        project: ProjectId,
        /// The service.
        service: ServiceId,
        /// Where it runs.
        environment: EnvironmentId,
    },
    /// A machine.
    Machine(MachineId),
}

/// A task of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The task.
    pub task: TaskId,
    /// Its slot.
    pub slot: u32,
    /// The number of its revision.
    pub revision: u32,
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What was measured.
    pub metric: Metric,
    /// Of which part (a mount, a device, a mode, an application's own name); empty where there is but one. At most [`Value::LABEL`] bytes.
    pub label: Cow<'static, str>,
    /// In the metric's unit. A counter's whole sum, not its growth.
    pub value: f64,
}

impl Value {
    /// Most bytes of a label.
    pub const LABEL: usize = 200;

    /// A number without a label.
    #[must_use]
    pub const fn new(metric: Metric, value: f64) -> Self {
        Self { metric, label: Cow::Borrowed(""), value }
    }

    /// A number of the part that the label names.
    #[must_use]
    pub fn labelled(metric: Metric, label: impl Into<Cow<'static, str>>, value: f64) -> Self {
        Self { metric, label: label.into(), value }
    }
}

/// What was measured of one task or machine at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its stream.
    pub key: Key,
    /// Which task of the service; none of a machine.
    pub member: Option<Member>,
    /// The numbers, at most [`Sample::VALUES`].
    pub values: Vec<Value>,
}

impl Sample {
    /// Most numbers of one sample.
    pub const VALUES: usize = 1000;
}

/// What came of adding samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Numbers that are kept.
    pub kept: u64,
    /// Numbers that are not: no finite number, a label that is too long, more than a sample may have, more series than a stream or all of them may
    /// have in an hour, a service's sample without a task or a machine's with one, or [`Metric::Tasks`], which the store counts itself.
    pub refused: u64,
    /// Whose numbers those are that are not kept, and how many of each.
    pub of: Vec<(Key, u64)>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Select<'a> {
    /// These metrics.
    pub metrics: &'a [Metric],
    /// Of this part alone; all of them when none.
    pub label: Option<&'a str>,
    /// From this time, in milliseconds since 1970.
    pub from_ms: i64,
    /// Up to this time, without it.
    pub to_ms: i64,
    /// Most points of each series; between 2 and 10,000.
    pub max_points: usize,
}

/// How finely an answer's source was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// As it was sampled.
    Raw,
    /// Rolled up over five minutes.
    FiveMinutes,
    /// Rolled up over an hour.
    Hour,
}

/// What a series was in the time from `at_ms` to `at_ms` and the answer's step. A counter's numbers are growth per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When it begins, in milliseconds since 1970.
    pub at_ms: i64,
    /// The least.
    pub min: f64,
    /// The mean over time.
    pub avg: f64,
    /// The peak: the greatest sample, or growth between two samples, also where this point is of an hour.
    pub max: f64,
    /// Milliseconds that samples cover: `avg` times this is what was used.
    pub covered_ms: i64,
    /// Whether nothing is known of the time right before: no line leads here from the point before.
    pub begins: bool,
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Of which task; none of a machine, and of what is of all tasks together.
    pub member: Option<Member>,
    /// What was measured.
    pub metric: Metric,
    /// Of which part.
    pub label: Arc<str>,
    /// In the order of time. Where nothing was sampled there is none.
    pub points: Vec<Point>,
}

/// What [`crate::Store::query`] answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How finely it was kept.
    pub resolution: Resolution,
    /// Milliseconds that each point stands for.
    pub step_ms: i64,
    /// In the order of metric, label, slot, task.
    pub series: Vec<Series>,
    /// Milliseconds between two samples beyond which there is a gap.
    pub(crate) gap_ms: i64,
    /// Of a service: how long it was watched at all in the time of each point. What totals are averaged over.
    pub(crate) watched: Vec<Watched>,
    /// Whether a part could not be read, because its file is damaged: it is a gap.
    pub damaged: bool,
}

/// How long a service was watched in one point's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Watched {
    pub(crate) at_ms: i64,
    pub(crate) covered_ms: i64,
    pub(crate) begins: bool,
}

/// All tasks together, in one point's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    /// When it begins, in milliseconds since 1970.
    pub at_ms: i64,
    /// The sum's mean over the time in which the service was watched: exact, also where tasks took turns within the time.
    pub sum: f64,
    /// What the sum never exceeded: the sum of all peaks, which need not have been at the same time.
    pub bound: f64,
    /// The mean of the task with the least.
    pub lowest: f64,
    /// The mean of the task with the most.
    pub highest: f64,
    /// How many series are summed up.
    pub series: usize,
    /// Whether nothing is known of the time right before.
    pub begins: bool,
}

/// What [`crate::Store::totals`] answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    /// How finely it was kept.
    pub resolution: Resolution,
    /// Milliseconds that each point stands for.
    pub step_ms: i64,
    /// In the order of metric and label.
    pub series: Vec<TotalSeries>,
    /// Whether a part could not be read, because its file is damaged: it is a gap.
    pub damaged: bool,
}

/// One metric's totals.
#[derive(Clone, Debug, PartialEq)]
pub struct TotalSeries {
    /// What was measured.
    pub metric: Metric,
    /// Of which part.
    pub label: Arc<str>,
    /// In the order of time. Where nothing was sampled there is none. Where a point stands for several roll-ups they differ from what
    /// [`Answer::total`] says, which knows each task's whole point and no roll-up of it:
    ///
    /// - `bound`, `lowest` and `highest` are the most extreme of the roll-ups': the sum of what was at most used within one of them, and the least and
    ///   the greatest mean of a task within one. There, `bound` is never less, `lowest` never less and `highest` never more.
    /// - `series` is how many tasks there were within one roll-up; there, how many there were in the point, also one after the other.
    /// - `sum` may be averaged over a time that is longer or shorter by as much as two samples may lie apart.
    /// - `begins` is true as well where this figure alone was missing before, while others of the service were sampled.
    pub points: Vec<Total>,
}

/// The last numbers of one task or machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Latest {
    /// Its stream.
    pub key: Key,
    /// Which task; none of a machine.
    pub member: Option<Member>,
    /// When it was last sampled, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its numbers.
    pub values: Vec<Now>,
}

/// One last number.
#[derive(Clone, Debug, PartialEq)]
pub struct Now {
    /// What was measured.
    pub metric: Metric,
    /// Of which part.
    pub label: Arc<str>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The sample: a counter's whole sum.
    pub value: f64,
    /// A counter's growth per second since the sample before; none without one.
    pub rate: Option<f64>,
}

/// A stream's last hour, minute by minute, for a page with all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Its stream.
    pub key: Key,
    /// In the order of time; minutes in which nothing was sampled are missing.
    pub minutes: Vec<Minute>,
}

/// What all tasks of a stream together, or a machine, used in one minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minute {
    /// When it begins, in milliseconds since 1970.
    pub at_ms: i64,
    /// The means of [`Overview::METRICS`], in that order; none of what was not sampled.
    pub values: [Option<f64>; Overview::METRICS.len()],
}

impl Overview {
    /// What it shows; parts (labels) are summed up.
    pub const METRICS: [Metric; 4] = [Metric::CpuUsed, Metric::MemoryWorkingSet, Metric::NetReceived, Metric::NetSent];
}

/// What retention deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files.
    pub files: u64,
    /// Bytes on disk.
    pub bytes: u64,
}
