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
use std::fs::{DirEntry, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

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
/// How long a request waits for the lock of another portal's.
const LOCKED: Duration = Duration::from_secs(2);
/// Uploads that one account may have open; a new one beyond them takes the place of the one to which nothing was written for the longest time.
const OPEN_MAX: usize = 256;
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
    open: Open,
}

/// How many uploads each account has open.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<HashMap<String, usize>>>);

impl Open {
    fn of(&self, owner: &str) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(owner).copied().unwrap_or_default()
    }

    fn begun(&self, owner: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(owner.to_owned()).or_default() += 1;
    }

    /// The file of this name has gone.
    fn ended(&self, file_name: &str) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owner) = owner_of(file_name)
            && let Some(count) = open.get_mut(owner)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(owner);
            }
        }
    }
}

fn owner_of(file_name: &str) -> Option<&str> {
    file_name.split('.').nth(1)
}

/// An upload in the hands of one request.
pub struct Upload {
    path: PathBuf,
    open: Open,
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
        let open = Open::default();
        for entry in std::fs::read_dir(&folder)? {
            if let Some(owner) = entry?.file_name().to_str().and_then(owner_of) {
                open.begun(owner);
            }
        }
        Ok(Self { folder, sessions: Arc::default(), open })
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload of nothing yet.
    ///
    /// # Errors
    /// `ResourceBusy` when the account has too many open and writes to all of them; else when the file cannot be made.
    pub async fn begin(&self, key: &UploadKey) -> io::Result<()> {
        let (uploads, owner, path) = (self.clone(), key.owner.to_string(), self.folder.join(key.file_name()));
        blocking(move || {
            if uploads.open.of(&owner) >= OPEN_MAX && !uploads.end_the_oldest_of(&owner)? {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            File::create_new(path)?;
            uploads.open.begun(&owner);
            Ok(())
        })
        .await
    }

    /// Ends the account's upload to which nothing was written for the longest time. False: it writes to all of them. Blocks.
    fn end_the_oldest_of(&self, owner: &str) -> io::Result<bool> {
        let mut own = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_str().and_then(owner_of) == Some(owner)
                && let Some(written) = written(&entry)?
            {
                own.push((written, entry));
            }
        }
        own.sort_by_key(|(written, _)| *written);
        for (_, entry) in own {
            if self.end_idle(&entry, Millis(i64::MAX))? {
                return Ok(true);
            }
        }
        Ok(false)
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
        let open = self.open.clone();
        let (turn, hashed, replaced) = self.next_turn(name);
        let turn = tokio::time::timeout(TAKE_OVER, turn.lock_owned()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        blocking(move || {
            let Some(file) = absent_is_none(File::options().append(true).read(true).open(&path))? else { return Ok(None) };
            lock(&file)?;
            let size = file.metadata()?.len();
            // What another portal wrote was not hashed here.
            known(&hashed).take_if(|(hashed, _)| *hashed > size);
            Ok(Some(Upload { path, open, file: Arc::new(file), size, hashed, turn: Arc::new(turn), replaced }))
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
            removed += u64::from(self.end_idle(&entry, before)?);
        }
        Ok(removed)
    }

    /// Ends an upload to which nothing was written since `before`, unless somebody works on it at this moment. Blocks.
    fn end_idle(&self, entry: &DirEntry, before: Millis) -> io::Result<bool> {
        let old = || Ok::<_, io::Error>(written(entry)?.is_some_and(|written| written < before));
        let Ok(name) = entry.file_name().into_string() else { return Ok(false) };
        if !old()? {
            return Ok(false);
        }
        let turn = Arc::clone(&self.sessions().entry(name.clone()).or_default().turn);
        let mut ended = false;
        if let Ok(turn) = turn.try_lock_owned() {
            ended = old()? && absent_is_none(std::fs::remove_file(entry.path()))?.is_some();
            if ended {
                self.open.ended(&name);
                if let Some(session) = self.sessions().get(&name) {
                    known(&session.hashed).take();
                }
            }
            drop(turn);
        }
        self.forget_name(&name);
        Ok(ended)
    }
}

/// Locks it against another portal over the same folder. Blocks.
///
/// The lock of a turn that has just ended may be held for a moment more: a program that this process begins has a copy of each open file until it runs.
fn lock(file: &File) -> io::Result<()> {
    let given_up = Instant::now() + LOCKED;
    while file.try_lock().is_err() {
        if Instant::now() >= given_up {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// When something was last written to the file. None: it is gone.
fn written(entry: &DirEntry) -> io::Result<Option<Millis>> {
    let Some(written) = absent_is_none(std::fs::metadata(entry.path()).and_then(|found| found.modified()))? else { return Ok(None) };
    let millis = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(Some(Millis(i64::try_from(millis).unwrap_or(i64::MAX))))
}

fn known(hashed: &Hashed) -> MutexGuard<'_, Option<(u64, Hasher)>> {
    hashed.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
