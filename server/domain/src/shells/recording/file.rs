//! Recordings as they are read: whole lines alone. A process that was killed may have left half a line, and one that runs may be writing one.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

/// Read at once when the last line's end is looked for.
const BLOCK: u64 = 64 * 1024;
/// Longest header that is read, in bytes.
const HEADER_MAX: u64 = 16 * 1024;

/// Opens a recording; with the file, how many of its bytes are whole lines.
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut block = vec![0; BLOCK as usize];
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        let part = &mut block[..(end - begin) as usize];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            end = begin + at as u64 + 1;
            break;
        }
        end = begin;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok((file, end))
}

/// The window's size at the beginning: columns and rows. None where the header is not there or not whole.
pub(crate) fn size(path: &Path) -> Option<(u16, u16)> {
    #[derive(Deserialize)]
    struct Header {
        width: u16,
        height: u16,
    }
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?.take(HEADER_MAX)).read_line(&mut line).ok()?;
    let header: Header = serde_json::from_str(&line).ok()?;
    Some((header.width, header.height))
}

/// Whether this says that the disk has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
