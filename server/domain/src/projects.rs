//! Projects and their members. A name freed by deletion is not given out for 30 days, so that what others still pull by that name is
//! not suddenly somebody else's.

use std::time::Duration;

use model::access::{Action, Role, Standing};
use model::ids::ProjectId;
use model::names::{ProjectName, Username};
use model::page::{Page, PageRequest};
use model::problem::FieldError;
use model::shell::{RECORDINGS_DAYS, RECORDINGS_DAYS_USUAL};
use model::time::Millis;
use model::views::projects::{MemberView, ProjectSummary, ProjectView};

use crate::access::{Key, May, Resource, Site, Visible, can};
use crate::accounts::users;
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::logs::retention;
use crate::platform::Platform;

/// How long a freed name rests.
pub const NAME_RESTS: Duration = Duration::from_secs(30 * 86_400);
/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 500;

const COLUMNS: &str = "p.id, p.name, p.description, p.internal, p.developer_shells, p.shells_recorded, p.recordings_days, p.logs_days, p.created_at";

/// A project's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: ProjectName,
    /// What it is for.
    pub description: String,
    /// Whether any signed-in user may see its images and pull.
    pub internal: bool,
    /// Whether developers may open shells.
    pub developer_shells: bool,
    /// Days for which its logs are kept.
    pub logs_days: i64,
    /// Whether shells that are opened from now on are recorded.
    pub shells_recorded: bool,
    /// For how many days after a shell's end its recording is kept.
    pub recordings_days: i64,
    /// When it was made.
    pub created_at: Millis,
}

impl Resource for Project {
    const WHAT: &'static str = "project";
    const VISIBLE: Action = Action::SeeProject;

    fn project(&self) -> Option<&Project> {
        Some(self)
    }
}

impl Key for ProjectName {
    type Resource = Project;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Project>> {
        let sql = format!("SELECT {COLUMNS} FROM projects p WHERE p.name = $1 AND p.deleted_at IS NULL");
        tx.opt(sql, args![self], project).await
    }
}

impl Key for ProjectId {
    type Resource = Project;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Project>> {
        let sql = format!("SELECT {COLUMNS} FROM projects p WHERE p.id = $1 AND p.deleted_at IS NULL");
        tx.opt(sql, args![*self], project).await
    }
}

fn project(row: &Row<'_>) -> Result<Project> {
    Ok(Project {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        internal: row.get("internal")?,
        developer_shells: row.get("developer_shells")?,
        logs_days: row.get("logs_days")?,
        shells_recorded: row.get("shells_recorded")?,
        recordings_days: row.get("recordings_days")?,
        created_at: row.get("created_at")?,
    })
}

/// What can be changed of a project; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What it is for.
    pub description: Option<String>,
    /// Whether any signed-in user may see its images and pull.
    pub internal: Option<bool>,
    /// Whether developers may open shells.
    pub developer_shells: Option<bool>,
    /// Days for which its logs are kept.
    pub logs_days: Option<i64>,
    /// Whether shells that are opened from now on are recorded.
    pub shells_recorded: Option<bool>,
    /// For how many days after a shell's end its recording is kept, within [`RECORDINGS_DAYS`].
    pub recordings_days: Option<i64>,
}

/// Makes a project; its maker becomes its admin.
pub async fn create(platform: &Platform, may: &May<can::CreateProject, Site>, name: &ProjectName, settings: &Settings) -> Result<ProjectView> {
    check(settings)?;
    let account = may.actor().account()?.clone();
    let now = platform.now();
    let made = Project {
        id: platform.new_id(),
        name: name.clone(),
        description: settings.description.clone().unwrap_or_default(),
        internal: settings.internal.unwrap_or(false),
        developer_shells: settings.developer_shells.unwrap_or(true),
        logs_days: settings.logs_days.unwrap_or(retention::DAYS_BY_DEFAULT),
        shells_recorded: settings.shells_recorded.unwrap_or(true),
        recordings_days: settings.recordings_days.unwrap_or(RECORDINGS_DAYS_USUAL),
        created_at: now,
    };
    let mut change = platform.change(may.actor()).await?;
    refuse_resting_name(&mut change, name, now).await?;
    let sql = "INSERT INTO projects (id, name, description, internal, developer_shells, created_at, shells_recorded, recordings_days, logs_days)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
    let kept = (made.shells_recorded, made.recordings_days, made.logs_days);
    let arguments = args![made.id, name, &made.description, made.internal, made.developer_shells, now, kept.0, kept.1, kept.2];
    if change.exec(sql, arguments).await? == 0 {
        return Err(name_taken(name));
    }
    put_member(&mut change, made.id, account.id, Role::Admin, now).await?;
    crate::quotas::begin(&mut change, made.id).await?;
    let view = view(&mut change, may.actor(), made.clone(), Standing::Member(Role::Admin)).await?;
    change.commit(Record::new("project.create", "project", name).project(&made)).await?;
    Ok(view)
}

fn name_taken(name: &ProjectName) -> Error {
    Error::conflict("name_taken", format!("the name {name} is taken; choose another one"))
}

async fn refuse_resting_name(change: &mut Change, name: &ProjectName, now: Millis) -> Result<()> {
    let sql = "SELECT deleted_at FROM projects WHERE name = $1 AND deleted_at > $2 ORDER BY deleted_at DESC LIMIT 1";
    let freed: Option<Millis> = change.opt(sql, args![name, now.minus(NAME_RESTS)], |row| row.get("deleted_at")).await?;
    // To somebody who never saw that project, the name is just taken.
    if freed.is_some() { Err(name_taken(name)) } else { Ok(()) }
}

fn check(settings: &Settings) -> Result<()> {
    let mut wrong = Vec::new();
    let too_long = |text: &String| text.chars().count() > DESCRIPTION_MAX || text.contains('\0');
    if settings.description.as_ref().is_some_and(too_long) {
        wrong.push(FieldError::new("description", format!("at most {DESCRIPTION_MAX} characters")));
    }
    let days = retention::DAYS;
    if settings.logs_days.is_some_and(|wanted| !days.contains(&wanted)) {
        wrong.push(FieldError::new("logs_days", format!("{} to {} days", days.start(), days.end())));
    }
    if settings.recordings_days.is_some_and(|days| !RECORDINGS_DAYS.contains(&days)) {
        wrong.push(FieldError::new("recordings_days", format!("{} to {} days", RECORDINGS_DAYS.start(), RECORDINGS_DAYS.end())));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

/// Changes a project's settings.
pub async fn update(platform: &Platform, may: &May<can::ManageProject, Project>, settings: &Settings) -> Result<()> {
    check(settings)?;
    let mut change = platform.change(may.actor()).await?;
    change
        .exec(
            "UPDATE projects SET description = COALESCE($2, description), internal = COALESCE($3, internal),
             developer_shells = COALESCE($4, developer_shells), shells_recorded = COALESCE($5, shells_recorded),
             recordings_days = COALESCE($6, recordings_days), logs_days = COALESCE($7, logs_days) WHERE id = $1",
            args![
                may.id,
                settings.description.clone(),
                settings.internal,
                settings.developer_shells,
                settings.shells_recorded,
                settings.recordings_days,
                settings.logs_days
            ],
        )
        .await?;
    if settings.recordings_days.is_some() {
        change.wake(Signal::Recordings);
    }
    change.touch(Topic::Project(may.id));
    change.access_changed();
    change.wake(Signal::LogRetention);
    let detail = serde_json::json!({
        "description": settings.description, "internal": settings.internal, "developer_shells": settings.developer_shells,
        "logs_days": settings.logs_days, "shells_recorded": settings.shells_recorded, "recordings_days": settings.recordings_days,
    });
    change.commit(Record::new("project.update", "project", &may.name).project(may).detail(detail)).await
}

/// Deletes a project whose services are all stopped; they are deleted with it, its robots end, its logs go, its images can be reached no more,
/// its audit log stays. Volumes stay on their machines, its networks and recordings go. The name rests.
///
/// # Errors
/// `Conflict` with `services_run`, naming those that run.
pub async fn delete(platform: &Platform, may: &May<can::ManageProject, Project>) -> Result<()> {
    let now = platform.now();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&format!("services {}", may.id)).await?;
    let sql = "SELECT s.name FROM services s JOIN desired d ON d.service_id = s.id AND d.state = 'running'
               WHERE s.project_id = $1 AND s.deleted_at IS NULL ORDER BY s.name LIMIT 20";
    let running: Vec<String> = change.all(sql, args![may.id], |row| row.get("name")).await?;
    if !running.is_empty() {
        return Err(Error::conflict("services_run", format!("stop these services first: {}", running.join(", "))));
    }
    change.exec("UPDATE services SET deleted_at = $2 WHERE project_id = $1 AND deleted_at IS NULL", args![may.id, now]).await?;
    if change.exec("UPDATE projects SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL", args![may.id, now]).await? == 0 {
        return Err(Error::NotFound { what: "project" });
    }
    crate::configs::forget(&mut change, may.id, None).await?;
    crate::templates::forget(&mut change, may.id, None, now).await?;
    change.lock_key(&format!("robots {}", may.id)).await?;
    // Their names are free for the robots of a later project of this name.
    change.exec("DELETE FROM robots WHERE project_id = $1", args![may.id]).await?;
    change.exec("DELETE FROM hooks WHERE project_id = $1", args![may.id]).await?;
    change.touch(Topic::Project(may.id));
    // What stopped services left on engines goes, and then the project's networks.
    change.wake(Signal::Reconcile);
    change.wake(Signal::LogRetention);
    change.wake(Signal::Recordings);
    change.access_changed();
    change.commit(Record::new("project.delete", "project", &may.name).project(may)).await
}

/// The project as its reader may see it.
pub async fn get(platform: &Platform, may: &May<can::SeeProject, Project>) -> Result<ProjectView> {
    let mut tx = platform.read().await?;
    view(&mut tx, may.actor(), (**may).clone(), may.standing()).await
}

async fn view(tx: &mut Tx, actor: &crate::Actor, project: Project, standing: Standing) -> Result<ProjectView> {
    let may = actor.everything_allowed(tx, standing, &project).await?;
    Ok(ProjectView {
        id: project.id,
        name: project.name,
        description: project.description,
        internal: project.internal,
        developer_shells: project.developer_shells,
        logs_days: project.logs_days,
        shells_recorded: project.shells_recorded,
        recordings_days: project.recordings_days,
        created_at: project.created_at,
        standing,
        may,
    })
}

/// Projects that the caller may see, by name.
pub async fn list(platform: &Platform, visible: &Visible<can::SeeProject>, page: &PageRequest) -> Result<Page<ProjectSummary>> {
    let limit = page.limit();
    let (condition, mut more) = visible.condition("p", 4);
    let sql = format!(
        "SELECT {COLUMNS}, COALESCE((SELECT m.role FROM members m WHERE m.project_id = p.id AND m.user_id = $3),
         (SELECT r.role FROM robots r WHERE r.project_id = p.id AND r.id = $3)) AS role
         FROM projects p WHERE p.deleted_at IS NULL AND p.name > $1 AND {condition} ORDER BY p.name LIMIT $2"
    );
    let mut arguments = args![page.after.as_deref().unwrap_or_default(), i64::from(limit) + 1, visible.account().id];
    arguments.append(&mut more);
    let summary = |row: &Row<'_>| {
        let project = project(row)?;
        Ok(ProjectSummary {
            id: project.id,
            name: project.name,
            description: project.description,
            internal: project.internal,
            role: row.get("role")?,
            created_at: project.created_at,
        })
    };
    let items = platform.read().await?.all(sql, arguments, summary).await?;
    Ok(Page::cut(items, limit, |item| item.name.to_string()))
}

/// The project's members, by name.
pub async fn members(platform: &Platform, may: &May<can::SeeMembers, Project>, page: &PageRequest) -> Result<Page<MemberView>> {
    let limit = page.limit();
    let sql = "SELECT u.id, u.username, u.disabled_at, m.role, m.since FROM members m JOIN users u ON u.id = m.user_id
               WHERE m.project_id = $1 AND u.username > $2 ORDER BY u.username LIMIT $3";
    let member = |row: &Row<'_>| {
        Ok(MemberView {
            id: row.get("id")?,
            username: row.get("username")?,
            role: row.get("role")?,
            disabled: row.get::<Option<Millis>>("disabled_at")?.is_some(),
            since: row.get("since")?,
        })
    };
    let arguments = args![may.id, page.after.as_deref().unwrap_or_default(), i64::from(limit) + 1];
    let items = platform.read().await?.all(sql, arguments, member).await?;
    Ok(Page::cut(items, limit, |item| item.username.to_string()))
}

/// Makes somebody a member, or gives a member another role. An account that does not exist is an error of the field `username`.
pub async fn set_member(platform: &Platform, may: &May<can::ManageMembers, Project>, username: &Username, role: Role) -> Result<MemberView> {
    let now = platform.now();
    let mut change = platform.change(may.actor()).await?;
    let user = users::by_name(&mut change, username).await.map_err(|error| match error {
        Error::NotFound { .. } => Error::invalid("username", format!("there is no account {username}; an operator can make it")),
        other => other,
    })?;
    put_member(&mut change, may.id, user.id, role, now).await?;
    keep_an_admin(&mut change, may).await?;
    change.touch(Topic::Project(may.id));
    change.access_changed();
    let record = Record::new("member.set", "user", username).project(may).detail(serde_json::json!({"role": role}));
    change.commit(record).await?;
    Ok(MemberView { id: user.id, username: username.clone(), role, disabled: user.disabled_at.is_some(), since: now })
}

async fn put_member(change: &mut Change, project: ProjectId, user: model::ids::UserId, role: Role, now: Millis) -> Result<()> {
    let sql = "INSERT INTO members (project_id, user_id, role, since) VALUES ($1, $2, $3, $4)
               ON CONFLICT (project_id, user_id) DO UPDATE SET role = excluded.role";
    change.exec(sql, args![project, user, role, now]).await.map(drop)
}

/// Ends a membership.
pub async fn remove_member(platform: &Platform, may: &May<can::ManageMembers, Project>, username: &Username) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    let sql = "DELETE FROM members WHERE project_id = $1 AND user_id = (SELECT id FROM users WHERE username = $2)";
    if change.exec(sql, args![may.id, username]).await? == 0 {
        return Err(Error::NotFound { what: "member" });
    }
    keep_an_admin(&mut change, may).await?;
    change.touch(Topic::Project(may.id));
    change.access_changed();
    change.commit(Record::new("member.remove", "user", username).project(may)).await
}

/// A project without an admin could be managed by operators alone: only an operator may leave it so.
async fn keep_an_admin(change: &mut Change, may: &May<can::ManageMembers, Project>) -> Result<()> {
    if may.standing() == Standing::Operator {
        return Ok(());
    }
    change.lock_key(&format!("admins {}", may.id)).await?;
    // Whoever cannot sign in administers nothing.
    let sql = "SELECT COUNT(*) AS n FROM members m JOIN users u ON u.id = m.user_id
               WHERE m.project_id = $1 AND m.role = 'admin' AND u.disabled_at IS NULL AND u.deleted_at IS NULL";
    let admins: i64 = change.one(sql, args![may.id], |row| row.get("n")).await?;
    if admins > 0 {
        return Ok(());
    }
    Err(Error::conflict("last_admin", "this is the project's last admin: make another member admin first"))
}
