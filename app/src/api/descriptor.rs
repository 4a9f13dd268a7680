//! The descriptor as text: read, planned, deployed.

use leptos::prelude::*;
use model::views::deployments::{DeploymentView, PlanView};
use model::views::environments::EnvironmentView;
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::{lead_to, posted_form};
#[cfg(feature = "ssr")]
use super::deployments::{draft_of, intent, offers};
#[cfg(feature = "ssr")]
use super::parse::field;
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use domain::access::can;
#[cfg(feature = "ssr")]
use domain::deployments::{self, Request};
#[cfg(feature = "ssr")]
use domain::{environments, services};
#[cfg(feature = "ssr")]
use model::descriptor::Descriptor;

/// Name under which a text waits for the next page: one that was refused or asked about, or one that was made of something else.
#[cfg(feature = "ssr")]
pub(super) const TYPED_TEXT: &str = "descriptor_text";
/// Most mistakes that are told to a browser without scripts: they travel in an address.
#[cfg(feature = "ssr")]
const TOLD: usize = 8;

/// What the page of the text begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextPage {
    /// Its project.
    pub project: String,
    /// The service.
    pub service: String,
    /// Where it can be deployed.
    pub environments: Vec<EnvironmentView>,
    /// The one that is meant.
    pub environment: String,
    /// What was typed before it was refused, else what runs there, else a first line.
    pub text: String,
    /// Whether anything runs there already.
    pub runs: bool,
    /// Why, as it was typed before.
    pub why: String,
    /// What was asked about before, for a browser without scripts.
    pub planned: Option<PlanView>,
}

/// A text that waits for the next page.
#[cfg(feature = "ssr")]
#[derive(Default, Serialize, Deserialize)]
pub(super) struct TypedText {
    /// The text.
    pub text: String,
    /// Why.
    pub why: String,
    /// What it would do, where that was asked.
    pub planned: Option<PlanView>,
}

/// The descriptor of a service in one environment, as text.
#[server(prefix = "/fn", endpoint = "deployments/text")]
pub async fn read_descriptor_text(project: String, service: String, #[server(default)] environment: String) -> Result<TextPage, ApiError> {
    let caller = caller().await?;
    let deploys = may::<can::Deploy>(&caller, &project, &service).await?;
    let environments = environments::for_service(&caller.platform, &deploys).await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    let detail = services::get(&caller.platform, &may).await?;
    let chosen = environments.iter().find(|one| one.name.as_str() == environment).or_else(|| environments.first());
    let environment = chosen.map(|one| one.name.to_string()).unwrap_or_default();
    let here = detail.runs.iter().find(|run| run.summary.environment.as_str() == environment);
    let base = here.or_else(|| detail.runs.first()).and_then(|run| run.revision.as_ref());
    let mut typed: Option<TypedText> = caller.take_draft(TYPED_TEXT, &draft_of(deploys.id, &environment)).await?;
    if typed.is_none() {
        // What was made of something else is for whichever environment is chosen first.
        typed = caller.take_draft(TYPED_TEXT, &draft_of(deploys.id, "")).await?;
    }
    let TypedText { text, why, planned } = match (typed, base) {
        (Some(typed), _) => typed,
        (None, Some(revision)) => TypedText { text: revision.descriptor.to_yaml(), ..TypedText::default() },
        (None, None) => {
            let newest = offers(&caller, may.project.name.clone()).await?.into_iter().next();
            let image = newest.map_or_else(|| format!("{service}:1"), |offer| offer.reference);
            TypedText { text: format!("image: {image}\nreplicas: 1\n"), ..TypedText::default() }
        }
    };
    Ok(TextPage { project, service, environments, environment, text, runs: here.is_some(), why, planned })
}

#[cfg(feature = "ssr")]
fn request(text: &str, environment: &str, why: &str) -> Result<Request, ApiError> {
    let environment = field("environment", environment)?;
    // A browser sends line ends of its own.
    let descriptor = Descriptor::parse(&plain(text)).map_err(domain::Error::Invalid)?;
    Ok(Request { intent: intent(Some(environment), why), descriptor })
}

#[cfg(feature = "ssr")]
fn plain(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Mistakes by the places of the text.
#[cfg(feature = "ssr")]
fn placed(text: &str, error: domain::Error) -> ApiError {
    match error {
        domain::Error::Invalid(errors) => domain::Error::Invalid(Descriptor::placed(&plain(text), errors)).into(),
        other => other.into(),
    }
}

/// Says what deploying a text would do, and does nothing.
#[server(prefix = "/fn", endpoint = "deployments/plan_text")]
pub async fn plan_text(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    #[server(default)] why: String,
    text: String,
) -> Result<PlanView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let planned = match request(&text, &environment, &why) {
        Ok(request) => deployments::plan(&caller.platform, &may, &request).await.map_err(|error| placed(&text, error)),
        Err(error) => Err(error),
    };
    if !posted_form() {
        return planned;
    }
    let typed = TypedText { text: plain(&text), why, planned: planned.as_ref().ok().cloned() };
    kept(&caller, &draft_of(may.id, &environment), &typed, planned).await
}

/// Nothing that was typed is lost to a browser without scripts. The mistakes that it is told of travel in an address.
#[cfg(feature = "ssr")]
async fn kept<T>(caller: &Caller, place: &str, typed: &TypedText, answer: Result<T, ApiError>) -> Result<T, ApiError> {
    caller.keep_draft(TYPED_TEXT, place, typed).await?;
    answer.map_err(|mut error| {
        error.0.fields.truncate(TOLD);
        error
    })
}

/// Makes a revision of a text and brings it into the environment.
#[server(prefix = "/fn", endpoint = "deployments/deploy_text")]
pub async fn deploy_text(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    #[server(default)] why: String,
    #[server(default)] override_freeze: bool,
    text: String,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let made = match request(&text, &environment, &why) {
        Ok(request) => {
            let request = request.overriding(override_freeze);
            deployments::deploy(&caller.platform, &may, &request).await.map_err(|error| placed(&text, error))
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => {
            lead_to(&crate::urls::deployment(&project, &service, made.id));
            Ok(made)
        }
        Err(error) if posted_form() => {
            let typed = TypedText { text: plain(&text), why, planned: None };
            kept(&caller, &draft_of(may.id, &environment), &typed, Err(error)).await
        }
        Err(error) => Err(error),
    }
}
