//! The tables of shells: those that are open, with the button that ends one, and those that were, with their recordings.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::views::shells::ShellView;

use super::{ending, span};
use crate::api::shells::EndShell;
use crate::components::{Ago, Badge, Confirm, Csrf, Empty, Keep, ProblemNotice, Submit, Tone, bytes};
use crate::page::RowChange;
use crate::urls;

/// The shells that are open now.
#[component]
pub(super) fn Open(shells: Vec<ShellView>, end: RowChange<EndShell>) -> impl IntoView {
    let none = shells.is_empty();
    let rows = shells
        .into_iter()
        .map(|shell| {
            view! {
                <tr>
                    <Begun shell=shell.clone()/>
                    <td class="end"><div class="actions"><Watch shell=shell.clone()/><End shell end/></div></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Open now"</h2></header>
            {if none {
                view! { <Empty title="No shell is open"><p>"A shell is opened on a service's page, under Shell, or with "<code class="inline">"slipway shell"</code>"."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <BegunHead/>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
        </section>
    }
    .into_any()
}

/// The shells that have ended, newest first.
#[component]
pub(super) fn Past(
    /// The shells.
    shells: Vec<ShellView>,
    /// Where the list goes on.
    older: Option<String>,
) -> impl IntoView {
    let none = shells.is_empty();
    let rows = shells.into_iter().map(|shell| view! { <PastRow shell/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Ended"</h2></header>
            {if none {
                view! { <Empty title="No shell has ended yet"><p>"Each stands here with who opened it, from where and what for, and with its recording."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <BegunHead/>
                            <th scope="col">"Lasted"</th><th scope="col">"End"</th><th scope="col">"Recording"</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
            {older.map(|href| view! { <footer><a href=href>"Older shells"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn PastRow(shell: ShellView) -> impl IntoView {
    let lasted = shell.ended_at.map(|ended| span(ended.since(shell.opened_at)));
    view! {
        <tr>
            <Begun shell=shell.clone()/>
            <td data-label="Lasted" class="nowrap">{lasted}</td>
            <td data-label="End" class="small">{ending(&shell)}</td>
            <td data-label="Recording"><Watch shell/></td>
        </tr>
    }
    .into_any()
}

/// The heads of the columns that both tables begin with.
#[component]
fn BegunHead() -> impl IntoView {
    view! { <th scope="col">"Shell"</th><th scope="col">"Who"</th><th scope="col">"Why"</th><th scope="col">"Opened"</th> }.into_any()
}

/// The cells that both tables begin with: what is known of a shell from its beginning.
#[component]
fn Begun(shell: ShellView) -> impl IntoView {
    view! {
        <td data-label="Shell" class="table-main"><Name shell=shell.clone()/></td>
        <td data-label="Who"><Who shell=shell.clone()/></td>
        <td data-label="Why">{Some(shell.why).filter(|why| !why.is_empty())}</td>
        <td data-label="Opened" class="nowrap"><Ago at=shell.opened_at/></td>
    }
    .into_any()
}

/// In what it is, with the way to its page.
#[component]
fn Name(shell: ShellView) -> impl IntoView {
    let href = urls::shell(&shell.project, shell.id);
    view! {
        <span>
            <a href=href>{format!("{}.{}", shell.service, shell.slot)}</a>
            <span class="small muted table-side">{shell.environment.to_string()}</span>
        </span>
    }
    .into_any()
}

#[component]
fn Who(shell: ShellView) -> impl IntoView {
    view! { <span>{shell.by}<span class="small faint table-side">"from "{shell.address}</span></span> }.into_any()
}

/// The recording, or why there is none.
#[component]
fn Watch(shell: ShellView) -> impl IntoView {
    if !shell.recorded {
        return view! { <Badge tone=Tone::Warn text="Not recorded"/> }.into_any();
    }
    if shell.gone {
        return view! { <span class="small muted">"Deleted: too old, or newer ones took its room"</span> }.into_any();
    }
    let what = format!("{}.{}", shell.service, shell.slot);
    let size = (!shell.open).then(|| view! { <span class="small faint nowrap">{bytes(shell.bytes)}</span> });
    view! {
        <span class="row">
            <a href=urls::shell(&shell.project, shell.id) aria-label=format!("Watch the recording of {what}")>"Watch"</a>
            <a href=urls::recording(&shell.project, shell.id) rel="external" download="" aria-label=format!("Download the recording of {what}")>"Download"</a>
            {size}
        </span>
    }
    .into_any()
}

/// The button that ends an open shell.
#[component]
fn End(shell: ShellView, end: RowChange<EndShell>) -> impl IntoView {
    let id = shell.id.to_string();
    let dialog = format!("end-{id}");
    let mine = id.clone();
    view! {
        <Confirm id=dialog.clone() button="End" look="button-small button-danger" title="End this shell?" on_open=end.forget()>
            <p>{format!("{}'s shell in {}.{} closes at once, and what runs in it ends.", shell.by, shell.service, shell.slot)}</p>
            <ProblemNotice problem=end.problem(move |sent: &EndShell| sent.shell == mine)/>
            <ActionForm action=end.action>
                <Csrf/>
                <input type="hidden" name="project" value=shell.project.to_string()/>
                <input type="hidden" name="shell" value=id/>
                <div class="actions"><Keep dialog=dialog label="Let it go on"/><Submit label="End shell" look="button-danger-fill" pending=end.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}
