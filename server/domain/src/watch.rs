//! Which topics a caller may watch: those whose page they may read. And the one way to wait for an end: by what a topic tells, never by asking
//! again and again.

use std::time::Duration;

use crate::access::{Actor, Site, can};
use crate::environments::Readable;
use crate::error::{Error, Result};
use crate::live::{Topic, changed};
use crate::platform::Platform;

/// Longest wait for something's end.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// Whether the caller may hear of changes of this topic; the errors are those of the page.
pub async fn may_watch(platform: &Platform, actor: &Actor, topic: Topic) -> Result<()> {
    match topic {
        Topic::Project(id) => actor.may::<can::SeeProject, _>(platform, &id).await.map(drop),
        Topic::Images(id) => actor.may::<can::Pull, _>(platform, &id).await.map(drop),
        Topic::Copies(id) => actor.may::<can::Push, _>(platform, &id).await.map(drop),
        Topic::Alerts(id) => actor.may::<can::SeeServices, _>(platform, &id).await.map(drop),
        Topic::SiteAlerts => actor.may::<can::ManageAlerts, _>(platform, &Site).await.map(drop),
        Topic::Environment(id) => actor.may::<can::SeeEnvironments, _>(platform, &Readable { key: id, reader: actor }).await.map(drop),
        // It says nothing but that time went on.
        Topic::Metrics => actor.may::<can::SeeEnvironments, _>(platform, &Site).await.map(drop),
        Topic::Machine(_) => actor.may::<can::ManageEnvironments, _>(platform, &Site).await.map(drop),
        Topic::Upkeep => actor.may::<can::MaintainRegistry, _>(platform, &Site).await.map(drop),
        Topic::Service(id) => actor.may::<can::SeeServices, _>(platform, &id).await.map(drop),
        Topic::Deployment(id) => actor.may::<can::SeeServices, _>(platform, &id).await.map(drop),
    }
}

/// What `look` finds: when it is `over`, or as it is after `span` (at most [`WAIT_MAX`]). It looks at once, and again when the topic changes.
///
/// # Errors
/// What `look` meets; what `lost` resolves to: a lease's loss; `Unavailable` when the portal stops.
pub(crate) async fn until<T, F: Future<Output = Result<T>>>(
    platform: &Platform,
    topic: Topic,
    span: Duration,
    lost: impl Future<Output = Error>,
    look: impl Fn() -> F,
    over: impl Fn(&T) -> bool,
) -> Result<T> {
    // Listening begins before the first look, so that no change falls between the two.
    let mut live = platform.live();
    let deadline = tokio::time::Instant::now() + span.min(WAIT_MAX);
    tokio::pin!(lost);
    loop {
        let found = look().await?;
        if over(&found) {
            return Ok(found);
        }
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => return Ok(found),
            error = &mut lost => return Err(error),
            heard = changed(&mut live, topic) => heard?,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::testing::Store;

    const LONG: Duration = Duration::from_secs(60);

    async fn touch(store: &Store, topic: Topic) {
        let mut write = store.worker.change().await.expect("a transaction");
        write.touch(topic);
        write.finish().await.expect("kept");
    }

    #[tokio::test]
    async fn a_change_right_after_the_first_look_is_heard() {
        let store = Store::open().await;
        let looks = AtomicU32::new(0);
        let look = || async {
            let found = looks.fetch_add(1, Ordering::Relaxed);
            if found == 0 {
                touch(&store, Topic::Upkeep).await;
            }
            Ok(found)
        };
        let found = tokio::time::timeout(LONG / 2, until(&store.platform, Topic::Upkeep, LONG, pending(), look, |found| *found > 0)).await;
        assert_eq!(found.expect("before the span ends").expect("found"), 1);
    }

    #[tokio::test]
    async fn what_goes_on_is_told_as_it_is_after_the_span_and_other_topics_are_not_heard() {
        let store = Store::open().await;
        let looks = AtomicU32::new(0);
        let look = || async {
            touch(&store, Topic::Images(store.platform.new_id())).await;
            Ok(looks.fetch_add(1, Ordering::Relaxed))
        };
        let span = Duration::from_millis(50);
        assert_eq!(until(&store.platform, Topic::Upkeep, span, pending(), look, |_| false).await.expect("as it is"), 0);
        assert_eq!(looks.into_inner(), 1, "nothing of the topic happened");
    }

    #[tokio::test]
    async fn a_lost_permission_ends_the_wait_but_not_an_answer_that_is_there() {
        let store = Store::open().await;
        let gone = || ready(Error::Forbidden("your role is gone".into()));
        let look = || async { Ok(7) };
        let waited = tokio::time::timeout(LONG / 2, until(&store.platform, Topic::Upkeep, LONG, gone(), look, |_| false)).await;
        assert!(matches!(waited.expect("before the span ends"), Err(Error::Forbidden(_))));
        assert_eq!(until(&store.platform, Topic::Upkeep, LONG, gone(), look, |_| true).await.expect("it is over"), 7);
    }
}
