//! The files of one log of the engine: `x-json.log`, and what was rotated away from it, `x-json.log.1` and so on, the older the higher. Files are told
//! apart by their number on the disk and the time of their birth, which not every disk tells, and of their first line; their names change while one looks.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::entry;
use super::joiner::Place;

/// More files of one log are not looked for.
const MOST: u32 = 100;
/// A first line is looked for in so many bytes: a piece of 16 KiB, all of it in escapes.
const FIRST: usize = 128 << 10;

/// A file of a log, open.
#[derive(Debug)]
pub(super) struct Part {
    /// Open for reading.
    pub file: File,
    /// Its beginning: offset 0.
    pub start: Place,
    /// Bytes in it when it was opened.
    pub size: u64,
}

impl Part {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let start = Place { inode: meta.ino(), first: first(&file)?, born: born(&meta), offset: 0 };
        Ok(Some(Self { file, start, size: meta.len() }))
    }

    /// Whether it is the file of this place, and reaches so far.
    pub(super) fn holds(&self, place: &Place) -> bool {
        let same = self.start.first == place.first || place.first == 0;
        self.may_be(place) && same && self.size >= place.offset
    }

    /// Whether it is the file of this place, emptied or not. Where a birth is not known the number alone is believed.
    pub(super) fn may_be(&self, place: &Place) -> bool {
        self.start.inode == place.inode && (self.start.born == place.born || self.start.born == 0 || place.born == 0)
    }
}

/// When a file was made; 0 where its disk does not tell.
fn born(meta: &Metadata) -> i64 {
    let since = meta.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// The time of a file's first line; 0 where there is none yet.
fn first(file: &File) -> io::Result<i64> {
    let mut buffer = vec![0_u8; 512];
    let mut filled = 0;
    loop {
        let read = file.read_at(&mut buffer[filled..], filled as u64)?;
        filled += read;
        if let Some(end) = buffer[..filled].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&buffer[..end]);
            return Ok(entry::read(&line).map_or(0, |piece| piece.at_nanos));
        }
        if read == 0 || filled >= FIRST {
            return Ok(0);
        }
        if filled == buffer.len() {
            buffer.resize((filled * 4).min(FIRST), 0);
        }
    }
}

/// The path of the file that was rotated away so often.
fn rotated(path: &Path, times: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{times}"));
    name.into()
}

/// What is there, the newest first. A rotation meanwhile moves files towards the older ones, so that none is missed and some are met twice.
pub(super) fn parts(path: &Path) -> io::Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    for times in 0..MOST {
        let found = if times == 0 { Part::open(path)? } else { Part::open(&rotated(path, times))? };
        match found {
            Some(part) if parts.iter().any(|known| known.start.inode == part.start.inode) => {}
            Some(part) => parts.push(part),
            // In the middle of a rotation there may be no newest.
            None if times == 0 => {}
            None => break,
        }
    }
    Ok(parts)
}

/// How many bytes there are in files newer than that of this number.
pub(super) fn newer(path: &Path, inode: u64) -> u64 {
    let meta = |times| if times == 0 { std::fs::metadata(path) } else { std::fs::metadata(rotated(path, times)) };
    let found = (0..MOST).map_while(|times| meta(times).ok()).take_while(|meta: &Metadata| meta.ino() != inode);
    found.map(|meta| meta.len()).sum()
}

/// Whether the file of this number, or the oldest one where none is named, is thrown away when the engine begins the next file of as many as it keeps, and
/// that is near: the newest one has half of its size.
pub(super) fn goes_next(path: &Path, files: usize, inode: Option<u64>) -> bool {
    let Ok(oldest) = u32::try_from(files.saturating_sub(1)) else { return false };
    let Ok(oldest) = std::fs::metadata(rotated(path, oldest)) else { return false };
    let own = inode.is_none_or(|inode| inode == oldest.ino());
    own && std::fs::metadata(path).is_ok_and(|newest| newest.len() >= oldest.len() / 2)
}

/// Whether an open file that was removed was the newest of its log until then.
pub(super) fn was_newest(file: &File, path: &Path) -> bool {
    use std::os::fd::AsRawFd as _;
    let name = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
    let name = name.to_string_lossy();
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
    Path::new(name).file_name() == path.file_name()
}
