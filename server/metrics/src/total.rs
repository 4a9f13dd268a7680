//! What the tasks of a service come to together.

use crate::{Answer, Metric, Resolution, Total};

/// All series in the time of one point.
struct All {
    total: Total,
    weighted: f64,
    covered: i64,
}

impl All {
    const fn new(at_ms: i64) -> Self {
        let total = Total { at_ms, sum: 0.0, bound: 0.0, lowest: f64::INFINITY, highest: f64::NEG_INFINITY, series: 0, begins: false };
        Self { total, weighted: 0.0, covered: 0 }
    }
}

impl Answer {
    /// All series of a metric together (with this label alone, if one is given): the sum, and the least and most of them.
    ///
    /// [`crate::Store::totals`] says the same, to the bits that are kept, of each label by itself where each point is one roll-up, and exactly the same
    /// where points are of samples; [`crate::TotalSeries::points`] says how it differs where a point stands for several roll-ups.
    #[must_use]
    pub fn total(&self, metric: Metric, label: Option<&str>) -> Vec<Total> {
        let mut points: Vec<All> = Vec::new();
        for series in self.series.iter().filter(|series| series.metric == metric && label.is_none_or(|label| *label == *series.label)) {
            let mut place = 0;
            for point in &series.points {
                // Most have points at the same times, which come one after the other.
                if points.get(place).is_none_or(|known| known.total.at_ms != point.at_ms) {
                    place = points.binary_search_by_key(&point.at_ms, |known| known.total.at_ms).unwrap_or_else(|place| {
                        points.insert(place, All::new(point.at_ms));
                        place
                    });
                }
                let all = &mut points[place];
                all.total.bound += point.max;
                all.total.lowest = all.total.lowest.min(point.avg);
                all.total.highest = all.total.highest.max(point.avg);
                all.total.series += 1;
                all.weighted += point.avg * point.covered_ms as f64;
                all.covered = all.covered.max(point.covered_ms);
                place += 1;
            }
        }
        let near = if self.resolution == Resolution::Raw { self.step_ms.max(self.gap_ms) } else { self.step_ms };
        let mut before = None;
        let total = |All { mut total, weighted, covered }: All| {
            let watched = self.watched.binary_search_by_key(&total.at_ms, |watched| watched.at_ms).ok().map(|place| &self.watched[place]);
            // A task cannot have been watched for longer than its service: both are rounded.
            let time = watched.map_or(0, |watched| watched.covered_ms).max(covered).max(1);
            total.sum = weighted / time as f64;
            let far = before.replace(total.at_ms).is_none_or(|before| total.at_ms - before > near);
            // A gap may also end in the middle of two points that touch.
            total.begins = far || watched.is_some_and(|watched| watched.begins);
            total
        };
        points.into_iter().map(total).collect()
    }
}
