//! Uploads under way: one file each, whose name tells its id, its owner and its repository, so that nobody else's request and
//! no other repository's ever finds it, and nothing about it has to be stored elsewhere. Its length says how far it came.
//!
//! One request writes to an upload at a time. A newer one takes over from an older one, which most often is a dead
//! connection that nobody has noticed yet. Bytes are hashed as they come, on one thread while another one writes them and the
//! next ones are received, because hashing is what takes the time; where the hash of what is there is not known (the portal was
//! restarted), the file is read once more at the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use model::digest::{Algorithm, Digest};
use model::ids::{UploadId, UserId};
use model::time::Millis;
use tokio::sync::OwnedMutexGuard;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{Blobs, PIECE, absent_is_none};
use crate::hash::{self, Hasher};

/// How long an upload waits for its next byte.
const IDLE: Duration = Duration::from_secs(60);
/// How long a request waits for an older one to let go of the upload.
const TAKE_OVER: Duration = Duration::from_secs(20);
/// Uploads whose hash is remembered between two requests, at most.
const REMEMBERED: usize = 4096;

/// Which upload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    sessions: Arc<Mutex<HashMap<UploadId, Session>>>,
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

    fn path(&self, key: &UploadKey) -> PathBuf {
        self.folder.join(key.file_name())
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<UploadId, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload of nothing yet.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub async fn begin(&self, key: &UploadKey) -> io::Result<()> {
        let path = self.path(key);
        blocking(move || File::create_new(path).map(drop)).await
    }

    /// Takes the upload over for a request; none: there is no such upload.
    ///
    /// # Errors
    /// `TimedOut` when an older request does not let go of it; else when the file cannot be opened.
    pub async fn take(&self, key: &UploadKey) -> io::Result<Option<Upload>> {
        let (path, exists) = (self.path(key), self.path(key));
        if !blocking(move || std::fs::exists(exists)).await? {
            return Ok(None);
        }
        let (turn, hashed, replaced) = self.next_turn(key.id);
        let turn = tokio::time::timeout(TAKE_OVER, turn.lock_owned()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        blocking(move || {
            let Some(file) = absent_is_none(File::options().append(true).read(true).open(&path))? else { return Ok(None) };
            // Another portal over the same folder.
            file.try_lock().map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
            let size = file.metadata()?.len();
            Ok(Some(Upload { path, file: Arc::new(file), size, hashed, turn: Arc::new(turn), replaced }))
        })
        .await
    }

    fn next_turn(&self, id: UploadId) -> (Arc<tokio::sync::Mutex<()>>, Hashed, CancellationToken) {
        let mut sessions = self.sessions();
        if sessions.len() >= REMEMBERED {
            // Those that no request holds; the worst that comes of it is a second reading at the end.
            sessions.retain(|_, session| Arc::strong_count(&session.turn) > 1);
        }
        let session = sessions.entry(id).or_default();
        session.newest.cancel();
        session.newest = CancellationToken::new();
        (Arc::clone(&session.turn), Arc::clone(&session.hashed), session.newest.clone())
    }

    /// Forgets what was remembered of an upload that has ended.
    pub fn forget(&self, id: UploadId) {
        self.sessions().remove(&id);
    }

    /// Ends an upload and throws away what came. Says whether there was one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub async fn cancel(&self, key: &UploadKey) -> io::Result<bool> {
        if let Some(session) = self.sessions().remove(&key.id) {
            session.newest.cancel();
        }
        let path = self.path(key);
        blocking(move || Ok(absent_is_none(std::fs::remove_file(path))?.is_some())).await
    }

    /// Removes uploads to which nothing was written since `before`; answers how many. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn expire(&self, before: Millis) -> io::Result<u64> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Some(written) = absent_is_none(entry.metadata().and_then(|found| found.modified()))? else { continue };
            let millis = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            if i64::try_from(millis).unwrap_or(i64::MAX) < before.0 && absent_is_none(std::fs::remove_file(entry.path()))?.is_some() {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Upload {
    /// Bytes that are there.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Hashes what comes with this algorithm. Without it, what comes is taken to be meant for SHA-256.
    pub fn expect(&mut self, algorithm: Algorithm) {
        if self.size == 0 {
            *known(&self.hashed) = Some((0, Hasher::new(algorithm)));
        }
    }

    /// Appends what the stream brings.
    ///
    /// # Errors
    /// Tells why it stopped, and what became of the bytes that came.
    pub async fn append<E>(mut self, mut stream: impl Stream<Item = Result<Bytes, E>> + Unpin, limits: Appended) -> Result<Self, Stopped> {
        let (begin, replaced) = (self.size, self.replaced.clone());
        known(&self.hashed).get_or_insert_with(|| (0, Hasher::new(Algorithm::Sha256)));
        let most = limits.announced.map_or(limits.most, |announced| limits.most.min(begin.saturating_add(announced)));
        let (mut piece, mut gathered, mut came) = (Vec::new(), 0, 0_u64);
        let mut work = Work::default();
        let ended = loop {
            let next = tokio::select! {
                biased;
                () = replaced.cancelled() => break Err(Stopped::Replaced),
                next = tokio::time::timeout(IDLE, stream.next()) => next,
            };
            let bytes = match next {
                Err(_) => break Err(Stopped::Idle),
                Ok(None) => break Ok(()),
                Ok(Some(Err(_))) => break Err(Stopped::Cut),
                Ok(Some(Ok(bytes))) => bytes,
            };
            came += bytes.len() as u64;
            if begin.saturating_add(came) > most {
                let wrong_size = limits.announced.map(|announced| Stopped::Size { came, announced });
                break Err(wrong_size.unwrap_or(Stopped::TooLarge(limits.most)));
            }
            gathered += bytes.len();
            piece.push(bytes);
            if gathered >= PIECE {
                self.write(&mut work, std::mem::take(&mut piece), gathered).await?;
                gathered = 0;
            }
        };
        self.write(&mut work, piece, gathered).await?;
        self.written(&mut work).await?;
        let ended = match (ended, limits.announced) {
            (Ok(()), Some(announced)) if came != announced => Err(Stopped::Size { came, announced }),
            (ended, _) => ended,
        };
        if matches!(ended, Err(Stopped::Size { .. } | Stopped::TooLarge(_))) {
            self.cut_to(begin).await?;
        }
        ended.map(|()| self)
    }

    /// Waits for the piece before and begins with this one.
    async fn write(&mut self, work: &mut Work, piece: Vec<Bytes>, size: usize) -> io::Result<()> {
        self.written(work).await?;
        let piece = Arc::new(piece);
        let (file, to_write, turn) = (Arc::clone(&self.file), Arc::clone(&piece), Arc::clone(&self.turn));
        work.writing = Some(spawn_blocking(move || {
            let _turn = turn;
            to_write.iter().try_for_each(|bytes| (&*file).write_all(bytes))
        }));
        let (hashed, turn, at) = (Arc::clone(&self.hashed), Arc::clone(&self.turn), self.size);
        work.hashing = Some(spawn_blocking(move || {
            let _turn = turn;
            if let Some((size, hasher)) = &mut *known(&hashed)
                && *size == at
            {
                for bytes in piece.iter() {
                    hasher.update(bytes);
                    *size += bytes.len() as u64;
                }
            }
        }));
        work.size = size as u64;
        Ok(())
    }

    /// Waits for the piece under way. When it could not be written, the file is as it was before.
    async fn written(&mut self, work: &mut Work) -> io::Result<()> {
        let Work { writing, hashing, size } = std::mem::take(work);
        let written = match writing {
            Some(writing) => writing.await.map_err(io::Error::other)?,
            None => Ok(()),
        };
        if let Some(hashing) = hashing {
            hashing.await.map_err(io::Error::other)?;
        }
        match written {
            Ok(()) => self.size += size,
            Err(_) => self.cut_to(self.size).await?,
        }
        written
    }

    async fn cut_to(&mut self, size: u64) -> io::Result<()> {
        known(&self.hashed).take_if(|(hashed, _)| *hashed > size);
        self.size = size;
        let file = Arc::clone(&self.file);
        blocking(move || file.set_len(size)).await
    }

    /// Makes a blob of it, if its content has this digest; else it is thrown away.
    ///
    /// # Errors
    /// When the disk fails; then the upload stays and can be finished again.
    pub async fn finish(self, digest: Digest, blobs: &Blobs) -> io::Result<Finished> {
        let blobs = blobs.clone();
        blocking(move || {
            let actual = self.digest(digest.algorithm())?;
            if actual != digest {
                std::fs::remove_file(&self.path)?;
                return Ok(Finished::Wrong(actual));
            }
            blobs.keep(&self.file, &self.path, &digest)?;
            Ok(Finished::Kept(self.size))
        })
        .await
    }

    fn digest(&self, algorithm: Algorithm) -> io::Result<Digest> {
        let hashed = known(&self.hashed).clone();
        match hashed {
            Some((size, hasher)) if size == self.size && hasher.algorithm() == algorithm => Ok(hasher.finish()),
            _ => self.read_again(algorithm),
        }
    }

    fn read_again(&self, algorithm: Algorithm) -> io::Result<Digest> {
        let mut file = File::open(&self.path)?;
        let (mut hasher, mut buffer) = (Hasher::new(algorithm), vec![0; PIECE]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }
}

/// The piece that is being written and hashed.
#[derive(Default)]
struct Work {
    writing: Option<JoinHandle<io::Result<()>>>,
    hashing: Option<JoinHandle<()>>,
    size: u64,
}

fn known(hashed: &Hashed) -> MutexGuard<'_, Option<(u64, Hasher)>> {
    hashed.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
