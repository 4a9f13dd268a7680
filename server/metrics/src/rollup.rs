//! From samples to figures: what a counter grew between two samples, what a state covers, and what many of them are together. Pure.

use crate::Kind;

/// Milliseconds of an hour: what a journal and a file of samples hold, and what the coarser roll-ups stand for.
pub(crate) const HOUR: i64 = 3_600_000;
/// Milliseconds that the finer roll-ups stand for.
pub(crate) const FIVE: i64 = 300_000;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) at: i64,
    pub(crate) value: f64,
}

/// How often is sampled: what a sample stands for, and from where on something is missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cadence {
    pub(crate) step: i64,
    pub(crate) gap: i64,
}

/// What was the case during the time before `at`: a state, or a counter's growth per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) at: i64,
    pub(crate) value: f64,
    pub(crate) covered: i64,
    pub(crate) begins: bool,
}

/// Makes figures of a series' samples, which come in the order of time.
pub(crate) struct Steps {
    kind: Kind,
    cadence: Cadence,
    before: Option<Reading>,
    begins: bool,
}

impl Steps {
    /// After the sample that came before.
    pub(crate) fn new(kind: Kind, cadence: Cadence, before: Option<Reading>) -> Self {
        Self { kind, cadence, before, begins: true }
    }

    /// What a sample says; none of a counter's first one, which has nothing to be compared with.
    pub(crate) fn next(&mut self, reading: Reading) -> Option<Held> {
        let near = self.before.filter(|before| reading.at > before.at && reading.at - before.at <= self.cadence.gap);
        self.before = Some(reading);
        self.begins |= near.is_none();
        let (value, covered) = match (self.kind, near) {
            (Kind::Gauge, near) => (reading.value, near.map_or(self.cadence.step, |before| reading.at - before.at)),
            (Kind::Counter, Some(before)) => {
                let covered = reading.at - before.at;
                (growth(before.value, reading.value) * 1000.0 / covered as f64, covered)
            }
            (Kind::Counter, None) => return None,
        };
        let begins = std::mem::take(&mut self.begins);
        Some(Held { at: reading.at, value, covered, begins })
    }
}

/// How much a counter grew. One that fell to less than half began anew, from zero. One that fell a little did not grow: the kernel takes back a little
/// of some sums now and then, and to call that a new beginning would show the whole sum as a peak.
pub(crate) fn growth(before: f64, now: f64) -> f64 {
    if now >= before {
        now - before
    } else if now * 2.0 < before {
        now.max(0.0)
    } else {
        0.0
    }
}

/// A time's figures rolled up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// When the time begins.
    pub(crate) at: i64,
    pub(crate) min: f64,
    pub(crate) avg: f64,
    pub(crate) max: f64,
    pub(crate) covered: i64,
}

/// Puts figures of one time together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    pub(crate) at: i64,
    pub(crate) begins: bool,
    min: f64,
    max: f64,
    weighted: f64,
    pub(crate) covered: i64,
}

impl Sum {
    pub(crate) const fn new(at: i64, begins: bool) -> Self {
        Self { at, begins, min: f64::INFINITY, max: f64::NEG_INFINITY, weighted: 0.0, covered: 0 }
    }

    pub(crate) fn held(&mut self, held: &Held) {
        self.add(held.value, held.value, held.value, held.covered);
    }

    pub(crate) fn row(&mut self, row: &Row) {
        self.add(row.min, row.avg, row.max, row.covered);
    }

    /// Adds what was put together of the same time elsewhere.
    pub(crate) fn join(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.weighted += other.weighted;
        self.covered += other.covered;
    }

    fn add(&mut self, min: f64, avg: f64, max: f64, covered: i64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.weighted += avg * covered as f64;
        self.covered += covered;
    }

    /// All of it. Something was added.
    pub(crate) fn all(&self) -> Row {
        // Sums are rounded: the mean stays between the others in any case.
        let avg = (self.weighted / self.covered.max(1) as f64).max(self.min).min(self.max);
        Row { at: self.at, min: self.min, avg, max: self.max, covered: self.covered }
    }
}

/// Rolls a series' samples up over times of this width.
pub(crate) fn roll(kind: Kind, cadence: Cadence, before: Option<Reading>, readings: &[Reading], width: i64) -> Vec<Row> {
    let mut steps = Steps::new(kind, cadence, before);
    let mut sums: Vec<Sum> = Vec::new();
    let mut at = 0;
    for held in readings.iter().filter_map(|reading| steps.next(*reading)) {
        // Most are of the same time as the one before, and to divide costs more than all the rest.
        if at > held.at || held.at - at >= width {
            at = held.at.div_euclid(width) * width;
        }
        sum_at(&mut sums, at, held.begins).held(&held);
    }
    sums.iter().map(Sum::all).collect()
}

/// Rolls roll-ups up over longer times.
pub(crate) fn merge(rows: &[Row], width: i64) -> Vec<Row> {
    let mut sums: Vec<Sum> = Vec::new();
    for row in rows {
        sum_at(&mut sums, row.at.div_euclid(width) * width, false).row(row);
    }
    sums.iter().map(Sum::all).collect()
}

/// The sum of the time that begins then, which is the last one or later.
pub(crate) fn sum_at(sums: &mut Vec<Sum>, at: i64, begins: bool) -> &mut Sum {
    if sums.last().is_none_or(|last| last.at != at) {
        sums.push(Sum::new(at, begins));
    }
    let last = sums.len() - 1;
    &mut sums[last]
}

/// How many tasks there were, each time that one was sampled. For each task: the times of its samples, and of the one before.
pub(crate) fn tasks(times: &[(&[i64], Option<i64>)], cadence: Cadence) -> Vec<Reading> {
    // A sample stands for almost the time to the next one, so that tasks of several machines, sampled one after the other, are there together.
    let hold = cadence.step * 9 / 10;
    let (mut starts, mut ends, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for (times, before) in times {
        let mut last: Option<i64> = *before;
        // Those of one machine are sampled at the same times.
        if all.len() < times.len() || all[all.len() - times.len()..] != **times {
            all.extend_from_slice(times);
        }
        for (number, at) in times.iter().copied().enumerate() {
            match last.filter(|last| at - last <= cadence.gap) {
                Some(last) if number == 0 => starts.push(last),
                Some(_) => {}
                None => {
                    ends.extend(last.filter(|_| number > 0).map(|last| last + hold));
                    starts.push(at);
                }
            }
            last = Some(at);
        }
        ends.extend(last.filter(|_| !times.is_empty()).map(|last| last + hold));
    }
    starts.sort_unstable();
    ends.sort_unstable();
    // It consists of pieces that are in order.
    all.sort();
    all.dedup();
    let (mut begun, mut ended) = (0, 0);
    let count = |at: i64| {
        begun += starts[begun..].iter().take_while(|start| **start <= at).count();
        ended += ends[ended..].iter().take_while(|end| **end < at).count();
        Reading { at, value: (begun - ended) as f64 }
    };
    all.into_iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Cadence = Cadence { step: 10_000, gap: 45_000 };

    fn readings(values: &[f64]) -> Vec<Reading> {
        values.iter().enumerate().map(|(n, value)| Reading { at: n as i64 * 10_000, value: *value }).collect()
    }

    fn figures(kind: Kind, readings: &[Reading]) -> Vec<f64> {
        let mut steps = Steps::new(kind, TEN, None);
        readings.iter().filter_map(|reading| steps.next(*reading)).map(|held| held.value).collect()
    }

    #[test]
    fn a_counter_that_begins_anew_grows_from_zero_and_one_that_falls_a_little_does_not_grow() {
        assert_eq!(figures(Kind::Counter, &readings(&[100.0, 600.0, 50.0, 50.0, 49.0, 59.0])), [50.0, 5.0, 0.0, 0.0, 1.0]);
        assert_eq!(figures(Kind::Counter, &readings(&[5.0, 0.0, -1.0, 4.0])), [0.0, 0.0, 0.5]);
    }

    #[test]
    fn nothing_is_made_of_a_time_without_samples() {
        let mut far = readings(&[0.0, 100.0]);
        far.push(Reading { at: 70_000, value: 5000.0 });
        far.push(Reading { at: 80_000, value: 5100.0 });
        let mut steps = Steps::new(Kind::Counter, TEN, None);
        let held: Vec<(i64, f64, bool)> =
            far.iter().filter_map(|reading| steps.next(*reading)).map(|held| (held.at, held.value, held.begins)).collect();
        assert_eq!(held, [(10_000, 10.0, true), (80_000, 10.0, true)]);
        let gauges = roll(Kind::Gauge, TEN, None, &far, FIVE);
        assert_eq!(gauges[0].covered, 40_000);
    }

    #[test]
    fn tasks_that_take_turns_are_never_counted_together_and_those_of_two_machines_are() {
        let old: Vec<i64> = (0..30).map(|n| n * 10_000).collect();
        let new: Vec<i64> = (30..60).map(|n| n * 10_000).collect();
        assert!(tasks(&[(&old, None), (&new, None)], TEN).iter().all(|reading| reading.value == 1.0));
        let beside: Vec<i64> = old.iter().map(|at| at + 4_000).collect();
        let counted = tasks(&[(&old, Some(-10_000)), (&beside, Some(-6_000))], TEN);
        assert_eq!(counted.len(), 60);
        assert!(counted.iter().all(|reading| reading.value == 2.0));
        assert_eq!(tasks(&[(&[], Some(5)), (&[100_000], Some(5))], TEN), [Reading { at: 100_000, value: 1.0 }]);
    }

    proptest! {
        #[test]
        fn roll_ups_of_roll_ups_are_those_of_the_samples(steps in prop::collection::vec((1_i64..60_000, -5.0..1e6_f64), 1..400)) {
            let mut at = 0;
            let readings: Vec<Reading> = steps.iter().map(|(step, value)| { at += step; Reading { at, value: *value } }).collect();
            for kind in [Kind::Gauge, Kind::Counter] {
                let fine = roll(kind, TEN, None, &readings, FIVE);
                let hours = roll(kind, TEN, None, &readings, HOUR);
                let merged = merge(&fine, HOUR);
                prop_assert_eq!(merged.len(), hours.len());
                for (one, other) in merged.iter().zip(&hours) {
                    prop_assert_eq!((one.at, one.min, one.max, one.covered), (other.at, other.min, other.max, other.covered));
                    prop_assert!((one.avg - other.avg).abs() <= 1e-9 * one.max.abs().max(1.0));
                }
                prop_assert!(fine.iter().all(|row| row.min <= row.avg && row.avg <= row.max && row.covered > 0));
                prop_assert!(kind == Kind::Gauge || fine.iter().all(|row| row.min >= 0.0));
            }
        }
    }
}
