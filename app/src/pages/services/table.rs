//! Services in a list, with how they do.

use leptos::prelude::*;
use model::views::services::ServiceSummary;

use crate::components::{Ago, Badge, Tone};
use crate::pages::states;
use crate::urls;

/// Services as a table.
#[component]
pub(in crate::pages) fn ServiceTable(
    /// The services.
    services: Vec<ServiceSummary>,
    /// Whether to name the project of each.
    #[prop(optional)]
    with_project: bool,
) -> impl IntoView {
    let rows = services.into_iter().map(|service| view! { <Row service with_project/> }).collect_view();
    view! {
        <table class="table">
            <thead><tr>
                <th scope="col">"Service"</th><th scope="col">"State"</th><th scope="col">"Image"</th><th scope="col">"Changed"</th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

#[component]
fn Row(service: ServiceSummary, with_project: bool) -> impl IntoView {
    let href = urls::service(&service.project, &service.name);
    let several = service.runs.len() > 1;
    let state: Vec<_> = service
        .runs
        .iter()
        .map(|run| {
            let (tone, text) = states::service(run);
            let place = if several { format!("{} in {}", states::tasks_of(run), run.environment) } else { states::tasks_of(run) };
            let crashes = run.crash_loop.then(|| view! { <Badge tone=Tone::Bad text="Crash loop"/> });
            view! { <span class="row-tight"><Badge tone text/>{crashes}<span class="muted small">{place}</span></span>" " }
        })
        .collect();
    let images: Vec<_> =
        service.runs.iter().filter_map(|run| run.image.clone()).map(|image| view! { <span class="chip">{image}</span>" " }).collect();
    let changed = service.runs.iter().map(|run| run.updated_at).max().unwrap_or(service.created_at);
    let project = with_project.then(|| view! { <span class="faint">{format!("{} / ", service.project)}</span> });
    view! {
        <tr>
            <td data-label="Service" class="table-main"><span>{project}<a href=href>{service.name.to_string()}</a></span></td>
            <td data-label="State">{if state.is_empty() { view! { <span class="muted">"nothing deployed yet"</span> }.into_any() } else { view! { <span>{state}</span> }.into_any() }}</td>
            <td data-label="Image">{(!images.is_empty()).then(|| view! { <span>{images}</span> })}</td>
            <td data-label="Changed"><Ago at=changed/></td>
        </tr>
    }
    .into_any()
}
