//! What a service was made from, and what its template makes of that: the Dockerfile and the CI's side, ready to take away.

use leptos::prelude::*;
use model::template::Output;
use model::views::templates::ServiceTemplate;

use super::{EnvironmentChoice, current, made_otherwise};
use crate::api::templates::read_service_template;
use crate::components::{Ago, Empty, Notice, Tone};
use crate::page::{loaded_in, query};
use crate::pages::templates::Texts;
use crate::urls;

/// The page.
#[component]
pub(crate) fn Template() -> impl IntoView {
    let service = current();
    let environment = query("environment");
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), environment.get(), service.pulse.track()),
        |(project, name, environment, _)| read_service_template(project, name, environment),
    );
    loaded_in(service.view, data, move |detail, found| {
        let (project, name) = (detail.project.to_string(), detail.name.to_string());
        match found {
            Some(found) => {
                let names = detail.runs.iter().map(|run| run.summary.environment.clone()).collect();
                let page = urls::service_page(&project, &name, "template");
                let otherwise = made_otherwise(&detail, &found.environment, &found.mark.name, found.mark.of_site);
                view! { <EnvironmentChoice names shown=found.environment.clone() page/><Made found otherwise project name/> }.into_any()
            }
            None => view! { <NoTemplate project name/> }.into_any(),
        }
    })
}

#[component]
fn NoTemplate(project: String, name: String) -> impl IntoView {
    view! {
        <section class="panel">
            <Empty title="Not made from a template">
                <p>"A template makes the CI's side and a Dockerfile besides the service itself. Deploying with one makes a revision, as any deployment does."</p>
                <a class="button" href=urls::deploy(project, name, crate::api::templates::PLAIN)>"Choose a template"</a>
            </Empty>
        </section>
    }
    .into_any()
}

#[component]
fn Made(found: ServiceTemplate, otherwise: Option<i64>, project: String, name: String) -> impl IntoView {
    let newest = found.template.as_ref().map(|template| template.version).unwrap_or_default();
    let owner = if found.mark.of_site { String::new() } else { project.clone() };
    let gone = found.template.is_none();
    let title = found.template.as_ref().map_or_else(|| found.mark.name.to_string(), |template| template.title.clone());
    let rows = found
        .answers
        .iter()
        .filter(|(_, answer)| !answer.is_empty())
        .map(|(parameter, answer)| view! { <dt>{parameter.clone()}</dt><dd><code class="inline">{answer.clone()}</code></dd> })
        .collect_view();
    let secrets = found.secrets.iter().map(|secret| view! { <dt>{secret.clone()}</dt><dd class="muted">"a secret, set"</dd> }).collect_view();
    let behind = (newest > found.mark.version).then(|| {
        let version = newest.to_string();
        let reference = found.template.as_ref().map(model::views::templates::TemplateSummary::reference).unwrap_or_default();
        let asked = [("environment", found.environment.as_str()), ("template", reference.as_str()), ("version", version.as_str())];
        urls::asking(urls::service_page(&project, &name, "deploy"), &asked)
    });
    view! {
        {gone.then(|| view! { <Notice tone=Tone::Warn title="This template was deleted"><p>"The service runs on. The next deployment needs another template, or the plain form."</p></Notice> })}
        {behind.map(|href| view! {
            <Notice tone=Tone::Busy title=format!("Version {newest} of the template is there")><p><a href=href>"See what moving to it would change"</a></p></Notice>
        })}
        {otherwise.map(|number| view! {
            <Notice tone=Tone::Warn title=format!("Revision {number}, which should run in {}, was not made by this template", found.environment)>
                <p>"The service was deployed another way or scaled. What stands below is made of the last answers."</p>
            </Notice>
        })}
        <div class="columns">
            <section class="panel">
                <header><h2>"What it makes for this service"</h2></header>
                {if found.hidden {
                    view! { <p class="panel-body muted">"What was answered, and what is made of it, is shown to those who may deploy."</p> }.into_any()
                } else {
                    view! {
                        <p class="panel-body muted">"Each calls Slipway with a token: of a robot of this project, or a personal one with the scope deploy. No secret is in these texts."</p>
                        <Texts rendered=found.rendered but=Output::Descriptor/>
                    }.into_any()
                }}
            </section>
            <section class="panel">
                <header><h2>"Made from"</h2></header>
                <div class="panel-body">
                    <dl class="facts">
                        <dt>"Template"</dt><dd>{if gone { title.into_any() } else { view! { <a href=urls::template(&owner, &found.mark.name)>{title}</a> }.into_any() }}</dd>
                        <dt>"Version"</dt><dd>{found.mark.version}</dd>
                        <dt>"Environment"</dt><dd>{found.environment.to_string()}</dd>
                        <dt>"Answered"</dt><dd><Ago at=found.updated_at/>{format!(" by {}", found.by)}</dd>
                        {rows}
                        {secrets}
                    </dl>
                </div>
            </section>
        </div>
    }
    .into_any()
}
