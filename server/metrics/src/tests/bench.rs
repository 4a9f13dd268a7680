//! What it costs to keep what 500 containers use: a day's writes with 90 days of roll-ups before it, bytes on disk, memory. How long charts of it take is
//! measured where they are made, in `server/domain/src/metrics/bench.rs`, which reads the folder that this leaves behind.

use std::fs;
use std::time::{Duration, Instant};

use super::*;
use crate::pack::Packer;
use crate::rollup::Row;
use crate::segment::{Name, Writer};

/// Random numbers, the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Around this number, by up to a third.
    fn around(&mut self, mean: f64) -> f64 {
        (mean * (0.67 + 0.66 * self.unit())).round()
    }
}

const DAY: i64 = 24 * HOUR;
const CONTAINERS: u32 = 500;
/// One service with fifty tasks, 75 with four and 150 with one.
fn service_of(container: u32) -> u128 {
    match container {
        0..50 => 1,
        50..350 => 2 + u128::from((container - 50) / 4),
        _ => 100 + u128::from(container),
    }
}

/// What grows, by how much in ten seconds as a rule.
const COUNTERS: [(Metric, f64); 16] = [
    (Metric::CpuUsed, 400_000.0),
    (Metric::CpuThrottled, 2_000.0),
    (Metric::CpuThrottledPeriods, 2.0),
    (Metric::CpuPeriods, 100.0),
    (Metric::OomKills, 0.0),
    (Metric::NetReceived, 250_000.0),
    (Metric::NetSent, 900_000.0),
    (Metric::NetReceivedPackets, 400.0),
    (Metric::NetSentPackets, 700.0),
    (Metric::NetReceivedErrors, 0.0),
    (Metric::NetSentDrops, 0.0),
    (Metric::BlockRead, 0.0),
    (Metric::BlockWritten, 65_536.0),
    (Metric::BlockReads, 0.0),
    (Metric::BlockWrites, 12.0),
    (Metric::Restarts, 0.0),
];
const STATES: [(Metric, f64); 6] = [
    (Metric::MemoryWorkingSet, 200e6),
    (Metric::MemoryUsage, 300e6),
    (Metric::MemoryLimit, 0.0),
    (Metric::CpuLimit, 0.0),
    (Metric::Pids, 0.0),
    (Metric::Started, 0.0),
];

struct Containers {
    dice: Dice,
    sums: Vec<[f64; COUNTERS.len()]>,
    states: Vec<[f64; STATES.len()]>,
}

impl Containers {
    fn new() -> Self {
        let states = [200e6, 300e6, 536_870_912.0, 0.5, 20.0, 1_795_000_000.0];
        Self { dice: Dice(7), sums: vec![[1e9; COUNTERS.len()]; CONTAINERS as usize], states: vec![states; CONTAINERS as usize] }
    }

    fn sample(&mut self, container: u32) -> Sample {
        let (sums, states) = (&mut self.sums[container as usize], &mut self.states[container as usize]);
        // A third of them idles.
        let busy = if container.is_multiple_of(3) { 0.01 } else { 1.0 };
        for (sum, (_, mean)) in sums.iter_mut().zip(COUNTERS) {
            *sum += self.dice.around(mean * busy);
        }
        if busy == 1.0 || self.dice.next().is_multiple_of(20) {
            states[0] = (states[0] + ((self.dice.unit() - 0.5) * 400.0).round() * 4096.0).clamp(50e6, 500e6).round();
            states[1] = states[0] + 100e6 + (self.dice.unit() * 50.0).round() * 4096.0;
        }
        if self.dice.next().is_multiple_of(30) {
            states[4] = 15.0 + (self.dice.unit() * 10.0).round();
        }
        let values = COUNTERS.iter().zip(sums.iter()).chain(STATES.iter().zip(states.iter())).map(|((metric, _), value)| Value::new(*metric, *value));
        Sample { key: service(service_of(container)), member: Some(task(container)), values: values.collect() }
    }
}

/// Time of processors that this process has used.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("readable");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number");
    Duration::from_millis(ticks * 10)
}

/// Kilobytes of memory that this process has now, and had at most.
fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").expect("readable");
    let of = |name| status.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
    (of("VmRSS:"), of("VmHWM:"))
}

fn size(folder: &Path, ending: &str) -> u64 {
    with_ending(folder, ending).iter().map(|path| path.metadata().expect("there").len()).sum()
}

/// Writes the roll-ups of the 90 days before, as noise around each metric's mean: no series is as hard to pack as that.
fn roll_ups(folder: &Path) {
    let (mut packer, mut dice) = (Packer::new(3).expect("a packer"), Dice(11));
    let mut services: Vec<u128> = (0..CONTAINERS).map(service_of).collect();
    services.dedup();
    for number in services {
        let members: Vec<Option<Member>> =
            (0..CONTAINERS).filter(|container| service_of(*container) == number).map(|container| Some(task(container))).collect();
        let stream = files::stream(folder, &service(number));
        files::make(&stream).expect("made");
        for resolution in [Resolution::FiveMinutes, Resolution::Hour] {
            let width = segment::width(resolution);
            let (first, last) = (files::hour_of(T0 - 90 * DAY), files::hour_of(T0) - 1);
            for period in files::period_of(first, resolution)..=files::period_of(last, resolution) {
                let base = period * files::hours(resolution) * HOUR;
                let times: Vec<i64> = (0..files::hours(resolution) * HOUR / width)
                    .map(|at| base + at * width)
                    .filter(|at| (first..=last).contains(&files::hour_of(*at)))
                    .collect();
                let mut writer = Writer::new(&mut packer, base);
                writer.members(members.clone());
                for (metric, mean) in COUNTERS.iter().chain(&STATES) {
                    let column = |(number, _)| {
                        let row = |at: &i64| {
                            let avg = dice.around(mean / 10.0);
                            let (min, max) = (avg - dice.around(avg / 5.0), avg + dice.around(avg / 5.0));
                            Row { at: *at, min, avg, max, covered: width + (dice.unit() * 1500.0) as i64 }
                        };
                        (number, times.iter().map(row).collect::<Vec<_>>())
                    };
                    let columns: Vec<(usize, Vec<Row>)> = members.iter().enumerate().map(column).collect();
                    writer.rows(resolution, Name { metric: metric.number(), label: "".into() }, &columns).expect("written");
                }
                writer.finish(&files::file(&stream, resolution, period), false).expect("written");
            }
        }
    }
}

/// Run by hand, in release: `scripts/bench.sh metrics`. Where `SLIPWAY_BENCH_SAMPLES` names a folder, the samples stay there.
#[test]
#[ignore = "takes minutes and measures time"]
fn what_five_hundred_containers_use_is_kept_for_two_percent_of_a_core() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = std::env::var_os("SLIPWAY_BENCH_SAMPLES").map_or_else(|| temporary.path().join("samples"), PathBuf::from);
    roll_ups(&folder);
    let per_day = |ending, days: u64| size(&folder, ending) / u64::from(CONTAINERS) / days;
    let mut report = format!("roll-ups, bytes for a container and day: {} of 5 minutes, {} of hours\n", per_day("week", 90), per_day("month", 90));
    let store = open(&folder, Options::default());
    let (mut containers, before) = (Containers::new(), memory());
    let (mut appending, mut tidying, mut making) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut slowest = Duration::ZERO;
    let begin = Instant::now();
    for tick in 0..8640_i64 {
        let (at, start) = (T0 + tick * 10_000 + (containers.dice.unit() * 30.0) as i64, cpu());
        let samples: Vec<Sample> = (0..CONTAINERS).map(|container| containers.sample(container)).collect();
        let (made, instant) = (cpu(), Instant::now());
        store.append(at, &samples).expect("added");
        slowest = slowest.max(instant.elapsed());
        let added = cpu();
        if tick % 6 == 0 {
            store.tidy(at).expect("tidied");
        }
        (making, appending, tidying) = (making + (made - start), appending + (added - made), tidying + (cpu() - added));
    }
    let after = memory();
    report += &format!(
        "a day of samples: {appending:?} of cpu to add, {tidying:?} to make files: {:.3} % of a core ({making:?} to make the samples up, {:?} in all); slowest {slowest:?}\n",
        (appending + tidying).as_secs_f64() / 864.0,
        begin.elapsed()
    );
    // The last hour has no file yet.
    let (raw, journals) = (per_day("raw", 1) * 24 / 23, size(&folder, "journal"));
    report += &format!("samples: {raw} bytes for a container and day; journals {journals} bytes\n");
    report += &format!("memory: {} KiB before, {} after, {} at most\n", before.0, after.0, after.1);
    let now = T0 + DAY;
    let instant = Instant::now();
    let minutes: usize = store.overview(now - HOUR).iter().map(|overview| overview.minutes.len()).sum();
    report += &format!("overview of all: {minutes} minutes in {:?}; ", instant.elapsed());
    let instant = Instant::now();
    report += &format!("last numbers of {} in {:?}; ", store.latest(now - HOUR).len(), instant.elapsed());
    drop(store);
    let instant = Instant::now();
    drop(open(&folder, Options::default()));
    report += &format!("opened again in {:?}\n", instant.elapsed());
    eprintln!("{report}");
    assert!((appending + tidying).as_secs_f64() < 864.0 * 2.0, "{report}");
}
