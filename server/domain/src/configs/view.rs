//! A place's configuration as people see it, with where each entry in force comes from.

use model::configs::EntryKind;
use model::names::EnvironmentName;
use model::views::configs::{ConfigView, ConfigurationOf, EntryView, LevelVersion};

use super::scopes::Entry;
use super::{Holder, place, scopes, uses};
use crate::access::{May, can};
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::Result;
use crate::platform::Platform;
use crate::services::Service;

/// What is in force at a place, by sort and name; the newest version of the place; who runs with it.
pub async fn get(platform: &Platform, may: &May<can::Configure, Holder>, environment: Option<&EnvironmentName>) -> Result<ConfigView> {
    let mut tx = platform.read().await?;
    let environment = place(&mut tx, &may.project, environment).await?;
    let service = may.service.as_ref().map(|service| service.id);
    let chain = scopes::chain(&mut tx, may.project.id, service, environment.as_ref().map(|one| one.id)).await?;
    let entries = scopes::entries(&mut tx, &chain).await?;
    let level = may.level(environment.as_ref());
    let effective = scopes::effective(&chain, entries);
    let entries = effective.into_values().map(|found| entry(found.value, found.level, found.over)).collect();
    Ok(ConfigView {
        project: may.project.name.clone(),
        service: may.service.as_ref().map(|service| service.name.clone()),
        version: chain.iter().find(|scope| scope.level == level).map_or(0, |scope| scope.version),
        configuration: configuration(&chain, environment.as_ref()),
        uses: uses::of(&mut tx, may, environment.as_ref()).await?,
        environment: environment.map(|one| one.name),
        level,
        entries,
    })
}

/// The environments of which the project has a configuration: those that it may use, and those in which something of it was brought.
pub async fn environments(platform: &Platform, may: &May<can::Configure, Holder>) -> Result<Vec<EnvironmentName>> {
    let all = crate::environments::configured_for(&mut platform.read().await?, may.project.id).await?;
    Ok(all.into_iter().map(|one| one.name).collect())
}

fn entry(entry: Entry, origin: model::configs::Level, over: Vec<model::configs::Level>) -> EntryView {
    EntryView {
        kind: entry.kind,
        name: entry.name,
        origin,
        over,
        value: entry.value,
        // How long a secret is tells something of it.
        size: if entry.kind == EntryKind::Secret { 0 } else { entry.size },
        text: entry.is_text,
        since: entry.since,
        by: entry.by,
        at: entry.at,
    }
}

fn configuration(chain: &[super::Scope], environment: Option<&Environment>) -> ConfigurationOf {
    ConfigurationOf {
        environment: environment.filter(|_| !chain.is_empty()).map(|one| one.name.clone()),
        versions: chain.iter().map(|scope| LevelVersion { level: scope.level, version: scope.version }).collect(),
    }
}

/// The configuration that a deploy of the service would use now.
pub async fn would_be_used(platform: &Platform, may: &May<can::Deploy, Service>, environment: &EnvironmentName) -> Result<ConfigurationOf> {
    let mut tx = platform.read().await?;
    let environment = place(&mut tx, &may.project, Some(environment)).await?;
    in_force(&mut tx, may, environment.as_ref()).await
}

async fn in_force(tx: &mut Tx, service: &Service, environment: Option<&Environment>) -> Result<ConfigurationOf> {
    let chain = scopes::chain(tx, service.project.id, Some(service.id), environment.map(|one| one.id)).await?;
    Ok(configuration(&chain, environment))
}
