//! Files that are not what they were: a gap says so, the rest is shown, and nothing panics.

use std::collections::HashMap;
use std::fs;

use super::*;

/// Changes each byte of a file in turn and reads all.
fn flip(file: &std::path::Path, folder: &std::path::Path, want: &[Found], step: usize) {
    let bytes = fs::read(file).expect("read");
    let right: HashMap<LineId, &Found> = want.iter().map(|found| (found.id, found)).collect();
    for at in (0..bytes.len()).step_by(step) {
        for mask in [0x01, 0x80, 0xff] {
            let mut wrong = bytes.clone();
            wrong[at] ^= mask;
            fs::write(file, &wrong).expect("written");
            let stream = Store::open(folder, SMALL).expect("opened").stream(key(1)).expect("opened");
            let found = all(&stream);
            let gaps = found.iter().filter(|found| found.record.kind == Kind::Gap).count();
            for found in found.iter().filter(|found| found.record.kind != Kind::Gap) {
                assert_eq!(right.get(&found.id), Some(&found), "byte {at}");
            }
            assert!(
                gaps > 0 || found.len() == want.len(),
                "byte {at} of {}: {} lines are missing without a word",
                file.display(),
                want.len() - found.len()
            );
            let _ = stream.last(&Select::default(), 10, 1000, None).expect("read");
            die(&stream);
        }
    }
    fs::write(file, bytes).expect("written");
}

#[test]
fn a_damaged_segment_is_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
    for part in 0..3 {
        fill(&stream, part * 60, 60);
        seal(&stream);
    }
    let want = all(&stream);
    assert_eq!(want.len(), 180);
    let segment = plan::segment_path(stream.0.path(), 2);
    die(&stream);
    flip(&segment, folder.path(), &want, 3);
}

#[test]
fn a_damaged_journal_is_a_gap_or_lacks_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
    fill(&stream, 0, 60);
    let path = plan::journal_path(stream.0.path(), 1);
    let want = all(&stream);
    let last = stream.0.state().active().expect("a journal").length as usize;
    die(&stream);
    let bytes = fs::read(&path).expect("read");
    assert_eq!(bytes.len(), last);
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x10;
        fs::write(&path, &wrong).expect("written");
        let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("opened");
        let found = all(&stream);
        let lines: Vec<&Found> = found.iter().filter(|found| found.record.kind != Kind::Gap).collect();
        assert!(lines.iter().all(|found| want.contains(found)));
        // A batch is lost at most: the last one, of which nobody knows that it was whole, or one with a gap in its place.
        assert!(lines.len() >= 50, "byte {at}");
        let end = lines.last().map(|found| found.id) != want.last().map(|found| found.id);
        assert!(lines.len() == 60 || end || found.len() > lines.len(), "byte {at}");
        // What was lost stays so when it becomes a segment.
        seal(&stream);
        let again = all(&stream);
        assert_eq!(texts(&again), texts(&found));
        die(&stream);
    }
}

#[test]
fn what_is_damaged_while_it_is_open_is_a_gap_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), Options { journal_bytes: 1 << 20, ..SMALL }).expect("opened").stream(key(1)).expect("made");
    fill(&stream, 0, 100);
    let path = plan::journal_path(stream.0.path(), 1);
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, &bytes).expect("written");
    let found = all(&stream);
    assert_eq!(found.len(), 91);
    let gap = found.iter().find(|found| found.record.kind == Kind::Gap).expect("a gap");
    assert!(gap.record.text.starts_with("10 lines are missing here"), "{}", gap.record.text);
    assert_eq!(scan(&stream, &Select::default(), Start::After(gap.id)).0.len() + 10 * (gap.id.index as usize + 1) / 10, 100);
}

#[test]
fn files_of_nonsense_are_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dice = super::access_log::Dice(5);
    for size in [0_usize, 1, 11, 12, 13, 500, 100_000] {
        let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
        let path = stream.0.path().to_owned();
        die(&stream);
        let nonsense: Vec<u8> = (0..size).map(|_| dice.next() as u8).collect();
        fs::write(plan::segment_path(&path, 100 + size as u64), &nonsense).expect("written");
        fs::write(plan::journal_path(&path, 200_000 + size as u64), &nonsense).expect("written");
        let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("opened");
        assert!(all(&stream).iter().all(|found| found.record.kind == Kind::Gap));
        stream.append(&batch(vec![Record { kind: Kind::Gap, ..line(1, 1, "x") }])).expect("appended");
        die(&stream);
    }
}
