//! Folders of machines that services may mount: what operators let them, and the check of what a descriptor asks for, both when somebody deploys it
//! and again when a container is made from it.

use model::descriptor::Descriptor;
use model::engine::EngineAddress;
use model::folders::{FolderList, FolderSettings};
use model::problem::FieldError;

use crate::access::{May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::worker::Worker;

const SETTING: &str = "host_folders";

async fn allowed(tx: &mut Tx) -> Result<FolderList> {
    let sql = "SELECT value FROM settings WHERE name = $1";
    let list = tx.opt(sql, args![SETTING], |row| row.get::<Json<FolderList>>("value")).await?;
    Ok(list.map(|json| json.0).unwrap_or_default())
}

/// What is nobody's to mount: the portal's data folder and its key, which may be elsewhere, and engines' sockets.
async fn own(platform: &Platform, tx: &mut Tx) -> Result<Vec<String>> {
    let engines: Vec<String> =
        tx.all("SELECT DISTINCT engine FROM machines WHERE removed_at IS NULL ORDER BY engine LIMIT 1000", args![], |row| row.get("engine")).await?;
    let socket = |engine: &String| match engine.parse() {
        Ok(EngineAddress::Unix(path)) => Some(path.to_string_lossy().into_owned()),
        Ok(EngineAddress::Ssh { socket, .. }) => Some(socket),
        Ok(EngineAddress::Tcp { .. }) | Err(_) => None,
    };
    Ok(engines.iter().filter_map(socket).chain(platform.own_paths().iter().cloned()).collect())
}

/// What is allowed, for operators.
pub async fn settings(platform: &Platform, _: &May<can::ManageEnvironments, Site>) -> Result<FolderSettings> {
    Ok(FolderSettings { allowed: allowed(&mut platform.read().await?).await?.into() })
}

/// Sets what is allowed. Tasks that run keep what they have mounted.
pub async fn set(platform: &Platform, may: &May<can::ManageEnvironments, Site>, settings: &FolderSettings) -> Result<FolderSettings> {
    let wrong = |message: String| Error::invalid("allowed", message);
    let list = FolderList::from_lines(settings.allowed.iter().flat_map(|lines| lines.lines())).map_err(wrong)?;
    let mut change = platform.change(may.actor()).await?;
    list.keeps_out_of(&own(platform, &mut change).await?).map_err(wrong)?;
    let settings = FolderSettings { allowed: list.clone().into() };
    let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    change.exec(sql, args![SETTING, Json(list)]).await?;
    let detail = serde_json::json!({ "allowed": settings.allowed });
    change.commit(Record::new("host_folders.set", "site", "slipway").detail(detail)).await?;
    Ok(settings)
}

/// Refuses folders that a descriptor may not mount.
pub(crate) async fn refuse(platform: &Platform, tx: &mut Tx, d: &Descriptor) -> Result<()> {
    let errors = refused(platform, tx, d).await?;
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

async fn refused(platform: &Platform, tx: &mut Tx, d: &Descriptor) -> Result<Vec<FieldError>> {
    if d.volumes.iter().all(|volume| volume.host.is_none()) {
        return Ok(Vec::new());
    }
    let list = allowed(tx).await?;
    // A machine may have come after the list was made.
    let keeps_out = list.keeps_out_of(&own(platform, tx).await?);
    let mut errors = Vec::new();
    for (at, volume) in d.volumes.iter().enumerate() {
        let Some(folder) = &volume.host else { continue };
        if let Err(message) = list.admits(folder, volume.read_only).and_then(|()| keeps_out.clone()) {
            errors.push(FieldError::new(format!("descriptor.volumes[{at}].host"), message));
        }
    }
    Ok(errors)
}

/// The same when a container is made: what was allowed at the deploy may not be any more.
///
/// # Errors
/// `Conflict` with the code `host_folder_refused`.
pub async fn still_allowed(worker: &Worker, d: &Descriptor) -> Result<()> {
    if d.volumes.iter().all(|volume| volume.host.is_none()) {
        return Ok(());
    }
    let platform = worker.platform();
    match refused(platform, &mut platform.read().await?, d).await?.into_iter().next() {
        Some(error) => Err(Error::conflict("host_folder_refused", error.message)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Store;

    #[tokio::test]
    async fn neither_the_data_folder_nor_a_key_beside_it_is_ever_listed() {
        let store = Store::open().await;
        store.platform.set_own_paths(&["/srv/slipway/data".into(), "/mnt/keys/slipway.key".into()]);
        let root = store.person("root", true).await;
        let may = root.may::<can::ManageEnvironments, _>(&store.platform, &Site).await.expect("an operator");
        for (line, fits) in [
            ("/srv/slipway/data/blobs", false),
            ("/srv/slipway", false),
            ("/mnt/keys", false),
            ("/mnt/keys/*", false),
            ("/mnt/*", false),
            ("/mnt/keys/slipway.key read-only", false),
            ("/mnt/shared/*", true),
        ] {
            let settings = FolderSettings { allowed: vec![line.to_owned()] };
            assert_eq!(set(&store.platform, &may, &settings).await.is_ok(), fits, "{line}");
        }
    }
}
