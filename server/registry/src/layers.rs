//! Images that were pushed before their layers were written down: a loop reads their configurations and does it. Each is done once and for
//! itself, so a restart in the middle costs nothing, and what cannot be read is known by its blobs instead.

use std::io::Read as _;

use domain::{Result, Worker};
use model::manifest::Manifest;
use model::manifest::config::{CONFIG_MAX, ImageConfig};

use crate::registry::Registry;
use crate::store::{self, Unlayered};

/// Images that are read at once. A body has at most 4 MiB, mostly one KiB.
const AT_ONCE: u32 = 20;
/// Old moves of tags that are forgotten in one go.
const FORGOTTEN: u32 = 500;

impl Registry {
    /// Derives the chains of every image that has none yet; answers how many were done. For a loop.
    ///
    /// # Errors
    /// When the database fails; the next call goes on.
    pub async fn derive_layers(&self, worker: &Worker) -> Result<u64> {
        let mut done = 0;
        loop {
            let some = store::unlayered(worker, AT_ONCE).await?;
            if some.is_empty() {
                return Ok(done);
            }
            for image in &some {
                let manifest = Manifest::parse(Some(&image.media_type), &image.body).ok();
                let config = match &manifest {
                    Some(manifest) => self.stored_config(manifest, image).await,
                    None => None,
                };
                store::derive(worker, image, manifest.as_ref(), config.as_ref()).await?;
                done += 1;
            }
        }
    }

    /// Forgets moves of tags that mean nothing any more; answers how many. For a loop.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_moves(&self, worker: &Worker) -> Result<u64> {
        let mut gone = 0;
        loop {
            match store::forget_moves(worker, FORGOTTEN).await? {
                0 => return Ok(gone),
                some => gone += some,
            }
        }
    }

    async fn stored_config(&self, manifest: &Manifest, image: &Unlayered) -> Option<ImageConfig> {
        let config = manifest.config.as_ref().filter(|config| manifest.has_image_config() && config.size <= CONFIG_MAX as u64)?;
        let path = self.blobs().path(&config.digest);
        let read = tokio::task::spawn_blocking(move || {
            let mut body = Vec::new();
            std::fs::File::open(path)?.take(CONFIG_MAX as u64).read_to_end(&mut body)?;
            Ok::<_, std::io::Error>(body)
        });
        match read.await.map_err(std::io::Error::other).and_then(|read| read) {
            Ok(body) => ImageConfig::parse(&body),
            Err(error) => {
                tracing::warn!(image = %image.digest, %error, "an image's configuration cannot be read; its layers are known by their blobs");
                None
            }
        }
    }
}
