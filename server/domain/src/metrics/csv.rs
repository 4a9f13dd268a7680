//! Figures as CSV (RFC 4180), one row for each number's time and line: what spreadsheets and scripts read. Pure.

use std::fmt::Write as _;

use model::time::Millis;
use model::views::metrics::{ChartView, Column, LineView, MetricsView, OverviewView, SideView, UseView};

use crate::csv::cell;

/// The rows of a service or a machine. The name is told in each of them, so that files can be put together.
#[must_use]
pub fn charts(of: &str, view: &MetricsView) -> String {
    let mut text = String::from("time,of,environment,figure,side,line,task,slot,revision,part,unit,mean,least,most\r\n");
    let environment = view.environment.as_ref().map(ToString::to_string).unwrap_or_default();
    let times: Vec<String> = view.at.iter().map(|at| Millis(*at).rfc3339()).collect();
    for chart in &view.charts {
        for side in &chart.sides {
            for line in &side.lines {
                lines(&mut text, &times, &format!("{},{}", cell(of), cell(&environment)), (chart, side, line));
            }
        }
    }
    text
}

fn lines(text: &mut String, times: &[String], begin: &str, (chart, side, line): (&ChartView, &SideView, &LineView)) {
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    let task = line.task.map(|task| task.to_string()).unwrap_or_default();
    let named = format!("{},{},{}", cell(&chart.title), cell(&side.name), cell(&line.name));
    let of = format!("{task},{},{},{},{}", number(line.slot), number(line.revision), cell(&line.part), chart.unit);
    for (place, time) in times.iter().enumerate() {
        if let Some(mean) = at(&line.mean, place) {
            let (least, most) = (said(at(&line.least, place)), said(at(&line.peak, place)));
            let _ = write!(text, "{time},{begin},{named},{of},{mean},{least},{most}\r\n");
        }
    }
}

/// The rows of the overview: what is used at the moment.
#[must_use]
pub fn overview(view: &OverviewView) -> String {
    let mut text =
        String::from("time,kind,project,name,environment,tasks,cpu_cores,memory_bytes,received_bytes_per_second,sent_bytes_per_second\r\n");
    let time = view.now.rfc3339();
    for row in &view.services {
        let environment = row.environment.as_ref().map(ToString::to_string).unwrap_or_default();
        let (project, service, environment) = (cell(row.project.as_str()), cell(row.service.as_str()), cell(&environment));
        let _ = write!(text, "{time},service,{project},{service},{environment},{},{}\r\n", row.tasks, usage(&row.usage));
    }
    for row in &view.machines {
        let (machine, environment) = (cell(row.machine.as_str()), cell(row.environment.as_str()));
        let _ = write!(text, "{time},machine,,{machine},{environment},,{}\r\n", usage(&row.usage));
    }
    text
}

fn usage(usage: &UseView) -> String {
    match usage.now {
        Some(now) => format!("{},{},{},{}", said(now.cpu), said(now.memory), said(now.received), said(now.sent)),
        None => String::from(",,,"),
    }
}

fn at(column: &Column, place: usize) -> Option<f64> {
    column.get(place).copied().flatten()
}

fn said(number: Option<f64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use model::metrics::Group;
    use model::views::metrics::{Resolution, Unit};

    use super::*;

    #[test]
    fn a_row_is_a_number_at_a_time() {
        let line = LineView {
            name: "Task 1".into(),
            slot: Some(1),
            revision: Some(7),
            mean: vec![Some(0.5), None],
            least: vec![Some(0.25)],
            ..LineView::default()
        };
        let side = SideView { name: "used".into(), lines: vec![line], ..SideView::default() };
        let chart = ChartView { group: Group::Cpu, title: "CPU".into(), unit: Unit::Cores, sides: vec![side] };
        let view = MetricsView {
            from: Millis(0),
            to: Millis(20_000),
            step_ms: 10_000,
            resolution: Resolution::Raw,
            environment: Some("local".parse().expect("a name")),
            at: vec![0, 10_000],
            charts: vec![chart],
            marks: Vec::new(),
            problems: Vec::new(),
            damaged: false,
        };
        let text = charts("shop/web", &view);
        let rows: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(rows.len(), 2, "what is not known has no row: {text}");
        assert_eq!(rows[1], "1970-01-01T00:00:00.000Z,shop/web,local,CPU,used,Task 1,,1,7,,cores,0.5,0.25,");
    }
}
