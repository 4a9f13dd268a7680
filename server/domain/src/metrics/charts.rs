//! From what the store answers to charts: which figures belong together, in which unit, on one axis. Pure.

mod lines;
mod plans;
mod sums;

use std::collections::{BTreeSet, HashMap};

use ::metrics::{Answer, Kind, Member, Metric, Point, Series, Total, Totals};
use model::metrics::{Group, Part, Window};
use model::views::metrics::{ChartView, Column, LimitedView, LineView, Resolution, SideView, TotalView, Unit};

use super::{Detail, count};
use lines::{fold, name};
use plans::{Form, Side};
use sums::{beside, limited, summed, times, totals};

pub(crate) use plans::anchor;
pub(super) use plans::{OF_MACHINES, OF_SERVICES, Plan, compared, metrics};
pub(super) use sums::Before;

/// Most figures of an application that are shown, each in a chart of its own.
const FIGURES: usize = 12;

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
    fn moved(&self, points: &[(i64, f64)], step: i64) -> Column {
        let at = |place: usize| {
            let middle = self.first + place as i64 * self.step - self.length + self.step / 2;
            let next = points.partition_point(|(at, _)| *at <= middle);
            let (at, value) = points.get(next.checked_sub(1)?)?;
            (middle < at + step.max(self.step)).then(|| rounded(*value))
        };
        (0..self.places).map(at).collect()
    }
}

fn round(column: &mut [Option<f64>]) {
    column.iter_mut().flatten().for_each(|value| *value = rounded(*value));
}

/// Samples are not taken to the instant: between two that came close together more seems to be used than there is.
fn cut(column: &mut [Option<f64>], limit: &[Option<f64>]) {
    for (value, limit) in column.iter_mut().zip(limit) {
        if let (Some(value), Some(limit)) = (value, limit) {
            *value = value.min(*limit);
        }
    }
}

/// More digits are noise, and cost their way to the reader.
fn rounded(value: f64) -> f64 {
    super::rounded(value, 6)
}

/// All charts of which there is something; those that everybody has are there in any case.
pub(super) fn all(plans: &[&Plan], axis: &Axis, answer: &Answer, before: Option<&Before>, detail: Detail) -> Vec<ChartView> {
    let made = Making { axis, answer, before, detail };
    let mut charts = Vec::new();
    for plan in plans {
        if plan.form == Form::EachLabel {
            charts.extend(made.of_labels(plan));
            continue;
        }
        let sides: Vec<SideView> = plan.sides.iter().map(|side| made.side(plan, side, None)).collect();
        if plan.group.part() == Part::Main || !sides.iter().all(SideView::is_empty) {
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
    before: Option<&'a Before>,
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
        let mut lines = self.lines(plan, &series);
        if label.is_some() {
            lines.iter_mut().for_each(|line| line.part.clear());
        }
        name(&mut lines, side.name);
        let metric = side.metrics.first().map(|(metric, _)| *metric);
        let adds_up = plan.form.adds_up();
        let totals = metric.filter(|_| adds_up).map(|metric| totals(plan, self.answer, metric, label)).unwrap_or_default();
        let limits = plan.limit.filter(|_| plan.form != Form::Share).map(|limit| self.limits(limit, &series, adds_up));
        let Limits { all: limit, one: limit_of_one, limited } = limits.unwrap_or_default();
        if let (Group::Cpu, Some(limit)) = (plan.group, &limit) {
            lines.iter_mut().filter(|line| line.slot.is_none()).for_each(|line| cut(&mut line.peak, limit));
        }
        let earlier = self.before.and_then(|before| before.sums.as_ref()).zip(metric).filter(|_| adds_up);
        let before = earlier.map(|(before, metric)| self.sum_before(plan, before, metric, label));
        let total = (adds_up && lines.len() > 1).then(|| self.total(&totals, plan.divisor));
        if self.detail == Detail::Picture {
            fold(&mut lines, adds_up);
            lines.iter_mut().for_each(|line| round(&mut line.mean));
        }
        let metric = metric.map(|metric| metric.name().to_owned()).unwrap_or_default();
        SideView { name: side.name.to_owned(), metric, lines, total, limit, limit_of_one, limited, before }
    }

    fn lines(&self, plan: &Plan, series: &[(&Series, &str)]) -> Vec<LineView> {
        let band = self.detail == Detail::All || series.len() == 1;
        let line = |(series, name): &(&Series, &str)| {
            let mut line = match plan.form {
                Form::Share => self.share(plan, series)?,
                _ => self.line(plan, series, name, band),
            };
            if let Some(before) = self.before.and_then(|before| before.lines.as_ref()).filter(|_| !plan.form.adds_up()) {
                line.before = self.line_before(plan, before, series);
            }
            Some(line)
        };
        series.iter().filter_map(line).collect()
    }

    /// A line. Without its band it is rounded later, if it is drawn at all.
    fn line(&self, plan: &Plan, series: &Series, name: &str, band: bool) -> LineView {
        let points = |value: fn(&Point) -> f64| series.points.iter().map(move |point| (point.at_ms, value(point) / plan.divisor));
        let column = |value: fn(&Point) -> f64| if band { self.axis.column(points(value)) } else { Column::new() };
        let line = LineView {
            name: name.to_owned(),
            task: series.member.map(|member| member.task),
            slot: series.member.map(|member| member.slot),
            revision: series.member.map(|member| member.revision),
            part: series.label.to_string(),
            mean: if band { column(|point| point.avg) } else { self.axis.exact(points(|point| point.avg)) },
            least: column(|point| point.min),
            peak: column(|point| point.max),
            begins: self.axis.begins(series.points.iter().map(|point| (point.at_ms, point.begins))),
            before: Column::new(),
        };
        if plan.form != Form::Counted {
            return line;
        }
        // Of how often it happened there is no least and no most.
        let mean = self.axis.column(series.points.iter().map(|point| (point.at_ms, times(point))));
        LineView { mean, least: Column::new(), peak: Column::new(), ..line }
    }

    /// How much of its limit a part uses, in percent.
    fn share(&self, plan: &Plan, series: &Series) -> Option<LineView> {
        let known = limited(self.answer, series, plan.limit?);
        if known.is_empty() {
            return None;
        }
        // The peak of a sum's growth is held against the mean of the other's: it may be above by that.
        let most = if series.metric.kind() == Kind::Counter { 100.0 } else { f64::INFINITY };
        let column = |value: fn(&Point) -> f64| {
            let share = |(point, size): &(&Point, f64)| (point.at_ms, (value(point) / size * 100.0).min(most));
            self.axis.column(known.iter().map(share))
        };
        let (mean, least, peak) = (column(|point| point.avg), column(|point| point.min), column(|point| point.max));
        Some(LineView { mean, least, peak, ..self.line(plan, series, "", false) })
    }

    /// A line's numbers in the time before: of the same part, and of the task that was in its slot then.
    fn line_before(&self, plan: &Plan, before: &Answer, series: &Series) -> Column {
        let slot = |series: &Series| series.member.map(|member| member.slot);
        let same = |one: &&Series| one.metric == series.metric && one.label == series.label && slot(one) == slot(series);
        let mut points: Vec<(i64, f64)> = Vec::new();
        for one in before.series.iter().filter(same) {
            match plan.limit.filter(|_| plan.form == Form::Share) {
                Some(limit) => points.extend(limited(before, one, limit).into_iter().map(|(point, size)| (point.at_ms, point.avg / size * 100.0))),
                None => points.extend(one.points.iter().map(|point| (point.at_ms, point.avg / plan.divisor))),
            }
        }
        points.sort_by_key(|(at, _)| *at);
        self.axis.moved(&points, before.step_ms)
    }

    /// What all lines came to together in the time before.
    fn sum_before(&self, plan: &Plan, before: &Totals, metric: Metric, label: Option<&str>) -> Column {
        // Of what is counted: as often as it happened in a place's time, however coarsely it is kept.
        let one = if plan.form == Form::Counted { 1000.0 / self.axis.step as f64 } else { plan.divisor };
        let points: Vec<(i64, f64)> = summed(before, metric, label).into_iter().map(|(at, sum)| (at, sum / one)).collect();
        self.axis.moved(&points, before.step_ms)
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

    /// The limits of all slots together, and the greatest one. A limit is no use: it is not averaged over a time in which no task ran, and of tasks that
    /// took turns in a slot the greatest one holds.
    fn sum_of_limits(&self, limits: &[&Series]) -> (Column, Column) {
        let (mut sum, mut one) = (self.axis.empty(), self.axis.empty());
        let slot = |series: &Series| series.member.map(|member| member.slot);
        // Series of a slot come one after the other.
        for same in limits.chunk_by(|series, next| slot(series) == slot(next)) {
            let mut own = self.axis.empty();
            for point in same.iter().flat_map(|series| &series.points) {
                let Some(place) = self.axis.place(point.at_ms) else { continue };
                own[place] = Some(own[place].map_or(point.avg, |known: f64| known.max(point.avg)));
            }
            for (place, limit) in own.into_iter().enumerate() {
                let Some(limit) = limit else { continue };
                sum[place] = Some(sum[place].unwrap_or(0.0) + limit);
                one[place] = Some(one[place].map_or(limit, |known: f64| known.max(limit)));
            }
        }
        (sum, one)
    }

    /// What all together and what one of them may use. At a time at which one that used something had no limit, all together have none.
    fn limits(&self, limit: Metric, used: &[(&Series, &str)], adds_up: bool) -> Limits {
        let limits: Vec<&Series> = self.answer.series.iter().filter(|series| series.metric == limit).collect();
        // A limit has no parts: each task has one.
        let known: HashMap<Option<Member>, &Series> = limits.iter().map(|series| (series.member, *series)).collect();
        let (mut sum, mut one) = self.sum_of_limits(&limits);
        for (series, _) in used.iter().filter(|_| adds_up) {
            let limited = known.get(&series.member).map_or(&[][..], |limited| &limited.points);
            let open = beside(&series.points, limited).filter(|(_, limited)| limited.is_none());
            open.filter_map(|(point, _)| self.axis.place(point.at_ms)).for_each(|place| sum[place] = None);
        }
        round(&mut sum);
        round(&mut one);
        let said = |column: Column| column.iter().any(Option::is_some).then_some(column);
        let share = LimitedView { tasks: count(used.iter().filter(|(series, _)| known.contains_key(&series.member)).count()), of: count(used.len()) };
        let limited = (adds_up && share.tasks > 0 && share.tasks < share.of).then_some(share);
        Limits { all: said(sum), one: said(one), limited }
    }
}
