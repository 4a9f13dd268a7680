//! The deploy form, checked as it is typed by the code that the server checks it with. It is read once: a change of the
//! service meanwhile does not disturb what is being typed. The same as text is in `text`.

mod fields;
mod template;
mod text;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::form::DeployForm;
use model::problem::Problem;
use model::views::deployments::{DeploymentView, PlanAct, PlanStep, PlanTask, PlanView};
use model::views::environments::{EnvironmentView, MachineState};
use model::views::templates::TemplateSummary;

use super::{EnvironmentChoice, current};
use crate::api::ApiError;
use crate::api::deployments::{Deploy as DeployNow, DeployPage, PlanDeploy, read_deploy_form};
use crate::api::templates::{DeployTemplate, read_template_form};
use crate::boot::boot;
use crate::components::{Changes, Csrf, Notice, ProblemNotice, Submit, TextField, Tone, capital, sentence};
use crate::page::{loaded, problem, query};
use crate::urls;
use fields::Fields;
use template::FromTemplate;

/// The deploy page: the form of the template that the service was made from or that the address names, the plain one, or the descriptor as text.
#[component]
pub(crate) fn Deploy() -> impl IntoView {
    let written = query("as");
    move || if written.with(|written| written == "yaml") { view! { <text::TextDeploy/> }.into_any() } else { view! { <FormDeploy/> }.into_any() }
}

/// The two ways to say what the service should be.
#[component]
fn Ways(path: String, environment: String, text: bool) -> impl IntoView {
    let place = urls::query(&environment);
    view! {
        <nav class="segments" aria-label="How it is written">
            <a href=format!("{path}?environment={place}") aria-current=(!text).then_some("page")>"Form"</a>
            <a href=format!("{path}?environment={place}&as=yaml") aria-current=text.then_some("page")>"YAML"</a>
        </nav>
    }
    .into_any()
}

#[component]
fn FormDeploy() -> impl IntoView {
    let service = current();
    let (environment, image, template, version) = (query("environment"), query("image"), query("template"), query("version"));
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), environment.get(), template.get(), version.get().parse::<i64>().ok()),
        |(project, name, environment, template, version)| read_template_form(project, name, environment, template, version),
    );
    let action = ServerAction::<DeployTemplate>::new();
    lead_on(service, move || action.value().get().and_then(Result::ok));
    loaded(data, move |choice| match choice.page {
        Some(page) => view! { <FromTemplate page image=image.get_untracked() action/> }.into_any(),
        None => view! { <Choose templates=choice.templates/><PlainForm/> }.into_any(),
    })
}

/// To the deployment that was made.
fn lead_on(service: super::Current, made: impl Fn() -> Option<DeploymentView> + Send + Sync + 'static) {
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(made) = made() {
            service.pulse.beat();
            navigate(&urls::deployment(&made.project, &made.service, made.id), leptos_router::NavigateOptions::default());
        }
    });
}

/// The templates that could ask instead.
#[component]
fn Choose(templates: Vec<TemplateSummary>) -> impl IntoView {
    let service = current();
    (!templates.is_empty()).then(|| {
        let items = templates
            .into_iter()
            .map(|template| {
                let href = urls::deploy(service.project.get_untracked(), service.name.get_untracked(), &template.reference());
                view! { <li><a href=href>{template.title}</a>" "<span class="muted">{template.description}</span></li> }
            })
            .collect_view();
        view! { <section class="panel"><details class="panel-body"><summary>"Use a template instead"</summary><ul class="stack-s">{items}</ul></details></section> }
    })
}

/// The plain form.
#[component]
fn PlainForm() -> impl IntoView {
    let service = current();
    let (environment, image) = (query("environment"), query("image"));
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), environment.get()),
        |(project, name, environment)| read_deploy_form(project, name, environment),
    );
    let action = ServerAction::<DeployNow>::new();
    lead_on(service, move || action.value().get().and_then(Result::ok));
    loaded(data, move |page| view! { <Form page image=image.get_untracked() action/> })
}

/// What a typed form is, and what is wrong with it.
#[derive(Clone, Copy)]
pub(super) struct Typed {
    /// The texts.
    pub form: RwSignal<DeployForm>,
    /// Fields that were changed here.
    pub touched: RwSignal<Vec<&'static str>>,
    /// What the check says.
    pub wrong: Memo<Vec<model::problem::FieldError>>,
    /// What the server said last.
    pub refused: Signal<Option<Problem>>,
}

impl Typed {
    /// What to show at a field: what the check says once it was changed here, before that what the server said.
    pub(super) fn error(self, name: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || {
            let found = |errors: &[model::problem::FieldError]| errors.iter().find(|error| error.field == name).map(|error| error.message.clone());
            if self.touched.with(|touched| touched.contains(&name)) {
                self.wrong.with(|errors| found(errors))
            } else {
                self.refused.with(|refused| refused.as_ref().and_then(|problem| found(&problem.fields)))
            }
        })
    }

    /// Keeps what is typed into a field.
    pub(super) fn keep(self, name: &'static str, put: impl Fn(&mut DeployForm, String) + Send + Sync + 'static) -> Callback<String> {
        Callback::new(move |text| {
            self.form.update(|form| put(form, text));
            self.touched.update(|touched| {
                if !touched.contains(&name) {
                    touched.push(name);
                }
            });
        })
    }
}

#[component]
fn Form(page: DeployPage, image: String, action: ServerAction<DeployNow>) -> impl IntoView {
    let typed = begin(&page, image, problem(action));
    let plan = Action::new(|input: &PlanDeploy| {
        let PlanDeploy { csrf, project, service, environment, form } = input.clone();
        crate::api::deployments::plan_deploy(csrf, project, service, environment, form)
    });
    let kept = page.base.as_ref().map(DeployForm::hidden).unwrap_or_default();
    let names = page.environments.iter().map(|one| one.name.clone()).collect();
    let here = page.environments.iter().find(|one| one.name.as_str() == page.environment).cloned();
    let (project, service, environment) = (page.service.project.to_string(), page.service.name.to_string(), page.environment.clone());
    let path = urls::service_page(&project, &service, "deploy");
    let configured = urls::asking(urls::service_page(&project, &service, "configuration"), &[("environment", &environment)]);
    let ask = {
        let asked = PlanDeploy {
            csrf: boot().csrf,
            project: project.clone(),
            service: service.clone(),
            environment: environment.clone(),
            form: DeployForm::new(),
        };
        move |_| _ = plan.dispatch(PlanDeploy { form: typed.form.get_untracked(), ..asked.clone() })
    };
    view! {
        <Title text=format!("Deploy {service}")/>
        {here.clone().map(|here| view! { <Away here/> })}
        <Ways path=path.clone() environment=environment.clone() text=false/>
        {here.map(|here| view! { <EnvironmentChoice names shown=here.name page=path/> })}
        <div class="columns">
            <section class="panel">
                <header><h2>{format!("Deploy to {environment}")}</h2></header>
                <div class="panel-body">
                    <ProblemNotice problem=typed.refused beside=model::form::FIELDS/>
                    <ActionForm action attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="project" value=project/>
                        <input type="hidden" name="service" value=service/>
                        <input type="hidden" name="environment" value=environment.clone()/>
                        <Fields typed offers=page.offers/>
                        {(!kept.is_empty()).then(|| view! {
                            <p class="hint">{format!("Kept as it is, because this form does not show it: {}. Change it as YAML.", kept.join(", "))}</p>
                        })}
                        <p class="hint">"Configuration: "{page.configuration.to_string()}". "<a href=configured>"What it holds"</a></p>
                        <TextField name="why" label="Why" optional=true hint="For the history: what this deployment is for."/>
                        <div class="actions">
                            <Submit label=format!("Deploy to {environment}") pending=action.pending()/>
                            <button type="button" class="button needs-script" disabled=move || plan.pending().get() on:click=ask>"Show what would change"</button>
                        </div>
                    </ActionForm>
                </div>
            </section>
            <Planned answer=plan.value().into()/>
        </div>
    }
    .into_any()
}

/// What the form begins with: what was refused before, what runs, or nothing but the newest image.
fn begin(page: &DeployPage, image: String, refused: Signal<Option<Problem>>) -> Typed {
    let mut first = page.typed.clone().unwrap_or_else(|| page.base.as_ref().map_or_else(DeployForm::new, DeployForm::of));
    if !image.is_empty() {
        first.image = image;
    } else if first.image.is_empty() {
        first.image = page.offers.first().map(|offer| offer.reference.clone()).unwrap_or_default();
    }
    let form = RwSignal::new(first);
    let base = StoredValue::new(page.base.clone());
    let wrong = Memo::new(move |_| form.with(|form| base.with_value(|base| form.descriptor(base.as_ref()).err().unwrap_or_default())));
    // What the server found stands until the next answer; a new answer is about all fields.
    let touched = RwSignal::new(Vec::new());
    Effect::new(move |_| {
        refused.track();
        touched.set(Vec::new());
    });
    Typed { form, touched, wrong, refused }
}

/// The engine does not answer: better known before.
#[component]
fn Away(here: EnvironmentView) -> impl IntoView {
    (here.state == MachineState::Away).then(|| {
        view! {
            <Notice tone=Tone::Warn title=format!("No engine answers in {}", here.name)>
                <p>{sentence(&here.message.unwrap_or_default())}</p>
                <p>"A deployment waits in the queue until one does, or fails."</p>
            </Notice>
        }
    })
}

/// What a deploy would do.
#[component]
fn Planned(answer: Signal<Option<Result<PlanView, ApiError>>>) -> impl IntoView {
    let refused = Signal::derive(move || answer.with(|answer| answer.as_ref().and_then(|answer| answer.as_ref().err().map(|error| error.0.clone()))));
    view! {
        <div class="stack" aria-live="polite">
            <ProblemNotice problem=refused beside=&[]/>
            {move || answer.get().and_then(Result::ok).map(|plan| view! { <Plan plan/> })}
        </div>
    }
    .into_any()
}

/// A plan.
#[component]
pub(crate) fn Plan(plan: PlanView) -> impl IntoView {
    let order = match plan.order {
        model::descriptor::UpdateOrder::StartFirst => "new tasks are healthy before old ones end",
        model::descriptor::UpdateOrder::StopFirst => "old tasks end before new ones start",
    };
    let takes = plan.takes.iter().map(|taking| view! { <li>{capital(&taking.text)}</li> }).collect_view();
    let notes = plan.notes.iter().map(|note| view! { <li>{sentence(note)}</li> }).collect_view();
    let first = plan.current.is_none();
    view! {
        <section class="panel">
            <header><h2>"What would change"</h2></header>
            <div class="panel-body">
                {plan.unchanged.then(|| view! { <p>"Nothing: this runs already. Deploying makes a revision all the same."</p> })}
                <dl class="facts">
                    <dt>"Image"</dt><dd><code>{plan.image.clone()}</code></dd>
                    <dt>"Tasks"</dt><dd>{if first { format!("{} made", plan.creates) } else { format!("{} made, {} ended; {order}", plan.creates, plan.ends) }}</dd>
                    <dt>"Room"</dt><dd>{room(&plan)}</dd>
                    <dt>"Configuration"</dt><dd>{plan.configuration.to_string()}</dd>
                </dl>
                {(!plan.takes.is_empty()).then(|| view! { <h3>"Quota of the project"</h3><ul class="stack-s">{takes}</ul> })}
                {(!first && !plan.steps.is_empty()).then(|| view! { <InOrder steps=plan.steps.clone()/> })}
                {(!plan.notes.is_empty()).then(|| view! { <ul class="stack-s">{notes}</ul> })}
                {if first { view! { <p class="muted">"This is the first deployment here."</p> }.into_any() } else { view! { <Changes changes=plan.changes/> }.into_any() }}
            </div>
        </section>
    }
    .into_any()
}

/// How many tasks it takes, and how many for a while.
fn room(plan: &PlanView) -> String {
    let tasks = |count: u32| if count == 1 { String::from("1 task") } else { format!("{count} tasks") };
    if plan.at_most > plan.tasks {
        format!("{}, and {} at the same time while they are replaced", tasks(plan.tasks), plan.at_most)
    } else {
        tasks(plan.tasks)
    }
}

/// The steps of a rollout, one after the other.
#[component]
fn InOrder(steps: Vec<PlanStep>) -> impl IntoView {
    let (count, open) = (steps.len(), steps.len() <= 8);
    let items = steps
        .into_iter()
        .enumerate()
        .map(|(at, step)| {
            let named =
                |task: &PlanTask| task.revision.map_or_else(|| task.slot.to_string(), |revision| format!("{} (revision {revision})", task.slot));
            let tasks = step.tasks.iter().map(named).collect::<Vec<_>>().join(", ");
            let said = match (step.act, step.tasks.len()) {
                (PlanAct::Make, 1) => format!("make task {tasks} and wait until it serves"),
                (PlanAct::Make, _) => format!("make tasks {tasks} and wait until they serve"),
                (PlanAct::End, 1) => format!("end task {tasks}"),
                (PlanAct::End, _) => format!("end tasks {tasks}"),
            };
            view! { <li>{format!("{}. {said}", at + 1)}</li> }
        })
        .collect_view();
    view! {
        <details class="stack-s" open=open>
            <summary>{if count == 1 { String::from("In one step") } else { format!("In {count} steps, if all goes well") }}</summary>
            <ol>{items}</ol>
        </details>
    }
    .into_any()
}
