//! One copy's turn: what the source's reference means, what it is made of, the blobs, the manifests, and at the very end the tag, so that a
//! tag never names what is not whole.

use domain::copies::work;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use model::manifest::Descriptor;
use model::reference::Reference;
use model::views::deployments::Share;

use super::blobs;
use super::context::{Context, disk, refused};
use super::plan::{self, Node, Plan};
use crate::outside::Failure;
use crate::store::{self, Pushed};
use crate::v2::manifests::image_config;

/// Blobs that are fetched at the same time.
const AT_ONCE: usize = 3;

/// Does all of it, or says why it stopped.
pub(super) async fn turn(context: &Context) -> Result<(), Failure> {
    tokio::select! {
        biased;
        failure = context.stopped() => Err(failure),
        failure = context.tell() => Err(failure),
        done = copy(context) => done,
    }
}

async fn copy(context: &Context) -> Result<(), Failure> {
    context.may().await?;
    let job = &context.job;
    let source = work::source(&context.worker, job).await.map_err(refused)?;
    let session = context.outside.session(&job.from.host, job.from.path.as_str(), source.credential, source.allowed).await?;
    context.know(|progress| progress.note = Some(format!("looking up {}", job.from)));
    let reference = job.digest.map_or_else(|| job.from.reference(), Reference::Digest);
    let root = session.manifest(&reference).await?;
    if job.digest.is_none() {
        work::resolved(&context.worker, job, &root.digest).await.map_err(refused)?;
    }
    let plan = plan::make(context, &session, root).await?;
    let wanted = plan.blobs();
    context.know(|progress| {
        progress.note = None;
        progress.manifests.total = plan.nodes().count() as u64;
        progress.blobs.total = wanted.len() as u64;
        progress.bytes = Share { done: 0, total: wanted.iter().fold(0, |sum, blob| sum.saturating_add(blob.size)) };
    });
    may_come(context, &plan, &wanted).await?;
    let session = &session;
    stream::iter(wanted).map(async |blob| blobs::bring(context, session, &blob).await).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    for node in &plan.parts {
        put(context, node).await?;
    }
    if !work::begin_finish(&context.worker, job).await.map_err(refused)? {
        return Err(Failure::last("cancelled", "it was cancelled"));
    }
    for node in &plan.roots {
        put(context, node).await?;
    }
    Ok(())
}

/// Refuses what cannot be kept or named so, before hours of fetching. It is decided where it comes to be held and put.
async fn may_come(context: &Context, plan: &Plan, blobs: &[Descriptor]) -> Result<(), Failure> {
    let (platform, may) = (context.worker.platform(), context.may().await?);
    let tagged: Vec<_> = plan.nodes().map(|node| (node.document.digest, node.tags.as_slice())).filter(|(_, tags)| !tags.is_empty()).collect();
    store::may_tag(platform, &may, &tagged).await.map_err(refused)?;
    store::may_keep(platform, &may, blobs).await.map_err(refused)
}

/// Puts one manifest, as the registry's door does.
async fn put(context: &Context, node: &Node) -> Result<(), Failure> {
    let may = context.may().await?;
    let config = image_config(&context.registry, &may, &node.manifest).await.map_err(disk)?;
    let reference = node.tags.first().map_or(Reference::Digest(node.document.digest), |tag| Reference::Tag(tag.clone()));
    let pushed = Pushed {
        digest: &node.document.digest,
        manifest: &node.manifest,
        body: &node.document.body,
        config,
        tags: &node.tags,
        still_wanted: &|_| true,
        reference: &reference,
    };
    let missing = store::put(context.worker.platform(), &may, pushed).await.map_err(refused)?;
    if let Some(digest) = missing.first() {
        return Err(Failure::passing("gone", format!("{digest} was deleted here while the rest was on its way")));
    }
    context.know(|progress| {
        progress.manifests.done += 1;
        progress.tags.extend(node.tags.iter().map(ToString::to_string));
    });
    Ok(())
}
