//! What a copy is made of: the chosen images, what they list, and what refers to them, each manifest in the order in which it must be put.
//!
//! Bytes are never changed, so there are two ways: everything that a reference names, or single images of chosen platforms. An index that
//! lists only some of its images would be another content, with another digest than the one that was signed.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use model::digest::Digest;
use model::manifest::config::CONFIG_MAX;
use model::manifest::{Descriptor, Kind, Manifest, Platform, media_type};
use model::names::TagName;
use model::outside::{in_tag, is_meant, read_platform};
use model::reference::Reference;

use super::context::Context;
use crate::outside::{Document, Failure, Lists, Session};

/// Manifests of one copy at most.
const MANIFESTS: usize = 2000;
/// Their bytes at most, with those of the lists that name them: they are held in memory.
const BYTES: usize = 64 * 1024 * 1024;
/// What they name at most, layers and manifests.
const DESCRIPTORS: usize = 50_000;
/// Indexes in indexes at most.
const DEPTH: usize = 4;
/// Manifests that are fetched at the same time.
const AT_ONCE: usize = 3;
/// Manifests whose referrers are asked for.
const ASKED: usize = 100;
/// What refers to what refers to an image: a signature of a list of parts.
const REFERRERS_DEPTH: usize = 2;
/// Tags by which cosign names what belongs to an image, where it does not use referrers.
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];

/// A manifest that is to be put.
pub(super) struct Node {
    pub document: Document,
    pub manifest: Manifest,
    pub tags: Vec<TagName>,
}

/// Everything that is to be put.
#[derive(Default)]
pub(super) struct Plan {
    /// In the order in which they are put: what is listed before what lists it.
    pub parts: Vec<Node>,
    /// What was asked for: put last, with its tags.
    pub roots: Vec<Node>,
}

impl Plan {
    /// Each manifest.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.parts.iter().chain(&self.roots)
    }

    /// Each blob once, the small ones first: configurations show early whether it goes well.
    pub(super) fn blobs(&self) -> Vec<Descriptor> {
        let each: BTreeMap<Digest, Descriptor> =
            self.nodes().flat_map(|node| node.manifest.blobs()).filter(|blob| !blob.is_foreign()).map(|blob| (blob.digest, blob.clone())).collect();
        let mut blobs: Vec<Descriptor> = each.into_values().collect();
        blobs.sort_by_key(|blob| blob.size);
        blobs
    }
}

/// Looks up everything.
pub(super) async fn make(context: &Context, session: &Session, root: Document) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let mut gathered = Gathered::default();
    let roots = choose(context, session, root).await?;
    for (document, manifest, tags) in roots {
        gathered.count(&document, &manifest)?;
        plan.parts.extend(gathered.below(session, &[(&document, &manifest)]).await?);
        plan.roots.push(Node { document, manifest, tags });
    }
    if context.job.referrers {
        let mut about: Vec<Digest> = plan.nodes().map(|node| node.document.digest).collect();
        for _ in 0..REFERRERS_DEPTH {
            let found = referrers(session, &mut gathered, &about).await?;
            about = found.iter().map(|node| node.document.digest).collect();
            plan.parts.extend(found);
        }
        for root in plan.roots.iter().map(|node| node.document.digest).collect::<Vec<_>>() {
            plan.parts.extend(cosign(session, &mut gathered, &root).await?);
        }
    }
    Ok(plan)
}

type Chosen = (Document, Manifest, Vec<TagName>);

/// The images that were asked for, with the tags that they get.
async fn choose(context: &Context, session: &Session, root: Document) -> Result<Vec<Chosen>, Failure> {
    let manifest = read(&root, None)?;
    let tags: Vec<TagName> = context.job.tag.iter().cloned().collect();
    let wanted: Vec<Platform> = context.job.platforms.iter().filter_map(|text| read_platform(text).ok()).collect();
    if wanted.is_empty() {
        return Ok(vec![(root, manifest, tags)]);
    }
    if manifest.kind != Kind::Index {
        let own = own_platform(session, &manifest).await?;
        return match own {
            Some(own) if !wanted.iter().any(|wanted| is_meant(wanted, &own)) => Err(absent(context, &wanted[0], [own].iter())),
            _ => Ok(vec![(root, manifest, tags)]),
        };
    }
    let mut chosen = Vec::new();
    for platform in &wanted {
        let described = pick(context, &manifest, platform)?;
        let document = session.manifest(&Reference::Digest(described.digest)).await?;
        let image = read(&document, Some(described))?;
        let tags = match (&context.job.tag, wanted.len()) {
            (Some(tag), 2..) => vec![platform_tag(tag, platform)?],
            _ => tags.clone(),
        };
        chosen.push((document, image, tags));
    }
    Ok(chosen)
}

fn platform_tag(tag: &TagName, platform: &Platform) -> Result<TagName, Failure> {
    format!("{tag}-{}", in_tag(platform)).parse().map_err(|error| Failure::last("refused", format!("{error}")))
}

/// The image of an index that is for this platform.
fn pick<'m>(context: &Context, index: &'m Manifest, wanted: &Platform) -> Result<&'m Descriptor, Failure> {
    let known = || index.manifests.iter().filter_map(|described| described.platform.as_ref().map(|platform| (described, platform)));
    let mut fitting: Vec<_> = known().filter(|(_, platform)| is_meant(wanted, platform)).collect();
    let variants: BTreeSet<_> = fitting.iter().map(|(_, platform)| platform.variant.clone().unwrap_or_default()).collect();
    if variants.len() > 1 && wanted.variant.is_none() && wanted.architecture == "arm" {
        let names = fitting.iter().map(|(_, platform)| platform.to_string()).collect::<Vec<_>>().join(", ");
        return Err(Failure::last("platform_unclear", format!("{wanted} may be any of {names}; name one of them")));
    }
    if fitting.is_empty() {
        return Err(absent(context, wanted, known().map(|(_, platform)| platform)));
    }
    Ok(fitting.swap_remove(0).0)
}

fn absent<'p>(context: &Context, wanted: &Platform, there: impl Iterator<Item = &'p Platform>) -> Failure {
    let names: BTreeSet<String> = there.map(ToString::to_string).filter(|name| !name.contains("unknown")).collect();
    let names = names.into_iter().take(30).collect::<Vec<_>>().join(", ");
    Failure::last("platform_not_found", format!("{} has no image for {wanted}; it has {names}", context.job.from))
}

/// What a single image is for, as its configuration says.
async fn own_platform(session: &Session, manifest: &Manifest) -> Result<Option<Platform>, Failure> {
    let Some(config) = manifest.config.as_ref().filter(|config| manifest.has_image_config() && config.size <= CONFIG_MAX as u64) else {
        return Ok(None);
    };
    let mut stream = session.blob(&config.digest, 0).await?.stream(crate::outside::Tally::default());
    let mut body = Vec::new();
    while let Some(bytes) = stream.next().await {
        body.extend_from_slice(&bytes.map_err(|cause| Failure::passing("cut", format!("the image's configuration did not come whole: {cause}")))?);
        if body.len() > CONFIG_MAX {
            return Ok(None);
        }
    }
    Ok(serde_json::from_slice::<Platform>(&body).ok().filter(|platform| !platform.os.is_empty()))
}

/// Takes a document apart. What an index says of its type goes before what the source says now.
fn read(document: &Document, described: Option<&Descriptor>) -> Result<Manifest, Failure> {
    const KNOWN: [&str; 4] = [media_type::OCI_MANIFEST, media_type::OCI_INDEX, media_type::DOCKER_MANIFEST, media_type::DOCKER_LIST];
    let told = document.media_type.as_deref().map(|text| text.split(';').next().unwrap_or_default().trim());
    let described = described.map(|described| described.media_type.as_str()).filter(|text| !text.is_empty());
    let own = Manifest::parse(None, &document.body).ok().map(|manifest| manifest.media_type);
    // Some sources call every manifest JSON.
    let kind = described.or_else(|| told.filter(|told| KNOWN.contains(told))).map(str::to_owned).or(own).or_else(|| told.map(str::to_owned));
    let invalid = |why: String| Failure::last("manifest_invalid", format!("what came as {} is no manifest: {why}", document.digest.short()));
    let manifest = Manifest::parse(kind.as_deref(), &document.body).map_err(|error| invalid(error.to_string()))?;
    // The page of a proxy that wants a sign-in is no image, whatever it is called.
    if manifest.kind == Kind::Other && !serde_json::from_slice::<serde_json::Value>(&document.body).is_ok_and(|body| body["schemaVersion"] == 2) {
        return Err(invalid(format!("its type is {}", manifest.media_type)));
    }
    Ok(manifest)
}

/// Manifests that were fetched already.
#[derive(Default)]
struct Gathered {
    seen: BTreeSet<Digest>,
    manifests: usize,
    bytes: usize,
    descriptors: usize,
}

impl Gathered {
    fn count(&mut self, document: &Document, manifest: &Manifest) -> Result<(), Failure> {
        self.manifests += 1;
        self.bytes += document.body.len();
        self.descriptors += manifest.layers.len() + manifest.manifests.len();
        if self.manifests > MANIFESTS || self.bytes > BYTES || self.descriptors > DESCRIPTORS {
            let text = format!(
                "it is made of more than {MANIFESTS} manifests, {} MiB of them or {DESCRIPTORS} parts; choose platforms or leave out what refers to it",
                BYTES >> 20
            );
            return Err(Failure::last("too_large", text));
        }
        Ok(())
    }

    /// Everything that these list, deepest first.
    async fn below(&mut self, session: &Session, tops: &[(&Document, &Manifest)]) -> Result<Vec<Node>, Failure> {
        let mut levels: Vec<Vec<Node>> = Vec::new();
        let mut wanted: Vec<Descriptor> = tops.iter().flat_map(|(_, manifest)| manifest.manifests.clone()).collect();
        while !wanted.is_empty() {
            if levels.len() >= DEPTH {
                return Err(Failure::last("too_deep", format!("its indexes list indexes more than {DEPTH} deep")));
            }
            let fresh: Vec<Descriptor> = wanted.drain(..).filter(|described| !described.is_foreign() && self.seen.insert(described.digest)).collect();
            let coming = stream::iter(fresh).map(async |described| {
                let document = session.manifest(&Reference::Digest(described.digest)).await?;
                Ok::<_, Failure>((described, document))
            });
            let mut coming = pin!(coming.buffer_unordered(AT_ONCE));
            let mut level = Vec::new();
            // Counted as they come: what is too much is not fetched first.
            while let Some((described, document)) = coming.try_next().await? {
                let manifest = read(&document, Some(&described))?;
                self.count(&document, &manifest)?;
                wanted.extend(manifest.manifests.iter().cloned());
                level.push(Node { document, manifest, tags: Vec::new() });
            }
            levels.push(level);
        }
        Ok(levels.into_iter().rev().flatten().collect())
    }
}

/// What refers to these.
async fn referrers(session: &Session, gathered: &mut Gathered, about: &[Digest]) -> Result<Vec<Node>, Failure> {
    let lists = &Lists::new(MANIFESTS, BYTES.saturating_sub(gathered.bytes));
    let found: Vec<Vec<Descriptor>> = stream::iter(about.iter().take(ASKED).copied())
        .map(async |digest| session.referrers(&digest, lists).await)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    gathered.bytes += lists.bytes();
    let mut nodes = Vec::new();
    for described in found.into_iter().flatten() {
        if gathered.seen.insert(described.digest) {
            let document = session.manifest(&Reference::Digest(described.digest)).await?;
            nodes.extend(whole(session, gathered, document, Some(&described), Vec::new()).await?);
        }
    }
    Ok(nodes)
}

/// What cosign keeps beside an image by tags.
async fn cosign(session: &Session, gathered: &mut Gathered, root: &Digest) -> Result<Vec<Node>, Failure> {
    let mut nodes = Vec::new();
    for kind in COSIGN {
        let Ok(tag) = format!("{}-{}.{kind}", root.algorithm().as_str(), root.hex()).parse::<TagName>() else { continue };
        if let Some(document) = session.manifest_if_there(&Reference::Tag(tag.clone())).await? {
            nodes.extend(whole(session, gathered, document, None, vec![tag]).await?);
        }
    }
    Ok(nodes)
}

/// A manifest with everything that it lists.
async fn whole(
    session: &Session,
    gathered: &mut Gathered,
    document: Document,
    described: Option<&Descriptor>,
    tags: Vec<TagName>,
) -> Result<Vec<Node>, Failure> {
    let manifest = read(&document, described)?;
    gathered.count(&document, &manifest)?;
    let mut nodes = gathered.below(session, &[(&document, &manifest)]).await?;
    nodes.push(Node { document, manifest, tags });
    Ok(nodes)
}
