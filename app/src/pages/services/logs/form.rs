//! The form that says which lines: by text or pattern, task, revision, stream, time and level. Without scripts it is sent as it is; with them the address
//! it leads to holds only what was filled in.

use leptos::ev;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use model::logs::Level;
use model::problem::Problem;
use model::views::logs::{LogSource, LogTask};

use super::asked::{Asked, address};
use crate::components::{CheckBox, Choice, Select, TextField};

/// Which lines.
#[component]
pub(super) fn Filter(
    /// What the page shows.
    asked: Asked,
    /// The page's path.
    path: String,
    /// The tasks that can be chosen.
    tasks: RwSignal<Vec<LogTask>>,
    /// The least level that is shown.
    level: Memo<String>,
    /// What the server says of the filter.
    refused: Option<Problem>,
) -> impl IntoView {
    let wrong = move |name: &'static str| Signal::stored(refused.as_ref().and_then(|problem| problem.field(name).map(str::to_owned)));
    let navigate = use_navigate();
    let go =
        Callback::new(move |(to, replace): (String, bool)| navigate(&to, NavigateOptions { replace, scroll: false, ..NavigateOptions::default() }));
    let filter = asked.filter.clone();
    let more = filter.task.is_some()
        || filter.revision.is_some()
        || filter.stream.is_some()
        || filter.context > 0
        || !(filter.since.is_empty() && filter.until.is_empty())
        || !level.get_untracked().is_empty()
        || ["task", "revision", "stream", "since", "until", "context"].into_iter().any(|name| wrong(name).with_untracked(Option::is_some));
    let (action, to) = (path.clone(), path.clone());
    let around = if filter.context > 0 { filter.context.to_string() } else { String::new() };
    let form = NodeRef::new();
    #[cfg(feature = "hydrate")]
    as_addressed(form);
    view! {
        <form method="get" action=action class="log-form" role="search" node_ref=form on:submit=move |event| submit(&event, &to, go)>
            <input type="hidden" name="environment" value=filter.environment.as_ref().map(ToString::to_string)/>
            {filter.slot.map(|slot| view! { <input type="hidden" name="slot" value=slot.to_string()/> })}
            <div class="log-find">
                <TextField name="grep" label="Lines with" kind="search" mono=true value=filter.grep.clone() error=wrong("grep") placeholder="text or pattern"/>
                <div class="log-how">
                    <CheckBox name="regex" label="Regular expression" checked=filter.regex/>
                    <CheckBox name="case" label="Match case" checked=filter.case/>
                </div>
                <div class="actions">
                    <button type="submit" class="button button-primary">"Show"</button>
                    <button type="submit" class="button" name="from" value="oldest" title="From the oldest line that is kept, over all tasks and past revisions">
                        "Search everything"
                    </button>
                </div>
            </div>
            <details class="as-table" open=more>
                <summary>"Task, revision, time, level"</summary>
                <div class="fields log-more">
                    <Which asked=asked.clone() path tasks level go/>
                    <TextField name="since" label="From" value=filter.since.clone() error=wrong("since") placeholder="15m, 2h, 2026-11-20 09:30" hint="An age, or a time in UTC."/>
                    <TextField name="until" label="To" value=filter.until.clone() error=wrong("until") placeholder="now"/>
                    <TextField name="context" label="Lines around each" kind="number" inputmode="numeric" error=wrong("context")
                        value=around placeholder="0"/>
                </div>
            </details>
        </form>
    }
    .into_any()
}

/// What can be chosen from a list.
#[component]
fn Which(asked: Asked, path: String, tasks: RwSignal<Vec<LogTask>>, level: Memo<String>, go: Callback<(String, bool)>) -> impl IntoView {
    let filter = asked.filter.clone();
    let known = tasks.get_untracked();
    let mut by_task = vec![Choice::new("", "All tasks")];
    by_task.extend(
        known.iter().map(|task| Choice::new(task.task.to_string(), format!("Task {} of revision {} ({})", task.slot, task.revision, task.state))),
    );
    let chosen = filter.task.map(|task| task.to_string()).unwrap_or_default();
    if !by_task.iter().any(|choice| choice.value == chosen) {
        by_task.push(Choice::new(chosen.clone(), "A task of long ago"));
    }
    let mut numbers: Vec<u32> = known.iter().map(|task| task.revision).chain(filter.revision).collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    numbers.dedup();
    let mut by_revision = vec![Choice::new("", "All revisions")];
    by_revision.extend(numbers.into_iter().map(|number| Choice::new(number.to_string(), format!("Revision {number}"))));
    let streams = vec![
        Choice::new("", "Both"),
        Choice::new(LogSource::Stdout.as_str(), "Standard output"),
        Choice::new(LogSource::Stderr.as_str(), "Standard error"),
    ];
    let levels = vec![
        Choice::new("", "All lines"),
        Choice::new(Level::Debug.as_str(), "Debug and above"),
        Choice::new(Level::Info.as_str(), "Info and above"),
        Choice::new(Level::Warn.as_str(), "Warnings and above"),
        Choice::new(Level::Error.as_str(), "Errors alone"),
    ];
    // The level is a matter of what is shown: no line is asked for again.
    let show = Callback::new(move |level: String| go.run((address(&path, &asked.filter, &asked.place, &level), true)));
    view! {
        <Select name="task" label="Task" choices=by_task value=chosen/>
        <Select name="revision" label="Revision" choices=by_revision value=filter.revision.map(|number| number.to_string()).unwrap_or_default()/>
        <Select name="stream" label="Stream" choices=streams value=filter.stream.map(|stream| stream.to_string()).unwrap_or_default()/>
        <Select name="level" label="Level" choices=levels value=level.get_untracked() on_change=show hint="Of the lines in the page. Those that say no level are hidden with it."/>
    }
    .into_any()
}

/// Another address fills the form anew: what was typed for the last one is not offered again.
#[cfg(feature = "hydrate")]
fn as_addressed(form: NodeRef<leptos::html::Form>) {
    Effect::new(move |_| {
        // What was typed before the page was taken over stays.
        let taken_over = document().document_element().is_some_and(|root| root.has_attribute("data-ready"));
        if let Some(form) = form.get()
            && taken_over
        {
            form.reset();
        }
    });
}

#[cfg(not(feature = "hydrate"))]
fn submit(_event: &ev::SubmitEvent, _path: &str, _go: Callback<(String, bool)>) {}

/// Leads to the address of what was filled in.
#[cfg(feature = "hydrate")]
fn submit(event: &ev::SubmitEvent, path: &str, go: Callback<(String, bool)>) {
    use wasm_bindgen::JsCast;
    const NAMES: [&str; 11] = ["environment", "task", "slot", "revision", "stream", "grep", "regex", "case", "since", "until", "context"];
    let Some(form) = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok()) else { return };
    let Ok(data) = web_sys::FormData::new_with_form(&form) else { return };
    event.prevent_default();
    let mut pairs: Vec<(&str, String)> = NAMES.iter().map(|name| (*name, data.get(name).as_string().unwrap_or_default())).collect();
    for (name, text) in &mut pairs {
        if *name == "context" && *text == "0" {
            text.clear();
        }
    }
    let everything = event.submitter().is_some_and(|button| button.get_attribute("name").as_deref() == Some("from"));
    pairs.push(("from", if everything { String::from("oldest") } else { String::new() }));
    pairs.push(("level", data.get("level").as_string().unwrap_or_default()));
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, text)| (*name, text.as_str())).collect();
    go.run((crate::urls::asking(path, &pairs), false));
}
