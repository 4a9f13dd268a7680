//! What operators allow to be spoken to besides the public internet: internal registries. Projects' admins name hosts, so nothing else
//! inside the network can be reached through the portal.

use model::outside::{AllowList, RegistryHost};
use model::views::copies::{CheckView, OutsideSettings};

use crate::access::{May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;
use crate::services::credentials;

const SETTING: &str = "outside_registries";

/// What is allowed at the moment.
pub(crate) async fn allowed(tx: &mut Tx) -> Result<AllowList> {
    let sql = "SELECT value FROM settings WHERE name = $1";
    let list = tx.opt(sql, args![SETTING], |row| row.get::<Json<AllowList>>("value")).await?;
    Ok(list.map(|json| json.0).unwrap_or_default())
}

/// What is allowed, for operators.
pub async fn settings(platform: &Platform, _: &May<can::MaintainRegistry, Site>) -> Result<OutsideSettings> {
    Ok(OutsideSettings { allowed: allowed(&mut platform.read().await?).await?.into() })
}

/// Sets what is allowed. Copies under way keep the connections that they have.
pub async fn set(platform: &Platform, may: &May<can::MaintainRegistry, Site>, settings: &OutsideSettings) -> Result<OutsideSettings> {
    let list = AllowList::from_lines(settings.allowed.iter().flat_map(|lines| lines.lines())).map_err(|error| Error::invalid("allowed", error))?;
    let settings = OutsideSettings { allowed: list.clone().into() };
    let mut change = platform.change(may.actor()).await?;
    let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    change.exec(sql, args![SETTING, Json(list)]).await?;
    let detail = serde_json::json!({ "allowed": settings.allowed });
    change.commit(Record::new("outside_registries.set", "site", "slipway").detail(detail)).await?;
    Ok(settings)
}

/// Asks a registry of the project whether it answers and takes the credential that is kept. Leaves a record: it sends a secret.
pub async fn check(platform: &Platform, may: &May<can::ManageRegistries, Project>, host: &str) -> Result<CheckView> {
    let host: RegistryHost = host.parse().map_err(|_| Error::NotFound { what: "registry credential" })?;
    let mut tx = platform.read().await?;
    let kept = credentials::is_kept(&mut tx, may.id, &host).await?;
    let credential = credentials::open(&mut tx, platform, may.id, host.as_str()).await?;
    let allowed = allowed(&mut tx).await?;
    drop(tx);
    if !kept {
        return Err(Error::NotFound { what: "registry credential" });
    }
    let change = platform.change(may.actor()).await?;
    change.commit(Record::new("registry_credential.check", "registry", &host).project(may)).await?;
    let outside = platform.outside().ok_or_else(|| Error::Unavailable("this process speaks with no outside registry".into()))?;
    Ok(outside.check(&host, credential, &allowed).await)
}
