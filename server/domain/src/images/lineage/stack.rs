//! The stack of one image: its layers from the database, the names of what it stands on, and the blocks that they make. The work on
//! many images is done by few statements, each over a bounded list.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::digest::Digest;
use model::ids::RepositoryId;
use model::names::{ProjectName, RepositoryPath, TagName};
use model::time::Millis;
use model::views::images::{Part, PartView};
use model::views::lineage::{BaseView, Block, Level, MovedTag, Owner, StackView};

use super::pairs;
use crate::access::{Visible, can};
use crate::db::{Row, Tx, Value, placeholder_rows};
use crate::error::Result;
use crate::images::chains::Chain;

/// Names of one base that are read: those that were moved last.
const NAMES: i64 = 20;
/// Repositories with one stack among which its owner is looked for: those that were made first. Whoever pushes a base's layers again makes
/// no longer work of other people's pages than this.
const HOLDERS: i64 = 64;
/// Chains that one statement asks for.
const CHAINS: usize = 400;

/// Images, by the manifest that was asked for.
#[derive(Default)]
pub(super) struct Images {
    all: Vec<Image>,
}

/// An image, and the manifest that is it or lists it.
pub(super) struct Image {
    pub repository: RepositoryId,
    pub whole: Digest,
    pub digest: Digest,
    pub platform: Option<String>,
}

impl Images {
    pub(super) fn add(&mut self, repository: RepositoryId, whole: Digest, digest: Digest, platform: Option<String>) {
        self.all.push(Image { repository, whole, digest, platform });
    }

    /// Of each manifest one image: of an index that for most machines, or the first.
    pub(super) fn one_each(self) -> Self {
        let mut chosen: BTreeMap<(String, String), Image> = BTreeMap::new();
        for image in self.all {
            let key = (image.repository.to_string(), image.whole.to_string());
            match chosen.get(&key) {
                Some(before) if before.platform.as_deref() == Some("linux/amd64") || image.platform.as_deref() != Some("linux/amd64") => {}
                _ => _ = chosen.insert(key, image),
            }
        }
        Self { all: chosen.into_values().collect() }
    }
}

/// An image's layers, lowest first, with the chain up to each.
pub(super) struct Layers {
    pub image: Image,
    layers: Vec<(Chain, PartView)>,
}

/// The layers of each image, in the order of the images. An image without chains has none.
pub(super) async fn layers(tx: &mut Tx, images: &Images) -> Result<Vec<Layers>> {
    let mut found: HashMap<(RepositoryId, Digest), Vec<(Chain, PartView)>> = HashMap::new();
    let keys: Vec<_> = images.all.iter().map(|image| (image.repository, image.digest)).collect();
    let distinct: BTreeSet<_> = keys.iter().map(|(repository, digest)| (repository.to_string(), digest)).collect();
    let keys: Vec<_> = if distinct.len() == keys.len() { keys } else { dedup(keys) };
    for some in keys.chunks(100) {
        let (wanted, arguments) = pairs(some);
        let sql = format!(
            "WITH wanted (repository_id, digest) AS (VALUES {wanted})
             SELECT l.repository_id, l.manifest, l.chain, p.role, p.digest, p.media_type, p.size, p.platform FROM wanted w
             JOIN image_layers l ON l.repository_id = w.repository_id AND l.manifest = w.digest
             JOIN manifest_parts p ON p.repository_id = l.repository_id AND p.manifest = l.manifest AND p.position = l.position + 1
             WHERE p.role = '{}' ORDER BY l.repository_id, l.manifest, l.position",
            Part::Layer
        );
        let layer = |row: &Row<'_>| {
            let key: (RepositoryId, Digest) = (row.get("repository_id")?, row.get("manifest")?);
            Ok((key, (row.get::<Chain>("chain")?, crate::images::detail::part(row)?)))
        };
        for (key, layer) in tx.all(sql, arguments, layer).await? {
            found.entry(key).or_default().push(layer);
        }
    }
    let of = |image: &Image| Layers {
        image: Image { repository: image.repository, whole: image.whole, digest: image.digest, platform: image.platform.clone() },
        layers: found.get(&(image.repository, image.digest)).cloned().unwrap_or_default(),
    };
    Ok(images.all.iter().map(of).collect())
}

fn dedup(keys: Vec<(RepositoryId, Digest)>) -> Vec<(RepositoryId, Digest)> {
    let mut seen = std::collections::HashSet::new();
    keys.into_iter().filter(|key| seen.insert(*key)).collect()
}

/// What a tag named once.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub repository: RepositoryId,
    project: ProjectName,
    path: RepositoryPath,
    tag: TagName,
    digest: Digest,
    since: Millis,
    /// Since when the repository has had this stack.
    first: Millis,
    seen: bool,
    /// What the tag names now, since when, and the stacks of that.
    now: Option<(Digest, Millis)>,
    now_chains: Vec<Chain>,
}

/// The names of stacks.
pub(super) type Names = HashMap<Chain, Vec<Named>>;

/// What tags named these stacks, in every project; who reads them decides what is told.
pub(super) async fn named(tx: &mut Tx, visible: &Visible<can::Pull>, chains: impl Iterator<Item = Chain>) -> Result<Names> {
    let chains: Vec<Chain> = chains.collect::<BTreeSet<_>>().into_iter().collect();
    let mut names = Names::new();
    for some in chains.chunks(CHAINS) {
        let wanted = placeholder_rows(some.len(), 1);
        let mut arguments: Vec<Value> = some.iter().map(|chain| Value::from(*chain)).collect();
        let (seen, mut more) = visible.condition("p", arguments.len() + 1);
        arguments.append(&mut more);
        // CROSS JOIN keeps SQLite to this order, in which each step is a look into the index by chain and repository: of no repository more
        // rows are read than are used. Of those that are seen and those that are not two are enough, since one of them may be the image's own.
        let sql = format!(
            "WITH RECURSIVE wanted (chain) AS (VALUES {wanted}),
             holders (chain, repository_id, nth) AS (
                 SELECT w.chain, (SELECT v.repository_id FROM tag_moves v WHERE v.chain = w.chain ORDER BY v.repository_id LIMIT 1), 1
                 FROM wanted w
                 UNION ALL
                 SELECT h.chain, (SELECT v.repository_id FROM tag_moves v WHERE v.chain = h.chain AND v.repository_id > h.repository_id
                                  ORDER BY v.repository_id LIMIT 1), h.nth + 1
                 FROM holders h WHERE h.repository_id IS NOT NULL AND h.nth < {HOLDERS}),
             known AS (
                 SELECT h.chain, h.repository_id, p.name AS project, r.name AS repository,
                     (SELECT v.since FROM tag_moves v WHERE v.chain = h.chain AND v.repository_id = h.repository_id
                      ORDER BY v.since LIMIT 1) AS first_since,
                     CAST(CASE WHEN {seen} THEN 1 ELSE 0 END AS BIGINT) AS seen
                 FROM holders h JOIN repositories r ON r.id = h.repository_id AND r.deleted_at IS NULL JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL),
             owners AS (
                 SELECT k.*, ROW_NUMBER() OVER (PARTITION BY k.chain, k.seen ORDER BY k.first_since, k.repository_id) AS nth FROM known k)
             SELECT x.*, t.digest AS now, COALESCE(n.since, t.pushed_at) AS now_since, n.chain AS now_chain FROM (
                 SELECT o.chain, o.repository_id, o.project, o.repository, v.name, v.digest, v.since, o.first_since, o.seen,
                     ROW_NUMBER() OVER (PARTITION BY v.chain, v.repository_id ORDER BY v.since DESC, v.name) AS nth
                 FROM owners o CROSS JOIN tag_moves v
                 WHERE o.nth <= 2 AND v.chain = o.chain AND v.repository_id = o.repository_id AND v.since >= COALESCE(
                     (SELECT l.since FROM tag_moves l WHERE l.chain = o.chain AND l.repository_id = o.repository_id
                      ORDER BY l.since DESC LIMIT 1 OFFSET {NAMES}), 0)
             ) x LEFT JOIN tags t ON t.repository_id = x.repository_id AND t.name = x.name
             LEFT JOIN tag_moves n ON n.repository_id = t.repository_id AND n.name = t.name AND n.digest = t.digest
             WHERE x.nth <= {NAMES} ORDER BY x.chain, x.repository_id, x.name, x.digest"
        );
        for (chain, one, now_chain) in tx.all(sql, arguments, named_row).await? {
            let all = names.entry(chain).or_default();
            match all.last_mut() {
                Some(last) if (last.repository, &last.tag, last.digest) == (one.repository, &one.tag, one.digest) => {
                    last.now_chains.extend(now_chain)
                }
                _ => all.push(Named { now_chains: now_chain.into_iter().collect(), ..one }),
            }
        }
    }
    Ok(names)
}

fn named_row(row: &Row<'_>) -> Result<(Chain, Named, Option<Chain>)> {
    let now: Option<Digest> = row.get("now")?;
    let named = Named {
        repository: row.get("repository_id")?,
        project: row.get("project")?,
        path: row.get("repository")?,
        tag: row.get("name")?,
        digest: row.get("digest")?,
        since: row.get("since")?,
        first: row.get("first_since")?,
        seen: row.get::<i64>("seen")? == 1,
        now: now.zip(row.get::<Option<Millis>>("now_since")?),
        now_chains: Vec::new(),
    };
    Ok((row.get("chain")?, named, row.get("now_chain")?))
}

/// An owner while the stack is taken apart.
pub(super) enum Found<'a> {
    Image(&'a Named, BaseView),
    Hidden(Chain),
}

/// Bytes of these layers. What manifests claim is anybody's word: more than can be counted is the most that can be.
fn total<'a>(layers: impl IntoIterator<Item = &'a PartView>) -> i64 {
    layers.into_iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
}

impl Layers {
    /// The chains of what it can stand on.
    pub(super) fn below(&self) -> impl Iterator<Item = Chain> + '_ {
        self.layers.iter().take(self.layers.len().saturating_sub(1)).map(|(chain, _)| *chain)
    }

    /// The chain of the whole image.
    pub(super) fn top(&self) -> Option<Chain> {
        self.layers.last().map(|(chain, _)| *chain)
    }

    /// Whether nothing is known of its layers.
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Bytes of all its layers.
    pub(super) fn size(&self) -> i64 {
        self.size_up_to(self.layers.len())
    }

    /// Bytes of its lowest layers.
    pub(super) fn size_up_to(&self, end: usize) -> i64 {
        total(self.layers[..end].iter().map(|(_, layer)| layer))
    }

    /// Who brought its layers in, the lowest first, each with the end of its layers. What is above the last is the image's own.
    pub(super) fn bases<'a>(&self, names: &'a Names) -> Vec<(Found<'a>, usize)> {
        let mut all: Vec<(Found<'a>, usize)> = Vec::new();
        for (at, chain) in self.below().enumerate() {
            let others = || names.get(&chain).into_iter().flatten().filter(|named| named.repository != self.image.repository);
            let found = match others().filter(|named| named.seen).min_by_key(|named| (named.first, named.repository)) {
                Some(first) => Found::Image(first, self.base(first.repository, others())),
                None if others().next().is_some() => Found::Hidden(chain),
                None => continue,
            };
            // Versions of one repository above each other are one block, and so are other projects' images.
            let same = match (all.last(), &found) {
                (Some((Found::Image(before, _), _)), Found::Image(now, _)) => before.repository == now.repository,
                (Some((Found::Hidden(_), _)), Found::Hidden(_)) => true,
                _ => false,
            };
            if same {
                all.pop();
            }
            all.push((found, at + 1));
        }
        all
    }

    fn base<'a>(&self, owner: RepositoryId, named: impl Iterator<Item = &'a Named>) -> BaseView {
        let mut all: Vec<&Named> = named.filter(|named| named.repository == owner).collect();
        let is_current = |named: &Named| named.now.is_some_and(|(now, _)| now == named.digest);
        // The name that still holds, and one that says more than "latest".
        all.sort_by_key(|named| (!is_current(named), named.tag.as_str() == "latest", named.since, named.tag.to_string()));
        let own: BTreeSet<Chain> = self.layers.iter().map(|(chain, _)| *chain).collect();
        let moved = all.iter().filter_map(|named| {
            let (to, at) = named.now.filter(|(now, _)| *now != named.digest)?;
            let stands_on_it = named.now_chains.iter().any(|chain| own.contains(chain));
            (!stands_on_it).then(|| MovedTag { tag: named.tag.clone(), from: named.digest, to, at })
        });
        let moved = moved.collect();
        let best = all[0];
        BaseView {
            project: best.project.clone(),
            repository: best.path.clone(),
            tag: best.tag.clone(),
            digest: best.digest,
            current: is_current(best),
            moved,
        }
    }

    /// The stack as it is shown.
    pub(super) fn view(&self, names: &Names) -> StackView {
        let bases = self.bases(names);
        let count = bases.len() + 1;
        let ends = bases.iter().map(|(_, end)| *end).chain([self.layers.len()]).collect::<Vec<_>>();
        let owners = bases.into_iter().map(|(found, _)| match found {
            Found::Image(_, base) => Owner::Image(base),
            Found::Hidden(_) => Owner::AnotherProject,
        });
        let mut begin = 0;
        let blocks = owners.chain([Owner::Itself]).enumerate().map(|(at, owner)| {
            let layers: Vec<PartView> = self.layers[begin..ends[at]].iter().map(|(_, layer)| layer.clone()).collect();
            begin = ends[at];
            Block { owner, level: Level::of(at, count), size: total(&layers), layers }
        });
        StackView { digest: self.image.digest, platform: self.image.platform.clone(), size: self.size(), blocks: blocks.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_nothing_has_are_counted_to_the_most() {
        let layer = |size| PartView {
            part: Part::Layer,
            digest: format!("sha256:{}", "a".repeat(64)).parse().expect("a digest"),
            media_type: "a/b".into(),
            size,
            platform: None,
        };
        assert_eq!(total(&[layer(i64::MAX), layer(i64::MAX)]), i64::MAX);
        assert_eq!(total(&[layer(1), layer(2)]), 3);
    }
}
