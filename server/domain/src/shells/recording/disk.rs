//! The file of a recording that is being made: it grows by whole lines, and after a failure not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// What is known of the file.
pub(super) struct Disk {
    /// Bytes of the file.
    pub bytes: u64,
    /// Whether some of them may not survive a loss of power.
    pub unsynced: bool,
    /// It failed once: behind a line that was cut no other may follow.
    pub broken: bool,
}

impl Disk {
    /// Of a file of so many bytes, which are safe.
    pub fn holding(bytes: u64) -> Self {
        Self { bytes, unsynced: false, broken: false }
    }

    /// Adds whole lines; `sync`: what was added until now survives a loss of power.
    pub fn append(&mut self, path: &Path, lines: &[u8], sync: bool) -> io::Result<()> {
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

/// Makes the file, which nobody else may read, and its folders.
pub(super) fn begin(path: &Path, header: &[u8]) -> io::Result<u64> {
    let folder = path.parent().expect("a recording lies in its project's folder");
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(header)?;
    file.sync_data()?;
    File::open(folder)?.sync_data()?;
    Ok(header.len() as u64)
}
