//! What machines use at the moment, beside their names in a list: numbers of now, the last hour in small pictures, and how full the fullest disk is. What
//! could not be sampled is missing.

use std::fmt::Write as _;

use leptos::prelude::*;
use model::views::metrics::{MachineUse, Unit};

use super::overview::figure;
#[cfg(feature = "hydrate")]
use crate::api::metrics::machine_uses;
use crate::components::log_row::escaped;
use crate::components::shown;

/// What was measured of machines, and what will be while the page is open.
pub(in crate::pages) fn followed(found: Vec<MachineUse>) -> RwSignal<Vec<MachineUse>> {
    let uses = RwSignal::new(found);
    follow(uses);
    uses
}

#[cfg(not(feature = "hydrate"))]
fn follow(_uses: RwSignal<Vec<MachineUse>>) {}

#[cfg(feature = "hydrate")]
fn follow(uses: RwSignal<Vec<MachineUse>>) {
    super::on_samples(60_000.0, move || {
        leptos::task::spawn_local(async move {
            if let Ok(found) = machine_uses().await {
                _ = uses.try_set(found);
            }
        });
    });
}

/// A machine's figures, as HTML.
pub(in crate::pages) fn machine_now(of: Option<&MachineUse>) -> String {
    let Some(of) = of.filter(|of| of.usage.now.is_some() || of.disk.is_some()) else { return String::from("\u{2013}") };
    let (mut html, now) = (String::new(), of.usage.now.unwrap_or_default());
    figure(&mut html, "CPU", Unit::Cores, &of.usage.cpu, now.cpu, "");
    figure(&mut html, "Memory", Unit::Bytes, &of.usage.memory, now.memory, "");
    let disk = of.disk.as_ref().map_or_else(
        || String::from("<b>\u{2013}</b>"),
        |disk| {
            let share = shown(Unit::Percent, disk.used / disk.size * 100.0);
            let title = format!("{} of {} at {}", shown(Unit::Bytes, disk.used), shown(Unit::Bytes, disk.size), disk.mount);
            format!("<code class=\"small\">{}</code><b title=\"{}\">{share}</b>", escaped(&disk.mount), escaped(&title))
        },
    );
    let _ = write!(html, "<span class=\"use-figure\"><span class=\"use-label\">Disk</span>{disk}</span>");
    html
}

#[cfg(test)]
mod tests {
    use model::views::metrics::{DiskUse, NowView, UseView};

    use super::*;

    fn machine(now: Option<NowView>, disk: Option<DiskUse>) -> MachineUse {
        MachineUse {
            id: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id"),
            machine: "m1".parse().expect("a name"),
            environment: "local".parse().expect("a name"),
            usage: UseView { cpu: vec![Some(1.0), Some(2.0)], now, ..UseView::default() },
            disk,
        }
    }

    #[test]
    fn numbers_of_now_and_the_fullest_disk_are_told() {
        let now = NowView { cpu: Some(2.0), ..NowView::default() };
        let disk = DiskUse { mount: "/<data>".into(), used: 512.0, size: 1024.0 };
        let html = machine_now(Some(&machine(Some(now), Some(disk))));
        assert!(
            html.contains("<b>2 cores</b>") && html.contains("50 %</b>") && html.contains("title=\"512 B of 1.0 KiB at /&lt;data&gt;\""),
            "{html}"
        );
        assert!(html.contains("Memory</span><span class=\"use-number\"><b>\u{2013}</b>"), "what is not known is no zero: {html}");
        assert_eq!(html.matches("<svg").count(), 1);
    }

    #[test]
    fn of_a_machine_that_is_away_nothing_is_told() {
        assert_eq!(machine_now(Some(&machine(None, None))), "\u{2013}");
        assert_eq!(machine_now(None), "\u{2013}");
    }
}
