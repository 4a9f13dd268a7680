use std::io::Write as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::joiner::Source;
use super::*;

const CONTAINER: &str = "9d284890c74f009dce95d22a6f019fad";
/// Files that the engine of these tests keeps.
const FILES: usize = 3;

/// An engine's log, written as the engine does.
struct Written {
    folder: TempDir,
    path: PathBuf,
    clock: i64,
    next: u64,
    /// A long line was begun: its time, and how many pieces of it were written.
    open: Option<(i64, u32)>,
}

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c").join("x-json.log");
        std::fs::create_dir(path.parent().expect("a folder")).expect("made");
        let this = Self { folder, path, clock: 1_795_000_000_000_000_000, next: 0, open: None };
        this.append("");
        this
    }

    fn append(&self, text: &str) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path).expect("a log");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn piece(&self, at: i64, text: &str, source: &str) {
        let stamp = model::time::Millis(at / 1_000_000).rfc3339();
        let time = format!("{}{:06}Z", stamp.trim_end_matches('Z'), at % 1_000_000);
        let text = serde_json::to_string(text).expect("JSON");
        self.append(&format!("{{\"log\":{text},\"stream\":\"{source}\",\"time\":\"{time}\"}}\n"));
    }

    fn tick(&mut self) -> i64 {
        self.clock += 1_000;
        self.clock
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A line on the standard error, which has its number.
    fn line(&mut self) {
        let (at, number) = (self.tick(), self.number());
        self.piece(at, &format!("{number}\n"), "stderr");
    }

    /// A piece of a long line on the standard output: it begins one, goes on with it, or ends it. It gets its number at its end.
    fn long(&mut self, end: bool) {
        let (at, pieces) = match self.open {
            Some(open) => open,
            None => (self.tick(), 0),
        };
        // Three pieces are a line that is not too long yet.
        if pieces == 0 || (!end && pieces < 3) {
            self.piece(at, &"x".repeat(16 << 10), "stdout");
            self.open = Some((at, pieces + 1));
        } else {
            let number = self.number();
            self.piece(at, &format!("|{number}\n"), "stdout");
            self.open = None;
        }
    }

    /// As the engine does it.
    fn rotate(&self) {
        let name = |times: usize| if times == 0 { self.path.clone() } else { PathBuf::from(format!("{}.{times}", self.path.display())) };
        let _ = std::fs::remove_file(name(FILES - 1));
        for times in (1..FILES).rev() {
            let _ = std::fs::rename(name(times - 1), name(times));
        }
        self.append("");
    }

    /// Whether the disk of these tests tells when a file was made.
    fn knows_births(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|meta| meta.created().is_ok())
    }

    fn remove(&self) {
        std::fs::remove_dir_all(self.path.parent().expect("a folder")).expect("removed");
    }
}

/// A reader with what it kept, as a portal would.
struct Reader {
    tail: Tail,
    cursor: Cursor,
    kept: Vec<Item>,
    buffer: Vec<u8>,
    now: Duration,
}

impl Reader {
    fn new(written: &Written) -> Self {
        let cursor = Cursor::new(CONTAINER);
        Self { tail: tail(written, cursor.clone()), cursor, kept: Vec::new(), buffer: vec![0; BUFFER], now: Duration::ZERO }
    }

    /// One pass, whose lines are kept or not.
    fn pass(&mut self, keep: bool, last: bool) -> Reached {
        self.now += Duration::from_millis(200);
        self.again(keep, last)
    }

    /// The same at once.
    fn again(&mut self, keep: bool, last: bool) -> Reached {
        let saved = self.tail.save();
        let mut out = Vec::new();
        let reached =
            self.tail.read(&mut Pass { now: self.now, last, share: SHARE, upto: None, buffer: &mut self.buffer }, &mut out).expect("it reads");
        if !keep {
            self.tail.undo(saved);
            return reached;
        }
        if let Reached::Gone { proven } = reached {
            self.tail.finish(!proven, &mut out);
        }
        self.kept.append(&mut out);
        self.cursor = self.tail.cursor();
        reached
    }

    /// A pass whose later lines are left for another one.
    fn less(&mut self, upto: i64) -> Reached {
        self.now += Duration::from_millis(200);
        let (saved, mut unseen) = (self.tail.save(), Vec::new());
        self.tail.read(&mut Pass { now: self.now, last: false, share: SHARE, upto: None, buffer: &mut self.buffer }, &mut unseen).expect("it reads");
        self.tail.back(saved);
        let mut pass = Pass { now: self.now, last: false, share: SHARE, upto: Some(upto), buffer: &mut self.buffer };
        let reached = self.tail.read(&mut pass, &mut self.kept).expect("it reads");
        self.cursor = self.tail.cursor();
        assert!(self.tail.latest().is_none_or(|latest| latest <= upto));
        reached
    }

    /// The portal is killed and started again: what is written down is all that it knows.
    fn restart(&mut self, written: &Written) {
        let read_back = Cursor::parse(&self.cursor.text(), CONTAINER).expect("its own cursor");
        self.tail = Tail::new(&written.path, FILES, read_back, self.now);
    }

    fn all(&mut self) {
        while self.pass(true, false) == Reached::More {}
    }

    fn texts(&self) -> Vec<String> {
        let text = |item: &Item| match item {
            Item::Line(line) => line.text.clone(),
            Item::Gap(_, missing) => format!("GAP {missing}"),
        };
        self.kept.iter().map(text).collect()
    }

    /// Each line once, in order, or a gap where some are missing; how many gaps.
    fn assert_complete(&self, last: u64) -> usize {
        let (mut before, mut excused, mut gaps) = (0, false, 0);
        for item in &self.kept {
            match item {
                Item::Gap(..) => (excused, gaps) = (true, gaps + 1),
                Item::Line(line) => {
                    let digits = line.text.rsplit('|').next().unwrap_or_default();
                    // What is left of a long line whose end or beginning went stands beside a gap, too.
                    let Ok(number) = digits.parse::<u64>() else { continue };
                    assert!(number == before + 1 || (excused && number > before), "{number} after {before}: {:?}", self.texts());
                    if line.source == Source::Stdout && gaps == 0 {
                        assert!(line.text.len() > 16 << 10, "a long line is whole: {} bytes", line.text.len());
                    }
                    (before, excused) = (number, false);
                }
            }
        }
        assert!(before == last || excused, "{before} of {last}: {:?}", self.texts());
        gaps
    }
}

fn tail(written: &Written, cursor: Cursor) -> Tail {
    Tail::new(&written.path, FILES, cursor, Duration::ZERO)
}

#[test]
fn rotations_are_followed_file_by_file() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    for round in 0..6 {
        written.line();
        if round % 3 == 0 {
            reader.all();
        }
        written.line();
        written.rotate();
        if round % 3 == 1 {
            reader.restart(&written);
        }
        written.line();
        reader.all();
    }
    assert_eq!(reader.assert_complete(18), 0);
    assert_eq!(reader.kept.len(), 18);
}

#[test]
fn a_pass_reads_no_more_than_its_share_and_a_line_at_least() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    (0..100).for_each(|_| written.line());
    written.long(false);
    written.long(true);
    written.line();
    let (mut passes, mut reached) = (0, Reached::More);
    while reached == Reached::More && passes < 1_000 {
        passes += 1;
        let known = reader.kept.len();
        let mut pass = Pass { now: reader.now, last: false, share: 1_000, upto: None, buffer: &mut reader.buffer };
        reached = reader.tail.read(&mut pass, &mut reader.kept).expect("it reads");
        assert!(reader.kept.len() - known <= 1_000 / 50, "{known} lines, then {}", reader.kept.len());
    }
    assert_eq!(reached, Reached::End);
    assert_eq!((reader.assert_complete(102), reader.kept.len()), (0, 102));
}

#[test]
fn what_is_later_than_a_pass_stays_for_the_next_also_when_the_file_is_removed_meanwhile() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    for _ in 0..4 {
        written.line();
    }
    assert_eq!(reader.less(written.clock - 2_000), Reached::More);
    assert_eq!((reader.texts().join(" ").as_str(), reader.tail.latest()), ("1 2", Some(written.clock - 2_000)));
    reader.restart(&written);
    assert_eq!(reader.less(written.clock - 1_000), Reached::More);
    written.remove();
    let (saved, mut unseen) = (reader.tail.save(), Vec::new());
    let mut pass = Pass { now: reader.now, last: false, share: SHARE, upto: None, buffer: &mut reader.buffer };
    reader.tail.read(&mut pass, &mut unseen).expect("it reads");
    reader.tail.back(saved);
    assert_eq!(reader.pass(true, false), Reached::Gone { proven: true });
    assert_eq!((reader.assert_complete(4), reader.kept.len()), (0, 4), "{:?}", reader.texts());
}

#[test]
fn what_was_rotated_away_is_a_gap_that_says_from_when_to_when() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    written.line();
    reader.all();
    for _ in 0..4 {
        written.line();
        written.rotate();
    }
    written.line();
    for restarted in [false, true] {
        if restarted {
            reader.restart(&written);
        }
        reader.all();
    }
    let texts = reader.texts();
    assert_eq!(reader.assert_complete(6), 1, "{texts:?}");
    assert_eq!((texts[1].as_str(), texts[3].as_str()), ("2", "4"), "what was open is read to its end: {texts:?}");
    assert!(texts[2].contains("threw away what was written between"), "{texts:?}");
}

#[test]
fn a_log_that_was_never_read_and_may_have_lost_files_says_so() {
    let mut written = Written::new();
    for _ in 0..2 {
        written.line();
        written.rotate();
    }
    written.line();
    let mut reader = Reader::new(&written);
    reader.all();
    assert_eq!(reader.kept.len(), 4, "{:?}", reader.texts());
    assert!(reader.texts()[0].starts_with("GAP") && reader.texts()[1] == "1");
}

#[test]
fn a_file_that_was_emptied_is_a_gap_and_read_from_its_beginning() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    for restarted in [false, true] {
        written.line();
        written.line();
        reader.all();
        std::fs::write(&written.path, "").expect("emptied");
        if restarted {
            written.line();
            reader.restart(&written);
        }
        reader.all();
        written.line();
        reader.all();
    }
    let texts = reader.texts();
    assert_eq!(texts.iter().filter(|text| text.starts_with("GAP") && text.contains("emptied")).count(), 2, "{texts:?}");
    assert_eq!(texts.iter().filter(|text| !text.starts_with("GAP")).collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn half_a_line_waits_for_its_other_half_and_damage_is_said() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    written.append("{\"log\":\"on");
    reader.all();
    assert!(reader.kept.is_empty());
    assert!(reader.tail.rest(), "it need not be looked at until it grows");
    written.append("e\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T00:00:00Z\"}\nnonsense\n");
    assert!(reader.tail.changed());
    reader.all();
    written.append("{\"log\":\"half");
    written.rotate();
    written.line();
    reader.all();
    let texts = reader.texts();
    assert_eq!((texts[0].as_str(), texts[3].as_str()), ("one", "1"), "{texts:?}");
    assert!(texts[1].contains("9 B of the engine's log file") && texts[2].contains("12 B of"), "{texts:?}");
}

#[test]
fn a_log_that_is_removed_while_it_is_read_is_complete_and_one_that_was_not_read_is_not() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    written.line();
    reader.all();
    written.line();
    written.remove();
    assert_eq!(reader.pass(true, false), Reached::Gone { proven: true });
    assert_eq!((reader.assert_complete(2), reader.tail.done()), (0, true));
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    written.line();
    reader.all();
    written.line();
    reader.restart(&written);
    written.remove();
    assert_eq!(reader.pass(true, false), Reached::Gone { proven: false });
    assert!(reader.texts()[1].contains("the container was removed before"), "{:?}", reader.texts());
    drop(written.folder);
}

#[test]
fn a_log_that_was_read_through_the_engine_goes_on_behind_its_last_line() {
    let mut written = Written::new();
    for _ in 0..5 {
        written.line();
    }
    let at_nanos = written.clock - 2_000;
    let last = Some(Anchor { at_nanos, source: Source::Stderr, nth: 0 });
    let mut reader = Reader::new(&written);
    reader.tail = tail(&written, Cursor { last, ..Cursor::new(CONTAINER) });
    reader.all();
    assert_eq!(reader.texts(), ["4", "5"]);
    let last = Some(Anchor { at_nanos: at_nanos - 1, source: Source::Stderr, nth: 0 });
    let mut reader = Reader::new(&written);
    reader.tail = tail(&written, Cursor { last, ..Cursor::new(CONTAINER) });
    reader.all();
    assert_eq!(reader.kept.len(), 6, "where the line is not found it is said, and all is kept: {:?}", reader.texts());
}

#[test]
fn a_flood_is_counted_line_by_line_and_its_end_is_kept() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    let filler = "y".repeat(60 << 10);
    let mut total = 0;
    for round in 0..12 {
        for _ in 0..150 {
            let at = written.tick();
            written.piece(at, &format!("{filler}\n"), "stdout");
            total += 1;
        }
        if round == 9 {
            assert!(reader.tail.state.intake.holds());
            reader.restart(&written);
        }
        reader.pass(true, false);
        while reader.again(true, false) == Reached::More {}
    }
    written.line();
    for _ in 0..10 {
        reader.pass(true, false);
    }
    let lines = reader.kept.iter().filter(|item| matches!(item, Item::Line(_))).count() as u64;
    let held: u64 = reader.kept.iter().map(|item| if let Item::Gap(_, Missing::Held(held)) = item { held.lines } else { 0 }).sum();
    assert!(held > 0);
    assert_eq!(lines + held, total + 1, "each line is kept or counted");
    assert_eq!(reader.texts().last().map(String::as_str), Some("1"), "what came last is there");
}

#[test]
fn the_end_of_a_flood_is_kept_when_nothing_may_follow() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    let filler = "y".repeat(60 << 10);
    for _ in 0..1_300 {
        let at = written.tick();
        written.piece(at, &format!("{filler}\n"), "stdout");
    }
    written.line();
    while reader.again(true, true) == Reached::More {}
    reader.tail.finish(false, &mut reader.kept);
    let lines = reader.kept.iter().filter(|item| matches!(item, Item::Line(_))).count() as u64;
    let held: Vec<u64> =
        reader.kept.iter().filter_map(|item| if let Item::Gap(_, Missing::Held(held)) = item { Some(held.lines) } else { None }).collect();
    assert_eq!(held.len(), 1);
    assert_eq!(lines + held[0], 1_301, "each line is kept or counted");
    assert_eq!(reader.texts().last().map(String::as_str), Some("1"), "what came last is there");
}

#[test]
fn a_log_that_was_seen_without_a_line_is_complete_as_long_as_its_file_is_there() {
    for lost in [false, true] {
        let mut written = Written::new();
        if !written.knows_births() {
            return;
        }
        let mut reader = Reader::new(&written);
        reader.all();
        reader.restart(&written);
        for _ in 1..if lost { FILES + 1 } else { FILES } {
            written.line();
            written.rotate();
        }
        written.line();
        reader.all();
        assert_eq!(reader.assert_complete(written.next), usize::from(lost), "{:?}", reader.texts());
    }
}

#[test]
fn a_long_line_that_is_the_first_of_its_file_is_whole_after_a_restart() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    reader.all();
    written.long(false);
    reader.all();
    reader.restart(&written);
    written.rotate();
    written.long(true);
    reader.all();
    assert_eq!(reader.assert_complete(1), 0, "{:?}", reader.texts());
}

#[test]
fn lines_that_are_read_again_for_one_that_is_open_hide_no_other() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    written.long(false);
    written.rotate();
    reader.all();
    reader.restart(&written);
    written.line();
    reader.all();
    assert_eq!(reader.texts(), ["1"], "the first of a file that had none");
    reader.restart(&written);
    std::fs::write(&written.path, "").expect("emptied");
    written.line();
    reader.all();
    let texts = reader.texts();
    assert!(texts.len() == 4 && texts[2].contains("emptied") && texts[3] == "2", "{texts:?}");
}

#[test]
fn a_file_that_has_the_number_of_another_is_not_taken_for_it() {
    let mut written = Written::new();
    let mut reader = Reader::new(&written);
    written.long(false);
    written.rotate();
    written.line();
    reader.all();
    reader.restart(&written);
    for _ in 1..FILES {
        written.rotate();
    }
    // Of the same time as the first line of the file that is gone, whose number this one may have.
    written.long(false);
    written.line();
    reader.all();
    assert_eq!(reader.assert_complete(2), 1, "{:?}", reader.texts());
}

/// What may happen.
#[derive(Debug, Clone)]
enum Act {
    Line,
    Long { end: bool },
    Rotate,
    Pass { keep: bool },
    Restart,
    Rest,
    Less,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Line),
        3 => any::<bool>().prop_map(|end| Act::Long { end }),
        2 => Just(Act::Rotate),
        5 => prop::bool::weighted(0.8).prop_map(|keep| Act::Pass { keep }),
        2 => Just(Act::Restart),
        1 => Just(Act::Rest),
        2 => Just(Act::Less),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn each_line_is_kept_once_or_a_gap_stands_for_it(acts in prop::collection::vec(act(), 1..80)) {
        let mut written = Written::new();
        let mut reader = Reader::new(&written);
        // Rotations since all was read: fewer than the engine keeps files lose nothing.
        let (mut rotations, mut lossless) = (0, true);
        for act in acts {
            match act {
                Act::Line => written.line(),
                Act::Long { end } => written.long(end),
                Act::Rotate => {
                    written.rotate();
                    rotations += 1;
                    lossless &= rotations < FILES - 1;
                }
                Act::Pass { keep } => {
                    // A long line that is open keeps the place where it begins.
                    let reached = reader.pass(keep, false);
                    if keep && reached == Reached::End && written.open.is_none() {
                        rotations = 0;
                    }
                }
                Act::Restart => reader.restart(&written),
                Act::Rest => {
                    reader.tail.rest();
                }
                Act::Less => {
                    reader.less(written.clock - 2_000);
                }
            }
        }
        while written.open.is_some() {
            written.long(true);
        }
        reader.all();
        let gaps = reader.assert_complete(written.next);
        // Where the disk does not tell when a file was made, one without a line is not known to be the same after a restart: there a gap is right.
        if lossless && written.knows_births() {
            prop_assert_eq!(gaps, 0, "nothing was lost: {:?}", reader.texts());
        }
    }
}
