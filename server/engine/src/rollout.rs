//! Moving a deployment on: queued, pulling, rolling, and how it ends. What is done in between is `plan`'s; here is decided whether a
//! deployment succeeded or failed, and why.
//!
//! A deployment's state lives in the database alone, so a portal that was killed goes on from there: a pull is begun again, tasks
//! that were started are found by their labels.

use std::time::Duration;

use domain::deployments::work::{self, DeploymentWork, Target, Work};
use model::descriptor::OnFailure;
use model::ids::ProjectId;
use model::time::Millis;
use model::views::deployments::{DeploymentState, Progress, Reason, Share};
use model::views::services::{DesiredState, TaskState};

use crate::docker::{EngineError, Kind, PullProgress};
use crate::fetch;
use crate::plan::{Life, Task};
use crate::printed::Filter;
use crate::tend::Tender;
use crate::trouble::Trouble;

/// How often the progress of a pull is written down at most.
const TELL: Duration = Duration::from_millis(500);
/// A task without a health check counts as serving when it ran for so long during a rollout: long enough to see one that ends at once.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a deployment waits for an engine that is away.
pub(crate) const AWAY_LIMIT: Duration = Duration::from_secs(60);

/// How a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on; there is nothing to wait for but news.
    Going,
    /// Everything serves; it is watched for this long still.
    Watching(Duration),
    /// It is done.
    Succeeded,
}

/// How long a task must run before it counts as serving, where it has no check.
pub fn settling(monitor: Duration) -> Duration {
    monitor.min(SETTLE)
}

/// Judges a rollout by its tasks. `served_since`: when the last of the wanted tasks began to serve.
pub fn judge(replicas: u32, tasks: &[Task], served_since: Option<Millis>, monitor: Duration, now: Millis) -> Verdict {
    let mut slots: Vec<u32> =
        tasks.iter().filter(|task| task.current && task.life == Life::Ready && task.slot < replicas).map(|task| task.slot).collect();
    slots.sort_unstable();
    slots.dedup();
    let others = tasks.iter().any(|task| task.life != Life::Dead && !(task.current && task.slot < replicas));
    if slots.len() < replicas as usize || others {
        return Verdict::Going;
    }
    let watched = served_since.map_or(monitor, |since| now.since(since));
    match monitor.saturating_sub(watched) {
        Duration::ZERO => Verdict::Succeeded,
        left => Verdict::Watching(left),
    }
}

/// How a failed deployment is called: rolled back where there is something to go back to.
pub fn failed_state(work: &Work, deployment: &DeploymentWork) -> DeploymentState {
    let before = work.revision.as_ref().filter(|revision| revision.id != deployment.revision.id && work.state == DesiredState::Running);
    match before {
        // Before the first task was replaced there is nothing to roll back.
        Some(_)
            if deployment.state.may_become(DeploymentState::RolledBack)
                && deployment.revision.descriptor.update.on_failure == OnFailure::Rollback =>
        {
            DeploymentState::RolledBack
        }
        _ => DeploymentState::Failed,
    }
}

impl Tender {
    /// Brings the deployment to the point where tasks can be replaced. `false`: not yet, or not any more.
    pub(crate) async fn prepare(&mut self, project: ProjectId, deployment: &DeploymentWork) -> Result<bool, Trouble> {
        match deployment.state {
            DeploymentState::Rolling => Ok(true),
            DeploymentState::Queued => {
                // Whoever wants something new wants it at once, whatever failed before.
                self.context.backoff(self.key, crate::backoff::Backoff::forget);
                work::forget_failures(&self.context.worker, self.key).await?;
                if self.image_is_there(deployment).await? {
                    return Ok(work::advance(&self.context.worker, deployment.id, DeploymentState::Rolling, None).await?);
                }
                if work::advance(&self.context.worker, deployment.id, DeploymentState::Pulling, None).await? {
                    self.begin_pull(project, deployment);
                }
                Ok(false)
            }
            DeploymentState::Pulling => {
                self.begin_pull(project, deployment);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    async fn image_is_there(&self, deployment: &DeploymentWork) -> Result<bool, Trouble> {
        if deployment.revision.digest.is_none() {
            return Ok(false);
        }
        if let Some(artifact) = &deployment.revision.descriptor.artifact
            && !self.context.artifacts.has(artifact).await
        {
            return Ok(false);
        }
        for (machine, docker) in &self.places {
            let source = fetch::source(&self.context, docker, machine, &deployment.revision).await?;
            if !docker.has_image(&source.reference).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Pulls onto every machine of the environment, unless that is under way.
    fn begin_pull(&mut self, project: ProjectId, deployment: &DeploymentWork) {
        if self.pulling.as_ref().is_some_and(|(id, _)| *id == deployment.id) {
            return;
        }
        self.end_pull();
        let (context, places, deployment) = (self.context.clone(), self.places.clone(), deployment.clone());
        let id = deployment.id;
        let handle = self.hands.spawn(async move {
            let work = async {
                for (machine, docker) in &places {
                    let source = fetch::source(&context, docker, machine, &deployment.revision).await?;
                    let teller = Teller::new(&context, &deployment);
                    if !docker.has_image(&source.reference).await? {
                        fetch::pull(&context, docker, machine, &source, |progress| teller.tell(progress)).await?;
                    }
                }
                // While what runs still serves: what cannot be fetched takes nothing away.
                if let Some(artifact) = &deployment.revision.descriptor.artifact {
                    let from = crate::artifact::shown(&artifact.url);
                    let progress = Progress { note: Some(format!("the portal fetches the artifact from {from}")), ..deployment.progress.clone() };
                    work::progress(&context.worker, deployment.id, &progress).await?;
                    context.artifacts.fetch(&context.worker, project, artifact).await?;
                }
                Ok(())
            };
            crate::tend::Handed::Pulled(id, work.await)
        });
        self.pulling = Some((id, handle));
    }

    pub(crate) fn end_pull(&mut self) {
        if let Some((_, handle)) = self.pulling.take() {
            handle.abort();
        }
    }

    /// Ends the deployment as failed. What served before serves on or again; that is the plan's business, with the next look.
    pub(crate) async fn fail(&mut self, work: &Work, deployment: &DeploymentWork, reason: Reason) -> Result<(), Trouble> {
        self.end_pull();
        let state = failed_state(work, deployment);
        let stops = deployment.revision.descriptor.update.on_failure == OnFailure::Stop && deployment.state == DeploymentState::Rolling;
        let kept = match (state, &work.revision) {
            _ if stops => "the rollout stops where it is: nothing is replaced until somebody deploys, rolls back or stops it".to_owned(),
            (DeploymentState::RolledBack, Some(before)) => format!("revision {} serves on", before.number),
            _ if work.state == DesiredState::Stopped => "the service stays stopped".to_owned(),
            (_, Some(before)) => format!("revision {} stays what should run", before.number),
            (_, None) => "nothing runs".to_owned(),
        };
        let (first, rest) = reason.message.split_once('\n').map_or((reason.message.as_str(), None), |(first, rest)| (first, Some(rest)));
        let mut message = format!("{}; {kept}", first.trim_end_matches(['.', ':']));
        if let Some(rest) = rest {
            message = format!("{message}. Its last lines:\n{rest}");
        }
        tracing::info!(service = %work.service, environment = %work.environment, code = reason.code, %state, "a deployment failed");
        work::advance(&self.context.worker, deployment.id, state, Some(&Reason::new(reason.code, message))).await?;
        Ok(())
    }

    /// Why the deployment failed, if one of its tasks did: the reason with the last lines of what died. Looks at what is recorded; failures
    /// that were seen in this look are in `self.failure` already.
    pub(crate) async fn failure_of(&mut self, work: &Work, deployment: &DeploymentWork) -> Option<Reason> {
        if let Some((id, reason)) = self.failure.take()
            && id == deployment.id
        {
            return Some(reason);
        }
        let own = work.tasks.iter().filter(|task| task.deployment == Some(deployment.id));
        let bad = own.filter(|task| matches!(task.state, TaskState::Running | TaskState::Restarting));
        let bad = bad.into_iter().find(|task| task.health == model::views::services::TaskHealth::Unhealthy || task.restarts > 0)?;
        let what = if bad.restarts > 0 {
            Reason::new("exited", "its program ended by itself and was started again")
        } else {
            let found = self.context.watches.finding(bad.id);
            let found = match (found, &bad.container, self.docker(bad.machine)) {
                (None, Some(container), Some(docker)) => match docker.inspect(container).await.ok().and_then(|state| state.health.output) {
                    Some(output) => Some(Filter::of(&self.context.worker, bad).await.output(&output)),
                    None => None,
                },
                (found, _, _) => found,
            };
            Reason::new("unhealthy", format!("it did not become healthy: {}", found.as_deref().unwrap_or("its health check failed")))
        };
        Some(self.told(work, bad, what).await)
    }

    /// A task's trouble as a deployment's reason: which task, what, and its last lines; none of the secrets that it got.
    pub(crate) async fn told(&self, work: &Work, task: &work::TaskWork, reason: Reason) -> Reason {
        let filter = Filter::of(&self.context.worker, task).await;
        let lines = self.last_lines(task, &filter).await;
        let mut message = format!("{}.{}: {}", work.service, task.slot, filter.ours(&reason).message);
        if !lines.is_empty() {
            message = format!("{message}\n{lines}");
        }
        Reason::new(reason.code, message)
    }

    /// Judges the rollout and records how far it is. How long to wait before the next look, if time alone changes something.
    pub(crate) async fn settle(&mut self, work: &Work, target: &Target<'_>, tasks: &[Task]) -> Result<Option<Duration>, Trouble> {
        let Some(deployment) = target.deployment else { return Ok(None) };
        let now = self.context.worker.platform().now();
        let monitor = target.revision.descriptor.update.monitor.duration();
        let fits: Vec<_> = work.tasks.iter().filter(|task| target.fits(task)).collect();
        let served_since = fits.iter().filter_map(|task| task.healthy_at.max(task.started_at)).max();
        let verdict = judge(target.replicas(), tasks, served_since, monitor, now);
        let ready = tasks.iter().filter(|task| task.current && task.life == Life::Ready).count();
        if verdict == Verdict::Succeeded {
            self.record_progress(deployment, ready, None).await?;
            work::advance(&self.context.worker, deployment.id, DeploymentState::Succeeded, None).await?;
            return Ok(Some(Duration::ZERO));
        }
        let note = match verdict {
            Verdict::Watching(_) => Some(format!("all tasks serve; they are watched for {} s", monitor.as_secs().max(1))),
            _ => waits_for(work, &fits, tasks),
        };
        self.record_progress(deployment, ready, note).await?;
        Ok(match verdict {
            Verdict::Watching(left) => Some(left),
            _ => None,
        })
    }

    pub(crate) async fn record_progress(&mut self, deployment: &DeploymentWork, ready: usize, note: Option<String>) -> Result<(), Trouble> {
        let total = deployment.revision.descriptor.replicas.into();
        let tasks = Share { done: (ready as u64).min(total), total };
        let before = &deployment.progress;
        if before.tasks == tasks && before.note == note {
            return Ok(());
        }
        let now = Progress { tasks, note, ..before.clone() };
        Ok(work::progress(&self.context.worker, deployment.id, &now).await?)
    }
}

/// What a rollout waits for, for people.
fn waits_for(work: &Work, fits: &[&work::TaskWork], tasks: &[Task]) -> Option<String> {
    let waiting = fits.iter().find(|task| !task.serves());
    if let Some(task) = waiting {
        let what = match task.state {
            TaskState::Preparing => "is being made",
            TaskState::Running => "waits for its health check",
            _ => "is being started again",
        };
        return Some(format!("{}.{} {what}", work.service, task.slot));
    }
    tasks.iter().any(|task| task.life == Life::Ending).then(|| "old tasks are ending".to_owned())
}

/// Writes the progress of a pull down, not too often and never in its way.
struct Teller {
    latest: tokio::sync::watch::Sender<PullProgress>,
    writer: tokio::task::AbortHandle,
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

impl Teller {
    fn new(context: &std::sync::Arc<crate::context::Context>, deployment: &DeploymentWork) -> Self {
        let (latest, mut news) = tokio::sync::watch::channel(PullProgress::default());
        let (worker, id, before) = (context.worker.clone(), deployment.id, deployment.progress.clone());
        let writer = tokio::spawn(async move {
            while news.changed().await.is_ok() {
                let pull = news.borrow_and_update().clone();
                let (current, total) = pull.bytes();
                let done = pull.layers.values().filter(|layer| layer.done).count() as u64;
                let now = Progress {
                    layers: Share { done, total: pull.layers.len() as u64 },
                    bytes: Share { done: current, total },
                    note: Some("the engine pulls the image".to_owned()),
                    ..before.clone()
                };
                if let Err(error) = work::progress(&worker, id, &now).await {
                    tracing::debug!(%error, "the progress of a pull was not recorded");
                }
                tokio::time::sleep(TELL).await;
            }
        });
        Self { latest, writer: writer.abort_handle() }
    }

    fn tell(&self, progress: &PullProgress) {
        self.latest.send_replace(progress.clone());
    }
}

/// An engine that is away, as a deployment's reason.
pub(crate) fn away(message: &str) -> Reason {
    let kind = EngineError::new(Kind::Unreachable, "").kind;
    Reason::new(kind.code(), format!("the engine is away: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(slot: u32, current: bool, life: Life) -> Task {
        let id = uuid::Uuid::from_u128(u128::from(slot) + 1).into();
        Task { id, slot, current, life, container: true, keep: false, busy: false }
    }

    const MONITOR: Duration = Duration::from_secs(10);

    #[test]
    fn a_rollout_is_done_when_all_serve_and_nothing_else_is_left_and_it_was_watched() {
        let now = Millis(100_000);
        let since = Some(Millis(95_000));
        let both = [task(0, true, Life::Ready), task(1, true, Life::Ready)];
        assert_eq!(judge(2, &both, since, MONITOR, now), Verdict::Watching(Duration::from_secs(5)));
        assert_eq!(judge(2, &both, Some(Millis(90_000)), MONITOR, now), Verdict::Succeeded);
        assert_eq!(judge(2, &both, since, Duration::ZERO, now), Verdict::Succeeded);
        assert_eq!(judge(3, &both, since, MONITOR, now), Verdict::Going);
        assert_eq!(judge(1, &both, since, MONITOR, now), Verdict::Going, "one too many");
        let old = [both[0].clone(), both[1].clone(), task(0, false, Life::Ending)];
        assert_eq!(judge(2, &old, Some(Millis(0)), MONITOR, now), Verdict::Going);
        let dead = [both[0].clone(), both[1].clone(), task(0, false, Life::Dead)];
        assert_eq!(judge(2, &dead, Some(Millis(0)), MONITOR, now), Verdict::Succeeded);
    }

    #[test]
    fn two_in_one_slot_are_not_two() {
        let now = Millis(100_000);
        let same = [task(0, true, Life::Ready), task(0, true, Life::Ready)];
        assert_eq!(judge(2, &same, Some(Millis(0)), MONITOR, now), Verdict::Going);
    }
}
