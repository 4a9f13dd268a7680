//! Where things run: the environments that the reader's projects may use, how their engines do, and what runs there.

use leptos::prelude::*;
use leptos_meta::Title;
use model::names::EnvironmentName;
use model::problem::Problem;
use model::views::environments::{EnvironmentView, FreezeView, MachineState, MachineView, ResidentView};
use model::views::metrics::MachineUse;

use super::metrics::machine_now;
use super::states;
use crate::api::environments::{get_environment, list_environments};
use crate::boot::boot;
use crate::components::{Ago, Badge, CheckBox, Crumb, Crumbs, Empty, Notice, TextField, Tone, bytes, field_error, sentence};
use crate::live::Pulse;
use crate::page::{loaded, param};
use crate::urls;

/// Stands for what an engine did not tell yet.
const UNKNOWN: &str = "\u{2013}";

/// All of them.
#[component]
pub(crate) fn List() -> impl IntoView {
    let pulse = Pulse::new();
    let data = Resource::new(move || pulse.track(), |_| list_environments());
    let operator = boot().me.is_some_and(|me| me.operator);
    view! {
        <Title text="Environments"/>
        <div class="heading">
            <h1>"Environments"</h1>
            <span class="actions">
                <a class="button" href=urls::RUNNING>"Whose container is it?"</a>
                {operator.then(|| view! { <a class="button" href=urls::ADMIN_ENVIRONMENTS>"Manage"</a> })}
            </span>
        </div>
        {loaded(data, move |environments| {
            for environment in &environments {
                pulse.watch(format!("environment:{}", environment.id));
            }
            view! { <Table environments/> }
        })}
    }
    .into_any()
}

#[component]
fn Table(environments: Vec<EnvironmentView>) -> impl IntoView {
    if environments.is_empty() {
        return view! {
            <section class="panel"><Empty title="No environment is open to you"><p>"An operator grants environments to projects."</p></Empty></section>
        }
        .into_any();
    }
    let rows = environments.into_iter().map(|environment| view! { <Row environment/> }).collect_view();
    view! {
        <section class="panel">
            <table class="table">
                <thead><tr>
                    <th scope="col">"Environment"</th><th scope="col">"State"</th><th scope="col">"Machines"</th><th scope="col">"Deployments there"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

#[component]
fn Row(environment: EnvironmentView) -> impl IntoView {
    let (tone, text) = states::environment(&environment);
    let names = environment.machines.iter().map(|machine| machine.name.to_string()).collect::<Vec<_>>().join(", ");
    let message = environment.message.clone();
    view! {
        <tr>
            <td data-label="Environment" class="table-main">
                <a href=urls::environment(&environment.name)>{environment.name.to_string()}</a>" "
                <span class="faint small">{environment.description.clone()}</span>
            </td>
            <td data-label="State"><span class="row"><Badge tone text/>{message.map(|message| view! { <span class="small muted break">{sentence(&message)}</span> })}</span></td>
            <td data-label="Machines">{if names.is_empty() { String::from("none") } else { names }}</td>
            <td data-label="Deployments there">{approvals(&environment)}</td>
        </tr>
    }
    .into_any()
}

fn approvals(environment: &EnvironmentView) -> &'static str {
    match environment {
        EnvironmentView { frozen: Some(_), .. } => "are frozen",
        EnvironmentView { protected: true, second_person: true, .. } => "wait for somebody else's approval",
        EnvironmentView { protected: true, .. } => "wait for an approval",
        EnvironmentView { .. } => "begin at once",
    }
}

/// An environment is frozen: since when, by whom and why, and what that keeps out.
#[component]
pub(crate) fn Frozen(
    /// Its name.
    environment: String,
    /// The freeze.
    frozen: FreezeView,
) -> impl IntoView {
    view! {
        <Notice tone=Tone::Warn title=format!("{environment} is frozen: {}", frozen.why)>
            <p>
                "By "{frozen.by.clone()}" "<Ago at=frozen.at/>
                ". Nothing is brought there until it ends; what runs can be restarted and stopped. An operator can override it, with a reason."
            </p>
        </Notice>
    }
    .into_any()
}

/// Whether the reader may bring something into these, which are frozen: operators do, with a reason. Of none there is nothing to override.
pub(crate) fn overrides(frozen: &[EnvironmentName]) -> bool {
    !frozen.is_empty() && boot().me.is_some_and(|me| me.operator)
}

/// What an operator ticks to bring something into an environment that is frozen; nothing for others.
#[component]
pub(crate) fn Overriding(
    /// The environments that are meant and are frozen.
    frozen: Vec<EnvironmentName>,
    /// The field's name in the form.
    #[prop(default = "override_freeze")]
    name: &'static str,
) -> impl IntoView {
    overrides(&frozen).then(|| {
        let names = frozen.iter().map(EnvironmentName::as_str).collect::<Vec<_>>().join(", ");
        let label = format!("Override the freeze of {names}");
        view! { <CheckBox name label hint="Say above why: it stays with the deployment and in the audit log."/> }
    })
}

/// Why something is brought, and with it what an operator ticks where that is frozen.
#[component]
pub(crate) fn Why(
    /// The environments that are meant and are frozen.
    frozen: Vec<EnvironmentName>,
    /// Whether others may be meant, which are not.
    #[prop(optional)]
    elsewhere: bool,
    /// Tells it apart from those of other forms on the page.
    #[prop(into)]
    scope: String,
    /// Why the form was refused last.
    refused: Signal<Option<Problem>>,
) -> impl IntoView {
    let needed = overrides(&frozen) && !elsewhere;
    let of_choice = !needed;
    view! {
        <TextField name="why" label="Why" optional=of_choice required=needed scope error=field_error(refused, "why")/>
        <Overriding frozen/>
    }
    .into_any()
}

/// One of them.
#[component]
pub(crate) fn One() -> impl IntoView {
    let name = param("environment");
    let pulse = Pulse::new();
    let data = Resource::new(move || (name.get(), pulse.track()), |(name, _)| get_environment(name));
    loaded(data, move |page| {
        pulse.watch(format!("environment:{}", page.environment.id));
        view! { <Whole environment=page.environment residents=page.residents/> }
    })
}

#[component]
fn Whole(environment: EnvironmentView, residents: Vec<ResidentView>) -> impl IntoView {
    let (tone, text) = states::environment(&environment);
    let name = environment.name.to_string();
    let operator = boot().me.is_some_and(|me| me.operator);
    let manage = urls::admin_environment(&environment.name);
    view! {
        <Title text=name.clone()/>
        <div>
            <Crumbs path=vec![Crumb::new(urls::ENVIRONMENTS, "Environments")]/>
            <div class="heading">
                <h1>{name}</h1>
                <span class="row" role="status"><Badge tone text/></span>
                {operator.then(|| view! { <span class="actions"><a class="button" href=manage>"Manage"</a></span> })}
            </div>
        </div>
        {environment.message.clone().map(|message| view! {
            <Notice tone=Tone::Bad title="No engine answers here">
                <p>{sentence(&message)}</p>
                <p>"What runs goes on; deployments wait until it answers."</p>
            </Notice>
        })}
        {environment.frozen.clone().map(|frozen| view! { <Frozen environment=environment.name.to_string() frozen/> })}
        <section class="panel">
            <header><h2>"Machines"</h2></header>
            <div class="panel-body">
                {(!environment.description.is_empty()).then(|| view! { <p>{environment.description.clone()}</p> })}
                <p class="muted">{format!("Deployments here {}.", approvals(&environment))}</p>
            </div>
            <Machines machines=environment.machines.clone()/>
        </section>
        <Residents environment=environment.name.to_string() residents/>
    }
    .into_any()
}

/// Machines as a table; `edit`: with links to their forms, for operators.
#[component]
pub(super) fn Machines(
    /// The machines.
    machines: Vec<MachineView>,
    /// Whether their names lead to their forms.
    #[prop(optional)]
    edit: bool,
    /// What they use; left out, it is not shown.
    #[prop(optional)]
    uses: Option<RwSignal<Vec<MachineUse>>>,
) -> impl IntoView {
    if machines.is_empty() {
        return view! { <Empty title="No machines"><p>"An environment needs a machine with a Docker Engine."</p></Empty> }.into_any();
    }
    let rows = machines.into_iter().map(|machine| view! { <Machine machine edit uses/> }).collect_view();
    view! {
        <table class="table">
            <thead><tr>
                <th scope="col">"Machine"</th><th scope="col">"Engine"</th><th scope="col">"Version"</th><th scope="col">"Size"</th>
                {uses.map(|_| view! { <th scope="col">"In use"</th> })}
                <th scope="col">"Ports"</th><th scope="col" class="number">"Tasks"</th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

#[component]
fn Machine(machine: MachineView, edit: bool, uses: Option<RwSignal<Vec<MachineUse>>>) -> impl IntoView {
    let (tone, text) = states::machine(machine.state);
    let version = match (&machine.version, &machine.api_version) {
        (Some(version), Some(api)) => format!("{version} (API {api})"),
        (Some(version), None) => version.clone(),
        (None, _) => UNKNOWN.to_owned(),
    };
    let size = match (machine.cpus, machine.memory) {
        (Some(cpus), Some(memory)) => format!("{cpus} CPUs, {}", bytes(u64::try_from(memory).unwrap_or(0))),
        _ => UNKNOWN.to_owned(),
    };
    let message = machine.message.clone().filter(|_| machine.state == MachineState::Away);
    let untested = edit && !machine.configured && machine.tested_at.is_none();
    let name = if edit && !machine.configured {
        let href = urls::admin_machine(&machine.environment, &machine.name);
        view! { <a href=href>{machine.name.to_string()}</a> }.into_any()
    } else {
        machine.name.to_string().into_any()
    };
    let more = edit.then(|| {
        let (environment, name) = (&machine.environment, &machine.name);
        view! {
            " "<a class="small" href=urls::admin_machine_metrics(environment, name)>"Metrics"</a>
            " "<a class="small" href=urls::admin_machine_events(environment, name)>"Events"</a>
            " "<a class="small" href=urls::admin_machine_images(environment, name)>"Images"</a>
        }
    });
    let used = uses.map(|uses| {
        let id = machine.id;
        let figures = move || uses.with(|uses| machine_now(uses.iter().find(|of| of.id == id)));
        view! { <td data-label="In use"><div class="use-now" inner_html=figures></div></td> }
    });
    view! {
        <tr>
            <td data-label="Machine" class="table-main">{name}" "<span class="faint small">{machine.host.clone()}</span>{more}</td>
            <td data-label="Engine">
                <span class="row">
                    <Badge tone text/>
                    {machine.since.map(|at| view! { <span class="small muted">"since "<Ago at/></span> })}
                    {machine.engine.map(|engine| view! { <code class="small">{engine}</code> })}
                    {untested.then(|| view! { <Badge tone=Tone::Warn text="Saved without a test that passed"/> })}
                    {message.map(|message| view! { <span class="small break">{sentence(&message)}</span> })}
                </span>
            </td>
            <td data-label="Version">{version}</td>
            <td data-label="Size">{size}</td>
            {used}
            <td data-label="Ports" class="nowrap">{format!("{}-{}", machine.ports.0, machine.ports.1)}</td>
            <td data-label="Tasks" class="number">{machine.tasks}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Residents(environment: String, residents: Vec<ResidentView>) -> impl IntoView {
    let count = residents.len();
    let none = residents.is_empty();
    let rows = residents
        .into_iter()
        .map(|resident| {
            let (tone, text) = states::service(&resident.run);
            let href = format!("{}?environment={environment}", urls::service(&resident.project, &resident.service));
            let image = resident.run.image.clone().map(|image| view! { <span class="chip">{image}</span> });
            view! {
                <tr>
                    <td data-label="Service" class="table-main"><a href=href>{format!("{}/{}", resident.project, resident.service)}</a></td>
                    <td data-label="State"><span class="row"><Badge tone text/><span class="small muted">{states::tasks_of(&resident.run)}</span></span></td>
                    <td data-label="Image">{image}</td>
                    <td data-label="Revision">{resident.run.revision}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"What runs here "<span class="count">{count}</span></h2></header>
            {if none {
                view! { <p class="panel-body muted">"Nothing that you may see."</p> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Service"</th><th scope="col">"State"</th><th scope="col">"Image"</th><th scope="col">"Revision"</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
        </section>
    }
    .into_any()
}
