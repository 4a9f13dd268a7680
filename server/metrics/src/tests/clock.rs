//! A clock that is set forward and back.

use super::*;

fn fill(store: &Store, from: i64, minutes: i64, memory: f64) {
    for minute in 0..minutes {
        let at = T0 + (from + minute) * MINUTE;
        add(store, at, &[sample(service(1), 0, at as f64, memory)]);
    }
}

fn states(store: &Store, from: i64, to: i64) -> Vec<(i64, f64)> {
    let answer = by(store, service(1), &[Metric::MemoryWorkingSet], T0 + from * MINUTE, T0 + to * MINUTE, MINUTE);
    answer.series.first().map_or(Vec::new(), |series| series.points.iter().map(|point| ((point.at_ms - T0) / MINUTE, point.avg)).collect())
}

#[test]
fn what_is_written_after_the_clock_was_set_back_takes_the_place_of_what_the_wrong_clock_wrote() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), slow());
    fill(&store, 0, 50, 1.0);
    fill(&store, 20, 10, 2.0);
    let check = |store: &Store| {
        // A sample stands for the minute before it. What the wrong clock wrote of later times is gone.
        let found = states(store, 0, 60);
        assert_eq!(found.iter().filter(|(_, memory)| *memory == 1.0).count(), 19);
        assert_eq!(found.iter().filter(|(_, memory)| *memory == 2.0).map(|(at, _)| *at).collect::<Vec<_>>(), (19..29).collect::<Vec<_>>());
        let cpu = by(store, service(1), &[Metric::CpuUsed], T0, T0 + HOUR, MINUTE);
        assert!(averages(&cpu, 0).iter().all(|rate| (*rate - 1000.0).abs() < 1e-6), "no counter jumps");
    };
    check(&store);
    drop(store);
    let store = open(folder.path(), slow());
    check(&store);
    store.tidy(T0 + HOUR + 2 * MINUTE).expect("tidied");
    store.tidy(T0 + 2 * HOUR + 2 * MINUTE).expect("tidied");
    assert!(with_ending(folder.path(), "journal").is_empty());
    check(&store);
}

#[test]
fn samples_go_on_when_a_clock_that_was_a_day_ahead_is_set_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), slow());
    fill(&store, 0, 90, 1.0);
    let day = 24 * 60;
    fill(&store, day + 90, 30, 3.0);
    store.tidy(T0 + (day + 120) * MINUTE).expect("tidied");
    // Set right: the hour that had begun, and the one before it, were put away already.
    fill(&store, 100, 100, 2.0);
    store.tidy(T0 + 200 * MINUTE).expect("tidied");
    assert_eq!(states(&store, 100, 200).len(), 100 - 1);
    assert!(states(&store, 121, 200).iter().all(|(_, memory)| *memory == 2.0));
    let latest = store.latest(T0);
    assert_eq!(latest[0].values[1].value, 2.0);
    // The hour before was not touched.
    let early = by(&store, service(1), &[Metric::MemoryWorkingSet], T0, T0 + HOUR, FIVE);
    assert_eq!(averages(&early, 0), [1.0; 12]);
}

#[test]
fn a_sample_of_an_hour_that_was_put_away_within_the_last_one_is_still_taken_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), slow());
    fill(&store, 0, 60, 1.0);
    store.tidy(T0 + 61 * MINUTE).expect("tidied");
    assert_eq!(with_ending(folder.path(), "raw").len(), 1);
    add(&store, T0 + 59 * MINUTE + 30_000, &[sample(service(2), 5, 0.0, 7.0)]);
    store.tidy(T0 + 62 * MINUTE).expect("tidied");
    store.tidy(T0 + 122 * MINUTE).expect("tidied");
    assert!(with_ending(folder.path(), "journal").is_empty());
    let answer = by(&store, service(2), &[Metric::MemoryWorkingSet], T0, T0 + HOUR + MINUTE, MINUTE);
    assert!(averages(&answer, 0).contains(&7.0));
    assert_eq!(states(&store, 0, 60).len(), 60 - 1);
}

#[test]
fn what_a_collector_waited_for_hides_nothing_that_others_added_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), slow());
    let mut all = Vec::new();
    for minute in 1..30 {
        // Another machine's, of the same service, read before and added after.
        for (number, at) in [(0, T0 + minute * MINUTE), (1, T0 + minute * MINUTE - 40_000)] {
            add(&store, at, &[sample(service(1), number, 0.0, 1.0)]);
            all.push(at);
        }
    }
    let chains = store.chains(&service(1));
    let journal = chains.fresh.values().next().expect("the hour's journal");
    for since in (T0..T0 + 30 * MINUTE).step_by(5000) {
        let mut seen = Vec::new();
        journal.back(since, |_| true, &mut |_, at, _| seen.push(at)).expect("read");
        seen.sort_unstable();
        let mut expected: Vec<i64> = all.iter().copied().filter(|at| *at >= since).collect();
        expected.sort_unstable();
        assert_eq!(seen, expected, "from {since} on");
    }
}
