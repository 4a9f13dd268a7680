//! Tasks' containers, under cAdvisor's names.

use domain::metrics::scrape::{TaskFigures, Tasks};
use engine::build::container_name;
use metrics::Metric;

use super::text::{Kind, Text, labels};

/// A family that is one metric of each task.
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    metric: Metric,
    /// By what a sample is multiplied.
    scale: f64,
}

const fn counter(name: &'static str, metric: Metric, scale: f64, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, help, metric, scale }
}

const fn gauge(name: &'static str, metric: Metric, scale: f64, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, help, metric, scale }
}

/// Microseconds in seconds.
const MICROS: f64 = 1e-6;
/// The kernel's period of a limit of processors, in microseconds.
const PERIOD: f64 = 100_000.0;

const FAMILIES: &[Family] = &[
    counter("container_cpu_usage_seconds_total", Metric::CpuUsed, MICROS, "Processor time that was used."),
    counter("container_cpu_cfs_throttled_seconds_total", Metric::CpuThrottled, MICROS, "Time in which the limit kept it from running."),
    counter("container_cpu_cfs_throttled_periods_total", Metric::CpuThrottledPeriods, 1.0, "Periods in which the limit kept it from running."),
    counter("container_cpu_cfs_periods_total", Metric::CpuPeriods, 1.0, "Periods in which it ran."),
    gauge("container_spec_cpu_quota", Metric::CpuLimit, PERIOD, "Microseconds of processors that it may use in a period of 100000."),
    gauge("container_memory_working_set_bytes", Metric::MemoryWorkingSet, 1.0, "Memory without the cache that could be given up at once."),
    gauge("container_memory_usage_bytes", Metric::MemoryUsage, 1.0, "Memory with all cache."),
    gauge("container_spec_memory_limit_bytes", Metric::MemoryLimit, 1.0, "Memory that it may use."),
    gauge("container_memory_swap", Metric::SwapUsed, 1.0, "Bytes of swap that are used."),
    gauge("container_spec_memory_swap_limit_bytes", Metric::SwapLimit, 1.0, "Swap that it may use."),
    counter("container_oom_events_total", Metric::OomKills, 1.0, "Processes that were killed for want of memory."),
    counter("container_network_receive_bytes_total", Metric::NetReceived, 1.0, "Bytes received."),
    counter("container_network_transmit_bytes_total", Metric::NetSent, 1.0, "Bytes sent."),
    counter("container_network_receive_packets_total", Metric::NetReceivedPackets, 1.0, "Packets received."),
    counter("container_network_transmit_packets_total", Metric::NetSentPackets, 1.0, "Packets sent."),
    counter("container_network_receive_errors_total", Metric::NetReceivedErrors, 1.0, "Packets that came damaged."),
    counter("container_network_transmit_errors_total", Metric::NetSentErrors, 1.0, "Packets that could not be sent."),
    counter("container_network_receive_packets_dropped_total", Metric::NetReceivedDrops, 1.0, "Packets thrown away on their way in."),
    counter("container_network_transmit_packets_dropped_total", Metric::NetSentDrops, 1.0, "Packets thrown away on their way out."),
    counter("container_fs_reads_bytes_total", Metric::BlockRead, 1.0, "Bytes read from disks."),
    counter("container_fs_writes_bytes_total", Metric::BlockWritten, 1.0, "Bytes written to disks."),
    counter("container_fs_reads_total", Metric::BlockReads, 1.0, "Reads from disks."),
    counter("container_fs_writes_total", Metric::BlockWrites, 1.0, "Writes to disks."),
    gauge("container_threads", Metric::Pids, 1.0, "Processes and threads."),
    gauge("container_start_time_seconds", Metric::Started, 1.0, "When it was started, in seconds since 1970."),
    counter("slipway_task_restarts_total", Metric::Restarts, 1.0, "Restarts by the engine."),
];

/// Writes what is known of these tasks.
pub(super) fn write(text: &mut Text, tasks: &Tasks) {
    let named: Vec<(String, &TaskFigures)> = tasks.sampled.iter().map(|task| (of(task), task)).collect();
    for family in FAMILIES {
        let mut begun = false;
        for (labels, task) in &named {
            // Of a task each metric is one number: what has a label is of a part that nobody here asks for.
            let Some(now) = task.values.iter().find(|now| now.metric == family.metric && now.label.is_empty()) else { continue };
            if !begun {
                text.family(family.name, family.kind, family.help);
                begun = true;
            }
            text.sample(family.name, labels, now.value * family.scale);
        }
    }
    period(text, &named);
    if !named.is_empty() {
        text.family("container_last_seen", Kind::Gauge, "When it was sampled last, in seconds since 1970.");
        for (labels, task) in &named {
            text.sample("container_last_seen", labels, task.at_ms as f64 / 1000.0);
        }
    }
    text.family("slipway_tasks", Kind::Gauge, "Tasks that have not ended, by state.");
    for (state, count) in &tasks.states {
        text.sample("slipway_tasks", &labels(&[("state", state.as_str())]), *count as f64);
    }
    let help = "Tasks whose figures are left out, because there are more than one answer takes.";
    text.single("slipway_tasks_left_out", Kind::Gauge, help, tasks.left_out as f64);
}

/// In which the quota holds; of those that have one.
fn period(text: &mut Text, named: &[(String, &TaskFigures)]) {
    let limited = |task: &TaskFigures| task.values.iter().any(|now| now.metric == Metric::CpuLimit && now.label.is_empty());
    for (number, (labels, _)) in named.iter().filter(|(_, task)| limited(task)).enumerate() {
        if number == 0 {
            text.family("container_spec_cpu_period", Kind::Gauge, "Microseconds in which container_spec_cpu_quota holds.");
        }
        text.sample("container_spec_cpu_period", labels, PERIOD);
    }
}

/// `id`, `image` and `name` are cAdvisor's.
fn of(task: &TaskFigures) -> String {
    let name = container_name(&task.project, &task.service, &task.environment, task.slot, task.task);
    labels(&[
        ("id", task.container.as_deref().map(|id| format!("/docker/{id}")).unwrap_or_default().as_str()),
        ("image", task.image.as_str()),
        ("name", name.as_str()),
        ("project", task.project.as_str()),
        ("service", task.service.as_str()),
        ("environment", task.environment.as_str()),
        ("task", task.task.to_string().as_str()),
        ("slot", task.slot.to_string().as_str()),
        ("machine", task.machine.as_str()),
        ("revision", task.revision.to_string().as_str()),
    ])
}
