//! Credentials for outside registries, for each project. Write-only: the secret is sealed at once, and opened for a pull alone.

use model::image::ImageReference;
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

fn purpose(project: model::ids::ProjectId, host: &str) -> String {
    format!("registry-credential {project} {host}")
}

/// Sets the credential for a registry; one that is there is replaced.
pub async fn put(platform: &Platform, may: &May<can::Configure, Project>, host: &str, username: &str, secret: &Secret) -> Result<()> {
    let host = check(host, username, secret)?;
    let mut change = platform.change(may.actor()).await?;
    // Two at once would both find room for one.
    change.lock_key(&format!("registry credentials {}", may.id)).await?;
    let sql = "SELECT COUNT(*) AS n FROM registry_credentials WHERE project_id = $1 AND host <> $2";
    let count: i64 = change.one(sql, args![may.id, &host], |row| row.get("n")).await?;
    if count >= MOST {
        return Err(Error::conflict("too_many_credentials", format!("a project has credentials for at most {MOST} registries; delete one first")));
    }
    let sealed = platform.seal(&purpose(may.id, &host), secret.expose().as_bytes());
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
    let host = host.trim().to_ascii_lowercase();
    let named = format!("{host}/x").parse::<ImageReference>().ok().and_then(|image| image.host().map(str::to_owned));
    if named.as_deref() != Some(host.as_str()) {
        errors.push(FieldError::new("host", "write the registry's host, with a port where it is not 443: registry.example.com:5000"));
    }
    if username.is_empty() || username.len() > 256 || username.chars().any(char::is_control) {
        errors.push(FieldError::new("username", "write the name to sign in with, at most 256 characters"));
    }
    if secret.expose().is_empty() || secret.expose().len() > 16 * 1024 {
        errors.push(FieldError::new("secret", "write the password or token, at most 16 KiB"));
    }
    if errors.is_empty() { Ok(host) } else { Err(Error::Invalid(errors)) }
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
pub async fn delete(platform: &Platform, may: &May<can::Configure, Project>, host: &str) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    let sql = "DELETE FROM registry_credentials WHERE project_id = $1 AND host = $2";
    if change.exec(sql, args![may.id, host]).await? == 0 {
        return Err(Error::NotFound { what: "registry credential" });
    }
    change.commit(Record::new("registry_credential.delete", "registry", host).project(may)).await
}

/// The credential for a pull: name and secret.
pub(crate) async fn open(tx: &mut Tx, platform: &Platform, project: model::ids::ProjectId, host: &str) -> Result<Option<(String, Secret)>> {
    let sql = "SELECT username, secret FROM registry_credentials WHERE project_id = $1 AND host = $2";
    let found: Option<(String, Vec<u8>)> = tx.opt(sql, args![project, host], |row| Ok((row.get("username")?, row.get("secret")?))).await?;
    let Some((username, sealed)) = found else { return Ok(None) };
    let plain = platform.open(&purpose(project, host), &sealed)?;
    let text = String::from_utf8(plain).map_err(|_| Error::internal("a registry credential is no text"))?;
    Ok(Some((username, Secret::new(text))))
}
