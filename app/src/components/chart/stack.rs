//! Lines on top of each other.

use model::views::metrics::Column;

/// From where to where a line lies at each place.
pub(super) type Layer = Vec<Option<(f64, f64)>>;

/// The lines as layers, the first one at the bottom. A task that ran for a part of a place's time has the mean of that part: where the lines would be
/// higher together than what all used, they are made lower in proportion, so that the top is the total.
pub(super) fn stack(lines: &[&Column], total: Option<&Column>) -> Vec<Layer> {
    let at = |column: &Column, place: usize| column.get(place).copied().flatten();
    let places = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    let mut layers: Vec<Layer> = lines.iter().map(|_| Vec::with_capacity(places)).collect();
    for place in 0..places {
        let sum: f64 = lines.iter().filter_map(|line| at(line, place)).sum();
        let most = total.and_then(|total| at(total, place)).unwrap_or(sum);
        let share = if sum > most && sum > 0.0 { most / sum } else { 1.0 };
        let mut low = 0.0;
        for (line, layer) in lines.iter().zip(&mut layers) {
            layer.push(at(line, place).map(|value| {
                let begin = low;
                low += value * share;
                (begin, low)
            }));
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_lies_on_the_one_before() {
        let (one, two) = (vec![Some(1.0), None, Some(2.0)], vec![Some(2.0), Some(3.0), Some(2.0)]);
        let layers = stack(&[&one, &two], None);
        assert_eq!(layers[0], [Some((0.0, 1.0)), None, Some((0.0, 2.0))]);
        assert_eq!(layers[1], [Some((1.0, 3.0)), Some((0.0, 3.0)), Some((2.0, 4.0))]);
    }

    #[test]
    fn the_top_is_the_total_where_tasks_took_turns() {
        let (one, two) = (vec![Some(1.0)], vec![Some(1.0)]);
        let layers = stack(&[&one, &two], Some(&vec![Some(1.0)]));
        assert_eq!((layers[0][0], layers[1][0]), (Some((0.0, 0.5)), Some((0.5, 1.0))));
    }
}
