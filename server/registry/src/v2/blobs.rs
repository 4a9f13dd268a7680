//! Blobs: reading, whole or in part (end-2), and letting go of them (end-10). A blob is reached only through a repository that holds it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use domain::Error as DomainError;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::digest::Digest;

use super::Call;
use crate::disk::Download;
use crate::error::{Code, Error, Result};
use crate::path::Name;
use crate::range::{Wanted, wanted};
use crate::store;

pub(super) async fn get(call: &Call<'_>, name: &Name, digest: &Digest) -> Result<Response> {
    let repository = call.caller.readable(name).await?;
    let platform = call.registry.platform();
    // Who asks by HEAD is about to push what is not here, and relies on what is.
    let held = match call.is_head() {
        true => store::promised_size(platform, &repository, digest, call.registry.lease()).await?,
        false => store::held_size(platform, &repository, digest).await?,
    };
    let Some(size) = held else { return Err(Error::blob_unknown(digest)) };
    let (blobs, wanted_digest) = (call.registry.blobs().clone(), *digest);
    let opened = tokio::task::spawn_blocking(move || blobs.read(&wanted_digest).and_then(|file| Ok((file.metadata()?.len(), file))));
    let file = match opened.await.map_err(std::io::Error::other)? {
        Ok((length, file)) if length == size => file,
        Ok((length, _)) => {
            tracing::error!(%digest, length, size, "a blob's file has the wrong length");
            return Err(Error::blob_unknown(digest));
        }
        // Told as missing, so that the next push sends it again instead of skipping it.
        Err(error) => {
            tracing::error!(%digest, %error, "a blob's file cannot be opened");
            return Err(Error::blob_unknown(digest));
        }
    };
    let tag = format!("\"{digest}\"");
    let mut headers = headers(digest, &tag)?;
    if call.header(header::IF_NONE_MATCH).is_some_and(|known| matches_tag(known, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    // A content never changes under its digest, so a range of another state cannot be meant unless another tag is named.
    let same = call.header(header::IF_RANGE).is_none_or(|state| state.trim() == tag);
    // Nor does a range mean anything but for GET (RFC 9110, section 14.2).
    let range = if same && !call.is_head() { wanted(call.header(header::RANGE), size) } else { Wanted::Whole };
    let (status, first, count) = match range {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part { first, last } => {
            let range = format!("bytes {first}-{last}/{size}");
            headers.insert(header::CONTENT_RANGE, value(&range)?);
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Wanted::Nowhere => {
            let error = Error::new(Code::SizeInvalid, format!("the blob has {size} bytes; the range lies outside of them"));
            let error = error.status(StatusCode::RANGE_NOT_SATISFIABLE);
            return Err(error.header(header::CONTENT_RANGE, value(&format!("bytes */{size}"))?));
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    if !call.is_head() {
        platform.counters().blob_bytes_sent.add(count);
    }
    let body = if call.is_head() { Body::empty() } else { Body::new(Download::new(file, first, count, call.registry.buffers())) };
    Ok((status, headers, body).into_response())
}

fn headers(digest: &Digest, tag: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    headers.insert(header::ETAG, value(tag)?);
    headers.insert("docker-content-digest", value(&digest.to_string())?);
    Ok(headers)
}

/// Whether an `If-None-Match` header names the tag (RFC 9110, section 13.1.2).
pub(super) fn matches_tag(header: &str, tag: &str) -> bool {
    header.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// A header's value of our own making.
pub(super) fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|_| DomainError::internal(format!("{text:?} is not fit for a header")).into())
}

pub(super) async fn delete(call: &Call<'_>, name: &Name, digest: &Digest) -> Result<Response> {
    let may = call.caller.deletable(name).await?;
    match store::release(call.registry.platform(), &may, digest).await {
        Ok(true) => Ok(StatusCode::ACCEPTED.into_response()),
        Ok(false) => Err(Error::blob_unknown(digest)),
        // What a manifest is made of cannot be taken from under it: 405, as where blobs cannot be deleted at all.
        Err(DomainError::Conflict { message, .. }) => Err(Error::not_allowed(message, "GET, HEAD")),
        Err(other) => Err(other.into()),
    }
}
