//! A file of one stream that no longer changes: samples of an hour with their roll-ups, or roll-ups of many hours. It consists of blocks, each with one
//! metric of all tasks at one resolution, and an index behind them; so a chart reads the index and the blocks of its metrics, whatever else is there.
//!
//! Nothing here believes a file: lengths are held against its size and against fixed limits before room is made, and contents against checksums.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::bytes::{Bytes, four, put, put_signed, put_text};
use crate::column;
use crate::pack::{Packer, Unpacker};
use crate::record::{member, put_member};
use crate::rollup::{FIVE, HOUR, Reading, Row};
use crate::together::{Together, put_together, read_together, together};
use crate::{Member, Resolution};

/// Begins a file.
const BEGIN: &[u8; 8] = b"slipmet1";
/// Bytes behind the index: its length in the file, its own length, its checksum.
const TAIL: usize = 12;
/// How much of a file's end is read at first, to find its index.
const NEAR: u64 = 8 << 10;
/// Most bytes of an index.
const INDEX: usize = 16 << 20;
/// Most bytes of a block.
const BLOCK: usize = 64 << 20;
/// The block with the times that all samples of a task share stands where a metric's would.
const AXES: u16 = 0;

/// Added to the code of a resolution, it is that of what all tasks come to together.
const TOGETHER: u8 = 2;
/// Where there are no more tasks than this, or no more roll-ups of a metric than [`LITTLE`], reading all of them costs little.
const FEW: usize = 8;
const LITTLE: usize = 1024;

/// What a series of a stream is called, without its task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// The metric's number.
    pub(crate) metric: u16,
    pub(crate) label: Arc<str>,
}

impl Name {
    /// Whether there may be any number of its kind.
    pub(crate) fn is_labelled(&self) -> bool {
        !self.label.is_empty()
    }
}

/// One series' samples or roll-ups.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column<T> {
    pub(crate) member: Option<Member>,
    pub(crate) name: Name,
    pub(crate) entries: Vec<T>,
}

#[derive(Debug)]
struct Entry {
    resolution: u8,
    name: Name,
    at: u64,
    packed: u32,
    plain: u32,
    checksum: u32,
}

const fn code(resolution: Resolution) -> u8 {
    match resolution {
        Resolution::Raw => 0,
        Resolution::FiveMinutes => 1,
        Resolution::Hour => 2,
    }
}

/// Milliseconds that a roll-up of this resolution stands for.
pub(crate) const fn width(resolution: Resolution) -> i64 {
    if matches!(resolution, Resolution::Hour) { HOUR } else { FIVE }
}

/// Writes a file.
pub(crate) struct Writer<'a> {
    packer: &'a mut Packer,
    base: i64,
    begin: i64,
    members: Vec<Option<Member>>,
    entries: Vec<Entry>,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// With times from `base` on.
    pub(crate) fn new(packer: &'a mut Packer, base: i64) -> Self {
        Self { packer, base, begin: i64::MAX, members: Vec::new(), entries: Vec::new(), out: BEGIN.to_vec() }
    }

    fn block(&mut self, resolution: u8, name: Name, plain: Vec<u8>) -> io::Result<()> {
        let length = plain.len();
        if length > BLOCK {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a block of kept samples has more than 64 MiB"));
        }
        let packed = self.packer.pack(plain);
        let (at, checksum) = (self.out.len() as u64, crc32fast::hash(&packed));
        self.entries.push(Entry { resolution, name, at, packed: packed.len() as u32, plain: length as u32, checksum });
        self.out.extend(packed);
        Ok(())
    }

    /// Of these tasks.
    pub(crate) fn members(&mut self, members: Vec<Option<Member>>) {
        self.members = members;
    }

    /// The times of each task's samples, in the order of the tasks. Before any samples.
    pub(crate) fn axes<'t>(&mut self, axes: impl Iterator<Item = &'t [i64]>) -> io::Result<()> {
        let mut plain = Vec::new();
        for axis in axes {
            put(&mut plain, axis.len() as u64);
            column::put_times(&mut plain, self.base, axis.iter().copied());
        }
        self.block(code(Resolution::Raw), Name { metric: AXES, label: Arc::from("") }, plain)
    }

    /// A metric's samples: of each task by its number, with the times of all of that task's samples.
    pub(crate) fn readings(&mut self, name: Name, columns: &[(usize, &[i64], &[Reading])]) -> io::Result<()> {
        let mut plain = Vec::new();
        for (member, axis, readings) in columns {
            put(&mut plain, *member as u64);
            column::put_readings(&mut plain, self.base, axis, readings);
        }
        self.block(code(Resolution::Raw), name, plain)
    }

    /// A metric's roll-ups: of each task by its number.
    pub(crate) fn rows(&mut self, resolution: Resolution, name: Name, columns: &[(usize, Vec<Row>)]) -> io::Result<()> {
        let mut plain = Vec::new();
        for (member, rows) in columns.iter().filter(|(_, rows)| !rows.is_empty()) {
            put(&mut plain, *member as u64);
            column::put_rows(&mut plain, self.base, width(resolution), rows);
            self.begin = rows.iter().map(|row| row.at).fold(self.begin, i64::min);
        }
        if plain.is_empty() {
            return Ok(());
        }
        if columns.len() > FEW && columns.iter().map(|(_, rows)| rows.len()).sum::<usize>() > LITTLE {
            let mut plain = Vec::new();
            put_together(&mut plain, self.base, width(resolution), &together(columns.iter().map(|(_, rows)| rows.as_slice())));
            self.block(code(resolution) + TOGETHER, name.clone(), plain)?;
        }
        self.block(code(resolution), name, plain)
    }

    /// Writes all of it to a file beside this one, and gives it the name. With `sync` it is on the disk by then.
    pub(crate) fn finish(mut self, path: &Path, sync: bool) -> io::Result<()> {
        let plain = self.index();
        if plain.len() > INDEX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an index of kept samples has more than 16 MiB"));
        }
        let length = plain.len() as u32;
        let packed = self.packer.pack(plain);
        self.out.extend(&packed);
        self.out.extend((packed.len() as u32).to_le_bytes());
        self.out.extend(length.to_le_bytes());
        self.out.extend(crc32fast::hash(&packed).to_le_bytes());
        let temporary = path.with_extension("tmp");
        let written = write(&temporary, &self.out, sync);
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        fs::rename(&temporary, path)?;
        if sync && let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn index(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_signed(&mut out, self.base);
        put_signed(&mut out, self.begin.wrapping_sub(self.base));
        put(&mut out, self.members.len() as u64);
        for member in &self.members {
            out.push(u8::from(member.is_some()));
            if let Some(member) = member {
                put_member(&mut out, member);
            }
        }
        put(&mut out, self.entries.len() as u64);
        for entry in &self.entries {
            out.push(entry.resolution);
            put(&mut out, u64::from(entry.name.metric));
            put_text(&mut out, &entry.name.label);
            put(&mut out, u64::from(entry.packed));
            put(&mut out, u64::from(entry.plain));
            out.extend(entry.checksum.to_le_bytes());
        }
        out
    }
}

fn write(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if sync { file.sync_all() } else { Ok(()) }
}

/// A file that can be read.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    base: i64,
    begin: i64,
    members: Vec<Option<Member>>,
    entries: Vec<Entry>,
}

impl Segment {
    /// Opens a file; none when it is damaged so that its index cannot be read.
    pub(crate) fn open(path: &Path, unpacker: &mut Unpacker) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut end = vec![0; NEAR.min(size) as usize];
        let begin = size - end.len() as u64;
        file.read_exact_at(&mut end, begin)?;
        let Some((packed, plain, checksum)) = tail(&end).filter(|(packed, plain, _)| *packed <= INDEX && *plain <= INDEX) else { return Ok(None) };
        let whole = packed + TAIL;
        if whole as u64 > size {
            return Ok(None);
        }
        if whole > end.len() {
            end = vec![0; whole];
            file.read_exact_at(&mut end, size - whole as u64)?;
        }
        let index = &end[end.len() - whole..end.len() - TAIL];
        if crc32fast::hash(index) != checksum {
            return Ok(None);
        }
        Ok(unpacker.unpack(index.to_vec(), plain).and_then(|plain| parse(file, &plain, size)))
    }

    /// The names of the series with a block at this resolution.
    pub(crate) fn names(&self, resolution: Resolution) -> impl Iterator<Item = &Name> {
        self.entries.iter().filter(move |entry| entry.resolution == code(resolution) && entry.name.metric != AXES).map(|entry| &entry.name)
    }

    /// When the first of its roll-ups begins.
    pub(crate) fn begin(&self) -> i64 {
        self.begin
    }

    /// All tasks of which it has something.
    pub(crate) fn members(&self) -> &[Option<Member>] {
        &self.members
    }

    /// Samples of the wanted series, and whether a block of them is damaged. `axes`: as [`Self::axes`] tells them.
    pub(crate) fn readings(&self, unpacker: &mut Unpacker, axes: &[Vec<i64>], wanted: &dyn Fn(&Name) -> bool) -> (Vec<Column<Reading>>, bool) {
        self.columns(unpacker, Resolution::Raw, wanted, &|member, bytes| column::readings(bytes, self.base, axes.get(member)?))
    }

    /// Roll-ups of the wanted series that begin within this time, and whether a block of them is damaged.
    pub(crate) fn rows(
        &self,
        unpacker: &mut Unpacker,
        resolution: Resolution,
        wanted: &dyn Fn(&Name) -> bool,
        within: &Range<i64>,
    ) -> (Vec<Column<Row>>, bool) {
        self.columns(unpacker, resolution, wanted, &|_, bytes| column::rows(bytes, self.base, width(resolution), within))
    }

    /// What all tasks come to together within this time, of the wanted series of which that is there and can be read.
    pub(crate) fn together(
        &self,
        unpacker: &mut Unpacker,
        resolution: Resolution,
        wanted: &dyn Fn(&Name) -> bool,
        within: &Range<i64>,
    ) -> Vec<(Name, Vec<Together>)> {
        let blocks = self.entries.iter().filter(|entry| entry.resolution == code(resolution) + TOGETHER && wanted(&entry.name));
        let read = |entry: &Entry| {
            let plain = self.block(unpacker, entry)?;
            Some((entry.name.clone(), read_together(&mut Bytes(&plain), self.base, width(resolution), within)?))
        };
        blocks.filter_map(read).collect()
    }

    /// The times of each task's samples, in the order of the tasks; none when they are damaged.
    pub(crate) fn axes(&self, unpacker: &mut Unpacker) -> Option<Vec<Vec<i64>>> {
        let Some(entry) = self.entries.iter().find(|entry| entry.name.metric == AXES) else { return Some(vec![Vec::new(); self.members.len()]) };
        let plain = self.block(unpacker, entry)?;
        let bytes = &mut Bytes(&plain);
        let axis = |_: &Option<Member>| {
            let count = usize::try_from(bytes.number()?).ok()?;
            column::times(bytes, self.base, count)
        };
        self.members.iter().map(axis).collect()
    }

    /// The blocks with roll-ups of the wanted series, by their numbers.
    pub(crate) fn blocks(&self, resolution: Resolution, wanted: &dyn Fn(&Name) -> bool) -> impl Iterator<Item = usize> {
        let block = move |(number, entry): (usize, &Entry)| (entry.resolution == code(resolution) && wanted(&entry.name)).then_some(number);
        self.entries.iter().enumerate().filter_map(block)
    }

    /// A block's roll-ups that begin within this time; none when it is damaged.
    pub(crate) fn rows_of(&self, unpacker: &mut Unpacker, block: usize, resolution: Resolution, within: &Range<i64>) -> Option<Vec<Column<Row>>> {
        self.columns_of(unpacker, self.entries.get(block)?, &|_, bytes| column::rows(bytes, self.base, width(resolution), within))
    }

    fn columns<T>(
        &self,
        unpacker: &mut Unpacker,
        resolution: Resolution,
        wanted: &dyn Fn(&Name) -> bool,
        read: &dyn Fn(usize, &mut Bytes<'_>) -> Option<Vec<T>>,
    ) -> (Vec<Column<T>>, bool) {
        let (mut columns, mut damaged) = (Vec::new(), false);
        let blocks = self.entries.iter().filter(|entry| entry.resolution == code(resolution) && entry.name.metric != AXES);
        for entry in blocks.filter(|entry| wanted(&entry.name)) {
            let found = self.columns_of(unpacker, entry, read);
            damaged |= found.is_none();
            columns.extend(found.into_iter().flatten());
        }
        (columns, damaged)
    }

    fn columns_of<T>(
        &self,
        unpacker: &mut Unpacker,
        entry: &Entry,
        read: &dyn Fn(usize, &mut Bytes<'_>) -> Option<Vec<T>>,
    ) -> Option<Vec<Column<T>>> {
        let plain = self.block(unpacker, entry)?;
        let (mut found, bytes) = (Vec::new(), &mut Bytes(&plain));
        while !bytes.0.is_empty() {
            let member = usize::try_from(bytes.number()?).ok()?;
            let entries = read(member, bytes)?;
            found.push(Column { member: *self.members.get(member)?, name: entry.name.clone(), entries });
        }
        Some(found)
    }

    fn block(&self, unpacker: &mut Unpacker, entry: &Entry) -> Option<Vec<u8>> {
        let mut packed = vec![0; entry.packed as usize];
        self.file.read_exact_at(&mut packed, entry.at).ok()?;
        if crc32fast::hash(&packed) != entry.checksum {
            return None;
        }
        unpacker.unpack(packed, entry.plain as usize)
    }

    /// Sees to it that the file is on the disk.
    pub(crate) fn sync(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// The index' length in the file, its own length and its checksum.
fn tail(end: &[u8]) -> Option<(usize, usize, u32)> {
    let at = end.len().checked_sub(TAIL)?;
    Some((four(end, at)? as usize, four(end, at + 4)? as usize, four(end, at + 8)?))
}

fn parse(file: File, index: &[u8], size: u64) -> Option<Segment> {
    let bytes = &mut Bytes(index);
    let base = bytes.signed()?;
    let begin = base.wrapping_add(bytes.signed()?);
    let mut members = Vec::new();
    for _ in 0..bytes.count()? {
        members.push(if bytes.byte()? == 0 { None } else { Some(member(bytes)?) });
    }
    let (mut entries, mut at) = (Vec::new(), BEGIN.len() as u64);
    for _ in 0..bytes.count()? {
        let resolution = bytes.byte()?;
        let name = Name { metric: bytes.short()?, label: bytes.text()?.into() };
        let (packed, plain) = (bytes.small()?, bytes.small()?);
        let checksum = four(bytes.take(4)?, 0)?;
        let end = at.checked_add(u64::from(packed)).filter(|end| *end <= size)?;
        if plain as usize > BLOCK || packed > plain {
            return None;
        }
        entries.push(Entry { resolution, name, at, packed, plain, checksum });
        at = end;
    }
    Some(Segment { file, base, begin, members, entries })
}
