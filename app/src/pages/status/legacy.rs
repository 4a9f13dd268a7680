//! Services that are not in containers: where they are probed, and what the last probe found.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::status::ComponentState;
use model::views::status::LegacyView;

use super::Changes;
use crate::api::status::{DeleteLegacy, PutLegacy};
use crate::components::{Ago, Badge, CheckBox, Confirm, Csrf, Empty, Keep, ProblemNotice, Submit, TextField, Tone, field_error};

/// Fields that show their own error.
const BESIDE: &[&str] = &["name", "title", "address"];

/// They, and the form of one more.
#[component]
pub(super) fn Legacy(project: String, legacy: Vec<LegacyView>, changes: Changes) -> impl IntoView {
    let none = legacy.is_empty();
    let rows = legacy.into_iter().map(|one| view! { <Row project=project.clone() one changes/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Services outside of containers"</h2></header>
            {if none {
                view! { <Empty title="None yet"><p>"A service on a machine of its own stands on the status page beside the others: add where it is probed."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Service"</th><th scope="col">"Address"</th><th scope="col">"State"</th><th scope="col">"Updated"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
            <div class="panel-body"><h3>"New service"</h3><Add project=project.clone() changes/></div>
        </section>
    }
    .into_any()
}

/// What the last probe found.
fn state(one: &LegacyView) -> (Tone, &'static str) {
    match one.state {
        _ if !one.shown => (Tone::Idle, "not shown"),
        None => (Tone::Idle, "not probed yet"),
        Some(ComponentState::Operational) => (Tone::Ok, "operational"),
        Some(ComponentState::Maintenance) => (Tone::Busy, "maintenance"),
        Some(ComponentState::Unknown) => (Tone::Idle, "unknown"),
        Some(ComponentState::Degraded) => (Tone::Warn, "degraded"),
        Some(ComponentState::Down) => (Tone::Bad, "down"),
    }
}

#[component]
fn Row(project: String, one: LegacyView, changes: Changes) -> impl IntoView {
    let (tone, word) = state(&one);
    let (edited, deleted) = (one.clone(), one.clone());
    let own = project.clone();
    view! {
        <tr>
            <td data-label="Service" class="table-main"><span class="stack-s"><span class="break">{one.name.clone()}</span><span class="small muted break">{one.title.clone()}</span></span></td>
            <td data-label="Address"><span class="break">{one.address.clone()}</span></td>
            <td data-label="State"><span class="stack-s"><Badge tone text=word/><span class="small break">{one.finding.clone()}</span></span></td>
            <td data-label="Updated"><span><Ago at=one.updated_at/>" by "{one.by.clone()}</span></td>
            <td class="end"><div class="actions">
                <Edit project=own one=edited changes/>
                <Delete project one=deleted changes/>
            </div></td>
        </tr>
    }
    .into_any()
}

/// What was counted of it stays when its address changes.
#[component]
fn Edit(project: String, one: LegacyView, changes: Changes) -> impl IntoView {
    let id = one.id.to_string();
    let dialog = format!("edit-{id}");
    let scope = dialog.clone();
    let mine = id.clone();
    let refused = changes.put_legacy.problem(move |sent: &PutLegacy| sent.legacy == mine);
    let hidden = !one.shown;
    let (name, title, address) = (one.name.clone(), one.title.clone(), one.address.clone());
    view! {
        <Confirm id=dialog.clone() button="Edit" look="button-small" title=format!("Edit {}", one.name) on_open=changes.put_legacy.forget()>
            <p>"What was counted of it stays."</p>
            <ProblemNotice problem=refused beside=BESIDE/>
            <ActionForm action=changes.put_legacy.action attr:class="form">
                <Csrf/>
                <input type="hidden" name="project" value=project.clone()/>
                <input type="hidden" name="legacy" value=id.clone()/>
                <TextField name="form[name]" label="Name" required=true mono=true value=name.clone() scope=scope.clone() error=field_error(refused, "name")/>
                <TextField name="form[title]" label="Shown as" optional=true value=title.clone() scope=scope.clone() error=field_error(refused, "title")/>
                <TextField name="form[address]" label="Address" required=true mono=true value=address.clone() scope=scope.clone() error=field_error(refused, "address") hint="https://..., http://... or tcp://host:port."/>
                <CheckBox name="form[hidden]" label="Not on the status page" checked=hidden/>
                <div class="actions"><Keep dialog=dialog.clone()/><Submit label="Save service" pending=changes.put_legacy.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[component]
fn Delete(project: String, one: LegacyView, changes: Changes) -> impl IntoView {
    let id = one.id.to_string();
    let dialog = format!("delete-{id}");
    let mine = id.clone();
    let refused = changes.delete_legacy.problem(move |sent: &DeleteLegacy| sent.legacy == mine);
    let title = format!("Delete {}?", one.name);
    view! {
        <Confirm id=dialog.clone() button="Delete" look="button-small button-danger" title on_open=changes.delete_legacy.forget()>
            <p>"It leaves the status page, and what was counted of it is lost. The service itself is not touched."</p>
            <ProblemNotice problem=refused/>
            <ActionForm action=changes.delete_legacy.action>
                <Csrf/>
                <input type="hidden" name="project" value=project.clone()/>
                <input type="hidden" name="legacy" value=id.clone()/>
                <div class="actions"><Keep dialog=dialog.clone()/><Submit label="Delete service" look="button-danger-fill" pending=changes.delete_legacy.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[component]
fn Add(project: String, changes: Changes) -> impl IntoView {
    let refused = changes.put_legacy.problem(|sent: &PutLegacy| sent.legacy.is_empty());
    let scope = "legacy";
    view! {
        <ProblemNotice problem=refused beside=BESIDE/>
        <ActionForm action=changes.put_legacy.action attr:class="form">
            <Csrf/>
            <input type="hidden" name="project" value=project/>
            <div class="fields fields-wide">
                <TextField name="form[name]" label="Name" required=true mono=true placeholder="ledger" scope error=field_error(refused, "name")/>
                <TextField name="form[title]" label="Shown as" optional=true scope error=field_error(refused, "title")/>
                <TextField name="form[address]" label="Address" required=true mono=true placeholder="https://ledger.example.com/health" scope error=field_error(refused, "address") hint="https://..., http://... or tcp://host:port. One inside is probed only where an operator allows it. Nobody sees it on the status page."/>
            </div>
            <CheckBox name="form[hidden]" label="Not on the status page"/>
            <div class="actions"><Submit label="Add service" pending=changes.put_legacy.action.pending()/></div>
        </ActionForm>
    }
    .into_any()
}
