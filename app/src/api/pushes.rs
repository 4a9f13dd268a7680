//! Push rules of a service, and what became of the last pushes.

use leptos::prelude::*;
use model::names::{EnvironmentName, RepositoryPath};
use model::page::Page;
use model::pushes::PushRuleForm;
use model::views::pushes::{PushRuleView, PushView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::{field, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::services::Service;
#[cfg(feature = "ssr")]
use domain::{environments, images, pushes};
#[cfg(feature = "ssr")]
use model::views::images::{RepositoryOrder, RepositoryQuery};

/// What the page of push deploys shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushesPage {
    /// The rules, by environment.
    pub rules: Vec<PushRuleView>,
    /// What became of the last pushes, newest first.
    pub history: Page<PushView>,
    /// What a rule can be made of, for those who may make one.
    pub choices: Option<PushChoices>,
}

/// What a rule can be made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushChoices {
    /// Where the project may deploy.
    pub environments: Vec<EnvironmentName>,
    /// Some of its repositories, those pushed last.
    pub repositories: Vec<RepositoryPath>,
}

#[cfg(feature = "ssr")]
async fn choices(caller: &Caller, may: &May<can::Deploy, Service>) -> Result<PushChoices, ApiError> {
    let environments = environments::for_service(&caller.platform, may).await?.into_iter().map(|one| one.name).collect();
    let pulls = caller.actor.may::<can::Pull, _>(&caller.platform, &may.project.name).await?;
    let newest = RepositoryQuery { order: RepositoryOrder::Pushed, ..RepositoryQuery::default() };
    let found = images::repositories(&caller.platform, &pulls, &newest, &page(None)).await?;
    Ok(PushChoices { environments, repositories: found.items.into_iter().map(|one| one.name).collect() })
}

/// The rules of a service and what became of the last pushes.
#[server(prefix = "/fn", endpoint = "pushes/get")]
pub async fn service_pushes(project: String, service: String, #[server(default)] after: Option<String>) -> Result<PushesPage, ApiError> {
    let caller = caller().await?;
    let sees = may::<can::SeeServices>(&caller, &project, &service).await?;
    let rules = pushes::rules(&caller.platform, &sees).await?;
    let history = pushes::history(&caller.platform, &sees, &page(after)).await?;
    let choices = if sees.also(model::access::Action::ManageHooks) {
        Some(choices(&caller, &may::<can::Deploy>(&caller, &project, &service).await?).await?)
    } else {
        None
    };
    Ok(PushesPage { rules, history, choices })
}

/// Sets the rule of a service in an environment.
#[server(prefix = "/fn", endpoint = "pushes/put")]
pub async fn put_push_rule(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    #[server(default)] form: PushRuleForm,
) -> Result<PushRuleView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    let view = pushes::put(&caller.platform, &may, &field("environment", &environment)?, &form).await?;
    lead_to(&crate::urls::service_page(&project, &service, "pushes"));
    Ok(view)
}

/// Takes the rule of an environment away.
#[server(prefix = "/fn", endpoint = "pushes/delete")]
pub async fn delete_push_rule(csrf: String, project: String, service: String, environment: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageHooks>(&caller, &project, &service).await?;
    pushes::delete(&caller.platform, &may, &field("environment", &environment)?).await?;
    lead_to(&crate::urls::service_page(&project, &service, "pushes"));
    Ok(())
}
