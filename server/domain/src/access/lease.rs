//! A permission for as long as it holds: long streams (logs, shells, waits) keep a lease. A task of its own checks it again whenever
//! anybody's access changes, and from time to time besides: credentials expire, and another process may have changed something. The check
//! is not the stream's to interrupt: a stream that is always ready cannot outrun it.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Actor, Key, May, can};
use crate::accounts;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// What no event tells of is noticed after this.
const CHECK_AGAIN: Duration = Duration::from_secs(30);

/// A permission that is checked again and again.
pub struct Lease<P, K: Key> {
    may: May<P, K::Resource>,
    loss: Option<oneshot::Receiver<Error>>,
    watch: JoinHandle<()>,
}

impl Actor {
    /// Takes the permission and keeps watch over it.
    pub async fn lease<P, K>(&self, platform: &Platform, key: K) -> Result<Lease<P, K>>
    where
        P: can::Permission,
        K: Key<Resource: 'static> + Send + 'static,
    {
        // Listening begins before the check, so that no change falls between the two.
        let changes = platform.access_changes();
        let may: May<P, K::Resource> = self.may(platform, &key).await?;
        let (told, loss) = oneshot::channel();
        let (platform, actor) = (platform.clone(), self.clone());
        let watch = tokio::spawn(async move {
            let error = lost::<P, K>(&platform, &actor, &key, changes).await;
            // Nobody listening any more is fine.
            let _ = told.send(error);
        });
        Ok(Lease { may, loss: Some(loss), watch })
    }
}

impl<P, K: Key> Lease<P, K> {
    /// The permission.
    pub fn may(&self) -> &May<P, K::Resource> {
        &self.may
    }

    /// Resolves when the permission is gone: role lost, signed out, disabled, token revoked or expired. Says why. A database that does not
    /// answer counts as gone: what cannot be checked is not allowed. Dropping the future loses nothing.
    pub async fn lost(&mut self) -> Error {
        let told = match &mut self.loss {
            Some(loss) => loss.await,
            None => return Error::Unauthenticated,
        };
        self.loss = None;
        told.unwrap_or_else(|_| Error::Unavailable("the portal is stopping".into()))
    }
}

impl<P, K: Key> Drop for Lease<P, K> {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn lost<P: can::Permission, K: Key>(platform: &Platform, actor: &Actor, key: &K, mut changes: Receiver<()>) -> Error {
    loop {
        tokio::select! {
            // Having missed some changes is a reason to look, as a change is.
            change = changes.recv() => if matches!(change, Err(RecvError::Closed)) {
                return Error::Unavailable("the portal is stopping".into());
            },
            () = tokio::time::sleep(CHECK_AGAIN) => {}
        }
        if let Err(error) = check::<P, K>(platform, actor, key).await {
            return error;
        }
    }
}

async fn check<P: can::Permission, K: Key>(platform: &Platform, actor: &Actor, key: &K) -> Result<()> {
    accounts::refresh(platform, actor).await?.may::<P, K>(platform, key).await.map(drop)
}
