use std::convert::Infallible;

use bytes::Bytes;
use futures::{Stream, stream};
use tokio::sync::mpsc;

use super::*;
use crate::disk::{Blobs, PIECE};

struct Fixture {
    data: tempfile::TempDir,
    uploads: Uploads,
    blobs: Blobs,
}

const ALL: Appended = Appended { announced: None, most: u64::MAX };

fn fixture() -> Fixture {
    let data = tempfile::tempdir().expect("a folder");
    let (uploads, blobs) = (Uploads::open(data.path()).expect("opened"), Blobs::open(data.path()).expect("opened"));
    Fixture { data, uploads, blobs }
}

fn key() -> UploadKey {
    UploadKey {
        id: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id"),
        owner: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a12".parse().expect("an id"),
        repository: "shop/web".into(),
    }
}

fn whole(bytes: &[u8]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin + use<> {
    let pieces: Vec<_> = bytes.chunks(1000).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    stream::iter(pieces)
}

async fn size(uploads: &Uploads, key: &UploadKey) -> Option<u64> {
    uploads.take(key).await.expect("the disk works").map(|upload| upload.size())
}

async fn take(uploads: &Uploads) -> Upload {
    uploads.take(&key()).await.expect("the disk works").expect("the upload is there")
}

#[tokio::test]
async fn pieces_become_a_blob() {
    let it = fixture();
    let content: Vec<u8> = (0..PIECE * 3 + 11).map(|n| (n % 253) as u8).collect();
    let digest = hash::digest(Algorithm::Sha256, &content);
    it.uploads.begin(&key()).await.expect("begun");
    let (first, second) = content.split_at(PIECE + 5);
    let upload = take(&it.uploads).await.append(whole(first), ALL).await.expect("appended");
    assert_eq!(upload.size(), first.len() as u64);
    drop(upload);
    assert_eq!(size(&it.uploads, &key()).await, Some(first.len() as u64));
    let upload = take(&it.uploads).await.append(whole(second), ALL).await.expect("appended");
    assert_eq!(known(&upload.hashed).as_ref().map(|(size, _)| *size), Some(content.len() as u64), "hashed on the way");
    assert_eq!(upload.finish(digest, &it.blobs).await.expect("finished"), Finished::Kept(content.len() as u64));
    assert_eq!(std::fs::read(it.blobs.path(&digest)).expect("a blob"), content);
    assert_eq!(size(&it.uploads, &key()).await, None);
}

#[tokio::test]
async fn after_a_restart_the_file_is_read_again() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    drop(take(&it.uploads).await.append(whole(b"hello "), ALL).await.expect("appended"));
    let restarted = Uploads::open(it.data.path()).expect("opened");
    let upload = take(&restarted).await.append(whole(b"world"), ALL).await.expect("appended");
    let digest = hash::digest(Algorithm::Sha256, b"hello world");
    assert_eq!(upload.finish(digest, &it.blobs).await.expect("finished"), Finished::Kept(11));
}

#[tokio::test]
async fn another_algorithm_is_verified_too() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let upload = take(&it.uploads).await.append(whole(b"hello"), ALL).await.expect("appended");
    let digest = hash::digest(Algorithm::Sha512, b"hello");
    assert_eq!(upload.finish(digest, &it.blobs).await.expect("finished"), Finished::Kept(5));
    assert_eq!(std::fs::read(it.blobs.path(&digest)).expect("a blob"), b"hello");
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let upload = take(&it.uploads).await.append(whole(b"hello"), ALL).await.expect("appended");
    let (right, wrong) = (hash::digest(Algorithm::Sha256, b"hello"), hash::digest(Algorithm::Sha256, b"other"));
    assert_eq!(upload.finish(wrong, &it.blobs).await.expect("finished"), Finished::Wrong(right));
    assert!(!it.blobs.path(&right).exists() && !it.blobs.path(&wrong).exists());
    assert_eq!(size(&it.uploads, &key()).await, None);
}

#[tokio::test]
async fn what_came_before_a_cut_is_kept() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let cut = stream::iter([Ok(Bytes::from_static(b"hello ")), Err("gone")]);
    let stopped = take(&it.uploads).await.append(cut, ALL).await.err().expect("stopped");
    assert!(matches!(stopped, Stopped::Cut));
    let upload = take(&it.uploads).await;
    assert_eq!(upload.size(), 6);
    let upload = upload.append(whole(b"world"), ALL).await.expect("appended");
    let digest = hash::digest(Algorithm::Sha256, b"hello world");
    assert_eq!(upload.finish(digest, &it.blobs).await.expect("finished"), Finished::Kept(11));
}

#[tokio::test]
async fn another_size_than_announced_keeps_nothing() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    drop(take(&it.uploads).await.append(whole(b"hello "), ALL).await.expect("appended"));
    for (announced, content) in [(4, "world"), (6, "world")] {
        let limits = Appended { announced: Some(announced), ..ALL };
        let stopped = take(&it.uploads).await.append(whole(content.as_bytes()), limits).await.err().expect("stopped");
        assert!(matches!(stopped, Stopped::Size { came: 5, .. }), "{stopped}");
        assert_eq!(size(&it.uploads, &key()).await, Some(6));
    }
    let upload = take(&it.uploads).await.append(whole(b"world"), ALL).await.expect("appended");
    let digest = hash::digest(Algorithm::Sha256, b"hello world");
    assert_eq!(upload.finish(digest, &it.blobs).await.expect("finished"), Finished::Kept(11));
}

#[tokio::test]
async fn nothing_grows_beyond_the_most() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let limits = Appended { announced: None, most: 4 };
    let stopped = take(&it.uploads).await.append(whole(b"hello"), limits).await.err().expect("stopped");
    assert!(matches!(stopped, Stopped::TooLarge(4)));
    assert_eq!(size(&it.uploads, &key()).await, Some(0));
}

#[tokio::test]
async fn a_newer_request_takes_over_from_one_that_hangs() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let hanging = stream::poll_fn(move |context| receiver.poll_recv(context));
    let old = take(&it.uploads).await;
    let old = tokio::spawn(old.append(hanging, ALL));
    sender.send(Ok(Bytes::from_static(b"hello "))).await.expect("received");
    // The channel has room again once the first piece was taken.
    let reserved = sender.reserve().await.expect("taken");
    let new = take(&it.uploads).await;
    assert!(matches!(old.await.expect("ran").err().expect("stopped"), Stopped::Replaced));
    assert_eq!(new.size(), 6);
    drop(reserved);
    let upload = new.append(whole(b"world"), ALL).await.expect("appended");
    let digest = hash::digest(Algorithm::Sha256, b"hello world");
    assert_eq!(upload.finish(digest, &it.blobs).await.expect("finished"), Finished::Kept(11));
}

#[tokio::test]
async fn an_upload_is_found_by_its_owner_and_repository_alone() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let other = UploadKey { repository: "shop/other".into(), ..key() };
    assert!(it.uploads.take(&other).await.expect("read").is_none());
    let stranger = UploadKey { owner: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a13".parse().expect("an id"), ..key() };
    assert_eq!(size(&it.uploads, &stranger).await, None);
    assert!(!it.uploads.cancel(&stranger).await.expect("read"));
    assert!(it.uploads.cancel(&key()).await.expect("removed"));
    assert_eq!(size(&it.uploads, &key()).await, None);
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_expires() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let millis = |time: std::time::SystemTime| Millis(time.duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64);
    let path = it.data.path().join("uploads").join(key().file_name());
    let written = millis(std::fs::metadata(&path).expect("there").modified().expect("a time"));
    assert_eq!(it.uploads.expire(written).expect("read"), 0);
    assert_eq!(it.uploads.expire(Millis(written.0 + 1)).expect("read"), 1);
    assert!(!path.exists());
}

/// What is known of the bytes of one account's upload says nothing about another's of the same id, which copies of one blob for two people have.
#[tokio::test]
async fn two_uploads_of_one_id_know_nothing_of_each_other() {
    let it = fixture();
    let (mine, yours) = (key(), UploadKey { owner: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a13".parse().expect("an id"), ..key() });
    let digest = hash::digest(Algorithm::Sha256, b"good bytes");
    for key in [&mine, &yours] {
        it.uploads.begin(key).await.expect("begun");
    }
    let upload = take(&it.uploads).await.append(whole(b"good bytes"), ALL).await.expect("appended");
    drop(upload);
    let bad = it.uploads.take(&yours).await.expect("read").expect("there").append(whole(b"evil bytes"), ALL).await.expect("appended");
    let evil = hash::digest(Algorithm::Sha256, b"evil bytes");
    assert_eq!(bad.finish(digest, &it.blobs).await.expect("finished"), Finished::Wrong(evil));
    assert!(it.blobs.read(&digest).is_err());
    assert_eq!(take(&it.uploads).await.finish(digest, &it.blobs).await.expect("finished"), Finished::Kept(10));
}

#[tokio::test]
async fn an_upload_that_expired_leaves_nothing_behind_for_the_next_of_its_name() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    drop(take(&it.uploads).await.append(whole(b"good bytes"), ALL).await.expect("appended"));
    assert_eq!(it.uploads.expire(Millis(i64::MAX)).expect("expired"), 1);
    it.uploads.begin(&key()).await.expect("begun");
    let upload = take(&it.uploads).await.append(whole(b"evil bytes"), ALL).await.expect("appended");
    let evil = hash::digest(Algorithm::Sha256, b"evil bytes");
    assert_eq!(upload.finish(hash::digest(Algorithm::Sha256, b"good bytes"), &it.blobs).await.expect("finished"), Finished::Wrong(evil));
}

#[tokio::test]
async fn an_upload_in_somebodys_hands_is_neither_cancelled_nor_expired_under_them() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let upload = take(&it.uploads).await.append(whole(b"abc"), ALL).await.expect("appended");
    assert_eq!(it.uploads.expire(Millis(i64::MAX)).expect("looked"), 0);
    let the_key = key();
    let mut cancel = std::pin::pin!(it.uploads.cancel(&the_key));
    assert!(futures::poll!(&mut cancel).is_pending());
    let digest = hash::digest(Algorithm::Sha256, b"abc");
    assert_eq!(upload.finish(digest, &it.blobs).await.expect("finished"), Finished::Kept(3));
    assert!(!cancel.await.expect("looked"), "it was finished meanwhile");
    assert_eq!(std::fs::read(it.blobs.path(&digest)).expect("there"), b"abc");
}

/// A program that is begun in the moment in which a turn ends has a copy of the file until it runs.
#[tokio::test]
async fn a_copy_of_the_file_that_is_held_for_a_moment_keeps_nobody_out() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let upload = take(&it.uploads).await;
    let copy = upload.file.try_clone().expect("a copy");
    drop(upload);
    let the_key = key();
    let mut next = std::pin::pin!(it.uploads.take(&the_key));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut next).await.is_err(), "it waits");
    drop(copy);
    assert!(next.await.expect("the disk works").is_some());
}

/// Whatever came into an upload's place, only what was hashed becomes a blob.
#[tokio::test]
async fn a_file_in_the_uploads_place_does_not_become_a_blob() {
    let it = fixture();
    it.uploads.begin(&key()).await.expect("begun");
    let upload = take(&it.uploads).await.append(whole(b"abc"), ALL).await.expect("appended");
    let path = it.data.path().join("uploads").join(key().file_name());
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, b"xyz").expect("written");
    let digest = hash::digest(Algorithm::Sha256, b"abc");
    upload.finish(digest, &it.blobs).await.expect_err("another file");
    assert!(it.blobs.read(&digest).is_err());
}

#[tokio::test]
async fn one_account_has_so_many_uploads_open_and_the_oldest_idle_one_makes_room() {
    let it = fixture();
    let other = UploadKey { owner: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a13".parse().expect("an id"), ..key() };
    it.uploads.begin(&other).await.expect("begun");
    let of = |n: usize| UploadKey { id: format!("0192f0c1-7c1e-7b44-8d2a-{n:012x}").parse().expect("an id"), ..key() };
    for n in 0..OPEN_MAX {
        it.uploads.begin(&of(n)).await.expect("begun");
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + n as u64);
        let file = File::options().append(true).open(it.data.path().join("uploads").join(of(n).file_name())).expect("there");
        file.set_modified(long_ago).expect("set");
    }
    let in_hands = it.uploads.take(&of(0)).await.expect("read").expect("there");
    // The count comes from the folder after a restart.
    let again = Uploads::open(it.data.path()).expect("opened");
    assert_eq!(again.open.of(&key().owner.to_string()), OPEN_MAX);
    it.uploads.begin(&of(OPEN_MAX)).await.expect("begun");
    assert_eq!(size(&it.uploads, &of(1)).await, None, "the oldest that nobody works on");
    assert_eq!(in_hands.size(), 0);
    assert_eq!(size(&it.uploads, &other).await, Some(0), "another account's");
}
