//! A terminal in a page: xterm.js, fetched when the first one is shown, over a websocket whose binary frames are the
//! terminal's bytes and whose text frames are JSON control. It says clearly when it is closed and why, and opens again on
//! request. While the connection only broke, it attaches to the same session and continues at the byte where it stopped; when the
//! page was loaded again, too, but what the screen showed before is gone then: the server keeps no more than what was not shown.
//! [`Player`] plays what was recorded of one.

#[cfg(any(feature = "hydrate", test))]
mod cast;
mod find;
#[cfg(feature = "hydrate")]
mod flow;
mod full;
mod handle;
#[cfg(feature = "hydrate")]
mod keys;
#[cfg(feature = "hydrate")]
mod link;
#[cfg(feature = "hydrate")]
mod look;
#[cfg(any(feature = "hydrate", test))]
mod outbox;
mod player;
mod preferences;
mod remembered;
#[cfg(feature = "hydrate")]
mod screen;
#[cfg(feature = "hydrate")]
mod session;

use leptos::prelude::*;
#[cfg(any(feature = "hydrate", test))]
use model::shell::NO_SHELL;

use super::icon::{Icon, Sign};
use super::status::{Badge, Tone};
use find::Find;
use handle::{Act, Handle, What};

pub(crate) use player::Player;
pub(crate) use preferences::Preferences;
pub(crate) use remembered::Remembered;

/// The loader of xterm.js, as the bundle places it.
#[cfg(feature = "hydrate")]
const LOADER: &str = "/pkg/xterm/loader.js";

/// How a terminal does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "a terminal lives in the browser"))]
pub(crate) enum Stage {
    /// It is being fetched or opened.
    Opening,
    /// It is open.
    Open,
    /// The connection broke; it tries to come back.
    Broken,
    /// Its program ended with this code.
    Exited(i64),
    /// Another window took its session.
    Replaced,
    /// The image has no shell: this is looked for, and this is what the engine answered.
    NoShell(String, String),
    /// It was refused or cut, for this reason.
    Closed(String),
}

impl Stage {
    fn is_over(&self) -> bool {
        matches!(self, Self::Exited(_) | Self::Replaced | Self::NoShell(..) | Self::Closed(_))
    }

    fn badge(&self) -> (Tone, String) {
        match self {
            Self::Opening => (Tone::Busy, String::from("Opening")),
            Self::Open => (Tone::Ok, String::from("Open")),
            Self::Broken => (Tone::Warn, String::from("Connection lost")),
            Self::Exited(code) => (Tone::Idle, format!("Ended with code {code}")),
            Self::Replaced => (Tone::Idle, String::from("Open elsewhere")),
            Self::NoShell(..) => (Tone::Bad, String::from("No shell")),
            Self::Closed(_) => (Tone::Bad, String::from("Closed")),
        }
    }

    fn note(self) -> Option<String> {
        match self {
            Self::Closed(reason) => Some(reason),
            Self::NoShell(looked_for, _) => Some(format!(
                "{} A program of the image runs all the same: name it in the field \u{201c}Command\u{201d}, with its arguments, and open another shell.",
                super::sentence(&looked_for)
            )),
            Self::Exited(_) => Some(String::from("The shell ended. Its output stays here until you open a new one.")),
            Self::Replaced => Some(String::from("Another window or program of yours attached to this shell. It goes on there.")),
            Self::Opening | Self::Open | Self::Broken => None,
        }
    }
}

/// What the server's last word means for the reader.
#[cfg(any(feature = "hydrate", test))]
fn refused(code: &str, message: &str) -> Stage {
    let text = match (code, message) {
        ("replaced", _) => return Stage::Replaced,
        ("lost", _) => String::from(
            "While the connection was broken the shell printed more than is kept, so it cannot be continued without a gap. Open a new one; what was \
             printed is in the recording, if shells of this project are recorded.",
        ),
        ("stopping", "") => String::from("The portal is stopping. Open the shell again when it is back."),
        (code, "") => format!("The portal refused it: {code}."),
        (_, message) if message.starts_with(NO_SHELL) => {
            let (said, answer) = message.split_once(" (").unwrap_or((message, ""));
            return Stage::NoShell(said.to_owned(), answer.strip_suffix(')').unwrap_or(answer).to_owned());
        }
        (_, message) => super::sentence(message),
    };
    Stage::Closed(text)
}

/// What the page shows of a terminal, and the terminal writes.
#[derive(Clone, Copy)]
struct Seen {
    stage: RwSignal<Stage>,
    /// While the connection is lost: in how many seconds the next try is; none: it is under way.
    next: RwSignal<Option<u32>>,
    /// Whether text is selected.
    selected: RwSignal<bool>,
    /// Whether the search is open.
    searching: RwSignal<bool>,
    /// What it found: the current match, from 0, and all.
    found: RwSignal<Option<(Option<u32>, u32)>>,
    /// What else is to be said.
    remark: RwSignal<Option<String>>,
    preferences: Preferences,
}

impl Seen {
    /// Of a terminal that is being opened.
    fn new() -> Self {
        Self {
            stage: RwSignal::new(Stage::Opening),
            next: RwSignal::new(None),
            selected: RwSignal::new(false),
            searching: RwSignal::new(false),
            found: RwSignal::new(None),
            remark: RwSignal::new(None),
            preferences: Preferences::of_page(),
        }
    }
}

/// A terminal.
#[component]
pub(crate) fn Terminal(
    /// What it is a terminal of.
    #[prop(into)]
    title: String,
    /// The websocket's path, with or without a query.
    #[prop(into)]
    socket: String,
    /// The session to go on with, which the page had before it was loaded again.
    before: Option<Remembered>,
    /// Whether what it prints is recorded.
    recorded: bool,
    /// Counts how often its reader turned to it: each time it comes into view and gets the keyboard.
    #[prop(into)]
    turned: Signal<u32>,
    /// Told when its reader wants it no more.
    on_close: Callback<()>,
) -> impl IntoView {
    let seen = Seen::new();
    let screen = NodeRef::<leptos::html::Div>::new();
    let section = NodeRef::<leptos::html::Section>::new();
    // Counts how often it was opened; each time begins anew.
    let opened = RwSignal::new(0_u32);
    let handle = Handle::run(What { title: title.clone(), socket, before }, screen, seen, opened);
    let full = full::Full::of(section);
    come(turned, handle);
    let badge = move || {
        let (tone, text) = seen.stage.get().badge();
        view! { <Badge tone text/> }
    };
    let (kind, told) = if recorded {
        (Tone::Bad, "What this shell prints is recorded. What you type is not, unless it is echoed.")
    } else {
        (Tone::Idle, "This project does not record its shells.")
    };
    let label = format!("Terminal of {title}");
    view! {
        <section class="shell" aria-label=label node_ref=section data-full=move || full.is_on().then_some("")>
            <header>
                <strong>{title.clone()}</strong>
                <span role="status">{badge}</span>
                <span class="recorded small" data-tone=kind.as_str() title=told>{if recorded { "Recorded" } else { "Not recorded" }}</span>
                <Tools title seen handle full on_close/>
            </header>
            {move || seen.searching.get().then(|| view! { <Find seen handle/> })}
            <Lost seen handle/>
            <div class="shell-screen" node_ref=screen><noscript>"A terminal needs scripts. The same from your machine: slipway shell."</noscript></div>
            <Below seen handle opened/>
        </section>
    }
    .into_any()
}

/// Comes into view with the keyboard whenever somebody turns to it.
fn come(turned: Signal<u32>, handle: Handle) {
    Effect::new(move |before: Option<u32>| {
        let now = turned.get();
        if now != 0 && before.is_some_and(|before| before != now) {
            // Once it is shown where another one was.
            request_animation_frame(move || handle.act(Act::Come));
        }
        now
    });
}

/// What can be done with a terminal.
#[component]
fn Tools(title: String, seen: Seen, handle: Handle, full: full::Full, on_close: Callback<()>) -> impl IntoView {
    let preferences = seen.preferences;
    view! {
        <div class="actions needs-script" role="group" aria-label=format!("Tools of {title}")>
            <button type="button" class="button button-small button-quiet" aria-pressed=move || seen.searching.get().to_string()
                aria-keyshortcuts="Control+Shift+F" title="Search in the output (Ctrl-Shift-F)" on:click=move |_| seen.searching.update(|on| *on = !*on)>"Search"</button>
            <button type="button" class="button button-small button-quiet" disabled=move || !seen.selected.get()
                aria-keyshortcuts="Control+Shift+C" title="Copy what is selected (Ctrl-Shift-C)" on:click=move |_| handle.act(Act::Copy)>"Copy"</button>
            <button type="button" class="button button-small button-quiet" disabled=move || seen.stage.with(Stage::is_over)
                aria-keyshortcuts="Control+Shift+V" title="Paste (Ctrl-Shift-V)" on:click=move |_| handle.act(Act::Paste)>"Paste"</button>
            <button type="button" class="button button-small button-quiet" aria-label="Smaller letters" title="Smaller letters"
                on:click=move |_| preferences.resize(-1)>"A\u{2212}"</button>
            <button type="button" class="button button-small button-quiet" aria-label="Larger letters" title="Larger letters"
                on:click=move |_| preferences.resize(1)>"A+"</button>
            <button type="button" class="button button-small button-quiet" aria-pressed=move || preferences.reader().to_string()
                title="Make the output readable for screen readers. It costs speed." on:click=move |_| preferences.toggle_reader()>"Screen reader"</button>
            <button type="button" class="button button-small button-quiet" aria-pressed=move || full.is_on().to_string()
                on:click=move |_| { full.toggle(); handle.act(Act::Focus); }>"Full screen"</button>
            <button type="button" class="icon-button" aria-label=format!("Close {title}") title="Close: the shell ends" on:click=move |_| on_close.run(())>
                <Sign icon=Icon::Cross/>
            </button>
        </div>
    }
    .into_any()
}

/// Says over the terminal that its connection is lost, and what happens next. What counts down is no news, so it is not read out.
#[component]
fn Lost(seen: Seen, handle: Handle) -> impl IntoView {
    let lost = Memo::new(move |_| seen.stage.with(|stage| *stage == Stage::Broken));
    let next = move || match seen.next.get() {
        Some(seconds) => format!("Trying again in {seconds} s."),
        None => String::from("Trying again now."),
    };
    view! {
        <div class="shell-over"><div class="shell-lost row small" data-on=move || lost.get().then_some("")>
            <span class="grow" role="status">{move || lost.get().then_some("No connection to the portal. It is tried again by itself, and what you type waits.")}</span>
            {move || lost.get().then(|| view! {
                <span>{next}</span>
                <button type="button" class="button button-small" on:click=move |_| handle.act(Act::Retry)>"Try now"</button>
            })}
        </div></div>
    }
    .into_any()
}

/// What there is to say, and what can be done when it is over.
#[component]
fn Below(seen: Seen, handle: Handle, opened: RwSignal<u32>) -> impl IntoView {
    let again = move || {
        let stage = seen.stage.get();
        let back = (stage == Stage::Replaced).then(|| {
            view! { <button type="button" class="button button-small" on:click=move |_| handle.act(Act::TakeBack)>"Take it back"</button> }
        });
        // Where the image has no shell it has none the next time either.
        let class = if matches!(stage, Stage::NoShell(..)) { "button button-small" } else { "button button-small button-primary" };
        stage.is_over().then(|| {
            view! {
                {back}
                <button type="button" class=class on:click=move |_| opened.update(|n| *n += 1)>"Open again"</button>
            }
        })
    };
    let note =
        move || seen.stage.get().note().map(|text| view! { <div class="shell-note row" role="alert"><span class="grow">{text}</span>{again}</div> });
    let answer = move || match seen.stage.get() {
        Stage::NoShell(_, answer) if !answer.is_empty() => Some(view! {
            <details class="shell-note small"><summary>"What the engine answered"</summary><code>{answer}</code></details>
        }),
        _ => None,
    };
    view! {
        {note}
        {answer}
        {move || seen.remark.get().map(|text| view! { <p class="shell-note" role="status">{text}</p> })}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_the_server_is_a_sentence() {
        let closed = |code: &str, message: &str| match refused(code, message) {
            Stage::Closed(text) => text,
            stage => format!("{stage:?}"),
        };
        assert_eq!(refused("replaced", "whatever"), Stage::Replaced);
        assert_eq!(closed("command_not_found", "this image has no command \"x\""), "This image has no command \"x\".");
        assert!(closed("lost", "x").contains("cannot be continued without a gap"));
        assert!(closed("stopping", "").contains("is stopping"));
        assert_eq!(closed("odd", ""), "The portal refused it: odd.");
    }

    #[test]
    fn an_image_without_a_shell_is_told_plainly_and_the_engine_by_itself() {
        let told = format!("{NO_SHELL}: none of bash, sh is in it (OCI runtime: exec: \"sh\" (sh): not found)");
        let stage = refused("command_not_found", &told);
        assert_eq!(stage, Stage::NoShell(format!("{NO_SHELL}: none of bash, sh is in it"), "OCI runtime: exec: \"sh\" (sh): not found".into()));
        let note = stage.note().expect("a note");
        assert!(note.starts_with("This image has no shell: none of bash, sh is in it. ") && !note.contains("OCI"), "{note}");
    }
}
