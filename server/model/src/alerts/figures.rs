//! The figures that rules compare: their names as the store of samples has them, what they are called, and what they are a share of.

use super::Of;
use crate::quantity::{Memory, shown_bytes};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Bytes; of a sum, bytes in a second.
    Bytes,
    /// Cores.
    Cores,
    /// How many; of a sum, how many in a second.
    Number,
}

/// A figure that rules can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name.
    pub metric: &'static str,
    /// What it is called.
    pub says: &'static str,
    /// What it counts.
    pub counts: Counts,
    /// Whether it is a sum, of which the growth is compared.
    pub counter: bool,
    /// What it is a share of.
    pub limit: Option<&'static str>,
    /// Whether services have it.
    pub services: bool,
    /// Whether machines have it.
    pub machines: bool,
}

const fn figure(metric: &'static str, says: &'static str, counts: Counts) -> Figure {
    Figure { metric, says, counts, counter: false, limit: None, services: true, machines: true }
}

impl Figure {
    const fn sum(self) -> Self {
        Self { counter: true, ..self }
    }

    const fn of(self, limit: &'static str) -> Self {
        Self { limit: Some(limit), ..self }
    }

    const fn services_alone(self) -> Self {
        Self { machines: false, ..self }
    }

    const fn machines_alone(self) -> Self {
        Self { services: false, ..self }
    }
}

/// All of them.
pub const FIGURES: &[Figure] = &[
    figure("memory_working_set", "memory", Counts::Bytes).of("memory_limit"),
    figure("memory_usage", "memory with cache", Counts::Bytes).of("memory_limit").services_alone(),
    figure("swap_used", "swap", Counts::Bytes).of("swap_limit"),
    figure("pids", "processes and threads", Counts::Number),
    figure("app_gauge", "application gauge", Counts::Number).services_alone(),
    figure("load_1m", "load over a minute", Counts::Number).machines_alone(),
    figure("load_5m", "load over five minutes", Counts::Number).machines_alone(),
    figure("load_15m", "load over fifteen minutes", Counts::Number).machines_alone(),
    figure("disk_used", "disk", Counts::Bytes).of("disk_size").machines_alone(),
    figure("disk_inodes_used", "inodes", Counts::Number).of("disk_inodes").machines_alone(),
    figure("cpu_used", "CPU", Counts::Cores).of("cpu_limit").sum(),
    figure("cpu_throttled_periods", "throttled CPU periods", Counts::Number).of("cpu_periods").sum().services_alone(),
    figure("oom_kills", "OOM kills", Counts::Number).sum(),
    figure("net_received", "received over the network", Counts::Bytes).sum(),
    figure("net_sent", "sent over the network", Counts::Bytes).sum(),
    figure("net_received_errors", "receive errors", Counts::Number).sum(),
    figure("block_read", "read from disks", Counts::Bytes).sum(),
    figure("block_written", "written to disks", Counts::Bytes).sum(),
    figure("restarts", "restarts", Counts::Number).sum().services_alone(),
    figure("app_counter", "application counter", Counts::Number).sum().services_alone(),
    figure("pressure_some", "pressure (some)", Counts::Cores).sum().machines_alone(),
];

impl Figure {
    /// The figure with this name.
    #[must_use]
    pub fn named(metric: &str) -> Option<&'static Self> {
        FIGURES.iter().find(|figure| figure.metric == metric)
    }

    /// Whether these have it.
    #[must_use]
    pub const fn is_of(&self, of: Of) -> bool {
        match of {
            Of::Services => self.services,
            Of::Machines => self.machines,
        }
    }

    /// Reads a value: `90 %` of its limit, `1GiB`, `0.5`. True: it is a share.
    ///
    /// # Errors
    /// What would be right.
    pub fn read(&self, text: &str) -> Result<(f64, bool), String> {
        let text = text.trim();
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        if let Some(share) = text.strip_suffix('%') {
            if self.limit.is_none() {
                return Err(format!("{} has no limit to be a share of; write a number", self.says));
            }
            return number(share).filter(|share| *share <= 100_000.0).map(|share| (share, true)).ok_or_else(|| "write a share like 90 %".into());
        }
        if let Some(number) = number(text) {
            return Ok((number, false));
        }
        match self.counts {
            Counts::Bytes => {
                text.trim_end_matches("/s").parse::<Memory>().map(|memory| (memory.bytes() as f64, false)).map_err(|error| error.to_string())
            }
            Counts::Cores | Counts::Number => {
                Err(format!("{text:?} is not a number; write it like 0.5{}", if self.limit.is_some() { " or 90 %" } else { "" }))
            }
        }
    }
}

/// A figure's value, for people.
#[must_use]
pub fn shown(metric: &str, value: f64, share: bool) -> String {
    if share {
        return format!("{} %", rounded(value));
    }
    let Some(figure) = Figure::named(metric) else { return rounded(value) };
    let amount = match figure.counts {
        Counts::Bytes => shown_bytes(value.max(0.0) as u64),
        // A share of the time is no number of cores.
        Counts::Cores if figure.metric == "cpu_used" => return format!("{} cores", rounded(value)),
        Counts::Cores => return format!("{} %", rounded(value * 100.0)),
        Counts::Number => rounded(value),
    };
    if figure.counter { format!("{amount} a second") } else { amount }
}

/// Three digits are enough to be read.
fn rounded(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
