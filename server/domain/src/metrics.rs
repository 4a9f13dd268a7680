//! What services and machines use: samples that a loop collects ([`work`]) and people read as charts. They are kept beside the database, in a store of
//! their own (the crate `metrics`), which blocks: it is asked on threads for that.

pub mod scrape;
pub mod work;

/// Runs what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> crate::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(crash) => Err(crate::Error::internal(format!("reading or keeping samples: {crash}"))),
    }
}
