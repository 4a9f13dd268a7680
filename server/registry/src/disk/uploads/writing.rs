//! What is done with an upload by the request that has its turn: bytes appended, hashed while they are written; the end, by which it becomes a
//! blob or nothing.

use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use model::digest::{Algorithm, Digest};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Appended, Finished, IDLE, Stopped, Upload, blocking, known};
use crate::disk::{Blobs, PIECE, absent_is_none};
use crate::hash::Hasher;

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
                self.remove()?;
                return Ok(Finished::Wrong(actual));
            }
            self.is_the_file_that_was_read()?;
            blobs.keep(&self.file, &self.path, &digest)?;
            known(&self.hashed).take();
            self.ended();
            Ok(Finished::Kept(self.size))
        })
        .await
    }

    /// Throws away what came. Blocks.
    pub(super) fn remove(&self) -> io::Result<()> {
        known(&self.hashed).take();
        if absent_is_none(std::fs::remove_file(&self.path))?.is_some() {
            self.ended();
        }
        Ok(())
    }

    fn ended(&self) {
        if let Some(name) = self.path.file_name().and_then(|name| name.to_str()) {
            self.open.ended(name);
        }
    }

    /// The second lock on the door: what gets a blob's name is the very file whose bytes were hashed, with not a byte more.
    fn is_the_file_that_was_read(&self) -> io::Result<()> {
        let (held, named) = (self.file.metadata()?, std::fs::metadata(&self.path)?);
        if (held.dev(), held.ino()) != (named.dev(), named.ino()) || held.len() != self.size {
            return Err(io::Error::other("the upload's file was changed by somebody else"));
        }
        Ok(())
    }

    fn digest(&self, algorithm: Algorithm) -> io::Result<Digest> {
        let hashed = known(&self.hashed).clone();
        match hashed {
            Some((size, hasher)) if size == self.size && hasher.algorithm() == algorithm => Ok(hasher.finish()),
            _ => self.read_again(algorithm),
        }
    }

    fn read_again(&self, algorithm: Algorithm) -> io::Result<Digest> {
        let (mut hasher, mut buffer, mut at) = (Hasher::new(algorithm), vec![0; PIECE], 0);
        loop {
            let count = self.file.read_at(&mut buffer, at)?;
            if count == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(&buffer[..count]);
            at += count as u64;
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
