//! The editor: the document, and beside it what it makes. With scripts the preview follows what is typed; without, a button asks for it.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::views::templates::RenderedView;

use super::{Texts, Way};
use crate::api::templates::{EditorPage, PreviewTemplate, SaveTemplate, read_template_editor};
use crate::boot::boot;
use crate::components::{Csrf, Notice, ProblemNotice, Submit, TextArea, TextField, Tone, field_error};
use crate::page::{loaded, param, problem};
use crate::urls;

/// How long nothing is typed before the preview is made anew.
#[cfg(feature = "hydrate")]
const REST: std::time::Duration = std::time::Duration::from_millis(400);

/// A new template.
#[component]
pub(crate) fn New() -> impl IntoView {
    editor(Memo::new(|_| String::new()))
}

/// The next version of one.
#[component]
pub(crate) fn Edit() -> impl IntoView {
    editor(param("template"))
}

fn editor(name: Memo<String>) -> AnyView {
    let project = param("project");
    let data = Resource::new(move || (project.get(), name.get()), |(project, name)| read_template_editor(project, name));
    let save = ServerAction::<SaveTemplate>::new();
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(saved)) = save.value().get() {
            navigate(&urls::template(&project.get_untracked(), &saved.name), leptos_router::NavigateOptions::default());
        }
    });
    loaded(data, move |page| view! { <Form page project=project.get_untracked() name=name.get_untracked() save/> }).into_any()
}

#[component]
fn Form(page: EditorPage, project: String, name: String, save: ServerAction<SaveTemplate>) -> impl IntoView {
    let refused = problem(save);
    let (document, tried) = (RwSignal::new(page.document.clone()), RwSignal::new(page.tried.clone()));
    let preview = Action::new(|input: &PreviewTemplate| {
        let PreviewTemplate { csrf, project, template, document, tried, note } = input.clone();
        crate::api::templates::preview_template(csrf, project, template, document, tried, note)
    });
    let asked = StoredValue::new(PreviewTemplate {
        csrf: boot().csrf,
        project: project.clone(),
        template: name.clone(),
        document: String::new(),
        tried: String::new(),
        note: String::new(),
    });
    let ask = move || {
        let asked = asked.get_value();
        _ = preview.dispatch(PreviewTemplate { document: document.get_untracked(), tried: tried.get_untracked(), ..asked });
    };
    follow(document, tried, ask);
    let (title, label) = match page.newest {
        Some(newest) => (format!("Version {} of {name}", newest + 1), format!("Save as version {}", newest + 1)),
        None => (String::from("New template"), String::from("Save template")),
    };
    let fields = &["document", "note"];
    view! {
        <Title text=title.clone()/>
        <div><Way project=project.clone() name=name.clone()/><div class="heading"><h1>{title}</h1></div></div>
        <div class="columns columns-even">
            <section class="panel">
                <header><h2>"Document"</h2></header>
                <div class="panel-body">
                    <ProblemNotice problem=refused beside=fields/>
                    <ActionForm action=save attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="project" value=project/>
                        <input type="hidden" name="template" value=name/>
                        <TextArea name="document" label="YAML" rows=32 mono=true value=page.document.clone() error=field_error(refused, "document")
                            hint="Another template's document can be pasted here. {{ name }} writes an answer, quoted; {% if name %} and {% for %} choose."
                            on_input=Callback::new(move |text| document.set(text))/>
                        <TextArea name="tried" label="Answers to try it with" optional=true rows=3 mono=true value=page.tried.clone()
                            hint="One name=value on each line. They are not kept." on_input=Callback::new(move |text| tried.set(text))/>
                        <TextField name="note" label="What is new" optional=true value=page.note.clone() error=field_error(refused, "note")/>
                        <div class="actions">
                            <Submit label pending=save.pending()/>
                            <button type="submit" class="button" formaction="/fn/templates/preview" formnovalidate=true
                                on:click=move |event| { event.prevent_default(); ask(); }>"Preview"</button>
                        </div>
                    </ActionForm>
                </div>
            </section>
            <Preview first=page.rendered answer=preview.value().into()/>
        </div>
    }
    .into_any()
}

/// Asks for the preview whenever typing rests.
#[cfg(feature = "hydrate")]
fn follow(document: RwSignal<String>, tried: RwSignal<String>, ask: impl Fn() + Copy + 'static) {
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move |before: Option<()>| {
        document.track();
        tried.track();
        if before.is_some() {
            if let Some(handle) = waiting.get_value() {
                handle.clear();
            }
            waiting.set_value(set_timeout_with_handle(ask, REST).ok());
        }
    });
}

#[cfg(not(feature = "hydrate"))]
fn follow(_document: RwSignal<String>, _tried: RwSignal<String>, _ask: impl Fn() + Copy + 'static) {}

/// What the document makes, as it was last asked for.
#[component]
fn Preview(first: RenderedView, answer: Signal<Option<Result<RenderedView, crate::api::ApiError>>>) -> impl IntoView {
    let shown = move || match answer.get() {
        None => view! { <Texts rendered=first.clone()/> }.into_any(),
        Some(Ok(rendered)) => view! { <Texts rendered/> }.into_any(),
        Some(Err(error)) => view! { <Notice tone=Tone::Bad title="There is no preview"><p>{error.0.detail}</p></Notice> }.into_any(),
    };
    view! { <section class="panel" aria-live="polite"><header><h2>"What it makes"</h2></header>{shown}</section> }.into_any()
}
