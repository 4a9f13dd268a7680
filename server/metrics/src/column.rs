//! Columns as they lie in a file's blocks: differences, cut into planes (all lowest bytes, then all second ones, ...), so that what hardly changes
//! costs nothing when the block is packed, and the noise of low bytes does not spoil the rest.
//!
//! Samples come back exactly. Roll-ups are kept with 14 significant bits (an error of at most 0.004 %), and exactly where a time's least, mean
//! and greatest are the same.

use std::ops::Range;

use crate::bytes::{Bytes, fold, put, put_signed, unfold};
use crate::rollup::{Reading, Row};

/// Most entries of one column.
const MOST: usize = 1 << 20;

const STEPS: u8 = 0;
const OFFSETS: u8 = 1;
/// Numbers with so many decimals, or fewer, follow as whole numbers; [`FLOAT`] says that they do not.
const DECIMALS: u8 = 4;
const FLOAT: u8 = 0xff;
/// Bits of a 32-bit floating-point number that roll-ups do without.
const SPARED: u32 = 10;

fn put_planes(out: &mut Vec<u8>, values: impl Iterator<Item = u64> + Clone) {
    let bits = values.clone().fold(0, |all, value| all | value);
    let width = (64 - bits.leading_zeros()).div_ceil(8);
    out.push(width as u8);
    for plane in 0..width {
        out.extend(values.clone().map(|value| (value >> (8 * plane)) as u8));
    }
}

/// So many numbers from their planes, each made into something in turn.
fn planes<T>(bytes: &mut Bytes<'_>, count: usize, mut each: impl FnMut(u64) -> T) -> Option<Vec<T>> {
    let width = bytes.byte().filter(|width| *width <= 8)?;
    let mut plane = || bytes.take(count);
    // Behind steps there is room for the last number.
    let mut all = Vec::with_capacity(count + 1);
    // Hardly any have more than three.
    match width {
        0 => all.extend((0..count).map(|_| each(0))),
        1 => all.extend(plane()?.iter().map(|low| each(u64::from(*low)))),
        2 => {
            let (low, high) = (plane()?, plane()?);
            all.extend(low.iter().zip(high).map(|(low, high)| each(u64::from(*low) | (u64::from(*high) << 8))));
        }
        3 => {
            let (low, middle, high) = (plane()?, plane()?, plane()?);
            let number = |low: u8, middle: u8, high: u8| u64::from(low) | (u64::from(middle) << 8) | (u64::from(high) << 16);
            all.extend(low.iter().zip(middle).zip(high).map(|((low, middle), high)| each(number(*low, *middle, *high))));
        }
        _ => {
            let mut values = vec![0_u64; count];
            for number in 0..width {
                for (value, byte) in values.iter_mut().zip(plane()?) {
                    *value |= u64::from(*byte) << (8 * number);
                }
            }
            all.extend(values.into_iter().map(each));
        }
    }
    Some(all)
}

/// Appends whole numbers.
pub(crate) fn put_ints(out: &mut Vec<u8>, values: &[i64]) {
    let Some(first) = values.first() else { return };
    let steps = || values.windows(2).map(|two| fold(two[1].wrapping_sub(two[0])));
    let least = values.iter().copied().min().unwrap_or(*first);
    let offsets = || values.iter().map(move |value| value.wrapping_sub(least) as u64);
    if offsets().fold(0, |all, value| all | value).leading_zeros() > steps().fold(0, |all, value| all | value).leading_zeros() {
        out.push(OFFSETS);
        put_signed(out, least);
        put_planes(out, offsets());
    } else {
        out.push(STEPS);
        put_signed(out, *first);
        put_planes(out, steps());
    }
}

/// So many whole numbers.
pub(crate) fn ints(bytes: &mut Bytes<'_>, count: usize) -> Option<Vec<i64>> {
    if count == 0 || count > MOST {
        return (count == 0).then(Vec::new);
    }
    let how = bytes.byte()?;
    let mut at = bytes.signed()?;
    match how {
        OFFSETS => planes(bytes, count, |value| at.wrapping_add(value as i64)),
        STEPS => {
            let mut all = planes(bytes, count - 1, |step| {
                let before = at;
                at = at.wrapping_add(unfold(step));
                before
            })?;
            all.push(at);
            Some(all)
        }
        _ => None,
    }
}

fn whole(values: &[f64], decimals: u8) -> Option<Vec<i64>> {
    let scale = f64::from(10_u32.pow(u32::from(decimals)));
    let as_whole = |value: &f64| {
        let scaled = (value * scale).round();
        (scaled.abs() < 9e15 && scaled / scale == *value).then_some(scaled as i64)
    };
    values.iter().map(as_whole).collect()
}

/// Appends numbers, which come back exactly.
pub(crate) fn put_values(out: &mut Vec<u8>, values: &[f64]) {
    if let Some((decimals, whole)) = (0..=DECIMALS).find_map(|decimals| Some((decimals, whole(values, decimals)?))) {
        out.push(decimals);
        put_ints(out, &whole);
        return;
    }
    out.push(FLOAT);
    let mut before = 0;
    let changed: Vec<u64> = values.iter().map(|value| value.to_bits() ^ std::mem::replace(&mut before, value.to_bits())).collect();
    put_planes(out, changed.into_iter());
}

/// So many numbers.
pub(crate) fn values(bytes: &mut Bytes<'_>, count: usize) -> Option<Vec<f64>> {
    match bytes.byte()? {
        decimals @ 0..=DECIMALS => {
            let scale = f64::from(10_u32.pow(u32::from(decimals)));
            Some(ints(bytes, count)?.into_iter().map(|value| value as f64 / scale).collect())
        }
        FLOAT if count <= MOST => {
            let mut before = 0;
            planes(bytes, count, |changed| {
                before ^= changed;
                f64::from_bits(before)
            })
        }
        _ => None,
    }
}

/// Appends samples: their times unless these are the given ones, and their values.
pub(crate) fn put_readings(out: &mut Vec<u8>, base: i64, axis: &[i64], readings: &[Reading]) {
    let same = axis.len() == readings.len() && axis.iter().zip(readings).all(|(at, reading)| *at == reading.at);
    put(out, readings.len() as u64);
    out.push(u8::from(same));
    if !same {
        put_times(out, base, readings.iter().map(|reading| reading.at));
    }
    put_values(out, &readings.iter().map(|reading| reading.value).collect::<Vec<_>>());
}

/// Samples; `axis` are the times that they share with others.
pub(crate) fn readings(bytes: &mut Bytes<'_>, base: i64, axis: &[i64]) -> Option<Vec<Reading>> {
    let count = usize::try_from(bytes.number()?).ok()?;
    let own = match bytes.byte()? {
        0 => Some(times(bytes, base, count)?),
        _ if axis.len() == count => None,
        _ => return None,
    };
    let values = values(bytes, count)?;
    Some(own.as_deref().unwrap_or(axis).iter().zip(values).map(|(at, value)| Reading { at: *at, value }).collect())
}

/// Appends times: the steps between them.
pub(crate) fn put_times(out: &mut Vec<u8>, base: i64, times: impl Iterator<Item = i64>) {
    let mut before = base;
    let steps: Vec<i64> = times.map(|at| at - std::mem::replace(&mut before, at)).collect();
    put_ints(out, &steps);
}

/// So many times.
pub(crate) fn times(bytes: &mut Bytes<'_>, base: i64, count: usize) -> Option<Vec<i64>> {
    let mut at = base;
    let steps = ints(bytes, count)?.into_iter();
    steps
        .map(|step| {
            at = at.checked_add(step)?;
            Some(at)
        })
        .collect()
}

/// A number in 14 significant bits, such that greater numbers are never less.
pub(crate) fn shorten(value: f64) -> i64 {
    let most = i64::from((f32::MAX.to_bits() >> SPARED) - 1);
    let bits = i64::from((value.abs() as f32).to_bits());
    let short = ((bits + (1 << (SPARED - 1))) >> SPARED).min(most);
    if value < 0.0 { -short } else { short }
}

/// What [`shorten`] made of a number, or none of what it never makes.
pub(crate) fn lengthen(short: i64) -> Option<f64> {
    let bits = u32::try_from(short.unsigned_abs()).ok()?.checked_shl(SPARED)?;
    let value = f64::from(f32::from_bits(bits));
    value.is_finite().then_some(if short < 0 { -value } else { value })
}

/// Appends when roll-ups begin: how many there are, and where, as pieces without a hole.
pub(crate) fn put_pieces(out: &mut Vec<u8>, base: i64, width: i64, times: impl ExactSizeIterator<Item = i64>) {
    put(out, times.len() as u64);
    let mut pieces: Vec<(i64, i64)> = Vec::new();
    for number in times.map(|at| (at - base) / width) {
        match pieces.last_mut() {
            Some((first, count)) if *first + *count == number => *count += 1,
            _ => pieces.push((number, 1)),
        }
    }
    put(out, pieces.len() as u64);
    for (first, count) in pieces {
        put_signed(out, first);
        put_signed(out, count);
    }
}

/// How many roll-ups there are, and where.
pub(crate) fn pieces(bytes: &mut Bytes<'_>, base: i64, width: i64, within: &Range<i64>) -> Option<(usize, Vec<Piece>)> {
    let count = usize::try_from(bytes.number()?).ok().filter(|count| *count <= MOST)?;
    let (mut pieces, mut begin) = (Vec::new(), 0);
    for _ in 0..bytes.count()? {
        let (first, length) = (bytes.signed()?, usize::try_from(bytes.signed()?).ok()?);
        pieces.push(Piece::of(first, begin, length, (base, width), within)?);
        begin = begin.checked_add(length).filter(|end| *end <= count)?;
    }
    (begin == count).then_some((count, pieces))
}

/// Roll-ups without a hole between them.
pub(crate) struct Piece {
    /// When the first begins.
    at: i64,
    /// Its number.
    begin: usize,
    /// Which of them begin within the time that is asked for.
    wanted: Range<usize>,
}

impl Piece {
    fn of(first: i64, begin: usize, length: usize, (base, width): (i64, i64), within: &Range<i64>) -> Option<Self> {
        let at = first.checked_mul(width)?.checked_add(base)?;
        // So that no later one is beyond all times.
        at.checked_add(width.checked_mul(i64::try_from(length).ok()?)?)?;
        let number = |time: i64| usize::try_from(time.saturating_sub(at).saturating_add(width - 1).div_euclid(width)).unwrap_or(0).min(length);
        let (from, to) = (number(within.start), number(within.end));
        Some(Self { at, begin, wanted: from..to.max(from) })
    }

    /// When the wanted ones begin, and their numbers.
    pub(crate) fn entries(&self, width: i64) -> impl Iterator<Item = (i64, usize)> {
        self.wanted.clone().map(move |number| (self.at + number as i64 * width, self.begin + number))
    }
}

/// Appends roll-ups over times of this width, in the order of time.
pub(crate) fn put_rows(out: &mut Vec<u8>, base: i64, width: i64, rows: &[Row]) {
    put_pieces(out, base, width, rows.iter().map(|row| row.at));
    put_ints(out, &rows.iter().map(|row| ((row.covered + 500) / 1000).max(1)).collect::<Vec<_>>());
    if rows.iter().all(|row| row.min == row.max) {
        out.push(1);
        put_values(out, &rows.iter().map(|row| row.min).collect::<Vec<_>>());
        return;
    }
    out.push(0);
    let column = |of: fn(&Row) -> i64| rows.iter().map(of).collect::<Vec<_>>();
    put_ints(out, &column(|row| shorten(row.avg)));
    put_ints(out, &column(|row| shorten(row.avg) - shorten(row.min)));
    put_ints(out, &column(|row| shorten(row.max) - shorten(row.avg)));
}

/// Roll-ups that begin within this time.
pub(crate) fn rows(bytes: &mut Bytes<'_>, base: i64, width: i64, within: &Range<i64>) -> Option<Vec<Row>> {
    let (count, pieces) = pieces(bytes, base, width, within)?;
    let covered = ints(bytes, count)?;
    let wanted = pieces.iter().flat_map(|piece| piece.entries(width));
    let mut rows = Vec::with_capacity(pieces.iter().map(|piece| piece.wanted.len()).sum());
    if bytes.byte()? == 1 {
        let values = values(bytes, count)?;
        for (at, number) in wanted {
            let (value, covered) = (values[number], covered[number].checked_mul(1000)?);
            rows.push(Row { at, min: value, avg: value, max: value, covered });
        }
        return Some(rows);
    }
    let (avg, less, more) = (ints(bytes, count)?, ints(bytes, count)?, ints(bytes, count)?);
    for (at, number) in wanted {
        let short = avg[number];
        let (min, max) = (lengthen(short.checked_sub(less[number])?)?, lengthen(short.checked_add(more[number])?)?);
        rows.push(Row { at, min, avg: lengthen(short)?, max, covered: covered[number].checked_mul(1000)? });
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Range<i64> = i64::MIN..i64::MAX;

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<i32>().prop_map(f64::from),
            (-1e6..1e6_f64),
            any::<i64>().prop_map(|n| n as f64),
            (0..9999_u32).prop_map(|n| f64::from(n) / 100.0)
        ]
    }

    proptest! {
        #[test]
        fn samples_come_back_as_they_were(base: i32, list in prop::collection::vec((1_i64..100_000, number()), 0..200), shared: bool) {
            let base = i64::from(base);
            let mut at = base;
            let all: Vec<Reading> = list.iter().map(|(step, value)| { at += step; Reading { at, value: *value } }).collect();
            let axis: Vec<i64> = if shared { all.iter().map(|reading| reading.at).collect() } else { vec![base] };
            let mut out = Vec::new();
            put_readings(&mut out, base, &axis, &all);
            let mut bytes = Bytes(&out);
            prop_assert_eq!(readings(&mut bytes, base, &axis), Some(all));
            prop_assert!(bytes.0.is_empty());
        }

        #[test]
        fn roll_ups_come_back_to_within_a_ten_thousandth(list in prop::collection::vec((1_i64..3, number(), 0.0..1e5_f64, 0.0..1e5_f64, 1_i64..300), 1..200)) {
            let mut at = 0;
            let all: Vec<Row> = list.iter().map(|(step, avg, less, more, seconds)| {
                at += step * 300_000;
                Row { at, min: avg - less, avg: *avg, max: avg + more, covered: seconds * 1000 }
            }).collect();
            let mut out = Vec::new();
            put_rows(&mut out, 0, 300_000, &all);
            let back = rows(&mut Bytes(&out), 0, 300_000, &ALL).expect("readable");
            let within = 7 * 300_000 + 1..at - 300_000;
            let part: Vec<Row> = back.iter().copied().filter(|row| within.contains(&row.at)).collect();
            prop_assert_eq!(rows(&mut Bytes(&out), 0, 300_000, &within), Some(part));
            let near = |one: f64, other: f64| (one - other).abs() <= 1e-4 * one.abs();
            for (one, other) in all.iter().zip(&back) {
                prop_assert_eq!((one.at, one.covered), (other.at, other.covered));
                prop_assert!(near(one.min, other.min) && near(one.avg, other.avg) && near(one.max, other.max), "{:?} {:?}", one, other);
                prop_assert!(other.min <= other.avg && other.avg <= other.max);
            }
        }

        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>) {
            let _ = rows(&mut Bytes(&bytes), 0, 300_000, &ALL);
            let _ = readings(&mut Bytes(&bytes), 0, &[1, 2, 3]);
            let _ = times(&mut Bytes(&bytes), 0, 1000);
        }
    }

    #[test]
    fn what_does_not_change_is_kept_exactly() {
        let limit = 123_456_789.0;
        let all: Vec<Row> = (0..10).map(|n| Row { at: n * 300_000, min: limit, avg: limit, max: limit, covered: 300_000 }).collect();
        let mut out = Vec::new();
        put_rows(&mut out, 0, 300_000, &all);
        assert_eq!(rows(&mut Bytes(&out), 0, 300_000, &ALL), Some(all));
        assert!(out.len() < 24, "{}", out.len());
    }
}
