//! Templates: the site's and a project's. The same pages for both: where a project is in the address, its own are meant.

mod editor;
mod one;

use leptos::prelude::*;
use leptos_meta::Title;
use model::template::Output;
use model::views::templates::{Rendered, RenderedView, TemplateSummary};

pub(crate) use editor::{Edit, New};
pub(crate) use one::One;

use crate::api::templates::{TemplateList, list_templates};
use crate::components::{Ago, Command, Crumb, Crumbs, Empty, Notice, Tone};
use crate::page::{loaded, param};
use crate::urls;

/// The list of templates.
#[component]
pub(crate) fn List() -> impl IntoView {
    let project = param("project");
    let data = Resource::new(move || project.get(), list_templates);
    view! {
        <Title text="Templates"/>
        {loaded(data, move |list| view! { <Cards project=project.get_untracked() list/> })}
    }
    .into_any()
}

/// The way to a template's pages.
#[component]
fn Way(project: String, #[prop(optional, into)] name: String) -> impl IntoView {
    let own = !project.is_empty();
    let mut path = Vec::new();
    if !own {
        path.push(Crumb::new(urls::TEMPLATES, "Templates"));
    }
    if own {
        path.push(Crumb::new(urls::templates(&project), "Templates"));
    }
    if !name.is_empty() {
        path.push(Crumb::new(urls::template(&project, &name), name));
    }
    view! { <Crumbs path/> }
}

#[component]
fn Cards(project: String, list: TemplateList) -> impl IntoView {
    let new = format!("{}/new", urls::templates(&project));
    let own = !project.is_empty();
    let may_write = list.may_write;
    let (of_project, of_site): (Vec<_>, Vec<_>) = list.templates.into_iter().partition(|template| template.project.is_some());
    let none = of_project.is_empty();
    let cards = |templates: Vec<TemplateSummary>| templates.into_iter().map(|template| view! { <Card template/> }).collect_view();
    let site_empty = of_site.is_empty();
    view! {
        {(!own).then(|| view! {
            <div class="heading">
                <h1>"Templates"</h1>
                {may_write.then(|| view! { <div class="actions"><a class="button button-primary" href=new.clone()>"New template"</a></div> })}
                <p class="heading-sub">"A template asks what a service needs and makes the rest: the descriptor, a Dockerfile, the CI's side. These are offered in every project."</p>
            </div>
        })}
        {own.then(|| view! {
            <section class="stack">
                <div class="heading">
                    <h2>"Of this project"</h2>
                    {may_write.then(|| view! { <div class="actions"><a class="button" href=new.clone()>"New template"</a></div> })}
                </div>
                {if none {
                    view! {
                        <div class="panel"><Empty title="No templates of its own">
                            <p>{if may_write {
                                "Write one where several services of this project are alike. A new one begins with a small example, or with another's document."
                            } else {
                                "Admins of this project write them. Services can be made from those of the whole site."
                            }}</p>
                        </Empty></div>
                    }.into_any()
                } else {
                    view! { <div class="cards">{cards(of_project)}</div> }.into_any()
                }}
            </section>
        })}
        <section class="stack">
            {own.then(|| view! { <h2>"Of the whole site"</h2> })}
            {if site_empty {
                view! { <div class="panel"><Empty title="No templates"><p>"Operators write them for the whole site."</p></Empty></div> }.into_any()
            } else {
                view! { <div class="cards">{cards(of_site)}</div> }.into_any()
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Card(template: TemplateSummary) -> impl IntoView {
    let project = template.project.as_ref().map(ToString::to_string).unwrap_or_default();
    view! {
        <div class="panel card">
            <h3><a href=urls::template(&project, &template.name)>{template.title.clone()}</a></h3>
            {(!template.description.is_empty()).then(|| view! { <p class="muted">{template.description.clone()}</p> })}
            <p class="row small faint">
                <span class="chip">{template.name.to_string()}</span>
                <span>{format!("version {}, ", template.version)}<Ago at=template.updated_at/>{format!(" by {}", template.by)}</span>
            </p>
        </div>
    }
    .into_any()
}

/// What a template makes: each text with what is wrong with it.
#[component]
pub(crate) fn Texts(
    /// The texts.
    rendered: RenderedView,
    /// Which to leave out.
    #[prop(optional)]
    but: Option<Output>,
) -> impl IntoView {
    let errors = mistakes("This is not right yet", &rendered.errors);
    let texts = rendered.outputs.into_iter().filter(|one| Some(one.output) != but).map(|one| view! { <OneText one/> }).collect_view();
    view! { {errors}{texts} }.into_any()
}

#[component]
fn OneText(one: Rendered) -> impl IntoView {
    let open = one.output == Output::Descriptor || !one.errors.is_empty();
    let errors = mistakes("This cannot be made", &one.errors);
    let what = one.output.title();
    view! {
        <details class="panel-body" open=open>
            <summary><strong>{what}</strong>" "<span class="muted small">{one.file}</span></summary>
            {errors}
            {(!one.text.is_empty()).then(|| view! { <Command text=one.text what=what/> })}
        </details>
    }
    .into_any()
}

fn mistakes(title: &'static str, errors: &[model::problem::FieldError]) -> Option<AnyView> {
    if errors.is_empty() {
        return None;
    }
    let item = |error: &model::problem::FieldError| {
        // What is wrong with the document as a whole stands at no field.
        let place = (!error.field.is_empty()).then(|| view! { <code>{error.field.clone()}</code>": " });
        view! { <li>{place}{error.message.clone()}</li> }
    };
    let items = errors.iter().map(item).collect_view();
    Some(view! { <Notice tone=Tone::Bad title=title><ul>{items}</ul></Notice> }.into_any())
}
