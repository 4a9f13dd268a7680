//! A segment: lines that no longer change, compressed. Chunks lie one after the other, each a piece of text and its columns; behind them the index says
//! where they are, from when to when and of which tasks. The index is written twice, since without it nothing of the segment can be read.
//!
//! Nothing here believes a file: lengths are held against its size and against fixed limits before room is made, and contents against checksums.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use model::ids::TaskId;

use crate::bytes::{Bytes, four, put, put_signed};
use crate::chunk::{Chunk, Columns, Kinds, Sieve, may_hold};
use crate::columns;
use crate::frame::{self, Line, Source, flags};
use crate::{Kind, Options};

/// Begins a segment.
const BEGIN: &[u8; 8] = b"sliplog1";
/// Ends a copy of the index. 0xff is in no UTF-8.
const END: [u8; 4] = [0xff, 0xfe, b'l', b's'];
/// Bytes behind each copy of the index: its length, its checksum, its end.
const TAIL: usize = 12;
/// Most bytes of an index.
const INDEX: usize = 16 << 20;
/// How much of a file's end is read to find its index, at first.
const NEAR: u64 = 64 << 10;
/// Most bytes of a chunk's text, and so most lines in it.
const TEXT: usize = 32 << 20;
/// Most bytes of a chunk in the file.
const PACKED: usize = 48 << 20;

/// From when to when, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
}

impl Span {
    /// Of no lines.
    pub(crate) const NONE: Self = Self { earliest: i64::MAX, latest: i64::MIN };

    /// When it begins; none for no lines.
    pub(crate) const fn begin(self) -> Option<i64> {
        if self.earliest <= self.latest { Some(self.earliest) } else { None }
    }

    pub(crate) fn take(&mut self, at: i64) {
        self.earliest = self.earliest.min(at);
        self.latest = self.latest.max(at);
    }
}

/// What the index says of a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    at: u64,
    text_packed: u32,
    pub(crate) text: u32,
    columns: u32,
    checksum: u32,
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) span: Span,
    pub(crate) kinds: Kinds,
    /// Numbers in the list of sources.
    pub(crate) sources: Vec<u32>,
}

/// A segment's index.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// How many lines the segment before this one has.
    pub(crate) before: u32,
    /// Lines, with those that were damaged when it was made.
    pub(crate) lines: u32,
    pub(crate) sources: Arc<[Source]>,
    pub(crate) entries: Vec<Entry>,
    /// How far each task was read at its end.
    pub(crate) cursors: Vec<(TaskId, String)>,
}

impl Index {
    /// From when to when its lines are.
    pub(crate) fn span(&self) -> Span {
        self.entries
            .iter()
            .fold(Span::NONE, |span, entry| Span { earliest: span.earliest.min(entry.span.earliest), latest: span.latest.max(entry.span.latest) })
    }

    /// Bytes of its texts.
    pub(crate) fn text(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.text)).sum()
    }
}

/// Writes a segment.
pub(crate) struct Writer {
    out: BufWriter<File>,
    at: u64,
    options: Options,
    numbers: HashMap<Source, u32>,
    index: Index,
    sources: Vec<Source>,
    next: u32,
    text: Vec<u8>,
    columns: Columns,
}

impl Writer {
    pub(crate) fn new(file: File, before: u32, options: Options) -> io::Result<Self> {
        let mut out = BufWriter::new(file);
        out.write_all(BEGIN)?;
        Ok(Self {
            out,
            at: BEGIN.len() as u64,
            options,
            numbers: HashMap::new(),
            index: Index { before, lines: 0, sources: Arc::new([]), entries: Vec::new(), cursors: Vec::new() },
            sources: Vec::new(),
            next: 0,
            text: Vec::new(),
            columns: Columns::default(),
        })
    }

    /// Adds the line with this number. Numbers that are left out stay a hole.
    pub(crate) fn line(&mut self, number: u32, line: &Line<'_>) -> io::Result<()> {
        if number != self.next || self.text.len() >= self.options.chunk_bytes.min(TEXT / 2) {
            self.chunk()?;
        }
        self.next = number.saturating_add(1);
        let source = *self.numbers.entry(line.source).or_insert_with(|| {
            self.sources.push(line.source);
            self.sources.len() as u32 - 1
        });
        self.columns.source.push(source);
        self.columns.times.push(line.at_nanos);
        self.columns.flags.push(flags(line.kind, line.cut));
        self.text.extend_from_slice(line.text.as_bytes());
        self.text.push(b'\n');
        Ok(())
    }

    fn chunk(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let (text, columns) = (std::mem::take(&mut self.text), std::mem::take(&mut self.columns));
        let count = columns.times.len() as u32;
        let mut packed = zstd::bulk::compress(&text, self.options.level)?;
        let text_packed = packed.len() as u32;
        packed.extend(columns::pack(&columns, self.options.level));
        self.out.write_all(&packed)?;
        let mut sources = columns.source.clone();
        sources.sort_unstable();
        sources.dedup();
        let mut span = Span::NONE;
        columns.times.iter().for_each(|at| span.take(*at));
        self.index.entries.push(Entry {
            at: self.at,
            text_packed,
            text: text.len() as u32,
            columns: packed.len() as u32 - text_packed,
            checksum: crc32fast::hash(&packed),
            first: self.next - count,
            count,
            span,
            kinds: Kinds::of(&columns.flags),
            sources,
        });
        self.at += packed.len() as u64;
        Ok(())
    }

    /// Writes the rest and the index, and sees to it that all of it is on the disk.
    pub(crate) fn finish(mut self, lines: u32, cursors: Vec<(TaskId, String)>) -> io::Result<(Index, u64)> {
        self.chunk()?;
        self.index.lines = lines;
        self.index.cursors = cursors;
        self.index.sources = std::mem::take(&mut self.sources).into();
        let index = pack(&self.index);
        if index.len() > INDEX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a segment's index has more than 16 MiB"));
        }
        for _ in 0..2 {
            self.out.write_all(&index)?;
            self.out.write_all(&(index.len() as u32).to_le_bytes())?;
            self.out.write_all(&crc32fast::hash(&index).to_le_bytes())?;
            self.out.write_all(&END)?;
        }
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        Ok((self.index, bytes))
    }
}

fn pack(index: &Index) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, u64::from(index.before));
    put(&mut out, u64::from(index.lines));
    put(&mut out, index.sources.len() as u64);
    for source in index.sources.iter() {
        frame::put_source(&mut out, source);
    }
    put(&mut out, index.entries.len() as u64);
    for entry in &index.entries {
        put(&mut out, entry.at);
        for number in [entry.text_packed, entry.text, entry.columns, entry.checksum, entry.first, entry.count] {
            put(&mut out, u64::from(number));
        }
        put_signed(&mut out, entry.span.earliest);
        put_signed(&mut out, entry.span.latest);
        out.push(entry.kinds.0);
        put(&mut out, entry.sources.len() as u64);
        for source in &entry.sources {
            put(&mut out, u64::from(*source));
        }
    }
    frame::put_cursors(&mut out, index.cursors.iter().map(|(task, text)| (*task, text.as_str())), index.cursors.len());
    out
}

fn unpack(bytes: &[u8], file: u64) -> Option<Index> {
    let bytes = &mut Bytes(bytes);
    let (before, lines) = (bytes.small()?, bytes.small()?);
    let sources: Arc<[Source]> = (0..bytes.count()?).map(|_| frame::source(bytes)).collect::<Option<Vec<_>>>()?.into();
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..bytes.count()? {
        let entry = entry(bytes)?;
        let packed = entry.text_packed as usize + entry.columns as usize;
        let fits = packed <= PACKED
            && entry.text as usize <= TEXT
            && entry.count > 0
            && entry.count <= entry.text
            && entry.at.checked_add(packed as u64).is_some_and(|end| end <= file)
            && entry.first >= entries.last().map_or(0, |last| last.first + last.count)
            && entry.first.checked_add(entry.count).is_some_and(|end| end <= lines)
            && entry.sources.iter().all(|source| (*source as usize) < sources.len());
        if !fits {
            return None;
        }
        entries.push(entry);
    }
    Some(Index { before, lines, sources, entries, cursors: frame::cursors(bytes)? })
}

fn entry(bytes: &mut Bytes<'_>) -> Option<Entry> {
    Some(Entry {
        at: bytes.number()?,
        text_packed: bytes.small()?,
        text: bytes.small()?,
        columns: bytes.small()?,
        checksum: bytes.small()?,
        first: bytes.small()?,
        count: bytes.small()?,
        span: Span { earliest: bytes.signed()?, latest: bytes.signed()? },
        kinds: Kinds(bytes.byte()?),
        sources: (0..bytes.count()?).map(|_| bytes.small()).collect::<Option<_>>()?,
    })
}

/// A segment's index: none when the file is damaged so that neither copy can be read.
pub(crate) fn index(file: &File) -> io::Result<Option<Index>> {
    let size = file.metadata()?.len();
    for near in [NEAR, 2 * (INDEX + TAIL) as u64] {
        let mut end = vec![0; near.min(size) as usize];
        let begin = size - end.len() as u64;
        file.read_exact_at(&mut end, begin)?;
        let mut until = end.len();
        while let Some(found) = memchr::memmem::rfind(&end[..until], &END) {
            if let Some(index) = copy(&end[..found], size) {
                return Ok(Some(index));
            }
            until = found;
        }
        if near >= size {
            break;
        }
    }
    Ok(None)
}

/// The copy of the index whose length and checksum end these bytes.
fn copy(bytes: &[u8], file: u64) -> Option<Index> {
    let (rest, numbers) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    let length = four(numbers, 0)? as usize;
    let index = rest.get(rest.len().checked_sub(length)?..)?;
    if crc32fast::hash(index) == four(numbers, 4)? { unpack(index, file) } else { None }
}

/// What came of looking into a chunk.
pub(crate) enum Look {
    /// Lines that may hold what is looked for.
    Lines(Chunk),
    /// Nothing that is looked for.
    Nothing,
    /// It is damaged.
    Damaged,
}

/// Reads a chunk if its text holds what is looked for.
pub(crate) fn look(file: &File, segment: u64, sources: &Arc<[Source]>, entry: &Entry, sieve: Option<&Sieve>) -> Look {
    let (text_packed, columns) = (entry.text_packed as usize, entry.columns as usize);
    let mut packed = vec![0; text_packed + columns];
    if file.read_exact_at(&mut packed, entry.at).is_err() || crc32fast::hash(&packed) != entry.checksum {
        return Look::Damaged;
    }
    let Ok(text) = zstd::bulk::decompress(&packed[..text_packed], entry.text as usize) else { return Look::Damaged };
    if sieve.is_some_and(|sieve| !entry.kinds.has(Kind::Gap) && !may_hold(&text, sieve)) {
        return Look::Nothing;
    }
    columns::unpack(&packed[text_packed..], entry.count as usize)
        .and_then(|columns| Chunk::new(segment, entry.first, text, columns, Arc::clone(sources)))
        .map_or(Look::Damaged, Look::Lines)
}
