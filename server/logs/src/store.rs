//! All streams of the portal in one folder.

use std::io;
use std::path::PathBuf;

use model::ids::{ProjectId, ServiceId};

use crate::{Stream, StreamKey};

/// How the store keeps its files.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size at which a journal becomes a segment.
    pub journal_bytes: u64,
    /// Text that is compressed together, and thus read together.
    pub chunk_bytes: usize,
    /// How hard zstd tries, 1 to 19.
    pub level: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self { journal_bytes: 8 << 20, chunk_bytes: 512 << 10, level: 9 }
    }
}

/// What retention deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Segments.
    pub segments: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Lines in them.
    pub lines: u64,
}

/// All kept lines. Cheap to clone; one for each folder in a process.
#[derive(Clone)]
pub struct Store;

impl Store {
    /// Opens the store in this folder, which is made when missing. What a crash left is put right when its stream is first asked for.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(_folder: impl Into<PathBuf>, _options: Options) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The stream; made when missing.
    ///
    /// # Errors
    /// When its files cannot be made or read.
    pub fn stream(&self, _key: StreamKey) -> io::Result<Stream> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The stream, if any line or cursor was ever kept of it.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn existing(&self, _key: StreamKey) -> io::Result<Option<Stream>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The projects of which something is kept.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn projects(&self) -> io::Result<Vec<ProjectId>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Bytes on disk of all of a project's streams.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn bytes(&self, _project: ProjectId) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Deletes whole segments of a project: those whose lines are all older than the time (nanoseconds since 1970), then the oldest of all
    /// its streams, until what is left takes no more than so many bytes on disk.
    ///
    /// # Errors
    /// When files cannot be read or deleted. What was deleted before stays so.
    pub fn retain(&self, _project: ProjectId, _older_than_nanos: i64, _most_bytes: u64) -> io::Result<Removed> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Deletes a service's streams, everywhere. Whoever still holds one can no longer add to it.
    ///
    /// # Errors
    /// When files cannot be deleted.
    pub fn remove_service(&self, _project: ProjectId, _service: ServiceId) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Deletes a project's streams. Whoever still holds one can no longer add to it.
    ///
    /// # Errors
    /// When files cannot be deleted.
    pub fn remove_project(&self, _project: ProjectId) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What is to be done now and then (every minute or so): compresses the journals of streams that were silent for long, closes their files, and
    /// forgets streams that nobody holds.
    ///
    /// # Errors
    /// When files cannot be written. The journals stay then.
    pub fn tidy(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
