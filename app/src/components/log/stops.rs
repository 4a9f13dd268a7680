//! Where Tab stops among the rows: in the row that has the focus, and in no other. Tab comes to the log itself, and arrows lead from there to a row and
//! from row to row, so thousands of lines are not thousands of stops. Without scripts nothing is taken away.

#[cfg(not(feature = "hydrate"))]
use leptos::ev;

#[cfg(not(feature = "hydrate"))]
pub(super) fn enter(_event: &ev::FocusEvent) {}

#[cfg(not(feature = "hydrate"))]
pub(super) fn leave(_event: &ev::FocusEvent) {}

#[cfg(feature = "hydrate")]
pub(super) use browser::{close, enter, leave};

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::ev;
    use wasm_bindgen::JsCast;
    use web_sys::{Element, Node};

    /// What Tab would stop at.
    const STOPS: &str = "a, button, li[data-stream=gap]";

    /// A row has the focus: Tab leads to what else can be pressed in it.
    pub(in super::super) fn enter(event: &ev::FocusEvent) {
        if let Some(row) = row_of(event) {
            each(&row, |stop| _ = stop.remove_attribute("tabindex"));
        }
    }

    /// The focus leaves a row.
    pub(in super::super) fn leave(event: &ev::FocusEvent) {
        let Some(row) = row_of(event) else { return };
        let to = event.related_target().and_then(|to| to.dyn_into::<Node>().ok());
        if !to.is_some_and(|to| row.contains(Some(&to))) {
            close(&row);
        }
    }

    /// Takes what is within out of Tab's way: it can still be pressed, and reached by arrows.
    pub(in super::super) fn close(within: &Element) {
        each(within, |stop| _ = stop.set_attribute("tabindex", "-1"));
    }

    fn row_of(event: &ev::FocusEvent) -> Option<Element> {
        event.target()?.dyn_into::<Element>().ok()?.closest("li").ok().flatten()
    }

    fn each(within: &Element, act: impl Fn(&Element)) {
        let Ok(stops) = within.query_selector_all(STOPS) else { return };
        for stop in (0..stops.length()).filter_map(|index| stops.item(index)).filter_map(|stop| stop.dyn_into::<Element>().ok()) {
            act(&stop);
        }
    }
}
