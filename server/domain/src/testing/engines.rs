//! The engines of a test: it says what it is about, and everything else is not here.

use std::collections::BTreeSet;

use async_trait::async_trait;
use model::names::{ProjectName, RepositoryPath};
use model::secret::Secret;
use model::views::inspect::{ChangesQuery, ChangesView, FilePath, FileView, ProcessesView};
use model::views::services::ForeignContainers;

use crate::error::{Error, Result};
use crate::ports::{Described, Engines, FileBytes, Hidden, Place, PullGrants, Shell, ShellKeeper, ShellOrder, Trial, TrialOrder};

/// What of [`Engines`] tests are about.
#[async_trait]
pub(crate) trait SomeEngines: Send + Sync {
    async fn shell(&self, _: &Place, _: &ShellOrder, _: &dyn ShellKeeper) -> Result<Shell> {
        Err(not_here())
    }

    async fn end_shell(&self, _: &Place, _: &str) -> Result<()> {
        Err(not_here())
    }

    async fn try_door(&self, _: &TrialOrder) -> Trial {
        Trial::default()
    }
}

fn not_here() -> Error {
    Error::Unavailable("not here".into())
}

#[async_trait]
impl<T: SomeEngines> Engines for T {
    async fn inspect(&self, _: &Place, _: &Hidden) -> Result<serde_json::Value> {
        Err(not_here())
    }

    async fn describe(&self, _: &Place) -> Result<Described> {
        Err(not_here())
    }

    async fn processes(&self, _: &Place, _: &Hidden) -> Result<ProcessesView> {
        Err(not_here())
    }

    async fn changes(&self, _: &Place, _: &ChangesQuery, _: &Hidden) -> Result<ChangesView> {
        Err(not_here())
    }

    async fn find_file(&self, _: &Place, _: &FilePath) -> Result<FileView> {
        Err(not_here())
    }

    async fn file(&self, _: &Place, _: &FilePath) -> Result<FileBytes> {
        Err(not_here())
    }

    async fn foreign(&self, _: &str, _: &BTreeSet<String>) -> ForeignContainers {
        ForeignContainers::default()
    }

    async fn shell(&self, place: &Place, order: &ShellOrder, keeper: &dyn ShellKeeper) -> Result<Shell> {
        SomeEngines::shell(self, place, order, keeper).await
    }

    async fn end_shell(&self, place: &Place, mark: &str) -> Result<()> {
        SomeEngines::end_shell(self, place, mark).await
    }

    async fn try_door(&self, order: &TrialOrder) -> Trial {
        SomeEngines::try_door(self, order).await
    }
}

impl<T: SomeEngines> PullGrants for T {
    fn pull_grant(&self, _: &ProjectName, _: &RepositoryPath) -> Secret {
        Secret::new("grant")
    }
}
