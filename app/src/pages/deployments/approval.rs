//! A deployment that waits for an approval: what it waits for, and the answer of those who may give one.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::views::deployments::DeploymentView;

use crate::api::deployments::{ApproveDeployment, RefuseDeployment};
use crate::components::{Ago, Confirm, Csrf, Keep, Notice, ProblemNotice, Submit, TextField, Tone};
use crate::page::problem;

/// The two answers.
#[derive(Clone, Copy)]
pub(super) struct Decide {
    pub approve: ServerAction<ApproveDeployment>,
    pub refuse: ServerAction<RefuseDeployment>,
}

/// What it waits for.
#[component]
pub(super) fn Waits(deployment: DeploymentView, may_approve: bool, decide: Decide) -> impl IntoView {
    let expires = deployment.expires_at;
    let environment = deployment.environment.to_string();
    view! {
        <Notice tone=Tone::Warn title=format!("It waits for an approval, because {environment} is protected.")>
            <p>
                {if may_approve { "Look at what it would do, then approve or refuse it." } else { "An admin of this project or an operator approves or refuses it." }}
                " What runs there runs on meanwhile."
                {expires.map(|at| view! { " It expires "<Ago at/>"." })}
            </p>
            {may_approve.then(|| view! { <Answers deployment decide/> })}
        </Notice>
    }
    .into_any()
}

#[component]
fn Answers(deployment: DeploymentView, decide: Decide) -> impl IntoView {
    let meant = StoredValue::new(deployment.clone());
    let target = move || {
        let deployment = meant.get_value();
        view! {
            <Csrf/>
            <input type="hidden" name="project" value=deployment.project.to_string()/>
            <input type="hidden" name="service" value=deployment.service.to_string()/>
            <input type="hidden" name="deployment" value=deployment.id.to_string()/>
        }
    };
    let what = format!("revision {} of {} in {}", deployment.revision, deployment.service, deployment.environment);
    let by = deployment.by.clone();
    view! {
        <ProblemNotice problem=problem(decide.approve)/>
        <div class="actions">
            <Confirm id="approve" button="Approve" look="button-primary" title=format!("Approve {what}?")>
                <p>{format!("Asked for by {by}. It begins at once, and takes the place of what is under way. That you let it through is recorded.")}</p>
                <ActionForm action=decide.approve attr:class="form">
                    {target()}
                    <TextField name="why" label="Why" optional=true scope="approve"/>
                    <div class="actions"><Keep dialog="approve"/><Submit label="Approve" pending=decide.approve.pending()/></div>
                </ActionForm>
            </Confirm>
            <Confirm id="refuse" button="Refuse" title=format!("Refuse {what}?")>
                <p>"Nothing changes for what runs. Who asked reads why."</p>
                <ProblemNotice problem=problem(decide.refuse)/>
                <ActionForm action=decide.refuse attr:class="form">
                    {target()}
                    <TextField name="why" label="Why" optional=true scope="refuse"/>
                    <div class="actions"><Keep dialog="refuse"/><Submit label="Refuse" look="button-danger-fill" pending=decide.refuse.pending()/></div>
                </ActionForm>
            </Confirm>
        </div>
    }
    .into_any()
}
