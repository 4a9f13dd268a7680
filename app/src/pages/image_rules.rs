//! A project's rules for images: which tags never change, which are kept, and what was deleted by them.

mod retention;
mod run;
mod take_away;

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
use self::take_away::TakeAway;
use super::images::ImageTabs;
use super::projects::current;
use crate::api::image_rules::{PutImmutable, RemoveImmutable, RulesPage, get_rules};
use crate::components::{Ago, Badge, Csrf, Empty, ProblemNotice, Submit, TextField, Tone, field_error};
use crate::live::Pulse;
use crate::page::{RowChange, change, loaded_in, problem, query, row_change};
use crate::urls;

/// How patterns are written.
const PATTERNS: &str = "* stands for anything but a slash, ** for anything, ? for one character, {a,b} for either.";

/// What can be done to immutable tags.
#[derive(Clone, Copy)]
struct Changes {
    put: ServerAction<PutImmutable>,
    remove: RowChange<RemoveImmutable>,
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
    let changes = Changes { put: change("Rule saved", Some(pulse)), remove: row_change("Rule taken away", Some(pulse)) };
    let actions = RetentionActions::new(pulse, project.name);
    loaded_in(project.view, data, move |project, page: RulesPage| {
        pulse.watch(format!("images:{}", project.id));
        let name = project.name.to_string();
        let RulesPage { view, runs, last_dry_run } = page;
        let immutable = view.rules.immutable.clone();
        let may_change = runs.is_some();
        view! {
            <Title text=format!("Rules of {name}")/>
            <ImageTabs project=project.clone()/>
            {(!may_change).then(|| view! { <p class="muted">"Admins of the project change these rules. They hold for your pushes too."</p> })}
            <Immutable project=name.clone() rules=immutable changes may_change/>
            <Retention project=name view edit=edit.get_untracked() actions may_change last_dry_run/>
            {runs.map(|runs| view! { <Runs project runs/> })}
        }
    })
}

#[component]
fn Immutable(project: String, rules: Vec<ImmutableRule>, changes: Changes, may_change: bool) -> impl IntoView {
    let refused = problem(changes.put);
    let none = rules.is_empty();
    let rows = rules.into_iter().map(|rule| view! { <ImmutableRow project=project.clone() rule changes may_change/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Immutable tags"</h2></header>
            <div class="panel-body">
                <p class="muted">"A tag that a rule covers cannot be moved to another image nor deleted, nor can the image that it names. Pushing the same image again is fine."</p>
                <ProblemNotice problem=changes.remove.unplaced()/>
                {(none && !may_change).then(|| view! { <p>"There is no such rule: every tag can be moved."</p> })}
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
            {may_change.then(|| view! { <div class="panel-body">
                <ProblemNotice problem=refused beside=&["repositories", "tags", "name"]/>
                <ActionForm action=changes.put attr:class="filter">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <TextField name="repositories" label="Repositories" mono=true value="**" check=Some(check_pattern) scope="immutable"
                        error=field_error(refused, "repositories")/>
                    <TextField name="tags" label="Tags" mono=true placeholder="v*" required=true check=Some(check_pattern) scope="immutable"
                        error=field_error(refused, "tags")/>
                    <TextField name="name" label="Called" optional=true placeholder="releases" scope="immutable" error=field_error(refused, "name")/>
                    <Submit label="Make immutable" pending=changes.put.pending()/>
                </ActionForm>
                <p class="hint">{PATTERNS}</p>
            </div> })}
        </section>
    }
    .into_any()
}

#[component]
fn ImmutableRow(project: String, rule: ImmutableRule, changes: Changes, may_change: bool) -> impl IntoView {
    let named = rule.name.clone();
    let refused = changes.remove.problem(move |sent: &RemoveImmutable| sent.name == named);
    let covered = format!(
        "Tags like {} of repositories like {} can be moved to another image and deleted from then on, if no other rule covers them.",
        rule.tags, rule.repositories
    );
    view! {
        <tr>
            <td data-label="Rule" class="table-main">{rule.name.clone()}</td>
            <td data-label="Repositories"><span class="chip">{rule.repositories.to_string()}</span></td>
            <td data-label="Tags"><span class="chip">{rule.tags.to_string()}</span></td>
            <td class="end">
                {may_change.then(|| view! {
                    <TakeAway kind="unlock" project rule=rule.name remove=changes.remove refused>
                        <p>{covered}</p>
                        <p>"Retention that is in force has to be looked at again in a dry run then: it could delete more."</p>
                    </TakeAway>
                })}
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
                    <th scope="col">"When"</th><th scope="col">"State"</th><th scope="col" class="number">"Tags that go"</th>
                    <th scope="col" class="number">"Tags kept"</th><th scope="col" class="number">"Images that go"</th><th scope="col">"Asked by"</th>
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
    let dry = run.dry_run;
    let unsaid = dry && run.state != RuleRunState::Done;
    let went = move |count| format!("{count} {}", if dry { "would go" } else { "went" });
    view! {
        <tr>
            <td data-label="When" class="table-main"><a href=urls::rule_run(&project, run.id)>{unsaid.then_some("Dry run ")}<Ago at=run.started_at/></a></td>
            <td data-label="State"><Badge tone text/></td>
            <td data-label="Tags that go" class="number">{went(run.counts.tags_gone)}</td>
            <td data-label="Tags kept" class="number">{run.counts.tags_kept}</td>
            <td data-label="Images that go" class="number">{went(run.counts.images_gone)}</td>
            <td data-label="Asked by">{run.asked_by}</td>
        </tr>
    }
    .into_any()
}

/// How a run stands, for people.
fn state(run: &RuleRunView) -> (Tone, &'static str) {
    match run.state {
        RuleRunState::Running => (Tone::Busy, "Running"),
        RuleRunState::Done if run.dry_run => (Tone::Idle, "Dry run"),
        RuleRunState::Done => (Tone::Ok, "Done"),
        RuleRunState::Failed => (Tone::Bad, "Failed"),
        RuleRunState::Cancelled => (Tone::Warn, "Cancelled"),
    }
}

/// The check of a pattern as it is typed; nothing stands for everything.
fn check_pattern(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { text.parse::<Pattern>().map(drop).map_err(|error| error.to_string()) }
}
