//! How many bytes a project keeps: those of each blob once, in however many of its repositories it lies. Counted where a repository comes to
//! hold a blob and where it lets go of it, in the same transaction, so that the number is never guessed and a limit is never overrun.
//!
//! Whoever holds or lets go takes the project's turn first ([`turn`]): between two of them in one project nothing changes, on either
//! database. The turn comes after the lock of a repository's row, where both are taken, and before that of any blob.

use model::digest::Digest;
use model::ids::ProjectId;
use model::quantity::shown_bytes;

use crate::args;
use crate::db::{BATCH, Row, Tx, placeholders};
use crate::error::{Error, Result};
use crate::projects::Project;

/// What a project keeps now, and may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of its blobs, each once.
    pub bytes: i64,
    /// How many they may be; none: as many as the disk takes.
    pub limit: Option<i64>,
}

impl Usage {
    /// Bytes that still fit; none: as many as the disk takes.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        self.limit.map(|limit| u64::try_from(limit.saturating_sub(self.bytes)).unwrap_or(0))
    }

    /// The refusal of a blob of at least `more` bytes: what docker prints to who pushed them.
    #[must_use]
    pub fn refusal(&self, project: &Project, more: u64) -> Error {
        self.refused(project, if more > 1 { format!(", and this blob has at least {}", shown_bytes(more)) } else { String::new() })
    }

    /// The refusal of an image of which so many bytes are not kept yet.
    #[must_use]
    pub fn refusal_of_image(&self, project: &Project, more: u64) -> Error {
        self.refused(project, format!(", and this image needs {} more", shown_bytes(more)))
    }

    fn refused(&self, project: &Project, more: String) -> Error {
        let shown = |bytes: i64| shown_bytes(u64::try_from(bytes).unwrap_or(0));
        let limit = self.limit.unwrap_or(i64::MAX);
        Error::Forbidden(format!(
            "the quota of project {} is used up: it keeps {} of {}{more}; delete what is not needed (it counts until the registry's next collection), or ask an operator for more",
            project.name,
            shown(self.bytes),
            shown(limit),
        ))
    }
}

fn usage(row: &Row<'_>) -> Result<Usage> {
    Ok(Usage { bytes: row.get("bytes")?, limit: row.get("bytes_limit")? })
}

/// What the project keeps, without taking its turn: good for a refusal before anything is sent, and for no more.
pub async fn glance(tx: &mut Tx, project: ProjectId) -> Result<Usage> {
    let found = tx.opt("SELECT bytes, bytes_limit FROM project_usage WHERE project_id = $1", args![project], usage).await?;
    Ok(found.unwrap_or(Usage { bytes: 0, limit: None }))
}

/// Takes the project's turn: until the transaction ends, nobody else holds a blob in it or lets go of one.
pub async fn turn(tx: &mut Tx, project: ProjectId) -> Result<Usage> {
    let sql = "INSERT INTO project_usage (project_id, bytes) VALUES ($1, 0)
               ON CONFLICT (project_id) DO UPDATE SET bytes = project_usage.bytes RETURNING bytes, bytes_limit";
    tx.one(sql, args![project], usage).await
}

/// One more repository of the project holds the blob. Call it once for each that did not, in the project's turn.
///
/// # Errors
/// `Forbidden` where the project would keep more than it may.
pub async fn hold(tx: &mut Tx, project: &Project, usage: Usage, digest: &Digest, size: u64) -> Result<()> {
    let bytes = i64::try_from(size).map_err(|_| Error::TooLarge("the blob is too large".into()))?;
    let sql = "INSERT INTO project_blobs (project_id, digest, size, holders) VALUES ($1, $2, $3, 1)
               ON CONFLICT (project_id, digest) DO UPDATE SET holders = project_blobs.holders + 1 RETURNING holders";
    let holders: i64 = tx.one(sql, args![project.id, digest, bytes], |row| row.get("holders")).await?;
    if holders > 1 {
        return Ok(());
    }
    if usage.left().is_some_and(|left| size > left) {
        return Err(usage.refusal(project, size));
    }
    tx.exec("UPDATE project_usage SET bytes = bytes + $2 WHERE project_id = $1", args![project.id, bytes]).await?;
    Ok(())
}

/// One repository fewer of the project holds each of these blobs. In the project's turn.
pub async fn let_go(tx: &mut Tx, project: ProjectId, digests: &[Digest]) -> Result<()> {
    if digests.is_empty() {
        return Ok(());
    }
    let mut freed = 0;
    for some in digests.chunks(BATCH) {
        let list = placeholders(2, some.len());
        let mut arguments = args![project];
        arguments.extend(some.iter().map(Into::into));
        tx.exec(format!("UPDATE project_blobs SET holders = holders - 1 WHERE project_id = $1 AND digest IN ({list})"), arguments.clone()).await?;
        let sql = format!("DELETE FROM project_blobs WHERE project_id = $1 AND holders <= 0 AND digest IN ({list}) RETURNING size");
        freed += tx.all(sql, arguments, |row| row.get::<i64>("size")).await?.iter().sum::<i64>();
    }
    give_back(tx, project, freed).await
}

async fn give_back(tx: &mut Tx, project: ProjectId, freed: i64) -> Result<()> {
    if freed > 0 {
        tx.exec("UPDATE project_usage SET bytes = bytes - $2 WHERE project_id = $1", args![project, freed]).await?;
    }
    Ok(())
}
