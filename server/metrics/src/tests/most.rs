//! One application's names take no room from others', and what is no longer told is forgotten.

use super::*;

/// A task with one usual figure, and with these names of its application.
fn told(key: Key, names: std::ops::Range<u32>) -> Sample {
    let own = names.map(|number| Value::labelled(Metric::AppGauge, format!("at{{id=\"{number}\"}}"), f64::from(number)));
    Sample { key, member: Some(task(0)), values: std::iter::once(Value::new(Metric::CpuUsed, 1.0)).chain(own).collect() }
}

fn added(store: &Store, at: i64, samples: &[Sample]) -> Added {
    store.append(at, samples).expect("added")
}

#[test]
fn who_invents_names_all_the_time_takes_no_room_from_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { most_series: 40, most_series_of_one: 10, ..Options::default() };
    let mut store = open(folder.path(), options.clone());
    let kept = |kept| Added { kept, ..Added::default() };
    let refused = |kept, refused| Added { kept, refused, of: vec![(service(1), refused)] };
    assert_eq!(added(&store, T0, &[told(service(1), 0..6)]), kept(7));
    assert_eq!(added(&store, T0 + 10_000, &[told(service(1), 6..12)]), refused(5, 2));
    for tick in 2..20_u32 {
        let at = T0 + i64::from(tick) * 10_000;
        assert_eq!(added(&store, at, &[told(service(1), tick * 6..tick * 6 + 6)]), refused(1, 6));
        if tick == 10 {
            drop(store);
            store = open(folder.path(), options.clone());
        }
    }
    let at = T0 + 200_000;
    assert_eq!(added(&store, at, &[told(service(1), 4..10)]), kept(7), "those that were there first are kept on");
    let usual = Sample { values: vec![Value::new(Metric::Pids, 5.0)], ..told(service(1), 0..0) };
    assert_eq!(added(&store, at + 10_000, &[usual]), kept(1), "what is measured of everybody is kept, also where it comes late");
    assert_eq!(added(&store, at, &[told(service(2), 1000..1010), told(service(3), 1005..1015), told(service(4), 0..10)]), kept(33));
    assert_eq!(added(&store, T0 + HOUR, &[told(service(1), 500..510)]), kept(11), "the next hour begins anew");
    // All streams together have no more than there may be, but what is measured of everybody.
    let many: Vec<Sample> = (5..10).map(|number| told(service(number.into()), number * 100..number * 100 + 10)).collect();
    let Added { kept, refused, of } = added(&store, T0 + HOUR, &many);
    assert_eq!((kept, refused, of.len()), (44, 11, 2), "{of:?}");
}

#[test]
fn a_name_that_is_told_no_longer_is_forgotten_while_its_task_lives() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    for tick in 0..90_u32 {
        let at = T0 + i64::from(tick) * 10_000;
        assert_eq!(added(&store, at, &[told(service(1), tick..tick + 2)]).refused, 0);
    }
    let now = T0 + 890_000;
    assert_eq!(store.latest(now)[0].values.len(), 92);
    store.tidy(now).expect("tidied");
    let latest = store.latest(now);
    // Ten minutes' names, and the one of the last tick that is new.
    assert_eq!((latest.len(), latest[0].values.len()), (1, 1 + 62));
    assert!(latest[0].values.iter().all(|value| value.at_ms >= now - 600_000));
}
