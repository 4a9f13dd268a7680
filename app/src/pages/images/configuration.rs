//! How an image runs when nothing else is said: its configuration, its variables and its labels. They are the image's own business and
//! everybody's who may pull it: nothing of a service's is shown here.

use leptos::prelude::*;
use model::manifest::config::{ImageConfig, RunConfig};

/// How its containers run.
#[component]
pub(super) fn Configuration(
    /// The configuration.
    config: ImageConfig,
) -> impl IntoView {
    let RunConfig { user, exposed_ports, env, entrypoint, cmd, volumes, working_dir, labels, stop_signal, healthcheck } = config.config;
    let words = |words: &[String]| serde_json::to_string(words).ok().filter(|_| !words.is_empty());
    let seconds = |nanos: i64| format!("{} s", nanos / 1_000_000_000);
    let health = healthcheck.and_then(|check| {
        let every = if check.interval > 0 { format!(", every {}", seconds(check.interval)) } else { String::new() };
        check.command().map(|command| format!("{command}{every}"))
    });
    let names = |names: std::collections::BTreeMap<String, serde_json::Value>| Some(names.into_keys().collect::<Vec<_>>().join(", "));
    let facts = [
        ("Entry point", words(&entrypoint)),
        ("Command", words(&cmd)),
        ("User", Some(if user.is_empty() { String::from("root") } else { user })),
        ("Folder", Some(working_dir)),
        ("Ports", names(exposed_ports)),
        ("Volumes", names(volumes)),
        ("Stop signal", Some(stop_signal)),
        ("Health check", health),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
        .map(|(name, value)| view! { <dt>{name}</dt><dd><code>{value}</code></dd> })
        .collect_view();
    let variables: Vec<(String, String)> = env
        .into_iter()
        .map(|line| line.split_once('=').map_or((line.clone(), String::new()), |(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    view! {
        <section class="panel">
            <header><h2>"Configuration"</h2></header>
            <div class="panel-body"><dl class="facts">{facts}</dl></div>
        </section>
        <Notes title="Environment" notes=variables/>
        <Notes title="Labels" notes=labels.into_iter().collect()/>
    }
    .into_any()
}

/// Names and values that the image's maker gave it.
#[component]
pub(super) fn Notes(
    /// What they are.
    title: &'static str,
    /// The names and values.
    notes: Vec<(String, String)>,
) -> impl IntoView {
    (!notes.is_empty()).then(|| {
        let number = notes.len();
        let rows = notes.into_iter().map(|(name, value)| view! { <div><dt><code>{name}</code></dt><dd>{value}</dd></div> }).collect_view();
        view! {
            <section class="panel">
                <header><h2>{title}" "<span class="count">{number}</span></h2></header>
                <dl class="notes panel-body">{rows}</dl>
            </section>
        }
    })
}
