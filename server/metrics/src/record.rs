//! What a journal consists of: records with a length and a checksum, and what stands in them.

use model::ids::{ProjectId, ServiceId};

use crate::bytes::{Bytes, fold, four, put, put_id, put_signed, unfold};
use crate::{Key, Member};

/// Bytes before each record's contents: their length and their checksum.
pub(crate) const HEAD: usize = 8;
/// Most bytes of a record.
pub(crate) const RECORD: usize = 64 << 20;

pub(crate) const STREAM: u8 = 1;
pub(crate) const SERIES: u8 = 2;
pub(crate) const MEMBER: u8 = 3;
pub(crate) const SAMPLES: u8 = 4;
pub(crate) const FORGET: u8 = 5;

/// Where a stream's newest block is: its place and the length of its contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) length: u32,
}

/// What deleting a project or service takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    Project(ProjectId),
    Service(ProjectId, ServiceId),
    Stream(Key),
}

impl Forgotten {
    pub(crate) fn takes(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Project(gone), Key::Service { project, .. }) => gone == project,
            (Self::Service(of, gone), Key::Service { project, service, .. }) => of == project && gone == service,
            (Self::Stream(gone), key) => gone == key,
            _ => false,
        }
    }
}

/// Records that are written at once.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) bytes: Vec<u8>,
    /// Streams of which there is a block, where it is, and the length of its contents.
    pub(crate) blocks: Vec<(u32, usize, u32)>,
}

impl Records {
    pub(crate) fn record(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        self.bytes.extend([0; HEAD]);
        write(&mut self.bytes);
        let contents = &self.bytes[at + HEAD..];
        let (length, checksum) = (contents.len() as u32, crc32fast::hash(contents));
        self.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        self.bytes[at + 4..at + HEAD].copy_from_slice(&checksum.to_le_bytes());
    }

    /// A stream's block of one time: for each task its number and its numbers by their series.
    pub(crate) fn block(&mut self, stream: u32, before: Place, at: i64, members: &[(u32, Vec<(u32, f64)>)]) {
        let begin = self.bytes.len();
        self.record(|out| {
            out.push(SAMPLES);
            put(out, u64::from(stream));
            put(out, before.at);
            put(out, u64::from(before.length));
            put_signed(out, at);
            put(out, members.len() as u64);
            let mut before: &[(u32, f64)] = &[];
            for (member, values) in members {
                put(out, u64::from(*member));
                put_values(out, before, values);
                before = values;
            }
        });
        self.blocks.push((stream, begin, (self.bytes.len() - begin - HEAD) as u32));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The contents of the record at this place, if it is whole.
pub(crate) fn record(bytes: &[u8], at: u64) -> Option<&[u8]> {
    let bytes = bytes.get(usize::try_from(at).ok()?..)?;
    let length = four(bytes, 0)? as usize;
    if length > RECORD {
        return None;
    }
    let contents = bytes.get(HEAD..HEAD + length)?;
    (crc32fast::hash(contents) == four(bytes, 4)?).then_some(contents)
}

/// Where the block before is.
pub(crate) fn place(bytes: &mut Bytes<'_>) -> Option<Place> {
    Some(Place { at: bytes.number()?, length: bytes.small()? })
}

/// Told of what a block has of one task: when, its number, and its numbers by their series.
pub(crate) type See<'a> = dyn FnMut(i64, u32, &[(u32, f64)]) + 'a;

/// Reads a block's time and samples: shows the time, each task's number and its numbers by the wanted ones of their series.
pub(crate) fn block(bytes: &mut Bytes<'_>, wanted: impl Fn(u32) -> bool, see: &mut See<'_>) -> Option<()> {
    let at = bytes.signed()?;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for _ in 0..bytes.count()? {
        let member = bytes.small()?;
        read_names(bytes, &wanted, &mut names)?;
        read_values(bytes, &names, &mut values)?;
        see(at, member, &values);
    }
    Some(())
}

/// Reads which series there are, and whether they are wanted; as they are where they are the same as before.
fn read_names(bytes: &mut Bytes<'_>, wanted: impl Fn(u32) -> bool, names: &mut Vec<(u32, bool)>) -> Option<()> {
    let Some(count) = bytes.number()?.checked_sub(1) else { return Some(()) };
    names.clear();
    for _ in 0..count {
        let name = bytes.small()?;
        names.push((name, wanted(name)));
    }
    Some(())
}

/// Reads the wanted ones of these series' numbers.
fn read_values(bytes: &mut Bytes<'_>, names: &[(u32, bool)], values: &mut Vec<(u32, f64)>) -> Option<()> {
    values.clear();
    let lengths = bytes.take(names.len().div_ceil(2))?;
    for (number, (name, wanted)) in names.iter().enumerate() {
        let length = (lengths[number / 2] >> (number % 2 * 4)) & 0x0f;
        let packed = bytes.take(usize::from(length))?;
        if *wanted {
            values.push((*name, value(packed)?));
        }
    }
    Some(())
}

/// Bytes of a number that is not whole.
const FLOAT: usize = 8;

/// Appends a task's numbers: which series they are of, unless those are the same as the task's before, how many bytes each of them has (half a byte for
/// each, so that what is not wanted is passed over without being looked at), and these.
fn put_values(out: &mut Vec<u8>, before: &[(u32, f64)], values: &[(u32, f64)]) {
    if values.iter().map(|(name, _)| name).eq(before.iter().map(|(name, _)| name)) {
        put(out, 0);
    } else {
        put(out, values.len() as u64 + 1);
        values.iter().for_each(|(name, _)| put(out, u64::from(*name)));
    }
    let lengths = out.len();
    out.resize(lengths + values.len().div_ceil(2), 0);
    for (number, (_, value)) in values.iter().enumerate() {
        let begin = out.len();
        put_value(out, *value);
        let length = (out.len() - begin) as u8;
        out[lengths + number / 2] |= length << (number % 2 * 4);
    }
}

/// Appends a number: whole ones in few bytes.
fn put_value(out: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    if whole.unsigned_abs() < 1 << 53 && whole as f64 == value {
        let folded = fold(whole);
        let length = (u64::BITS - folded.leading_zeros()).div_ceil(8) as usize;
        out.extend_from_slice(&folded.to_le_bytes()[..length]);
    } else {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// The number that has these bytes.
fn value(packed: &[u8]) -> Option<f64> {
    if packed.len() == FLOAT {
        return Some(f64::from_le_bytes(packed.try_into().ok()?));
    }
    let mut whole = [0; 8];
    whole.get_mut(..packed.len())?.copy_from_slice(packed);
    Some(unfold(u64::from_le_bytes(whole)) as f64)
}

/// The task with this number in a block; 0 is none.
pub(crate) fn of(members: &[Member], number: u32) -> Option<Option<Member>> {
    match number.checked_sub(1) {
        None => Some(None),
        Some(index) => members.get(index as usize).copied().map(Some),
    }
}

/// Appends a task.
pub(crate) fn put_member(out: &mut Vec<u8>, member: &Member) {
    put_id(out, &member.task);
    put(out, u64::from(member.slot));
    put(out, u64::from(member.revision));
}

/// A task.
pub(crate) fn member(bytes: &mut Bytes<'_>) -> Option<Member> {
    Some(Member { task: bytes.id()?, slot: bytes.small()?, revision: bytes.small()? })
}

/// Appends what a stream's samples are of.
pub(crate) fn put_key(out: &mut Vec<u8>, key: &Key) {
    match key {
        Key::Service { project, service, environment } => {
            out.push(0);
            put_id(out, project);
            put_id(out, service);
            put_id(out, environment);
        }
        Key::Machine(machine) => {
            out.push(1);
            put_id(out, machine);
        }
    }
}

/// What a stream's samples are of.
pub(crate) fn key(bytes: &mut Bytes<'_>) -> Option<Key> {
    match bytes.byte()? {
        0 => Some(Key::Service { project: bytes.id()?, service: bytes.id()?, environment: bytes.id()? }),
        1 => Some(Key::Machine(bytes.id()?)),
        _ => None,
    }
}

/// Appends what was deleted.
pub(crate) fn put_forgotten(out: &mut Vec<u8>, gone: &Forgotten) {
    match gone {
        Forgotten::Project(project) => {
            out.push(0);
            put_id(out, project);
        }
        Forgotten::Service(project, service) => {
            out.push(1);
            put_id(out, project);
            put_id(out, service);
        }
        Forgotten::Stream(stream) => {
            out.push(2);
            put_key(out, stream);
        }
    }
}

/// What was deleted.
pub(crate) fn forgotten(bytes: &mut Bytes<'_>) -> Option<Forgotten> {
    match bytes.byte()? {
        0 => Some(Forgotten::Project(bytes.id()?)),
        1 => Some(Forgotten::Service(bytes.id()?, bytes.id()?)),
        2 => Some(Forgotten::Stream(key(bytes)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![any::<i64>().prop_map(|n| n as f64), (0..300_i32).prop_map(f64::from), -1e6..1e6_f64, Just(-9_007_199_254_740_991.0)]
    }

    fn tasks() -> impl Strategy<Value = Vec<(u32, Vec<(u32, f64)>)>> {
        prop::collection::vec((0..100_u32, prop::collection::vec((0..400_u32, number()), 0..9)), 0..9)
    }

    proptest! {
        #[test]
        fn a_block_has_what_was_put_into_it_and_shows_what_is_wanted(at in 0..7_258_118_400_000_i64, mut tasks in tasks(), same: bool, odd: bool) {
            if same && let Some((_, first)) = tasks.first().cloned() {
                tasks.iter_mut().for_each(|(member, values)| *values = first.iter().map(|(name, value)| (*name, value + f64::from(*member))).collect());
            }
            let mut records = Records::default();
            let before = Place { at: 300, length: 20 };
            records.block(7, before, at, &tasks);
            let contents = &mut Bytes(record(&records.bytes, 0).expect("whole"));
            prop_assert_eq!((contents.byte(), contents.number(), place(contents)), (Some(SAMPLES), Some(7), Some(before)));
            let (all, mut seen) = (contents.0, Vec::new());
            let wanted = |name: u32| !odd || name % 2 == 1;
            block(contents, wanted, &mut |at, member, values| seen.push((at, member, values.to_vec()))).expect("readable");
            prop_assert!(contents.0.is_empty());
            let part = |values: &[(u32, f64)]| values.iter().copied().filter(|(name, _)| wanted(*name)).collect::<Vec<_>>();
            prop_assert_eq!(seen, tasks.iter().map(|(member, values)| (at, *member, part(values))).collect::<Vec<_>>());
            for end in 0..all.len() {
                prop_assert_eq!(block(&mut Bytes(&all[..end]), |_| true, &mut |_, _, _| ()), None);
            }
        }

        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>) {
            let _ = block(&mut Bytes(&bytes), |_| true, &mut |_, _, _| ());
        }
    }
}
