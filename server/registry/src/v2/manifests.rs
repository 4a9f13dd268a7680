//! Manifests and tags: reading (end-3), pushing (end-7) and deleting (end-9). Bodies are kept byte for byte.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use domain::Error as DomainError;
use domain::access::{May, can};
use domain::images::{self, Destination};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::digest::{Algorithm, Digest};
use model::manifest::config::{CONFIG_MAX, ImageConfig};
use model::manifest::{MANIFEST_MAX, Manifest};
use model::names::{InvalidName, TagName};
use model::reference::Reference;
use serde_json::json;

use super::Call;
use super::blobs::{matches_tag, value};
use crate::error::{Code, Error, Result};
use crate::hash;
use crate::path::Name;
use crate::registry::Registry;
use crate::store::{self, Pushed};

/// How long a manifest may take to come.
const BODY_TIME: Duration = Duration::from_secs(60);
/// Tags that one push may set.
const TAGS_MAX: usize = 50;

pub(super) async fn get(call: &Call<'_>, name: &Name, reference: &str) -> Result<Response> {
    let repository = call.caller.readable(name).await?;
    let unknown = || Error::manifest_unknown(reference);
    // What is neither tag nor digest names nothing.
    let parsed: Reference = reference.parse().map_err(|_| unknown())?;
    let platform = call.registry.platform();
    let stored = store::find(platform, &repository, &parsed, !call.is_head()).await?.ok_or_else(unknown)?;
    let tag = format!("\"{}\"", stored.digest);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, value(&stored.media_type)?);
    headers.insert(header::ETAG, value(&tag)?);
    headers.insert("docker-content-digest", value(&stored.digest.to_string())?);
    if call.header(header::IF_NONE_MATCH).is_some_and(|known| matches_tag(known, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(stored.size));
    if !call.is_head() {
        platform.counters().pulls.add(1);
        call.registry.pulls().count(repository.id, stored.digest, platform.now());
    }
    Ok((headers, stored.body).into_response())
}

pub(super) async fn put(call: &Call<'_>, name: &Name, reference: &str, body: Body) -> Result<Response> {
    let may = call.caller.destination(name).await?;
    let reference: Reference = reference.parse().map_err(|error: model::reference::InvalidReference| match error {
        model::reference::InvalidReference::Tag(_) => Error::new(Code::ManifestInvalid, error.to_string()),
        model::reference::InvalidReference::Digest(_) => Error::new(Code::DigestInvalid, error.to_string()),
    })?;
    let body = read(body).await?;
    let algorithm = match &reference {
        Reference::Digest(digest) => digest.algorithm(),
        Reference::Tag(_) => Algorithm::Sha256,
    };
    let digest = hash::digest(algorithm, &body);
    let tags = match &reference {
        Reference::Digest(wanted) if *wanted != digest => {
            let text = format!("the manifest that came has the digest {digest}, not {wanted}");
            return Err(Error::new(Code::DigestInvalid, text));
        }
        Reference::Digest(_) => further_tags(call)?,
        Reference::Tag(tag) => vec![tag.clone()],
    };
    let manifest = Manifest::parse(call.header(header::CONTENT_TYPE), &body);
    let manifest = manifest.map_err(|error| Error::new(Code::ManifestInvalid, error.to_string()))?;
    let platform = call.registry.platform();
    // Once before the transaction, so that what cannot succeed does not take its turn in it; it is looked at there again.
    refuse_missing(name, &store::missing_parts(platform, &may, &manifest).await?)?;
    let config = image_config(call.registry, &may, &manifest).await?;
    let still_wanted = |named: Option<&Digest>| conditions_hold(call, named);
    let pushed =
        Pushed { digest: &digest, manifest: &manifest, body: &body, config, tags: &tags, still_wanted: &still_wanted, reference: &reference };
    refuse_missing(name, &store::put(platform, &may, pushed).await.map_err(changed_is_412)?)?;
    platform.counters().pushes.add(1);
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value(&format!("/v2/{name}/manifests/{digest}"))?);
    headers.insert("docker-content-digest", value(&digest.to_string())?);
    if let Some(subject) = &manifest.subject {
        headers.insert("oci-subject", value(&subject.digest.to_string())?);
    }
    if matches!(reference, Reference::Digest(_)) {
        for tag in &tags {
            headers.append("oci-tag", value(tag.as_str())?);
        }
    }
    Ok((StatusCode::CREATED, headers).into_response())
}

/// Whether `If-Match` and `If-None-Match` hold for what the reference names (RFC 9110, sections 13.1.1 and 13.1.2): "the client MAY use
/// conditional HTTP push for registries that support ETag conditions to avoid conflicts with other clients".
fn conditions_hold(call: &Call<'_>, named: Option<&Digest>) -> bool {
    let matches = |condition: &str| named.is_some_and(|digest| matches_tag(condition, &format!("\"{digest}\"")));
    call.header(header::IF_MATCH).is_none_or(matches) && !call.header(header::IF_NONE_MATCH).is_some_and(matches)
}

fn changed_is_412(error: DomainError) -> Error {
    match error {
        DomainError::Conflict { code: store::CHANGED, message } => Error::new(Code::Denied, message).status(StatusCode::PRECONDITION_FAILED),
        other => other.into(),
    }
}

/// `?tag=1&tag=2` beside a digest (end-7b of the specification's next version).
fn further_tags(call: &Call<'_>) -> Result<Vec<TagName>> {
    let named = call.query.iter().filter(|(name, _)| name == "tag").map(|(_, tag)| tag.parse::<TagName>());
    let tags: Result<Vec<TagName>, InvalidName> = named.collect();
    let mut tags = tags.map_err(|error| Error::new(Code::ManifestInvalid, error.to_string()))?;
    tags.sort();
    tags.dedup();
    if tags.len() > TAGS_MAX {
        return Err(Error::new(Code::ManifestInvalid, format!("at most {TAGS_MAX} tags can be set at once")));
    }
    Ok(tags)
}

async fn read(body: Body) -> Result<Vec<u8>> {
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, MANIFEST_MAX).collect()).await;
    let late = |_| Error::new(Code::ManifestInvalid, "the manifest did not come in time").status(StatusCode::REQUEST_TIMEOUT);
    match collected.map_err(late)? {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = format!("a manifest has at most {MANIFEST_MAX} bytes");
            Err(Error::new(Code::ManifestInvalid, text).status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Err(_) => Err(Error::new(Code::SizeInvalid, "the connection ended before the manifest did")),
    }
}

fn refuse_missing(name: &Name, missing: &[Digest]) -> Result<()> {
    let each = missing.iter().take(20).map(|digest| {
        let text = format!("the manifest names {digest}, which {name} does not hold; push that first");
        Error::new(Code::ManifestBlobUnknown, text).detail(json!({ "digest": digest }))
    });
    each.reduce(Error::and).map_or(Ok(()), Err)
}

/// What the image's configuration says, for pages and deployments. One that cannot be read is the image's own affair.
pub(crate) async fn image_config(
    registry: &Registry,
    may: &May<can::Push, Destination>,
    manifest: &Manifest,
) -> std::io::Result<Option<ImageConfig>> {
    let Some(config) = manifest.config.as_ref().filter(|config| manifest.has_image_config() && config.size <= CONFIG_MAX as u64) else {
        return Ok(None);
    };
    let (path, digest) = (registry.blobs().path(&config.digest), config.digest);
    let read = tokio::task::spawn_blocking(move || {
        let mut body = Vec::new();
        std::fs::File::open(path)?.take(CONFIG_MAX as u64).read_to_end(&mut body)?;
        Ok::<_, std::io::Error>(body)
    });
    match read.await.map_err(std::io::Error::other)? {
        Ok(body) => Ok(ImageConfig::parse(&body)),
        Err(error) => {
            tracing::error!(repository = may.full_name(), %digest, %error, "an image's configuration cannot be read");
            Err(error)
        }
    }
}

pub(super) async fn delete(call: &Call<'_>, name: &Name, reference: &str) -> Result<Response> {
    let may = call.caller.deletable(name).await?;
    let parsed: Reference = reference.parse().map_err(|_| Error::manifest_unknown(reference))?;
    let platform = call.registry.platform();
    let deleted = match &parsed {
        Reference::Tag(tag) => images::delete_tag(platform, &may, tag).await.map(drop),
        Reference::Digest(digest) => images::delete_manifest(platform, &may, digest).await.map(drop),
    };
    match deleted {
        Ok(()) => Ok(StatusCode::ACCEPTED.into_response()),
        Err(DomainError::NotFound { .. }) => Err(Error::manifest_unknown(reference)),
        Err(other) => Err(other.into()),
    }
}
