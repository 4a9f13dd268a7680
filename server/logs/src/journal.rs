//! A journal: the file that a stream's lines are added to, one frame after the other. What is known of it in memory is where to begin reading, and
//! how far it is whole: what lies behind was never acknowledged, and is written over.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use model::ids::TaskId;

use crate::chunk::{Chunk, Columns};
use crate::frame::{self, Frame, Line, Said, Source, flags};
use crate::item::Part;
use crate::plan::{Hole, Why};
use crate::segment::Span;

/// Bytes between two places of a journal that are remembered for good.
const STRIDE: u64 = 64 << 10;
/// How many of the last frames' places are remembered.
const RECENT: usize = 32;

/// Where a frame begins, and with which line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) first: u32,
    pub(crate) at: u64,
}

/// What is known of a journal. A clone is a snapshot of it.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    pub(crate) number: u64,
    /// How many lines the segment before this one has.
    pub(crate) before: u32,
    /// Bytes that are whole.
    pub(crate) length: u64,
    /// Lines, with those that are damaged.
    pub(crate) lines: u32,
    /// The earliest and latest time of its lines.
    pub(crate) span: Span,
    marks: Vec<Mark>,
    recent: VecDeque<Mark>,
    /// Open while it is written to.
    pub(crate) file: Option<Arc<File>>,
}

/// What a journal held when it was opened again.
pub(crate) struct Recovered {
    pub(crate) journal: Journal,
    /// How far each task was read; none when the journal's opening is damaged.
    pub(crate) opening: Option<Vec<(TaskId, String)>>,
    /// What was said of cursors since.
    pub(crate) cursors: Vec<(TaskId, String)>,
}

impl Journal {
    fn empty(number: u64, before: u32) -> Self {
        Self { number, before, length: 0, lines: 0, span: Span::NONE, marks: Vec::new(), recent: VecDeque::new(), file: None }
    }

    /// Makes a journal at this path, in place of whatever is there.
    pub(crate) fn create(path: &Path, number: u64, before: u32, cursors: &HashMap<TaskId, String>) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let opening = frame::opening(before, cursors)?;
        if let Err(error) = file.write_all_at(&opening, 0) {
            // An empty file beside the one in use would be no harm, but is of no use either.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        let mut journal = Self::empty(number, before);
        journal.length = opening.len() as u64;
        journal.file = Some(Arc::new(file));
        Ok(journal)
    }

    /// Reads what a journal holds, up to the last whole frame.
    pub(crate) fn recover(path: &Path, number: u64) -> io::Result<Recovered> {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        let mut recovered = Recovered { journal: Self::empty(number, 0), opening: None, cursors: Vec::new() };
        frame::walk(&bytes, 0, |at, frame| {
            let mut times = Vec::new();
            let said = frame::read(&bytes[at..], frame, &mut |line| times.push(line.at_nanos));
            let journal = &mut recovered.journal;
            journal.note(at as u64, frame, times.into_iter());
            match said {
                Some(Said { before: Some(before), cursors }) => {
                    journal.before = before;
                    recovered.opening = Some(cursors);
                }
                Some(Said { before: None, cursors }) => recovered.cursors.extend(cursors),
                None => {}
            }
        });
        Ok(recovered)
    }

    /// The file to write to, opened if it rests.
    pub(crate) fn open(&mut self, path: &Path) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(path)?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Takes note of a frame that was written at this place.
    pub(crate) fn note(&mut self, at: u64, frame: Frame, times: impl Iterator<Item = i64>) {
        times.for_each(|time| self.span.take(time));
        if frame.count > 0 {
            let mark = Mark { first: frame.first, at };
            if self.marks.last().is_none_or(|last| at - last.at >= STRIDE) {
                self.marks.push(mark);
            }
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(mark);
        }
        self.lines = frame.first.saturating_add(frame.count);
        self.length = at + frame.length as u64;
    }

    /// The places at which to read the lines in `from..to`, in pieces of about so many bytes: each piece's begin, its end, and the number of the line
    /// that the next piece begins with.
    pub(crate) fn pieces(&self, from: u32, to: u32, bytes: u64) -> Vec<(Mark, u64, u32)> {
        let marks =
            if self.recent.front().is_some_and(|mark| mark.first <= from) { self.recent.as_slices() } else { (self.marks.as_slice(), &[][..]) };
        let marks: Vec<Mark> = marks.0.iter().chain(marks.1).copied().collect();
        let begin = marks.partition_point(|mark| mark.first <= from).saturating_sub(1);
        let end = marks.partition_point(|mark| mark.first < to);
        let mut pieces: Vec<(Mark, u64, u32)> = Vec::new();
        for (number, mark) in marks.iter().enumerate().take(end).skip(begin) {
            let (until, next) = marks.get(number + 1).map_or((self.length, self.lines), |next| (next.at, next.first));
            match pieces.last_mut() {
                Some(piece) if until - piece.0.at <= bytes => (piece.1, piece.2) = (until, next),
                // What is damaged before the first frame belongs to the first piece.
                _ => pieces.push((if number == 0 && from < mark.first { Mark { first: 0, ..*mark } } else { *mark }, until, next)),
            }
        }
        pieces
    }

    /// Closes the file. It is opened again when something is added.
    pub(crate) fn rest(&mut self) {
        self.file = None;
        self.recent.shrink_to_fit();
        self.marks.shrink_to_fit();
    }
}

/// Lines of a journal's piece. Where frames are damaged there is a hole.
pub(crate) fn read(bytes: &[u8], segment: u64, first: u32, until: u32) -> Vec<Part> {
    let mut reading = Reading { segment, parts: Vec::new(), first, text: Vec::new(), columns: Columns::default(), sources: Vec::new() };
    let mut expected = first;
    frame::walk(bytes, first, |at, frame| {
        if frame.count == 0 {
            return;
        }
        reading.hole(expected, frame.first);
        expected = frame.first;
        let (lines, text) = (reading.columns.times.len(), reading.text.len());
        if frame::read(&bytes[at..], frame, &mut |line| reading.line(&line)).is_some() {
            expected = expected.saturating_add(frame.count);
        } else {
            reading.forget(lines, text);
        }
    });
    reading.hole(expected, until);
    reading.close();
    reading.parts
}

/// The lines of a frame that was just made, as [`read`] finds them in the file; none where it has none.
pub(crate) fn lines(frame: &[u8], segment: u64, first: u32, count: u32) -> Option<Arc<Chunk>> {
    let mut parts = read(frame, segment, first, first.saturating_add(count));
    let part = parts.pop().filter(|_| parts.is_empty());
    let Some(Part::Lines(mut chunk)) = part else { return None };
    if let Some(chunk) = Arc::get_mut(&mut chunk) {
        chunk.shrink();
    }
    Some(chunk)
}

struct Reading {
    segment: u64,
    parts: Vec<Part>,
    first: u32,
    text: Vec<u8>,
    columns: Columns,
    sources: Vec<Source>,
}

impl Reading {
    fn line(&mut self, line: &Line<'_>) {
        let number = self.sources.iter().rposition(|source| *source == line.source).unwrap_or_else(|| {
            self.sources.push(line.source);
            self.sources.len() - 1
        });
        self.columns.source.push(number as u32);
        self.columns.times.push(line.at_nanos);
        self.columns.flags.push(flags(line.kind, line.cut));
        self.text.extend_from_slice(line.text.as_bytes());
        self.text.push(b'\n');
    }

    fn forget(&mut self, lines: usize, text: usize) {
        self.columns.truncate(lines);
        self.text.truncate(text);
    }

    fn hole(&mut self, from: u32, to: u32) {
        if from >= to {
            return;
        }
        let at_nanos = self.columns.times.last().copied();
        self.close();
        self.first = to;
        self.parts.push(Part::Hole(Hole { segment: self.segment, from, to, at_nanos, why: Why::Damaged }));
    }

    fn close(&mut self) {
        let count = self.columns.times.len() as u32;
        let (text, columns, sources) = (std::mem::take(&mut self.text), std::mem::take(&mut self.columns), std::mem::take(&mut self.sources));
        if count > 0 {
            self.parts.extend(Chunk::new(self.segment, self.first, text, columns, sources.into()).map(Arc::new).map(Part::Lines));
            self.first = self.first.saturating_add(count);
        }
    }
}
