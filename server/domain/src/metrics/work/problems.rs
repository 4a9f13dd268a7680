//! Why applications did not tell their figures when they were asked last. In memory: they are asked again in a moment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use model::ids::{EnvironmentId, TaskId};

use crate::access::{May, can};
use crate::args;
use crate::db::Row;
use crate::error::Result;
use crate::platform::Platform;
use crate::services::Service;
use crate::worker::Worker;

/// Most tasks of a service in an environment.
const MOST: i64 = 1000;

/// What went wrong, by task.
#[derive(Default)]
pub(crate) struct Problems(Mutex<HashMap<TaskId, String>>);

impl Problems {
    fn all(&self) -> MutexGuard<'_, HashMap<TaskId, String>> {
        self.0.lock().expect("no code panics while it holds this lock")
    }
}

/// Why one task's own figures are not all there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeProblem {
    /// The task.
    pub task: TaskId,
    /// Its slot.
    pub slot: i64,
    /// What happened, for people.
    pub text: String,
}

/// A task was asked for its own figures: what went wrong, if something did. None as well when it is asked no longer.
pub fn scraped(worker: &Worker, task: TaskId, problem: Option<String>) {
    let mut all = worker.platform().scrape_problems().all();
    match problem {
        Some(text) => drop(all.insert(task, text)),
        None => drop(all.remove(&task)),
    }
}

/// Why tasks of a service did not tell their own figures when they were asked last, by slot. Nothing: they did, or nobody asks them.
///
/// # Errors
/// When the database cannot be read.
pub async fn scrape_problems(platform: &Platform, may: &May<can::SeeServices, Service>, environment: EnvironmentId) -> Result<Vec<ScrapeProblem>> {
    let sql = "SELECT id, slot FROM tasks WHERE service_id = $1 AND environment_id = $2 AND ended_at IS NULL ORDER BY slot, id LIMIT $3";
    let read = |row: &Row<'_>| Ok((row.get::<TaskId>("id")?, row.get::<i64>("slot")?));
    let tasks = platform.read().await?.all(sql, args![may.id, environment, MOST], read).await?;
    let all = platform.scrape_problems().all();
    let told = |(task, slot): (TaskId, i64)| Some(ScrapeProblem { task, slot, text: all.get(&task)?.clone() });
    Ok(tasks.into_iter().filter_map(told).collect())
}
