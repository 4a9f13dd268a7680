//! Incidents and planned work: what was told, what an alert proposes to tell, and the forms to tell more.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::page::Page;
use model::status::{Impact, IncidentKind, IncidentState, check_title};
use model::views::status::IncidentView;

use super::Changes;
use crate::api::status::{RemoveIncident, SayIncident};
use crate::components::{Ago, Badge, Choice, Confirm, Csrf, Empty, Keep, ProblemNotice, Select, Submit, TextArea, TextField, Tone, field_error};
use crate::page::problem;
use crate::urls;

/// Fields that show their own error.
const BESIDE: &[&str] = &["title", "text", "impact", "state", "components", "starts_at", "ends_at"];

/// How far it is, in a word for those who write.
fn state(state: IncidentState) -> (Tone, &'static str) {
    match state {
        IncidentState::Proposed => (Tone::Warn, "proposed, not public"),
        IncidentState::Dismissed => (Tone::Idle, "dismissed"),
        IncidentState::Investigating => (Tone::Bad, "investigating"),
        IncidentState::Identified => (Tone::Bad, "identified"),
        IncidentState::Monitoring => (Tone::Warn, "monitoring"),
        IncidentState::Resolved => (Tone::Ok, "resolved"),
        IncidentState::Scheduled => (Tone::Idle, "scheduled"),
        IncidentState::InProgress => (Tone::Busy, "in progress"),
        IncidentState::Completed => (Tone::Ok, "completed"),
    }
}

fn steps() -> Vec<Choice> {
    IncidentState::STEPS.iter().map(|step| Choice::new(step.as_str(), state(*step).1)).collect()
}

fn impacts() -> Vec<Choice> {
    Impact::ALL.iter().map(|impact| Choice::new(impact.as_str(), impact.as_str())).collect()
}

/// The same for what is new, of which planned work usually has none.
fn first_impacts() -> Vec<Choice> {
    [Choice::new("", "usual: minor, or none for maintenance")].into_iter().chain(impacts()).collect()
}

/// All of them, newest first.
#[component]
pub(super) fn Incidents(project: String, incidents: Page<IncidentView>, changes: Changes) -> impl IntoView {
    let none = incidents.items.is_empty();
    let more = incidents.next.map(|next| urls::asking(urls::status(&project), &[("after", next.as_str())]));
    let rows = incidents.items.into_iter().map(|incident| view! { <Row project=project.clone() incident changes/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Incidents and maintenance"</h2></header>
            {if none {
                view! { <Empty title="Nothing was told yet"><p>"What you write below is seen by everybody. An alert of a service that is shown proposes an incident here first."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Title"</th><th scope="col">"State"</th><th scope="col">"Begins"</th><th scope="col">"Updated"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
            {more.map(|href| view! { <footer><a href=href>"Older ones"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(project: String, incident: IncidentView, changes: Changes) -> impl IntoView {
    let (tone, word) = state(incident.public.state);
    let last = incident.public.updates.first().map(|update| update.text.clone()).unwrap_or_default();
    let about = if incident.public.components.is_empty() { "all services".to_owned() } else { incident.public.components.join(", ") };
    let fires = (incident.firing && !incident.public.is_over()).then(|| view! { <Badge tone=Tone::Bad text="its alert fires"/> });
    let over = incident.public.is_over();
    let ends = incident.public.ends_at.map(|at| view! { " to "<Ago at/> });
    let (starts_at, updated_at, title) = (incident.public.starts_at, incident.public.updated_at, incident.public.title.clone());
    let by = incident.by.clone();
    let (one, other) = (incident.clone(), incident);
    let own = project.clone();
    view! {
        <tr>
            <td data-label="Title" class="table-main"><span class="stack-s"><span class="break">{title}</span><span class="small muted break">{about}</span><span class="small break">{last}</span></span></td>
            <td data-label="State"><span class="row"><Badge tone text=word/>{fires}</span></td>
            <td data-label="Begins"><span><Ago at=starts_at/>{ends}</span></td>
            <td data-label="Updated"><span><Ago at=updated_at/>" by "{by}</span></td>
            <td class="end"><div class="actions">
                {(!over).then(|| view! { <Say project=own incident=one changes/> })}
                <Remove project incident=other changes/>
            </div></td>
        </tr>
    }
    .into_any()
}

#[component]
fn Say(project: String, incident: IncidentView, changes: Changes) -> impl IntoView {
    let id = incident.public.id.to_string();
    let dialog = format!("say-{id}");
    let mine = id.clone();
    let refused = changes.say.problem(move |sent: &SayIncident| sent.incident == mine);
    let planned = incident.kind == IncidentKind::Maintenance;
    let now = incident.public.state;
    let first = now == IncidentState::Proposed;
    let (button, label) = if first { ("Publish", "Publish incident") } else { ("Update", "Tell everybody") };
    let title = format!("{button}: {}", incident.public.title);
    let chosen = if first { IncidentState::Investigating } else { now }.to_string();
    let impact = incident.public.impact.to_string();
    let scope = dialog.clone();
    let states = if planned {
        let choices = vec![Choice::new("", "as planned"), Choice::new("completed", "completed: it ends now")];
        view! { <Select name="form[state]" label="State" choices scope=scope.clone() error=field_error(refused, "state")/> }.into_any()
    } else {
        view! { <Select name="form[state]" label="State" choices=steps() value=chosen scope=scope.clone() error=field_error(refused, "state")/> }
            .into_any()
    };
    view! {
        <Confirm id=dialog.clone() button look="button-small" title on_open=changes.say.forget()>
            <p>"Everybody reads it on the status page."</p>
            <ProblemNotice problem=refused beside=BESIDE/>
            <ActionForm action=changes.say.action attr:class="form">
                <Csrf/>
                <input type="hidden" name="project" value=project.clone()/>
                <input type="hidden" name="incident" value=id.clone()/>
                <TextField name="form[text]" label="Text" required=true scope=scope.clone() error=field_error(refused, "text")/>
                {states}
                <Select name="form[impact]" label="Impact" choices=impacts() value=impact scope=scope.clone() error=field_error(refused, "impact")/>
                <div class="actions"><Keep dialog=dialog.clone()/><Submit label pending=changes.say.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[component]
fn Remove(project: String, incident: IncidentView, changes: Changes) -> impl IntoView {
    let id = incident.public.id.to_string();
    let dialog = format!("remove-{id}");
    let mine = id.clone();
    let refused = changes.remove.problem(move |sent: &RemoveIncident| sent.incident == mine);
    let proposed = incident.public.state == IncidentState::Proposed;
    let (button, what) = if proposed {
        ("Dismiss", "It is not proposed again for this alert.")
    } else {
        ("Remove", "It vanishes from the status page as if it had never been told. To say that it is over, update it.")
    };
    let title = format!("{button} {}?", incident.public.title);
    view! {
        <Confirm id=dialog.clone() button look="button-small button-danger" title on_open=changes.remove.forget()>
            <p>{what}</p>
            <ProblemNotice problem=refused/>
            <ActionForm action=changes.remove.action>
                <Csrf/>
                <input type="hidden" name="project" value=project.clone()/>
                <input type="hidden" name="incident" value=id.clone()/>
                <div class="actions"><Keep dialog=dialog.clone()/><Submit label=format!("{button} incident") look="button-danger-fill" pending=changes.remove.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

/// The form of an incident, or of planned work.
#[component]
pub(super) fn NewIncident(project: String, changes: Changes) -> impl IntoView {
    let refused = problem(changes.create);
    let named = if project.is_empty() { "shop/web, shop/api" } else { "web, api" };
    view! {
        <section class="panel">
            <header><h2>"New incident or maintenance"</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=BESIDE/>
                <ActionForm action=changes.create attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <div class="fields fields-wide">
                        <TextField name="form[title]" label="Title" required=true check=Some(check_title) error=field_error(refused, "title")/>
                        <TextField name="form[components][0]" label="Services" optional=true mono=true placeholder=named error=field_error(refused, "components") hint="Names, with commas between. Empty: all."/>
                        <Select name="form[impact]" label="Impact" choices=first_impacts() value="" error=field_error(refused, "impact")/>
                        <TextField name="form[starts_at]" label="Begins (UTC)" kind="datetime-local" optional=true error=field_error(refused, "starts_at") hint="For maintenance only. Empty: it is an incident, and begins now."/>
                        <TextField name="form[ends_at]" label="Ends (UTC)" kind="datetime-local" optional=true error=field_error(refused, "ends_at") hint="For maintenance only."/>
                    </div>
                    <TextArea name="form[text]" label="Text" rows=3 error=field_error(refused, "text") hint="Everybody reads it."/>
                    <div class="actions"><Submit label="Tell everybody" pending=changes.create.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}
