//! What is to be read, and in which order: the parts of a stream that a search begun now will see, cut into chunks. Segments are opened one after the
//! other, and those whose times or tasks are not asked for are passed over. Whoever reads holds no lock: what was compressed or deleted meanwhile is
//! found under its new name, or shown as a gap.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::nil_task;
use crate::chunk::{Chunk, Sieve};
use crate::item::Item;
use crate::journal::Journal;
use crate::segment::{self, Span};
use crate::{Found, Kind, LineId, Record};

/// The path of a stream's journal.
pub(crate) fn journal_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.journal"))
}

/// The path of a stream's segment.
pub(crate) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.log"))
}

/// What is known of a segment without opening it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    pub(crate) number: u64,
    /// How many lines the segment before this one has.
    pub(crate) before: u32,
    pub(crate) lines: u32,
    pub(crate) span: Span,
    /// Bytes of its texts.
    pub(crate) text: u64,
}

/// A part of a stream: all lines whose ids begin with one number.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Sealed(Sealed),
    Journal(Journal),
}

impl Kept {
    pub(crate) const fn number(&self) -> u64 {
        match self {
            Self::Sealed(part) => part.number,
            Self::Journal(part) => part.number,
        }
    }

    pub(crate) const fn lines(&self) -> u32 {
        match self {
            Self::Sealed(part) => part.lines,
            Self::Journal(part) => part.lines,
        }
    }

    pub(crate) const fn before(&self) -> u32 {
        match self {
            Self::Sealed(part) => part.before,
            Self::Journal(part) => part.before,
        }
    }

    pub(crate) const fn span(&self) -> Span {
        match self {
            Self::Sealed(part) => part.span,
            Self::Journal(part) => part.span,
        }
    }

    /// Its file in the stream's folder.
    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        match self {
            Self::Sealed(part) => segment_path(folder, part.number),
            Self::Journal(part) => journal_path(folder, part.number),
        }
    }

    /// Bytes of text, about, from this line on.
    fn text_from(&self, line: u32) -> u64 {
        match self {
            Self::Sealed(part) => part.text * u64::from(part.lines.saturating_sub(line)) / u64::from(part.lines.max(1)),
            Self::Journal(part) => part.pieces(line, part.lines, u64::MAX).first().map_or(0, |(from, ..)| part.length - from.at),
        }
    }

    pub(crate) const fn text(&self) -> u64 {
        match self {
            Self::Sealed(part) => part.text,
            Self::Journal(part) => part.length,
        }
    }
}

/// Why lines are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Damaged,
    Deleted,
    /// What was there before a crash of the machine is not there any more, and its numbers are given out again.
    Undone,
}

/// Lines that cannot be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hole {
    pub(crate) segment: u64,
    pub(crate) from: u32,
    /// Behind the last one. The greatest number there is where nobody knows.
    pub(crate) to: u32,
    /// When it begins, where that is known.
    pub(crate) at_nanos: Option<i64>,
    pub(crate) why: Why,
}

impl Hole {
    /// The gap that is shown in the lines' place.
    pub(crate) fn found(&self, near: i64) -> Found {
        let count = self.to - self.from;
        let lines = match count {
            _ if self.to == u32::MAX => "Lines are".to_owned(),
            1 => "1 line is".to_owned(),
            _ => format!("{count} lines are"),
        };
        let number = self.segment;
        let text = match self.why {
            Why::Damaged => format!("{lines} missing here: part {number} of the kept log is damaged on the portal's disk"),
            Why::Undone => "Lines may be missing here, or be shown twice: the log lost its end when the portal's machine failed".to_owned(),
            Why::Deleted if self.to == u32::MAX => {
                "Lines are missing here: they were deleted before they were read, because the project keeps no more".to_owned()
            }
            Why::Deleted => format!("{lines} missing here: part {number} of the kept log was deleted meanwhile, because the project keeps no more"),
        };
        let id = LineId { segment: number, index: if self.to == u32::MAX { self.to } else { self.to - 1 } };
        let at_nanos = self.at_nanos.unwrap_or(near);
        Found { id, record: Record { at_nanos, task: nil_task(), slot: 0, revision: 0, kind: Kind::Gap, text, cut: false }, context: false }
    }
}

/// An item, how many bytes of text it stands for (with what was passed over before it), and when it is.
pub(crate) struct Planned {
    pub(crate) item: Item,
    pub(crate) weight: u64,
    pub(crate) at_nanos: i64,
}

/// Says what is to be read next.
pub(crate) struct Planner {
    folder: PathBuf,
    parts: VecDeque<Kept>,
    sieve: Sieve,
    range: Range<LineId>,
    backward: bool,
    chunk_bytes: u64,
    queue: VecDeque<Planned>,
    passed: u64,
}

impl Planner {
    /// Reads the lines in `range` of these parts.
    pub(crate) fn new(folder: PathBuf, parts: Vec<Kept>, sieve: Sieve, range: Range<LineId>, backward: bool, chunk_bytes: usize) -> Self {
        let parts = parts.into_iter().filter(|part| (range.start.segment..=range.end.segment).contains(&part.number())).collect();
        Self { folder, parts, sieve, range, backward, chunk_bytes: chunk_bytes as u64, queue: VecDeque::new(), passed: 0 }
    }

    /// Hands out these chunks, which are in memory, from behind a place on.
    pub(crate) fn ready(chunks: Vec<Arc<Chunk>>, after: LineId, sieve: Sieve) -> Self {
        let mut planner = Self::new(PathBuf::new(), Vec::new(), sieve, LineId::ZERO..LineId::ZERO, false, 0);
        planner.queue.extend(chunks.into_iter().map(|chunk| {
            let from = if chunk.segment == after.segment { after.index.saturating_add(1) } else { 0 };
            let (weight, at_nanos, keep) = (chunk.text_bytes(), chunk.columns.times.first().copied().unwrap_or(0), from..chunk.end());
            Planned { item: Item::Ready { chunk, keep }, weight, at_nanos }
        }));
        planner
    }

    /// Bytes of text, about, that there are to read.
    pub(crate) fn bytes(&self) -> u64 {
        let from = |part: &Kept| if part.number() == self.range.start.segment { self.range.start.index } else { 0 };
        let ready: u64 = self.queue.iter().map(|planned| planned.weight).sum();
        self.parts.iter().map(|part| part.text_from(from(part))).sum::<u64>() + ready
    }

    /// What is to be read next.
    pub(crate) fn next(&mut self) -> io::Result<Option<Planned>> {
        loop {
            let planned = if self.backward { self.queue.pop_back() } else { self.queue.pop_front() };
            if let Some(mut planned) = planned {
                planned.weight += std::mem::take(&mut self.passed);
                return Ok(Some(planned));
            }
            let part = if self.backward { self.parts.pop_back() } else { self.parts.pop_front() };
            let Some(part) = part.filter(|_| !self.sieve.is_gone()) else { return Ok(None) };
            let number = part.number();
            let from = if number == self.range.start.segment { self.range.start.index } else { 0 };
            let to = if number == self.range.end.segment { self.range.end.index } else { u32::MAX }.min(part.lines());
            if number < self.range.start.segment || number > self.range.end.segment || from >= to {
                continue;
            }
            let span = part.span();
            if !self.sieve.overlaps(span.earliest, span.latest) {
                self.passed += part.text();
                continue;
            }
            self.open(&part, from..to)?;
        }
    }

    fn open(&mut self, part: &Kept, keep: Range<u32>) -> io::Result<()> {
        if let Kept::Journal(journal) = part {
            let file = match &journal.file {
                Some(file) => Some(Arc::clone(file)),
                None => found(File::open(journal_path(&self.folder, journal.number)))?.map(Arc::new),
            };
            if let Some(file) = file {
                self.pieces(journal, &file, &keep);
                return Ok(());
            }
        }
        let hole = Hole { segment: part.number(), from: keep.start, to: keep.end, at_nanos: part.span().begin(), why: Why::Deleted };
        let planned = |hole| Planned { item: Item::Hole(hole), weight: part.text(), at_nanos: part.span().begin().unwrap_or(0) };
        let Some(file) = found(File::open(segment_path(&self.folder, part.number())))? else {
            self.queue.push_back(planned(hole));
            return Ok(());
        };
        match segment::index(&file)? {
            Some(index) => self.entries(part.number(), &Arc::new(file), index, &keep),
            None => self.queue.push_back(planned(Hole { why: Why::Damaged, ..hole })),
        }
        Ok(())
    }

    fn pieces(&mut self, journal: &Journal, file: &Arc<File>, keep: &Range<u32>) {
        for (from, to, next) in journal.pieces(keep.start, keep.end, self.chunk_bytes) {
            let item = Item::Piece { file: Arc::clone(file), segment: journal.number, from, to, next, keep: keep.clone() };
            self.queue.push_back(Planned { item, weight: to - from.at, at_nanos: journal.span.begin().unwrap_or(0) });
        }
    }

    fn entries(&mut self, segment: u64, file: &Arc<File>, index: segment::Index, keep: &Range<u32>) {
        let wanted: Vec<bool> = index.sources.iter().map(|source| self.sieve.from(source)).collect();
        let mut expected = keep.start;
        let mut near = index.span().begin().unwrap_or(0);
        for entry in index.entries {
            let lines = entry.first..entry.first + entry.count;
            if lines.end <= keep.start || lines.start >= keep.end {
                continue;
            }
            self.hole(segment, expected..lines.start, near);
            expected = lines.end;
            near = entry.span.latest;
            let fits = self.sieve.overlaps(entry.span.earliest, entry.span.latest) && self.sieve.of_any(entry.kinds);
            if !fits || !entry.sources.iter().any(|source| wanted[*source as usize]) {
                self.passed += u64::from(entry.text);
                continue;
            }
            let (weight, at_nanos) = (u64::from(entry.text), entry.span.earliest);
            let item = Item::Chunk { file: Arc::clone(file), segment, sources: Arc::clone(&index.sources), entry, keep: keep.clone() };
            self.queue.push_back(Planned { item, weight, at_nanos });
        }
        self.hole(segment, expected..keep.end.min(index.lines), near);
    }

    fn hole(&mut self, segment: u64, lines: Range<u32>, near: i64) {
        if lines.start < lines.end {
            let hole = Hole { segment, from: lines.start, to: lines.end, at_nanos: Some(near), why: Why::Damaged };
            self.queue.push_back(Planned { item: Item::Hole(hole), weight: 0, at_nanos: near });
        }
    }
}

/// A file, or none if it is not there.
fn found(file: io::Result<File>) -> io::Result<Option<File>> {
    match file {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
