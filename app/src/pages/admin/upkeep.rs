//! The registry's upkeep: what its disk holds, what collections and scrubs did, and when they begin.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::page::Page;
use model::quantity::Span;
use model::views::upkeep::{Counts, DamageView, RunKind, RunState, RunView, Schedule, StorageView};

use crate::api::upkeep::{CancelRun, Run, SetSchedule, storage};
use crate::components::{Ago, Badge, Bar, Choice, Csrf, Digest, Empty, Notice, ProblemNotice, Select, Submit, TextField, Tone, bytes, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, problem, query};
use crate::urls;

fn size(bytes_: i64) -> String {
    bytes(u64::try_from(bytes_).unwrap_or(0))
}

/// The page.
#[component]
pub(crate) fn Upkeep() -> impl IntoView {
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(move || (after.get(), pulse.track()), |(after, _)| storage(Some(after)));
    let run = change::<Run>("", Some(pulse));
    let cancel = change::<CancelRun>("Run cancelled; what it did stays done", Some(pulse));
    let schedule = change::<SetSchedule>("Schedule kept", Some(pulse));
    view! {
        <ProblemNotice problem=problem(run)/>
        <ProblemNotice problem=problem(cancel)/>
        {loaded(data, move |storage| {
            pulse.watch("upkeep".to_owned());
            view! { <Storage storage run cancel schedule/> }
        })}
    }
    .into_any()
}

#[component]
fn Storage(storage: StorageView, run: ServerAction<Run>, cancel: ServerAction<CancelRun>, schedule: ServerAction<SetSchedule>) -> impl IntoView {
    let shared = storage.bytes_of_projects - storage.bytes;
    let kept = Span::from_secs(storage.kept_seconds).to_string();
    let working = storage.runs.items.iter().any(|run| run.state == RunState::Running);
    view! {
        <section class="panel">
            <header><h2>"On the disk"</h2></header>
            <dl class="figures">
                <div><dt>"Blobs"</dt><dd>{storage.blobs}</dd></div>
                <div><dt>"Bytes"</dt><dd>{size(storage.bytes)}</dd></div>
                <div><dt>"Spared by sharing between projects"</dt><dd>{size(shared.max(0))}</dd></div>
                <div><dt>"Damaged"</dt><dd>{storage.damaged}</dd></div>
                {storage.waiting.map(|waiting| view! { <div><dt>"Waiting for collection"</dt><dd>{size(waiting.bytes)}</dd></div> })}
                {storage.logs_bytes.map(|kept| view! { <div><dt>"Logs, besides"</dt><dd>{bytes(kept)}</dd></div> })}
                <div><dt>"Recordings of shells, besides"</dt><dd>{size(storage.recordings_bytes)}</dd></div>
            </dl>
            {storage.waiting.filter(|waiting| waiting.bytes > 0).and_then(|waiting| waiting.from).map(|from| view! {
                <footer>"What was deleted rests for "{kept.clone()}" after its last use. A collection takes all that waits now from "<Ago at=from/>" on, at "{from.exact()}"."</footer>
            })}
        </section>
        {(storage.damaged > 0).then(|| view! { <Damaged number=storage.damaged damage=storage.damage/> })}
        <section class="panel">
            <header><h2>"Run now"</h2></header>
            <div class="panel-body stack-s">
                <p>{format!("A collection removes what no image needs any more, {kept} after its last use, while everybody pushes and pulls. \
                    A scrub reads every blob again and reports those that the disk has damaged; it deletes nothing.")}</p>
                <div class="actions">
                    <Begin run kind=RunKind::Collect dry_run=true label="Count what would go" disabled=working/>
                    <Begin run kind=RunKind::Collect dry_run=false label="Collect" disabled=working/>
                    <Begin run kind=RunKind::Scrub dry_run=false label="Scrub" disabled=working/>
                </div>
            </div>
        </section>
        <Runs page=storage.runs cancel/>
        <Timetable now=storage.schedule schedule/>
    }
    .into_any()
}

/// What a scrub found, by the images that are made of it.
#[component]
fn Damaged(number: i64, damage: Vec<DamageView>) -> impl IntoView {
    let more = number - i64::try_from(damage.len()).unwrap_or(number);
    let rows = damage
        .into_iter()
        .map(|one| {
            let none = one.places.is_empty();
            let places = one
                .places
                .into_iter()
                .map(|place| {
                    let name = match &place.tag {
                        Some(tag) => format!("{}/{}:{tag}", place.project, place.repository),
                        None => format!("{}/{}@{}", place.project, place.repository, place.digest.short()),
                    };
                    view! { <li><a href=urls::image(&place.project, &place.repository, place.digest)>{name}</a></li> }
                })
                .collect_view();
            view! {
                <tr>
                    <td data-label="Images" class="table-main">
                        {if none { "no image needs it".into_any() } else { view! { <ul>{places}</ul> }.into_any() }}
                    </td>
                    <td data-label="Blob"><Digest value=one.digest.to_string()/></td>
                    <td data-label="Size" class="number">{size(one.size)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <Notice tone=Tone::Bad title="Some blobs are damaged.">
            <p>"They are told to clients as missing: push the images that have them again, and they are whole."</p>
        </Notice>
        <section class="panel">
            <header><h2>"Damaged "<span class="count">{number}</span></h2></header>
            <table class="table">
                <thead><tr><th scope="col">"Images"</th><th scope="col">"Blob"</th><th scope="col" class="number">"Size"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {(more > 0).then(|| view! { <footer>{format!("And {more} more.")}</footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Begin(run: ServerAction<Run>, kind: RunKind, dry_run: bool, label: &'static str, disabled: bool) -> impl IntoView {
    view! {
        <ActionForm action=run>
            <Csrf/>
            <input type="hidden" name="kind" value=kind.as_str()/>
            {dry_run.then(|| view! { <input type="hidden" name="dry_run" value="true"/> })}
            <fieldset disabled=disabled><Submit label look="" pending=run.pending()/></fieldset>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn Runs(page: Page<RunView>, cancel: ServerAction<CancelRun>) -> impl IntoView {
    if page.items.is_empty() {
        return view! {
            <section class="panel">
                <header><h2>"Runs"</h2></header>
                <Empty title="No runs yet"><p>"The first begins by itself when the schedule says so, or with a button above."</p></Empty>
            </section>
        }
        .into_any();
    }
    let next = page.next.map(|next| format!("{}?after={}", urls::ADMIN_REGISTRY, urls::query(&next)));
    let rows = page.items.into_iter().map(|run| view! { <Row run cancel/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Runs"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Run"</th><th scope="col">"State"</th><th scope="col">"What it did"</th><th scope="col">"Began"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|href| view! { <footer><a href=href>"Older runs"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(run: RunView, cancel: ServerAction<CancelRun>) -> impl IntoView {
    let name = match (run.kind, run.dry_run) {
        (RunKind::Collect, false) => "Collection",
        (RunKind::Collect, true) => "Collection, dry",
        (RunKind::Scrub, _) => "Scrub",
    };
    let (tone, state) = match run.state {
        RunState::Running => (Tone::Busy, "Works"),
        RunState::Done if run.counts.damaged_count > 0 => (Tone::Bad, "Found damage"),
        RunState::Done => (Tone::Ok, "Done"),
        RunState::Failed => (Tone::Bad, "Failed"),
        RunState::Cancelled => (Tone::Idle, "Cancelled"),
    };
    let (works, id) = (run.state == RunState::Running, run.id.to_string());
    let damaged = run.counts.damaged.iter().map(|digest| view! { <li><Digest value=digest.to_string()/></li> }).collect_view();
    let any_damaged = !run.counts.damaged.is_empty();
    let (done, total) = (u64::try_from(run.counts.seen).unwrap_or(0), u64::try_from(run.counts.of).unwrap_or(0));
    view! {
        <tr>
            <td data-label="Run" class="table-main">{name}</td>
            <td data-label="State"><Badge tone text=state/></td>
            <td data-label="What it did">
                <div class="stack-s">
                    {works.then(|| view! { <Bar label="Blobs looked at" said=format!("{done} of {total}") done total/> })}
                    <span>{did(run.kind, run.dry_run, &run.counts)}</span>
                    {run.error.map(|error| view! { <span class="small break">{error}</span> })}
                    {any_damaged.then(|| view! { <details><summary>"Which"</summary><ul>{damaged}</ul></details> })}
                </div>
            </td>
            <td data-label="Began"><span><Ago at=run.started_at/>" by "{run.asked_by}</span></td>
            <td class="end">
                {works.then(|| view! {
                    <ActionForm action=cancel>
                        <Csrf/>
                        <input type="hidden" name="run" value=id/>
                        <Submit label="Cancel" look="button-small" pending=cancel.pending()/>
                    </ActionForm>
                })}
            </td>
        </tr>
    }
    .into_any()
}

/// What a run did, in a sentence.
fn did(kind: RunKind, dry_run: bool, counts: &Counts) -> String {
    if kind == RunKind::Scrub {
        let healed = if counts.healed > 0 { format!("; {} that were damaged are right again", counts.healed) } else { String::new() };
        return format!("{} read, {} damaged{healed}", size(counts.seen_bytes), counts.damaged_count);
    }
    let total = size(counts.bytes + counts.file_bytes);
    let mut parts = vec![format!("{} blobs", counts.blobs)];
    for (count, what) in [(counts.files, "stray files"), (counts.repositories, "repositories")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let parts = parts.join(", ");
    if dry_run { format!("{total} would become free: {parts}") } else { format!("{total} freed: {parts}") }
}

#[component]
fn Timetable(now: Schedule, schedule: ServerAction<SetSchedule>) -> impl IntoView {
    let refused = problem(schedule);
    let mut hours =
        vec![Choice::new("1", "every hour"), Choice::new("6", "every 6 hours"), Choice::new("24", "every day"), Choice::new("168", "every week")];
    let mut days = vec![Choice::new("7", "every week"), Choice::new("30", "every 30 days"), Choice::new("90", "every 90 days")];
    let chosen = |choices: &mut Vec<Choice>, value: Option<u32>, unit: &str| {
        choices.push(Choice::new("0", "by hand alone"));
        let value = value.unwrap_or(0).to_string();
        if !choices.iter().any(|choice| choice.value == value) {
            choices.insert(0, Choice::new(value.clone(), format!("every {value} {unit}")));
        }
        value
    };
    let (collect, scrub) = (chosen(&mut hours, now.collect_hours, "hours"), chosen(&mut days, now.scrub_days, "days"));
    view! {
        <section class="panel">
            <header><h2>"Schedule"</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["scrub_rate"]/>
                <ActionForm action=schedule attr:class="form">
                    <Csrf/>
                    <div class="fields">
                        <Select name="collect_hours" label="Collect" choices=hours value=collect/>
                        <Select name="scrub_days" label="Scrub" choices=days value=scrub/>
                        <TextField name="scrub_rate" label="A scrub reads at most" value=now.scrub_rate.to_string() required=true
                            hint="MiB in a second" error=field_error(refused, "scrub_rate")/>
                    </div>
                    <div class="actions"><Submit label="Keep schedule" pending=schedule.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}
