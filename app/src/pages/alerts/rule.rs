//! The form of one rule. Everything is on the page, with scripts or without; what a condition does not use is hidden, and left alone.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::alerts::{Compare, FIGURES, Of, RuleForm, RuleKind, Severity};
use model::notices::check_name;
use model::problem::Problem;
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
            <div class="panel-body"><Fields project id form page put/></div>
        </section>
    }
    .into_any()
}

fn kinds(of_site: bool) -> Vec<Choice> {
    let says = |kind: RuleKind| match kind {
        RuleKind::Threshold => "gauge over or under a threshold",
        RuleKind::Rate => "counter's rate over or under a threshold",
        RuleKind::Absent => "no samples",
        RuleKind::CrashLoop => "crash loop",
        RuleKind::Unhealthy => "health check fails",
        RuleKind::DeployFailed => "last deployment failed",
        RuleKind::MachineGone => "machine unreachable",
        RuleKind::CertificateEnds => "machine's certificate expires",
    };
    let fits = |kind: &&RuleKind| of_site || kind.subjects().contains(&Of::Services);
    RuleKind::ALL.iter().filter(fits).map(|kind| Choice::new(kind.as_str(), says(*kind))).collect()
}

fn figures(of_site: bool) -> Vec<Choice> {
    let fits = FIGURES.iter().filter(|figure| of_site || figure.services);
    let choices = fits.map(|figure| Choice::new(figure.metric, format!("{} ({})", figure.says, if figure.counter { "counter" } else { "gauge" })));
    std::iter::once(Choice::new("", "none")).chain(choices).collect()
}

/// Each place, or one of them; what is chosen already can be kept when it is gone.
fn places(each: &str, mut names: Vec<String>, chosen: &str) -> Vec<Choice> {
    if !chosen.is_empty() && !names.iter().any(|name| name == chosen) {
        names.push(chosen.to_owned());
    }
    std::iter::once(Choice::new("", each)).chain(names.into_iter().map(|name| Choice::new(name.clone(), name))).collect()
}

fn words(all: impl IntoIterator<Item = &'static str>) -> Vec<Choice> {
    all.into_iter().map(|word| Choice::new(word, word)).collect()
}

fn check_span(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Ok(()) } else { text.parse::<Span>().map(drop).map_err(|error| error.to_string()) }
}

#[component]
fn Fields(project: String, id: String, form: RuleForm, page: RulesPage, put: ServerAction<PutRule>) -> impl IntoView {
    let refused = problem(put);
    let of_site = project.is_empty();
    let severities = words(Severity::ALL.iter().map(|severity| severity.as_str()));
    let subjects = words(Of::ALL.iter().map(|of| of.as_str()));
    let disabled = form.disabled;
    view! {
        <ProblemNotice problem=refused beside=BESIDE/>
        <ActionForm action=put attr:class="form rule-form">
            <Csrf/>
            <input type="hidden" name="project" value=project/>
            <input type="hidden" name="rule" value=id/>
            <div class="fields fields-wide">
                <TextField name="form[name]" label="Name" required=true value=form.name.clone() check=Some(check_name) error=field_error(refused, "name")/>
                <Select name="form[kind]" label="Condition" choices=kinds(of_site) value=form.kind.clone() error=field_error(refused, "kind")/>
                {of_site.then(|| view! { <Select name="form[of]" label="Applies to" choices=subjects value=form.of.clone() error=field_error(refused, "of")/> })}
                <Select name="form[severity]" label="Severity" choices=severities value=form.severity.clone() error=field_error(refused, "severity")/>
            </div>
            <Threshold form=form.clone() of_site refused/>
            <Scope form page of_site refused/>
            <CheckBox name="form[disabled]" label="Switched off" hint="It is not evaluated; alerts by it are resolved." checked=disabled/>
            <div class="actions">
                <Submit label="Save rule" pending=put.pending()/>
            </div>
        </ActionForm>
    }
    .into_any()
}

/// What is compared. Style sheets hide what the condition does not use.
#[component]
fn Threshold(form: RuleForm, of_site: bool, refused: Signal<Option<Problem>>) -> impl IntoView {
    let compares = words(Compare::ALL.iter().map(|compare| compare.as_str()));
    view! {
        <fieldset class="fields fields-wide rule-figure">
            <legend>"Threshold"</legend>
            <Select name="form[metric]" label="Metric" choices=figures(of_site) value=form.metric error=field_error(refused, "metric")/>
            <Select name="form[compare]" label="Is" choices=compares value=form.compare error=field_error(refused, "compare")/>
            <TextField name="form[value]" label="Value" mono=true placeholder="90 %" value=form.value error=field_error(refused, "value")
                hint="90 % of its limit, 1.5GiB, 0.5 cores; of a counter: its growth in a second. Of a certificate: days before its end."/>
            <TextField name="form[label]" label="Label" optional=true mono=true placeholder="/data" value=form.label error=field_error(refused, "label")
                hint="A mount, an interface, the name of an application's metric. Empty: each one by itself."/>
        </fieldset>
    }
    .into_any()
}

/// Where it is looked for, how long it takes, and who is told.
#[component]
fn Scope(form: RuleForm, page: RulesPage, of_site: bool, refused: Signal<Option<Problem>>) -> impl IntoView {
    let RulesPage { routes, services, environments, .. } = page;
    let services = places("every service", services, &form.service);
    let environments = places("every environment", environments, &form.environment);
    let known = if routes.is_empty() { String::from("There is no route yet.") } else { format!("There are: {}.", routes.join(", ")) };
    let hint = format!("Names with commas between. Empty: every route. {known}");
    let told = form.routes.join(", ");
    view! {
        <fieldset class="fields fields-wide">
            <legend>"Scope and timing"</legend>
            {(!of_site).then(|| view! {
                <Select name="form[service]" label="Service" choices=services value=form.service error=field_error(refused, "service")/>
            })}
            <Select name="form[environment]" label="Environment" choices=environments value=form.environment error=field_error(refused, "environment")/>
            <TextField name="form[after]" label="Firing after" optional=true mono=true placeholder="5m" value=form.after check=Some(check_span)
                error=field_error(refused, "after") hint="The condition held so long without a break. Empty: at once."/>
            <TextField name="form[resolve_after]" label="Resolved after" optional=true mono=true placeholder="5m" value=form.resolve_after check=Some(check_span)
                error=field_error(refused, "resolve_after") hint="It did not hold so long without a break: a value that goes to and fro is one alert."/>
            <TextField name="routes" label="Notify routes" optional=true value=told error=field_error(refused, "routes") hint/>
        </fieldset>
    }
    .into_any()
}
