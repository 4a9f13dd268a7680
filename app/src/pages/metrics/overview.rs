//! What everything uses, side by side: for each service and each machine the last hour in small pictures of the same size, who uses most first if one
//! wants. Hundreds of them stay light: rows are HTML that is written at once, and the browser draws those that are on screen.

use std::fmt::Write as _;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Form;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;
use model::metrics::{Order, OverviewQuery};
use model::problem::{FieldError, Problem, ProblemKind};
use model::views::metrics::{Column, MachineUse, OverviewView, ServiceUse, Unit, UseView};

use super::asked::refused;
use crate::api::ApiError;
use crate::api::metrics::overview_metrics;
use crate::boot::boot;
use crate::components::log_row::escaped;
use crate::components::{Empty, Notice, TextField, Tone, sentence, shown, spark};
use crate::page::loaded;
use crate::urls;

/// What was asked, and what was read.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Found {
    query: OverviewQuery,
    view: Result<OverviewView, Problem>,
}

/// What an address asks for, or what of it cannot be.
fn asked(params: &ParamsMap) -> Result<OverviewQuery, FieldError> {
    let mut query = OverviewQuery::default();
    for name in ["sort", "search", "after", "limit"] {
        query.take(name, &params.get(name).unwrap_or_default())?;
    }
    Ok(query)
}

/// The page.
#[component]
pub(crate) fn Overview() -> impl IntoView {
    let map = use_query_map();
    let data = Resource::new(move || map.with(asked), read);
    view! {
        <Title text="Monitoring"/>
        <div class="heading"><h1>"Monitoring"</h1></div>
        {loaded(data, |found| view! { <Page found/> })}
    }
    .into_any()
}

async fn read(asked: Result<OverviewQuery, FieldError>) -> Result<Found, ApiError> {
    let query = match asked {
        Ok(query) => query,
        Err(wrong) => return Ok(Found { query: OverviewQuery::default(), view: Err(refused(wrong)) }),
    };
    match overview_metrics(query.clone()).await {
        Ok(view) => Ok(Found { query, view: Ok(view) }),
        Err(error) if error.kind() == ProblemKind::Invalid => Ok(Found { query, view: Err(error.0) }),
        Err(error) => Err(error),
    }
}

/// The address of a part of the overview.
fn address(path: &str, order: Order, search: &str, after: Option<u32>) -> String {
    let sort = if order == Order::Name { "" } else { order.as_str() };
    urls::asking(path, &[("sort", sort), ("search", search), ("after", &after.map(|after| after.to_string()).unwrap_or_default())])
}

#[component]
fn Page(found: Found) -> impl IntoView {
    let Found { query, view } = found;
    let order = query.order();
    let sorts = [(Order::Name, "Name"), (Order::Cpu, "CPU"), (Order::Memory, "Memory"), (Order::Network, "Network")]
        .map(|(sort, name)| {
            let current = (sort == order).then_some("page");
            view! { <a href=address(urls::OVERVIEW, sort, &query.search, None) aria-current=current>{name}</a> }
        })
        .into_iter()
        .collect_view();
    let shown = match view {
        Err(problem) => view! { <Notice tone=Tone::Warn title=sentence(&problem.detail)><p>"Choose an order above."</p></Notice> }.into_any(),
        Ok(view) if view.total == 0 && view.machines.is_empty() && query.search.is_empty() => view! {
            <section class="panel">
                <Empty title="You see no services yet">
                    <p>"What services use appears here once one of your projects runs something."</p>
                    <p><a class="button button-primary" href=urls::PROJECTS>"To your projects"</a></p>
                </Empty>
            </section>
        }
        .into_any(),
        Ok(view) => view! { <Uses query=query.clone() found=view/> }.into_any(),
    };
    let search = query.search.clone();
    let file = address(urls::OVERVIEW_DOWNLOAD, order, &search, query.after);
    view! {
        <div class="chart-tools">
            <nav class="segments" aria-label="Order">{sorts}</nav>
            <span class="actions"><a class="button" href=file rel="external" download="">"CSV"</a></span>
        </div>
        <Form method="GET" action=urls::OVERVIEW attr:class="filter" attr:role="search">
            {(order != Order::Name).then(|| view! { <input type="hidden" name="sort" value=order.as_str()/> })}
            <TextField name="search" label="Project or service" kind="search" value=search/>
            <button type="submit" class="button">"Filter"</button>
        </Form>
        <p class="small muted">"The last hour; each line is as high as its own peak, which stands below its number of now."</p>
        {shown}
    }
    .into_any()
}

#[component]
fn Uses(query: OverviewQuery, found: OverviewView) -> impl IntoView {
    let (order, after, search) = (query.order(), query.after.unwrap_or(0), query.search.clone());
    let (total, next, count) = (found.total, found.next, found.services.len());
    let machines = !found.machines.is_empty();
    let view = RwSignal::new(found);
    follow(query, view);
    let operator = boot().me.is_some_and(|me| me.operator);
    let said = if count as u32 == total { format!("{total}") } else { format!("{} to {} of {total}", after + 1, after as usize + count) };
    view! {
        {machines.then(|| view! {
            <section class="panel">
                <header><h2>"Machines"</h2></header>
                {head()}
                <ol class="uses" inner_html=move || view.with(|view| machine_rows(&view.machines))></ol>
            </section>
        })}
        <section class="panel">
            <header><h2>"Services"</h2><span class="count">{said}</span></header>
            {if total == 0 && !search.is_empty() {
                let all = address(urls::OVERVIEW, order, "", None);
                view! { <Empty title="No service is called like this"><p><a href=all>"Show all services"</a></p></Empty> }.into_any()
            } else if total == 0 {
                let hint = if operator { "Make a project and deploy something." } else { "Services of your projects appear here." };
                view! { <Empty title="No services yet"><p>{hint}</p></Empty> }.into_any()
            } else {
                view! { {head()}<ol class="uses" inner_html=move || view.with(|view| service_rows(&view.services))></ol> }.into_any()
            }}
            {next.map(|next| view! { <footer><a href=address(urls::OVERVIEW, order, &search, Some(next))>"More services"</a></footer> })}
        </section>
    }
    .into_any()
}

/// What the columns are; each figure says it again where they stand below each other.
fn head() -> AnyView {
    view! { <div class="use use-head" aria-hidden="true"><span>"Name"</span><span>"CPU"</span><span>"Memory"</span><span>"Network in"</span><span>"Network out"</span></div> }
        .into_any()
}

/// Services as rows.
fn service_rows(services: &[ServiceUse]) -> String {
    let mut html = String::with_capacity(services.len() * 1600);
    for row in services {
        let environment = row.environment.as_ref().map_or("", |name| name.as_str());
        let href = urls::asking(urls::service_page(&row.project, &row.service, "metrics"), &[("environment", environment)]);
        let beside = match (environment, row.tasks) {
            ("", _) => String::from("not running"),
            (place, 1) => format!("{place}, 1 task"),
            (place, tasks) => format!("{place}, {tasks} tasks"),
        };
        use_row(&mut html, &href, &format!("{}/{}", row.project, row.service), &beside, &row.usage);
    }
    html
}

/// Machines as rows.
fn machine_rows(machines: &[MachineUse]) -> String {
    let mut html = String::new();
    for row in machines {
        let href = urls::admin_machine_metrics(&row.environment, &row.machine);
        use_row(&mut html, &href, row.machine.as_str(), row.environment.as_str(), &row.usage);
    }
    html
}

fn use_row(html: &mut String, href: &str, name: &str, beside: &str, usage: &UseView) {
    let _ = write!(
        html,
        "<li class=\"use\"><span class=\"use-name\"><a href=\"{}\">{}</a> <span class=\"faint small\">{}</span></span>",
        escaped(href),
        escaped(name),
        escaped(beside)
    );
    let figures = [
        ("CPU", Unit::Cores, &usage.cpu, usage.now.and_then(|now| now.cpu)),
        ("Memory", Unit::Bytes, &usage.memory, usage.now.and_then(|now| now.memory)),
        ("Network in", Unit::BytesPerSecond, &usage.received, usage.now.and_then(|now| now.received)),
        ("Network out", Unit::BytesPerSecond, &usage.sent, usage.now.and_then(|now| now.sent)),
    ];
    for (label, unit, column, now) in figures {
        figure(html, label, unit, column, now, &peak(unit, column));
    }
    html.push_str("</li>");
}

/// How high a picture is.
fn peak(unit: Unit, column: &Column) -> String {
    let most = column.iter().flatten().copied().fold(0.0, f64::max);
    let text = shown(unit, most);
    // Its unit stands above; narrow columns have no room for it twice.
    let text = text.trim_end_matches(" cores").trim_end_matches(" core");
    if most > 0.0 { format!("<span class=\"use-peak\">peak {text}</span>") } else { String::new() }
}

/// One figure: its name, its last hour, its number of now, and what stands below that.
pub(super) fn figure(html: &mut String, label: &str, unit: Unit, column: &Column, now: Option<f64>, below: &str) {
    let value = now.map_or_else(|| String::from("\u{2013}"), |now| shown(unit, now));
    let path = spark(column);
    let picture = if path.is_empty() {
        String::new()
    } else {
        format!("<svg class=\"spark\" viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>")
    };
    let _ = write!(
        html,
        "<span class=\"use-figure\"><span class=\"use-label\">{label}</span>{picture}<span class=\"use-number\"><b>{value}</b>{below}</span></span>"
    );
}

#[cfg(not(feature = "hydrate"))]
fn follow(_query: OverviewQuery, _view: RwSignal<OverviewView>) {}

/// Reads it again when there are newer samples, about once a minute: a point stands for two.
#[cfg(feature = "hydrate")]
fn follow(query: OverviewQuery, view: RwSignal<OverviewView>) {
    super::on_samples(60_000.0, move || {
        let query = query.clone();
        leptos::task::spawn_local(async move {
            if let Ok(found) = overview_metrics(query).await {
                _ = view.try_set(found);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use model::views::metrics::NowView;

    use super::*;

    fn row(number: u32) -> ServiceUse {
        let column = |from: f64| (0..30).map(|place| Some(from + f64::from(place * 7 % 13))).collect();
        let now = NowView { cpu: Some(0.25), memory: Some(64.0 * 1024.0 * 1024.0), received: Some(1024.0), sent: None };
        ServiceUse {
            id: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id"),
            project: "shop".parse().expect("a name"),
            service: format!("web-{number}").parse().expect("a name"),
            environment: Some("local".parse().expect("a name")),
            environment_id: None,
            tasks: 1,
            usage: UseView { cpu: column(1.0), memory: column(1e6), received: column(50.0), sent: column(0.0), now: Some(now) },
        }
    }

    #[test]
    fn a_row_says_whose_it_is_and_what_is_used() {
        let html = service_rows(&[row(1)]);
        assert!(html.contains("href=\"/projects/shop/services/web-1/metrics?environment=local\""), "{html}");
        assert!(html.contains(">shop/web-1</a>") && html.contains("local, 1 task"));
        assert!(html.contains("<b>0.25 cores</b>") && html.contains("<b>64.0 MiB</b>") && html.contains("<b>1.0 KiB/s</b>"));
        assert_eq!(html.matches("<svg").count(), 4);
        assert!(html.contains(">peak 13</span>") && html.contains(">peak 62 B/s</span>"), "noise is not taken for load: {html}");
        let idle = ServiceUse { environment: None, tasks: 0, usage: UseView::default(), ..row(2) };
        let html = service_rows(&[idle]);
        assert!(html.contains("not running") && !html.contains("<svg"), "{html}");
    }

    #[test]
    fn five_hundred_services_make_a_page_that_is_no_burden() {
        let rows: Vec<ServiceUse> = (0..500).map(row).collect();
        let html = service_rows(&rows);
        assert_eq!(html.matches("class=\"use\"").count(), 500);
        assert!(html.len() < 1_500_000, "{} bytes", html.len());
    }

    #[test]
    fn an_address_says_order_and_part() {
        assert_eq!(address("/overview", Order::Name, "", None), "/overview");
        assert_eq!(address("/overview", Order::Memory, "shop/w", Some(500)), "/overview?sort=memory&search=shop%2Fw&after=500");
    }
}
