//! What happened on a machine: to the containers of all projects, and to those that Slipway did not make.

use leptos::prelude::*;
use leptos_meta::Title;
use model::problem::ProblemKind;

use crate::api::ApiError;
use crate::api::events::{MachineTimeline, machine_events};
use crate::components::{Crumb, Crumbs};
use crate::live::Pulse;
use crate::page::{Data, loaded, param};
use crate::pages::events::{EventForm, Timeline, asked};
use crate::urls;

/// The page.
#[component]
pub(crate) fn Events() -> impl IntoView {
    let (environment, machine) = (param("environment"), param("machine"));
    let filter = asked();
    let path = Memo::new(move |_| urls::admin_machine_events(environment.get(), machine.get()));
    let pulse = Pulse::new();
    // A filter that is wrong is told beside the form.
    let data: Data<Result<MachineTimeline, ApiError>> = Resource::new(
        move || (machine.get(), filter.get(), pulse.track()),
        |(machine, filter, _)| async move {
            match machine_events(machine, filter).await {
                Err(error) if error.kind() != ProblemKind::Invalid => Err(error),
                answer => Ok(answer),
            }
        },
    );
    let title = move || format!("Events on {}", machine.get());
    let crumbs = move || {
        let (environment, machine) = (environment.get(), machine.get());
        let path = vec![
            Crumb::new(urls::ADMIN_ENVIRONMENTS, "Environments"),
            Crumb::new(urls::admin_environment(&environment), environment.clone()),
            Crumb::new(urls::admin_machine(&environment, &machine), machine.clone()),
        ];
        view! { <Crumbs path/> }
    };
    let metrics = move || urls::admin_machine_metrics(environment.get(), machine.get());
    view! {
        <Title text=title/>
        {crumbs}
        <div class="heading"><h2>{title}</h2><div class="actions"><a class="button button-small" href=metrics>"Metrics"</a></div></div>
        <EventForm path filter/>
        {loaded(data, move |found| {
            if let Ok(found) = &found {
                pulse.watch(format!("machine:{}", found.machine_id));
            }
            view! { <Timeline path=path.get() filter=filter.get() events=found.map(|found| found.events) of_machine=true/> }
        })}
    }
    .into_any()
}
