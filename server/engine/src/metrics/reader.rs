//! Reads small files of the kernel, one after the other, into the same memory.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Most bytes of a file: none of those that are read here is nearly so long.
const MOST: u64 = 4 << 20;

/// Reads files.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    path: PathBuf,
    text: Vec<u8>,
}

impl Reader {
    /// What stands in a file of a folder.
    pub(crate) fn read(&mut self, folder: &Path, name: &str) -> io::Result<&str> {
        self.path.clear();
        self.path.push(folder);
        self.path.push(name);
        self.text.clear();
        File::open(&self.path)?.take(MOST).read_to_end(&mut self.text)?;
        std::str::from_utf8(&self.text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The same of what need not be there: what the reading makes of it.
    pub(crate) fn find<T>(&mut self, folder: &Path, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(folder, name).ok().and_then(read)
    }
}
