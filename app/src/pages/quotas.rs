//! Quotas as people see them: how much of what a project may keep and run is used, and the form that sets it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::quantity::{Cpus, Memory, PortRange};
use model::views::projects::ProjectView;
use model::views::quotas::{Limits, QuotaView, Running, TaskLimits, shown_cpus};
use model::views::upkeep::WaitingView;

use super::projects::current;
use crate::api::quotas::{QuotaPage, SetQuota, get_quota};
use crate::components::{Ago, Bar, Csrf, Notice, ProblemNotice, Submit, TextField, Tone, bytes, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, problem};

/// The quota of this project, on its settings.
#[component]
pub(crate) fn ProjectQuota(project: ProjectView) -> impl IntoView {
    let name = current().name;
    let pulse = Pulse::new();
    pulse.watch(format!("project:{}", project.id));
    let data = Resource::new(move || (name.get(), pulse.track()), |(name, _)| get_quota(name, true));
    let set = change::<SetQuota>("Quota set", Some(pulse));
    loaded(data, move |QuotaPage { quota, waiting, may_set }| {
        view! {
            <section class="panel page-narrow">
                <header><h2>"Quota"</h2></header>
                <div class="panel-body">
                    <Used quota=quota.clone()/>
                    {waiting.map(|waiting| view! { <Waiting waiting/> })}
                    {may_set.then(|| view! { <QuotaForm quota set/> })}
                    {(!may_set).then(|| view! { <p class="small muted">"Operators set quotas."</p> })}
                </div>
            </section>
        }
    })
}

/// How much is used, in bars and numbers.
#[component]
pub(crate) fn Used(quota: QuotaView) -> impl IntoView {
    let (used_bytes, used_tags) = (unsigned(quota.used_bytes), unsigned(quota.used_tags));
    let full = quota.is_full();
    view! {
        {full.then(|| view! {
            <Notice tone=Tone::Warn title="The quota is used up.">
                <p>"Pushes that need more are refused. What is there stays and can be pulled. Delete what is not needed, or have the quota raised. What is deleted counts until the registry's next collection gives it back."</p>
            </Notice>
        })}
        <Share label="Images and layers, each counted once" used=used_bytes limit=quota.limits.bytes.map(unsigned) shown=bytes/>
        <Share label="Tags" used=used_tags limit=quota.limits.tags.map(unsigned) shown=|count| count.to_string()/>
        {quota.logs_bytes.map(|kept| view! { <Share label="Kept logs, of which the oldest go first" used=kept limit=quota.logs.map(unsigned) shown=bytes/> })}
        {quota.recordings_bytes.map(|kept| view! {
            <Share label="Kept recordings of shells: the oldest of whoever has the most go first" used=unsigned(kept) limit=quota.recordings.map(unsigned) shown=bytes/>
        })}
        {quota.running.map(|running| view! { <UsedRunning running limits=quota.limits task=quota.task/> })}
    }
    .into_any()
}

/// What should run in all environments, of what may.
#[component]
fn UsedRunning(running: Running, limits: Limits, task: TaskLimits) -> impl IntoView {
    let without = |count: i64, what: &str| match count {
        0 => None,
        1 => Some(format!("1 task runs without a limit of {what}, and is not in the sum.")),
        count => Some(format!("{count} tasks run without a limit of {what}, and are not in the sum.")),
    };
    let ports = match limits.ports {
        None => String::from("Fixed ports: wherever the machine has one free."),
        Some(PortRange::NONE) => String::from("Fixed ports: none; each task gets free ones."),
        Some(range) => format!("Fixed ports: {range}."),
    };
    let given: Vec<String> =
        [task.cpus.map(|cpus| format!("{cpus} CPUs")), task.memory.map(|memory| format!("{memory} of memory"))].into_iter().flatten().collect();
    let given = match given.len() {
        0 => String::from("A task whose descriptor names no limit has none."),
        _ => format!("A task whose descriptor names no limit gets {}.", given.join(" and ")),
    };
    view! {
        <Share label="CPUs of all tasks" used=unsigned(running.cpu_millis) limit=limits.cpus.map(|cpus| cpus.millis().into())
            shown=|millis| shown_cpus(i64::try_from(millis).unwrap_or(i64::MAX))/>
        <Share label="Memory of all tasks" used=unsigned(running.memory) limit=limits.memory.map(unsigned) shown=bytes/>
        <Share label="Tasks" used=unsigned(running.tasks) limit=limits.tasks.map(unsigned) shown=|count| count.to_string()/>
        <ul class="small muted bullets">
            <li>"Counted is what should run in all environments; an update that starts new tasks first runs some on top for a moment."</li>
            {without(running.without_cpus, "CPUs").map(|text| view! { <li>{text}</li> })}
            {without(running.without_memory, "memory").map(|text| view! { <li>{text}</li> })}
            <li>{ports}</li>
            <li>{given}</li>
        </ul>
    }
    .into_any()
}

/// What a collection gives back, and when.
#[component]
fn Waiting(waiting: WaitingView) -> impl IntoView {
    let from = waiting.from.filter(|_| waiting.bytes > 0).map(|from| {
        view! {
            <p class="small">
                {format!("Of this {} belong to nothing any more: the first collection after ", bytes(unsigned(waiting.bytes)))}
                <Ago at=from/>" gives all of it back. Operators can start one at any time."
            </p>
        }
    });
    view! {
        {from}
        <p class="small muted">"Deleting tags and images gives bytes back with the registry's next collection, not at once: what was deleted rests first, so that it can be pushed again quickly."</p>
    }
    .into_any()
}

/// How much the project keeps, in one line, for everybody who pushes to it.
#[component]
pub(crate) fn QuotaLine(project: ProjectView) -> impl IntoView {
    let name = current().name;
    let pulse = Pulse::new();
    pulse.watch(format!("project:{}", project.id));
    pulse.watch(format!("images:{}", project.id));
    let data = Resource::new(
        move || (name.get(), pulse.track()),
        |(name, _)| async move { Ok::<_, crate::api::ApiError>(get_quota(name, false).await.ok().map(|page| page.quota)) },
    );
    loaded(data, |quota| quota.map(|quota| view! { <p class="small muted">{line(&quota)}</p> }))
}

fn line(quota: &QuotaView) -> String {
    let of = |used: String, limit: Option<String>| limit.map_or_else(|| used.clone(), |limit| format!("{used} of {limit}"));
    let size = of(bytes(unsigned(quota.used_bytes)), quota.limits.bytes.map(|limit| bytes(unsigned(limit))));
    let tags = of(quota.used_tags.to_string(), quota.limits.tags.map(|limit| limit.to_string()));
    let full = if quota.is_full() { " The quota is used up: pushes that need more are refused." } else { "" };
    let none = if quota.limits.bytes.is_none() && quota.limits.tags.is_none() { ", no limit" } else { "" };
    format!("The project keeps {size} in {tags} {}{none}.{full}", if quota.used_tags == 1 && quota.limits.tags.is_none() { "tag" } else { "tags" })
}

#[component]
fn Share(label: &'static str, used: u64, limit: Option<u64>, shown: fn(u64) -> String) -> impl IntoView {
    match limit {
        // A bar without a whole would look like one that does not know yet.
        None => {
            view! { <p class="progress-line"><span>{label}</span><span class="number">{format!("{}, no limit", shown(used))}</span></p> }.into_any()
        }
        Some(limit) => {
            view! { <Bar label said=format!("{} of {}", shown(used), shown(limit)) done=used.max(u64::from(limit == 0)) total=limit.max(1)/> }
                .into_any()
        }
    }
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[component]
fn QuotaForm(quota: QuotaView, set: ServerAction<SetQuota>) -> impl IntoView {
    let refused = problem(set);
    view! {
        <ProblemNotice problem=refused beside=LIMIT_FIELDS/>
        <ActionForm action=set attr:class="form">
            <Csrf/>
            <input type="hidden" name="project" value=quota.project.to_string()/>
            <LimitFields limits=quota.limits refused task_hint="Left empty: the site's default."/>
            <div class="actions"><Submit label="Set quota" pending=set.pending()/></div>
        </ActionForm>
        <p class="hint">"Left empty: no limit, where a field says nothing else. A limit below current use stops nothing, and deletes nothing but kept logs and recordings; it refuses what would take more."</p>
    }
    .into_any()
}

/// The fields that show their own error.
pub(crate) const LIMIT_FIELDS: &[&str] = &["bytes", "tags", "cpus", "memory", "tasks", "ports", "task_cpus", "task_memory", "logs", "recordings"];

/// The fields of all limits.
#[component]
pub(crate) fn LimitFields(limits: Limits, refused: Signal<Option<model::problem::Problem>>, task_hint: &'static str) -> impl IntoView {
    let share = |cpus: Option<Cpus>| cpus.map(|cpus| cpus.to_string()).unwrap_or_default();
    let ports = limits.ports.map(|ports| ports.to_string()).unwrap_or_default();
    let of_one = format!("Where its descriptor says none. {task_hint}");
    let kept = format!("0B or more, like 1GiB. Beyond it the oldest go. {task_hint}");
    view! {
        <div class="fields fields-wide">
            <TextField name="limits[bytes]" label="Size limit" optional=true value=size(limits.bytes) placeholder="no limit" check=Some(check_size)
                hint="Of all images, like 10GiB." error=field_error(refused, "bytes")/>
            <TextField name="limits[tags]" label="Tag limit" optional=true value=count(limits.tags) placeholder="no limit" inputmode="numeric"
                check=Some(check_count) error=field_error(refused, "tags")/>
            <TextField name="limits[cpus]" label="CPUs of all tasks" optional=true value=share(limits.cpus) placeholder="no limit"
                inputmode="decimal" check=Some(check_cpus) hint="Like 4 or 0.5." error=field_error(refused, "cpus")/>
            <TextField name="limits[memory]" label="Memory of all tasks" optional=true value=size(limits.memory) placeholder="no limit"
                check=Some(check_size) hint="A size like 8GiB." error=field_error(refused, "memory")/>
            <TextField name="limits[tasks]" label="Tasks" optional=true value=count(limits.tasks) placeholder="no limit" inputmode="numeric"
                check=Some(check_count) hint="Of all services in all environments." error=field_error(refused, "tasks")/>
            <TextField name="limits[ports]" label="Fixed ports" optional=true value=ports placeholder="anywhere" check=Some(check_ports)
                hint="Like 20000-20999, or none." error=field_error(refused, "ports")/>
            <TextField name="limits[task_cpus]" label="CPUs of one task" optional=true value=share(limits.task_cpus)
                inputmode="decimal" check=Some(check_cpus) hint=of_one.clone() error=field_error(refused, "task_cpus")/>
            <TextField name="limits[task_memory]" label="Memory of one task" optional=true value=size(limits.task_memory)
                check=Some(check_size) hint=of_one error=field_error(refused, "task_memory")/>
            <TextField name="limits[logs]" label="Kept logs" optional=true value=size(limits.logs) check=Some(check_size) hint=kept.clone()
                error=field_error(refused, "logs")/>
            <TextField name="limits[recordings]" label="Kept recordings of shells" optional=true value=size(limits.recordings)
                check=Some(check_size) hint=kept error=field_error(refused, "recordings")/>
        </div>
    }
    .into_any()
}

/// A limit of bytes as it is typed.
fn size(limit: Option<i64>) -> String {
    limit.map(|bytes| Memory::from_bytes(unsigned(bytes)).to_string()).unwrap_or_default()
}

/// A limit of a number as it is typed.
fn count(limit: Option<i64>) -> String {
    limit.map(|count| count.to_string()).unwrap_or_default()
}

fn check<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { text.parse::<T>().map(drop).map_err(|error| error.to_string()) }
}

fn check_size(text: &str) -> Result<(), String> {
    check::<Memory>(text)
}

fn check_cpus(text: &str) -> Result<(), String> {
    check::<Cpus>(text)
}

fn check_ports(text: &str) -> Result<(), String> {
    check::<PortRange>(text)
}

fn check_count(text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.trim().parse::<u32>().is_ok() { Ok(()) } else { Err("a whole number, or nothing for no limit".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_kept_and_may_be() {
        let quota = |bytes, tags| QuotaView {
            project: "shop".parse().expect("a name"),
            used_bytes: 1024,
            used_tags: 1,
            running: None,
            limits: Limits { bytes, tags, ..Limits::default() },
            task: TaskLimits::default(),
            logs: None,
            logs_bytes: None,
            recordings: None,
            recordings_bytes: None,
        };
        assert_eq!(line(&quota(None, None)), "The project keeps 1.0 KiB in 1 tag, no limit.");
        assert_eq!(line(&quota(Some(2048), Some(5))), "The project keeps 1.0 KiB of 2.0 KiB in 1 of 5 tags.");
        assert!(line(&quota(Some(1024), None)).ends_with("The quota is used up: pushes that need more are refused."));
    }
}
