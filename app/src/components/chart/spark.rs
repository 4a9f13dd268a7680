//! A small picture of one figure: its course over an hour, as high as its own peak.

use model::views::metrics::Column;

use super::paths::{Field, stretches};
use super::rows::most;

/// The path over a field of 1000 by 1000.
pub(crate) fn spark(column: &Column) -> String {
    let places = column.len().max(1) as f64;
    let peak = most(column).max(f64::MIN_POSITIVE);
    let across = |place: usize| (place as f64 + 0.5) / places;
    // A little room, so that the peak's line is not cut.
    let down = |value: f64| 0.94 - 0.88 * (value / peak).clamp(0.0, 1.0);
    Field { across: &across, down: &down, half: 0.5 / places }.line(&stretches(column.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_high_and_nothing_is_low() {
        assert_eq!(spark(&vec![Some(0.0), Some(5.0)]), "M250 940L750 60");
        assert_eq!(spark(&vec![Some(0.0), None]), "M0 940L500 940");
        assert_eq!(spark(&vec![None, None]), "");
        let long: Column = (0..30).map(|place| Some(f64::from(place))).collect();
        assert!(spark(&long).len() < 500, "500 of these make no large page");
    }
}
