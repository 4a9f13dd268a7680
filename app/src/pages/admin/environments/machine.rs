//! The form of a machine: where its engine is, what opens the way to it, and how its ports and networks are given out. It is tried before it is
//! saved; what came of the test stands beside it. Keys are typed and never shown again.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::engine::EngineAddress;
use model::machine::MachineForm;
use model::views::environments::{Guard, HostKeyView, MachineView, StepState, TrialView};

use crate::api::environments::{MachineAnswer, MachinePage, PutMachine, RemoveMachine, read_machine};
use crate::components::{Badge, CheckBox, Confirm, Crumb, Crumbs, Csrf, Keep, ProblemNotice, Submit, TextArea, TextField, Tone, field_error};
use crate::page::{change, loaded, param, problem};
use crate::pages::states;
use crate::urls;

/// Fields that show their own error.
const FIELDS: &[&str] = &["machine", "engine", "ca", "certificate", "key", "ssh_key", "host", "publish_address", "ports", "subnet_pool"];

/// The page. `new` makes a new one.
#[component]
pub(crate) fn Machine() -> impl IntoView {
    let (environment, machine) = (param("environment"), param("machine"));
    let data = Resource::new(move || (environment.get(), machine.get()), |(environment, machine)| read_machine(environment, machine));
    // Not a change that empties its form: what was typed stays after a test.
    let put = ServerAction::<PutMachine>::new();
    let remove = change::<RemoveMachine>("Machine removed", None);
    let navigate = use_navigate();
    let go = navigate.clone();
    Effect::new(move |_| {
        if let Some(Ok(MachineAnswer::Saved)) = put.value().get() {
            go(&urls::admin_environment(environment.get_untracked()), leptos_router::NavigateOptions::default());
        }
    });
    Effect::new(move |_| {
        if let Some(Ok(())) = remove.value().get() {
            navigate(&urls::admin_environment(environment.get_untracked()), leptos_router::NavigateOptions::default());
        }
    });
    loaded(data, move |page| view! { <Whole page put remove/> })
}

#[component]
fn Whole(page: MachinePage, put: ServerAction<PutMachine>, remove: ServerAction<RemoveMachine>) -> impl IntoView {
    let environment = page.environment.name.to_string();
    let title = page.machine.as_ref().map_or_else(|| format!("New machine in {environment}"), |machine| machine.name.to_string());
    let machine = page.machine.clone();
    let first = page.tried.as_ref().map(|tried| tried.trial.clone());
    let trial = Signal::derive(move || match put.value().get() {
        Some(Ok(MachineAnswer::Tried(trial))) => Some(trial),
        Some(_) => None,
        None => first.clone(),
    });
    let seen = machine.as_ref().map(|machine| {
        let metrics = urls::admin_machine_metrics(&environment, &machine.name);
        let events = urls::admin_machine_events(&environment, &machine.name);
        view! { <p class="actions"><a class="button" href=metrics>"Metrics"</a><a class="button" href=events>"Events"</a></p> }
    });
    let crumbs = vec![Crumb::new(urls::ADMIN_ENVIRONMENTS, "Environments"), Crumb::new(urls::admin_environment(&environment), environment.clone())];
    view! {
        <Title text=title.clone()/>
        <Crumbs path=crumbs/>
        {seen}
        <div class="columns">
            <section class="panel">
                <header><h2>{title}</h2></header>
                <div class="panel-body"><Form page put trial/></div>
            </section>
            <div class="stack" aria-live="polite">{move || trial.get().map(|trial| view! { <Trial trial/> })}</div>
        </div>
        {machine.map(|machine| view! { <Remove environment machine remove/> })}
    }
    .into_any()
}

fn check_name(text: &str) -> Result<(), String> {
    text.trim().parse::<model::names::MachineName>().map(drop).map_err(|error| error.to_string())
}

fn check_engine(text: &str) -> Result<(), String> {
    text.parse::<EngineAddress>().map(drop).map_err(|error| error.to_string())
}

/// What the form begins with: what was tried last, or what is kept, without keys.
fn begin(page: &MachinePage) -> MachineForm {
    if let Some(tried) = &page.tried {
        return tried.form.clone();
    }
    let Some(machine) = &page.machine else { return MachineForm::default() };
    MachineForm {
        engine: machine.engine.clone().unwrap_or_default(),
        without_tls: machine.guard == Some(Guard::Nothing),
        host: machine.host.clone(),
        publish_address: machine.publish_address.clone().unwrap_or_default(),
        first_port: machine.ports.0.to_string(),
        last_port: machine.ports.1.to_string(),
        subnet_pool: machine.subnet_pool.clone().unwrap_or_default(),
        ..MachineForm::default()
    }
}

#[component]
fn Form(page: MachinePage, put: ServerAction<PutMachine>, trial: Signal<Option<TrialView>>) -> impl IntoView {
    let refused = problem(put);
    let form = begin(&page);
    let name = page.machine.as_ref().map(|machine| machine.name.to_string());
    let typed_name = page.tried.as_ref().map(|tried| tried.machine.clone()).unwrap_or_default();
    let shown_key = Signal::derive(move || trial.get().and_then(|trial| trial.host_key));
    view! {
        <ProblemNotice problem=refused beside=FIELDS/>
        <ActionForm action=put attr:class="form">
            <Csrf/>
            <input type="hidden" name="environment" value=page.environment.name.to_string()/>
            {match name {
                Some(name) => view! { <input type="hidden" name="machine" value=name/> }.into_any(),
                None => view! {
                    <TextField name="machine" label="Name" required=true value=typed_name check=Some(check_name) error=field_error(refused, "machine")
                        placeholder="docker1" hint="Lower-case letters, digits and hyphens. It cannot be changed later."/>
                }.into_any(),
            }}
            <TextField name="form[engine]" label="Engine" required=true mono=true value=form.engine.clone() check=Some(check_engine)
                error=field_error(refused, "engine") placeholder="ssh://slipway@docker1.example.com"
                hint="ssh://user@host signs in by SSH and uses the engine's socket there. tcp://host:2376 is an engine with TLS. unix:///path is a socket of the portal's own machine."/>
            <SshKeys kept=page.machine.clone() refused shown_key/>
            <TlsKeys kept=page.machine.clone() refused without_tls=form.without_tls/>
            <Ranges form refused/>
            <CheckBox name="untested" label="Save it although the test fails" hint="For a machine that is not there yet. It is shown as saved without a test."/>
            <div class="actions">
                <button type="submit" class="button button-primary" name="act" value="save" disabled=move || put.pending().get()>"Test and save"</button>
                <button type="submit" class="button" name="act" value="test" disabled=move || put.pending().get()>"Test connection"</button>
                {move || put.pending().get().then(|| view! { <span class="small muted" role="status">"Trying the connection…"</span> })}
            </div>
        </ActionForm>
    }
    .into_any()
}

/// Whether keys of this sort are kept already.
fn keeps(kept: Option<&MachineView>, guard: Guard) -> bool {
    kept.is_some_and(|machine| machine.guard == Some(guard))
}

#[component]
fn SshKeys(kept: Option<MachineView>, refused: Signal<Option<model::problem::Problem>>, shown_key: Signal<Option<HostKeyView>>) -> impl IntoView {
    let there = keeps(kept.as_ref(), Guard::Ssh);
    let confirmed = kept.and_then(|machine| machine.host_key);
    let changed = confirmed.is_some();
    view! {
        <details class="stack-s" open=there>
            <summary>"Keys for ssh://"</summary>
            <TextArea name="form[ssh_key]" label="Private key" mono=true rows=4 error=field_error(refused, "ssh_key")
                hint=if there { "One is kept. Paste another one to replace it; nobody can read it." } else { "Without a passphrase. It is kept sealed, and nobody can read it again. Its public half belongs into the user's authorized_keys." }/>
            {confirmed.map(|key| view! { <p class="hint">"Confirmed key of the server: "<code class="break">{key}</code></p> })}
        </details>
        {move || shown_key.get().map(|key| {
            let label = format!("The server's key {} is the right one", key.fingerprint);
            let hint = if changed {
                "It is another one than was confirmed before. Tick this only if you know why: the machine was set up anew."
            } else {
                "Compare it with what ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints on the machine, then tick this and test again."
            };
            view! { <CheckBox name="form[host_key]" value=key.key label hint/> }
        })}
    }
    .into_any()
}

#[component]
fn TlsKeys(kept: Option<MachineView>, refused: Signal<Option<model::problem::Problem>>, without_tls: bool) -> impl IntoView {
    let there = keeps(kept.as_ref(), Guard::Tls);
    let hint = |new: &'static str| if there { "Kept as it is where this is empty." } else { new };
    view! {
        <details class="stack-s" open=there || without_tls>
            <summary>"Certificates for tcp://"</summary>
            <TextArea name="form[ca]" label="Authority's certificate (CA)" mono=true rows=3 error=field_error(refused, "ca")
                hint=hint("ca.pem: of the authority that signed the engine's certificate. No other one is trusted.")/>
            <TextArea name="form[certificate]" label="The portal's certificate" mono=true rows=3 optional=true error=field_error(refused, "certificate")
                hint=hint("cert.pem: signed by the authority that the engine trusts (--tlscacert).")/>
            <TextArea name="form[key]" label="Its private key" mono=true rows=3 optional=true error=field_error(refused, "key")
                hint=hint("key.pem. It is kept sealed, and nobody can read it again.")/>
            <CheckBox name="form[without_tls]" label="Without TLS" checked=without_tls
                hint="Whoever reaches the engine's port, or reads along on the way, is root on that machine. For closed networks alone."/>
        </details>
    }
    .into_any()
}

#[component]
fn Ranges(form: MachineForm, refused: Signal<Option<model::problem::Problem>>) -> impl IntoView {
    view! {
        <div class="fields">
            <TextField name="form[host]" label="Machine's address" optional=true value=form.host error=field_error(refused, "host")
                hint="For links to its services and SLIPWAY_HOST. Empty: the engine's."/>
            <TextField name="form[publish_address]" label="Publish ports on" optional=true mono=true value=form.publish_address placeholder="0.0.0.0"
                error=field_error(refused, "publish_address") hint="An address of the machine. Empty: all of them; on the portal's own machine the loopback."/>
            <TextField name="form[first_port]" label="First port" optional=true value=form.first_port placeholder="20000" inputmode="numeric"
                error=field_error(refused, "ports") hint="Services that name no port get theirs out of this range."/>
            <TextField name="form[last_port]" label="Last port" optional=true value=form.last_port placeholder="29999" inputmode="numeric"/>
            <TextField name="form[subnet_pool]" label="Networks" optional=true mono=true value=form.subnet_pool placeholder="10.208.0.0/12"
                error=field_error(refused, "subnet_pool") hint="Each project gets a /24 of it there."/>
        </div>
    }
    .into_any()
}

/// What came of a test.
#[component]
fn Trial(trial: TrialView) -> impl IntoView {
    let (tone, said) = if !trial.passed {
        (Tone::Bad, "It does not work yet")
    } else if trial.steps.iter().any(|step| step.state == StepState::Warning) {
        (Tone::Warn, "It works, with something to mind")
    } else {
        (Tone::Ok, "It works")
    };
    let steps = trial
        .steps
        .into_iter()
        .map(|step| {
            let (tone, text) = states::step(step.state);
            view! { <dt>{name(&step.step)}</dt><dd><span class="row"><Badge tone text/><span class="break">{step.message}</span></span></dd> }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Test of the connection"</h2><Badge tone text=said/></header>
            <div class="panel-body"><dl class="facts">{steps}</dl></div>
        </section>
    }
    .into_any()
}

/// What a step is called.
fn name(step: &str) -> &'static str {
    match step {
        "reach" => "Way",
        "identity" => "Keys",
        "engine" => "Engine",
        "same_engine" => "Used already",
        "clock" => "Clock",
        "registry" => "Registry",
        "ports" => "Ports",
        _ => "Also",
    }
}

#[component]
fn Remove(environment: String, machine: MachineView, remove: ServerAction<RemoveMachine>) -> impl IntoView {
    let name = machine.name.to_string();
    let tasks = machine.tasks;
    view! {
        <section class="panel page-narrow">
            <header><h2>"Remove it"</h2></header>
            <div class="panel-body">
                <p>{if tasks > 0 { format!("{tasks} tasks live on it: stop their services first, or say that it is gone for good.") } else { String::from("Nothing of ours runs on it.") }}</p>
                <Confirm id="remove-machine" button="Remove machine" title=format!("Remove the machine {name}?")>
                    <p>"Its keys are forgotten. Networks and stopped containers that were made there stay on it."</p>
                    <ProblemNotice problem=problem(remove)/>
                    <ActionForm action=remove attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="environment" value=environment.clone()/>
                        <input type="hidden" name="machine" value=name.clone()/>
                        {(tasks > 0).then(|| view! {
                            <CheckBox name="gone" label="It is gone for good"
                                hint="Its tasks count as lost, and are made on the environment's other machines. Only while its engine does not answer: if it comes back, what runs there runs on unseen."/>
                        })}
                        <div class="actions"><Keep dialog="remove-machine"/><Submit label="Remove machine" look="button-danger-fill" pending=remove.pending()/></div>
                    </ActionForm>
                </Confirm>
            </div>
        </section>
    }
    .into_any()
}
