//! What a journal consists of: records with a length and a checksum, and what stands in them.

use model::ids::{ProjectId, ServiceId};

use crate::bytes::{Bytes, fold, four, put, put_id, put_signed, unfold};
use crate::{Key, Member};

/// Bytes before each record's contents: their length and their checksum.
pub(crate) const HEAD: usize = 8;
/// Most bytes of a record.
pub(crate) const RECORD: usize = 64 << 20;

pub(crate) const STREAM: u8 = 1;
pub(crate) const SERIES: u8 = 2;
pub(crate) const MEMBER: u8 = 3;
pub(crate) const SAMPLES: u8 = 4;
pub(crate) const FORGET: u8 = 5;

/// Where a stream's newest block is: its place and the length of its contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) length: u32,
}

/// What deleting a project or service takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    Project(ProjectId),
    Service(ProjectId, ServiceId),
    Stream(Key),
}

impl Forgotten {
    pub(crate) fn takes(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Project(gone), Key::Service { project, .. }) => gone == project,
            (Self::Service(of, gone), Key::Service { project, service, .. }) => of == project && gone == service,
            (Self::Stream(gone), key) => gone == key,
            _ => false,
        }
    }
}

/// Records that are written at once.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) bytes: Vec<u8>,
    /// Streams of which there is a block, where it is, and the length of its contents.
    pub(crate) blocks: Vec<(u32, usize, u32)>,
}

impl Records {
    pub(crate) fn record(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        self.bytes.extend([0; HEAD]);
        write(&mut self.bytes);
        let contents = &self.bytes[at + HEAD..];
        let (length, checksum) = (contents.len() as u32, crc32fast::hash(contents));
        self.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        self.bytes[at + 4..at + HEAD].copy_from_slice(&checksum.to_le_bytes());
    }

    /// A stream's block of one time: for each task its number and its numbers by their series.
    pub(crate) fn block(&mut self, stream: u32, before: Place, at: i64, members: &[(u32, Vec<(u32, f64)>)]) {
        let begin = self.bytes.len();
        self.record(|out| {
            out.push(SAMPLES);
            put(out, u64::from(stream));
            put(out, before.at);
            put(out, u64::from(before.length));
            put_signed(out, at);
            put(out, members.len() as u64);
            for (member, values) in members {
                put(out, u64::from(*member));
                put(out, values.len() as u64);
                for (name, value) in values {
                    put(out, u64::from(*name));
                    put_value(out, *value);
                }
            }
        });
        self.blocks.push((stream, begin, (self.bytes.len() - begin - HEAD) as u32));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The contents of the record at this place, if it is whole.
pub(crate) fn record(bytes: &[u8], at: u64) -> Option<&[u8]> {
    let bytes = bytes.get(usize::try_from(at).ok()?..)?;
    let length = four(bytes, 0)? as usize;
    if length > RECORD {
        return None;
    }
    let contents = bytes.get(HEAD..HEAD + length)?;
    (crc32fast::hash(contents) == four(bytes, 4)?).then_some(contents)
}

/// Where the block before is.
pub(crate) fn place(bytes: &mut Bytes<'_>) -> Option<Place> {
    Some(Place { at: bytes.number()?, length: bytes.small()? })
}

/// Told of what a block has of one task: when, its number, and its numbers by their series.
pub(crate) type See<'a> = dyn FnMut(i64, u32, &[(u32, f64)]) + 'a;

/// Reads a block's time and samples: shows the time, each task's number and its numbers by the wanted ones of their series.
pub(crate) fn block(bytes: &mut Bytes<'_>, wanted: impl Fn(u32) -> bool, see: &mut See<'_>) -> Option<()> {
    let at = bytes.signed()?;
    let mut values = Vec::new();
    for _ in 0..bytes.count()? {
        let member = bytes.small()?;
        values.clear();
        for _ in 0..bytes.count()? {
            let name = bytes.small()?;
            if wanted(name) {
                values.push((name, value(bytes)?));
            } else {
                skip(bytes)?;
            }
        }
        see(at, member, &values);
    }
    Some(())
}

/// Appends a number: whole ones in few bytes.
fn put_value(out: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    if whole.unsigned_abs() < 1 << 53 && whole as f64 == value {
        put(out, fold(whole) << 1);
    } else {
        out.push(1);
        out.extend(value.to_le_bytes());
    }
}

fn value(bytes: &mut Bytes<'_>) -> Option<f64> {
    let number = bytes.number()?;
    if number & 1 == 0 { Some(unfold(number >> 1) as f64) } else { bytes.float() }
}

/// Goes past what [`value`] would read.
fn skip(bytes: &mut Bytes<'_>) -> Option<()> {
    if bytes.skip()? & 1 == 1 {
        bytes.take(8)?;
    }
    Some(())
}

/// The task with this number in a block; 0 is none.
pub(crate) fn of(members: &[Member], number: u32) -> Option<Option<Member>> {
    match number.checked_sub(1) {
        None => Some(None),
        Some(index) => members.get(index as usize).copied().map(Some),
    }
}

/// Appends what a stream's samples are of.
pub(crate) fn put_key(out: &mut Vec<u8>, key: &Key) {
    match key {
        Key::Service { project, service, environment } => {
            out.push(0);
            put_id(out, project);
            put_id(out, service);
            put_id(out, environment);
        }
        Key::Machine(machine) => {
            out.push(1);
            put_id(out, machine);
        }
    }
}

/// What a stream's samples are of.
pub(crate) fn key(bytes: &mut Bytes<'_>) -> Option<Key> {
    match bytes.byte()? {
        0 => Some(Key::Service { project: bytes.id()?, service: bytes.id()?, environment: bytes.id()? }),
        1 => Some(Key::Machine(bytes.id()?)),
        _ => None,
    }
}

/// Appends what was deleted.
pub(crate) fn put_forgotten(out: &mut Vec<u8>, gone: &Forgotten) {
    match gone {
        Forgotten::Project(project) => {
            out.push(0);
            put_id(out, project);
        }
        Forgotten::Service(project, service) => {
            out.push(1);
            put_id(out, project);
            put_id(out, service);
        }
        Forgotten::Stream(stream) => {
            out.push(2);
            put_key(out, stream);
        }
    }
}

/// What was deleted.
pub(crate) fn forgotten(bytes: &mut Bytes<'_>) -> Option<Forgotten> {
    match bytes.byte()? {
        0 => Some(Forgotten::Project(bytes.id()?)),
        1 => Some(Forgotten::Service(bytes.id()?, bytes.id()?)),
        2 => Some(Forgotten::Stream(key(bytes)?)),
        _ => None,
    }
}
