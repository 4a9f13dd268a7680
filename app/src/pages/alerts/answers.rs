//! What people say to an alert: that they have seen it, or that nobody should be told for a while; and the silences that are in force.

use leptos::form::ActionForm;
use leptos::prelude::*;
use model::views::alerts::{AlertView, SilenceView};

use super::{Changes, about};
use crate::api::alerts::{AcknowledgeAlert, SilenceAlerts};
use crate::boot::boot;
use crate::components::{Ago, Choice, Confirm, Csrf, Keep, ProblemNotice, Select, Submit, TextField, field_error};

/// For how long.
fn spans() -> Vec<Choice> {
    vec![Choice::new("1h", "an hour"), Choice::new("4h", "four hours"), Choice::new("24h", "a day"), Choice::new("168h", "a week")]
}

/// The buttons of an alert.
#[component]
pub(super) fn Answers(project: String, alert: AlertView, changes: Changes) -> impl IntoView {
    let seen = alert.acknowledged_by.is_some();
    let project = StoredValue::new(project);
    let alert = StoredValue::new(alert);
    view! {
        <div class="actions">
            {(!seen).then(|| view! { <Acknowledge project alert changes/> })}
            <Silence project alert changes/>
        </div>
    }
    .into_any()
}

#[component]
fn Acknowledge(project: StoredValue<String>, alert: StoredValue<AlertView>, changes: Changes) -> impl IntoView {
    let own = alert.with_value(|alert| alert.id.to_string());
    let dialog = format!("acknowledge-{own}");
    let mine = own.clone();
    let refused = changes.acknowledge.problem(move |sent: &AcknowledgeAlert| sent.alert == mine);
    let title = alert.with_value(|alert| format!("Acknowledge {}?", alert.rule));
    view! {
        <Confirm id=dialog.clone() button="Acknowledge" look="button-small" title on_open=changes.acknowledge.forget()>
            <p>"Others see that you take care of it. It stays an alert until it is over."</p>
            <ProblemNotice problem=refused beside=&["note"]/>
            <ActionForm action=changes.acknowledge.action attr:class="form">
                <Csrf/>
                <input type="hidden" name="project" value=project.get_value()/>
                <input type="hidden" name="alert" value=own.clone()/>
                <TextField name="note" label="Note" optional=true scope=dialog.clone() error=field_error(refused, "note")/>
                <div class="actions"><Keep dialog=dialog.clone()/><Submit label="Acknowledge alert" pending=changes.acknowledge.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

#[component]
fn Silence(project: StoredValue<String>, alert: StoredValue<AlertView>, changes: Changes) -> impl IntoView {
    let known = alert.get_value();
    let dialog = format!("silence-{}", known.id);
    let (rule, service, machine) = (known.rule.clone(), known.subject.service.clone(), known.subject.machine.clone());
    let mine = (rule.clone(), service.clone(), machine.clone());
    let refused = changes.silence.problem(move |sent: &SilenceAlerts| (&sent.rule, &sent.service, &sent.machine) == (&mine.0, &mine.1, &mine.2));
    let thing = if service.is_empty() { format!("machine {machine}") } else { service.clone() };
    let title = format!("Silence {rule} of {thing}?");
    view! {
        <Confirm id=dialog.clone() button="Silence" look="button-small" title on_open=changes.silence.forget()>
            <p>"Nobody is told of it for a while. What fires still when the time is over is told then."</p>
            <ProblemNotice problem=refused beside=&["span", "why"]/>
            <ActionForm action=changes.silence.action attr:class="form">
                <Csrf/>
                <input type="hidden" name="project" value=project.get_value()/>
                <input type="hidden" name="rule" value=rule.clone()/>
                <input type="hidden" name="service" value=service.clone()/>
                <input type="hidden" name="machine" value=machine.clone()/>
                <Select name="span" label="For" choices=spans() value="4h" scope=dialog.clone() error=field_error(refused, "span")/>
                <TextField name="why" label="Why" optional=true scope=dialog.clone() error=field_error(refused, "why")/>
                <div class="actions"><Keep dialog=dialog.clone()/><Submit label="Silence it" pending=changes.silence.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}

/// Silences that are in force.
#[component]
pub(super) fn Silences(project: String, silences: Vec<SilenceView>, may_answer: bool, changes: Changes) -> impl IntoView {
    let now = boot().now;
    let silences: Vec<SilenceView> = silences.into_iter().filter(|silence| silence.ended_by.is_none() && silence.ends_at > now).collect();
    if silences.is_empty() {
        return ().into_any();
    }
    let rows = silences
        .into_iter()
        .map(|silence| {
            let id = silence.id.to_string();
            let project = project.clone();
            let why = (!silence.why.is_empty()).then(|| format!("\u{201c}{}\u{201d}", silence.why));
            view! {
                <tr>
                    <td data-label="About" class="table-main"><span class="break">{about(&silence)}</span></td>
                    <td data-label="Ends"><Ago at=silence.ends_at/></td>
                    <td data-label="By"><span class="break">{silence.by.clone()}" "<span class="small muted">{why}</span></span></td>
                    <td class="end">{may_answer.then(|| view! {
                        <ActionForm action=changes.end.action>
                            <Csrf/>
                            <input type="hidden" name="project" value=project/>
                            <input type="hidden" name="silence" value=id/>
                            <Submit label="End" look="button-small" pending=changes.end.action.pending()/>
                        </ActionForm>
                    })}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Silences"</h2></header>
            <table class="table">
                <thead><tr>
                    <th scope="col">"About"</th><th scope="col">"Ends"</th><th scope="col">"By"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}
