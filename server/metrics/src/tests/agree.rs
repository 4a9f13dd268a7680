//! [`Store::totals`] and [`Answer::total`] say the same where they must, and differ only as their words say.

use proptest::prelude::*;

use super::bench::Dice;
use super::*;

const METRICS: [Metric; 2] = [Metric::CpuUsed, Metric::MemoryWorkingSet];
const STEP: i64 = 2 * MINUTE;
const GAP: i64 = 5 * MINUTE;
const HOURS: i64 = 6;
/// Numbers are kept with fewer bits than they are computed with.
const ROUNDED: f64 = 3e-4;

fn options(raw_hours: i64) -> Options {
    Options { step_ms: STEP, gap_ms: GAP, raw_hours, ..Options::default() }
}

/// What happened in those hours.
#[derive(Clone, Debug)]
struct Past {
    seed: u64,
    tasks: u32,
    /// One of so many samples of a task is missing.
    missing: u64,
    /// Nothing is sampled from this turn on, for so many turns.
    silence: (i64, i64),
}

fn past() -> impl Strategy<Value = Past> {
    // More than a few tasks are put together when files are written.
    let tasks = prop_oneof![1_u32..4, 30_u32..40];
    let silence = (0..HOURS * HOUR / STEP, 0..HOUR * 2 / STEP);
    (any::<u64>(), tasks, 2_u64..40, silence).prop_map(|(seed, tasks, missing, silence)| Past { seed, tasks, missing, silence })
}

impl Past {
    fn fill(&self, store: &Store) {
        let mut dice = Dice(self.seed);
        let mut cpu = vec![0.0; self.tasks as usize];
        let (from, length) = self.silence;
        for turn in (0..HOURS * HOUR / STEP).filter(|turn| !(from..from + length).contains(turn)) {
            let mut samples = Vec::new();
            for number in 0..self.tasks {
                // Some of them take turns.
                let away = number % 3 == 1 && (turn / 7) % 2 == 0 || number % 3 == 2 && (turn / 7) % 2 == 1;
                if away || dice.next().is_multiple_of(self.missing) {
                    continue;
                }
                let used = &mut cpu[number as usize];
                *used += (dice.next() % 100_000_000) as f64;
                samples.push(sample(service(1), number, *used, (dice.next() % 1_000_000) as f64));
            }
            add(store, T0 + turn * STEP, &samples);
        }
    }
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= ROUNDED * one.abs().max(other.abs())
}

fn names<'a>(all: impl Iterator<Item = (Metric, &'a str)>) -> Vec<(Metric, String)> {
    let mut names: Vec<_> = all.map(|(metric, label)| (metric, label.to_owned())).collect();
    names.dedup();
    names
}

fn agree(store: &Store, max_points: usize) -> Result<(Resolution, i64), TestCaseError> {
    let select = Select { metrics: &METRICS, label: None, from_ms: T0, to_ms: T0 + HOURS * HOUR, max_points };
    let (totals, answer) = (store.totals(service(1), &select).expect("read"), store.query(service(1), &select).expect("read"));
    prop_assert_eq!((totals.resolution, totals.step_ms, totals.damaged), (answer.resolution, answer.step_ms, answer.damaged));
    let found = names(totals.series.iter().map(|series| (series.metric, &*series.label)));
    prop_assert_eq!(found, names(answer.series.iter().map(|series| (series.metric, &*series.label))));
    for series in &totals.series {
        let right = answer.total(series.metric, Some(&series.label));
        if totals.resolution == Resolution::Raw {
            prop_assert_eq!(&series.points, &right);
            continue;
        }
        prop_assert_eq!(series.points.len(), right.len());
        let single = totals.step_ms == segment::width(totals.resolution);
        for (found, right) in series.points.iter().zip(&right) {
            prop_assert_eq!(found.at_ms, right.at_ms);
            if single {
                prop_assert!(near(found.sum, right.sum) && near(found.bound, right.bound), "{:?} {:?}", found, right);
                prop_assert!(near(found.lowest, right.lowest) && near(found.highest, right.highest), "{:?} {:?}", found, right);
                prop_assert_eq!((found.series, found.begins), (right.series, right.begins));
                continue;
            }
            let watched = answer.watched.iter().find(|watched| watched.at_ms == found.at_ms).expect("it was watched").covered_ms;
            let share = 1.0 + GAP as f64 / watched as f64 + ROUNDED;
            prop_assert!(found.sum <= right.sum * share && right.sum <= found.sum * share, "{:?} {:?} {}", found, right, watched);
            prop_assert!(found.bound <= right.bound * (1.0 + ROUNDED) && found.series <= right.series, "{:?} {:?}", found, right);
            prop_assert!(found.lowest <= right.lowest * (1.0 + ROUNDED), "{:?} {:?}", found, right);
            prop_assert!(found.highest >= right.highest * (1.0 - ROUNDED), "{:?} {:?}", found, right);
            prop_assert!(found.begins || !right.begins, "{:?} {:?}", found, right);
            // There is memory wherever the service was sampled.
            prop_assert!(series.metric != Metric::MemoryWorkingSet || found.begins == right.begins, "{:?} {:?}", found, right);
        }
    }
    Ok((totals.resolution, totals.step_ms))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_all_come_to_together_is_the_same_by_either_way(past in past()) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), options(2));
        past.fill(&store);
        // As sampled, each five minutes, each quarter of an hour, each hour, and every three hours.
        let steps = [(10_000, Resolution::Raw, STEP), (73, Resolution::FiveMinutes, FIVE), (25, Resolution::FiveMinutes, 3 * FIVE),
            (7, Resolution::Hour, HOUR), (3, Resolution::Hour, 3 * HOUR)];
        for (max_points, resolution, step) in steps {
            prop_assert_eq!(agree(&store, max_points)?, (resolution, step));
        }
        store.tidy(T0 + (HOURS + 1) * HOUR + 2 * MINUTE).expect("tidied");
        store.tidy(T0 + (HOURS + 12) * HOUR).expect("tidied");
        prop_assert!(with_ending(folder.path(), "journal").is_empty() && with_ending(folder.path(), "raw").is_empty());
        for (max_points, ..) in steps {
            agree(&store, max_points)?;
        }
    }
}
