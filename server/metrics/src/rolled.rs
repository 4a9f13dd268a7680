//! Figures from roll-ups: those of weeks and months, of hours that have files of their own, and of hours that have none yet from their samples.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::beside;
use crate::files::{self, hour_of, hours, period_of};
use crate::journal::Chained;
use crate::pack::Unpacker;
use crate::query::{Reader, tasks_id};
use crate::raw::{self, Id, Raw, Source};
use crate::rollup::{FIVE, HOUR, Row, Sum, merge, roll};
use crate::seal::before;
use crate::segment::{Column, Name, Segment, width};
use crate::together::PartTogether;
use crate::{Metric, Resolution};

/// Where roll-ups are.
enum Part {
    /// In a file, but for those of some hours, which have files of their own.
    File(PathBuf, Vec<i64>),
    /// In the samples of an hour.
    Journal(i64, Chained),
}

/// What is read at once.
enum Piece {
    /// A block of a file, but for the roll-ups of some hours.
    Block(Arc<Segment>, usize, Arc<[i64]>),
    /// The samples of an hour.
    Journal(i64, Chained),
    /// A file that cannot be read.
    Damaged,
}

/// Whether a roll-up of this time counts that comes from a file but for these hours.
fn counts(at: i64, replaced: &[i64]) -> bool {
    replaced.first().is_none_or(|first| at < first * HOUR) || replaced.binary_search(&hour_of(at)).is_err()
}

impl Reader<'_> {
    /// Where the roll-ups of the time are that is asked for: each hour in one place.
    fn parts(&self, resolution: Resolution) -> Vec<Part> {
        if self.select.to_ms <= self.select.from_ms {
            return Vec::new();
        }
        let (first, last) = (hour_of(self.select.from_ms), hour_of(self.select.to_ms - 1));
        let own: BTreeSet<i64> = self.chains.keys().chain(&self.listing.raw).copied().filter(|hour| (first..=last).contains(hour)).collect();
        let mut parts = Vec::new();
        for period in self.listing.files(resolution).range(period_of(first, resolution)..=period_of(last, resolution)) {
            let of_period = (period * hours(resolution)).max(first)..((period + 1) * hours(resolution)).min(last + 1);
            let replaced: Vec<i64> = own.range(of_period.clone()).copied().collect();
            // Where each hour has a file of its own there is nothing to be read.
            if replaced.len() as i64 != of_period.end - of_period.start {
                parts.push(Part::File(files::file(&self.folder, resolution, *period), replaced));
            }
        }
        parts.extend(own.into_iter().map(|hour| match self.chains.get(&hour) {
            Some(chained) => Part::Journal(hour, chained.clone()),
            None => Part::File(files::file(&self.folder, Resolution::Raw, hour), Vec::new()),
        }));
        parts
    }

    /// What all tasks come to together, from one file or journal after the other.
    pub(crate) fn parts_together(&mut self, resolution: Resolution) -> io::Result<Vec<PartTogether>> {
        let reader = &*self;
        let read = |unpacker: &mut Unpacker, part: Part| match part {
            Part::Journal(hour, chained) => {
                let (columns, damaged) = reader.fresh(unpacker, hour, chained, resolution)?;
                Ok((PartTogether::of(columns), damaged))
            }
            Part::File(path, replaced) => reader.file_together(unpacker, &path, &replaced, resolution),
        };
        let (parts, damaged): (Vec<_>, Vec<bool>) = beside::each(self.parts(resolution), Unpacker::new, read)?.into_iter().unzip();
        self.damaged |= damaged.contains(&true);
        Ok(parts)
    }

    /// What all tasks come to together, from one file, and whether it is damaged.
    fn file_together(&self, unpacker: &mut Unpacker, path: &Path, replaced: &[i64], resolution: Resolution) -> io::Result<(PartTogether, bool)> {
        let Some(segment) = Segment::open(path, unpacker)? else { return Ok((PartTogether::of(Vec::new()), true)) };
        let (wanted, within) = (self.wanted(), self.within(resolution));
        let mut series = segment.together(unpacker, resolution, &wanted, &within);
        let others = |name: &Name| wanted(name) && !series.iter().any(|(known, _)| known == name);
        let (mut columns, damaged) = segment.rows(unpacker, resolution, &others, &within);
        columns.iter_mut().for_each(|column| column.entries.retain(|row| counts(row.at, replaced)));
        series.iter_mut().for_each(|(_, all)| all.retain(|together| counts(together.at, replaced)));
        let mut part = PartTogether::of(columns);
        part.series.append(&mut series);
        Ok((part, damaged))
    }

    /// The roll-ups by series, over times of this length.
    pub(crate) fn rolled(&mut self, resolution: Resolution, step: i64) -> io::Result<BTreeMap<Id, Vec<Sum>>> {
        let reader = &*self;
        let open = |unpacker: &mut Unpacker, part: Part| reader.pieces(unpacker, part, resolution);
        // Piece by piece, not part by part: few files hold most of it.
        let pieces = beside::each(self.parts(resolution), Unpacker::new, open)?.into_iter().flatten().collect();
        let read = |unpacker: &mut Unpacker, piece: Piece| {
            let (columns, damaged, replaced) = match piece {
                Piece::Damaged => (Vec::new(), true, None),
                Piece::Journal(hour, chained) => {
                    let (columns, damaged) = reader.fresh(unpacker, hour, chained, resolution)?;
                    (columns, damaged, None)
                }
                Piece::Block(segment, block, replaced) => {
                    let columns = segment.rows_of(unpacker, block, resolution, &reader.within(resolution));
                    let damaged = columns.is_none();
                    (columns.unwrap_or_default(), damaged, Some(replaced).filter(|replaced| !replaced.is_empty()))
                }
            };
            let series = columns.into_iter().map(|mut column| {
                if let Some(replaced) = &replaced {
                    column.entries.retain(|row| counts(row.at, replaced));
                }
                ((column.name, column.member), Rolled::of(&column.entries, step))
            });
            Ok((series.collect::<Vec<_>>(), damaged))
        };
        let mut series: BTreeMap<Id, Rolled> = BTreeMap::new();
        for (piece, damaged) in beside::each(pieces, Unpacker::new, read)? {
            self.damaged |= damaged;
            for (id, rolled) in piece {
                series.entry(id).or_default().join(rolled);
            }
        }
        let width = width(resolution);
        Ok(series.into_iter().map(|(id, rolled)| (id, rolled.sums(width))).collect())
    }

    /// What is to be read of a part.
    fn pieces(&self, unpacker: &mut Unpacker, part: Part, resolution: Resolution) -> io::Result<Vec<Piece>> {
        match part {
            Part::Journal(hour, chained) => Ok(vec![Piece::Journal(hour, chained)]),
            Part::File(path, replaced) => {
                let Some(segment) = Segment::open(&path, unpacker)? else { return Ok(vec![Piece::Damaged]) };
                let (segment, replaced) = (Arc::new(segment), Arc::<[i64]>::from(replaced));
                let piece = |block| Piece::Block(Arc::clone(&segment), block, Arc::clone(&replaced));
                Ok(segment.blocks(resolution, &self.wanted()).map(piece).collect())
            }
        }
    }

    /// When a roll-up begins that says something of the time that is asked for.
    fn within(&self, resolution: Resolution) -> Range<i64> {
        self.select.from_ms - width(resolution) + 1..self.select.to_ms
    }

    /// The roll-ups of an hour that has its journal, and whether that is damaged.
    fn fresh(&self, unpacker: &mut Unpacker, hour: i64, chained: Chained, resolution: Resolution) -> io::Result<(Vec<Column<Row>>, bool)> {
        let wanted = self.wanted();
        let raw = raw::read(&Source::Journal(chained), unpacker, &wanted, i64::MIN)?;
        let earlier = match self.end(hour - 1) {
            Some(source) => before(&source, unpacker, &wanted, hour * HOUR - self.cadence.gap)?,
            None => Raw::default(),
        };
        let (last, last_times, within) = (earlier.last(), earlier.last_times(), self.within(resolution));
        let column = |(name, member): Id, five: Vec<Row>| {
            let mut entries = if resolution == Resolution::Hour { merge(&five, HOUR) } else { five };
            entries.retain(|row| within.contains(&row.at));
            Column { member, name, entries }
        };
        let mut columns = Vec::new();
        for (id, readings) in &raw.columns {
            let Some(metric) = Metric::numbered(id.0.metric) else { continue };
            columns.push(column(id.clone(), roll(metric.kind(), self.cadence, last.get(id).copied(), readings, FIVE)));
        }
        if self.service {
            columns.push(column(tasks_id(), raw.tasks(&last_times, self.cadence)));
        }
        Ok((columns, raw.damaged))
    }
}

/// One series' roll-ups over times of one length.
#[derive(Default)]
pub(crate) struct Rolled(Vec<Time>);

/// The roll-ups of one time together, and when the first and the last of them begin.
struct Time {
    sum: Sum,
    first: i64,
    last: i64,
}

impl Rolled {
    /// Of roll-ups that come in the order of time.
    fn of(rows: &[Row], step: i64) -> Self {
        let mut rolled = Self::default();
        rolled.add(rows, step);
        rolled
    }

    /// Takes in what was rolled up over the same times.
    fn join(&mut self, other: Self) {
        for time in other.0 {
            let place = self.place(time.sum.at);
            let known = &mut self.0[place];
            known.sum.join(&time.sum);
            known.first = known.first.min(time.first);
            known.last = known.last.max(time.last);
        }
    }

    /// Takes in roll-ups, which come in the order of time.
    pub(crate) fn add(&mut self, rows: &[Row], step: i64) {
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let at = first.at.div_euclid(step) * step;
            let count = rest.iter().take_while(|row| row.at >= at && row.at - at < step).count();
            let (of_time, behind) = rest.split_at(count);
            let place = self.place(at);
            let time = &mut self.0[place];
            let mut sum = time.sum;
            of_time.iter().for_each(|row| sum.row(row));
            time.sum = sum;
            time.first = time.first.min(first.at);
            time.last = of_time.last().map_or(time.last, |last| time.last.max(last.at));
            rest = behind;
        }
    }

    /// Where the time that begins then is; made when missing.
    fn place(&mut self, at: i64) -> usize {
        if self.0.last().is_some_and(|last| last.sum.at >= at) {
            match self.0.binary_search_by_key(&at, |known| known.sum.at) {
                Ok(place) => return place,
                Err(place) => {
                    self.0.insert(place, Time::new(at));
                    return place;
                }
            }
        }
        self.0.push(Time::new(at));
        self.0.len() - 1
    }

    /// The sums, which know where a gap was before them.
    pub(crate) fn sums(self, width: i64) -> Vec<Sum> {
        let mut before = None;
        let sum = |mut together: Time| {
            together.sum.begins = before.replace(together.last).is_none_or(|before| together.first - before > width);
            together.sum
        };
        self.0.into_iter().map(sum).collect()
    }
}

impl Time {
    fn new(at: i64) -> Self {
        Self { sum: Sum::new(at, false), first: i64::MAX, last: i64::MIN }
    }
}
