//! What a chart shows, row by row: its lines, their sum, the limit, the time before. The picture, the words beside it, what is read at one time and the
//! table have the same rows in the same order.

use model::metrics::{Group, Look};
use model::views::metrics::{ChartView, Column, MetricsView, SideView};

/// Milliseconds of a place up to which what stood right before the last one counts as last too: machines are not sampled at the same moment.
const FINE: i64 = 60_000;

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
    /// The name without its direction.
    pub bare: String,
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
        let named = |name: &str| {
            let bare = name.to_owned();
            (if two { format!("{}, {name}", side.name) } else { bare.clone() }, bare)
        };
        let row = |(name, bare): (String, String), swatch: Swatch, column| Row { name, bare, swatch, side: number, column, begins: None };
        let mut earlier = Vec::new();
        if !summed(side, look) {
            for line in &side.lines {
                let known = names.iter().position(|name| *name == line.name);
                let colour = known.unwrap_or_else(|| {
                    names.push(&line.name);
                    names.len() - 1
                });
                // A part has its own name also where it is alone: which file system it is.
                let part = !two && line.slot.is_none() && !line.part.is_empty();
                let own = if part { &line.name } else { &side.name };
                let (names, colour) = if alone { ((own.clone(), own.clone()), number) } else { (named(&line.name), colour) };
                if !line.before.is_empty() {
                    let before = |name: &str| format!("{name}, previous period");
                    earlier.push(row((before(&names.0), before(&names.1)), Swatch::LineBefore(colour), &line.before));
                }
                rows.push(Row { begins: Some(&line.begins), ..row(names, Swatch::Line(colour), &line.mean) });
            }
        }
        if let Some(total) = &side.total {
            rows.push(Row { begins: Some(&total.begins), ..row(named("total"), Swatch::Total, &total.mean) });
        }
        if let Some(limit) = limit(side, look) {
            // A line of a task without a limit is not measured by that of the others.
            let some = side.limited.filter(|_| each(side, look));
            let plain = if chart.group == Group::Load { "CPUs" } else { "limit" };
            let name = some.map_or_else(|| String::from(plain), |some| format!("limit of {} of {} tasks", some.tasks, some.of));
            rows.push(row(named(&name), Swatch::Limit, limit));
        }
        if let Some(before) = &side.before {
            rows.push(row(named("previous period"), Swatch::Before, before));
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

/// What a row came to at the end: at the last place of which anything is known. A task that ended before, or a limit that was lifted, is none any more:
/// numbers of different times make no sum.
pub(super) fn last(view: &MetricsView, chart: &ChartView, row: &Row<'_>) -> Option<f64> {
    let lines = chart.sides.iter().flat_map(|side| &side.lines);
    let end = lines.filter_map(|line| line.mean.iter().rposition(Option::is_some)).max()?;
    let begin = if view.step_ms <= FINE { end.saturating_sub(1) } else { end };
    (begin..=end).rev().find_map(|place| at(row.column, place))
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
    use model::time::Millis;
    use model::views::metrics::{LimitedView, LineView, Resolution, TotalView, Unit};

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
        assert_eq!(names(&cpu(), Look::Stacked), ["Task 1", "Task 2", "total", "limit", "previous period"]);
        assert_eq!(names(&cpu(), Look::Total), ["total", "limit", "previous period"]);
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
            last(&view(Vec::new()), chart, row)
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
        assert_eq!(names(&chart, Look::Stacked), ["/", "/data", "/data, previous period"]);
        let rows = rows(&chart, Look::Stacked);
        assert_eq!((rows[1].swatch.class().as_str(), rows[2].swatch.class().as_str()), ("c2", "c2 c-earlier"));
        assert_eq!(rows[2].column.as_slice(), [Some(1.5)]);
    }

    #[test]
    fn a_file_system_is_named_and_the_limit_of_a_load_is_how_many_cpus_there_are() {
        let mut chart = network();
        chart.sides.truncate(1);
        chart.sides[0].lines = vec![LineView { part: "/".into(), ..line("/", &[1.0]) }];
        assert_eq!(names(&chart, Look::Stacked), ["/"]);
        chart.group = Group::Load;
        chart.sides[0].lines = vec![line("1 minute", &[1.0]), line("5 minutes", &[2.0])];
        chart.sides[0].limit = Some(vec![Some(2.0)]);
        assert_eq!(names(&chart, Look::Stacked), ["1 minute", "5 minutes", "CPUs"]);
    }

    #[test]
    fn what_ended_before_is_none_at_the_end() {
        let mut chart = cpu();
        chart.sides[0].lines[0].mean = vec![Some(0.1), Some(0.1), None, None];
        let mut view = view(Vec::new());
        let ends = |view: &MetricsView, chart: &ChartView| rows(chart, Look::Stacked).iter().map(|row| last(view, chart, row)).collect::<Vec<_>>();
        assert_eq!(ends(&view, &chart), [None, Some(0.4), Some(0.5), Some(1.0), Some(0.2)]);
        // Another machine's sample of the last ten seconds is still to come.
        chart.sides[0].lines[0].mean[2] = Some(0.1);
        assert_eq!(ends(&view, &chart)[0], Some(0.1));
        view.step_ms = 3_600_000;
        assert_eq!(ends(&view, &chart)[0], None, "an hour ago is not now");
    }
}
