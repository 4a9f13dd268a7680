//! When what a turn found was read. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use ::metrics::{Key, Member, Sample};
use model::time::Millis;

/// Moments in a step. What was read within one is kept as of one time, and takes less room for it: a rate over one step is off by no more than this
/// part of itself.
const MOMENTS: u32 = 200;

/// The samples of a turn by the times at which they were read, in the order of time; those of one task within a moment are one.
pub(crate) fn together(mut samples: Vec<(Millis, Sample)>, step: Duration) -> Vec<(Millis, Vec<Sample>)> {
    samples.sort_by_key(|(at, _)| *at);
    let mut all: Vec<(Millis, Vec<Sample>)> = Vec::new();
    let mut places: HashMap<(Key, Option<Member>), usize> = HashMap::new();
    for (at, sample) in samples {
        if all.last().is_none_or(|(begin, _)| at.since(*begin) >= step / MOMENTS && at > *begin) {
            all.push((at, Vec::new()));
            places.clear();
        }
        let Some((_, moment)) = all.last_mut() else { continue };
        match places.entry((sample.key, sample.member)) {
            Entry::Occupied(place) => moment[*place.get()].values.extend(sample.values),
            Entry::Vacant(place) => {
                place.insert(moment.len());
                moment.push(sample);
            }
        }
    }
    all
}

/// When an engine read what it told. It says so itself, and that counts if it lies between the question and the answer; the clock of another machine may
/// be wrong, and then it is the time of the answer.
pub(crate) fn of_answer(asked: Millis, said: Option<Millis>, answered: Millis) -> Millis {
    said.filter(|said| (asked..=answered).contains(said)).unwrap_or(answered)
}

#[cfg(test)]
mod tests {
    use ::metrics::{Metric, Value};

    use super::*;

    const STEP: Duration = Duration::from_secs(10);

    fn sample(machine: u128, metric: Metric) -> Sample {
        Sample { key: Key::Machine(uuid::Uuid::from_u128(machine).into()), member: None, values: vec![Value::new(metric, 1.0)] }
    }

    #[test]
    fn what_was_read_within_a_moment_is_of_one_time_and_the_rest_of_its_own() {
        let read = vec![
            (Millis(4000), sample(1, Metric::AppGauge)),
            (Millis(1000), sample(1, Metric::CpuUsed)),
            (Millis(1049), sample(1, Metric::Pids)),
            (Millis(1010), sample(2, Metric::CpuUsed)),
            (Millis(1050), sample(3, Metric::CpuUsed)),
        ];
        let all = together(read, STEP);
        assert_eq!(all.iter().map(|(at, samples)| (at.0, samples.len())).collect::<Vec<_>>(), [(1000, 2), (1050, 1), (4000, 1)]);
        let metrics: Vec<Metric> = all[0].1[0].values.iter().map(|value| value.metric).collect();
        assert_eq!(metrics, [Metric::CpuUsed, Metric::Pids], "the store takes one sample of a task and time");
        assert!(together(Vec::new(), STEP).is_empty());
    }

    #[test]
    fn an_engine_is_believed_when_it_read_if_that_can_be() {
        let at = |said: Option<i64>| of_answer(Millis(1000), said.map(Millis), Millis(3000)).0;
        assert_eq!([at(Some(1000)), at(Some(1800)), at(Some(3000))], [1000, 1800, 3000]);
        assert_eq!([at(Some(999)), at(Some(3001)), at(Some(-62_135_596_800_000)), at(None)], [3000; 4]);
    }
}
