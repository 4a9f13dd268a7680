//! Why applications did not tell all of their figures when they were asked last. In memory: they are asked again in a moment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use model::ids::{EnvironmentId, TaskId};
use model::time::Millis;
use model::views::metrics::ScrapeProblemView;

use crate::access::{May, can};
use crate::args;
use crate::db::Row;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;
use crate::worker::Worker;

/// Most tasks of a service in an environment.
const MOST: i64 = 1000;

/// What went wrong last, and since when something does.
struct Problem {
    text: String,
    since: Millis,
}

/// What went wrong, by task.
#[derive(Default)]
pub(crate) struct Problems(Mutex<HashMap<TaskId, Problem>>);

impl Problems {
    fn all(&self) -> MutexGuard<'_, HashMap<TaskId, Problem>> {
        self.0.lock().expect("no code panics while it holds this lock")
    }
}

/// A task was asked for its own figures: what went wrong, if something did. None as well when it is asked no longer.
pub fn scraped(worker: &Worker, task: TaskId, problem: Option<String>) {
    let now = worker.platform().now();
    let mut all = worker.platform().scrape_problems().all();
    match problem {
        Some(text) => {
            let since = all.get(&task).map_or(now, |known| known.since);
            all.insert(task, Problem { text, since });
        }
        None => drop(all.remove(&task)),
    }
}

/// Why tasks of a service did not tell all of their own figures when they were asked last, by slot. Nothing: they did, or nobody asks them.
///
/// # Errors
/// When the database cannot be read.
pub async fn scrape_problems(
    platform: &Platform,
    may: &May<can::SeeServices, Service>,
    environment: EnvironmentId,
) -> Result<Vec<ScrapeProblemView>> {
    if platform.scrape_problems().all().is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, slot FROM tasks WHERE service_id = $1 AND environment_id = $2 AND ended_at IS NULL ORDER BY slot, id LIMIT $3";
    let read = |row: &Row<'_>| {
        let slot = u32::try_from(row.get::<i64>("slot")?).map_err(|_| Error::internal("column slot holds no small number"))?;
        Ok((row.get::<TaskId>("id")?, slot))
    };
    let tasks = platform.read().await?.all(sql, args![may.id, environment, MOST], read).await?;
    let all = platform.scrape_problems().all();
    let told = |(task, slot): (TaskId, u32)| {
        let problem = all.get(&task)?;
        Some(ScrapeProblemView { task, slot, text: problem.text.clone(), since: problem.since })
    };
    Ok(tasks.into_iter().filter_map(told).collect())
}
