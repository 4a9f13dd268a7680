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

pub(crate) use count::Firing;
pub(crate) use route::OneRoute;
pub(crate) use routes::Routes;
pub(crate) use rule::OneRule;
pub(crate) use rules::Rules;

use self::answers::{Answers, Silences};
use crate::api::alerts::{AcknowledgeAlert, AlertsPage, EndSilence, SilenceAlerts, list_alerts};
use crate::components::{Ago, Badge, Empty, ProblemNotice, Tone};
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
    let AlertsPage { firing, pending, history, silences, may_answer, may_manage, .. } = page;
    let calm = firing.is_empty();
    let count = firing.len();
    let rows = firing.into_iter().map(|alert| view! { <Row project=project.clone() alert may_answer changes/> }).collect_view();
    view! {
        <Title text="Alerts"/>
        <Sections project=project.clone() may_manage/>
        <ProblemNotice problem=changes.acknowledge.unplaced()/>
        <ProblemNotice problem=changes.silence.unplaced()/>
        <ProblemNotice problem=changes.end.problem(|_| true)/>
        <section class="panel">
            <header><h2>{if calm { "Nothing fires".to_owned() } else { format!("Firing: {count}") }}</h2></header>
            {if calm {
                view! { <Empty title="All is well"><p>"What is wrong by one of the rules stands here, with what it is about and what changed last."</p></Empty> }.into_any()
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

/// The pages beside this one.
#[component]
fn Sections(project: String, may_manage: bool) -> impl IntoView {
    view! {
        <p class="actions">
            <a class="button button-small" href=urls::alerts(&project, "/rules")>"Rules"</a>
            {may_manage.then(|| view! { <a class="button button-small" href=urls::alerts(&project, "/routes")>"Routes"</a> })}
        </p>
    }
    .into_any()
}

#[component]
fn Table(rows: AnyView) -> impl IntoView {
    view! {
        <table class="table alerts">
            <thead><tr>
                <th scope="col">"What is wrong"</th><th scope="col">"Since"</th><th scope="col">"Last change"</th>
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
            <td data-label="What is wrong" class="table-main"><What alert=alert.clone()/></td>
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
    let silenced = alert.silenced_until.map(|until| view! { <span class="small muted">"silenced; ends "<Ago at=until/></span> });
    let seen = alert.acknowledged_by.clone().map(|by| {
        let note = alert.note.clone().filter(|note| !note.is_empty()).map(|note| format!(": {note}")).unwrap_or_default();
        view! { <span class="small muted break">{format!("{by} has seen it{note}")}</span> }
    });
    view! {
        <span class="stack-s">
            <span class="row"><Badge tone text=word/><strong class="break">{alert.rule.clone()}</strong><a class="break" href=alert.link.clone()>{subject}</a></span>
            <span class="small break">{alert.summary.clone()}</span>
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

/// What holds, but not for long enough.
#[component]
fn Pending(alerts: Vec<AlertView>) -> impl IntoView {
    if alerts.is_empty() {
        return ().into_any();
    }
    let rows = alerts
        .into_iter()
        .map(|alert| {
            view! { <li><span class="break">{alert.summary.clone()}</span>" "<span class="small muted">"since "<Ago at=alert.since/></span></li> }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Pending"</h2></header>
            <div class="panel-body"><p class="muted">"This is so, but not for long enough to be an alert."</p><ul class="stack-s">{rows}</ul></div>
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
                    <td data-label="What was wrong" class="table-main"><What alert=alert.clone()/></td>
                    <td data-label="Began">{alert.fired_at.map(|at| view! { <Ago at/> })}</td>
                    <td data-label="Over">{alert.resolved_at.map(|at| view! { <Ago at/> })}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"History"</h2></header>
            <table class="table alerts">
                <thead><tr><th scope="col">"What was wrong"</th><th scope="col">"Began"</th><th scope="col">"Over"</th></tr></thead>
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
