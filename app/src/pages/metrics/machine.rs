//! What a machine uses, for operators.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use model::problem::{Problem, ProblemKind};
use model::views::metrics::MetricsView;

use super::{Asked, Charts, Source, Tools, told};
use crate::api::ApiError;
use crate::components::{Crumb, Crumbs, Empty, Notice, Tone, sentence};
use crate::page::{loaded, param};
use crate::urls;

/// What was asked, and what was read: what is wrong in the address is said beside the choices.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Found {
    environment: String,
    machine: String,
    asked: Asked,
    view: Result<MetricsView, Problem>,
}

/// The page.
#[component]
pub(crate) fn Machine() -> impl IntoView {
    let (environment, machine, map) = (param("environment"), param("machine"), use_query_map());
    let data = Resource::new(
        move || (environment.get(), machine.get(), map.with(Asked::read)),
        |(environment, machine, asked)| read(environment, machine, asked),
    );
    loaded(data, |found| view! { <Page found/> })
}

async fn read(environment: String, machine: String, asked: Asked) -> Result<Found, ApiError> {
    let view = match Source::Machine(machine.clone()).read(asked.query.clone()).await {
        Ok(view) => Ok(view),
        Err(error) if error.kind() == ProblemKind::Invalid => Err(error.0),
        Err(error) => return Err(error),
    };
    let view = told(&asked, view);
    Ok(Found { environment, machine, asked, view })
}

#[component]
fn Page(found: Found) -> impl IntoView {
    let Found { environment, machine, asked, view } = found;
    let path = urls::admin_machine_metrics(&environment, &machine);
    let events = urls::admin_machine_events(&environment, &machine);
    let source = Source::Machine(machine.clone());
    let crumbs = vec![
        Crumb::new(urls::ADMIN_ENVIRONMENTS, "Environments"),
        Crumb::new(urls::admin_environment(&environment), environment.clone()),
        Crumb::new(urls::admin_machine(&environment, &machine), machine.clone()),
    ];
    let tools = view! { <Tools source=source.clone() asked=asked.clone() path=path.clone()/> };
    let shown = match view {
        Err(problem) => view! { <Notice tone=Tone::Warn title=sentence(&problem.detail)><p>"Choose another time above."</p></Notice> }.into_any(),
        Ok(view) if view.is_empty() => view! {
            <section class="panel">
                <Empty title="Nothing was measured in this time">
                    <p>"What a machine uses is sampled every ten seconds while the portal reaches its engine. Choose a longer time above, or see how the machine does."</p>
                    <p><a class="button" href=urls::admin_environment(&environment)>"To its environment"</a></p>
                </Empty>
            </section>
        }
        .into_any(),
        Ok(view) => view! { <Charts source asked path found=view/> }.into_any(),
    };
    view! {
        <Title text=format!("Metrics of {machine}")/>
        <Crumbs path=crumbs/>
        <div class="heading">
            <h2>{format!("Metrics of {machine}")}</h2>
            <div class="actions"><a class="button button-small" href=events>"Events"</a></div>
        </div>
        {tools}
        {shown}
    }
    .into_any()
}
