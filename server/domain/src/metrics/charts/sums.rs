//! Numbers of a chart that are made of several of the store's: how often something happened, shares of a limit, sums of lines. Pure.

use std::collections::{BTreeMap, HashMap};

use ::metrics::{Answer, Metric, Point, Series, Total, Totals};

use super::plans::{Form, Plan};

/// What is known of the time before.
#[derive(Default)]
pub(in crate::metrics) struct Before {
    /// What adds up.
    pub sums: Option<Totals>,
    /// What does not.
    pub lines: Option<Answer>,
}

impl Before {
    /// Whether a part of it could not be read.
    pub(in crate::metrics) fn is_damaged(&self) -> bool {
        self.sums.as_ref().is_some_and(|sums| sums.damaged) || self.lines.as_ref().is_some_and(|lines| lines.damaged)
    }
}

/// What a metric came to, in the order of time: all tasks, and all parts where none is named.
pub(super) fn summed(totals: &Totals, metric: Metric, label: Option<&str>) -> Vec<(i64, f64)> {
    let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
    for series in totals.series.iter().filter(|series| series.metric == metric && label.is_none_or(|label| *label == *series.label)) {
        for total in &series.points {
            *sums.entry(total.at_ms).or_default() += total.sum;
        }
    }
    sums.into_iter().collect()
}

/// How often it happened in a point's time.
pub(super) fn times(point: &Point) -> f64 {
    (point.avg * point.covered_ms as f64).round() / 1000.0
}

/// The points of a series for which a limit above nothing is known, with that.
pub(super) fn limited<'a>(answer: &Answer, series: &'a Series, limit: Metric) -> Vec<(&'a Point, f64)> {
    let of = answer.series.iter().find(|one| one.metric == limit && one.label == series.label && one.member == series.member);
    let sized = beside(&series.points, of.map_or(&[], |of| &of.points));
    sized.filter_map(|(point, size)| Some((point, size.map(|size| size.avg).filter(|size| *size > 0.0)?))).collect()
}

/// Each point with what another series has at its time. Both are in the order of time.
pub(super) fn beside<'a, 'b>(points: &'a [Point], others: &'b [Point]) -> impl Iterator<Item = (&'a Point, Option<&'b Point>)> {
    let mut rest = others;
    points.iter().map(move |point| {
        // Most have points at the same times, which come one after the other.
        let past = rest.iter().take_while(|other| other.at_ms < point.at_ms).count();
        rest = &rest[past..];
        (point, rest.first().filter(|other| other.at_ms == point.at_ms))
    })
}

/// All lines together.
pub(super) fn totals(plan: &Plan, answer: &Answer, metric: Metric, label: Option<&str>) -> Vec<Total> {
    let mut totals = answer.total(metric, label);
    if plan.form != Form::Counted {
        return totals;
    }
    let mut all: HashMap<i64, Vec<f64>> = HashMap::new();
    for point in answer.series.iter().filter(|series| series.metric == metric).flat_map(|series| &series.points) {
        all.entry(point.at_ms).or_default().push(times(point));
    }
    for total in &mut totals {
        let Some(times) = all.get(&total.at_ms) else { continue };
        total.sum = times.iter().sum();
        total.bound = total.sum;
        total.lowest = times.iter().copied().fold(f64::INFINITY, f64::min);
        total.highest = times.iter().copied().fold(0.0, f64::max);
    }
    totals
}
