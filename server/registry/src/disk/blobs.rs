//! Whole blobs, each in the file that its digest names: `blobs/sha256/ab/abcdef...`. Folders are made once, at the start, so
//! that keeping a blob syncs one folder and no chain of them. What is collected is first put aside (`blobs/aside/sha256-abcdef...`), from
//! where it comes back if it is wanted after all.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use model::digest::{Algorithm, Digest};
use model::time::Millis;

use super::absent_is_none;

/// The folder of what was put aside.
const ASIDE: &str = "aside";

/// A file that lies among the blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The digest that its name says.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// When it came to where it is.
    pub changed: Millis,
}

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
        std::fs::create_dir_all(folder.join(ASIDE))?;
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

    fn aside(&self, digest: &Digest) -> PathBuf {
        self.folder.join(ASIDE).join(format!("{}-{}", digest.algorithm().as_str(), digest.hex()))
    }

    /// Puts a blob's file aside. False: there is none. Blocks.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn put_aside(&self, digest: &Digest) -> io::Result<bool> {
        Ok(absent_is_none(std::fs::rename(self.path(digest), self.aside(digest)))?.is_some())
    }

    /// Makes sure that a blob's file is in its place, bringing it back if it was put aside. False: it is in neither place. Blocks.
    ///
    /// # Errors
    /// When that cannot be found out, or it cannot be moved.
    pub fn put_back(&self, digest: &Digest) -> io::Result<bool> {
        let place = self.path(digest);
        if std::fs::exists(&place)? {
            return Ok(true);
        }
        if absent_is_none(std::fs::rename(self.aside(digest), &place))?.is_none() {
            return Ok(false);
        }
        sync_folder(place.parent().expect("a blob lies in a folder"))?;
        Ok(true)
    }

    /// Removes what was put aside; its bytes. Blocks.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_aside(&self, digest: &Digest) -> io::Result<()> {
        absent_is_none(std::fs::remove_file(self.aside(digest))).map(drop)
    }

    /// What was put aside at or before `until`, so many at most. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list_aside(&self, until: Millis, most: usize) -> io::Result<Vec<Digest>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.folder.join(ASIDE))? {
            let entry = entry?;
            let digest = entry.file_name().to_str().and_then(|name| name.replacen('-', ":", 1).parse::<Digest>().ok());
            let Some(digest) = digest else { continue };
            let Some(metadata) = absent_is_none(entry.metadata())? else { continue };
            if changed(&metadata) <= until {
                found.push(digest);
                if found.len() == most {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// How many folders there are to [`Self::list`].
    #[must_use]
    pub fn folders() -> usize {
        Algorithm::ALL.len() * 256
    }

    /// The files of one folder: about as many as there are blobs, divided by 256. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self, folder: usize) -> io::Result<Vec<Found>> {
        let algorithm = Algorithm::ALL[folder / 256];
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.folder.join(algorithm.as_str()).join(format!("{:02x}", folder % 256)))? {
            let entry = entry?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|hex| format!("{}:{hex}", algorithm.as_str()).parse::<Digest>().ok());
            let Some(digest) = digest else { continue };
            let Some(metadata) = absent_is_none(entry.metadata())? else { continue };
            found.push(Found { digest, size: metadata.len(), changed: changed(&metadata) });
        }
        Ok(found)
    }
}

/// When a file was last moved or written.
fn changed(metadata: &std::fs::Metadata) -> Millis {
    use std::os::unix::fs::MetadataExt as _;
    Millis(metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000)
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
