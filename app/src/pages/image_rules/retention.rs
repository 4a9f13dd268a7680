//! Retention on the page of rules: whether it deletes, its rules, when it runs.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use model::rules::{Keep, RetentionRule};
use model::views::rules::{ImageRulesView, RetentionState, RuleRunView};

use super::take_away::TakeAway;
use super::{PATTERNS, check_pattern};
use crate::api::ApiError;
use crate::api::image_rules::{DryRunRules, PutRetention, RemoveRetention, RetentionForm, RunRules, ScheduleRetention};
use crate::components::{Ago, Choice, Confirm, Csrf, Keep as KeepButton, Notice, ProblemNotice, Select, Submit, TextField, Tone, bytes, field_error};
use crate::live::Pulse;
use crate::page::{RowChange, change, problem, row_change};
use crate::urls;

/// What can be done to retention.
#[derive(Clone, Copy)]
pub(super) struct RetentionActions {
    put: ServerAction<PutRetention>,
    remove: RowChange<RemoveRetention>,
    schedule: ServerAction<ScheduleRetention>,
    dry_run: ServerAction<DryRunRules>,
    run: ServerAction<RunRules>,
}

impl RetentionActions {
    /// The actions of this page. A run that was begun leads to its own page.
    pub(super) fn new(pulse: Pulse, project: Memo<String>) -> Self {
        let actions = Self {
            put: change("Rule saved", Some(pulse)),
            remove: row_change("Rule taken away", Some(pulse)),
            schedule: change("Saved", Some(pulse)),
            dry_run: change("", None),
            run: change("", None),
        };
        let navigate = use_navigate();
        let go = move |begun: Option<Result<RuleRunView, ApiError>>| {
            if let Some(Ok(run)) = begun {
                navigate(&urls::rule_run(project.get_untracked(), run.id), leptos_router::NavigateOptions::default());
            }
        };
        let also = go.clone();
        Effect::new(move |_| go(actions.dry_run.value().get()));
        Effect::new(move |_| also(actions.run.value().get()));
        actions
    }
}

/// Which tags are kept, and when the others go.
#[component]
pub(super) fn Retention(
    /// The project.
    project: String,
    /// Its rules.
    view: ImageRulesView,
    /// The rule that is in the form.
    edit: String,
    /// What can be done.
    actions: RetentionActions,
    /// Whether the reader may do it.
    may_change: bool,
    /// The last dry run of these very rules.
    last_dry_run: Option<RuleRunView>,
) -> impl IntoView {
    let rules = view.rules.retention.rules.clone();
    let edited = rules.iter().find(|rule| !edit.is_empty() && rule.name == edit).cloned();
    let none = rules.is_empty();
    let rows = rules.into_iter().map(|rule| view! { <RuleRow project=project.clone() rule actions may_change/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Retention"</h2></header>
            <div class="panel-body">
                <p class="muted">"A tag goes when some rule is about it and none keeps it. Tags that no rule is about stay, and so do immutable ones and all that a service could be rolled back to."</p>
                {if may_change {
                    view! { <State project=project.clone() view=view.clone() actions last_dry_run/> }.into_any()
                } else {
                    view! { <p>{stands(view.retention)}</p> }.into_any()
                }}
                <ProblemNotice problem=actions.remove.unplaced()/>
            </div>
            {(!none).then(|| view! {
                <table class="table">
                    <thead><tr>
                        <th scope="col">"Rule"</th><th scope="col">"Repositories"</th><th scope="col">"Tags"</th><th scope="col">"Keeps"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            })}
        </section>
        {may_change.then(|| view! { <RuleForm project=project.clone() edited actions/><Schedule project view actions/> })}
    }
    .into_any()
}

/// How retention stands, to who only reads it.
fn stands(retention: RetentionState) -> &'static str {
    match retention {
        RetentionState::None => "Nothing is deleted: there is no rule yet.",
        RetentionState::NeedsReview => "These rules delete nothing yet.",
        RetentionState::Active => "The rules are in force.",
    }
}

/// What a run now would do, as far as the last dry run of these rules tells.
fn would_go(run: &RuleRunView) -> String {
    let number = |count: u64, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    format!(
        "The last dry run of these rules found {} and {} that would go ({}).",
        number(run.counts.tags_gone, "tag", "tags"),
        number(run.counts.images_gone, "image", "images"),
        bytes(run.counts.bytes_gone),
    )
}

/// Whether retention deletes, and what to do next.
#[component]
fn State(project: String, view: ImageRulesView, actions: RetentionActions, last_dry_run: Option<RuleRunView>) -> impl IntoView {
    let of = project.clone();
    let look = view! {
        <ActionForm action=actions.dry_run>
            <Csrf/>
            <input type="hidden" name="project" value=of.clone()/>
            <Submit label="Show what would go" look="button-primary" pending=actions.dry_run.pending()/>
        </ActionForm>
    };
    let refused = view! { <ProblemNotice problem=problem(actions.dry_run)/><ProblemNotice problem=problem(actions.run)/> };
    match view.retention {
        RetentionState::None => view! { <p>"Nothing is deleted: there is no rule yet."</p> }.into_any(),
        RetentionState::NeedsReview => view! {
            <Notice tone=Tone::Warn title="These rules delete nothing yet.">
                <p>"Look at what would go first. Nothing is deleted by that; there the rules can be put in force."</p>
            </Notice>
            {refused}
            <div class="actions">{look}</div>
        }
        .into_any(),
        RetentionState::Active => {
            let next = view.next_run_at.map(|at| view! { <p>"It runs next "<Ago at/>", at "{at.exact()}"."</p> });
            let by_hand = next.is_none().then(|| view! { <p>"It runs when somebody asks for it."</p> });
            view! {
                <Notice tone=Tone::Ok title="The rules are in force.">{next}{by_hand}</Notice>
                {refused}
                <div class="actions">
                    {look}
                    <Confirm id="run-rules" button="Run now" look="button-danger" title="Run the rules now?">
                        {match last_dry_run {
                            Some(run) => view! { <p>{would_go(&run)}" It was made "<Ago at=run.started_at/>"."</p> }.into_any(),
                            None => view! { <p>"No dry run tells what would go: \u{201c}Show what would go\u{201d} makes one."</p> }.into_any(),
                        }}
                        <p>"Tags that no rule is about stay."</p>
                        <p>{format!("In {project}, tags that go are gone for everybody and cannot be pulled. Their images stay reachable by digest until images without a tag go.")}</p>
                        <ActionForm action=actions.run>
                            <Csrf/>
                            <input type="hidden" name="project" value=project.clone()/>
                            <div class="actions"><KeepButton dialog="run-rules"/><Submit label="Run now" look="button-danger-fill" pending=actions.run.pending()/></div>
                        </ActionForm>
                    </Confirm>
                </div>
            }
            .into_any()
        }
    }
}

#[component]
fn RuleRow(project: String, rule: RetentionRule, actions: RetentionActions, may_change: bool) -> impl IntoView {
    let named = rule.name.clone();
    let refused = actions.remove.problem(move |sent: &RemoveRetention| sent.name == named);
    let about = format!(
        "Tags like {} of repositories like {} stay from then on, unless another rule is about them: then that one alone decides which of them are kept.",
        rule.tags, rule.repositories
    );
    let keeps = rule.keep.iter().map(|keep| view! { <span class="chip">{keep.to_string()}</span>" " }).collect_view();
    let edit = format!("{}?edit={}#retention-rule", urls::image_rules(&project), urls::query(&rule.name));
    view! {
        <tr>
            <td data-label="Rule" class="table-main">{rule.name.clone()}</td>
            <td data-label="Repositories"><span class="chip">{rule.repositories.to_string()}</span></td>
            <td data-label="Tags"><span class="chip">{rule.tags.to_string()}</span></td>
            <td data-label="Keeps"><span>{keeps}</span></td>
            <td class="end">
                {may_change.then(|| view! { <div class="actions">
                    <a class="button button-small" href=edit>"Edit"</a>
                    <TakeAway kind="remove" project rule=rule.name remove=actions.remove refused>
                        <p>{about}</p>
                        <p>"The rules that are left delete nothing until a dry run of them was looked at."</p>
                    </TakeAway>
                </div> })}
            </td>
        </tr>
    }
    .into_any()
}

/// What the form shows of a rule.
fn typed(rule: &RetentionRule) -> RetentionForm {
    let mut form = RetentionForm {
        name: rule.name.clone(),
        repositories: rule.repositories.to_string(),
        tags: rule.tags.to_string(),
        ..RetentionForm::default()
    };
    for keep in &rule.keep {
        match keep {
            Keep::Newest(count) => form.newest = count.to_string(),
            Keep::PushedWithinDays(days) => form.pushed_days = days.to_string(),
            Keep::PulledWithinDays(days) => form.pulled_days = days.to_string(),
            Keep::Always(pattern) => form.always = pattern.to_string(),
        }
    }
    form
}

#[component]
fn RuleForm(project: String, edited: Option<RetentionRule>, actions: RetentionActions) -> impl IntoView {
    let refused = problem(actions.put);
    let title = edited.as_ref().map_or_else(|| String::from("Add a rule"), |rule| format!("Change the rule {}", rule.name));
    let form = edited.as_ref().map_or_else(|| RetentionForm { repositories: "**".into(), tags: "**".into(), ..RetentionForm::default() }, typed);
    view! {
        <section class="panel" id="retention-rule">
            <header><h2>{title}</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["rule[repositories]", "rule[tags]", "rule[newest]", "rule[pushed_days]", "rule[pulled_days]", "rule[always]", "rule[name]"]/>
                <ActionForm action=actions.put attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <div class="fields">
                        <TextField name="rule[repositories]" label="Repositories" mono=true value=form.repositories check=Some(check_pattern)
                            error=field_error(refused, "rule[repositories]")/>
                        <TextField name="rule[tags]" label="Tags" mono=true value=form.tags check=Some(check_pattern) error=field_error(refused, "rule[tags]")/>
                        <TextField name="rule[name]" label="Called" optional=true value=form.name placeholder="builds" error=field_error(refused, "rule[name]") hint="A rule of the same name is replaced."/>
                    </div>
                    <p class="hint">{PATTERNS}</p>
                    <fieldset class="stack-s">
                        <legend class="label">"Of these, keep what any of this is true of"</legend>
                        <div class="fields">
                            <TextField name="rule[newest]" label="The newest, by push" optional=true value=form.newest inputmode="numeric" placeholder="e.g. 10"
                                error=field_error(refused, "rule[newest]") hint="Tags, in each repository."/>
                            <TextField name="rule[pushed_days]" label="Pushed within days" optional=true value=form.pushed_days inputmode="numeric" placeholder="e.g. 30"
                                error=field_error(refused, "rule[pushed_days]")/>
                            <TextField name="rule[pulled_days]" label="Pulled within days" optional=true value=form.pulled_days inputmode="numeric" placeholder="e.g. 30"
                                error=field_error(refused, "rule[pulled_days]")/>
                            <TextField name="rule[always]" label="Always, by name" optional=true mono=true value=form.always placeholder="e.g. release-*" check=Some(check_pattern)
                                error=field_error(refused, "rule[always]")/>
                        </div>
                    </fieldset>
                    <div class="actions"><Submit label="Save rule" pending=actions.put.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Schedule(project: String, view: ImageRulesView, actions: RetentionActions) -> impl IntoView {
    let refused = problem(actions.schedule);
    let retention = view.rules.retention;
    let mut hours = vec![Choice::new("", "by hand alone")];
    hours.extend((0..24).map(|hour| Choice::new(hour.to_string(), format!("daily at {hour:02}:00 UTC"))));
    let hour = retention.daily_at.map(|hour| hour.to_string()).unwrap_or_default();
    let days = retention.untagged_after_days.map(|days| days.to_string()).unwrap_or_default();
    view! {
        <section class="panel">
            <header><h2>"Untagged images, and when it runs"</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["untagged_days", "daily_at"]/>
                <ActionForm action=actions.schedule attr:class="filter">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <TextField name="untagged_days" label="Delete images without a tag after days" optional=true value=days inputmode="numeric" placeholder="they stay"
                        error=field_error(refused, "untagged_days")/>
                    <Select name="daily_at" label="Runs" choices=hours value=hour error=field_error(refused, "daily_at")/>
                    <Submit label="Save" pending=actions.schedule.pending()/>
                </ActionForm>
                <p class="hint">"Images whose tags went wait so many days, too. What an index lists, what belongs to an image and what a service may need is never deleted."</p>
            </div>
        </section>
    }
    .into_any()
}
