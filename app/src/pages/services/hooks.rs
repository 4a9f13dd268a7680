//! A service's hooks: the doors by which its CI deploys. A secret is shown once, on the page that made it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use model::hooks::{HookOutcome, HookRule};
use model::names::HookName;
use model::views::hooks::{HookView, NewHook};
use model::views::services::ServiceDetail;

mod made;
mod one;

pub(crate) use self::one::Hook;

use self::made::Made;
use super::current;
use crate::api::hooks::{CreateHook, HooksPage, list_hooks};
use crate::components::{Ago, Badge, Choice, Csrf, Empty, ProblemNotice, Select, Submit, TextField, Tone, field_error};
use crate::page::{change, loaded_in, problem};
use crate::urls;

/// Fields that show their own error.
const BESIDE: &[&str] = &["name", "environment", "tags", "versions", "branches", "workflow", "tag", "secret"];

/// The hooks.
#[component]
pub(crate) fn Hooks() -> impl IntoView {
    let service = current();
    let data =
        Resource::new(move || (service.project.get(), service.name.get(), service.pulse.track()), |(project, name, _)| list_hooks(project, name));
    let create = change::<CreateHook>("", Some(service.pulse));
    let made = RwSignal::new(None::<NewHook>);
    Effect::new(move |_| {
        if let Some(Ok(fresh)) = create.value().get() {
            made.set(Some(fresh));
        }
    });
    loaded_in(service.view, data, move |service, HooksPage { hooks, made: waiting }| {
        let of = (service.project.clone(), service.name.clone());
        view! {
            <Title text=format!("Hooks of {}", service.name)/>
            {waiting.map(|made| view! { <Made made/> })}
            {move || made.get().filter(|made| (&made.hook.project, &made.hook.service) == (&of.0, &of.1)).map(|made| view! { <Made made/> })}
            <Table service=service.clone() hooks=hooks.items/>
            <NewHookForm service create/>
        }
    })
}

fn check_name(text: &str) -> Result<(), String> {
    text.trim().parse::<HookName>().map(drop).map_err(|error| error.to_string())
}

/// Environments that something of the service runs in: a hook moves the tag of what runs.
fn places(service: &ServiceDetail) -> Vec<Choice> {
    service.runs.iter().map(|run| Choice::new(run.summary.environment.as_str(), run.summary.environment.as_str())).collect()
}

#[component]
fn NewHookForm(service: ServiceDetail, create: ServerAction<CreateHook>) -> impl IntoView {
    let refused = problem(create);
    let choices = places(&service);
    if choices.is_empty() {
        let href = urls::service_page(&service.project, &service.name, "deploy");
        return view! {
            <section class="panel">
                <header><h2>"New hook"</h2></header>
                <div class="panel-body"><p>"A hook deploys another image of what runs. "<a href=href>"Deploy the service once"</a>", then make one."</p></div>
            </section>
        }
        .into_any();
    }
    let first = choices.first().map(|choice| choice.value.clone()).unwrap_or_default();
    view! {
        <section class="panel">
            <header><h2>"New hook"</h2></header>
            <div class="panel-body">
                <p class="muted">"A URL that CI, a registry or a git server delivers to. What it delivers becomes a deployment of this service with that image; whoever sends must
                    know the hook's secret."</p>
                <ProblemNotice problem=refused beside=BESIDE/>
                <ActionForm action=create attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=service.project.to_string()/>
                    <input type="hidden" name="service" value=service.name.to_string()/>
                    <div class="fields fields-three">
                        <TextField name="form[name]" label="Name" required=true mono=true placeholder="ci" check=Some(check_name) error=field_error(refused, "name")/>
                        <Select name="form[environment]" label="Deploys to" choices value=first error=field_error(refused, "environment")/>
                        <TextField name="form[secret]" label="Secret" kind="password" optional=true mono=true error=field_error(refused, "secret")
                            hint="Empty: one is made, and shown once. Type one where the sender makes it."/>
                    </div>
                    <h3>"Which deliveries deploy"</h3>
                    <RuleFields rule=HookRule::default() refused/>
                    <div class="actions"><Submit label="Make hook" pending=create.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

/// Which deliveries deploy, and what.
#[component]
fn RuleFields(rule: HookRule, refused: Signal<Option<model::problem::Problem>>) -> impl IntoView {
    let tags = rule.tags.tags.map(|tags| tags.to_string()).unwrap_or_default();
    let versions = rule.tags.versions.map(|versions| versions.to_string()).unwrap_or_default();
    let branches = rule.branches.0.map(|branches| branches.to_string()).unwrap_or_default();
    let workflow = rule.workflow.map(|workflow| workflow.to_string()).unwrap_or_default();
    let tag = rule.tag.map(|tag| tag.to_string()).unwrap_or_default();
    view! {
        <div class="fields fields-three">
            <TextField name="rule[tags]" label="Tags" optional=true mono=true value=tags placeholder="v*" error=field_error(refused, "tags")
                hint="A pattern: * is anything but a slash, {a,b} either. Empty: every tag."/>
            <TextField name="rule[versions]" label="Versions" optional=true mono=true value=versions placeholder=">=1.2 <2" error=field_error(refused, "versions")
                hint="A range of semantic versions that the tag must be within. Empty: every tag."/>
            <TextField name="rule[branches]" label="Branches" optional=true mono=true value=branches placeholder="main" error=field_error(refused, "branches")
                hint="A pattern. With one, a delivery that names no branch does not deploy. Empty: every branch."/>
            <TextField name="rule[workflow]" label="Workflow" optional=true value=workflow placeholder="Build and publish" error=field_error(refused, "workflow")
                hint="A pattern of its name, for runs that GitHub or Gitea tells. Empty: every workflow that goes well deploys."/>
            <TextField name="rule[tag]" label="Tag to deploy" optional=true mono=true value=tag placeholder="{commit}" error=field_error(refused, "tag")
                hint="Where a delivery names no image, as a run of CI does. {commit}, {short_commit} and {branch} are filled in. Empty: the tag that runs, pulled anew."/>
        </div>
    }
    .into_any()
}

/// How a delivery is told in one word.
fn outcome(outcome: Option<HookOutcome>) -> (Tone, &'static str) {
    match outcome {
        None => (Tone::Busy, "being worked on"),
        Some(HookOutcome::Pong) => (Tone::Ok, "ping"),
        Some(HookOutcome::Accepted) => (Tone::Ok, "deploys"),
        Some(HookOutcome::Succeeded) => (Tone::Ok, "deployed"),
        Some(HookOutcome::Ignored) => (Tone::Idle, "ignored"),
        Some(HookOutcome::Refused) => (Tone::Bad, "refused"),
        Some(HookOutcome::Failed) => (Tone::Bad, "failed"),
        Some(HookOutcome::Superseded) => (Tone::Idle, "superseded"),
        Some(HookOutcome::UnderWay) => (Tone::Busy, "under way"),
    }
}

/// What needs a look.
#[component]
fn Marks(hook: HookView) -> impl IntoView {
    let disabled = hook.disabled_at.is_some().then(|| view! { " "<Badge tone=Tone::Idle text="disabled"/> });
    let lost = hook.lost.then(|| view! { " "<Badge tone=Tone::Bad text="its secret was lost: rotate it"/> });
    let previous = hook.previous_ends.map(|at| view! { <span class="small muted table-side">"old secret ends "<Ago at/></span> });
    view! { {disabled}{lost}{previous} }.into_any()
}

#[component]
fn Table(service: ServiceDetail, hooks: Vec<HookView>) -> impl IntoView {
    if hooks.is_empty() {
        return view! {
            <section class="panel"><Empty title="No hooks yet"><p>"Make one for each pipeline and environment, so that each can be renewed and ended alone."</p></Empty></section>
        }
        .into_any();
    }
    let rows = hooks.into_iter().map(|hook| view! { <Row service=service.clone() hook/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Hooks"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Hook"</th><th scope="col">"Deploys to"</th><th scope="col">"Only"</th><th scope="col">"Last delivery"</th><th scope="col">"Made"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

#[component]
fn Row(service: ServiceDetail, hook: HookView) -> impl IntoView {
    let href = urls::service_page(&service.project, &service.name, &format!("hooks/{}", hook.name));
    let last = match &hook.last {
        None => "nothing yet".into_any(),
        Some(last) => {
            let (tone, text) = outcome(last.outcome);
            view! { <span><Badge tone text/>" "<Ago at=last.at/></span> }.into_any()
        }
    };
    view! {
        <tr>
            <td data-label="Hook" class="table-main"><span><a href=href>{hook.name.to_string()}</a><Marks hook=hook.clone()/></span></td>
            <td data-label="Deploys to">{hook.environment.to_string()}</td>
            <td data-label="Only"><span class="break">{only(&hook.rule)}</span></td>
            <td data-label="Last delivery">{last}</td>
            <td data-label="Made"><span><Ago at=hook.created_at/>" by "{hook.created_by}</span></td>
        </tr>
    }
    .into_any()
}

/// What a rule lets through, in words.
fn only(rule: &HookRule) -> String {
    let branches = rule.branches.0.as_ref().map(|branches| format!(", branches {branches}"));
    let workflow = rule.workflow.as_ref().map(|workflow| format!(", workflow {workflow}"));
    format!("{}{}{}", rule.tags, branches.unwrap_or_default(), workflow.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_said_in_words() {
        let rule = |tags: &str, branches: &str, workflow: &str| HookRule::read(tags, "", branches, workflow, "").expect("a rule");
        assert_eq!(only(&rule("", "", "")), "every tag");
        assert_eq!(only(&rule("v*", "main", "")), "tags v*, branches main");
        assert_eq!(only(&rule("", "", "Build it")), "every tag, workflow Build it");
    }
}
