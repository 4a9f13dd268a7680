//! Which services run with this configuration, and the buttons that bring them the newest, one by one or all together.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::names::EnvironmentName;
use model::views::configs::{RollView, UseView};

use super::{Changes, Here};
use crate::components::{Badge, Confirm, Csrf, Empty, Keep, Notice, ProblemNotice, Submit, Tone};
use crate::page::{forget, problem};
use crate::pages::environments::{Why, overrides};
use crate::urls;

/// The services.
#[component]
pub(super) fn Uses(here: Here, uses: Vec<UseView>, may_roll: bool, rolled: Option<RollView>, changes: Changes) -> impl IntoView {
    if uses.is_empty() {
        return view! {
            <section class="panel"><header><h2>"Used by"</h2></header>
                <Empty title="Nothing runs with it"><p>"The next deployment gets what is set here, if it uses it."</p></Empty>
            </section>
        }
        .into_any();
    }
    let late: Vec<_> = uses.iter().filter(|one| one.behind && !one.stopped).collect();
    let behind = late.len();
    let frozen = frozen(&late);
    let elsewhere = late.iter().any(|one| !one.frozen);
    let rows: Vec<_> = uses.into_iter().map(|one| view! { <Row project=here.at.project.clone() one may_roll changes/> }).collect();
    let done = move || {
        let now = changes.roll_all.value().with(|value| value.as_ref().and_then(|value| value.as_ref().ok().cloned()));
        now.or_else(|| rolled.clone()).map(|done| view! { <Rolled done/> })
    };
    view! {
        {done}
        {(may_roll && behind > 1).then(|| view! { <All here behind frozen elsewhere changes/> })}
        <section class="panel" id="uses">
            <header><h2>"Used by"</h2></header>
            {(behind > 0).then(|| view! {
                <div class="panel-body"><p>"Rolling brings a service again as it is, with the newest configuration: a new revision, tasks replaced as with any deployment."</p></div>
            })}
            <table class="table">
                <thead><tr>
                    <th scope="col">"Service"</th><th scope="col">"Environment"</th><th scope="col">"Revision"</th><th scope="col">"Runs with"</th>
                    <th scope="col">"Uses from here"</th><th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

/// The environments of these that are frozen, each once.
fn frozen(uses: &[&UseView]) -> Vec<EnvironmentName> {
    let mut names: Vec<_> = uses.iter().filter(|one| one.frozen).map(|one| one.environment.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The button that rolls whatever is behind. Who overrides a freeze with it is asked why.
#[component]
fn All(here: Here, behind: usize, frozen: Vec<EnvironmentName>, elsewhere: bool, changes: Changes) -> impl IntoView {
    let said = format!("{behind} run with an older configuration.");
    let label = format!("Roll all {behind}");
    let pending = changes.roll_all.pending();
    if !overrides(&frozen) {
        return view! {
            <ActionForm action=changes.roll_all>
                <Place here/>
                <div class="row"><span>{said}</span><Submit label look="button-small" pending/></div>
            </ActionForm>
        }
        .into_any();
    }
    let refused = problem(changes.roll_all);
    view! {
        <div class="row">
            <span>{said}</span>
            <Confirm id="roll-all" button=label.clone() look="button-small" title=format!("{label}?") on_open=forget(changes.roll_all)>
                <ProblemNotice problem=refused beside=&["why"]/>
                <ActionForm action=changes.roll_all attr:class="form">
                    <Place here/>
                    <Why frozen elsewhere scope="roll-all" refused/>
                    <div class="actions"><Keep dialog="roll-all"/><Submit label pending/></div>
                </ActionForm>
            </Confirm>
        </div>
    }
    .into_any()
}

/// The hidden fields that say which place is meant.
#[component]
fn Place(here: Here) -> impl IntoView {
    view! {
        <Csrf/>
        <input type="hidden" name="at[project]" value=here.at.project/>
        <input type="hidden" name="at[service]" value=here.at.service/>
        <input type="hidden" name="at[environment]" value=here.at.environment/>
    }
    .into_any()
}

/// What came of rolling all.
#[component]
fn Rolled(done: RollView) -> impl IntoView {
    let tone = if done.left.is_empty() { Tone::Ok } else { Tone::Warn };
    let begun: Vec<_> = done
        .begun
        .iter()
        .map(|made| {
            let href = urls::deployment(&made.project, &made.service, made.id);
            view! { <li><a href=href>{format!("{} in {}", made.service, made.environment)}</a>" is rolled"</li> }
        })
        .collect();
    let left: Vec<_> =
        done.left.iter().map(|one| view! { <li>{format!("{} in {} is not: {}", one.service, one.environment, one.why)}</li> }).collect();
    view! { <Notice tone><ul>{begun}{left}</ul></Notice> }.into_any()
}

#[component]
fn Row(project: String, one: UseView, may_roll: bool, changes: Changes) -> impl IntoView {
    let (tone, text) = match (one.stopped, one.behind) {
        (true, _) => (Tone::Idle, "stopped"),
        (false, true) => (Tone::Warn, "older configuration"),
        (false, false) => (Tone::Ok, "the newest"),
    };
    let offers = may_roll && one.behind && !one.stopped;
    let (service, environment) = (one.service.to_string(), one.environment.to_string());
    let shown = if one.uses.len() > 6 { format!("{} and {} more", one.uses[..6].join(", "), one.uses.len() - 6) } else { one.uses.join(", ") };
    view! {
        <tr>
            <td data-label="Service" class="table-main"><a href=urls::service(&project, &service)>{service.clone()}</a></td>
            <td data-label="Environment">{environment.clone()}</td>
            <td data-label="Revision">{one.revision}</td>
            <td data-label="Runs with"><Badge tone text/></td>
            <td data-label="Uses from here"><span class="small break">{shown}</span></td>
            <td class="end">{offers.then(|| view! { <Rolling project one changes/> })}</td>
        </tr>
    }
    .into_any()
}

/// The button that rolls one. Who overrides a freeze with it is asked why.
#[component]
fn Rolling(project: String, one: UseView, changes: Changes) -> impl IntoView {
    let frozen = frozen(&[&one]);
    let (service, environment) = (one.service.to_string(), one.environment.to_string());
    let (id, title) = (format!("roll-{service}-{environment}"), format!("Roll {service} in {environment}?"));
    let pending = changes.roll.pending();
    let meant = view! {
        <Csrf/>
        <input type="hidden" name="project" value=project/>
        <input type="hidden" name="service" value=service/>
        <input type="hidden" name="environment" value=environment/>
    };
    if !overrides(&frozen) {
        return view! { <ActionForm action=changes.roll>{meant}<Submit label="Roll" look="button-small" pending/></ActionForm> }.into_any();
    }
    let refused = problem(changes.roll);
    view! {
        <Confirm id=id.clone() button="Roll" look="button-small" title on_open=forget(changes.roll)>
            <ProblemNotice problem=refused beside=&["why"]/>
            <ActionForm action=changes.roll attr:class="form">
                {meant}
                <Why frozen scope=id.clone() refused/>
                <div class="actions"><Keep dialog=id/><Submit label="Roll" pending/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}
