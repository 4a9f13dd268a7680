//! Frames: what a journal is made of. Each has its length and a checksum, and begins with bytes that no text holds (they are not UTF-8), so that
//! behind a damaged one the next is found again and no line can pass for a frame. Pure: bytes in, bytes out.

use std::collections::HashMap;
use std::io;

use model::ids::TaskId;

use crate::bytes::{Bytes, four, put, put_signed, put_task, put_text};
use crate::{Kind, Record};

/// Begins each frame. 0xff is in no UTF-8.
const BEGIN: [u8; 4] = [0xff, 0xfe, b'l', b'j'];
/// Bytes before a frame's content: its begin, its length, the number of its first record, how many there are, its checksum.
const HEAD: usize = 20;
/// Most bytes of a frame's content.
const MOST: usize = 16 << 20;
/// Most bytes of one text.
const TEXT: usize = 1 << 20;

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) task: TaskId,
    pub(crate) slot: u32,
    pub(crate) revision: u32,
}

impl Source {
    pub(crate) const fn of(record: &Record) -> Self {
        Self { task: record.task, slot: record.slot, revision: record.revision }
    }
}

/// What a frame says besides its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// In the first frame of a journal: how many lines the segment before this one has, so that a reader knows whether it misses some when that is
    /// gone. The cursors are all there are then.
    pub(crate) before: Option<u32>,
    /// How far tasks were read.
    pub(crate) cursors: Vec<(TaskId, String)>,
}

/// A frame as it lies in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The number of its first record in the segment.
    pub(crate) first: u32,
    /// How many records it has.
    pub(crate) count: u32,
    /// Its bytes with its head.
    pub(crate) length: usize,
}

/// What a record's kind and cut are as a byte.
pub(crate) const fn flags(kind: Kind, cut: bool) -> u8 {
    let kind = match kind {
        Kind::Stdout => 0,
        Kind::Stderr => 1,
        Kind::Gap => 2,
    };
    kind | if cut { 4 } else { 0 }
}

/// What [`flags`] made of them.
pub(crate) const fn of_flags(flags: u8) -> Option<(Kind, bool)> {
    let kind = match flags & 3 {
        0 => Kind::Stdout,
        1 => Kind::Stderr,
        2 => Kind::Gap,
        _ => return None,
    };
    if flags < 8 { Some((kind, flags & 4 != 0)) } else { None }
}

/// The first frame of a journal.
pub(crate) fn opening(before: u32, cursors: &HashMap<TaskId, String>) -> io::Result<Vec<u8>> {
    let mut out = vec![0; HEAD];
    out.push(0);
    put(&mut out, u64::from(before));
    put_cursors(&mut out, cursors.iter().map(|(task, text)| (*task, text.as_str())), cursors.len());
    close(out, 0, 0)
}

/// A batch whose first record has this number. The records are put in the order of time.
pub(crate) fn batch(records: &[Record], cursors: &[(TaskId, String)], first: u32) -> io::Result<Vec<u8>> {
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by_key(|record| record.at_nanos);
    let text: usize = records.iter().map(|record| record.text.len().min(TEXT) + 12).sum();
    if text > MOST {
        return Err(too_large());
    }
    let mut sources: Vec<Source> = Vec::new();
    let mut numbers = HashMap::new();
    let mut lines = Vec::with_capacity(text);
    let mut at = 0_i64;
    for record in &records {
        let source = Source::of(record);
        let number = *numbers.entry(source).or_insert_with(|| {
            sources.push(source);
            sources.len() - 1
        });
        let shortened = shorten(&record.text);
        put(&mut lines, number as u64);
        put_signed(&mut lines, record.at_nanos.wrapping_sub(at));
        at = record.at_nanos;
        lines.push(flags(record.kind, record.cut || shortened.len() < record.text.len()));
        put(&mut lines, shortened.len() as u64);
        // A line feed divides lines in a segment; one byte for one byte keeps the length.
        lines.extend(shortened.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
    }
    let mut out = Vec::with_capacity(lines.len() + HEAD + 1 + sources.len() * 24);
    out.resize(HEAD, 0);
    out.push(1);
    put(&mut out, sources.len() as u64);
    for source in &sources {
        put_source(&mut out, source);
    }
    out.append(&mut lines);
    put_cursors(&mut out, cursors.iter().map(|(task, text)| (*task, text.as_str())), cursors.len());
    let count = u32::try_from(records.len()).map_err(|_| too_large())?;
    close(out, first, count)
}

fn shorten(text: &str) -> &str {
    let mut end = text.len().min(TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Appends a source, as it lies in a frame or a segment.
pub(crate) fn put_source(out: &mut Vec<u8>, source: &Source) {
    put_task(out, source.task);
    put(out, u64::from(source.slot));
    put(out, u64::from(source.revision));
}

/// Appends cursors, as they lie in a frame or a segment.
pub(crate) fn put_cursors<'a>(out: &mut Vec<u8>, cursors: impl Iterator<Item = (TaskId, &'a str)>, count: usize) {
    put(out, count as u64);
    for (task, text) in cursors {
        put_task(out, task);
        put_text(out, text);
    }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a batch of lines has more than 16 MiB: add it in parts")
}

/// Writes the head before the content.
fn close(mut frame: Vec<u8>, first: u32, count: u32) -> io::Result<Vec<u8>> {
    let length = frame.len() - HEAD;
    if length > MOST {
        return Err(too_large());
    }
    frame[..4].copy_from_slice(&BEGIN);
    frame[4..8].copy_from_slice(&(length as u32).to_le_bytes());
    frame[8..12].copy_from_slice(&first.to_le_bytes());
    frame[12..16].copy_from_slice(&count.to_le_bytes());
    let sum = checksum(&frame);
    frame[16..20].copy_from_slice(&sum.to_le_bytes());
    Ok(frame)
}

fn checksum(frame: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&frame[4..16]);
    hash.update(&frame[HEAD..]);
    hash.finalize()
}

/// The frame that begins here, if it is whole.
fn frame(bytes: &[u8]) -> Option<Frame> {
    if bytes.get(..4)? != BEGIN {
        return None;
    }
    let content = usize::try_from(four(bytes, 4)?).ok().filter(|length| *length <= MOST)?;
    let whole = bytes.get(..HEAD + content)?;
    if four(whole, 16)? != checksum(whole) {
        return None;
    }
    Some(Frame { first: four(whole, 8)?, count: four(whole, 12)?, length: whole.len() })
}

/// How far the next whole frame is from here, behind the first byte.
fn next_frame(bytes: &[u8]) -> Option<usize> {
    let mut from = 1;
    while let Some(found) = memchr::memmem::find(bytes.get(from..)?, &BEGIN) {
        if frame(&bytes[from + found..]).is_some() {
            return Some(from + found);
        }
        from += found + 1;
    }
    None
}

/// A record in a frame.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) source: Source,
    pub(crate) at_nanos: i64,
    pub(crate) kind: Kind,
    pub(crate) cut: bool,
    pub(crate) text: &'a str,
}

/// Reads a whole frame: calls `see` with each of its records.
pub(crate) fn read<'a>(bytes: &'a [u8], frame: Frame, see: &mut dyn FnMut(Line<'a>)) -> Option<Said> {
    let mut bytes = Bytes(bytes.get(HEAD..frame.length)?);
    let before = match bytes.byte()? {
        0 => Some(bytes.small()?),
        1 => {
            each(&mut bytes, frame.count, see)?;
            None
        }
        _ => return None,
    };
    Some(Said { before, cursors: cursors(&mut bytes)? })
}

/// Calls `see` with each whole frame that continues what came before it, and its place. What is damaged is passed over.
pub(crate) fn walk(bytes: &[u8], first: u32, mut see: impl FnMut(usize, Frame)) {
    let (mut at, mut expected) = (0, first);
    while at < bytes.len() {
        let rest = &bytes[at..];
        if let Some(frame) = frame(rest).filter(|frame| frame.first >= expected) {
            see(at, frame);
            at += frame.length;
            expected = frame.first.saturating_add(frame.count);
        } else if let Some(next) = next_frame(rest) {
            at += next;
        } else {
            return;
        }
    }
}

fn each<'a>(bytes: &mut Bytes<'a>, count: u32, see: &mut dyn FnMut(Line<'a>)) -> Option<()> {
    let sources: Vec<Source> = (0..bytes.count()?).map(|_| source(bytes)).collect::<Option<_>>()?;
    let mut at_nanos = 0_i64;
    for _ in 0..count {
        let source = *sources.get(bytes.size()?)?;
        at_nanos = at_nanos.wrapping_add(bytes.signed()?);
        let (kind, cut) = of_flags(bytes.byte()?)?;
        see(Line { source, at_nanos, kind, cut, text: bytes.text()? });
    }
    Some(())
}

/// A source as it lies in a frame or a segment.
pub(crate) fn source(bytes: &mut Bytes<'_>) -> Option<Source> {
    Some(Source { task: bytes.task()?, slot: bytes.small()?, revision: bytes.small()? })
}

/// Cursors as they lie in a frame or a segment.
pub(crate) fn cursors(bytes: &mut Bytes<'_>) -> Option<Vec<(TaskId, String)>> {
    (0..bytes.count()?).map(|_| Some((bytes.task()?, bytes.text()?.to_owned()))).collect()
}
