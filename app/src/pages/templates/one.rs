//! One template: what it asks, what it makes of its defaults, its versions.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::template::{Choices, Parameter, ParameterKind};
use model::views::templates::{TemplateDetail, TemplateVersion};

use super::{Texts, Way};
use crate::api::templates::{DeleteTemplate, TemplatePage, get_template};
use crate::components::{Ago, Badge, Confirm, Csrf, Keep, ProblemNotice, Submit, Tone};
use crate::page::{change, forget, loaded, param, problem, query};
use crate::urls;

/// The page of a template.
#[component]
pub(crate) fn One() -> impl IntoView {
    let (project, name, version) = (param("project"), param("template"), query("version"));
    let data = Resource::new(
        move || (project.get(), name.get(), version.get().parse::<i64>().ok()),
        |(project, name, version)| get_template(project, name, version),
    );
    let delete = change::<DeleteTemplate>("Template deleted", None);
    let navigate = use_navigate();
    Effect::new(move |_| {
        if matches!(delete.value().get(), Some(Ok(()))) {
            navigate(&urls::templates(&project.get_untracked()), leptos_router::NavigateOptions::default());
        }
    });
    loaded(data, move |page| view! { <Page page delete/> })
}

#[component]
fn Page(page: TemplatePage, delete: ServerAction<DeleteTemplate>) -> impl IntoView {
    let TemplatePage { detail, rendered } = page;
    let project = detail.template.project.as_ref().map(ToString::to_string).unwrap_or_default();
    let name = detail.template.name.to_string();
    let older = detail.version.number < detail.template.version;
    let number = detail.version.number;
    view! {
        <Title text=detail.template.title.clone()/>
        <div>
            <Way project=project.clone()/>
            <div class="heading">
                <h1>{detail.template.title.clone()}</h1>
                <Badge tone=if older { Tone::Warn } else { Tone::Ok } text=format!("version {number}")/>
                <div class="actions">
                    <a class="button" href=urls::template_export(&project, &name, number) rel="external" download=format!("{name}.yaml")>"Export"</a>
                    {detail.may_write.then(|| view! { <a class="button button-primary" href=format!("{}/edit", urls::template(&project, &name))>"New version"</a> })}
                </div>
                {(!detail.template.description.is_empty()).then(|| view! { <p class="heading-sub">{detail.template.description.clone()}</p> })}
            </div>
        </div>
        <div class="columns">
            <div class="stack">
                <Asks parameters=detail.parameters.0.clone()/>
                <section class="panel">
                    <header><h2>"What it makes"</h2></header>
                    <p class="panel-body muted">"Of its defaults, with samples where there is none. In a service's form you see what your answers make."</p>
                    <Texts rendered/>
                </section>
                <section class="panel">
                    <header><h2>"Document"</h2></header>
                    <details class="panel-body"><summary>"As it was written"</summary><pre class="code-block" tabindex="0"><code>{detail.document.clone()}</code></pre></details>
                </section>
            </div>
            <div class="stack">
                <Versions detail=detail.clone() project=project.clone()/>
                {detail.may_write.then(|| view! { <Danger project name services=detail.services delete/> })}
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Asks(parameters: Vec<Parameter>) -> impl IntoView {
    let rows = parameters
        .into_iter()
        .map(|parameter| {
            let takes = takes(&parameter);
            let default = parameter.default.clone().unwrap_or_default();
            view! {
                <tr>
                    <td data-label="Asks" class="table-main"><span>{parameter.label.clone()}" "<span class="chip">{parameter.name.clone()}</span></span></td>
                    <td data-label="Takes">{takes}</td>
                    <td data-label="Default">{(!default.is_empty()).then(|| view! { <code class="inline">{default}</code> })}</td>
                    <td data-label="Required">{parameter.required.then_some("yes")}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"What it asks"</h2></header>
            <table class="table">
                <thead><tr><th scope="col">"Asks"</th><th scope="col">"Takes"</th><th scope="col">"Default"</th><th scope="col">"Required"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

/// What a parameter takes, in a line.
fn takes(parameter: &Parameter) -> String {
    let values = |list: &[model::template::Choice]| list.iter().map(|choice| choice.value.as_str()).collect::<Vec<_>>().join(", ");
    let mut text = match &parameter.choices {
        Some(Choices::Fixed(list)) => format!("one of {}", values(list)),
        Some(Choices::By { parameter, when }) => {
            let each: Vec<String> = when.iter().map(|(answer, list)| format!("{answer}: {}", values(list))).collect();
            format!("by {parameter} ({})", each.join("; "))
        }
        None => parameter.kind.to_string(),
    };
    let of_text = matches!(parameter.kind, ParameterKind::String | ParameterKind::Text | ParameterKind::Secret);
    let unit = if of_text { " characters" } else { "" };
    match (&parameter.min, &parameter.max) {
        (Some(min), Some(max)) => text.push_str(&format!(", {min} to {max}{unit}")),
        (Some(min), None) => text.push_str(&format!(", at least {min}{unit}")),
        (None, Some(max)) => text.push_str(&format!(", at most {max}{unit}")),
        (None, None) => {}
    }
    if let Some(condition) = &parameter.shown_if {
        text.push_str(&format!("; asked when {} is {}", condition.parameter, condition.is.join(" or ")));
    }
    text
}

#[component]
fn Versions(detail: TemplateDetail, project: String) -> impl IntoView {
    let page = urls::template(&project, &detail.template.name);
    let shown = detail.version.number;
    let row = move |version: TemplateVersion| {
        let href = format!("{page}?version={}", version.number);
        view! {
            <tr>
                <td data-label="Version" class="table-main"><a href=href aria-current=(version.number == shown).then_some("page")>{version.number}</a></td>
                <td data-label="Made"><div><Ago at=version.created_at/>{format!(" by {}", version.by)}{(!version.note.is_empty()).then(|| view! { <p class="muted small">{version.note.clone()}</p> })}</div></td>
            </tr>
        }
    };
    let rows = detail.versions.into_iter().map(row).collect_view();
    view! {
        <section class="panel">
            <header><h2>"Versions"</h2></header>
            <table class="table"><thead><tr><th scope="col">"Version"</th><th scope="col">"Made"</th></tr></thead><tbody>{rows}</tbody></table>
            <footer>{made_from(detail.services)}</footer>
        </section>
    }
    .into_any()
}

fn made_from(services: i64) -> String {
    match services {
        0 => String::from("No service was made from it yet."),
        1 => String::from("1 service was made from it. It stays with its version until somebody moves it."),
        services => format!("{services} services were made from it. Each stays with its version until somebody moves it."),
    }
}

#[component]
fn Danger(project: String, name: String, services: i64, delete: ServerAction<DeleteTemplate>) -> impl IntoView {
    let title = format!("Delete the template {name}?");
    let left = match services {
        0 => String::from("All its versions go. No service was made from it."),
        1 => String::from("All its versions go. The service that was made from it runs on; its form is the plain one then."),
        services => format!("All its versions go. The {services} services that were made from it run on; their form is the plain one then."),
    };
    view! {
        <section class="panel panel-danger">
            <header><h2>"Delete"</h2></header>
            <div class="panel-body">
                <Confirm id="delete-template" button="Delete template" title=title on_open=forget(delete)>
                    <p>{left}</p>
                    <ProblemNotice problem=problem(delete)/>
                    <ActionForm action=delete attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="project" value=project/>
                        <input type="hidden" name="template" value=name/>
                        <div class="actions"><Keep dialog="delete-template"/><Submit label="Delete template" look="button-danger-fill" pending=delete.pending()/></div>
                    </ActionForm>
                </Confirm>
            </div>
        </section>
    }
    .into_any()
}
