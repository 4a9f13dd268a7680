//! A journal: the file that an hour's samples of all streams are added to, one block for each stream and tick. Each block says where the one before
//! of the same stream is; so a stream's hour is read without reading the others', and nothing of it is held in memory.
//!
//! Samples are read from the newest back: one that was written earlier, but says to be no earlier than a later one of the same task, does not count. So
//! after the clock was set back, what is written anew takes the place of what the wrong clock wrote.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{Bytes, put, put_text};
use crate::record::{FORGET, Forgotten, HEAD, MEMBER, Place, Records, SAMPLES, SERIES, STREAM};
use crate::record::{block, forgotten, key, member, of, place, put_forgotten, put_key, put_member, record};
use crate::segment::Name;
use crate::{Key, Member};

/// Begins a journal.
const BEGIN: &[u8; 8] = b"slipmtj1";

/// Milliseconds by which a block may be older than the one before it: collectors add what they waited for after others added what they read at once.
const LATE: i64 = 60_000;

/// Told of a sample on the way back: its task's number, when, and its numbers by their series.
type Back<'a> = dyn FnMut(u32, i64, &[(u32, f64)]) + 'a;

/// One stream within a journal.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) key: Key,
    pub(crate) head: Place,
    members: Arc<Vec<Member>>,
    numbers: HashMap<Member, u32>,
    /// Its series with a label.
    labelled: HashSet<u32>,
}

/// How many series there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// In the journal.
    pub(crate) all: usize,
    /// With a label, of one stream.
    pub(crate) of_one: usize,
}

/// A journal that can be written to.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Arc<File>,
    path: PathBuf,
    /// Bytes that are whole.
    pub(crate) length: u64,
    chains: Vec<Chain>,
    keys: HashMap<Key, u32>,
    names: Arc<Vec<Name>>,
    numbers: HashMap<Name, u32>,
}

/// What is needed to read one stream of a journal as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Chained {
    file: Arc<File>,
    head: Place,
    members: Arc<Vec<Member>>,
    names: Arc<Vec<Name>>,
}

/// The samples of one task or machine in a block: which one, and its numbers by the numbers of their series.
pub(crate) struct Block<'a> {
    pub(crate) at: i64,
    pub(crate) key: Key,
    pub(crate) member: Option<Member>,
    pub(crate) values: &'a [(u32, f64)],
}

impl Journal {
    /// Opens the journal at this path, or makes it. `see` is told of everything that is in it. What lies behind the last whole record is cut off.
    pub(crate) fn open(path: &Path, see: &mut dyn FnMut(&Block<'_>, &[Name])) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut journal = Self {
            file: Arc::new(file),
            path: path.to_owned(),
            length: 0,
            chains: Vec::new(),
            keys: HashMap::new(),
            names: Arc::default(),
            numbers: HashMap::new(),
        };
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        if bytes.starts_with(BEGIN) {
            journal.length = BEGIN.len() as u64;
            while let Some(record) = record(&bytes, journal.length) {
                if journal.note(record, see).is_none() {
                    break;
                }
                journal.length += (HEAD + record.len()) as u64;
            }
        }
        if bytes.len() as u64 > journal.length {
            let lost = bytes.len() as u64 - journal.length;
            tracing::warn!(journal = %path.display(), bytes = lost, "the end of a journal of samples is not whole and is cut off");
        }
        journal.file.set_len(journal.length)?;
        if journal.length == 0 {
            journal.file.write_all_at(BEGIN, 0)?;
            journal.length = BEGIN.len() as u64;
        }
        Ok(journal)
    }

    /// Takes note of a record: none when it is not what it should be.
    fn note(&mut self, record: &[u8], see: &mut dyn FnMut(&Block<'_>, &[Name])) -> Option<()> {
        let bytes = &mut Bytes(record);
        match bytes.byte()? {
            STREAM => self.add_stream(key(bytes)?),
            SERIES => self.add_name(Name { metric: bytes.short()?, label: bytes.text()?.into() }),
            MEMBER => {
                let stream = bytes.number()? as usize;
                let member = member(bytes)?;
                self.chains.get_mut(stream)?.add(member);
            }
            SAMPLES => {
                let (stream, _) = (bytes.number()?, place(bytes)?);
                let chain = self.chains.get(usize::try_from(stream).ok()?)?;
                let (names, members, key) = (&self.names, &chain.members, chain.key);
                let mut labelled: Vec<u32> = Vec::new();
                let whole = block(bytes, |_| true, &mut |at, number, values| {
                    let own = |name: &u32| names.get(*name as usize).is_some_and(Name::is_labelled) && !chain.labelled.contains(name);
                    labelled.extend(values.iter().map(|(name, _)| *name).filter(own));
                    if let Some(member) = of(members, number) {
                        see(&Block { at, key, member, values }, names);
                    }
                });
                whole?;
                let chain = self.chains.get_mut(stream as usize)?;
                chain.labelled.extend(labelled);
                chain.head = Place { at: self.length, length: record.len() as u32 };
            }
            FORGET => {
                let gone = forgotten(bytes)?;
                self.drop_chains(&gone);
            }
            _ => {}
        }
        Some(())
    }

    fn add_stream(&mut self, key: Key) {
        self.keys.insert(key, self.chains.len() as u32);
        let (members, numbers, labelled) = (Arc::default(), HashMap::new(), HashSet::new());
        self.chains.push(Chain { key, head: Place::default(), members, numbers, labelled });
    }

    fn add_name(&mut self, name: Name) {
        self.numbers.insert(name.clone(), self.names.len() as u32);
        Arc::make_mut(&mut self.names).push(name);
    }

    fn drop_chains(&mut self, gone: &Forgotten) {
        self.chains.iter_mut().filter(|chain| gone.takes(&chain.key)).for_each(|chain| chain.head = Place::default());
    }

    /// The stream's number, made when missing, with its record.
    pub(crate) fn stream(&mut self, key: Key, out: &mut Records) -> u32 {
        if let Some(number) = self.keys.get(&key) {
            return *number;
        }
        out.record(|out| {
            out.push(STREAM);
            put_key(out, &key);
        });
        self.add_stream(key);
        self.chains.len() as u32 - 1
    }

    /// The number of a task of the stream, from 1, made when missing, with its record. 0 is no task.
    pub(crate) fn member(&mut self, stream: u32, member: Option<Member>, out: &mut Records) -> u32 {
        let Some(member) = member else { return 0 };
        let chain = &mut self.chains[stream as usize];
        if let Some(number) = chain.numbers.get(&member) {
            return number + 1;
        }
        out.record(|out| {
            out.push(MEMBER);
            put(out, u64::from(stream));
            put_member(out, &member);
        });
        chain.add(member);
        chain.members.len() as u32
    }

    /// The series' number if it has one.
    pub(crate) fn number(&self, name: &Name) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The number of a series of the stream, made when missing, with its record; none when there are so many already.
    pub(crate) fn name(&mut self, stream: u32, name: Name, most: Most, out: &mut Records) -> Option<u32> {
        let (labelled, known) = (name.is_labelled(), self.number(&name));
        let own = &self.chains[stream as usize].labelled;
        if labelled && own.len() >= most.of_one && known.is_none_or(|number| !own.contains(&number)) {
            return None;
        }
        let number = match known {
            Some(number) => number,
            None if labelled && self.names.len() >= most.all => return None,
            None => {
                out.record(|out| {
                    out.push(SERIES);
                    put(out, u64::from(name.metric));
                    put_text(out, &name.label);
                });
                self.add_name(name);
                self.names.len() as u32 - 1
            }
        };
        if labelled {
            self.chains[stream as usize].labelled.insert(number);
        }
        Some(number)
    }

    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    /// What the stream with this number is of.
    pub(crate) fn key(&self, stream: u32) -> Key {
        self.chains[stream as usize].key
    }

    /// The task with this number in the stream.
    pub(crate) fn task(&self, stream: u32, number: u32) -> Option<Member> {
        of(&self.chains[stream as usize].members, number).flatten()
    }

    /// Where the stream's newest block is.
    pub(crate) fn head(&self, stream: u32) -> Place {
        self.chains[stream as usize].head
    }

    /// Writes these records. When that fails it is as if there had been none; the journal must then be opened again, since numbers may have been given out.
    pub(crate) fn write(&mut self, records: &Records) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(&records.bytes, self.length) {
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        for (stream, at, length) in &records.blocks {
            self.chains[*stream as usize].head = Place { at: self.length + *at as u64, length: *length };
        }
        self.length += records.bytes.len() as u64;
        Ok(())
    }

    /// Lets what was written of these streams count no more.
    pub(crate) fn forget(&mut self, gone: &Forgotten) -> io::Result<()> {
        if !self.chains.iter().any(|chain| gone.takes(&chain.key)) {
            return Ok(());
        }
        let mut records = Records::default();
        records.record(|out| {
            out.push(FORGET);
            put_forgotten(out, gone);
        });
        self.write(&records)?;
        self.drop_chains(gone);
        Ok(())
    }

    /// The streams of which there is something.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.chains.iter().filter(|chain| chain.head != Place::default()).map(|chain| chain.key).collect()
    }

    /// What is needed to read this stream, if there is something of it.
    pub(crate) fn chained(&self, key: &Key) -> Option<Chained> {
        let chain = &self.chains[*self.keys.get(key)? as usize];
        let there = chain.head != Place::default();
        there.then(|| Chained { file: Arc::clone(&self.file), head: chain.head, members: Arc::clone(&chain.members), names: Arc::clone(&self.names) })
    }

    /// The file, to see to it that it is on the disk.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Chain {
    fn add(&mut self, member: Member) {
        self.numbers.insert(member, self.members.len() as u32);
        Arc::make_mut(&mut self.members).push(member);
    }
}

impl Chained {
    /// The names of the journal's series, of all streams.
    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    /// The task with this number.
    pub(crate) fn member(&self, number: u32) -> Option<Member> {
        of(&self.members, number).flatten()
    }

    /// Shows each task's samples from the newest back, as the task's number, the time and its numbers by the wanted ones of their series. Shows
    /// none before `since`.
    pub(crate) fn back(&self, since: i64, wanted: impl Fn(u32) -> bool, see: &mut Back<'_>) -> io::Result<()> {
        let mut limits: Vec<i64> = vec![i64::MAX; self.members.len() + 1];
        let (mut here, mut bytes) = (self.head, Vec::new());
        while here != Place::default() {
            bytes.resize(HEAD + here.length as usize, 0);
            self.file.read_exact_at(&mut bytes, here.at)?;
            let mut on = true;
            let before = record(&bytes, 0).filter(|record| record.len() == here.length as usize).and_then(|record| {
                let contents = &mut Bytes(record.get(1..)?);
                contents.number()?;
                let before = place(contents)?;
                block(contents, &wanted, &mut |at, number, values| {
                    on = at >= since.saturating_sub(LATE);
                    let limit = limits.get_mut(number as usize).filter(|limit| at < **limit);
                    if let Some(limit) = limit.filter(|_| at >= since) {
                        *limit = at;
                        see(number, at, values);
                    }
                })?;
                Some(before)
            });
            let before = before.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a journal of samples is damaged"))?;
            if before.at >= here.at {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a journal of samples leads in a circle"));
            }
            here = if on { before } else { Place::default() };
        }
        Ok(())
    }
}
