//! Recordings of shells: what a terminal printed, as asciicast v2, in one file for each shell that grows while it is open. Nothing that is typed is
//! ever given to a recorder: it is recorded where the terminal echoes it, and not where it does not, as passwords.
//!
//! A session hands over what it sends on ([`Recorder::output`]) and goes on at once: the text waits in memory until the one loop that writes them all
//! ([`write`]) brings it to the disk, at most a second later. A disk that is slower than the terminal loses nothing: while [`WAITING`] bytes wait
//! ([`Recorder::has_room`]) the terminal is not read, and so waits itself. A disk that takes nothing for [`STUCK`], and one that fails, end the shell:
//! what is promised to be recorded is recorded, or not done. What a recording has no room for is left out, and it says how much ([`cast`]).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::ids::{ProjectId, ShellId};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::blocking::on_thread;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::worker::Worker;

mod cast;
mod disk;
pub(super) mod file;

pub use cast::Header;
use cast::{Cast, Limits};
use disk::Disk;

/// What is printed within so much time is written together: with the writing itself, less than a second passes.
const TOGETHER: Duration = Duration::from_millis(500);
/// So many bytes are written at once.
const HURRY: usize = 64 * 1024;
/// Bytes of a recording that wait for the disk; beyond them its terminal waits.
const WAITING: usize = 4 << 20;
/// A disk that took nothing for so long will not.
const STUCK: Duration = Duration::from_secs(10);

/// Bytes that are free on the disk of a path, and bytes of the whole disk: see [`crate::room::of`].
type Free = fn(&Path) -> Option<(u64, u64)>;

/// The folder of all recordings, and those that are being made.
pub(crate) struct Shelf {
    folder: PathBuf,
    limits: Limits,
    free: Free,
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
        Self { folder, limits, free: crate::room::of, tapes: Mutex::default(), printed: Notify::new(), hurry: Notify::new() }
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
        let (made, free) = (path.clone(), self.free);
        let begun = on_thread(move || -> Result<u64> {
            room(free, &made)?;
            let bytes = disk::begin(&made, &first)?;
            Ok(bytes)
        });
        let bytes = begun.await??;
        let tape = Arc::new(Tape {
            shell,
            path,
            begun: Instant::now(),
            text: Mutex::new(Text { cast, since: None, closed: false }),
            disk: Mutex::new(Disk::holding(bytes)),
            taken: Notify::new(),
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
        let (free, folder) = (self.free, self.folder.clone());
        let work = move || {
            for tape in &due {
                tape.write(sync);
            }
            // Those that were begun while there was room would fill what must stay free.
            if !due.is_empty() && lack(free, &folder).is_some() {
                for tape in &due {
                    tape.fail(NO_ROOM);
                }
            }
        };
        let written = on_thread(work).await;
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
    /// Wakes the session, which is the only one that waits for room.
    taken: Notify,
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
        self.taken.notify_one();
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

    /// So many bytes were typed, and may be answered. Never waits.
    pub fn typed(&self, bytes: usize) {
        self.add(|cast, _| cast.typed(bytes));
    }

    /// The window has another size. Never waits.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.add(|cast, at| cast.resize(at, columns, rows));
    }

    /// Whether more output may come. While there is no room the terminal must not be read.
    #[must_use]
    pub fn has_room(&self) -> bool {
        lock(&self.tape.text).cast.waiting() < WAITING
    }

    /// Resolves when there is room again, or when there will be none: then it has failed. Dropping the future loses nothing.
    pub async fn room(&self) {
        while !self.has_room() && !self.failed() {
            let since = lock(&self.tape.text).since.unwrap_or_else(Instant::now);
            if timeout_at(since + STUCK, self.tape.taken.notified()).await.is_err() && !self.has_room() {
                self.tape.fail(BEHIND);
            }
        }
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
        let written = on_thread(move || tape.write(true)).await;
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
fn room(free: Free, path: &Path) -> Result<()> {
    lack(free, path).map_or(Ok(()), |text| Err(Error::Unavailable(text)))
}

/// What is wrong with the disk of this path. Where that cannot be told, writing will tell.
fn lack(free: Free, path: &Path) -> Option<String> {
    free(path).and_then(|(free, all)| short(free, all))
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

/// What is behind a lock is true at any instant, also when somebody panicked meanwhile.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
