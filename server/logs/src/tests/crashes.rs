//! Whatever instant the process dies in: exactly the acknowledged batches are there, once and in order.

use std::fs;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    /// Adds a batch with so many lines.
    Append(usize),
    /// Compresses what there is.
    Seal,
    /// Dies between two acts.
    Die,
    /// Dies while a batch is written: this share of its frame is in the file.
    DieAppending(prop::sample::Index),
    /// Dies while the segment is written: this share of it is in the file.
    DieSealing(prop::sample::Index),
    /// Dies between the segment's having its name and the journal's being deleted.
    DieSealed,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0_usize..12).prop_map(Act::Append),
        2 => Just(Act::Seal),
        1 => Just(Act::Die),
        1 => any::<prop::sample::Index>().prop_map(Act::DieAppending),
        1 => any::<prop::sample::Index>().prop_map(Act::DieSealing),
        1 => Just(Act::DieSealed),
    ];
    prop::collection::vec(act, 1..25)
}

struct Trial {
    folder: tempfile::TempDir,
    stream: Stream,
    texts: Vec<String>,
    cursor: Option<String>,
}

impl Trial {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
        Self { folder, stream, texts: Vec::new(), cursor: None }
    }

    fn batch(&self, lines: usize) -> Batch {
        let begin = self.texts.len();
        let records = (begin..begin + lines).map(|n| line(n as u128 % 2, n as i64, &format!("{n} \u{1f980}"))).collect();
        Batch { records, cursors: vec![(task(1), format!("{begin}+{lines}"))] }
    }

    fn append(&mut self, lines: usize) {
        let batch = self.batch(lines);
        self.stream.append(&batch).expect("appended");
        self.texts.extend(batch.records.into_iter().map(|record| record.text));
        self.cursor = Some(batch.cursors[0].1.clone());
    }

    fn open(&mut self) {
        die(&self.stream);
        self.stream = Store::open(self.folder.path(), SMALL).expect("opened").stream(key(1)).expect("there");
    }

    /// The journal in use: its path and its length.
    fn journal(&self) -> (std::path::PathBuf, usize) {
        let mut state = self.stream.0.state();
        let journal = state.active().expect("a journal");
        (plan::journal_path(self.stream.0.path(), journal.number), journal.length as usize)
    }

    fn act(&mut self, act: &Act) {
        let inner = self.stream.0.clone();
        match act {
            Act::Append(lines) => self.append(*lines),
            Act::Seal => seal(&self.stream),
            Act::Die => self.open(),
            Act::DieAppending(share) => {
                let (path, length) = self.journal();
                let lines = inner.state().active().expect("a journal").lines;
                let batch = self.batch(5);
                let frame = frame::batch(&batch.records, &batch.cursors, lines).expect("a frame");
                let mut bytes = fs::read(&path).expect("read");
                bytes.truncate(length);
                bytes.extend(&frame[..share.index(frame.len())]);
                fs::write(&path, bytes).expect("written");
                self.open();
            }
            Act::DieSealing(share) => {
                inner.rotate().expect("rotated");
                let number = inner.state().parts.back().expect("a part").number() - 1;
                // The store's own thread is through before the file is looked at.
                inner.seal(number).expect("sealed");
                if let Ok(bytes) = fs::read(plan::segment_path(inner.path(), number)) {
                    fs::write(inner.path().join(format!("{number}.tmp")), &bytes[..share.index(bytes.len())]).expect("written");
                }
                self.open();
                assert!(!inner.path().join(format!("{number}.tmp")).exists());
            }
            Act::DieSealed => {
                let (path, _) = self.journal();
                let kept = fs::read(&path).expect("read");
                seal(&self.stream);
                if !path.exists() {
                    fs::write(&path, kept).expect("written");
                }
                self.open();
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let found = all(&self.stream);
        prop_assert_eq!(texts(&found), self.texts.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert!(found.windows(2).all(|two| two[0].id < two[1].id));
        prop_assert_eq!(self.stream.cursor(task(1)), self.cursor.clone());
        prop_assert_eq!(found.last().map_or(LineId::ZERO, |found| found.id), self.stream.end());
        for n in [0, found.len() / 3, found.len() / 2, found.len().saturating_sub(1)] {
            let Some(one) = found.get(n) else { continue };
            prop_assert_eq!(&scan(&self.stream, &Select::default(), Start::After(one.id)).0[..], &found[n + 1..]);
            let last = self.stream.last(&Select::default(), n + 1, usize::MAX, None).expect("read");
            prop_assert_eq!(&last[..], &found[found.len() - n - 1..]);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn what_was_acknowledged_is_there_once(acts in acts()) {
        let mut trial = Trial::new();
        for act in &acts {
            trial.act(act);
            trial.check()?;
        }
    }
}

#[test]
fn a_journal_cut_at_any_byte_has_the_batches_before_the_cut() {
    let mut trial = Trial::new();
    let mut ends = vec![(trial.journal().1, 0)];
    for lines in [1, 3, 0, 2] {
        trial.append(lines);
        ends.push((trial.journal().1, trial.texts.len()));
    }
    let (path, _) = trial.journal();
    let bytes = fs::read(&path).expect("read");
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).expect("written");
        trial.open();
        let whole = ends.iter().rev().find(|(end, _)| *end <= cut).map_or(0, |(_, lines)| *lines);
        assert_eq!(texts(&all(&trial.stream)), trial.texts[..whole]);
        // And it goes on from there.
        trial.stream.append(&batch(vec![line(1, 99, "next")])).expect("appended");
        trial.open();
        let found = all(&trial.stream);
        assert_eq!((found.len(), found[whole].record.text.as_str()), (whole + 1, "next"));
    }
}

#[test]
fn a_segment_that_was_cut_is_made_again_from_its_journal() {
    let mut trial = Trial::new();
    trial.append(30);
    let (path, _) = trial.journal();
    let journal = fs::read(&path).expect("read");
    seal(&trial.stream);
    let segment = plan::segment_path(trial.stream.0.path(), 1);
    let bytes = fs::read(&segment).expect("read");
    for cut in 0..bytes.len() {
        fs::write(&path, &journal).expect("written");
        fs::write(&segment, &bytes[..cut]).expect("written");
        trial.open();
        trial.check().expect("all is there");
        // The store's own thread makes the segment again; when that is done the next cut begins.
        trial.stream.0.seal(1).expect("sealed");
    }
}
