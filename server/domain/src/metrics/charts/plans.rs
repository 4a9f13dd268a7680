//! Which figures are a chart together, how its lines come together, and in which order charts stand on their page.

use ::metrics::Metric;
use model::alerts::Of;
use model::metrics::Group;
use model::views::metrics::Unit;

/// Microseconds of a second: a counter of time that grows by so many is one core, or all of the time.
const SECOND: f64 = 1_000_000.0;

/// A chart that can be shown.
pub(in crate::metrics) struct Plan {
    pub group: Group,
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    /// How many of the store's units make one of the chart's.
    pub(super) divisor: f64,
    pub(super) sides: &'static [Side],
    /// What is drawn in as the limit.
    pub(super) limit: Option<Metric>,
    pub(super) form: Form,
}

/// How lines come together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// They add up.
    Sum,
    /// They add up, and say how often something happened in each point's time: in a second it is next to never.
    Counted,
    /// Each stands for itself.
    Apart,
    /// Each stands for itself, as its share of the limit with the same label.
    Share,
    /// Each label is a chart of its own, in which tasks add up.
    EachLabel,
}

impl Form {
    pub(super) const fn adds_up(self) -> bool {
        matches!(self, Self::Sum | Self::Counted | Self::EachLabel)
    }
}

/// One direction of a chart, with the lines' names where it has several metrics: those do not add up.
pub(super) struct Side {
    pub(super) name: &'static str,
    pub(super) metrics: &'static [(Metric, &'static str)],
}

const fn plan(group: Group, title: &'static str, unit: Unit, sides: &'static [Side]) -> Plan {
    Plan { group, title, unit, divisor: 1.0, sides, limit: None, form: Form::Sum }
}

impl Plan {
    const fn per(self, divisor: f64) -> Self {
        Self { divisor, ..self }
    }

    const fn within(self, limit: Metric) -> Self {
        Self { limit: Some(limit), ..self }
    }

    const fn formed(self, form: Form) -> Self {
        Self { form, ..self }
    }
}

const CPU: Plan =
    plan(Group::Cpu, "CPU", Unit::Cores, &[Side { name: "used", metrics: &[(Metric::CpuUsed, "")] }]).per(SECOND).within(Metric::CpuLimit);
const MEMORY: Plan =
    plan(Group::Memory, "Memory", Unit::Bytes, &[Side { name: "used", metrics: &[(Metric::MemoryWorkingSet, "")] }]).within(Metric::MemoryLimit);
const NETWORK: Plan = plan(
    Group::Network,
    "Network",
    Unit::BytesPerSecond,
    &[Side { name: "received", metrics: &[(Metric::NetReceived, "")] }, Side { name: "sent", metrics: &[(Metric::NetSent, "")] }],
);
const DISK: Plan = plan(
    Group::Disk,
    "Disk",
    Unit::BytesPerSecond,
    &[Side { name: "read", metrics: &[(Metric::BlockRead, "")] }, Side { name: "written", metrics: &[(Metric::BlockWritten, "")] }],
);
const APPLICATION: Plan =
    plan(Group::Application, "", Unit::Count, &[Side { name: "value", metrics: &[(Metric::AppCounter, ""), (Metric::AppGauge, "")] }])
        .formed(Form::EachLabel);
const THROTTLED: Plan = plan(
    Group::Throttled,
    "Held back by the CPU limit",
    Unit::Percent,
    &[Side { name: "of all periods", metrics: &[(Metric::CpuThrottledPeriods, "")] }],
)
.within(Metric::CpuPeriods)
.formed(Form::Share);
const THROTTLED_TIME: Plan =
    plan(Group::ThrottledTime, "Time held back", Unit::Percent, &[Side { name: "of the time", metrics: &[(Metric::CpuThrottled, "")] }])
        .per(SECOND / 100.0)
        .formed(Form::Apart);
const CPU_MODE: Plan = plan(Group::CpuMode, "CPU by mode", Unit::Cores, &[Side { name: "spent", metrics: &[(Metric::CpuMode, "")] }]).per(SECOND);
const MEMORY_USAGE: Plan =
    plan(Group::MemoryUsage, "Memory with cache", Unit::Bytes, &[Side { name: "used", metrics: &[(Metric::MemoryUsage, "")] }])
        .within(Metric::MemoryLimit);
const SWAP: Plan = plan(Group::Swap, "Swap", Unit::Bytes, &[Side { name: "used", metrics: &[(Metric::SwapUsed, "")] }]).within(Metric::SwapLimit);
const OOM_KILLS: Plan =
    plan(Group::OomKills, "Kills for want of memory", Unit::Times, &[Side { name: "killed", metrics: &[(Metric::OomKills, "")] }])
        .formed(Form::Counted);
const RESTARTS: Plan =
    plan(Group::Restarts, "Restarts", Unit::Times, &[Side { name: "restarted", metrics: &[(Metric::Restarts, "")] }]).formed(Form::Counted);
const PIDS: Plan = plan(Group::Pids, "Processes and threads", Unit::Count, &[Side { name: "running", metrics: &[(Metric::Pids, "")] }]);
const STORAGE: Plan = plan(Group::Storage, "File systems", Unit::Percent, &[Side { name: "used", metrics: &[(Metric::DiskUsed, "")] }])
    .within(Metric::DiskSize)
    .formed(Form::Share);
const INODES: Plan = plan(Group::Inodes, "Inodes", Unit::Percent, &[Side { name: "used", metrics: &[(Metric::DiskInodesUsed, "")] }])
    .within(Metric::DiskInodes)
    .formed(Form::Share);
const LOAD: Plan = plan(
    Group::Load,
    "Load",
    Unit::Count,
    &[Side { name: "average", metrics: &[(Metric::Load1, "1 minute"), (Metric::Load5, "5 minutes"), (Metric::Load15, "15 minutes")] }],
)
.within(Metric::CpuLimit)
.formed(Form::Apart);
const PRESSURE: Plan = plan(Group::Pressure, "Pressure", Unit::Percent, &[Side { name: "some waited", metrics: &[(Metric::PressureSome, "")] }])
    .per(SECOND / 100.0)
    .formed(Form::Apart);
const PRESSURE_FULL: Plan =
    plan(Group::PressureFull, "Pressure on all", Unit::Percent, &[Side { name: "all waited", metrics: &[(Metric::PressureFull, "")] }])
        .per(SECOND / 100.0)
        .formed(Form::Apart);
const PACKETS: Plan = plan(
    Group::Packets,
    "Packets",
    Unit::PerSecond,
    &[Side { name: "received", metrics: &[(Metric::NetReceivedPackets, "")] }, Side { name: "sent", metrics: &[(Metric::NetSentPackets, "")] }],
);
const PACKETS_LOST: Plan = plan(
    Group::PacketsLost,
    "Packets lost",
    Unit::PerSecond,
    &[
        Side { name: "received", metrics: &[(Metric::NetReceivedErrors, "damaged"), (Metric::NetReceivedDrops, "thrown away")] },
        Side { name: "sent", metrics: &[(Metric::NetSentErrors, "damaged"), (Metric::NetSentDrops, "thrown away")] },
    ],
)
.formed(Form::Apart);
const DISK_OPERATIONS: Plan = plan(
    Group::DiskOperations,
    "Disk operations",
    Unit::PerSecond,
    &[Side { name: "reads", metrics: &[(Metric::BlockReads, "")] }, Side { name: "writes", metrics: &[(Metric::BlockWrites, "")] }],
);
const DISK_BUSY: Plan = plan(Group::DiskBusy, "Disk busy", Unit::Percent, &[Side { name: "busy", metrics: &[(Metric::BlockBusy, "")] }])
    .per(SECOND / 100.0)
    .formed(Form::Apart);
const ENGINE_CONTAINERS: Plan =
    plan(Group::EngineContainers, "Containers", Unit::Count, &[Side { name: "there", metrics: &[(Metric::EngineContainers, "")] }]);
const ENGINE_IMAGES: Plan = plan(
    Group::EngineImages,
    "Images and volumes",
    Unit::Count,
    &[Side { name: "there", metrics: &[(Metric::EngineImages, "images"), (Metric::EngineVolumes, "volumes")] }],
)
.formed(Form::Apart);
const ENGINE_SPACE: Plan =
    plan(Group::EngineSpace, "The engine's space", Unit::Bytes, &[Side { name: "kept", metrics: &[(Metric::EngineBytes, "")] }]);

/// The charts of a service, in the order in which they are shown.
pub(in crate::metrics) const OF_SERVICES: &[Plan] = &[
    CPU,
    MEMORY,
    NETWORK,
    DISK,
    APPLICATION,
    THROTTLED,
    THROTTLED_TIME,
    MEMORY_USAGE,
    SWAP,
    OOM_KILLS,
    RESTARTS,
    PIDS,
    PACKETS,
    PACKETS_LOST,
    DISK_OPERATIONS,
];
/// The charts of a machine, in the order in which they are shown.
pub(in crate::metrics) const OF_MACHINES: &[Plan] = &[
    CPU,
    MEMORY,
    NETWORK,
    DISK,
    STORAGE,
    INODES,
    LOAD,
    CPU_MODE,
    PRESSURE,
    PRESSURE_FULL,
    MEMORY_USAGE,
    SWAP,
    OOM_KILLS,
    PIDS,
    PACKETS,
    PACKETS_LOST,
    DISK_OPERATIONS,
    DISK_BUSY,
    ENGINE_CONTAINERS,
    ENGINE_IMAGES,
    ENGINE_SPACE,
];

/// The metrics that these charts are made of.
pub(in crate::metrics) fn metrics(plans: &[&Plan]) -> Vec<Metric> {
    let drawn = plans.iter().flat_map(|plan| plan.sides).flat_map(|side| side.metrics).map(|(metric, _)| *metric);
    let mut all: Vec<Metric> = drawn.chain(plans.iter().filter_map(|plan| plan.limit)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What the time before is read of: of what adds up the sums are enough, of the rest there is each line, with what it is a share of.
pub(in crate::metrics) fn compared(plans: &[&Plan], adds_up: bool) -> Vec<Metric> {
    let some: Vec<&Plan> = plans.iter().copied().filter(|plan| plan.form.adds_up() == adds_up).collect();
    if !adds_up {
        return metrics(&some);
    }
    some.iter().flat_map(|plan| plan.sides).flat_map(|side| side.metrics).map(|(metric, _)| *metric).collect()
}

/// The id of the chart that shows a figure (of its part `label`), for the end of an address.
pub(crate) fn anchor(of: Of, figure: &str, label: &str) -> Option<String> {
    let metric = Metric::named(figure)?;
    let plans = match of {
        Of::Services => OF_SERVICES,
        Of::Machines => OF_MACHINES,
    };
    let shows = |plan: &&Plan| plan.sides.iter().flat_map(|side| side.metrics).any(|(shown, _)| *shown == metric);
    plans.iter().find(shows).map(|plan| plan.group.anchor(label))
}

#[cfg(test)]
mod tests {
    use model::alerts::{FIGURES, Rule};
    use model::metrics::Part;

    use super::*;

    #[test]
    fn what_is_collected_is_shown() {
        // The start of a task is its up time, and how many tasks were sampled is how many lines there are.
        let beside = [Metric::Started, Metric::Tasks];
        let both: Vec<&Plan> = OF_SERVICES.iter().chain(OF_MACHINES).collect();
        let shown = metrics(&both);
        let missing: Vec<&str> =
            Metric::ALL.iter().filter(|metric| !shown.contains(metric) && !beside.contains(metric)).map(|metric| metric.name()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn every_figure_of_a_rule_has_a_chart_to_lead_to() {
        for figure in FIGURES {
            for of in Of::ALL.iter().filter(|of| figure.is_of(**of)) {
                assert!(anchor(*of, figure.metric, "").is_some(), "{} of {of}", figure.metric);
            }
        }
        let shipped = Rule::shipped();
        let of = |name: &str| {
            let rule = shipped.iter().find(|rule| rule.name == name).expect("a rule");
            anchor(rule.of, &rule.metric, "")
        };
        assert_eq!(of("CPU throttled").as_deref(), Some("chart-throttled"));
        assert_eq!(of("Inodes nearly used up").as_deref(), Some("chart-inodes"));
        assert_eq!(of("Disk nearly full").as_deref(), Some("chart-storage"));
        assert_eq!(anchor(Of::Services, "app_gauge", "queue length").as_deref(), Some("chart-application-queue-length"));
    }

    #[test]
    fn what_everybody_has_stands_above_and_no_chart_is_there_twice() {
        for plans in [OF_SERVICES, OF_MACHINES] {
            let groups: Vec<Group> = plans.iter().map(|plan| plan.group).collect();
            assert_eq!(groups[..4], [Group::Cpu, Group::Memory, Group::Network, Group::Disk]);
            assert!(groups[4..].iter().all(|group| group.part() != Part::Main));
            let own = groups.iter().rposition(|group| group.part() == Part::Own).unwrap_or(4);
            assert_eq!(own, 4, "the application's own figures come right after");
            assert!(groups.iter().enumerate().all(|(place, group)| !groups[..place].contains(group)));
            // A sum is of one metric in each direction.
            assert!(plans.iter().all(|plan| plan.form != Form::Sum || plan.sides.iter().all(|side| side.metrics.len() == 1)));
        }
    }
}
