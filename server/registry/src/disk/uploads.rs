//! Uploads under way: one file each, whose name tells its id, its owner and its repository, so that nobody else's request and
//! no other repository's ever finds it, and nothing about it has to be stored elsewhere. Its length says how far it came.
//!
//! One request has an upload in its hands at a time: its turn. A file of this folder goes (finished, cancelled, expired) within its turn alone, and
//! what was remembered of it goes with it, so that a name that is used again, which copies do, never meets what was known of another file.
//! A newer request takes over from an older one, which most often is a dead
//! connection that nobody has noticed yet. Bytes are hashed as they come, on one thread while another one writes them and the
//! next ones are received, because hashing is what takes the time; where the hash of what is there is not known (the portal was
//! restarted), the file is read once more at the end.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use model::digest::{Algorithm, Digest};
use model::ids::{UploadId, UserId};
use model::time::Millis;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::absent_is_none;
use crate::hash::{self, Hasher};

mod writing;

/// How long an upload waits for its next byte.
const IDLE: Duration = Duration::from_secs(60);
/// How long a request waits for an older one to let go of the upload.
const TAKE_OVER: Duration = Duration::from_secs(20);
/// Uploads whose hash is remembered between two requests, at most.
const REMEMBERED: usize = 4096;

/// Which upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadKey {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub owner: UserId,
    /// The whole name of the repository that it is for.
    pub repository: String,
}

impl UploadKey {
    fn file_name(&self) -> String {
        let repository = hash::digest(Algorithm::Sha256, self.repository.as_bytes()).hex();
        format!("{}.{}.{}", self.id, self.owner, &repository[..32])
    }
}

/// The hash of so many first bytes of an upload, if it is known.
type Hashed = Arc<Mutex<Option<(u64, Hasher)>>>;

/// What is known of an upload between its requests.
#[derive(Default)]
struct Session {
    /// Held by the request whose turn it is.
    turn: Arc<tokio::sync::Mutex<()>>,
    hashed: Hashed,
    newest: CancellationToken,
}

/// The folder of uploads.
#[derive(Clone)]
pub struct Uploads {
    folder: PathBuf,
    /// By the file's name, which says whose it is: nobody's request reaches another one's session.
    sessions: Arc<Mutex<HashMap<String, Session>>>,
}

/// An upload in the hands of one request.
pub struct Upload {
    path: PathBuf,
    file: Arc<File>,
    size: u64,
    hashed: Hashed,
    /// Shared with the threads that work on the upload: the turn ends when the last of them has, even if the request was dropped.
    turn: Arc<OwnedMutexGuard<()>>,
    replaced: CancellationToken,
}

/// Why nothing more was appended. What came before is kept, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The sender ended in the middle.
    #[error("the connection ended before the content did")]
    Cut,
    /// The sender sent nothing for a minute.
    #[error("no byte came for {} s", IDLE.as_secs())]
    Idle,
    /// A newer request has taken over.
    #[error("a newer request writes to this upload")]
    Replaced,
    /// Another number of bytes came than was announced; none of them was kept.
    #[error("{came} bytes came where {announced} were announced")]
    Size {
        /// Bytes that came, at least.
        came: u64,
        /// Bytes that were announced.
        announced: u64,
    },
    /// More than a blob may have; none of it was kept.
    #[error("a blob has at most {0} bytes")]
    TooLarge(u64),
    /// The disk.
    #[error("{0}")]
    Disk(#[from] io::Error),
}

/// How much may be appended.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// Exactly so many bytes must come, where the sender has announced it.
    pub announced: Option<u64>,
    /// The upload may have so many bytes at most.
    pub most: u64,
}

/// How an upload ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is a blob now, of so many bytes.
    Kept(u64),
    /// Its content has this digest, which is not the one that was asked for. It is gone.
    Wrong(Digest),
}

impl Uploads {
    /// Opens the folder below `data`, making it if it is missing. Blocks.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("uploads");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, sessions: Arc::default() })
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload of nothing yet.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub async fn begin(&self, key: &UploadKey) -> io::Result<()> {
        let path = self.folder.join(key.file_name());
        blocking(move || File::create_new(path).map(drop)).await
    }

    /// Takes the upload over for a request; none: there is no such upload.
    ///
    /// # Errors
    /// `TimedOut` when an older request does not let go of it; else when the file cannot be opened.
    pub async fn take(&self, key: &UploadKey) -> io::Result<Option<Upload>> {
        let name = key.file_name();
        let path = self.folder.join(&name);
        let exists = path.clone();
        if !blocking(move || std::fs::exists(exists)).await? {
            return Ok(None);
        }
        let (turn, hashed, replaced) = self.next_turn(name);
        let turn = tokio::time::timeout(TAKE_OVER, turn.lock_owned()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        blocking(move || {
            let Some(file) = absent_is_none(File::options().append(true).read(true).open(&path))? else { return Ok(None) };
            // Another portal over the same folder.
            file.try_lock().map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
            let size = file.metadata()?.len();
            // What another portal wrote was not hashed here.
            known(&hashed).take_if(|(hashed, _)| *hashed > size);
            Ok(Some(Upload { path, file: Arc::new(file), size, hashed, turn: Arc::new(turn), replaced }))
        })
        .await
    }

    fn next_turn(&self, name: String) -> (Arc<tokio::sync::Mutex<()>>, Hashed, CancellationToken) {
        let mut sessions = self.sessions();
        if sessions.len() >= REMEMBERED {
            // Those that no request holds; the worst that comes of it is a second reading at the end.
            sessions.retain(|_, session| Arc::strong_count(&session.turn) > 1);
        }
        let session = sessions.entry(name).or_default();
        session.newest.cancel();
        session.newest = CancellationToken::new();
        (Arc::clone(&session.turn), Arc::clone(&session.hashed), session.newest.clone())
    }

    /// Forgets what was remembered of an upload that has ended. One that somebody waits for is kept: two turns of one file must not be.
    pub fn forget(&self, key: &UploadKey) {
        self.forget_name(&key.file_name());
    }

    fn forget_name(&self, name: &str) {
        let mut sessions = self.sessions();
        if sessions.get(name).is_some_and(|session| Arc::strong_count(&session.turn) == 1) {
            sessions.remove(name);
        }
    }

    /// Ends an upload and throws away what came, when who works on it has let go. Says whether there was one.
    ///
    /// # Errors
    /// `TimedOut` when an older request does not let go of it; else when the file cannot be removed.
    pub async fn cancel(&self, key: &UploadKey) -> io::Result<bool> {
        let Some(upload) = self.take(key).await? else { return Ok(false) };
        blocking(move || upload.remove()).await?;
        self.forget(key);
        Ok(true)
    }

    /// Removes uploads to which nothing was written since `before`; answers how many. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn expire(&self, before: Millis) -> io::Result<u64> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !is_old(&entry, before)? {
                continue;
            }
            let turn = Arc::clone(&self.sessions().entry(name.clone()).or_default().turn);
            // One that somebody works on is not forgotten, however long ago its last byte came.
            if let Ok(turn) = turn.try_lock_owned()
                && is_old(&entry, before)?
            {
                removed += u64::from(absent_is_none(std::fs::remove_file(entry.path()))?.is_some());
                if let Some(session) = self.sessions().get(&name) {
                    known(&session.hashed).take();
                }
                drop(turn);
            }
            self.forget_name(&name);
        }
        Ok(removed)
    }
}

/// Whether nothing was written to the file since `before`. One that is gone is not.
fn is_old(entry: &std::fs::DirEntry, before: Millis) -> io::Result<bool> {
    let Some(written) = absent_is_none(std::fs::metadata(entry.path()).and_then(|found| found.modified()))? else { return Ok(false) };
    let millis = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(i64::try_from(millis).unwrap_or(i64::MAX) < before.0)
}

fn known(hashed: &Hashed) -> MutexGuard<'_, Option<(u64, Hasher)>> {
    hashed.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
