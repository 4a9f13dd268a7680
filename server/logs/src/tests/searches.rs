//! What is searched for is found, from any place, with the lines beside it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn three_tasks(store: &Store) -> Stream {
    let stream = store.stream(key(1)).expect("made");
    for n in 0..200_i64 {
        let mut record = line(n as u128 % 3, 1000 + n * 10, &format!("{} number {n} of many", if n % 50 == 7 { "Needle" } else { "hay" }));
        record.kind = if n % 4 == 0 { Kind::Stderr } else { Kind::Stdout };
        record.revision = if n < 100 { 1 } else { 2 };
        if n == 60 {
            record.kind = Kind::Gap;
        }
        stream.append(&batch(vec![record])).expect("appended");
        if n == 120 {
            seal(&stream);
        }
    }
    stream
}

#[test]
fn each_filter_leaves_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = three_tasks(&Store::open(folder.path(), SMALL).expect("opened"));
    let everything = all(&stream);
    assert_eq!(everything.len(), 200);
    let check = |select: Select, wanted: &dyn Fn(&Record) -> bool| {
        let want: Vec<Found> = everything.iter().filter(|found| wanted(&found.record)).cloned().collect();
        assert!(!want.is_empty());
        assert_eq!(scan(&stream, &select, Start::Oldest).0, want, "{select:?}");
        let three: Vec<Found> = want[want.len().saturating_sub(3)..].to_vec();
        assert_eq!(stream.last(&select, 3, usize::MAX, None).expect("read"), three, "{select:?}");
    };
    let none = Select::default;
    check(Select { tasks: Some(vec![task(1), task(9)]), ..none() }, &|r| r.task == task(1));
    check(Select { slot: Some(2), ..none() }, &|r| r.slot == 2);
    check(Select { revision: Some(2), ..none() }, &|r| r.revision == 2);
    check(Select { kind: Some(Kind::Stderr), ..none() }, &|r| r.kind != Kind::Stdout);
    check(Select { since_nanos: Some(1500), until_nanos: Some(2500), ..none() }, &|r| (1500..2500).contains(&r.at_nanos));
    let word = |text: &str, ignore| Some(Matcher::text(text, ignore));
    check(Select { matcher: word("Needle", false), ..none() }, &|r| r.text.contains("Needle") || r.kind == Kind::Gap);
    check(Select { matcher: word("nEEDLE", true), ..none() }, &|r| r.text.contains("Needle") || r.kind == Kind::Gap);
    check(Select { matcher: word("", true), ..none() }, &|_| true);
    check(Select { matcher: word("needle", false), ..none() }, &|r| r.kind == Kind::Gap);
    let regex = Some(Matcher::regex(r"^hay number \d*7 of many$", false).expect("a pattern"));
    check(Select { matcher: regex, tasks: Some(vec![task(1)]), ..none() }, &|r| {
        r.task == task(1) && r.text.contains("7 of") && r.text.starts_with("hay")
    });
}

#[test]
fn reading_begins_where_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = three_tasks(&Store::open(folder.path(), SMALL).expect("opened"));
    let everything = all(&stream);
    let select = Select::default();
    for n in [0, 1, 57, 120, 121, 199] {
        assert_eq!(scan(&stream, &select, Start::At(everything[n].record.at_nanos)).0, everything[n..]);
        assert_eq!(scan(&stream, &select, Start::After(everything[n].id)).0, everything[n + 1..]);
        assert_eq!(stream.last(&select, usize::MAX, usize::MAX, Some(everything[n].id)).expect("read"), everything[..n]);
    }
    assert_eq!(scan(&stream, &select, Start::At(1_000_000)), (vec![], Some(stream.end())));
    assert_eq!(scan(&stream, &select, Start::After(stream.end())), (vec![], None));
    // What a crash of the machine took away again: the follower is told, and goes on at the end.
    let (told, end) = scan(&stream, &select, Start::After(LineId { segment: 999, index: 3 }));
    assert_eq!((told.len(), told[0].record.kind, end), (1, Kind::Gap, Some(stream.end())));
    // As much as fits into the bytes, one line in any case.
    assert_eq!(stream.last(&select, 100, 60, None).expect("read").len(), 2);
    assert_eq!(stream.last(&select, 100, 1, None).expect("read").len(), 1);
}

#[test]
fn a_search_stops_when_told_and_says_how_far_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = three_tasks(&Store::open(folder.path(), SMALL).expect("opened"));
    let everything = all(&stream);
    let mut seen = 0;
    let mut see = |_| {
        seen += 1;
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let last = stream.scan(&Select::default(), Start::Oldest, &mut see, &mut |_| ControlFlow::Continue(())).expect("scanned");
    assert_eq!((seen, last), (5, Some(everything[4].id)));
    let mut steps = Vec::new();
    let select = Select { matcher: Some(Matcher::text("nothing like it", false)), kind: None, ..Select::default() };
    let mut progress = |progress: Progress| {
        steps.push(progress);
        ControlFlow::Continue(())
    };
    stream.scan(&select, Start::Oldest, &mut |_| ControlFlow::Continue(()), &mut progress).expect("scanned");
    assert!(steps.len() > 3 && steps.windows(2).all(|two| two[0].bytes <= two[1].bytes));
    assert_eq!(steps.last().map(|last| last.bytes), steps.first().map(|first| first.of));
    let mut parts = 0;
    let mut progress = |_| {
        parts += 1;
        ControlFlow::Break(())
    };
    stream.scan(&select, Start::Oldest, &mut |_| ControlFlow::Continue(()), &mut progress).expect("scanned");
    assert_eq!(parts, 1);
}

#[test]
fn much_is_read_on_threads_in_the_same_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = much(folder.path());
    let found = all(&stream);
    assert!(found.iter().map(|found| found.record.at_nanos).eq(0..8000));
    let select = Select { matcher: Some(Matcher::regex("^[0-9]*99 ", false).expect("a pattern")), ..Select::default() };
    assert_eq!(scan(&stream, &select, Start::Oldest).0.len(), 80);
    assert_eq!(stream.last(&select, 70, usize::MAX, None).expect("read")[0].record.at_nanos, 1099);
    // Left in the middle, with threads ahead.
    let mut seen = 0;
    let mut see = |_| {
        seen += 1;
        if seen == 4000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    stream.scan(&Select::default(), Start::Oldest, &mut see, &mut |_| ControlFlow::Continue(())).expect("scanned");
    assert_eq!(seen, 4000);
}

/// Of one task, a bit more than is read without threads.
fn much(folder: &std::path::Path) -> Stream {
    let store = Store::open(folder, Options { journal_bytes: 1 << 20, chunk_bytes: 64 << 10, level: 1 }).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    for n in 0..80_i64 {
        let lines = (0..100).map(|m| line(1, n * 100 + m, &format!("{} {}", n * 100 + m, "x".repeat(900)))).collect();
        stream.append(&batch(lines)).expect("appended");
    }
    seal(&stream);
    stream
}

#[test]
fn a_thread_that_dies_ends_the_search() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let folder = tempfile::tempdir().expect("a folder");
    let stream = much(folder.path());
    let (here, dead) = (std::thread::current().id(), AtomicBool::new(false));
    let gone = Gone::new(move || {
        assert!(std::thread::current().id() == here || dead.swap(true, Ordering::Relaxed), "one of the threads dies");
        false
    });
    let select = Select { matcher: Some(Matcher::text("99 x", false)), gone: Some(gone), ..Select::default() };
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scan(&stream, &select, Start::Oldest)));
    assert!(died.is_err(), "who waits for it hears of it");
}

#[test]
fn a_search_for_which_nobody_waits_ends_in_the_middle_of_a_part() {
    use std::sync::atomic::{AtomicU32, Ordering};

    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key(1)).expect("made");
    stream.append(&batch((0..2000).map(|n| line(1, n, &format!("hit {}", "x".repeat(200)))).collect())).expect("appended");
    seal(&stream);
    let asked = AtomicU32::new(0);
    // Before the segment is opened, at a first look whether the part holds anything, before its first piece, before its second one.
    let gone = Gone::new(move || asked.fetch_add(1, Ordering::Relaxed) >= 3);
    let select = Select { matcher: Some(Matcher::regex("^h.t", false).expect("a pattern")), gone: Some(gone), ..Select::default() };
    let found = scan(&stream, &select, Start::Oldest).0.len();
    assert!(found > 0 && found < 2000, "{found}");
    assert_eq!(scan(&stream, &Select { gone: None, ..select }, Start::Oldest).0.len(), 2000);
}

#[test]
fn parts_without_the_stream_that_is_asked_for_are_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
    fill(&stream, 0, 100);
    seal(&stream);
    let steps = |kind| {
        let (mut steps, mut found) = (0, 0);
        let mut see = |_| {
            found += 1;
            ControlFlow::Continue(())
        };
        let mut progress = |_| {
            steps += 1;
            ControlFlow::Continue(())
        };
        stream.scan(&Select { kind: Some(kind), ..Select::default() }, Start::Oldest, &mut see, &mut progress).expect("scanned");
        (steps, found)
    };
    assert_eq!(steps(Kind::Stderr), (1, 0), "nothing is read, and the end is told");
    assert!(steps(Kind::Stdout).0 >= 3 && steps(Kind::Stdout).1 == 100);
    // But what stands beside a line is of any stream.
    stream.append(&batch(vec![Record { kind: Kind::Stderr, ..line(1, 100, "needle") }])).expect("appended");
    fill(&stream, 100, 100);
    seal(&stream);
    let select = Select { kind: Some(Kind::Stderr), matcher: Some(Matcher::text("needle", false)), context: 20, ..Select::default() };
    assert_eq!(scan(&stream, &select, Start::Oldest).0.len(), 41);
    assert_eq!(scan(&stream, &Select { context: 0, ..select }, Start::Oldest).0.len(), 1);
}

#[test]
fn what_stands_beside_the_last_lines_has_a_bound_and_is_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key(1)).expect("made");
    let padding = "x".repeat(10 << 10);
    for begin in (0..600_i64).step_by(10) {
        let lines = (begin..begin + 10).map(|n| line(1, n, &format!("{} {padding}", if n % 100 == 99 { "hit" } else { "hay" }))).collect();
        stream.append(&batch(lines)).expect("appended");
    }
    let select = Select { matcher: Some(Matcher::text("hit", false)), context: 100, ..Select::default() };
    let found = stream.last(&select, 6, 1 << 20, None).expect("read");
    let bytes: usize = found.iter().map(|found| found.record.text.len()).sum();
    assert!(bytes <= 4 << 20 && bytes > 3 << 20, "{bytes}");
    assert!(found.iter().map(|found| found.record.at_nanos).eq(600 - found.len() as i64..600), "the last ones, without a hole");
    let steps = |context| {
        let mut steps = 0;
        let mut progress = |_| {
            steps += 1;
            ControlFlow::Continue(())
        };
        stream.last_watched(&Select { context, ..select.clone() }, 6, 1 << 20, None, &mut progress).expect("read");
        steps
    };
    assert!(steps(100) > steps(0), "who watches can stop it also while it looks beside");
}

#[test]
fn matchers_say_where() {
    let ranges = |matcher: Matcher, text: &str| matcher.ranges(text).into_iter().map(|range| (range.start, range.end)).collect::<Vec<_>>();
    assert_eq!(ranges(Matcher::text("ab", false), "ab AB abab"), [(0, 2), (6, 8), (8, 10)]);
    assert_eq!(ranges(Matcher::text("ÄB", true), "xäb"), [(1, 4)]);
    assert_eq!(ranges(Matcher::text("a.c", true), "abc A.C"), [(4, 7)]);
    assert_eq!(ranges(Matcher::regex("x*", false).expect("a pattern"), "axxb"), [(1, 3)]);
    assert!(ranges(Matcher::text("", false), "abc").is_empty());
    assert!(Matcher::regex("^b", false).expect("a pattern").is_match("bc") && !Matcher::regex("^b", false).expect("a pattern").is_match("ab"));
    let long = "\u{e4}b1 ".repeat(3000);
    assert!(Matcher::text(&long, true).is_match(&long.to_uppercase()), "a long text is no large expression");
    assert!(Matcher::text("", false).is_match("") && !Matcher::text("a\nb", false).is_match("a b"));
    for bad in ["(", r"a\nb", "[z-a]", "(?:a{1000}){1000}{1000}", "(?:a|b){60000}", &"a".repeat(20_000)] {
        let error = Matcher::regex(bad, false).expect_err("refused");
        assert!(!error.to_string().is_empty());
    }
}

proptest! {
    #[test]
    fn a_chunk_is_searched_as_its_lines_are(lines in prop::collection::vec("[ab\u{e4}\u{c4} .]{0,5}", 1..20), pattern in "[ab\u{e4}.^$*]{0,4}", ignore: bool) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let matchers = [Some(Matcher::text(&pattern, ignore)), Matcher::regex(&pattern, ignore).ok()];
        for matcher in matchers.into_iter().flatten() {
            let mut found = Vec::new();
            matcher.lines(text.as_bytes(), &mut |begin| {
                found.push(begin);
                true
            });
            let mut want = Vec::new();
            let mut begin = 0;
            for line in &lines {
                if matcher.is_match(line) {
                    want.push(begin);
                }
                begin += line.len() + 1;
            }
            prop_assert_eq!(found, want);
        }
    }
}

/// What context is, in the plainest words: each line within so many lines of the same task from one that matches.
pub(super) fn beside(lines: &[Found], matcher: &Matcher, context: usize) -> HashMap<LineId, bool> {
    let mut shown = HashMap::new();
    let tasks: std::collections::HashSet<TaskId> = lines.iter().map(|found| found.record.task).collect();
    for task in tasks {
        let own: Vec<&Found> = lines.iter().filter(|found| found.record.task == task).collect();
        for (n, found) in own.iter().enumerate() {
            if matcher.is_match(&found.record.text) {
                for near in &own[n.saturating_sub(context)..(n + context + 1).min(own.len())] {
                    shown.entry(near.id).or_insert(true);
                }
                shown.insert(found.id, false);
            }
        }
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn context_is_what_stands_beside(
        lines in prop::collection::vec((0_u128..3, 0_u8..8), 1..120),
        sealed in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        split: prop::sample::Index,
        context in 1_usize..4,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        // It is looked back over some pieces alone: these are large enough to hold all lines.
        let store = Store::open(folder.path(), Options { chunk_bytes: 3_000, ..SMALL }).expect("opened");
        let stream = store.stream(key(1)).expect("made");
        let sealed: Vec<usize> = sealed.iter().map(|index| index.index(lines.len())).collect();
        let (matcher, split) = (Matcher::text("hit", false), split.index(lines.len()));
        let select = Select { matcher: Some(matcher.clone()), context, ..Select::default() };
        // Followed: read once in the middle, and on from there at the end.
        let (mut followed, mut at) = (Vec::new(), LineId::ZERO);
        for (n, (of, what)) in lines.iter().enumerate() {
            stream.append(&batch(vec![line(*of, n as i64, if *what == 0 { "a hit" } else { "hay hay hay" })])).expect("appended");
            if sealed.contains(&n) {
                seal(&stream);
            }
            if n == split {
                let (found, last) = scan(&stream, &select, Start::After(at));
                followed.extend(found);
                at = last.expect("a line");
            }
        }
        followed.extend(scan(&stream, &select, Start::After(at)).0);
        let want = beside(&all(&stream), &matcher, context);
        for mut found in [scan(&stream, &select, Start::Oldest).0, followed] {
            found.sort_by_key(|found| found.id);
            let ids: Vec<LineId> = found.iter().map(|found| found.id).collect();
            let mut wanted: Vec<LineId> = want.keys().copied().collect();
            wanted.sort_unstable();
            prop_assert_eq!(ids, wanted);
            prop_assert!(found.iter().all(|found| want[&found.id] == found.context));
        }
        // The last two that match, with what is beside them.
        let hits: Vec<LineId> = scan(&stream, &Select { context: 0, ..select.clone() }, Start::Oldest).0.iter().map(|found| found.id).collect();
        let last = stream.last(&select, 2, usize::MAX, None).expect("read");
        let shown: Vec<LineId> = last.iter().filter(|found| !found.context).map(|found| found.id).collect();
        prop_assert_eq!(&shown[..], &hits[hits.len().saturating_sub(2)..]);
        // A line before them that matches too is there as context alone.
        prop_assert!(last.iter().all(|found| want.get(&found.id).is_some_and(|context| found.context || !context)));
    }
}
