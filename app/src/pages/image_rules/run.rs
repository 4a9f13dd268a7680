//! One run of a project's rules: what goes, what stays, and why.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::page::Page;
use model::views::projects::ProjectView;
use model::views::rules::{RetentionState, RuleItem, RuleRunState, RuleRunView};

use super::state;
use crate::api::image_rules::{ActivateRules, RuleRunPage, get_rule_run};
use crate::components::{Ago, Badge, Crumb, Crumbs, Csrf, Digest, Empty, Notice, ProblemNotice, Submit, Tone, bytes, sentence};
use crate::live::Pulse;
use crate::page::{change, loaded_in, param, problem, query};
use crate::pages::projects::current;
use crate::urls;

/// The run.
#[component]
pub(crate) fn RunPage() -> impl IntoView {
    let project = current();
    let (run, show, after) = (param("run"), query("show"), query("after"));
    let pulse = Pulse::new();
    let data = Resource::new(
        move || (project.name.get(), run.get(), show.get() == "stays", after.get(), pulse.track()),
        |(name, run, stays, after, _)| get_rule_run(name, run, stays, Some(after)),
    );
    let activate = change::<ActivateRules>("The rules are in force", None);
    let navigate = use_navigate();
    Effect::new(move |_| {
        if matches!(activate.value().get(), Some(Ok(()))) {
            navigate(&urls::image_rules(project.name.get_untracked()), leptos_router::NavigateOptions::default());
        }
    });
    loaded_in(project.view, data, move |project, page| {
        pulse.watch(format!("images:{}", project.id));
        view! { <Whole project page stays=show.get_untracked() == "stays" activate/> }
    })
}

#[component]
fn Whole(project: ProjectView, page: RuleRunPage, stays: bool, activate: ServerAction<ActivateRules>) -> impl IntoView {
    let name = project.name.to_string();
    let run = page.detail.run;
    let (tone, text) = state(&run);
    let title = if run.dry_run { "Dry run" } else { "Run" };
    let error = run.error.clone().map(|error| view! { <Notice tone=Tone::Warn title=sentence(&error)>""</Notice> });
    let asks = run.dry_run && run.state == RuleRunState::Done;
    view! {
        <Title text=format!("{title} of the rules of {name}")/>
        <div>
            <Crumbs path=vec![Crumb::new(urls::project_page(&name, "images"), "Images"), Crumb::new(urls::image_rules(&name), "Rules")]/>
            <div class="heading"><h2>{title}" "<Ago at=run.started_at/></h2><Badge tone text/></div>
            <p class="heading-sub">"Asked by "{run.asked_by.clone()}". "{if run.dry_run { "Nothing was deleted." } else { "" }}</p>
        </div>
        {error}
        {asks.then(|| view! { <Accept project=name.clone() run=run.clone() retention=page.retention activate/> })}
        <Figures run=run.clone()/>
        <Items project=name run items=page.detail.items stays/>
    }
    .into_any()
}

/// What to do after a dry run was looked at.
#[component]
fn Accept(project: String, run: RuleRunView, retention: RetentionState, activate: ServerAction<ActivateRules>) -> impl IntoView {
    if !run.is_current {
        return view! { <Notice tone=Tone::Idle title="The stored rules are others now."><p>"Look at a dry run of these before they are put in force."</p></Notice> }
            .into_any();
    }
    if retention == RetentionState::Active {
        return view! { <Notice tone=Tone::Ok title="These rules are in force.">""</Notice> }.into_any();
    }
    view! {
        <ProblemNotice problem=problem(activate)/>
        <Notice tone=Tone::Warn title="These rules delete nothing yet.">
            <p>"If this is what should go, put them in force. They delete when they run: at their hour, or when you ask for it."</p>
            <ActionForm action=activate>
                <Csrf/>
                <input type="hidden" name="project" value=project/>
                <input type="hidden" name="run" value=run.id.to_string()/>
                <div class="actions"><Submit label="Put these rules in force" pending=activate.pending()/></div>
            </ActionForm>
        </Notice>
    }
    .into_any()
}

#[component]
fn Figures(run: RuleRunView) -> impl IntoView {
    let counts = run.counts;
    let go = if run.dry_run { ("Tags that would go", "Images that would go") } else { ("Tags gone", "Images gone") };
    let kept = counts.kept_by.into_iter().map(|(by, count)| view! { <li>{by}<span class="end">{count}</span></li> }).collect_view();
    let any = counts.tags_kept > 0;
    view! {
        <section class="panel">
            <dl class="figures">
                <div><dt>{go.0}</dt><dd>{counts.tags_gone}</dd></div>
                <div><dt>{go.1}</dt><dd>{counts.images_gone}</dd></div>
                <div><dt>"Their size"</dt><dd>{bytes(counts.bytes_gone)}</dd></div>
                <div><dt>"Tags that stay"</dt><dd>{counts.tags_kept}</dd></div>
                <div><dt>"Repositories"</dt><dd>{counts.repositories}</dd></div>
            </dl>
        </section>
        {any.then(|| view! { <section class="panel"><header><h2>"Tags stay by"</h2></header><ul class="list">{kept}</ul></section> })}
    }
    .into_any()
}

#[component]
fn Items(project: String, run: RuleRunView, items: Page<RuleItem>, stays: bool) -> impl IntoView {
    let here = urls::rule_run(&project, run.id);
    let show = if stays { "show=stays&" } else { "" };
    let next = items.next.as_ref().map(|next| format!("{here}?{show}after={}", urls::query(next)));
    let none = items.items.is_empty();
    let rows = items.items.into_iter().map(|item| view! { <Item project=project.clone() item/> }).collect_view();
    let empty = match (stays, run.state == RuleRunState::Running) {
        (_, true) => "Nothing yet",
        (true, _) => "Nothing stays",
        (false, _) if run.dry_run => "Nothing would go",
        (false, _) => "Nothing went",
    };
    view! {
        <section class="panel">
            <header>
                <h2>{if stays { "What stays" } else if run.dry_run { "What would go" } else { "What went" }}</h2>
                {run.dry_run.then(|| view! {
                    <nav class="segments actions" aria-label="What is shown">
                        <a href=here.clone() aria-current=(!stays).then_some("true")>"Goes"</a>
                        <a href=format!("{here}?show=stays") aria-current=stays.then_some("true")>"Stays"</a>
                    </nav>
                })}
            </header>
            {none.then(|| view! { <Empty title=empty><p>"Rules are followed repository by repository; each decision stands here with its reason."</p></Empty> })}
            {(!none).then(|| view! {
                <table class="table">
                    <thead><tr>
                        <th scope="col">"What"</th><th scope="col">"Image"</th><th scope="col" class="number">"Size"</th><th scope="col">"Why"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            })}
            {next.map(|href| view! { <footer><a href=href>"More"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Item(project: String, item: RuleItem) -> impl IntoView {
    let what = match &item.tag {
        Some(tag) => format!("{}:{tag}", item.repository),
        None => format!("{}, without a tag", item.repository),
    };
    view! {
        <tr>
            <td data-label="What" class="table-main"><a href=urls::repository(&project, &item.repository)>{what}</a></td>
            <td data-label="Image"><Digest value=item.digest.to_string()/></td>
            <td data-label="Size" class="number">{bytes(u64::try_from(item.size).unwrap_or(0))}</td>
            <td data-label="Why" class="small">{item.why}</td>
        </tr>
    }
    .into_any()
}
