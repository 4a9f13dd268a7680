//! The folder of what was fetched: a file for each checksum and address, named by them, and beside it the beginnings of what is on its way (`.part`).
//!
//! A file under its name is whole and right: it is put there by renaming, after it was compared. When the folder is full, what was not used
//! for longest goes, beginnings that nobody goes on with too. The same where the disk is as good as full, which the database and the registry are on
//! too: what is kept here can be fetched again, so it goes first, and then nothing more is put here.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A beginning that nobody went on with for so long is of no use any more.
const STALE: Duration = Duration::from_secs(24 * 3_600);
/// One that nobody went on with for so long is not on its way: no wait between two tries is longer.
const RESTS: Duration = Duration::from_secs(600);

/// What stays free on the disk of the data folder, whatever is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// So many bytes,
    pub bytes: u64,
    /// and never more than one of so many parts of the disk.
    pub parts: u64,
}

impl Default for Floor {
    fn default() -> Self {
        Self { bytes: 1 << 30, parts: 20 }
    }
}

impl Floor {
    /// How many bytes too few are free for so many more.
    fn missing(self, folder: &Path, more: u64) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(folder)?;
        let (size, free) = (disk.f_blocks.saturating_mul(disk.f_frsize), disk.f_bavail.saturating_mul(disk.f_frsize));
        Ok(self.bytes.min(size / self.parts.max(1)).saturating_add(more).saturating_sub(free))
    }
}

/// The folder.
pub(super) struct Cache {
    folder: PathBuf,
    most: u64,
    floor: Floor,
}

impl Cache {
    pub(super) fn new(folder: PathBuf, most: u64, floor: Floor) -> Self {
        Self { folder, most, floor }
    }

    /// Opens what has this name, and remembers that it was used.
    pub(super) async fn open(&self, name: &str) -> io::Result<Option<File>> {
        let path = self.folder.join(name);
        blocking(move || match File::open(path) {
            Ok(file) => {
                // Of a folder that cannot be written to, what is there can be used all the same.
                let _ = file.set_modified(now());
                Ok(Some(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Where what is on its way is put. Makes room first: what was begun and never came is not there for ever.
    ///
    /// # Errors
    /// `StorageFull` when too little is left on the disk.
    pub(super) async fn part(&self, name: &str) -> io::Result<PathBuf> {
        let (folder, part) = (self.folder.clone(), self.folder.join(format!("{name}.part")));
        blocking(move || fs::create_dir_all(folder)).await?;
        self.room(&part, 0).await?;
        Ok(part)
    }

    /// Whether so many bytes more may be put into a part; where the disk has no room, what is kept goes first.
    ///
    /// # Errors
    /// `StorageFull` when too little is left on the disk.
    pub(super) async fn room(&self, part: &Path, more: u64) -> io::Result<()> {
        let (folder, part, most, floor) = (self.folder.clone(), part.to_owned(), self.most, self.floor);
        blocking(move || {
            make_room(&folder, &part, most, floor.missing(&folder, more)?)?;
            match floor.missing(&folder, more)? {
                0 => Ok(()),
                missing => Err(io::Error::new(io::ErrorKind::StorageFull, format!("{missing} bytes too few are free"))),
            }
        })
        .await
    }

    /// Keeps what was compared, and makes room.
    pub(super) async fn keep(&self, part: PathBuf, name: &str) -> io::Result<()> {
        let (folder, to, most, floor) = (self.folder.clone(), self.folder.join(name), self.most, self.floor);
        blocking(move || {
            File::open(&part)?.sync_all()?;
            fs::rename(&part, &to)?;
            make_room(&folder, &to, most, floor.missing(&folder, 0)?)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[expect(clippy::disallowed_methods, reason = "compared with the times of files, which this machine's clock gives")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Removes what was not used for longest until the rest fits and so many bytes were given back; never the newest, and nothing that is on its way.
fn make_room(folder: &Path, newest: &Path, most: u64, mut missing: u64) -> io::Result<()> {
    let (mut total, mut may_go) = (0, Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // What is put under its name meanwhile is there under that.
        let Some(about) = unless_gone(entry.metadata())? else { continue };
        let (path, used) = (entry.path(), about.modified()?);
        let since = now().duration_since(used).unwrap_or_default();
        let part = path.extension().is_some();
        if part && since > STALE && path != newest {
            unless_gone(fs::remove_file(path))?;
            continue;
        }
        total += about.len();
        if path != newest && (!part || since > RESTS) {
            may_go.push((used, about.len(), path));
        }
    }
    may_go.sort();
    for (_, size, path) in may_go {
        if total <= most && missing == 0 {
            break;
        }
        unless_gone(fs::remove_file(path))?;
        total -= size;
        missing = missing.saturating_sub(size);
    }
    Ok(())
}

fn unless_gone<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Floor = Floor { bytes: 0, parts: 1 };

    #[tokio::test]
    async fn a_disk_that_is_as_good_as_full_gets_everything_back_and_nothing_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned(), 250, NONE);
        let part = cache.part("a").await.expect("a folder");
        fs::write(&part, [0; 100]).expect("written");
        cache.keep(part, "a").await.expect("kept");
        assert_eq!(cache.room(&folder.path().join("b.part"), u64::MAX).await.expect_err("no disk has it").kind(), io::ErrorKind::StorageFull);
        assert!(cache.open("a").await.expect("readable").is_none(), "it can be fetched again");
        // A floor as high as the disk is large.
        let full = Cache::new(folder.path().to_owned(), 250, Floor { bytes: u64::MAX, parts: 1 });
        assert_eq!(full.part("b").await.expect_err("nothing more").kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned(), 250, NONE);
        for name in ["a", "b"] {
            let part = cache.part(name).await.expect("a folder");
            fs::write(&part, [0; 100]).expect("written");
            cache.keep(part, name).await.expect("kept");
        }
        let long_ago = now() - Duration::from_secs(100);
        File::open(folder.path().join("b")).expect("there").set_modified(long_ago).expect("set");
        let mut held = cache.open("a").await.expect("readable").expect("there");
        let part = cache.part("c").await.expect("a folder");
        fs::write(&part, [0; 100]).expect("written");
        cache.keep(part, "c").await.expect("kept");
        assert!(cache.open("b").await.expect("readable").is_none(), "not used for longest");
        assert!(cache.open("a").await.expect("readable").is_some() && cache.open("c").await.expect("readable").is_some());
        let begun = cache.part("d").await.expect("a folder");
        fs::write(&begun, [0; 200]).expect("written");
        cache.part("e").await.expect("a folder");
        assert!(begun.exists() && cache.open("c").await.expect("readable").is_none(), "what is on its way stays, and counts");
        File::open(&begun).expect("there").set_modified(now() - RESTS * 2).expect("set");
        fs::write(folder.path().join("f"), [0; 100]).expect("written");
        cache.part("e").await.expect("a folder");
        assert!(!begun.exists() && cache.open("f").await.expect("readable").is_some(), "what nobody goes on with goes first");
        let _ = fs::remove_file(folder.path().join("a"));
        assert_eq!(io::copy(&mut held, &mut io::sink()).expect("readable"), 100, "what is in use can be read to its end");
    }
}
