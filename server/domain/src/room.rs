//! How much of the disk of the portal's data stays free: whoever writes there without end (lines of logs, recordings) stops before it is full, so
//! that there is room for what must be written. It looks, and stops nobody itself.

use std::path::Path;

/// So much stays free, or so many parts of the disk if that is less.
const LEAST: u64 = 512 << 20;
const PART: u64 = 50;

/// Too little is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    /// MiB that are free.
    pub free: u64,
    /// MiB that are needed.
    pub least: u64,
}

/// Bytes that are free on the disk of this path, whose last folders need not be there yet, and bytes of the whole disk; none where that cannot be told.
#[must_use]
pub fn of(path: &Path) -> Option<(u64, u64)> {
    let disk = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

/// Whether so many free bytes of so many are too few.
#[must_use]
pub fn lack(free: u64, all: u64) -> Option<Lack> {
    let least = LEAST.min(all / PART);
    (free < least).then_some(Lack { free: free >> 20, least: least >> 20 })
}
