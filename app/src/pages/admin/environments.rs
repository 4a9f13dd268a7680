//! Where things run, and how the engines there do.

use leptos::prelude::*;
use model::views::environments::{EnvironmentView, MachineState, MachineView};

use crate::api::environments::list_environments;
use crate::components::{Ago, Badge, Command, Empty, Notice, Tone, bytes};
use crate::live::Pulse;
use crate::page::loaded;
use crate::pages::states;
use crate::urls;

/// The environments.
#[component]
pub(crate) fn Environments() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| list_environments());
    loaded(data, move |environments| {
        for environment in &environments {
            pulse.watch(format!("environment:{}", environment.id));
        }
        let all = environments.into_iter().map(|environment| view! { <Environment environment/> }).collect_view();
        view! { {all}<p class="small"><a href=urls::ADMIN_IMPORT>"Import a container that something else made"</a></p> }
    })
}

#[component]
fn Environment(environment: EnvironmentView) -> impl IntoView {
    let (tone, text) = states::machine(environment.state);
    let none = environment.machines.is_empty();
    let rows = environment.machines.into_iter().map(|machine| view! { <Row machine/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>{environment.name.to_string()}</h2><Badge tone text/></header>
            {environment.message.map(|message| view! {
                <div class="panel-body">
                    <Notice tone=Tone::Bad title="No engine answers here">
                        <p>{message}</p>
                        <p>"What runs goes on; deployments wait or fail until it answers. Look whether the engine is up:"</p>
                    </Notice>
                    <Command text="docker version"/>
                </div>
            })}
            <div class="panel-body">
                <dl class="facts">
                    {(!environment.description.is_empty()).then(|| view! { <dt>"What it is for"</dt><dd>{environment.description.clone()}</dd> })}
                    {environment.registry_address.map(|address| view! { <dt>"Pulls from"</dt><dd><code>{address}</code></dd> })}
                </dl>
            </div>
            {if none {
                view! { <Empty title="No machines"><p>"An environment needs a machine with a Docker Engine."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Machine"</th><th scope="col">"Engine"</th><th scope="col">"Version"</th><th scope="col">"Size"</th>
                            <th scope="col">"Ports"</th><th scope="col" class="number">"Tasks"</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Row(machine: MachineView) -> impl IntoView {
    let (tone, text) = states::machine(machine.state);
    let version = match (&machine.version, &machine.api_version) {
        (Some(version), Some(api)) => format!("{version} (API {api})"),
        (Some(version), None) => version.clone(),
        (None, _) => String::new(),
    };
    let size = match (machine.cpus, machine.memory) {
        (Some(cpus), Some(memory)) => format!("{cpus} CPUs, {}", bytes(u64::try_from(memory).unwrap_or(0))),
        _ => String::new(),
    };
    let message = machine.message.filter(|_| machine.state == MachineState::Away);
    view! {
        <tr>
            <td data-label="Machine" class="table-main">{machine.name.to_string()}" "<span class="faint small">{machine.host.clone()}</span></td>
            <td data-label="Engine">
                <span class="row">
                    <Badge tone text/>
                    {machine.since.map(|at| view! { <span class="small muted">"since "<Ago at/></span> })}
                    {machine.engine.map(|engine| view! { <code class="small">{engine}</code> })}
                    {message.map(|message| view! { <span class="small break">{message}</span> })}
                </span>
            </td>
            <td data-label="Version">{version}</td>
            <td data-label="Size">{size}</td>
            <td data-label="Ports">{format!("{}-{}", machine.ports.0, machine.ports.1)}</td>
            <td data-label="Tasks" class="number">{machine.tasks}</td>
        </tr>
    }
    .into_any()
}
