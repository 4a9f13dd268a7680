//! What the tasks of a service come to together.

use std::collections::{BTreeMap, HashMap};

use crate::words::Watched;
use crate::{Answer, Metric, Resolution, Total};

impl Answer {
    /// All series of a metric together (with this label alone, if one is given): the sum, and the least and most of them.
    ///
    /// [`crate::Store::totals`] says the same, to the bits that are kept, of each label by itself where each point is one roll-up, and exactly the same
    /// where points are of samples; [`crate::TotalSeries::points`] says how it differs where a point stands for several roll-ups.
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
        let watched: HashMap<i64, &Watched> = self.watched.iter().map(|watched| (watched.at_ms, watched)).collect();
        let near = if self.resolution == Resolution::Raw { self.step_ms.max(self.gap_ms) } else { self.step_ms };
        let mut before = None;
        let mut totals = Vec::with_capacity(points.len());
        for (at, All { mut total, weighted, covered }) in points {
            let watched = watched.get(&at);
            // A task cannot have been watched for longer than its service: both are rounded.
            let time = watched.map_or(0, |watched| watched.covered_ms).max(covered).max(1);
            total.sum = weighted / time as f64;
            let far = before.replace(at).is_none_or(|before| at - before > near);
            // A gap may also end in the middle of two points that touch.
            total.begins = far || watched.is_some_and(|watched| watched.begins);
            totals.push(total);
        }
        totals
    }
}
