//! A project's settings and its audit log.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::views::projects::ProjectView;

use super::current;
use crate::api::audit::project_audit;
use crate::api::projects::UpdateProject;
use crate::components::{CheckBox, Csrf, ProblemNotice, Submit, TextArea, field_error};
use crate::page::{change, loaded, loaded_in, problem, query};
use crate::pages::audit::AuditTable;

/// The settings.
#[component]
pub(crate) fn Settings() -> impl IntoView {
    let project = current();
    let action = change::<UpdateProject>("Settings saved", Some(project.changed));
    loaded(project.view, move |view| view! { <SettingsForm project=view action/> })
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
}

/// What was done in the project.
#[component]
pub(crate) fn Audit() -> impl IntoView {
    let project = current();
    let after = query("after");
    let data = Resource::new(move || (project.name.get(), after.get()), |(name, after)| project_audit(name, Some(after)));
    loaded_in(project.view, data, |_, page| view! { <AuditTable page/> })
}
