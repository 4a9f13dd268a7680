//! What a chart shows, row by row: its lines, their sum, the limit, the time before. The picture, the words beside it, what is read at one time and the
//! table have the same rows in the same order.

use model::metrics::Look;
use model::views::metrics::{ChartView, Column, SideView};

/// How a row is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swatch {
    /// As the line of this number; the same task has the same in both directions.
    Line(usize),
    /// As the sum.
    Total,
    /// As the limit.
    Limit,
    /// As the time before.
    Before,
    /// As the line of this number, in the time before.
    LineBefore(usize),
}

/// Colours of lines; then they begin anew.
const COLOURS: usize = 9;

impl Swatch {
    /// The word that the style sheet knows.
    pub(crate) fn class(self) -> String {
        match self {
            Self::Line(number) => format!("c{}", number % COLOURS + 1),
            Self::Total => String::from("c-total"),
            Self::Limit => String::from("c-limit"),
            Self::Before => String::from("c-before"),
            Self::LineBefore(number) => format!("{} c-earlier", Self::Line(number).class()),
        }
    }
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row<'a> {
    pub name: String,
    pub swatch: Swatch,
    /// Which direction.
    pub side: usize,
    pub column: &'a Column,
    /// Places to which no line leads; none where each number stands beside the next one.
    pub begins: Option<&'a [u32]>,
}

/// Whether lines of this side are drawn as their sum alone.
pub(super) fn summed(side: &SideView, look: Look) -> bool {
    look == Look::Total && side.total.is_some()
}

/// Whether lines of this side lie on top of each other.
pub(super) fn stacked(side: &SideView, look: Look) -> bool {
    look == Look::Stacked && side.total.is_some()
}

/// The rows of a chart.
pub(crate) fn rows(chart: &ChartView, look: Look) -> Vec<Row<'_>> {
    let two = chart.sides.len() > 1;
    let alone = chart.sides.iter().all(|side| side.lines.len() <= 1);
    let mut names: Vec<&str> = Vec::new();
    let mut rows = Vec::new();
    for (number, side) in chart.sides.iter().enumerate() {
        let named = |name: &str| if two { format!("{}, {name}", side.name) } else { name.to_owned() };
        let mut earlier = Vec::new();
        if !summed(side, look) {
            for line in &side.lines {
                let known = names.iter().position(|name| *name == line.name);
                let colour = known.unwrap_or_else(|| {
                    names.push(&line.name);
                    names.len() - 1
                });
                let (name, colour) = if alone { (side.name.clone(), number) } else { (named(&line.name), colour) };
                if !line.before.is_empty() {
                    let name = format!("{name}, the time before");
                    earlier.push(Row { name, swatch: Swatch::LineBefore(colour), side: number, column: &line.before, begins: None });
                }
                rows.push(Row { name, swatch: Swatch::Line(colour), side: number, column: &line.mean, begins: Some(&line.begins) });
            }
        }
        if let Some(total) = &side.total {
            rows.push(Row { name: named("total"), swatch: Swatch::Total, side: number, column: &total.mean, begins: Some(&total.begins) });
        }
        if let Some(limit) = limit(side, look) {
            // A line of a task without a limit is not measured by that of the others.
            let some = side.limited.filter(|_| each(side, look));
            let name = some.map_or_else(|| String::from("limit"), |some| format!("limit of {} of {} tasks", some.tasks, some.of));
            rows.push(Row { name: named(&name), swatch: Swatch::Limit, side: number, column: limit, begins: None });
        }
        if let Some(before) = &side.before {
            rows.push(Row { name: named("the time before"), swatch: Swatch::Before, side: number, column: before, begins: None });
        }
        // Behind all lines of this side: they are drawn in their order.
        rows.append(&mut earlier);
    }
    rows
}

/// Whether each line stands for itself.
fn each(side: &SideView, look: Look) -> bool {
    look == Look::Lines && side.lines.len() > 1
}

/// The limit that fits what is drawn: of one line where each stands for itself, else of all together.
pub(super) fn limit(side: &SideView, look: Look) -> Option<&Column> {
    if each(side, look) { side.limit_of_one.as_ref() } else { side.limit.as_ref() }
}

/// What a row came to last. A limit that was lifted before is none any more.
pub(super) fn last(chart: &ChartView, row: &Row<'_>) -> Option<f64> {
    if row.swatch != Swatch::Limit {
        return row.column.iter().rev().flatten().next().copied();
    }
    let lines = chart.sides.get(row.side).into_iter().flat_map(|side| &side.lines);
    let used = lines.filter_map(|line| line.mean.iter().rposition(Option::is_some)).max();
    used.and_then(|place| at(row.column, place))
}

/// A number of a row.
pub(crate) fn at(column: &Column, place: usize) -> Option<f64> {
    column.get(place).copied().flatten()
}

/// The greatest number of a column.
pub(super) fn most(column: &Column) -> f64 {
    column.iter().flatten().copied().fold(0.0, f64::max)
}

#[cfg(test)]
pub(super) mod tests {
    use model::metrics::Group;
    use model::time::Millis;
    use model::views::metrics::{LimitedView, LineView, MetricsView, Resolution, TotalView, Unit};

    use super::*;

    pub(in super::super) fn line(name: &str, mean: &[f64]) -> LineView {
        LineView { name: name.into(), mean: mean.iter().copied().map(Some).collect(), begins: vec![0], ..LineView::default() }
    }

    /// Two tasks with a sum and a limit.
    pub(in super::super) fn cpu() -> ChartView {
        let column = |values: [f64; 4]| -> Column { values.into_iter().map(Some).collect() };
        let total = TotalView {
            mean: column([0.3, 0.3, 0.3, 0.5]),
            bound: column([0.4; 4]),
            lowest: column([0.1, 0.1, 0.1, 0.1]),
            highest: column([0.2, 0.2, 0.2, 0.4]),
            begins: vec![0],
        };
        let side = SideView {
            name: "used".into(),
            metric: "cpu_used".into(),
            lines: vec![line("Task 1", &[0.1; 4]), line("Task 2", &[0.2, 0.2, 0.2, 0.4])],
            total: Some(total),
            limit: Some(column([1.0; 4])),
            limit_of_one: Some(column([0.5; 4])),
            limited: None,
            before: Some(column([0.2; 4])),
        };
        ChartView { group: Group::Cpu, title: "CPU".into(), unit: Unit::Cores, sides: vec![side] }
    }

    /// What comes in and what goes out of one task.
    pub(in super::super) fn network() -> ChartView {
        let side = |name: &str, mean: &[f64]| SideView { name: name.into(), lines: vec![line("Task 1", mean)], ..SideView::default() };
        let sides = vec![side("received", &[2048.0; 4]), side("sent", &[512.0; 4])];
        ChartView { group: Group::Network, title: "Network".into(), unit: Unit::BytesPerSecond, sides }
    }

    /// Four places of ten seconds.
    pub(in super::super) fn view(charts: Vec<ChartView>) -> MetricsView {
        let begin = 1_795_161_600_000;
        MetricsView {
            from: Millis(begin),
            to: Millis(begin + 40_000),
            step_ms: 10_000,
            resolution: Resolution::Raw,
            environment: None,
            at: (0..4).map(|place| begin + place * 10_000).collect(),
            charts,
            marks: Vec::new(),
            problems: Vec::new(),
            damaged: false,
        }
    }

    fn names(chart: &ChartView, look: Look) -> Vec<String> {
        rows(chart, look).into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn each_look_has_the_rows_that_it_draws() {
        assert_eq!(names(&cpu(), Look::Stacked), ["Task 1", "Task 2", "total", "limit", "the time before"]);
        assert_eq!(names(&cpu(), Look::Total), ["total", "limit", "the time before"]);
        assert_eq!(names(&network(), Look::Stacked), ["received", "sent"], "one task alone is not named");
        let two = cpu();
        assert_eq!(limit(&two.sides[0], Look::Lines), two.sides[0].limit_of_one.as_ref(), "a line is measured by its own limit");
        assert_eq!(limit(&two.sides[0], Look::Stacked), two.sides[0].limit.as_ref());
    }

    #[test]
    fn a_limit_is_of_those_that_have_one_and_as_long_as_they_have_it() {
        let mut chart = cpu();
        let last_limit = |chart: &ChartView| {
            let rows = rows(chart, Look::Stacked);
            let row = rows.iter().find(|row| row.swatch == Swatch::Limit).expect("a limit");
            last(chart, row)
        };
        assert_eq!(last_limit(&chart), Some(1.0));
        chart.sides[0].limit = Some(vec![Some(1.0), Some(1.0), None, None]);
        assert_eq!(last_limit(&chart), None, "it was lifted");
        chart.sides[0].limit = None;
        chart.sides[0].limited = Some(LimitedView { tasks: 1, of: 2 });
        assert_eq!(names(&chart, Look::Lines)[3], "limit of 1 of 2 tasks");
        assert!(!names(&chart, Look::Stacked).iter().any(|name| name.contains("limit")), "together they have none");
    }

    #[test]
    fn a_task_has_its_colour_in_both_directions() {
        let mut chart = network();
        chart.sides[0].lines = vec![line("Task 1", &[1.0]), line("Task 2", &[1.0])];
        chart.sides[1].lines = vec![line("Task 2", &[1.0]), line("Task 1", &[1.0])];
        let found: Vec<(String, Swatch)> = rows(&chart, Look::Lines).into_iter().map(|row| (row.name, row.swatch)).collect();
        assert_eq!(found[1], (String::from("received, Task 2"), Swatch::Line(1)));
        assert_eq!(found[2], (String::from("sent, Task 2"), Swatch::Line(1)));
        assert_eq!(Swatch::Line(9).class(), "c1");
    }

    #[test]
    fn each_line_that_stands_for_itself_has_its_own_time_before() {
        let mut chart = network();
        chart.sides.truncate(1);
        chart.sides[0].lines = vec![line("/", &[1.0]), line("/data", &[2.0])];
        chart.sides[0].lines[1].before = vec![Some(1.5)];
        assert_eq!(names(&chart, Look::Stacked), ["/", "/data", "/data, the time before"]);
        let rows = rows(&chart, Look::Stacked);
        assert_eq!((rows[1].swatch.class().as_str(), rows[2].swatch.class().as_str()), ("c2", "c2 c-earlier"));
        assert_eq!(rows[2].column.as_slice(), [Some(1.5)]);
    }
}
