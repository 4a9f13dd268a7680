//! Which topics a caller may watch: those whose page they may read.

use crate::access::{Actor, Site, can};
use crate::environments::Readable;
use crate::error::Result;
use crate::live::Topic;
use crate::platform::Platform;

/// Whether the caller may hear of changes of this topic; the errors are those of the page.
pub async fn may_watch(platform: &Platform, actor: &Actor, topic: Topic) -> Result<()> {
    match topic {
        Topic::Project(id) => actor.may::<can::SeeProject, _>(platform, &id).await.map(drop),
        Topic::Images(id) => actor.may::<can::Pull, _>(platform, &id).await.map(drop),
        Topic::Copies(id) => actor.may::<can::Push, _>(platform, &id).await.map(drop),
        Topic::Environment(id) => actor.may::<can::SeeEnvironments, _>(platform, &Readable { key: id, reader: actor }).await.map(drop),
        Topic::Upkeep => actor.may::<can::MaintainRegistry, _>(platform, &Site).await.map(drop),
        Topic::Service(id) => actor.may::<can::SeeServices, _>(platform, &id).await.map(drop),
        Topic::Deployment(id) => actor.may::<can::SeeServices, _>(platform, &id).await.map(drop),
    }
}
