//! A reader that gives no more than its purse holds. Archives say of themselves how long their names, attributes and lists are, and whoever reads
//! them keeps these in memory whole: a small compressed file can say that it has gigabytes of them. What is said is not believed, then: what is
//! really read of it is bounded.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// How many bytes may be read still.
#[derive(Clone, Default)]
pub(super) struct Purse(Rc<Cell<u64>>);

impl Purse {
    /// From now on so many.
    pub(super) fn put(&self, bytes: u64) {
        self.0.set(bytes);
    }
}

/// Reads on as long as there is something in the purse.
pub(super) struct Metered<R> {
    from: R,
    purse: Purse,
}

impl<R> Metered<R> {
    pub(super) fn new(from: R, purse: Purse) -> Self {
        Self { from, purse }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.purse.0.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("its names, attributes or lists are too long"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.from.read(&mut buffer[..most])?;
        self.purse.0.set(left - read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.from.seek(to)
    }
}
