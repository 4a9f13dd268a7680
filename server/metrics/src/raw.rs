//! Samples of one hour of one stream, wherever they are: in the hour's journal, or in its file.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;

use crate::Member;
use crate::journal::Chained;
use crate::rollup::Reading;
use crate::segment::{Name, Segment, Unpacker};

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
            let Some(segment) = Segment::open(path, unpacker)? else { return Ok(Raw { damaged: true, ..Raw::default() }) };
            let mut raw = Raw::default();
            let (columns, damaged) = segment.readings(unpacker, wanted);
            let axes = segment.axes(unpacker);
            raw.damaged = damaged || axes.is_none();
            for (member, axis) in segment.members().iter().zip(axes.unwrap_or_default()).filter(|(_, axis)| !axis.is_empty()) {
                raw.axes.insert(*member, axis.into_iter().filter(|at| *at >= since).collect());
            }
            for column in columns {
                let readings = column.entries.into_iter().filter(|reading| reading.at >= since).collect();
                raw.columns.insert((column.name, column.member), readings);
            }
            Ok(raw)
        }
    }
}

fn from_journal(chained: &Chained, wanted: &dyn Fn(&Name) -> bool, since: i64) -> io::Result<Raw> {
    let wanted: Vec<bool> = chained.names().iter().map(wanted).collect();
    let mut axes: HashMap<u32, Vec<i64>> = HashMap::new();
    let mut columns: HashMap<(u32, u32), Vec<Reading>> = HashMap::new();
    let walked = chained.back(since, &mut |member, at, values| {
        axes.entry(member).or_default().push(at);
        for (name, value) in values.iter().filter(|(name, _)| wanted.get(*name as usize) == Some(&true)) {
            columns.entry((member, *name)).or_default().push(Reading { at, value: *value });
        }
    });
    let mut raw = Raw { damaged: damaged(walked)?, ..Raw::default() };
    for (member, mut axis) in axes {
        axis.reverse();
        raw.axes.insert(chained.member(member), axis);
    }
    for ((member, name), mut readings) in columns {
        readings.reverse();
        raw.columns.insert((chained.names()[name as usize].clone(), chained.member(member)), readings);
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
