//! What wakes the thread that reads log files: a file that rested and was touched (inotify), or a word from elsewhere (an eventfd). A file is watched
//! once: what an engine writes to one that is being read costs nobody anything.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Rings at the thread.
#[derive(Clone)]
pub(super) struct Bell(Arc<OwnedFd>);

/// What happened to a watched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stirred {
    /// It was written to or moved away.
    Touched(i32),
    /// It is gone, and nothing was written to it before.
    Gone(i32),
    /// More happened than could be told: look everywhere.
    Everything,
}

/// The thread's ear.
pub(super) struct Ear {
    bell: Bell,
    /// None where the kernel gives no more of them: then files are looked at again and again.
    files: Option<OwnedFd>,
}

impl Bell {
    /// Rings. A bell that rings is heard once.
    pub(super) fn ring(&self) {
        // It cannot fail but by ringing too often, and then it rings.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    fn silence(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0_u8; 8]);
    }
}

impl Ear {
    /// An ear and its bell.
    ///
    /// # Errors
    /// The process has no more handles.
    pub(super) fn new() -> io::Result<(Self, Bell)> {
        let bell = Bell(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        let files = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        if let Err(error) = &files {
            tracing::warn!(%error, "changes of log files are not told by the kernel; they are looked for each second");
        }
        Ok((Self { bell: bell.clone(), files: files.ok() }, bell))
    }

    /// One to which the kernel tells nothing of files.
    #[cfg(test)]
    pub(super) fn deaf() -> io::Result<(Self, Bell)> {
        Self::new().map(|(ear, bell)| (Self { files: None, ..ear }, bell))
    }

    /// Waits for a sound, so long at most.
    pub(super) fn listen(&self, most: Duration) {
        let most = Timespec { tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(most.subsec_nanos()) };
        let mut waited = vec![PollFd::new(&*self.bell.0, PollFlags::IN)];
        waited.extend(self.files.as_ref().map(|files| PollFd::new(files, PollFlags::IN)));
        // A signal is as good as a sound.
        let _ = poll(&mut waited, Some(&most));
        self.bell.silence();
    }

    /// Watches a file until something happens to it, once. None: it cannot be watched.
    pub(super) fn watch(&self, path: &Path) -> Option<i32> {
        let what = WatchFlags::MODIFY | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF | WatchFlags::ONESHOT;
        inotify::add_watch(self.files.as_ref()?, path, what).ok()
    }

    /// No longer watches it.
    pub(super) fn forget(&self, watch: i32) {
        if let Some(files) = &self.files {
            // It may have ended by itself.
            let _ = inotify::remove_watch(files, watch);
        }
    }

    /// What happened.
    pub(super) fn stirred(&self) -> Vec<Stirred> {
        let Some(files) = &self.files else { return Vec::new() };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(files, &mut buffer);
        let mut stirred = Vec::new();
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => stirred.push(Stirred::Everything),
                Ok(event) if event.events().intersects(ReadFlags::MODIFY | ReadFlags::MOVE_SELF) => stirred.push(Stirred::Touched(event.wd())),
                Ok(event) if event.events().contains(ReadFlags::DELETE_SELF) => stirred.push(Stirred::Gone(event.wd())),
                // The end of a watch.
                Ok(_) => {}
                Err(Errno::INTR) => {}
                Err(_) => return stirred,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_rests_is_heard_once_and_the_bell_as_often_as_it_rings() {
        let (ear, bell) = Ear::new().expect("an ear");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        std::fs::write(&path, "a").expect("written");
        let watch = ear.watch(&path).expect("a watch");
        std::fs::write(&path, "b").expect("written");
        std::fs::write(&path, "c").expect("written");
        ear.listen(Duration::from_secs(20));
        assert_eq!(ear.stirred(), [Stirred::Touched(watch)]);
        let watch = ear.watch(&path).expect("a watch");
        std::fs::remove_file(&path).expect("removed");
        ear.listen(Duration::from_secs(20));
        assert_eq!(ear.stirred(), [Stirred::Gone(watch)]);
        let began = std::time::Instant::now();
        bell.ring();
        bell.ring();
        ear.listen(Duration::from_secs(20));
        assert!(began.elapsed() < Duration::from_secs(20));
        assert!(ear.watch(&path).is_none());
    }
}
