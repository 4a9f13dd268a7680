//! What a container is: the answer for whoever has nothing but an id from `docker ps`, a host name or a log.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Form;
use model::running::Running as Named;
use model::views::services::RunningView;

use super::revisions::Origin;
use crate::api::services::what_runs;
use crate::components::{Ago, Badge, Crumb, Crumbs, Digest, TextField, Tone};
use crate::page::{loaded, query};
use crate::pages::states;
use crate::urls;

/// The page.
#[component]
pub(crate) fn Running() -> impl IntoView {
    let id = query("id");
    // What is no id is said at the field, and not looked for.
    let wrong = Signal::derive(move || id.with(|id| check(id).err()));
    let data = Resource::new(
        move || id.get(),
        |id| async move { if id.trim().is_empty() || check(&id).is_err() { Ok(None) } else { what_runs(id).await.map(Some) } },
    );
    view! {
        <Title text="What runs here"/>
        <Crumbs path=vec![Crumb::new(urls::ENVIRONMENTS, "Environments")]/>
        <div class="heading"><h1>"What runs here"</h1></div>
        <Form method="GET" action=urls::RUNNING attr:class="filter">
            <TextField name="id" label="Container or task" value=id.get_untracked() mono=true placeholder="3f1c9a0b7d2e" error=wrong check=Some(check)
                hint="An id as docker ps shows it, the host name within a container, or a task's id."/>
            <button type="submit" class="button">"Find it"</button>
        </Form>
        {loaded(data, |found| found.map(|found| view! { <Found found/> }))}
    }
    .into_any()
}

fn check(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { text.parse::<Named>().map(drop).map_err(|error| error.to_string()) }
}

#[component]
fn Found(found: RunningView) -> impl IntoView {
    let (tone, text) = states::task(&found.task);
    let (task, revision) = (found.task, found.revision);
    let wanted = revision.current_in.contains(&task.environment);
    let service = urls::asking(urls::service(&found.project, &found.service), &[("environment", task.environment.as_str())]);
    // Where a machine is called like its environment there is nothing to add.
    let named = task.machine.as_str() != task.environment.as_str();
    let place = if named { format!("{} on {}", task.environment, task.machine) } else { task.environment.to_string() };
    let why = (!revision.why.is_empty()).then(|| format!(": {}", revision.why));
    view! {
        <section class="panel">
            <header>
                <h2>{format!("{}/{}.{}", found.project, found.service, task.slot)}</h2><Badge tone text/>
                {(!wanted).then(|| view! { <Badge tone=Tone::Warn text="not what should run"/> })}
            </header>
            <div class="panel-body">
                <dl class="facts">
                    <dt>"Service"</dt><dd><a href=service>{format!("{} in {}", found.service, found.project)}</a></dd>
                    <dt>"Where"</dt><dd>{place}</dd>
                    {task.reason.map(|reason| view! { <dt>"Reason"</dt><dd class="break">{reason.message}</dd> })}
                    <dt>"Revision"</dt>
                    <dd>{revision.number}", made "<Ago at=revision.created_at/>" by "{revision.by.clone()}{why}<Origin revision=revision.clone()/></dd>
                    <dt>"Image"</dt><dd><code>{revision.image.clone()}</code></dd>
                    {revision.digest.map(|digest| view! { <dt>"Digest"</dt><dd><Digest value=digest.to_string()/></dd> })}
                    <dt>"Configuration"</dt><dd>{revision.configuration.to_string()}</dd>
                    {found.deployment.map(|deployment| {
                        let href = urls::deployment(&deployment.project, &deployment.service, deployment.id);
                        view! { <dt>"Brought by"</dt><dd>{deployment.by.clone()}", "<Ago at=deployment.created_at/>": "<a href=href>{states::act(&deployment)}</a></dd> }
                    })}
                    <dt>"Runs since"</dt><dd><Ago at=task.started_at.unwrap_or(task.created_at)/></dd>
                    {task.ended_at.map(|at| view! { <dt>"Ended"</dt><dd><Ago at/></dd> })}
                    {task.container.map(|id| view! { <dt>"Container"</dt><dd><code class="break">{id}</code></dd> })}
                    <dt>"Task"</dt><dd><code class="break">{task.id.to_string()}</code></dd>
                </dl>
            </div>
        </section>
    }
    .into_any()
}
