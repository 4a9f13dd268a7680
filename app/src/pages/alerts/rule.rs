//! The form of one rule. Everything is on the page, with scripts or without; what a sort of rule does not use is left alone.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::alerts::{Compare, FIGURES, Of, RuleForm, RuleKind, Severity};
use model::notices::check_name;
use model::quantity::Span;

use crate::api::alerts::{PutRule, RulesPage, list_rules};
use crate::components::{CheckBox, Choice, Crumb, Crumbs, Csrf, Notice, ProblemNotice, Select, Submit, TextField, Tone, field_error};
use crate::page::{loaded, param, problem};
use crate::urls;

/// Fields that show their own error.
const BESIDE: &[&str] = model::alerts::FIELDS;

/// The page of a rule; `new` makes one.
#[component]
pub(crate) fn OneRule() -> impl IntoView {
    let (project, rule) = (param("project"), param("rule"));
    let data = Resource::new(move || project.get(), list_rules);
    let put = ServerAction::<PutRule>::new();
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(_)) = put.value().get() {
            navigate(&urls::alerts(&project.get_untracked(), "/rules"), leptos_router::NavigateOptions::default());
        }
    });
    loaded(data, move |page| view! { <Whole project=project.get_untracked() rule=rule.get_untracked() page put/> })
}

#[component]
fn Whole(project: String, rule: String, page: RulesPage, put: ServerAction<PutRule>) -> impl IntoView {
    let known = page.rules.iter().find(|known| known.id.to_string() == rule).map(|known| RuleForm::of(&known.rule));
    let crumbs = vec![Crumb::new(urls::alerts(&project, ""), "Alerts"), Crumb::new(urls::alerts(&project, "/rules"), "Rules")];
    if known.is_none() && rule != "new" {
        return view! { <Crumbs path=crumbs/><Notice tone=Tone::Idle title="There is no such rule."><p>"It may have been deleted."</p></Notice> }
            .into_any();
    }
    if !page.may_manage {
        return view! { <Crumbs path=crumbs/><Notice tone=Tone::Idle title="Only admins write rules."><p>"An admin of the project can change it, or give you a role that may."</p></Notice> }.into_any();
    }
    let title = known.as_ref().map_or_else(|| "New rule".to_owned(), |form| form.name.clone());
    let id = if known.is_some() { rule } else { String::new() };
    let form = known.unwrap_or_else(|| RuleForm {
        kind: "threshold".into(),
        metric: "memory_working_set".into(),
        value: "90 %".into(),
        severity: "warning".into(),
        after: "5m".into(),
        resolve_after: "5m".into(),
        ..RuleForm::default()
    });
    view! {
        <Title text=title.clone()/>
        <Crumbs path=crumbs/>
        <section class="panel">
            <header><h2>{title}</h2></header>
            <div class="panel-body"><Fields project id form routes=page.routes put/></div>
        </section>
    }
    .into_any()
}

fn kinds(of_site: bool) -> Vec<Choice> {
    let says = |kind: RuleKind| match kind {
        RuleKind::Threshold => "a figure is over or under a value",
        RuleKind::Rate => "a sum grows by more or less than so much a second",
        RuleKind::Absent => "no samples come",
        RuleKind::CrashLoop => "tasks fail again and again",
        RuleKind::Unhealthy => "a health check does not pass",
        RuleKind::DeployFailed => "the last deployment failed",
        RuleKind::MachineGone => "a machine does not answer",
        RuleKind::CertificateEnds => "a machine's certificate runs out",
    };
    let fits = |kind: &&RuleKind| of_site || kind.subjects().contains(&Of::Services);
    RuleKind::ALL.iter().filter(fits).map(|kind| Choice::new(kind.as_str(), says(*kind))).collect()
}

fn figures(of_site: bool) -> Vec<Choice> {
    let fits = FIGURES.iter().filter(|figure| of_site || figure.services);
    let choices = fits.map(|figure| Choice::new(figure.metric, format!("{} ({})", figure.says, if figure.counter { "sum" } else { "state" })));
    std::iter::once(Choice::new("", "none")).chain(choices).collect()
}

fn check_span(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { text.parse::<Span>().map(drop).map_err(|error| error.to_string()) }
}

#[component]
fn Fields(project: String, id: String, form: RuleForm, routes: Vec<String>, put: ServerAction<PutRule>) -> impl IntoView {
    let refused = problem(put);
    let of_site = project.is_empty();
    let severities: Vec<Choice> = Severity::ALL.iter().map(|severity| Choice::new(severity.as_str(), severity.as_str())).collect();
    let compares: Vec<Choice> = Compare::ALL.iter().map(|compare| Choice::new(compare.as_str(), compare.as_str())).collect();
    let subjects: Vec<Choice> = Of::ALL.iter().map(|of| Choice::new(of.as_str(), of.as_str())).collect();
    let known = if routes.is_empty() { String::from("There is no route yet.") } else { format!("Of: {}.", routes.join(", ")) };
    let hint = format!("Names with commas between. Empty: every one. {known}");
    view! {
        <ProblemNotice problem=refused beside=BESIDE/>
        <ActionForm action=put attr:class="form">
            <Csrf/>
            <input type="hidden" name="project" value=project/>
            <input type="hidden" name="rule" value=id/>
            <div class="fields">
                <TextField name="form[name]" label="Name" required=true value=form.name.clone() check=Some(check_name) error=field_error(refused, "name")/>
                <Select name="form[kind]" label="It is wrong when" choices=kinds(of_site) value=form.kind.clone() error=field_error(refused, "kind")/>
                {of_site.then(|| view! { <Select name="form[of]" label="About" choices=subjects value=form.of.clone() error=field_error(refused, "of")/> })}
                <Select name="form[severity]" label="Severity" choices=severities value=form.severity.clone() error=field_error(refused, "severity")/>
            </div>
            <fieldset class="fields">
                <legend>"The figure, where one is compared"</legend>
                <Select name="form[metric]" label="Figure" choices=figures(of_site) value=form.metric.clone() error=field_error(refused, "metric")/>
                <Select name="form[compare]" label="Is" choices=compares value=form.compare.clone() error=field_error(refused, "compare")/>
                <TextField name="form[value]" label="Value" mono=true placeholder="90 %" value=form.value.clone() error=field_error(refused, "value")
                    hint="90 % of its limit, 1.5GiB, 0.5 cores; a sum is compared by its growth in a second. Of a certificate: the days before its end."/>
                <TextField name="form[label]" label="Part" optional=true mono=true placeholder="/data" value=form.label.clone() error=field_error(refused, "label")
                    hint="A mount, an interface, the application's own name of the figure. Empty: each one by itself."/>
            </fieldset>
            <fieldset class="fields">
                <legend>"Where and for how long"</legend>
                {(!of_site).then(|| view! {
                    <TextField name="form[service]" label="Service" optional=true mono=true value=form.service.clone() error=field_error(refused, "service") hint="Empty: each service of this project."/>
                })}
                <TextField name="form[environment]" label="Environment" optional=true mono=true value=form.environment.clone() error=field_error(refused, "environment") hint="Empty: each one."/>
                <TextField name="form[after]" label="It must be so for" optional=true mono=true placeholder="5m" value=form.after.clone() check=Some(check_span)
                    error=field_error(refused, "after") hint="Without a break. Empty: it is an alert at once."/>
                <TextField name="form[resolve_after]" label="It is over after" optional=true mono=true placeholder="5m" value=form.resolve_after.clone() check=Some(check_span)
                    error=field_error(refused, "resolve_after") hint="So long it must be well without a break, so that a value that goes to and fro is one alert and not many."/>
                <TextField name="routes" label="Told by routes" optional=true value=form.routes.join(", ") error=field_error(refused, "routes") hint/>
            </fieldset>
            <CheckBox name="form[disabled]" label="Switched off" hint="It is not looked at; alerts by it are over." checked=form.disabled/>
            <div class="actions">
                <Submit label="Save rule" pending=put.pending()/>
            </div>
        </ActionForm>
    }
    .into_any()
}
