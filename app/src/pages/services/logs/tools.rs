//! What stands around the rows: whose lines they are, the buttons, a search's progress, the ways to older and newer lines, and what is said where there
//! are none.

use leptos::ev;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use model::time::Millis;
use model::views::logs::LogTask;

use super::Shown;
use super::asked::{Asked, Place};
use super::desk::{Desk, Search};
use crate::components::log_row::Times;
use crate::components::log_who::{Twins, hue};
use crate::components::{Empty, bytes};
use crate::urls;

/// Tasks that are named; more are chosen from the form.
const NAMED: usize = 12;

/// The tasks, by colour; each leads to its own lines.
#[component]
pub(super) fn Legend(asked: Asked, path: String, tasks: RwSignal<Vec<LogTask>>, level: Memo<String>) -> impl IntoView {
    let items = move || {
        let (level, chosen) = (level.get(), asked.filter.task);
        let mut all = tasks.get();
        let twins = Twins::among(&all);
        // What runs comes first.
        all.sort_by_key(|task| (task.state.is_final(), std::cmp::Reverse(task.revision), task.slot));
        let more = all.len().saturating_sub(NAMED);
        let named = all.into_iter().take(NAMED).map(|task| {
            let mine = chosen == Some(task.task);
            let href = asked.with(&path, &level, |filter| filter.task = if mine { None } else { Some(task.task) });
            let said = format!("Task {} of revision {}, {}: {}", task.slot, task.revision, task.task, task.state);
            view! {
                <a class="log-task" href=href data-hue=hue(task.slot, task.revision) aria-current=mine.then_some("true") title=said data-noscroll="">
                    <span class="task">{twins.name(task.task, task.slot, task.revision)}</span><span>{task.state.to_string()}</span>
                </a>
            }
        });
        let all = chosen.is_some().then(|| view! { <a href=asked.with(&path, &level, |filter| filter.task = None) data-noscroll="">"All tasks"</a> });
        let more = (more > 0).then(|| view! { <span class="faint">{format!("and {more} more, in the form above")}</span> });
        view! { {named.collect_view()}{all}{more} }.into_any()
    };
    view! { <nav class="log-legend small" aria-label="Tasks">{items}</nav> }.into_any()
}

/// The buttons.
#[component]
pub(super) fn Bar(shown: Shown, path: String, desk: Desk, kept: u64) -> impl IntoView {
    let pairs = shown.asked.filter.pairs();
    let file = move |format: &'static str| {
        let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        pairs.push(("format", format));
        urls::asking(urls::service_page(&shown.project, &shown.service, "logs/download"), &pairs)
    };
    let times = Times::ALL
        .into_iter()
        .map(|times| {
            let chosen = move || (desk.times.get() == times).to_string();
            view! { <button type="button" aria-pressed=chosen on:click=move |_| desk.choose_times(times)>{times.label()}</button> }
        })
        .collect_view();
    let waiting = move || match desk.waiting.get() {
        (0, _) => String::from("To the end"),
        (count, false) => format!("{count} new lines"),
        (count, true) => format!("More than {count} new lines"),
    };
    view! {
        <div class="log-bar">
            <div class="row needs-script">
                <button type="button" class="button button-small" aria-pressed=move || desk.paused.get().to_string() on:click=move |_| desk.pause()>
                    {move || if desk.paused.get() { "Go on" } else { "Pause" }}
                </button>
                <button type="button" class="button button-small" on:click=move |_| desk.to_end()>{waiting}</button>
                <button type="button" class="button button-small button-quiet" aria-pressed=move || desk.frame.wrap.get().to_string()
                    on:click=move |_| desk.choose_wrap(!desk.frame.wrap.get_untracked())>"Wrap lines"</button>
                <button type="button" class="button button-small button-quiet" aria-pressed=move || (!desk.raw.get()).to_string()
                    on:click=move |_| desk.choose_raw(!desk.raw.get_untracked())>"Open JSON"</button>
                <div class="segments" role="group" aria-label="Times">{times}</div>
            </div>
            <Jump asked=shown.asked.clone() path desk/>
            <div class="row log-files">
                <span class="muted small">"Download"</span>
                <a class="button button-small" href=file("text") download="">"Text"</a>
                <a class="button button-small" href=file("ndjson") download="">"JSON lines"</a>
                <span class="faint small" title="What the project's logs take on disk">{format!("The project keeps {}", bytes(kept))}</span>
            </div>
        </div>
    }
    .into_any()
}

/// To a time.
#[component]
fn Jump(asked: Asked, path: String, desk: Desk) -> impl IntoView {
    let navigate = use_navigate();
    let hidden = asked.filter.pairs().into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view();
    let value = if let Place::At(at) = &asked.place { at.get(..19).unwrap_or_default().to_owned() } else { String::new() };
    let zone = move || if desk.times.get() == Times::Local { "Jump to (your time)" } else { "Jump to (UTC)" };
    let (action, to) = (path.clone(), path);
    let go = Callback::new(move |at: String| {
        navigate(&asked.at(&to, &Place::At(at), ""), NavigateOptions { scroll: false, ..NavigateOptions::default() });
    });
    view! {
        <form method="get" action=action class="row log-jump" on:submit=move |event| jump(&event, desk, go)>
            {hidden}
            <label class="small muted" for="log-at">{zone}</label>
            <input id="log-at" name="at" type="datetime-local" step="1" value=value required=true/>
            <button type="submit" class="button button-small">"Jump"</button>
        </form>
    }
    .into_any()
}

#[cfg(not(feature = "hydrate"))]
fn jump(_event: &ev::SubmitEvent, _desk: Desk, _go: Callback<String>) {}

#[cfg(feature = "hydrate")]
fn jump(event: &ev::SubmitEvent, desk: Desk, go: Callback<String>) {
    use wasm_bindgen::JsCast;
    let Some(form) = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok()) else { return };
    let Ok(data) = web_sys::FormData::new_with_form(&form) else { return };
    event.prevent_default();
    let text = data.get("at").as_string().unwrap_or_default();
    if text.is_empty() {
        return;
    }
    // A date without a zone is the reader's own, to the browser.
    let local = js_sys::Date::new(&wasm_bindgen::JsValue::from_str(&text)).get_time();
    let at = if desk.times.get_untracked() == Times::Local && local.is_finite() {
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this age")]
        let millis = local as i64;
        Millis(millis).rfc3339()
    } else {
        super::asked::instant(&text)
    };
    go.run(at);
}

/// How a search through everything does.
#[component]
pub(super) fn Searching(desk: Desk) -> impl IntoView {
    let running = Memo::new(move |_| desk.search.with(|search| matches!(search, Search::Running(..))));
    let part = move |which: fn(u64, u64) -> u64| {
        move || if let Search::Running(done, of, _) = desk.search.get() { which(done, of).to_string() } else { String::from("1") }
    };
    let said = move || {
        let found = desk.found.get();
        match desk.search.get() {
            Search::Running(_, 0, _) => format!("Searching; {found} lines found"),
            Search::Running(done, of, at) => {
                let at = at.map(|at| format!(", to {}", at.exact())).unwrap_or_default();
                format!("{} of {} looked through{at}; {found} lines found", bytes(done), bytes(of))
            }
            _ => String::new(),
        }
    };
    let over = move || {
        let found = desk.found.get();
        match desk.search.get() {
            Search::None | Search::Running(..) => None,
            Search::Full => Some((format!("{found} lines found so far. The search waits here."), true)),
            Search::Cancelled => Some((format!("The search was stopped. {found} lines found so far."), true)),
            Search::Done => Some((format!("Everything was looked through: {found} lines found."), false)),
        }
    };
    let bar = move || {
        running.get().then(|| {
            view! {
                <div class="row log-searching">
                    <progress class="grow" aria-label="Search" max=part(|_, of| of.max(1)) value=part(|done, of| done.min(of))></progress>
                    <span class="small muted number">{said}</span>
                    <button type="button" class="button button-small" on:click=move |_| desk.cancel()>"Cancel"</button>
                </div>
            }
        })
    };
    view! {
        {bar}
        <div role="status">
            {move || over().map(|(text, more)| view! {
                <p class="row small log-found">
                    <span>{text}</span>
                    {more.then(|| view! { <button type="button" class="button button-small" on:click=move |_| desk.search_on()>"Search on"</button> })}
                </p>
            })}
        </div>
    }
    .into_any()
}

/// The way to older lines, above the rows.
#[component]
pub(super) fn Older(desk: Desk, href: String) -> impl IntoView {
    let said = move || if desk.dropped.get() { "Older lines (rows that were here made room for newer ones)" } else { "Older lines" };
    view! {
        <p class="log-edge" hidden=move || !desk.older.get()>
            <a href=href.clone() on:click=move |event: ev::MouseEvent| desk.older(&event) aria-busy=move || desk.busy.get().then_some("true")>{said}</a>
        </p>
    }
    .into_any()
}

/// The way to newer lines, below the rows.
#[component]
pub(super) fn Newer(desk: Desk, href: String) -> impl IntoView {
    view! {
        <p class="log-edge" hidden=move || !desk.newer.get() || desk.search.with(|search| *search != Search::None)>
            <a href=href.clone() on:click=move |event: ev::MouseEvent| desk.newer(&event)>"Newer lines"</a>
        </p>
    }
    .into_any()
}

/// What is said where there are no rows.
#[component]
pub(super) fn Nothing(asked: Asked, path: String, desk: Desk, kept: Option<Millis>) -> impl IntoView {
    let narrows = asked.narrows();
    let all =
        asked.with(&path, "", |filter| *filter = model::views::logs::LogFilter { environment: filter.environment.clone(), ..Default::default() });
    let everything = asked.at(&path, &Place::Oldest, "");
    let what = move || {
        if desk.count.get() > 0 || desk.search.with(|search| matches!(search, Search::Running(..) | Search::Full)) {
            return None;
        }
        let searched = desk.search.with(|search| *search != Search::None);
        let oldest = kept.map(|at| format!("The oldest line that is kept is of {}.", at.exact()));
        let (title, text) = if narrows {
            ("No line matches", oldest.unwrap_or_else(|| String::from("Nothing is kept of this service yet.")))
        } else if let Some(oldest) = oldest {
            ("No line here", oldest)
        } else {
            ("No line yet", String::from("What its tasks write from now on appears here by itself."))
        };
        let (all, everything) = (all.clone(), everything.clone());
        Some(view! {
            <Empty title=title>
                <p>{text}</p>
                {narrows.then(|| view! {
                    <p class="row">
                        <a class="button" href=all.clone()>"Show all lines"</a>
                        {(!searched).then(|| view! { <a class="button" href=everything.clone()>"Search everything"</a> })}
                    </p>
                })}
            </Empty>
        })
    };
    view! { <div>{what}</div> }.into_any()
}

/// An address may name a line behind its `#`, which only the browser sees: it leads to that line.
#[cfg(feature = "hydrate")]
pub(super) fn lead_to_fragment() {
    let location = window().location();
    let hash = location.hash().unwrap_or_default();
    let Some(id) = hash.strip_prefix('#') else { return };
    let named = id.split_once('-').is_some_and(|(segment, index)| segment.parse::<u64>().is_ok() && index.parse::<u32>().is_ok());
    if !named {
        return;
    }
    let query = location.search().unwrap_or_default();
    let environment =
        query.trim_start_matches('?').split('&').find(|pair| pair.starts_with("environment=")).map(|pair| format!("{pair}&")).unwrap_or_default();
    let path = location.pathname().unwrap_or_default();
    use_navigate()(&format!("{path}?{environment}line={id}"), NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() });
}
