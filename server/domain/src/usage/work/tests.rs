mod clock;

use proptest::prelude::*;

use super::*;

fn point(hour: i64, avg: f64, covered_ms: i64) -> Point {
    Point { at_ms: hour * HOUR, min: avg, avg, max: avg, covered_ms, begins: false }
}

fn series(metric: Metric, points: Vec<Point>) -> Series {
    Series { member: None, metric, label: "".into(), points }
}

#[test]
fn what_was_used_is_the_mean_times_the_time_that_samples_cover() {
    let half_an_hour = HOUR / 2;
    let amount = |metric, avg| {
        let amounts = used(metric, &point(0, avg, half_an_hour)).expect("counted");
        Measure::ALL.iter().map(|measure| amounts.units(*measure)).find(|units| *units > 0.0)
    };
    assert_eq!(amount(Metric::CpuUsed, 500_000.0), Some(0.25), "half a core for half an hour");
    assert_eq!(amount(Metric::CpuLimit, 2.0), Some(1.0));
    assert_eq!(amount(Metric::MemoryWorkingSet, f64::from(1 << 30)), Some(0.5), "a GiB for half an hour");
    assert_eq!(amount(Metric::NetSent, f64::from(1 << 30) / 1800.0), Some(1.0));
    assert_eq!(used(Metric::MemoryLimit, &point(0, 9.2e18, HOUR)), None, "no limit reserves nothing");
    assert_eq!(used(Metric::Pids, &point(0, 5.0, HOUR)), None);
}

fn hours() -> impl Strategy<Value = Vec<(usize, usize, i64, f64, i64)>> {
    let hour = (0..4_usize, 0..METRICS.len(), 0..2_000_i64, 0.0..1e10, 0..=HOUR);
    proptest::collection::vec(hour, 0..200)
}

fn fold(hours: &[(usize, usize, i64, f64, i64)]) -> Hours {
    let mut used = Hours::default();
    for (stream, metric, hour, avg, covered) in hours {
        used.series(*stream, &[series(METRICS[*metric], vec![point(*hour, *avg, *covered)])]);
    }
    used
}

fn total(used: &Hours) -> Amounts {
    let mut all = Amounts::default();
    used.0.values().for_each(|amounts| all += *amounts);
    all
}

proptest! {
    /// A month is the same whether its hours were counted at once, or some now and some after a portal stood still.
    #[test]
    fn hours_split_anyhow_come_to_the_same_sum(hours in hours(), cuts in proptest::collection::vec(0..200_usize, 0..6)) {
        let whole = fold(&hours);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(hours.len())).chain([0, hours.len()]).collect();
        cuts.sort_unstable();
        let mut parts = Hours::default();
        for pair in cuts.windows(2) {
            for ((stream, hour), amounts) in fold(&hours[pair[0]..pair[1]]).0 {
                parts.add(stream, hour * HOUR, amounts);
            }
        }
        prop_assert_eq!(Known::default().fresh(&parts), Known::default().fresh(&whole));
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(total(&parts), total(&whole));
    }
}
