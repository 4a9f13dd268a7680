//! What a scrub found: blobs whose content is not what their digest says.

use domain::{Result, Worker, args};
use model::digest::Digest;

/// Notes that the blob is damaged. False: there is no such blob any more.
pub async fn note(worker: &Worker, digest: &Digest) -> Result<bool> {
    let mut tx = worker.change().await?;
    let sql = "UPDATE blobs SET damaged_at = COALESCE(damaged_at, $2) WHERE digest = $1";
    let noted = tx.exec(sql, args![digest, worker.platform().now()]).await?;
    tx.finish().await?;
    Ok(noted > 0)
}

/// Notes that the blob is right again. False: it was not noted as damaged.
pub async fn clear(worker: &Worker, digest: &Digest) -> Result<bool> {
    let mut tx = worker.change().await?;
    let cleared = tx.exec("UPDATE blobs SET damaged_at = NULL WHERE digest = $1 AND damaged_at IS NOT NULL", args![digest]).await?;
    tx.finish().await?;
    Ok(cleared > 0)
}
