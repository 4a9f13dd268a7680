//! Pictures of the public page: bars of days and a line of response times, as SVG that says in words what it shows.

use std::fmt::Write as _;

use model::status::ComponentState;
use model::views::status::{ComponentView, DayView};

use super::words::Language;

/// Height of the bars.
const TALL: usize = 28;
/// From one bar to the next.
const STEP: usize = 3;
/// Width and height of the line of response times.
const WIDE: usize = 384;
const HIGH: i64 = 60;

/// What a text needs to stand in HTML and XML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML knows no other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// `99.982 %`, never more than it was.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{share:.3}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The days that had trouble.
pub(super) fn troubled(component: &ComponentView) -> impl Iterator<Item = &DayView> {
    let bad = |day: &&DayView| matches!(day.state, Some(ComponentState::Down | ComponentState::Degraded));
    component.days.iter().rev().filter(bad)
}

/// What a day was like, in one line.
pub(super) fn day(day: &DayView, language: Language) -> String {
    let words = language.words();
    let state = day.state.map_or(words.unknown_day, |state| language.state(state));
    let mut text = format!("{}: {state}", day.date);
    if let Some(uptime) = day.uptime {
        let _ = write!(text, ", {} {}", percent(uptime), words.uptime);
    }
    if day.down_seconds > 0 {
        let _ = write!(text, ", {} {}", words.down_for, language.span(day.down_seconds));
    }
    text
}

/// A bar for each day. Days without trouble are one path for each sort: they are most, and nothing is to be said of them one by one.
pub(super) fn bars(component: &ComponentView, language: Language) -> String {
    let words = language.words();
    let uptime = component.uptime.map_or_else(|| words.unknown_day.to_owned(), |uptime| format!("{} {}", percent(uptime), words.uptime));
    let bad = troubled(component).count();
    let said = if bad == 0 { words.calm.to_owned() } else { format!("{}: {bad}", words.trouble) };
    let label = escape(&format!("{}, {}: {uptime}. {said}", component.title, words.days));
    let mut svg = format!(
        "<svg class=\"bars\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {} {TALL}\" preserveAspectRatio=\"none\">",
        component.days.len() * STEP
    );
    for state in [None, Some(ComponentState::Operational), Some(ComponentState::Maintenance)] {
        let mut path = String::new();
        for (at, _) in component.days.iter().enumerate().filter(|(_, day)| day.state == state) {
            let _ = write!(path, "M{} 0h2v{TALL}h-2z", at * STEP);
        }
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"{}\" d=\"{path}\"/>", class(state));
        }
    }
    for (at, one) in component.days.iter().enumerate() {
        if matches!(one.state, Some(ComponentState::Down | ComponentState::Degraded | ComponentState::Unknown)) {
            let title = escape(&day(one, language));
            let _ = write!(svg, "<path class=\"{}\" d=\"M{} 0h2v{TALL}h-2z\"><title>{title}</title></path>", class(one.state), at * STEP);
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The class of a state.
pub(super) fn class(state: Option<ComponentState>) -> &'static str {
    state.map_or("is-blank", |state| match state {
        ComponentState::Operational => "is-operational",
        ComponentState::Maintenance => "is-maintenance",
        ComponentState::Unknown => "is-unknown",
        ComponentState::Degraded => "is-degraded",
        ComponentState::Down => "is-down",
    })
}

/// Response times of the last day as a line; where nothing is known there is none. Nothing at all where nothing was answered.
pub(super) fn line(component: &ComponentView, language: Language) -> String {
    let known = || component.responses.iter().flatten().copied();
    let (Some(least), Some(most)) = (known().min(), known().max()) else { return String::new() };
    let words = language.words();
    let height = |value: i64| HIGH - 4 - value * (HIGH - 8) / most.max(1);
    let step = WIDE / component.responses.len().max(2).saturating_sub(1).max(1);
    let (mut path, mut pen_down) = (String::new(), false);
    for (at, value) in component.responses.iter().enumerate() {
        if let Some(value) = value {
            // One point alone is drawn as a short stroke.
            let _ = write!(path, "{}{} {}", if pen_down { 'L' } else { 'M' }, at * step, height(*value));
            if !pen_down {
                path.push_str("h1");
            }
        }
        pen_down = value.is_some();
    }
    let label = format!("{}, {}: {} {least} ms, {} {most} ms", words.response, words.last_day, words.fastest, words.slowest);
    format!(
        "<figure><svg class=\"line\" role=\"img\" aria-label=\"{0}\" viewBox=\"0 0 {WIDE} {HIGH}\" preserveAspectRatio=\"none\">\
         <path d=\"{path}\"/></svg><figcaption>{0}</figcaption></figure>",
        escape(&label)
    )
}
