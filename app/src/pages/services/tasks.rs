//! A service's tasks in a list.

use leptos::prelude::*;
use model::access::Action;
use model::views::services::{ServiceDetail, TaskView};

use crate::components::{Ago, Badge, Tone, bytes};
use crate::pages::states;
use crate::urls;

/// Tasks as a table; those that live come first.
#[component]
pub(super) fn TaskTable(service: ServiceDetail, tasks: Vec<TaskView>) -> impl IntoView {
    if tasks.is_empty() {
        return view! { <p class="panel-body muted">"No task runs."</p> }.into_any();
    }
    let rows = tasks.into_iter().map(|task| view! { <Row service=service.clone() task/> }).collect_view();
    view! {
        <table class="table tasks">
            <thead><tr>
                <th scope="col">"Task"</th><th scope="col">"State"</th><th scope="col">"Revision"</th><th scope="col">"Ports"</th><th scope="col">"Since"</th>
                <th scope="col"><span class="visually-hidden">"Look inside"</span></th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

#[component]
fn Row(service: ServiceDetail, task: TaskView) -> impl IntoView {
    let (tone, text) = states::task(&task);
    let page = |page: &str| format!("{}?task={}", urls::service_page(&service.project, &service.name, page), task.id);
    let ports: Vec<_> = task
        .ports
        .iter()
        .map(|port| {
            let said = format!(":{} \u{2192} {}", port.host, port.container);
            let title = format!("{}: {}:{} of the machine is {} of the task, {}", port.name, task.host, port.host, port.container, port.protocol);
            if task.state.is_final() {
                return view! { <span class="chip faint" title=title>{said}</span> }.into_any();
            }
            match port.protocol {
                model::descriptor::Protocol::Tcp => {
                    let host = if task.host.contains(':') { format!("[{}]", task.host) } else { task.host.clone() };
                    let href = format!("http://{host}:{}/", port.host);
                    view! { <a class="chip" href=href rel="external noopener" target="_blank" title=title>{said}</a>" " }.into_any()
                }
                model::descriptor::Protocol::Udp => view! { <span class="chip" title=title>{said}" udp"</span>" " }.into_any(),
            }
        })
        .collect();
    let why = task.reason.as_ref().map(|reason| view! { <span class="small muted break">{reason.message.clone()}</span> });
    let drift: Vec<_> = task
        .drift
        .iter()
        .map(|found| {
            let said = format!("{}: {}, ordered {}", found.what, readable(&found.found), readable(&found.ordered));
            view! { <span class="small break">{said}</span> }
        })
        .collect();
    let drift = (!drift.is_empty()).then(|| view! { <Badge tone=Tone::Warn text="Changed from outside"/>{drift} });
    let restarts = (task.restarts > 0).then(|| view! { <span class="small muted">{format!("restarted {} times", task.restarts)}</span> });
    let since = task.ended_at.or(task.started_at).unwrap_or(task.created_at);
    // Where a machine is called like its environment there is nothing to add.
    let named = task.machine.as_str() != task.environment.as_str();
    let machine = named.then(|| view! { <span class="small faint table-side">{format!("on {}", task.machine)}</span> });
    let lives = !task.state.is_final();
    view! {
        <tr>
            <td data-label="Task" class="table-main nowrap"><span>{format!("{}.{}", service.name, task.slot)}{machine}</span></td>
            <td data-label="State"><span class="row"><Badge tone text/>{restarts}{why}{drift}</span></td>
            <td data-label="Revision">{task.revision}</td>
            <td data-label="Ports">{(!ports.is_empty()).then(|| view! { <span>{ports}</span> })}</td>
            <td data-label="Since" class="nowrap"><Ago at=since/></td>
            <td class="end">
                <span class="actions">
                    <a class="button button-small" href=page("logs")>"Logs"</a>
                    {(lives && service.may(Action::OpenShell)).then(|| view! { <a class="button button-small" href=page("shell")>"Shell"</a> })}
                    {lives.then(|| view! { <a class="button button-small" href=page("inspect")>"Inspect"</a> })}
                </span>
            </td>
        </tr>
    }
    .into_any()
}

/// A size as people read it; anything else as it is.
fn readable(value: &str) -> String {
    let count = value.strip_suffix(" bytes").and_then(|count| count.parse::<u64>().ok());
    count.map_or_else(|| value.to_owned(), bytes)
}
