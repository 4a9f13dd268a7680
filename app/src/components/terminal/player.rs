//! Plays the recording of a terminal: an asciicast of version 2, fetched from the portal and shown in xterm.js. A recording that still
//! grows can be read again; it goes on where it was. Nothing of it can be typed into.

#[cfg(feature = "hydrate")]
mod reel;

use leptos::prelude::*;

use crate::components::choice::{Choice, Select};
use crate::components::notice::Notice;
use crate::components::status::Tone;

/// Seconds that an arrow key goes forth or back.
const STEP: f64 = 5.0;
/// What it can be played at.
const SPEEDS: [&str; 5] = ["0.5", "1", "2", "4", "8"];

/// What the page shows of a recording.
#[derive(Clone, Copy)]
struct Seen {
    state: RwSignal<State>,
    /// Where it is and how long it is, in seconds.
    at: RwSignal<f64>,
    length: RwSignal<f64>,
    marks: RwSignal<Vec<(f64, String)>>,
    playing: RwSignal<bool>,
    speed: RwSignal<f64>,
    /// Whether idle time is skipped.
    skips: RwSignal<bool>,
    /// Counts how often it was to be read again.
    reads: RwSignal<u32>,
    /// Where it is to go, in seconds.
    goal: RwSignal<Option<f64>>,
}

/// How it does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "a recording is played in the browser"))]
enum State {
    /// It is being fetched or looked through.
    Reading,
    /// It can be played.
    Ready,
    /// It goes to another place.
    Seeking,
    /// It cannot be played, for this reason.
    Failed(String),
}

impl Seen {
    fn play_or_pause(self) {
        if !self.playing.get_untracked() && self.at.get_untracked() >= self.length.get_untracked() {
            self.seek(0.0);
        }
        self.playing.update(|playing| *playing = !*playing);
    }

    fn seek(self, to: f64) {
        let length = self.length.get_untracked();
        // The bar knows tenths of a second: its end is the end.
        let to = if to + 0.06 >= length { length } else { to.max(0.0) };
        // Shown at once; the picture follows.
        self.at.set(to);
        self.goal.set(Some(to));
    }
}

/// A recording with what it is played by.
#[component]
pub(crate) fn Player(
    /// Where it is fetched from.
    #[prop(into)]
    source: String,
    /// Columns and lines at its beginning, as far as they are known before it was fetched.
    width: u16,
    /// Lines.
    height: u16,
) -> impl IntoView {
    let seen = Seen {
        state: RwSignal::new(State::Reading),
        at: RwSignal::new(0.0),
        length: RwSignal::new(0.0),
        marks: RwSignal::new(Vec::new()),
        playing: RwSignal::new(false),
        speed: RwSignal::new(1.0),
        skips: RwSignal::new(true),
        reads: RwSignal::new(0),
        goal: RwSignal::new(None),
    };
    let screen = NodeRef::<leptos::html::Div>::new();
    #[cfg(feature = "hydrate")]
    reel::run(source.clone(), (width, height), screen, seen);
    _ = (source, width);
    let failed = move || match seen.state.get() {
        State::Failed(text) => {
            Some(view! { <Notice tone=Tone::Bad title=text><p>"Read it again in a moment, or go back to the list of shells."</p></Notice> })
        }
        _ => None,
    };
    let busy = move || matches!(seen.state.get(), State::Reading | State::Seeking).then_some("true");
    view! {
        <section class="player" aria-label="Recording" aria-busy=busy>
            <div class="player-screen" node_ref=screen style=format!("--lines: {height}")>
                <noscript>"To play a recording the page needs scripts. It can be downloaded and played by asciinema."</noscript>
            </div>
            <Bar seen/>
            {failed}
            <Marks seen/>
        </section>
    }
    .into_any()
}

/// What it is played by.
#[component]
fn Bar(seen: Seen) -> impl IntoView {
    let ready = move || matches!(seen.state.get(), State::Ready | State::Seeking);
    let key = move |event: leptos::ev::KeyboardEvent| {
        let at = seen.at.get_untracked();
        match event.key().as_str() {
            "ArrowLeft" | "ArrowDown" => seen.seek(at - STEP),
            "ArrowRight" | "ArrowUp" => seen.seek(at + STEP),
            " " => seen.play_or_pause(),
            _ => return,
        }
        event.prevent_default();
    };
    let typed = move |event| {
        if let Ok(to) = event_target_value(&event).parse() {
            seen.seek(to);
        }
    };
    let time = move || format!("{} / {}", clock(seen.at.get()), clock(seen.length.get()));
    let said = move || format!("{} of {}", clock(seen.at.get()), clock(seen.length.get()));
    let speeds = SPEEDS.iter().map(|speed| Choice::new(*speed, format!("{speed}\u{d7}"))).collect::<Vec<_>>();
    let speed = Callback::new(move |text: String| seen.speed.set(text.parse().unwrap_or(1.0)));
    let ticks = move || {
        let length = seen.length.get().max(0.1);
        let tick = |(at, text): (f64, String)| view! { <span style=format!("left: {:.2}%", at / length * 100.0) title=text></span> };
        seen.marks.get().into_iter().map(tick).collect_view()
    };
    view! {
        <div class="player-bar needs-script">
            <button type="button" class="button button-primary" disabled=move || !ready() on:click=move |_| seen.play_or_pause()>
                {move || if seen.playing.get() { "Pause" } else { "Play" }}
            </button>
            <div class="player-track">
                <input type="range" min="0" step="0.1" max=move || format!("{:.1}", seen.length.get().max(0.1)) aria-label="Position"
                    aria-valuetext=said disabled=move || !ready() prop:value=move || format!("{:.1}", seen.at.get())
                    on:input=typed on:keydown=key/>
                <span class="player-ticks" aria-hidden="true">{ticks}</span>
            </div>
            <span class="number nowrap">{time}</span>
            <Select name="speed" label="Speed" bare=true choices=speeds value="1" on_change=speed/>
            <label class="check">
                <input type="checkbox" checked=true on:change=move |event| seen.skips.set(event_target_checked(&event))/>
                <span>"Skip idle time"</span>
            </label>
            <button type="button" class="button" title="A shell that is still open prints more" on:click=move |_| seen.reads.update(|n| *n += 1)>"Read again"</button>
        </div>
    }
    .into_any()
}

/// What was noted in it, to go there.
#[component]
fn Marks(seen: Seen) -> impl IntoView {
    move || {
        let marks = seen.marks.get();
        (!marks.is_empty()).then(|| {
            let items = marks
                .into_iter()
                .map(|(at, text)| {
                    view! {
                        <li><button type="button" class="button button-small button-quiet" on:click=move |_| seen.seek(at)>
                            <span class="number">{clock(at)}</span>" "{text}
                        </button></li>
                    }
                })
                .collect_view();
            view! { <ol class="player-marks" aria-label="Marks">{items}</ol> }
        })
    }
}

/// Seconds as a clock shows them: `1:05`, `1:02:03`.
fn clock(seconds: f64) -> String {
    // What was added up of many small times may miss a full second by a hair.
    let whole = (seconds.max(0.0) + 0.001) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seconds_are_shown_as_on_a_clock() {
        assert_eq!([0.9, 65.2, 3723.0].map(super::clock), ["0:00", "1:05", "1:02:03"]);
    }
}
