//! How a service does: its tasks live, what runs, the latest deployment, and the verbs.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::access::Action;
use model::views::deployments::RevisionDetail;
use model::views::jobs::JobView;
use model::views::services::{CrashLoop, DesiredState, RunView, ServiceDetail};

use super::jobs::{Runs, runs_in};
use super::revisions::Origin;
use super::tasks::TaskTable;
use super::{EnvironmentChoice, chosen, current, frozen};
use crate::api::deployments::{Restart, Scale, Start, Stop};
use crate::api::jobs::RunJob;
use crate::components::{Ago, Command, Confirm, Csrf, Digest, Empty, Keep, Notice, ProblemNotice, Submit, TextField, Tone, field_error};
use crate::page::{change, loaded_in, problem, query};
use crate::pages::deployments::DeploymentPanel;
use crate::pages::environments::{Frozen, Why, overrides};
use crate::urls;

/// What can be done to a service that is deployed.
#[derive(Clone, Copy)]
struct Verbs {
    scale: ServerAction<Scale>,
    restart: ServerAction<Restart>,
    stop: ServerAction<Stop>,
    start: ServerAction<Start>,
    run: ServerAction<RunJob>,
}

/// The overview.
#[component]
pub(crate) fn Overview() -> impl IntoView {
    let service = current();
    let environment = query("environment");
    let pulse = Some(service.pulse);
    let verbs = Verbs {
        scale: change("Scaling", pulse),
        restart: change("Restarting", pulse),
        stop: change("Stopping", pulse),
        start: change("Starting", pulse),
        run: change("Running", pulse),
    };
    let runs = runs_in(environment);
    let seen = service.pulse;
    view! {
        <ProblemNotice problem=problem(verbs.restart)/>
        <ProblemNotice problem=problem(verbs.start)/>
        <ProblemNotice problem=problem(verbs.run)/>
        {loaded_in(service.view, runs, move |service, job| {
            let run = chosen(&service, &environment.get()).cloned();
            if let Some(run) = &run {
                // It may be frozen, or thawed.
                seen.watch(format!("environment:{}", run.environment_id));
            }
            match run {
                Some(run) => view! { <Run service run job verbs/> }.into_any(),
                None => view! { <NothingYet service/> }.into_any(),
            }
        })}
    }
    .into_any()
}

#[component]
fn NothingYet(service: ServiceDetail) -> impl IntoView {
    let (project, name) = (service.project.clone(), service.name.clone());
    let deploys = service.may(Action::Deploy);
    let site = crate::boot::boot().public_url;
    view! {
        <section class="panel">
            <Empty title="Nothing deployed yet">
                {if deploys {
                    view! {
                        <p>"Choose an image and say how it runs; you can watch it start."</p>
                        <a class="button button-primary" href=urls::service_page(&project, &name, "deploy")>"Deploy"</a>
                        <p class="muted">"Or from a script, with a token that has the scope "<code class="inline">"deploy"</code>":"</p>
                        <Command text=format!(
                            "curl -H \"Authorization: Bearer $SLIPWAY_TOKEN\" -H 'Content-Type: application/json' \\\n  -d '{{\"environment\":\"local\",\"descriptor\":{{\"image\":\"{name}:1.0\",\"replicas\":1}}}}' \\\n  {site}/api/v1/projects/{project}/services/{name}/deployments"
                        )/>
                    }.into_any()
                } else {
                    view! { <p>"Developers of this project deploy it."</p> }.into_any()
                }}
            </Empty>
        </section>
    }
    .into_any()
}

#[component]
fn Run(service: ServiceDetail, run: RunView, job: Option<JobView>, verbs: Verbs) -> impl IntoView {
    let names = service.runs.iter().map(|run| run.summary.environment.clone()).collect();
    let shown = run.summary.environment.clone();
    let page = urls::service(&service.project, &service.name);
    let living = run.tasks.iter().filter(|task| !task.state.is_final()).count();
    let job = job.filter(|_| run.is_job()).map(|job| (job, shown.to_string()));
    let (tasks, deployment, revision) = (run.tasks.clone(), run.deployment.clone(), run.revision.clone());
    let crashes = run.crash_loop.clone();
    let kept_out = run.frozen.clone().map(|frozen| view! { <Frozen environment=shown.to_string() frozen/> });
    view! {
        {kept_out}
        <div class="row">
            <EnvironmentChoice names shown page/>
            {service.may(Action::Deploy).then(|| view! { <Actions service=service.clone() run=run.clone() verbs/> })}
        </div>
        <div class="columns">
            <div class="stack">
                {job.map(|(job, environment)| view! { <Runs service=service.clone() environment job run=verbs.run/> })}
                {crashes.map(|crashes| view! { <Crashes crashes/> })}
                {deployment.map(|deployment| view! { <DeploymentPanel deployment=deployment/> })}
                <section class="panel">
                    <header><h2>"Tasks "<span class="count">{living}</span></h2></header>
                    <TaskTable service=service.clone() tasks/>
                </section>
            </div>
            <div class="stack">{revision.map(|detail| view! { <WhatRuns detail/> })}</div>
        </div>
    }
    .into_any()
}

/// Its tasks fail again and again.
#[component]
fn Crashes(crashes: CrashLoop) -> impl IntoView {
    let next = match crashes.next_at {
        Some(at) => view! { <p>"Next try "<Ago at/>". Each try waits longer than the one before, up to a minute."</p> }.into_any(),
        None => view! { <p>"It was started again and has to prove itself."</p> }.into_any(),
    };
    let lines = (!crashes.lines.is_empty()).then(|| {
        view! {
            <p>"Its last lines:"</p>
            <pre class="code-block wrap" tabindex="0" aria-label="Last lines"><code class="break">{crashes.lines.clone()}</code></pre>
        }
    });
    view! {
        <Notice tone=Tone::Bad title=format!("Crash loop: {}", crashes.said())>
            <p>"Last failure: "<Ago at=crashes.last_at/>", "{crashes.reason.message.clone()}</p>
            {next}
            {lines}
        </Notice>
    }
    .into_any()
}

#[component]
fn WhatRuns(detail: RevisionDetail) -> impl IntoView {
    let (revision, d) = (detail.revision, detail.descriptor);
    let origin = revision.clone();
    let limits = [
        d.resources.memory.map(|memory| ("Memory", memory.to_string())),
        d.resources.cpus.map(|cpus| ("CPUs", cpus.to_string())),
        d.command.as_ref().map(|words| ("Command", words.join(" "))),
        (!d.env.is_empty()).then(|| ("Variables", d.env.keys().cloned().collect::<Vec<_>>().join(", "))),
        Some(("Health check", health(&d))),
    ];
    let rows = limits.into_iter().flatten().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"What runs"</h2></header>
            <div class="panel-body">
                <dl class="facts">
                    <dt>"Revision"</dt><dd>{revision.number}</dd>
                    <dt>"Image"</dt><dd><code>{revision.image}</code></dd>
                    {revision.digest.map(|digest| view! { <dt>"Digest"</dt><dd><Digest value=digest.to_string()/></dd> })}
                    <dt>"Replicas"</dt><dd>{revision.replicas}</dd>
                    {revision.template.as_ref().map(|mark| view! { <dt>"Template"</dt><dd>{format!("{}, version {}", mark.name, mark.version)}</dd> })}
                    <dt>"Configuration"</dt><dd>{revision.configuration.to_string()}</dd>
                    {rows}
                    <dt>"Made"</dt><dd><Ago at=revision.created_at/>" by "{revision.by}<Origin revision=origin/></dd>
                    {(!revision.why.is_empty()).then(|| view! { <dt>"Why"</dt><dd>{revision.why.clone()}</dd> })}
                </dl>
            </div>
        </section>
    }
    .into_any()
}

/// What the health check tries, for people.
fn health(d: &model::descriptor::Descriptor) -> String {
    use model::descriptor::Probe;
    match d.health.as_ref().map(|health| &health.probe) {
        None => String::from("none"),
        Some(Probe::Http { port, path }) => format!("GET {path} on port {port}"),
        Some(Probe::Tcp { port }) => format!("connect to port {port}"),
        Some(Probe::Command(words)) => words.join(" "),
    }
}

/// The hidden fields that say which service where.
#[component]
fn Target(service: ServiceDetail, environment: String) -> impl IntoView {
    view! {
        <Csrf/>
        <input type="hidden" name="project" value=service.project.to_string()/>
        <input type="hidden" name="service" value=service.name.to_string()/>
        <input type="hidden" name="environment" value=environment/>
    }
    .into_any()
}

#[component]
fn Actions(service: ServiceDetail, run: RunView, verbs: Verbs) -> impl IntoView {
    let environment = run.summary.environment.to_string();
    let name = service.name.to_string();
    let deploy = format!("{}?environment={environment}", urls::service_page(&service.project, &service.name, "deploy"));
    let clone = urls::asking(urls::project_page(&service.project, "clone"), &[("from", &environment), ("services", &name)]);
    let meant = StoredValue::new((service.clone(), environment.clone()));
    let target = move || {
        let (service, environment) = meant.get_value();
        view! { <Target service environment/> }
    };
    let runs = run.desired == DesiredState::Running;
    view! {
        <div class="actions">
            <a class="button button-primary" href=deploy>"Deploy"</a>
            <a class="button" href=clone>"Clone"</a>
            <Scaling service=service.clone() run=run.clone() scale=verbs.scale/>
            {if runs {
                view! {
                    <ActionForm action=verbs.restart>{target()}<Submit label="Restart" look="" pending=verbs.restart.pending()/></ActionForm>
                    <Confirm id="stop" button="Stop" title=format!("Stop {name} in {environment}?")>
                        <p>"Its tasks end after their grace period and nothing answers under its name until it is started again. Revisions, volumes and settings stay."</p>
                        <ProblemNotice problem=problem(verbs.stop)/>
                        <ActionForm action=verbs.stop>
                            {target()}
                            <div class="actions"><Keep dialog="stop"/><Submit label="Stop service" look="button-danger-fill" pending=verbs.stop.pending()/></div>
                        </ActionForm>
                    </Confirm>
                }.into_any()
            } else {
                view! { <Starting service run start=verbs.start/> }.into_any()
            }}
        </div>
    }
    .into_any()
}

#[component]
fn Scaling(service: ServiceDetail, run: RunView, scale: ServerAction<Scale>) -> impl IntoView {
    let environment = run.summary.environment.to_string();
    let title = format!("Scale {} in {environment}", service.name);
    let refused = problem(scale);
    let replicas = run.revision.as_ref().map_or(run.summary.total, |detail| detail.descriptor.replicas.into());
    let frozen = frozen([&run]);
    view! {
        <Confirm id="scale" button="Scale" look="" title>
            <ProblemNotice problem=refused beside=&["replicas", "why"]/>
            <ActionForm action=scale attr:class="form">
                <Target service environment/>
                <TextField name="replicas" label="Tasks" kind="number" required=true value=replicas.to_string() scope="scale"
                    error=field_error(refused, "replicas") hint="Makes a new revision with this number; the rest stays as it is."/>
                <Why frozen scope="scale" refused/>
                <div class="actions"><Keep dialog="scale"/><Submit label="Scale" pending=scale.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

/// The button that starts what is stopped. Who overrides a freeze with it is asked why.
#[component]
fn Starting(service: ServiceDetail, run: RunView, start: ServerAction<Start>) -> impl IntoView {
    let environment = run.summary.environment.to_string();
    let frozen = frozen([&run]);
    if !overrides(&frozen) {
        return view! {
            <ActionForm action=start><Target service environment/><Submit label="Start" look="" pending=start.pending()/></ActionForm>
        }
        .into_any();
    }
    let title = format!("Start {} in {environment}", service.name);
    let refused = problem(start);
    view! {
        <Confirm id="start" button="Start" look="" title>
            <ProblemNotice problem=refused beside=&["why"]/>
            <ActionForm action=start attr:class="form">
                <Target service environment/>
                <Why frozen scope="start" refused/>
                <div class="actions"><Keep dialog="start"/><Submit label="Start" pending=start.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}
