//! Outside registries as a project sees them: copying images in, how far the copies are, and the credentials that are kept.

mod credentials;

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::access::Action;
use model::outside::{OutsideImage, Target};
use model::page::Page;
use model::problem::ProblemKind;
use model::views::copies::{CopyState, CopyView};
use model::views::projects::ProjectView;

use super::projects::current;
use super::states;
use crate::api::outside::{CancelCopy, CheckCredential, CopyImage, DeleteCredential, PutCredential, list_copies, list_credentials};
use crate::components::{Ago, Badge, Bar, CheckBox, Confirm, Csrf, Empty, Keep, ProblemNotice, Submit, TextField, bytes, field_error};
use crate::live::Pulse;
use crate::page::{RowChange, change, loaded, loaded_in, problem, query, row_change};
use crate::urls;

/// What can be done to a copy of the list.
#[derive(Clone, Copy)]
struct Rows {
    cancel: RowChange<CancelCopy>,
    again: RowChange<CopyImage>,
}

/// The page.
#[component]
pub(crate) fn Registries() -> impl IntoView {
    let project = current();
    let after = query("after");
    let (pulse, kept_pulse) = (Pulse::new(), Pulse::new());
    let copies = Resource::new(move || (project.name.get(), after.get(), pulse.track()), |(name, after, _)| list_copies(name, Some(after)));
    let kept = Resource::new(
        move || (project.name.get(), kept_pulse.track()),
        |(name, _)| async move {
            match list_credentials(name).await {
                Ok(kept) => Ok(Some(kept)),
                // The copies above say so already.
                Err(error) if matches!(error.kind(), ProblemKind::Forbidden | ProblemKind::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        },
    );
    let copy = change::<CopyImage>("It will be copied", Some(pulse));
    let rows = Rows { cancel: row_change("Copy cancelled", Some(pulse)), again: row_change("It will be copied", Some(pulse)) };
    let changes = credentials::Changes {
        put: change::<PutCredential>("Registry kept", Some(kept_pulse)),
        delete: change::<DeleteCredential>("Registry forgotten", Some(kept_pulse)),
        check: change::<CheckCredential>("", None),
    };
    view! {
        {loaded(project.view, move |project| project.may(Action::Push).then(|| view! { <CopyForm project=project.name.to_string() copy/> }))}
        {loaded_in(project.view, copies, move |project, page| {
            pulse.watch(format!("copies:{}", project.id));
            view! { <CopyTable project page rows/> }
        })}
        {loaded_in(project.view, kept, move |project, kept| kept.map(|kept| view! { <credentials::Credentials project kept changes/> }))}
    }
    .into_any()
}

fn check_from(text: &str) -> Result<(), String> {
    text.parse::<OutsideImage>().map(drop).map_err(|error| error.to_string())
}

fn check_to(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { text.parse::<Target>().map(drop) }
}

#[component]
fn CopyForm(project: String, copy: ServerAction<CopyImage>) -> impl IntoView {
    let refused = problem(copy);
    view! {
        <section class="panel">
            <header><h2>"Copy an image in"</h2></header>
            <div class="panel-body">
                <p class="muted">"It is fetched from the other registry byte for byte, checked, and then belongs to this project. You can leave this page meanwhile."</p>
                <ProblemNotice problem=refused beside=&["from", "to", "platforms"]/>
                <ActionForm action=copy attr:class="form">
                    <Csrf/>
                    <input type="hidden" name="project" value=project/>
                    <div class="fields">
                        <TextField name="from" label="From" required=true mono=true placeholder="quay.io/team/app:1.2" check=Some(check_from)
                            error=field_error(refused, "from") hint="With its registry's host; without one it is of Docker Hub, like nginx:1.27. A digest may stand behind an @."/>
                        <TextField name="to" label="To" optional=true mono=true placeholder="app:1.2" check=Some(check_to)
                            error=field_error(refused, "to") hint="Repository and tag in this project. Empty: called as it is there."/>
                        <TextField name="platforms" label="Platforms" optional=true mono=true placeholder="linux/amd64"
                            error=field_error(refused, "platforms")
                            hint="Empty: all of them, with the same digest as there. One: that image alone gets the tag. Several: each image gets a tag of its own, like 1.2-linux-amd64."/>
                    </div>
                    <CheckBox name="referrers" label="Signatures and attached lists too" hint="Whatever refers to the image there: signatures, attestations, lists of its parts."/>
                    <div class="actions"><Submit label="Copy it" pending=copy.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn CopyTable(project: ProjectView, page: Page<CopyView>, rows: Rows) -> impl IntoView {
    if page.items.is_empty() {
        return view! {
            <section class="panel"><Empty title="No copies yet"><p>"What is copied in stands here, with how far it is and why it failed, if it did."</p></Empty></section>
        }
        .into_any();
    }
    let next = page.next.map(|next| format!("{}?after={}", urls::project_page(&project.name, "registries"), urls::query(&next)));
    let may_push = project.may(Action::Push);
    let items = page.items.into_iter().map(|copy| view! { <Row copy may_push rows/> }).collect_view();
    view! {
        <ProblemNotice problem=rows.cancel.unplaced()/>
        <ProblemNotice problem=rows.again.problem(|_| true)/>
        <section class="panel">
            <header><h2>"Copies"</h2></header>
            <table class="table copies">
                <thead><tr>
                    <th scope="col">"From"</th><th scope="col">"To"</th><th scope="col">"State"</th><th scope="col">"Asked for"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{items}</tbody>
            </table>
            {next.map(|href| view! { <footer><a href=href>"Older copies"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(copy: CopyView, may_push: bool, rows: Rows) -> impl IntoView {
    let (tone, text) = states::copy(copy.state);
    let to = copy.tag.as_ref().map_or_else(|| copy.repository.to_string(), |tag| format!("{}:{tag}", copy.repository));
    let href = urls::repository(&copy.project, &copy.repository);
    let target = if copy.state == CopyState::Succeeded { view! { <a href=href>{to.clone()}</a> }.into_any() } else { to.clone().into_any() };
    let chosen = (!copy.platforms.is_empty()).then(|| copy.platforms.join(", "));
    let tags = copy.progress.tags.clone();
    let several = (tags.len() > 1).then(|| view! { <span class="small muted break">{format!("tags {}", tags.join(", "))}</span> });
    let stop = (may_push && !copy.state.is_final())
        .then(|| view! { <Cancel project=copy.project.to_string() copy=copy.id.to_string() to cancel=rows.cancel/> });
    let failed = matches!(copy.state, CopyState::Failed | CopyState::Cancelled);
    let again = (may_push && failed).then(|| view! { <Again copy=copy.clone() again=rows.again.action/> });
    view! {
        <tr>
            <td data-label="From" class="table-main"><span class="break">{copy.from.clone()}</span>" "{chosen.map(|chosen| view! { <span class="faint small">{chosen}</span> })}</td>
            <td data-label="To"><span class="row"><span class="break">{target}</span>{several}</span></td>
            <td data-label="State"><HowFar copy=copy.clone() badge=view! { <Badge tone text/> }.into_any()/></td>
            <td data-label="Asked for"><span><Ago at=copy.created_at/>" by "{copy.by.clone()}</span></td>
            <td class="end">{stop}{again}</td>
        </tr>
    }
    .into_any()
}

/// Asks for the same copy once more.
#[component]
fn Again(copy: CopyView, again: ServerAction<CopyImage>) -> impl IntoView {
    view! {
        <ActionForm action=again>
            <Csrf/>
            <input type="hidden" name="project" value=copy.project.to_string()/>
            <input type="hidden" name="from" value=copy.from/>
            <input type="hidden" name="to" value=copy.tag.map_or_else(|| copy.repository.to_string(), |tag| format!("{}:{tag}", copy.repository))/>
            <input type="hidden" name="platforms" value=copy.platforms.join(",")/>
            {copy.referrers.then(|| view! { <input type="hidden" name="referrers" value="true"/> })}
            <Submit label="Try again" look="button-small" pending=again.pending()/>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn HowFar(copy: CopyView, badge: AnyView) -> impl IntoView {
    let progress = copy.progress.clone();
    let running = copy.state == CopyState::Running;
    let said = format!(
        "{} of {}, {} of {} blobs{}",
        bytes(progress.bytes.done),
        bytes(progress.bytes.total),
        progress.blobs.done,
        progress.blobs.total,
        if progress.here > 0 { format!(", {} were here already", bytes(progress.here)) } else { String::new() },
    );
    let known = progress.blobs.total > 0;
    let end = (copy.state == CopyState::Succeeded).then(|| {
        let fetched = progress.bytes.total.saturating_sub(progress.here);
        format!(
            "{} fetched{}",
            bytes(fetched),
            if progress.here > 0 { format!(", {} were here already", bytes(progress.here)) } else { String::new() }
        )
    });
    view! {
        <span class="stack-s">
            <span class="row" role="status">
                {badge}
                {copy.retry_at.map(|at| view! { <span class="small muted">"tried again "<Ago at/></span> })}
                {end.map(|end| view! { <span class="small muted">{end}</span> })}
            </span>
            {(running && known).then(|| view! { <Bar label="Fetched" done=progress.bytes.done total=progress.bytes.total said/> })}
            {progress.note.clone().filter(|_| running).map(|note| view! { <span class="small muted break">{note}</span> })}
            {copy.reason.map(|reason| view! { <span class="small break">{reason.message}</span> })}
        </span>
    }
    .into_any()
}

#[component]
fn Cancel(project: String, copy: String, to: String, cancel: RowChange<CancelCopy>) -> impl IntoView {
    let id = format!("cancel-{copy}");
    let own = copy.clone();
    let refused = cancel.problem(move |sent: &CancelCopy| sent.copy == own);
    view! {
        <Confirm id=id.clone() button="Cancel" look="button-small" title=format!("Cancel the copy to {to}?") on_open=cancel.forget()>
            <p>"Nothing more is fetched and no tag is set. What came is kept for a day, so that asking again goes on from there."</p>
            <ProblemNotice problem=refused/>
            <ActionForm action=cancel.action>
                <Csrf/>
                <input type="hidden" name="project" value=project/>
                <input type="hidden" name="copy" value=copy/>
                <div class="actions"><Keep dialog=id/><Submit label="Cancel copy" look="button-danger-fill" pending=cancel.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}
