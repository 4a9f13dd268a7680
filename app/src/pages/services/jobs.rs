//! A job's runs: when it runs next, how the last ones ended, and the button for one more.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::access::Action;
use model::views::jobs::{JobCause, JobRunView, JobState, JobView};
use model::views::services::ServiceDetail;

use super::{chosen, current};
use crate::api::jobs::{RunJob, job_runs};
use crate::components::{Ago, Badge, Csrf, Empty, Submit, Tone};
use crate::page::Data;
use crate::urls;

/// The runs of what an environment's job is, none where no job is. Made once for a page that lives on: what is read again meanwhile stays.
pub(super) fn runs_in(environment: Memo<String>) -> Data<Option<JobView>> {
    let service = current();
    Resource::new(
        move || (environment.get(), service.pulse.track()),
        move |(environment, _)| async move {
            let Ok(detail) = service.view.await else { return Ok(None) };
            let place = chosen(&detail, &environment).filter(|run| run.is_job()).map(|run| run.summary.environment.to_string());
            let Some(place) = place else { return Ok(None) };
            job_runs(detail.project.to_string(), detail.name.to_string(), place).await.map(Some)
        },
    )
}

/// The panel of a job.
#[component]
pub(super) fn Runs(service: ServiceDetail, environment: String, job: JobView, run: ServerAction<RunJob>) -> impl IntoView {
    let deploys = service.may(Action::Deploy);
    let rows = job.items.iter().map(|item| view! { <Row service=service.clone() item=item.clone()/> }).collect_view();
    view! {
        <section class="panel">
            <header>
                <h2>"Runs"</h2>
                {deploys.then(|| view! {
                    <div class="actions">
                        <ActionForm action=run>
                            <Csrf/>
                            <input type="hidden" name="project" value=service.project.to_string()/>
                            <input type="hidden" name="service" value=service.name.to_string()/>
                            <input type="hidden" name="environment" value=environment/>
                            <Submit label="Run now" look="button-small" pending=run.pending()/>
                        </ActionForm>
                    </div>
                })}
            </header>
            <p class="panel-body muted">
                {match (&job.schedule, job.next) {
                    (Some(schedule), Some(next)) => view! { "Runs at "<code class="inline">{schedule.clone()}</code>", next "<Ago at=next/>"." }.into_any(),
                    (Some(schedule), None) => view! { "Would run at "<code class="inline">{schedule.clone()}</code>", but it is stopped." }.into_any(),
                    (None, _) => "It has no schedule: it runs when it is deployed and when somebody asks.".into_any(),
                }}
            </p>
            {if job.items.is_empty() {
                view! { <Empty title="No runs yet"><p>"Every run is kept here with what its tasks ended with."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Began"</th><th scope="col">"State"</th><th scope="col">"Tasks"</th><th scope="col">"Begun by"</th>
                            <th scope="col">"Revision"</th><th scope="col">"Ended"</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
        </section>
    }
    .into_any()
}

fn state(state: JobState) -> (Tone, &'static str) {
    match state {
        JobState::Running => (Tone::Busy, "Running"),
        JobState::Succeeded => (Tone::Ok, "Succeeded"),
        JobState::Failed => (Tone::Bad, "Failed"),
        JobState::Skipped => (Tone::Warn, "Left out"),
        JobState::Cancelled => (Tone::Idle, "Cancelled"),
    }
}

#[component]
fn Row(service: ServiceDetail, item: JobRunView) -> impl IntoView {
    let (tone, text) = state(item.state);
    let cause = match (item.cause, item.by) {
        (JobCause::Schedule, _) => "its schedule".to_owned(),
        (JobCause::Deployment, _) => "a deployment".to_owned(),
        (JobCause::Hand, by) => by.unwrap_or_default(),
    };
    let tasks: Vec<_> = item
        .tasks
        .iter()
        .map(|task| {
            let said = match task.exit_code {
                Some(code) if task.state.is_final() => format!("{}: exit code {code}", task.slot),
                _ => format!("{}: {}", task.slot, task.state),
            };
            let href = format!("{}?task={}", urls::service_page(&service.project, &service.name, "logs"), task.id);
            view! { <a class="chip" href=href title="The log of this task">{said}</a>" " }
        })
        .collect();
    view! {
        <tr>
            <td data-label="Began" class="table-main nowrap"><Ago at=item.created_at/></td>
            <td data-label="State"><span class="row"><Badge tone text/>{item.reason.map(|reason| view! { <span class="small muted break">{reason.message}</span> })}</span></td>
            <td data-label="Tasks"><span>{tasks}</span></td>
            <td data-label="Begun by">{cause}</td>
            <td data-label="Revision">{item.revision}</td>
            <td data-label="Ended" class="nowrap">{item.finished_at.map(|at| view! { <Ago at/> })}</td>
        </tr>
    }
    .into_any()
}
