//! Shells of a project: which are open, which were, and their recordings.

mod one;
mod table;

use leptos::prelude::*;
use model::access::Action;
use model::page::Page;
use model::views::projects::ProjectView;
use model::views::shells::ShellView;

pub(crate) use one::One;

use self::table::{Open, Past};
use super::projects::current;
use crate::api::ApiError;
use crate::api::shells::{EndShell, list_shells};
use crate::components::{Notice, ProblemNotice, Tone};
use crate::live::Pulse;
use crate::page::{Data, RowChange, loaded_in, query, row_change};
use crate::urls;

/// The shells: those that are open first.
#[component]
pub(crate) fn List() -> impl IntoView {
    let project = current();
    let (service, after) = (query("service"), query("after"));
    let pulse = Pulse::new();
    let data: Data<(Page<ShellView>, Page<ShellView>)> = Resource::new(
        move || (project.name.get(), service.get(), after.get(), pulse.track()),
        |(name, service, after, _)| async move {
            let open = list_shells(name.clone(), service.clone(), true, None).await?;
            Ok::<_, ApiError>((open, list_shells(name, service, false, Some(after)).await?))
        },
    );
    let end = row_change::<EndShell>("Shell ended", Some(pulse));
    loaded_in(project.view, data, move |project, (open, past)| {
        pulse.watch(format!("project:{}", project.id));
        view! { <Whole project service=service.get() open past end/> }
    })
}

#[component]
fn Whole(project: ProjectView, service: String, open: Page<ShellView>, past: Page<ShellView>, end: RowChange<EndShell>) -> impl IntoView {
    let here = urls::project_page(&project.name, "shells");
    let older = past.next.clone().map(|next| urls::asking(here.clone(), &[("service", service.as_str()), ("after", next.as_str())]));
    let everybodys = project.may(Action::WatchShells);
    view! {
        {(!project.shells_recorded).then(|| view! { <NotRecorded project=project.clone()/> })}
        <p class="muted">
            {if everybodys { "Everybody's shells in this project." } else { "Your shells in this project. Its admins see everybody's." }}
            {project.shells_recorded.then(|| format!(" What they print is recorded, what is typed only where it is echoed; a recording is kept for {} days at most.", project.recordings_days))}
        </p>
        {(!service.is_empty()).then(|| view! {
            <p class="row">"Only those in "<span class="chip">{service.clone()}</span><a href=here.clone()>"Show those in all services"</a></p>
        })}
        <ProblemNotice problem=end.unplaced()/>
        <Open shells=open.items end/>
        <Past shells=past.items older/>
    }
    .into_any()
}

/// Says that nothing is recorded, to those who may decide on it and to those who may not.
#[component]
fn NotRecorded(project: ProjectView) -> impl IntoView {
    let settings = urls::project_page(&project.name, "settings");
    view! {
        <Notice tone=Tone::Warn title="New shells of this project are not recorded">
            {if project.may(Action::ManageProject) {
                view! { <p>"Who opened one is still written down. Recording is switched on in "<a href=settings>"the project's settings"</a>"."</p> }.into_any()
            } else {
                view! { <p>"Who opened one is still written down. A project admin can switch recording on."</p> }.into_any()
            }}
        </Notice>
    }
    .into_any()
}

/// How long something lasted, to the two largest units.
fn span(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Why a shell ended, for people.
fn ending(shell: &ShellView) -> String {
    let why = shell.ended_why.as_deref().unwrap_or_default();
    String::from(match why {
        "exited" => return shell.exit_code.map_or_else(|| String::from("Its program ended"), |code| format!("Its program ended with code {code}")),
        "left" => "Its window was closed",
        "signed_out" => "Its owner signed out",
        "access_lost" => "Its owner lost the right to it",
        "ended" => "Somebody ended it",
        "replaced" => "Another window took it over",
        "task_ended" => "Its task ended",
        "portal_stopped" => "The portal stopped",
        "portal_restarted" => "The portal was killed, and ended it when it was back",
        "failed" => "It broke",
        "" => "It ended",
        other => return other.replace('_', " "),
    })
}

/// What was run, as it would be typed; the image's shell where nothing else was asked for.
fn command(shell: &ShellView) -> Option<String> {
    shell.command.as_ref().map(|words| words.join(" "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn spans_have_two_units() {
        let said = |seconds| super::span(Duration::from_secs(seconds));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(59), "59 s");
        assert_eq!(said(200), "3 min 20 s");
        assert_eq!(said(7_500), "2 h 5 min");
        assert_eq!(said(90_000), "1 d 1 h");
    }
}
