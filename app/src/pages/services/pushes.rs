//! Push deploys: which pushes to the registry deploy by themselves, and what became of the last ones.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use model::filters::Versions;
use model::page::Page;
use model::pattern::Pattern;
use model::pushes::{PushOutcome, check_repository};
use model::views::pushes::{PushRuleView, PushView};
use model::views::services::ServiceDetail;

use super::current;
use crate::api::pushes::{DeletePushRule, PushChoices, PushesPage, PutPushRule, service_pushes};
use crate::components::{
    Ago, Badge, CheckBox, Choice, Confirm, Csrf, Digest, Empty, Keep, ProblemNotice, Select, Submit, TextField, Tone, field_error, sentence,
};
use crate::page::{change, forget, loaded_in, problem, query};
use crate::pages::states;
use crate::urls;

/// Fields that show their own error.
const BESIDE: &[&str] = &["environment", "repository", "tags", "versions"];

/// What can be done to a rule.
#[derive(Clone, Copy)]
struct Changes {
    put: ServerAction<PutPushRule>,
    delete: ServerAction<DeletePushRule>,
}

/// The page.
#[component]
pub(crate) fn Pushes() -> impl IntoView {
    let service = current();
    let (after, chosen) = (query("after"), query("environment"));
    // Another rule is shown in the form once the page is read again.
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), after.get(), chosen.get(), service.pulse.track()),
        |(project, name, after, _, _)| service_pushes(project, name, Some(after)),
    );
    let pulse = Some(service.pulse);
    let changes = Changes { put: change("Push rule saved", pulse), delete: change("Push rule deleted", pulse) };
    view! {
        <Title text=move || format!("Push deploys of {}", service.name.get())/>
        {loaded_in(service.view, data, move |service, page| view! { <Whole service page chosen=chosen.get() changes/> })}
    }
    .into_any()
}

#[component]
fn Whole(service: ServiceDetail, page: PushesPage, chosen: String, changes: Changes) -> impl IntoView {
    let PushesPage { rules, history, choices } = page;
    let edited = rules.iter().find(|rule| rule.environment.as_str() == chosen).cloned();
    let manages = choices.is_some();
    view! {
        <Rules service=service.clone() rules manages changes/>
        {choices.map(|choices| view! { <RuleForm service=service.clone() choices edited chosen put=changes.put/> })}
        <History service history/>
    }
    .into_any()
}

#[component]
fn Rules(service: ServiceDetail, rules: Vec<PushRuleView>, manages: bool, changes: Changes) -> impl IntoView {
    let none = rules.is_empty();
    let rows = rules.into_iter().map(|rule| view! { <Rule service=service.clone() rule manages changes/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Push rules"</h2></header>
            {if none {
                view! {
                    <Empty title="No push deploys yet">
                        <p>"With a rule, an image that is pushed to this project's registry is deployed by itself. Only the image changes; the rest of the service stays as it is."</p>
                    </Empty>
                }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Environment"</th><th scope="col">"Repository"</th><th scope="col">"Tags"</th><th scope="col">"State"</th>
                            <th scope="col">"Updated"</th><th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
        </section>
    }
    .into_any()
}

/// What a rule does, in a few words.
fn state(rule: &PushRuleView) -> (Tone, &'static str) {
    match (rule.enabled, rule.protected) {
        (false, _) => (Tone::Idle, "Switched off"),
        (true, true) => (Tone::Warn, "Asks for approval"),
        (true, false) => (Tone::Ok, "Deploys"),
    }
}

#[component]
fn Rule(service: ServiceDetail, rule: PushRuleView, manages: bool, changes: Changes) -> impl IntoView {
    let (tone, text) = state(&rule);
    let environment = rule.environment.to_string();
    view! {
        <tr>
            <td data-label="Environment" class="table-main">{environment.clone()}</td>
            <td data-label="Repository"><code class="break">{rule.repository.to_string()}</code></td>
            <td data-label="Tags"><span class="break">{rule.filter().to_string()}</span></td>
            <td data-label="State"><Badge tone text/></td>
            <td data-label="Updated"><span><Ago at=rule.updated_at/>" by "{rule.by.clone()}</span></td>
            <td class="end">{manages.then(|| view! { <Actions service environment changes/> })}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Actions(service: ServiceDetail, environment: String, changes: Changes) -> impl IntoView {
    let edit = urls::asking(urls::service_page(&service.project, &service.name, "pushes"), &[("environment", environment.as_str())]);
    let dialog = format!("delete-rule-{environment}");
    // Children of components are closures of their own.
    let meant = StoredValue::new((service.project.to_string(), service.name.to_string(), environment.clone()));
    view! {
        <div class="actions">
            <a class="button button-small" href=edit>"Edit"</a>
            <Confirm id=dialog.clone() button="Delete" look="button-small button-danger"
                title=format!("Delete the push rule for {environment}?") on_open=forget(changes.delete)>
                <p>"Pushes deploy nothing there any more. What was deployed stays."</p>
                <ProblemNotice problem=problem(changes.delete)/>
                <ActionForm action=changes.delete>
                    <Csrf/>
                    <input type="hidden" name="project" value=meant.with_value(|(project, _, _)| project.clone())/>
                    <input type="hidden" name="service" value=meant.with_value(|(_, service, _)| service.clone())/>
                    <input type="hidden" name="environment" value=meant.with_value(|(_, _, environment)| environment.clone())/>
                    <div class="actions"><Keep dialog=dialog.clone()/><Submit label="Delete rule" look="button-danger-fill" pending=changes.delete.pending()/></div>
                </ActionForm>
            </Confirm>
        </div>
    }
    .into_any()
}

fn check_path(text: &str) -> Result<(), String> {
    check_repository(text).map(drop)
}

fn check_tags(text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() { Ok(()) } else { text.parse::<Pattern>().map(drop).map_err(|error| error.to_string()) }
}

fn check_versions(text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() { Ok(()) } else { text.parse::<Versions>().map(drop).map_err(|error| error.to_string()) }
}

/// The repository that the service runs from, if it is one of those that can be chosen.
fn runs_from(service: &ServiceDetail, choices: &PushChoices) -> String {
    let images = service.runs.iter().filter_map(|run| run.revision.as_ref()).map(|detail| &detail.descriptor.image);
    let mut own = images.filter(|image| image.host().is_none()).map(|image| image.path());
    own.find(|path| choices.repositories.contains(path)).map(ToString::to_string).unwrap_or_default()
}

#[component]
fn RuleForm(
    service: ServiceDetail,
    choices: PushChoices,
    /// The rule that is there already in the chosen environment.
    edited: Option<PushRuleView>,
    chosen: String,
    put: ServerAction<PutPushRule>,
) -> impl IntoView {
    let refused = problem(put);
    let title = edited.as_ref().map_or_else(|| String::from("New push rule"), |rule| format!("Push rule for {}", rule.environment));
    let repository = edited.as_ref().map_or_else(|| runs_from(&service, &choices), |rule| rule.repository.to_string());
    let tags = edited.as_ref().and_then(|rule| rule.tags.as_ref()).map(ToString::to_string).unwrap_or_default();
    let versions = edited.as_ref().and_then(|rule| rule.versions.as_ref()).map(ToString::to_string).unwrap_or_default();
    let disabled = edited.as_ref().is_some_and(|rule| !rule.enabled);
    let environments = choices.environments.iter().map(|name| Choice::new(name.as_str(), name.as_str())).collect();
    let known = choices.repositories.into_iter().map(|path| view! { <option value=path.to_string()></option> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>{title}</h2></header>
            <div class="panel-body">
                <p class="muted">
                    "Each image is deployed once, whatever tags it has. A version that is older than what runs is not deployed by a rule that names versions."
                </p>
                <ProblemNotice problem=refused beside=BESIDE/>
                <ActionForm action=put attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=service.project.to_string()/>
                    <input type="hidden" name="service" value=service.name.to_string()/>
                    <div class="fields fields-wide">
                        <Select name="environment" label="Environment" choices=environments value=chosen error=field_error(refused, "environment")
                            hint="It has one rule; another one takes its place."/>
                        <TextField name="form[repository]" label="Repository" required=true mono=true value=repository list="push-repositories"
                            check=Some(check_path) error=field_error(refused, "repository") hint="Its path below this project."/>
                        <TextField name="form[tags]" label="Tag pattern" optional=true mono=true value=tags placeholder="release-*"
                            check=Some(check_tags) error=field_error(refused, "tags") hint="* stands for anything, {a,b} for either. Empty: any tag."/>
                        <TextField name="form[versions]" label="Version range" optional=true mono=true value=versions placeholder="^1.2"
                            check=Some(check_versions) error=field_error(refused, "versions") hint="SemVer: ^1.2, ~1.4, >=1.2 <2. Empty: any tag."/>
                    </div>
                    <datalist id="push-repositories">{known}</datalist>
                    <CheckBox name="form[disabled]" label="Switched off" hint="Pushes deploy nothing; the rule is kept." checked=disabled/>
                    <div class="actions"><Submit label="Save rule" pending=put.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn History(service: ServiceDetail, history: Page<PushView>) -> impl IntoView {
    let page = urls::service_page(&service.project, &service.name, "pushes");
    let older = history.next.map(|next| urls::asking(page, &[("after", next.as_str())]));
    let none = history.items.is_empty();
    let rows = history.items.into_iter().map(|push| view! { <Push service=service.clone() push/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Pushes"</h2></header>
            {if none {
                view! { <Empty title="No pushes yet"><p>"Every push to a repository with a rule is listed here with what became of it."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Image"</th><th scope="col">"Environment"</th><th scope="col">"Outcome"</th><th scope="col">"Pushed"</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                    {older.map(|href| view! { <footer><a href=href>"Older pushes"</a></footer> })}
                }.into_any()
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Push(service: ServiceDetail, push: PushView) -> impl IntoView {
    let (tone, text) = match (push.outcome, push.state) {
        (PushOutcome::Deployed, Some(state)) => states::deployment(state),
        (PushOutcome::Deployed, None) => (Tone::Ok, "Deployed"),
        (PushOutcome::Ignored, _) => (Tone::Idle, "Ignored"),
        (PushOutcome::Refused, _) => (Tone::Bad, "Not deployed"),
    };
    let deployment = push.deployment.map(|id| urls::deployment(&service.project, &service.name, id));
    view! {
        <tr>
            <td data-label="Image" class="table-main">
                <span class="stack-s"><span class="break">{format!("{}:{}", push.repository, push.tag)}</span><Digest value=push.digest.to_string()/></span>
            </td>
            <td data-label="Environment">{push.environment.to_string()}</td>
            <td data-label="Outcome">
                <span class="stack-s">
                    <Badge tone text/>
                    {deployment.map(|href| view! { <a class="small" href=href>"Deployment"</a> })}
                    {push.reason.map(|reason| view! { <span class="small muted break">{sentence(&reason)}</span> })}
                </span>
            </td>
            <td data-label="Pushed"><span><Ago at=push.pushed_at/>" by "{push.by}</span></td>
        </tr>
    }
    .into_any()
}
