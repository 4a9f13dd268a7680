//! Reads what the machine itself uses from `/proc`. The parsers are pure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ::metrics::{Metric, Value};

use super::cgroup::keyed;
use super::disks::Disks;
use super::net;
use super::reader::Reader;
use super::usage::{Accesses, Block};

/// Microseconds of one of the kernel's ticks, in which `/proc/stat` counts: a hundred are a second, on every architecture that engines run on.
const TICK: u64 = 10_000;
/// A sector of `/proc/diskstats`, whatever the disk's own are.
const SECTOR: u64 = 512;
/// The columns of `/proc/stat`. What guests used is part of the first two.
static MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
/// What processes wait for.
const PRESSURES: [&str; 3] = ["cpu", "memory", "io"];

/// The machine that the portal runs on.
#[derive(Debug)]
pub(crate) struct Host {
    proc: PathBuf,
    sys: PathBuf,
    disks: Disks,
    /// Which interfaces and disks are hardware.
    hardware: HashMap<PathBuf, bool>,
}

/// Time of all processors by mode, in ticks, and how many processors there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    modes: [u64; 8],
    cores: u64,
}

impl Times {
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().take_while(|line| line.starts_with("cpu"));
        let mut words = lines.next()?.split_ascii_whitespace().skip(1);
        let mut times = Self::default();
        for mode in &mut times.modes {
            *mode = words.next()?.parse().ok()?;
        }
        times.cores = lines.count() as u64;
        Some(times)
    }

    /// All but waiting, and but what another machine had of the same processors.
    fn busy(&self) -> u64 {
        MODES.iter().zip(self.modes).filter(|(mode, _)| !matches!(**mode, "idle" | "iowait" | "steal")).map(|(_, ticks)| ticks).sum()
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        let used = Value::new(Metric::CpuUsed, (self.busy() * TICK) as f64);
        let modes = MODES.iter().zip(self.modes).map(|(mode, ticks)| Value::labelled(Metric::CpuMode, *mode, (ticks * TICK) as f64));
        [used, Value::new(Metric::CpuLimit, self.cores as f64)].into_iter().chain(modes)
    }
}

/// When the machine was started, as `/proc/stat` has it.
fn started(text: &str) -> Option<Value> {
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Value::new(Metric::Started, seconds))
}

/// `/proc/meminfo`, whose numbers are in KiB.
fn memory(text: &str) -> Option<[Value; 5]> {
    let of = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    let (total, free) = (of("MemTotal")?, of("MemFree")?);
    let (swap, swap_free) = (of("SwapTotal").unwrap_or(0), of("SwapFree").unwrap_or(0));
    let value = |metric, bytes: u64| Value::new(metric, bytes as f64);
    Some([
        value(Metric::MemoryWorkingSet, total.saturating_sub(of("MemAvailable").unwrap_or(free))),
        value(Metric::MemoryUsage, total.saturating_sub(free)),
        value(Metric::MemoryLimit, total),
        value(Metric::SwapUsed, swap.saturating_sub(swap_free)),
        value(Metric::SwapLimit, swap),
    ])
}

/// All memory, in bytes.
pub(crate) fn total_memory(text: &str) -> Option<u64> {
    memory(text)?.iter().find(|value| value.metric == Metric::MemoryLimit).map(|value| value.value as u64)
}

/// `/proc/loadavg`.
fn load(text: &str) -> Option<[Value; 3]> {
    let mut words = text.split_ascii_whitespace();
    let mut next = |metric| Some(Value::new(metric, words.next()?.parse().ok()?));
    Some([next(Metric::Load1)?, next(Metric::Load5)?, next(Metric::Load15)?])
}

/// A line of `/proc/diskstats`: the disk, what was read and written, and for how many milliseconds it was busy.
fn disk(line: &str) -> Option<(&str, Block, u64)> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let name = words.next()?;
    let mut all = [0_u64; 10];
    for number in &mut all {
        *number = words.next()?.parse().ok()?;
    }
    let accesses = Some(Accesses { reads: all[0], writes: all[4] });
    Some((name, Block { read: all[2] * SECTOR, written: all[6] * SECTOR, accesses }, all[9]))
}

/// A file of `/proc/pressure`: for how many microseconds some and all waited.
fn pressure(text: &str) -> impl Iterator<Item = (Metric, u64)> {
    text.lines().filter_map(|line| {
        let (kind, rest) = line.split_once(' ')?;
        let total = rest.rsplit_once("total=")?.1.trim().parse().ok()?;
        match kind {
            "some" => Some((Metric::PressureSome, total)),
            "full" => Some((Metric::PressureFull, total)),
            _ => None,
        }
    })
}

impl Host {
    /// `proc`, `sys`: where the kernel shows itself. `data`: the folder of the portal's own data, whose disk is always told.
    pub(crate) fn new(proc: &Path, sys: &Path, data: Option<PathBuf>) -> Self {
        Self { proc: proc.to_owned(), sys: sys.to_owned(), disks: Disks::new(proc, data), hardware: HashMap::new() }
    }

    /// What the kernel calls its release, and its memory: by both an engine on the same kernel is known.
    pub(crate) fn identity(&self, reader: &mut Reader) -> Option<(String, u64)> {
        let release = reader.read(&self.proc, "sys/kernel/osrelease").ok()?.trim().to_owned();
        let memory = reader.find(&self.proc, "meminfo", total_memory)?;
        Some((release, memory))
    }

    /// What it used until now. `engine`: the folder of the engine's data.
    pub(crate) fn read(&mut self, reader: &mut Reader, engine: Option<&str>) -> Vec<Value> {
        let mut values = Vec::with_capacity(64);
        let (times, started) = reader.find(&self.proc, "stat", |text| Some((Times::read(text), started(text)))).unwrap_or_default();
        values.extend(times.iter().flat_map(Times::values));
        values.extend(started);
        values.extend(reader.find(&self.proc, "loadavg", load).into_iter().flatten());
        values.extend(reader.find(&self.proc, "meminfo", memory).into_iter().flatten());
        values.extend(reader.find(&self.proc, "vmstat", |text| keyed(text, "oom_kill")).map(|kills| Value::new(Metric::OomKills, kills as f64)));
        for what in PRESSURES {
            let read = |text: &str| Some(pressure(text).map(|(metric, total)| Value::labelled(metric, what, total as f64)).collect::<Vec<_>>());
            values.extend(reader.find(&self.proc.join("pressure"), what, read).into_iter().flatten());
        }
        self.interfaces(reader, &mut values);
        self.block_devices(reader, &mut values);
        values.extend(self.disks.read(reader, engine));
        values
    }

    fn interfaces(&mut self, reader: &mut Reader, values: &mut Vec<Value>) {
        let (sys, known) = (self.sys.join("class/net"), &mut self.hardware);
        let Ok(text) = reader.read(&self.proc, "net/dev") else { return };
        for (name, traffic) in net::interfaces(text).filter(|(name, _)| is_hardware(known, &sys, name)) {
            values.extend(traffic.values(name));
        }
    }

    fn block_devices(&mut self, reader: &mut Reader, values: &mut Vec<Value>) {
        let (sys, known) = (self.sys.join("block"), &mut self.hardware);
        let Ok(text) = reader.read(&self.proc, "diskstats") else { return };
        for (name, block, busy) in text.lines().filter_map(disk).filter(|(name, ..)| is_hardware(known, &sys, name)) {
            values.extend(block.values(name));
            values.push(Value::labelled(Metric::BlockBusy, name.to_owned(), (busy * 1000) as f64));
        }
    }
}

/// Whether a device of that name is one, and no bridge, pair of virtual interfaces, loop, partition, or several disks taken together: those are counted
/// at what is below them.
fn is_hardware(known: &mut HashMap<PathBuf, bool>, folder: &Path, name: &str) -> bool {
    // Names come and go with containers.
    if known.len() > 4096 {
        known.clear();
    }
    let device = folder.join(name).join("device");
    if let Some(known) = known.get(&device) {
        return *known;
    }
    let is = device.exists();
    known.insert(device, is);
    is
}

#[cfg(test)]
mod tests;
