//! What a service uses: charts of its tasks in one environment.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use model::problem::{Problem, ProblemKind};
use model::views::metrics::MetricsView;
use model::views::services::ServiceDetail;

use super::{Undeployed, current};
use crate::api::ApiError;
use crate::api::services::get_service;
use crate::components::{Empty, Notice, Tone, sentence};
use crate::page::loaded;
use crate::pages::metrics::{Asked, Charts, Source, Tools, told, troubled};
use crate::urls;

/// What was read.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Found {
    service: ServiceDetail,
    asked: Asked,
    /// None: it was never deployed, and nobody knows where to look.
    view: Option<Result<MetricsView, Problem>>,
}

/// The page.
#[component]
pub(crate) fn Metrics() -> impl IntoView {
    let service = current();
    let map = use_query_map();
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), map.with(Asked::read)),
        |(project, name, asked)| read(project, name, asked),
    );
    loaded(data, |found| view! { <Page found/> })
}

async fn read(project: String, name: String, mut asked: Asked) -> Result<Found, ApiError> {
    let service = get_service(project.clone(), name.clone()).await?;
    let wanted = asked.query.environment.as_ref().map_or("", |name| name.as_str());
    if let Some(run) = super::chosen(&service, wanted) {
        asked.query.environment = Some(run.summary.environment.clone());
    }
    let view = match Source::Service(project, name).read(asked.query.clone()).await {
        Ok(view) => Some(told(&asked, Ok(view))),
        Err(error) if error.kind() == ProblemKind::Invalid && service.runs.is_empty() && error.field("environment").is_some() => None,
        Err(error) if error.kind() == ProblemKind::Invalid => Some(told(&asked, Err(error.0))),
        Err(error) => return Err(error),
    };
    Ok(Found { service, asked, view })
}

#[component]
fn Page(found: Found) -> impl IntoView {
    let Found { service, asked, view } = found;
    let title = view! { <Title text=format!("Metrics of {}", service.name)/> };
    let path = urls::service_page(&service.project, &service.name, "metrics");
    let source = Source::Service(service.project.to_string(), service.name.to_string());
    let never = service.runs.is_empty();
    let Some(view) = view.filter(|view| !(never && view.as_ref().is_ok_and(MetricsView::is_empty))) else {
        let (what, when) = ("Nothing was measured yet", "What its tasks use appears here, some seconds after the first deployment.");
        return view! { {title} <Undeployed service what when/> }.into_any();
    };
    let names: Vec<_> = service.runs.iter().map(|run| run.summary.environment.clone()).collect();
    let shown = asked.query.environment.clone();
    let page = asked.anywhere().at(&path);
    let choice = shown.map(|shown| view! { <super::EnvironmentChoice names shown page/> });
    let tools = view! { <Tools source=source.clone() asked=asked.clone() path=path.clone()/> };
    let charts = match view {
        Err(problem) => view! { <Notice tone=Tone::Warn title=sentence(&problem.detail)><p>"Choose another time above."</p></Notice> }.into_any(),
        Ok(view) if view.is_empty() => view! {
            {troubled(&view.problems)}
            <section class="panel">
                <Empty title="Nothing was measured in this time">
                    <p>"What its tasks use is sampled every ten seconds while they run. Choose a longer time above, or see what its tasks do."</p>
                    <p><a class="button" href=urls::service(&service.project, &service.name)>"To its tasks"</a></p>
                </Empty>
            </section>
        }
        .into_any(),
        Ok(view) => view! { <Charts source asked path found=view/> }.into_any(),
    };
    view! { {title}{choice}{tools}{charts} }.into_any()
}
