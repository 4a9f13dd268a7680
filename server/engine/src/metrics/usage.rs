//! What one container used, whatever told it, and the samples that are made of it. Pure.

use ::metrics::{Metric, Value};
use model::time::Millis;

/// What its source says of a container; what it does not say is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// When it was read, by the clock of whoever read it.
    pub at: Option<Millis>,
    /// Microseconds of processors.
    pub cpu: Option<u64>,
    /// Its periods under a limit of processors.
    pub throttling: Option<Throttling>,
    /// Bytes, with all cache.
    pub memory: Option<u64>,
    /// Bytes of cache that were not used lately.
    pub inactive_file: Option<u64>,
    /// Bytes of swap.
    pub swap: Option<u64>,
    /// What it may use.
    pub limits: Limits,
    /// Processes that were killed for want of memory.
    pub oom_kills: Option<u64>,
    /// All its interfaces together; none where it has the machine's.
    pub net: Option<Traffic>,
    /// All devices together.
    pub block: Option<Block>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// Periods in which a limit of processors was watched over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Throttling {
    /// In which it ran.
    pub periods: u64,
    /// In which it was kept from running.
    pub throttled: u64,
    /// Microseconds for which it was.
    pub time: u64,
}

/// What may be used; none: no limit, or none that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// Cores.
    pub cpus: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes of swap.
    pub swap: Option<u64>,
}

/// What went over interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// In.
    pub received: Direction,
    /// Out.
    pub sent: Direction,
}

/// One of the two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Direction {
    pub bytes: u64,
    pub packets: u64,
    pub errors: u64,
    pub drops: u64,
}

impl Traffic {
    /// Adds what went over another interface.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in [(&mut self.received, other.received), (&mut self.sent, other.sent)] {
            sum.bytes += more.bytes;
            sum.packets += more.packets;
            sum.errors += more.errors;
            sum.drops += more.drops;
        }
    }

    /// As samples, of the interface that the label names.
    pub(crate) fn values(&self, label: &str) -> [Value; 8] {
        let value = |metric, value: u64| Value::labelled(metric, label.to_owned(), value as f64);
        [
            value(Metric::NetReceived, self.received.bytes),
            value(Metric::NetSent, self.sent.bytes),
            value(Metric::NetReceivedPackets, self.received.packets),
            value(Metric::NetSentPackets, self.sent.packets),
            value(Metric::NetReceivedErrors, self.received.errors),
            value(Metric::NetSentErrors, self.sent.errors),
            value(Metric::NetReceivedDrops, self.received.drops),
            value(Metric::NetSentDrops, self.sent.drops),
        ]
    }
}

/// What was read from and written to disks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub read: u64,
    pub written: u64,
    /// How often; none: its source does not say.
    pub accesses: Option<Accesses>,
}

/// How often disks were read from and written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accesses {
    pub reads: u64,
    pub writes: u64,
}

impl Block {
    /// As samples, of the device that the label names.
    pub(crate) fn values(&self, label: &str) -> Vec<Value> {
        let value = |metric, value: u64| Value::labelled(metric, label.to_owned(), value as f64);
        let mut values = vec![value(Metric::BlockRead, self.read), value(Metric::BlockWritten, self.written)];
        if let Some(Accesses { reads, writes }) = self.accesses {
            values.extend([value(Metric::BlockReads, reads), value(Metric::BlockWrites, writes)]);
        }
        values
    }
}

impl Usage {
    /// Memory without what could be given up at once; never negative, although the two numbers are read one after the other.
    pub(crate) fn working_set(&self) -> Option<u64> {
        Some(self.memory?.saturating_sub(self.inactive_file.unwrap_or(0)))
    }

    /// As samples. `machine_memory`: a limit that is no less is none; 0: not known.
    pub(crate) fn values(&self, machine_memory: u64) -> Vec<Value> {
        let limit = |bytes: &u64| *bytes < if machine_memory == 0 { 1 << 60 } else { machine_memory };
        let throttling = self.throttling;
        let numbers = [
            (Metric::CpuUsed, self.cpu),
            (Metric::CpuThrottled, throttling.map(|it| it.time)),
            (Metric::CpuThrottledPeriods, throttling.map(|it| it.throttled)),
            (Metric::CpuPeriods, throttling.map(|it| it.periods)),
            (Metric::MemoryWorkingSet, self.working_set()),
            (Metric::MemoryUsage, self.memory),
            (Metric::MemoryLimit, self.limits.memory.filter(limit)),
            (Metric::SwapUsed, self.swap),
            (Metric::SwapLimit, self.limits.swap.filter(|bytes| *bytes < 1 << 60)),
            (Metric::OomKills, self.oom_kills),
            (Metric::Pids, self.pids),
        ];
        let mut values = Vec::with_capacity(28);
        values.extend(numbers.into_iter().filter_map(|(metric, value)| Some(Value::new(metric, value? as f64))));
        values.extend(self.limits.cpus.map(|cores| Value::new(Metric::CpuLimit, cores)));
        values.extend(self.net.iter().flat_map(|net| net.values("")));
        values.extend(self.block.iter().flat_map(|block| block.values("")));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(values: &[Value], metric: Metric) -> Option<f64> {
        values.iter().find(|value| value.metric == metric).map(|value| value.value)
    }

    #[test]
    fn what_is_used_is_without_the_cache_that_can_go_and_never_negative() {
        let usage = |memory, inactive_file| Usage { memory, inactive_file, ..Usage::default() }.working_set();
        assert_eq!(usage(Some(100), Some(30)), Some(70));
        assert_eq!(usage(Some(100), Some(130)), Some(0), "they are not read at the same moment");
        assert_eq!(usage(Some(100), None), Some(100));
        assert_eq!(usage(None, Some(30)), None);
    }

    #[test]
    fn a_limit_of_all_that_the_machine_has_is_none() {
        let with = |memory| Usage { limits: Limits { memory: Some(memory), ..Limits::default() }, ..Usage::default() };
        assert_eq!(value(&with(1 << 30).values(4 << 30), Metric::MemoryLimit), Some(1_073_741_824.0));
        assert_eq!(value(&with(4 << 30).values(4 << 30), Metric::MemoryLimit), None);
        assert_eq!(value(&with(9_223_372_036_854_771_712).values(0), Metric::MemoryLimit), None, "how cgroup v1 writes none");
    }

    #[test]
    fn what_is_not_known_is_no_sample() {
        assert!(Usage::default().values(0).is_empty());
        let usage = Usage { cpu: Some(5), pids: Some(2), ..Usage::default() };
        assert_eq!(usage.values(0).len(), 2);
        let block = |accesses| Usage { block: Some(Block { accesses, ..Block::default() }), ..Usage::default() }.values(0);
        assert_eq!((block(None).len(), block(Some(Accesses::default())).len()), (2, 4), "no reads are something else than reads that nobody counted");
    }
}
