//! The configuration centre: what is in force at a place, its changes and its versions. A secret comes in and never goes out.

use leptos::prelude::*;
use model::names::EnvironmentName;
use model::page::Page;
use model::views::configs::{ChangedView, ConfigView, FileView, RollView, VersionDetail, VersionView};
use model::views::deployments::DeploymentView;
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::{lead_to, posted_form};
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::configs::{self, Content, Edit, Holder, HolderKey, Hush};
#[cfg(feature = "ssr")]
use domain::deployments::{self, Intent};
#[cfg(feature = "ssr")]
use model::names::{ProjectName, ServiceName};

/// What the page of a place begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigPage {
    /// What is in force there.
    pub view: ConfigView,
    /// Its versions, the newest first.
    pub versions: Page<VersionView>,
    /// The version that is looked at.
    pub version: Option<VersionDetail>,
    /// The file that is open.
    pub file: Option<FileView>,
    /// The environments that can be chosen.
    pub environments: Vec<EnvironmentName>,
    /// Whether the reader may roll services.
    pub may_roll: bool,
    /// What was typed before it was refused, for a browser without scripts.
    pub typed: Option<TypedChange>,
    /// What came of rolling all, for a browser without scripts.
    pub rolled: Option<RollView>,
}

/// A change as it was typed; never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedChange {
    /// What was to be set.
    pub what: TypedEntry,
    /// Why.
    pub why: String,
}

/// What was to be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TypedEntry {
    /// One variable.
    Variable {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// All variables of a place, as lines.
    Lines(String),
    /// One file.
    File {
        /// Its name.
        name: String,
        /// Its content.
        content: String,
    },
}

/// Name under which what was refused waits for the next page of a browser without scripts.
#[cfg(feature = "ssr")]
const TYPED: &str = "config_change";
/// Name under which it waits what came of rolling all.
#[cfg(feature = "ssr")]
const ROLLED: &str = "config_rolled";

/// A place: a project, or a service of it where one is named; everywhere, or in the environment that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct At {
    /// The project.
    pub project: String,
    /// The service; empty: the project itself.
    pub service: String,
    /// The environment; empty: everywhere.
    pub environment: String,
}

#[cfg(feature = "ssr")]
impl At {
    async fn may(&self, caller: &Caller) -> Result<May<can::Configure, Holder>, ApiError> {
        let (project, service) = self.holder()?;
        Ok(caller.actor.may(&caller.platform, &HolderKey { project: &project, service: service.as_ref() }).await?)
    }

    fn holder(&self) -> Result<(ProjectName, Option<ServiceName>), ApiError> {
        let service = if self.service.is_empty() { None } else { Some(named("service", &self.service)?) };
        Ok((named("project", &self.project)?, service))
    }

    fn environment(&self) -> Result<Option<EnvironmentName>, ApiError> {
        if self.environment.is_empty() { Ok(None) } else { field("environment", &self.environment).map(Some) }
    }

    fn draft(&self) -> String {
        format!("{} {} {}", self.project, self.service, self.environment)
    }

    /// Nothing that was typed is lost to a browser without scripts.
    async fn kept<T>(&self, caller: &Caller, made: Result<T, ApiError>, what: TypedEntry, why: String) -> Result<T, ApiError> {
        if made.is_err() && posted_form() {
            caller.keep_draft(TYPED, &self.draft(), &TypedChange { what, why }).await?;
        }
        made
    }
}

#[cfg(feature = "ssr")]
fn edit(based_on: i64, why: &str) -> Edit {
    Edit { based_on: Some(based_on), why: why.to_owned() }
}

/// A place's configuration. `version`: one to look at; `file`: one to open; `after`: a cursor of its versions.
#[server(prefix = "/fn", endpoint = "configs/get")]
pub async fn get_config(
    at: At,
    #[server(default)] version: Option<i64>,
    #[server(default)] file: String,
    #[server(default)] after: Option<String>,
) -> Result<ConfigPage, ApiError> {
    let caller = caller().await?;
    let may = at.may(&caller).await?;
    let environment = at.environment()?;
    let (platform, place) = (&caller.platform, environment.as_ref());
    let version = match version {
        Some(number) => Some(configs::version(platform, &may, place, number, None).await?),
        None => None,
    };
    let file = if file.is_empty() { None } else { Some(configs::file(platform, &may, place, &file).await?) };
    Ok(ConfigPage {
        view: configs::get(platform, &may, place).await?,
        versions: configs::versions(platform, &may, place, &page(after)).await?,
        version,
        file,
        environments: configs::environments(platform, &may).await?,
        may_roll: may.also(model::access::Action::Deploy),
        typed: caller.take_draft(TYPED, &at.draft()).await?,
        rolled: caller.session.take_flash(ROLLED).await?.and_then(|text| serde_json::from_str(&text).ok()),
    })
}

/// Sets one variable.
#[server(prefix = "/fn", endpoint = "configs/put_variable")]
pub async fn put_variable(
    csrf: String,
    at: At,
    name: String,
    #[server(default)] value: String,
    based_on: i64,
    #[server(default)] why: String,
) -> Result<ChangedView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = at.may(&caller).await?;
    let content = Content::Variable(value.clone());
    let made = configs::put(&caller.platform, &may, at.environment()?.as_ref(), name.trim(), &content, &edit(based_on, &why)).await;
    at.kept(&caller, made.map_err(ApiError::from), TypedEntry::Variable { name, value }, why).await
}

/// Puts these variables in the place of all that the place itself has; `NAME=value` on each line.
#[server(prefix = "/fn", endpoint = "configs/put_variables")]
pub async fn put_variables(
    csrf: String,
    at: At,
    #[server(default)] lines: String,
    based_on: i64,
    #[server(default)] why: String,
) -> Result<ChangedView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = at.may(&caller).await?;
    let environment = at.environment()?;
    let made = match model::configs::read_variables(&lines) {
        Ok(variables) => configs::put_variables(&caller.platform, &may, environment.as_ref(), &variables, &edit(based_on, &why)).await,
        Err(message) => Err(domain::Error::invalid("lines", message)),
    };
    at.kept(&caller, made.map_err(ApiError::from), TypedEntry::Lines(lines.replace("\r\n", "\n")), why).await
}

/// Sets one file.
#[server(prefix = "/fn", endpoint = "configs/put_file")]
pub async fn put_file(
    csrf: String,
    at: At,
    name: String,
    #[server(default)] content: String,
    based_on: i64,
    #[server(default)] why: String,
) -> Result<ChangedView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = at.may(&caller).await?;
    // Browsers send the lines of a form with carriage returns, which nobody typed.
    let content = content.replace("\r\n", "\n");
    let bytes = Content::File(content.clone().into_bytes());
    let made = configs::put(&caller.platform, &may, at.environment()?.as_ref(), name.trim(), &bytes, &edit(based_on, &why)).await;
    at.kept(&caller, made.map_err(ApiError::from), TypedEntry::File { name, content }, why).await
}

/// Sets one secret.
#[server(prefix = "/fn", endpoint = "configs/put_secret")]
pub async fn put_secret(
    csrf: String,
    at: At,
    name: String,
    value: String,
    based_on: i64,
    #[server(default)] why: String,
) -> Result<ChangedView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = at.may(&caller).await?;
    let content = Content::Secret(Hush::new(value.replace("\r\n", "\n").into_bytes()));
    Ok(configs::put(&caller.platform, &may, at.environment()?.as_ref(), name.trim(), &content, &edit(based_on, &why)).await?)
}

/// Takes an entry of the place away.
#[server(prefix = "/fn", endpoint = "configs/remove")]
pub async fn remove_entry(csrf: String, at: At, kind: String, name: String, based_on: i64) -> Result<ChangedView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = at.may(&caller).await?;
    Ok(configs::remove(&caller.platform, &may, at.environment()?.as_ref(), field("kind", &kind)?, &name, &edit(based_on, "")).await?)
}

/// Makes a version that holds what an older one held.
#[server(prefix = "/fn", endpoint = "configs/restore")]
pub async fn restore_version(csrf: String, at: At, version: i64, based_on: i64, #[server(default)] why: String) -> Result<ChangedView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = at.may(&caller).await?;
    Ok(configs::restore(&caller.platform, &may, at.environment()?.as_ref(), version, &edit(based_on, &why)).await?)
}

/// Brings what runs again with the newest configuration.
#[server(prefix = "/fn", endpoint = "configs/roll")]
pub async fn roll(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    #[server(default)] why: String,
    #[server(default)] override_freeze: bool,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = super::services::may::<can::Deploy>(&caller, &project, &service).await?;
    let intent = Intent { why: why.trim().to_owned(), override_freeze, ..Intent::in_environment(Some(field("environment", &environment)?)) };
    let made = deployments::roll(&caller.platform, &may, &intent).await?;
    lead_to(&crate::urls::deployment(&project, &service, made.id));
    Ok(made)
}

/// Brings everything that runs there with an older configuration again with the newest. What could not be is told with why.
#[server(prefix = "/fn", endpoint = "configs/roll_all")]
pub async fn roll_all(csrf: String, at: At, #[server(default)] why: String, #[server(default)] override_freeze: bool) -> Result<RollView, ApiError> {
    let caller = mutating(&csrf).await?;
    let (project, service) = at.holder()?;
    let key = HolderKey { project: &project, service: service.as_ref() };
    let may: May<can::Deploy, Holder> = caller.actor.may(&caller.platform, &key).await?;
    let intent = Intent { why: why.trim().to_owned(), override_freeze, ..Intent::in_environment(at.environment()?) };
    let rolled = deployments::roll_all(&caller.platform, &may, &intent).await?;
    if posted_form()
        && let Ok(text) = serde_json::to_string(&rolled)
    {
        caller.session.flash(ROLLED, text).await?;
    }
    Ok(rolled)
}
