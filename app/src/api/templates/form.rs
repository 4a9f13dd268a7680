//! The deploy form that is made from a template, and what a service was made from. What was typed waits for the next page of a browser without
//! scripts, but for secrets: they are never sent back.

use leptos::prelude::*;
use model::template::Answers;
use model::views::deployments::{DeploymentView, PlanView};
use model::views::environments::EnvironmentView;
use model::views::services::ServiceDetail;
use model::views::templates::{ServiceTemplate, TemplateForm, TemplateSummary};
use serde::{Deserialize, Serialize};

#[cfg(feature = "ssr")]
use super::{of_project, surroundings};
use crate::api::ApiError;
#[cfg(feature = "ssr")]
use crate::api::answer::{lead_to, posted_form};
use crate::api::deployments::Offer;
#[cfg(feature = "ssr")]
use crate::api::deployments::intent;
#[cfg(feature = "ssr")]
use crate::api::parse::field;
#[cfg(feature = "ssr")]
use crate::api::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use crate::api::services::may as may_service;
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::deployments::{self, Request};
#[cfg(feature = "ssr")]
use domain::templates::{self, Asked, Origin, answers};
#[cfg(feature = "ssr")]
use domain::{environments, services};
#[cfg(feature = "ssr")]
use model::ids::ServiceId;
#[cfg(feature = "ssr")]
use model::names::EnvironmentName;

/// Name under which what was typed waits.
#[cfg(feature = "ssr")]
const TYPED: &str = "template_form";

/// The choice of the form that needs no template.
pub const PLAIN: &str = "plain";

/// What the deploy form of a template begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeployTemplatePage {
    /// The service.
    pub service: ServiceDetail,
    /// Where it can be deployed.
    pub environments: Vec<EnvironmentView>,
    /// The form.
    pub form: TemplateForm,
    /// The project's own images, the last pushed first.
    pub offers: Vec<Offer>,
    /// Whether the answers were typed before, in a browser without scripts.
    pub typed: bool,
    /// Why, as it was typed with them.
    pub why: String,
    /// What was asked about before, for a browser without scripts.
    pub planned: Option<TemplatePlan>,
}

/// Which form a service is deployed with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeployChoice {
    /// The templates that can be chosen.
    pub templates: Vec<TemplateSummary>,
    /// The template's form; none: the plain form.
    pub page: Option<DeployTemplatePage>,
}

/// What a deploy from answers would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplatePlan {
    /// What would happen.
    pub plan: PlanView,
    /// The descriptor that the answers make.
    pub descriptor: String,
}

/// What waits for the next page.
#[cfg(feature = "ssr")]
#[derive(Default, Serialize, Deserialize)]
struct Waiting {
    answers: Answers,
    why: String,
    planned: Option<TemplatePlan>,
}

/// Where it was typed: at a service, for an environment, into the form of a template.
#[cfg(feature = "ssr")]
fn draft_of(service: ServiceId, environment: &str, template: &str) -> String {
    format!("{} {template}", crate::api::deployments::draft_of(service, environment))
}

/// The environment that is meant; may be left out while there is only one.
#[cfg(feature = "ssr")]
fn place(environment: &str) -> Result<Option<EnvironmentName>, ApiError> {
    if environment.is_empty() { Ok(None) } else { field("environment", environment).map(Some) }
}

/// The form that a service is deployed with: `plain`, that of a named template, or that of the template it was made from before.
#[server(prefix = "/fn", endpoint = "templates/form")]
pub async fn read_template_form(
    project: String,
    service: String,
    #[server(default)] environment: String,
    #[server(default)] template: String,
    #[server(default)] version: Option<i64>,
) -> Result<DeployChoice, ApiError> {
    let caller = caller().await?;
    let deploy = may_service::<can::Deploy>(&caller, &project, &service).await?;
    let see = may_service::<can::SeeServices>(&caller, &project, &service).await?;
    let in_project = of_project::<can::SeeServices>(&caller, &project).await?;
    let offered = templates::offered(&caller.platform, &in_project).await?;
    let environments = environments::for_service(&caller.platform, &deploy).await?;
    let chosen = environments.iter().find(|one| one.name.as_str() == environment).or_else(|| environments.first());
    let place = chosen.map(|one| one.name.clone());
    // A service whose template was deleted meanwhile has the plain form.
    let plain = template == PLAIN
        || (template.is_empty() && answers::used(&caller.platform, &see, place.as_ref()).await?.and_then(|used| used.template).is_none());
    if plain {
        return Ok(DeployChoice { templates: offered, page: None });
    }
    let asked = Asked { template: Some(template).filter(|name| !name.is_empty()), version, answers: Answers::new() };
    let mut form = answers::form(&caller.platform, &deploy, place.as_ref(), &asked).await?;
    let typed_at = draft_of(deploy.id, form.environment.as_str(), &form.template.reference());
    let waiting: Option<Waiting> = caller.take_draft(TYPED, &typed_at).await?;
    let typed = waiting.is_some();
    let Waiting { answers, why, planned } = waiting.unwrap_or_default();
    form.answers.extend(answers.into_iter().filter(|(name, _)| form.parameters.get(name).is_some()));
    let offers = crate::api::deployments::offers(&caller, see.project.name.clone()).await?;
    let service = services::get(&caller.platform, &see).await?;
    Ok(DeployChoice { templates: offered, page: Some(DeployTemplatePage { service, environments, form, offers, typed, why, planned }) })
}

/// What a form of a template sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The template.
    pub template: String,
    /// Its version.
    pub version: i64,
    /// Whether an operator overrides the freeze of the environment.
    #[serde(default)]
    pub override_freeze: bool,
}

#[cfg(feature = "ssr")]
impl Answered {
    /// The template and its version, with these answers.
    fn asked(&self, answers: Answers) -> Asked {
        Asked { template: Some(self.template.clone()).filter(|name| !name.is_empty()), version: Some(self.version), answers }
    }
}

/// The deployment that the answers make, what it comes from, and the descriptor's text.
#[cfg(feature = "ssr")]
async fn requested(
    caller: &Caller,
    may: &May<can::Deploy, services::Service>,
    environment: &str,
    asked: &Asked,
    why: &str,
) -> Result<(Request, Origin, String), ApiError> {
    let place = place(environment)?;
    let made = answers::make(&caller.platform, may, place.as_ref(), asked, &surroundings()).await?;
    Ok((Request { intent: intent(place, why), descriptor: made.descriptor }, made.origin, made.text))
}

/// What was typed waits for the next page of a browser without scripts: never a secret.
#[cfg(feature = "ssr")]
async fn keep_typed(
    caller: &Caller,
    may: &May<can::Deploy, services::Service>,
    environment: &str,
    of: &Answered,
    mut waiting: Waiting,
) -> Result<(), ApiError> {
    let place = place(environment)?;
    match answers::form(&caller.platform, may, place.as_ref(), &of.asked(Answers::new())).await {
        // The form's answers are those that are no secrets.
        Ok(form) => waiting.answers.retain(|name, _| form.answers.contains_key(name)),
        Err(_) => waiting.answers.clear(),
    }
    caller.keep_draft(TYPED, &draft_of(may.id, environment, &of.template), &waiting).await
}

/// Says what a deploy from answers would do, and does nothing.
#[server(prefix = "/fn", endpoint = "templates/plan")]
pub async fn plan_template(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    of: Answered,
    #[server(default)] answers: Answers,
    #[server(default)] why: String,
) -> Result<TemplatePlan, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may_service::<can::Deploy>(&caller, &project, &service).await?;
    let found = planned(&caller, &may, &environment, &of.asked(answers.clone()), &why).await;
    if posted_form() {
        keep_typed(&caller, &may, &environment, &of, Waiting { answers, why, planned: found.as_ref().ok().cloned() }).await?;
    }
    found
}

#[cfg(feature = "ssr")]
async fn planned(
    caller: &Caller,
    may: &May<can::Deploy, services::Service>,
    environment: &str,
    asked: &Asked,
    why: &str,
) -> Result<TemplatePlan, ApiError> {
    let (request, origin, descriptor) = requested(caller, may, environment, asked, why).await?;
    let plan = deployments::plan_from(&caller.platform, may, &request, Some(&origin)).await?;
    Ok(TemplatePlan { plan, descriptor })
}

/// Makes a revision of the answers and brings it into the environment.
#[server(prefix = "/fn", endpoint = "templates/deploy")]
pub async fn deploy_template(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    of: Answered,
    #[server(default)] answers: Answers,
    #[server(default)] why: String,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may_service::<can::Deploy>(&caller, &project, &service).await?;
    let done = deployed(&caller, &may, &environment, &of, answers.clone(), &why).await;
    if done.is_err() && posted_form() {
        keep_typed(&caller, &may, &environment, &of, Waiting { answers, why, planned: None }).await?;
    }
    let done = done?;
    lead_to(&crate::urls::deployment(&project, &service, done.id));
    Ok(done)
}

#[cfg(feature = "ssr")]
async fn deployed(
    caller: &Caller,
    may: &May<can::Deploy, services::Service>,
    environment: &str,
    of: &Answered,
    answers: Answers,
    why: &str,
) -> Result<DeploymentView, ApiError> {
    let (request, origin, _) = requested(caller, may, environment, &of.asked(answers), why).await?;
    Ok(deployments::deploy_from(&caller.platform, may, &request.overriding(of.override_freeze), Some(&origin)).await?)
}

/// What a service was made from, and what its template makes of that; none where it was described by hand.
#[server(prefix = "/fn", endpoint = "templates/of_service")]
pub async fn read_service_template(
    project: String,
    service: String,
    #[server(default)] environment: String,
) -> Result<Option<ServiceTemplate>, ApiError> {
    let caller = caller().await?;
    let may = may_service::<can::SeeServices>(&caller, &project, &service).await?;
    Ok(answers::of_service(&caller.platform, &may, place(&environment)?.as_ref(), &surroundings()).await?)
}
