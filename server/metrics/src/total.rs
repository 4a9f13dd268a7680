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
            // A task cannot have been watched for longer than its service: both are rounded.
            total.sum = weighted / self.watched(total.at_ms).max(covered).max(1) as f64;
            total.begins = before.replace(total.at_ms).is_none_or(|before| total.at_ms - before > near);
            total
        };
        points.into_iter().map(total).collect()
    }

    /// For how long the service was watched in the time of the point that begins then.
    fn watched(&self, at_ms: i64) -> i64 {
        self.watched.binary_search_by_key(&at_ms, |(at, _)| *at).map_or(0, |place| self.watched[place].1)
    }
}
