//! `?wait=`: an answer that comes when what it tells of has ended, and at the latest after so many seconds; then it tells how it stands.
//! How long one may wait at most is the domain's to say.

use std::time::Duration;

use axum::Json;
use domain::Error;
use serde::Deserialize;

use crate::http::Portal;
use crate::http::problem::Answer;

/// `?wait=` in seconds.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Waiting {
    wait: Option<u64>,
}

impl Waiting {
    /// How long the caller waits; where it does not say, `otherwise`.
    pub(super) fn span(&self, otherwise: Duration) -> Duration {
        self.wait.map_or(otherwise, Duration::from_secs)
    }
}

/// What was waited for. A portal that stops lets nobody wait.
pub(super) async fn waited<T>(portal: &Portal, wait: impl Future<Output = domain::Result<T>>) -> Answer<Json<T>> {
    let waited = portal.stopping.run_until_cancelled(wait).await;
    Ok(Json(waited.ok_or_else(|| Error::Unavailable("the portal is stopping; ask again when it is back".into()))??))
}
