//! Which projects stand on the whole site's page, and the buttons that take one off or put it back.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::page::Page;
use model::views::status::SiteProjectView;

use super::Changes;
use crate::api::status::PutSiteProject;
use crate::components::{Badge, Confirm, Csrf, Empty, Keep, ProblemNotice, Submit, Tone};
use crate::urls;

/// All of them, by name.
#[component]
pub(super) fn Projects(projects: Page<SiteProjectView>, changes: Changes) -> impl IntoView {
    let none = projects.items.is_empty();
    let more = projects.next.map(|next| urls::asking(urls::status(""), &[("projects", next.as_str())]));
    let rows = projects.items.into_iter().map(|one| view! { <Row one changes/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Projects on the page"</h2></header>
            {if none {
                view! { <Empty title="None yet"><p>"Each project that shows a service stands on the page by itself."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Project"</th><th scope="col">"Page"</th><th scope="col">"State"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
            {more.map(|href| view! { <footer><a href=href>"More projects"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(one: SiteProjectView, changes: Changes) -> impl IntoView {
    let SiteProjectView { project, title, off_site } = one;
    let (tone, word) = if off_site { (Tone::Idle, "taken off") } else { (Tone::Ok, "on the page") };
    let dialog = format!("site-{project}");
    let mine = project.clone();
    let refused = changes.put_project.problem(move |sent: &PutSiteProject| sent.project == mine);
    let (button, look, what) = if off_site {
        ("Put back", "button-small", "Its services and incidents stand on the site's page again.")
    } else {
        (
            "Take off",
            "button-small button-danger",
            "Its services and incidents leave the site's page and count there no more. The project's own page stays.",
        )
    };
    let question = format!("{button}: {project}?");
    let label = if off_site { "Put project back" } else { "Take project off" };
    let href = format!("/status/{project}");
    view! {
        <tr>
            <td data-label="Project" class="table-main"><span class="stack-s"><span class="break">{project.clone()}</span><span class="small muted break">{title}</span></span></td>
            <td data-label="Page"><a href=href.clone() rel="external">{href.clone()}</a></td>
            <td data-label="State"><Badge tone text=word/></td>
            <td class="end">
                <Confirm id=dialog.clone() button look title=question on_open=changes.put_project.forget()>
                    <p>{what}</p>
                    <ProblemNotice problem=refused/>
                    <ActionForm action=changes.put_project.action>
                        <Csrf/>
                        <input type="hidden" name="project" value=project.clone()/>
                        <input type="hidden" name="off_site" value=(!off_site).to_string()/>
                        <div class="actions"><Keep dialog=dialog.clone()/><Submit label pending=changes.put_project.action.pending()/></div>
                    </ActionForm>
                </Confirm>
            </td>
        </tr>
    }
    .into_any()
}
