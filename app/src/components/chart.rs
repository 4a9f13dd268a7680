//! A chart: a picture that needs no script, the words to its colours, and a table. In the browser it is read at any time by pointer or by keys, all
//! charts of a page at the same time, and a stretch of it is drawn over to look closer.

mod legend;
mod paths;
mod picture;
mod rows;
mod spark;
mod stack;
mod table;
mod ticks;
mod units;

use leptos::prelude::*;
use leptos::{ev, html};
use model::metrics::{Look, SHORTEST};
use model::time::Millis;
use model::views::metrics::{ChartView, MetricsView, SideView};

use self::legend::{Item, legend};
use self::picture::{across, marks, picture, place_at};
use self::rows::{Row, at, rows};
use self::table::table;
use self::units::said;
use super::capital;

pub(crate) use self::picture::sign;
pub(crate) use self::spark::spark;
pub(crate) use self::units::shown;

/// Places that a page key moves by.
const PAGE: usize = 10;

/// What is read in a chart and drawn over.
#[derive(Clone, Copy)]
struct Reading {
    view: Signal<MetricsView>,
    number: usize,
    look: Look,
    /// The place that is read, in all charts.
    place: RwSignal<Option<usize>>,
    /// Whether it is read here.
    here: RwSignal<bool>,
    /// From where to where it is drawn over.
    held: RwSignal<Option<(usize, usize)>>,
    on_zoom: Callback<(i64, i64)>,
}

impl Reading {
    /// What the chart as it is now comes to; nothing where it is there no more.
    fn of<T: Default>(self, act: impl FnOnce(&MetricsView, &ChartView) -> T) -> T {
        self.view.with(|view| view.charts.get(self.number).map(|chart| act(view, chart)).unwrap_or_default())
    }

    /// Where a place lies, as a style says it.
    fn left(self, place: Option<usize>) -> String {
        let share = place.map_or(0.0, |place| self.view.with(|view| across(view, place)));
        format!("{:.2}%", share * 100.0)
    }

    fn shows(self, found: Option<usize>) {
        self.here.set(found.is_some());
        self.place.set(found);
        if let (Some((from, _)), Some(to)) = (self.held.get_untracked(), found) {
            self.held.set(Some((from, to)));
        }
    }

    fn leave(self) {
        self.here.set(false);
        self.place.set(None);
        self.held.set(None);
    }

    /// Looks closer at what was drawn over.
    fn zoom(self) {
        let Some((one, other)) = self.held.try_update(Option::take).flatten().filter(|(one, other)| one != other) else { return };
        let span = self.view.with_untracked(|view| {
            let (first, last) = (view.at.get(one.min(other))?, view.at.get(one.max(other))?);
            let from = (*first).max(view.from.0).min(view.to.0 - SHORTEST);
            Some((from, (last + view.step_ms).min(view.to.0).max(from + SHORTEST)))
        });
        if let Some(span) = span {
            self.on_zoom.run(span);
        }
    }

    /// Whether the key meant something here.
    fn key(self, key: &str, shift: bool) -> bool {
        let places = self.view.with_untracked(|view| view.at.len());
        let Some(last) = places.checked_sub(1) else { return false };
        let now = self.place.get_untracked();
        let next = match key {
            "ArrowLeft" | "ArrowDown" => now.map_or(last, |place| place.saturating_sub(1)),
            "ArrowRight" | "ArrowUp" => now.map_or(last, |place| (place + 1).min(last)),
            "PageDown" => now.map_or(last, |place| place.saturating_sub(PAGE)),
            "PageUp" => now.map_or(last, |place| (place + PAGE).min(last)),
            "Home" => 0,
            "End" => last,
            "Escape" => {
                self.leave();
                return true;
            }
            "Enter" => {
                self.zoom();
                return true;
            }
            _ => return false,
        };
        match (shift, self.held.get_untracked()) {
            (true, None) => self.held.set(now.map(|now| (now, now))),
            (true, Some(_)) => {}
            (false, _) => self.held.set(None),
        }
        self.shows(Some(next));
        true
    }
}

/// Shows a chart.
#[component]
pub(crate) fn Chart(
    /// The figures, which may become others.
    view: Signal<MetricsView>,
    /// Which of its charts.
    number: usize,
    /// How it is drawn.
    look: Look,
    /// The place that is read, in all charts of the page.
    place: RwSignal<Option<usize>>,
    /// A stretch was drawn over: from when to when, in milliseconds since the epoch.
    on_zoom: Callback<(i64, i64)>,
) -> impl IntoView {
    let reading = Reading { view, number, look, place, here: RwSignal::new(false), held: RwSignal::new(None), on_zoom };
    let described = |chart: &ChartView| (chart.title.clone(), beside(chart), chart.group.about(), chart.anchor());
    let (title, unit, about, id) = view.with_untracked(|view| view.charts.get(number).map(described).unwrap_or_default());
    let nothing = move || reading.of(|_, chart| chart.sides.iter().all(SideView::is_empty));
    view! {
        <figure class="panel chart" id=id>
            <figcaption><h3>{title.clone()}</h3><span class="muted small">{unit}</span></figcaption>
            <Area reading title=title.clone()/>
            {move || nothing().then(|| view! { <p class="chart-nothing muted">"Nothing was measured in this time."</p> })}
            <ul class="chart-legend" aria-label=format!("{title}: what is drawn")>{move || words(reading)}</ul>
            <p class="small muted chart-about">{about}</p>
            <details class="chart-data">
                <summary>"As a table"</summary>
                <div inner_html=move || reading.of(|view, chart| table(view, chart, look))></div>
            </details>
        </figure>
    }
    .into_any()
}

/// What stands beside a title: the unit, and which half is which.
fn beside(chart: &ChartView) -> String {
    let halves = match chart.sides.as_slice() {
        [up, down] => format!("{} above, {} below", up.name, down.name),
        _ => String::new(),
    };
    [said(chart.unit), halves.as_str()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The picture, and what is read in it.
#[component]
fn Area(reading: Reading, title: String) -> impl IntoView {
    let Reading { view, look, place, here, held, .. } = reading;
    let area = NodeRef::<html::Div>::new();
    // What needs a script is offered once there is one.
    let ready = RwSignal::new(false);
    Effect::new(move |_| ready.set(true));
    let find = move |event: &ev::PointerEvent| share_at(area, event).and_then(|share| view.with_untracked(|view| place_at(view, share)));
    let down = move |event: ev::PointerEvent| {
        if takes(area, &event) {
            held.set(find(&event).map(|place| (place, place)));
        }
    };
    let key = move |event: ev::KeyboardEvent| {
        if !(event.ctrl_key() || event.meta_key() || event.alt_key()) && reading.key(&event.key(), event.shift_key()) {
            event.prevent_default();
        }
    };
    let last = move || view.with(|view| view.at.len().saturating_sub(1).to_string());
    let spoken = move || place.get().map(|place| reading.of(|view, chart| spoken(view, chart, look, place)));
    let flipped = move || place.get().is_some_and(|place| view.with(|view| across(view, place)) > 0.5);
    let selected = move || held.get().map(|(one, other)| (one.min(other), one.max(other)));
    let width = move || {
        let share = selected().map_or(0.0, |(one, other)| view.with(|view| across(view, other) - across(view, one)));
        format!("{:.2}%", share * 100.0)
    };
    view! {
        <div class="chart-area" node_ref=area on:pointermove=move |event| reading.shows(find(&event)) on:pointerdown=down
            on:pointerup=move |_| reading.zoom() on:pointercancel=move |_| reading.leave() on:pointerleave=move |_| reading.leave()>
            <div class="chart-picture" inner_html=move || reading.of(|view, chart| picture(view, chart, look))></div>
            <div class="chart-handle" role=move || ready.get().then_some("slider") tabindex=move || ready.get().then_some("0")
                aria-label=format!("{title}: arrow keys read it, Shift marks a stretch, Enter looks closer") aria-valuemin="0" aria-valuemax=last
                aria-valuenow=move || place.get().unwrap_or_default().to_string() aria-valuetext=spoken on:keydown=key on:blur=move |_| reading.leave()></div>
            <div class="chart-over" inner_html=move || view.with(marks)></div>
            <div class="chart-selected" hidden=move || selected().is_none() style:left=move || reading.left(selected().map(|(one, _)| one)) style:width=width></div>
            <div class="chart-cursor" hidden=move || place.get().is_none() style:left=move || reading.left(place.get())></div>
            <div class="chart-reading" aria-hidden="true" hidden=move || !here.get() class:flip=flipped style:left=move || reading.left(place.get())>
                {move || place.get().filter(|_| here.get()).map(|place| read(reading, place))}
            </div>
        </div>
    }
    .into_any()
}

/// All numbers of a time.
fn read(reading: Reading, place: usize) -> AnyView {
    let rows = reading.of(|view, chart| {
        let time = view.at.get(place).map(|at| Millis((*at).max(view.from.0)).exact()).unwrap_or_default();
        Some((time, legend::read(chart, reading.look, place).into_iter().map(|one| item(one, chart)).collect::<Vec<_>>()))
    });
    rows.map(|(time, rows)| view! { <p class="chart-when">{time}</p><ul>{rows}</ul> }).into_any()
}

/// The words to the colours, with the numbers of the time that is read, else the last ones.
fn words(reading: Reading) -> Vec<AnyView> {
    let place = reading.place.get();
    reading.of(|view, chart| legend(view, chart, reading.look, place).into_iter().map(|one| item(one, chart)).collect())
}

fn item(item: Item, chart: &ChartView) -> AnyView {
    let Item { swatch, name, directed, numbers } = item;
    let number = |(side, value): (usize, Option<f64>)| {
        let value = value.map_or_else(|| String::from("\u{2013}"), |value| shown(chart.unit, value));
        let direction = directed.then(|| {
            let arrow = if side == 0 { "\u{2191}\u{a0}" } else { "\u{2193}\u{a0}" };
            let said = chart.sides.get(side).map(|side| format!("{} ", side.name)).unwrap_or_default();
            view! { <span class="visually-hidden">{said}</span><span aria-hidden="true">{arrow}</span> }
        });
        view! { " "<b>{direction}{value}</b> }
    };
    let numbers = numbers.into_iter().map(number).collect_view();
    view! { <li class=swatch.class()><span class="chart-swatch" aria-hidden="true"></span><span class="chart-name">{capital(&name)}</span>{numbers}</li> }
        .into_any()
}

/// All numbers of a time, as they are read out.
fn spoken(view: &MetricsView, chart: &ChartView, look: Look, place: usize) -> String {
    let time = view.at.get(place).map(|at| Millis((*at).max(view.from.0)).exact()).unwrap_or_default();
    let said = |row: Row<'_>| Some(format!("{} {}", row.name, shown(chart.unit, at(row.column, place)?)));
    let words: Vec<String> = rows(chart, look).into_iter().filter_map(said).collect();
    if words.is_empty() { format!("{time}: nothing was measured") } else { format!("{time}: {}", words.join(", ")) }
}

#[cfg(not(feature = "hydrate"))]
fn share_at(_area: NodeRef<html::Div>, _event: &ev::PointerEvent) -> Option<f64> {
    None
}

/// How far from the left of the picture a pointer is, from 0 to 1.
#[cfg(feature = "hydrate")]
fn share_at(area: NodeRef<html::Div>, event: &ev::PointerEvent) -> Option<f64> {
    let place = area.get_untracked()?.get_bounding_client_rect();
    (place.width() > 0.0).then(|| (f64::from(event.client_x()) - place.left()) / place.width())
}

#[cfg(not(feature = "hydrate"))]
fn takes(_area: NodeRef<html::Div>, _event: &ev::PointerEvent) -> bool {
    false
}

/// Whether a stretch begins to be drawn over here. Marks that lead somewhere are pressed, not drawn over. From now on the pointer is the chart's, also
/// where it leaves it.
#[cfg(feature = "hydrate")]
fn takes(area: NodeRef<html::Div>, event: &ev::PointerEvent) -> bool {
    use wasm_bindgen::JsCast;
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let link = target.is_some_and(|target| matches!(target.closest("a"), Ok(Some(_))));
    if link || event.button() != 0 {
        return false;
    }
    if let Some(area) = area.get_untracked() {
        _ = area.set_pointer_capture(event.pointer_id());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::rows::tests::{cpu, view};
    use super::*;

    #[test]
    fn a_time_is_read_out_with_all_its_numbers() {
        let view = view(vec![cpu()]);
        let said = spoken(&view, &view.charts[0], Look::Stacked, 3);
        assert_eq!(said, "2026-11-20 08:00:30 UTC: Task 1 0.1 cores, Task 2 0.4 cores, total 0.5 cores, limit 1 core, previous period 0.2 cores");
        assert!(spoken(&view, &view.charts[0], Look::Stacked, 9).ends_with(": nothing was measured"));
    }
}
