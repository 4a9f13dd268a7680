//! From what the store answers to charts: which figures belong together, in which unit, on one axis. Pure.

mod lines;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ::metrics::{Answer, Member, Metric, Series, Total, Totals};
use model::metrics::{Group, Window};
use model::views::metrics::{ChartView, Column, LimitedView, LineView, Resolution, SideView, TotalView, Unit};

use super::{Detail, count};
use lines::{fold, name};

/// Most figures of an application that are shown, each in a chart of its own.
const FIGURES: usize = 12;
/// Microseconds of a second: a counter of time that grows by so many is one core, or all of the time.
const SECOND: f64 = 1_000_000.0;

/// A chart that can be shown.
pub(super) struct Plan {
    pub group: Group,
    title: &'static str,
    unit: Unit,
    /// How many of the store's units make one of the chart's.
    divisor: f64,
    sides: &'static [Side],
    /// What is drawn in as the limit.
    limit: Option<Metric>,
    form: Form,
}

/// How lines come together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// They add up.
    Sum,
    /// Each stands for itself.
    Apart,
    /// Each stands for itself, as its share of the limit with the same label.
    Share,
    /// Each label is a chart of its own, in which tasks add up.
    EachLabel,
}

impl Form {
    const fn adds_up(self) -> bool {
        matches!(self, Self::Sum | Self::EachLabel)
    }
}

/// One direction of a chart, with the lines' names where it has several metrics.
struct Side {
    name: &'static str,
    metrics: &'static [(Metric, &'static str)],
}

const fn plan(group: Group, title: &'static str, unit: Unit, sides: &'static [Side]) -> Plan {
    Plan { group, title, unit, divisor: 1.0, sides, limit: None, form: Form::Sum }
}

const CPU: Plan = Plan {
    divisor: SECOND,
    limit: Some(Metric::CpuLimit),
    ..plan(Group::Cpu, "CPU", Unit::Cores, &[Side { name: "used", metrics: &[(Metric::CpuUsed, "")] }])
};
const MEMORY: Plan = Plan {
    limit: Some(Metric::MemoryLimit),
    ..plan(Group::Memory, "Memory", Unit::Bytes, &[Side { name: "used", metrics: &[(Metric::MemoryWorkingSet, "")] }])
};
const NETWORK: Plan = plan(
    Group::Network,
    "Network",
    Unit::BytesPerSecond,
    &[Side { name: "received", metrics: &[(Metric::NetReceived, "")] }, Side { name: "sent", metrics: &[(Metric::NetSent, "")] }],
);
const DISK: Plan = plan(
    Group::Disk,
    "Disk",
    Unit::BytesPerSecond,
    &[Side { name: "read", metrics: &[(Metric::BlockRead, "")] }, Side { name: "written", metrics: &[(Metric::BlockWritten, "")] }],
);
const APPLICATION: Plan = Plan {
    form: Form::EachLabel,
    ..plan(Group::Application, "", Unit::Count, &[Side { name: "told", metrics: &[(Metric::AppCounter, ""), (Metric::AppGauge, "")] }])
};
const STORAGE: Plan = Plan {
    limit: Some(Metric::DiskSize),
    form: Form::Share,
    ..plan(Group::Storage, "File systems", Unit::Percent, &[Side { name: "used", metrics: &[(Metric::DiskUsed, "")] }])
};
const LOAD: Plan = Plan {
    limit: Some(Metric::CpuLimit),
    form: Form::Apart,
    ..plan(
        Group::Load,
        "Load",
        Unit::Count,
        &[Side { name: "average", metrics: &[(Metric::Load1, "1 minute"), (Metric::Load5, "5 minutes"), (Metric::Load15, "15 minutes")] }],
    )
};
const PRESSURE: Plan = Plan {
    divisor: SECOND / 100.0,
    form: Form::Apart,
    ..plan(Group::Pressure, "Pressure", Unit::Percent, &[Side { name: "some waited", metrics: &[(Metric::PressureSome, "")] }])
};

/// The charts of a service.
pub(super) const OF_SERVICES: &[Plan] = &[CPU, MEMORY, NETWORK, DISK, APPLICATION];
/// The charts of a machine.
pub(super) const OF_MACHINES: &[Plan] = &[CPU, MEMORY, NETWORK, DISK, STORAGE, LOAD, PRESSURE];

/// The metrics that these charts are made of.
pub(super) fn metrics(plans: &[&Plan]) -> Vec<Metric> {
    let drawn = plans.iter().flat_map(|plan| plan.sides).flat_map(|side| side.metrics).map(|(metric, _)| *metric);
    let mut all: Vec<Metric> = drawn.chain(plans.iter().filter_map(|plan| plan.limit)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Those of them of which it is shown what they came to in the time before.
pub(super) fn compared(plans: &[&Plan]) -> Vec<Metric> {
    let sides = plans.iter().filter(|plan| plan.form.adds_up()).flat_map(|plan| plan.sides);
    sides.flat_map(|side| side.metrics).map(|(metric, _)| *metric).collect()
}

pub(super) const fn resolution(kept: ::metrics::Resolution) -> Resolution {
    match kept {
        ::metrics::Resolution::Raw => Resolution::Raw,
        ::metrics::Resolution::FiveMinutes => Resolution::FiveMinutes,
        ::metrics::Resolution::Hour => Resolution::Hour,
    }
}

/// The places of a chart, one for each step.
pub(super) struct Axis {
    first: i64,
    step: i64,
    places: usize,
    length: i64,
}

impl Axis {
    pub(super) fn new(window: Window, step: i64) -> Self {
        let step = step.max(1);
        let first = window.from.0.div_euclid(step) * step;
        let places = (window.to.0 - first + step - 1) / step;
        Self { first, step, places: usize::try_from(places).unwrap_or(0), length: window.length() }
    }

    pub(super) fn at(&self) -> Vec<i64> {
        (0..self.places).map(|place| self.first + place as i64 * self.step).collect()
    }

    fn place(&self, at: i64) -> Option<usize> {
        let place = usize::try_from((at - self.first).div_euclid(self.step)).ok()?;
        (place < self.places).then_some(place)
    }

    fn empty(&self) -> Column {
        vec![None; self.places]
    }

    /// A column of what lies at these times, as it is.
    fn exact(&self, points: impl Iterator<Item = (i64, f64)>) -> Column {
        let mut column = self.empty();
        for (at, value) in points {
            if let Some(place) = self.place(at) {
                column[place] = Some(value);
            }
        }
        column
    }

    /// A column of what lies at these times, rounded.
    fn column(&self, points: impl Iterator<Item = (i64, f64)>) -> Column {
        let mut column = self.exact(points);
        round(&mut column);
        column
    }

    /// The places at which a line begins anew.
    fn begins(&self, points: impl Iterator<Item = (i64, bool)>) -> Vec<u32> {
        points.filter(|(_, begins)| *begins).filter_map(|(at, _)| Some(self.place(at)? as u32)).collect()
    }

    /// What was a window's length before, moved here. Its points may stand for longer: older figures are kept more coarsely.
    fn moved(&self, sums: &BTreeMap<i64, f64>, step: i64, divisor: f64) -> Column {
        let at = |place: usize| {
            let middle = self.first + place as i64 * self.step - self.length + self.step / 2;
            let (at, sum) = sums.range(..=middle).next_back()?;
            (middle < at + step.max(self.step)).then(|| rounded(sum / divisor))
        };
        (0..self.places).map(at).collect()
    }
}

/// What a metric came to, by time: all tasks, and all parts where none is named.
fn sums(totals: &Totals, metric: Metric, label: Option<&str>) -> BTreeMap<i64, f64> {
    let mut sums = BTreeMap::new();
    for series in totals.series.iter().filter(|series| series.metric == metric && label.is_none_or(|label| *label == *series.label)) {
        for total in &series.points {
            *sums.entry(total.at_ms).or_default() += total.sum;
        }
    }
    sums
}

fn round(column: &mut [Option<f64>]) {
    column.iter_mut().flatten().for_each(|value| *value = rounded(*value));
}

/// More digits are noise, and cost their way to the reader.
fn rounded(value: f64) -> f64 {
    super::rounded(value, 6)
}

/// All charts of which there is something; those that everybody has are there in any case.
pub(super) fn all(plans: &[&Plan], axis: &Axis, answer: &Answer, before: Option<&Totals>, detail: Detail) -> Vec<ChartView> {
    let made = Making { axis, answer, before, detail };
    let mut charts = Vec::new();
    for plan in plans {
        if plan.form == Form::EachLabel {
            charts.extend(made.of_labels(plan));
            continue;
        }
        let sides: Vec<SideView> = plan.sides.iter().map(|side| made.side(plan, side, None)).collect();
        let common = matches!(plan.group, Group::Cpu | Group::Memory | Group::Network | Group::Disk);
        if common || !sides.iter().all(SideView::is_empty) {
            charts.push(ChartView { group: plan.group, title: plan.title.to_owned(), unit: plan.unit, sides });
        }
    }
    charts
}

/// What may be used.
#[derive(Default)]
struct Limits {
    all: Option<Column>,
    one: Option<Column>,
    limited: Option<LimitedView>,
}

/// Charts of one answer in the making.
struct Making<'a> {
    axis: &'a Axis,
    answer: &'a Answer,
    before: Option<&'a Totals>,
    detail: Detail,
}

impl Making<'_> {
    /// The series of a side, each with its line's name where its metric has one.
    fn series<'a>(&'a self, side: &'a Side, label: Option<&'a str>) -> impl Iterator<Item = (&'a Series, &'static str)> {
        side.metrics.iter().flat_map(move |(metric, name)| {
            let mine = move |series: &&Series| series.metric == *metric && label.is_none_or(|label| *label == *series.label);
            self.answer.series.iter().filter(mine).map(move |series| (series, *name))
        })
    }

    /// Each of the application's own figures as a chart.
    fn of_labels(&self, plan: &Plan) -> Vec<ChartView> {
        let Some(side) = plan.sides.first() else { return Vec::new() };
        let found: BTreeSet<(String, Metric)> = self.series(side, None).map(|(series, _)| (series.label.to_string(), series.metric)).collect();
        let chart = |(label, metric): (String, Metric)| {
            let only = side.metrics.iter().position(|(one, _)| *one == metric)?;
            let side = Side { name: side.name, metrics: &side.metrics[only..=only] };
            let unit = if metric == Metric::AppCounter { Unit::PerSecond } else { plan.unit };
            let view = self.side(plan, &side, Some(&label));
            Some(ChartView { group: plan.group, title: label, unit, sides: vec![view] })
        };
        found.into_iter().take(FIGURES).filter_map(chart).collect()
    }

    fn side(&self, plan: &Plan, side: &Side, label: Option<&str>) -> SideView {
        let series: Vec<(&Series, &str)> = self.series(side, label).collect();
        let mut lines: Vec<LineView> = if plan.form == Form::Share {
            series.iter().filter_map(|(series, _)| self.share(series, plan.limit?)).collect()
        } else {
            let bands = self.detail == Detail::All || series.len() == 1;
            series.iter().map(|(series, name)| self.line(series, name, plan.divisor, bands)).collect()
        };
        if label.is_some() {
            lines.iter_mut().for_each(|line| line.part.clear());
        }
        name(&mut lines, side.name);
        let metric = side.metrics.first().map(|(metric, _)| *metric);
        let adds_up = plan.form.adds_up();
        let totals = metric.filter(|_| adds_up).map(|metric| self.answer.total(metric, label)).unwrap_or_default();
        let limits = plan.limit.filter(|_| plan.form != Form::Share).map(|limit| self.limits(limit, &series, adds_up));
        let Limits { all: limit, one: limit_of_one, limited } = limits.unwrap_or_default();
        let earlier = self.before.zip(metric).filter(|_| adds_up);
        let before = earlier.map(|(before, metric)| self.axis.moved(&sums(before, metric, label), before.step_ms, plan.divisor));
        let total = (adds_up && lines.len() > 1).then(|| self.total(&totals, plan.divisor));
        if self.detail == Detail::Picture {
            fold(&mut lines, adds_up);
            lines.iter_mut().for_each(|line| round(&mut line.mean));
        }
        let metric = metric.map(|metric| metric.name().to_owned()).unwrap_or_default();
        SideView { name: side.name.to_owned(), metric, lines, total, limit, limit_of_one, limited, before }
    }

    /// A line. Without its band it is rounded later, if it is drawn at all.
    fn line(&self, series: &Series, name: &str, divisor: f64, band: bool) -> LineView {
        let points = |value: fn(&::metrics::Point) -> f64| series.points.iter().map(move |point| (point.at_ms, value(point) / divisor));
        let column = |value: fn(&::metrics::Point) -> f64| if band { self.axis.column(points(value)) } else { Vec::new() };
        LineView {
            name: name.to_owned(),
            task: series.member.map(|member| member.task),
            slot: series.member.map(|member| member.slot),
            revision: series.member.map(|member| member.revision),
            part: series.label.to_string(),
            mean: if band { column(|point| point.avg) } else { self.axis.exact(points(|point| point.avg)) },
            least: column(|point| point.min),
            peak: column(|point| point.max),
            begins: self.axis.begins(series.points.iter().map(|point| (point.at_ms, point.begins))),
        }
    }

    /// How much of its limit a part uses, in percent.
    fn share(&self, series: &Series, limit: Metric) -> Option<LineView> {
        let of = self.answer.series.iter().find(|one| one.metric == limit && one.label == series.label && one.member == series.member)?;
        let sizes: HashMap<i64, f64> = of.points.iter().map(|point| (point.at_ms, point.avg)).collect();
        let mut line = self.line(series, "", 1.0, false);
        let of_size = |value: fn(&::metrics::Point) -> f64| {
            let known = series.points.iter().filter_map(|point| Some((point, *sizes.get(&point.at_ms).filter(|size| **size > 0.0)?)));
            self.axis.column(known.map(|(point, size)| (point.at_ms, value(point) / size * 100.0)))
        };
        (line.mean, line.least, line.peak) = (of_size(|point| point.avg), of_size(|point| point.min), of_size(|point| point.max));
        Some(line)
    }

    fn total(&self, totals: &[Total], divisor: f64) -> TotalView {
        let column = |value: fn(&Total) -> f64| self.axis.column(totals.iter().map(|total| (total.at_ms, value(total) / divisor)));
        TotalView {
            mean: column(|total| total.sum),
            bound: column(|total| total.bound),
            lowest: column(|total| total.lowest),
            highest: column(|total| total.highest),
            begins: self.axis.begins(totals.iter().map(|total| (total.at_ms, total.begins))),
        }
    }

    /// What all together and what one of them may use. At a time at which one that used something had no limit, all together have none.
    fn limits(&self, limit: Metric, used: &[(&Series, &str)], adds_up: bool) -> Limits {
        let limits = self.answer.total(limit, None);
        let mut known: HashMap<Option<Member>, HashSet<i64>> = HashMap::new();
        for series in self.answer.series.iter().filter(|series| series.metric == limit) {
            known.entry(series.member).or_default().extend(series.points.iter().map(|point| point.at_ms));
        }
        let mut open: HashSet<i64> = HashSet::new();
        for (series, _) in used {
            let limited = known.get(&series.member);
            let times = series.points.iter().map(|point| point.at_ms);
            open.extend(times.filter(|at| limited.is_none_or(|limited| !limited.contains(at))));
        }
        let whole = |total: &&Total| !adds_up || !open.contains(&total.at_ms);
        let sum = self.axis.column(limits.iter().filter(whole).map(|total| (total.at_ms, total.sum)));
        let one = self.axis.column(limits.iter().map(|total| (total.at_ms, total.highest)));
        let said = |column: Column| column.iter().any(Option::is_some).then_some(column);
        let share = LimitedView { tasks: count(used.iter().filter(|(series, _)| known.contains_key(&series.member)).count()), of: count(used.len()) };
        let limited = (adds_up && share.tasks > 0 && share.tasks < share.of).then_some(share);
        Limits { all: said(sum), one: said(one), limited }
    }
}
