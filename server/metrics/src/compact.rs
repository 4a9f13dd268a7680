//! What becomes of files: hours that need not be kept as they were sampled are put together with others of their week and month, what was kept long enough
//! is deleted, and what is too much.
//!
//! An hour's file is deleted after those of its week and month are on the disk, and takes precedence over them as long as it is there. So whatever
//! instant a crash comes in, each hour counts once, and to do it all once more changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::{self, Listing, hour_of, hours, period_of};
use crate::pack::{Packer, Unpacker};
use crate::rollup::HOUR;
use crate::rollup::Row;
use crate::segment::{Name, Segment, Writer};
use crate::store::{Hour, lock};
use crate::{Member, Removed, Resolution, Store};

/// So many hours are put into their week's and month's files at once.
const TOGETHER: i64 = 6;

/// What goes first when there is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    OldWeek,
    OldMonth,
    Samples,
    Week,
    Month,
}

impl Worth {
    const fn of(resolution: Resolution, old: bool) -> Self {
        match (resolution, old) {
            (Resolution::FiveMinutes, true) => Self::OldWeek,
            (Resolution::Hour, true) => Self::OldMonth,
            (Resolution::Raw, _) => Self::Samples,
            (Resolution::FiveMinutes, false) => Self::Week,
            (Resolution::Hour, false) => Self::Month,
        }
    }
}

impl Store {
    /// Goes through all streams' folders, once an hour.
    pub(crate) fn sweep(&self, now: i64) -> io::Result<Removed> {
        let hour = hour_of(now);
        if lock(&self.0.working).swept == Some(hour) {
            return Ok(Removed::default());
        }
        let mut removed = Removed::default();
        let mut work = (Packer::new(self.0.options.level)?, Unpacker::new()?);
        let mut swept = Ok(());
        for key in files::keys(&self.0.folder)? {
            let _turn = lock(&self.0.working);
            let folder = files::stream(&self.0.folder, &key);
            if let Err(error) = self.sweep_stream(&folder, hour, &mut work, &mut removed) {
                tracing::warn!(folder = %folder.display(), %error, "samples could not be put together");
                swept = Err(error);
            }
        }
        self.bound(hour, &mut removed)?;
        swept?;
        lock(&self.0.working).swept = Some(hour);
        Ok(removed)
    }

    fn sweep_stream(&self, folder: &Path, hour: i64, work: &mut (Packer, Unpacker), removed: &mut Removed) -> io::Result<()> {
        files::sweep(folder)?;
        let listing = Listing::of(folder)?;
        let keep = (hour - self.0.options.raw_hours).div_euclid(TOGETHER) * TOGETHER;
        // Of an hour that still has its journal, the file may have to be made once more, and then what is in the file before it is asked for.
        let needed = |journals: &BTreeMap<i64, Hour>, hour: i64| journals.contains_key(&hour) || journals.contains_key(&(hour + 1));
        let old: Vec<i64> = {
            let state = self.state();
            listing.raw.range(..keep).copied().filter(|hour| !needed(&state.journals, *hour)).collect()
        };
        if !old.is_empty() {
            put_together(folder, &listing, &old, Resolution::FiveMinutes, work)?;
            put_together(folder, &listing, &old, Resolution::Hour, work)?;
            for hour in old {
                removed.delete(&files::file(folder, Resolution::Raw, hour))?;
            }
        }
        for (resolution, days) in [(Resolution::FiveMinutes, self.0.options.five_minutes_days), (Resolution::Hour, self.0.options.hour_days)] {
            let over = period_of(hour - days * 24, resolution);
            for period in Listing::of(folder)?.files(resolution).range(..over) {
                removed.delete(&files::file(folder, resolution, *period))?;
            }
        }
        // Folders that hold nothing go; those that hold something stay by themselves.
        let _ = folder.ancestors().take(3).filter(|folder| folder.starts_with(&self.0.folder)).try_for_each(fs::remove_dir);
        Ok(())
    }

    /// Deletes what is worth least until there is no more than there may be.
    fn bound(&self, hour: i64, removed: &mut Removed) -> io::Result<()> {
        let mut total = self.journal_bytes();
        let mut candidates: Vec<(Worth, i64, PathBuf, u64)> = Vec::new();
        for key in files::keys(&self.0.folder)? {
            let folder = files::stream(&self.0.folder, &key);
            let listing = Listing::of(&folder)?;
            for resolution in [Resolution::Raw, Resolution::FiveMinutes, Resolution::Hour] {
                for period in listing.files(resolution) {
                    let path = files::file(&folder, resolution, *period);
                    let bytes = fs::metadata(&path).map_or(0, |file| file.len());
                    total += bytes;
                    let worth = Worth::of(resolution, *period < period_of(hour, resolution));
                    candidates.push((worth, *period, path, bytes));
                }
            }
        }
        if total <= self.0.options.most_bytes {
            return Ok(());
        }
        candidates.sort_unstable();
        let _turn = lock(&self.0.working);
        for (_, _, path, bytes) in candidates {
            if total <= self.0.options.most_bytes {
                break;
            }
            removed.delete(&path)?;
            total = total.saturating_sub(bytes);
        }
        tracing::warn!(most_bytes = self.0.options.most_bytes, bytes = total, "samples take more room than they may: the oldest were deleted");
        Ok(())
    }

    /// Bytes on disk of all that is kept.
    ///
    /// # Errors
    /// When folders cannot be read.
    pub fn bytes(&self) -> io::Result<u64> {
        let mut total = self.journal_bytes();
        for key in files::keys(&self.0.folder)? {
            let folder = files::stream(&self.0.folder, &key);
            let listing = Listing::of(&folder)?;
            for resolution in [Resolution::Raw, Resolution::FiveMinutes, Resolution::Hour] {
                let files = listing.files(resolution).iter();
                total += files.map(|period| fs::metadata(files::file(&folder, resolution, *period)).map_or(0, |file| file.len())).sum::<u64>();
            }
        }
        Ok(total)
    }

    fn journal_bytes(&self) -> u64 {
        self.state().journals.values().map(|hour| hour.journal.length).sum()
    }
}

impl Removed {
    fn delete(&mut self, path: &Path) -> io::Result<()> {
        let bytes = fs::metadata(path).map_or(0, |file| file.len());
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            deleted => {
                deleted?;
                self.files += 1;
                self.bytes += bytes;
                Ok(())
            }
        }
    }
}

/// Puts the roll-ups of these hours into the files of their periods.
fn put_together(folder: &Path, listing: &Listing, old: &[i64], resolution: Resolution, work: &mut (Packer, Unpacker)) -> io::Result<()> {
    for of_period in old.chunk_by(|one, other| period_of(*one, resolution) == period_of(*other, resolution)) {
        let Some(period) = of_period.first().map(|hour| period_of(*hour, resolution)) else { continue };
        let path = files::file(folder, resolution, period);
        let mut parts = Vec::new();
        if listing.files(resolution).contains(&period) {
            parts.extend(open(&path, &mut work.1)?.map(|part| (None, part)));
        }
        for hour in of_period {
            parts.extend(open(&files::file(folder, Resolution::Raw, *hour), &mut work.1)?.map(|part| (Some(*hour), part)));
        }
        if !parts.is_empty() {
            write(&path, period * hours(resolution) * HOUR, &parts, resolution, work)?;
        }
    }
    Ok(())
}

fn open(path: &Path, unpacker: &mut Unpacker) -> io::Result<Option<Segment>> {
    let segment = Segment::open(path, unpacker)?;
    if segment.is_none() {
        tracing::error!(file = %path.display(), "a file of samples is damaged: what it held is lost");
    }
    Ok(segment)
}

/// Writes a period's file from the one that there was (which has no hour) and from those of hours, which replace what was there of theirs.
fn write(path: &Path, base: i64, parts: &[(Option<i64>, Segment)], resolution: Resolution, work: &mut (Packer, Unpacker)) -> io::Result<()> {
    let replaced: BTreeSet<i64> = parts.iter().filter_map(|(hour, _)| *hour).collect();
    let members: BTreeSet<Option<Member>> = parts.iter().flat_map(|(_, part)| part.members()).copied().collect();
    let names: BTreeSet<&Name> = parts.iter().flat_map(|(_, part)| part.names(resolution)).collect();
    let numbers: BTreeMap<Option<Member>, usize> = members.iter().enumerate().map(|(number, member)| (*member, number)).collect();
    let mut writer = Writer::new(&mut work.0, base);
    writer.members(members.into_iter().collect());
    for name in names {
        let mut columns: BTreeMap<usize, Vec<Row>> = BTreeMap::new();
        for (hour, part) in parts {
            let (found, damaged) = part.rows(&mut work.1, resolution, &|other| other == name, &(i64::MIN..i64::MAX));
            if damaged {
                tracing::error!(file = %path.display(), metric = name.metric, "a part of a file of samples is damaged and is lost");
            }
            for column in found {
                let rows = column.entries.into_iter().filter(|row| hour.is_some() || !replaced.contains(&hour_of(row.at)));
                columns.entry(numbers[&column.member]).or_default().extend(rows);
            }
        }
        columns.values_mut().for_each(|rows| rows.sort_by_key(|row| row.at));
        writer.rows(resolution, name.clone(), &columns.into_iter().collect::<Vec<_>>())?;
    }
    writer.finish(path, true)
}
