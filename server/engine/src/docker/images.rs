//! Images: is it there, pull it by digest with progress, and take it away again.
//!
//! Never pulls by tag: what runs is what was pinned. Never removes by tag or by force.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use futures::StreamExt;
use model::secret::Secret;

use super::{Docker, EngineError, Kind, QUICK, Result, WORK};

/// A pull that tells nothing for so long has stalled.
const STALL: Duration = Duration::from_secs(300);
/// Most layers whose progress is kept; images have 127 at most.
const LAYERS: usize = 256;
/// Header by which a credential goes to the engine.
const CREDENTIAL_HEADER: &str = "x-registry-auth";

/// How the engine signs in at a registry. Lives as long as a pull does.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Name and password (or a token used as one).
    Password {
        /// Name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A bearer token that the engine passes on as it is.
    Bearer(Secret),
}

/// How far a pull is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// By the layer's short id.
    pub layers: BTreeMap<String, LayerProgress>,
}

/// How far a layer is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerProgress {
    /// Bytes fetched.
    pub current: u64,
    /// Bytes in all; 0 while not known.
    pub total: u64,
    /// It is unpacked, or was there before.
    pub done: bool,
}

impl PullProgress {
    /// Bytes fetched and in all, over all layers whose size is known.
    pub fn bytes(&self) -> (u64, u64) {
        self.layers.values().fold((0, 0), |(current, total), layer| (current + layer.current, total + layer.total))
    }

    /// Takes in one message; true if it changed something.
    fn hear(&mut self, message: &CreateImageInfo) -> bool {
        let (Some(id), Some(status)) = (message.id.as_deref(), message.status.as_deref()) else { return false };
        let known = self.layers.contains_key(id);
        // The first messages carry the tag or digest as id; layers are introduced by one of these words.
        if !known
            && (self.layers.len() >= LAYERS
                || !matches!(status, "Pulling fs layer" | "Waiting" | "Downloading" | "Already exists" | "Download complete"))
        {
            return false;
        }
        let layer = self.layers.entry(id.to_owned()).or_default();
        let before = layer.clone();
        match status {
            "Downloading" => {
                let detail = message.progress_detail.clone().unwrap_or_default();
                layer.current = detail.current.and_then(|n| u64::try_from(n).ok()).unwrap_or(layer.current);
                layer.total = detail.total.and_then(|n| u64::try_from(n).ok()).unwrap_or(layer.total);
            }
            "Download complete" | "Extracting" => layer.current = layer.total,
            "Pull complete" | "Already exists" => {
                layer.current = layer.total;
                layer.done = true;
            }
            _ => {}
        }
        !known || *layer != before
    }
}

/// An image on an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSeen {
    /// The engine's id.
    pub id: String,
    /// What it is called by tag.
    pub tags: Vec<String>,
    /// What it is called by digest, complete.
    pub digests: Vec<String>,
    /// Bytes that no other image has too, as far as the engine tells; else all of its bytes.
    pub bytes: i64,
}

impl Docker {
    /// Every image on the engine, whoever's.
    pub async fn images(&self) -> Result<Vec<ImageSeen>> {
        let options = ListImagesOptionsBuilder::default().all(false).digests(true).shared_size(true).build();
        let seen = self.call("list images", WORK, async move |client| client.list_images(Some(options)).await).await?;
        let named = |names: Vec<String>| names.into_iter().filter(|name| !name.starts_with("<none>")).collect::<Vec<_>>();
        Ok(seen
            .into_iter()
            .map(|image| ImageSeen {
                id: image.id,
                tags: named(image.repo_tags),
                digests: named(image.repo_digests),
                bytes: (image.size - image.shared_size.max(0)).max(0),
            })
            .collect())
    }

    /// The ids of the images that containers were made from: any container, whoever's, in whatever state.
    pub async fn used_images(&self) -> Result<BTreeSet<String>> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let seen = self.call("list containers", QUICK, async move |client| client.list_containers(Some(options)).await).await?;
        Ok(seen.into_iter().filter_map(|container| container.image_id).collect())
    }

    /// Takes one name by digest off an image, and the image with it when that was its last one. Never by force: what a container was made from
    /// stays, and is told as `WrongState`. Good as well when it is gone.
    pub async fn remove_image(&self, reference: &str) -> Result<()> {
        if !reference.contains("@sha256:") && !reference.contains("@sha512:") {
            return Err(EngineError::new(Kind::Refused, format!("{reference} has no digest; only what was pulled by digest is removed")));
        }
        let options = RemoveImageOptionsBuilder::default().force(false).build();
        let removed = self.call("remove the image", WORK, async move |client| client.remove_image(reference, Some(options), None).await).await;
        match removed {
            Ok(_) | Err(EngineError { kind: Kind::NoSuchImage, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The folder in which the engine keeps everything, on its own machine.
    pub async fn root_folder(&self) -> Result<Option<String>> {
        Ok(self.call("ask the engine about itself", QUICK, async |client| client.info().await).await?.docker_root_dir)
    }

    /// Is the image on the engine? `reference` is complete, with host and digest.
    pub async fn has_image(&self, reference: &str) -> Result<bool> {
        match self.call("look for the image", QUICK, async |client| client.inspect_image(reference).await.map(drop)).await {
            Ok(()) => Ok(true),
            Err(EngineError { kind: Kind::NoSuchImage, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The digest that a tag (or a digest) has at its registry now, asked by the engine itself, so with its routes and certificates.
    ///
    /// # Errors
    /// `NoSuchImage`, `Denied`, `RegistryUnreachable`.
    pub async fn resolve(&self, reference: &str, credential: Option<&Credential>) -> Result<String> {
        let credential = credential.map(|credential| credential.wire(reference));
        let found =
            self.call("ask the registry for the image", WORK, async |client| client.inspect_registry_image(reference, credential).await).await?;
        found.descriptor.digest.ok_or_else(|| EngineError::new(Kind::Other, format!("the registry did not tell the digest of {reference}")))
    }

    /// Fetches an image by digest. `tell` hears of every change of progress; it must be quick. Dropping the future ends the pull.
    ///
    /// # Errors
    /// `NoSuchImage`, `Denied`, `RegistryUnreachable`, `DiskFull`; `TimedOut` when nothing happens for five minutes, or not all in `limit`.
    pub async fn pull(
        &self,
        reference: &str,
        credential: Option<&Credential>,
        limit: Duration,
        mut tell: impl FnMut(&PullProgress) + Send,
    ) -> Result<()> {
        if !reference.contains("@sha256:") && !reference.contains("@sha512:") {
            return Err(EngineError::new(Kind::Refused, format!("{reference} has no digest; only what is pinned is pulled")));
        }
        let client = self.client().await?;
        let options = CreateImageOptionsBuilder::default().from_image(reference).build();
        let mut messages = client.create_image(Some(options), None, credential.map(|credential| credential.wire(reference)));
        let work = async {
            let mut progress = PullProgress::default();
            loop {
                match tokio::time::timeout(STALL, messages.next()).await {
                    Err(_) => return Err(EngineError::timed_out("pull the image (nothing came any more)", STALL)),
                    Ok(None) => return Ok(()),
                    Ok(Some(message)) => {
                        if progress.hear(&message?) {
                            tell(&progress);
                        }
                    }
                }
            }
        };
        let pulled = super::limited("pull the image", limit, work).await;
        self.note(&pulled);
        pulled
    }
}

impl Credential {
    fn wire(&self, reference: &str) -> DockerCredentials {
        let serveraddress = reference.split_once('/').map(|(host, _)| host.to_owned());
        match self {
            Credential::Password { username, password } => DockerCredentials {
                username: Some(username.clone()),
                password: Some(password.expose().to_owned()),
                serveraddress,
                ..DockerCredentials::default()
            },
            Credential::Bearer(token) => {
                DockerCredentials { registrytoken: Some(token.expose().to_owned()), serveraddress, ..DockerCredentials::default() }
            }
        }
    }
}

/// The engine reads the credential as URL-safe base64 and goes on without one, silently, if it cannot; bollard writes the other
/// alphabet, so that a password with `?` or `~` may get lost.
pub(super) fn mend_credential(mut request: bollard::BollardRequest) -> bollard::BollardRequest {
    if let Some(value) = request.headers_mut().get_mut(CREDENTIAL_HEADER) {
        let mended: Vec<u8> = value
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        if let Ok(mut mended) = hyper::header::HeaderValue::from_bytes(&mended) {
            mended.set_sensitive(true);
            *value = mended;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn message(id: &str, status: &str, detail: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: detail.map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) }),
            error_detail: None,
        }
    }

    #[test]
    fn progress_counts_fetched_bytes() {
        let mut progress = PullProgress::default();
        assert!(!progress.hear(&message("sha256:aa", "Pulling from p/web", None)));
        assert!(progress.hear(&message("l1", "Pulling fs layer", None)));
        assert!(progress.hear(&message("l2", "Already exists", None)));
        assert!(progress.hear(&message("l1", "Downloading", Some((10, 40)))));
        assert_eq!(progress.bytes(), (10, 40));
        assert!(!progress.hear(&message("l1", "Downloading", Some((10, 40)))));
        assert!(progress.hear(&message("l1", "Download complete", None)));
        assert!(!progress.hear(&message("l1", "Extracting", Some((1, 40)))));
        assert!(progress.hear(&message("l1", "Pull complete", None)));
        assert_eq!(progress.bytes(), (40, 40));
        assert!(progress.layers.values().all(|layer| layer.done));
    }
}
