//! What the tasks of a service come to together.

use std::collections::{BTreeMap, HashMap};

use crate::{Answer, Metric, Resolution, Total};

impl Answer {
    /// All series of a metric together (with this label alone, if one is given): the sum, and the least and most of them.
    #[must_use]
    pub fn total(&self, metric: Metric, label: Option<&str>) -> Vec<Total> {
        struct All {
            total: Total,
            weighted: f64,
            covered: i64,
        }
        let mut points: BTreeMap<i64, All> = BTreeMap::new();
        for series in self.series.iter().filter(|series| series.metric == metric && label.is_none_or(|label| *label == *series.label)) {
            for point in &series.points {
                let empty =
                    Total { at_ms: point.at_ms, sum: 0.0, bound: 0.0, lowest: f64::INFINITY, highest: f64::NEG_INFINITY, series: 0, begins: false };
                let all = points.entry(point.at_ms).or_insert(All { total: empty, weighted: 0.0, covered: 0 });
                all.total.bound += point.max;
                all.total.lowest = all.total.lowest.min(point.avg);
                all.total.highest = all.total.highest.max(point.avg);
                all.total.series += 1;
                all.weighted += point.avg * point.covered_ms as f64;
                all.covered = all.covered.max(point.covered_ms);
            }
        }
        let watched: HashMap<i64, i64> = self.watched.iter().copied().collect();
        let near = if self.resolution == Resolution::Raw { self.step_ms.max(self.gap_ms) } else { self.step_ms };
        let mut before = None;
        let mut totals = Vec::with_capacity(points.len());
        for (at, All { mut total, weighted, covered }) in points {
            // A task cannot have been watched for longer than its service: both are rounded.
            let watched = watched.get(&at).copied().unwrap_or(0).max(covered).max(1);
            total.sum = weighted / watched as f64;
            total.begins = before.replace(at).is_none_or(|before| at - before > near);
            totals.push(total);
        }
        totals
    }
}
