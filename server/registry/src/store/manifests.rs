//! Manifests and tags, written in one transaction: a tag never names what is not there, and of two pushes of one tag at once the
//! later one stands, whole.

use std::collections::BTreeSet;

use domain::access::{May, can};
use domain::change::{Change, Record};
use domain::db::{BATCH, Json, Tx, placeholder_rows, placeholders};
use domain::images::rules::guard;
use domain::images::{Destination, Readable};
use domain::{Error, Platform, Result, Topic, args, pushes};
use model::digest::Digest;
use model::ids::RepositoryId;
use model::manifest::config::ImageConfig;
use model::manifest::{Descriptor, Kind, Manifest};
use model::names::TagName;
use model::reference::Reference;
use model::views::images::Part;
use serde_json::json;

use super::layers;

/// A manifest as it is given back.
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Bytes of the body.
    pub size: u64,
    /// The body, if it was asked for.
    pub body: Vec<u8>,
}

/// A manifest that is pushed.
pub struct Pushed<'a> {
    /// Its digest, which was checked.
    pub digest: &'a Digest,
    /// What it says.
    pub manifest: &'a Manifest,
    /// The bytes.
    pub body: &'a [u8],
    /// Its configuration, where that could be read.
    pub config: Option<ImageConfig>,
    /// The tags that name it from now on.
    pub tags: &'a [TagName],
    /// Whether it is still wanted, by what the reference that it is pushed under names at the moment.
    pub still_wanted: &'a (dyn Fn(Option<&Digest>) -> bool + Sync),
    /// That reference.
    pub reference: &'a Reference,
}

/// How often a push makes the repository anew that is deleted under it.
const TRIES: usize = 20;

/// The code of a conflict with what the pusher thought the reference names.
pub const CHANGED: &str = "changed_meanwhile";

/// The manifest that a tag or digest names.
pub async fn find(platform: &Platform, repository: &Readable, reference: &Reference, with_body: bool) -> Result<Option<Stored>> {
    let (condition, argument) = match reference {
        Reference::Tag(tag) => ("m.digest = (SELECT t.digest FROM tags t WHERE t.repository_id = $1 AND t.name = $2)", tag.to_string()),
        Reference::Digest(digest) => ("m.digest = $2", digest.to_string()),
    };
    let body = if with_body { ", m.body" } else { "" };
    let sql = format!("SELECT m.digest, m.media_type, m.size{body} FROM manifests m WHERE m.repository_id = $1 AND {condition}");
    let mut tx = platform.read().await?;
    tx.opt(sql, args![repository.id, argument], |row| {
        Ok(Stored {
            digest: row.get("digest")?,
            media_type: row.get("media_type")?,
            size: u64::try_from(row.get::<i64>("size")?).unwrap_or(0),
            body: if with_body { row.get("body")? } else { Vec::new() },
        })
    })
    .await
}

/// What the manifest names and the destination does not hold: blobs, and listed manifests. Foreign layers are held elsewhere, and
/// what an unknown type of document names need not be here.
pub async fn missing_parts(platform: &Platform, destination: &May<can::Push, Destination>, manifest: &Manifest) -> Result<Vec<Digest>> {
    let mut tx = platform.read().await?;
    missing(&mut tx, destination.id, manifest).await
}

async fn missing(tx: &mut Tx, repository: Option<RepositoryId>, manifest: &Manifest) -> Result<Vec<Digest>> {
    if manifest.kind == Kind::Other {
        return Ok(Vec::new());
    }
    let needed = |parts: &mut dyn Iterator<Item = &Descriptor>| -> BTreeSet<Digest> {
        parts.filter(|part| !part.is_foreign()).map(|part| part.digest).collect()
    };
    let blobs = needed(&mut manifest.blobs());
    let manifests = needed(&mut manifest.manifests.iter());
    let Some(repository) = repository else { return Ok(blobs.into_iter().chain(manifests).collect()) };
    let mut missing = absent(tx, repository, "repository_blobs", blobs).await?;
    missing.extend(absent(tx, repository, "manifests", manifests).await?);
    Ok(missing)
}

async fn absent(tx: &mut Tx, repository: RepositoryId, table: &str, mut wanted: BTreeSet<Digest>) -> Result<Vec<Digest>> {
    let all: Vec<Digest> = wanted.iter().copied().collect();
    for some in all.chunks(BATCH) {
        let list = placeholders(2, some.len());
        let mut arguments = args![repository];
        arguments.extend(some.iter().map(Into::into));
        let sql = format!("SELECT digest FROM {table} WHERE repository_id = $1 AND digest IN ({list})");
        for there in tx.all(sql, arguments, |row| row.get::<Digest>("digest")).await? {
            wanted.remove(&there);
        }
    }
    Ok(wanted.into_iter().collect())
}

/// Whether these images may be tagged so. Good for a refusal before anything is fetched; it is decided in [`put`].
///
/// # Errors
/// `Conflict` with `immutable_tag`, `Forbidden` where the project's quota of tags is reached.
pub async fn may_tag(platform: &Platform, destination: &May<can::Push, Destination>, wanted: &[(Digest, &[TagName])]) -> Result<()> {
    guard::may_tag(&mut platform.read().await?, destination, wanted).await
}

/// Keeps a manifest and points tags to it. Answers what is missing, and then nothing was kept.
pub async fn put(platform: &Platform, destination: &May<can::Push, Destination>, pushed: Pushed<'_>) -> Result<Vec<Digest>> {
    let now = platform.now();
    let (mut change, id) = begin(platform, destination).await?;
    if !(pushed.still_wanted)(named(&mut change, id, pushed.reference).await?.as_ref()) {
        return Err(Error::conflict(CHANGED, format!("{} names something else than the condition demands; look at it again", pushed.reference)));
    }
    let missing = missing(&mut change, Some(id), pushed.manifest).await?;
    if !missing.is_empty() {
        return Ok(missing);
    }
    let moved = guard::before_tagging(&mut change, destination, id, pushed.digest, pushed.tags).await?;
    let account = destination.actor().account()?.id;
    let pusher = destination.actor().name();
    let again = "UPDATE manifests SET pushed_at = $3, pushed_by = $4, pusher = $5 WHERE repository_id = $1 AND digest = $2";
    if change.exec(again, args![id, pushed.digest, now, account, pusher]).await? == 0 {
        insert(&mut change, platform, id, destination, &pushed).await?;
    }
    for tag in pushed.tags {
        let before = layers::named_by(&mut change, id, tag).await?;
        let sql = "INSERT INTO tags (repository_id, name, digest, pushed_at, pushed_by, pusher) VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (repository_id, name) DO UPDATE
                   SET digest = excluded.digest, pushed_at = excluded.pushed_at, pushed_by = excluded.pushed_by, pusher = excluded.pusher";
        change.exec(sql, args![id, tag, pushed.digest, now, account, pusher]).await?;
        if before != Some(*pushed.digest) {
            layers::moved(&mut change, id, tag, pushed.digest, now).await?;
        }
    }
    guard::lost_a_tag(&mut change, id, &moved, now).await?;
    if pushed.manifest.kind != Kind::Other {
        pushes::note(&mut change, platform, destination, pushed.tags, pushed.digest).await?;
    }
    change.touch(Topic::Images(destination.project.id));
    let target = match pushed.tags {
        [tag] => format!("{}:{tag}", destination.full_name()),
        _ => format!("{}@{}", destination.full_name(), pushed.digest),
    };
    let detail = json!({ "digest": pushed.digest, "tags": pushed.tags, "media_type": pushed.manifest.media_type });
    change.commit(Record::new("image.push", "image", target).project(&destination.project).detail(detail)).await?;
    Ok(Vec::new())
}

/// Begins the change of a push, with the repository's row first: two pushes to one repository stand in line here, and not across each other below. A
/// repository that is deleted while the push waits is made anew, as if the push had come a moment later.
async fn begin(platform: &Platform, destination: &May<can::Push, Destination>) -> Result<(Change, RepositoryId)> {
    for _ in 0..TRIES {
        let mut change = platform.change(destination.actor()).await?;
        if let Some(id) = super::find_repository(&mut change, destination).await?
            && change.exec("UPDATE repositories SET pushed_at = $2 WHERE id = $1 AND deleted_at IS NULL", args![id, platform.now()]).await? > 0
        {
            return Ok((change, id));
        }
        drop(change);
        super::make_repository(platform, destination).await?;
    }
    let text = format!("{} is deleted again and again while this is pushed; push it again", destination.full_name());
    Err(Error::Unavailable(text))
}

/// The manifest that a reference names at the moment, in this transaction.
async fn named(tx: &mut Tx, repository: RepositoryId, reference: &Reference) -> Result<Option<Digest>> {
    let sql = match reference {
        Reference::Tag(_) => "SELECT digest FROM tags WHERE repository_id = $1 AND name = $2",
        Reference::Digest(_) => "SELECT digest FROM manifests WHERE repository_id = $1 AND digest = $2",
    };
    tx.opt(sql, args![repository, reference.to_string()], |row| row.get("digest")).await
}

async fn insert(
    change: &mut Change,
    platform: &Platform,
    id: RepositoryId,
    destination: &May<can::Push, Destination>,
    pushed: &Pushed<'_>,
) -> Result<()> {
    let manifest = pushed.manifest;
    let content_size = pushed.body.len() as i64 + size_of_parts(change, id, manifest).await?;
    let sql = "INSERT INTO manifests (repository_id, digest, media_type, kind, artifact_type, subject, size, content_size, annotations, config,
                   pushed_at, pushed_by, pusher, pulls, body)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14)";
    let arguments = args![
        id,
        pushed.digest,
        &manifest.media_type,
        manifest.kind,
        manifest.artifact_type.clone(),
        manifest.subject.as_ref().map(|subject| subject.digest),
        pushed.body.len() as i64,
        content_size,
        Json(&manifest.annotations),
        pushed.config.as_ref().and_then(|config| serde_json::to_string(config).ok()),
        platform.now(),
        destination.actor().account()?.id,
        destination.actor().name(),
        pushed.body,
    ];
    change.exec(sql, arguments).await?;
    insert_parts(change, id, pushed.digest, manifest).await?;
    layers::insert(change, id, pushed.digest, manifest, pushed.config.as_ref()).await?;
    Ok(())
}

async fn insert_parts(change: &mut Change, id: RepositoryId, digest: &Digest, manifest: &Manifest) -> Result<()> {
    let config = manifest.config.iter().map(|part| (Part::Config, part));
    let layers = manifest.layers.iter().map(|part| (Part::Layer, part));
    let manifests = manifest.manifests.iter().map(|part| (Part::Manifest, part));
    let parts: Vec<_> = config.chain(layers).chain(manifests).enumerate().collect();
    const COLUMNS: usize = 8;
    for some in parts.chunks(BATCH / COLUMNS) {
        let mut arguments = Vec::with_capacity(some.len() * COLUMNS);
        for (position, (role, part)) in some {
            let size = i64::try_from(part.size).unwrap_or(i64::MAX);
            let platform = part.platform.as_ref().map(ToString::to_string);
            arguments.extend(args![id, digest, *position as i64, *role, part.digest, &part.media_type, size, platform]);
        }
        let columns = "repository_id, manifest, position, role, digest, media_type, size, platform";
        let rows = placeholder_rows(some.len(), COLUMNS);
        change.exec(format!("INSERT INTO manifest_parts ({columns}) VALUES {rows}"), arguments).await?;
    }
    Ok(())
}

/// Bytes of what a manifest is made of, each content once, as they lie here and not as the manifest claims.
async fn size_of_parts(tx: &mut Tx, repository: RepositoryId, manifest: &Manifest) -> Result<i64> {
    let blobs: BTreeSet<Digest> = manifest.blobs().map(|part| part.digest).collect();
    let manifests: BTreeSet<Digest> = manifest.manifests.iter().map(|part| part.digest).collect();
    let of_blobs = "SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) AS n FROM repository_blobs r JOIN blobs b ON b.digest = r.digest
                    WHERE r.repository_id = $1 AND r.digest IN";
    let of_manifests = "SELECT CAST(COALESCE(SUM(m.content_size), 0) AS BIGINT) AS n FROM manifests m
                        WHERE m.repository_id = $1 AND m.digest IN";
    Ok(sum(tx, of_blobs, repository, blobs).await? + sum(tx, of_manifests, repository, manifests).await?)
}

async fn sum(tx: &mut Tx, query: &str, repository: RepositoryId, digests: BTreeSet<Digest>) -> Result<i64> {
    let mut total = 0;
    let digests: Vec<Digest> = digests.into_iter().collect();
    for some in digests.chunks(BATCH) {
        let mut arguments = args![repository];
        arguments.extend(some.iter().map(Into::into));
        let sql = format!("{query} ({})", placeholders(2, some.len()));
        total += tx.one(sql, arguments, |row| row.get::<i64>("n")).await?;
    }
    Ok(total)
}
