//! One shell: who opened it, from where and what for, and its recording to be watched.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::views::shells::ShellView;

use super::{command, ending, span};
use crate::api::shells::{EndShell, get_shell};
use crate::components::{Ago, Badge, Confirm, Csrf, Empty, Keep, Player, ProblemNotice, Submit, Tone, bytes};
use crate::live::Pulse;
use crate::page::{change, loaded_in, param, problem};
use crate::pages::projects::current;
use crate::urls;

/// The page.
#[component]
pub(crate) fn One() -> impl IntoView {
    let project = current();
    let id = param("shell");
    // Not live: what changes would begin the recording anew for who is watching it.
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.name.get(), id.get(), pulse.track()), |(name, id, _)| get_shell(name, id));
    let end = change::<EndShell>("Shell ended", Some(pulse));
    loaded_in(project.view, data, move |_, shell| view! { <Whole shell end/> })
}

#[component]
fn Whole(shell: ShellView, end: ServerAction<EndShell>) -> impl IntoView {
    let name = format!("{}.{}", shell.service, shell.slot);
    let badge = if shell.open {
        view! { <Badge tone=Tone::Busy text="Open now"/> }
    } else {
        view! { <Badge tone=Tone::Idle text="Ended"/> }
    };
    let all = urls::project_page(&shell.project, "shells");
    view! {
        <section class="panel">
            <header>
                <h2>{format!("Shell of {} in {name}", shell.by)}</h2>
                {badge}
                <div class="actions">
                    <a class="button button-small button-quiet" href=all>"All shells"</a>
                    {shell.can_be_watched().then(|| view! {
                        <a class="button button-small" href=urls::recording(&shell.project, shell.id) rel="external" download="">"Download"</a>
                    })}
                    {shell.open.then(|| view! { <End shell=shell.clone() end/> })}
                </div>
            </header>
            <div class="panel-body"><Facts shell=shell.clone()/></div>
        </section>
        <Playback shell/>
    }
    .into_any()
}

#[component]
fn Facts(shell: ShellView) -> impl IntoView {
    let service = urls::service(&shell.project, &shell.service);
    let run = command(&shell);
    let ended = shell.ended_at.map(|at| {
        let lasted = span(at.since(shell.opened_at));
        view! { <dt>"Ended"</dt><dd><Ago at/>{format!(", after {lasted}. {}.", ending(&shell))}</dd> }
    });
    view! {
        <dl class="facts">
            <dt>"Who"</dt><dd>{shell.by.clone()}" from "<code>{shell.address.clone()}</code></dd>
            {(!shell.why.is_empty()).then(|| view! { <dt>"Why"</dt><dd>{shell.why.clone()}</dd> })}
            <dt>"In"</dt>
            <dd><a href=service>{shell.service.to_string()}</a>{format!(", task {} in {}", shell.slot, shell.environment)}</dd>
            {run.map(|run| view! { <dt>"Command"</dt><dd><code>{run}</code></dd> })}
            {shell.user.clone().map(|user| view! { <dt>"As user"</dt><dd><code>{user}</code></dd> })}
            {shell.workdir.clone().map(|folder| view! { <dt>"In folder"</dt><dd><code>{folder}</code></dd> })}
            <dt>"Opened"</dt><dd><Ago at=shell.opened_at/></dd>
            {ended}
            {shell.can_be_watched().then(|| view! { <dt>"Recording"</dt><dd>{bytes(shell.bytes)}</dd> })}
            <dt>"Id"</dt><dd><code>{shell.id.to_string()}</code></dd>
        </dl>
    }
    .into_any()
}

/// The recording as it is played, or why there is none.
#[component]
fn Playback(shell: ShellView) -> impl IntoView {
    if !shell.recorded {
        return view! {
            <section class="panel"><Empty title="Not recorded"><p>"Recording was switched off in the project's settings when this shell was opened."</p></Empty></section>
        }
        .into_any();
    }
    let Some((width, height)) = shell.size.filter(|_| !shell.gone) else {
        let (title, text) = if shell.gone {
            (
                "Deleted",
                "The project keeps recordings for a time that its admins set, and no more bytes than its quota has: the oldest of whoever has the most go.",
            )
        } else {
            ("Nothing to watch", "The recording's file is not there or cannot be read. An operator may know why.")
        };
        return view! { <section class="panel"><Empty title><p>{text}</p></Empty></section> }.into_any();
    };
    let source = urls::recording(&shell.project, shell.id);
    view! {
        {shell.open.then(|| view! { <p class="muted">"This shell is open. You see what it printed until this page was loaded; \u{201c}Read again\u{201d} brings what came since."</p> })}
        <Player source width height/>
    }
    .into_any()
}

#[component]
fn End(shell: ShellView, end: ServerAction<EndShell>) -> impl IntoView {
    view! {
        <Confirm id="end-shell" button="End" look="button-small button-danger" title="End this shell?">
            <p>"It closes at once, and what runs in it ends."</p>
            <ProblemNotice problem=problem(end)/>
            <ActionForm action=end>
                <Csrf/>
                <input type="hidden" name="project" value=shell.project.to_string()/>
                <input type="hidden" name="shell" value=shell.id.to_string()/>
                <div class="actions"><Keep dialog="end-shell" label="Let it go on"/><Submit label="End shell" look="button-danger-fill" pending=end.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}
