//! Who acts in background loops: nobody's actor, with functions of its own. A worker can read and write what those functions let it,
//! and nothing takes a worker in place of a permission.

use crate::change::Bookkeeping;
use crate::error::Result;
use crate::platform::Platform;

/// A background loop's handle. Made in the server's `workers.rs` alone (clippy.toml forbids [`Worker::hire`] elsewhere).
#[derive(Clone)]
pub struct Worker {
    platform: Platform,
    name: &'static str,
}

impl Worker {
    /// Takes on a loop under a name.
    #[must_use]
    pub fn hire(platform: &Platform, name: &'static str) -> Self {
        Self { platform: platform.clone(), name }
    }

    /// The loop's name, for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The platform.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// A writing transaction for what the loop observed or did.
    pub async fn change(&self) -> Result<Bookkeeping> {
        self.platform.bookkeeping().await
    }
}
