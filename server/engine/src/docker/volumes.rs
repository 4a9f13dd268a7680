//! Volumes. Named ones are made here before a container mounts them, with the label of their project's id; those that live in memory are made with
//! the container that mounts them first ([`super::Mount::Kept`]), listed and removed here.
//!
//! Nothing without our instance's label is ever removed.

use std::collections::{BTreeMap, HashMap};

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder};

use super::{Docker, EngineError, Kind, LABEL_INSTANCE, LABEL_PROJECT_ID, QUICK, Result, WORK};

/// A volume of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSeen {
    /// Its name.
    pub name: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

impl Docker {
    /// Makes a named volume if it is missing. One that is there keeps its labels.
    ///
    /// # Errors
    /// `NameTaken` when what bears the name is marked as another instance's or another project's.
    pub async fn ensure_volume(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
        if let Some(found) = self.volume_labels(name).await? {
            return ours(name, &found, labels);
        }
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels.clone().into_iter().collect::<HashMap<_, _>>()),
            ..VolumeCreateRequest::default()
        };
        // Where another task of the service is quicker, the engine answers with what that one made.
        self.call("make the volume", WORK, async move |client| client.create_volume(request).await).await.map(drop)
    }

    async fn volume_labels(&self, name: &str) -> Result<Option<HashMap<String, String>>> {
        match self.call("look for the volume", QUICK, async move |client| client.inspect_volume(name).await).await {
            Ok(found) => Ok(Some(found.labels)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The volumes of an instance that bear a label, whatever its value.
    pub async fn volumes(&self, instance: &str, label: &str) -> Result<Vec<VolumeSeen>> {
        let filters = HashMap::from([("label", vec![format!("{LABEL_INSTANCE}={instance}"), label.to_owned()])]);
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let found = self.call("list volumes", QUICK, async move |client| client.list_volumes(Some(options)).await).await?;
        let volumes = found.volumes.unwrap_or_default().into_iter();
        Ok(volumes.map(|volume| VolumeSeen { name: volume.name, labels: volume.labels.into_iter().collect() }).collect())
    }

    /// Removes a volume. Whether it is gone; `false`: a container uses it.
    pub async fn remove_volume(&self, name: &str) -> Result<bool> {
        let options = RemoveVolumeOptionsBuilder::default().build();
        match self.call("remove the volume", WORK, async move |client| client.remove_volume(name, Some(options)).await).await {
            Ok(()) => Ok(true),
            Err(EngineError { kind: Kind::WrongState, .. }) => Ok(false),
            Err(error) if is_gone(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn is_gone(error: &EngineError) -> bool {
    error.message.contains("no such volume") || error.message.contains("not found")
}

/// Names are free again some time after a project was deleted, and volumes stay: what another project of the name wrote is not handed on. A volume
/// without the project's id is of a release that did not write it, or was made by hand, and is taken as it is: that it is this project's is what
/// holds for all but a few of them, and to refuse them would stop every service that keeps something.
fn ours(name: &str, found: &HashMap<String, String>, wanted: &BTreeMap<String, String>) -> Result<()> {
    let others = |label: &str| found.get(label).is_some_and(|whose| !whose.is_empty() && wanted.get(label) != Some(whose));
    if others(LABEL_INSTANCE) {
        return Err(EngineError::new(Kind::NameTaken, format!("the volume {name} on the machine is another Slipway's; it is not touched")));
    }
    if others(LABEL_PROJECT_ID) {
        let message = format!(
            "the volume {name} on the machine was left by a deleted project of the same name and is not handed on; \
             an operator must remove it, or the descriptor name its volume otherwise"
        );
        return Err(EngineError::new(Kind::NameTaken, message));
    }
    Ok(())
}
