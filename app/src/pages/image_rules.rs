//! A project's rules for images: which tags never change, which are kept, and what was deleted by them.

mod retention;
mod run;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use model::page::Page;
use model::pattern::Pattern;
use model::rules::ImmutableRule;
use model::views::projects::ProjectView;
use model::views::rules::{RuleRunState, RuleRunView};

pub(crate) use run::RunPage;

use self::retention::{Retention, RetentionActions};
use super::images::ImageTabs;
use super::projects::current;
use crate::api::image_rules::{PutImmutable, RemoveImmutable, RulesPage, get_rules};
use crate::components::{Ago, Badge, Csrf, Empty, ProblemNotice, Submit, TextField, Tone, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded_in, problem, query};
use crate::urls;

/// How patterns are written.
const PATTERNS: &str = "* stands for anything but a slash, ** for anything, ? for one character, {a,b} for either.";

/// What can be done to immutable tags.
#[derive(Clone, Copy)]
struct Changes {
    put: ServerAction<PutImmutable>,
    remove: ServerAction<RemoveImmutable>,
}

/// The rules.
#[component]
pub(crate) fn Rules() -> impl IntoView {
    let project = current();
    let (after, edit) = (query("after"), query("edit"));
    let pulse = Pulse::new();
    // Another rule in the form is another page: it is read anew.
    let of = move || (project.name.get(), after.get(), edit.get(), pulse.track());
    let data = Resource::new(of, |(name, after, _, _)| get_rules(name, Some(after)));
    let changes = Changes { put: change("Rule saved", Some(pulse)), remove: change("Rule taken away", Some(pulse)) };
    let actions = RetentionActions::new(pulse, project.name);
    loaded_in(project.view, data, move |project, RulesPage { view, runs }| {
        pulse.watch(format!("images:{}", project.id));
        let name = project.name.to_string();
        let immutable = view.rules.immutable.clone();
        view! {
            <Title text=format!("Rules of {name}")/>
            <ImageTabs project=project.clone()/>
            <Immutable project=name.clone() rules=immutable changes/>
            <Retention project=name view edit=edit.get_untracked() actions/>
            <Runs project runs/>
        }
    })
}

#[component]
fn Immutable(project: String, rules: Vec<ImmutableRule>, changes: Changes) -> impl IntoView {
    let refused = problem(changes.put);
    let none = rules.is_empty();
    let rows = rules.into_iter().map(|rule| view! { <ImmutableRow project=project.clone() rule changes/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Immutable tags"</h2></header>
            <div class="panel-body">
                <p class="muted">"A tag that a rule covers cannot be moved to another image nor deleted, nor can the image that it names. Pushing the same image again is fine."</p>
                <ProblemNotice problem=problem(changes.remove)/>
            </div>
            {(!none).then(|| view! {
                <table class="table">
                    <thead><tr>
                        <th scope="col">"Rule"</th><th scope="col">"Repositories"</th><th scope="col">"Tags"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            })}
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["repositories", "tags"]/>
                <ActionForm action=changes.put attr:class="filter">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <TextField name="repositories" label="Repositories" mono=true value="**" check=Some(check_pattern) scope="immutable"
                        error=field_error(refused, "repositories")/>
                    <TextField name="tags" label="Tags" mono=true placeholder="v*" required=true check=Some(check_pattern) scope="immutable"
                        error=field_error(refused, "tags")/>
                    <TextField name="name" label="Called" optional=true placeholder="releases" scope="immutable"/>
                    <Submit label="Make immutable" pending=changes.put.pending()/>
                </ActionForm>
                <p class="hint">{PATTERNS}</p>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn ImmutableRow(project: String, rule: ImmutableRule, changes: Changes) -> impl IntoView {
    view! {
        <tr>
            <td data-label="Rule" class="table-main">{rule.name.clone()}</td>
            <td data-label="Repositories"><span class="chip">{rule.repositories.to_string()}</span></td>
            <td data-label="Tags"><span class="chip">{rule.tags.to_string()}</span></td>
            <td class="end">
                <ActionForm action=changes.remove>
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <input type="hidden" name="name" value=rule.name/>
                    <Submit label="Take away" look="button-small button-danger" pending=changes.remove.pending()/>
                </ActionForm>
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn Runs(project: ProjectView, runs: Page<RuleRunView>) -> impl IntoView {
    if runs.items.is_empty() {
        return view! {
            <section class="panel"><Empty title="No runs yet"><p>"Each dry run and each run stands here with what it decided. Reports are kept for 90 days, those of dry runs for 7."</p></Empty></section>
        }
        .into_any();
    }
    let next = runs.next.clone();
    let name = project.name.to_string();
    let rows = runs.items.into_iter().map(|run| view! { <RunRow project=name.clone() run/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Runs"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"When"</th><th scope="col">"State"</th><th scope="col" class="number">"Tags gone"</th>
                    <th scope="col" class="number">"Tags kept"</th><th scope="col" class="number">"Images gone"</th><th scope="col">"Asked by"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|next| view! { <footer><a href=format!("{}?after={}", urls::image_rules(&name), urls::query(&next))>"Older runs"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn RunRow(project: String, run: RuleRunView) -> impl IntoView {
    let (tone, text) = state(&run);
    view! {
        <tr>
            <td data-label="When" class="table-main"><a href=urls::rule_run(&project, run.id)>{if run.dry_run { "Dry run" } else { "Run" }}" "<Ago at=run.started_at/></a></td>
            <td data-label="State"><Badge tone text/></td>
            <td data-label="Tags gone" class="number">{run.counts.tags_gone}</td>
            <td data-label="Tags kept" class="number">{run.counts.tags_kept}</td>
            <td data-label="Images gone" class="number">{run.counts.images_gone}</td>
            <td data-label="Asked by">{run.asked_by}</td>
        </tr>
    }
    .into_any()
}

/// How a run stands, for people.
fn state(run: &RuleRunView) -> (Tone, &'static str) {
    match run.state {
        RuleRunState::Running => (Tone::Busy, "Running"),
        RuleRunState::Done if run.dry_run => (Tone::Idle, "Looked"),
        RuleRunState::Done => (Tone::Ok, "Done"),
        RuleRunState::Failed => (Tone::Bad, "Failed"),
        RuleRunState::Cancelled => (Tone::Warn, "Cancelled"),
    }
}

/// The check of a pattern as it is typed; nothing stands for everything.
fn check_pattern(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { text.parse::<Pattern>().map(drop).map_err(|error| error.to_string()) }
}
