//! What a project runs, counted from what should run: of every service in every environment the running revision's tasks, or those of the
//! unfinished deployment where they take more, since either may serve in the end. So a return to the last good revision never lacks room.
//! And from what is there, where that is more: tasks of a rollout that stopped in the middle, of a job's run that began with an older revision, and
//! those that are still ending, maybe for an hour, so that nobody gets room twice by stopping one thing and deploying the next, the same
//! service included. While tasks are replaced with start-first, as many as are replaced at once run on top, at most the replicas once more:
//! that is not counted. What waits for an approval takes nothing yet, and is asked again when it is approved. Nothing is stopped here.

use std::collections::BTreeMap;

use model::descriptor::Descriptor;
use model::ids::{EnvironmentId, ProjectId, ServiceId};
use model::problem::FieldError;
use model::views::quotas::{Counted, Limits, Running, Taking, TaskLimits};

use super::{LIMITS, default, limits};
use crate::args;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::projects::Project;

/// Most services times environments that are counted; a project has at most a thousand services.
const MOST: i64 = 100_000;

/// A revision `r`'s columns. Its descriptor is long, and needed of old rows alone.
const ROW: &str = "r.counted, r.cpus, r.memory, CASE WHEN r.counted THEN '' ELSE r.descriptor END AS descriptor";

/// True of a task `t` whose service has a deployment under way there.
const UNDER_WAY: &str = "EXISTS (SELECT 1 FROM deployments a WHERE a.service_id = t.service_id AND a.environment_id = t.environment_id
    AND a.finished_at IS NULL AND a.state <> 'pending')";

/// A service in an environment.
pub(crate) type Place = (ServiceId, EnvironmentId);

/// What one service takes in an environment.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// Of the revision that runs.
    running: Running,
    /// Of the one that an unfinished deployment brings.
    coming: Running,
    /// Of the tasks that are there.
    there: Running,
    /// Of tasks that are ending, or should not be there.
    ending: Running,
}

impl Share {
    /// What it takes at most, now or when its deployment has come to an end.
    fn most(self) -> Running {
        self.running.max(self.coming).max(self.there)
    }

    /// The same with what has not gone yet: what others must leave to it.
    fn all(self) -> Running {
        self.most().plus(self.ending)
    }
}

/// What is asked for, beside what there is.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// What all other services take, and what the service's own tasks take that are ending.
    others: Running,
    /// Of these the service's own.
    ending: Running,
    /// What the service takes there now.
    before: Running,
    /// What it would take.
    after: Running,
}

/// What each place of the project takes.
async fn shares(tx: &mut Tx, project: ProjectId) -> Result<BTreeMap<Place, Share>> {
    let takes = |row: &Row<'_>| -> Result<Running> {
        let replicas: i64 = row.get("replicas")?;
        let replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
        if row.get("counted")? {
            let (cpus, memory): (Option<i64>, Option<i64>) = (row.get("cpus")?, row.get("memory")?);
            let tasks = i64::from(replicas);
            return Ok(Running {
                cpu_millis: cpus.unwrap_or(0).saturating_mul(tasks),
                memory: memory.unwrap_or(0).saturating_mul(tasks),
                tasks,
                without_cpus: if cpus.is_none() { tasks } else { 0 },
                without_memory: if memory.is_none() { tasks } else { 0 },
            });
        }
        let text: String = row.get("descriptor")?;
        let descriptor = Descriptor::from_canonical(&text).map_err(|error| Error::internal(format!("column descriptor: {error}")))?;
        Ok(Running::of(&descriptor.resources, replicas))
    };
    let sql = format!(
        "SELECT d.service_id, d.environment_id, 'running' AS part, r.replicas, {ROW} FROM desired d JOIN services s ON s.id = d.service_id
         JOIN revisions r ON r.id = d.revision_id WHERE s.project_id = $1 AND s.deleted_at IS NULL AND d.state = 'running'
         UNION ALL
         SELECT a.service_id, a.environment_id, 'coming' AS part, r.replicas, {ROW} FROM deployments a JOIN services s ON s.id = a.service_id
         JOIN revisions r ON r.id = a.revision_id WHERE s.project_id = $1 AND s.deleted_at IS NULL AND a.finished_at IS NULL
         AND a.state <> 'pending'
         UNION ALL
         SELECT t.service_id, t.environment_id, 'there' AS part, COUNT(*) AS replicas, {ROW} FROM tasks t JOIN services s ON s.id = t.service_id
         JOIN revisions r ON r.id = t.revision_id JOIN desired d ON d.service_id = t.service_id AND d.environment_id = t.environment_id
         WHERE s.project_id = $1 AND s.deleted_at IS NULL AND d.state = 'running' AND t.ended_at IS NULL AND t.state <> 'stopping'
         AND (t.run_id IS NOT NULL OR d.halted_at IS NOT NULL OR NOT {UNDER_WAY})
         GROUP BY t.service_id, t.environment_id, r.id
         UNION ALL
         SELECT t.service_id, t.environment_id, 'ending' AS part, COUNT(*) AS replicas, {ROW} FROM tasks t JOIN services s ON s.id = t.service_id
         JOIN revisions r ON r.id = t.revision_id LEFT JOIN desired d ON d.service_id = t.service_id AND d.environment_id = t.environment_id
         WHERE s.project_id = $1 AND t.ended_at IS NULL
         AND (t.state = 'stopping' OR ((s.deleted_at IS NOT NULL OR d.state IS NULL OR d.state <> 'running') AND NOT {UNDER_WAY}))
         GROUP BY t.service_id, t.environment_id, r.id
         LIMIT $2"
    );
    let read = |row: &Row<'_>| -> Result<(Place, String, Running)> {
        Ok(((row.get("service_id")?, row.get("environment_id")?), row.get("part")?, takes(row)?))
    };
    let rows = tx.all(sql, args![project, MOST], read).await?;
    let mut shares: BTreeMap<Place, Share> = BTreeMap::new();
    for (place, part, takes) in rows {
        let share = shares.entry(place).or_default();
        match part.as_str() {
            "running" => share.running = takes,
            "coming" => share.coming = takes,
            "there" => share.there = share.there.plus(takes),
            _ => share.ending = share.ending.plus(takes),
        }
    }
    Ok(shares)
}

/// What the project takes in all.
pub(super) async fn total(tx: &mut Tx, project: ProjectId) -> Result<Running> {
    let shares = shares(tx, project).await?;
    Ok(shares.values().fold(Running::default(), |sum, share| sum.plus(share.all())))
}

/// The project's limits.
async fn of_project(tx: &mut Tx, project: ProjectId) -> Result<Limits> {
    let sql = format!("SELECT {LIMITS} FROM project_usage u WHERE u.project_id = $1");
    Ok(tx.opt(sql, args![project], limits).await?.unwrap_or_default())
}

/// What a task of the project gets that names no limit.
pub(crate) async fn task_limits(tx: &mut Tx, project: ProjectId) -> Result<TaskLimits> {
    Ok(of_project(tx, project).await?.task().or(default(tx).await?.task()))
}

/// Where the project's fixed ports may lie; none: anywhere.
pub(crate) async fn fixed_ports(tx: &mut Tx, project: ProjectId) -> Result<Option<model::quantity::PortRange>> {
    Ok(of_project(tx, project).await?.ports)
}

/// Where there are limits: from here to the commit nobody else takes room of this project. Two deploys at once never get the same last place.
/// Taken behind the service's lock.
pub(crate) async fn lock(tx: &mut Tx, project: &Project) -> Result<()> {
    if of_project(tx, project.id).await?.limits_running() {
        tx.lock_key(&format!("running {}", project.id)).await?;
    }
    Ok(())
}

/// Whether the project has room for so many tasks of a descriptor at a place, instead of what an unfinished deployment would bring there. What
/// takes no more than before passes, whatever the limit.
///
/// # Errors
/// `Invalid` naming the descriptor's field, with what is taken and what there may be.
pub(crate) async fn room(tx: &mut Tx, project: &Project, place: Place, d: &Descriptor) -> Result<Vec<Taking>> {
    room_beside(tx, project, place, d, &BTreeMap::new()).await
}

/// The same beside what is to be brought to other places with it.
pub(crate) async fn room_beside(
    tx: &mut Tx,
    project: &Project,
    place: Place,
    d: &Descriptor,
    coming: &BTreeMap<Place, Running>,
) -> Result<Vec<Taking>> {
    let limits = of_project(tx, project.id).await?;
    if !limits.limits_running() {
        return Ok(Vec::new());
    }
    let mut shares = shares(tx, project.id).await?;
    for (place, takes) in coming {
        shares.entry(*place).or_default().coming = *takes;
    }
    let here = shares.remove(&place).unwrap_or_default();
    let others = shares.values().fold(here.ending, |sum, share| sum.plus(share.all()));
    let after = here.running.max(Running::of(&d.resources, d.replicas));
    let asked = Asked { others, ending: here.ending, before: here.most(), after };
    let errors = refusals(project, &limits, &asked, d);
    if errors.is_empty() { Ok(takings(&limits, &asked)) } else { Err(Error::Invalid(errors)) }
}

/// Each limit with what is taken of it.
fn takings(limits: &Limits, asked: &Asked) -> Vec<Taking> {
    counted(limits, asked)
        .into_iter()
        .filter_map(|(what, before, after, others, limit)| Some(Taking::new(what, after, before, others, limit?)))
        .collect()
}

type Line = (Counted, i64, i64, i64, Option<i64>);

fn counted(limits: &Limits, asked: &Asked) -> [Line; 3] {
    let Asked { others, before, after, .. } = asked;
    let cpus = limits.cpus.map(|cpus| i64::from(cpus.millis()));
    [
        (Counted::Cpus, before.cpu_millis, after.cpu_millis, others.cpu_millis, cpus),
        (Counted::Memory, before.memory, after.memory, others.memory, limits.memory),
        (Counted::Tasks, before.tasks, after.tasks, others.tasks, limits.tasks),
    ]
}

fn refusals(project: &Project, limits: &Limits, asked: &Asked, d: &Descriptor) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (what, before, after, others, limit) in counted(limits, asked) {
        let Some(limit) = limit.filter(|limit| after > before && others.saturating_add(after) > *limit) else { continue };
        let (field, unit) = match what {
            Counted::Cpus => ("descriptor.resources.cpus", " CPUs"),
            Counted::Memory => ("descriptor.resources.memory", " of memory"),
            Counted::Tasks => ("descriptor.replicas", " tasks"),
        };
        let text = format!(
            "takes {} of the {}{unit} that project {} may have, and {} are left: ask for less, free some in another service, or ask an operator for more",
            what.shown(after),
            what.shown(limit),
            project.name,
            what.shown(limit.saturating_sub(others).max(0)),
        );
        let ends = if asked.ending.tasks > 0 { "; tasks of this service that are still ending give theirs back when they have ended" } else { "" };
        errors.push(FieldError::new(field, format!("{text}{ends}")));
    }
    let without = [
        (limits.cpus.is_some(), asked.before.without_cpus, asked.after.without_cpus, d.resources.cpus.is_none(), "cpus", "0.5"),
        (limits.memory.is_some(), asked.before.without_memory, asked.after.without_memory, d.resources.memory.is_none(), "memory", "256MiB"),
    ];
    for (limited, before, after, open, key, example) in without {
        if limited && open && after > before {
            let text =
                format!("what project {} may run is limited, so each task needs a limit of its own: write it like {key}: {example}", project.name);
            errors.push(FieldError::new(format!("descriptor.resources.{key}"), text));
        }
    }
    errors
}

#[cfg(test)]
mod tests;
