//! Where lines of a chart's grid lie, and what stands beside them: round numbers, round times.

use model::time::Millis;
use model::views::metrics::Unit;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Times between two lines, of which the shortest is taken that gives few enough.
const STEPS: [i64; 20] = [
    SECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    180 * DAY,
];

/// The height of a chart: how far it goes up and down, in whole steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub step: f64,
    pub up: f64,
    pub down: f64,
}

impl Scale {
    /// The height that holds these greatest numbers of both directions; `down` is none where a chart has but one.
    pub(super) fn holding(unit: Unit, up: f64, down: Option<f64>) -> Self {
        let range = up.max(0.0) + down.unwrap_or(0.0).max(0.0);
        let step = if range > 0.0 { round(unit, range / 4.0) } else { least(unit) };
        let whole = |most: f64| (most / step).ceil().max(1.0) * step;
        Self { step, up: whole(up), down: down.map_or(0.0, whole) }
    }

    /// The lines, from the lowest to the highest, without the edges below and above.
    pub(super) fn lines(self) -> Vec<f64> {
        let (first, last) = (-(self.down / self.step).round() as i64, (self.up / self.step).round() as i64);
        ((first + 1)..last).map(|line| line as f64 * self.step).collect()
    }

    /// How far below the top a number lies, from 0 to 1.
    pub(super) fn below_top(self, value: f64) -> f64 {
        ((self.up - value) / (self.up + self.down)).clamp(0.0, 1.0)
    }
}

/// A round number that is not less.
fn round(unit: Unit, least: f64) -> f64 {
    match unit {
        // 512 KiB, 1 MiB, 2 MiB.
        Unit::Bytes | Unit::BytesPerSecond => 2_f64.powf(least.log2().ceil()).max(1.0),
        Unit::Count | Unit::Times => decimal(least).max(1.0),
        // Finer ones are noise.
        Unit::Cores => decimal(least).max(0.001),
        Unit::Percent | Unit::PerSecond => decimal(least),
    }
}

/// 1, 2 or 5 with some zeros.
fn decimal(least: f64) -> f64 {
    let size = 10_f64.powf(least.log10().floor());
    let digit = least / size;
    // What is a hair above by reckoning is not above.
    let digit = [1.0, 2.0, 5.0].into_iter().find(|round| digit <= round + 1e-9).unwrap_or(10.0);
    digit * size
}

/// The step of a chart in which nothing is used.
const fn least(unit: Unit) -> f64 {
    match unit {
        Unit::Cores => 0.1,
        Unit::Bytes | Unit::BytesPerSecond => 1024.0,
        Unit::Percent | Unit::Count | Unit::PerSecond | Unit::Times => 1.0,
    }
}

/// Round times between these two, at most so many, with what stands below them. In UTC, as all exact times of the portal.
pub(super) fn times(from: i64, to: i64, most: i64) -> Vec<(i64, String)> {
    let length = (to - from).max(1);
    let step = STEPS.into_iter().find(|step| length / step <= most).unwrap_or(365 * DAY);
    let first = from.div_euclid(step) * step + step;
    (0..).map(|number| first + number * step).take_while(|at| *at < to).map(|at| (at, below(at, step))).collect()
}

/// What stands below a time: as much as tells it from its neighbours.
fn below(at: i64, step: i64) -> String {
    let text = Millis(at).rfc3339();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    match step {
        _ if step < MINUTE => part(11..19),
        _ if step < DAY && at.rem_euclid(DAY) != 0 => part(11..16),
        _ if step < 30 * DAY => part(5..10),
        _ => part(0..7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_axis_are_round() {
        let steps = |unit, most| Scale::holding(unit, most, None);
        assert_eq!(steps(Unit::Cores, 0.7), Scale { step: 0.2, up: 0.8, down: 0.0 });
        let mebi = 1024.0 * 1024.0;
        assert_eq!(steps(Unit::Bytes, 200.0 * mebi), Scale { step: 64.0 * mebi, up: 256.0 * mebi, down: 0.0 });
        assert_eq!(steps(Unit::Count, 2.0), Scale { step: 1.0, up: 2.0, down: 0.0 });
        assert_eq!(steps(Unit::Percent, 90.0), Scale { step: 50.0, up: 100.0, down: 0.0 });
        assert_eq!(steps(Unit::Cores, 0.0).up, 0.1, "an idle chart has a height too");
        assert_eq!(steps(Unit::Cores, 0.0019), Scale { step: 0.001, up: 0.002, down: 0.0 }, "no two lines have the same number");
        for most in [1e-6, 0.03, 1.0, 3.3, 47.0, 1e12] {
            for unit in [Unit::Cores, Unit::Bytes, Unit::Count] {
                let scale = steps(unit, most);
                assert!(scale.up >= most && scale.lines().len() <= 4, "{unit} {most}: {scale:?}");
            }
        }
    }

    #[test]
    fn both_directions_share_their_steps() {
        let scale = Scale::holding(Unit::BytesPerSecond, 3000.0, Some(500.0));
        assert_eq!(scale, Scale { step: 1024.0, up: 3072.0, down: 1024.0 });
        assert_eq!(scale.lines(), [0.0, 1024.0, 2048.0]);
        assert_eq!((scale.below_top(3072.0), scale.below_top(0.0), scale.below_top(-1024.0)), (0.0, 0.75, 1.0));
    }

    #[test]
    fn times_at_the_axis_are_round() {
        let at = |text: &str| Millis::parse_rfc3339(text).expect("a time").0;
        let begin = at("2026-11-20T21:47:13Z");
        let said = |length: i64| times(begin, begin + length, 5).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(said(HOUR), ["22:00", "22:15", "22:30", "22:45"]);
        assert_eq!(said(6 * HOUR), ["22:00", "11-21", "02:00"]);
        assert_eq!(said(7 * DAY), ["11-21", "11-23", "11-25", "11-27"]);
        assert_eq!(said(2 * MINUTE), ["21:47:30", "21:48:00", "21:48:30", "21:49:00"]);
        assert!(said(730 * DAY).len() <= 5 && said(730 * DAY)[0].starts_with("202"));
    }
}
