//! One thing to read, and what comes of reading it: a chunk of a segment, a piece of a journal, lines that are in memory, or the word that some are
//! missing.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use model::ids::TaskId;

use crate::LineId;
use crate::chunk::{Chunk, Sieve};
use crate::frame::Source;
use crate::journal::{self, Mark};
use crate::plan::{Hole, Why};
use crate::segment::{self, Entry, Look};

/// Something that was read.
pub(crate) enum Part {
    Lines(Arc<Chunk>),
    Hole(Hole),
}

/// Something to read.
#[derive(Clone)]
pub(crate) enum Item {
    /// A chunk of a segment.
    Chunk { file: Arc<File>, segment: u64, sources: Arc<[Source]>, entry: Entry, keep: Range<u32> },
    /// A piece of a journal, to the place `to`, where the line `next` begins.
    Piece { file: Arc<File>, segment: u64, from: Mark, to: u64, next: u32, keep: Range<u32> },
    /// Lines that need not be read.
    Ready { chunk: Arc<Chunk>, keep: Range<u32> },
    /// Nothing: what is missing is known already.
    Hole(Hole),
}

/// What came of reading an item: its parts, each with its lines that are looked for.
pub(crate) type Looked = Vec<(Part, Vec<usize>)>;

impl Item {
    /// The place of its first line.
    pub(crate) fn first(&self) -> LineId {
        let (segment, index) = match self {
            Self::Chunk { segment, entry, keep, .. } => (*segment, entry.first.max(keep.start)),
            Self::Piece { segment, from, keep, .. } => (*segment, from.first.max(keep.start)),
            Self::Ready { chunk, keep } => (chunk.segment, chunk.first.max(keep.start)),
            Self::Hole(hole) => (hole.segment, hole.from),
        };
        LineId { segment, index }
    }

    /// The place of its last line.
    pub(crate) fn last(&self) -> LineId {
        let (segment, end) = match self {
            Self::Chunk { segment, entry, keep, .. } => (*segment, (entry.first + entry.count).min(keep.end)),
            Self::Piece { segment, next, keep, .. } => (*segment, (*next).min(keep.end)),
            Self::Ready { chunk, keep } => (chunk.segment, keep.end),
            Self::Hole(hole) => (hole.segment, hole.to),
        };
        LineId { segment, index: if end == u32::MAX { end } else { end.saturating_sub(1) } }
    }

    /// Whether lines of such a task may be in it.
    pub(crate) fn may_be_of(&self, task: impl Fn(&TaskId) -> bool) -> bool {
        match self {
            Self::Chunk { sources, entry, .. } => entry.sources.iter().any(|source| task(&sources[*source as usize].task)),
            Self::Ready { chunk, .. } => chunk.sources.iter().any(|source| task(&source.task)),
            Self::Piece { .. } => true,
            Self::Hole(_) => false,
        }
    }

    /// The numbers of the lines of its segment that are to be read.
    pub(crate) fn keep(&self) -> Range<u32> {
        match self {
            Self::Chunk { keep, .. } | Self::Piece { keep, .. } | Self::Ready { keep, .. } => keep.clone(),
            Self::Hole(hole) => hole.from..hole.to,
        }
    }

    /// Reads it. What holds nothing that is looked for is left out, unless `all` is wanted, or lines may be wanted besides and it costs nothing more.
    pub(crate) fn look(&self, sieve: &Sieve, all: bool) -> Looked {
        let all = all || sieve.around && !matches!(self, Self::Chunk { .. });
        let (parts, keep) = match self {
            Self::Hole(hole) => (vec![Part::Hole(*hole)], hole.from..hole.to),
            Self::Ready { chunk, keep } => (vec![Part::Lines(Arc::clone(chunk))], keep.clone()),
            Self::Chunk { file, segment, sources, entry, keep } => {
                let part = match segment::look(file, *segment, sources, entry, (!all).then_some(sieve)) {
                    Look::Lines(chunk) => Some(Part::Lines(Arc::new(chunk))),
                    Look::Nothing => None,
                    Look::Damaged => Some(Part::Hole(Hole {
                        segment: *segment,
                        from: entry.first,
                        to: entry.first + entry.count,
                        at_nanos: Some(entry.span.earliest),
                        why: Why::Damaged,
                    })),
                };
                (part.into_iter().collect(), keep.clone())
            }
            Self::Piece { file, segment, from, to, next, keep } => {
                let mut bytes = vec![0; (to - from.at) as usize];
                let read = file.read_exact_at(&mut bytes, from.at);
                // A file that is shorter than it was has lost its end.
                (journal::read(if read.is_ok() { &bytes } else { &[] }, *segment, from.first, *next), keep.clone())
            }
        };
        parts
            .into_iter()
            .filter_map(|part| kept(part, &keep, sieve))
            .filter(|(part, hits)| all || !hits.is_empty() || matches!(part, Part::Hole(_)))
            .collect()
    }
}

fn kept(part: Part, keep: &Range<u32>, sieve: &Sieve) -> Option<(Part, Vec<usize>)> {
    match part {
        Part::Lines(chunk) => {
            let mut hits = chunk.hits(sieve);
            hits.retain(|at| keep.contains(&chunk.id(*at).index));
            Some((Part::Lines(chunk), hits))
        }
        Part::Hole(hole) => {
            let hole = Hole { from: hole.from.max(keep.start), to: hole.to.min(keep.end), ..hole };
            (hole.from < hole.to).then_some((Part::Hole(hole), Vec::new()))
        }
    }
}
