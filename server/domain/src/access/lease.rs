//! A permission for as long as it holds: long streams (logs, shells, live events) keep a lease, which is checked again whenever
//! anybody's access changes, and end when it is lost.

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Actor, Key, May, can};
use crate::accounts;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// A permission that is checked again and again.
pub struct Lease<P, K: Key> {
    platform: Platform,
    may: May<P, K::Resource>,
    key: K,
    changes: Receiver<()>,
}

impl Actor {
    /// Takes the permission and keeps watch over it.
    pub async fn lease<P: can::Permission, K: Key>(&self, platform: &Platform, key: K) -> Result<Lease<P, K>> {
        // Listening begins before the check, so that no change falls between the two.
        let changes = platform.access_changes();
        let may = self.may(platform, &key).await?;
        Ok(Lease { platform: platform.clone(), may, key, changes })
    }
}

impl<P: can::Permission, K: Key> Lease<P, K> {
    /// The permission.
    pub fn may(&self) -> &May<P, K::Resource> {
        &self.may
    }

    /// Resolves when the permission is gone: role lost, signed out, disabled, token revoked. Says why. A database that does not answer
    /// counts as gone: what cannot be checked is not allowed.
    pub async fn lost(&mut self) -> Error {
        loop {
            // Having missed some changes is a reason to look, as a change is.
            if let Err(RecvError::Closed) = self.changes.recv().await {
                return Error::Unavailable("the portal is stopping".into());
            }
            if let Err(error) = self.check().await {
                return error;
            }
        }
    }

    async fn check(&self) -> Result<()> {
        let actor = accounts::refresh(&self.platform, self.may.actor()).await?;
        actor.may::<P, K>(&self.platform, &self.key).await.map(drop)
    }
}
