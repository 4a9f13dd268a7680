//! Reading one stream: from what is kept at the resolution that fits, and no more of it than the answer is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;

use crate::beside;
use crate::files::{self, Listing, hour_of};
use crate::journal::Chained;
use crate::pack::Unpacker;
use crate::raw::{self, Id, Raw, Source};
use crate::rollup::{Cadence, FIVE, HOUR, Held, Reading, Row, Steps, Sum, roll, sum_at, tasks};
use crate::segment::{Name, Segment, width};
use crate::store::{Chains, FAR};
use crate::words::Watched;
use crate::{Answer, Key, Kind, Member, Metric, Point, Resolution, Select, Series, Store};

/// How often is read anew when files were put together meanwhile.
const TRIES: usize = 5;

/// Reads a stream.
pub(crate) fn read<'a, T>(store: &Store, key: Key, select: &Select<'a>, reading: impl Fn(Reader<'a>) -> io::Result<T>) -> io::Result<T> {
    for _ in 1..TRIES {
        match reading(Reader::new(store, key, *select)?) {
            // It went between being listed and being read: what it held is elsewhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            answer => return answer,
        }
    }
    reading(Reader::new(store, key, *select)?)
}

/// One reading of one stream.
pub(crate) struct Reader<'a> {
    pub(crate) select: Select<'a>,
    pub(crate) cadence: Cadence,
    pub(crate) folder: PathBuf,
    pub(crate) chains: BTreeMap<i64, Chained>,
    /// Journals of hours that have their file, too.
    sealed: BTreeMap<i64, Chained>,
    pub(crate) listing: Listing,
    pub(crate) unpacker: Unpacker,
    pub(crate) service: bool,
    pub(crate) damaged: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(store: &Store, key: Key, select: Select<'a>) -> io::Result<Self> {
        let folder = files::stream(&store.0.folder, &key);
        let (Chains { fresh: chains, sealed }, cadence) = (store.chains(&key), store.0.options.cadence());
        // After the journals: what they no longer hold has a file by then.
        let listing = Listing::of(&folder)?;
        let service = matches!(key, Key::Service { .. });
        let select = Select { from_ms: select.from_ms.clamp(0, FAR), to_ms: select.to_ms.clamp(0, FAR), ..select };
        Ok(Self { select, cadence, folder, chains, sealed, listing, unpacker: Unpacker::new()?, service, damaged: false })
    }

    /// Answers a query.
    pub(crate) fn answer(mut self) -> io::Result<Answer> {
        let (resolution, step) = self.plan()?;
        self.planned(resolution, step)
    }

    /// The resolution that fits, and the milliseconds that each point is to stand for.
    pub(crate) fn plan(&mut self) -> io::Result<(Resolution, i64)> {
        let range = (self.select.to_ms - self.select.from_ms).max(0);
        let points = self.select.max_points.clamp(2, 10_000) as i64;
        let ideal = range.saturating_add(points - 2) / (points - 1);
        let resolution = self.resolution(ideal)?;
        let unit = if resolution == Resolution::Raw { self.cadence.step } else { width(resolution) };
        Ok((resolution, ((ideal + unit - 1) / unit).max(1) * unit))
    }

    /// Answers at this resolution.
    pub(crate) fn planned(mut self, resolution: Resolution, step: i64) -> io::Result<Answer> {
        let mut sums = match resolution {
            _ if self.select.to_ms <= self.select.from_ms => BTreeMap::new(),
            Resolution::Raw => self.samples(step)?,
            _ => {
                let mut sums = self.rolled(resolution, step)?;
                if let Some(tasks) = sums.get(&tasks_id()).cloned() {
                    sums.insert(watched(), tasks);
                }
                if !self.select.metrics.contains(&Metric::Tasks) {
                    sums.remove(&tasks_id());
                }
                sums
            }
        };
        let point = |sum: &Sum| Watched { at_ms: sum.at, covered_ms: sum.covered, begins: sum.begins };
        let watched = sums.remove(&watched()).unwrap_or_default().iter().map(point).collect();
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

    pub(crate) fn wanted(&self) -> impl Fn(&Name) -> bool + use<'a> {
        let (select, service) = (self.select, self.service);
        move |name| {
            let asked = select.metrics.iter().any(|metric| metric.number() == name.metric);
            asked && select.label.is_none_or(|label| *label == *name.label) || service && name.metric == Metric::Tasks.number()
        }
    }

    /// Where this hour's samples are, if there are any.
    pub(crate) fn source(&self, hour: i64) -> Option<Source> {
        let chained = self.chains.get(&hour).cloned().map(Source::Journal);
        chained.or_else(|| self.listing.raw.contains(&hour).then(|| Source::File(files::file(&self.folder, Resolution::Raw, hour))))
    }

    /// Where this hour's last samples are found soonest, if there are any: a journal is read from its end.
    pub(crate) fn end(&self, hour: i64) -> Option<Source> {
        self.sealed.get(&hour).cloned().map(Source::Journal).or_else(|| self.source(hour))
    }

    /// Figures from samples.
    fn samples(&mut self, step: i64) -> io::Result<BTreeMap<Id, Vec<Sum>>> {
        let since = self.select.from_ms - self.cadence.gap;
        let wanted = self.wanted();
        let known: BTreeSet<i64> = self.chains.keys().chain(&self.listing.raw).copied().collect();
        let spread = Spread { from: self.select.from_ms, to: self.select.to_ms, step };
        let mut series: BTreeMap<Id, Vec<Vec<Reading>>> = BTreeMap::new();
        let mut axes: BTreeMap<Option<Member>, Vec<i64>> = BTreeMap::new();
        // The sample after the end says what was the case before it.
        let hours = known.range(hour_of(since)..=hour_of(self.select.to_ms + self.cadence.step));
        let sources: Vec<Source> = hours.filter_map(|hour| self.source(*hour)).collect();
        for raw in beside::each(sources, Unpacker::new, |unpacker, source| raw::read(&source, unpacker, &wanted, since))? {
            self.damaged |= raw.damaged;
            for (id, readings) in raw.columns {
                series.entry(id).or_default().push(readings);
            }
            for (member, axis) in raw.axes.into_iter().filter(|_| self.service) {
                axes.entry(member).or_default().extend(axis);
            }
        }
        let series = series.into_iter().filter_map(|(id, readings)| Some((Metric::numbered(id.0.metric)?, id, readings))).collect();
        let summed = |(): &mut (), (metric, id, readings): (Metric, Id, Vec<Vec<Reading>>)| {
            Ok((id, spread.all(&mut Steps::new(metric.kind(), self.cadence, None), &readings)))
        };
        let mut sums: BTreeMap<Id, Vec<Sum>> = beside::each(series, || Ok(()), summed)?.into_iter().collect();
        if self.service {
            let times: Vec<(&[i64], Option<i64>)> = axes.values().map(|axis| (axis.as_slice(), None)).collect();
            let counted = spread.all(&mut Steps::new(Kind::Gauge, self.cadence, None), &[tasks(&times, self.cadence)]);
            if self.select.metrics.contains(&Metric::Tasks) {
                sums.insert(tasks_id(), counted.clone());
            }
            sums.insert(watched(), counted);
        }
        Ok(sums)
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
}

impl Spread {
    /// A series' points, from its samples hour by hour.
    fn all(&self, steps: &mut Steps, hours: &[Vec<Reading>]) -> Vec<Sum> {
        let (mut sums, mut at) = (Vec::new(), 0);
        for held in hours.iter().flatten().filter_map(|reading| steps.next(*reading)) {
            let since = held.at - held.covered;
            let first = if held.begins { held.at - 1 } else { since };
            // Most begin where the one before ended; to divide costs more than all the rest.
            match first - at {
                0.. if first - at < self.step => {}
                0.. if first - at < 2 * self.step => at += self.step,
                _ => at = first.div_euclid(self.step) * self.step,
            }
            let mut begins = held.begins;
            loop {
                let covered = held.at.min(at + self.step) - since.max(at);
                if at + self.step > self.from && at < self.to && held.at >= self.from {
                    sum_at(&mut sums, at, begins).held(&Held { covered, ..held });
                    begins = false;
                }
                if at + self.step >= held.at {
                    break;
                }
                at += self.step;
            }
        }
        sums
    }
}

/// The name under which the count of tasks is kept.
pub(crate) fn tasks_id() -> Id {
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
