//! The deploy form of a template: its parameters by group, each with the field of its type, checked as one types by the code that the server checks
//! them with. What a condition hides is hidden once the script is there; without it everything is shown, and what is not asked is not looked at.

mod fields;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use model::problem::{FieldError, Problem};
use model::template::{Answers, Parameters};
use model::views::services::ServiceDetail;
use model::views::templates::{TemplateForm, TemplateSummary};

use super::super::{EnvironmentChoice, made_otherwise};
use super::plan::answered;
use super::{Ask, Asked, Away, MARKED, Overriding, Plan, besides, frozen_here, verdict};
use crate::api::templates::{Answered, DeployTemplate, DeployTemplatePage, PlanTemplate, TemplatePlan};
use crate::boot::boot;
use crate::components::{Command, Csrf, Notice, ProblemNotice, Submit, TextField, Tone, lead_to_mistake};
use crate::page::problem;
use crate::urls;
use fields::Groups;

/// What is answered so far, and what is wrong with it.
#[derive(Clone, Copy)]
pub(super) struct Typed {
    /// The answers.
    pub answers: RwSignal<Answers>,
    /// The parameters.
    pub parameters: StoredValue<Parameters>,
    /// Parameters that were changed here.
    touched: RwSignal<Vec<String>>,
    /// What the check says.
    wrong: Memo<Vec<FieldError>>,
    /// What the server said last.
    refused: Signal<Option<Problem>>,
}

impl Typed {
    fn new(form: &TemplateForm, refused: Signal<Option<Problem>>) -> Self {
        let answers = RwSignal::new(form.answers.clone());
        let (parameters, kept) = (StoredValue::new(form.parameters.clone()), StoredValue::new(form.kept.clone()));
        let check = move |answers: &Answers| parameters.with_value(|parameters| kept.with_value(|kept| parameters.check(answers, kept)));
        let wrong = Memo::new(move |_| answers.with(|answers| check(answers).err().unwrap_or_default()));
        let touched = RwSignal::new(Vec::new());
        // A new verdict of the server is about all fields.
        Effect::new(move |_| {
            refused.track();
            touched.set(Vec::new());
        });
        Self { answers, parameters, touched, wrong, refused }
    }

    /// What to show at a parameter: what the check says once it was changed here, before that what the server said.
    pub(super) fn error(self, name: &str) -> Signal<Option<String>> {
        let (name, field) = (name.to_owned(), format!("answers.{name}"));
        Signal::derive(move || {
            let found = |errors: &[FieldError]| errors.iter().find(|error| error.field == field).map(|error| error.message.clone());
            if self.touched.with(|touched| touched.contains(&name)) {
                self.wrong.with(|errors| found(errors))
            } else {
                self.refused.with(|refused| refused.as_ref().and_then(|problem| found(&problem.fields)))
            }
        })
    }

    /// Keeps what is answered to a parameter.
    pub(super) fn keep(self, name: &str) -> Callback<String> {
        let name = name.to_owned();
        Callback::new(move |text| {
            self.answers.update(|answers| _ = answers.insert(name.clone(), text));
            self.touched.update(|touched| {
                if !touched.contains(&name) {
                    touched.push(name.clone());
                }
            });
        })
    }

    /// What the server said that stands at no field.
    fn elsewhere(self, refused: Signal<Option<Problem>>, look: &'static str) -> Signal<Option<Problem>> {
        besides(refused, look, move |error| {
            let name = error.field.strip_prefix("answers.").unwrap_or_default();
            self.parameters.with_value(|parameters| parameters.get(name).is_some())
        })
    }
}

/// The form.
#[component]
pub(super) fn FromTemplate(page: DeployTemplatePage, asked: Asked, action: ServerAction<DeployTemplate>) -> impl IntoView {
    let mut page = page;
    begin_with(&mut page, asked.image.clone());
    // Refused without scripts, it is told on the next page.
    let plan = ServerAction::<PlanTemplate>::new();
    let typed = Typed::new(&page.form, verdict(action, plan));
    lead_to_mistake(problem(action));
    let (project, service, environment) = (page.service.project.to_string(), page.service.name.to_string(), page.form.environment.to_string());
    let here = page.environments.iter().find(|one| one.name == page.form.environment).cloned();
    let frozen = frozen_here(here.as_ref());
    let names: Vec<_> = page.environments.iter().map(|one| one.name.clone()).collect();
    let path = urls::service_page(&project, &service, "deploy");
    let reference = page.form.template.reference();
    let version = page.form.version;
    let order = StoredValue::new(unanswered(&page));
    let ask = Callback::new(move |()| {
        action.clear();
        _ = plan.dispatch(PlanTemplate { answers: typed.answers.get_untracked(), ..order.get_value() });
    });
    let refused = typed.elsewhere(problem(action), "Nothing was deployed: look at the marked fields.");
    let not_planned = typed.elsewhere(problem(plan), MARKED);
    view! {
        <Title text=format!("Deploy {service}")/>
        {here.clone().map(|here| view! { <Away here/> })}
        {here.map(|here| view! { <EnvironmentChoice names shown=here.name page=asked.page(&path, "", false)/> })}
        <Moved form=page.form.clone() path image=asked.image/>
        <Otherwise service=page.service form=page.form.clone()/>
        <div class="columns">
            <section class="panel">
                <header><h2>{format!("Deploy to {environment}")}</h2></header>
                <div class="panel-body">
                    <ProblemNotice problem=refused/>
                    <ActionForm action attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="project" value=project/>
                        <input type="hidden" name="service" value=service/>
                        <input type="hidden" name="environment" value=environment.clone()/>
                        <input type="hidden" name="of[template]" value=reference/>
                        <input type="hidden" name="of[version]" value=version.to_string()/>
                        <Groups typed form=page.form.clone() offers=page.offers/>
                        <TextField name="why" label="Why" optional=true value=page.why hint="For the history: what this deployment is for."/>
                        <Overriding frozen name="of[override_freeze]"/>
                        <div class="actions">
                            <Submit label=format!("Deploy to {environment}") pending=action.pending()/>
                            <Ask to="/fn/templates/plan" pending=plan.pending() ask/>
                        </div>
                    </ActionForm>
                </div>
            </section>
            {answered(page.planned, plan.value().into(), not_planned, told)}
        </div>
    }
    .into_any()
}

/// What is asked of the server, without the answers.
fn unanswered(page: &DeployTemplatePage) -> PlanTemplate {
    PlanTemplate {
        csrf: boot().csrf,
        project: page.service.project.to_string(),
        service: page.service.name.to_string(),
        environment: page.form.environment.to_string(),
        of: Answered { template: page.form.template.reference(), version: page.form.version, override_freeze: false },
        answers: Answers::new(),
        why: String::new(),
    }
}

/// The image that a link names, else the newest one where none is answered.
fn begin_with(page: &mut DeployTemplatePage, image: String) {
    use model::template::ParameterKind;
    let Some(parameter) = page.form.parameters.0.iter().find(|parameter| parameter.kind == ParameterKind::Image) else { return };
    let empty = page.form.answers.get(&parameter.name).is_none_or(String::is_empty);
    let newest = page.offers.first().map(|offer| offer.reference.clone()).filter(|_| empty && parameter.required);
    // What was typed before stands as it was typed, wrong or not.
    if let Some(chosen) = Some(image).filter(|image| !image.is_empty()).or(newest).filter(|_| !page.typed) {
        page.form.answers.insert(parameter.name.clone(), chosen);
    }
}

/// Which template and version this is, and the way to others.
#[component]
fn Moved(form: TemplateForm, path: String, image: String) -> impl IntoView {
    let TemplateSummary { title, version: newest, .. } = form.template.clone();
    let project = form.template.project.as_ref().map(ToString::to_string).unwrap_or_default();
    let page = urls::template(&project, &form.template.name);
    let link = |template: String, version: String| Asked { template, version, image: image.clone() }.page(&path, form.environment.as_str(), false);
    let with = |version: i64| link(form.template.reference(), version.to_string());
    let shown = form.version;
    let to_newest = with(newest);
    let to_used = form.remembered.map(with).unwrap_or_default();
    let notice = match form.remembered {
        Some(used) if used < newest && shown == used => Some(view! {
            <Notice tone=Tone::Busy title=format!("Version {newest} of this template is there; this service was made from version {used}")>
                <p><a href=to_newest>{format!("Move to version {newest}")}</a>": your answers stay, and before anything is deployed you can see what would change."</p>
            </Notice>
        }.into_any()),
        Some(used) if used != shown => Some(view! {
            <Notice tone=Tone::Warn title=format!("This moves the service from version {used} to version {shown}")>
                <p>"Look at what would change, then deploy. "<a href=to_used>{format!("Stay with version {used}")}</a></p>
            </Notice>
        }.into_any()),
        _ => None,
    };
    let plain = link(crate::api::templates::PLAIN.to_owned(), String::new());
    view! {
        {notice}
        <p class="muted">"From the template "<a href=page>{title}</a>{format!(", version {shown}. ")}<a href=plain>"Another template, or the plain form"</a></p>
    }
    .into_any()
}

/// What runs is not what the template made of the answers that are remembered: deploying them takes more back than is changed here.
#[component]
fn Otherwise(service: ServiceDetail, form: TemplateForm) -> impl IntoView {
    let remembered = form.remembered.is_some();
    made_otherwise(&service, &form.environment, &form.template.name, form.template.project.is_none()).filter(|_| remembered).map(|number| {
        view! {
            <Notice tone=Tone::Warn title=format!("Revision {number}, which should run in {}, was not made by this template", form.environment)>
                <p>"The service was deployed another way or scaled. What is deployed from here takes its place: look at what would change first."</p>
            </Notice>
        }
    })
}

/// What a deploy would do, and the descriptor that the answers make.
fn told(found: TemplatePlan) -> impl IntoView {
    view! {
        <Plan plan=found.plan/>
        <section class="panel">
            <details class="panel-body"><summary>"Descriptor"</summary><Command text=found.descriptor what="descriptor"/></details>
        </section>
    }
}
