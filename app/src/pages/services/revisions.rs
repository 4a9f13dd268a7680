//! A service's revisions: what was deployed, what differs, and the way back.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_router::components::Form;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::names::EnvironmentName;
use model::page::Page;
use model::views::configs::ConfigurationOf;
use model::views::deployments::{Comparison, RevisionView};
use model::views::services::ServiceDetail;

use super::{Plan, current, frozen};
use crate::api::deployments::{RollBack, compare_revisions, list_revisions, plan_roll_back};
use crate::components::{Ago, Badge, Changes, Choice, Confirm, Csrf, Empty, Keep, ProblemNotice, Select, Submit, TextField, Tone};
use crate::page::{change, forget, loaded, loaded_in, problem, query};
use crate::pages::environments::Why;
use crate::urls;

/// The revisions.
#[component]
pub(crate) fn Revisions() -> impl IntoView {
    let service = current();
    let (after, from, to) = (query("after"), query("from"), query("to"));
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), after.get(), service.pulse.track()),
        |(project, name, after, _)| list_revisions(project, name, Some(after)),
    );
    let compared = Resource::new(
        move || (service.project.get(), service.name.get(), from.get().parse::<i64>(), to.get().parse::<i64>()),
        |(project, name, from, to)| async move {
            match (from, to) {
                (Ok(from), Ok(to)) => compare_revisions(project, name, from, to).await.map(Some),
                _ => Ok(None),
            }
        },
    );
    let (plan, environment) = (query("plan"), query("environment"));
    let planned = Resource::new(
        move || (service.project.get(), service.name.get(), environment.get(), plan.get().parse::<i64>().ok()),
        |(project, name, environment, revision)| plan_roll_back(project, name, environment, revision),
    );
    let pulse = service.pulse;
    let back = change::<RollBack>("Rolling back", Some(pulse));
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(deployment)) = back.value().get() {
            navigate(&urls::deployment(&deployment.project, &deployment.service, deployment.id), leptos_router::NavigateOptions::default());
        }
    });
    view! {
        {loaded_in(service.view, data, move |service, page| view! { <Choose service page from=from.get() to=to.get()/> })}
        {loaded(planned, |plan| plan.map(|plan| view! { <Plan plan/> }))}
        {loaded(compared, |comparison| comparison.map(|comparison| view! { <Compared comparison/> }))}
        {loaded_in(service.view, data, move |service, page| {
            // Any of them may be frozen, or thawed.
            for run in &service.runs {
                pulse.watch(format!("environment:{}", run.environment_id));
            }
            view! { <Table service page back/> }
        })}
    }
    .into_any()
}

#[component]
fn Compared(comparison: Comparison) -> impl IntoView {
    let made = comparison
        .revisions
        .iter()
        .map(|revision| {
            let why = (!revision.why.is_empty()).then(|| format!(": {}", revision.why));
            view! { <dt>{format!("Revision {}", revision.number)}</dt><dd><Ago at=revision.created_at/>" by "{revision.by.clone()}{why}<Origin revision=revision.clone()/></dd> }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>{format!("From revision {} to {}", comparison.before, comparison.after)}</h2></header>
            <div class="panel-body">
                <dl class="facts">{made}</dl>
                <Changes changes=comparison.changes/>
            </div>
        </section>
    }
    .into_any()
}

/// Where a revision comes from, and who let it in.
#[component]
pub(super) fn Origin(revision: RevisionView) -> impl IntoView {
    let both = revision.commit.is_some() && revision.build.is_some();
    let link = revision.link.filter(|link| link.starts_with("https://") || link.starts_with("http://"));
    let commit = revision.commit.map(|commit| {
        let short: String = commit.chars().take(10).collect();
        let chip = view! { <span class="chip" title=commit>{short}</span> };
        match link {
            Some(link) => view! { "commit "<a href=link rel="external noopener" target="_blank">{chip}</a> }.into_any(),
            None => view! { "commit "{chip} }.into_any(),
        }
    });
    let reference = revision.reference.map(|reference| view! { " of "<span class="chip break">{reference}</span> });
    let author = revision.author.map(|author| view! { " by "{author} });
    let build = revision.build.map(|build| {
        let linked = build.starts_with("https://") || build.starts_with("http://");
        if linked {
            view! { <a href=build.clone() rel="external noopener" target="_blank">"build"</a> }.into_any()
        } else {
            view! { "build "<span class="chip">{build}</span> }.into_any()
        }
    });
    let said = commit.is_some() || build.is_some() || reference.is_some() || author.is_some();
    let made_of = said.then(|| view! { " ("{commit}{reference}{author}{both.then_some(", ")}{build}")" });
    let approvals = revision.approvals.into_iter().map(|approval| {
        let why = (!approval.why.is_empty()).then(|| format!(": {}", approval.why));
        view! { <span class="table-side small muted break">"Approved for "{approval.environment.to_string()}" by "{approval.by}", "<Ago at=approval.at/>{why}"."</span> }
    });
    view! { {made_of}{approvals.collect_view()} }.into_any()
}

/// The choice of two revisions.
#[component]
fn Choose(service: ServiceDetail, page: Page<RevisionView>, from: String, to: String) -> impl IntoView {
    let newest = page.items.first().map_or(0, |revision| revision.number);
    (newest > 1 || !from.is_empty()).then(|| {
        let path = urls::service_page(&service.project, &service.name, "revisions");
        let from = if from.is_empty() { (newest - 1).max(1).to_string() } else { from };
        let to = if to.is_empty() { newest.to_string() } else { to };
        view! {
            <Form method="GET" action=path attr:class="filter">
                <TextField name="from" label="From revision" value=from inputmode="numeric"/>
                <TextField name="to" label="To revision" value=to inputmode="numeric"/>
                <button type="submit" class="button">"Compare"</button>
            </Form>
        }
    })
}

#[component]
fn Table(service: ServiceDetail, page: Page<RevisionView>, back: ServerAction<RollBack>) -> impl IntoView {
    let path = urls::service_page(&service.project, &service.name, "revisions");
    if page.items.is_empty() {
        return view! {
            <section class="panel"><Empty title="No revisions yet"><p>"Each deployment makes one. It never changes, so any of them can come back."</p></Empty></section>
        }
        .into_any();
    }
    let next = page.next.map(|next| format!("{path}?after={}", urls::query(&next)));
    let rows = page.items.into_iter().map(|revision| view! { <Row service=service.clone() revision path=path.clone() back/> }).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Revisions"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"Revision"</th><th scope="col">"Image"</th><th scope="col">"Replicas"</th><th scope="col">"Configuration"</th><th scope="col">"Made"</th><th scope="col">"Why"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {next.map(|href| view! { <footer><a href=href>"Older revisions"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Row(service: ServiceDetail, revision: RevisionView, path: String, back: ServerAction<RollBack>) -> impl IntoView {
    let number = revision.number;
    let current: Vec<_> =
        revision.current_in.iter().map(|environment| view! { <Badge tone=Tone::Ok text=format!("runs in {environment}")/>" " }).collect();
    let from = [&revision.commit, &revision.build, &revision.reference, &revision.author].into_iter().any(Option::is_some);
    let said = !revision.why.is_empty() || from || !revision.approvals.is_empty();
    let made_by =
        revision.template.as_ref().map(|mark| view! { " "<span class="muted small">{format!("{} version {}", mark.name, mark.version)}</span> });
    let compare = (number > 1).then(|| format!("{path}?from={}&to={number}", number - 1));
    // Where it could be brought back: everywhere that the service runs something else.
    let places: Vec<_> =
        service.runs.iter().map(|run| &run.summary.environment).filter(|name| !revision.current_in.contains(name)).cloned().collect();
    let offers = service.may(Action::Deploy) && !places.is_empty();
    view! {
        <tr>
            <td data-label="Revision" class="table-main">{number}" "{current}</td>
            <td data-label="Image"><span class="chip">{revision.image.clone()}</span>{made_by}{(!revision.image_present).then(|| view! { " "<Badge tone=Tone::Warn text="image deleted"/> })}</td>
            <td data-label="Replicas">{revision.replicas}</td>
            <td data-label="Configuration"><span class="small">{revision.configuration.to_string()}</span></td>
            <td data-label="Made"><span><Ago at=revision.created_at/>" by "{revision.by.clone()}</span></td>
            <td data-label="Why">{said.then(|| view! { <span>{revision.why.clone()}<Origin revision=revision.clone()/></span> })}</td>
            <td class="end">
                <span class="actions">
                    {compare.map(|href| view! { <a class="button button-small" href=href>"What changed"</a> })}
                    {offers.then(|| view! { <Back service revision places back/> })}
                </span>
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn Back(service: ServiceDetail, revision: RevisionView, places: Vec<EnvironmentName>, back: ServerAction<RollBack>) -> impl IntoView {
    let number = revision.number;
    let id = format!("roll-back-{number}");
    let choices: Vec<_> = places.iter().map(|name| Choice::new(name.as_str(), name.as_str())).collect();
    let only = places.first().map(ToString::to_string).unwrap_or_default();
    let one = places.len() == 1;
    let because = (!revision.image_present).then(|| format!("its image {} was deleted from the registry", revision.image));
    let configured = configured(number, &revision.configuration, &places);
    let frozen = frozen(service.runs.iter().filter(|run| places.contains(&run.summary.environment)));
    let elsewhere = frozen.len() < places.len();
    let refused = problem(back);
    let path = urls::service_page(&service.project, &service.name, "revisions");
    let plans = places
        .iter()
        .map(|name| {
            let href = urls::asking(path.clone(), &[("plan", &number.to_string()), ("environment", name.as_str())]);
            view! { " "<a href=href>{format!("in {name}")}</a> }
        })
        .collect_view();
    view! {
        <Confirm id=id.clone() button="Roll back" look="button-small" title=format!("Roll {} back to revision {number}?", service.name) on_open=forget(back) because=because>
            <p>{format!("Its tasks are replaced by tasks of revision {number} ({}). The image is not built again: the same digest runs.", revision.image)}</p>
            <p>{configured}</p>
            <p>"Before that, what it would do"{plans}"."</p>
            <ProblemNotice problem=refused beside=&["why"]/>
            <ActionForm action=back attr:class="form">
                <Csrf/>
                <input type="hidden" name="project" value=service.project.to_string()/>
                <input type="hidden" name="service" value=service.name.to_string()/>
                <input type="hidden" name="revision" value=number.to_string()/>
                {if one {
                    view! { <input type="hidden" name="environment" value=only/> }.into_any()
                } else {
                    view! { <Select name="environment" label="Environment" choices scope=id.clone()/> }.into_any()
                }}
                <Why frozen elsewhere scope=id.clone() refused/>
                <div class="actions"><Keep dialog=id/><Submit label="Roll back" pending=back.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

/// With which configuration its tasks would run. A revision keeps that of the environment that it was made for; elsewhere it gets that of today.
fn configured(number: i64, of: &ConfigurationOf, places: &[EnvironmentName]) -> String {
    let Some(own) = &of.environment else {
        return format!("Where revision {number} was made they run without configuration, as it did; elsewhere with that environment's of today.");
    };
    let keep = format!("they run with the configuration of revision {number} ({of}), not with today's");
    let fresh = "with today's configuration of that environment";
    let elsewhere = places.iter().any(|place| place != own);
    match (places.contains(own), elsewhere) {
        (true, true) => format!("In {own} {keep}; elsewhere {fresh}."),
        (false, true) => format!("They run {fresh}, not with that of revision {number}, which was made for {own}."),
        _ => format!("In {own} {keep}."),
    }
}

#[cfg(test)]
mod tests {
    use model::configs::Level;
    use model::views::configs::LevelVersion;

    use super::*;

    #[test]
    fn the_configuration_that_is_promised_is_the_one_that_they_would_get() {
        let name = |text: &str| text.parse::<EnvironmentName>().expect("a name");
        let of = ConfigurationOf { environment: Some(name("local")), versions: vec![LevelVersion { level: Level::Project, version: 3 }] };
        let said = |places: &[&str]| configured(7, &of, &places.iter().map(|place| name(place)).collect::<Vec<_>>());
        assert_eq!(said(&["local"]), "In local they run with the configuration of revision 7 (project version 3), not with today's.");
        assert!(said(&["local", "staging"]).ends_with("not with today's; elsewhere with today's configuration of that environment."));
        assert!(said(&["staging"]).starts_with("They run with today's configuration of that environment, not with that of revision 7"));
        assert!(configured(7, &ConfigurationOf::default(), &[name("local")]).contains("without configuration"));
    }
}
