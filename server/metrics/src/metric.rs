//! What is measured: each metric's name, unit and kind, and the number that it has in files (which is never given to another one).

/// How a metric's samples are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A state: what is drawn is its value.
    Gauge,
    /// A sum that grows from some start on: what is drawn is how much it grows in a second.
    Counter,
}

/// What a sample's number counts. A counter's points are in this unit per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Microseconds: as a counter of time that was used, 1,000,000 per second are one core, or all of the time.
    Microseconds,
    /// Seconds since 1970.
    Time,
    /// Bytes.
    Bytes,
    /// Cores.
    Cores,
    /// How many.
    Count,
    /// Whatever the application means by it.
    Unknown,
}

/// Declares the metrics.
macro_rules! metrics {
    ($($(#[$doc:meta])* $number:literal $metric:ident $name:literal $kind:ident $unit:ident)*) => {
        /// What is measured. Tasks and machines share those that mean the same for both.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Metric {
            $($(#[$doc])* $metric = $number,)*
        }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$metric),*];

            /// Its name in URLs and in files that people download.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$metric => $name,)* }
            }

            /// Whether it is a state or a sum.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$metric => Kind::$kind,)* }
            }

            /// What its samples count.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$metric => Unit::$unit,)* }
            }

            /// The metric with this number in files; none when a later version wrote it.
            pub(crate) const fn numbered(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$metric),)* _ => None }
            }
        }
    };
}

metrics! {
    /// Time of processors that was used.
    1 CpuUsed "cpu_used" Counter Microseconds
    /// Time in which it was kept from running by its limit.
    2 CpuThrottled "cpu_throttled" Counter Microseconds
    /// Periods in which it was kept from running by its limit.
    3 CpuThrottledPeriods "cpu_throttled_periods" Counter Count
    /// Periods in which it ran.
    4 CpuPeriods "cpu_periods" Counter Count
    /// Cores that it may use, or that the machine has.
    5 CpuLimit "cpu_limit" Gauge Cores
    /// Memory without the cache that could be given up at once: usage minus inactive file. Of a machine: total minus available.
    6 MemoryWorkingSet "memory_working_set" Gauge Bytes
    /// Memory with all cache.
    7 MemoryUsage "memory_usage" Gauge Bytes
    /// Memory that it may use, or that the machine has.
    8 MemoryLimit "memory_limit" Gauge Bytes
    /// Swap that is used.
    9 SwapUsed "swap_used" Gauge Bytes
    /// Swap that may be used.
    10 SwapLimit "swap_limit" Gauge Bytes
    /// Processes that were killed for want of memory.
    11 OomKills "oom_kills" Counter Count
    /// Received over networks; of a machine with the interface as label, as the next seven.
    12 NetReceived "net_received" Counter Bytes
    /// Sent over networks.
    13 NetSent "net_sent" Counter Bytes
    /// Packets received.
    14 NetReceivedPackets "net_received_packets" Counter Count
    /// Packets sent.
    15 NetSentPackets "net_sent_packets" Counter Count
    /// Packets that came damaged.
    16 NetReceivedErrors "net_received_errors" Counter Count
    /// Packets that could not be sent.
    17 NetSentErrors "net_sent_errors" Counter Count
    /// Packets thrown away on their way in.
    18 NetReceivedDrops "net_received_drops" Counter Count
    /// Packets thrown away on their way out.
    19 NetSentDrops "net_sent_drops" Counter Count
    /// Read from disks; of a machine with the device as label, as the next four.
    20 BlockRead "block_read" Counter Bytes
    /// Written to disks.
    21 BlockWritten "block_written" Counter Bytes
    /// Reads from disks.
    22 BlockReads "block_reads" Counter Count
    /// Writes to disks.
    23 BlockWrites "block_writes" Counter Count
    /// Time in which the disk was busy.
    24 BlockBusy "block_busy" Counter Microseconds
    /// Processes and threads.
    25 Pids "pids" Gauge Count
    /// Restarts by the engine.
    26 Restarts "restarts" Counter Count
    /// When it was started.
    27 Started "started" Gauge Time
    /// Tasks of a service that were sampled. The store itself makes these samples.
    28 Tasks "tasks" Gauge Count

    /// Time of a machine's processors by mode, which is the label.
    40 CpuMode "cpu_mode" Counter Microseconds
    /// Processes that ran or waited to run, averaged over a minute.
    41 Load1 "load_1m" Gauge Count
    /// As [`Self::Load1`] over five minutes.
    42 Load5 "load_5m" Gauge Count
    /// As [`Self::Load1`] over fifteen minutes.
    43 Load15 "load_15m" Gauge Count
    /// Size of the file system that is mounted at the label.
    44 DiskSize "disk_size" Gauge Bytes
    /// What is used of it.
    45 DiskUsed "disk_used" Gauge Bytes
    /// Inodes of the file system that is mounted at the label.
    46 DiskInodes "disk_inodes" Gauge Count
    /// How many of them are used.
    47 DiskInodesUsed "disk_inodes_used" Gauge Count
    /// Time in which some process waited for the label: `cpu`, `memory` or `io`.
    48 PressureSome "pressure_some" Counter Microseconds
    /// Time in which all processes waited for the label.
    49 PressureFull "pressure_full" Counter Microseconds
    /// The engine's containers in the state that is the label.
    50 EngineContainers "engine_containers" Gauge Count
    /// The engine's images.
    51 EngineImages "engine_images" Gauge Count
    /// The engine's volumes.
    52 EngineVolumes "engine_volumes" Gauge Count
    /// Bytes on the engine's disk of what is the label: `images`, `containers`, `volumes`, `build_cache`.
    53 EngineBytes "engine_bytes" Gauge Bytes

    /// A sum that the application tells of itself, by the name that is the label.
    60 AppCounter "app_counter" Counter Unknown
    /// A state that the application tells of itself, by the name that is the label.
    61 AppGauge "app_gauge" Gauge Unknown
}

impl Metric {
    /// The metric with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }

    /// Its number in files.
    pub(crate) const fn number(self) -> u16 {
        self as u16
    }
}
