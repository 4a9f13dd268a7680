//! The versions of a place: listed, looked at, compared; and a file's content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::configs::EntryKind;
use model::names::EnvironmentName;
use model::page::{Page, PageRequest};
use model::views::configs::{FileView, VersionDetail, VersionView};

use super::{Holder, Scope, diff, place, scopes};
use crate::access::{May, can};
use crate::args;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;

const SELECT: &str = "SELECT v.number, v.created_at, v.created_by, v.why, v.restored FROM config_versions v WHERE v.scope_id = $1";

fn view(row: &Row<'_>, scope: &Scope) -> Result<VersionView> {
    let number: i64 = row.get("number")?;
    Ok(VersionView {
        number,
        at: row.get("created_at")?,
        by: row.get("created_by")?,
        why: row.get("why")?,
        restored: row.get("restored")?,
        whole: number >= scope.kept_from,
    })
}

async fn scope(tx: &mut Tx, holder: &Holder, environment: Option<&EnvironmentName>) -> Result<Option<Scope>> {
    let environment = place(tx, &holder.project, environment).await?;
    let service = holder.service.as_ref().map(|service| service.id);
    scopes::exactly(tx, holder.project.id, service, environment.map(|one| one.id)).await
}

/// The versions of a place, newest first; the cursor is a number.
pub async fn versions(
    platform: &Platform,
    may: &May<can::Configure, Holder>,
    environment: Option<&EnvironmentName>,
    page: &PageRequest,
) -> Result<Page<VersionView>> {
    let limit = page.limit();
    let after = page.after.as_deref().and_then(|after| after.parse().ok()).unwrap_or(i64::MAX);
    let mut tx = platform.read().await?;
    let Some(scope) = scope(&mut tx, may, environment).await? else { return Ok(Page { items: Vec::new(), next: None }) };
    let sql = format!("{SELECT} AND v.number < $2 ORDER BY v.number DESC LIMIT $3");
    let items = tx.all(sql, args![scope.id, after, i64::from(limit) + 1], |row| view(row, &scope)).await?;
    Ok(Page::cut(items, limit, |item| item.number.to_string()))
}

/// One version, and how it differs from another (where none is named, from the one before it).
///
/// # Errors
/// `NotFound`: no such version. `Conflict`: old contents that it would need were given up.
pub async fn version(
    platform: &Platform,
    may: &May<can::Configure, Holder>,
    environment: Option<&EnvironmentName>,
    number: i64,
    against: Option<i64>,
) -> Result<VersionDetail> {
    let missing = || Error::NotFound { what: "version" };
    let mut tx = platform.read().await?;
    let scope = scope(&mut tx, may, environment).await?.ok_or_else(missing)?;
    let found = tx.opt(format!("{SELECT} AND v.number = $2"), args![scope.id, number], |row| view(row, &scope)).await?;
    let version = found.ok_or_else(missing)?;
    let against = against.unwrap_or(number - 1);
    if against < 0 || against > scope.version {
        return Err(Error::invalid("against", format!("there is no version {against}; the newest is {}", scope.version)));
    }
    if number.min(against) < scope.kept_from && against != 0 {
        return Err(Error::conflict(
            "version_given_up",
            format!("versions before {} are not whole any more: old contents were given up for room", scope.kept_from),
        ));
    }
    let before = scopes::entries(&mut tx, &[Scope { version: against, ..scope }]).await?;
    let after = scopes::entries(&mut tx, &[Scope { version: number, ..scope }]).await?;
    Ok(VersionDetail { version, against, changes: diff::between(&mut tx, before, after).await? })
}

/// A file that is in force at a place.
pub async fn file(platform: &Platform, may: &May<can::Configure, Holder>, environment: Option<&EnvironmentName>, name: &str) -> Result<FileView> {
    let mut tx = platform.read().await?;
    let environment = place(&mut tx, &may.project, environment).await?;
    let service = may.service.as_ref().map(|service| service.id);
    let chain = scopes::chain(&mut tx, may.project.id, service, environment.as_ref().map(|one| one.id)).await?;
    let entries = scopes::entries(&mut tx, &chain).await?;
    let mut effective = scopes::effective(&chain, entries);
    let found = effective.remove(&(EntryKind::File, name.to_owned())).ok_or(Error::NotFound { what: "file" })?;
    let bytes = scopes::content(&mut tx, &found.value).await?;
    let (content, content_base64) = match String::from_utf8(bytes) {
        Ok(text) if found.value.is_text => (Some(text), None),
        Ok(text) => (None, Some(STANDARD.encode(text))),
        Err(error) => (None, Some(STANDARD.encode(error.into_bytes()))),
    };
    let level = may.level(environment.as_ref());
    let version = chain.iter().find(|scope| scope.level == level).map_or(0, |scope| scope.version);
    Ok(FileView { name: found.value.name, origin: found.level, version, size: found.value.size, content, content_base64 })
}
