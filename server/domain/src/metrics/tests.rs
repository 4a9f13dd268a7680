//! Charts of a store that the test fills: which figures come together, in which unit, and who sees them.

use ::metrics::{Key, Member, Metric, Options, Sample, Store as Samples, Value};
use model::ids::{EnvironmentId, MachineId, ProjectId, ServiceId, TaskId};
use model::metrics::{Group, Window};
use model::time::Millis;
use model::views::metrics::{ChartView, Column, LimitedView, Unit};

use super::read::Asked;
use super::{Detail, charts, work};
use crate::live::Topic;
use crate::testing::Store;

const BEGIN: i64 = 1_795_161_600_000;

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u32) -> T {
    format!("0192f0c1-7c1e-7b44-8d2a-{number:012x}").parse().expect("an id")
}

fn key() -> Key {
    Key::Service { project: id::<ProjectId>(1), service: id::<ServiceId>(2), environment: id::<EnvironmentId>(3) }
}

fn member(slot: u32) -> Member {
    Member { task: id::<TaskId>(100 + slot), slot, revision: 1 }
}

fn open() -> (tempfile::TempDir, Samples) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Samples::open(folder.path().join("metrics"), Options::default()).expect("the store opens");
    (folder, store)
}

/// Samples every ten seconds, so many times; `values` are made of the task's slot and the time that has passed in seconds.
fn fill(store: &Samples, tasks: u32, times: i64, values: impl Fn(u32, f64) -> Vec<Value>) {
    for time in 0..times {
        let seconds = (time * 10) as f64;
        let of = |slot| Sample { key: key(), member: Some(member(slot)), values: values(slot, seconds) };
        let samples: Vec<Sample> = (1..=tasks).map(of).collect();
        store.append(BEGIN + time * 10_000, &samples).expect("kept");
    }
}

fn read(store: &Samples, key: Key, all: &'static [charts::Plan], minutes: i64, detail: Detail, compare: bool) -> (Vec<i64>, Vec<ChartView>) {
    let window = Window { from: Millis(BEGIN), to: Millis(BEGIN + minutes * 60_000) };
    let plans: Vec<&'static charts::Plan> = all.iter().collect();
    let view = super::read::read(store, Asked { key, window, points: 240, compare, plans, detail, environment: None }).expect("read");
    (view.at, view.charts)
}

#[test]
fn a_number_keeps_the_digits_that_count_and_is_always_one() {
    for (value, shown) in [(123_456.0, 123_500.0), (-0.012_345_6, -0.012_35), (0.0, 0.0), (1e-310, 0.0), (-5e-324, 0.0), (f64::NAN, 0.0)] {
        assert_eq!(super::rounded(value, 4), shown, "{value}");
    }
    for value in [super::LEAST, f64::MIN_POSITIVE, 1e-200, 1e300] {
        let rounded = super::rounded(value, 6);
        assert!(rounded == 0.0 || (rounded / value - 1.0).abs() < 1e-5, "{value} is not {rounded}");
    }
}

fn chart(charts: &[ChartView], group: Group) -> &ChartView {
    charts.iter().find(|chart| chart.group == group).expect("the chart")
}

/// The only number of a column whose known numbers are all about the same.
fn steady(column: &Column) -> f64 {
    let known: Vec<f64> = column.iter().flatten().copied().collect();
    let first = *known.first().expect("something is known");
    assert!(known.iter().all(|value| (value - first).abs() <= first.abs() * 0.01), "{known:?}");
    first
}

#[test]
fn tasks_add_up_and_the_limit_is_theirs_together() {
    let (_folder, store) = open();
    fill(&store, 2, 60, |slot, seconds| {
        let mut values = vec![
            Value::new(Metric::CpuUsed, seconds * 250_000.0 * f64::from(slot)),
            Value::new(Metric::MemoryWorkingSet, f64::from(slot) * 1024.0),
            Value::new(Metric::MemoryLimit, 8192.0),
        ];
        // The second task may use what there is.
        values.extend((slot == 1).then(|| Value::new(Metric::CpuLimit, 0.5)));
        values
    });
    let (at, charts) = read(&store, key(), charts::OF_SERVICES, 10, Detail::All, false);
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 10_000), "an even axis");
    let cpu = &chart(&charts, Group::Cpu).sides[0];
    assert_eq!(cpu.lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["Task 1", "Task 2"]);
    assert_eq!((steady(&cpu.lines[0].mean), steady(&cpu.lines[1].mean)), (0.25, 0.5));
    let total = cpu.total.as_ref().expect("a total");
    assert_eq!((steady(&total.mean), steady(&total.lowest), steady(&total.highest)), (0.75, 0.25, 0.5));
    assert!(cpu.limit.is_none(), "a sum of some limits would be none");
    assert_eq!(cpu.limited, Some(LimitedView { tasks: 1, of: 2 }));
    assert_eq!(steady(cpu.limit_of_one.as_ref().expect("a limit")), 0.5);
    let memory = chart(&charts, Group::Memory);
    assert_eq!(memory.unit, Unit::Bytes);
    let used = &memory.sides[0];
    assert_eq!(steady(used.limit.as_ref().expect("a limit")), 16_384.0);
    assert_eq!(steady(used.limit_of_one.as_ref().expect("a limit")), 8192.0);
    assert_eq!(used.limited, None, "all of them have one");
    assert!(chart(&charts, Group::Network).sides.iter().all(|side| side.lines.is_empty()), "a chart of nothing, which says so");
    assert!(charts.iter().all(|chart| chart.group != Group::Application));
}

#[test]
fn all_together_are_limited_as_long_as_each_that_uses_something_is() {
    let (_folder, store) = open();
    // The second task comes after two minutes, without a limit, and leaves after four; the third has one from its first sample on, which says nothing yet
    // of what it uses.
    for time in 0..36_i64 {
        let used = |slot: u32| Value::new(Metric::CpuUsed, (time * 10) as f64 * 250_000.0 * f64::from(slot));
        let limit = Value::new(Metric::CpuLimit, 0.5);
        let of = |slot: u32, values: Vec<Value>| Sample { key: key(), member: Some(member(slot)), values };
        let mut samples = vec![of(1, vec![used(1), limit.clone()])];
        samples.extend((12..24).contains(&time).then(|| of(2, vec![used(2)])));
        samples.extend((time >= 18).then(|| of(3, vec![used(1), limit])));
        store.append(BEGIN + time * 10_000, &samples).expect("kept");
    }
    let (at, charts) = read(&store, key(), charts::OF_SERVICES, 6, Detail::All, false);
    let cpu = &chart(&charts, Group::Cpu).sides[0];
    let limit = cpu.limit.as_ref().expect("a limit");
    let place = |seconds: i64| at.iter().position(|at| *at == BEGIN + seconds * 1000).expect("a place");
    assert_eq!((limit[place(60)], limit[place(300)]), (Some(0.5), Some(1.0)));
    assert!(limit[place(130)..place(230)].iter().all(Option::is_none), "the second one had none: {limit:?}");
    assert_eq!(cpu.limited, Some(LimitedView { tasks: 2, of: 3 }));
}

#[test]
fn a_limit_is_as_high_as_it_was_set_also_where_no_task_ran_for_a_while() {
    let (_folder, store) = open();
    // The second slot's containers run for some seconds and are made anew some seconds later, the first one's runs all the time.
    for time in 0..1080_i64 {
        let of = |member: Member| {
            let values = vec![Value::new(Metric::CpuUsed, (time * 10) as f64 * 250_000.0), Value::new(Metric::CpuLimit, 0.3)];
            Sample { key: key(), member: Some(member), values }
        };
        let mut samples = vec![of(member(1))];
        let made = u32::try_from(time / 20).expect("a number");
        samples.extend((time % 20 < 10).then(|| of(Member { task: id::<TaskId>(200 + made), ..member(2) })));
        store.append(BEGIN + time * 10_000, &samples).expect("kept");
    }
    let (at, charts) = read(&store, key(), charts::OF_SERVICES, 180, Detail::All, false);
    assert!(at[1] - at[0] > 30_000, "several samples are one point");
    let cpu = &chart(&charts, Group::Cpu).sides[0];
    let near = |value: f64, wanted: f64| (value - wanted).abs() < 1e-4;
    let limits: Vec<f64> = cpu.limit.iter().flatten().flatten().copied().collect();
    assert!(limits.iter().all(|limit| near(*limit, 0.3) || near(*limit, 0.6)), "of one task or of two, never between: {limits:?}");
    assert!(limits.iter().filter(|limit| near(**limit, 0.6)).count() > limits.len() / 3);
    assert!(near(steady(cpu.limit_of_one.as_ref().expect("a limit")), 0.3));
    let mut names: Vec<&str> = cpu.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names[..3], ["Task 1", "Task 2, container 1", "Task 2, container 2"]);
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "each line has a name of its own: {names:?}");
}

#[test]
fn what_nobody_sampled_is_a_gap_and_no_line_leads_over_it() {
    let (_folder, store) = open();
    let sample = |time: i64| {
        let values = vec![Value::new(Metric::MemoryWorkingSet, 4096.0)];
        store.append(BEGIN + time * 10_000, &[Sample { key: key(), member: Some(member(1)), values }]).expect("kept");
    };
    (0..12).for_each(sample);
    (36..48).for_each(sample);
    let (at, charts) = read(&store, key(), charts::OF_SERVICES, 10, Detail::All, false);
    let line = &chart(&charts, Group::Memory).sides[0].lines[0];
    let gap = at.iter().position(|at| *at == BEGIN + 240_000).expect("a place");
    assert_eq!(line.mean[gap], None);
    assert_eq!(line.begins.len(), 2, "{:?}", line.begins);
    assert!(line.begins[1] as usize > gap);
}

#[test]
fn the_time_before_lies_at_the_same_places() {
    let (_folder, store) = open();
    // A sample tells of the time right before it.
    for time in -60..=60_i64 {
        let used = if time <= 0 { 1000.0 } else { 3000.0 };
        let values = vec![Value::new(Metric::MemoryWorkingSet, used)];
        store.append(BEGIN + time * 10_000, &[Sample { key: key(), member: Some(member(1)), values }]).expect("kept");
    }
    let (_, charts) = read(&store, key(), charts::OF_SERVICES, 10, Detail::All, true);
    let side = &chart(&charts, Group::Memory).sides[0];
    assert_eq!(steady(side.before.as_ref().expect("the time before")), 1000.0);
    assert_eq!(side.before.iter().flatten().flatten().count(), side.lines[0].mean.iter().flatten().count());
}

#[test]
fn a_picture_has_the_lines_with_most_and_the_rest_as_one() {
    let (_folder, store) = open();
    fill(&store, 20, 30, |slot, _| vec![Value::new(Metric::MemoryWorkingSet, f64::from(slot) * 1000.0)]);
    let (_, charts) = read(&store, key(), charts::OF_SERVICES, 5, Detail::Picture, false);
    let side = &chart(&charts, Group::Memory).sides[0];
    assert_eq!(side.lines.len(), 9);
    assert_eq!((side.lines[0].name.as_str(), side.lines[7].name.as_str()), ("Task 13", "Task 20"));
    assert_eq!(side.lines[8].name, "12 others together");
    assert_eq!(steady(&side.lines[8].mean), 78_000.0, "the sum of the first twelve");
    assert!(side.lines.iter().all(|line| line.least.is_empty() && line.peak.is_empty()));
    let (_, charts) = read(&store, key(), charts::OF_SERVICES, 5, Detail::All, false);
    assert_eq!(chart(&charts, Group::Memory).sides[0].lines.len(), 20, "programs get all");
}

#[test]
fn each_figure_of_an_application_is_a_chart() {
    let (_folder, store) = open();
    fill(&store, 2, 30, |_, seconds| {
        vec![Value::labelled(Metric::AppCounter, "orders_total", seconds * 2.0), Value::labelled(Metric::AppGauge, "queue_length", 7.0)]
    });
    let (_, charts) = read(&store, key(), charts::OF_SERVICES, 5, Detail::All, false);
    let own: Vec<&ChartView> = charts.iter().filter(|chart| chart.group == Group::Application).collect();
    assert_eq!(
        own.iter().map(|chart| (chart.title.as_str(), chart.unit)).collect::<Vec<_>>(),
        [("orders_total", Unit::PerSecond), ("queue_length", Unit::Count)]
    );
    assert_eq!(steady(&own[0].sides[0].total.as_ref().expect("a total").mean), 4.0);
    assert_eq!(own[1].sides[0].lines[0].name, "Task 1");
}

#[test]
fn a_machines_file_systems_are_shares_of_their_size() {
    let (_folder, store) = open();
    let key = Key::Machine(id::<MachineId>(9));
    for time in 0..30 {
        let values = vec![
            Value::labelled(Metric::DiskUsed, "/", 25.0),
            Value::labelled(Metric::DiskSize, "/", 100.0),
            Value::labelled(Metric::DiskUsed, "/data", 90.0),
            Value::labelled(Metric::DiskSize, "/data", 100.0),
            Value::new(Metric::Load1, 2.0),
            Value::labelled(Metric::PressureSome, "cpu", time as f64 * 10.0 * 50_000.0),
        ];
        store.append(BEGIN + time * 10_000, &[Sample { key, member: None, values }]).expect("kept");
    }
    let (_, charts) = read(&store, key, charts::OF_MACHINES, 5, Detail::Picture, false);
    let disks = &chart(&charts, Group::Storage).sides[0];
    assert_eq!(disks.lines.iter().map(|line| (line.name.as_str(), steady(&line.mean))).collect::<Vec<_>>(), [("/", 25.0), ("/data", 90.0)]);
    assert!(disks.total.is_none(), "percents do not add up");
    assert_eq!(chart(&charts, Group::Load).sides[0].lines[0].name, "1 minute");
    assert_eq!(steady(&chart(&charts, Group::Pressure).sides[0].lines[0].mean), 5.0);
    assert_eq!(chart(&charts, Group::Pressure).sides[0].lines[0].name, "CPU");
}

#[test]
fn what_happens_seldom_is_counted_and_shares_of_sums_are_of_their_growth() {
    let (_folder, store) = open();
    // A hundred periods in ten seconds, of which a quarter was throttled; the second task was killed once, after two minutes.
    fill(&store, 2, 36, |slot, seconds| {
        vec![
            Value::new(Metric::CpuPeriods, seconds * 10.0),
            Value::new(Metric::CpuThrottledPeriods, seconds * 2.5),
            Value::new(Metric::OomKills, if slot == 2 && seconds >= 120.0 { 1.0 } else { 0.0 }),
        ]
    });
    let (_, charts) = read(&store, key(), charts::OF_SERVICES, 6, Detail::All, false);
    let throttled = &chart(&charts, Group::Throttled).sides[0];
    assert_eq!(throttled.lines.iter().map(|line| (line.name.as_str(), steady(&line.mean))).collect::<Vec<_>>(), [("Task 1", 25.0), ("Task 2", 25.0)]);
    assert!(throttled.total.is_none(), "percents do not add up");
    let kills = chart(&charts, Group::OomKills);
    assert_eq!(kills.unit, Unit::Times);
    let sums = kills.sides[0].lines.iter().map(|line| line.mean.iter().flatten().sum::<f64>());
    assert_eq!(sums.collect::<Vec<_>>(), [0.0, 1.0]);
    let total = kills.sides[0].total.as_ref().expect("a total");
    assert_eq!(total.mean.iter().flatten().sum::<f64>(), 1.0);
    assert!(charts.iter().all(|chart| chart.group != Group::Swap), "of what nothing is known there is no chart");
}

#[test]
fn lines_that_do_not_add_up_are_compared_each_with_its_own_time_before() {
    let (_folder, store) = open();
    let key = Key::Machine(id::<MachineId>(9));
    for time in -60..=60_i64 {
        let (used, load) = if time <= 0 { (25.0, 1.0) } else { (50.0, 3.0) };
        let values = vec![
            Value::labelled(Metric::DiskUsed, "/", used),
            Value::labelled(Metric::DiskSize, "/", 100.0),
            Value::labelled(Metric::DiskInodesUsed, "/", used / 5.0),
            Value::labelled(Metric::DiskInodes, "/", 100.0),
            Value::new(Metric::Load1, load),
            Value::labelled(Metric::PressureFull, "io", (time + 60) as f64 * 10.0 * 100_000.0),
        ];
        store.append(BEGIN + time * 10_000, &[Sample { key, member: None, values }]).expect("kept");
    }
    let (_, charts) = read(&store, key, charts::OF_MACHINES, 10, Detail::Picture, true);
    let before = |group| steady(&chart(&charts, group).sides[0].lines[0].before);
    assert_eq!([Group::Storage, Group::Inodes, Group::Load, Group::PressureFull].map(before), [25.0, 5.0, 1.0, 10.0]);
    assert_eq!(steady(&chart(&charts, Group::Inodes).sides[0].lines[0].mean), 10.0);
    let (_, charts) = read(&store, key, charts::OF_MACHINES, 10, Detail::Picture, false);
    assert!(chart(&charts, Group::Load).sides[0].lines[0].before.is_empty(), "nobody asked for it");
}

#[tokio::test]
async fn pages_hear_of_new_samples_once_for_all_of_them() {
    let (_folder, samples) = open();
    let store = Store::open().await;
    store.platform.plug_metrics(samples);
    let mut live = store.platform.live();
    let of = |slot| Sample { key: key(), member: Some(member(slot)), values: vec![Value::new(Metric::Pids, 1.0)] };
    let turn = vec![(Millis(BEGIN), (1..=50).map(of).collect()), (Millis(BEGIN + 700), vec![of(51)])];
    let added = work::add(&store.worker, turn).await.expect("kept");
    assert_eq!(added.kept, 51);
    assert_eq!(live.recv().await.expect("a word"), Topic::Metrics);
    assert!(live.try_recv().is_err(), "and no other one");
    assert_eq!("metrics".parse::<Topic>(), Ok(Topic::Metrics));
}
