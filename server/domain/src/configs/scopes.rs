//! Scopes and their entries, read: which scopes are heard at a place, and what stood in them at a version.

use std::collections::BTreeMap;

use model::configs::{EntryKind, Inherited, inherit};
use model::ids::{ConfigScopeId, EnvironmentId, ProjectId, ServiceId};
use model::time::Millis;

use super::Scope;
use crate::args;
use crate::db::{Row, Tx, Value};
use crate::error::{Error, Result};

/// An entry without its content, but for a variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub scope: ConfigScopeId,
    pub kind: EntryKind,
    pub name: String,
    pub since: i64,
    /// Two entries with the same one hold the same.
    pub stamp: String,
    pub size: i64,
    pub is_text: bool,
    /// Of a variable.
    pub value: Option<String>,
    pub by: String,
    pub at: Millis,
}

/// What entries are called: each sort has names of its own.
pub(crate) type Name = (EntryKind, String);

/// What is in force at a place.
pub(crate) type Effective = BTreeMap<Name, Inherited<Entry>>;

fn scope(row: &Row<'_>) -> Result<Scope> {
    let (service, environment): (Option<ServiceId>, Option<EnvironmentId>) = (row.get("service_id")?, row.get("environment_id")?);
    Ok(Scope {
        id: row.get("id")?,
        level: model::configs::Level::of(service.is_some(), environment.is_some()),
        service,
        environment,
        version: row.get("version")?,
        kept_from: row.get("kept_from")?,
    })
}

const SCOPE: &str = "SELECT c.id, c.service_id, c.environment_id, c.version, c.kept_from FROM config_scopes c";

/// The scopes that are heard at a place, each with its newest version, the farthest from the task first.
pub(super) async fn chain(tx: &mut Tx, project: ProjectId, service: Option<ServiceId>, environment: Option<EnvironmentId>) -> Result<Vec<Scope>> {
    let sql = format!(
        "{SCOPE} WHERE c.project_id = $1 AND (c.service_id IS NULL OR c.service_id = $2)
         AND (c.environment_id IS NULL OR c.environment_id = $3) AND c.version > 0"
    );
    let mut scopes = tx.all(sql, args![project, service, environment], scope).await?;
    scopes.sort_by_key(|scope| scope.level);
    Ok(scopes)
}

/// The scope of exactly this place; none: nothing was ever set there.
pub(super) async fn exactly(
    tx: &mut Tx,
    project: ProjectId,
    service: Option<ServiceId>,
    environment: Option<EnvironmentId>,
) -> Result<Option<Scope>> {
    let sql = format!("{SCOPE} WHERE c.project_id = $1 AND COALESCE(c.service_id, '') = $2 AND COALESCE(c.environment_id, '') = $3");
    tx.opt(sql, places(project, service, environment), scope).await
}

/// The same, made where it is not there, and nobody else changes it until the transaction ends.
pub(super) async fn locked(
    tx: &mut Tx,
    fresh: ConfigScopeId,
    project: ProjectId,
    service: Option<ServiceId>,
    environment: Option<EnvironmentId>,
) -> Result<Scope> {
    let sql = "INSERT INTO config_scopes (id, project_id, service_id, environment_id, version, kept_from) VALUES ($1, $2, $3, $4, 0, 0)
               ON CONFLICT DO NOTHING";
    tx.exec(sql, args![fresh, project, service, environment]).await?;
    let sql = format!("{SCOPE} WHERE c.project_id = $1 AND COALESCE(c.service_id, '') = $2 AND COALESCE(c.environment_id, '') = $3 FOR UPDATE");
    tx.one(sql, places(project, service, environment), scope).await
}

fn places(project: ProjectId, service: Option<ServiceId>, environment: Option<EnvironmentId>) -> Vec<Value> {
    let text = |id: Option<String>| id.unwrap_or_default();
    args![project, text(service.map(|id| id.to_string())), text(environment.map(|id| id.to_string()))]
}

/// The scopes that a revision names, with the versions that it names.
pub(super) async fn of_revision(tx: &mut Tx, revision: model::ids::RevisionId) -> Result<Vec<Scope>> {
    let sql = "SELECT c.id, c.service_id, c.environment_id, rc.version, c.kept_from FROM revision_configs rc
               JOIN config_scopes c ON c.id = rc.scope_id WHERE rc.revision_id = $1";
    let mut scopes = tx.all(sql, args![revision], scope).await?;
    scopes.sort_by_key(|scope| scope.level);
    Ok(scopes)
}

/// Every scope of a project that a service's tasks may hear, or of the whole project.
pub(super) async fn of_project(tx: &mut Tx, project: ProjectId, service: Option<ServiceId>) -> Result<Vec<Scope>> {
    let sql = format!("{SCOPE} WHERE c.project_id = $1 AND ($2 IS NULL OR c.service_id IS NULL OR c.service_id = $2) AND c.version > 0");
    tx.all(sql, args![project, service], scope).await
}

/// What stands in scopes at the versions that they say.
pub(super) async fn entries(tx: &mut Tx, scopes: &[Scope]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    // A project with very many places is read in parts: a statement takes so many arguments and no more.
    for part in scopes.chunks(200) {
        let condition = (0..part.len())
            .map(|at| format!("(e.scope_id = ${0} AND e.since <= ${1} AND (e.until IS NULL OR e.until > ${1}))", 2 * at + 1, 2 * at + 2));
        let sql = format!(
            "SELECT e.scope_id, e.kind, e.name, e.since, e.stamp, e.size, e.is_text, v.created_by, v.created_at,
             CASE WHEN e.kind = 'variable' THEN e.content END AS value
             FROM config_entries e JOIN config_versions v ON v.scope_id = e.scope_id AND v.number = e.since
             WHERE {} ORDER BY e.kind, e.name",
            condition.collect::<Vec<_>>().join(" OR ")
        );
        let arguments = part.iter().flat_map(|scope| [Value::from(scope.id), Value::from(scope.version)]).collect();
        found.extend(tx.all(sql, arguments, entry).await?);
    }
    Ok(found)
}

fn entry(row: &Row<'_>) -> Result<Entry> {
    let value: Option<Vec<u8>> = row.get("value")?;
    let text = |bytes| String::from_utf8(bytes).map_err(|_| Error::internal("a variable is no text"));
    Ok(Entry {
        scope: row.get("scope_id")?,
        kind: row.get("kind")?,
        name: row.get("name")?,
        since: row.get("since")?,
        stamp: row.get("stamp")?,
        size: row.get("size")?,
        is_text: row.get("is_text")?,
        value: value.map(text).transpose()?,
        by: row.get("created_by")?,
        at: row.get("created_at")?,
    })
}

/// What is in force where these scopes are heard.
pub(super) fn effective(scopes: &[Scope], entries: Vec<Entry>) -> Effective {
    let level = |entry: &Entry| scopes.iter().find(|scope| scope.id == entry.scope).map(|scope| scope.level);
    inherit(entries.into_iter().filter_map(|entry| Some((level(&entry)?, (entry.kind, entry.name.clone()), entry))))
}

/// The content as it is stored: of a secret, sealed.
pub(super) async fn content(tx: &mut Tx, entry: &Entry) -> Result<Vec<u8>> {
    let sql = "SELECT content FROM config_entries WHERE scope_id = $1 AND kind = $2 AND name = $3 AND since = $4";
    tx.one(sql, args![entry.scope, entry.kind, &entry.name, entry.since], |row| row.get("content")).await
}
