//! Opening a stream's folder again: whatever instant the process died in, exactly what was acknowledged is there once. A segment appears under its name
//! when all of it is on the disk, and its journal goes after that; so of the two, a segment that can be read is the better one.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use model::ids::TaskId;

use crate::journal::Journal;
use crate::plan::{Kept, Sealed, journal_path, segment_path};
use crate::segment::{self, Index, Span};

/// What a folder holds. The last part is a journal.
pub(crate) struct Folder {
    pub(crate) parts: Vec<Kept>,
    pub(crate) cursors: HashMap<TaskId, String>,
}

/// Reads a stream's folder, which is there.
pub(crate) fn open(folder: &Path) -> io::Result<Folder> {
    let (mut journals, mut segments) = names(folder)?;
    let mut recovered = Folder { parts: Vec::new(), cursors: HashMap::new() };
    let mut numbers: Vec<u64> = journals.iter().chain(&segments).copied().collect();
    numbers.sort_unstable();
    numbers.dedup();
    journals.sort_unstable();
    segments.sort_unstable();
    for number in numbers {
        let journal = journals.binary_search(&number).is_ok();
        if segments.binary_search(&number).is_ok() {
            let index = segment::index(&File::open(segment_path(folder, number))?)?;
            match (index, journal) {
                (Some(index), _) => {
                    if journal {
                        fs::remove_file(journal_path(folder, number))?;
                    }
                    recovered.segment(number, index);
                    continue;
                }
                (None, true) => fs::remove_file(segment_path(folder, number))?,
                (None, false) => {
                    tracing::error!(folder = %folder.display(), segment = number, "a segment of kept logs is damaged: its index cannot be read");
                    recovered.broken(number);
                    continue;
                }
            }
        }
        recovered.journal(folder, number)?;
    }
    recovered.last(folder)?;
    Ok(recovered)
}

/// Whether the oldest part in this folder may end before this time: a segment says so itself, a journal by when it was last written to.
pub(crate) fn may_be_older(folder: &Path, older_than_nanos: i64) -> io::Result<bool> {
    let (mut oldest, mut path) = (u64::MAX, None);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.split_once('.')?.0.parse().ok()).unwrap_or(u64::MAX);
        if number < oldest {
            (oldest, path) = (number, Some(entry.path()));
        }
    }
    let Some(path) = path else { return Ok(false) };
    if written(&path)? < older_than_nanos {
        return Ok(true);
    }
    if path.extension().is_some_and(|kind| kind == "log") {
        return Ok(segment::index(&File::open(path)?)?.is_none_or(|index| index.span().latest < older_than_nanos));
    }
    Ok(false)
}

/// When a file was last written to, in nanoseconds since 1970.
pub(crate) fn written(path: &Path) -> io::Result<i64> {
    let file = fs::metadata(path)?;
    Ok(file.mtime().saturating_mul(1_000_000_000).saturating_add(file.mtime_nsec()))
}

/// The numbers of journals and of segments. What was not finished is deleted.
fn names(folder: &Path) -> io::Result<(Vec<u64>, Vec<u64>)> {
    let (mut journals, mut segments) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some((number, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        match (number.parse::<u64>(), kind) {
            (Ok(number), "journal") if number > 0 => journals.push(number),
            (Ok(number), "log") if number > 0 => segments.push(number),
            (_, "tmp") => fs::remove_file(folder.join(&name))?,
            _ => {}
        }
    }
    Ok((journals, segments))
}

/// What is remembered of a segment.
pub(crate) fn sealed(number: u64, index: &Index) -> Sealed {
    Sealed { number, before: index.before, lines: index.lines, span: index.span(), text: index.text() }
}

impl Folder {
    fn segment(&mut self, number: u64, index: Index) {
        self.parts.push(Kept::Sealed(sealed(number, &index)));
        self.cursors = index.cursors.into_iter().collect();
    }

    /// A segment of which nothing is known: it is taken to be as old as what came before it.
    fn broken(&mut self, number: u64) {
        let near = self.parts.last().map_or(0, |part| part.span().latest);
        let before = self.parts.last().map_or(0, Kept::lines);
        let span = Span { earliest: near, latest: near };
        self.parts.push(Kept::Sealed(Sealed { number, before, lines: u32::MAX, span, text: 0 }));
    }

    fn journal(&mut self, folder: &Path, number: u64) -> io::Result<()> {
        let mut found = Journal::recover(&journal_path(folder, number), number)?;
        match found.opening {
            Some(cursors) => self.cursors = cursors.into_iter().collect(),
            None => found.journal.before = self.parts.last().map_or(0, Kept::lines),
        }
        for (task, text) in found.cursors {
            set(&mut self.cursors, task, text);
        }
        self.parts.push(Kept::Journal(found.journal));
        Ok(())
    }

    /// Sees to it that the last part is a journal that can be written to.
    fn last(&mut self, folder: &Path) -> io::Result<()> {
        let (number, before) = match self.parts.last() {
            // Not even its opening was written.
            Some(Kept::Journal(journal)) if journal.length == 0 => (journal.number, journal.before),
            Some(Kept::Journal(journal)) => {
                // What was never acknowledged goes, so that it is not found again behind what is written next.
                return File::options().write(true).open(journal_path(folder, journal.number))?.set_len(journal.length);
            }
            Some(part) => (part.number() + 1, part.lines()),
            None => (1, 0),
        };
        if self.parts.last().is_some_and(|part| part.number() == number) {
            self.parts.pop();
        }
        let journal = Journal::create(&journal_path(folder, number), number, before, &self.cursors)?;
        self.parts.push(Kept::Journal(journal));
        Ok(())
    }
}

/// Sets how far a task was read; an empty text forgets it.
pub(crate) fn set(cursors: &mut HashMap<TaskId, String>, task: TaskId, text: String) {
    if text.is_empty() {
        cursors.remove(&task);
    } else {
        cursors.insert(task, text);
    }
}
