//! Ends what is left of shells that no session holds any more: those of a portal that was killed, and those whose engine was away when they were to
//! be ended. Doing it twice is harmless; what cannot be ended yet is tried again.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use model::ids::{MachineId, ProjectId, ServiceId, ShellId};
use model::time::Millis;

use crate::args;
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::ports::Place;
use crate::worker::Worker;

/// Ended at the same time: each costs an engine some processes.
const AT_ONCE: usize = 8;
/// Tried in one pass.
const MOST: usize = 500;
/// How long ending one may take: what holds longer is tried again, and keeps no other waiting.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so many failures there is a pause, and none before: its engine may just be on its way.
const AT_FIRST: u32 = 3;
/// The first pause; each further one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_secs(600);

/// Shells that could not be ended when it was tried. Each is left alone for a while, so that one that resists costs its engine little.
#[derive(Default)]
pub(super) struct Failing(HashMap<ShellId, Failure>);

struct Failure {
    times: u32,
    again: Millis,
}

impl Failing {
    fn is_due(&self, id: ShellId, now: Millis) -> bool {
        self.0.get(&id).is_none_or(|failure| failure.again <= now)
    }

    fn note(&mut self, id: ShellId, ended: bool, now: Millis) {
        if ended {
            self.0.remove(&id);
            return;
        }
        // Nobody asks any more for one whose project is gone.
        self.0.retain(|_, failure| now.since(failure.again) < LONGEST * 2);
        let failure = self.0.entry(id).or_insert(Failure { times: 0, again: now });
        failure.times = failure.times.saturating_add(1);
        failure.again = now.plus(pause(failure.times));
    }
}

/// How long one is left alone that failed so many times.
fn pause(times: u32) -> Duration {
    match times.checked_sub(AT_FIRST) {
        None => Duration::ZERO,
        Some(more) => PAUSE.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST),
    }
}

/// A shell without a session.
struct Orphan {
    id: ShellId,
    project: ProjectId,
    service: ServiceId,
    machine: MachineId,
    container: String,
    mark: Option<String>,
    removed: bool,
}

/// Ends them; of those that were tried, how many were, and how many are left for later.
pub async fn tend(worker: &Worker) -> Result<(usize, usize)> {
    tend_some(worker, MOST).await
}

/// The same, so many at most.
pub(super) async fn tend_some(worker: &Worker, most: usize) -> Result<(usize, usize)> {
    let orphans = orphans(worker, most).await?;
    let all = orphans.len();
    let ends: Vec<_> = orphans.into_iter().map(|orphan| try_to_end(worker.clone(), orphan)).collect();
    let ended: Vec<Result<bool>> = futures::stream::iter(ends).buffer_unordered(AT_ONCE).collect().await;
    // What goes wrong with one keeps no other.
    let mut count = 0;
    for ended in ended {
        count += usize::from(ended?);
    }
    Ok((count, all - count))
}

/// Those whose time it is, the oldest first. However many live or wait before them, none is passed over.
async fn orphans(worker: &Worker, most: usize) -> Result<Vec<Orphan>> {
    let shells = worker.platform().shells();
    let mut due = Vec::new();
    let mut last = None;
    loop {
        let page = page(worker, last, most).await?;
        let whole = page.len() == most;
        last = page.last().map(|orphan| orphan.id);
        let now = worker.platform().now();
        // Looked at after the reading: what has a session now had one, or was over, when it was read.
        due.extend(page.into_iter().filter(|orphan| !shells.is_busy(orphan.id) && shells.failing().is_due(orphan.id, now)));
        if !whole || due.len() >= most {
            due.truncate(most);
            return Ok(due);
        }
    }
}

/// Shells that are not over, after this one; so many at most.
async fn page(worker: &Worker, after: Option<ShellId>, most: usize) -> Result<Vec<Orphan>> {
    let sql = "SELECT s.id, s.project_id, s.service_id, s.machine_id, s.container, s.mark, m.removed_at FROM shells s
               JOIN machines m ON m.id = s.machine_id WHERE s.ended_at IS NULL AND s.id > $1 ORDER BY s.id LIMIT $2";
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let mut tx = worker.platform().read().await?;
    tx.all(sql, args![after, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        Ok(Orphan {
            id: row.get("id")?,
            project: row.get("project_id")?,
            service: row.get("service_id")?,
            machine: row.get("machine_id")?,
            container: row.get("container")?,
            mark: row.get("mark")?,
            removed: row.get::<Option<Millis>>("removed_at")?.is_some(),
        })
    })
    .await
}

/// [`end`], within its time; a failure is remembered.
async fn try_to_end(worker: Worker, orphan: Orphan) -> Result<bool> {
    let id = orphan.id;
    let tried = tokio::time::timeout(PATIENCE, end(&worker, orphan)).await;
    let ended = tried.unwrap_or_else(|_| {
        tracing::warn!(shell = %id, "ending a shell of an earlier time takes too long; it is tried again");
        Ok(false)
    });
    let platform = worker.platform();
    platform.shells().failing().note(id, matches!(ended, Ok(true)), platform.now());
    ended
}

/// Whether it is over now.
async fn end(worker: &Worker, orphan: Orphan) -> Result<bool> {
    let platform = worker.platform();
    if let Some(mark) = &orphan.mark
        && !orphan.removed
    {
        match platform.engines().end_shell(&Place::new(orphan.machine, &orphan.container), mark).await {
            Ok(()) => {}
            Err(Error::Unavailable(why)) => {
                tracing::debug!(shell = %orphan.id, why, "a shell of an earlier time cannot be ended yet");
                return Ok(false);
            }
            Err(error) => {
                tracing::warn!(shell = %orphan.id, %error, "a shell of an earlier time could not be ended; it is tried again");
                return Ok(false);
            }
        }
    }
    // A portal that was killed wrote down no size.
    let recorded = recorded(platform, &orphan).await;
    let mut change = worker.change().await?;
    let sql = "UPDATE shells SET ended_at = $2, ended_why = COALESCE(ended_why, 'portal_restarted'), recording_bytes = COALESCE($3, recording_bytes)
               WHERE id = $1 AND ended_at IS NULL";
    change.exec(sql, args![orphan.id, platform.now(), recorded]).await?;
    change.wake(Signal::Recordings);
    change.touch(Topic::Service(orphan.service));
    change.touch(Topic::Project(orphan.project));
    change.finish().await?;
    Ok(true)
}

/// Bytes of its recording, if there is one.
async fn recorded(platform: &Platform, orphan: &Orphan) -> Option<i64> {
    let path = platform.recordings().ok()?.path(orphan.project, orphan.id);
    i64::try_from(tokio::fs::metadata(path).await.ok()?.len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_an_end() {
        let seconds: Vec<u64> = [1, 2, 3, 4, 5, 8, 9, 10, u32::MAX].into_iter().map(|times| pause(times).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 15, 30, 60, 480, 600, 600, 600]);
    }
}
