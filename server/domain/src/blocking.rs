//! What reads or writes files waits on a thread for that, never on one that serves connections.

use crate::error::{Error, Result};

/// Runs what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    Ok(on_thread(work).await??)
}

/// The same of what has its own answer.
pub(crate) async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|crash| Error::internal(format!("reading or keeping files: {crash}")))
}
