//! The rules, by name.

use leptos::prelude::*;
use leptos_meta::Title;
use model::alerts::OPEN_MOST;
use model::views::alerts::RuleView;

use super::Sections;
use crate::api::alerts::{DeleteRule, RulesPage, list_rules};
use crate::components::{Ago, Badge, Confirm, Csrf, Empty, Keep, ProblemNotice, Submit, Tone};
use crate::live::Pulse;
use crate::page::{RowChange, loaded, param, row_change};
use crate::urls;
use leptos::form::ActionForm;

/// The rules.
#[component]
pub(crate) fn Rules() -> impl IntoView {
    let project = param("project");
    let pulse = Pulse::new();
    let data = Resource::new(move || (project.get(), pulse.track()), |(project, _)| list_rules(project));
    let delete = row_change::<DeleteRule>("Rule deleted", Some(pulse));
    loaded(data, move |page| view! { <Whole project=project.get_untracked() page delete/> })
}

#[component]
fn Whole(project: String, page: RulesPage, delete: RowChange<DeleteRule>) -> impl IntoView {
    let RulesPage { rules, may_manage, .. } = page;
    let of_site = project.is_empty();
    let new = urls::alerts(&project, "/rules/new");
    let none = rules.is_empty();
    let rows = rules.into_iter().map(|rule| view! { <Row project=project.clone() rule may_manage delete/> }).collect_view();
    view! {
        <Title text="Rules of alerts"/>
        <Sections project=project.clone() current="/rules" may_manage/>
        <ProblemNotice problem=delete.unplaced()/>
        <section class="panel">
            <header><h2>"Rules"</h2>{may_manage.then(|| view! { <div class="actions"><a class="button button-small" href=new>"New rule"</a></div> })}</header>
            {(!of_site).then(|| view! { <p class="panel-body muted">"The rules of the whole site, which operators write, hold for this project's services too."</p> })}
            {if none {
                view! { <Empty title="No rules of its own"><p>"A rule says when something is wrong: a figure over its limit for a while, a health check that fails, a deployment that failed."</p></Empty> }.into_any()
            } else {
                view! {
                    <table class="table">
                        <thead><tr>
                            <th scope="col">"Rule"</th><th scope="col">"Severity"</th><th scope="col">"Updated"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                }.into_any()
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Row(project: String, rule: RuleView, may_manage: bool, delete: RowChange<DeleteRule>) -> impl IntoView {
    let href = urls::alerts(&project, &format!("/rules/{}", rule.id));
    let name = rule.rule.name.clone();
    let named = if may_manage { view! { <a class="break" href=href>{name.clone()}</a> }.into_any() } else { name.clone().into_any() };
    let off = (!rule.rule.enabled).then(|| view! { <Badge tone=Tone::Idle text="switched off"/> });
    let left_out = (rule.left_out > 0).then(|| {
        let whose = if project.is_empty() { "of each project, and of machines," } else { "of this project" };
        let text = format!("and {} more left out: at most {OPEN_MOST} alerts by one rule {whose} are kept at a time", rule.left_out);
        view! { <span class="small break">{text}</span> }
    });
    let id = rule.id.to_string();
    view! {
        <tr>
            <td data-label="Rule" class="table-main"><span class="stack-s"><span class="row">{named}{off}</span><span class="small muted break">{rule.says.clone()}</span>{left_out}</span></td>
            <td data-label="Severity">{rule.rule.severity.to_string()}</td>
            <td data-label="Updated"><span><Ago at=rule.updated_at/>" by "{rule.by.clone()}</span></td>
            <td class="end">{may_manage.then(|| view! { <Delete project id name delete/> })}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Delete(project: String, id: String, name: String, delete: RowChange<DeleteRule>) -> impl IntoView {
    let dialog = format!("delete-{id}");
    let own = id.clone();
    let refused = delete.problem(move |sent: &DeleteRule| sent.rule == own);
    view! {
        <Confirm id=dialog.clone() button="Delete" look="button-small button-danger" title=format!("Delete the rule {name}?") on_open=delete.forget()>
            <p>"Alerts by it are over at once. Their history stays."</p>
            <ProblemNotice problem=refused/>
            <ActionForm action=delete.action>
                <Csrf/>
                <input type="hidden" name="project" value=project.clone()/>
                <input type="hidden" name="rule" value=id.clone()/>
                <div class="actions"><Keep dialog=dialog.clone()/><Submit label="Delete rule" look="button-danger-fill" pending=delete.action.pending()/></div>
            </ActionForm>
        </Confirm>
    }
    .into_any()
}
