//! The lineage of a whole project: the tree of what its repositories are built on, by the newest image of each; the services that run on
//! a base whose tag has moved on; and what the repositories share. At most [`REPOSITORIES`] of them take part, by name.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::access::Action;
use model::digest::Digest;
use model::ids::RepositoryId;
use model::names::{EnvironmentName, RepositoryPath, ServiceName, TagName};
use model::views::lineage::{BaseView, NodeImage, NodeView, OutdatedService, ProjectLineage, ShareView};

use super::stack::{self, Found, Layers, Names};
use super::{images, unfinished};
use crate::access::{May, Visible, can};
use crate::args;
use crate::db::{Row, Tx};
use crate::error::Result;
use crate::images::chains::Chain;
use crate::platform::Platform;
use crate::projects::Project;

/// Repositories that take part.
const REPOSITORIES: usize = 200;
/// Newest tags of a repository among which its newest image is looked for: signatures have tags too.
const NEWEST: usize = 200;
/// Running services that are looked at.
const SERVICES: usize = 1_000;
/// Images of one index that a service may run.
const OF_INDEX: usize = 8;

/// What a project's images are built on.
pub async fn of_project(platform: &Platform, may: &May<can::Pull, Project>) -> Result<ProjectLineage> {
    let visible = may.actor().visible::<can::Pull>()?;
    let mut tx = platform.read().await?;
    let mut newest = newest(&mut tx, may).await?;
    let more = newest.len() > REPOSITORIES;
    newest.truncate(REPOSITORIES);
    let running = if may.also(Action::SeeServices) { running(&mut tx, may, &visible).await? } else { Vec::new() };

    let wanted: Vec<_> = newest.iter().filter_map(|one| Some((one.id, one.image.as_ref()?.1))).collect();
    let wanted = images(&mut tx, &wanted, OF_INDEX).await?.one_each();
    let layers = stack::layers(&mut tx, &wanted).await?;
    let run: HashSet<_> = running.iter().map(|one| (one.repository, one.digest)).collect();
    let run: Vec<_> = run.into_iter().collect();
    let run = images(&mut tx, &run, OF_INDEX).await?;
    let run = stack::layers(&mut tx, &run).await?;
    let names = stack::named(&mut tx, &visible, layers.iter().chain(&run).flat_map(Layers::below)).await?;

    Ok(ProjectLineage {
        nodes: Tree::grow(may, &newest, &layers, &names, &running).nodes(),
        outdated: outdated(&running, &run, &names),
        shares: shares(&mut tx, may, &visible).await?,
        more,
        unfinished: unfinished(&mut tx, "r.project_id = $1", may.id).await?,
    })
}

struct Newest {
    id: RepositoryId,
    path: RepositoryPath,
    image: Option<(TagName, Digest)>,
}

/// The project's repositories with the tag of the newest image of each.
async fn newest(tx: &mut Tx, may: &Project) -> Result<Vec<Newest>> {
    let sql = format!(
        "SELECT r.id, r.name, t.name AS tag, t.digest FROM repositories r
         LEFT JOIN tags t ON t.repository_id = r.id AND t.name = (
             SELECT o.name FROM (SELECT n.repository_id, n.name, n.digest, n.pushed_at FROM tags n WHERE n.repository_id = r.id
                                 ORDER BY n.pushed_at DESC, n.name DESC LIMIT {NEWEST}) o
             JOIN manifests m ON m.repository_id = o.repository_id AND m.digest = o.digest
             WHERE m.kind = 'index' OR m.chain IS NOT NULL ORDER BY o.pushed_at DESC, o.name DESC LIMIT 1)
         WHERE r.project_id = $1 AND r.pushed_at IS NOT NULL ORDER BY r.name LIMIT {}",
        REPOSITORIES + 1
    );
    tx.all(sql, args![may.id], |row| {
        let (tag, digest): (Option<TagName>, Option<Digest>) = (row.get("tag")?, row.get("digest")?);
        Ok(Newest { id: row.get("id")?, path: row.get("name")?, image: tag.zip(digest) })
    })
    .await
}

struct Running {
    service: ServiceName,
    environment: EnvironmentName,
    image: String,
    revision: i64,
    repository: RepositoryId,
    digest: Digest,
}

/// What the project's services should run, of images that the reader may pull.
async fn running(tx: &mut Tx, may: &Project, visible: &Visible<can::Pull>) -> Result<Vec<Running>> {
    let mut arguments = args![may.id];
    let (seen, mut more) = visible.condition("p", 2);
    arguments.append(&mut more);
    let sql = format!(
        "SELECT s.name AS service, e.name AS environment, v.image, v.number, v.digest, r.id AS repository_id
         FROM services s JOIN desired d ON d.service_id = s.id AND d.state = 'running' JOIN environments e ON e.id = d.environment_id
         JOIN revisions v ON v.id = d.revision_id AND v.digest IS NOT NULL
         JOIN repositories r ON r.project_id = v.image_project_id AND r.name = v.image_repository
         JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
         WHERE s.project_id = $1 AND s.deleted_at IS NULL AND {seen} ORDER BY s.name, e.name LIMIT {SERVICES}"
    );
    let one = |row: &Row<'_>| {
        Ok(Running {
            service: row.get("service")?,
            environment: row.get("environment")?,
            image: row.get("image")?,
            revision: row.get("number")?,
            repository: row.get("repository_id")?,
            digest: row.get("digest")?,
        })
    };
    tx.all(sql, arguments, one).await
}

fn outdated(running: &[Running], layers: &[Layers], names: &Names) -> Vec<OutdatedService> {
    let mut bases: HashMap<(RepositoryId, Digest), Vec<BaseView>> = HashMap::new();
    for layers in layers {
        let all = bases.entry((layers.image.repository, layers.image.whole)).or_default();
        for base in moved_bases(layers, names) {
            // Images of one index stand on images of one index: the base is told once.
            if !all.iter().any(|known| (&known.project, &known.repository) == (&base.project, &base.repository)) {
                all.push(base);
            }
        }
    }
    let rows = running.iter().flat_map(|one| {
        let bases = bases.get(&(one.repository, one.digest)).into_iter().flatten();
        bases.map(|base| OutdatedService {
            service: one.service.clone(),
            environment: one.environment.clone(),
            image: one.image.clone(),
            revision: one.revision,
            base: base.clone(),
        })
    });
    rows.collect()
}

fn moved_bases(layers: &Layers, names: &Names) -> Vec<BaseView> {
    let bases = layers.bases(names).into_iter().filter_map(|(found, _)| match found {
        Found::Image(_, base) if !base.moved.is_empty() => Some(base),
        _ => None,
    });
    bases.collect()
}

/// What of the repositories' bytes is held elsewhere too.
async fn shares(tx: &mut Tx, may: &Project, visible: &Visible<can::Pull>) -> Result<Vec<ShareView>> {
    let mut arguments = args![may.id];
    let (seen, mut more) = visible.condition("p", 2);
    arguments.append(&mut more);
    let sql = format!(
        "SELECT r.name, CAST(COALESCE(SUM(b.size), 0) AS BIGINT) AS size, CAST(COALESCE(SUM(CASE WHEN EXISTS (
                 SELECT 1 FROM repository_blobs o JOIN repositories q ON q.id = o.repository_id AND q.pushed_at IS NOT NULL
                 JOIN projects p ON p.id = q.project_id AND p.deleted_at IS NULL
                 WHERE o.digest = rb.digest AND o.repository_id <> rb.repository_id AND {seen}) THEN b.size ELSE 0 END), 0) AS BIGINT) AS shared
         FROM (SELECT id, name FROM repositories WHERE project_id = $1 AND pushed_at IS NOT NULL ORDER BY name LIMIT {REPOSITORIES}) r
         JOIN repository_blobs rb ON rb.repository_id = r.id JOIN blobs b ON b.digest = rb.digest GROUP BY r.name ORDER BY r.name"
    );
    tx.all(sql, arguments, |row| Ok(ShareView { repository: row.get("name")?, size: row.get("size")?, shared: row.get("shared")? })).await
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Repository(RepositoryId),
    Hidden(Chain),
}

/// The tree while it grows: what stands on what.
struct Tree {
    nodes: HashMap<Key, (Option<Key>, NodeView)>,
}

impl Tree {
    fn grow(may: &Project, newest: &[Newest], layers: &[Layers], names: &Names, running: &[Running]) -> Self {
        let mut tree = Self { nodes: HashMap::new() };
        let mut services: HashMap<RepositoryId, HashSet<&ServiceName>> = HashMap::new();
        for one in running {
            services.entry(one.repository).or_default().insert(&one.service);
        }
        let services = |id: RepositoryId| services.get(&id).map_or(0, |services| services.len() as i64);
        let layers: HashMap<RepositoryId, &Layers> = layers.iter().filter(|one| !one.is_empty()).map(|one| (one.image.repository, one)).collect();
        for one in newest {
            let Some((tag, _)) = &one.image else { continue };
            let image = NodeImage { project: may.name.clone(), repository: one.path.clone(), tag: tag.clone(), own: true };
            let mut node = NodeView { depth: 0, image: Some(image), size: 0, inherited: 0, outdated: Vec::new(), services: services(one.id) };
            let mut parent = None;
            if let Some(layers) = layers.get(&one.id) {
                let bases = layers.bases(names);
                node.size = layers.size();
                node.inherited = bases.last().map_or(0, |(_, end)| layers.size_up_to(*end));
                node.outdated = moved_bases(layers, names);
                parent = tree.add_bases(layers, bases, newest, services);
            }
            tree.nodes.insert(Key::Repository(one.id), (parent, node));
        }
        tree
    }

    /// The bases of an image that are not of the project itself, each upon the one below; answers the highest.
    fn add_bases(&mut self, layers: &Layers, bases: Vec<(Found<'_>, usize)>, own: &[Newest], services: impl Fn(RepositoryId) -> i64) -> Option<Key> {
        let (mut below, mut inherited, mut outdated) = (None, 0, Vec::new());
        for (found, end) in bases {
            let (key, base, running) = match found {
                Found::Image(named, base) => (Key::Repository(named.repository), Some(base), services(named.repository)),
                Found::Hidden(chain) => (Key::Hidden(chain), None, 0),
            };
            let is_own = own.iter().any(|one| Key::Repository(one.id) == key && one.image.is_some());
            let size = layers.size_up_to(end);
            if !is_own {
                let name = base.clone().map(|base| NodeImage { project: base.project, repository: base.repository, tag: base.tag, own: false });
                let node = NodeView { depth: 0, image: name, size, inherited, outdated: outdated.clone(), services: running };
                self.nodes.entry(key).or_insert((below, node));
            }
            // What stands above it stands on an outdated base as well.
            outdated.extend(base.filter(|base| !base.moved.is_empty()));
            (below, inherited) = (Some(key), size);
        }
        below
    }

    /// The nodes, each before what stands on it.
    fn nodes(self) -> Vec<NodeView> {
        let mut children: BTreeMap<Option<Key>, Vec<Key>> = BTreeMap::new();
        for key in self.nodes.keys() {
            children.entry(self.parent(*key)).or_default().push(*key);
        }
        // By name, and what has none behind.
        let name = |key: &Key| {
            self.nodes[key].1.image.as_ref().map_or((true, String::new()), |image| (false, format!("{}/{}", image.project, image.repository)))
        };
        for keys in children.values_mut() {
            keys.sort_by_cached_key(|key| (name(key), *key));
            keys.reverse();
        }
        let mut open: Vec<(Key, usize)> = children.get(&None).into_iter().flatten().map(|key| (*key, 0)).collect();
        let mut all = Vec::with_capacity(self.nodes.len());
        while let Some((key, depth)) = open.pop() {
            all.push(NodeView { depth, ..self.nodes[&key].1.clone() });
            open.extend(children.get(&Some(key)).into_iter().flatten().map(|key| (*key, depth + 1)));
        }
        all
    }

    /// What a node stands on. Two repositories can stand on old images of each other: then the circle is cut.
    fn parent(&self, key: Key) -> Option<Key> {
        let parent = self.nodes[&key].0.filter(|parent| self.nodes.contains_key(parent))?;
        let mut circle = vec![key];
        let mut at = Some(parent);
        while let Some(next) = at {
            if next == key {
                // Cut at one node of the circle only: the smallest.
                return (circle.iter().min() != Some(&key)).then_some(parent);
            }
            if circle.contains(&next) {
                break;
            }
            circle.push(next);
            at = self.nodes.get(&next).and_then(|(parent, _)| *parent);
        }
        Some(parent)
    }
}
