//! Uploads of blobs: begin, monolithic and mount (end-4a, end-4b, end-11), chunks (end-5), finish (end-6), status (end-13), and giving up
//! (end-14 of the specification's next version). An upload is its owner's: nobody else finds it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use domain::access::{May, can};
use domain::images::Destination;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::digest::Digest;
use model::ids::UploadId;

use super::Call;
use super::blobs::value;
use crate::disk::{Appended, Finished, Stopped, Upload, UploadKey};
use crate::error::{Code, Error, Result};
use crate::path::Name;
use crate::range::Chunk;
use crate::scope::Verb;
use crate::store;

/// Most bytes of one blob. The disk is the limit that people meet.
const BLOB_MAX: u64 = 1 << 40;

type MayPush = May<can::Push, Destination>;

pub(super) async fn post(call: &Call<'_>, name: &Name, body: Body) -> Result<Response> {
    let may = call.caller.destination(name).await?;
    if let Some(mount) = call.parameter("mount") {
        let digest = parse_digest(mount)?;
        if let Some(size) = mountable(call, &may, name, &digest).await?
            && store::hold(call.registry.platform(), call.registry.blobs(), &may, &digest, size).await?
        {
            return created(name, &digest);
        }
        // "If a registry [...] is unable to mount the requested blob, it SHOULD return a 202": the upload begins.
    }
    let usage = store::glance(call.registry.platform(), &may).await?;
    if usage.left() == Some(0) {
        return Err(usage.refusal(&may.project, 1).into());
    }
    let key = key(&may, name, call.registry.platform().new_id())?;
    begin(call, &key).await?;
    let Some(digest) = call.parameter("digest").filter(|_| call.parameter("mount").is_none()) else {
        return Ok((StatusCode::ACCEPTED, progress(name, &key, 0)?).into_response());
    };
    let digest = match parse_digest(digest) {
        Ok(digest) => digest,
        Err(error) => {
            call.registry.uploads().cancel(&key).await?;
            return Err(error);
        }
    };
    let mut upload = take(call, &key).await?;
    upload.expect(digest.algorithm());
    let upload = match append(call, &may, &key, upload, None, body).await {
        Ok(upload) => upload,
        Err(error) => {
            // Nobody was told its address, so nobody can go on with it.
            call.registry.uploads().cancel(&key).await?;
            return Err(error);
        }
    };
    let finished = finish(call, &may, name, &key, upload, &digest).await;
    if finished.is_err() {
        // As above, where it came and could not be kept.
        call.registry.uploads().cancel(&key).await?;
    }
    finished
}

/// The blob's bytes, if it is here and the caller may take it from where it is. Where the caller may and the token does not reach so far,
/// a better one is asked for (401); a caller who may not is not told that anything is there.
async fn mountable(call: &Call<'_>, may: &MayPush, name: &Name, digest: &Digest) -> Result<Option<u64>> {
    if let Some(from) = call.parameter("from") {
        let Ok(from) = from.parse::<Name>() else { return Ok(None) };
        return held(call, name, &from, digest).await;
    }
    // "The registry MAY treat the `from` parameter as optional": first where the token reaches, then anywhere that the caller may pull from.
    for access in call.caller.claims().iter().flat_map(|claims| &claims.access).filter(|access| access.covers(&access.name, Verb::Pull)) {
        let Ok(from) = access.name.parse::<Name>() else { continue };
        if let Some(size) = held(call, name, &from, digest).await? {
            return Ok(Some(size));
        }
    }
    match store::is_held_somewhere_visible(call.registry.platform(), may, digest).await? {
        Some((from, size)) if call.caller.covers_pull(&from) => Ok(Some(size)),
        Some((from, _)) => Err(call.caller.must_reach_source(name, &from)),
        None => Ok(None),
    }
}

async fn held(call: &Call<'_>, name: &Name, from: &Name, digest: &Digest) -> Result<Option<u64>> {
    let repository = match call.caller.readable_with_a_better_token(from).await {
        Ok(repository) => repository,
        Err(refused) if refused.code().is_client_error() => return Ok(None),
        Err(other) => return Err(other),
    };
    let size = store::held_size(call.registry.platform(), &repository, digest).await?;
    if size.is_some() && !call.caller.covers_pull(from) {
        return Err(call.caller.must_reach_source(name, from));
    }
    Ok(size)
}

pub(super) async fn get(call: &Call<'_>, name: &Name, id: Option<UploadId>) -> Result<Response> {
    let may = call.caller.destination(name).await?;
    let key = known(&may, name, id)?;
    // Who asks has come back from somewhere: what an older, cut request still holds is written first, so that the answer is true.
    let upload = take(call, &key).await?;
    Ok((StatusCode::NO_CONTENT, progress(name, &key, upload.size())?).into_response())
}

pub(super) async fn patch(call: &Call<'_>, name: &Name, id: Option<UploadId>, body: Body) -> Result<Response> {
    let may = call.caller.destination(name).await?;
    let key = known(&may, name, id)?;
    let upload = take(call, &key).await?;
    let chunk = in_order(call, name, &key, &upload)?;
    let upload = append(call, &may, &key, upload, chunk, body).await?;
    Ok((StatusCode::ACCEPTED, progress(name, &key, upload.size())?).into_response())
}

pub(super) async fn put(call: &Call<'_>, name: &Name, id: Option<UploadId>, body: Body) -> Result<Response> {
    let may = call.caller.destination(name).await?;
    let key = known(&may, name, id)?;
    let missing = || Error::new(Code::DigestInvalid, "the parameter digest is missing: finish an upload with ?digest=sha256:...");
    let digest = parse_digest(call.parameter("digest").ok_or_else(missing)?)?;
    let mut upload = take(call, &key).await?;
    upload.expect(digest.algorithm());
    let chunk = in_order(call, name, &key, &upload)?;
    let upload = append(call, &may, &key, upload, chunk, body).await?;
    finish(call, &may, name, &key, upload, &digest).await
}

pub(super) async fn delete(call: &Call<'_>, name: &Name, id: Option<UploadId>) -> Result<Response> {
    let may = call.caller.destination(name).await?;
    let key = known(&may, name, id)?;
    if call.registry.uploads().cancel(&key).await.map_err(busy)? { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(Error::upload_unknown()) }
}

async fn begin(call: &Call<'_>, key: &UploadKey) -> Result<()> {
    call.registry.uploads().begin(key).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::ResourceBusy {
            let text = "too many of your uploads are under way at once; finish some of them first";
            return Error::new(Code::TooManyRequests, text);
        }
        error.into()
    })
}

fn key(may: &MayPush, name: &Name, id: UploadId) -> Result<UploadKey> {
    Ok(UploadKey { id, owner: may.actor().account()?.id, repository: name.to_string() })
}

fn known(may: &MayPush, name: &Name, id: Option<UploadId>) -> Result<UploadKey> {
    key(may, name, id.ok_or_else(Error::upload_unknown)?)
}

fn parse_digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|error: model::digest::InvalidDigest| Error::new(Code::DigestInvalid, error.to_string()))
}

async fn take(call: &Call<'_>, key: &UploadKey) -> Result<Upload> {
    match call.registry.uploads().take(key).await {
        Ok(Some(upload)) => Ok(upload),
        Ok(None) => Err(Error::upload_unknown()),
        Err(error) => Err(busy(error)),
    }
}

fn busy(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::TimedOut {
        let text = "another request writes to this upload and does not let go; ask for its status and go on from there";
        return Error::new(Code::BlobUploadInvalid, text).status(StatusCode::CONFLICT);
    }
    error.into()
}

/// The chunk that the request announces, if it announces one; 416 if that is not what follows.
fn in_order(call: &Call<'_>, name: &Name, key: &UploadKey, upload: &Upload) -> Result<Option<Chunk>> {
    let Some(text) = call.header(header::CONTENT_RANGE) else { return Ok(None) };
    let out_of_order = |message: String| -> Result<Option<Chunk>> {
        let mut error = Error::new(Code::BlobUploadInvalid, message).status(StatusCode::RANGE_NOT_SATISFIABLE);
        for (header, value) in progress(name, key, upload.size())? {
            if let Some(header) = header {
                error = error.header(header, value);
            }
        }
        Err(error)
    };
    let Some(chunk) = Chunk::parse(text) else {
        return out_of_order(format!("Content-Range {text:?} is not <first>-<last>, both included: {0}-{0} is one byte", upload.size()));
    };
    if chunk.first != upload.size() {
        return out_of_order(format!("the chunk begins at byte {} and the upload goes on at byte {}", chunk.first, upload.size()));
    }
    Ok(Some(chunk))
}

async fn append(call: &Call<'_>, may: &MayPush, key: &UploadKey, upload: Upload, chunk: Option<Chunk>, body: Body) -> Result<Upload> {
    // The quota is kept where the blob comes to be held; here it spares sending what cannot be kept.
    let usage = store::glance(call.registry.platform(), may).await?;
    let left = usage.left().filter(|left| *left < BLOB_MAX);
    let limits = Appended { announced: chunk.map(|chunk| chunk.size()), most: left.unwrap_or(BLOB_MAX) };
    let before = upload.size();
    let counters = call.registry.platform().counters();
    let under_way = counters.uploads.enter();
    let appended = upload.append(body.into_data_stream(), limits).await;
    drop(under_way);
    let stopped = match appended {
        Ok(upload) => {
            counters.blob_bytes_received.add(upload.size().saturating_sub(before));
            return Ok(upload);
        }
        Err(stopped) => stopped,
    };
    tracing::debug!(repository = may.full_name(), upload = %key.id, before, %stopped, "an upload stopped");
    let text = format!("the upload stopped: {stopped}; ask for its status and go on from there");
    Err(match stopped {
        Stopped::Cut => Error::new(Code::BlobUploadInvalid, text),
        Stopped::Idle => Error::new(Code::BlobUploadInvalid, text).status(StatusCode::REQUEST_TIMEOUT),
        Stopped::Replaced => Error::new(Code::BlobUploadInvalid, text).status(StatusCode::CONFLICT),
        Stopped::Size { .. } => Error::new(Code::SizeInvalid, text),
        Stopped::TooLarge(most) if left.is_some() => {
            call.registry.uploads().cancel(key).await?;
            usage.refusal(&may.project, most + 1).into()
        }
        Stopped::TooLarge(_) => Error::new(Code::SizeInvalid, text).status(StatusCode::PAYLOAD_TOO_LARGE),
        Stopped::Disk(error) => {
            cancel_if_full(call, key, &error).await?;
            error.into()
        }
    })
}

/// What came so far would only keep a full disk full.
async fn cancel_if_full(call: &Call<'_>, key: &UploadKey, error: &std::io::Error) -> Result<()> {
    if matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
        call.registry.uploads().cancel(key).await?;
    }
    Ok(())
}

async fn finish(call: &Call<'_>, may: &MayPush, name: &Name, key: &UploadKey, upload: Upload, digest: &Digest) -> Result<Response> {
    let size = upload.size();
    if let Some(usage) = store::would_overrun(call.registry.platform(), may, digest, size).await? {
        // Told before it becomes a file among the blobs; what two do in the same moment is decided where the blob comes to be held.
        drop(upload);
        call.registry.uploads().cancel(key).await.map_err(busy)?;
        return Err(usage.refusal(&may.project, size).into());
    }
    let finished = match upload.finish(*digest, call.registry.blobs()).await {
        Ok(finished) => finished,
        Err(error) => {
            cancel_if_full(call, key, &error).await?;
            return Err(error.into());
        }
    };
    call.registry.uploads().forget(key);
    match finished {
        Finished::Kept(size) => {
            let held = hold(call, name, digest, size).await;
            if held.is_err() {
                call.registry.forsake(digest).await;
            }
            if held? {
                return created(name, digest);
            }
            Err(Error::new(Code::BlobUploadInvalid, "the blob was lost on the disk after it came; upload it again").status(StatusCode::CONFLICT))
        }
        Finished::Wrong(actual) => {
            let text = format!("the content that came has the digest {actual}, not {digest}; nothing was kept; upload it again");
            Err(Error::new(Code::DigestInvalid, text))
        }
    }
}

/// From now on the repository holds what came, if its pusher still may and there is room.
async fn hold(call: &Call<'_>, name: &Name, digest: &Digest, size: u64) -> Result<bool> {
    let may = call.caller.still_destination(name).await?;
    Ok(store::hold(call.registry.platform(), call.registry.blobs(), &may, digest, size).await?)
}

fn created(name: &Name, digest: &Digest) -> Result<Response> {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value(&format!("/v2/{name}/blobs/{digest}"))?);
    headers.insert("docker-content-digest", value(&digest.to_string())?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok((StatusCode::CREATED, headers).into_response())
}

/// Where to go on with an upload, and from which byte.
fn progress(name: &Name, key: &UploadKey, size: u64) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value(&format!("/v2/{name}/blobs/uploads/{}", key.id))?);
    // The last byte that is there. Of nothing there is none; clients expect 0-0 then.
    headers.insert(header::RANGE, value(&format!("0-{}", size.saturating_sub(1)))?);
    headers.insert("docker-upload-uuid", value(&key.id.to_string())?);
    Ok(headers)
}
