//! Which series of applications are kept on a day. One that puts into labels what is always new (ids, times) would invent series with each answer: the
//! first ones are kept on, and the rest is left out. Pure.

use std::collections::{HashMap, HashSet};

use ::metrics::{Key, Value};
use model::time::Millis;

/// Most series of a service on one machine and day, fewer than the store takes in an hour.
pub(crate) const SERIES: usize = 400;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// The series of this day, by service.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    day: i64,
    services: HashMap<Key, HashSet<String>>,
}

impl Admitted {
    /// Leaves those of these values that are kept. How many are not.
    pub(crate) fn admit(&mut self, now: Millis, key: Key, values: &mut Vec<Value>) -> usize {
        let day = now.0.div_euclid(DAY);
        if day != self.day {
            (self.day, self.services) = (day, HashMap::new());
        }
        let (before, known) = (values.len(), self.services.entry(key).or_default());
        values.retain(|value| known.contains(&*value.label) || (known.len() < SERIES && known.insert(value.label.to_string())));
        before - values.len()
    }
}

#[cfg(test)]
mod tests {
    use ::metrics::Metric;

    use super::*;

    const NOON: Millis = Millis(1_795_305_600_000 + DAY / 2);

    fn id<T: From<uuid::Uuid>>(number: u128) -> T {
        uuid::Uuid::from_u128(number).into()
    }

    fn key(service: u128) -> Key {
        Key::Service { project: id(1), service: id(service), environment: id(2) }
    }

    fn told(names: std::ops::Range<usize>) -> Vec<Value> {
        names.map(|number| Value::labelled(Metric::AppGauge, format!("requests{{id=\"{number}\"}}"), 1.0)).collect()
    }

    #[test]
    fn what_is_always_new_is_left_out_and_what_was_there_first_is_kept_until_the_day_ends() {
        let (mut admitted, mut left_out) = (Admitted::default(), 0);
        for turn in 0..50 {
            let mut values = told(turn * 50..turn * 50 + 50);
            left_out += admitted.admit(NOON, key(1), &mut values);
        }
        assert_eq!(left_out, 50 * 50 - SERIES);
        let mut mixed = told(SERIES - 3..SERIES + 4);
        assert_eq!(admitted.admit(NOON, key(1), &mut mixed), 4);
        assert_eq!(mixed, told(SERIES - 3..SERIES));
        assert_eq!(admitted.admit(NOON, key(2), &mut told(5000..5100)), 0, "another service has its own");
        assert_eq!(admitted.admit(NOON.plus(std::time::Duration::from_millis(DAY as u64)), key(1), &mut told(6000..6100)), 0, "the next day");
    }
}
