//! The outside registries that a project keeps, and their credentials. A secret goes in and never comes out.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::access::Action;
use model::outside::RegistryHost;
use model::views::copies::CheckState;
use model::views::projects::ProjectView;
use model::views::services::RegistryCredentialView;

use crate::api::outside::{CheckCredential, Checked, DeleteCredential, Kept, PutCredential};
use crate::components::{Ago, Confirm, Csrf, Empty, Keep, Notice, ProblemNotice, Submit, TextField, Tone, field_error};
use crate::page::{forget, problem};

/// What can be done to a registry.
#[derive(Clone, Copy)]
pub(super) struct Changes {
    pub put: ServerAction<PutCredential>,
    pub delete: ServerAction<DeleteCredential>,
    pub check: ServerAction<CheckCredential>,
}

/// What is kept, and for admins the form and the buttons.
#[component]
pub(super) fn Credentials(project: ProjectView, kept: Kept, changes: Changes) -> impl IntoView {
    let manages = project.may(Action::ManageRegistries);
    let name = project.name.to_string();
    let now = move || match changes.check.value().get() {
        Some(Ok(checked)) => Some(checked),
        _ => None,
    };
    view! {
        {manages.then(|| view! { <NewCredential project=name.clone() put=changes.put/> })}
        <ProblemNotice problem=problem(changes.check)/>
        {kept.checked.map(|checked| view! { <Outcome checked/> })}
        {move || now().map(|checked| view! { <Outcome checked/> })}
        <Table project=name items=kept.items manages changes/>
    }
    .into_any()
}

/// What came of a check.
#[component]
fn Outcome(checked: Checked) -> impl IntoView {
    let (tone, title) = match checked.view.state {
        CheckState::Accepted => (Tone::Ok, "The credential works"),
        CheckState::Open => (Tone::Ok, "The registry answers"),
        CheckState::Refused => (Tone::Bad, "The credential was refused"),
        CheckState::NotAllowed => (Tone::Bad, "This registry may not be spoken to"),
        CheckState::Unreachable => (Tone::Bad, "The registry does not answer"),
    };
    view! { <Notice tone title=format!("{}: {title}", checked.host)><p>{checked.view.message}</p></Notice> }.into_any()
}

fn check_host(text: &str) -> Result<(), String> {
    text.parse::<RegistryHost>().map(drop).map_err(|error| error.to_string())
}

#[component]
fn NewCredential(project: String, put: ServerAction<PutCredential>) -> impl IntoView {
    let refused = problem(put);
    view! {
        <section class="panel">
            <header><h2>"Keep a registry's credential"</h2></header>
            <div class="panel-body">
                <p class="muted">"It is used for copies from there, and where services run images of that registry. Public images need none."</p>
                <ProblemNotice problem=refused beside=&["host", "username", "secret"]/>
                <ActionForm action=put attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <div class="fields">
                        <TextField name="host" label="Registry" required=true mono=true placeholder="registry.example.com" check=Some(check_host)
                            error=field_error(refused, "host") hint="docker.io for Docker Hub. One that is kept already gets the new credential."/>
                        <TextField name="username" label="User name" optional=true error=field_error(refused, "username")/>
                        <TextField name="secret" label="Password or token" kind="password" optional=true autocomplete="new-password"
                            error=field_error(refused, "secret") hint="Kept encrypted, never shown again. A token that may only pull is best."/>
                    </div>
                    <div class="actions"><Submit label="Keep it" pending=put.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Table(project: String, items: Vec<RegistryCredentialView>, manages: bool, changes: Changes) -> impl IntoView {
    if items.is_empty() {
        return view! {
            <section class="panel"><Empty title="No registries kept">
                <p>{if manages { "This project's own images and public images need none." } else { "A project admin keeps credentials here, where images are not public." }}</p>
            </Empty></section>
        }
        .into_any();
    }
    let rows = items.into_iter().map(|item| view! { <Row project=project.clone() item manages changes/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Kept registries"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Registry"</th><th scope="col">"Spoken to as"</th><th scope="col">"Set"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

#[component]
fn Row(project: String, item: RegistryCredentialView, manages: bool, changes: Changes) -> impl IntoView {
    let name = if item.username.is_empty() { view! { <span class="faint">"nobody"</span> }.into_any() } else { item.username.clone().into_any() };
    view! {
        <tr>
            <td data-label="Registry" class="table-main"><span class="break">{item.host.clone()}</span></td>
            <td data-label="Spoken to as">{name}</td>
            <td data-label="Set"><span><Ago at=item.updated_at/>" by "{item.by}</span></td>
            <td class="end">{manages.then(|| view! { <Actions project host=item.host changes/> })}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Actions(project: String, host: String, changes: Changes) -> impl IntoView {
    let id = format!("forget-{}", host.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    // Both forms name them; children of components are closures of their own.
    let (stored_host, stored_project) = (StoredValue::new(host), StoredValue::new(project));
    let host = move || stored_host.get_value();
    let project = move || stored_project.get_value();
    view! {
        <div class="actions">
            <ActionForm action=changes.check>
                <Csrf/>
                <input type="hidden" name="project" value=project()/>
                <input type="hidden" name="host" value=host()/>
                <Submit label="Check" look="button-small" pending=changes.check.pending()/>
            </ActionForm>
            <Confirm id=id.clone() button="Forget" look="button-small button-danger" title=format!("Forget the credential for {}?", host()) on_open=forget(changes.delete)>
                <p>"Images there that need a sign-in can no longer be pulled or copied: a deployment, roll-back or copy of one fails."</p>
                <ProblemNotice problem=problem(changes.delete)/>
                <ActionForm action=changes.delete>
                    <Csrf/>
                    <input type="hidden" name="project" value=project()/>
                    <input type="hidden" name="host" value=host()/>
                    <div class="actions"><Keep dialog=id/><Submit label="Forget" look="button-danger-fill" pending=changes.delete.pending()/></div>
                </ActionForm>
            </Confirm>
        </div>
    }
    .into_any()
}
