//! The registry's rows. Each function takes the handle that the permission check gave, never an id; SQL is written here and in
//! the files below, and nowhere else in this crate.
//!
//! What is audited: that something appears in a repository, moves or goes (a manifest, a tag, a blob taken out by hand). Bytes on
//! their way (an upload, a blob that came to be held, a repository that holds nothing but these yet, counts of pulls) are bookkeeping:
//! nobody but the pusher sees them before the manifest that names them.

use domain::db::Tx;
use domain::images::{Destination, usage};
use domain::{Error, Platform, Result, args};
use model::ids::RepositoryId;

mod blobs;
pub mod collect;
pub mod damage;
mod layers;
mod lists;
mod manifests;
mod pulls;

pub use blobs::{glance, held_size, hold, is_held_somewhere_visible, may_keep, promised_size, release, would_overrun};
pub use layers::{Unlayered, derive, forget_moves, unlayered};
pub use lists::{Referrer, catalog, referrers, tags};
pub use manifests::{CHANGED, Pushed, Stored, find, may_tag, missing_parts, put};
pub use pulls::write_pulls;

/// The repository of a destination, if it is there.
async fn find_repository(tx: &mut Tx, destination: &Destination) -> Result<Option<RepositoryId>> {
    let find = "SELECT id FROM repositories WHERE project_id = $1 AND name = $2";
    tx.opt(find, args![destination.project.id, &destination.path], |row| row.get("id")).await
}

/// Makes the repository of a destination, in a transaction of its own.
async fn make_repository(platform: &Platform, destination: &Destination) -> Result<()> {
    let mut tx = platform.bookkeeping().await?;
    usage::turn(&mut tx, destination.project.id).await?;
    repository(&mut tx, platform, destination).await?;
    tx.finish().await
}

/// The repository of a destination that may be pushed to, made if it is not there yet. In the project's turn, which nobody takes who waits for
/// one that is being made.
async fn repository(tx: &mut Tx, platform: &Platform, destination: &Destination) -> Result<RepositoryId> {
    if let Some(id) = find_repository(tx, destination).await? {
        return Ok(id);
    }
    let id: RepositoryId = platform.new_id();
    let make = "INSERT INTO repositories (id, project_id, name, created_at, pulls) VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING";
    tx.exec(make, args![id, destination.project.id, &destination.path, platform.now()]).await?;
    // Another portal's push may have been faster.
    find_repository(tx, destination).await?.ok_or_else(|| Error::internal("a repository that was just made is missing"))
}
