//! Outside registries of a project and their credentials. Write-only: the secret is sealed at once, and opened for a pull, a copy or a check
//! alone. A registry may be kept without a credential: it is spoken to as nobody.

use model::outside::RegistryHost;
use model::problem::FieldError;
use model::secret::Secret;
use model::views::services::RegistryCredentialView;

use crate::access::{May, can};
use crate::args;
use crate::change::Record;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;

/// Most registries of one project.
const MOST: i64 = 100;

pub(crate) fn purpose(project: impl std::fmt::Display, host: &str) -> String {
    format!("registry-credential {project} {host}")
}

/// Sets the credential for a registry; one that is there is replaced.
pub async fn put(platform: &Platform, may: &May<can::ManageRegistries, Project>, host: &str, username: &str, secret: &Secret) -> Result<()> {
    let host = check(host, username, secret)?;
    let mut change = platform.change(may.actor()).await?;
    // Two at once would both find room for one.
    change.lock_key(&format!("registry credentials {}", may.id)).await?;
    let sql = "SELECT COUNT(*) AS n FROM registry_credentials WHERE project_id = $1 AND host <> $2";
    let count: i64 = change.one(sql, args![may.id, &host], |row| row.get("n")).await?;
    if count >= MOST {
        return Err(Error::conflict("too_many_credentials", format!("a project has credentials for at most {MOST} registries; delete one first")));
    }
    let sealed = platform.seal_in(&mut change, &purpose(may.id, &host), secret.expose().as_bytes()).await?;
    let sql = "INSERT INTO registry_credentials (project_id, host, username, secret, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (project_id, host) DO UPDATE SET username = excluded.username, secret = excluded.secret,
               updated_by = excluded.updated_by, updated_at = excluded.updated_at";
    change.exec(sql, args![may.id, &host, username, sealed, may.actor().name(), platform.now()]).await?;
    let detail = serde_json::json!({ "username": username });
    change.commit(Record::new("registry_credential.put", "registry", &host).project(may).detail(detail)).await
}

/// Every mistake of what was typed, or the host as it is stored.
fn check(host: &str, username: &str, secret: &Secret) -> Result<String> {
    let mut errors = Vec::new();
    let found = host.parse::<RegistryHost>();
    if let Err(error) = &found {
        errors.push(FieldError::new("host", error.to_string()));
    }
    let none = username.is_empty() && secret.expose().is_empty();
    if !none && (username.is_empty() || username.len() > 256 || username.chars().any(char::is_control) || username.contains(':')) {
        errors.push(FieldError::new("username", "write the name to sign in with, at most 256 characters and without a colon"));
    }
    if !none && (secret.expose().is_empty() || secret.expose().len() > 16 * 1024) {
        errors.push(FieldError::new("secret", "write the password or token, at most 16 KiB"));
    }
    match found {
        Ok(host) if errors.is_empty() => Ok(host.into()),
        _ => Err(Error::Invalid(errors)),
    }
}

/// The registries for which the project has credentials; never the secrets.
pub async fn list(platform: &Platform, may: &May<can::Configure, Project>) -> Result<Vec<RegistryCredentialView>> {
    let sql = "SELECT host, username, updated_by, updated_at FROM registry_credentials WHERE project_id = $1 ORDER BY host LIMIT $2";
    let view = |row: &crate::db::Row<'_>| {
        Ok(RegistryCredentialView {
            host: row.get("host")?,
            username: row.get("username")?,
            by: row.get("updated_by")?,
            updated_at: row.get("updated_at")?,
        })
    };
    platform.read().await?.all(sql, args![may.id, MOST], view).await
}

/// Forgets the credential for a registry.
pub async fn delete(platform: &Platform, may: &May<can::ManageRegistries, Project>, host: &str) -> Result<()> {
    // Under its one name, or as it was typed before hosts had one.
    let canonical = host.parse::<RegistryHost>().map_or_else(|_| host.to_owned(), String::from);
    let mut change = platform.change(may.actor()).await?;
    let sql = "DELETE FROM registry_credentials WHERE project_id = $1 AND host IN ($2, $3)";
    if change.exec(sql, args![may.id, host, canonical]).await? == 0 {
        return Err(Error::NotFound { what: "registry credential" });
    }
    change.commit(Record::new("registry_credential.delete", "registry", host).project(may)).await
}

/// Whether the registry is one of the project's.
pub(crate) async fn is_kept(tx: &mut Tx, project: model::ids::ProjectId, host: &RegistryHost) -> Result<bool> {
    let sql = "SELECT host FROM registry_credentials WHERE project_id = $1 AND host = $2";
    Ok(tx.opt(sql, args![project, host.as_str()], |row| row.get::<String>("host")).await?.is_some())
}

/// The credential for a pull: name and secret. None where the registry is spoken to as nobody.
pub(crate) async fn open(tx: &mut Tx, platform: &Platform, project: model::ids::ProjectId, host: &str) -> Result<Option<(String, Secret)>> {
    let host = RegistryHost::canonical(host);
    let sql = "SELECT username, secret FROM registry_credentials WHERE project_id = $1 AND host = $2 AND username <> ''";
    let found: Option<(String, Vec<u8>)> = tx.opt(sql, args![project, host.as_str()], |row| Ok((row.get("username")?, row.get("secret")?))).await?;
    let Some((username, sealed)) = found else { return Ok(None) };
    let plain = platform.open(&purpose(project, host.as_str()), &sealed)?;
    let text = String::from_utf8(plain).map_err(|_| Error::internal("a registry credential is no text"))?;
    Ok(Some((username, Secret::new(text))))
}
