//! What all tasks come to together is what each of them says, and what was used.

use std::fs;

use model::ids::MachineId;

use super::bench::Dice;
use super::*;
use crate::pack::Unpacker;
use crate::segment::Segment;

const METRICS: [Metric; 2] = [Metric::CpuUsed, Metric::MemoryWorkingSet];
const TASKS: u32 = 24;
const HOURS: i64 = 50;
const STEP: i64 = 2 * MINUTE;

fn options(raw_hours: i64) -> Options {
    Options { step_ms: STEP, gap_ms: 5 * MINUTE, raw_hours, ..Options::default() }
}

/// Tasks that come and go, of which some are missing now and then, and all of them once; what was used in each hour, as far as it is known.
fn fill(store: &Store) -> Vec<[f64; 2]> {
    let (mut dice, mut used) = (Dice(23), vec![[0.0; 2]; HOURS as usize]);
    let mut before = vec![(None::<i64>, 0.0); TASKS as usize];
    for at in (0..HOURS * HOUR / STEP).map(|tick| tick * STEP) {
        let mut samples = Vec::new();
        for number in 0..TASKS {
            let there = at / HOUR % 12 != i64::from(number % 12) && at / HOUR != 9 && !dice.next().is_multiple_of(40);
            if !there {
                continue;
            }
            let (last, cpu) = &mut before[number as usize];
            let (grown, memory) = ((dice.next() % 100_000_000) as f64, (dice.next() % 1_000_000) as f64);
            *cpu += grown;
            samples.push(sample(service(1), number, *cpu, memory));
            let hour = &mut used[(at / HOUR) as usize];
            let covered = last.replace(at).map(|last| at - last).filter(|covered| *covered <= 5 * MINUTE);
            hour[0] += covered.map_or(0.0, |_| grown);
            hour[1] += memory * covered.unwrap_or(STEP) as f64 / 1000.0;
        }
        add(store, T0 + at, &samples);
    }
    used
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 3e-4 * one.abs()
}

/// Holds totals against what each task says.
fn check(store: &Store, from: i64, to: i64, max_points: usize) -> Totals {
    let select = Select { metrics: &METRICS, label: None, from_ms: T0 + from, to_ms: T0 + to, max_points };
    let (totals, answer) = (store.totals(service(1), &select).expect("read"), store.query(service(1), &select).expect("read"));
    assert_eq!((totals.resolution, totals.step_ms, totals.damaged), (answer.resolution, answer.step_ms, answer.damaged));
    assert_eq!(totals.series.iter().map(|series| series.metric).collect::<Vec<_>>(), METRICS);
    let kept = match totals.resolution {
        Resolution::Raw => totals.step_ms,
        resolution => segment::width(resolution),
    };
    for series in &totals.series {
        let right = answer.total(series.metric, None);
        assert_eq!(series.points.len(), right.len());
        for (point, right) in series.points.iter().zip(&right) {
            assert_eq!(point.at_ms, right.at_ms);
            // Of a longer time it may be known a sample better how long the service was watched.
            let share = if kept == totals.step_ms { 0.0 } else { 2.0 * STEP as f64 / totals.step_ms as f64 };
            assert!((point.sum - right.sum).abs() <= (share + 3e-4) * right.sum, "{point:?} {right:?}");
            if kept == totals.step_ms {
                assert!(near(right.bound, point.bound) && near(right.lowest, point.lowest) && near(right.highest, point.highest));
                assert_eq!((point.series, point.begins), (right.series, right.begins));
            } else {
                assert!(point.bound <= right.bound * 1.0003 && point.series <= right.series);
                assert!(point.lowest <= right.lowest * 1.0003 && point.highest >= right.highest * 0.9997);
            }
        }
    }
    totals
}

fn check_all(store: &Store) {
    check(store, 0, HOUR, 100);
    check(store, (HOURS - 3) * HOUR, HOURS * HOUR, 200);
    for (from, to) in [(0, HOURS), (7, 31), (40, HOURS)] {
        check(store, from * HOUR, to * HOUR, 10_000);
        check(store, from * HOUR, to * HOUR, 10);
    }
    // Hour by hour, and six hours at a time.
    check(store, 0, HOURS * HOUR, HOURS as usize + 1);
    check(store, MINUTE, HOURS * HOUR - MINUTE, HOURS as usize / 6);
}

/// Holds what an hour's points say was used against what it was.
fn check_hours(store: &Store, used: &[[f64; 2]]) {
    let answer = by(store, service(1), &METRICS, T0, T0 + HOURS * HOUR, HOUR);
    for (number, used) in used.iter().enumerate() {
        let at = T0 + number as i64 * HOUR;
        for (used, metric) in used.iter().zip(METRICS) {
            let points = answer.series.iter().filter(|series| series.metric == metric).flat_map(|series| &series.points);
            let drawn: Vec<f64> = points.filter(|point| point.at_ms == at).map(|point| point.avg * point.covered_ms as f64 / 1000.0).collect();
            assert_eq!(drawn.is_empty(), number == 9, "nothing was sampled in the tenth hour alone");
            assert!(near(*used, drawn.iter().sum()), "hour {number}: {used} {drawn:?}");
        }
    }
}

#[test]
fn totals_are_the_sums_of_all_tasks_and_hours_what_was_used_wherever_it_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), options(100));
    let used = fill(&store);
    let count = |ending| with_ending(folder.path(), ending).len() as i64;
    assert_eq!((count("journal"), count("raw"), count("week")), (HOURS, 0, 0));
    check_all(&store);
    check_hours(&store, &used);
    store.tidy(T0 + (HOURS + 1) * HOUR + 2 * MINUTE).expect("tidied");
    assert_eq!((count("journal"), count("raw"), count("week")), (0, HOURS - 1, 0));
    check_all(&store);
    check_hours(&store, &used);
    drop(store);
    let store = open(folder.path(), options(2));
    store.tidy(T0 + (HOURS + 12) * HOUR).expect("tidied");
    assert_eq!((count("journal"), count("raw"), count("week")), (0, 0, 1));
    check_all(&store);
    check_hours(&store, &used);
    for (ending, resolution) in [("week", Resolution::FiveMinutes), ("month", Resolution::Hour)] {
        let files = with_ending(folder.path(), ending);
        let unpacker = &mut Unpacker::new().expect("an unpacker");
        let there = |path: &PathBuf, unpacker: &mut Unpacker| {
            let segment = Segment::open(path, unpacker).expect("read").expect("whole");
            segment.together(unpacker, resolution, &|_| true, &(i64::MIN..i64::MAX)).len()
        };
        assert!(files.iter().any(|path| there(path, unpacker) == METRICS.len()), "kept together in a {ending}");
    }
}

#[test]
fn where_what_was_put_together_is_damaged_the_tasks_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), options(2));
    fill(&store);
    store.tidy(T0 + (HOURS + 12) * HOUR).expect("tidied");
    let path = with_ending(folder.path(), "week")[0].clone();
    let right = check(&store, 0, HOURS * HOUR, 10_000);
    let bytes = fs::read(&path).expect("read");
    let mut read_otherwise = false;
    for at in (0..bytes.len()).step_by(bytes.len() / 300) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x20;
        fs::write(&path, &wrong).expect("written");
        let select = Select { metrics: &METRICS, label: None, from_ms: T0, to_ms: T0 + HOURS * HOUR, max_points: 10_000 };
        let found = store.totals(service(1), &select).expect("read");
        if found.damaged {
            continue;
        }
        read_otherwise |= found != right;
        assert_eq!(found.series.len(), right.series.len());
        for (series, right) in found.series.iter().zip(&right.series) {
            assert_eq!(series.points.len(), right.points.len());
            assert!(series.points.iter().zip(&right.points).all(|(found, right)| near(right.sum, found.sum) && found.series == right.series));
        }
    }
    assert!(read_otherwise, "one of the bytes is of what was put together");
}

#[test]
fn what_there_is_something_of_is_listed_also_before_it_has_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), options(2));
    let of = |project_number: u128, service_number: u128| Key::Service {
        project: project(project_number),
        service: Uuid::from_u128(service_number).into(),
        environment: Uuid::from_u128(3).into(),
    };
    add(&store, T0, &[sample(of(2, 5), 0, 1.0, 1.0), sample(of(1, 9), 1, 1.0, 1.0), sample(machine(4), 0, 1.0, 1.0)]);
    store.tidy(T0 + 4 * HOUR).expect("tidied");
    add(&store, T0 + 5 * HOUR, &[sample(of(2, 5), 0, 1.0, 1.0), sample(of(1, 4), 1, 1.0, 1.0), sample(machine(2), 0, 1.0, 1.0)]);
    let services = |number: u128| store.services(project(number)).expect("read").iter().map(ToString::to_string).collect::<Vec<_>>();
    let id = |number: u128| Uuid::from_u128(number).to_string();
    assert_eq!(store.projects().expect("read"), [project(1), project(2)]);
    assert_eq!((services(1), services(2), services(3)), (vec![id(4), id(9)], vec![id(5)], vec![]));
    let machine_id = |number: u128| MachineId::from(Uuid::from_u128(number));
    assert_eq!(store.machines().expect("read"), [machine_id(2), machine_id(4)]);
    store.remove_project(project(2)).expect("removed");
    store.remove_machine(machine_id(4)).expect("removed");
    assert_eq!(store.projects().expect("read"), [project(1)]);
    assert_eq!(store.machines().expect("read"), [machine_id(2)]);
}
