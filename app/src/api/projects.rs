//! Projects and their members.

use leptos::prelude::*;
use model::page::Page;
use model::views::projects::{MemberView, ProjectSummary, ProjectView};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, Site, can};
#[cfg(feature = "ssr")]
use domain::projects::{self, Project, Settings};
#[cfg(feature = "ssr")]
use model::names::ProjectName;

#[cfg(feature = "ssr")]
async fn may<P: can::Permission>(caller: &Caller, project: &str) -> Result<May<P, Project>, ApiError> {
    Ok(caller.actor.may::<P, ProjectName>(&caller.platform, &named("project", project)?).await?)
}

/// The projects that the caller may see.
#[server(prefix = "/fn", endpoint = "projects/list")]
pub async fn list_projects(#[server(default)] after: Option<String>) -> Result<Page<ProjectSummary>, ApiError> {
    let caller = caller().await?;
    Ok(projects::list(&caller.platform, &caller.actor.visible::<can::SeeProject>()?, &page(after)).await?)
}

/// Whether the caller may create projects.
#[server(prefix = "/fn", endpoint = "projects/may_create")]
pub async fn may_create_projects() -> Result<bool, ApiError> {
    let caller = caller().await?;
    match caller.actor.may::<can::CreateProject, _>(&caller.platform, &Site).await {
        Ok(_) => Ok(true),
        Err(domain::Error::Forbidden(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// One project.
#[server(prefix = "/fn", endpoint = "projects/get")]
pub async fn get_project(project: String) -> Result<ProjectView, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeProject>(&caller, &project).await?;
    Ok(projects::get(&caller.platform, &may).await?)
}

/// Makes a project; the caller becomes its admin.
#[server(prefix = "/fn", endpoint = "projects/create")]
pub async fn create_project(
    csrf: String,
    name: String,
    #[server(default)] description: String,
    #[server(default)] internal: bool,
) -> Result<ProjectView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::CreateProject, _>(&caller.platform, &Site).await?;
    let name: ProjectName = field("name", name.trim())?;
    let settings = Settings { description: Some(description.trim().to_owned()), internal: Some(internal), ..Settings::default() };
    let made = projects::create(&caller.platform, &may, &name, &settings).await?;
    lead_to(&crate::urls::project(&name));
    Ok(made)
}

/// A project's settings, as they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct SettingsForm {
    /// What it is for.
    pub description: String,
    /// Whether any signed-in user may see its images and pull.
    pub internal: bool,
    /// Whether developers may open shells.
    pub developer_shells: bool,
    /// Whether shells are recorded.
    pub shells_recorded: bool,
    /// For how many days recordings are kept.
    pub recordings_days: String,
    /// For how many days logs are kept.
    pub logs_days: String,
}

/// Changes a project's settings.
#[server(prefix = "/fn", endpoint = "projects/update")]
pub async fn update_project(csrf: String, project: String, form: SettingsForm) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageProject>(&caller, &project).await?;
    let settings = Settings {
        description: Some(form.description.trim().to_owned()),
        internal: Some(form.internal),
        developer_shells: Some(form.developer_shells),
        logs_days: days("logs_days", &form.logs_days)?,
        shells_recorded: Some(form.shells_recorded),
        recordings_days: days("recordings_days", &form.recordings_days)?,
    };
    Ok(projects::update(&caller.platform, &may, &settings).await?)
}

/// A number of days as it is typed; nothing changes nothing.
#[cfg(feature = "ssr")]
fn days(name: &'static str, text: &str) -> Result<Option<i64>, ApiError> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| domain::Error::invalid(name, "a whole number of days").into()),
    }
}

/// Deletes a project in which no service runs any more.
#[server(prefix = "/fn", endpoint = "projects/delete")]
pub async fn delete_project(csrf: String, project: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageProject>(&caller, &project).await?;
    projects::delete(&caller.platform, &may).await?;
    lead_to(crate::urls::PROJECTS);
    Ok(())
}

/// A project's members.
#[server(prefix = "/fn", endpoint = "projects/members")]
pub async fn list_members(project: String, #[server(default)] after: Option<String>) -> Result<Page<MemberView>, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeMembers>(&caller, &project).await?;
    Ok(projects::members(&caller.platform, &may, &page(after)).await?)
}

/// Adds a member, or gives one another role.
#[server(prefix = "/fn", endpoint = "projects/set_member")]
pub async fn set_member(csrf: String, project: String, username: String, role: String) -> Result<MemberView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageMembers>(&caller, &project).await?;
    let username = field("username", username.trim())?;
    Ok(projects::set_member(&caller.platform, &may, &username, field("role", &role)?).await?)
}

/// Removes a member.
#[server(prefix = "/fn", endpoint = "projects/remove_member")]
pub async fn remove_member(csrf: String, project: String, username: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageMembers>(&caller, &project).await?;
    Ok(projects::remove_member(&caller.platform, &may, &field("username", &username)?).await?)
}
