//! What is deleted: with its project, service or machine, for its age, and for want of room.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn run(store: &Store, from_hour: i64, hours: i64) {
    for minute in from_hour * 60..(from_hour + hours) * 60 {
        let at = T0 + minute * MINUTE;
        let noise = (minute * 7919 % 1009) as f64;
        let samples: Vec<Sample> = [service(1), service(2), machine(1)].map(|key| sample(key, 0, at as f64 + noise, noise)).into();
        add(store, at, &samples);
        if minute % 60 == 5 {
            store.tidy(at).expect("tidied");
        }
    }
}

fn points(store: &Store, key: Key, from: i64, to: i64) -> usize {
    let select = Select { metrics: &[Metric::MemoryWorkingSet], label: None, from_ms: from, to_ms: to, max_points: 10_000 };
    store.query(key, &select).expect("read").series.iter().map(|series| series.points.len()).sum()
}

#[test]
fn what_is_deleted_does_not_come_back_and_all_else_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), slow());
    run(&store, 0, 3);
    let now = T0 + 3 * HOUR;
    let Key::Service { service: first, .. } = service(1) else { panic!("a service") };
    store.remove_service(project(1), first).expect("removed");
    store.remove_machine(Uuid::from_u128(1).into()).expect("removed");
    let check = |store: &Store| {
        assert_eq!((points(store, service(1), T0, now), points(store, machine(1), T0, now)), (0, 0));
        assert!(points(store, service(2), T0, now) > 170);
        assert!(store.overview(0).iter().all(|overview| overview.key == service(2)));
        assert!(store.latest(0).iter().all(|latest| latest.key == service(2)));
    };
    check(&store);
    drop(store);
    let store = open(folder.path(), slow());
    check(&store);
    store.tidy(now + 2 * MINUTE).expect("tidied");
    check(&store);
    store.tidy(now + 2 * HOUR).expect("tidied");
    assert_eq!(files::keys(folder.path()).expect("read"), [service(2)]);
    store.remove_project(project(1)).expect("removed");
    store.remove_project(project(7)).expect("nothing there");
    assert_eq!(points(&store, service(2), T0, now), 0);
    // And it can begin anew.
    add(&store, now + 3 * HOUR, &[sample(service(1), 0, 1.0, 1.0)]);
    assert_eq!(points(&store, service(1), T0, now + 4 * HOUR), 1);
}

#[test]
fn files_are_deleted_when_they_are_old_and_are_ours_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("metrics"), slow());
    run(&store, 0, 12);
    for path in walk(folder.path().join("metrics")) {
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    let day = 24 * HOUR;
    store.tidy(T0 + day).expect("tidied");
    assert!(with_ending(folder.path(), "raw").is_empty() && with_ending(folder.path(), "week").len() == 3);
    store.tidy(T0 + 90 * day).expect("tidied");
    assert_eq!(with_ending(folder.path(), "week").len(), 3);
    let removed = store.tidy(T0 + 98 * day).expect("tidied");
    assert_eq!((removed.files, with_ending(folder.path(), "week").len(), with_ending(folder.path(), "month").len()), (3, 0, 3));
    let select = Select { metrics: &[Metric::MemoryWorkingSet], label: None, from_ms: T0, to_ms: T0 + day, max_points: 500 };
    let answer = store.query(service(1), &select).expect("read");
    assert_eq!((answer.resolution, answer.series[0].points.len()), (Resolution::Hour, 12));
    store.tidy(T0 + 765 * day).expect("tidied");
    assert!(files::keys(folder.path()).expect("read").is_empty());
    assert_eq!(store.bytes().expect("read"), 0);
}

#[test]
fn when_there_is_too_much_the_old_weeks_go_before_the_old_months_and_the_samples_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), slow());
    run(&store, 0, 30);
    run(&store, 60 * 24, 4);
    let now = T0 + (60 * 24 + 7) * HOUR;
    store.tidy(now).expect("tidied");
    let count = |ending| with_ending(folder.path(), ending).len();
    assert_eq!((count("week"), count("month"), count("raw"), count("journal")), (3, 3, 12, 0));
    let total = store.bytes().expect("read");
    let weeks: u64 = with_ending(folder.path(), "week").iter().map(|path| path.metadata().expect("there").len()).sum();
    drop(store);
    for (most_bytes, left) in [(total, (3, 3)), (total - 1, (2, 3)), (total - weeks, (0, 3)), (total - weeks - 1, (0, 2))] {
        let store = open(folder.path(), Options { most_bytes, ..slow() });
        store.tidy(now + MINUTE).expect("tidied");
        assert_eq!(((count("week"), count("month")), count("raw")), (left, 12));
        assert!(store.bytes().expect("read") <= most_bytes);
    }
    let before = count("raw");
    let store = open(folder.path(), Options { most_bytes: 0, ..slow() });
    store.tidy(now + 2 * HOUR).expect("tidied");
    assert!(before > 0 && (count("raw"), count("week"), count("month")) == (0, 0, 0));
}
