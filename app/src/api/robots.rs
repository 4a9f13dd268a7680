//! Robots: a project's accounts for programs.

use leptos::prelude::*;
use model::access::Scope;
use model::page::Page;
use model::views::robots::{NewRobot, RobotView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::posted_form;
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::projects::Project;
#[cfg(feature = "ssr")]
use domain::robots::{self, Changed, Wanted};
#[cfg(feature = "ssr")]
use model::names::ProjectName;

/// Name under which a new secret waits for the next page of a browser without scripts.
#[cfg(feature = "ssr")]
const NEW_ROBOT: &str = "new_robot";

#[cfg(feature = "ssr")]
async fn may(caller: &Caller, project: &str) -> Result<May<can::ManageRobots, Project>, ApiError> {
    Ok(caller.actor.may::<can::ManageRobots, ProjectName>(&caller.platform, &named("project", project)?).await?)
}

/// The secret is in this answer; a browser without scripts finds it on the next page, once.
#[cfg(feature = "ssr")]
async fn shown_once(caller: &Caller, made: NewRobot) -> Result<NewRobot, ApiError> {
    if posted_form() {
        let text = serde_json::to_string(&made).map_err(|error| domain::Error::internal(format!("a robot is JSON: {error}")))?;
        caller.session.flash(NEW_ROBOT, text).await?;
    }
    Ok(made)
}

/// A project's robots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectRobots {
    /// The robots, by name.
    pub robots: Page<RobotView>,
    /// One whose secret was just made without scripts: in this answer only.
    pub made: Option<NewRobot>,
}

/// A project's robots.
#[server(prefix = "/fn", endpoint = "robots/list")]
pub async fn list_robots(project: String, #[server(default)] after: Option<String>) -> Result<ProjectRobots, ApiError> {
    let caller = caller().await?;
    let may = may(&caller, &project).await?;
    let robots = robots::list(&caller.platform, &may, &page(after)).await?;
    let made = caller.session.take_flash(NEW_ROBOT).await?;
    Ok(ProjectRobots { robots, made: made.and_then(|text| serde_json::from_str(&text).ok()) })
}

/// Makes a robot. Its secret is in this answer only (or on the next page, once, for a browser without scripts).
#[server(prefix = "/fn", endpoint = "robots/create")]
pub async fn create_robot(
    csrf: String,
    project: String,
    name: String,
    role: String,
    #[server(default)] description: String,
    #[server(default)] scopes: Vec<Scope>,
    #[server(default)] expires_in_days: Option<u32>,
) -> Result<NewRobot, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let wanted = Wanted {
        name: field("name", name.trim())?,
        role: field("role", &role)?,
        description,
        scopes,
        // 0 is what the form sends for "never".
        expires_in_days: expires_in_days.filter(|days| *days > 0),
    };
    let made = robots::create(&caller.platform, &may, &wanted).await?;
    shown_once(&caller, made).await
}

/// Changes a robot's role, its description, and, where a number of days is sent, its end: 0 is never. What it may do becomes `scopes`, of which
/// the form sends an empty one always: with none but that, all that goes with its role. Where nothing is sent, that stays as it is.
#[server(prefix = "/fn", endpoint = "robots/update")]
pub async fn update_robot(
    csrf: String,
    project: String,
    robot: String,
    role: String,
    #[server(default)] description: String,
    #[server(default)] expires_in_days: String,
    #[server(default)] scopes: Vec<String>,
) -> Result<RobotView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let days: Option<u32> = if expires_in_days.is_empty() { None } else { Some(field("expires_in_days", &expires_in_days)?) };
    let chosen = scopes.iter().filter(|scope| !scope.is_empty()).map(|scope| field("scopes", scope)).collect::<Result<_, _>>()?;
    let changed = Changed {
        role: Some(field("role", &role)?),
        description: Some(description),
        scopes: (!scopes.is_empty()).then_some(chosen),
        expires_in_days: days.map(|days| Some(days).filter(|days| *days > 0)),
        ..Changed::default()
    };
    Ok(robots::update(&caller.platform, &may, &field("robot", &robot)?, &changed).await?)
}

/// Disables a robot, at once and everywhere, or enables it again.
#[server(prefix = "/fn", endpoint = "robots/set_disabled")]
pub async fn set_robot_disabled(csrf: String, project: String, robot: String, #[server(default)] disabled: bool) -> Result<RobotView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let changed = Changed { disabled: Some(disabled), ..Changed::default() };
    Ok(robots::update(&caller.platform, &may, &field("robot", &robot)?, &changed).await?)
}

/// Gives a robot a new secret, which is in this answer only; the old one ends at once, or after so many hours.
#[server(prefix = "/fn", endpoint = "robots/rotate")]
pub async fn rotate_robot(csrf: String, project: String, robot: String, #[server(default)] overlap_hours: u32) -> Result<NewRobot, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    let made = robots::rotate(&caller.platform, &may, &field("robot", &robot)?, overlap_hours).await?;
    shown_once(&caller, made).await
}

/// Deletes a robot: what uses it is refused from now on.
#[server(prefix = "/fn", endpoint = "robots/delete")]
pub async fn delete_robot(csrf: String, project: String, robot: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project).await?;
    Ok(robots::delete(&caller.platform, &may, &field("robot", &robot)?).await?)
}
