//! Who acts in background loops: nobody's actor, with functions of its own. A worker can read and write what those functions let it,
//! and nothing takes a worker in place of a permission.

use std::time::Instant;

use crate::change::Bookkeeping;
use crate::error::Result;
use crate::platform::Platform;
use crate::site::put_setting;

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

    /// Does the loop's work once, and notes for `/metrics` how long it took and whether it could be done.
    pub async fn turn<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let began = Instant::now();
        let done = work.await;
        self.platform.counters().ran(self.name, began.elapsed(), self.platform.now(), done.is_ok());
        done
    }

    /// A writing transaction for what the loop observed or did.
    pub async fn change(&self) -> Result<Bookkeeping> {
        self.platform.bookkeeping().await
    }

    /// The same for what may be undone by a loss of power, since the loop would do it again: it does not wait for the disk, nor do others who
    /// write. What rests on it for good calls [`Worker::make_lasting`] first.
    pub async fn relaxed_change(&self) -> Result<Bookkeeping> {
        self.platform.relaxed().await
    }

    /// When this returns, all that was committed before survives a loss of power.
    pub async fn make_lasting(&self) -> Result<()> {
        // A new value each time: a row that is overwritten with what it holds is not written.
        let mut tx = self.change().await?;
        put_setting(&mut tx, "lasting", &self.platform.new_id::<model::ids::RunId>().to_string()).await?;
        tx.finish().await
    }
}
