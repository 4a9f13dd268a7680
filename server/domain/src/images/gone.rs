//! Whether what was named can still be had. Histories name what was there once: links lead to what still is.

use std::collections::BTreeSet;

use model::names::{ProjectName, RepositoryPath};
use model::reference::Reference;

use super::RepositoryKey;
use crate::access::{Key, Visible, can};
use crate::error::Result;
use crate::platform::Platform;

/// A tag or digest with its repository and project.
pub type Name = (ProjectName, RepositoryPath, Reference);

/// Those of these names that nothing answers to any more, as `project/repository:tag` and `project/repository@digest`. The caller has seen them in a view, so
/// they may know whether they are gone; the proof that they may pull at all stands for that.
pub async fn gone(platform: &Platform, _: &Visible<can::Pull>, names: impl IntoIterator<Item = Name>) -> Result<BTreeSet<String>> {
    let mut tx = platform.read().await?;
    let (mut gone, mut looked_at) = (BTreeSet::new(), BTreeSet::new());
    for (project, path, reference) in names {
        let text = match &reference {
            Reference::Tag(tag) => format!("{project}/{path}:{tag}"),
            Reference::Digest(digest) => format!("{project}/{path}@{digest}"),
        };
        if !looked_at.insert(text.clone()) {
            continue;
        }
        let found = match (RepositoryKey { project: &project, repository: &path }).find(&mut tx).await? {
            Some(repository) => super::find(&mut tx, repository.id, &reference).await?,
            None => None,
        };
        if found.is_none() {
            gone.insert(text);
        }
    }
    Ok(gone)
}
