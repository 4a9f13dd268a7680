//! What one copy's turn knows: its job, how far it is, and the asker's permission, which is never older than the step that needs it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::access::{May, can};
use domain::copies::asker_of;
use domain::copies::work::{self, Job};
use domain::images::{Destination, DestinationKey};
use domain::{Error, Topic, Worker};
use model::views::copies::CopyProgress;
use model::views::deployments::Share;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::outside::{Failure, Outside, Retry, Tally};
use crate::registry::Registry;

/// How often progress is written.
const TELL: Duration = Duration::from_millis(1000);
/// How long one copy's turn may be while somebody else waits for a place: a source that crawls keeps it no longer.
const TURN: Duration = Duration::from_secs(2 * 60);
/// What no event tells of is noticed after this.
const CHECK_AGAIN: Duration = Duration::from_secs(10);

/// One copy's turn.
pub(super) struct Context {
    pub worker: Worker,
    pub registry: Registry,
    pub outside: Outside,
    pub job: Job,
    fetched: Tally,
    done: AtomicU64,
    known: Mutex<CopyProgress>,
}

impl Context {
    pub(super) fn new(worker: Worker, registry: Registry, outside: Outside, job: Job) -> Self {
        Self { worker, registry, outside, job, fetched: Tally::default(), done: AtomicU64::new(0), known: Mutex::default() }
    }

    /// The asker's permission as it is now.
    pub(super) async fn may(&self) -> Result<May<can::Push, Destination>, Failure> {
        let platform = self.worker.platform();
        let asked = async {
            let actor = asker_of(platform, &self.job).await?;
            let key = DestinationKey { project: &self.job.project_name, repository: &self.job.repository };
            let may: May<can::Push, Destination> = actor.may(platform, &key).await?;
            // A name that was freed and given out again is another project.
            if may.project.id == self.job.project { Ok(may) } else { Err(Error::NotFound { what: "project" }) }
        };
        asked.await.map_err(|error| self.lost(error))
    }

    fn lost(&self, error: Error) -> Failure {
        let asker = &self.job.asker;
        match error {
            Error::Unauthenticated => {
                let text = format!(
                    "what {asker} asked with no longer holds (account disabled, password changed, or token revoked or expired); ask for the copy again"
                );
                Failure::last("forbidden", text)
            }
            Error::Forbidden(text) => Failure::last("forbidden", format!("{asker} asked for this and may not push here any more: {text}")),
            Error::NotFound { .. } => {
                Failure::last("forbidden", format!("{asker} asked for this and is not a member of the project any more, or it was deleted"))
            }
            other => refused(other),
        }
    }

    /// Bytes that came in this turn are counted here.
    pub(super) fn tally(&self) -> Tally {
        Arc::clone(&self.fetched)
    }

    /// Bytes that came in this turn.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Changes what is known of how far it is.
    pub(super) fn know(&self, change: impl FnOnce(&mut CopyProgress)) {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A blob is here; `before` of its bytes were before this turn.
    pub(super) fn blob_is_here(&self, before: u64) {
        self.done.fetch_add(before, Ordering::Relaxed);
        self.know(|progress| progress.blobs.done += 1);
    }

    /// How far it is, with what happens at the moment.
    pub(super) fn progress(&self, note: Option<String>) -> CopyProgress {
        let mut progress = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let here = self.done.load(Ordering::Relaxed) + self.fetched();
        progress.bytes = Share { done: here.min(progress.bytes.total), total: progress.bytes.total };
        progress.note = note.or(progress.note);
        progress
    }

    /// Writes how far it is, again and again; never ends by itself.
    pub(super) async fn tell(&self) -> Failure {
        let mut told = None;
        loop {
            let progress = self.progress(None);
            if told.as_ref() != Some(&progress) {
                match work::progress(&self.worker, &self.job, &progress).await {
                    Ok(()) => told = Some(progress),
                    Err(error) => tracing::warn!(copy = %self.job.id, %error, "a copy's progress could not be written"),
                }
            }
            tokio::time::sleep(TELL).await;
        }
    }

    /// Resolves when the copy must stop: cancelled, or its asker lost the right to it, or it has had its turn.
    pub(super) async fn stopped(&self) -> Failure {
        let began = Instant::now();
        let mut live = self.worker.platform().live();
        let mut access = self.worker.platform().access_changes();
        loop {
            match work::is_wanted(&self.worker, &self.job).await {
                Ok(true) => {}
                Ok(false) => return Failure::last("cancelled", "it was cancelled"),
                Err(error) => tracing::warn!(copy = %self.job.id, %error, "whether a copy is still wanted could not be read"),
            }
            if let Err(failure) = self.may().await
                && failure.retry == Retry::Never
            {
                return failure;
            }
            if began.elapsed() >= TURN && matches!(work::others_wait(&self.worker, &self.job, super::OF_ONE).await, Ok(true)) {
                return Failure::new("turn", "others wait too; it goes on after them where it was", Retry::After(CHECK_AGAIN));
            }
            let topic = Topic::Copies(self.job.project);
            let changed = async {
                loop {
                    match live.recv().await {
                        Ok(changed) if changed != topic => {}
                        Err(RecvError::Closed) => std::future::pending().await,
                        _ => return,
                    }
                }
            };
            tokio::select! {
                () = changed => {}
                _ = access.due() => {}
                () = tokio::time::sleep(CHECK_AGAIN) => {}
            }
        }
    }
}

/// A refusal of our own side, as the reason of a copy.
pub(super) fn refused(error: Error) -> Failure {
    match error {
        Error::Conflict { code, message } => Failure::last(code, message),
        Error::TooLarge(message) => Failure::last("too_large", message),
        Error::Forbidden(message) => Failure::last("forbidden", message),
        Error::TooMany { retry_after } => Failure::new("too_many", "the portal is busy", Retry::After(Duration::from_secs(retry_after))),
        Error::Unavailable(message) if message.starts_with("the disk is full") => disk_full(),
        Error::TooManyOpen(message) | Error::Unavailable(message) => Failure::passing("unavailable", message),
        Error::Invalid(_) | Error::NotFound { .. } | Error::Unauthenticated => Failure::last("refused", error.to_string()),
        Error::Internal(cause) => {
            tracing::error!(cause, "a copy failed");
            Failure::passing("internal", "something went wrong on our side; the log has the details")
        }
    }
}

/// A failure of the disk, as the reason of a copy.
pub(super) fn disk(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => disk_full(),
        _ => refused(error.into()),
    }
}

fn disk_full() -> Failure {
    Failure::last("disk_full", "the portal's disk is full; an operator must make room, then ask for the copy again")
}
