//! Cloning what runs in one environment into another: first what it would do, then the button.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Form;
use leptos_router::hooks::use_navigate;
use model::views::deployments::{CloneOf, ClonePlaces, ClonePlan};

use super::projects::current;
use crate::api::cloning::{ClonePage, CloneServices, plan_clone};
use crate::components::{Badge, Changes, Choice, Csrf, Empty, Notice, ProblemNotice, Select, Submit, TextField, Tone, sentence};
use crate::page::{change, loaded_in, problem, query};
use crate::urls;

/// What was chosen on this page.
#[derive(Clone, PartialEq, Eq)]
struct Chosen {
    project: String,
    from: String,
    to: String,
    services: String,
}

/// The page.
#[component]
pub(crate) fn Cloning() -> impl IntoView {
    let project = current();
    let (from, to, services) = (query("from"), query("to"), query("services"));
    let data = Resource::new(
        move || (project.name.get(), from.get(), to.get(), services.get()),
        |(project, from, to, services)| plan_clone(project, from, to, services),
    );
    let action = change::<CloneServices>("Cloning has begun", None);
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(_)) = action.value().get() {
            navigate(&urls::project_page(project.name.get_untracked(), "deployments"), leptos_router::NavigateOptions::default());
        }
    });
    view! {
        <Title text="Clone into another environment"/>
        {loaded_in(project.view, data, move |_, page: ClonePage| {
            let chosen = Chosen { project: project.name.get(), from: from.get(), to: to.get(), services: services.get() };
            let plan = page.plan.map(|plan| view! { <Planned plan chosen=chosen.clone() action/> });
            view! { <Places places=page.places chosen/>{plan} }
        })}
    }
    .into_any()
}

/// From where, to where, and what.
#[component]
fn Places(places: ClonePlaces, chosen: Chosen) -> impl IntoView {
    if places.to.len() < 2 && places.from.len() < 2 {
        return view! {
            <section class="panel"><Empty title="There is only one environment"><p>"An operator adds others, or opens them to this project."</p></Empty></section>
        }
        .into_any();
    }
    let choices = |names: &[model::names::EnvironmentName]| names.iter().map(|name| Choice::new(name.as_str(), name.as_str())).collect::<Vec<_>>();
    let path = urls::project_page(&chosen.project, "clone");
    let from = if chosen.from.is_empty() { places.from.first().map(ToString::to_string).unwrap_or_default() } else { chosen.from };
    // Nothing is cloned into where it is: another place is proposed.
    let to = if chosen.to.is_empty() { places.to.iter().map(ToString::to_string).find(|name| *name != from).unwrap_or_default() } else { chosen.to };
    view! {
        <section class="panel">
            <header><h2>"Clone into another environment"</h2></header>
            <div class="panel-body stack-s">
                <p class="muted">
                    "The same images and descriptions, brought into another environment with the configuration of that place. Variables, files and secrets are not copied."
                </p>
                <Form method="GET" action=path attr:class="filter">
                    <Select name="from" label="From" choices=choices(places.from.as_slice()) value=from/>
                    <Select name="to" label="To" choices=choices(places.to.as_slice()) value=to/>
                    <TextField name="services" label="Services" value=chosen.services placeholder="all that run there" mono=true/>
                    <button type="submit" class="button">"Show what it would do"</button>
                </Form>
            </div>
        </section>
    }
    .into_any()
}

/// What it would do, and the button.
#[component]
fn Planned(plan: ClonePlan, chosen: Chosen, action: ServerAction<CloneServices>) -> impl IntoView {
    let (ready, count) = (plan.ready(), plan.services.len());
    let can = plan.services.iter().filter(|one| one.problems.is_empty()).map(|one| one.service.to_string()).collect::<Vec<_>>().join(",");
    let rest =
        urls::asking(urls::project_page(&chosen.project, "clone"), &[("from", plan.from.as_str()), ("to", plan.to.as_str()), ("services", &can)]);
    let configuration = urls::asking(urls::project_page(&chosen.project, "configuration"), &[("environment", plan.to.as_str())]);
    let left_out = plan.left_out.iter().map(|left| view! { <li>{format!("{}: {}", left.service, left.why)}</li> }).collect_view();
    let leaves = !plan.left_out.is_empty();
    let label = if count == 1 { format!("Clone 1 service into {}", plan.to) } else { format!("Clone {count} services into {}", plan.to) };
    let (from, to) = (plan.from.to_string(), plan.to.to_string());
    let nothing = format!("Nothing of this project runs in {from}.");
    let mut services = plan.services;
    let shared = share_notes(&mut services);
    let panels = services.into_iter().map(|one| view! { <One one/> }).collect_view();
    view! {
        {(count == 0).then(|| view! { <section class="panel"><Empty title="Nothing to clone"><p>{nothing}</p></Empty></section> })}
        {(count > 0 && !ready).then(|| view! {
            <Notice tone=Tone::Warn title="Nothing is begun while one of them cannot be cloned">
                <p>
                    "Set what is missing in the "<a href=configuration>"configuration"</a>
                    {(!can.is_empty()).then(|| view! { ", or clone "<a href=rest>"only those that can be"</a> })}"."
                </p>
            </Notice>
        })}
        {(!shared.is_empty()).then(|| {
            let notes = shared.iter().map(|note| view! { <p>{sentence(note)}</p> }).collect_view();
            view! { <Notice tone=Tone::Idle>{notes}</Notice> }
        })}
        {panels}
        {leaves.then(|| view! { <section class="panel"><header><h2>"Left out"</h2></header><div class="panel-body"><ul>{left_out}</ul></div></section> })}
        {ready.then(|| view! {
            <section class="panel page-narrow">
                <div class="panel-body">
                    <ProblemNotice problem=problem(action)/>
                    <ActionForm action attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="project" value=chosen.project/>
                        <input type="hidden" name="from" value=from/>
                        <input type="hidden" name="to" value=to/>
                        <input type="hidden" name="services" value=chosen.services/>
                        <TextField name="why" label="Why" optional=true/>
                        <div class="actions"><Submit label pending=action.pending()/></div>
                    </ActionForm>
                </div>
            </section>
        })}
    }
    .into_any()
}

/// What is to be known of each of several services, said once: taken from their plans.
fn share_notes(services: &mut [CloneOf]) -> Vec<String> {
    let mut plans: Vec<_> = services.iter_mut().filter_map(|one| one.plan.as_mut()).collect();
    if plans.len() < 2 {
        return Vec::new();
    }
    let mut shared = plans[0].notes.clone();
    shared.retain(|note| plans.iter().all(|plan| plan.notes.contains(note)));
    for plan in &mut plans {
        plan.notes.retain(|note| !shared.contains(note));
    }
    shared
}

/// One service.
#[component]
fn One(one: CloneOf) -> impl IntoView {
    let (tone, text) = if one.problems.is_empty() { (Tone::Ok, "Can be cloned") } else { (Tone::Bad, "Cannot be cloned") };
    let problems = one.problems.iter().map(|problem| view! { <li>{sentence(&problem.message)}</li> }).collect_view();
    let wrong = !one.problems.is_empty();
    let differs = !one.differs.is_empty();
    view! {
        <section class="panel">
            <header><h2>{one.service.to_string()}</h2><Badge tone text/></header>
            <div class="panel-body">
                <dl class="facts">
                    <dt>"Revision"</dt><dd>{one.revision}</dd>
                    <dt>"Image"</dt><dd><code>{one.image}</code></dd>
                    {one.plan.map(|plan| {
                        let notes = plan.notes.iter().map(|note| view! { <p class="small muted">{sentence(note)}</p> }).collect_view();
                        let made = plan.each_run.map_or_else(|| format!("{} made", tasks(plan.creates)), |each| format!("{} made by each run", tasks(each)));
                        view! { <dt>"There"</dt><dd>{format!("{made}, {} ended", plan.ends)}{notes}</dd> }
                    })}
                </dl>
                {wrong.then(|| view! { <ul class="stack-s">{problems}</ul> })}
                {differs.then(|| view! { <p>"Its tasks would get another configuration there:"</p><Changes changes=one.differs/> })}
            </div>
        </section>
    }
    .into_any()
}

fn tasks(count: u32) -> String {
    if count == 1 { String::from("1 task") } else { format!("{count} tasks") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_all_services_is_said_once() {
        let one = |notes: &[&str]| -> CloneOf {
            let plan = serde_json::json!({
                "environment": "prod", "image": "web:1", "digest": null, "current": null, "changes": [], "order": "start-first", "creates": 1,
                "ends": 0, "unchanged": false, "notes": notes,
            });
            let json = serde_json::json!({"service": "web", "revision": 1, "image": "web:1", "plan": plan, "problems": [], "differs": []});
            serde_json::from_value(json).expect("a service")
        };
        let mut several = [one(&["protected", "stopped"]), one(&["protected"])];
        assert_eq!(share_notes(&mut several), ["protected"]);
        let left = several.map(|one| one.plan.expect("a plan").notes);
        assert_eq!(left, [vec![String::from("stopped")], Vec::new()]);
        assert!(share_notes(&mut [one(&["protected"])]).is_empty(), "one alone keeps its own");
    }
}
