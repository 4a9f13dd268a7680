//! Counts of pulls, written many at a time.

use domain::{Result, Worker, args};

use crate::pulls::Counted;

/// Adds what was counted since the last time. What is gone meanwhile is passed over.
pub async fn write_pulls(worker: &Worker, counted: &[Counted]) -> Result<()> {
    if counted.is_empty() {
        return Ok(());
    }
    let mut tx = worker.change().await?;
    // In one order, and the repository's row before its manifests', as a push takes them: else the two could wait for each other.
    let mut counted: Vec<&Counted> = counted.iter().collect();
    counted.sort_by_key(|one| (one.repository, one.digest));
    for one in counted {
        // Who pulls an index pulls one of its manifests next: that is one pull of the repository, not two.
        let sql = "UPDATE repositories SET pulled_at = $4, pulls = pulls + CASE WHEN EXISTS (SELECT 1 FROM manifest_parts p
                       WHERE p.repository_id = $1 AND p.digest = $2 AND p.role = 'manifest') THEN 0 ELSE $3 END WHERE id = $1";
        tx.exec(sql, args![one.repository, &one.digest, one.times, one.last]).await?;
        let sql = "UPDATE manifests SET pulls = pulls + $3, pulled_at = $4 WHERE repository_id = $1 AND digest = $2";
        tx.exec(sql, args![one.repository, &one.digest, one.times, one.last]).await?;
    }
    tx.finish().await
}
