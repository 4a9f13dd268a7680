//! Samples of one hour of one stream, wherever they are: in the hour's journal, or in its file.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;

use crate::Member;
use crate::journal::Chained;
use crate::pack::Unpacker;
use crate::rollup::Reading;
use crate::segment::{Name, Segment};

/// Where an hour's samples are.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Journal(Chained),
    File(PathBuf),
}

/// A series with its task.
pub(crate) type Id = (Name, Option<Member>);

/// Samples in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// The times at which each task was sampled.
    pub(crate) axes: BTreeMap<Option<Member>, Vec<i64>>,
    pub(crate) columns: BTreeMap<Id, Vec<Reading>>,
    /// Whether a part cannot be read.
    pub(crate) damaged: bool,
}

/// Reads the wanted series, from this time on.
pub(crate) fn read(source: &Source, unpacker: &mut Unpacker, wanted: &dyn Fn(&Name) -> bool, since: i64) -> io::Result<Raw> {
    match source {
        Source::Journal(chained) => from_journal(chained, wanted, since),
        Source::File(path) => {
            let damaged = || Raw { damaged: true, ..Raw::default() };
            let Some(segment) = Segment::open(path, unpacker)? else { return Ok(damaged()) };
            let Some(axes) = segment.axes(unpacker) else { return Ok(damaged()) };
            let (columns, damaged) = segment.readings(unpacker, &axes, wanted);
            let mut raw = Raw { damaged, ..Raw::default() };
            for (member, axis) in segment.members().iter().zip(axes).filter(|(_, axis)| !axis.is_empty()) {
                raw.axes.insert(*member, from(axis, since, |at| *at));
            }
            for column in columns {
                raw.columns.insert((column.name, column.member), from(column.entries, since, |reading| reading.at));
            }
            Ok(raw)
        }
    }
}

/// Those from this time on; they come in the order of time.
fn from<T>(mut all: Vec<T>, since: i64, at: impl Fn(&T) -> i64) -> Vec<T> {
    let past = all.partition_point(|one| at(one) < since);
    all.drain(..past);
    all
}

/// What was found of one task in a journal, from the newest sample back.
#[derive(Default)]
struct Found {
    axis: Vec<i64>,
    /// By the numbers of their series, which come in the same order each time.
    columns: Vec<(u32, Vec<Reading>)>,
}

impl Found {
    fn add(&mut self, at: i64, values: &[(u32, f64)]) {
        self.axis.push(at);
        let mut next = 0;
        for (name, value) in values {
            let known = Some(next).filter(|next| self.columns.get(*next).is_some_and(|(known, _)| known == name));
            let place = known.or_else(|| self.columns.iter().position(|(known, _)| known == name)).unwrap_or_else(|| {
                self.columns.push((*name, Vec::new()));
                self.columns.len() - 1
            });
            self.columns[place].1.push(Reading { at, value: *value });
            next = place + 1;
        }
    }
}

fn from_journal(chained: &Chained, wanted: &dyn Fn(&Name) -> bool, since: i64) -> io::Result<Raw> {
    let wanted: Vec<bool> = chained.names().iter().map(wanted).collect();
    let mut found: Vec<Found> = Vec::new();
    let walked = chained.back(since, |name| wanted.get(name as usize) == Some(&true), &mut |member, at, values| {
        let member = member as usize;
        if found.len() <= member {
            found.resize_with(member + 1, Found::default);
        }
        found[member].add(at, values);
    });
    let mut raw = Raw { damaged: damaged(walked)?, ..Raw::default() };
    for (number, Found { mut axis, columns }) in found.into_iter().enumerate().filter(|(_, found)| !found.axis.is_empty()) {
        let member = chained.member(number as u32);
        axis.reverse();
        raw.axes.insert(member, axis);
        for (name, mut readings) in columns {
            readings.reverse();
            raw.columns.insert((chained.names()[name as usize].clone(), member), readings);
        }
    }
    Ok(raw)
}

/// Whether a damaged place ended the walk through a journal: what was read until then counts.
pub(crate) fn damaged(walked: io::Result<()>) -> io::Result<bool> {
    match walked {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            tracing::error!(%error, "samples in a journal cannot be read");
            Ok(true)
        }
        walked => walked.map(|()| false),
    }
}

impl Raw {
    /// The last sample of each series.
    pub(crate) fn last(&self) -> HashMap<Id, Reading> {
        self.columns.iter().filter_map(|(id, readings)| Some((id.clone(), *readings.last()?))).collect()
    }

    /// When each task was last sampled.
    pub(crate) fn last_times(&self) -> HashMap<Option<Member>, i64> {
        self.axes.iter().filter_map(|(member, axis)| Some((*member, *axis.last()?))).collect()
    }
}
