//! Whole blobs, each in the file that its digest names: `blobs/sha256/ab/abcdef...`. Folders are made once, at the start, so
//! that keeping a blob syncs one folder and no chain of them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use model::digest::{Algorithm, Digest};

/// The folder of whole blobs.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// Opens the folder below `data`, making what is missing. Blocks.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("blobs");
        for algorithm in Algorithm::ALL {
            let of_algorithm = folder.join(algorithm.as_str());
            std::fs::create_dir_all(&of_algorithm)?;
            for prefix in 0..=u8::MAX {
                match std::fs::create_dir(of_algorithm.join(format!("{prefix:02x}"))) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
            sync_folder(&of_algorithm)?;
        }
        sync_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Where the blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(digest.algorithm().as_str()).join(&hex[..2]).join(hex)
    }

    /// Opens a blob for reading. Blocks for as long as the folder's entry takes to be found.
    ///
    /// # Errors
    /// `NotFound` when it is not there.
    pub fn read(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.path(digest))
    }

    /// Puts a finished file into its place, over an equal one if that is there: then the file that stays is certainly the whole
    /// one that was just checked. Blocks until it would survive a loss of power.
    ///
    /// # Errors
    /// When it cannot be synced or moved; then it stays where it was.
    pub fn keep(&self, file: &File, from: &Path, digest: &Digest) -> io::Result<()> {
        file.sync_data()?;
        let to = self.path(digest);
        std::fs::rename(from, &to)?;
        sync_folder(to.parent().expect("a blob lies in a folder"))
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash;

    #[test]
    fn a_blob_lies_under_its_digest() {
        let data = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(data.path()).expect("opened");
        let digest = hash::digest(Algorithm::Sha256, b"abc");
        assert!(blobs.path(&digest).ends_with("blobs/sha256/ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        assert_eq!(blobs.read(&digest).expect_err("not there").kind(), io::ErrorKind::NotFound);
        let from = data.path().join("upload");
        std::fs::write(&from, b"abc").expect("written");
        blobs.keep(&File::open(&from).expect("there"), &from, &digest).expect("kept");
        assert!(!from.exists());
        assert_eq!(std::fs::read(blobs.path(&digest)).expect("there"), b"abc");
        Blobs::open(data.path()).expect("opened again");
    }
}
