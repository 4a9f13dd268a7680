//! One environment as operators see it: what it is like, who may use it, its machines, and its end.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::views::environments::EnvironmentView;
use model::views::metrics::MachineUse;

use crate::api::ApiError;
use crate::api::environments::{FreezeEnvironment, PutEnvironment, RemoveEnvironment, ThawEnvironment, get_managed};
use crate::api::metrics::machine_uses;
use crate::components::{CheckBox, Confirm, Crumb, Crumbs, Csrf, Keep, ProblemNotice, Submit, TextArea, TextField, field_error};
use crate::live::Pulse;
use crate::page::{change, loaded, param, problem};
use crate::pages::environments::{Frozen, Machines};
use crate::pages::metrics::followed;
use crate::urls;

/// The page. `new` makes a new one.
#[component]
pub(crate) fn Environment() -> impl IntoView {
    let name = param("environment");
    let pulse = Pulse::new();
    let data = Resource::new(move || (name.get(), pulse.track()), |(name, _)| read(name));
    let put = change::<PutEnvironment>("Saved", Some(pulse));
    let remove = change::<RemoveEnvironment>("Environment removed", None);
    let freeze = change::<FreezeEnvironment>("Frozen", Some(pulse));
    let thaw = change::<ThawEnvironment>("The freeze ended", Some(pulse));
    let navigate = use_navigate();
    let go = navigate.clone();
    Effect::new(move |_| {
        if let Some(Ok(made)) = put.value().get() {
            go(&urls::admin_environment(&made.name), leptos_router::NavigateOptions::default());
        }
    });
    Effect::new(move |_| {
        if let Some(Ok(())) = remove.value().get() {
            navigate(urls::ADMIN_ENVIRONMENTS, leptos_router::NavigateOptions::default());
        }
    });
    view! {
        <Crumbs path=vec![Crumb::new(urls::ADMIN_ENVIRONMENTS, "Environments")]/>
        {loaded(data, move |(found, uses)| {
            if let Some(environment) = &found {
                pulse.watch(format!("environment:{}", environment.id));
            }
            let frozen = found.clone().map(|environment| view! { <Freeze environment freeze thaw/> });
            let machines = found.clone().map(|environment| view! { <OfIt environment uses remove/> });
            view! { <Form found put/>{frozen}{machines} }
        })}
    }
    .into_any()
}

/// The environment, and what machines use; nothing of one that is to be made.
async fn read(name: String) -> Result<(Option<EnvironmentView>, Vec<MachineUse>), ApiError> {
    let found = get_managed(name).await?;
    let uses = if found.is_some() { machine_uses().await? } else { Vec::new() };
    Ok((found, uses))
}

fn check_name(text: &str) -> Result<(), String> {
    text.trim().parse::<model::names::EnvironmentName>().map(drop).map_err(|error| error.to_string())
}

#[component]
fn Form(found: Option<EnvironmentView>, put: ServerAction<PutEnvironment>) -> impl IntoView {
    let refused = problem(put);
    let title = found.as_ref().map_or_else(|| String::from("New environment"), |environment| environment.name.to_string());
    let configured = found.as_ref().is_some_and(|environment| environment.configured);
    let open = found.as_ref().is_none_or(|environment| environment.open);
    let protected = found.as_ref().is_some_and(|environment| environment.protected);
    let second_person = found.as_ref().is_some_and(|environment| environment.second_person);
    let description = found.as_ref().map(|environment| environment.description.clone()).unwrap_or_default();
    let address = found.as_ref().and_then(|environment| environment.registry_address.clone()).unwrap_or_default();
    let projects = found.as_ref().and_then(|environment| environment.projects.clone()).unwrap_or_default();
    let projects = projects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let name = found.map(|environment| environment.name.to_string());
    view! {
        <Title text=title.clone()/>
        <section class="panel page-narrow">
            <header><h2>{title}</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["environment", "description", "registry_address", "projects"]/>
                <ActionForm action=put attr:class="form">
                    <Csrf/>
                    {match name {
                        Some(name) => view! { <input type="hidden" name="environment" value=name/> }.into_any(),
                        None => view! {
                            <TextField name="environment" label="Name" required=true check=Some(check_name) error=field_error(refused, "environment")
                                placeholder="staging" hint="Lower-case letters, digits and hyphens. It cannot be changed later."/>
                        }.into_any(),
                    }}
                    <TextField name="description" label="What it is for" optional=true value=description error=field_error(refused, "description")/>
                    {if configured {
                        view! { <p class="hint">"Its machine and its way to the registry come from the portal's configuration (--docker-host, --listen)."</p> }.into_any()
                    } else {
                        view! {
                            <TextField name="registry_address" label="Registry address" required=true mono=true value=address placeholder="10.0.0.5:3000"
                                error=field_error(refused, "registry_address")
                                hint="Host and port by which the engines there reach this portal, to pull images from it."/>
                        }.into_any()
                    }}
                    <CheckBox name="guarded[protected]" label="Protected" checked=protected
                        hint="Deployments, roll-backs, scaling and starts wait until a project admin or an operator approves them. A restart or a stop does not."/>
                    <CheckBox name="guarded[second_person]" label="Somebody else approves" checked=second_person
                        hint="Where it is protected: nobody approves what they asked for themselves, operators neither."/>
                    <CheckBox name="open" label="Open to every project" checked=open hint="Otherwise to those below alone; to others it is as if it were not there."/>
                    <TextArea name="projects" label="Projects that may use it" optional=true rows=3 mono=true value=projects error=field_error(refused, "projects")
                        hint="One in each line. What runs there already runs on when a project is taken away, and can be stopped."/>
                    <div class="actions"><Submit label="Save" pending=put.pending()/></div>
                </ActionForm>
            </div>
        </section>
    }
    .into_any()
}

/// Whether anything may be brought there.
#[component]
fn Freeze(environment: EnvironmentView, freeze: ServerAction<FreezeEnvironment>, thaw: ServerAction<ThawEnvironment>) -> impl IntoView {
    let name = environment.name.to_string();
    let named = name.clone();
    let target = move || view! { <Csrf/><input type="hidden" name="environment" value=named.clone()/> };
    let refused = problem(freeze);
    let panel = match environment.frozen {
        Some(frozen) => view! {
            <Frozen environment=name frozen/>
            <ProblemNotice problem=problem(thaw)/>
            <ActionForm action=thaw>
                {target()}
                <div class="actions"><Submit label="End the freeze" pending=thaw.pending()/></div>
            </ActionForm>
        }
        .into_any(),
        None => view! {
            <p>"While it is frozen nothing is brought there: deployments are refused, and what waits for an approval waits on. What is under way goes on, and what runs can be restarted and stopped. Operators can override it each time, with a reason."</p>
            <ProblemNotice problem=refused beside=&["why"]/>
            <ActionForm action=freeze attr:class="form">
                {target()}
                <TextField name="why" label="Why" required=true scope="freeze" placeholder="The stocktaking until Monday" error=field_error(refused, "why")
                    hint="Whoever is refused reads it."/>
                <div class="actions"><Submit label="Freeze" look="button-danger-fill" pending=freeze.pending()/></div>
            </ActionForm>
        }
        .into_any(),
    };
    view! {
        <section class="panel page-narrow">
            <header><h2>"Freeze"</h2></header>
            <div class="panel-body">{panel}</div>
        </section>
    }
    .into_any()
}

/// Its machines, and its end.
#[component]
fn OfIt(environment: EnvironmentView, uses: Vec<MachineUse>, remove: ServerAction<RemoveEnvironment>) -> impl IntoView {
    let uses = followed(uses);
    let name = environment.name.to_string();
    let add = urls::admin_machine(&environment.name, "new");
    let removable = !environment.configured;
    view! {
        <section class="panel">
            <header><h2>"Machines"</h2><span class="actions"><a class="button button-small" href=add>"Add a machine"</a></span></header>
            <Machines machines=environment.machines edit=true uses/>
        </section>
        {removable.then(|| view! {
            <section class="panel page-narrow">
                <header><h2>"Remove it"</h2></header>
                <div class="panel-body">
                    <p>"Only while nothing is deployed there. Its machines' keys are forgotten, and so is what projects configured for it alone; its history stays."</p>
                    <Confirm id="remove-environment" button="Remove environment" title=format!("Remove the environment {name}?")>
                        <p>"Networks and stopped containers that were made on its machines stay on them."</p>
                        <ProblemNotice problem=problem(remove)/>
                        <ActionForm action=remove>
                            <Csrf/>
                            <input type="hidden" name="environment" value=name.clone()/>
                            <div class="actions"><Keep dialog="remove-environment"/><Submit label="Remove environment" look="button-danger-fill" pending=remove.pending()/></div>
                        </ActionForm>
                    </Confirm>
                </div>
            </section>
        })}
    }
    .into_any()
}
