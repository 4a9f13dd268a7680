//! A deployment that waits for an approval: what it waits for, what changed since it was asked for, and the answer of those who may give one.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::names::EnvironmentName;
use model::page::Page;
use model::views::deployments::{DeploymentView, PlanView};

use crate::api::approvals::{ApproveDeployment, AskAgain, RefuseDeployment};
use crate::boot::boot;
use crate::components::{Ago, Changes, Confirm, Csrf, Keep, Notice, ProblemNotice, Submit, TextField, Tone, field_error};
use crate::page::problem;
use crate::pages::environments::{Frozen, Why, overrides};
use crate::pages::states;
use crate::urls;

/// What waits for the reader's approval, of all projects; nothing where nothing does.
#[component]
pub(crate) fn ToApprove(
    /// What waits, or a part of it.
    waiting: Page<DeploymentView>,
    /// Whether others stand before this part: then nobody counts them.
    #[prop(optional)]
    later: bool,
) -> impl IntoView {
    (!waiting.items.is_empty()).then(|| {
        let count = (!later).then(|| view! { <span class="count">{counted(&waiting)}</span> });
        let next = waiting.next.map(|next| urls::asking(urls::WAITING, &[("after", &next)]));
        let rows = waiting
            .items
            .into_iter()
            .map(|deployment| {
                let href = urls::deployment(&deployment.project, &deployment.service, deployment.id);
                let expires = deployment.expires_at.map(|at| view! { <Ago at/> });
                view! {
                    <tr>
                        <td data-label="What" class="table-main">
                            <a href=href>{format!("{}/{}: {}", deployment.project, deployment.service, states::act(&deployment))}</a>
                        </td>
                        <td data-label="Where">{deployment.environment.to_string()}</td>
                        <td data-label="Image"><span class="chip">{deployment.image}</span></td>
                        <td data-label="Asked for"><span><Ago at=deployment.created_at/>" by "{deployment.by}</span></td>
                        <td data-label="Expires">{expires}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <section class="panel">
                <header><h2>"Waits for your approval "{count}</h2></header>
                <table class="table">
                    <thead><tr>
                        <th scope="col">"What"</th><th scope="col">"Where"</th><th scope="col">"Image"</th><th scope="col">"Asked for"</th>
                        <th scope="col">"Expires"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                {next.map(|href| view! { <footer><a href=href>"More that waits"</a></footer> })}
            </section>
        }
    })
}

/// How many wait, as far as they were read: `50+` where more follow.
fn counted(waiting: &Page<DeploymentView>) -> String {
    let more = if waiting.next.is_some() { "+" } else { "" };
    format!("{}{more}", waiting.items.len())
}

/// The two answers, and asking again.
#[derive(Clone, Copy)]
pub(super) struct Decide {
    pub approve: ServerAction<ApproveDeployment>,
    pub refuse: ServerAction<RefuseDeployment>,
    pub again: ServerAction<AskAgain>,
}

/// What the reader may do about it.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    /// Answer.
    pub approves: bool,
    /// Ask again.
    pub deploys: bool,
}

/// What it waits for.
#[component]
pub(super) fn Waits(
    /// The deployment.
    deployment: DeploymentView,
    /// What it would do; none: that cannot be told.
    plan: Option<PlanView>,
    /// Who reads.
    reader: Reader,
    /// What is sent.
    decide: Decide,
) -> impl IntoView {
    let expires = deployment.expires_at;
    let environment = deployment.environment.to_string();
    let frozen = plan.as_ref().and_then(|plan| plan.frozen.clone()).map(|frozen| view! { <Frozen environment=environment.clone() frozen/> });
    let changed = plan.as_ref().is_some_and(|plan| !plan.changed_since.is_empty());
    let since = plan.clone().filter(|_| changed).map(|plan| {
        let deployment = deployment.clone();
        view! { <Since deployment plan deploys=reader.deploys again=decide.again/> }
    });
    let said = match (changed, reader.approves) {
        (true, _) => "Something changed since it was asked for, so it cannot be approved any more: it has to be asked for again, see below.",
        (false, true) => "Look at what it would do, then approve or refuse it.",
        (false, false) => "An admin of this project or an operator approves or refuses it.",
    };
    view! {
        {frozen}
        <Notice tone=Tone::Warn title=format!("It waits for an approval, because {environment} is protected.")>
            <p>
                {said}" What runs there runs on meanwhile."
                {expires.map(|at| view! { " It expires "<Ago at/>"." })}
            </p>
            {reader.approves.then(|| view! { <Answers deployment plan decide/> })}
        </Notice>
        {since}
    }
    .into_any()
}

/// What says which deployment is meant.
#[component]
fn Target(deployment: DeploymentView) -> impl IntoView {
    view! {
        <Csrf/>
        <input type="hidden" name="project" value=deployment.project.to_string()/>
        <input type="hidden" name="service" value=deployment.service.to_string()/>
        <input type="hidden" name="deployment" value=deployment.id.to_string()/>
    }
    .into_any()
}

/// Why this reader cannot approve it, if something is in the way.
fn in_the_way(deployment: &DeploymentView, plan: Option<&PlanView>, me: &str, operator: bool) -> Option<String> {
    let plan = plan?;
    if !plan.changed_since.is_empty() {
        return Some(String::from("Something changed since it was asked for: it has to be asked for again"));
    }
    if plan.own {
        let whose = if deployment.by == me { "You asked for this yourself" } else { "You are behind what asked for this" };
        return Some(format!("{whose}; in {} somebody else approves it", deployment.environment));
    }
    (plan.frozen.is_some() && !operator).then(|| format!("{} is frozen; only an operator overrides that", deployment.environment))
}

/// The environment, where it is frozen.
fn frozen(deployment: &DeploymentView, plan: &PlanView) -> Vec<EnvironmentName> {
    plan.frozen.iter().map(|_| deployment.environment.clone()).collect()
}

#[component]
fn Answers(deployment: DeploymentView, plan: Option<PlanView>, decide: Decide) -> impl IntoView {
    let (me, operator) = boot().me.map(|me| (me.username.to_string(), me.operator)).unwrap_or_default();
    let because = in_the_way(&deployment, plan.as_ref(), &me, operator);
    // That something changed is said above already.
    let changed = plan.as_ref().is_some_and(|plan| !plan.changed_since.is_empty());
    let told = because.clone().filter(|_| !changed).map(|because| view! { <p>{because}"."</p> });
    let frozen = plan.map(|plan| frozen(&deployment, &plan)).unwrap_or_default();
    let what = format!("revision {} of {} in {}", deployment.revision, deployment.service, deployment.environment);
    let by = deployment.by.clone();
    let (refused, not_refused) = (problem(decide.approve), problem(decide.refuse));
    let (to_approve, to_refuse) = (deployment.clone(), deployment);
    view! {
        {told}
        <div class="actions">
            <Confirm id="approve" button="Approve" look="button-primary" title=format!("Approve {what}?") because>
                <p>{format!("Asked for by {by}. It begins at once, and takes the place of what is under way. That you let it through is recorded.")}</p>
                <ProblemNotice problem=refused beside=&["why"]/>
                <ActionForm action=decide.approve attr:class="form">
                    <Target deployment=to_approve/>
                    <Why frozen scope="approve" refused/>
                    <div class="actions"><Keep dialog="approve"/><Submit label="Approve" pending=decide.approve.pending()/></div>
                </ActionForm>
            </Confirm>
            <Confirm id="refuse" button="Refuse" title=format!("Refuse {what}?")>
                <p>"Nothing changes for what runs. Who asked reads why."</p>
                <ProblemNotice problem=not_refused beside=&["why"]/>
                <ActionForm action=decide.refuse attr:class="form">
                    <Target deployment=to_refuse/>
                    <TextField name="why" label="Why" required=true scope="refuse" error=field_error(not_refused, "why")/>
                    <div class="actions"><Keep dialog="refuse"/><Submit label="Refuse" look="button-danger-fill" pending=decide.refuse.pending()/></div>
                </ActionForm>
            </Confirm>
        </div>
    }
    .into_any()
}

/// What changed since it was asked for, and the way to ask again.
#[component]
fn Since(deployment: DeploymentView, plan: PlanView, deploys: bool, again: ServerAction<AskAgain>) -> impl IntoView {
    let whom = if plan.second_person {
        "Whoever asks again counts as the one who asked, so somebody else has to approve it."
    } else {
        "It then waits for an approval again."
    };
    let refused = problem(again);
    let frozen = frozen(&deployment, &plan);
    let why = overrides(&frozen).then(|| view! { <Why frozen scope="again" refused/> });
    let ask = deploys.then(|| {
        view! {
            <ProblemNotice problem=refused beside=&["why"]/>
            <ActionForm action=again attr:class="form">
                <Target deployment/>
                {why}
                <div class="actions"><Submit label="Ask again" pending=again.pending()/></div>
            </ActionForm>
        }
    });
    view! {
        <section class="panel">
            <header><h2>"Changed since it was asked for"</h2></header>
            <div class="panel-body">
                <p>"Before (-) is what was asked for, after (+) is what is there now. Asking again brings what is there now, in place of this one. "{whom}</p>
                <Changes changes=plan.changed_since/>
                {ask}
            </div>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked() -> DeploymentView {
        serde_json::from_value(json!({
            "id": "0190b5a0-0000-7000-8000-000000000001", "project": "shop", "service": "web", "environment": "prod", "kind": "deploy",
            "state": "pending", "reason": null, "progress": {}, "revision": 2, "previous": 1,
            "image": "web:1", "by": "ana", "why": "", "created_at": 1, "started_at": null, "finished_at": null,
        }))
        .expect("a deployment")
    }

    fn plan(more: &serde_json::Value) -> PlanView {
        let mut json = json!({
            "environment": "prod", "image": "web:1", "digest": null, "current": null, "changes": [], "order": "start-first",
            "creates": 1, "ends": 0, "unchanged": false, "notes": [],
        });
        let fields = json.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        serde_json::from_value(json).expect("a plan")
    }

    #[test]
    fn what_was_not_read_is_not_counted() {
        let page = |next: Option<&str>| Page { items: vec![asked(), asked()], next: next.map(str::to_owned) };
        assert_eq!((counted(&page(None)), counted(&page(Some("x")))), (String::from("2"), String::from("2+")));
    }

    #[test]
    fn who_cannot_approve_is_told_why() {
        let why = |more: serde_json::Value, me: &str, operator: bool| in_the_way(&asked(), Some(&plan(&more)), me, operator).unwrap_or_default();
        assert_eq!(why(json!({}), "ana", false), "");
        assert!(why(json!({"second_person": true, "own": true}), "ana", true).starts_with("You asked for this yourself; in prod somebody else"));
        assert!(why(json!({"second_person": true, "own": true}), "eve", false).starts_with("You are behind what asked for this; in prod"));
        assert_eq!(why(json!({"second_person": true}), "bob", false), "");
        let frozen = json!({"frozen": {"at": 1, "by": "root", "why": "stocktaking"}});
        assert!(why(frozen.clone(), "bob", false).contains("is frozen"));
        assert_eq!(why(frozen, "root", true), "", "an operator may override it");
        let changed = json!({"changed_since": [{"field": "image content", "before": "a", "after": "b"}]});
        assert!(why(changed, "root", true).contains("asked for again"));
    }
}
