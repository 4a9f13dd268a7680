//! Times as people say them, exact on hover. The moment from which "ago" is counted comes from the server with the page
//! (it stands on `<html data-now>`), so both sides render the same text; afterwards the browser lets it run on.

use leptos::prelude::*;
use model::time::Millis;

/// Seconds from one step of the clock to the next, in the browser.
#[cfg(feature = "hydrate")]
const STEP: std::time::Duration = std::time::Duration::from_secs(10);

/// The page's idea of now.
#[derive(Clone, Copy)]
pub(crate) struct Clock(RwSignal<Millis>);

impl Clock {
    /// Starts the clock at `now`, for every component below.
    pub(crate) fn provide(now: Millis) {
        let clock = Self(RwSignal::new(now));
        provide_context(clock);
        #[cfg(feature = "hydrate")]
        Effect::new(move |_| clock.run(now));
    }

    /// Now, to the step of the clock.
    pub(crate) fn now(self) -> Millis {
        self.0.get()
    }

    #[cfg(feature = "hydrate")]
    fn run(self, start: Millis) {
        let began = js_sys::Date::now();
        let step = move || {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds since the page was opened")]
            let passed = (js_sys::Date::now() - began) as i64;
            self.0.set(Millis(start.0 + passed.max(0)));
        };
        if let Ok(handle) = set_interval_with_handle(step, STEP) {
            on_cleanup(move || handle.clear());
        }
    }
}

/// A point in time: how long ago, and exactly when on hover.
#[component]
pub(crate) fn Ago(
    /// The time.
    at: Millis,
) -> impl IntoView {
    let clock = use_context::<Clock>();
    let text = move || clock.map_or_else(|| exact(at), |clock| relative(clock.now(), at));
    view! { <time datetime=at.rfc3339() title=exact(at)>{text}</time> }.into_any()
}

/// The exact time, for people: `2026-11-20 09:30:12 UTC`.
pub(crate) fn exact(at: Millis) -> String {
    let text = at.rfc3339();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// `at` as said at `now`: `just now`, `3 min ago`, `in 2 h`, and the day from a month on.
pub(crate) fn relative(now: Millis, at: Millis) -> String {
    let seconds = (now.0 - at.0) / 1000;
    let span = seconds.unsigned_abs();
    let (number, unit) = match span {
        0..45 => return String::from(if seconds >= 0 || span < 10 { "just now" } else { "in a moment" }),
        45..3_570 => ((span + 30) / 60, "min"),
        3_570..84_600 => ((span + 1_800) / 3_600, "h"),
        84_600..2_592_000 => ((span + 43_200) / 86_400, "d"),
        _ => return at.rfc3339().get(..10).map_or_else(|| at.rfc3339(), str::to_owned),
    };
    let number = number.max(1);
    if seconds >= 0 { format!("{number} {unit} ago") } else { format!("in {number} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let now = Millis(1_800_000_000_000);
        let said = |seconds: i64| relative(now, Millis(now.0 - seconds * 1000));
        assert_eq!(said(0), "just now");
        assert_eq!(said(-5), "just now");
        assert_eq!(said(-30), "in a moment");
        assert_eq!(said(44), "just now");
        assert_eq!(said(45), "1 min ago");
        assert_eq!(said(59 * 60), "59 min ago");
        assert_eq!(said(59 * 60 + 30), "1 h ago");
        assert_eq!(said(-7200), "in 2 h");
        assert_eq!(said(86_400), "1 d ago");
        assert_eq!(said(29 * 86_400), "29 d ago");
        assert_eq!(said(40 * 86_400), "2026-12-06");
        assert_eq!(exact(now), "2027-01-15 08:00:00 UTC");
    }
}
