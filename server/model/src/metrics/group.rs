//! What charts are about: their names in addresses, where each stands on its page, and what its numbers mean (`docs/figures.md`, in short).

use crate::words::words;

words! {
    /// What a chart is about.
    Group,
    /// Processors.
    Cpu = "cpu",
    /// Memory.
    Memory = "memory",
    /// Networks.
    Network = "network",
    /// Reading from disks and writing to them.
    Disk = "disk",
    /// What an application tells of itself; of services.
    Application = "application",
    /// In how many periods the limit of processors held tasks back.
    Throttled = "throttled",
    /// For how long it held them back.
    ThrottledTime = "throttled_time",
    /// What processors did; of machines.
    CpuMode = "cpu_mode",
    /// Memory with all cache.
    MemoryUsage = "memory_usage",
    /// Swap.
    Swap = "swap",
    /// Processes that were killed for want of memory.
    OomKills = "oom_kills",
    /// Restarts by the engine; of services.
    Restarts = "restarts",
    /// Processes and threads.
    Pids = "pids",
    /// How full file systems are; of machines.
    Storage = "storage",
    /// How many of their inodes are used; of machines.
    Inodes = "inodes",
    /// How many processes run or wait to run; of machines.
    Load = "load",
    /// How long some process waited for something; of machines.
    Pressure = "pressure",
    /// How long all of them did; of machines.
    PressureFull = "pressure_full",
    /// Packets.
    Packets = "packets",
    /// Packets that came damaged or were thrown away.
    PacketsLost = "packets_lost",
    /// How often disks were read from and written to.
    DiskOperations = "disk_operations",
    /// How long disks were busy; of machines.
    DiskBusy = "disk_busy",
    /// The engine's containers by state; of machines.
    EngineContainers = "engine_containers",
    /// The engine's images and volumes; of machines.
    EngineImages = "engine_images",
    /// What the engine keeps on its disk; of machines.
    EngineSpace = "engine_space",
}

/// Where a chart stands on its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Above all others, and there in any case.
    Main,
    /// What the application tells of itself.
    Own,
    /// Below, where something is known of it.
    More,
}

impl Group {
    /// Where its charts stand.
    #[must_use]
    pub const fn part(self) -> Part {
        match self {
            Self::Cpu | Self::Memory | Self::Network | Self::Disk => Part::Main,
            Self::Application => Part::Own,
            _ => Part::More,
        }
    }

    /// The id of a chart in its page, which an address ends with to lead there. Of what an application tells of itself each figure (`label`) has one.
    #[must_use]
    pub fn anchor(self, label: &str) -> String {
        if self != Self::Application {
            return format!("chart-{self}");
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        format!("chart-{self}-{}", label.chars().map(plain).collect::<String>())
    }

    /// What its numbers mean, for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Cpu => "Time in which processes ran, on all processors together: 1 core is one processor that is used all of the time.",
            Self::Memory => {
                "What is in use and the kernel cannot take back at once: cache of files counts only while it is in frequent use. \
                 This is the number to hold against the limit."
            }
            Self::Network => "Of a task all that goes through its own network, of a machine what goes through its hardware.",
            Self::Disk => "What reached a disk: reads that the cache did not answer, and writes when they were written out.",
            Self::Application => "What the application tells of itself by this name. A sum is shown as its growth in a second.",
            Self::Throttled => {
                "Of the periods in which a task ran (mostly a tenth of a second long), those in which its CPU limit held it back. That happens also to a \
                 task that uses less than its limit on average."
            }
            Self::ThrottledTime => {
                "Time in which a task had something to run and its CPU limit kept it from that. Of several threads that waited at once each counts: \
                 it can be more than all of the time."
            }
            Self::CpuMode => "What all processors together did with their time: idle and iowait are unused, steal is what another machine took.",
            Self::MemoryUsage => {
                "With all cache of files, and with what the kernel keeps for it. It grows up to the limit in any task that reads many files, and that is no \
                 trouble."
            }
            Self::Swap => "Memory that lies on a disk for the time being.",
            Self::OomKills => {
                "How many processes were killed in each point's time, because a task was at its memory limit or the machine had none left."
            }
            Self::Restarts => "How often the engine started a task again in each point's time. A new task begins at 0.",
            Self::Pids => "How many processes and threads there are.",
            Self::Storage => {
                "Used space of each file system. What is set aside for root counts as used: at 100 % nothing more fits for other programs."
            }
            Self::Inodes => {
                "Used inodes of each file system: each file and folder takes one. At 100 % no new file can be made, however much space is free."
            }
            Self::Load => "How many processes ran or waited to run, on average, beside how many CPUs there are.",
            Self::Pressure => "The share of the time in which at least one process waited for a processor, for memory or for a disk.",
            Self::PressureFull => "The share of the time in which all processes that had something to do waited for the same: nothing was done.",
            Self::Packets => "How many packets came and went in a second.",
            Self::PacketsLost => "How many packets were damaged or thrown away in a second, on their way in and out.",
            Self::DiskOperations => "How many reads and writes reached a disk in a second.",
            Self::DiskBusy => {
                "The share of the time in which at least one request was under way. A disk that does many things at once may be able to do more at 100 %."
            }
            Self::EngineContainers => "The engine's containers by their state: Slipway's and all others.",
            Self::EngineImages => "How many images and volumes the engine has.",
            Self::EngineSpace => "What the engine keeps on its disk, asked every ten minutes. Layers that several images share count once.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chart_has_an_id_and_says_what_it_is() {
        let mut ids: Vec<String> = Group::ALL.iter().map(|group| group.anchor("queue{kind=\"a b\"}")).collect();
        assert!(ids.contains(&"chart-inodes".to_owned()) && ids.contains(&"chart-application-queue-kind--a-b--".to_owned()), "{ids:?}");
        assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))), "{ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Group::ALL.len());
        for group in Group::ALL {
            assert!(group.about().ends_with('.') && !group.about().contains("  "), "{group}: {}", group.about());
        }
    }
}
