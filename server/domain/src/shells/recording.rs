//! Recordings of shells: what a terminal printed, as asciicast v2, in one file for each shell that grows while it is open. Never what was typed.
//!
//! A session hands over what it sends on ([`Recorder::output`]) and goes on at once: the text waits in memory, within bounds, until the one loop
//! that writes them all ([`write`]) brings it to the disk, at most a second later. Where that cannot be done, the recorder fails, and the session
//! must end: what is promised to be recorded is recorded, or not done. Too much output is left out, visibly ([`cast`]), but nobody may act under
//! it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::ids::{ProjectId, ShellId};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::worker::Worker;

mod cast;
pub(super) mod file;

pub use cast::Header;
use cast::{Cast, Limits};

/// What is printed within so much time is written together: with the writing itself, less than a second passes.
const TOGETHER: Duration = Duration::from_millis(500);
/// So many bytes are written at once.
const HURRY: usize = 64 * 1024;
/// A disk that took nothing for so long will not.
const STUCK: Duration = Duration::from_secs(10);

/// The folder of all recordings, and those that are being made.
pub(crate) struct Shelf {
    folder: PathBuf,
    limits: Limits,
    tapes: Mutex<Vec<Arc<Tape>>>,
    /// Something waits to be written.
    printed: Notify,
    /// Much does.
    hurry: Notify,
}

impl Shelf {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self::with(folder, Limits::USUAL)
    }

    fn with(folder: PathBuf, limits: Limits) -> Self {
        Self { folder, limits, tapes: Mutex::default(), printed: Notify::new(), hurry: Notify::new() }
    }

    /// The folder of all projects' recordings.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a project's recordings.
    pub(super) fn of_project(&self, project: ProjectId) -> PathBuf {
        self.folder.join(project.to_string())
    }

    /// Where a shell's recording is, if it has one.
    pub(super) fn path(&self, project: ProjectId, shell: ShellId) -> PathBuf {
        self.of_project(project).join(format!("{shell}.cast"))
    }

    async fn record(self: Arc<Self>, project: ProjectId, shell: ShellId, header: &Header) -> Result<Recorder> {
        let mut cast = Cast::new(header, self.limits);
        let first = cast.take();
        let path = self.path(project, shell);
        let made = path.clone();
        let begun = blocking(move || -> Result<u64> {
            room(&made)?;
            let bytes = begin(&made, &first)?;
            Ok(bytes)
        });
        let bytes = begun.await??;
        let tape = Arc::new(Tape {
            shell,
            path,
            begun: Instant::now(),
            text: Mutex::new(Text { cast, since: None, closed: false }),
            disk: Mutex::new(Disk { bytes, unsynced: false, broken: false }),
            failure: watch::Sender::new(None),
        });
        lock(&self.tapes).push(Arc::clone(&tape));
        Ok(Recorder { shelf: self, tape })
    }

    /// Writes what waits, for ever.
    async fn run(&self) {
        let mut synced = Instant::now();
        loop {
            self.printed.notified().await;
            let hurried = timeout(TOGETHER, self.hurry.notified()).await.is_ok();
            // A flood does not wait for the disk each time; what it wrote survives the process at once, and a loss of power soon.
            let sync = !hurried || synced.elapsed() >= TOGETHER;
            self.round(sync).await;
            if sync {
                synced = Instant::now();
            } else {
                self.printed.notify_one();
            }
        }
    }

    async fn round(&self, sync: bool) {
        let mut due = Vec::new();
        lock(&self.tapes).retain(|tape| {
            let (waits, closed) = tape.stands();
            if waits {
                due.push(Arc::clone(tape));
            }
            !closed
        });
        let work = move || {
            for tape in &due {
                tape.write(sync);
            }
        };
        let written = blocking(work).await;
        if let Err(error) = written {
            tracing::error!(%error, "recordings could not be written");
        }
    }

    fn forget(&self, tape: &Arc<Tape>) {
        lock(&self.tapes).retain(|other| !Arc::ptr_eq(other, tape));
    }
}

/// Writes what recorders were given, for ever. Without it nothing is kept before [`Recorder::finish`].
pub async fn write(worker: Worker) {
    match worker.platform().recordings() {
        Ok(shelf) => shelf.run().await,
        Err(_) => std::future::pending().await,
    }
}

/// One recording that is being made.
struct Tape {
    shell: ShellId,
    path: PathBuf,
    begun: Instant,
    text: Mutex<Text>,
    /// Whoever holds it writes: so lines stay in order.
    disk: Mutex<Disk>,
    /// Why it cannot go on.
    failure: watch::Sender<Option<&'static str>>,
}

struct Text {
    cast: Cast,
    /// Since when something waits.
    since: Option<Instant>,
    /// Nothing is added any more.
    closed: bool,
}

struct Disk {
    /// Bytes of the file.
    bytes: u64,
    /// Whether some of them may not survive a loss of power.
    unsynced: bool,
    /// It failed once: behind a line that was cut no other may follow.
    broken: bool,
}

const FULL: &str = "the recording of this shell is full; open another one to go on";
const BEHIND: &str = "the disk does not take the recording of this shell, and nothing is done here that is not recorded; try again later";
const NO_ROOM: &str = "the disk is full, so this shell can no longer be recorded; an operator must make room";
const BROKEN: &str = "this shell can no longer be recorded, and nothing is done here that is not; an operator finds the reason in the log";

impl Tape {
    /// Whether something is to be written, and whether that is all.
    fn stands(&self) -> (bool, bool) {
        let unsynced = self.disk.try_lock().is_ok_and(|disk| disk.unsynced);
        let text = lock(&self.text);
        (unsynced || text.cast.waiting() > 0, text.closed)
    }

    /// Brings what waits to the disk. Blocks; answers the file's size.
    fn write(&self, sync: bool) -> u64 {
        let mut disk = lock(&self.disk);
        let lines = {
            let mut text = lock(&self.text);
            text.since = None;
            text.cast.take()
        };
        if let Err(error) = disk.append(&self.path, &lines, sync) {
            disk.broken = true;
            tracing::error!(%error, shell = %self.shell, "a recording could not be written; its shell ends");
            self.fail(if file::is_full(&error) { NO_ROOM } else { BROKEN });
        }
        disk.bytes
    }

    fn fail(&self, why: &'static str) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(why);
            first
        });
    }

    fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }
}

impl Disk {
    fn append(&mut self, path: &Path, lines: &[u8], sync: bool) -> io::Result<()> {
        if self.broken || lines.is_empty() && !(sync && self.unsynced) {
            return Ok(());
        }
        // Open for a moment only: a thousand idle shells are a thousand files.
        let mut file = OpenOptions::new().append(true).open(path)?;
        let written = file.write_all(lines);
        self.unsynced |= !lines.is_empty();
        self.bytes = file.metadata()?.len();
        written?;
        if sync {
            file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }
}

/// Records one shell.
pub struct Recorder {
    shelf: Arc<Shelf>,
    tape: Arc<Tape>,
}

impl Recorder {
    /// Begins the recording of a shell: its file is there, with its header.
    ///
    /// # Errors
    /// `Unavailable` when the disk is full, or will be soon. Then the shell must not be opened.
    pub async fn start(platform: &Platform, project: ProjectId, shell: ShellId, header: Header) -> Result<Self> {
        platform.recordings()?.record(project, shell, &header).await
    }

    /// This was printed. Never waits.
    pub fn output(&self, bytes: &[u8]) {
        self.add(|cast, at| cast.output(at, bytes));
    }

    /// This was typed. It is not recorded, but somebody acts. Never waits.
    pub fn typed(&self, bytes: &[u8]) {
        self.add(|cast, at| cast.typed(at, bytes));
    }

    /// The window has another size. Never waits.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.add(|cast, at| cast.resize(at, columns, rows));
    }

    fn add(&self, change: impl FnOnce(&mut Cast, Duration)) {
        let tape = &*self.tape;
        if tape.has_failed() {
            return;
        }
        let now = Instant::now();
        let mut text = lock(&tape.text);
        if text.closed {
            return;
        }
        change(&mut text.cast, now.duration_since(tape.begun));
        let (waiting, full) = (text.cast.waiting(), text.cast.is_full());
        let first = text.since.is_none() && waiting > 0;
        let stuck = now.duration_since(*text.since.get_or_insert(now)) >= STUCK;
        if waiting == 0 {
            text.since = None;
        }
        drop(text);
        if first {
            self.shelf.printed.notify_one();
        }
        if waiting >= HURRY {
            self.shelf.hurry.notify_one();
        }
        if full || stuck {
            tape.fail(if full { FULL } else { BEHIND });
        }
    }

    /// Whether it cannot go on: then the shell must end.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.tape.has_failed()
    }

    /// Resolves when it cannot go on, with what the shell's owner is told. Dropping the future loses nothing.
    pub async fn failure(&self) -> Error {
        let mut failure = self.tape.failure.subscribe();
        // Its other end is held by ourselves: it is not closed before.
        let why = failure.wait_for(Option::is_some).await.ok().and_then(|why| *why);
        Error::Unavailable(why.unwrap_or(BROKEN).to_owned())
    }

    /// Ends the recording; answers its size in bytes. What could not be written is in the log.
    pub async fn finish(&self) -> u64 {
        self.close();
        let tape = Arc::clone(&self.tape);
        let written = blocking(move || tape.write(true)).await;
        self.shelf.forget(&self.tape);
        written.unwrap_or_else(|error| {
            tracing::error!(%error, shell = %self.tape.shell, "the end of a recording could not be written");
            0
        })
    }

    /// Nothing is recorded from now on; whether something could be until now.
    fn close(&self) -> bool {
        let mut text = lock(&self.tape.text);
        let first = !std::mem::replace(&mut text.closed, true);
        if first {
            text.cast.end(self.tape.begun.elapsed());
        }
        first
    }
}

impl Drop for Recorder {
    /// A session that was given up without an end: what it printed is written all the same, and where there is nothing, nothing is left.
    fn drop(&mut self) {
        if !self.close() {
            return;
        }
        if lock(&self.tape.text).cast.is_bare() {
            self.shelf.forget(&self.tape);
            if let Err(error) = std::fs::remove_file(&self.tape.path) {
                tracing::warn!(%error, shell = %self.tape.shell, "the recording of a shell that never was could not be deleted");
            }
        } else {
            self.shelf.printed.notify_one();
        }
    }
}

/// Whether there is room for a recording at this path, whose folders need not be there yet.
fn room(path: &Path) -> Result<()> {
    // Where that cannot be told, writing will tell.
    let short = crate::room::of(path).and_then(|(free, all)| short(free, all));
    short.map_or(Ok(()), |text| Err(Error::Unavailable(text)))
}

/// What is wrong with so much free of so much.
fn short(free: u64, all: u64) -> Option<String> {
    crate::room::lack(free, all).map(|lack| {
        format!(
            "this shell would be recorded, and the disk of the portal's data has {} MiB free, and {} MiB are needed; an operator must make room",
            lack.free, lack.least
        )
    })
}

/// Makes the file, which nobody else may read, and its folders.
fn begin(path: &Path, header: &[u8]) -> io::Result<u64> {
    let folder = path.parent().expect("a recording lies in its project's folder");
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(header)?;
    file.sync_data()?;
    File::open(folder)?.sync_data()?;
    Ok(header.len() as u64)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(format!("a recording: {error}")))
}

/// What is behind a lock is true at any instant, also when somebody panicked meanwhile.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
