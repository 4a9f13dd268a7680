//! A project's settings and its audit log.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::problem::{Problem, ProblemKind};
use model::shell::RECORDINGS_DAYS;
use model::views::projects::ProjectView;

use super::current;
use crate::api::audit::project_audit;
use crate::api::projects::{DeleteProject, UpdateProject};
use crate::components::{CheckBox, Confirm, Csrf, Keep, ProblemNotice, Submit, TextArea, TextField, field_error};
use crate::page::{Refusal, change, loaded, loaded_in, problem, query};
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
        if !view.may(Action::ManageProject) {
            let text = format!("you may not {}: its admins may", Action::ManageProject.phrase());
            return view! { <Refusal problem=Problem::new(ProblemKind::Forbidden, "forbidden", text)/> }.into_any();
        }
        view! { <SettingsForm project=view.clone() action/><ProjectQuota project=view.clone()/><Danger project=view delete/> }.into_any()
    })
}

#[component]
fn Danger(project: ProjectView, delete: ServerAction<DeleteProject>) -> impl IntoView {
    let name = project.name.to_string();
    view! {
        <section class="panel panel-danger page-narrow">
            <header><h2>"Delete"</h2></header>
            <div class="panel-body">
                <p>"Its services have to be stopped first; they are deleted with it. Its images can be reached no more, its robots are refused, its name is not given out again for 30 days.
                    Volumes stay on their machines until an operator removes them."</p>
                <Confirm id="delete-project" button="Delete project" title=format!("Delete {name}?")>
                    <p>"Services, revisions, images, members and robots go; the audit log stays."</p>
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
                <ProblemNotice problem=refused beside=&["description", "logs_days", "recordings_days"]/>
                <ActionForm action attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project.name.to_string()/>
                    <TextArea name="form[description]" label="What it is for" rows=2 optional=true value=project.description
                        error=field_error(refused, "description")/>
                    <CheckBox name="form[internal]" label="Internal" checked=project.internal
                        hint="Any signed-in user may see its images and pull them, nothing more."/>
                    <CheckBox name="form[developer_shells]" label="Developers may open shells" checked=project.developer_shells
                        hint="Admins always may. Open shells of developers are cut at once when this is switched off."/>
                    <CheckBox name="form[shells_recorded]" label="Record shells" checked=project.shells_recorded
                        hint="What shells print is recorded, for admins and for whoever opened them; what is typed only where it is echoed. Switched off, the pages of shells say so. Shells that are open stay as they are."/>
                    <TextField name="form[recordings_days]" label="Days for which recordings are kept" kind="number" inputmode="numeric" value=project.recordings_days.to_string()
                        check=Some(check_days) error=field_error(refused, "recordings_days")
                        hint=format!("{} to {}. Counted from the end of a shell. Who opened it stays on record.", RECORDINGS_DAYS.start(), RECORDINGS_DAYS.end())/>
                    <TextField name="form[logs_days]" label="Days for which logs are kept" value=project.logs_days.to_string() inputmode="numeric"
                        hint="1 to 3650. What is older goes; the quota may let it go sooner." error=field_error(refused, "logs_days")/>
                    <div class="actions"><Submit label="Save settings" pending=action.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

fn check_days(text: &str) -> Result<(), String> {
    let right = text.trim().parse().is_ok_and(|days: i64| RECORDINGS_DAYS.contains(&days));
    if right { Ok(()) } else { Err(format!("{} to {} days", RECORDINGS_DAYS.start(), RECORDINGS_DAYS.end())) }
}

/// What was done in the project.
#[component]
pub(crate) fn Audit() -> impl IntoView {
    let project = current();
    let after = query("after");
    let data = Resource::new(move || (project.name.get(), after.get()), |(name, after)| project_audit(name, Some(after)));
    loaded_in(project.view, data, |_, page| view! { <AuditTable page/> })
}
