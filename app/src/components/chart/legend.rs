//! The words to a picture's colours, with numbers of one time. In a chart of two directions a task has one row with a number for each.

use model::metrics::Look;
use model::views::metrics::{ChartView, MetricsView};

use super::picture::limit_is_above;
use super::rows::{Row, Swatch, at, last, rows};

/// A row of the words.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    pub swatch: Swatch,
    pub name: String,
    /// Whether the name leaves open which direction it is.
    pub directed: bool,
    /// Which direction, and the number.
    pub numbers: Vec<(usize, Option<f64>)>,
}

/// What is beside the picture: what there is at the end, with the numbers of the time that is read, else the last ones. So it stays where it is while a
/// chart is read.
pub(super) fn legend(view: &MetricsView, chart: &ChartView, look: Look, place: Option<usize>) -> Vec<Item> {
    let end = |row: &Row<'_>| last(view, chart, row);
    let number = |row: &Row<'_>| place.map_or_else(|| end(row), |place| at(row.column, place));
    // What was asked for is there also where nothing is known of it.
    let mut items = items(chart, look, |row| end(row).is_some() || row.swatch == Swatch::Before, number);
    if limit_is_above(chart, look) {
        items.iter_mut().filter(|item| item.swatch == Swatch::Limit).for_each(|item| item.name.push_str(", above the picture"));
    }
    items
}

/// What is known of one time.
pub(super) fn read(chart: &ChartView, look: Look, place: usize) -> Vec<Item> {
    items(chart, look, |row| at(row.column, place).is_some(), |row| at(row.column, place))
}

fn items(chart: &ChartView, look: Look, shown: impl Fn(&Row<'_>) -> bool, number: impl Fn(&Row<'_>) -> Option<f64>) -> Vec<Item> {
    let (mut items, mut used): (Vec<Item>, Vec<Swatch>) = (Vec::new(), Vec::new());
    for row in rows(chart, look) {
        if row.column.iter().flatten().any(|value| *value > 0.0) {
            used.push(row.swatch);
        }
        if !shown(&row) {
            continue;
        }
        let (directed, number) = (row.name != row.bare, (row.side, number(&row)));
        match items.iter_mut().find(|item| directed && item.directed && item.swatch == row.swatch && item.name == row.bare) {
            Some(item) => item.numbers.push(number),
            None => items.push(Item { swatch: row.swatch, name: row.bare, directed, numbers: vec![number] }),
        }
    }
    // Of many tasks some do nothing: their total says that.
    items.retain(|item| !item.directed || !matches!(item.swatch, Swatch::Line(_)) || used.contains(&item.swatch));
    items
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{cpu, line, network, view};
    use super::*;

    /// A name, and its numbers by their sides.
    type Said = (String, Vec<(usize, Option<f64>)>);

    fn said(items: Vec<Item>) -> Vec<Said> {
        items.into_iter().map(|item| (item.name, item.numbers)).collect()
    }

    #[test]
    fn a_task_has_one_row_for_both_directions_and_none_where_it_did_nothing() {
        let mut chart = network();
        for side in &mut chart.sides {
            side.lines.extend([line("Task 2", &[0.0; 4]), line("Task 3", &[0.0; 4])]);
        }
        chart.sides[1].lines[2] = line("Task 3", &[1.0; 4]);
        let view = view(Vec::new());
        let wanted = [("Task 1", [2048.0, 512.0]), ("Task 3", [0.0, 1.0])];
        let wanted: Vec<Said> = wanted.map(|(name, [up, down])| (name.to_owned(), vec![(0, Some(up)), (1, Some(down))])).into();
        assert_eq!(said(legend(&view, &chart, Look::Lines, None)), wanted);
        assert_eq!(said(read(&chart, Look::Lines, 2)), wanted);
        let alone = said(legend(&view, &network(), Look::Lines, None));
        assert_eq!(alone, [("received".to_owned(), vec![(0, Some(2048.0))]), ("sent".to_owned(), vec![(1, Some(512.0))])]);
    }

    #[test]
    fn what_ended_is_read_where_it_was_and_is_not_among_the_words() {
        let mut chart = cpu();
        chart.sides[0].lines[0].mean = vec![Some(0.1), Some(0.1), None, None];
        let names = |items: Vec<Item>| items.into_iter().map(|item| item.name).collect::<Vec<_>>();
        let view = view(Vec::new());
        let now = ["Task 2", "total", "limit", "previous period"];
        assert_eq!(names(legend(&view, &chart, Look::Stacked, None)), now);
        assert_eq!(names(legend(&view, &chart, Look::Stacked, Some(0))), now, "it moves not while it is read");
        assert_eq!(names(read(&chart, Look::Stacked, 0))[0], "Task 1");
        assert_eq!(names(read(&chart, Look::Stacked, 3))[0], "Task 2");
        assert!(read(&chart, Look::Stacked, 9).is_empty());
        chart.sides[0].before = Some(vec![None; 4]);
        assert_eq!(names(legend(&view, &chart, Look::Stacked, None)), now, "it was compared, with nothing");
    }
}
