//! The key file: one key, or while it is being changed two, each of 32 bytes. It is only ever replaced whole.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Root;
use crate::error::{Error, Result};

const LENGTH: usize = 32;
/// Most keys of a file: one in force, and those of changes that were cut off.
const MOST: usize = 8;

pub(super) fn read_or_create(path: &Path, fresh: Root) -> Result<Vec<Root>> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(mut file) => {
            file.write_all(&*fresh.0)?;
            file.sync_all()?;
            Ok(vec![fresh])
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(Error::Unavailable(format!("the key file {} cannot be made: {error}", path.display()))),
    }
}

/// The keys of the file, the first one in front.
pub(super) fn read(path: &Path) -> Result<Vec<Root>> {
    let bytes = Zeroizing::new(std::fs::read(path)?);
    let (keys, rest) = bytes.as_chunks::<LENGTH>();
    if keys.is_empty() || keys.len() > MOST || !rest.is_empty() {
        return Err(Error::Unavailable(format!("the key file {} has not {LENGTH} bytes; put the right one back", path.display())));
    }
    Ok(keys.iter().map(|key| Root(Zeroizing::new(*key))).collect())
}

/// Puts these keys in the place of those in the file: all of it or nothing, also when the power fails.
pub(super) fn write(path: &Path, keys: &[Root]) -> Result<()> {
    let trouble = |what: &str, error: std::io::Error| Error::Unavailable(format!("the key file {} cannot be {what}: {error}", path.display()));
    let beside = beside(path, "new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(|error| trouble("written", error))?;
    for key in keys {
        file.write_all(&*key.0)?;
    }
    file.sync_all()?;
    std::fs::rename(&beside, path).map_err(|error| trouble("replaced", error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

/// Held while the file is being changed; a second change is refused.
pub(super) fn lock(path: &Path) -> Result<File> {
    let beside = beside(path, "lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(Error::conflict("rotation_runs", "the key is being changed by another process; wait for its end")),
    }
}

/// `key` becomes `key.lock`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn root(byte: u8) -> Root {
        Root(Zeroizing::new([byte; LENGTH]))
    }

    #[test]
    fn a_key_file_is_made_once_and_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let private = || assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(read_or_create(&path, root(1)).expect("made")[0].id(), root(1).id());
        private();
        assert_eq!(read_or_create(&path, root(2)).expect("read")[0].id(), root(1).id());
        write(&path, &[root(2), root(1)]).expect("written");
        private();
        let ids: Vec<_> = read(&path).expect("read").iter().map(Root::id).collect();
        assert_eq!(ids, [root(2).id(), root(1).id()]);
        for wrong in [&b"short"[..], b"", &[1; 33], &[1; 32 * (MOST + 1)]] {
            std::fs::write(&path, wrong).expect("written");
            assert!(read_or_create(&path, root(3)).is_err());
        }
    }

    #[test]
    fn it_is_changed_by_one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let held = lock(&path).expect("free");
        assert!(lock(&path).is_err());
        drop(held);
        assert!(lock(&path).is_ok());
    }
}
