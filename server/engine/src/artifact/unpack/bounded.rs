//! A tar archive's bytes as they are, but no longer than its headers may make a reader remember: long names and attributes are read into memory
//! whole, and a small compressed file can say that it has gigabytes of them.

use std::io::{self, Read};

/// Most bytes of a long name or of attributes.
const MOST: u64 = 1 << 20;
const BLOCK: usize = 512;

/// Reads on, and looks at each header on the way.
pub(super) struct Bounded<R> {
    from: R,
    header: Vec<u8>,
    /// Bytes of an entry that come before the next header.
    content: u64,
}

impl<R> Bounded<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, header: Vec::with_capacity(BLOCK), content: 0 }
    }

    fn look(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.content > 0 {
                let skip = usize::try_from(self.content).unwrap_or(usize::MAX).min(bytes.len());
                self.content -= skip as u64;
                bytes = &bytes[skip..];
                continue;
            }
            let take = (BLOCK - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.header.len() == BLOCK {
                let mut header = tar::Header::new_old();
                header.as_mut_bytes().copy_from_slice(&self.header);
                self.header.clear();
                self.content = next(&header)?;
            }
        }
        Ok(())
    }
}

/// The bytes of the entry whose header this is.
fn next(header: &tar::Header) -> io::Result<u64> {
    if header.as_bytes().iter().all(|byte| *byte == 0) {
        return Ok(0);
    }
    let size = header.entry_size()?;
    let kind = header.entry_type();
    if kind.is_gnu_sparse() {
        return Err(io::Error::other("it holds a file with gaps, which is not unpacked"));
    }
    let remembered = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions() || kind.is_pax_global_extensions();
    if remembered && size > MOST {
        return Err(io::Error::other("a name or an attribute in it is too long"));
    }
    size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| io::Error::other("a file in it is too large"))
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.look(&buffer[..read])?;
        Ok(read)
    }
}
