//! What all tasks of a service come to together, at one resolution: put together once where roll-ups are written, so that reading it costs as much for
//! fifty tasks as for one.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Metric;
use crate::bytes::Bytes;
use crate::column::{ints, lengthen, pieces, put_ints, put_pieces, shorten};
use crate::rollup::Row;
use crate::segment::{Column, Name};

/// All tasks in the time of one roll-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Together {
    /// When the time begins.
    pub(crate) at: i64,
    /// The sum's mean over what is covered.
    pub(crate) sum: f64,
    /// The sum of all peaks.
    pub(crate) bound: f64,
    /// The mean of the task with the least.
    pub(crate) lowest: f64,
    /// The mean of the task with the most.
    pub(crate) highest: f64,
    /// How many tasks there are.
    pub(crate) series: i64,
    /// What is covered of the task that was there longest.
    pub(crate) covered: i64,
}

/// Puts roll-ups of several tasks together; each task's come in the order of time.
pub(crate) fn together<'a>(tasks: impl Iterator<Item = &'a [Row]>) -> Vec<Together> {
    let mut all: Vec<Together> = Vec::new();
    for rows in tasks {
        let mut place = 0;
        for row in rows {
            if all.get(place).is_none_or(|known| known.at != row.at) {
                place = all.binary_search_by_key(&row.at, |known| known.at).unwrap_or_else(|place| {
                    let (lowest, highest) = (f64::INFINITY, f64::NEG_INFINITY);
                    all.insert(place, Together { at: row.at, sum: 0.0, bound: 0.0, lowest, highest, series: 0, covered: 1 });
                    place
                });
            }
            let known = &mut all[place];
            // What it is times what it covers, until all are there.
            known.sum += row.avg * row.covered as f64;
            known.bound += row.max;
            known.lowest = known.lowest.min(row.avg);
            known.highest = known.highest.max(row.avg);
            known.series += 1;
            known.covered = known.covered.max(row.covered);
            place += 1;
        }
    }
    all.iter_mut().for_each(|known| known.sum /= known.covered as f64);
    all
}

/// Appends what roll-ups over times of this width come to, in the order of time.
pub(crate) fn put_together(out: &mut Vec<u8>, base: i64, width: i64, all: &[Together]) {
    put_pieces(out, base, width, all.iter().map(|known| known.at));
    let mut column = |of: fn(&Together) -> i64| put_ints(out, &all.iter().map(of).collect::<Vec<_>>());
    column(|known| ((known.covered + 500) / 1000).max(1));
    column(|known| known.series);
    column(|known| shorten(known.sum));
    column(|known| shorten(known.bound) - shorten(known.sum));
    column(|known| shorten(known.lowest));
    column(|known| shorten(known.highest) - shorten(known.lowest));
}

/// What roll-ups that begin within this time come to.
pub(crate) fn read_together(bytes: &mut Bytes<'_>, base: i64, width: i64, within: &Range<i64>) -> Option<Vec<Together>> {
    let (count, pieces) = pieces(bytes, base, width, within)?;
    let mut column = || ints(bytes, count);
    let (covered, series) = (column()?, column()?);
    let (sum, bound, lowest, highest) = (column()?, column()?, column()?, column()?);
    let wanted = pieces.iter().flat_map(|piece| piece.entries(width));
    let one = |(at, number): (i64, usize)| {
        Some(Together {
            at,
            sum: lengthen(sum[number])?,
            bound: lengthen(sum[number].checked_add(bound[number])?)?,
            lowest: lengthen(lowest[number])?,
            highest: lengthen(lowest[number].checked_add(highest[number])?)?,
            series: series[number],
            covered: covered[number].checked_mul(1000)?,
        })
    };
    wanted.map(one).collect()
}

/// A part of what there is: of each series all tasks together, and when the service was watched.
pub(crate) struct PartTogether {
    pub(crate) series: Vec<(Name, Vec<Together>)>,
    pub(crate) watched: Vec<Row>,
}

impl PartTogether {
    /// From what was read of each task.
    pub(crate) fn of(columns: Vec<Column<Row>>) -> Self {
        let mut of_name: BTreeMap<Name, Vec<Vec<Row>>> = BTreeMap::new();
        let mut watched = Vec::new();
        for column in columns {
            if column.name.metric == Metric::Tasks.number() {
                watched.extend_from_slice(&column.entries);
            }
            of_name.entry(column.name).or_default().push(column.entries);
        }
        let series = of_name.into_iter().map(|(name, tasks)| (name, together(tasks.iter().map(Vec::as_slice))));
        Self { series: series.collect(), watched }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rollup::FIVE;

    const ALL: Range<i64> = i64::MIN..i64::MAX;

    /// Roll-ups of a task with holes.
    fn task() -> impl Strategy<Value = Vec<Row>> {
        prop::collection::vec((1_i64..4, 0.0..1e9_f64, 0.0..1e5_f64, 0.0..1e5_f64, 1_i64..300), 0..60).prop_map(|list| {
            let mut at = 0;
            let row = |(step, avg, less, more, seconds): (i64, f64, f64, f64, i64)| {
                at += step * FIVE;
                Row { at, min: avg - less, avg, max: avg + more, covered: seconds * 1000 }
            };
            list.into_iter().map(row).collect()
        })
    }

    proptest! {
        #[test]
        fn together_they_are_the_sum_of_all_and_come_back(tasks in prop::collection::vec(task(), 0..12)) {
            let all = together(tasks.iter().map(Vec::as_slice));
            prop_assert!(all.is_sorted_by(|one, other| one.at < other.at));
            let mut out = Vec::new();
            put_together(&mut out, 0, FIVE, &all);
            let back = read_together(&mut Bytes(&out), 0, FIVE, &ALL).expect("readable");
            prop_assert_eq!(back.len(), all.len());
            let near = |one: f64, other: f64| (one - other).abs() <= 1e-4 * one.abs();
            for (one, back) in all.iter().zip(&back) {
                let rows: Vec<&Row> = tasks.iter().flatten().filter(|row| row.at == one.at).collect();
                prop_assert_eq!((one.series, one.at), (rows.len() as i64, back.at));
                prop_assert_eq!((back.series, back.covered), (one.series, one.covered));
                let used: f64 = rows.iter().map(|row| row.avg * row.covered as f64).sum();
                prop_assert!(near(used, back.sum * back.covered as f64) && near(rows.iter().map(|row| row.max).sum(), back.bound));
                prop_assert!(rows.iter().all(|row| row.avg >= one.lowest && row.avg <= one.highest));
                prop_assert!(rows.iter().any(|row| near(row.avg, back.lowest)) && rows.iter().any(|row| near(row.avg, back.highest)));
            }
            let within = 7 * FIVE..50 * FIVE;
            let part: Vec<Together> = back.into_iter().filter(|one| within.contains(&one.at)).collect();
            prop_assert_eq!(read_together(&mut Bytes(&out), 0, FIVE, &within), Some(part));
        }

        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>) {
            let _ = read_together(&mut Bytes(&bytes), 0, FIVE, &ALL);
        }
    }
}
