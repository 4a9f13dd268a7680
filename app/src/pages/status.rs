//! What the public status page shows, for those who write it: incidents and planned work, services outside of containers, what heads the page. The
//! same page for a project and, below Admin, for the whole site.

mod incidents;
mod legacy;
mod projects;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use model::status::check_title;
use model::views::status::PageView;

use self::incidents::{Incidents, NewIncident};
use self::legacy::Legacy;
use self::projects::Projects;
use crate::api::status::{
    CreateIncident, DeleteLegacy, PutLegacy, PutSiteProject, PutStatusPage, RemoveIncident, SayIncident, StatusAdmin, get_status,
};
use crate::components::{Badge, CheckBox, Csrf, ProblemNotice, Submit, TextArea, TextField, Tone, field_error};
use crate::live::Pulse;
use crate::page::{RowChange, change, loaded, param, problem, query, row_change};

/// Fields that show their own error.
const BESIDE: &[&str] = &["title", "about", "environment", "logo"];

/// What can be changed here.
#[derive(Clone, Copy)]
struct Changes {
    page: ServerAction<PutStatusPage>,
    create: ServerAction<CreateIncident>,
    say: RowChange<SayIncident>,
    remove: RowChange<RemoveIncident>,
    put_legacy: RowChange<PutLegacy>,
    delete_legacy: RowChange<DeleteLegacy>,
    put_project: RowChange<PutSiteProject>,
}

/// What is shown to everybody.
#[component]
pub(crate) fn Manage() -> impl IntoView {
    // None below Admin: there it is the whole site.
    let (project, after, listed) = (param("project"), query("after"), query("projects"));
    let pulse = Pulse::new();
    let data = Resource::new(
        move || (project.get(), after.get(), listed.get(), pulse.track()),
        |(project, after, listed, _)| get_status(project, Some(after), Some(listed)),
    );
    let changes = Changes {
        page: change("Status page saved", Some(pulse)),
        create: change("Told on the status page", Some(pulse)),
        say: row_change("Told on the status page", Some(pulse)),
        remove: row_change("Taken from the status page", Some(pulse)),
        put_legacy: row_change("Service saved", Some(pulse)),
        delete_legacy: row_change("Service deleted", Some(pulse)),
        put_project: row_change("Status page changed", Some(pulse)),
    };
    loaded(data, move |page| view! { <Whole project=project.get_untracked() page changes/> })
}

#[component]
fn Whole(project: String, page: StatusAdmin, changes: Changes) -> impl IntoView {
    let StatusAdmin { page: head, public, incidents, legacy, projects } = page;
    let of_project = !project.is_empty();
    let href = if of_project { format!("/status/{project}") } else { "/status".to_owned() };
    let seen = if public {
        view! { <Badge tone=Tone::Ok text="public"/><a href=href.clone() rel="external">{href.clone()}</a> }.into_any()
    } else {
        view! { <Badge tone=Tone::Idle text="not public"/> }.into_any()
    };
    let how = (of_project && !public).then(|| {
        view! { <p class="muted">"Nothing of this project is shown yet. A service is shown when its descriptor says "<code class="inline">"status_page: {show: true}"</code>", one outside of containers when it is added below."</p> }
    });
    view! {
        <Title text="Status page"/>
        <div class="row">{seen}</div>
        {how}
        <ProblemNotice problem=changes.say.unplaced()/>
        <ProblemNotice problem=changes.remove.unplaced()/>
        <ProblemNotice problem=changes.put_legacy.unplaced()/>
        <ProblemNotice problem=changes.delete_legacy.unplaced()/>
        <ProblemNotice problem=changes.put_project.unplaced()/>
        <Incidents project=project.clone() incidents changes/>
        <NewIncident project=project.clone() changes/>
        {of_project.then(|| view! { <Legacy project=project.clone() legacy changes/> })}
        {(!of_project).then(|| view! { <Projects projects changes/> })}
        <Head project=project.clone() head changes/>
    }
    .into_any()
}

#[component]
fn Head(project: String, head: PageView, changes: Changes) -> impl IntoView {
    let refused = problem(changes.page);
    let of_project = !project.is_empty();
    let logo = if head.logo {
        "There is a logo. Empty: it stays; the word none takes it away."
    } else {
        "A data: URL of a PNG, JPEG or WebP of at most 64 KiB."
    };
    let environment = head.environment.clone();
    view! {
        <section class="panel">
            <header><h2>"Page"</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=BESIDE/>
                <ActionForm action=changes.page attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <div class="fields fields-wide">
                        <TextField name="form[title]" scope="page" label="Title" optional=true value=head.title check=Some(check_optional) error=field_error(refused, "title")/>
                        {of_project.then(|| view! {
                            <TextField name="form[environment]" scope="page" label="Environment" optional=true mono=true value=environment error=field_error(refused, "environment") hint="Only what runs there is shown. Empty: wherever it runs."/>
                        })}
                        <TextField name="form[logo]" scope="page" label="Logo" optional=true mono=true placeholder="data:image/png;base64,..." error=field_error(refused, "logo") hint=logo/>
                    </div>
                    <TextArea name="form[about]" label="About" optional=true rows=3 value=head.about error=field_error(refused, "about")/>
                    <CheckBox name="form[hidden]" label="Hidden" hint="Nobody sees the page, and nothing on it is probed." checked=head.hidden/>
                    <div class="actions"><Submit label="Save page" pending=changes.page.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

/// A title that may be left out.
fn check_optional(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { check_title(text) }
}
