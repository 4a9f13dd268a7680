//! What operators do with environments: the list, and the pages of one and of its machines below.

mod events;
mod images;
mod machine;
mod one;

use leptos::prelude::*;
use model::views::environments::EnvironmentView;
use model::views::metrics::MachineUse;

pub(crate) use events::Events;
pub(crate) use images::Images;
pub(crate) use machine::Machine;
pub(crate) use one::Environment;

use crate::api::ApiError;
use crate::api::environments::list_managed;
use crate::api::metrics::machine_uses;
use crate::components::{Badge, Notice, Tone, sentence};
use crate::live::Pulse;
use crate::page::loaded;
use crate::pages::environments::Machines;
use crate::pages::metrics::followed;
use crate::pages::states;
use crate::urls;

/// The environments.
#[component]
pub(crate) fn Environments() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| read());
    view! {
        <div class="row">
            <p class="muted">"An environment is where projects deploy to: one machine with a Docker Engine, or several."</p>
            <span class="actions"><a class="button button-primary" href=urls::admin_environment("new")>"New environment"</a></span>
        </div>
        {loaded(data, move |(environments, uses)| {
            for environment in &environments {
                pulse.watch(format!("environment:{}", environment.id));
            }
            view! { <Panels environments uses/> }
        })}
        <p class="small"><a href=urls::ADMIN_IMPORT>"Import a container that something else made"</a></p>
    }
    .into_any()
}

async fn read() -> Result<(Vec<EnvironmentView>, Vec<MachineUse>), ApiError> {
    Ok((list_managed().await?, machine_uses().await?))
}

#[component]
fn Panels(environments: Vec<EnvironmentView>, uses: Vec<MachineUse>) -> impl IntoView {
    let uses = followed(uses);
    environments.into_iter().map(|environment| view! { <Panel environment uses/> }).collect_view().into_any()
}

#[component]
fn Panel(environment: EnvironmentView, uses: RwSignal<Vec<MachineUse>>) -> impl IntoView {
    let (tone, text) = states::environment(&environment);
    let href = urls::admin_environment(&environment.name);
    let granted = match &environment.projects {
        None => String::from("every project"),
        Some(projects) if projects.is_empty() => String::from("no project yet"),
        Some(projects) => projects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    view! {
        <section class="panel">
            <header>
                <h2><a href=href>{environment.name.to_string()}</a></h2><Badge tone text/>
                {environment.protected.then(|| view! { <Badge tone=Tone::Idle text="Protected"/> })}
                {environment.frozen.is_some().then(|| view! { <Badge tone=Tone::Warn text="Frozen"/> })}
            </header>
            {environment.message.map(|message| view! {
                <div class="panel-body">
                    <Notice tone=Tone::Bad title="No engine answers here">
                        <p>{sentence(&message)}</p>
                        <p>"What runs goes on; deployments wait until it answers."</p>
                    </Notice>
                </div>
            })}
            <div class="panel-body">
                <dl class="facts">
                    {(!environment.description.is_empty()).then(|| view! { <dt>"What it is for"</dt><dd>{environment.description.clone()}</dd> })}
                    {environment.registry_address.map(|address| view! { <dt>"Pulls from"</dt><dd><code>{address}</code></dd> })}
                    <dt>"Open to"</dt><dd>{granted}</dd>
                </dl>
            </div>
            <Machines machines=environment.machines edit=true uses/>
        </section>
    }
    .into_any()
}
