//! The deploy form, checked as it is typed by the code that the server checks it with. It is read once: a change of the
//! service meanwhile does not disturb what is being typed. The same as text is in `text`.

mod fields;
mod plan;
mod template;
mod text;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_navigate;
use model::form::DeployForm;
use model::names::EnvironmentName;
use model::problem::Problem;
use model::views::deployments::DeploymentView;
use model::views::environments::{EnvironmentView, MachineState};
use model::views::templates::TemplateSummary;

use super::{EnvironmentChoice, current};
use crate::api::deployments::{Deploy as DeployNow, DeployPage, Offer, PlanDeploy, read_deploy_form};
use crate::api::templates::{DeployTemplate, read_template_form};
use crate::boot::boot;
use crate::components::{Csrf, Notice, ProblemNotice, Submit, TextField, Tone, bytes, lead_to_mistake, relative, sentence};
use crate::page::{loaded, problem, query};
use crate::pages::environments::{Frozen, Overriding};
use crate::urls;
use fields::Fields;
pub(crate) use plan::Plan;
use plan::{Ask, MARKED, Planned, besides, verdict};
use template::FromTemplate;

/// The deploy page: the form of the template that the service was made from or that the address names, the plain one, or the descriptor as text.
#[component]
pub(crate) fn Deploy() -> impl IntoView {
    let written = query("as");
    move || if written.with(|written| written == "yaml") { view! { <text::TextDeploy/> }.into_any() } else { view! { <FormDeploy/> }.into_any() }
}

/// What a field that names an image proposes: the project's own images.
#[component]
fn Offers(offers: Vec<Offer>) -> impl IntoView {
    let now = boot().now;
    let options = offers
        .into_iter()
        .map(|offer| {
            let said = format!("pushed {}, {}", relative(now, offer.pushed_at), bytes(u64::try_from(offer.size).unwrap_or(0)));
            view! { <option value=offer.reference>{said}</option> }
        })
        .collect_view();
    view! { <datalist id="images">{options}</datalist> }.into_any()
}

/// What the address of this page asks for besides the environment: links to the same page carry it on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    template: String,
    version: String,
    image: String,
}

impl Asked {
    /// Reads the address; what it gives reads it anew.
    fn here() -> impl Fn() -> Self + Copy + Send + Sync + 'static {
        let (template, version, image) = (query("template"), query("version"), query("image"));
        move || Self { template: template.get_untracked(), version: version.get_untracked(), image: image.get_untracked() }
    }

    /// The same page in an environment, as a form or as text. Empty: in the one that is chosen first.
    fn page(&self, path: &str, environment: &str, text: bool) -> String {
        let written = if text { "yaml" } else { "" };
        let rest = [("template", self.template.as_str()), ("version", self.version.as_str()), ("image", self.image.as_str())];
        let asked: Vec<_> = [("as", written), ("environment", environment)].into_iter().chain(rest).collect();
        urls::asking(path, &asked)
    }
}

/// The two ways to say what the service should be.
#[component]
fn Ways(path: String, asked: Asked, environment: String, text: bool) -> impl IntoView {
    view! {
        <nav class="segments" aria-label="How it is written">
            <a href=asked.page(&path, &environment, false) aria-current=(!text).then_some("page")>"Form"</a>
            <a href=asked.page(&path, &environment, true) aria-current=text.then_some("page")>"YAML"</a>
        </nav>
    }
    .into_any()
}

#[component]
fn FormDeploy() -> impl IntoView {
    let service = current();
    let (environment, template, version) = (query("environment"), query("template"), query("version"));
    let asked = Asked::here();
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), environment.get(), template.get(), version.get().parse::<i64>().ok()),
        |(project, name, environment, template, version)| read_template_form(project, name, environment, template, version),
    );
    let action = ServerAction::<DeployTemplate>::new();
    lead_on(service, move || action.value().get().and_then(Result::ok));
    loaded(data, move |choice| match choice.page {
        Some(page) => view! { <FromTemplate page asked=asked() action/> }.into_any(),
        None => view! { <Choose templates=choice.templates asked=asked() environment=environment.get_untracked()/><PlainForm/> }.into_any(),
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
fn Choose(templates: Vec<TemplateSummary>, asked: Asked, environment: String) -> impl IntoView {
    let service = current();
    let path = urls::service_page(service.project.get_untracked(), service.name.get_untracked(), "deploy");
    (!templates.is_empty()).then(|| {
        let items = templates
            .into_iter()
            .map(|template| {
                let with = Asked { template: template.reference(), version: String::new(), image: asked.image.clone() };
                let href = with.page(&path, &environment, false);
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
    let environment = query("environment");
    let asked = Asked::here();
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), environment.get()),
        |(project, name, environment)| read_deploy_form(project, name, environment),
    );
    let action = ServerAction::<DeployNow>::new();
    lead_on(service, move || action.value().get().and_then(Result::ok));
    loaded(data, move |page| view! { <Form page asked=asked() action/> })
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
fn Form(page: DeployPage, asked: Asked, action: ServerAction<DeployNow>) -> impl IntoView {
    // Refused without scripts, it is told on the next page.
    let plan = ServerAction::<PlanDeploy>::new();
    let typed = begin(&page, &asked.image, verdict(action, plan));
    let refused = problem(action);
    lead_to_mistake(refused);
    let not_planned = besides(problem(plan), MARKED, |error| model::form::FIELDS.contains(&error.field.as_str()));
    let (why, planned) = page.typed.map(|typed| (typed.why, typed.planned)).unwrap_or_default();
    let kept = page.base.as_ref().map(DeployForm::hidden).unwrap_or_default();
    let names = page.environments.iter().map(|one| one.name.clone()).collect();
    let here = page.environments.iter().find(|one| one.name.as_str() == page.environment).cloned();
    let frozen = frozen_here(here.as_ref());
    let (project, service, environment) = (page.service.project.to_string(), page.service.name.to_string(), page.environment.clone());
    let path = urls::service_page(&project, &service, "deploy");
    let configured = urls::asking(urls::service_page(&project, &service, "configuration"), &[("environment", &environment)]);
    let order = StoredValue::new(PlanDeploy {
        csrf: boot().csrf,
        project: project.clone(),
        service: service.clone(),
        environment: environment.clone(),
        why: String::new(),
        form: DeployForm::new(),
    });
    let ask = Callback::new(move |()| {
        action.clear();
        _ = plan.dispatch(PlanDeploy { form: typed.form.get_untracked(), ..order.get_value() });
    });
    view! {
        <Title text=format!("Deploy {service}")/>
        {here.clone().map(|here| view! { <Away here/> })}
        <Ways path=path.clone() asked=asked.clone() environment=environment.clone() text=false/>
        {here.map(|here| view! { <EnvironmentChoice names shown=here.name page=asked.page(&path, "", false)/> })}
        <div class="columns">
            <section class="panel">
                <header><h2>{format!("Deploy to {environment}")}</h2></header>
                <div class="panel-body">
                    <ProblemNotice problem=refused beside=model::form::FIELDS/>
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
                        <TextField name="why" label="Why" optional=true value=why hint="For the history: what this deployment is for."/>
                        <Overriding frozen/>
                        <div class="actions">
                            <Submit label=format!("Deploy to {environment}") pending=action.pending()/>
                            <Ask to="/fn/deployments/plan" pending=plan.pending() ask/>
                        </div>
                    </ActionForm>
                </div>
            </section>
            <Planned first=planned answer=plan.value().into() refused=not_planned/>
        </div>
    }
    .into_any()
}

/// What the form begins with: what was typed before, as it is; what runs, with the image that a link names; or nothing but the newest image.
fn first(page: &DeployPage, image: &str) -> DeployForm {
    if let Some(typed) = &page.typed {
        return typed.form.clone();
    }
    let mut first = page.base.as_ref().map_or_else(DeployForm::new, DeployForm::of);
    if !image.is_empty() {
        first.image = image.to_owned();
    } else if first.image.is_empty() {
        first.image = page.offers.first().map(|offer| offer.reference.clone()).unwrap_or_default();
    }
    first
}

fn begin(page: &DeployPage, image: &str, refused: Signal<Option<Problem>>) -> Typed {
    let form = RwSignal::new(first(page, image));
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

/// The engine does not answer, or nothing is to be changed there: better known before.
#[component]
fn Away(here: EnvironmentView) -> impl IntoView {
    let EnvironmentView { name, frozen, state, message, .. } = here;
    let frozen = frozen.map(|frozen| view! { <Frozen environment=name.to_string() frozen/> });
    let away = (state == MachineState::Away).then(|| {
        view! {
            <Notice tone=Tone::Warn title=format!("No engine answers in {name}")>
                <p>{sentence(&message.unwrap_or_default())}</p>
                <p>"A deployment waits in the queue until one does, or fails."</p>
            </Notice>
        }
    });
    view! { {frozen}{away} }.into_any()
}

/// The environment, if it is frozen.
fn frozen_here(here: Option<&EnvironmentView>) -> Vec<EnvironmentName> {
    here.filter(|here| here.frozen.is_some()).map(|here| here.name.clone()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn what_the_address_asks_for_is_carried_on() {
        let asked = Asked { template: String::from("own/echo"), version: String::from("2"), image: String::new() };
        assert_eq!(asked.page("/deploy", "", false), "/deploy?template=own%2Fecho&version=2");
        assert_eq!(asked.page("/deploy", "staging", true), "/deploy?as=yaml&environment=staging&template=own%2Fecho&version=2");
        assert_eq!(Asked::default().page("/deploy", "", false), "/deploy");
    }
}
