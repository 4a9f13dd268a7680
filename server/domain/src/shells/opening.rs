//! How a shell comes on record: before its command runs, its row with the mark by which its processes are found again is committed, and its recording
//! has begun. One that cannot be opened after that has an end in its row.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use model::ids::ShellId;

use super::recording::{Header, Recorder};
use super::{Ending, Order, rows};
use crate::access::{May, can};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::ports::{Place, ShellKeeper};
use crate::services::Task;

/// Puts a shell on record when the engine is ready to begin it, and begins its recording.
pub(super) struct Opening<'a> {
    platform: &'a Platform,
    may: &'a May<can::OpenShell, Task>,
    order: &'a Order,
    id: ShellId,
    place: &'a Place,
    begun: Mutex<Begun>,
}

/// What there is of a shell that is being opened.
#[derive(Default)]
struct Begun {
    recorder: Option<Recorder>,
    /// Its row is there, with this mark.
    mark: Option<String>,
}

impl<'a> Opening<'a> {
    pub(super) fn new(platform: &'a Platform, may: &'a May<can::OpenShell, Task>, order: &'a Order, id: ShellId, place: &'a Place) -> Self {
        Self { platform, may, order, id, place, begun: Mutex::default() }
    }

    /// It is open: its recording goes on.
    pub(super) fn into_recorder(self) -> Option<Recorder> {
        self.begun.into_inner().unwrap_or_else(PoisonError::into_inner).recorder
    }

    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It could not be opened. Where it is on record already, what may be left of it is ended, and its row says so.
    pub(super) async fn give_up(&self, error: &Error) {
        let Begun { recorder, mark } = std::mem::take(&mut *self.begun());
        let Some(mark) = mark else { return };
        let ended = self.platform.engines().end_shell(self.place, &mark).await;
        if let Err(error) = &ended {
            tracing::warn!(%error, shell = %self.id, "a shell that could not be opened could not be ended either; it is tried again");
        }
        let bytes = match recorder {
            Some(recorder) => recorder.finish().await,
            None => 0,
        };
        let (project, service) = (self.may.service.project.id, self.may.service.id);
        let row = rows::Over { shell: self.id, project, service, ending: &Ending::lost_engine(error), bytes, ended: ended.is_ok() };
        if let Err(error) = row.write(self.platform).await {
            tracing::warn!(%error, shell = %self.id, "the end of a shell could not be written down; it is done again in a moment");
        }
    }

    /// What stands above the recording: where, who, and what for.
    fn title(&self) -> String {
        let may = self.may;
        let title = format!("{} {}.{} by {}", may.service.full_name(), may.environment, may.slot, may.actor().name());
        if self.order.why.is_empty() { title } else { format!("{title}: {}", self.order.why) }
    }
}

#[async_trait]
impl ShellKeeper for Opening<'_> {
    async fn keep(&self, mark: &str) -> Result<()> {
        let Self { platform, may, order, .. } = self;
        let project = may.service.project.id;
        let at = platform.now();
        let recorded = rows::recorded(platform, project).await?;
        if recorded {
            let title = self.title();
            let header = Header { width: order.terminal.columns, height: order.terminal.rows, title, started_at: at };
            let recorder = Recorder::start(platform, project, self.id, header).await?;
            self.begun().recorder = Some(recorder);
        }
        let written = rows::Begun { may, shell: self.id, order, container: self.place.container(), mark, recorded, at }.write(platform).await;
        match written {
            Ok(()) => self.begun().mark = Some(mark.to_owned()),
            // Nothing will be recorded: dropped like this, a recorder leaves no file.
            Err(_) => drop(self.begun().recorder.take()),
        }
        written
    }

    async fn amend(&self, mark: &str) -> Result<()> {
        rows::amend(self.platform, self.id, mark).await?;
        self.begun().mark = Some(mark.to_owned());
        Ok(())
    }
}
