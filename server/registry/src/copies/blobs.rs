//! One blob of a copy: not fetched where it lies here already and the asker may pull it; else taken up where it was cut, checked, and held.
//!
//! The upload is named by its asker, repository and digest alone: so a later try, also a copy that is asked for again, finds its beginning.

use std::time::Duration;

use domain::access::{May, can};
use domain::images::Destination;
use model::digest::{Algorithm, Digest};
use model::ids::UploadId;
use model::manifest::Descriptor;

use super::context::{Context, disk, refused};
use crate::disk::{Appended, Finished, Stopped, Upload, UploadKey, Uploads};
use crate::hash;
use crate::outside::{Failure, Retry, Session};
use crate::store;

/// Tries in a row in which nothing came, before the copy's turn ends.
const TRIES: u32 = 3;
/// The pause after the first of them.
const PAUSE: Duration = Duration::from_millis(300);
/// Most bytes of one blob, as at the door.
const BLOB_MAX: u64 = 1 << 40;

/// Brings one blob here.
pub(super) async fn bring(context: &Context, session: &Session, blob: &Descriptor) -> Result<(), Failure> {
    if blob.size > BLOB_MAX {
        return Err(Failure::last(
            "too_large",
            format!("the blob {} is said to have {} bytes; at most {BLOB_MAX} are accepted", blob.digest, blob.size),
        ));
    }
    let may = context.may().await?;
    if lies_here(context, &may, &blob.digest).await? {
        context.know(|progress| progress.here += blob.size);
        context.blob_is_here(blob.size);
        return Ok(());
    }
    // Told before hours of fetching; the quota itself is kept where the blob comes to be held.
    let usage = store::glance(context.worker.platform(), &may).await.map_err(refused)?;
    if usage.left().is_some_and(|left| blob.size > left) {
        return Err(refused(usage.refusal(&may.project, blob.size)));
    }
    let key = key(&may, &blob.digest)?;
    let begun = context.fetched();
    let (mut idle, mut wrong) = (0, false);
    loop {
        let before = length(context, &key).await?;
        match fetch(context, session, blob, &key).await {
            Ok(resumed) => {
                // What a turn before this one had fetched is not counted yet.
                context.blob_is_here(resumed.min(blob.size));
                tracing::debug!(copy = %context.job.id, digest = %blob.digest, came = context.fetched() - begun, "a blob was fetched");
                return Ok(());
            }
            // Perhaps only on its way; once more from the beginning tells.
            Err(failure) if failure.code == "digest_mismatch" && !wrong => wrong = true,
            Err(failure) if failure.retry == Retry::Soon => {
                idle = if length(context, &key).await? > before { 0 } else { idle + 1 };
                if idle >= TRIES {
                    return Err(failure);
                }
                context.know(|progress| progress.note = Some(format!("{}; trying again", failure.message)));
                tokio::time::sleep(PAUSE * (1 << idle)).await;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Whether the blob is in a repository that the asker may pull from. Then the destination holds it from now on.
async fn lies_here(context: &Context, may: &May<can::Push, Destination>, digest: &Digest) -> Result<bool, Failure> {
    let platform = context.worker.platform();
    let Some((_, size)) = store::is_held_somewhere_visible(platform, may, digest).await.map_err(refused)? else { return Ok(false) };
    store::hold(platform, context.registry.blobs(), may, digest, size).await.map_err(refused)
}

fn key(may: &May<can::Push, Destination>, digest: &Digest) -> Result<UploadKey, Failure> {
    let name = hash::digest(Algorithm::Sha256, format!("copy {} {digest}", may.full_name()).as_bytes()).hex();
    // 128 bits of a hash in an id's form.
    let parts = [&name[..8], &name[8..12], &name[12..16], &name[16..20], &name[20..32]];
    let id: UploadId = parts.join("-").parse().map_err(|_| Failure::last("internal", "a hash is no id"))?;
    let owner = may.actor().account().map_err(refused)?.id;
    Ok(UploadKey { id, owner, repository: may.full_name() })
}

async fn take(context: &Context, key: &UploadKey) -> Result<Upload, Failure> {
    let uploads = context.registry.uploads();
    for _ in 0..2 {
        match uploads.take(key).await {
            Ok(Some(upload)) => return Ok(upload),
            Ok(None) => begin(uploads, key, &context.job.asker).await?,
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                return Err(Failure::passing("busy", "another copy still writes the same blob"));
            }
            Err(error) => return Err(disk(error)),
        }
    }
    Err(Failure::passing("busy", "another copy of the same blob has just ended"))
}

/// Begins the upload; it may be there meanwhile, by another copy of the same blob.
async fn begin(uploads: &Uploads, key: &UploadKey, asker: &str) -> Result<(), Failure> {
    match uploads.begin(key).await {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
            Err(Failure::passing("too_many_open", format!("too many uploads of {asker} are under way at once; let some of them end first")))
        }
        begun => begun.map_err(disk),
    }
}

/// How much of it is here.
async fn length(context: &Context, key: &UploadKey) -> Result<u64, Failure> {
    match context.registry.uploads().take(key).await {
        Ok(upload) => Ok(upload.map_or(0, |upload| upload.size())),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Ok(0),
        Err(error) => Err(disk(error)),
    }
}

/// One try. Answers how many bytes were here before it.
async fn fetch(context: &Context, session: &Session, blob: &Descriptor, key: &UploadKey) -> Result<u64, Failure> {
    let uploads = context.registry.uploads();
    let mut upload = take(context, key).await?;
    if upload.size() > blob.size {
        drop(upload);
        uploads.cancel(key).await.map_err(disk)?;
        upload = take(context, key).await?;
    }
    let mut resumed = upload.size();
    if upload.size() < blob.size || blob.size == 0 {
        let fetch = session.blob(&blob.digest, upload.size()).await?;
        if fetch.start != upload.size() {
            drop(upload);
            uploads.cancel(key).await.map_err(disk)?;
            upload = take(context, key).await?;
            resumed = 0;
        }
        upload.expect(blob.digest.algorithm());
        let limits = Appended { announced: Some(blob.size - upload.size()), most: BLOB_MAX };
        upload = match upload.append(fetch.stream(context.tally()), limits).await {
            Ok(upload) => upload,
            Err(stopped) => return Err(stop(context, blob, key, stopped).await?),
        };
    }
    finish(context, blob, key, upload).await?;
    Ok(resumed)
}

/// Why bytes stopped coming; what came is kept where it is of use.
async fn stop(context: &Context, blob: &Descriptor, key: &UploadKey, stopped: Stopped) -> Result<Failure, Failure> {
    let from = &context.job.from.host;
    Ok(match stopped {
        Stopped::Cut | Stopped::Idle | Stopped::Replaced => {
            Failure::passing("cut", format!("{from} stopped sending the blob {}: {stopped}", blob.digest))
        }
        Stopped::Size { came, announced } if came < announced => {
            Failure::passing("cut", format!("{from} sent fewer bytes of the blob {} than its manifest names", blob.digest))
        }
        Stopped::Size { .. } | Stopped::TooLarge(_) => Failure::last(
            "size_mismatch",
            format!("{from} sends more bytes of the blob {} than the {} that its manifest names", blob.digest, blob.size),
        ),
        Stopped::Disk(error) => {
            let failure = disk(error);
            if failure.code == "disk_full" {
                // What came so far would only keep the disk full.
                context.registry.uploads().cancel(key).await.map_err(disk)?;
            }
            failure
        }
    })
}

/// It may have taken hours to come: whether its asker may still push is asked once more.
async fn hold(context: &Context, blob: &Descriptor, size: u64) -> Result<bool, Failure> {
    let may = context.may().await?;
    store::hold(context.worker.platform(), context.registry.blobs(), &may, &blob.digest, size).await.map_err(refused)
}

async fn finish(context: &Context, blob: &Descriptor, key: &UploadKey, upload: Upload) -> Result<(), Failure> {
    let finished = upload.finish(blob.digest, context.registry.blobs()).await.map_err(disk)?;
    context.registry.uploads().forget(key);
    match finished {
        Finished::Kept(size) => {
            let held = hold(context, blob, size).await;
            if held.is_err() {
                context.registry.forsake(&blob.digest).await;
            }
            if held? {
                return Ok(());
            }
            Err(Failure::passing("gone", format!("the blob {} was lost on the disk after it came", blob.digest)))
        }
        Finished::Wrong(actual) => {
            let from = &context.job.from.host;
            let text = format!("{from} sent content with the digest {actual} where its manifest names {}; nothing of it was kept", blob.digest);
            Err(Failure::last("digest_mismatch", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn too_many_open_uploads_are_told_and_waited_for() {
        let data = tempfile::tempdir().expect("a folder");
        let uploads = Uploads::open(data.path()).expect("opened");
        let key = |n: usize| UploadKey {
            id: format!("0192f0c1-7c1e-7b44-8d2a-{n:012x}").parse().expect("an id"),
            owner: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a12".parse().expect("an id"),
            repository: "shop/web".into(),
        };
        // Somebody writes to each of them: none makes room.
        let mut in_hands = Vec::new();
        let failure = loop {
            assert!(in_hands.len() < 1_000, "there is an end");
            let key = key(in_hands.len());
            match begin(&uploads, &key, "dev").await {
                Ok(()) => in_hands.push(uploads.take(&key).await.expect("read").expect("there")),
                Err(failure) => break failure,
            }
        };
        assert_eq!((failure.code, failure.retry), ("too_many_open", Retry::Soon));
        assert!(failure.message.contains("uploads of dev"), "{}", failure.message);
        drop(in_hands.pop());
        begin(&uploads, &key(in_hands.len() + 1), "dev").await.expect("there is room again");
    }
}
