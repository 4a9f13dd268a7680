//! A log that is told to a seeker as an engine would, from every place on.

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;

/// What an engine has of a log.
#[derive(Debug, Clone)]
struct Told {
    at_nanos: i64,
    source: Source,
    text: String,
    whole: bool,
}

fn line(at_nanos: i64) -> Told {
    Told { at_nanos, source: Source::Stdout, text: "x".into(), whole: true }
}

fn error(at_nanos: i64) -> Told {
    Told { source: Source::Stderr, ..line(at_nanos) }
}

/// A piece of a line of which another piece is to come.
fn begun(at_nanos: i64) -> Told {
    Told { text: "x".repeat(16 << 10), whole: false, ..line(at_nanos) }
}

fn read(told: &Told) -> Piece<'static> {
    Piece { at_nanos: told.at_nanos, source: told.source, text: Text::Owned(told.text.clone()), whole: told.whole }
}

/// The last line that is complete before each piece of a log; the last of all is behind it.
fn anchors(log: &[Told]) -> Vec<Option<Anchor>> {
    let (mut joiner, mut last, mut anchors) = (Joiner::default(), None, vec![None]);
    for told in log {
        joiner.take(&read(told), Place::default(), |line| Anchor::passes(&mut last, line.at_nanos, line.source));
        anchors.push(last);
    }
    anchors
}

/// How it ended: behind so many pieces the line was found, or it was given up.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Behind(usize),
    Lost,
    Waits,
}

/// Tells a log piece by piece, with a silence before those that are told late, and at the end. `written`: so much of it is there from the beginning.
fn tell(log: &[Told], written: usize, anchor: Anchor, late: impl Fn(usize) -> bool) -> Ended {
    let mut seek = Seek::new(anchor);
    let end = |told: usize| log[..told.max(written)].last().map(Mark::of_told);
    for (at, told) in log.iter().enumerate() {
        if late(at) && seek.was_told() && seek.verdict(true) == Verdict::Ask {
            seek.log_ends(end(at));
        }
        let piece = read(told);
        if seek.ended_before(&piece) {
            return Ended::Behind(at);
        }
        if seek.finds(&piece) {
            return Ended::Behind(at + 1);
        }
        match seek.verdict(false) {
            Verdict::Ask => seek.log_ends(end(at + 1)),
            Verdict::Lost => return Ended::Lost,
            Verdict::Found | Verdict::Open => {}
        }
    }
    for _ in 0..2 {
        match seek.verdict(true) {
            Verdict::Ask => seek.log_ends(end(log.len())),
            Verdict::Lost => return Ended::Lost,
            Verdict::Found => return Ended::Behind(log.len()),
            Verdict::Open => {}
        }
    }
    Ended::Waits
}

impl Mark {
    fn of_told(told: &Told) -> Self {
        Self { at_nanos: told.at_nanos, source: told.source }
    }
}

fn anchor(log: &[Told], behind: usize) -> Anchor {
    anchors(log)[behind].expect("a line is complete")
}

#[test]
fn a_line_is_found_however_much_stands_before_it() {
    let mut log: Vec<Told> = (1..=2_000).map(|at| Told { text: "x".repeat(8_000), ..line(at) }).collect();
    log.push(line(5_000));
    assert_eq!(tell(&log, log.len(), anchor(&log, 1_999), |_| false), Ended::Behind(1_999));
}

#[test]
fn a_line_is_found_behind_a_silence() {
    let log = [line(1), line(2), line(3), line(4)];
    assert_eq!(tell(&log, 3, anchor(&log, 3), |at| at == 2), Ended::Behind(3));
}

#[test]
fn a_line_is_found_behind_later_ones_where_the_clock_was_put_back() {
    let log = [line(100 * SECOND), line(101 * SECOND), line(50 * SECOND), line(51 * SECOND), line(52 * SECOND)];
    assert_eq!(tell(&log, 5, anchor(&log, 4), |_| false), Ended::Behind(4));
}

#[test]
fn a_line_that_took_long_is_found_behind_later_ones() {
    let log = [begun(1), error(20 * SECOND), begun(1), error(40 * SECOND), line(1), line(41 * SECOND)];
    assert_eq!(tell(&log, 5, anchor(&log, 5), |_| false), Ended::Behind(5));
    assert_eq!(tell(&log, 6, anchor(&log, 5), |_| false), Ended::Behind(5));
}

#[test]
fn a_line_without_an_end_is_found_before_what_follows_it() {
    let log = [line(1), begun(2), line(3)];
    let last = Anchor { at_nanos: 2, source: Source::Stdout, nth: 0 };
    assert_eq!(tell(&log, 2, last, |_| false), Ended::Behind(2));
    assert_eq!(tell(&log[..2], 2, last, |_| false), Ended::Behind(2), "and when nothing follows");
}

#[test]
fn a_line_that_is_no_longer_there_is_given_up_when_all_was_told() {
    let log: Vec<Told> = (10..20).map(line).collect();
    let gone = Anchor { at_nanos: 1, source: Source::Stdout, nth: 0 };
    assert_eq!(tell(&log, 10, gone, |_| false), Ended::Lost, "in silence");
    let busy: Vec<Told> = (1..100).map(|at| line(at * SECOND)).collect();
    let gone = Anchor { at_nanos: 2, ..gone };
    assert_eq!(tell(&busy, 20, gone, |_| false), Ended::Lost, "and when it goes on");
}

#[test]
fn nothing_is_decided_before_anything_was_told() {
    let mut seek = Seek::new(Anchor { at_nanos: 1, source: Source::Stdout, nth: 0 });
    assert!(!seek.was_told());
    assert_eq!(seek.verdict(true), Verdict::Open);
}

/// A log with long lines, two streams and a clock that is put back; no two lines have one time.
fn log() -> impl Strategy<Value = Vec<Told>> {
    let step = prop_oneof![8 => 0..SECOND, 2 => 0..(60 * SECOND), 1 => (-60 * SECOND)..0];
    let line = (step, any::<bool>(), 0_usize..4);
    prop::collection::vec(line, 1..40).prop_map(|lines| {
        let mut clock = 1_000_000 * SECOND;
        let mut log = Vec::new();
        for (number, (step, stderr, pieces)) in lines.into_iter().enumerate() {
            clock += step;
            // The last digits are the line's number.
            let at_nanos = clock / 1_000 * 1_000 + i64::try_from(number).expect("a number");
            let source = if stderr { Source::Stderr } else { Source::Stdout };
            let long = pieces.saturating_sub(1);
            log.extend((0..long).map(|_| Told { source, ..begun(at_nanos) }));
            log.push(Told { source, ..single(at_nanos) });
        }
        log
    })
}

fn single(at_nanos: i64) -> Told {
    line(at_nanos)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_line_that_is_there_is_found_at_its_place_and_another_is_given_up(
        log in log(),
        kept in any::<prop::sample::Index>(),
        thrown in any::<prop::sample::Index>(),
        written in any::<prop::sample::Index>(),
    ) {
        let behind = kept.index(log.len()) + 1;
        let Some(anchor) = anchors(&log)[behind] else { return Ok(()) };
        // The last piece of that line.
        let last = log.iter().rposition(|told| told.at_nanos == anchor.at_nanos).expect("it is there") + 1;
        let thrown = thrown.index(log.len());
        let left = &log[thrown..];
        // At least the line itself was written, as it was kept.
        let written = (written.index(log.len()) + 1).max(last).max(thrown + 1) - thrown;
        let ended = tell(left, written, anchor, |_| false);
        if last > thrown {
            prop_assert_eq!(ended, Ended::Behind(last - thrown));
        } else {
            prop_assert_eq!(ended, Ended::Lost);
        }
    }
}
