//! Every project by what it keeps, what new projects may keep and run, and what tasks get that name no limit.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::views::quotas::{Limits, QuotaView, QuotasView};

use crate::api::quotas::{SetDefaultQuota, list_quotas};
use crate::components::{Badge, Csrf, Empty, ProblemNotice, Submit, Tone, bytes};
use crate::live::Pulse;
use crate::page::{change, loaded, problem, query};
use crate::pages::quotas::{LIMIT_FIELDS, LimitFields};
use crate::urls;

/// The quotas of all projects.
#[component]
pub(crate) fn Quotas() -> impl IntoView {
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(move || (after.get(), pulse.track()), |(after, _)| list_quotas(Some(after)));
    let set = change::<SetDefaultQuota>("Default quota set", Some(pulse));
    loaded(data, move |view| view! { <Default limits=view.default set/><Table view/> })
}

#[component]
fn Default(limits: Limits, set: ServerAction<SetDefaultQuota>) -> impl IntoView {
    let refused = problem(set);
    view! {
        <section class="panel">
            <header><h2>"Quota of new projects"</h2></header>
            <div class="panel-body">
                <p class="muted">
                    "A project that is made from now on begins with these. Projects that are there keep theirs. What a task gets that names no limit holds at
                    once for every project that says nothing else; what runs stays as it is until it is deployed again."
                </p>
                <ProblemNotice problem=refused beside=LIMIT_FIELDS/>
                <ActionForm action=set attr:class="form">
                    <Csrf/>
                    <LimitFields limits refused task_hint="Left empty: no limit."/>
                    <div class="actions"><Submit label="Set default" pending=set.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Table(view: QuotasView) -> impl IntoView {
    if view.projects.items.is_empty() {
        return view! { <section class="panel"><Empty title="No projects yet"><p>"Each project stands here with what it keeps."</p></Empty></section> }.into_any();
    }
    let next = view.projects.next.clone();
    let rows = view.projects.items.into_iter().map(|quota| view! { <Row quota/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Projects by size"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Project"</th><th scope="col" class="number">"Keeps"</th><th scope="col" class="number">"Size limit"</th>
                    <th scope="col" class="number">"Tags"</th><th scope="col" class="number">"Tag limit"</th><th scope="col" class="number">"CPU limit"</th>
                    <th scope="col" class="number">"Memory limit"</th><th scope="col" class="number">"Task limit"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|next| view! { <footer><a href=format!("{}?after={}", urls::ADMIN_QUOTAS, urls::query(&next))>"Smaller projects"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(quota: QuotaView) -> impl IntoView {
    let limit = |limit: Option<String>| limit.unwrap_or_else(|| String::from("no limit"));
    let shown = |size: i64| bytes(u64::try_from(size).unwrap_or(0));
    let full = quota.is_full();
    let settings = urls::project_page(&quota.project, "settings");
    view! {
        <tr>
            <td data-label="Project" class="table-main">
                <a href=urls::project(&quota.project)>{quota.project.to_string()}</a>" "{full.then(|| view! { <Badge tone=Tone::Warn text="full"/> })}
            </td>
            <td data-label="Keeps" class="number">{shown(quota.used_bytes)}</td>
            <td data-label="Size limit" class="number">{limit(quota.limits.bytes.map(shown))}</td>
            <td data-label="Tags" class="number">{quota.used_tags}</td>
            <td data-label="Tag limit" class="number">{limit(quota.limits.tags.map(|tags| tags.to_string()))}</td>
            <td data-label="CPU limit" class="number">{limit(quota.limits.cpus.map(|cpus| cpus.to_string()))}</td>
            <td data-label="Memory limit" class="number">{limit(quota.limits.memory.map(shown))}</td>
            <td data-label="Task limit" class="number">{limit(quota.limits.tasks.map(|tasks| tasks.to_string()))}</td>
            <td class="end"><a class="button button-small" href=settings>"Set quota"</a></td>
        </tr>
    }
    .into_any()
}
