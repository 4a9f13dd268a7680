//! The portal's own work: requests, registry, deployments, loops, the database, what is open.

use domain::counters::{Counters, LoopRuns};
use domain::metrics::scrape::SiteFigures;
use model::time::Millis;

use super::text::{Kind, Text, labels};
use crate::http::Portal;

/// Writes all of it.
pub(super) fn write(text: &mut Text, portal: &Portal, site: &SiteFigures) {
    let counters = portal.platform.counters();
    text.family("slipway_build_info", Kind::Gauge, "The portal's version; always 1.");
    text.sample("slipway_build_info", &labels(&[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    requests(text, portal);
    registry(text, counters);
    deployments(text, counters);
    loops(text, &counters.loops());
    text.family("slipway_database_wait_seconds", Kind::Histogram, "Waits until a transaction could begin.");
    text.histogram("slipway_database_wait_seconds", "kind=\"read\"", &counters.read_waits.read());
    text.histogram("slipway_database_wait_seconds", "kind=\"write\"", &counters.write_waits.read());
    text.single("slipway_shells_open", Kind::Gauge, "Shells that are open.", site.shells as f64);
    text.family("slipway_streams_open", Kind::Gauge, "Long streams that are open, by their sort.");
    for (kind, count) in &site.streams {
        text.sample("slipway_streams_open", &labels(&[("kind", *kind)]), *count as f64);
    }
    text.single("slipway_log_bytes_total", Kind::Counter, "Bytes of tasks' logs that were collected.", counters.log_bytes.get() as f64);
}

fn requests(text: &mut Text, portal: &Portal) {
    let answered = portal.requests.read();
    text.family("http_requests_total", Kind::Counter, "Requests that were answered, by the pattern of their route.");
    for one in &answered {
        for (status, count) in &one.statuses {
            let of = labels(&[("method", one.method), ("route", one.route.as_str()), ("status", status.to_string().as_str())]);
            text.sample("http_requests_total", &of, *count as f64);
        }
    }
    text.family("http_request_duration_seconds", Kind::Histogram, "How long answers took to begin.");
    for one in &answered {
        text.histogram("http_request_duration_seconds", &labels(&[("method", one.method), ("route", one.route.as_str())]), &one.took);
    }
}

fn registry(text: &mut Text, counters: &Counters) {
    let counted = [
        ("slipway_registry_pushes_total", "Manifests that were pushed.", counters.pushes.get()),
        ("slipway_registry_pulls_total", "Manifests that were pulled.", counters.pulls.get()),
        ("slipway_registry_received_bytes_total", "Bytes of blobs that came with requests that were taken.", counters.blob_bytes_received.get()),
        ("slipway_registry_sent_bytes_total", "Bytes of blobs that were asked for and found.", counters.blob_bytes_sent.get()),
        ("slipway_registry_upkeep_runs_total", "Collections and scrubs that came to an end.", counters.upkeep_runs.get()),
        ("slipway_registry_upkeep_failures_total", "Collections and scrubs that failed.", counters.upkeep_failures.get()),
    ];
    for (name, help, value) in counted {
        text.single(name, Kind::Counter, help, value as f64);
    }
    text.single("slipway_registry_uploads", Kind::Gauge, "Requests that bring blobs at the moment.", counters.uploads.get() as f64);
}

fn deployments(text: &mut Text, counters: &Counters) {
    text.family("slipway_deployments_total", Kind::Counter, "Deployments that came to an end, by which one.");
    for (state, count) in counters.deployments() {
        text.sample("slipway_deployments_total", &labels(&[("state", state.as_str())]), count as f64);
    }
    let help = "How long deployments took from being asked for to the end that they came to by themselves.";
    text.family("slipway_deployment_duration_seconds", Kind::Histogram, help);
    text.histogram("slipway_deployment_duration_seconds", "", &counters.deployments_took.read());
}

fn loops(text: &mut Text, loops: &[(&'static str, LoopRuns)]) {
    type Read = fn(&LoopRuns) -> Option<f64>;
    let families: [(&str, Kind, &str, Read); 5] = [
        ("slipway_loop_runs_total", Kind::Counter, "How often a loop did its work.", |runs| Some(runs.runs as f64)),
        ("slipway_loop_failures_total", Kind::Counter, "How often it could not.", |runs| Some(runs.failures as f64)),
        ("slipway_loop_duration_seconds_total", Kind::Counter, "How long all of its work took.", |runs| Some(runs.took.as_secs_f64())),
        ("slipway_loop_last_run_timestamp_seconds", Kind::Gauge, "When it last came to an end.", |runs| seconds(runs.ended)),
        ("slipway_loop_last_success_timestamp_seconds", Kind::Gauge, "When it last came to a good one.", |runs| seconds(runs.succeeded)),
    ];
    for (name, kind, help, read) in families {
        text.family(name, kind, help);
        for (of, runs) in loops {
            if let Some(value) = read(runs) {
                text.sample(name, &labels(&[("loop", *of)]), value);
            }
        }
    }
}

fn seconds(at: Option<Millis>) -> Option<f64> {
    at.map(|at| at.0 as f64 / 1000.0)
}
