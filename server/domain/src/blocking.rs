//! What reads or writes files waits on a thread for that, never on one that serves connections.

use crate::error::{Error, Result};

/// Runs what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|crash| Error::internal(format!("reading or keeping files: {crash}")))??)
}
