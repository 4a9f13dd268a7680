//! What the last samples say of a figure: of a service the task with the worst value, of a machine each part (a mount, an interface) by itself. From
//! memory alone.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{Key, Latest, Metric, Now};
use model::alerts::{Compare, Figure, Rule};
use model::time::Millis;

use crate::blocking::blocking;
use crate::error::Result;
use crate::platform::Platform;

/// A sample says nothing any more after this time: six times the usual step.
pub(super) const FRESH: Duration = Duration::from_secs(60);

/// The last samples of everything; none where no samples are kept. Samples that are being written make it wait.
pub(super) async fn latest(platform: &Platform, now: Millis) -> Result<Option<Vec<Latest>>> {
    let Some(store) = platform.metrics() else { return Ok(None) };
    blocking(move || Ok(store.latest(now.minus(FRESH).0))).await.map(Some)
}

/// The worst value of a figure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Worst {
    /// In the figure's unit, or per cent of its limit.
    pub value: f64,
    /// In the figure's unit, whatever the value is.
    pub amount: f64,
    /// What it is a share of, where it is compared so.
    pub limit: Option<f64>,
    /// The task's slot; none: a machine's.
    pub slot: Option<u32>,
}

/// The worst value by part, of the samples of one service or machine.
pub(super) fn worst(rule: &Rule, latest: &[&Latest], now: Millis) -> BTreeMap<String, Worst> {
    let mut worst: BTreeMap<String, Worst> = BTreeMap::new();
    let (Some(metric), Some(figure)) = (Metric::named(&rule.metric), Figure::named(&rule.metric)) else { return worst };
    let oldest = now.minus(FRESH).0;
    for sampled in latest.iter().filter(|latest| latest.at_ms >= oldest) {
        for number in sampled.values.iter().filter(|number| number.metric == metric && number.at_ms >= oldest) {
            if !rule.label.is_empty() && *number.label != *rule.label {
                continue;
            }
            let Some(found) = compared(rule, figure, number, &sampled.values, sampled.member.map(|member| member.slot)) else { continue };
            let part = number.label.to_string();
            let worse = worst.get(&part).is_none_or(|known| match rule.compare {
                Compare::Over => found.value > known.value,
                Compare::Under => found.value < known.value,
            });
            if worse {
                worst.insert(part, found);
            }
        }
    }
    worst
}

/// A number as the rule compares it; none where it has no rate yet, or no limit.
fn compared(rule: &Rule, figure: &Figure, number: &Now, all: &[Now], slot: Option<u32>) -> Option<Worst> {
    let amount = of(number)?;
    if !rule.share {
        return Some(Worst { value: amount, amount, limit: None, slot });
    }
    let metric = Metric::named(figure.limit?)?;
    let limit = all.iter().filter(|other| other.metric == metric);
    // The limit of the same part, or the only one.
    let limit = limit.clone().find(|other| other.label == number.label).or_else(|| limit.clone().find(|other| other.label.is_empty()))?;
    let limit = of(limit)?;
    (limit > 0.0).then(|| Worst { value: amount / limit * 100.0, amount, limit: Some(limit), slot })
}

/// A number in the unit that rules write: sums by their growth in a second, time that was used as cores.
fn of(number: &Now) -> Option<f64> {
    let value = match number.metric.kind() {
        metrics::Kind::Gauge => number.value,
        metrics::Kind::Counter => number.rate?,
    };
    Some(if number.metric.unit() == metrics::Unit::Microseconds { value / 1_000_000.0 } else { value })
}

/// Whether a value is on the wrong side.
pub(super) fn is_wrong(rule: &Rule, value: f64) -> bool {
    match rule.compare {
        Compare::Over => value > rule.value,
        Compare::Under => value < rule.value,
    }
}

/// Whether a part is gone of something that was sampled lately: a mount that was unmounted, a name that the application does not tell any more, a
/// limit that was taken away. Where nothing was sampled nobody knows; nor of a sum that was sampled once, for its growth is yet to come.
pub(super) fn is_gone(rule: &Rule, latest: &[&Latest], is_part: impl Fn(&str) -> bool, now: Millis) -> bool {
    let (Some(metric), Some(figure)) = (Metric::named(&rule.metric), Figure::named(&rule.metric)) else { return false };
    let oldest = now.minus(FRESH).0;
    let is_awaited = |number: &Now, all: &[Now]| {
        let limit = figure.limit.and_then(Metric::named).filter(|_| rule.share);
        of(number).is_none() || all.iter().any(|other| Some(other.metric) == limit && of(other).is_none())
    };
    let mut fresh = latest.iter().filter(|latest| latest.at_ms >= oldest).peekable();
    let is_there = |sampled: &&Latest| {
        let mut numbers = sampled.values.iter().filter(|number| number.metric == metric && number.at_ms >= oldest && is_part(&number.label));
        numbers.any(|number| is_awaited(number, &sampled.values))
    };
    fresh.peek().is_some() && !fresh.any(is_there)
}

/// Whether something was sampled lately.
pub(super) fn is_sampled(latest: &[&Latest], now: Millis) -> bool {
    latest.iter().any(|latest| latest.at_ms >= now.minus(FRESH).0)
}

/// The last samples of each service and machine.
pub(super) fn by_key(latest: &[Latest]) -> std::collections::HashMap<Key, Vec<&Latest>> {
    let mut by_key: std::collections::HashMap<Key, Vec<&Latest>> = std::collections::HashMap::new();
    for sampled in latest {
        by_key.entry(sampled.key).or_default().push(sampled);
    }
    by_key
}

#[cfg(test)]
mod tests {
    use model::alerts::{FIGURES, RuleForm};

    use super::*;

    #[test]
    fn every_figure_is_one_of_the_stores() {
        for figure in FIGURES {
            let metric = Metric::named(figure.metric).unwrap_or_else(|| panic!("{}", figure.metric));
            assert_eq!(metric.kind() == metrics::Kind::Counter, figure.counter, "{}", figure.metric);
            let limit = figure.limit.map(|limit| Metric::named(limit).unwrap_or_else(|| panic!("{limit}")));
            assert!(limit.is_none_or(|limit| limit != metric), "{}", figure.metric);
        }
    }

    fn number(metric: Metric, label: &str, value: f64, rate: Option<f64>) -> Now {
        Now { metric, label: label.into(), at_ms: 100_000, value, rate }
    }

    fn rule(metric: &str, kind: &str, of: &str, value: &str) -> Rule {
        let form = RuleForm { name: "r".into(), kind: kind.into(), of: of.into(), metric: metric.into(), value: value.into(), ..RuleForm::default() };
        form.read(true).expect("a rule")
    }

    fn latest(slot: u32, values: Vec<Now>) -> Latest {
        let member = metrics::Member { task: uuid::Uuid::nil().into(), slot, revision: 1 };
        Latest { key: Key::Machine(uuid::Uuid::nil().into()), member: Some(member), at_ms: 100_000, values }
    }

    #[test]
    fn the_worst_task_and_each_part_are_found() {
        let memory =
            |slot, used: f64| latest(slot, vec![number(Metric::MemoryWorkingSet, "", used, None), number(Metric::MemoryLimit, "", 200.0, None)]);
        let (one, two) = (memory(1, 100.0), memory(2, 190.0));
        let found = worst(&rule("memory_working_set", "threshold", "services", "90 %"), &[&one, &two], Millis(110_000));
        assert_eq!(found[""], Worst { value: 95.0, amount: 190.0, limit: Some(200.0), slot: Some(2) });
        let disks = latest(
            0,
            vec![
                number(Metric::DiskSize, "/", 100.0, None),
                number(Metric::DiskSize, "/data", 1000.0, None),
                number(Metric::DiskUsed, "/", 95.0, None),
                number(Metric::DiskUsed, "/data", 100.0, None),
            ],
        );
        let found = worst(&rule("disk_used", "threshold", "machines", "90 %"), &[&disks], Millis(110_000));
        assert_eq!(found.iter().map(|(part, worst)| (part.as_str(), worst.value)).collect::<Vec<_>>(), [("/", 95.0), ("/data", 10.0)]);
    }

    #[test]
    fn a_part_is_gone_where_the_rest_is_sampled_without_it() {
        let gone = |rule: &Rule, latest: &[&Latest], part: &str, now: i64| is_gone(rule, latest, |label| label == part, Millis(now));
        let disk = rule("disk_used", "threshold", "machines", "10");
        let root = latest(0, vec![number(Metric::DiskUsed, "/", 5.0, None)]);
        assert!(gone(&disk, &[&root], "/data", 110_000));
        assert!(!gone(&disk, &[&root], "/data", 170_000), "nobody knows");
        assert!(!gone(&disk, &[], "/data", 110_000), "nobody knows");
        // A number that was sampled long ago is not there any more, whenever the others were.
        let old = Now { at_ms: 1_000, ..number(Metric::DiskUsed, "/data", 50.0, None) };
        assert!(gone(&disk, &[&latest(0, vec![number(Metric::DiskUsed, "/", 5.0, None), old])], "/data", 110_000));
        let memory = rule("memory_working_set", "threshold", "services", "90 %");
        assert!(gone(&memory, &[&latest(1, vec![number(Metric::MemoryWorkingSet, "", 5.0, None)])], "", 110_000), "it has no limit any more");
        let sum = rule("cpu_used", "rate", "services", "0.4");
        assert!(!gone(&sum, &[&latest(1, vec![number(Metric::CpuUsed, "", 5.0, None)])], "", 110_000), "it was sampled once");
    }

    #[test]
    fn a_sum_is_compared_by_its_growth_and_old_samples_say_nothing() {
        let busy = latest(1, vec![number(Metric::CpuUsed, "", 9e9, Some(500_000.0)), number(Metric::CpuLimit, "", 2.0, None)]);
        let share = rule("cpu_used", "rate", "services", "20 %");
        assert_eq!(worst(&share, &[&busy], Millis(110_000))[""].value, 25.0);
        assert_eq!(worst(&rule("cpu_used", "rate", "services", "0.4"), &[&busy], Millis(110_000))[""].value, 0.5);
        assert!(worst(&share, &[&busy], Millis(170_000)).is_empty());
        let first = latest(1, vec![number(Metric::CpuUsed, "", 9e9, None), number(Metric::CpuLimit, "", 2.0, None)]);
        assert!(worst(&share, &[&first], Millis(110_000)).is_empty());
        let unlimited = latest(1, vec![number(Metric::CpuUsed, "", 9e9, Some(1.0))]);
        assert!(worst(&share, &[&unlimited], Millis(110_000)).is_empty());
    }
}
