//! All streams of the portal in one folder: `<project>/<service>/<environment>/`. Opens them when they are asked for, and forgets those that nobody
//! holds. What retention deletes is decided here.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::ids::{ProjectId, ServiceId};

use crate::plan::Kept;
use crate::stream::{Full, Inner, lock};
use crate::{Stream, StreamKey, recover, seal};

/// After this time without a new line a journal's file is closed, and a stream that nobody holds is forgotten.
const REST: Duration = Duration::from_secs(60);
/// After this time without a new line a journal is compressed if it has as much as [`WORTH`].
const SILENT: Duration = Duration::from_secs(3600);
/// After this time without a new line a journal is compressed whatever it has.
const LONG: Duration = Duration::from_secs(24 * 3600);
/// Bytes of a journal from which it is worth a segment.
const WORTH: u64 = 256 << 10;
/// Bytes of a journal from which it is compressed before anything is deleted for want of room.
const ROOM: u64 = 1 << 20;

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
pub struct Store(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    options: Options,
    streams: Mutex<HashMap<StreamKey, Arc<Inner>>>,
    full: Sender<Full>,
}

impl Store {
    /// Opens the store in this folder, which is made when missing. What a crash left is put right when its stream is first asked for.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or no thread can be started.
    pub fn open(folder: impl Into<PathBuf>, options: Options) -> io::Result<Self> {
        let folder = folder.into();
        make(&folder)?;
        fs::read_dir(&folder)?;
        let full = seal::start()?;
        Ok(Self(Arc::new(Shared { folder, options, streams: Mutex::default(), full })))
    }

    /// The stream; made when missing.
    ///
    /// # Errors
    /// When its files cannot be made or read.
    pub fn stream(&self, key: StreamKey) -> io::Result<Stream> {
        let mut streams = lock(&self.0.streams);
        if let Some(stream) = streams.get(&key) {
            return Ok(Stream(Arc::clone(stream)));
        }
        let folder = self.folder(key);
        make(&folder)?;
        let stream = Inner::open(folder, self.0.options.clone(), self.0.full.clone())?;
        streams.insert(key, Arc::clone(&stream));
        Ok(Stream(stream))
    }

    /// The stream, if it was ever made.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn existing(&self, key: StreamKey) -> io::Result<Option<Stream>> {
        let known = lock(&self.0.streams).contains_key(&key);
        if known || self.folder(key).try_exists()? { self.stream(key).map(Some) } else { Ok(None) }
    }

    /// The projects of which something is kept.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn projects(&self) -> io::Result<Vec<ProjectId>> {
        ids(&self.0.folder)
    }

    /// Bytes on disk of all of a project's streams.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn bytes(&self, project: ProjectId) -> io::Result<u64> {
        self.keys(project)?.into_iter().map(|key| bytes_in(&self.folder(key))).sum()
    }

    /// Deletes whole segments of a project: those whose lines are all older than the time (nanoseconds since 1970), then the oldest of all
    /// its streams, until what is left takes no more than so many bytes on disk.
    ///
    /// # Errors
    /// When files cannot be read, or some not deleted. What could be deleted is.
    pub fn retain(&self, project: ProjectId, older_than_nanos: i64, most_bytes: u64) -> io::Result<Removed> {
        let mut removed = Removed::default();
        if self.bytes(project)? <= most_bytes && !self.any_older(project, older_than_nanos)? {
            return Ok(removed);
        }
        let streams: Vec<Stream> = self.keys(project)?.into_iter().filter_map(|key| self.existing(key).transpose()).collect::<io::Result<_>>()?;
        let mut failed = Ok(());
        for Stream(stream) in &streams {
            while let Some((number, latest)) = stream.oldest().filter(|(_, latest)| *latest < older_than_nanos) {
                let deleted = stream.delete_oldest(number).unwrap_or_else(|error| {
                    failed = Err(error);
                    None
                });
                if !removed.add(deleted) {
                    tracing::debug!(segment = number, latest, "the oldest part of kept logs stays, or is another one by now");
                    break;
                }
            }
        }
        let made = self.make_room(project, most_bytes, streams, &mut removed);
        failed.and(made).map(|()| removed)
    }

    /// Deletes the oldest parts of all these streams until what is left takes no more than so many bytes.
    fn make_room(&self, project: ProjectId, most_bytes: u64, mut streams: Vec<Stream>, removed: &mut Removed) -> io::Result<()> {
        if self.bytes(project)? <= most_bytes {
            return Ok(());
        }
        let mut compressed = compress_all(&streams);
        let mut failed = Ok(());
        while self.bytes(project)? > most_bytes {
            let oldest = streams.iter().enumerate().filter_map(|(at, Stream(stream))| Some((at, stream.oldest()?)));
            let Some((at, (number, _))) = oldest.min_by_key(|(_, (_, latest))| *latest) else { break };
            match streams[at].0.delete_oldest(number) {
                Ok(deleted) => {
                    if !removed.add(deleted) {
                        break;
                    }
                }
                Err(error) => {
                    // Its last part goes only when another one is begun: what else is there makes room for that.
                    failed = Err(error);
                    streams.swap_remove(at);
                    continue;
                }
            }
            // Once more, with the room that there is now.
            if !compressed {
                compress_all(&streams);
                compressed = true;
            }
        }
        failed
    }

    /// Deletes a service's streams, everywhere. Whoever still holds one can no longer add to it.
    ///
    /// # Errors
    /// When files cannot be deleted.
    pub fn remove_service(&self, project: ProjectId, service: ServiceId) -> io::Result<()> {
        self.remove(|key| key.project == project && key.service == service, &self.0.folder.join(project.to_string()).join(service.to_string()))
    }

    /// Deletes a project's streams. Whoever still holds one can no longer add to it.
    ///
    /// # Errors
    /// When files cannot be deleted.
    pub fn remove_project(&self, project: ProjectId) -> io::Result<()> {
        self.remove(|key| key.project == project, &self.0.folder.join(project.to_string()))
    }

    /// What is to be done now and then (every minute or so): compresses the journals of streams that were silent for long, closes their files, and
    /// forgets streams that nobody holds.
    ///
    /// # Errors
    /// When files cannot be written. The journals stay then.
    pub fn tidy(&self) -> io::Result<()> {
        let streams: Vec<Arc<Inner>> = lock(&self.0.streams).values().cloned().collect();
        let mut failed = Ok(());
        for stream in &streams {
            failed = stream.tidy().and(failed);
        }
        drop(streams);
        // Nobody can come to hold one meanwhile: they are given out under this lock alone. Whose journals wait for being compressed is kept until then:
        // the thread that does it holds nothing.
        lock(&self.0.streams).retain(|_, stream| Arc::strong_count(stream) > 1 || stream.waits() || stream.state().touched.elapsed() < REST);
        failed
    }

    /// Whether a stream may have a part that is older, as far as can be said without opening it.
    fn any_older(&self, project: ProjectId, older_than_nanos: i64) -> io::Result<bool> {
        for key in self.keys(project)? {
            let known = lock(&self.0.streams).get(&key).cloned();
            let old = match known {
                Some(stream) => stream.oldest().is_some_and(|(_, latest)| latest < older_than_nanos),
                None => recover::may_be_older(&self.folder(key), older_than_nanos)?,
            };
            if old {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn folder(&self, key: StreamKey) -> PathBuf {
        self.0.folder.join(key.project.to_string()).join(key.service.to_string()).join(key.environment.to_string())
    }

    fn keys(&self, project: ProjectId) -> io::Result<Vec<StreamKey>> {
        let folder = self.0.folder.join(project.to_string());
        let mut keys = Vec::new();
        for service in ids(&folder)? {
            let environments = ids(&folder.join(ServiceId::to_string(&service)))?;
            keys.extend(environments.into_iter().map(|environment| StreamKey { project, service, environment }));
        }
        Ok(keys)
    }

    fn remove(&self, which: impl Fn(&StreamKey) -> bool, folder: &Path) -> io::Result<()> {
        // Held to the end, so that none of them is opened in a folder that goes.
        let mut streams = lock(&self.0.streams);
        for (_, stream) in streams.extract_if(|key, _| which(key)) {
            stream.remove();
        }
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Removed {
    fn add(&mut self, deleted: Option<(u32, u64)>) -> bool {
        let Some((lines, bytes)) = deleted else { return false };
        self.segments += 1;
        self.lines += u64::from(lines);
        self.bytes += bytes;
        true
    }
}

/// Compresses the larger journals of all these streams. Whether that was done: on a full disk there is no room for it.
fn compress_all(streams: &[Stream]) -> bool {
    let mut done = true;
    for Stream(stream) in streams {
        if let Err(error) = stream.compress_all(ROOM) {
            done = false;
            tracing::warn!(folder = %stream.path().display(), %error, "journals of kept logs could not be compressed to save room");
        }
    }
    done
}

impl Inner {
    /// The number of the oldest part that can go, and the time of its latest line: no later than it was written, whatever time the line says.
    fn oldest(&self) -> Option<(u64, i64)> {
        let (number, latest, path) = {
            let state = self.state();
            let part = state.parts.front().filter(|part| part.lines() > 0 || state.parts.len() > 1)?;
            (part.number(), part.span().latest, part.path(&self.folder))
        };
        // One that became a segment, or went, meanwhile is asked for again.
        Some((number, recover::written(&path).map_or(latest, |written| written.min(latest))))
    }

    /// Whether a journal that is full still waits for being compressed.
    fn waits(&self) -> bool {
        let state = self.state();
        !state.removed && state.parts.iter().rev().skip(1).any(|part| matches!(part, Kept::Journal(_)))
    }

    /// Compresses every journal of at least so many bytes.
    fn compress_all(self: &Arc<Self>, bytes: u64) -> io::Result<()> {
        if self.state().active().is_some_and(|journal| journal.length >= bytes) {
            self.rotate()?;
        }
        let mut numbers: Vec<u64> = self.state().parts.iter().filter(|part| matches!(part, Kept::Journal(_))).map(Kept::number).collect();
        numbers.pop();
        numbers.into_iter().try_for_each(|number| self.seal(number))
    }

    fn tidy(self: &Arc<Self>) -> io::Result<()> {
        let silent = {
            let mut state = self.state();
            let idle = state.touched.elapsed();
            if idle < REST || state.removed {
                return Ok(());
            }
            state.ring.clear();
            let Some(journal) = state.active() else { return Ok(()) };
            journal.rest();
            journal.lines > 0 && (idle >= SILENT && journal.length >= WORTH || idle >= LONG)
        };
        if silent {
            self.rotate()?;
        }
        self.hand_over();
        Ok(())
    }

    /// Lets nothing be added any more, and no part be made.
    fn remove(&self) {
        let _turn = lock(&self.working);
        let mut state = self.state();
        state.removed = true;
        state.ring.clear();
        drop(state);
        self.wake();
    }
}

/// Makes a folder that is ours alone, with those above it.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The ids that folders in this folder have as their names; none where it is missing.
fn ids<T: FromStr>(folder: &Path) -> io::Result<Vec<T>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        ids.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
    }
    Ok(ids)
}

/// Bytes of the files in this folder.
fn bytes_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        // A journal may go between its name and its size being read: its segment is counted the next time.
        bytes += entry?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}
