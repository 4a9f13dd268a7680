//! The store as its users see it.

mod agree;
mod bench;
mod clock;
mod crashes;
mod damage;
mod files_go;
mod most;
mod together;

use std::path::{Path, PathBuf};

use model::ids::ProjectId;
use uuid::Uuid;

use crate::rollup::{FIVE, HOUR};
use crate::*;

/// A midnight that begins neither a week nor a month of files.
pub(crate) const T0: i64 = 1_795_305_600_000;
pub(crate) const MINUTE: i64 = 60_000;

/// One sample a minute, so that a day is quickly made.
pub(crate) fn slow() -> Options {
    Options { step_ms: MINUTE, gap_ms: 150_000, raw_hours: 2, ..Options::default() }
}

pub(crate) fn project(number: u128) -> ProjectId {
    Uuid::from_u128(number).into()
}

pub(crate) fn service(number: u128) -> Key {
    Key::Service { project: project(1), service: Uuid::from_u128(number).into(), environment: Uuid::from_u128(3).into() }
}

pub(crate) fn machine(number: u128) -> Key {
    Key::Machine(Uuid::from_u128(number).into())
}

pub(crate) fn task(number: u32) -> Member {
    Member { task: Uuid::from_u128(0x1000 + u128::from(number)).into(), slot: number % 10, revision: 1 + number / 10 }
}

pub(crate) fn sample(key: Key, number: u32, cpu: f64, memory: f64) -> Sample {
    let values = vec![Value::new(Metric::CpuUsed, cpu), Value::new(Metric::MemoryWorkingSet, memory)];
    Sample { key, member: matches!(key, Key::Service { .. }).then(|| task(number)), values }
}

pub(crate) fn open(folder: &Path, options: Options) -> Store {
    Store::open(folder, options).expect("opened")
}

pub(crate) fn add(store: &Store, at: i64, samples: &[Sample]) {
    let added = store.append(at, samples).expect("added");
    assert_eq!(added.refused, 0);
}

/// What is asked for such that points stand for exactly this time.
pub(crate) fn by(store: &Store, key: Key, metrics: &[Metric], from: i64, to: i64, step: i64) -> Answer {
    let max_points = usize::try_from((to - from) / step * 10 / 9 + 2).expect("a number");
    let answer = store.query(key, &Select { metrics, label: None, from_ms: from, to_ms: to, max_points }).expect("read");
    assert_eq!(answer.step_ms, step, "{:?}", answer.resolution);
    answer
}

pub(crate) fn averages(answer: &Answer, number: usize) -> Vec<f64> {
    answer.series[number].points.iter().map(|point| point.avg).collect()
}

pub(crate) fn walk(folder: PathBuf) -> Vec<PathBuf> {
    let mut all = vec![folder.clone()];
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("there").path();
        if path.is_dir() { all.extend(walk(path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// The files with this ending.
pub(crate) fn with_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    walk(folder.to_owned()).into_iter().filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

#[test]
fn a_chart_shows_growth_per_second_peaks_and_gaps_at_every_resolution() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    let mut cpu = 0.0;
    // Half a core, a peak of two cores at 00:10, and nothing between 00:20 and 00:40.
    for tick in (0..=120).chain(240..=360) {
        if ![0, 240].contains(&tick) {
            cpu += if tick == 60 { 20e6 } else { 5e6 };
        }
        add(&store, T0 + tick * 10_000, &[sample(service(1), 0, cpu, 100.0 * 1_048_576.0)]);
    }
    let check = |store: &Store| {
        let answer = by(store, service(1), &[Metric::CpuUsed, Metric::MemoryWorkingSet], T0, T0 + HOUR, 10_000);
        assert_eq!((answer.resolution, answer.series.len(), answer.damaged), (Resolution::Raw, 2, false));
        let cpu = &answer.series[0];
        assert_eq!((cpu.metric, cpu.member, cpu.points.len()), (Metric::CpuUsed, Some(task(0)), 240));
        assert!(cpu.points.iter().all(|point| point.avg == if point.at_ms == T0 + 590_000 { 2e6 } else { 5e5 }));
        let begins: Vec<i64> = cpu.points.iter().filter(|point| point.begins).map(|point| (point.at_ms - T0) / 10_000).collect();
        assert_eq!(begins, [0, 240]);
        assert!(answer.series[1].points.iter().all(|point| point.avg == 104_857_600.0));
        let coarse = by(store, service(1), &[Metric::CpuUsed], T0 - 8 * HOUR, T0 + HOUR, 2 * FIVE);
        assert_eq!(coarse.resolution, Resolution::FiveMinutes);
        let points = &coarse.series[0].points;
        let begins: Vec<(i64, bool)> = points.iter().map(|point| ((point.at_ms - T0) / MINUTE, point.begins)).collect();
        assert_eq!(begins, [(0, true), (10, false), (20, false), (40, true), (50, false)]);
        assert_eq!((points[0].min, points[0].max.round()), (5e5, 5e5));
        assert!((points[1].max - 2e6).abs() < 200.0 && points[1].avg > 5e5 && points[1].avg < 5.3e5, "{:?}", points[1]);
    };
    check(&store);
    drop(store);
    let store = open(folder.path(), Options::default());
    check(&store);
    store.tidy(T0 + HOUR + 2 * MINUTE).expect("tidied");
    store.tidy(T0 + 4 * HOUR).expect("tidied");
    assert!(with_ending(folder.path(), "journal").is_empty());
    check(&store);
}

#[test]
fn tasks_that_take_turns_add_up_to_what_the_service_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    // One replaces the other in the middle of an hour, and a third one on another machine, sampled four seconds later, is there all the time.
    for tick in 0..360_i64 {
        let number = u32::from(tick >= 200);
        add(&store, T0 + tick * 10_000, &[sample(service(1), number, 0.0, 60.0)]);
        add(&store, T0 + tick * 10_000 + 4_000, &[sample(service(1), 2, 0.0, 30.0)]);
    }
    let check = |step, points| {
        let answer = by(&store, service(1), &[Metric::MemoryWorkingSet, Metric::Tasks], T0 - 9 * HOUR, T0 + HOUR, step);
        let total = answer.total(Metric::MemoryWorkingSet, None);
        assert_eq!(total.len(), points);
        for total in &total[..] {
            // Of the very first time nobody knows how long before the sample it began.
            assert!((total.sum - 90.0).abs() < if total.at_ms == T0 { 1.5 } else { 0.5 }, "{total:?}");
            assert_eq!((total.lowest, total.highest), (30.0, 60.0));
            assert!(total.bound <= 150.0 && total.bound >= 90.0);
        }
        assert_eq!(total.iter().filter(|total| total.begins).count(), 1);
        let tasks = answer.series.iter().find(|series| series.metric == Metric::Tasks).expect("counted");
        assert!(tasks.points.iter().skip(1).all(|point| point.min == 2.0 && point.max == 2.0));
    };
    check(FIVE, 12);
    store.tidy(T0 + HOUR + 2 * MINUTE).expect("tidied");
    store.tidy(T0 + 3 * HOUR).expect("tidied");
    check(FIVE, 12);
    let hour = store
        .query(service(1), &Select { metrics: &[Metric::MemoryWorkingSet], label: None, from_ms: T0, to_ms: T0 + HOUR, max_points: 2 })
        .expect("read");
    assert_eq!(hour.resolution, Resolution::Hour);
    let total = hour.total(Metric::MemoryWorkingSet, None);
    assert!(total.len() == 1 && total[0].series == 3 && (total[0].sum - 90.0).abs() < 0.5, "{total:?}");
    let raw = by(&store, service(1), &[Metric::MemoryWorkingSet], T0, T0 + HOUR, 10_000);
    let sums = raw.total(Metric::MemoryWorkingSet, None);
    assert!(sums[1..359].iter().all(|total| (total.sum - 90.0).abs() < 1e-6));
}

#[test]
fn a_machine_has_parts_and_an_application_its_own_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    let disks = |used: f64| Sample {
        key: machine(1),
        member: None,
        values: vec![
            Value::labelled(Metric::DiskUsed, "/", used),
            Value::labelled(Metric::DiskUsed, "/var/lib/docker", used * 2.0),
            Value::new(Metric::Load1, 0.25),
        ],
    };
    let requests = |count: f64| Sample {
        key: service(1),
        member: Some(task(0)),
        values: vec![Value::labelled(Metric::AppCounter, "http_requests_total", count), Value::labelled(Metric::AppGauge, "queue".to_owned(), 0.1)],
    };
    for tick in 0..60_i64 {
        add(&store, T0 + tick * 10_000, &[disks(tick as f64), requests(tick as f64 * 50.0)]);
    }
    let answer = by(&store, machine(1), &[Metric::DiskUsed, Metric::Load1], T0, T0 + 10 * MINUTE, 10_000);
    let names: Vec<(Metric, &str)> = answer.series.iter().map(|series| (series.metric, &*series.label)).collect();
    assert_eq!(names, [(Metric::Load1, ""), (Metric::DiskUsed, "/"), (Metric::DiskUsed, "/var/lib/docker")]);
    assert_eq!(answer.total(Metric::DiskUsed, None).last().expect("a point").sum, 59.0 * 3.0);
    let select = Select { metrics: &[Metric::DiskUsed], label: Some("/"), from_ms: T0, to_ms: T0 + 10 * MINUTE, max_points: 100 };
    assert_eq!(store.query(machine(1), &select).expect("read").series.len(), 1);
    let answer = by(&store, service(1), &[Metric::AppCounter, Metric::AppGauge], T0, T0 + 10 * MINUTE, 10_000);
    assert!(averages(&answer, 0).iter().all(|rate| *rate == 5.0) && averages(&answer, 1).iter().all(|value| *value == 0.1));
}

#[test]
fn what_cannot_be_kept_is_counted_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options { most_series: 3, ..Options::default() });
    let values = vec![
        Value::new(Metric::CpuUsed, f64::NAN),
        Value::new(Metric::MemoryUsage, 1.0),
        Value::labelled(Metric::AppGauge, "x".repeat(Value::LABEL + 1), 1.0),
        Value::new(Metric::Tasks, 5.0),
        Value::labelled(Metric::AppGauge, "one", 1.0),
        Value::labelled(Metric::AppGauge, "two", 1.0),
        Value::labelled(Metric::AppGauge, "three", 1.0),
    ];
    let whole = Sample { key: service(1), member: Some(task(1)), values };
    let twice = Sample { values: vec![Value::new(Metric::MemoryUsage, 9.0)], ..whole.clone() };
    let of_nobody = Sample { member: None, ..twice.clone() };
    let added = store.append(T0, &[whole, twice, of_nobody]).expect("added");
    assert_eq!(added, Added { kept: 3, refused: 6, of: vec![(service(1), 6)] });
    let answer = by(&store, service(1), &[Metric::MemoryUsage, Metric::AppGauge], T0 - HOUR, T0 + HOUR, 10_000);
    assert_eq!(
        answer.series.iter().map(|series| (&*series.label, series.points[0].avg)).collect::<Vec<_>>(),
        [("", 1.0), ("one", 1.0), ("two", 1.0)]
    );
    assert!(store.append(-1, &[]).is_err() && store.append(i64::MAX, &[]).is_err());
}

#[test]
fn the_last_numbers_and_the_last_hour_of_all_are_there_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    for tick in 0..720_i64 {
        let cpu = tick as f64 * 1e6;
        let mut samples = vec![sample(service(1), 0, cpu, 50.0), sample(service(1), 1, cpu, 70.0), sample(service(2), 2, cpu, 9.0)];
        samples.truncate(if tick < 300 { 2 } else { 3 });
        samples.push(Sample {
            key: machine(1),
            member: None,
            values: vec![Value::labelled(Metric::NetSent, "eth0", cpu), Value::labelled(Metric::NetSent, "eth1", cpu)],
        });
        add(&store, T0 + tick * 10_000, &samples);
        if tick % 6 == 0 {
            store.tidy(T0 + tick * 10_000).expect("tidied");
        }
    }
    let now = T0 + 719 * 10_000;
    let check = |store: &Store| {
        let overview = store.overview(now - HOUR);
        assert_eq!(overview.iter().map(|overview| overview.key).collect::<Vec<_>>(), [service(1), service(2), machine(1)]);
        assert_eq!(overview[0].minutes.len(), 60);
        for minute in &overview[0].minutes {
            let [Some(cpu), Some(memory), None, None] = minute.values else { panic!("{minute:?}") };
            assert!((cpu - 2e5).abs() < 1.0 && (memory - 120.0).abs() < 1e-3, "{minute:?}");
        }
        let [None, None, None, Some(sent)] = overview[2].minutes[30].values else { panic!("what is not sampled is not known: {:?}", overview[2]) };
        assert!((sent - 2e5).abs() < 1.0);
        let latest = store.latest(now - MINUTE);
        assert_eq!(latest.iter().map(|latest| latest.member).collect::<Vec<_>>(), [Some(task(0)), Some(task(1)), Some(task(2)), None]);
        let cpu = &latest[1].values[0];
        assert_eq!((cpu.metric, cpu.value, cpu.rate), (Metric::CpuUsed, 719e6, Some(1e5)));
        assert_eq!((latest[1].values[1].value, latest[1].values[1].rate), (70.0, None));
    };
    check(&store);
    drop(store);
    let store = open(folder.path(), Options::default());
    check(&store);
    store.tidy(now + 11 * MINUTE).expect("tidied");
    assert!(store.latest(0).is_empty());
    store.tidy(now + 2 * HOUR).expect("tidied");
    assert!(store.overview(0).is_empty());
}
