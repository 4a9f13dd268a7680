//! Whatever instant the process dies in: what was added is there once, at every resolution.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::rollup::{Cadence, Reading, Row, roll};

#[derive(Clone, Debug)]
enum Act {
    /// So many minutes go by, sampled.
    Run(u8),
    /// So many minutes go by without the portal.
    Sleep(u8),
    /// What is to be done now and then.
    Tidy,
    /// Dies between two acts.
    Die,
    /// Dies while samples are written: this share of them is in the file.
    DieAppending(prop::sample::Index),
    /// Loses power after an hour's file got its name: this share of it is on the disk.
    DieSealed(prop::sample::Index),
    /// Dies while files are put together: those of a week and a month are there, and of the hours that are in them this share too.
    DieTogether(prop::sample::Index),
    /// Dies while a file is written: this share is beside it.
    DieWriting(prop::sample::Index),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1_u8..200).prop_map(Act::Run),
        1 => (1_u8..200).prop_map(Act::Sleep),
        4 => Just(Act::Tidy),
        1 => Just(Act::Die),
        1 => any::<prop::sample::Index>().prop_map(Act::DieAppending),
        1 => any::<prop::sample::Index>().prop_map(Act::DieSealed),
        2 => any::<prop::sample::Index>().prop_map(Act::DieTogether),
        1 => any::<prop::sample::Index>().prop_map(Act::DieWriting),
    ];
    prop::collection::vec(act, 1..25)
}

struct Trial {
    folder: tempfile::TempDir,
    store: Store,
    now: i64,
    /// What two tasks should have: their counters and states.
    kept: [[Vec<Reading>; 2]; 2],
}

impl Trial {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), slow());
        Self { folder, store, now: T0, kept: Default::default() }
    }

    /// A counter that begins anew now and then, and a state.
    fn values(&self, number: usize) -> [f64; 2] {
        let minute = (self.now - T0) / MINUTE;
        [((minute % 97) * (50 + number as i64) * 1000) as f64, ((minute * 7919 + number as i64) % 1000 * 4096) as f64]
    }

    fn samples(&self) -> Vec<Sample> {
        let one = |number: usize| {
            let [counter, state] = self.values(number);
            sample(service(1), number as u32, counter, state)
        };
        vec![one(0), sample(service(2), 9, 1.0, 2.0), one(1)]
    }

    fn tick(&mut self) {
        self.now += MINUTE;
        add(&self.store, self.now, &self.samples());
        for number in 0..2 {
            let values = self.values(number);
            (0..2).for_each(|of| self.kept[number][of].push(Reading { at: self.now, value: values[of] }));
        }
    }

    fn open(&mut self) {
        self.store = open(self.folder.path(), slow());
    }

    fn tidy(&self) {
        self.store.tidy(self.now).expect("tidied");
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Run(minutes) => (0..*minutes).for_each(|_| self.tick()),
            Act::Sleep(minutes) => self.now += i64::from(*minutes) * MINUTE,
            Act::Tidy => self.tidy(),
            Act::Die => self.open(),
            Act::DieAppending(share) => {
                self.now += MINUTE;
                let path = files::journal(self.folder.path(), files::hour_of(self.now));
                let before = fs::read(&path).unwrap_or_default();
                add(&self.store, self.now, &self.samples());
                let after = fs::read(&path).expect("read");
                // Whole blocks of it stay, which nobody was told of: so it is cut within the first one.
                let most = (after.len() - before.len()).min(30);
                fs::write(&path, &after[..before.len() + share.index(most)]).expect("written");
                self.open();
            }
            Act::DieSealed(share) => {
                self.store.seal(self.now).expect("sealed");
                let state = self.store.state();
                let fresh: Vec<i64> = state.journals.iter().filter(|(_, hour)| hour.sealed.is_some()).map(|(hour, _)| *hour).collect();
                drop(state);
                for hour in fresh {
                    let path = files::file(&files::stream(self.folder.path(), &service(1)), Resolution::Raw, hour);
                    // A journal of which nothing is whole has no file.
                    let Ok(bytes) = fs::read(&path) else { continue };
                    fs::write(&path, &bytes[..share.index(bytes.len())]).expect("written");
                }
                self.open();
            }
            Act::DieTogether(share) => {
                self.tidy();
                self.store.0.working.lock().expect("a lock").swept = None;
                let kept: Vec<(PathBuf, Vec<u8>)> =
                    with_ending(self.folder.path(), "raw").into_iter().map(|path| (path.clone(), fs::read(path).expect("read"))).collect();
                self.now += 3 * HOUR;
                self.tidy();
                let again: Vec<_> = kept.into_iter().filter(|(path, _)| !path.exists()).collect();
                for (path, bytes) in again.iter().skip(share.index(again.len() + 1)) {
                    fs::write(path, bytes).expect("written");
                }
                self.open();
            }
            Act::DieWriting(share) => {
                for path in with_ending(self.folder.path(), "week") {
                    let bytes = fs::read(&path).expect("read");
                    fs::write(path.with_extension("tmp"), &bytes[..share.index(bytes.len())]).expect("written");
                }
                self.open();
                self.tidy();
                assert!(with_ending(self.folder.path(), "tmp").is_empty());
            }
        }
    }

    fn check(&self, width: i64) -> Result<(), TestCaseError> {
        let answer = by(&self.store, service(1), &[Metric::CpuUsed, Metric::MemoryWorkingSet], T0 - 200 * HOUR, self.now + HOUR, width);
        prop_assert!(!answer.damaged);
        let options = slow();
        let cadence = Cadence { step: options.step_ms, gap: options.gap_ms };
        for (of, metric) in [Metric::CpuUsed, Metric::MemoryWorkingSet].into_iter().enumerate() {
            for number in 0..2 {
                let want: Vec<Row> = roll(metric.kind(), cadence, None, &self.kept[number][of], width);
                let series = answer.series.iter().find(|series| series.metric == metric && series.member == Some(task(number as u32)));
                let found = series.map_or(&[][..], |series| &series.points);
                prop_assert_eq!(want.len(), found.len(), "{:?} {} {}", metric, number, width);
                for (want, found) in want.iter().zip(found) {
                    prop_assert_eq!((want.at, want.covered), (found.at_ms, found.covered_ms));
                    for (one, other) in [(want.min, found.min), (want.avg, found.avg), (want.max, found.max)] {
                        prop_assert!((one - other).abs() <= 2e-4 * one.abs(), "{:?} {:?}", want, found);
                    }
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn what_was_added_is_there_once(acts in acts()) {
        let mut trial = Trial::new();
        for act in &acts {
            trial.act(act);
            trial.check(FIVE)?;
        }
        trial.check(HOUR)?;
        // And when all of it was put together.
        trial.now += 12 * HOUR;
        trial.tidy();
        trial.now += HOUR;
        trial.tidy();
        prop_assert!(with_ending(trial.folder.path(), "raw").is_empty());
        trial.check(FIVE)?;
        trial.check(HOUR)?;
    }
}

#[test]
fn a_journal_cut_at_any_byte_has_what_was_added_before_the_cut_and_goes_on() {
    let mut trial = Trial::new();
    let path = files::journal(trial.folder.path(), files::hour_of(T0));
    let mut ends = vec![(0, 0)];
    for ticks in 1..5 {
        trial.tick();
        ends.push((fs::metadata(&path).expect("there").len() as usize, ticks));
    }
    let bytes = fs::read(&path).expect("read");
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).expect("written");
        trial.open();
        let whole = ends.iter().rev().find(|(end, _)| *end <= cut).map_or(0, |(_, ticks)| *ticks);
        let read = |store: &Store| {
            let answer = by(store, service(1), &[Metric::MemoryWorkingSet], T0, T0 + HOUR, MINUTE);
            answer.series.iter().find(|series| series.member == Some(task(1))).map_or(0, |series| series.points.len())
        };
        // The second task of a tick comes in the same block as the first.
        let found = read(&trial.store);
        assert!(found == whole || found == whole + 1, "{found} of {whole} at {cut}");
        add(&trial.store, trial.now + 10 * MINUTE, &trial.samples());
        trial.open();
        assert_eq!(read(&trial.store), found + 1);
    }
}

#[test]
fn after_a_restart_the_oldest_journal_still_follows_on_the_hour_before() {
    let mut trial = Trial::new();
    // Eight hours to the minute: of the seventh, the journal is there yet, and all before could be put together.
    [Act::Run(160), Act::Run(160), Act::Run(160), Act::Tidy, Act::Die].iter().for_each(|act| trial.act(act));
    trial.check(FIVE).expect("what was added is there once");
}
