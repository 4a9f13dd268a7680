//! What is held in memory: the last numbers of each task and machine, and each stream's last hour by minutes. All of it is read from the journals when
//! the store is opened.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::journal::Block;
use crate::record::Forgotten;
use crate::rollup::{Cadence, HOUR, growth};
use crate::segment::Name;
use crate::{Key, Kind, Latest, Member, Metric, Minute, Now, Overview};

const MINUTE: i64 = 60_000;
/// Minutes that are held: an hour, and the one that has begun.
const MINUTES: usize = 61;
/// After this time a last number is forgotten, whether its task is there or not.
const STALE: i64 = 10 * MINUTE;

#[derive(Debug)]
pub(crate) struct Live {
    cadence: Cadence,
    streams: HashMap<Key, Current>,
}

#[derive(Debug, Default)]
struct Current {
    members: HashMap<Option<Member>, Last>,
    minutes: VecDeque<Slot>,
    /// When one of its tasks was last sampled.
    at: Option<i64>,
}

#[derive(Debug, Default)]
struct Last {
    at: i64,
    figures: Vec<Figure>,
}

#[derive(Debug)]
struct Figure {
    name: Name,
    at: i64,
    value: f64,
    /// A counter's growth per second; no number where there is none.
    rate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    minute: u32,
    /// Milliseconds in which the stream was watched.
    watched: u32,
    /// Each metric's values times the milliseconds that they cover.
    sums: [f32; Overview::METRICS.len()],
    /// Which of them were sampled at all.
    seen: [bool; Overview::METRICS.len()],
}

impl Live {
    pub(crate) fn new(cadence: Cadence) -> Self {
        Self { cadence, streams: HashMap::new() }
    }

    /// Takes in one sample.
    pub(crate) fn take(&mut self, block: &Block<'_>, names: &[Name]) {
        let cadence = self.cadence;
        let stream = self.streams.entry(block.key).or_default();
        stream.tick(block.at, cadence);
        let last = stream.members.entry(block.member).or_default();
        last.at = block.at;
        let mut next = 0;
        for (number, value) in block.values {
            let Some(name) = names.get(*number as usize) else { continue };
            let place = last.place(next, name);
            next = place.map_or(next, |place| place + 1);
            let Some((held, covered)) = last.take(place, name, block.at, *value, cadence) else { continue };
            let shown = Overview::METRICS.iter().position(|metric| metric.number() == name.metric);
            if let (Some(shown), Some(slot)) = (shown, stream.minutes.back_mut()) {
                slot.sums[shown] += (held * covered as f64) as f32;
                slot.seen[shown] = true;
            }
        }
    }

    /// Forgets what is long past.
    pub(crate) fn tidy(&mut self, now: i64) {
        self.streams.retain(|_, stream| {
            stream.members.retain(|_, last| {
                last.figures.retain(|figure| figure.at >= now - STALE);
                last.at >= now - STALE
            });
            stream.members.shrink_to_fit();
            while stream.minutes.front().is_some_and(|slot| i64::from(slot.minute) * MINUTE < now - HOUR - MINUTE) {
                stream.minutes.pop_front();
            }
            !stream.members.is_empty() || !stream.minutes.is_empty()
        });
    }

    pub(crate) fn forget(&mut self, gone: &Forgotten) {
        self.streams.retain(|key, _| !gone.takes(key));
    }

    /// Keeps these streams alone.
    pub(crate) fn keep(&mut self, keys: &HashSet<Key>) {
        self.streams.retain(|key, _| keys.contains(key));
    }

    /// The last numbers of all that was sampled since then.
    pub(crate) fn latest(&self, since: i64) -> Vec<Latest> {
        let of_stream = |(key, stream): (&Key, &Current)| {
            let members = stream.members.iter().filter(|(_, last)| last.at >= since);
            members.map(|(member, last)| Latest { key: *key, member: *member, at_ms: last.at, values: last.now() }).collect::<Vec<_>>()
        };
        let mut all: Vec<Latest> = self.streams.iter().flat_map(of_stream).collect();
        all.sort_unstable_by_key(|latest| (latest.key, latest.member));
        all
    }

    /// The minutes of all streams since then.
    pub(crate) fn overview(&self, since: i64) -> Vec<Overview> {
        let of_stream = |(key, stream): (&Key, &Current)| {
            let slots = stream.minutes.iter().filter(|slot| slot.watched > 0 && i64::from(slot.minute) * MINUTE >= since);
            let minute = |slot: &Slot| Minute {
                at_ms: i64::from(slot.minute) * MINUTE,
                values: std::array::from_fn(|shown| slot.seen[shown].then(|| f64::from(slot.sums[shown]) / f64::from(slot.watched))),
            };
            Overview { key: *key, minutes: slots.map(minute).collect() }
        };
        let mut all: Vec<Overview> = self.streams.iter().map(of_stream).filter(|overview| !overview.minutes.is_empty()).collect();
        all.sort_unstable_by_key(|overview| overview.key);
        all
    }
}

impl Current {
    /// Takes note that one of its tasks was sampled.
    fn tick(&mut self, at: i64, cadence: Cadence) {
        let minute = u32::try_from(at / MINUTE).unwrap_or(u32::MAX);
        if self.at.is_some_and(|last| at < last) {
            // Several machines are a little out of step; a clock that was set back is more, and what it said of this time is no longer true.
            if self.at.is_some_and(|last| last - at > cadence.gap) {
                self.minutes.retain(|slot| slot.minute < minute);
                self.at = None;
            } else if self.minutes.back().is_some_and(|slot| slot.minute >= minute) {
                return;
            }
        }
        let covered = match self.at {
            Some(last) if at <= last => 0,
            Some(last) if at - last <= cadence.gap => at - last,
            _ => cadence.step,
        };
        self.at = self.at.max(Some(at));
        if self.minutes.back().is_none_or(|slot| slot.minute < minute) {
            if self.minutes.len() == MINUTES {
                self.minutes.pop_front();
            }
            self.minutes.push_back(Slot { minute, watched: 0, sums: [0.0; Overview::METRICS.len()], seen: [false; Overview::METRICS.len()] });
        }
        if let Some(slot) = self.minutes.back_mut() {
            slot.watched = slot.watched.saturating_add(covered as u32);
        }
    }
}

impl Last {
    /// Where the figure with this name is. They come in almost the same order each time: it is looked for from the one on that is next.
    fn place(&self, next: usize, name: &Name) -> Option<usize> {
        let (before, rest) = self.figures.split_at_checked(next)?;
        let find = |figures: &[Figure]| figures.iter().position(|figure| figure.name == *name);
        find(rest).map(|place| next + place).or_else(|| find(before))
    }

    /// Takes in a number of the figure at this place, or of a new one: what it says of the time since the one before, and how long that is.
    fn take(&mut self, place: Option<usize>, name: &Name, at: i64, value: f64, cadence: Cadence) -> Option<(f64, i64)> {
        let Some(place) = place else {
            self.figures.push(Figure { name: name.clone(), at, value, rate: f64::NAN });
            return (kind(name) == Kind::Gauge).then_some((value, cadence.step));
        };
        let figure = &mut self.figures[place];
        let covered = at - figure.at;
        let near = covered > 0 && covered <= cadence.gap;
        let held = match kind(name) {
            Kind::Gauge => Some((value, if near { covered } else { cadence.step })),
            Kind::Counter => near.then(|| (growth(figure.value, value) * 1000.0 / covered as f64, covered)),
        };
        figure.rate = held.filter(|_| kind(name) == Kind::Counter).map_or(f64::NAN, |(rate, _)| rate);
        (figure.at, figure.value) = (at, value);
        held
    }

    fn now(&self) -> Vec<Now> {
        let now = |figure: &Figure| {
            let rate = Some(figure.rate).filter(|rate| !rate.is_nan());
            Some(Now {
                metric: Metric::numbered(figure.name.metric)?,
                label: Arc::clone(&figure.name.label),
                at_ms: figure.at,
                value: figure.value,
                rate,
            })
        };
        self.figures.iter().filter_map(now).collect()
    }
}

fn kind(name: &Name) -> Kind {
    Metric::numbered(name.metric).map_or(Kind::Gauge, Metric::kind)
}
