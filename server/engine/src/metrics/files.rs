//! Reads what a container of this machine used from the kernel's files: some microseconds for each file, and the engine has no part in it.

use std::io;
use std::path::{Path, PathBuf};

use super::cgroup::{block_v1, block_v2, cores, keyed, single, throttling_v1, throttling_v2};
use super::groups::{Groups, Mounts, Unreadable};
use super::net;
use super::reader::Reader;
use super::usage::{Block, Limits, Usage};

/// Limits rarely change: they are read in each sixth turn.
const LIMITS: u32 = 6;

/// The files of one container.
#[derive(Debug)]
pub(crate) struct Files {
    groups: Groups,
    /// `/proc/<pid>/net`; none: it has the network of the machine.
    net: Option<PathBuf>,
    limits: Limits,
    turn: u32,
}

impl Files {
    /// Those of the container whose first process this is. `proc`: where the kernel shows processes.
    pub(crate) fn open(reader: &mut Reader, proc: &Path, mounts: &Mounts, container: &str, pid: u32, own_net: bool) -> Result<Self, Unreadable> {
        let process = proc.join(pid.to_string());
        let groups = match reader.read(&process, "cgroup") {
            Ok(text) => Groups::find(mounts, text, container)?,
            Err(_) => return Err(Unreadable::Elsewhere),
        };
        let (folder, name) = groups.first();
        reader.read(folder, name).map_err(|_| Unreadable::Hidden)?;
        Ok(Self { groups, net: own_net.then(|| process.join("net")), limits: Limits::default(), turn: 0 })
    }

    /// What it used until now.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn read(&mut self, reader: &mut Reader) -> io::Result<Usage> {
        if self.turn == 0 {
            self.limits = limits(&self.groups, reader);
        }
        self.turn = (self.turn + 1) % LIMITS;
        let mut usage = match &self.groups {
            Groups::V1 { .. } => read_v1(&self.groups, reader)?,
            Groups::V2(folder) => read_v2(folder, reader)?,
        };
        usage.limits = self.limits;
        if let Some(folder) = &self.net {
            // Its first process is gone before its group is.
            usage.net = Some(net::total(reader.read(folder, "dev")?));
        }
        Ok(usage)
    }
}

fn read_v1(groups: &Groups, reader: &mut Reader) -> io::Result<Usage> {
    let Groups::V1 { cpu, cpuacct, memory, blkio, pids } = groups else { return Ok(Usage::default()) };
    let mut usage = Usage { cpu: single(reader.read(cpuacct, "cpuacct.usage")?).map(|nanos| nanos / 1000), ..Usage::default() };
    if let Some(folder) = cpu {
        usage.throttling = reader.find(folder, "cpu.stat", throttling_v1);
    }
    if let Some(folder) = memory {
        usage.memory = reader.find(folder, "memory.usage_in_bytes", single);
        let stat = reader.find(folder, "memory.stat", |text| Some((keyed(text, "total_inactive_file"), keyed(text, "total_swap"))));
        (usage.inactive_file, usage.swap) = stat.unwrap_or_default();
        usage.oom_kills = reader.find(folder, "memory.oom_control", |text| keyed(text, "oom_kill"));
    }
    if let Some(folder) = blkio {
        // Where no disk is named, nothing was counted yet, or the kernel does not count at all: newer ones do only where a disk has a limit.
        let named = |text: &str| text.contains(':');
        let bytes = reader.find(folder, "blkio.throttle.io_service_bytes_recursive", |text| named(text).then(|| block_v1(text, "")));
        let times = reader.find(folder, "blkio.throttle.io_serviced_recursive", |text| named(text).then(|| block_v1("", text)));
        usage.block = bytes.map(|bytes| Block { accesses: times.and_then(|times| times.accesses), ..bytes });
    }
    if let Some(folder) = pids {
        usage.pids = reader.find(folder, "pids.current", single);
    }
    Ok(usage)
}

fn read_v2(folder: &Path, reader: &mut Reader) -> io::Result<Usage> {
    let stat = reader.read(folder, "cpu.stat")?;
    let mut usage = Usage { cpu: keyed(stat, "usage_usec"), throttling: throttling_v2(stat), ..Usage::default() };
    usage.memory = reader.find(folder, "memory.current", single);
    usage.inactive_file = reader.find(folder, "memory.stat", |text| keyed(text, "inactive_file"));
    usage.swap = reader.find(folder, "memory.swap.current", single);
    usage.oom_kills = reader.find(folder, "memory.events", |text| keyed(text, "oom_kill"));
    usage.block = reader.find(folder, "io.stat", |text| Some(block_v2(text)));
    usage.pids = reader.find(folder, "pids.current", single);
    Ok(usage)
}

fn limits(groups: &Groups, reader: &mut Reader) -> Limits {
    match groups {
        Groups::V1 { cpu, memory, .. } => {
            let cpus = cpu.as_deref().and_then(|folder| {
                let quota = reader.find(folder, "cpu.cfs_quota_us", |text| Some(text.trim().to_owned()))?;
                reader.find(folder, "cpu.cfs_period_us", |text| cores(&format!("{quota} {text}")))
            });
            let bytes = memory.as_deref().and_then(|folder| reader.find(folder, "memory.limit_in_bytes", single));
            // Of memory and swap together.
            let both = memory.as_deref().and_then(|folder| reader.find(folder, "memory.memsw.limit_in_bytes", single));
            let swap = both.filter(|both| *both < 1 << 60).zip(bytes).map(|(both, bytes)| both.saturating_sub(bytes));
            Limits { cpus, memory: bytes, swap }
        }
        Groups::V2(folder) => Limits {
            cpus: reader.find(folder, "cpu.max", cores),
            memory: reader.find(folder, "memory.max", single),
            swap: reader.find(folder, "memory.swap.max", single),
        },
    }
}

#[cfg(test)]
mod tests;
