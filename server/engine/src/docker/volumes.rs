//! Volumes that live in memory: made with the container that mounts them first ([`super::Mount::Kept`]), listed and removed here.
//!
//! Nothing without our instance's label is ever removed.

use std::collections::{BTreeMap, HashMap};

use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder};

use super::{Docker, EngineError, Kind, LABEL_INSTANCE, QUICK, Result, WORK};

/// A volume of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSeen {
    /// Its name.
    pub name: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

impl Docker {
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
            Err(error) if error.message.contains("no such volume") || error.message.contains("not found") => Ok(true),
            Err(error) => Err(error),
        }
    }
}
