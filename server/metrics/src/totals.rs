//! What all tasks of a service come to together: read from what was put together when roll-ups were written, where that is there.

use std::collections::BTreeMap;
use std::io;

use crate::query::{self, Reader};
use crate::rolled::Rolled;
use crate::segment::{Name, width};
use crate::together::Together;
use crate::{Key, Metric, Resolution, Select, Store, Total, TotalSeries, Totals};

/// All tasks in the time of one point.
struct Point {
    total: Total,
    weighted: f64,
    covered: i64,
    longest: i64,
    first: i64,
    last: i64,
}

impl Point {
    fn add(&mut self, row: &Together) {
        self.weighted += row.sum * row.covered as f64;
        self.covered += row.covered;
        self.longest = self.longest.max(row.covered);
        self.total.bound = self.total.bound.max(row.bound);
        self.total.lowest = self.total.lowest.min(row.lowest);
        self.total.highest = self.total.highest.max(row.highest);
        self.total.series = self.total.series.max(usize::try_from(row.series).unwrap_or(0));
        self.first = self.first.min(row.at);
        self.last = self.last.max(row.at);
    }
}

/// One series over times of one length, by their beginnings.
type Points = BTreeMap<i64, Point>;

fn add(points: &mut Points, rows: &[Together], step: i64) {
    for of_point in rows.chunk_by(|one, other| one.at.div_euclid(step) == other.at.div_euclid(step)) {
        let Some(at_ms) = of_point.first().map(|row| row.at.div_euclid(step) * step) else { continue };
        let (lowest, highest) = (f64::INFINITY, f64::NEG_INFINITY);
        let total = Total { at_ms, sum: 0.0, bound: f64::NEG_INFINITY, lowest, highest, series: 0, begins: false };
        let point = points.entry(at_ms).or_insert(Point { total, weighted: 0.0, covered: 0, longest: 0, first: i64::MAX, last: i64::MIN });
        of_point.iter().for_each(|row| point.add(row));
    }
}

fn totals(points: Points, watched: &BTreeMap<i64, i64>, width: i64) -> Vec<Total> {
    let mut before = None;
    let total = |(at, point): (i64, Point)| {
        // In the time of one roll-up a task cannot have been watched for longer than its service: both are rounded.
        let watched = watched.get(&at).map_or(point.covered, |watched| point.longest.max(*watched));
        let begins = before.replace(point.last).is_none_or(|before| point.first - before > width);
        Total { sum: point.weighted / watched as f64, begins, ..point.total }
    };
    points.into_iter().map(total).collect()
}

impl Reader<'_> {
    /// What all tasks come to together, from what is kept of it.
    fn totals(mut self) -> io::Result<Totals> {
        let (resolution, step) = self.plan()?;
        if resolution == Resolution::Raw {
            let answer = self.planned(resolution, step)?;
            let mut names: Vec<_> = answer.series.iter().map(|series| (series.metric, series.label.clone())).collect();
            names.dedup();
            let series = names.into_iter().map(|(metric, label)| {
                let points = answer.total(metric, Some(&label));
                TotalSeries { metric, label, points }
            });
            return Ok(Totals { resolution, step_ms: step, series: series.collect(), damaged: answer.damaged });
        }
        let mut series: BTreeMap<Name, Points> = BTreeMap::new();
        let mut watched = Rolled::default();
        for part in self.parts_together(resolution)? {
            watched.add(&part.watched, step);
            for (name, rows) in part.series {
                add(series.entry(name).or_default(), &rows, step);
            }
        }
        let watched: BTreeMap<i64, i64> = watched.sums(width(resolution)).iter().map(|sum| (sum.at, sum.covered)).collect();
        let line = |(name, points): (Name, Points)| {
            let metric = Metric::numbered(name.metric).filter(|metric| self.select.metrics.contains(metric))?;
            Some(TotalSeries { metric, label: name.label, points: totals(points, &watched, width(resolution)) })
        };
        let mut series: Vec<TotalSeries> = series.into_iter().filter(|(_, points)| !points.is_empty()).filter_map(line).collect();
        series.sort_by(|one, other| (one.metric, &one.label).cmp(&(other.metric, &other.label)));
        Ok(Totals { resolution, step_ms: step, series, damaged: self.damaged })
    }
}

impl Store {
    /// What all tasks of a service come to together, as [`crate::Answer::total`] says of what [`Self::query`] answers, for what it costs to read one
    /// task. Of each label one series. [`TotalSeries::points`] says where the two differ.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn totals(&self, key: Key, select: &Select<'_>) -> io::Result<Totals> {
        query::read(self, key, select, Reader::totals)
    }
}
