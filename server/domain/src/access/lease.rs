//! A permission for as long as it holds: long streams (logs, shells, waits) keep a lease. A task of its own checks it again whenever
//! anybody's access changes, and from time to time besides: credentials expire, and another process may have changed something. The check
//! is not the stream's to interrupt: a stream that is always ready cannot outrun it. Many changes at once are one check, not many.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{Actor, Key, May, can};
use crate::accounts;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// What no event tells of is noticed after this.
pub(crate) const CHECK_AGAIN: Duration = Duration::from_secs(30);

/// Between two checks at least: what changes meanwhile is one check together.
const PAUSE: Duration = Duration::from_millis(200);

/// Tells when it is time to look at a permission again.
#[derive(Debug)]
pub struct Changes {
    counter: watch::Receiver<u64>,
    changed: bool,
    looked: Instant,
}

impl Changes {
    pub(crate) fn new(counter: watch::Receiver<u64>) -> Self {
        Self { counter, changed: false, looked: Instant::now() }
    }

    /// Resolves when somebody's access has changed since the last time, or when that was long ago. The first change is told at once, those
    /// that follow together. False: nobody tells of changes any more. Dropping the future loses nothing.
    pub async fn due(&mut self) -> bool {
        loop {
            let at = self.looked + if self.changed { PAUSE } else { CHECK_AGAIN };
            tokio::select! {
                () = sleep_until(at) => {
                    self.changed = false;
                    self.looked = Instant::now();
                    return true;
                }
                change = self.counter.changed() => {
                    if change.is_err() {
                        return false;
                    }
                    self.changed = true;
                }
            }
        }
    }
}

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

async fn lost<P: can::Permission, K: Key>(platform: &Platform, actor: &Actor, key: &K, mut changes: Changes) -> Error {
    while changes.due().await {
        // In a box: there are as many leases as streams, and they wait nearly always.
        if let Err(error) = Box::pin(check::<P, K>(platform, actor, key)).await {
            return error;
        }
    }
    Error::Unavailable("the portal is stopping".into())
}

async fn check<P: can::Permission, K: Key>(platform: &Platform, actor: &Actor, key: &K) -> Result<()> {
    accounts::refresh(platform, actor).await?.may::<P, K>(platform, key).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rounds(changes: &mut Changes, span: Duration) -> u32 {
        let mut rounds = 0;
        let _ = tokio::time::timeout(span, async {
            while changes.due().await {
                rounds += 1;
            }
        })
        .await;
        rounds
    }

    #[tokio::test]
    async fn many_changes_are_few_checks_and_the_last_one_is_seen() {
        let (counter, receiver) = watch::channel(0_u64);
        let mut changes = Changes::new(receiver);
        tokio::time::sleep(PAUSE).await;
        counter.send_modify(|count| *count += 1);
        assert!(rounds(&mut changes, PAUSE / 2).await >= 1, "the first is told at once");
        let began = Instant::now();
        let busy = tokio::spawn(async move {
            for _ in 0..500 {
                counter.send_modify(|count| *count += 1);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            counter
        });
        let mut found = rounds(&mut changes, PAUSE * 4).await;
        let counter = busy.await.expect("no panic");
        counter.send_modify(|count| *count += 1);
        found += rounds(&mut changes, PAUSE * 2).await;
        let most = began.elapsed().as_millis() / PAUSE.as_millis() + 1;
        assert!(u128::from(found) <= most && found >= 2, "five hundred changes were {found} checks");
        assert_eq!(rounds(&mut changes, PAUSE).await, 0, "and nothing is left to look at");
    }

    #[tokio::test]
    async fn a_change_is_not_lost_when_somebody_stops_waiting() {
        let (counter, receiver) = watch::channel(0_u64);
        let mut changes = Changes::new(receiver);
        counter.send_modify(|count| *count += 1);
        let _ = tokio::time::timeout(Duration::ZERO, changes.due()).await;
        assert_eq!(rounds(&mut changes, PAUSE * 2).await, 1);
    }
}
