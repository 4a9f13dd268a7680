//! Machines, under node_exporter's names where the same is meant.

use domain::metrics::scrape::MachineFigures;
use metrics::{Metric, Now};

use super::text::{Kind, Text, labels};

/// A family that is one metric of each machine; of each part, where the metric has parts.
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    metric: Metric,
    /// The name of the label that says of which part; empty: there is but one.
    part: &'static str,
    /// By what a sample is multiplied.
    scale: f64,
}

const fn counter(name: &'static str, metric: Metric, part: &'static str, scale: f64, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, help, metric, part, scale }
}

const fn gauge(name: &'static str, metric: Metric, part: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, help, metric, part, scale: 1.0 }
}

/// Microseconds in seconds.
const MICROS: f64 = 1e-6;

const FAMILIES: &[Family] = &[
    gauge("node_load1", Metric::Load1, "", "Processes that ran or waited to run, averaged over a minute."),
    gauge("node_load5", Metric::Load5, "", "The same over five minutes."),
    gauge("node_load15", Metric::Load15, "", "The same over fifteen minutes."),
    gauge("node_memory_MemTotal_bytes", Metric::MemoryLimit, "", "Memory of the machine."),
    gauge("node_memory_SwapTotal_bytes", Metric::SwapLimit, "", "Swap of the machine."),
    gauge("node_boot_time_seconds", Metric::Started, "", "When it was started, in seconds since 1970."),
    gauge("node_filesystem_size_bytes", Metric::DiskSize, "mountpoint", "Size of file systems."),
    gauge("node_filesystem_files", Metric::DiskInodes, "mountpoint", "Inodes of file systems."),
    counter("node_network_receive_bytes_total", Metric::NetReceived, "device", 1.0, "Bytes received."),
    counter("node_network_transmit_bytes_total", Metric::NetSent, "device", 1.0, "Bytes sent."),
    counter("node_network_receive_packets_total", Metric::NetReceivedPackets, "device", 1.0, "Packets received."),
    counter("node_network_transmit_packets_total", Metric::NetSentPackets, "device", 1.0, "Packets sent."),
    counter("node_network_receive_errs_total", Metric::NetReceivedErrors, "device", 1.0, "Packets that came damaged."),
    counter("node_network_transmit_errs_total", Metric::NetSentErrors, "device", 1.0, "Packets that could not be sent."),
    counter("node_network_receive_drop_total", Metric::NetReceivedDrops, "device", 1.0, "Packets thrown away on their way in."),
    counter("node_network_transmit_drop_total", Metric::NetSentDrops, "device", 1.0, "Packets thrown away on their way out."),
    counter("node_disk_read_bytes_total", Metric::BlockRead, "device", 1.0, "Bytes read from disks."),
    counter("node_disk_written_bytes_total", Metric::BlockWritten, "device", 1.0, "Bytes written to disks."),
    counter("node_disk_reads_completed_total", Metric::BlockReads, "device", 1.0, "Reads from disks."),
    counter("node_disk_writes_completed_total", Metric::BlockWrites, "device", 1.0, "Writes to disks."),
    counter("node_disk_io_time_seconds_total", Metric::BlockBusy, "device", MICROS, "Time in which disks were busy."),
    gauge("slipway_machine_cpus", Metric::CpuLimit, "", "Cores of the machine."),
    counter("slipway_machine_cpu_seconds_total", Metric::CpuMode, "mode", MICROS, "Time of all processors together, by mode."),
    gauge("slipway_machine_memory_working_set_bytes", Metric::MemoryWorkingSet, "", "Memory that is not available: total minus available."),
    gauge("slipway_machine_swap_used_bytes", Metric::SwapUsed, "", "Swap that is used."),
    gauge("slipway_machine_disk_used_bytes", Metric::DiskUsed, "mountpoint", "What is used of file systems."),
    gauge("slipway_machine_disk_inodes_used", Metric::DiskInodesUsed, "mountpoint", "Inodes of file systems that are used."),
    gauge("slipway_engine_containers", Metric::EngineContainers, "state", "Containers of the engine, by state."),
    gauge("slipway_engine_images", Metric::EngineImages, "", "Images of the engine."),
    gauge("slipway_engine_volumes", Metric::EngineVolumes, "", "Volumes of the engine."),
    gauge("slipway_engine_bytes", Metric::EngineBytes, "kind", "Bytes on the engine's disk."),
];

/// What is made of two metrics: the second one taken from the first.
struct Rest {
    name: &'static str,
    help: &'static str,
    whole: Metric,
    used: Metric,
    /// As [`Family::part`].
    part: &'static str,
}

const fn rest(name: &'static str, whole: Metric, used: Metric, part: &'static str, help: &'static str) -> Rest {
    Rest { name, help, whole, used, part }
}

const RESTS: &[Rest] = &[
    rest("node_memory_MemAvailable_bytes", Metric::MemoryLimit, Metric::MemoryWorkingSet, "", "Memory that is available."),
    rest("node_memory_SwapFree_bytes", Metric::SwapLimit, Metric::SwapUsed, "", "Swap that is free."),
    rest("node_filesystem_avail_bytes", Metric::DiskSize, Metric::DiskUsed, "mountpoint", "What is free for everybody on file systems."),
    rest("node_filesystem_files_free", Metric::DiskInodes, Metric::DiskInodesUsed, "mountpoint", "Inodes of file systems that are free."),
];

/// Pressure: what is waited for is part of the family's name.
const PRESSURES: &[(&str, Metric, &str, &str)] = &[
    ("node_pressure_cpu_waiting_seconds_total", Metric::PressureSome, "cpu", "Time in which some process waited for a processor."),
    ("node_pressure_io_waiting_seconds_total", Metric::PressureSome, "io", "Time in which some process waited for disks."),
    ("node_pressure_io_stalled_seconds_total", Metric::PressureFull, "io", "Time in which all processes waited for disks."),
    ("node_pressure_memory_waiting_seconds_total", Metric::PressureSome, "memory", "Time in which some process waited for memory."),
    ("node_pressure_memory_stalled_seconds_total", Metric::PressureFull, "memory", "Time in which all processes waited for memory."),
];

/// Writes what is known of these machines.
pub(super) fn write(text: &mut Text, machines: &[MachineFigures]) {
    for family in FAMILIES {
        let samples = machines.iter().flat_map(|machine| {
            let own = machine.values.iter().filter(move |now| now.metric == family.metric && now.label.is_empty() == family.part.is_empty());
            own.map(move |now| (of(machine, family.part, now), now.value * family.scale))
        });
        write_family(text, family.name, family.kind, family.help, samples);
    }
    for rest in RESTS {
        let samples = machines.iter().flat_map(|machine| {
            let wholes = machine.values.iter().filter(move |now| now.metric == rest.whole && now.label.is_empty() == rest.part.is_empty());
            wholes.filter_map(move |whole| {
                let used = machine.values.iter().find(|now| now.metric == rest.used && now.label == whole.label)?;
                Some((of(machine, rest.part, whole), (whole.value - used.value).max(0.0)))
            })
        });
        write_family(text, rest.name, Kind::Gauge, rest.help, samples);
    }
    for (name, metric, resource, help) in PRESSURES {
        let samples = machines.iter().filter_map(|machine| {
            let now = machine.values.iter().find(|now| now.metric == *metric && *now.label == **resource)?;
            Some((of(machine, "", now), now.value * MICROS))
        });
        write_family(text, name, Kind::Counter, help, samples);
    }
}

/// A family, unless there are no samples of it.
fn write_family(text: &mut Text, name: &str, kind: Kind, help: &str, samples: impl Iterator<Item = (String, f64)>) {
    for (number, (labels, value)) in samples.enumerate() {
        if number == 0 {
            text.family(name, kind, help);
        }
        text.sample(name, &labels, value);
    }
}

fn of(machine: &MachineFigures, part: &str, now: &Now) -> String {
    let mut pairs = vec![("machine", machine.machine.as_str()), ("environment", machine.environment.as_str())];
    if !part.is_empty() {
        pairs.push((part, &*now.label));
    }
    labels(&pairs)
}
