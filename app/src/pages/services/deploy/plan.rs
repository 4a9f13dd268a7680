//! What a deploy would do: the button that asks, and the answer.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use model::problem::{FieldError, Problem};
use model::views::deployments::{PlanAct, PlanStep, PlanTask, PlanView};

use crate::api::ApiError;
use crate::components::{Changes, ProblemNotice, capital, sentence};
use crate::page::problem;

/// What stands above the mistakes of a plan that stand nowhere else.
const BECAUSE: &str = "This cannot be deployed, because this is not right:";
/// Where the mistakes of a plan stand.
pub(super) const MARKED: &str = "This cannot be deployed yet: look at the marked fields.";

/// The button that asks what would change. With scripts the answer comes beside the form; without, the form is sent there and comes back with it.
#[component]
pub(super) fn Ask(
    /// Where the form is sent.
    to: &'static str,
    /// Whether it is on its way.
    #[prop(into)]
    pending: Signal<bool>,
    /// Asks.
    ask: Callback<()>,
) -> impl IntoView {
    // While it waits it keeps the focus, which a button that is disabled would lose.
    let asked = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        if !pending.get_untracked() {
            ask.run(());
        }
    };
    view! {
        <button type="submit" class="button" formaction=to formnovalidate=true aria-disabled=move || pending.get().then_some("true")
            aria-busy=move || pending.get().then_some("true") on:click=asked>
            "Show what would change"
        </button>
    }
    .into_any()
}

/// What the server said of what is typed, whether it was told to deploy or asked what would change. Whoever asks clears what was told before.
pub(super) fn verdict<D, P>(sent: ServerAction<D>, asked: ServerAction<P>) -> Signal<Option<Problem>>
where
    D: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    D::Output: Send + Sync + 'static,
    P: ServerFn<Error = ApiError> + Clone + Send + Sync + 'static,
    P::Output: Send + Sync + 'static,
{
    let (of_deploy, of_plan) = (problem(sent), problem(asked));
    Signal::derive(move || of_deploy.get().or_else(|| of_plan.get()))
}

/// What a refusal says besides what is `shown` at its place already; of that it says where to look.
pub(super) fn besides(
    refused: Signal<Option<Problem>>,
    look: &'static str,
    shown: impl Fn(&FieldError) -> bool + Send + Sync + 'static,
) -> Signal<Option<Problem>> {
    Signal::derive(move || {
        let mut problem = refused.get()?;
        let all = problem.fields.len();
        problem.fields.retain(|error| !shown(error));
        if problem.fields.len() < all {
            problem.detail = look.to_owned();
        }
        Some(problem)
    })
}

/// What a deploy would do.
#[component]
pub(super) fn Planned(
    /// What was asked about before, for a browser without scripts.
    first: Option<PlanView>,
    /// What is answered since.
    answer: Signal<Option<Result<PlanView, ApiError>>>,
    /// Why it cannot be told, as far as the form does not say it.
    refused: Signal<Option<Problem>>,
) -> impl IntoView {
    answered(first, answer, refused, |plan| view! { <Plan plan/> })
}

/// What came of the question what a deploy would do, as `show` shows it. Before anything was asked here, what was asked without scripts.
pub(super) fn answered<T, V>(
    first: Option<T>,
    answer: Signal<Option<Result<T, ApiError>>>,
    refused: Signal<Option<Problem>>,
    show: impl Fn(T) -> V + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let shown = move || match answer.get() {
        None => first.clone(),
        Some(found) => found.ok(),
    };
    view! {
        <div class="stack" aria-live="polite">
            <ProblemNotice problem=refused because=BECAUSE/>
            {move || shown().map(&show)}
        </div>
    }
    .into_any()
}

/// A plan.
#[component]
pub(crate) fn Plan(plan: PlanView) -> impl IntoView {
    let takes = plan.takes.iter().map(|taking| view! { <li>{capital(&taking.text)}</li> }).collect_view();
    let notes = plan.notes.iter().map(|note| view! { <li>{sentence(note)}</li> }).collect_view();
    let first = plan.current.is_none();
    view! {
        <section class="panel">
            <header><h2>"What would change"</h2></header>
            <div class="panel-body">
                {plan.unchanged.then(|| view! { <p>"Nothing: this runs already. Deploying makes a revision all the same."</p> })}
                <dl class="facts">
                    <dt>"Image"</dt><dd><code>{plan.image.clone()}</code></dd>
                    <dt>"Tasks"</dt><dd>{made(&plan)}</dd>
                    <dt>"Room"</dt><dd>{room(&plan)}</dd>
                    <dt>"Configuration"</dt><dd>{plan.configuration.to_string()}</dd>
                </dl>
                {(!plan.takes.is_empty()).then(|| view! { <h3>"Quota of the project"</h3><ul class="stack-s">{takes}</ul> })}
                {(!first && !plan.steps.is_empty()).then(|| view! { <InOrder steps=plan.steps.clone()/> })}
                {(!plan.notes.is_empty()).then(|| view! { <ul class="stack-s">{notes}</ul> })}
                {if first { view! { <p class="muted">"This is the first deployment here."</p> }.into_any() } else { view! { <Changes changes=plan.changes/> }.into_any() }}
            </div>
        </section>
    }
    .into_any()
}

/// Which tasks are made and which end.
fn made(plan: &PlanView) -> String {
    use model::descriptor::UpdateOrder;
    let order = match plan.order {
        UpdateOrder::StartFirst => "new tasks are healthy before old ones end",
        UpdateOrder::StopFirst => "old tasks end before new ones start",
    };
    match (plan.each_run, plan.current) {
        (Some(each), _) if plan.ends == 0 => format!("{each} made by each run"),
        (Some(each), _) => format!("{} ended; {each} made by each run", plan.ends),
        (None, None) => format!("{} made", plan.creates),
        (None, Some(_)) => format!("{} made, {} ended; {order}", plan.creates, plan.ends),
    }
}

/// How many tasks it takes, and how many for a while.
fn room(plan: &PlanView) -> String {
    let tasks = |count: u32| if count == 1 { String::from("1 task") } else { format!("{count} tasks") };
    if let Some(each) = plan.each_run {
        return format!("{} while it runs", tasks(each));
    }
    if plan.at_most > plan.tasks {
        format!("{}, and {} at the same time while they are replaced", tasks(plan.tasks), plan.at_most)
    } else {
        tasks(plan.tasks)
    }
}

/// The steps of a rollout, one after the other.
#[component]
fn InOrder(steps: Vec<PlanStep>) -> impl IntoView {
    let (count, open) = (steps.len(), steps.len() <= 8);
    let items = steps
        .into_iter()
        .enumerate()
        .map(|(at, step)| {
            let named =
                |task: &PlanTask| task.revision.map_or_else(|| task.slot.to_string(), |revision| format!("{} (revision {revision})", task.slot));
            let tasks = step.tasks.iter().map(named).collect::<Vec<_>>().join(", ");
            let said = match (step.act, step.tasks.len()) {
                (PlanAct::Make, 1) => format!("make task {tasks} and wait until it serves"),
                (PlanAct::Make, _) => format!("make tasks {tasks} and wait until they serve"),
                (PlanAct::End, 1) => format!("end task {tasks}"),
                (PlanAct::End, _) => format!("end tasks {tasks}"),
            };
            view! { <li>{format!("{}. {said}", at + 1)}</li> }
        })
        .collect_view();
    view! {
        <details class="stack-s" open=open>
            <summary>{if count == 1 { String::from("In one step") } else { format!("In {count} steps, if all goes well") }}</summary>
            <ol>{items}</ol>
        </details>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_s_tasks_are_those_of_its_runs() {
        let plan = |job: bool| {
            let json = serde_json::json!({
                "environment": "local", "image": "web:1", "digest": null, "current": null, "changes": [], "order": "start-first",
                "creates": if job { 0 } else { 2 }, "ends": 0, "tasks": if job { 0 } else { 2 }, "at_most": if job { 0 } else { 2 },
                "unchanged": false, "notes": [], "each_run": job.then_some(2),
            });
            serde_json::from_value::<PlanView>(json).expect("a plan")
        };
        assert_eq!((made(&plan(true)), room(&plan(true))), (String::from("2 made by each run"), String::from("2 tasks while it runs")));
        assert_eq!((made(&plan(false)), room(&plan(false))), (String::from("2 made"), String::from("2 tasks")));
    }
}
