//! A project's settings and its audit log.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::views::projects::ProjectView;
use model::views::services::RegistryCredentialView;

use super::current;
use crate::api::audit::project_audit;
use crate::api::projects::{DeleteProject, UpdateProject};
use crate::api::services::{DeleteCredential, PutCredential, list_credentials};
use crate::components::{Ago, CheckBox, Confirm, Csrf, Empty, Keep, ProblemNotice, Submit, TextArea, TextField, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, loaded_in, problem, query};
use crate::pages::audit::AuditTable;
use crate::pages::quotas::ProjectQuota;
use crate::urls;

/// The settings.
#[component]
pub(crate) fn Settings() -> impl IntoView {
    let project = current();
    let action = change::<UpdateProject>("Settings saved", Some(project.changed));
    let delete = change::<DeleteProject>("Project deleted", None);
    let navigate = use_navigate();
    Effect::new(move |_| {
        if matches!(delete.value().get(), Some(Ok(()))) {
            navigate(urls::PROJECTS, leptos_router::NavigateOptions::default());
        }
    });
    loaded(project.view, move |view| {
        let quota = view.may(Action::ManageProject).then(|| view! { <ProjectQuota project=view.clone()/> });
        view! { <SettingsForm project=view.clone() action/>{quota}<Danger project=view delete/> }
    })
}

#[component]
fn Danger(project: ProjectView, delete: ServerAction<DeleteProject>) -> impl IntoView {
    if !project.may.contains(&Action::ManageProject) {
        return ().into_any();
    }
    let name = project.name.to_string();
    view! {
        <section class="panel panel-danger page-narrow">
            <header><h2>"Delete"</h2></header>
            <div class="panel-body">
                <p>"Its services have to be stopped first; they are deleted with it. Its images can be reached no more, its name is not given out again for 30 days.
                    Volumes stay on their machines until an operator removes them."</p>
                <Confirm id="delete-project" button="Delete project" title=format!("Delete {name}?")>
                    <p>"Services, revisions, images and members go; the audit log stays."</p>
                    <ProblemNotice problem=problem(delete)/>
                    <ActionForm action=delete attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="project" value=name.clone()/>
                        <TextField name="typed" label=format!("Type {name} to confirm") mono=true required=true exactly=name scope="delete"/>
                        <div class="actions">
                            <Keep dialog="delete-project"/><Submit label="Delete project" look="button-danger-fill" pending=delete.pending()/>
                        </div>
                    </ActionForm>
                </Confirm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn SettingsForm(project: ProjectView, action: ServerAction<UpdateProject>) -> impl IntoView {
    let refused = problem(action);
    view! {
        <section class="panel page-narrow">
            <header><h2>"Settings"</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["description"]/>
                <ActionForm action attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project.name.to_string()/>
                    <TextArea name="description" label="What it is for" rows=2 optional=true value=project.description
                        error=field_error(refused, "description")/>
                    <CheckBox name="internal" label="Internal" checked=project.internal
                        hint="Any signed-in user may see its images and pull them, nothing more."/>
                    <CheckBox name="developer_shells" label="Developers may open shells" checked=project.developer_shells
                        hint="Admins always may. Open shells of developers are cut at once when this is switched off."/>
                    <div class="actions"><Submit label="Save settings" pending=action.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

/// The outside registries that services may pull from with the project's credentials.
#[component]
pub(crate) fn Registries() -> impl IntoView {
    let project = current();
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.name.get(), pulse.track()), |(name, _)| list_credentials(name));
    let put = change::<PutCredential>("Credentials kept", Some(pulse));
    let delete = change::<DeleteCredential>("Credentials forgotten", Some(pulse));
    loaded_in(project.view, data, move |project, credentials| {
        let name = project.name.to_string();
        view! { <NewCredential project=name.clone() put/><CredentialTable project=name credentials delete/> }
    })
}

#[component]
fn NewCredential(project: String, put: ServerAction<PutCredential>) -> impl IntoView {
    let refused = problem(put);
    view! {
        <section class="panel">
            <header><h2>"Credentials for an outside registry"</h2></header>
            <div class="panel-body">
                <p class="muted">"Services may run images of other registries: name them with their host. Where one asks for a sign-in, this is used."</p>
                <ProblemNotice problem=refused beside=&["host", "username", "secret"]/>
                <ActionForm action=put attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <div class="fields">
                        <TextField name="host" label="Registry" required=true mono=true placeholder="registry.example.com" error=field_error(refused, "host")/>
                        <TextField name="username" label="User name" required=true error=field_error(refused, "username")/>
                        <TextField name="secret" label="Password or token" kind="password" required=true autocomplete="new-password"
                            error=field_error(refused, "secret") hint="Kept encrypted, never shown again."/>
                    </div>
                    <div class="actions"><Submit label="Keep credentials" pending=put.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn CredentialTable(project: String, credentials: Vec<RegistryCredentialView>, delete: ServerAction<DeleteCredential>) -> impl IntoView {
    if credentials.is_empty() {
        return view! {
            <section class="panel"><Empty title="No credentials"><p>"This project's own images and public images need none."</p></Empty></section>
        }
        .into_any();
    }
    let rows = credentials
        .into_iter()
        .map(|credential| {
            let (project, host) = (project.clone(), credential.host.clone());
            let id = format!("forget-{}", host.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
            view! {
                <tr>
                    <td data-label="Registry" class="table-main">{credential.host}</td>
                    <td data-label="User name">{credential.username}</td>
                    <td data-label="Set"><span><Ago at=credential.updated_at/>" by "{credential.by}</span></td>
                    <td class="end">
                        <Confirm id=id.clone() button="Forget" look="button-small button-danger" title=format!("Forget the credentials for {host}?")>
                            <p>"Images there that need a sign-in can no longer be pulled: a deployment or roll-back to one fails."</p>
                            <ProblemNotice problem=problem(delete)/>
                            <ActionForm action=delete>
                                <Csrf/>
                                <input type="hidden" name="project" value=project/>
                                <input type="hidden" name="host" value=host.clone()/>
                                <div class="actions"><Keep dialog=id/><Submit label="Forget" look="button-danger-fill" pending=delete.pending()/></div>
                            </ActionForm>
                        </Confirm>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Kept credentials"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Registry"</th><th scope="col">"User name"</th><th scope="col">"Set"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

/// What was done in the project.
#[component]
pub(crate) fn Audit() -> impl IntoView {
    let project = current();
    let after = query("after");
    let data = Resource::new(move || (project.name.get(), after.get()), |(name, after)| project_audit(name, Some(after)));
    loaded_in(project.view, data, |_, page| view! { <AuditTable page/> })
}
