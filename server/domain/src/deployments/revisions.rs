//! Revisions: immutable, numbered for each service. Made with a deploy or a scale; read to be shown, compared and rolled back to.

use model::access::Action;
use model::configs::Level;
use model::descriptor::{Descriptor, Kind};
use model::digest::Digest;
use model::ids::{ProjectId, RevisionId, ServiceId};
use model::names::{EnvironmentName, ProjectName, RepositoryPath};
use model::page::{Page, PageRequest};
use model::views::configs::{ConfigurationOf, LevelVersion};
use model::views::deployments::{Approval, Comparison, RevisionDetail, RevisionView};
use model::views::templates::TemplateMark;

use super::Intent;
use super::source::Source;
use crate::access::{May, can};
use crate::args;
use crate::change::Change;
use crate::configs::pinned::{self, Pinned};
use crate::db::{Row, Tx, Value, placeholders};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;

/// A revision's row.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub id: RevisionId,
    pub number: i64,
    pub descriptor: Descriptor,
    /// The image's project and repository at this portal; none: of an outside registry.
    pub own: Option<(ProjectId, ProjectName, RepositoryPath)>,
    pub digest: Option<Digest>,
    /// Whether the image is in the registry (always for outside ones).
    pub image_present: bool,
    pub view: RevisionView,
}

impl Stored {
    /// Its image, for a further revision of the same.
    pub(super) fn source(&self) -> Source {
        let own = self.own.as_ref().map(|(project, _, repository)| (*project, repository.clone()));
        Source { image: self.descriptor.image.clone(), own, digest: self.digest }
    }
}

/// Columns of a revision `r` with its image's project `ip`.
const COLUMNS: &str = "r.id, r.number, r.descriptor, r.image, r.image_project_id, ip.name AS image_project, r.image_repository, r.digest, r.replicas,
    r.created_at, r.created_by, r.why, r.source_commit, r.build, r.source_ref, r.source_author, r.source_link, rt.template, rt.of_site AS template_of_site, rt.version AS template_version,
    (r.image_project_id IS NULL OR EXISTS (SELECT 1 FROM repositories ir JOIN manifests im ON im.repository_id = ir.id
     WHERE ir.project_id = r.image_project_id AND ir.name = r.image_repository AND im.digest = r.digest)) AS image_present";

const FROM: &str = "FROM revisions r LEFT JOIN projects ip ON ip.id = r.image_project_id LEFT JOIN revision_templates rt ON rt.revision_id = r.id";

fn stored(row: &Row<'_>) -> Result<Stored> {
    let text: String = row.get("descriptor")?;
    let descriptor = Descriptor::from_canonical(&text).map_err(|error| Error::internal(format!("column descriptor: {error}")))?;
    let project: Option<ProjectId> = row.get("image_project_id")?;
    let name: Option<ProjectName> = row.get("image_project")?;
    let repository: Option<RepositoryPath> = row.get("image_repository")?;
    let view = view(row)?;
    Ok(Stored {
        id: view.id,
        number: view.number,
        descriptor,
        own: project.zip(name).zip(repository).map(|((id, name), repository)| (id, name, repository)),
        digest: view.digest,
        image_present: view.image_present,
        view,
    })
}

fn view(row: &Row<'_>) -> Result<RevisionView> {
    Ok(RevisionView {
        id: row.get("id")?,
        number: row.get("number")?,
        image: row.get("image")?,
        digest: row.get("digest")?,
        replicas: row.get("replicas")?,
        by: row.get("created_by")?,
        why: row.get("why")?,
        commit: row.get("source_commit")?,
        build: row.get("build")?,
        reference: row.get("source_ref")?,
        author: row.get("source_author")?,
        link: row.get("source_link")?,
        created_at: row.get("created_at")?,
        current_in: Vec::new(),
        image_present: row.get("image_present")?,
        template: template(row)?,
        configuration: ConfigurationOf::default(),
        approvals: Vec::new(),
    })
}

/// Which version of a template made it.
fn template(row: &Row<'_>) -> Result<Option<TemplateMark>> {
    let Some(name) = row.get("template")? else { return Ok(None) };
    let of_site: Option<bool> = row.get("template_of_site")?;
    let version: Option<i64> = row.get("template_version")?;
    Ok(Some(TemplateMark { name, of_site: of_site.unwrap_or(false), version: version.unwrap_or(0) }))
}

/// Writes the service's next revision. The caller holds the service's lock.
pub(super) async fn insert(
    change: &mut Change,
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    descriptor: &Descriptor,
    source: &Source,
    configuration: &Pinned,
    intent: &Intent,
) -> Result<(RevisionId, i64)> {
    let sql = "SELECT CAST(COALESCE(MAX(number), 0) + 1 AS BIGINT) AS next FROM revisions WHERE service_id = $1";
    let number: i64 = change.one(sql, args![may.id], |row| row.get("next")).await?;
    let id: RevisionId = platform.new_id();
    let (image_project, image_repository) = match &source.own {
        Some((project, repository)) => (Some(*project), Some(repository.clone())),
        None => (None, None),
    };
    change
        .exec(
            "INSERT INTO revisions (id, service_id, number, descriptor, image, image_project_id, image_repository, digest, replicas, spec,
             created_at, created_by_id, created_by, why, source_commit, build, job, counted, cpus, memory, source_ref, source_author, source_link)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
            args![
                id,
                may.id,
                number,
                descriptor.canonical(),
                source.image.to_string(),
                image_project,
                image_repository,
                source.digest,
                descriptor.replicas,
                source.spec(&descriptor.task_part(), configuration),
                platform.now(),
                may.actor().account()?.id,
                may.actor().name(),
                intent.why.trim(),
                intent.commit.clone(),
                intent.build.clone(),
                descriptor.kind == Kind::Job,
                true,
                descriptor.resources.cpus.map(|cpus| i64::from(cpus.millis())),
                descriptor.resources.memory.map(|memory| i64::try_from(memory.bytes()).unwrap_or(i64::MAX)),
                intent.reference.clone(),
                intent.author.clone(),
                intent.link.clone(),
            ],
        )
        .await?;
    configuration.keep(change, id).await?;
    Ok((id, number))
}

pub(crate) async fn by_id(tx: &mut Tx, id: RevisionId) -> Result<Stored> {
    tx.one(format!("SELECT {COLUMNS} {FROM} WHERE r.id = $1"), args![id], stored).await
}

/// The revision with a number; an unknown one is a mistake of the field `revision`.
pub(super) async fn by_number(tx: &mut Tx, service: ServiceId, number: i64) -> Result<Stored> {
    let sql = format!("SELECT {COLUMNS} {FROM} WHERE r.service_id = $1 AND r.number = $2");
    if let Some(found) = tx.opt(sql, args![service, number], stored).await? {
        return Ok(found);
    }
    let newest = "SELECT MAX(number) AS newest FROM revisions WHERE service_id = $1";
    let newest: Option<i64> = tx.one(newest, args![service], |row| row.get("newest")).await?;
    Err(match newest {
        Some(newest) => Error::invalid("revision", format!("there is no revision {number}; the newest is {newest}")),
        None => Error::invalid("revision", "this service has no revision yet; deploy it first"),
    })
}

/// A revision as this reader may see it: values of secret variables are for those who may change them.
pub(crate) async fn detail(tx: &mut Tx, may: &May<can::SeeServices, Service>, id: RevisionId) -> Result<RevisionDetail> {
    let mut found = by_id(tx, id).await?;
    if !may.also(Action::Deploy) {
        found.descriptor.hide_secrets();
    }
    let mut views = vec![found.view];
    mark(tx, &mut views).await?;
    Ok(RevisionDetail { revision: views.remove(0), descriptor: found.descriptor })
}

/// A revision as it is listed. The caller has looked whether it may be seen.
pub(crate) async fn listed(tx: &mut Tx, id: RevisionId) -> Result<RevisionView> {
    let mut views = vec![by_id(tx, id).await?.view];
    mark(tx, &mut views).await?;
    Ok(views.remove(0))
}

/// Completes what the rows alone do not say.
async fn mark(tx: &mut Tx, views: &mut [RevisionView]) -> Result<()> {
    mark_current(tx, views).await?;
    mark_configuration(tx, views).await?;
    mark_approvals(tx, views).await
}

/// Notes who let each into protected environments.
async fn mark_approvals(tx: &mut Tx, views: &mut [RevisionView]) -> Result<()> {
    if views.is_empty() {
        return Ok(());
    }
    let list = placeholders(1, views.len());
    let sql = format!(
        "SELECT a.revision_id, e.name, a.decided_by, a.decided_at, a.decided_why FROM deployments a JOIN environments e ON e.id = a.environment_id
         WHERE a.approved = TRUE AND a.revision_id IN ({list}) ORDER BY a.decided_at DESC, a.id DESC LIMIT 1000"
    );
    let ids = views.iter().map(|view| Value::from(view.id)).collect();
    let found: Vec<(RevisionId, Approval)> = tx
        .all(sql, ids, |row| {
            let why: Option<String> = row.get("decided_why")?;
            let approval =
                Approval { environment: row.get("name")?, by: row.get("decided_by")?, at: row.get("decided_at")?, why: why.unwrap_or_default() };
            Ok((row.get("revision_id")?, approval))
        })
        .await?;
    for (id, approval) in found {
        if let Some(view) = views.iter_mut().find(|view| view.id == id) {
            view.approvals.push(approval);
        }
    }
    Ok(())
}

/// Notes where each revision is the one that should run.
async fn mark_current(tx: &mut Tx, views: &mut [RevisionView]) -> Result<()> {
    if views.is_empty() {
        return Ok(());
    }
    let list = placeholders(1, views.len());
    let sql = format!(
        "SELECT d.revision_id, e.name FROM desired d JOIN environments e ON e.id = d.environment_id WHERE d.revision_id IN ({list}) ORDER BY e.name"
    );
    let ids = views.iter().map(|view| Value::from(view.id)).collect();
    let current: Vec<(RevisionId, EnvironmentName)> = tx.all(sql, ids, |row| Ok((row.get("revision_id")?, row.get("name")?))).await?;
    for (id, environment) in current {
        if let Some(view) = views.iter_mut().find(|view| view.id == id) {
            view.current_in.push(environment);
        }
    }
    Ok(())
}

/// Notes with which configuration each runs.
async fn mark_configuration(tx: &mut Tx, views: &mut [RevisionView]) -> Result<()> {
    if views.is_empty() {
        return Ok(());
    }
    let list = placeholders(1, views.len());
    let sql = format!(
        "SELECT rc.revision_id, c.service_id IS NOT NULL AS of_service, c.environment_id IS NOT NULL AS of_environment, rc.version, e.name
         FROM revision_configs rc JOIN config_scopes c ON c.id = rc.scope_id JOIN revisions r ON r.id = rc.revision_id
         LEFT JOIN environments e ON e.id = r.config_environment_id WHERE rc.revision_id IN ({list})"
    );
    let ids = views.iter().map(|view| Value::from(view.id)).collect();
    type Found = (RevisionId, LevelVersion, Option<EnvironmentName>);
    let found: Vec<Found> = tx
        .all(sql, ids, |row| {
            let level = Level::of(row.get("of_service")?, row.get("of_environment")?);
            Ok((row.get("revision_id")?, LevelVersion { level, version: row.get("version")? }, row.get("name")?))
        })
        .await?;
    for (id, version, environment) in found {
        if let Some(view) = views.iter_mut().find(|view| view.id == id) {
            view.configuration.environment = environment;
            view.configuration.versions.push(version);
        }
    }
    views.iter_mut().for_each(|view| view.configuration.versions.sort_by_key(|one| one.level));
    Ok(())
}

/// The revisions of a service, newest first; the cursor is a number.
pub async fn revisions(platform: &Platform, may: &May<can::SeeServices, Service>, page: &PageRequest) -> Result<Page<RevisionView>> {
    let limit = page.limit();
    let after = page.after.as_deref().and_then(|after| after.parse().ok()).unwrap_or(i64::MAX);
    let sql = format!("SELECT {COLUMNS} {FROM} WHERE r.service_id = $1 AND r.number < $2 ORDER BY r.number DESC LIMIT $3");
    let mut tx = platform.read().await?;
    let mut items = tx.all(sql, args![may.id, after, i64::from(limit) + 1], view).await?;
    mark(&mut tx, &mut items).await?;
    Ok(Page::cut(items, limit, |item| item.number.to_string()))
}

/// One revision with its descriptor.
pub async fn revision(platform: &Platform, may: &May<can::SeeServices, Service>, number: i64) -> Result<RevisionDetail> {
    let mut tx = platform.read().await?;
    let id = by_number(&mut tx, may.id, number).await.map_err(|_| Error::NotFound { what: "revision" })?.id;
    detail(&mut tx, may, id).await
}

/// What differs from one revision to another.
pub async fn compare(platform: &Platform, may: &May<can::SeeServices, Service>, before: i64, after: i64) -> Result<Comparison> {
    let mut tx = platform.read().await?;
    let (old, new) = (by_number(&mut tx, may.id, before).await?, by_number(&mut tx, may.id, after).await?);
    let configuration = pinned::of_revision(&mut tx, new.id, &new.descriptor).await?;
    let mut changes = changes(&mut tx, &old, &new.descriptor, new.digest, &configuration).await?;
    if !may.also(Action::Deploy) {
        changes.iter_mut().for_each(model::descriptor::Change::hide_secrets);
    }
    let mut revisions = vec![old.view, new.view];
    mark(&mut tx, &mut revisions).await?;
    Ok(Comparison { before, after, changes, revisions })
}

/// What differs, the image's content included where its name stayed and its tag moved, and what tasks get of the configuration.
pub(super) async fn changes(
    tx: &mut Tx,
    old: &Stored,
    descriptor: &Descriptor,
    digest: Option<Digest>,
    configuration: &Pinned,
) -> Result<Vec<model::descriptor::Change>> {
    let mut changes = descriptor.changes_since(&old.descriptor);
    if old.digest != digest {
        let text = |digest: Option<Digest>| digest.map(|digest| digest.to_string());
        changes.insert(0, model::descriptor::Change { field: "image content".into(), before: text(old.digest), after: text(digest) });
    }
    let before = pinned::of_revision(tx, old.id, &old.descriptor).await?;
    changes.extend(configuration.changes_since(&before));
    Ok(changes)
}
