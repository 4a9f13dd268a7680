//! Where a service's tasks are, as proxies and collectors are told at `/discovery`, and what each of those is given to ask there.

use leptos::prelude::*;
use leptos_meta::Title;
use model::access::Action;
use model::views::discovery::{DiscoveredService, DiscoveredTask, Standing};
use model::views::services::{RunView, ServiceDetail, TaskState, TaskView};

mod ready;

use self::ready::Ready;
use super::{EnvironmentChoice, chosen, current};
use crate::api::discovery::discovered;
use crate::boot::boot;
use crate::components::{Badge, Command, Empty, Tone};
use crate::live::Pulse;
use crate::page::{loaded_in, query};
use crate::pages::states;
use crate::urls;

/// The page.
#[component]
pub(crate) fn Discovery() -> impl IntoView {
    let service = current();
    let environment = query("environment");
    // Beats when the environment changes: the addresses are those of its machines.
    let place = Pulse::new();
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), service.pulse.track(), place.track()),
        |(project, name, _, _)| discovered(project, name),
    );
    view! {
        <Title text=move || format!("Discovery of {}", service.name.get())/>
        {loaded_in(service.view, data, move |service, found| {
            let run = chosen(&service, &environment.get()).cloned();
            match run {
                Some(run) => {
                    place.watch(format!("environment:{}", run.environment_id));
                    view! { <Chosen service run found/> }.into_any()
                }
                None => view! { <Undeployed service/> }.into_any(),
            }
        })}
    }
    .into_any()
}

/// What is told of the service in one environment.
#[component]
fn Chosen(service: ServiceDetail, run: RunView, found: Vec<DiscoveredService>) -> impl IntoView {
    let names = service.runs.iter().map(|run| run.summary.environment.clone()).collect();
    let shown = run.summary.environment.clone();
    let page = urls::service_page(&service.project, &service.name, "discovery");
    let told = found.into_iter().find(|one| one.environment == shown);
    let inside = match told {
        Some(told) => view! { <Targets service=service.clone() run told=told.clone()/><Asking service told/> }.into_any(),
        None if run.is_job() => view! {
            <section class="panel"><Empty title="A job is not told"><p>"Its tasks end by themselves: there is nothing that requests could be sent to."</p></Empty></section>
        }
        .into_any(),
        None => view! { <Undeployed service/> }.into_any(),
    };
    view! { <EnvironmentChoice names shown page/>{inside} }.into_any()
}

/// Nothing was deployed, so there is nothing to be found.
#[component]
fn Undeployed(service: ServiceDetail) -> impl IntoView {
    let deploy = service.may(Action::Deploy).then(
        || view! { <p><a class="button button-primary" href=urls::service_page(&service.project, &service.name, "deploy")>"Deploy it"</a></p> },
    );
    view! {
        <section class="panel">
            <Empty title="Nothing to be found yet">
                <p>"Where its tasks are stands here from the first deployment on, for people and for proxies."</p>
                {deploy}
            </Empty>
        </section>
    }
    .into_any()
}

/// How a task stands: whoever sends requests is told so.
fn standing(task: &DiscoveredTask, known: &[TaskView]) -> (Tone, &'static str) {
    let known = known.iter().find(|view| view.id == task.id && view.state == TaskState::Running);
    match task.state {
        Standing::Draining => (Tone::Busy, "Draining"),
        Standing::Serving => known.map_or((Tone::Ok, "Serving"), states::task),
    }
}

/// The addresses that are told.
#[component]
fn Targets(service: ServiceDetail, run: RunView, told: DiscoveredService) -> impl IntoView {
    let living = run.tasks.iter().filter(|task| !task.state.is_final());
    let untold = living.filter(|task| told.tasks.iter().all(|one| one.id != task.id)).count();
    let serving = told.tasks.iter().filter(|task| task.state == Standing::Serving).count();
    let no_port = told.tasks.iter().all(|task| task.ports.is_empty());
    let none = told.tasks.is_empty();
    let more = (untold > 0).then(|| {
        let said = if untold == 1 { String::from("1 more task is not told") } else { format!("{untold} more tasks are not told") };
        let overview = urls::asking(urls::service(&service.project, &service.name), &[("environment", run.summary.environment.as_str())]);
        view! { <footer>{said}": only those that run, and are healthy where there is a check. "<a href=overview>"All tasks"</a></footer> }
    });
    let rows = told
        .tasks
        .iter()
        .map(|task| {
            let (tone, text) = standing(task, &run.tasks);
            view! { <Addresses name=format!("{}.{}", told.service, task.slot) task=task.clone() tone text/> }
        })
        .collect_view();
    let inside = if none {
        view! { <Empty title="Nothing serves at the moment"><p>"Tasks stand here as soon as they run and, where there is a check, are healthy."</p></Empty> }.into_any()
    } else if no_port {
        view! { <Empty title="No port is published"><p>"Its tasks serve, and nobody outside reaches them: name a port in the next deployment."</p></Empty> }
            .into_any()
    } else {
        view! {
            <table class="table">
                <thead><tr>
                    <th scope="col">"Address"</th><th scope="col">"Port"</th><th scope="col">"Task"</th><th scope="col">"Machine"</th><th scope="col">"State"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        }
        .into_any()
    };
    view! {
        <section class="panel">
            <header><h2>"Targets "<span class="count">{serving}</span></h2></header>
            {inside}
            {more}
        </section>
    }
    .into_any()
}

/// A task's addresses, a row for each port.
#[component]
fn Addresses(name: String, task: DiscoveredTask, tone: Tone, text: &'static str) -> impl IntoView {
    let machine = task.machine.to_string();
    task.ports
        .into_iter()
        .map(|port| {
            let inside = port.container_address.map(|address| format!("{address} in the project's network"));
            view! {
                <tr>
                    <td data-label="Address" class="table-main"><code title=inside>{port.address}</code></td>
                    <td data-label="Port">{port.name}" "<span class="small muted">{port.protocol.to_string()}</span></td>
                    <td data-label="Task" class="nowrap">{name.clone()}</td>
                    <td data-label="Machine">{machine.clone()}</td>
                    <td data-label="State"><Badge tone text/></td>
                </tr>
            }
        })
        .collect_view()
        .into_any()
}

/// Who is told, and by which lines each consumer asks.
#[component]
fn Asking(service: ServiceDetail, told: DiscoveredService) -> impl IntoView {
    let ready = Ready::of(&boot().public_url, &told);
    let routes: Vec<String> = told.routes.iter().map(|route| format!("{}{}", route.host, route.path)).collect();
    let routes = if routes.is_empty() {
        String::from("It has no routes, so Traefik is told nothing of it: write routes with host and port into its descriptor.")
    } else {
        format!("A router and a service for each of its routes: {}.", routes.join(", "))
    };
    let upstreams = if told.tcp_ports.is_empty() {
        "It publishes no TCP port, so there is no upstream. Fetch the file again at each change, then reload nginx."
    } else {
        "An upstream for each TCP port. Fetch the file again at each change, then reload nginx. The documentation has a watcher that does both."
    };
    view! {
        <Token service/>
        <Consumer title="nginx" about=upstreams.to_owned() url=ready.nginx_url text=ready.nginx/>
        <Consumer title="Traefik" about=routes url=ready.traefik_url text=ready.traefik/>
        <Consumer title="Prometheus" about="Each TCP port of each task, or the one that the descriptor's metrics name.".to_owned()
            url=ready.prometheus_url text=ready.prometheus/>
        <Consumer title="Programs" about="Everything that is known, as JSON.".to_owned() url=ready.services_url text=ready.services/>
    }
    .into_any()
}

/// By what whoever asks is known.
#[component]
fn Token(service: ServiceDetail) -> impl IntoView {
    let robots = if service.may(Action::ManageRobots) {
        view! { <a href=urls::project_page(&service.project, "robots")>"Robots of this project"</a> }.into_any()
    } else {
        "Admins of the project make one.".into_any()
    };
    view! {
        <section class="panel">
            <header><h2>"Who asks"</h2></header>
            <div class="panel-body">
                <p>"Whoever asks needs a robot of this project with the scope "<code class="inline">"discovery"</code>
                    ": it reads where services are, and nothing else. "{robots}</p>
                <p class="muted">"Below, "<code class="inline">"TOKEN"</code>" is its secret, and "<code class="inline">"$AUTHORIZATION"</code>
                    " a file that only its user can read, with the line "<code class="inline">"Authorization: Bearer TOKEN"</code>"."</p>
            </div>
        </section>
    }
    .into_any()
}

/// One consumer: its address, and what is written where it is configured.
#[component]
fn Consumer(title: &'static str, about: String, url: String, text: String) -> impl IntoView {
    view! {
        <section class="panel">
            <header><h2>{title}</h2></header>
            <div class="panel-body">
                <p class="muted">{about}</p>
                <Command what=format!("{title} URL") text=url/>
                <Command what=format!("{title} lines") text/>
            </div>
        </section>
    }
    .into_any()
}
