//! Secrets that come with a deployment: answers to a template. They are set for its service in its environment, within its own transaction, so that
//! the revision runs with them; a plan, which writes nothing, looks at the place as if they stood there.

use std::collections::{BTreeMap, BTreeSet};

use model::access::Action;
use model::configs::{EntryKind, Level};
use model::ids::EnvironmentId;
use model::secret::Secret;
use model::time::Millis;
use serde_json::json;

use super::change::{Content, Edit};
use super::next::Next;
use super::scopes::{self, Entry};
use super::{Hush, Scope};
use crate::access::{May, can};
use crate::change::{Change, Record};
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;

/// By name.
pub(crate) type Coming = BTreeMap<String, Secret>;

/// Sets them. The caller holds the service's lock, and commits.
///
/// # Errors
/// `Forbidden`: who may deploy, but not set secrets.
pub(crate) async fn set(
    change: &mut Change,
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    environment: &Environment,
    coming: &Coming,
    why: &str,
) -> Result<()> {
    if coming.is_empty() {
        return Ok(());
    }
    need_configure(may)?;
    let mut next = Next::of(change, platform, may.project.id, Some(may.id), Some(environment.id), None).await?;
    for (name, secret) in coming {
        next.set(change, platform, name, &Content::Secret(Hush::new(secret.expose().as_bytes().to_vec()))).await?;
    }
    let edit = Edit { based_on: None, why: why.to_owned() };
    let version = next.write(change, platform, may.actor(), &edit, None).await?;
    for name in coming.keys() {
        let detail = json!({ "service": may.name, "environment": environment.name, "version": version });
        change.also(&Record::new("config.set", EntryKind::Secret.as_str(), name).project(&may.project).detail(detail)).await?;
    }
    Ok(())
}

/// Who brings secrets along sets them.
pub(crate) fn need_configure(may: &May<can::Deploy, Service>) -> Result<()> {
    if may.also(Action::Configure) {
        return Ok(());
    }
    Err(Error::Forbidden(format!("you may not {}; leave secrets empty that are set already", Action::Configure.phrase())))
}

/// What would be there once they are set.
pub(super) fn assumed(
    platform: &Platform,
    service: &Service,
    environment: &Environment,
    coming: &Coming,
    scopes: &mut Vec<Scope>,
    entries: &mut Vec<Entry>,
) {
    if coming.is_empty() {
        return;
    }
    let level = Level::of(true, true);
    if !scopes.iter().any(|scope| scope.level == level) {
        let (service, environment) = (Some(service.id), Some(environment.id));
        scopes.push(Scope { id: platform.new_id(), level, service, environment, version: 0, kept_from: 0 });
    }
    let Some(scope) = scopes.iter_mut().find(|scope| scope.level == level) else { return };
    scope.version += 1;
    entries.retain(|entry| entry.scope != scope.id || entry.kind != EntryKind::Secret || !coming.contains_key(&entry.name));
    entries.extend(coming.iter().map(|(name, secret)| Entry {
        scope: scope.id,
        kind: EntryKind::Secret,
        name: name.clone(),
        since: scope.version,
        // No entry that is stored has this one.
        stamp: String::from("coming"),
        size: i64::try_from(secret.expose().len()).unwrap_or(i64::MAX),
        is_text: !secret.expose().contains('\0'),
        value: None,
        by: String::new(),
        at: Millis(0),
    }));
}

/// The names of the secrets that are in force for a service in an environment.
pub(crate) async fn known(tx: &mut Tx, service: &Service, environment: EnvironmentId) -> Result<BTreeSet<String>> {
    let scopes = scopes::chain(tx, service.project.id, Some(service.id), Some(environment)).await?;
    let effective = scopes::effective(&scopes, scopes::entries(tx, &scopes).await?);
    Ok(effective.into_keys().filter(|(kind, _)| *kind == EntryKind::Secret).map(|(_, name)| name).collect())
}
