//! The deploy page as text: what the form does not show can be written here. Checked as it is typed by the parser that the server reads it
//! with; every mistake is shown with its line.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::descriptor::{Descriptor, schema};
use model::problem::{FieldError, Problem};

use super::{Ask, Asked, Away, EnvironmentChoice, Overriding, Planned, Ways, besides, current, frozen_here, verdict};
use crate::api::descriptor::{DeployText, PlanText, TextPage, read_descriptor_text};
use crate::boot::boot;
use crate::components::{Csrf, Notice, ProblemNotice, Submit, TextArea, TextField, Tone, lead_to_mistake};
use crate::page::{loaded, problem, query};
use crate::urls;

/// Most mistakes that are shown at once; the first ones first.
const SHOWN: usize = 12;
/// Longest part of a wrong line that is shown, in characters.
const QUOTED: usize = 120;

/// The deploy page as text.
#[component]
pub(super) fn TextDeploy() -> impl IntoView {
    let service = current();
    let environment = query("environment");
    let asked = Asked::here();
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), environment.get()),
        |(project, name, environment)| read_descriptor_text(project, name, environment),
    );
    let action = ServerAction::<DeployText>::new();
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(made)) = action.value().get() {
            service.pulse.beat();
            navigate(&urls::deployment(&made.project, &made.service, made.id), leptos_router::NavigateOptions::default());
        }
    });
    loaded(data, move |page| view! { <Editor page asked=asked() action/> })
}

#[component]
fn Editor(page: TextPage, asked: Asked, action: ServerAction<DeployText>) -> impl IntoView {
    let TextPage { project, service, environments, environment, text, runs, why, planned } = page;
    // Refused without scripts, it is told on the next page.
    let plan = ServerAction::<PlanText>::new();
    let refused = verdict(action, plan);
    lead_to_mistake(problem(action));
    let first = text.clone();
    let text = RwSignal::new(text);
    let (found, typed) = judged(text, refused);
    let not_sent = problem(action);
    let others = Signal::derive(move || not_sent.get().filter(|problem: &Problem| problem.fields.is_empty()));
    let not_planned = besides(problem(plan), "This cannot be deployed: what is wrong stands above the text.", |_| true);
    let names = environments.iter().map(|one| one.name.clone()).collect();
    let here = environments.into_iter().find(|one| one.name.as_str() == environment);
    let frozen = frozen_here(here.as_ref());
    let path = urls::service_page(&project, &service, "deploy");
    let order = StoredValue::new(PlanText {
        csrf: boot().csrf,
        project: project.clone(),
        service: service.clone(),
        environment: environment.clone(),
        why: String::new(),
        text: String::new(),
    });
    let ask = Callback::new(move |()| {
        action.clear();
        _ = plan.dispatch(PlanText { text: text.get_untracked(), ..order.get_value() });
    });
    view! {
        <Title text=format!("Deploy {service}")/>
        {here.clone().map(|here| view! { <Away here/> })}
        <Ways path=path.clone() asked=asked.clone() environment=environment.clone() text=true/>
        {here.map(|here| view! { <EnvironmentChoice names shown=here.name page=asked.page(&path, "", true)/> })}
        <div class="columns">
            <section class="panel">
                <header><h2>{format!("Deploy to {environment}")}</h2></header>
                <div class="panel-body">
                    {(!runs).then(|| view! { <p class="muted">"Nothing runs there yet."</p> })}
                    <ProblemNotice problem=others/>
                    <Mistakes found=found.into() text=text.into()/>
                    <ActionForm action attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="project" value=project/>
                        <input type="hidden" name="service" value=service/>
                        <input type="hidden" name="environment" value=environment.clone()/>
                        <TextArea name="text" label="Descriptor" rows=24 mono=true value=first on_input=typed
                            hint="YAML or JSON. What is left out gets its default, also what stands here now and is taken away."/>
                        <TextField name="why" label="Why" optional=true value=why hint="For the history: what this deployment is for."/>
                        <Overriding frozen/>
                        <div class="actions">
                            <Submit label=format!("Deploy to {environment}") pending=action.pending()/>
                            <Ask to="/fn/deployments/plan_text" pending=plan.pending() ask/>
                        </div>
                    </ActionForm>
                    <p class="hint">"Editors complete such a file by its "<a href=schema::PATH rel="external">"JSON schema"</a>"."</p>
                </div>
            </section>
            <Planned first=planned answer=plan.value().into() refused=not_planned/>
        </div>
    }
    .into_any()
}

/// What is wrong with the text, and who takes what is typed. What the server found stands until something else is typed.
fn judged(text: RwSignal<String>, refused: Signal<Option<Problem>>) -> (Memo<Vec<FieldError>>, Callback<String>) {
    let touched = RwSignal::new(false);
    Effect::new(move |_| {
        refused.track();
        touched.set(false);
    });
    let found = Memo::new(move |_| {
        if touched.get() {
            return text.with(|text| Descriptor::parse(text).err().unwrap_or_default());
        }
        refused.with(|refused| refused.as_ref().map(|problem| problem.fields.clone()).unwrap_or_default())
    });
    let typed = Callback::new(move |typed: String| {
        text.set(typed);
        touched.set(true);
    });
    (found, typed)
}

/// What is wrong, each with its line.
#[component]
fn Mistakes(found: Signal<Vec<FieldError>>, text: Signal<String>) -> impl IntoView {
    let shown = move || {
        let found = found.get();
        if found.is_empty() {
            return None;
        }
        let more = found.len().saturating_sub(SHOWN);
        let items = text.with(|text| found.into_iter().take(SHOWN).map(|error| mistake(error, text)).collect_view());
        Some(view! {
            <Notice tone=Tone::Bad title="This cannot be deployed:">
                <ol class="stack-s">{items}</ol>
                {(more > 0).then(|| view! { <p>{format!("And {more} more.")}</p> })}
            </Notice>
        })
    };
    view! { <div aria-live="polite">{shown}</div> }.into_any()
}

fn mistake(error: FieldError, text: &str) -> AnyView {
    let line = error.line.and_then(|line| usize::try_from(line).ok());
    let quoted = line.and_then(|line| text.lines().nth(line.checked_sub(1)?)).map(|text| text.trim_end().chars().take(QUOTED).collect::<String>());
    let place = error.line.map(|line| format!("Line {line}"));
    let at_end = error.line.zip(error.column).map(|(line, column)| format!(" (line {line}, column {column})"));
    let message = at_end.and_then(|end| error.message.strip_suffix(end.as_str()).map(str::to_owned)).unwrap_or(error.message);
    view! {
        <li>
            {place.map(|place| view! { <strong>{place}</strong>" " })}
            {(!error.field.is_empty()).then(|| view! { <code>{error.field}</code>": " })}
            {message}
            {quoted.map(|quoted| view! { <pre class="mono"><code>{quoted}</code></pre> })}
        </li>
    }
    .into_any()
}
