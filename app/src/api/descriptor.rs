//! The descriptor as text: read, planned, deployed.

use leptos::prelude::*;
use model::views::deployments::{DeploymentView, PlanView};
use model::views::environments::EnvironmentView;
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::{lead_to, posted_form};
#[cfg(feature = "ssr")]
use super::deployments::{intent, offers};
#[cfg(feature = "ssr")]
use super::parse::field;
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
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

/// Name under which a text waits for the next page: a refused one, or one that was made of something else.
#[cfg(feature = "ssr")]
pub(super) const TYPED_TEXT: &str = "descriptor_text";
/// Longest text that is kept for the next page, in bytes; what people type is far shorter.
#[cfg(feature = "ssr")]
pub(super) const KEPT: usize = 64 * 1024;
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
    let text = match (caller.session.take_flash(TYPED_TEXT).await?, base) {
        (Some(typed), _) => typed,
        (None, Some(revision)) => revision.descriptor.to_yaml(),
        (None, None) => {
            let newest = offers(&caller, may.project.name.clone()).await?.into_iter().next();
            format!("image: {}\nreplicas: 1\n", newest.map_or_else(|| format!("{service}:1"), |offer| offer.reference))
        }
    };
    Ok(TextPage { project, service, environments, environment, text, runs: here.is_some() })
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
pub async fn plan_text(csrf: String, project: String, service: String, environment: String, text: String) -> Result<PlanView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let request = request(&text, &environment, "")?;
    deployments::plan(&caller.platform, &may, &request).await.map_err(|error| placed(&text, error))
}

/// Makes a revision of a text and brings it into the environment.
#[server(prefix = "/fn", endpoint = "deployments/deploy_text")]
pub async fn deploy_text(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    #[server(default)] why: String,
    text: String,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let made = match request(&text, &environment, &why) {
        Ok(request) => deployments::deploy(&caller.platform, &may, &request).await.map_err(|error| placed(&text, error)),
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => {
            lead_to(&crate::urls::deployment(&project, &service, made.id));
            Ok(made)
        }
        Err(mut error) if posted_form() => {
            // Nothing that was typed is lost.
            if text.len() <= KEPT {
                caller.session.flash(TYPED_TEXT, plain(&text)).await?;
            }
            error.0.fields.truncate(TOLD);
            Err(error)
        }
        Err(error) => Err(error),
    }
}
