//! Reading one stream: from what is kept at the resolution that fits, and no more of it than the answer is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;

use crate::files::{self, Listing, hour_of, hours, period_of};
use crate::journal::Chained;
use crate::raw::{self, Id, Raw, Source};
use crate::rollup::{Cadence, FIVE, HOUR, Held, Reading, Row, Steps, Sum, merge, roll, sum_at, tasks};
use crate::seal::before;
use crate::segment::{Name, Segment, Unpacker, width};
use crate::store::FAR;
use crate::{Answer, Key, Kind, Member, Metric, Point, Resolution, Select, Series, Store};

/// How often is read anew when files were put together meanwhile.
const TRIES: usize = 5;

/// Answers a query.
pub(crate) fn answer(store: &Store, key: Key, select: &Select<'_>) -> io::Result<Answer> {
    for _ in 1..TRIES {
        match Reader::new(store, key, *select)?.answer() {
            // It went between being listed and being read: what it held is elsewhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            answer => return answer,
        }
    }
    Reader::new(store, key, *select)?.answer()
}

/// One reading of one stream.
struct Reader<'a> {
    select: Select<'a>,
    cadence: Cadence,
    folder: PathBuf,
    chains: BTreeMap<i64, Chained>,
    listing: Listing,
    unpacker: Unpacker,
    service: bool,
    damaged: bool,
}

impl<'a> Reader<'a> {
    fn new(store: &Store, key: Key, select: Select<'a>) -> io::Result<Self> {
        let folder = files::stream(&store.0.folder, &key);
        let (chains, cadence) = (store.chains(&key), store.0.options.cadence());
        // After the journals: what they no longer hold has a file by then.
        let listing = Listing::of(&folder)?;
        let service = matches!(key, Key::Service { .. });
        let select = Select { from_ms: select.from_ms.clamp(0, FAR), to_ms: select.to_ms.clamp(0, FAR), ..select };
        Ok(Self { select, cadence, folder, chains, listing, unpacker: Unpacker::new()?, service, damaged: false })
    }

    fn answer(mut self) -> io::Result<Answer> {
        let range = (self.select.to_ms - self.select.from_ms).max(0);
        let points = self.select.max_points.clamp(2, 10_000) as i64;
        let ideal = range.saturating_add(points - 2) / (points - 1);
        let resolution = self.resolution(ideal)?;
        let unit = if resolution == Resolution::Raw { self.cadence.step } else { width(resolution) };
        let step = ((ideal + unit - 1) / unit).max(1) * unit;
        let mut sums = match resolution {
            _ if range == 0 => BTreeMap::new(),
            Resolution::Raw => self.samples(step)?,
            _ => self.rolled(resolution, step)?,
        };
        let watched = sums.remove(&watched()).unwrap_or_default().iter().map(|sum| (sum.at, sum.covered)).collect();
        let mut series: Vec<Series> =
            sums.into_iter().filter_map(|(id, sums)| series(id, &sums).filter(|series| !series.points.is_empty())).collect();
        series.sort_by(|one, other| order(one).cmp(&order(other)));
        Ok(Answer { resolution, step_ms: step, gap_ms: self.cadence.gap, series, watched, damaged: self.damaged })
    }

    /// The coarsest that still gives half of the points that there may be, or a coarser one where only that reaches back so far.
    fn resolution(&mut self, ideal: i64) -> io::Result<Resolution> {
        let by_step = match ideal.saturating_mul(2) {
            HOUR.. => Resolution::Hour,
            FIVE.. => Resolution::FiveMinutes,
            _ => Resolution::Raw,
        };
        let mut best = (by_step, self.reach(by_step)?);
        for coarser in [Resolution::FiveMinutes, Resolution::Hour].into_iter().filter(|coarser| *coarser > by_step) {
            if best.1 <= hour_of(self.select.from_ms) {
                break;
            }
            let reach = self.reach(coarser)?;
            if reach < best.1 {
                best = (coarser, reach);
            }
        }
        Ok(best.0)
    }

    /// The first hour of which there is something at this resolution.
    fn reach(&mut self, resolution: Resolution) -> io::Result<i64> {
        let raw = self.listing.raw.first().into_iter().chain(self.chains.keys().next()).min().copied();
        let period = if resolution == Resolution::Raw { None } else { self.listing.files(resolution).first().copied() };
        let rolled = match period {
            Some(period) => {
                let segment = Segment::open(&files::file(&self.folder, resolution, period), &mut self.unpacker)?;
                self.damaged |= segment.is_none();
                segment.map(|segment| hour_of(segment.begin()))
            }
            None => None,
        };
        Ok(raw.into_iter().chain(rolled).min().unwrap_or(i64::MAX))
    }

    fn wanted(&self) -> impl Fn(&Name) -> bool + use<'a> {
        let (select, service) = (self.select, self.service);
        move |name| {
            let asked = select.metrics.iter().any(|metric| metric.number() == name.metric);
            asked && select.label.is_none_or(|label| *label == *name.label) || service && name.metric == Metric::Tasks.number()
        }
    }

    /// Where this hour's samples are, if there are any.
    fn source(&self, hour: i64) -> Option<Source> {
        let chained = self.chains.get(&hour).cloned().map(Source::Journal);
        chained.or_else(|| self.listing.raw.contains(&hour).then(|| Source::File(files::file(&self.folder, Resolution::Raw, hour))))
    }

    /// Figures from samples.
    fn samples(&mut self, step: i64) -> io::Result<BTreeMap<Id, Vec<Sum>>> {
        let since = self.select.from_ms - self.cadence.gap;
        let wanted = self.wanted();
        let known: BTreeSet<i64> = self.chains.keys().chain(&self.listing.raw).copied().collect();
        let mut spread = Spread { from: self.select.from_ms, to: self.select.to_ms, step, sums: BTreeMap::new() };
        let mut steps: HashMap<Id, Steps> = HashMap::new();
        let mut axes: BTreeMap<Option<Member>, Vec<i64>> = BTreeMap::new();
        // The sample after the end says what was the case before it.
        for hour in known.range(hour_of(since)..=hour_of(self.select.to_ms + self.cadence.step)) {
            let Some(source) = self.source(*hour) else { continue };
            let raw = raw::read(&source, &mut self.unpacker, &wanted, since)?;
            self.damaged |= raw.damaged;
            for (id, readings) in raw.columns {
                let Some(metric) = Metric::numbered(id.0.metric) else { continue };
                let steps = steps.entry(id.clone()).or_insert_with(|| Steps::new(metric.kind(), self.cadence, None));
                spread.all(id, steps, readings);
            }
            for (member, axis) in raw.axes.into_iter().filter(|_| self.service) {
                axes.entry(member).or_default().extend(axis);
            }
        }
        if self.service {
            let times: Vec<(&[i64], Option<i64>)> = axes.values().map(|axis| (axis.as_slice(), None)).collect();
            let counted = tasks(&times, self.cadence);
            spread.all(watched(), &mut Steps::new(Kind::Gauge, self.cadence, None), counted.clone());
            if self.select.metrics.contains(&Metric::Tasks) {
                spread.all(tasks_id(), &mut Steps::new(Kind::Gauge, self.cadence, None), counted);
            }
        }
        Ok(spread.sums)
    }

    /// Figures from roll-ups, and of hours that have none yet from their samples.
    fn rolled(&mut self, resolution: Resolution, step: i64) -> io::Result<BTreeMap<Id, Vec<Sum>>> {
        let (from, to, width) = (self.select.from_ms, self.select.to_ms, width(resolution));
        let mut rows: BTreeMap<Id, Vec<Row>> = BTreeMap::new();
        let own: BTreeSet<i64> = self.chains.keys().chain(&self.listing.raw).copied().collect();
        let (first, last) = (hour_of(from), hour_of(to - 1));
        let periods: Vec<i64> = self.listing.files(resolution).range(period_of(first, resolution)..=period_of(last, resolution)).copied().collect();
        for period in periods {
            let of_hours = period * hours(resolution)..(period + 1) * hours(resolution);
            // Where each hour has a file of its own there is nothing to be read.
            if of_hours.clone().filter(|hour| (first..=last).contains(hour)).all(|hour| own.contains(&hour)) {
                continue;
            }
            self.file(&files::file(&self.folder, resolution, period), resolution, &|at| !own.contains(&hour_of(at)), &mut rows)?;
        }
        for hour in own.range(first..=last) {
            if let Some(chained) = self.chains.get(hour).cloned() {
                self.fresh(*hour, chained, resolution, &mut rows)?;
            } else {
                self.file(&files::file(&self.folder, Resolution::Raw, *hour), resolution, &|_| true, &mut rows)?;
            }
        }
        if let Some(tasks) = rows.get(&tasks_id()).cloned() {
            rows.insert(watched(), tasks);
            if !self.select.metrics.contains(&Metric::Tasks) {
                rows.remove(&tasks_id());
            }
        }
        let fold = |mut rows: Vec<Row>| {
            rows.sort_by_key(|row| row.at);
            let mut before = None;
            let mut sums: Vec<Sum> = Vec::new();
            for row in rows.iter().filter(|row| row.at + width > from && row.at < to) {
                let begins = before.replace(row.at).is_none_or(|before| row.at - before > width);
                sum_at(&mut sums, row.at.div_euclid(step) * step, begins).row(row);
            }
            sums
        };
        Ok(rows.into_iter().map(|(id, rows)| (id, fold(rows))).collect())
    }

    /// A file's roll-ups.
    fn file(
        &mut self,
        path: &std::path::Path,
        resolution: Resolution,
        counts: &dyn Fn(i64) -> bool,
        rows: &mut BTreeMap<Id, Vec<Row>>,
    ) -> io::Result<()> {
        let Some(segment) = Segment::open(path, &mut self.unpacker)? else {
            self.damaged = true;
            return Ok(());
        };
        let wanted = self.wanted();
        let (columns, damaged) = segment.rows(&mut self.unpacker, resolution, &wanted);
        self.damaged |= damaged;
        for column in columns {
            rows.entry((column.name, column.member)).or_default().extend(column.entries.into_iter().filter(|row| counts(row.at)));
        }
        Ok(())
    }

    /// The roll-ups of an hour that has its journal.
    fn fresh(&mut self, hour: i64, chained: Chained, resolution: Resolution, rows: &mut BTreeMap<Id, Vec<Row>>) -> io::Result<()> {
        let wanted = self.wanted();
        let raw = raw::read(&Source::Journal(chained), &mut self.unpacker, &wanted, i64::MIN)?;
        let earlier = match self.source(hour - 1) {
            Some(source) => before(&source, &mut self.unpacker, &wanted, hour * HOUR - self.cadence.gap)?,
            None => Raw::default(),
        };
        self.damaged |= raw.damaged;
        let (last, last_times) = (earlier.last(), earlier.last_times());
        let rolled = |five: Vec<Row>| if resolution == Resolution::Hour { merge(&five, HOUR) } else { five };
        for (id, readings) in &raw.columns {
            let Some(metric) = Metric::numbered(id.0.metric) else { continue };
            rows.entry(id.clone()).or_default().extend(rolled(roll(metric.kind(), self.cadence, last.get(id).copied(), readings, FIVE)));
        }
        if self.service {
            rows.entry(tasks_id()).or_default().extend(rolled(raw.tasks(&last_times, self.cadence)));
        }
        Ok(())
    }
}

impl Raw {
    /// How many tasks there were, rolled up over five minutes. `before` are the last times of each in the hour before.
    pub(crate) fn tasks(&self, before: &HashMap<Option<Member>, i64>, cadence: Cadence) -> Vec<Row> {
        let times: Vec<(&[i64], Option<i64>)> = self.axes.iter().map(|(member, axis)| (axis.as_slice(), before.get(member).copied())).collect();
        let since = before.values().max().map(|at| Reading { at: *at, value: 0.0 });
        roll(Kind::Gauge, cadence, since, &tasks(&times, cadence), FIVE)
    }
}

/// Spreads figures over the points whose time they cover, so that a sample that comes a little early or late leaves no point without one.
struct Spread {
    from: i64,
    to: i64,
    step: i64,
    sums: BTreeMap<Id, Vec<Sum>>,
}

impl Spread {
    fn all(&mut self, id: Id, steps: &mut Steps, readings: Vec<Reading>) {
        let sums = self.sums.entry(id).or_default();
        for held in readings.into_iter().filter_map(|reading| steps.next(reading)) {
            let last = (held.at - 1).div_euclid(self.step) * self.step;
            let since = held.at - held.covered;
            let mut at = if held.begins { last } else { since.div_euclid(self.step) * self.step };
            let mut begins = held.begins;
            while at <= last {
                let covered = held.at.min(at + self.step) - since.max(at);
                if at + self.step > self.from && at < self.to && held.at >= self.from {
                    sum_at(sums, at, begins).held(&Held { covered, ..held });
                    begins = false;
                }
                at += self.step;
            }
        }
    }
}

/// The name under which the count of tasks is kept.
fn tasks_id() -> Id {
    (Name { metric: Metric::Tasks.number(), label: "".into() }, None)
}

/// The name under which it is remembered when the service was watched; no metric has the number.
fn watched() -> Id {
    (Name { metric: u16::MAX, label: "".into() }, None)
}

fn series((name, member): Id, sums: &[Sum]) -> Option<Series> {
    let metric = Metric::numbered(name.metric)?;
    let point = |(number, sum): (usize, &Sum)| {
        let row = sum.all();
        Point { at_ms: row.at, min: row.min, avg: row.avg, max: row.max, covered_ms: row.covered, begins: sum.begins || number == 0 }
    };
    Some(Series { member, metric, label: name.label, points: sums.iter().enumerate().map(point).collect() })
}

fn order(series: &Series) -> (Metric, &str, Option<(u32, Member)>) {
    (series.metric, &series.label, series.member.map(|member| (member.slot, member)))
}
