//! Alerts: what is wrong now and was, who does not want to hear of it; the rules, and the routes by which they are told. The same pages for a project
//! and, below Admin, for the whole site.

mod answers;
mod count;
mod mail;
mod route;
mod routes;
mod rule;
mod rules;

use leptos::prelude::*;
use leptos_meta::Title;
use model::alerts::{AlertState, Severity};
use model::page::Page;
use model::views::alerts::{AlertView, SilenceView};

pub(crate) use count::firing;
pub(crate) use route::OneRoute;
pub(crate) use routes::Routes;
pub(crate) use rule::OneRule;
pub(crate) use rules::Rules;

use self::answers::{Answers, Silences};
use crate::api::alerts::{AcknowledgeAlert, AlertsPage, EndSilence, SilenceAlerts, list_alerts};
use crate::components::{Ago, Badge, Empty, ProblemNotice, Tone, capital};
use crate::live::Pulse;
use crate::page::{RowChange, loaded, param, query, row_change};
use crate::urls;

/// What can be said to an alert.
#[derive(Clone, Copy)]
struct Changes {
    acknowledge: RowChange<AcknowledgeAlert>,
    silence: RowChange<SilenceAlerts>,
    end: RowChange<EndSilence>,
}

/// What is wrong now and was.
#[component]
pub(crate) fn Alerts() -> impl IntoView {
    // None below Admin: there it is the whole site.
    let (project, after) = (param("project"), query("after"));
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.get(), after.get(), pulse.track()), |(project, after, _)| list_alerts(project, Some(after)));
    let changes = Changes {
        acknowledge: row_change("Acknowledged", Some(pulse)),
        silence: row_change("Silenced", Some(pulse)),
        end: row_change("The silence is over", Some(pulse)),
    };
    loaded(data, move |page| {
        pulse.watch(page.topic.clone());
        view! { <Whole project=project.get_untracked() page changes/> }
    })
}

#[component]
fn Whole(project: String, page: AlertsPage, changes: Changes) -> impl IntoView {
    let AlertsPage { firing, pending, history, silences, rules, routes, may_answer, may_manage, .. } = page;
    let calm = firing.is_empty();
    let count = firing.len();
    let rows = firing.into_iter().map(|alert| view! { <Row project=project.clone() alert may_answer changes/> }).collect_view();
    view! {
        <Title text="Alerts"/>
        <Sections project=project.clone() current="" may_manage/>
        <ProblemNotice problem=changes.acknowledge.unplaced()/>
        <ProblemNotice problem=changes.silence.unplaced()/>
        <ProblemNotice problem=changes.end.problem(|_| true)/>
        <section class="panel">
            <header><h2>{if calm { "Firing".to_owned() } else { format!("Firing: {count}") }}</h2></header>
            {if calm {
                view! { <Calm project=project.clone() rules routes/> }.into_any()
            } else {
                view! { <Table rows=rows.into_any()/> }.into_any()
            }}
        </section>
        <Pending alerts=pending/>
        <Silences project=project.clone() silences may_answer changes/>
        <History project history/>
    }
    .into_any()
}

/// Nothing fires: how many rules look, and whether anybody would be told.
#[component]
fn Calm(project: String, rules: i64, routes: Option<i64>) -> impl IntoView {
    let watched = if rules == 1 { "1 rule is watched.".to_owned() } else { format!("{rules} rules are watched.") };
    let untold = (routes == Some(0)).then(|| {
        let href = urls::alerts(&project, "/routes");
        let whose = if project.is_empty() { "Nobody is told when one fires: " } else { "No route of this project tells anybody when one fires: " };
        view! { <p>{whose}<a href=href>"add a route"</a></p> }
    });
    view! { <Empty title="No alerts are firing"><p>{watched}</p>{untold}</Empty> }.into_any()
}

/// The pages of alerts; `current` is this one's path below the first.
#[component]
pub(super) fn Sections(project: String, current: &'static str, may_manage: bool) -> impl IntoView {
    let links = [("", "Alerts"), ("/rules", "Rules"), ("/routes", "Routes")]
        .into_iter()
        .filter(|(page, _)| may_manage || *page != "/routes")
        .map(|(page, name)| view! { <a href=urls::alerts(&project, page) aria-current=(page == current).then_some("page")>{name}</a> })
        .collect_view();
    view! { <div class="row"><nav class="segments" aria-label="Pages of alerts">{links}</nav></div> }.into_any()
}

#[component]
fn Table(rows: AnyView) -> impl IntoView {
    view! {
        <table class="table alerts">
            <thead><tr>
                <th scope="col">"Alert"</th><th scope="col">"Since"</th><th scope="col">"Last change"</th>
                <th scope="col"><span class="visually-hidden">"Actions"</span></th>
            </tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

/// How grave an alert is, or that it is over.
fn tone(alert: &AlertView) -> (Tone, String) {
    match (alert.state, alert.severity) {
        (AlertState::Resolved, _) => (Tone::Ok, "resolved".into()),
        (_, severity @ Severity::Critical) => (Tone::Bad, severity.to_string()),
        (_, severity @ Severity::Warning) => (Tone::Warn, severity.to_string()),
        (_, severity @ Severity::Info) => (Tone::Idle, severity.to_string()),
    }
}

#[component]
fn Row(project: String, alert: AlertView, may_answer: bool, changes: Changes) -> impl IntoView {
    let own = alert.clone();
    view! {
        <tr>
            <td data-label="Alert" class="table-main"><What alert=alert.clone()/></td>
            <td data-label="Since"><Ago at=alert.fired_at.unwrap_or(alert.since)/></td>
            <td data-label="Last change"><Changed alert=alert.clone()/></td>
            <td class="end">{may_answer.then(|| view! { <Answers project alert=own changes/> })}</td>
        </tr>
    }
    .into_any()
}

/// Rule, thing, and what is wrong with it.
#[component]
fn What(alert: AlertView) -> impl IntoView {
    let (tone, word) = tone(&alert);
    let subject = alert.subject.says();
    // The link beside it says already what it is about.
    let summary = capital(alert.summary.strip_prefix(&format!("{subject}: ")).unwrap_or(&alert.summary));
    let silenced = alert.silenced_until.map(|until| view! { <span class="small muted">"Silenced, ends "<Ago at=until/></span> });
    let seen = alert.acknowledged_by.clone().map(|by| {
        let note = alert.note.clone().filter(|note| !note.is_empty()).map(|note| format!(": {note}")).unwrap_or_default();
        view! { <span class="small muted break">{format!("Acknowledged by {by}{note}")}</span> }
    });
    view! {
        <span class="stack-s">
            <span class="row"><Badge tone text=word/><strong class="break">{alert.rule.clone()}</strong><a class="break" href=alert.link.clone()>{subject}</a></span>
            <span class="small break">{summary}</span>
            {silenced}{seen}
        </span>
    }
    .into_any()
}

#[component]
fn Changed(alert: AlertView) -> impl IntoView {
    let (project, service) = (alert.subject.project.clone(), alert.subject.service.clone());
    alert.changed.map_or_else(
        || view! { <span class="faint">"\u{2013}"</span> }.into_any(),
        |changed| {
            let href = urls::deployment(project, service, changed.deployment);
            view! {
                <span><a href=href>{format!("revision {} ({})", changed.revision, changed.kind)}</a>" by "{changed.by}", "<Ago at=changed.at/></span>
            }
            .into_any()
        },
    )
}

/// What holds, but not for long enough yet.
#[component]
fn Pending(alerts: Vec<AlertView>) -> impl IntoView {
    if alerts.is_empty() {
        return ().into_any();
    }
    let rows = alerts
        .into_iter()
        .map(|alert| {
            view! {
                <tr>
                    <td data-label="Alert" class="table-main"><What alert=alert.clone()/></td>
                    <td data-label="Since"><Ago at=alert.since/></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Pending"</h2></header>
            <p class="panel-body muted">"The condition is met, but not for long enough yet to fire."</p>
            <table class="table alerts">
                <thead><tr><th scope="col">"Alert"</th><th scope="col">"Since"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

/// What was.
#[component]
fn History(project: String, history: Page<AlertView>) -> impl IntoView {
    if history.items.is_empty() {
        return ().into_any();
    }
    let more = history.next.map(|next| urls::asking(urls::alerts(&project, ""), &[("after", next.as_str())]));
    let rows = history
        .items
        .into_iter()
        .map(|alert| {
            view! {
                <tr>
                    <td data-label="Alert" class="table-main"><What alert=alert.clone()/></td>
                    <td data-label="Fired">{alert.fired_at.map(|at| view! { <Ago at/> })}</td>
                    <td data-label="Resolved">{alert.resolved_at.map(|at| view! { <Ago at/> })}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"History"</h2></header>
            <table class="table alerts">
                <thead><tr><th scope="col">"Alert"</th><th scope="col">"Fired"</th><th scope="col">"Resolved"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {more.map(|href| view! { <footer><a href=href>"Older alerts"</a></footer> })}
        </section>
    }
    .into_any()
}

/// What a silence is about, for people.
fn about(silence: &SilenceView) -> String {
    let parts = [("rule", &silence.rule), ("service", &silence.service), ("machine", &silence.machine)];
    let said = parts.into_iter().filter_map(|(what, name)| name.as_ref().map(|name| format!("{what} {name}")));
    said.collect::<Vec<_>>().join(", ")
}
