//! The folder of what was fetched: a file for each checksum and address, named by them, and beside it the beginnings of what is on its way (`.part`).
//!
//! A file under its name is whole and right: it is put there by renaming, after it was compared. When the folder is full, what was not used
//! for longest goes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A beginning that nobody went on with for so long is of no use any more.
const STALE: Duration = Duration::from_secs(24 * 3_600);

/// The folder.
pub(super) struct Cache {
    folder: PathBuf,
    most: u64,
}

impl Cache {
    pub(super) fn new(folder: PathBuf, most: u64) -> Self {
        Self { folder, most }
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

    /// Where what is on its way is put.
    pub(super) async fn part(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.clone();
        let part = self.folder.join(format!("{name}.part"));
        blocking(move || fs::create_dir_all(folder)).await?;
        Ok(part)
    }

    /// Keeps what was compared, and makes room.
    pub(super) async fn keep(&self, part: PathBuf, name: &str) -> io::Result<()> {
        let (folder, to, most) = (self.folder.clone(), self.folder.join(name), self.most);
        blocking(move || {
            File::open(&part)?.sync_all()?;
            fs::rename(&part, &to)?;
            make_room(&folder, &to, most)
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

/// Removes what was not used for longest until the rest fits; never the newest.
fn make_room(folder: &Path, newest: &Path, most: u64) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        let (path, used) = (entry.path(), about.modified()?);
        if path.extension().is_some() {
            if now().duration_since(used).is_ok_and(|since| since > STALE) {
                fs::remove_file(path)?;
            }
        } else if path != newest {
            kept.push((used, about.len(), path));
        }
    }
    kept.sort();
    let mut total: u64 = fs::metadata(newest)?.len() + kept.iter().map(|(_, size, _)| size).sum::<u64>();
    for (_, size, path) in kept {
        if total <= most {
            break;
        }
        fs::remove_file(path)?;
        total -= size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned(), 250);
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
        fs::remove_file(folder.path().join("a")).expect("removed");
        assert_eq!(io::copy(&mut held, &mut io::sink()).expect("readable"), 100, "what is in use can be read to its end");
    }
}
