//! What images are made of and what tags named, kept for the lineage: chains of layers, and the moves of tags. Written in the
//! transaction of the push; for what was pushed before there were chains a loop does it later, as often as it likes.

use domain::db::{BATCH, Tx, placeholder_rows};
use domain::images::chains::{Chain, chains};
use domain::{Result, Worker, args};
use model::digest::Digest;
use model::ids::RepositoryId;
use model::manifest::Manifest;
use model::manifest::config::ImageConfig;
use model::names::TagName;
use model::time::Millis;

/// So many moves of one tag are kept (an index counts once for each of its images); older ones are forgotten.
const MOVES_KEPT: i64 = 200;
/// So many images of one index take part.
const OF_INDEX: i64 = 64;

/// Keeps the chains of a manifest that was just written, if it is an image; answers that of the whole image.
pub(super) async fn insert(
    tx: &mut Tx,
    repository: RepositoryId,
    digest: &Digest,
    manifest: &Manifest,
    config: Option<&ImageConfig>,
) -> Result<Option<Chain>> {
    let all = if manifest.has_image_config() { chains(config, &manifest.layers) } else { Vec::new() };
    write(tx, repository, digest, &all).await?;
    Ok(all.last().copied())
}

async fn write(tx: &mut Tx, repository: RepositoryId, digest: &Digest, all: &[Chain]) -> Result<()> {
    const COLUMNS: usize = 4;
    for (batch, some) in all.chunks(BATCH / COLUMNS).enumerate() {
        let mut arguments = Vec::with_capacity(some.len() * COLUMNS);
        for (at, chain) in some.iter().enumerate() {
            arguments.extend(args![repository, digest, (batch * (BATCH / COLUMNS) + at) as i64, *chain]);
        }
        let rows = placeholder_rows(some.len(), COLUMNS);
        let sql = format!("INSERT INTO image_layers (repository_id, manifest, position, chain) VALUES {rows} ON CONFLICT DO NOTHING");
        tx.exec(sql, arguments).await?;
    }
    let sql = "UPDATE manifests SET layered = TRUE, chain = $3 WHERE repository_id = $1 AND digest = $2";
    tx.exec(sql, args![repository, digest, all.last().copied()]).await?;
    Ok(())
}

/// What the tag names now, before a push moves it. The caller holds the repository's row, so nobody else moves it meanwhile.
pub(super) async fn named_by(tx: &mut Tx, repository: RepositoryId, tag: &TagName) -> Result<Option<Digest>> {
    let sql = "SELECT digest FROM tags WHERE repository_id = $1 AND name = $2";
    tx.opt(sql, args![repository, tag], |row| row.get("digest")).await
}

/// Keeps that the tag names `digest` from now on.
pub(super) async fn moved(tx: &mut Tx, repository: RepositoryId, tag: &TagName, digest: &Digest, now: Millis) -> Result<()> {
    let sql = "INSERT INTO tag_moves (repository_id, name, digest, chain, since)
               SELECT DISTINCT m.repository_id, $2, $3, m.chain, $4 FROM manifests m
               WHERE m.repository_id = $1 AND m.chain IS NOT NULL AND m.digest IN (SELECT o.digest FROM (
                   SELECT $3 AS digest, -1 AS position UNION ALL
                   SELECT p.digest, p.position FROM manifest_parts p WHERE p.repository_id = $1 AND p.manifest = $3 AND p.role = 'manifest'
               ) o ORDER BY o.position LIMIT $5)
               ON CONFLICT (repository_id, name, digest, chain) DO UPDATE SET since = excluded.since";
    tx.exec(sql, args![repository, tag, digest, now, OF_INDEX]).await?;
    let sql = "DELETE FROM tag_moves WHERE repository_id = $1 AND name = $2 AND digest <> $4 AND since <
                   (SELECT o.since FROM tag_moves o WHERE o.repository_id = $1 AND o.name = $2 ORDER BY o.since DESC LIMIT 1 OFFSET $3)";
    tx.exec(sql, args![repository, tag, MOVES_KEPT, digest]).await?;
    Ok(())
}

/// An image whose chains are not derived yet.
pub struct Unlayered {
    /// Its repository.
    pub repository: RepositoryId,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// Images whose chains are not derived yet, at most `count`.
pub async fn unlayered(worker: &Worker, count: u32) -> Result<Vec<Unlayered>> {
    let sql = "SELECT repository_id, digest, media_type, body FROM manifests WHERE NOT layered ORDER BY repository_id, digest LIMIT $1";
    let mut tx = worker.platform().read().await?;
    tx.all(sql, args![count], |row| {
        Ok(Unlayered {
            repository: row.get("repository_id")?,
            digest: row.get("digest")?,
            media_type: row.get("media_type")?,
            body: row.get("body")?,
        })
    })
    .await
}

/// Keeps the chains of an image that was pushed before, with what its configuration says more than was kept then, and that the tags
/// which name it do so since they were pushed.
pub async fn derive(worker: &Worker, image: &Unlayered, manifest: Option<&Manifest>, config: Option<&ImageConfig>) -> Result<()> {
    let mut change = worker.change().await?;
    // A push or deletion may have been faster; then the row is as it should be, or gone.
    let sql = "SELECT chain FROM manifests WHERE repository_id = $1 AND digest = $2 AND NOT layered FOR UPDATE";
    let Some(before) = change.opt(sql, args![image.repository, &image.digest], |row| row.get::<Option<Chain>>("chain")).await? else {
        return Ok(());
    };
    if let Some(config) = config.and_then(|config| serde_json::to_string(config).ok()) {
        let sql = "UPDATE manifests SET config = $3 WHERE repository_id = $1 AND digest = $2";
        change.exec(sql, args![image.repository, &image.digest, config]).await?;
    }
    let now = match manifest {
        Some(manifest) => insert(&mut change, image.repository, &image.digest, manifest, config).await?,
        None => {
            write(&mut change, image.repository, &image.digest, &[]).await?;
            None
        }
    };
    if let Some(before) = before.filter(|before| Some(*before) != now) {
        rename(&mut change, image, before, now).await?;
    }
    let sql = "INSERT INTO tag_moves (repository_id, name, digest, chain, since)
               SELECT t.repository_id, t.name, t.digest, m.chain, t.pushed_at FROM manifests m JOIN tags t ON t.repository_id = m.repository_id
               WHERE m.repository_id = $1 AND m.digest = $2 AND m.chain IS NOT NULL AND t.digest IN (
                   SELECT $2 UNION ALL SELECT p.manifest FROM manifest_parts p WHERE p.repository_id = $1 AND p.digest = $2 AND p.role = 'manifest')
               ON CONFLICT DO NOTHING";
    change.exec(sql, args![image.repository, &image.digest]).await?;
    change.finish().await
}

/// What tags named is known by the chain that the image has now instead of the one that it had.
async fn rename(tx: &mut Tx, image: &Unlayered, before: Chain, now: Option<Chain>) -> Result<()> {
    let moves = "repository_id = $1 AND chain = $3 AND digest IN (
        SELECT $2 UNION ALL SELECT p.manifest FROM manifest_parts p WHERE p.repository_id = $1 AND p.digest = $2 AND p.role = 'manifest')";
    if let Some(now) = now {
        let sql = format!(
            "INSERT INTO tag_moves (repository_id, name, digest, chain, since)
             SELECT repository_id, name, digest, $4, since FROM tag_moves WHERE {moves} ON CONFLICT DO NOTHING"
        );
        tx.exec(sql, args![image.repository, &image.digest, before, now]).await?;
    }
    tx.exec(format!("DELETE FROM tag_moves WHERE {moves}"), args![image.repository, &image.digest, before]).await?;
    Ok(())
}

/// Forgets moves of tags that are gone, to contents on which nothing stands any more; answers how many. At most `count` at once.
pub async fn forget_moves(worker: &Worker, count: u32) -> Result<u64> {
    let idle = "NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = v.repository_id AND t.name = v.name)
                AND NOT EXISTS (SELECT 1 FROM image_layers l WHERE l.chain = v.chain)";
    let sql = format!("SELECT v.repository_id, v.name, v.digest, v.chain FROM tag_moves v WHERE {idle} LIMIT $1");
    let mut tx = worker.platform().read().await?;
    let found = tx.all(sql, args![count], |row| {
        Ok((row.get::<RepositoryId>("repository_id")?, row.get::<TagName>("name")?, row.get::<Digest>("digest")?, row.get::<Chain>("chain")?))
    });
    let found = found.await?;
    drop(tx);
    if found.is_empty() {
        return Ok(0);
    }
    let mut change = worker.change().await?;
    let sql = format!("DELETE FROM tag_moves AS v WHERE v.repository_id = $1 AND v.name = $2 AND v.digest = $3 AND v.chain = $4 AND {idle}");
    let mut gone = 0;
    for (repository, name, digest, chain) in found {
        gone += change.exec(sql.clone(), args![repository, name, digest, chain]).await?;
    }
    change.finish().await?;
    Ok(gone)
}
