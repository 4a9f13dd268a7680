//! Robots: a project's accounts for programs, as its admins manage them. A robot is no row of `users`: what is about people (sign-in, passwords,
//! sessions, personal tokens, members, operators and their counts) never meets one, and nobody has to remember to leave it out. It belongs to
//! one project, has a role there and stands nowhere else. Its secret is random, shown once and stored as SHA-256; how it comes in by it is in
//! `secrets`.
//!
//! Rows are deleted for good: what a robot did is told by names, which are copied where it did it, so its name is free at once.

use std::collections::BTreeSet;
use std::time::Duration;

use model::access::{Role, Scope};
use model::ids::{RobotSecretId, UserId};
use model::names::{AccountName, RobotName};
use model::page::{Page, PageRequest};
use model::problem::FieldError;
use model::time::Millis;
use model::views::robots::{NewRobot, PreviousSecret, RobotView};
use serde_json::json;

use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::keys::token_hash;
use crate::live::Topic;
use crate::platform::Platform;
use crate::projects::Project;

mod scopes;
mod secrets;

pub use secrets::{PREFIX, actor, is_secret};
pub(crate) use secrets::{account, authenticate, by_secret};

/// Robots of one project at most.
const MOST: i64 = 100;
/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 200;
/// Longest life that can be asked for, in days.
const LONGEST_DAYS: u32 = 3650;
/// Longest time for which a replaced secret can still hold, in hours.
pub const LONGEST_OVERLAP: u32 = 72;

/// The permission that everything here needs.
type MayManage = May<can::ManageRobots, Project>;

/// What a new robot is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name in the project.
    pub name: RobotName,
    /// Its role there.
    pub role: Role,
    /// What it is for.
    pub description: String,
    /// What it may be used for at most; empty: what goes with its role.
    pub scopes: Vec<Scope>,
    /// When it ends; none: never.
    pub expires_in_days: Option<u32>,
}

/// What can be changed of a robot; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// Its role.
    pub role: Option<Role>,
    /// What it is for.
    pub description: Option<String>,
    /// What it may be used for at most; empty: what goes with its role.
    pub scopes: Option<Vec<Scope>>,
    /// When it ends, counted from now; none inside: never.
    pub expires_in_days: Option<Option<u32>>,
    /// Whether it is refused.
    pub disabled: Option<bool>,
}

/// Makes a robot. Its secret is in this answer alone.
///
/// # Errors
/// `Conflict` with `name_taken` or `too_many_robots`; `Invalid`, by field.
pub async fn create(platform: &Platform, may: &MayManage, wanted: &Wanted) -> Result<NewRobot> {
    let scopes: BTreeSet<Scope> = wanted.scopes.iter().copied().collect();
    refuse(check(Some(&wanted.description), Some((wanted.role, &scopes)), wanted.expires_in_days))?;
    let maker = may.actor().account()?.clone();
    let now = platform.now();
    let expires_at = wanted.expires_in_days.map(|days| end(now, days));
    let mut change = begin(platform, may).await?;
    let sql = "SELECT COUNT(*) AS n FROM robots WHERE project_id = $1";
    if change.one(sql, args![may.id], |row| row.get::<i64>("n")).await? >= MOST {
        return Err(Error::conflict("too_many_robots", format!("the project has {MOST} robots, which is the most; delete one first")));
    }
    let id: UserId = platform.new_id();
    let sql = "INSERT INTO robots (id, project_id, name, description, role, scopes, created_at, created_by_id, created_by, expires_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
    let text = wanted.description.trim();
    let arguments = args![id, may.id, &wanted.name, text, wanted.role, scopes::words(&scopes), now, maker.id, may.actor().name(), expires_at];
    if change.exec(sql, arguments).await? == 0 {
        let text = format!("the project has a robot {} already; choose another name, or rotate that robot's secret", wanted.name);
        return Err(Error::conflict("name_taken", text));
    }
    let secret = put_secret(&mut change, platform, may, id).await?;
    let robot = get_in(&mut change, may, &wanted.name, now).await?;
    let detail = json!({"role": robot.role, "scopes": robot.scopes, "expires_at": expires_at});
    change.commit(Record::new("robot.create", "robot", &robot.username).project(may).detail(detail)).await?;
    Ok(NewRobot { robot, secret })
}

/// The project's robots, by name.
pub async fn list(platform: &Platform, may: &MayManage, page: &PageRequest) -> Result<Page<RobotView>> {
    let limit = page.limit();
    let sql = format!("{SELECT} WHERE r.project_id = $1 AND r.name > $3 ORDER BY r.name LIMIT $4");
    let arguments = args![may.id, platform.now(), page.after.as_deref().unwrap_or_default(), i64::from(limit) + 1];
    let robots = platform.read().await?.all(sql, arguments, |row| view(row, may)).await?;
    Ok(Page::cut(robots, limit, |robot| robot.name.to_string()))
}

/// One robot.
pub async fn get(platform: &Platform, may: &MayManage, name: &RobotName) -> Result<RobotView> {
    get_in(&mut platform.read().await?, may, name, platform.now()).await
}

/// Changes a robot. What it may no longer do is refused at once, and what it holds open is cut; disabled, it is refused everywhere, and what it
/// proved before holds no more when it is enabled again.
pub async fn update(platform: &Platform, may: &MayManage, name: &RobotName, wanted: &Changed) -> Result<RobotView> {
    let now = platform.now();
    let mut change = begin(platform, may).await?;
    let robot = get_in(&mut change, may, name, now).await?;
    let role = wanted.role.unwrap_or(robot.role);
    let kept = if robot.narrowed { robot.scopes.iter().copied().collect() } else { BTreeSet::new() };
    let scopes: BTreeSet<Scope> = wanted.scopes.as_ref().map_or(kept, |scopes| scopes.iter().copied().collect());
    refuse(check(wanted.description.as_deref(), Some((role, &scopes)), wanted.expires_in_days.flatten()))?;
    let description = wanted.description.as_deref().map_or(robot.description.as_str(), str::trim);
    let expires_at = wanted.expires_in_days.map_or(robot.expires_at, |days| days.map(|days| end(now, days)));
    let disabled_at = match wanted.disabled {
        Some(true) => Some(robot.disabled_at.unwrap_or(now)),
        Some(false) => None,
        None => robot.disabled_at,
    };
    let sql = "UPDATE robots SET role = $2, description = $3, scopes = $4, expires_at = $5, disabled_at = $6 WHERE id = $1";
    change.exec(sql, args![robot.id, role, description, scopes::words(&scopes), expires_at, disabled_at]).await?;
    if disabled_at.is_some() {
        end_proofs(&mut change, platform, robot.id).await?;
    }
    let robot = get_in(&mut change, may, name, now).await?;
    change.access_changed();
    let detail = json!({"role": role, "scopes": robot.scopes, "expires_at": expires_at, "disabled": disabled_at.is_some()});
    change.commit(Record::new("robot.update", "robot", &robot.username).project(may).detail(detail)).await?;
    Ok(robot)
}

/// Gives a robot a new secret, which is in this answer alone. The old one ends at once, or after so many hours, at most [`LONGEST_OVERLAP`]; one
/// that was replaced before ends at once in any case.
pub async fn rotate(platform: &Platform, may: &MayManage, name: &RobotName, overlap_hours: u32) -> Result<NewRobot> {
    if overlap_hours > LONGEST_OVERLAP {
        let text = format!("from 0 to {LONGEST_OVERLAP} hours; 0 ends the old secret at once");
        return Err(Error::invalid("overlap_hours", text));
    }
    let now = platform.now();
    let mut change = begin(platform, may).await?;
    let robot = get_in(&mut change, may, name, now).await?;
    if overlap_hours == 0 {
        change.exec("DELETE FROM robot_secrets WHERE robot_id = $1", args![robot.id]).await?;
    } else {
        change.exec("DELETE FROM robot_secrets WHERE robot_id = $1 AND ends_at IS NOT NULL", args![robot.id]).await?;
        let ends_at = now.plus(Duration::from_secs(u64::from(overlap_hours) * 3600));
        change.exec("UPDATE robot_secrets SET ends_at = $2 WHERE robot_id = $1", args![robot.id, ends_at]).await?;
    }
    let secret = put_secret(&mut change, platform, may, robot.id).await?;
    let robot = get_in(&mut change, may, name, now).await?;
    change.access_changed();
    let record = Record::new("robot.rotate", "robot", &robot.username).project(may);
    change.commit(record.detail(json!({"overlap_hours": overlap_hours}))).await?;
    Ok(NewRobot { robot, secret })
}

/// Deletes a robot: what signs in with it is refused from now on, what it made stays.
pub async fn delete(platform: &Platform, may: &MayManage, name: &RobotName) -> Result<()> {
    let mut change = begin(platform, may).await?;
    if change.exec("DELETE FROM robots WHERE project_id = $1 AND name = $2", args![may.id, name]).await? == 0 {
        return Err(Error::NotFound { what: "robot" });
    }
    change.access_changed();
    change.commit(Record::new("robot.delete", "robot", AccountName::of_robot(&may.name, name)).project(may)).await
}

/// A change of the project's robots: one at a time, for each begins with a look at what is there.
async fn begin(platform: &Platform, may: &MayManage) -> Result<Change> {
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&format!("robots {}", may.id)).await?;
    change.touch(Topic::Project(may.id));
    Ok(change)
}

async fn put_secret(change: &mut Change, platform: &Platform, may: &MayManage, robot: UserId) -> Result<String> {
    let secret = platform.new_token(PREFIX);
    let id: RobotSecretId = platform.new_id();
    let sql = "INSERT INTO robot_secrets (id, robot_id, hash, created_at, made_by_id) VALUES ($1, $2, $3, $4, $5)";
    change.exec(sql, args![id, robot, token_hash(&secret), platform.now(), may.actor().account()?.id]).await?;
    Ok(secret)
}

/// What rests on the robot's secrets names their ids: under others it is worth nothing.
async fn end_proofs(change: &mut Change, platform: &Platform, robot: UserId) -> Result<()> {
    let ids: Vec<RobotSecretId> = change.all("SELECT id FROM robot_secrets WHERE robot_id = $1", args![robot], |row| row.get("id")).await?;
    for id in ids {
        let fresh: RobotSecretId = platform.new_id();
        change.exec("UPDATE robot_secrets SET id = $2 WHERE id = $1", args![id, fresh]).await?;
    }
    Ok(())
}

fn end(now: Millis, days: u32) -> Millis {
    now.plus(Duration::from_secs(u64::from(days) * 86_400))
}

fn check(description: Option<&str>, reach: Option<(Role, &BTreeSet<Scope>)>, days: Option<u32>) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION_MAX || text.chars().any(char::is_control)) {
        wrong.push(FieldError::new("description", format!("one line of at most {DESCRIPTION_MAX} characters")));
    }
    if let Some(message) = reach.and_then(|(role, scopes)| scopes::wrong(role, scopes)) {
        wrong.push(FieldError::new("scopes", message));
    }
    if days.is_some_and(|days| !(1..=LONGEST_DAYS).contains(&days)) {
        wrong.push(FieldError::new("expires_in_days", format!("from 1 to {LONGEST_DAYS} days, or left out for no end")));
    }
    wrong
}

fn refuse(wrong: Vec<FieldError>) -> Result<()> {
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

/// What a view is made of; `$2` is now. A robot has one secret without an end, and at most one whose end lies ahead.
const SELECT: &str = "SELECT r.id, r.name, r.description, r.role, r.scopes, r.created_at, r.created_by, r.expires_at, r.disabled_at, r.used_at,
    s.created_at AS secret_since, b.ends_at AS previous_ends, b.used_at AS previous_used
    FROM robots r JOIN robot_secrets s ON s.robot_id = r.id AND s.ends_at IS NULL
    LEFT JOIN robot_secrets b ON b.robot_id = r.id AND b.ends_at > $2";

async fn get_in(tx: &mut Tx, may: &MayManage, name: &RobotName, now: Millis) -> Result<RobotView> {
    let sql = format!("{SELECT} WHERE r.project_id = $1 AND r.name = $3");
    tx.opt(sql, args![may.id, now, name], |row| view(row, may)).await?.ok_or(Error::NotFound { what: "robot" })
}

fn view(row: &Row<'_>, project: &Project) -> Result<RobotView> {
    let (name, role): (RobotName, Role) = (row.get("name")?, row.get("role")?);
    let chosen = scopes::parse(&row.get::<String>("scopes")?);
    let used_at = row.get("previous_used")?;
    let previous = row.get::<Option<Millis>>("previous_ends")?.map(|ends_at| PreviousSecret { ends_at, used_at });
    Ok(RobotView {
        id: row.get("id")?,
        username: AccountName::of_robot(&project.name, &name),
        name,
        description: row.get("description")?,
        role,
        scopes: scopes::reach(role, &chosen).into_iter().collect(),
        narrowed: !chosen.is_empty(),
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
        expires_at: row.get("expires_at")?,
        disabled_at: row.get("disabled_at")?,
        used_at: row.get("used_at")?,
        secret_since: row.get("secret_since")?,
        previous,
    })
}

#[cfg(test)]
mod tests;
