//! What images are built on. Image B stands on A where all of A's layers are B's lowest ones and B has more; chains make that one look
//! into an index ([`super::chains`]). Names come from the moves of tags: what a tag named once counts, and so does what is gone by now.
//!
//! A repository is no base of its own images: its tags are versions of one thing. Of several repositories that brought the same layers
//! in, the first that its reader may see is their owner; layers of projects that the reader may not see are another project's, without a
//! name. A base is outdated where a tag that named it names something else now, on which the image does not stand either.

mod project;
mod stack;
#[cfg(test)]
mod tests;

use model::digest::Digest;
use model::ids::RepositoryId;
use model::manifest::Kind;
use model::reference::Reference;
use model::views::lineage::{ChildView, ImageLineage};

pub use project::of_project;

use self::stack::{Images, Layers};
use super::chains::Chain;
use super::{Repository, detail};
use crate::access::{May, Visible, can};
use crate::args;
use crate::db::{Tx, Value, placeholder_rows, placeholders};
use crate::error::Result;
use crate::platform::Platform;

/// Most images of one index whose stacks are shown.
const STACKS: usize = 16;
/// Parts of one index among which its images are looked for.
const PARTS: usize = 500;
/// Repositories with something built on an image that are listed.
const CHILDREN: usize = 50;
/// Images that are looked at to find them.
const CHILDREN_LOOKED_AT: i64 = 5_000;
/// Newest moves to one stack in one repository that are looked at for the same.
const MOVES_LOOKED_AT: i64 = 50;
/// What builders write for a manifest of an index that is no image: an attestation.
const NO_PLATFORM: &str = "unknown/unknown";

/// The lineage of one image.
pub async fn of_image(platform: &Platform, may: &May<can::Pull, Repository>, reference: &Reference) -> Result<ImageLineage> {
    let visible = may.actor().visible::<can::Pull>()?;
    let mut tx = platform.read().await?;
    let digest = detail::digest(&mut tx, may, reference).await?;
    let images = images(&mut tx, &[(may.id, digest)], STACKS).await?;
    let layers = stack::layers(&mut tx, &images).await?;
    let named = stack::named(&mut tx, &visible, layers.iter().flat_map(Layers::below)).await?;
    let stacks: Vec<_> = layers.iter().map(|layers| layers.view(&named)).collect();
    let tops: Vec<Chain> = layers.iter().filter_map(Layers::top).collect();
    let (children, more_children) = children(&mut tx, &visible, may.id, &tops).await?;
    let unfinished = unfinished(&mut tx, "m.repository_id = $1", may.id).await?;
    Ok(ImageLineage { stacks, children, more_children, unfinished })
}

/// The images that manifests are or list, with their platforms; at most `most` for each.
async fn images(tx: &mut Tx, manifests: &[(RepositoryId, Digest)], most: usize) -> Result<Images> {
    let mut all = Images::default();
    for some in manifests.chunks(200) {
        let (wanted, arguments) = pairs(some);
        // Indexes list what they like; only what is shown is read.
        let sql = format!(
            "WITH wanted (repository_id, digest) AS (VALUES {wanted})
             SELECT x.* FROM (
                 SELECT m.repository_id, m.digest AS whole, m.kind, p.digest, p.platform, p.position,
                     ROW_NUMBER() OVER (PARTITION BY m.repository_id, m.digest ORDER BY p.position) AS nth
                 FROM wanted w JOIN manifests m ON m.repository_id = w.repository_id AND m.digest = w.digest
                 LEFT JOIN manifest_parts p ON p.repository_id = m.repository_id AND p.manifest = m.digest AND p.role = 'manifest'
                     AND m.kind = 'index' AND p.position < {PARTS} AND COALESCE(p.platform, '') <> '{NO_PLATFORM}'
             ) x WHERE x.nth <= {most} ORDER BY x.repository_id, x.whole, x.position"
        );
        let rows = tx.all(sql, arguments, |row| {
            let (repository, whole): (RepositoryId, Digest) = (row.get("repository_id")?, row.get("whole")?);
            let (kind, part): (Kind, Option<Digest>) = (row.get("kind")?, row.get("digest")?);
            Ok((repository, whole, kind, part, row.get::<Option<String>>("platform")?))
        });
        for (repository, whole, kind, part, platform) in rows.await? {
            match (kind, part) {
                (Kind::Index, Some(part)) => all.add(repository, whole, part, platform),
                (Kind::Image, _) => all.add(repository, whole, whole, None),
                _ => {}
            }
        }
    }
    Ok(all)
}

/// `($1, $2), ($3, $4)` and the values.
fn pairs(some: &[(RepositoryId, Digest)]) -> (String, Vec<Value>) {
    let values = some.iter().flat_map(|(repository, digest)| args![*repository, digest]).collect();
    (placeholder_rows(some.len(), 2), values)
}

/// Of each repository in which something stands on one of these stacks the tag that was moved last, and whether there is more.
async fn children(tx: &mut Tx, visible: &Visible<can::Pull>, own: RepositoryId, tops: &[Chain]) -> Result<(Vec<ChildView>, bool)> {
    if tops.is_empty() {
        return Ok((Vec::new(), false));
    }
    let list = placeholders(3, tops.len());
    let mut arguments = args![own, CHILDREN as i64 + 1];
    arguments.extend(tops.iter().map(|chain| Value::from(*chain)));
    let (seen, mut more) = visible.condition("p", arguments.len() + 1);
    arguments.append(&mut more);
    let sql = format!(
        "SELECT x.project, x.repository, x.tag, x.digest, x.since FROM (
             SELECT p.name AS project, r.name AS repository, t.name AS tag, t.digest, v.since,
                 ROW_NUMBER() OVER (PARTITION BY r.id ORDER BY v.since DESC, t.name DESC) AS nth
             FROM (SELECT DISTINCT m.repository_id, m.chain
                   FROM (SELECT l.repository_id, l.manifest, l.chain FROM image_layers l WHERE l.chain IN ({list}) LIMIT {CHILDREN_LOOKED_AT}) l
                   JOIN manifests m ON m.repository_id = l.repository_id AND m.digest = l.manifest AND m.chain <> l.chain) l
             JOIN tag_moves v ON v.chain = l.chain AND v.repository_id = l.repository_id AND v.since >= COALESCE(
                 (SELECT o.since FROM tag_moves o WHERE o.chain = l.chain AND o.repository_id = l.repository_id
                  ORDER BY o.since DESC LIMIT 1 OFFSET {MOVES_LOOKED_AT}), 0)
             JOIN tags t ON t.repository_id = v.repository_id AND t.name = v.name AND t.digest = v.digest
             JOIN repositories r ON r.id = l.repository_id AND r.deleted_at IS NULL JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
             WHERE r.id <> $1 AND {seen}
         ) x WHERE x.nth = 1 ORDER BY x.since DESC, x.repository LIMIT $2"
    );
    let rows = tx.all(sql, arguments, |row| {
        Ok(ChildView {
            project: row.get("project")?,
            repository: row.get("repository")?,
            tag: row.get("tag")?,
            digest: row.get("digest")?,
            since: row.get("since")?,
        })
    });
    let mut rows = rows.await?;
    let more = rows.len() > CHILDREN;
    rows.truncate(CHILDREN);
    Ok((rows, more))
}

/// Whether layers of some image are still to be written down.
async fn unfinished(tx: &mut Tx, condition: &str, id: impl Into<Value>) -> Result<bool> {
    let sql = format!(
        "SELECT m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id AND r.deleted_at IS NULL WHERE NOT m.layered AND {condition} LIMIT 1"
    );
    Ok(tx.opt(sql, vec![id.into()], |row| row.get::<Digest>("digest")).await?.is_some())
}
