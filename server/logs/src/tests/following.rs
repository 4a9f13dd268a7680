//! Who comes again and again: reads what is new, from memory or files, and knows what it has seen.

use std::fs;

use proptest::prelude::*;

use super::searches::beside;
use super::*;

/// Looks on from a place, until a line that matches comes behind so many others. What was seen, where it ends, and whether it was left.
fn look(stream: &Stream, select: &Select, at: LineId, trail: &mut Trail, most: usize) -> (Vec<Found>, LineId, bool) {
    let (mut seen, mut left) = (Vec::new(), false);
    let mut see = |found: Found| {
        left = !found.context && seen.len() >= most;
        seen.push(found);
        if left { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let last = stream.scan_on(select, Start::After(at), trail, &mut see, &mut |_| ControlFlow::Continue(())).expect("read");
    (seen, last.unwrap_or(at), left)
}

/// What the files say, whatever is in memory.
fn files(stream: &Stream, after: LineId) -> (Vec<Found>, Option<LineId>) {
    let mut seen = Vec::new();
    let mut see = |found| {
        seen.push(found);
        ControlFlow::Continue(())
    };
    let (select, mut trail) = (Select::default(), Trail::default());
    let last = crate::scan::forward(&stream.0, &select, Start::After(after), &mut trail, &mut see, &mut |_| ControlFlow::Continue(()));
    (seen, last.expect("read"))
}

fn memory(near: Near) -> (Vec<Found>, Option<LineId>) {
    let mut seen = Vec::new();
    let mut see = |found| {
        seen.push(found);
        ControlFlow::Continue(())
    };
    let last = near.scan(&Select::default(), &mut Trail::default(), &mut see, &mut |_| ControlFlow::Continue(()));
    (seen, last.expect("read"))
}

#[derive(Clone, Debug)]
enum Act {
    /// Adds a batch with so many lines, each of so many bytes.
    Append(usize, usize),
    Seal,
    /// Somebody begins to follow.
    Come,
    /// All who follow leave.
    Leave,
    /// Retention deletes what there is.
    Delete,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (0_usize..30, 0_usize..200).prop_map(|(lines, length)| Act::Append(lines, length)),
        1 => (1_usize..20, 2_000_usize..9_000).prop_map(|(lines, length)| Act::Append(lines, length)),
        2 => Just(Act::Seal),
        3 => Just(Act::Come),
        1 => Just(Act::Leave),
        1 => Just(Act::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn lines_in_memory_are_those_of_the_files(acts in prop::collection::vec(act(), 1..40)) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), SMALL).expect("opened");
        let stream = store.stream(key(1)).expect("made");
        let (mut followers, mut number) = (vec![stream.changes()], 0);
        for act in acts {
            match act {
                Act::Append(lines, length) => {
                    let text = |n: usize| format!("{} {}", number + n, "x".repeat(length));
                    let records = (0..lines).map(|n| line(n as u128 % 3, (number + n * 7 % 5) as i64, &text(n))).collect();
                    stream.append(&Batch { records, cursors: vec![(task(1), number.to_string())] }).expect("appended");
                    number += lines;
                    let (end, count) = (stream.end(), lines as u32);
                    if count > 0 && length < 200 && !followers.is_empty() {
                        let before = LineId { segment: end.segment, index: end.index.saturating_sub(count) };
                        prop_assert!(stream.near(before).is_some(), "what was just added is in memory");
                    }
                }
                Act::Seal => seal(&stream),
                Act::Come => followers.push(stream.changes()),
                Act::Leave => followers.clear(),
                Act::Delete => {
                    store.retain(key(1).project, i64::MAX, u64::MAX).expect("deleted");
                }
            }
            let mut places: Vec<LineId> = all(&stream).iter().rev().take(32).step_by(4).map(|found| found.id).collect();
            let end = stream.end();
            places.extend([LineId::ZERO, LineId { segment: 1, index: 0 }, LineId { segment: end.segment.saturating_sub(1), index: u32::MAX }]);
            for after in places {
                if let Some(near) = stream.near(after) {
                    prop_assert_eq!(memory(near), files(&stream, after), "behind {}", after);
                }
            }
        }
    }

    #[test]
    fn who_comes_again_is_shown_each_line_once(
        lines in prop::collection::vec((0_u128..3, 0_u8..8, any::<bool>(), 0_usize..6), 1..120),
        sealed in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        context in 1_usize..4,
        in_memory: bool,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
        let _follower = in_memory.then(|| stream.changes());
        let sealed: Vec<usize> = sealed.iter().map(|index| index.index(lines.len())).collect();
        let matcher = Matcher::text("hit", false);
        let select = Select { matcher: Some(matcher.clone()), context, ..Select::default() };
        let (mut followed, mut at, mut trail) = (Vec::new(), LineId::ZERO, Trail::default());
        let count = lines.len();
        for (n, (of, what, looks, most)) in lines.into_iter().enumerate() {
            stream.append(&batch(vec![line(of, n as i64, if what == 0 { "a hit" } else { "hay hay hay" })])).expect("appended");
            if sealed.contains(&n) {
                seal(&stream);
            }
            let mut left = looks || n + 1 == count;
            while left {
                let found;
                (found, at, left) = look(&stream, &select, at, &mut trail, most);
                followed.extend(found);
            }
        }
        let want = beside(&all(&stream), &matcher, context);
        followed.sort_by_key(|found: &Found| found.id);
        let ids: Vec<LineId> = followed.iter().map(|found| found.id).collect();
        let mut wanted: Vec<LineId> = want.keys().copied().collect();
        wanted.sort_unstable();
        prop_assert_eq!(ids, wanted);
        prop_assert!(followed.iter().all(|found| want[&found.id] == found.context));
    }
}

#[test]
fn who_falls_behind_reads_on_from_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key(1)).expect("made");
    let follower = stream.changes();
    let (select, mut trail) = (Select::default(), Trail::default());
    fill(&stream, 0, 10);
    let (seen, at, _) = look(&stream, &select, LineId::ZERO, &mut trail, usize::MAX);
    assert_eq!((seen.len(), at), (10, stream.end()));
    fill(&stream, 10, 10);
    assert!(stream.near(at).is_some(), "who keeps pace reads from memory");
    fill(&stream, 20, 400);
    assert!(stream.near(at).is_none(), "that is too much");
    assert!(stream.near(LineId { segment: 1, index: 400 }).is_some());
    let (seen, at, _) = look(&stream, &select, at, &mut trail, usize::MAX);
    assert!(seen.iter().map(|found| found.record.at_nanos).eq(10..420), "nothing is lost, nothing comes twice");
    stream.append(&batch((420..440).map(|n| line(1, n, &"x".repeat(10_000))).collect())).expect("appended");
    assert!(stream.near(at).is_none(), "nor is a large batch held");
    let (seen, at, _) = look(&stream, &select, at, &mut trail, usize::MAX);
    assert!(seen.iter().map(|found| found.record.at_nanos).eq(420..440));
    assert_eq!(stream.near(at).map(|near| memory(near).0.len()), Some(0), "at the end there is nothing to read");
    drop(follower);
    fill(&stream, 440, 10);
    assert!(stream.near(at).is_none(), "where nobody follows nothing is held");
}

#[test]
fn who_follows_with_context_reads_nothing_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key(1)).expect("made");
    let _follower = stream.changes();
    let select = Select { matcher: Some(Matcher::text("hit", false)), context: 2, ..Select::default() };
    let mut trail = Trail::default();
    fill(&stream, 0, 30);
    let (seen, at, _) = look(&stream, &select, LineId::ZERO, &mut trail, usize::MAX);
    assert!(seen.is_empty());
    // From here on the file tells nothing of what was there.
    let file = fs::OpenOptions::new().write(true).open(plan::journal_path(stream.0.path(), 1)).expect("opened");
    file.set_len(0).expect("emptied");
    stream.append(&batch(vec![line(1, 100, "a"), line(1, 101, "a hit"), line(2, 102, "b")])).expect("appended");
    let (seen, at, _) = look(&stream, &select, at, &mut trail, usize::MAX);
    assert_eq!(texts(&seen), ["line 28", "a", "a hit"]);
    stream.append(&batch(vec![line(1, 103, "c"), line(2, 104, "d"), line(1, 105, "e"), line(1, 106, "f")])).expect("appended");
    let (seen, _, _) = look(&stream, &select, at, &mut trail, usize::MAX);
    assert_eq!(texts(&seen), ["c", "e"]);
}

#[test]
fn a_look_back_goes_on_where_it_was_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
    fill(&stream, 0, 400);
    for context in [0, 2] {
        let select = Select { matcher: Some(Matcher::text("7", false)), context, ..Select::default() };
        let want = stream.last(&select, 60, usize::MAX, None).expect("read");
        let (mut past, mut looks, mut bytes) = (Past::new(60, usize::MAX, None), 0, Vec::new());
        let mut leave = |progress: Progress| {
            bytes.push(progress.bytes);
            ControlFlow::Break(())
        };
        while !stream.look_back(&select, &mut past, &mut leave).expect("read") {
            looks += 1;
            // What is added or compressed meanwhile changes nothing.
            if looks == 2 {
                fill(&stream, 400, 100);
                seal(&stream);
            }
        }
        assert!(looks > 3, "{looks}");
        assert_eq!(past.into_lines(), want);
        assert!(bytes.windows(2).all(|two| two[0] <= two[1]));
        let mut left = Past::new(60, usize::MAX, None);
        assert!(!stream.look_back(&select, &mut left, &mut |_| ControlFlow::Break(())).expect("read"));
        assert!(left.into_lines().len() < want.len(), "who leaves it has what was found until then");
    }
}

#[test]
fn who_looks_back_a_while_at_a_time_is_told_what_was_deleted_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    for n in 0..5 {
        fill(&stream, n * 100, 100);
        seal(&stream);
    }
    let select = Select { matcher: Some(Matcher::text("7", false)), context: 1, ..Select::default() };
    let mut leave = |_: Progress| ControlFlow::Break(());
    let (mut past, mut looks) = (Past::new(1_000, usize::MAX, None), 0);
    while !stream.look_back(&select, &mut past, &mut leave).expect("read") {
        looks += 1;
    }
    let (mut past, mut at) = (Past::new(1_000, usize::MAX, None), 0);
    while !stream.look_back(&select, &mut past, &mut leave).expect("read") {
        at += 1;
        // It goes the same way twice: this is in the middle of the second time.
        if at == looks * 3 / 4 {
            store.retain(key(1).project, 400, u64::MAX).expect("deleted");
        }
    }
    let lines = past.into_lines();
    let gaps: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].record.kind == Kind::Gap).collect();
    let [gap] = gaps[..] else { panic!("one gap: {:?}", texts(&lines)) };
    assert!(gap > 0 && lines[gap].record.text.contains("deleted"));
    assert!(lines.windows(2).all(|two| two[0].id < two[1].id));
    let kept = scan(&stream, &Select { context: 0, ..select }, Start::Oldest).0;
    let hits: Vec<LineId> = lines[gap + 1..].iter().filter(|found| !found.context).map(|found| found.id).collect();
    assert!(!kept.is_empty() && hits == kept.iter().map(|found| found.id).collect::<Vec<_>>());
}
