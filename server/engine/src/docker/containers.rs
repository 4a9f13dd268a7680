//! Containers: make, start, stop, remove, list, inspect.
//!
//! Every method names one container by id or name. Removing or stopping what is gone already is a success, because the callers
//! (loops that run twice) want the state, not the act.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, StopContainerOptionsBuilder,
};

use super::{
    ContainerSeen, ContainerSpec, ContainerState, Docker, EngineError, Hidden, Kind, LABEL_INSTANCE, Limits, QUICK, Result, WORK, hijack, spec,
};

/// Largest inspection that is read.
const INSPECT_LIMIT: usize = 4 << 20;
/// What an engine may take for a stop beyond the grace.
const STOP_MARGIN: Duration = Duration::from_secs(30);

impl Docker {
    /// Makes a container; its id. It does not run yet.
    ///
    /// # Errors
    /// `NoSuchImage` when the image must be pulled first, `NameTaken`, `MemoryTooLow`, `NoSuchNetwork`, `Refused`.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<String> {
        let options = CreateContainerOptionsBuilder::default().name(&spec.name).build();
        let body = spec.body();
        let made = self.call("make the container", WORK, async move |client| client.create_container(Some(options), body).await).await?;
        Ok(made.id)
    }

    /// Starts a container; nothing happens when it runs.
    ///
    /// # Errors
    /// `PortTaken`, `CommandNotFound`, `MemoryTooLow`, `NoSuchContainer`.
    pub async fn start(&self, id: &str) -> Result<()> {
        self.call("start the container", WORK, async |client| client.start_container(id, None).await).await
    }

    /// Asks a container to stop, and ends it when `grace` is over. Good as well when it was stopped or is gone.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<()> {
        let seconds = i32::try_from(spec::whole_seconds(grace)).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        let stopped = self.call("stop the container", grace + STOP_MARGIN, async move |client| client.stop_container(id, Some(options)).await).await;
        gone_is_fine(stopped)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// `WrongState` when it does not run.
    pub async fn kill(&self, id: &str, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        self.call("signal the container", QUICK, async move |client| client.kill_container(id, Some(options)).await).await
    }

    /// Removes a container with its anonymous volumes, also when it runs. Good as well when it is gone.
    pub async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removed = self.call("remove the container", WORK, async move |client| client.remove_container(id, Some(options)).await).await;
        match removed {
            // Another removal is under way; that is what we want.
            Err(EngineError { kind: Kind::WrongState, message }) if message.contains("already in progress") => Ok(()),
            other => gone_is_fine(other),
        }
    }

    /// Gives a container another name. Good as well when it is called so.
    ///
    /// # Errors
    /// `NameTaken`, `NoSuchContainer`.
    pub async fn rename(&self, id: &str, name: &str) -> Result<()> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        match self.call("rename the container", QUICK, async move |client| client.rename_container(id, options).await).await {
            Err(error) if error.message.contains("same name as its current name") => Ok(()),
            other => other,
        }
    }

    /// All containers of a Slipway instance, also those that ended. One call.
    pub async fn list(&self, instance: &str) -> Result<Vec<ContainerSeen>> {
        self.list_where(instance, &[]).await
    }

    /// Those of them that bear all these labels.
    pub async fn list_where(&self, instance: &str, labels: &[(&str, &str)]) -> Result<Vec<ContainerSeen>> {
        let labels = std::iter::once((LABEL_INSTANCE, instance)).chain(labels.iter().copied());
        let filters = HashMap::from([("label", labels.map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>())]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let seen = self.call("list containers", QUICK, async move |client| client.list_containers(Some(options)).await).await?;
        Ok(seen.into_iter().filter_map(ContainerSeen::read).collect())
    }

    /// All containers of the engine, also those of others.
    pub async fn list_all(&self) -> Result<Vec<ContainerSeen>> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let seen = self.call("list containers", QUICK, async move |client| client.list_containers(Some(options)).await).await?;
        Ok(seen.into_iter().filter_map(ContainerSeen::read).collect())
    }

    /// Lets a frozen container go on. Good as well when it is not frozen or is gone.
    pub async fn unpause(&self, id: &str) -> Result<()> {
        let thawed = self.call("let the container go on", QUICK, async |client| client.unpause_container(id).await).await;
        match thawed {
            Err(error) if error.message.contains("is not paused") => Ok(()),
            other => gone_is_fine(other),
        }
    }

    /// A container's limits as they are now.
    pub async fn limits(&self, id: &str) -> Result<Limits> {
        let answer =
            self.call("inspect the container", QUICK, async |client| client.inspect_container(id, None::<InspectContainerOptions>).await).await?;
        Ok(Limits::read(&answer.host_config.unwrap_or_default()))
    }

    /// The state of one container.
    pub async fn inspect(&self, id: &str) -> Result<ContainerState> {
        let answer =
            self.call("inspect the container", QUICK, async |client| client.inspect_container(id, None::<InspectContainerOptions>).await).await?;
        Ok(ContainerState::read(answer))
    }

    /// The engine's whole inspection as it would print it, with secrets hidden.
    pub async fn inspect_full(&self, id: &str, hidden: &Hidden) -> Result<serde_json::Value> {
        let mut value = self.read_json(&format!("/containers/{}/json", path_part(id)?)).await?;
        hidden.and_named(&value).hide(&mut value);
        Ok(value)
    }

    /// A container's inspection and its image's, with all that they hold; the image's is null where it is gone.
    pub async fn describe(&self, id: &str) -> Result<(serde_json::Value, serde_json::Value)> {
        let container: serde_json::Value = self.read_json(&format!("/containers/{}/json", path_part(id)?)).await?;
        let image = container["Image"].as_str().and_then(|id| id.strip_prefix("sha256:")).unwrap_or_default().to_owned();
        let image = match path_part(&image) {
            Ok(image) => self.read_json(&format!("/images/{image}/json")).await.unwrap_or_default(),
            Err(_) => serde_json::Value::Null,
        };
        Ok((container, image))
    }

    /// The engine's own JSON at a path.
    pub(super) async fn read_json(&self, path: &str) -> Result<serde_json::Value> {
        let body = hijack::get(self.dialer(), &self.path(path).await?, INSPECT_LIMIT, QUICK).await?;
        serde_json::from_slice(&body).map_err(|error| EngineError::new(Kind::Other, format!("the engine's inspection could not be read: {error}")))
    }

    /// A path with the version that was agreed upon.
    pub(super) async fn path(&self, path: &str) -> Result<String> {
        let version = self.client().await?.client_version();
        Ok(format!("/v{}.{}{path}", version.major_version, version.minor_version))
    }
}

/// An id or name that can stand in a path. Ours always can; this keeps it so.
pub(super) fn path_part(id: &str) -> Result<&str> {
    let good = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')) && !id.starts_with('.');
    if good { Ok(id) } else { Err(EngineError::new(Kind::Refused, "not a container's id or name")) }
}

fn gone_is_fine(answer: Result<()>) -> Result<()> {
    match answer {
        Err(EngineError { kind: Kind::NoSuchContainer, .. }) => Ok(()),
        other => other,
    }
}
