//! All kept samples, in one folder: `journals/` with the last hours' of all streams together, `services/<project>/<service>/<environment>/` and
//! `machines/<machine>/` with what was made of them.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::{fs, mem};

use model::ids::{MachineId, ProjectId, ServiceId};

use crate::files;
use crate::journal::{Block, Chained, Journal, Most};
use crate::live::Live;
use crate::query::Reader;
use crate::record::{Forgotten, Records};
use crate::rollup::Cadence;
use crate::segment::Name;
use crate::{Added, Answer, Key, Latest, Metric, Overview, Removed, Sample, Select, Value, query};

/// No time is later: the year 2200.
pub(crate) const FAR: i64 = 7_258_118_400_000;

/// How the store keeps its files.
#[derive(Clone, Debug)]
pub struct Options {
    /// Milliseconds from one sample of a task to the next, as a rule.
    pub step_ms: i64,
    /// Milliseconds between two samples of a series beyond which nothing is said of the time between.
    pub gap_ms: i64,
    /// Hours for which samples are kept as they are; up to six more.
    pub raw_hours: i64,
    /// Days for which roll-ups over five minutes are kept; up to a week more.
    pub five_minutes_days: i64,
    /// Days for which roll-ups over an hour are kept; up to thirty more.
    pub hour_days: i64,
    /// Bytes of all files together. Beyond, past weeks of five minutes go first, then past months of hours, then samples, then the rest, the
    /// oldest of each first. Journals stay.
    pub most_bytes: u64,
    /// Most series (metrics with their labels, however many tasks have them) in an hour. Those without a label are kept in any case: there are no more
    /// of them than metrics.
    pub most_series: usize,
    /// Most series with a label that one stream has in an hour, so that one application leaves room for all others.
    pub most_series_of_one: usize,
    /// How hard zstd tries, 1 to 19.
    pub level: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            step_ms: 10_000,
            gap_ms: 45_000,
            raw_hours: 24,
            five_minutes_days: 90,
            hour_days: 730,
            most_bytes: 4 << 30,
            most_series: 20_000,
            most_series_of_one: 500,
            level: 3,
        }
    }
}

/// All kept samples. Cheap to clone; one for each folder in a process.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) options: Options,
    state: Mutex<State>,
    /// Held while files of a stream are made or deleted. Taken before `state`.
    pub(crate) working: Mutex<Work>,
}

/// Held for moments, and while samples are added.
pub(crate) struct State {
    pub(crate) journals: BTreeMap<i64, Hour>,
    pub(crate) live: Live,
}

/// A journal.
pub(crate) struct Hour {
    pub(crate) journal: Journal,
    /// How long it was when files were made of all of it.
    pub(crate) sealed: Option<u64>,
    /// How much of it is known to be on the disk.
    pub(crate) synced: u64,
}

/// What the work on files remembers from one turn to the next.
#[derive(Default)]
pub(crate) struct Work {
    /// The hour in which streams' folders were last gone through.
    pub(crate) swept: Option<i64>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it guards is changed in one step each, so it is whole also after a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the store in this folder, which is made when missing. What a crash left is put right: at most what was being written is missing.
    ///
    /// # Errors
    /// When files cannot be made or read.
    pub fn open(folder: impl Into<PathBuf>, options: Options) -> io::Result<Self> {
        let folder = folder.into();
        files::make(&files::journals(&folder))?;
        let mut live = Live::new(options.cadence());
        let mut journals = BTreeMap::new();
        for hour in files::journal_hours(&folder)? {
            let journal = Journal::open(&files::journal(&folder, hour), &mut |block, names| live.take(block, names))?;
            journals.insert(hour, Hour { journal, sealed: None, synced: 0 });
        }
        let keys: HashSet<Key> = journals.values().flat_map(|hour| hour.journal.keys()).collect();
        live.keep(&keys);
        let state = Mutex::new(State { journals, live });
        Ok(Self(Arc::new(Shared { folder, options, state, working: Mutex::default() })))
    }

    /// Adds what was sampled at one time, in milliseconds since 1970, of any number of tasks and machines: the time at which it was read, by the clock of
    /// this machine, less than a minute ago. When this returns, it survives the death of the process; what a loss of power can take is what came since the
    /// last [`Self::tidy`].
    ///
    /// Of one task or machine, samples come in the order of time. One that is no later than another one before says that the clock was set back: it
    /// takes the place of what was kept from its time on, within its hour, and as time goes on within the hours after it. An hour that ended more
    /// than an hour ago is begun anew then.
    ///
    /// # Errors
    /// When the time is before 1970 or after 2200, or the samples cannot be written (disk full). None of them is kept then.
    pub fn append(&self, at_ms: i64, samples: &[Sample]) -> io::Result<Added> {
        if !(0..FAR).contains(&at_ms) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "samples are of a time between 1970 and 2200"));
        }
        let mut order: Vec<&Sample> = samples.iter().collect();
        order.sort_by_key(|sample| sample.key);
        let hour = files::hour_of(at_ms);
        let path = files::journal(&self.0.folder, hour);
        let mut state = self.state();
        let State { journals, live } = &mut *state;
        let entry = match journals.entry(hour) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let journal = Journal::open(&path, &mut |_, _| ())?;
                entry.insert(Hour { journal, sealed: None, synced: 0 })
            }
        };
        let journal = &mut entry.journal;
        let mut tick = Tick { at: at_ms, added: Added::default(), definitions: Records::default(), blocks: Vec::new() };
        for stream in order.chunk_by(|one, other| one.key == other.key) {
            tick.stream(journal, stream, self.0.options.most());
        }
        if let Err(error) = write(journal, &tick) {
            // It may have given out numbers that nobody will find in the file.
            match Journal::open(&path, &mut |_, _| ()) {
                Ok(again) => *journal = again,
                Err(_) => mem::drop(journals.remove(&hour)),
            }
            return Err(error);
        }
        for (stream, members) in &tick.blocks {
            let key = journal.key(*stream);
            for (number, values) in members {
                let member = journal.task(*stream, *number);
                live.take(&Block { at: at_ms, key, member, values }, journal.names());
            }
        }
        Ok(tick.added)
    }

    /// The series that are asked for, at the resolution that fits the time and the number of points. Never reads another stream's samples.
    ///
    /// # Errors
    /// When files cannot be read for want of rights or handles. Damaged ones are no error, but gaps.
    pub fn query(&self, key: Key, select: &Select<'_>) -> io::Result<Answer> {
        query::read(self, key, select, Reader::answer)
    }

    /// The last numbers of each task and machine that was sampled since this time (in milliseconds since 1970), within ten minutes before the last
    /// [`Self::tidy`]. From memory.
    #[must_use]
    pub fn latest(&self, since_ms: i64) -> Vec<Latest> {
        self.state().live.latest(since_ms)
    }

    /// The minutes of every stream since this time (in milliseconds since 1970), of the last hour at most. From memory.
    #[must_use]
    pub fn overview(&self, since_ms: i64) -> Vec<Overview> {
        self.state().live.overview(since_ms)
    }

    /// Deletes what is kept of a project.
    ///
    /// # Errors
    /// When files cannot be written or deleted.
    pub fn remove_project(&self, project: ProjectId) -> io::Result<()> {
        self.remove(&Forgotten::Project(project), &self.0.folder.join("services").join(project.to_string()))
    }

    /// Deletes what is kept of a service, everywhere.
    ///
    /// # Errors
    /// When files cannot be written or deleted.
    pub fn remove_service(&self, project: ProjectId, service: ServiceId) -> io::Result<()> {
        let folder = self.0.folder.join("services").join(project.to_string()).join(service.to_string());
        self.remove(&Forgotten::Service(project, service), &folder)
    }

    /// Deletes what is kept of a machine.
    ///
    /// # Errors
    /// When files cannot be written or deleted.
    pub fn remove_machine(&self, machine: MachineId) -> io::Result<()> {
        let key = Key::Machine(machine);
        self.remove(&Forgotten::Stream(key), &files::stream(&self.0.folder, &key))
    }

    fn remove(&self, gone: &Forgotten, folder: &Path) -> io::Result<()> {
        let _turn = lock(&self.0.working);
        let mut state = self.state();
        for hour in state.journals.values_mut() {
            let whole = hour.sealed == Some(hour.journal.length);
            hour.journal.forget(gone)?;
            // Nothing is to be made of it that was not made before.
            hour.sealed = hour.sealed.filter(|_| whole).map(|_| hour.journal.length);
        }
        state.live.forget(gone);
        drop(state);
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What is to be done now and then (every minute or so), with the time in milliseconds since 1970: sees to it that what was added is on the disk,
    /// makes files of hours that are over, rolls up what need not be kept as it was sampled, and deletes what was kept long enough. Takes some seconds
    /// of work each hour, in which samples are added and read as ever.
    ///
    /// # Errors
    /// When files cannot be written, read or deleted. Nothing is lost then, and what could be done is done.
    pub fn tidy(&self, now_ms: i64) -> io::Result<Removed> {
        let synced = self.sync();
        let sealed = self.seal(now_ms);
        let swept = self.sweep(now_ms);
        self.state().live.tidy(now_ms);
        synced.and(sealed).and(swept)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// What is needed to read a stream's journals as they are now.
    pub(crate) fn chains(&self, key: &Key) -> Chains {
        let mut chains = Chains::default();
        for (hour, held) in &self.state().journals {
            let Some(chained) = held.journal.chained(key) else { continue };
            let of = if held.sealed == Some(held.journal.length) { &mut chains.sealed } else { &mut chains.fresh };
            of.insert(*hour, chained);
        }
        chains
    }
}

/// A stream's journals.
#[derive(Default)]
pub(crate) struct Chains {
    /// What is read from them.
    pub(crate) fresh: BTreeMap<i64, Chained>,
    /// Those of which files were made, which are read faster as a whole.
    pub(crate) sealed: BTreeMap<i64, Chained>,
}

impl Options {
    pub(crate) const fn cadence(&self) -> Cadence {
        Cadence { step: self.step_ms, gap: self.gap_ms }
    }

    const fn most(&self) -> Most {
        Most { all: self.most_series, of_one: self.most_series_of_one }
    }
}

/// A task's number in its stream, and its numbers by their series.
type Numbers = (u32, Vec<(u32, f64)>);

/// What is added at once.
struct Tick {
    at: i64,
    added: Added,
    definitions: Records,
    blocks: Vec<(u32, Vec<Numbers>)>,
}

impl Tick {
    fn stream(&mut self, journal: &mut Journal, samples: &[&Sample], most: Most) {
        let Some(key) = samples.first().map(|sample| sample.key) else { return };
        let refused = self.added.refused;
        let mut members: Vec<Numbers> = Vec::new();
        let mut stream = None;
        for sample in samples {
            if matches!(key, Key::Service { .. }) != sample.member.is_some() {
                self.added.refused += sample.values.len() as u64;
                continue;
            }
            let stream = *stream.get_or_insert_with(|| journal.stream(key, &mut self.definitions));
            let number = journal.member(stream, sample.member, &mut self.definitions);
            if members.iter().any(|(known, _)| *known == number) {
                self.added.refused += sample.values.len() as u64;
                continue;
            }
            let numbers: Vec<(u32, f64)> = sample
                .values
                .iter()
                .take(Sample::VALUES)
                .filter(|value| value.value.is_finite() && value.label.len() <= Value::LABEL && value.metric != Metric::Tasks)
                .filter_map(|value| Some((journal.name(stream, name(value), most, &mut self.definitions)?, value.value)))
                .collect();
            self.added.kept += numbers.len() as u64;
            self.added.refused += (sample.values.len() - numbers.len()) as u64;
            members.push((number, numbers));
        }
        if self.added.refused > refused {
            self.added.of.push((key, self.added.refused - refused));
        }
        self.blocks.extend(stream.filter(|_| !members.is_empty()).map(|stream| (stream, members)));
    }
}

fn name(value: &Value) -> Name {
    static EMPTY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));
    let label = if value.label.is_empty() { Arc::clone(&EMPTY) } else { Arc::from(value.label.as_ref()) };
    Name { metric: value.metric.number(), label }
}

fn write(journal: &mut Journal, tick: &Tick) -> io::Result<()> {
    if !tick.definitions.is_empty() {
        journal.write(&tick.definitions)?;
    }
    let mut records = Records::default();
    for (stream, members) in &tick.blocks {
        records.block(*stream, journal.head(*stream), tick.at, members);
    }
    if records.is_empty() { Ok(()) } else { journal.write(&records) }
}
