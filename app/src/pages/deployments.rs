//! Deployments: lists of them, and one with its progress.

mod approval;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::page::Page;
use model::views::deployments::{DeploymentState, DeploymentView, PlanView, Share};

pub(super) use approval::ToApprove;

use super::projects::current as project_of;
use super::states;
use crate::api::ApiError;
use crate::api::approvals::{list_to_approve, plan_of_deployment};
use crate::api::deployments::{CancelDeployment, get_deployment, list_deployments};
use crate::components::{Ago, Badge, Bar, Confirm, Csrf, Empty, Keep, Notice, ProblemNotice, Step, Steps, Submit, bytes, sentence};
use crate::live::Pulse;
use crate::page::{Data, change, loaded, loaded_in, param, problem, query};
use crate::urls;

/// The deployments of a project.
#[component]
pub(crate) fn List() -> impl IntoView {
    let project = project_of();
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.name.get(), after.get(), pulse.track()), |(name, after, _)| list_deployments(name, None, Some(after)));
    loaded_in(project.view, data, move |project, page| {
        let under_way = page.items.iter().filter(|deployment| !deployment.state.is_final());
        pulse.watch_just(under_way.map(|deployment| format!("deployment:{}", deployment.id)).chain([format!("project:{}", project.id)]));
        view! { <DeploymentTable page path=urls::project_page(&project.name, "deployments") named=true/> }
    })
}

/// What waits for an approval that the reader may give, of all projects.
#[component]
pub(crate) fn Waiting() -> impl IntoView {
    let after = query("after");
    let pulse = Pulse::new();
    let data = Resource::new(move || (after.get(), pulse.track()), |(after, _)| list_to_approve(Some(after)));
    view! {
        <Title text="Waiting for approval"/>
        <div class="heading"><h1>"Waiting for approval"</h1></div>
        {loaded(data, move |waiting| {
            pulse.watch_just(waiting.items.iter().map(|deployment| format!("deployment:{}", deployment.id)));
            if waiting.items.is_empty() {
                return view! {
                    <section class="panel"><Empty title="Nothing waits for you"><p>"Deployments to protected environments that you may approve stand here until somebody decides."</p></Empty></section>
                }
                .into_any();
            }
            let later = !after.get_untracked().is_empty();
            view! { <ToApprove waiting later/> }.into_any()
        })}
    }
    .into_any()
}

/// Deployments as a table, newest first.
#[component]
pub(super) fn DeploymentTable(
    /// The deployments.
    page: Page<DeploymentView>,
    /// The page's address without a query.
    path: String,
    /// Whether to name the service of each.
    named: bool,
) -> impl IntoView {
    if page.items.is_empty() {
        return view! { <section class="panel"><Empty title="No deployments yet"><p>"Each deployment stands here with its state, its reason and who made it."</p></Empty></section> }.into_any();
    }
    let next = page.next.map(|next| format!("{path}?after={}", urls::query(&next)));
    let rows = page.items.into_iter().map(|deployment| view! { <Row deployment named/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Deployments"</h2></header>
            <table class="table deployments">
                <thead><tr>
                    <th scope="col">"What"</th><th scope="col">"State"</th><th scope="col">"Image"</th><th scope="col">"Where"</th><th scope="col">"When"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|href| view! { <footer><a href=href>"Older deployments"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(deployment: DeploymentView, named: bool) -> impl IntoView {
    let (tone, text) = states::deployment(deployment.state);
    let href = urls::deployment(&deployment.project, &deployment.service, deployment.id);
    let service = named.then(|| format!("{}: ", deployment.service));
    let reason = deployment.reason.as_ref().map(|reason| view! { <span class="small muted break">{parted(&reason.message).0}</span> });
    view! {
        <tr>
            <td data-label="What" class="table-main"><a href=href>{service}{states::act(&deployment)}</a></td>
            <td data-label="State"><span class="row"><Badge tone text/>{reason}</span></td>
            <td data-label="Image"><span class="chip">{deployment.image.clone()}</span></td>
            <td data-label="Where">{deployment.environment.to_string()}</td>
            <td data-label="When"><span><Ago at=deployment.created_at/>" by "{deployment.by.clone()}</span></td>
        </tr>
    }
    .into_any()
}

/// One deployment.
#[component]
pub(crate) fn One() -> impl IntoView {
    let service = super::services::current();
    let id = param("deployment");
    let pulse = Pulse::new();
    // With what it would do, as long as it waits.
    let data: Data<(DeploymentView, Result<Option<PlanView>, ApiError>)> = Resource::new(
        move || (service.project.get(), service.name.get(), id.get(), pulse.track()),
        |(project, service, id, _)| async move {
            let found = get_deployment(project.clone(), service.clone(), id.clone()).await?;
            let waits = found.state == DeploymentState::Pending;
            let plan = if waits { plan_of_deployment(project, service, id).await } else { Ok(None) };
            Ok::<_, ApiError>((found, plan))
        },
    );
    let cancel = change::<CancelDeployment>("Deployment cancelled", Some(pulse));
    let decide =
        approval::Decide { approve: change("Approved", Some(pulse)), refuse: change("Refused", Some(pulse)), again: change("Asked again", None) };
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(made)) = decide.again.value().get() {
            navigate(&urls::deployment(&made.project, &made.service, made.id), leptos_router::NavigateOptions::default());
        }
    });
    // What was told of one deployment is not told of the next one.
    Effect::new(move |before: Option<()>| {
        id.track();
        if before.is_some() {
            decide.approve.clear();
            decide.refuse.clear();
            decide.again.clear();
        }
    });
    // Who was refused because something changed sees what did.
    Effect::new(move |_| {
        let approval = decide.approve.value().with(|answer| matches!(answer, Some(Err(_))));
        let again = decide.again.value().with(|answer| matches!(answer, Some(Err(_))));
        if approval || again {
            pulse.beat();
        }
    });
    view! {
        {loaded_in(service.view, data, move |service, (deployment, plan)| {
            pulse.watch(format!("deployment:{}", deployment.id));
            let may_cancel = service.may(Action::Deploy) && !deployment.state.is_final();
            let reader = approval::Reader { approves: service.may(Action::Approve), deploys: service.may(Action::Deploy) };
            let waits = (deployment.state == DeploymentState::Pending).then(|| {
                // What changes here may be something that it was asked for with.
                for topic in [format!("images:{}", service.project_id), format!("project:{}", service.project_id), format!("service:{}", service.id)] {
                    pulse.watch(topic);
                }
                let plan = plan.as_ref().ok().cloned().flatten();
                view! { <approval::Waits deployment=deployment.clone() plan reader decide/> }
            });
            view! {
                {waits}
                {match plan {
                    Ok(plan) => plan.map(|plan| view! { <super::services::Plan plan/> }).into_any(),
                    Err(error) => view! {
                        <ProblemNotice problem=Signal::stored(Some(error.0)) because="It could not be brought now, because this is not right:"/>
                    }.into_any(),
                }}
                <Whole deployment may_cancel cancel/>
            }
        })}
    }
    .into_any()
}

#[component]
fn Whole(deployment: DeploymentView, may_cancel: bool, cancel: ServerAction<CancelDeployment>) -> impl IntoView {
    let revisions = urls::service_page(&deployment.project, &deployment.service, "revisions");
    let overview = format!("{}?environment={}", urls::service(&deployment.project, &deployment.service), deployment.environment);
    let changed = deployment.previous.filter(|previous| *previous != deployment.revision);
    let facts = deployment.clone();
    view! {
        <DeploymentPanel deployment=deployment.clone() alone=true/>
        <section class="panel">
            <header><h2>"About it"</h2></header>
            <div class="panel-body">
                <dl class="facts">
                    <dt>"Image"</dt><dd><code>{facts.image}</code></dd>
                    <dt>"Revision"</dt>
                    <dd>
                        {facts.revision}
                        {changed.map(|previous| view! {
                            ", before "{previous}" ("<a href=format!("{revisions}?from={previous}&to={}", facts.revision)>"what changed"</a>")"
                        })}
                    </dd>
                    <dt>"Environment"</dt><dd><a href=overview>{facts.environment.to_string()}</a></dd>
                    <dt>"Asked for"</dt><dd><Ago at=facts.created_at/>" by "{facts.by}</dd>
                    {(!facts.why.is_empty()).then(|| view! { <dt>"Why"</dt><dd>{facts.why.clone()}</dd> })}
                    {facts.decision.map(|decision| view! {
                        <dt>{if decision.approved { "Approved" } else { "Refused" }}</dt>
                        <dd><Ago at=decision.at/>" by "{decision.by}{(!decision.why.is_empty()).then(|| format!(": {}", decision.why))}</dd>
                    })}
                    {facts.overridden.map(|over| view! { <dt>"Freeze overridden"</dt><dd>{format!("by {}: {}", over.by, over.why)}</dd> })}
                    {facts.started_at.map(|at| view! { <dt>"Began"</dt><dd><Ago at/></dd> })}
                    {facts.finished_at.map(|at| view! { <dt>"Ended"</dt><dd><Ago at/>{took(&deployment)}</dd> })}
                    <dt>"Id"</dt><dd><code>{facts.id.to_string()}</code></dd>
                </dl>
                {may_cancel.then(|| view! { <Cancel deployment=deployment.clone() cancel/> })}
            </div>
        </section>
    }
    .into_any()
}

/// How long it took, once it ended.
fn took(deployment: &DeploymentView) -> Option<String> {
    let span = deployment.finished_at?.since(deployment.started_at?);
    Some(format!(", after {}.{} s", span.as_secs(), span.subsec_millis() / 100))
}

#[component]
fn Cancel(deployment: DeploymentView, cancel: ServerAction<CancelDeployment>) -> impl IntoView {
    let serves = deployment.previous.map_or_else(
        || String::from("Nothing served before, so nothing serves afterwards."),
        |number| format!("Revision {number} serves on, or again."),
    );
    view! {
        <Confirm id="cancel" button="Cancel deployment" title="Cancel this deployment?">
            <p>{format!("Its new tasks are removed. {serves}")}</p>
            <ProblemNotice problem=problem(cancel)/>
            <ActionForm action=cancel>
                <Csrf/>
                <input type="hidden" name="project" value=deployment.project.to_string()/>
                <input type="hidden" name="service" value=deployment.service.to_string()/>
                <input type="hidden" name="deployment" value=deployment.id.to_string()/>
                <div class="actions"><Keep dialog="cancel" label="Let it go on"/><Submit label="Cancel deployment" look="button-danger-fill" pending=cancel.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

/// How far a deployment came, and why it ended as it did.
#[component]
pub(super) fn DeploymentPanel(
    /// The deployment.
    deployment: DeploymentView,
    /// Whether this is its own page; elsewhere it links there.
    #[prop(optional)]
    alone: bool,
) -> impl IntoView {
    let (tone, text) = states::deployment(deployment.state);
    let href = urls::deployment(&deployment.project, &deployment.service, deployment.id);
    let (progress, under_way) = (deployment.progress.clone(), !deployment.state.is_final() && deployment.state != DeploymentState::Pending);
    let title = states::act(&deployment);
    let reason = deployment.reason.clone();
    let detailed = alone || under_way;
    view! {
        <section class="panel" aria-label="Deployment">
            <header>
                <h2>{if alone { title.into_any() } else { view! { <a href=href>{title}</a> }.into_any() }}</h2>
                <span role="status"><Badge tone text/></span>
                <span class="actions small muted"><span><Ago at=deployment.created_at/>" by "{deployment.by.clone()}</span></span>
            </header>
            {(detailed || reason.is_some()).then(|| view! {
                <div class="panel-body">
                    {reason.map(|reason| {
                        let (said, lines) = parted(&reason.message);
                        let lines = lines.map(|lines| view! {
                            <p>"Its last lines:"</p>
                            <pre class="code-block wrap" tabindex="0" aria-label="Last lines"><code class="break">{lines}</code></pre>
                        });
                        view! { <Notice tone><p>{sentence(&said)}</p>{lines}<p class="small muted">"Code "<code>{reason.code}</code></p></Notice> }
                    })}
                    {detailed.then(|| view! { <Steps steps=steps(&deployment)/> })}
                    {under_way.then(|| view! { <Bars layers=progress.layers fetched=progress.bytes tasks=progress.tasks/> })}
                    {progress.note.clone().filter(|_| under_way).map(|note| view! { <p class="muted" aria-live="polite">{note}</p> })}
                </div>
            })}
        </section>
    }
    .into_any()
}

/// What is said of a failure, and the last lines of what died, which the engine writes behind it.
fn parted(message: &str) -> (String, Option<String>) {
    match message.split_once(". Its last lines:\n") {
        Some((said, lines)) => (said.to_owned(), Some(lines.to_owned())),
        None => (message.to_owned(), None),
    }
}

#[component]
fn Bars(layers: Share, fetched: Share, tasks: Share) -> impl IntoView {
    view! {
        {(layers.total > 0 && layers.done < layers.total).then(|| view! {
            <Bar label="Image" done=fetched.done total=fetched.total
                said=format!("{} of {} layers, {} of {}", layers.done, layers.total, bytes(fetched.done), bytes(fetched.total))/>
        })}
        {(tasks.total > 0).then(|| view! {
            <Bar label="Tasks" done=tasks.done total=tasks.total said=format!("{} of {} healthy", tasks.done, tasks.total)/>
        })}
    }
    .into_any()
}

/// The steps of a deployment, with the one where it failed, or was left for something else.
fn steps(deployment: &DeploymentView) -> Vec<(&'static str, Step)> {
    use DeploymentState::{Cancelled, Expired, Failed, Pending, Pulling, Queued, Refused, RolledBack, Rolling, Succeeded, Superseded};
    // Tasks are counted from when the first is to be replaced.
    let began = deployment.started_at.is_some();
    let rolled = began && deployment.progress.tasks.total > 0;
    let three = |queue, pull, roll| vec![("Queue", queue), ("Image", pull), ("Tasks", roll)];
    // Whoever cancels or brings something newer says nothing against it.
    let end = if matches!(deployment.state, Cancelled | Superseded) { Step::Left } else { Step::Failed };
    let mut steps = match deployment.state {
        Pending | Refused | Expired => three(Step::Ahead, Step::Ahead, Step::Ahead),
        Queued => three(Step::Now, Step::Ahead, Step::Ahead),
        Pulling => three(Step::Done, Step::Now, Step::Ahead),
        Rolling => three(Step::Done, Step::Done, Step::Now),
        Succeeded => three(Step::Done, Step::Done, Step::Done),
        Failed | RolledBack | Cancelled | Superseded if rolled => three(Step::Done, Step::Done, end),
        Failed | RolledBack | Cancelled | Superseded if began => three(Step::Done, end, Step::Ahead),
        Failed | RolledBack | Cancelled | Superseded => three(end, Step::Ahead, Step::Ahead),
    };
    let approval = match deployment.state {
        Pending => Some(Step::Now),
        Refused => Some(Step::Failed),
        Expired => Some(Step::Left),
        _ => deployment.decision.as_ref().map(|_| Step::Done),
    };
    if let Some(approval) = approval {
        steps.insert(0, ("Approval", approval));
    }
    steps
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ended(state: &str, started_at: Option<i64>, tasks: u64) -> DeploymentView {
        serde_json::from_value(json!({
            "id": "0190b5a0-0000-7000-8000-000000000001", "project": "shop", "service": "web", "environment": "local", "kind": "deploy",
            "state": state, "reason": null, "progress": {"tasks": {"done": 0, "total": tasks}}, "revision": 1, "previous": null,
            "image": "web:1", "by": "ana", "why": "", "created_at": 1, "started_at": started_at, "finished_at": 9,
        }))
        .expect("a deployment")
    }

    #[test]
    fn the_step_that_failed_or_was_left_is_the_one_that_it_came_to() {
        let of = |state: &str, started_at: Option<i64>, tasks: u64| steps(&ended(state, started_at, tasks)).into_iter().map(|(_, step)| step);
        for (state, end) in [("failed", Step::Failed), ("rolled_back", Step::Failed), ("cancelled", Step::Left), ("superseded", Step::Left)] {
            assert!(of(state, None, 0).eq([end, Step::Ahead, Step::Ahead]), "{state} in the queue");
            assert!(of(state, Some(2), 0).eq([Step::Done, end, Step::Ahead]), "{state} while its image was pulled");
            assert!(of(state, Some(2), 2).eq([Step::Done, Step::Done, end]), "{state} while its tasks were replaced");
        }
        assert!(of("succeeded", Some(2), 2).eq([Step::Done, Step::Done, Step::Done]));
    }
}
