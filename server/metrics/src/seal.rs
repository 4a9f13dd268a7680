//! Making files of journals whose hour is over. A file is made of all that its hour's journal holds, under the name of its hour: to make it once more,
//! after a crash or because something was added late, puts the same in the same place, so nothing is ever counted twice.
//!
//! Journals stay for an hour after that. By then the system has written the files by itself, so to wait for them being on the disk costs nothing,
//! and what is shown of the last hour is read from journals alone after a restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;

use crate::journal::Chained;
use crate::pack::{Packer, Unpacker};
use crate::raw::{self, Id, Raw, Source};
use crate::rollup::{FIVE, HOUR, Reading, Row, merge, roll};
use crate::segment::{Name, Segment, Writer};
use crate::store::lock;
use crate::{Key, Member, Metric, Resolution, Store, files};

/// After this time an hour is over: what was sampled in it has come.
const GRACE: i64 = 60_000;
/// Samples of one stream that are held in memory at once.
const BUDGET: usize = 200_000;

impl Store {
    /// Sees to it that what was added is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let behind: Vec<_> = {
            let state = self.state();
            let behind = state.journals.iter().filter(|(_, hour)| hour.synced < hour.journal.length);
            behind.map(|(number, hour)| (*number, hour.journal.length, hour.journal.file())).collect()
        };
        for (number, length, file) in behind {
            file.sync_data()?;
            if let Some(hour) = self.state().journals.get_mut(&number) {
                hour.synced = length;
            }
        }
        Ok(())
    }

    /// Makes files of the hours that are over, and deletes journals that are no longer needed.
    pub(crate) fn seal(&self, now: i64) -> io::Result<()> {
        let over: Vec<(i64, u64, bool)> = {
            let state = self.state();
            let over = state.journals.iter().filter(|(number, _)| now >= (*number + 1) * HOUR + GRACE);
            over.map(|(number, hour)| (*number, hour.journal.length, hour.sealed == Some(hour.journal.length))).collect()
        };
        let mut done = Ok(());
        for (number, length, sealed) in over {
            let made = if sealed { Ok(()) } else { self.seal_hour(number) };
            if let (Ok(()), Some(hour)) = (&made, self.state().journals.get_mut(&number)) {
                hour.sealed = Some(length);
            }
            let dropped = if made.is_ok() && now >= (number + 2) * HOUR + GRACE { self.drop_journal(number) } else { Ok(()) };
            done = done.and(made).and(dropped);
        }
        done
    }

    fn seal_hour(&self, number: i64) -> io::Result<()> {
        let keys = self.state().journals.get(&number).map(|hour| hour.journal.keys()).unwrap_or_default();
        let (mut packer, mut unpacker) = (Packer::new(self.0.options.level)?, Unpacker::new()?);
        for key in keys {
            // One stream at a time: whoever deletes one waits for no more than that.
            let _turn = lock(&self.0.working);
            let mut chains = self.chains(&key);
            let Some(chained) = chains.fresh.remove(&number) else { continue };
            let folder = files::stream(&self.0.folder, &key);
            files::make(&folder)?;
            let source = match chains.fresh.remove(&(number - 1)).or_else(|| chains.sealed.remove(&(number - 1))) {
                Some(before) => Source::Journal(before),
                None => Source::File(files::file(&folder, Resolution::Raw, number - 1)),
            };
            let before = before(&source, &mut unpacker, &|_| true, number * HOUR - self.0.options.gap_ms)?;
            let mut writer = Writer::new(&mut packer, number * HOUR);
            self.fill(&mut writer, key, &chained, &before)?;
            writer.finish(&files::file(&folder, Resolution::Raw, number), false)?;
        }
        Ok(())
    }

    fn fill(&self, writer: &mut Writer<'_>, key: Key, chained: &Chained, before: &Raw) -> io::Result<()> {
        let shape = Shape::of(chained)?;
        let cadence = self.0.options.cadence();
        let mut members: Vec<Option<Member>> = shape.axes.keys().copied().collect();
        let service = matches!(key, Key::Service { .. });
        if service {
            members.push(None);
        }
        let numbers: HashMap<Option<Member>, usize> = members.iter().enumerate().map(|(number, member)| (*member, number)).collect();
        let none: &[i64] = &[];
        writer.members(members.clone());
        writer.axes(members.iter().map(|member| shape.axes.get(member).map_or(none, Vec::as_slice)))?;
        if service {
            let counted = Raw { axes: shape.axes.clone(), ..Raw::default() };
            let rows = counted.tasks(&before.last_times(), cadence);
            rolled(writer, &Name { metric: Metric::Tasks.number(), label: "".into() }, vec![(numbers[&None], rows)])?;
        }
        let last = before.last();
        for names in shape.groups() {
            let source = Source::Journal(chained.clone());
            let raw = raw::read(&source, &mut Unpacker::new()?, &|name| names.contains(name), i64::MIN)?;
            let mut of_name: BTreeMap<&Name, Vec<(&Id, &Vec<Reading>)>> = BTreeMap::new();
            for (id, readings) in &raw.columns {
                of_name.entry(&id.0).or_default().push((id, readings));
            }
            for (name, columns) in of_name {
                let Some(metric) = Metric::numbered(name.metric) else { continue };
                let samples: Vec<(usize, &[i64], &[Reading])> = columns
                    .iter()
                    .map(|(id, readings)| (numbers[&id.1], shape.axes.get(&id.1).map_or(none, Vec::as_slice), readings.as_slice()))
                    .collect();
                writer.readings(name.clone(), &samples)?;
                let rows =
                    columns.iter().map(|(id, readings)| (numbers[&id.1], roll(metric.kind(), cadence, last.get(*id).copied(), readings, FIVE)));
                rolled(writer, name, rows.collect())?;
            }
        }
        Ok(())
    }

    /// Deletes a journal of which files were made, when these are on the disk.
    fn drop_journal(&self, number: i64) -> io::Result<()> {
        let _turn = lock(&self.0.working);
        let keys = self.state().journals.get(&number).map(|hour| hour.journal.keys()).unwrap_or_default();
        for key in keys {
            let path = files::file(&files::stream(&self.0.folder, &key), Resolution::Raw, number);
            if let Err(error) = Segment::sync(&path) {
                // Somebody deleted it: it is made again.
                self.state().journals.entry(number).and_modify(|hour| hour.sealed = None);
                return Err(error);
            }
        }
        let mut state = self.state();
        // What was added meanwhile has no file yet.
        let Some(hour) = state.journals.get(&number).filter(|hour| hour.sealed == Some(hour.journal.length)) else { return Ok(()) };
        fs::remove_file(hour.journal.path())?;
        state.journals.remove(&number);
        Ok(())
    }
}

/// The last samples before an hour; nothing where there are none.
pub(crate) fn before(source: &Source, unpacker: &mut Unpacker, wanted: &dyn Fn(&Name) -> bool, since: i64) -> io::Result<Raw> {
    match raw::read(source, unpacker, wanted, since) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Raw::default()),
        read => read,
    }
}

fn rolled(writer: &mut Writer<'_>, name: &Name, rows: Vec<(usize, Vec<Row>)>) -> io::Result<()> {
    writer.rows(Resolution::FiveMinutes, name.clone(), &rows)?;
    let hours: Vec<(usize, Vec<Row>)> = rows.iter().map(|(number, rows)| (*number, merge(rows, HOUR))).collect();
    writer.rows(Resolution::Hour, name.clone(), &hours)
}

/// Of what size a stream's hour is, and what is in it.
struct Shape {
    axes: BTreeMap<Option<Member>, Vec<i64>>,
    names: BTreeSet<Name>,
}

impl Shape {
    fn of(chained: &Chained) -> io::Result<Self> {
        let mut axes: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let walked = chained.back(i64::MIN, |_| true, &mut |member, at, values| {
            axes.entry(member).or_default().push(at);
            names.extend(values.iter().map(|(name, _)| *name));
        });
        raw::damaged(walked)?;
        let axes = axes.into_iter().map(|(member, mut axis)| {
            axis.reverse();
            (chained.member(member), axis)
        });
        let names = names.into_iter().filter_map(|name| chained.names().get(name as usize).cloned());
        Ok(Self { axes: axes.collect(), names: names.collect() })
    }

    /// The names in groups of which the samples are held in memory together.
    fn groups(&self) -> Vec<BTreeSet<&Name>> {
        let samples: usize = self.axes.values().map(Vec::len).sum();
        let names: Vec<&Name> = self.names.iter().collect();
        names.chunks((BUDGET / samples.max(1)).max(1)).map(|names| names.iter().copied().collect()).collect()
    }
}
