//! Columns as they lie in a segment. Each is cut into planes (all lowest bytes, then all second ones, ...), and each plane is packed on its own: what
//! is the same in all lines costs two bytes, and the random low bytes of times do not spoil the rest.

use crate::bytes::{Bytes, fold, put, unfold};
use crate::chunk::Columns;

const SAME: u8 = 0;
const PLAIN: u8 = 1;
const PACKED: u8 = 2;

/// Packs the columns.
pub(crate) fn pack(columns: &Columns, level: i32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = 0_i64;
    let steps: Vec<u64> = columns
        .times
        .iter()
        .map(|at| {
            let step = fold(at.wrapping_sub(before));
            before = *at;
            step
        })
        .collect();
    // The first step is a whole date, the others are small: it stands alone.
    put(&mut out, steps.first().copied().unwrap_or(0));
    planes(&mut out, steps.get(1..).unwrap_or_default().iter().copied(), 8, level);
    planes(&mut out, columns.source.iter().map(|number| u64::from(*number)), 4, level);
    planes(&mut out, columns.flags.iter().map(|flags| u64::from(*flags)), 1, level);
    out
}

fn planes(out: &mut Vec<u8>, values: impl Iterator<Item = u64> + Clone, width: u32, level: i32) {
    for plane in 0..width {
        let bytes: Vec<u8> = values.clone().map(|value| (value >> (8 * plane)) as u8).collect();
        let first = bytes.first().copied().unwrap_or(0);
        if bytes.iter().all(|byte| *byte == first) {
            out.extend([SAME, first]);
            continue;
        }
        match zstd::bulk::compress(&bytes, level) {
            Ok(packed) if packed.len() < bytes.len() => {
                out.push(PACKED);
                put(out, packed.len() as u64);
                out.extend(packed);
            }
            _ => {
                out.push(PLAIN);
                out.extend(bytes);
            }
        }
    }
}

/// Columns of so many lines: none when the bytes are not those of any.
pub(crate) fn unpack(packed: &[u8], lines: usize) -> Option<Columns> {
    let mut bytes = Bytes(packed);
    let first = bytes.number()?;
    let steps = values(&mut bytes, lines.checked_sub(1)?, 8)?;
    let mut at = 0_i64;
    let times = std::iter::once(first)
        .chain(steps)
        .map(|step| {
            at = at.wrapping_add(unfold(step));
            at
        })
        .collect();
    let source = values(&mut bytes, lines, 4)?.into_iter().map(|number| number as u32).collect();
    let flags = values(&mut bytes, lines, 1)?.into_iter().map(|flags| flags as u8).collect();
    Some(Columns { times, source, flags })
}

fn values(bytes: &mut Bytes<'_>, lines: usize, width: u32) -> Option<Vec<u64>> {
    let mut values = vec![0_u64; lines];
    for plane in 0..width {
        let mut add = |plain: &[u8]| {
            for (value, byte) in values.iter_mut().zip(plain) {
                *value |= u64::from(*byte) << (8 * plane);
            }
        };
        match bytes.byte()? {
            SAME => {
                let same = u64::from(bytes.byte()?) << (8 * plane);
                if same != 0 {
                    values.iter_mut().for_each(|value| *value |= same);
                }
            }
            PLAIN => add(bytes.take(lines)?),
            PACKED => {
                let length = bytes.size()?;
                let plain = zstd::bulk::decompress(bytes.take(length)?, lines).ok().filter(|plain| plain.len() == lines)?;
                add(&plain);
            }
            _ => return None,
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_come_back(lines in prop::collection::vec((any::<i64>(), any::<u32>(), any::<u8>()), 1..300)) {
            let columns = Columns {
                times: lines.iter().map(|line| line.0).collect(),
                source: lines.iter().map(|line| line.1).collect(),
                flags: lines.iter().map(|line| line.2).collect(),
            };
            let back = unpack(&pack(&columns, 3), lines.len()).expect("readable");
            prop_assert_eq!(&back.times, &columns.times);
            prop_assert_eq!(&back.source, &columns.source);
            prop_assert_eq!(&back.flags, &columns.flags);
        }

        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>, lines in 0_usize..1000) {
            let _ = unpack(&bytes, lines);
        }
    }
}
