//! Files that are not what they were: what cannot be read is a gap that is told of, the rest is right, and nothing panics.

use std::fs;

use super::*;

fn filled(folder: &Path, hours: i64) -> Store {
    let store = open(folder, slow());
    for minute in 0..hours * 60 {
        let at = T0 + minute * MINUTE;
        add(&store, at, &[sample(service(1), 0, minute as f64 * 6e6, 4096.0 * minute as f64), sample(service(1), 1, minute as f64, 5.0)]);
    }
    store
}

/// Changes bytes of a file one at a time and reads all.
fn flip(file: &Path, store: &Store, to: i64, step: i64) {
    let bytes = fs::read(file).expect("read");
    let metrics = [Metric::CpuUsed, Metric::MemoryWorkingSet];
    let right = by(store, service(1), &metrics, T0, to, step);
    assert_eq!(right.series.len(), 4);
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= [0x01, 0x80, 0xff][at % 3];
        fs::write(file, &wrong).expect("written");
        let max_points = usize::try_from((to - T0) / step * 10 / 9 + 2).expect("a number");
        let found = store.query(service(1), &Select { metrics: &metrics, label: None, from_ms: T0, to_ms: to, max_points }).expect("read");
        if found.resolution != right.resolution {
            // A coarser one is better than nothing.
            assert!(found.damaged);
            continue;
        }
        for series in &found.series {
            let whole = right.series.iter().find(|right| right.member == series.member && right.metric == series.metric).expect("one of them");
            assert!(
                series.points.iter().all(|point| whole.points.iter().any(|right| right.at_ms == point.at_ms && right.avg == point.avg)),
                "byte {at}"
            );
        }
        assert!(found.damaged || found.series == right.series, "byte {at} of {} is not missed", file.display());
    }
    fs::write(file, bytes).expect("written");
}

#[test]
fn a_damaged_file_of_an_hour_or_a_week_is_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = filled(folder.path(), 1);
    store.tidy(T0 + 4 * HOUR).expect("tidied");
    flip(&with_ending(folder.path(), "raw")[0], &store, T0 + HOUR, MINUTE);
    store.tidy(T0 + 9 * HOUR).expect("tidied");
    assert!(with_ending(folder.path(), "raw").is_empty());
    flip(&with_ending(folder.path(), "week")[0], &store, T0 + HOUR, FIVE);
}

#[test]
fn a_damaged_journal_is_a_gap_and_what_is_added_later_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = filled(folder.path(), 1);
    let file = with_ending(folder.path(), "journal")[0].clone();
    let bytes = fs::read(&file).expect("read");
    for at in (0..bytes.len()).step_by(7) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x10;
        fs::write(&file, &wrong).expect("written");
        // While it is open, and when it is opened again.
        let answer = by(&store, service(1), &[Metric::MemoryWorkingSet], T0, T0 + HOUR, MINUTE);
        let whole = answer.series.iter().all(|series| series.points.len() >= 59);
        assert!(answer.damaged || whole, "byte {at}");
        let again = open(folder.path(), slow());
        add(&again, T0 + 59 * MINUTE + 30_000, &[sample(service(1), 0, 0.0, 77.0)]);
        let answer = by(&again, service(1), &[Metric::MemoryWorkingSet], T0, T0 + HOUR, MINUTE);
        assert!(!answer.damaged && averages(&answer, 0).last().is_some_and(|last| *last > 0.0));
        again.tidy(T0 + 62 * MINUTE).expect("tidied");
        fs::remove_dir_all(folder.path().join("services")).expect("removed");
    }
}

#[test]
fn files_of_nonsense_are_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = filled(folder.path(), 1);
    store.tidy(T0 + 4 * HOUR).expect("tidied");
    let stream = files::stream(folder.path(), &service(1));
    let mut dice = super::bench::Dice(5);
    for size in [0_usize, 1, 11, 12, 13, 500, 100_000] {
        let nonsense: Vec<u8> = (0..size).map(|_| dice.next() as u8).collect();
        for resolution in [Resolution::FiveMinutes, Resolution::Hour] {
            let period = files::period_of(files::hour_of(T0), resolution);
            fs::write(files::file(&stream, resolution, period), &nonsense).expect("written");
        }
        let answer = by(&store, service(1), &[Metric::MemoryWorkingSet], T0 - 9 * HOUR, T0 + HOUR, FIVE);
        assert!(answer.damaged && answer.series.len() == 2);
        fs::write(files::journal(folder.path(), 1_000 + size as i64), &nonsense).expect("written");
        open(folder.path(), slow());
    }
    // Whatever they were: what is put together takes their place.
    store.tidy(T0 + 9 * HOUR).expect("tidied");
    let answer = by(&store, service(1), &[Metric::MemoryWorkingSet], T0 - 9 * HOUR, T0 + HOUR, FIVE);
    assert!(!answer.damaged && answer.series[0].points.len() == 12);
}
