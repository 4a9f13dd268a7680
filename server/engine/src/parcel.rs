//! What is put into a task's container between its making and its start: configuration files, the time zone, an artifact, secret files.
//!
//! Secret files are in memory only, in a volume of the kind `tmpfs`. Such a volume is emptied when nothing has it mounted any more, so a file
//! that were put there before the start would be gone at the start. Therefore a *carrier* is made: a container of the same image that is never
//! started. Its upload mounts the volume and is held open, with the archive's last bytes withheld, until the task's own container runs and has
//! the volume mounted itself. Nothing is written to a disk, nothing of the image is run, and any engine can do it.
//!
//! Invariant: the program's first instruction finds every file in place, or it is ended and its container made anew.

use std::time::Duration;

use domain::deployments::work::Delivery;
use model::descriptor::Descriptor;
use model::ids::TaskId;

use crate::artifact::Fetched;
use crate::build::{SECRETS, carrier_labels, carrier_name, complete};
use crate::docker::{ContainerSpec, Docker, EngineError, Entry, HealthCommand, Held, Kind, Mount, Restart, Result};

/// Put after the last secret file: where it is, all of them are.
const MARKER: &str = ".complete";
/// Longest wait until the engine has unpacked the secret files.
const UNPACK: Duration = Duration::from_secs(20);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(15);

/// What is put into a container.
#[derive(Default)]
pub struct Parcel {
    /// Files and links in its own layer.
    pub plain: Vec<Entry>,
    /// Files in memory.
    pub secret: Vec<Entry>,
    /// What was fetched for it.
    pub artifact: Option<Fetched>,
}

impl Parcel {
    /// Of what the configuration centre delivers and the descriptor says.
    #[must_use]
    pub fn new(descriptor: &Descriptor, delivery: &Delivery) -> Self {
        let mut parcel = Self::default();
        if let Some((name, data)) = descriptor.timezone.as_deref().and_then(domain::zones::find) {
            parcel.plain.push(Entry::file(format!("/usr/share/zoneinfo/{name}"), data, 0o644));
            parcel.plain.push(Entry::file("/etc/localtime", data, 0o644));
        }
        for file in &delivery.files {
            if file.secret {
                // The path may be in any folder of the image, which must not be hidden by a mount: so it is a link to the memory.
                let kept = format!("{SECRETS}/{}", parcel.secret.len());
                parcel.plain.push(Entry::link(&file.path, &kept));
                parcel.secret.push(Entry::file(kept, file.content.expose(), file.mode));
            } else {
                parcel.plain.push(Entry::file(&file.path, file.content.expose(), file.mode));
            }
        }
        if !parcel.secret.is_empty() {
            parcel.secret.push(Entry::file(format!("{SECRETS}/{MARKER}"), *b"", 0o444));
        }
        parcel
    }

    /// Puts everything in place in a container that was not started yet. What is returned is let go of after the start.
    ///
    /// # Errors
    /// The engine's; the container is of no use then.
    pub async fn fill(&self, docker: &Docker, spec: &ContainerSpec, container: &str, owner: Owner<'_>) -> Result<Option<Carrier>> {
        if let Some(fetched) = &self.artifact {
            fetched.put(docker, container).await?;
        }
        // After the artifact, so that a configuration file takes the place of one that came with it.
        if !self.plain.is_empty() {
            docker.put(container, &self.plain).await?;
        }
        let memory = spec.mounts.iter().find(|mount| matches!(mount, Mount::Kept { .. }));
        match memory {
            Some(memory) if !self.secret.is_empty() => self.carry(docker, spec, memory, container, owner).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn carry(&self, docker: &Docker, spec: &ContainerSpec, memory: &Mount, container: &str, owner: Owner<'_>) -> Result<Carrier> {
        let id = make_carrier(docker, spec, memory, owner).await?;
        let carried = async {
            let held = docker.hold(&id, &self.secret).await?;
            let marker = format!("{SECRETS}/{MARKER}");
            let unpacked = async {
                while held.holds() {
                    if docker.has_path(container, &marker).await? {
                        return Ok(true);
                    }
                    tokio::time::sleep(LOOK).await;
                }
                Ok(false)
            };
            match tokio::time::timeout(UNPACK, unpacked).await {
                Ok(Ok(true)) => Ok(held),
                Ok(Ok(false)) => Err(held.finish().await.err().unwrap_or_else(|| not_held("the engine did not wait for the end of their archive"))),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(not_held("the engine did not unpack them in time; does a proxy in front of it keep what is sent to it?")),
            }
        };
        match carried.await {
            Ok(held) => Ok(Carrier { docker: docker.clone(), id, held }),
            Err(error) => {
                docker.remove(&id).await?;
                Err(error)
            }
        }
    }
}

fn not_held(why: &str) -> EngineError {
    EngineError::new(Kind::Refused, format!("secret files could not be put into memory: {why}"))
}

/// For whom a parcel is.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// This portal's id.
    pub instance: &'a str,
    /// The task.
    pub task: TaskId,
}

/// A container that is never started. One that a killed portal left is removed first.
async fn make_carrier(docker: &Docker, spec: &ContainerSpec, memory: &Mount, owner: Owner<'_>) -> Result<String> {
    let carrier = carrier(spec, memory, owner).ok_or_else(|| not_held("it has no memory for them"))?;
    match docker.create(&carrier).await {
        Err(EngineError { kind: Kind::NameTaken, .. }) => {
            docker.remove(&carrier.name).await?;
            docker.create(&carrier).await
        }
        other => other,
    }
}

fn carrier(spec: &ContainerSpec, memory: &Mount, owner: Owner<'_>) -> Option<ContainerSpec> {
    let Mount::Kept { name, path, bytes, labels, .. } = memory else { return None };
    Some(ContainerSpec {
        name: carrier_name(owner.task),
        image: spec.image.clone(),
        // An image without a command needs one, though it is never run.
        command: Some(vec!["-".to_owned()]),
        labels: complete(carrier_labels(owner.instance, owner.task)),
        mounts: vec![Mount::Kept { name: name.clone(), path: path.clone(), bytes: *bytes, read_only: false, labels: labels.clone() }],
        health: HealthCommand::Off,
        restart: Restart::No,
        ..ContainerSpec::default()
    })
}

/// Keeps secret files in memory until the container that they are for has them.
pub struct Carrier {
    docker: Docker,
    id: String,
    held: Held,
}

impl Carrier {
    /// Lets go, after the start. Whether the files were there all the time.
    ///
    /// # Errors
    /// The carrier could not be removed; it is swept away later.
    pub async fn let_go(self) -> Result<bool> {
        let held = self.held.holds();
        let finished = self.held.finish().await;
        self.docker.remove(&self.id).await?;
        if let Err(error) = &finished {
            tracing::warn!(%error, "an upload of secret files was cut");
        }
        Ok(held && finished.is_ok())
    }
}

/// Whether a running container has its secret files: something else than Slipway may have started it again.
///
/// # Errors
/// The engine's.
pub async fn has_secrets(docker: &Docker, container: &str) -> Result<bool> {
    docker.has_path(container, &format!("{SECRETS}/{MARKER}")).await
}

#[cfg(test)]
mod tests {
    use domain::configs::Hush;
    use domain::deployments::work::TaskFile;

    use super::*;
    use crate::build::{LABEL_CARRIER, LABEL_ENVIRONMENT, LABEL_PROJECT, LABEL_REVISION, LABEL_SERVICE, LABEL_TASK};
    use crate::docker::{LABEL_INSTANCE, LABEL_PROJECT_ID, What};

    #[test]
    fn a_carrier_is_no_container_of_a_service_whatever_its_image_says() {
        let task: TaskId = uuid::Uuid::from_u128(7).into();
        let owner = Owner { instance: "ours", task };
        let memory = Mount::Kept { name: "m".into(), path: SECRETS.into(), bytes: 1, read_only: true, labels: carrier_labels(owner.instance, task) };
        let spec = ContainerSpec { image: "web".into(), ..ContainerSpec::default() };
        let labels = carrier(&spec, &memory, owner).expect("memory").labels;
        let (own, others): (Vec<_>, Vec<_>) = labels.iter().partition(|(_, value)| !value.is_empty());
        assert_eq!(own, [(&LABEL_CARRIER.to_owned(), &task.to_string()), (&LABEL_INSTANCE.to_owned(), &"ours".to_owned())]);
        let others: Vec<&str> = others.into_iter().map(|(label, _)| label.as_str()).collect();
        for label in [LABEL_TASK, LABEL_SERVICE, LABEL_PROJECT, LABEL_ENVIRONMENT, LABEL_REVISION, LABEL_PROJECT_ID] {
            assert!(others.contains(&label), "{label} would be the image's");
        }
        assert!(carrier(&spec, &Mount::Host { source: "/x".into(), path: "/x".into(), read_only: true }, owner).is_none());
    }

    #[test]
    fn a_secret_is_behind_a_link_and_not_in_the_layer() {
        let file = |path: &str, content: &[u8], secret| TaskFile { path: path.into(), content: Hush::new(content.to_vec()), mode: 0o444, secret };
        let files = vec![file("/etc/app.conf", b"plain", false), file("/etc/key", b"hunter2", true)];
        let descriptor = Descriptor::parse("{image: web, timezone: Europe/Berlin}").expect("a descriptor");
        let parcel = Parcel::new(&descriptor, &Delivery { files, ..Delivery::default() });
        let plain: Vec<&str> = parcel.plain.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(plain, ["/usr/share/zoneinfo/Europe/Berlin", "/etc/localtime", "/etc/app.conf", "/etc/key"]);
        assert!(matches!(&parcel.plain[3].what, What::Link { to } if to == "/run/slipway/secrets/0"));
        let secret: Vec<&str> = parcel.secret.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(secret, ["/run/slipway/secrets/0", "/run/slipway/secrets/.complete"], "the marker comes last");
    }
}
