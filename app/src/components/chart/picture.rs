//! A chart as SVG: a grid of round numbers and round times, areas, lines and bands, the limit, the time before. It is as wide as its place, without a
//! script: what is drawn is stretched, what is written is not. Pure, so that the server and the browser draw the same.

use std::fmt::Write as _;

use model::metrics::Look;
use model::views::events::{MarkKind, MarkView};
use model::views::metrics::{ChartView, Column, MetricsView, SideView};

use super::super::log::row::escaped;
use super::paths::{Field, Piece, pieces, stretches};
use super::rows::{Row, Swatch, at, last, limit, most, rows, stacked, summed};
use super::stack::stack;
use super::ticks::{Scale, times};
use super::units::{said, shown, tick};

/// Height of the field in pixels.
const HEIGHT: f64 = 176.0;
/// Height of the whole picture: the field, room for marks, and the times.
const WHOLE: u32 = 216;
/// Times below a chart at most: as many as a narrow screen holds.
const TIMES: i64 = 5;
/// A limit is drawn where it is at most so many times as high as what is used: beyond, what is used would be a flat line.
const NEAR: f64 = 4.0;
/// Marks of a chart at most, the newest.
const MARKS: usize = 200;

/// Where the middle of a place lies, from 0 to 1.
pub(crate) fn across(view: &MetricsView, place: usize) -> f64 {
    let begin = view.at.get(place).copied().unwrap_or_default();
    share(view, begin as f64 + view.step_ms as f64 / 2.0)
}

/// The place that lies there, from 0 to 1.
pub(crate) fn place_at(view: &MetricsView, share: f64) -> Option<usize> {
    let at = view.from.0 as f64 + share.clamp(0.0, 1.0) * (view.to.0 - view.from.0) as f64;
    let next = view.at.partition_point(|begin| *begin as f64 <= at);
    (!view.at.is_empty()).then(|| next.saturating_sub(1))
}

fn share(view: &MetricsView, at: f64) -> f64 {
    let length = (view.to.0 - view.from.0).max(1) as f64;
    ((at - view.from.0 as f64) / length).clamp(0.0, 1.0)
}

/// The most that is drawn of a side, without its limit.
fn used(side: &SideView, look: Look) -> f64 {
    let single = if side.lines.len() == 1 { side.lines.first().map_or(0.0, |line| most(&line.peak)) } else { 0.0 };
    let lines = side.lines.iter().map(|line| most(&line.mean).max(most(&line.before))).fold(single, f64::max);
    let total = match &side.total {
        Some(total) if summed(side, look) => most(&total.mean).max(most(&total.highest)),
        Some(total) if stacked(side, look) => most(&total.mean),
        _ => 0.0,
    };
    total.max(lines).max(side.before.as_ref().map_or(0.0, most))
}

/// The limit, where it is near enough to be drawn.
fn near(side: &SideView, look: Look) -> Option<&Column> {
    let column = limit(side, look)?;
    (most(column) <= used(side, look) * NEAR).then_some(column)
}

/// Whether the limit of a chart lies above what is drawn.
pub(crate) fn limit_is_above(chart: &ChartView, look: Look) -> bool {
    chart.sides.iter().any(|side| limit(side, look).is_some() && near(side, look).is_none())
}

fn scale(chart: &ChartView, look: Look) -> Scale {
    let height = |side: &SideView| used(side, look).max(near(side, look).map_or(0.0, most));
    let up = chart.sides.first().map_or(0.0, height);
    Scale::holding(chart.unit, up, chart.sides.get(1).map(height))
}

/// The whole picture.
pub(crate) fn picture(view: &MetricsView, chart: &ChartView, look: Look) -> String {
    let scale = scale(chart, look);
    let label = escaped(&label(view, chart, look));
    let mut svg = format!("<svg class=\"chart-svg\" width=\"100%\" height=\"{WHOLE}\" role=\"img\" aria-label=\"{label}\">");
    grid(&mut svg, scale, chart);
    let _ = write!(svg, "<svg width=\"100%\" height=\"{HEIGHT}\" viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\">");
    drawn(&mut svg, view, chart, look, scale);
    svg.push_str("</svg>");
    numbers(&mut svg, scale, chart);
    below(&mut svg, view);
    svg.push_str("</svg>");
    svg
}

fn grid(svg: &mut String, scale: Scale, chart: &ChartView) {
    let base = if chart.sides.len() > 1 { None } else { Some(0.0) };
    for value in scale.lines().into_iter().chain(base) {
        let y = scale.below_top(value) * HEIGHT;
        let class = if value == 0.0 { "chart-base" } else { "chart-grid" };
        let _ = write!(svg, "<line class=\"{class}\" x1=\"0\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
    }
}

/// Numbers stand above their lines, within the picture: so a narrow one loses no room to them.
fn numbers(svg: &mut String, scale: Scale, chart: &ChartView) {
    for value in scale.lines().into_iter().chain([scale.up]) {
        let y = (scale.below_top(value) * HEIGHT - 3.0).max(11.0);
        let _ = write!(svg, "<text class=\"chart-number\" x=\"2\" y=\"{y:.1}\">{}</text>", tick(chart.unit, value.abs()));
    }
}

fn below(svg: &mut String, view: &MetricsView) {
    for (at, text) in times(view.from.0, view.to.0, TIMES) {
        let share = share(view, at as f64);
        // What would be cut off at an edge is left out.
        if (0.05..=0.95).contains(&share) {
            let _ = write!(svg, "<text class=\"chart-time\" x=\"{:.2}%\" y=\"{}\" text-anchor=\"middle\">{text}</text>", share * 100.0, WHOLE - 4);
        }
    }
}

fn drawn(svg: &mut String, view: &MetricsView, chart: &ChartView, look: Look, scale: Scale) {
    let across = |place: usize| across(view, place);
    let half = view.step_ms as f64 / 2.0 / (view.to.0 - view.from.0).max(1) as f64;
    let rows = rows(chart, look);
    for (number, side) in chart.sides.iter().enumerate() {
        let sign = if number == 0 { 1.0 } else { -1.0 };
        let down = |value: f64| scale.below_top(value * sign);
        let field = Field { across: &across, down: &down, half };
        let mine: Vec<&Row<'_>> = rows.iter().filter(|row| row.side == number).collect();
        bands(svg, &field, side, look, &mine);
        for row in mine {
            let hidden = match row.swatch {
                Swatch::Limit => near(side, look).is_none(),
                Swatch::Line(_) => stacked(side, look),
                // The top of the layers is the total.
                Swatch::Total => !summed(side, look),
                Swatch::Before | Swatch::LineBefore(_) => false,
            };
            if !hidden {
                let pieces: Vec<Piece<f64>> = match row.begins {
                    Some(begins) => pieces(row.column, begins),
                    None => stretches(row.column.iter().copied()),
                };
                let _ = write!(svg, "<path class=\"chart-line {}\" d=\"{}\"/>", row.swatch.class(), field.line(&pieces));
            }
        }
    }
}

/// What has a breadth: layers, how far lines are apart, how far one line's numbers are.
fn bands(svg: &mut String, field: &Field<'_>, side: &SideView, look: Look, rows: &[&Row<'_>]) {
    let mut band = |class: &str, path: &str| {
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    };
    if stacked(side, look) {
        let lines: Vec<&Column> = side.lines.iter().map(|line| &line.mean).collect();
        let layers = stack(&lines, side.total.as_ref().map(|total| &total.mean));
        for (row, layer) in rows.iter().zip(layers) {
            band(&format!("chart-layer {}", row.swatch.class()), &field.area(&stretches(layer.into_iter())));
        }
    } else if let (true, Some(total)) = (summed(side, look), &side.total) {
        band("chart-band c-total", &field.area(&between(&total.lowest, &total.highest)));
    } else if let ([line], Some(row)) = (side.lines.as_slice(), rows.first()) {
        band(&format!("chart-band {}", row.swatch.class()), &field.area(&between(&line.least, &line.peak)));
    }
}

/// What lies between two columns.
fn between(low: &Column, high: &Column) -> Vec<Piece<(f64, f64)>> {
    stretches((0..low.len()).map(|place| Some((at(low, place)?, at(high, place)?))))
}

/// What the picture says, in a sentence.
fn label(view: &MetricsView, chart: &ChartView, look: Look) -> String {
    let span = format!("from {} to {}", view.from.exact(), view.to.exact());
    let (rows, mut words) = (rows(chart, look), Vec::new());
    for (number, side) in chart.sides.iter().enumerate() {
        let Some(column) = side.total.as_ref().map(|total| &total.mean).or_else(|| Some(&side.lines.first()?.mean)) else { continue };
        let Some(end) = column.iter().rev().flatten().next() else { continue };
        words.push(format!("{}: {} at the end, at most {}", side.name, shown(chart.unit, *end), shown(chart.unit, most(column))));
        let row = rows.iter().find(|row| row.side == number && row.swatch == Swatch::Limit).filter(|_| number == 0);
        if let Some((row, value)) = row.and_then(|row| Some((row, last(view, chart, row)?))) {
            words.push(format!("{} {}", row.name, shown(chart.unit, value)));
        }
    }
    let unit = said(chart.unit);
    let title = if unit.is_empty() { chart.title.clone() } else { format!("{} in {unit}", chart.title) };
    if words.is_empty() { format!("{title} {span}: nothing was measured") } else { format!("{title} {span}. {}", words.join("; ")) }
}

/// The marks on the time axis: a line through the picture, and a sign below it that leads to what happened.
pub(crate) fn marks(view: &MetricsView) -> String {
    let within = view.marks.iter().filter(|mark| (view.from.0..view.to.0).contains(&mark.ms));
    let shown: Vec<&MarkView> = within.collect();
    let mut svg = format!("<svg class=\"chart-marks\" width=\"100%\" height=\"{WHOLE}\">");
    for mark in shown.iter().skip(shown.len().saturating_sub(MARKS)) {
        let x = share(view, mark.ms as f64) * 100.0;
        let said = escaped(&format!("{}: {}", model::time::Millis(mark.ms).exact(), mark.text));
        let (kind, sign) = (mark.kind.as_str(), sign(mark.kind));
        let _ = write!(svg, "<g class=\"chart-mark\" data-kind=\"{kind}\"><line x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"{HEIGHT}\"/>");
        let (open, close) = match &mark.link {
            // No stop of the Tab key in each chart: the list below the charts has the same links.
            Some(link) => (format!("<a href=\"{}\" tabindex=\"-1\" aria-label=\"{said}\">", escaped(link)), "</a>"),
            None => (String::from("<g>"), "</g>"),
        };
        let y = HEIGHT + 9.0;
        let _ = write!(
            svg,
            "<svg x=\"{x:.2}%\" y=\"{y}\" overflow=\"visible\">{open}<title>{said}</title><rect x=\"-9\" y=\"-9\" width=\"18\" height=\"18\"/><path d=\"{sign}\"/>{close}</svg></g>"
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Signs differ in shape as well as in colour.
pub(crate) const fn sign(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Deployment => "M0-5 5.5 4.5H-5.5z",
        MarkKind::Restart => "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
        MarkKind::OutOfMemory => "M-5-3-3-5 0-2 3-5 5-3 2 0 5 3 3 5 0 2-3 5-5 3-2 0z",
        MarkKind::Unhealthy => "M0-5.5 5.5 0 0 5.5-5.5 0z",
        MarkKind::Alert => "M-4.5-4.5H4.5V4.5H-4.5z",
        MarkKind::Engine => "M-5.5-1.5H5.5V1.5H-5.5z",
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{cpu, network, view};
    use super::*;

    #[test]
    fn tasks_are_layers_and_the_limit_is_a_line() {
        let view = view(vec![cpu()]);
        let svg = picture(&view, &view.charts[0], Look::Stacked);
        assert_eq!(svg.matches("chart-layer").count(), 2, "{svg}");
        assert!(svg.contains("chart-layer c1") && svg.contains("chart-layer c2"));
        assert!(svg.contains("chart-line c-limit") && svg.contains("chart-line c-before") && !svg.contains("chart-line c1"));
        assert!(svg.contains("used: 0.5 cores at the end, at most 0.5 cores; limit 1 core"), "{svg}");
        let lines = picture(&view, &view.charts[0], Look::Lines);
        assert!(lines.contains("chart-line c1") && lines.contains("chart-line c2") && !lines.contains("chart-layer"));
        let total = picture(&view, &view.charts[0], Look::Total);
        assert!(total.contains("chart-band c-total") && total.contains("chart-line c-total") && !total.contains("c1"));
    }

    #[test]
    fn a_limit_far_above_flattens_nothing() {
        let mut chart = cpu();
        assert!(!limit_is_above(&chart, Look::Stacked));
        chart.sides[0].limit = Some(vec![Some(64.0); 4]);
        assert!(limit_is_above(&chart, Look::Stacked));
        let view = view(vec![chart]);
        let svg = picture(&view, &view.charts[0], Look::Stacked);
        assert!(!svg.contains("chart-line c-limit") && svg.contains("limit 64 cores"), "{svg}");
    }

    #[test]
    fn what_goes_out_is_drawn_downwards() {
        let view = view(vec![network()]);
        let svg = picture(&view, &view.charts[0], Look::Stacked);
        let height = |class: &str| {
            let path = svg.split(&format!("chart-line {class}\" d=\"")).nth(1).expect("a line");
            let first = path.split(['M', ' ', 'L']).nth(2).expect("a height");
            first.parse::<f64>().expect("a number")
        };
        let base = 2.0 / 3.0 * 1000.0;
        assert!(height("c1") < base && height("c2") > base, "{svg}");
    }

    #[test]
    fn a_mark_stands_at_its_time_and_no_text_leaves_its_place() {
        let mut view = view(vec![cpu()]);
        let mark = |after: i64, link: Option<&str>| MarkView {
            ms: view.from.0 + after,
            kind: MarkKind::Deployment,
            text: "<b>\"web\"".into(),
            link: link.map(str::to_owned),
        };
        let (one, two, beyond) = (mark(20_000, Some("/a?b=\"")), mark(30_000, None), mark(50_000, None));
        view.marks = vec![one, two, beyond];
        let svg = marks(&view);
        assert_eq!(svg.matches("class=\"chart-mark\"").count(), 2, "what lies beyond is not drawn");
        assert!(svg.contains("x1=\"50.00%\"") && svg.contains("x1=\"75.00%\""));
        assert!(!svg.contains("<b>") && svg.contains("&lt;b&gt;") && svg.contains("/a?b=&quot;"), "{svg}");
        assert_eq!(svg.matches("<a ").count(), svg.matches("tabindex=\"-1\"").count(), "the list below has the same links");
    }

    #[test]
    fn places_are_found_where_they_are_drawn() {
        let view = view(Vec::new());
        assert!((across(&view, 1) - 0.375).abs() < 1e-9);
        for place in 0..4 {
            assert_eq!(place_at(&view, across(&view, place)), Some(place));
        }
        assert_eq!((place_at(&view, 0.0), place_at(&view, 1.0)), (Some(0), Some(3)));
    }
}
